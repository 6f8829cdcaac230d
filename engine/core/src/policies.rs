//! What a workspace has decided for everybody in it. One document; what it does not say keeps its default, so that a new policy changes
//! nothing by itself. Must not hold what only the operator of the machine may say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::FlowName;
use crate::yaml::{duration, format_duration};

/// The policies of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Whoever owns a parent connection acts with the parent itself, without a connection of their own.
    pub owner_uses_parent: bool,
    /// Nobody publishes a draft that they saved last themselves.
    pub publish_by_another: bool,
    /// Which accounts people may connect.
    pub account_guard: AccountGuard,
    /// Slots that act as whoever runs the flow take OAuth 2 only.
    pub oauth2_only: bool,
    /// How people learn that something waits for them.
    pub notify: Notify,
    /// How long before the deadline people are told once more.
    #[serde(with = "written")]
    pub remind_before: Duration,
    /// After how many days without use a connection is listed as unused.
    pub unused_after: u32,
    /// How many days audit records are kept; none: for ever.
    pub audit_keep: Option<u32>,
}

/// Which accounts people may connect for themselves, by the e-mail address that the app names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountGuard {
    /// Only the address that Actas knows of them.
    pub same_email: bool,
    /// Only addresses of these domains; empty: of any.
    pub domains: Vec<String>,
}

/// How people learn that something waits for them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// By e-mail, where the server can send it.
    pub email: bool,
    /// By a flow that is told person, run and link.
    pub flow: Option<FlowName>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            owner_uses_parent: false,
            publish_by_another: false,
            account_guard: AccountGuard::default(),
            oauth2_only: false,
            notify: Notify::default(),
            remind_before: Duration::from_secs(24 * 3600),
            unused_after: 90,
            audit_keep: None,
        }
    }
}

/// The longest time that is counted in days here: a hundred years.
const MOST_DAYS: u32 = 36_525;

/// Whoever may set policies must not be able to let go of what nobody has had the time to review.
const LEAST_AUDIT_DAYS: u32 = 90;

impl Policies {
    /// What of it cannot be: the field and what to do, one line each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for domain in &self.account_guard.domains {
            if !is_domain(domain) {
                faults.push(format!(
                    "`account_guard.domains`: `{domain}` is no domain: write one such as `example.com`, in small letters"
                ));
            }
        }
        if self.remind_before > Duration::from_secs(7 * 24 * 3600) {
            faults.push("`remind_before`: at most `7d`, which is as long as a pause lasts".into());
        }
        for (name, least, days) in [
            ("unused_after", 1, Some(self.unused_after)),
            ("audit_keep", LEAST_AUDIT_DAYS, self.audit_keep),
        ] {
            if days.is_some_and(|days| !(least..=MOST_DAYS).contains(&days)) {
                faults.push(format!(
                    "`{name}`: a number of days from {least} to {MOST_DAYS}"
                ));
            }
        }
        faults
    }
}

fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

/// A duration as people write it: `1d`.
mod written {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::{Duration, duration, format_duration};

    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_duration(*value))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        duration(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is not a duration: write one such as `1d` or `12h`"
            ))
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop where it fails")]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_keeps_its_default_and_what_is_unknown_is_refused() {
        let read = |text: &str| serde_json::from_str::<Policies>(text);
        assert_eq!(read("{}").unwrap(), Policies::default());
        expect_test::expect![[
            r#"{"owner_uses_parent":false,"publish_by_another":false,"account_guard":{"same_email":false,"domains":[]},"oauth2_only":false,"notify":{"email":false,"flow":null},"remind_before":"1d","unused_after":90,"audit_keep":null}"#
        ]]
        .assert_eq(&serde_json::to_string(&Policies::default()).unwrap());
        let some = read(r#"{"remind_before": "12h", "account_guard": {"same_email": true}}"#);
        let some = some.unwrap();
        assert_eq!(some.remind_before, Duration::from_secs(12 * 3600));
        assert!(some.account_guard.same_email && some.account_guard.domains.is_empty());
        for odd in [
            r#"{"owner_uses_parents": true}"#,
            r#"{"account_guard": {"domain": []}}"#,
            r#"{"remind_before": "soon"}"#,
            r#"{"notify": {"flow": "No Flow"}}"#,
            r#"{"audit_keep": -1}"#,
        ] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_cannot_be_is_said_all_at_once() {
        assert!(Policies::default().faults().is_empty());
        let policies = Policies {
            account_guard: AccountGuard {
                same_email: false,
                domains: vec!["ok.example".into(), "@x.org".into(), "X.org".into()],
            },
            remind_before: Duration::from_secs(8 * 24 * 3600),
            unused_after: 0,
            audit_keep: Some(0),
            ..Policies::default()
        };
        assert_eq!(policies.faults().len(), 5, "{:#?}", policies.faults());
    }
}
