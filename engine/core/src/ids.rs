//! Ids and names: one newtype each, so that none can stand in another's place.
//!
//! An id is a prefix and 26 characters of Crockford's base 32 around a time-ordered UUID (RFC 9562, version 7). The core
//! never makes one: whoever has the clock and the randomness hands the 128 bits in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not an id or a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct BadName {
    /// What was given, shortened.
    pub text: String,
    /// What would have been right, with its form.
    pub expected: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The 26 characters that 128 bits become; they sort as the bits do.
pub fn base32(bits: u128) -> String {
    (0..26)
        .rev()
        .map(|place| {
            let five = (bits >> (place * 5)) & 31;
            char::from(ALPHABET[usize::try_from(five).unwrap_or(0)])
        })
        .collect()
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The prefix all ids of this kind begin with.
            pub const PREFIX: &'static str = $prefix;
            /// The id around 128 bits that the caller made (a UUID of version 7).
            pub fn from_bits(bits: u128) -> Self {
                Self(format!("{}{}", $prefix, base32(bits)).into())
            }
            /// The id as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let rest = text.strip_prefix($prefix).unwrap_or_default();
                if rest.len() == 26 && rest.bytes().all(|b| ALPHABET.contains(&b)) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadName { text: text.chars().take(64).collect(), expected: concat!("an id of the form ", $prefix, "…") })
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> { text.parse() }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
    )*};
}

id! {
    /// The tenant; everything belongs to exactly one.
    WorkspaceId "ws_";
    /// A person of one workspace.
    UserId "usr_";
    /// A flow; a flow created again under an old name is another flow.
    FlowId "flw_";
    /// A frozen flow: a published version, or the immutable snapshot of a draft.
    VersionId "ver_";
    /// One execution of a version.
    RunId "run_";
    /// Stored credentials for one account at one app.
    ConnectionId "con_";
    /// How the workspace is known to an app.
    ClientId "cli_";
    /// One pending request that a person authenticate to an app.
    SignInId "si_";
    /// One row of a run's inbox.
    InboxId "inb_";
    /// What stands in a webhook's address; made of bits that nobody can guess.
    HookId "hk_";
    /// One question to people that a run waits for: an approval, a decision.
    RequestId "rq_";
    /// What is to be said to somebody who is asked for something.
    NoticeId "not_";
    /// Tokens that their provider is still to be told of.
    RevocationId "rvk_";
    /// A process that performs steps, for as long as it lives.
    WorkerId "wrk_";
}

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident $expected:literal $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) }
                else { Err(BadName { text: text.chars().take(64).collect(), expected: $expected }) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
    )*};
}

fn kebab(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn snake(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn module_ref(text: &str) -> bool {
    matches!(text.split_once('.'), Some((app, module)) if snake(app) && snake(module))
}

name! {
    /// A flow's name, unique in a workspace.
    FlowName "a flow name: 1 to 63 of a-z, 0-9 and -" kebab;
    /// A step's id inside its flow.
    StepId "a step id: 1 to 63 of a-z, 0-9 and _, not beginning with a digit" snake;
    /// A slot's name inside its flow.
    SlotName "a connection name: 1 to 63 of a-z, 0-9 and _, not beginning with a digit" snake;
    /// An app's name.
    AppName "an app name: 1 to 63 of a-z, 0-9 and _, not beginning with a digit" snake;
    /// A module with its app, `sandbox_crm.create_record`.
    ModuleRef "a module: app and module joined by a point, such as `core.set`" module_ref;
    /// The name of a shared connection, an app client or a named secret.
    Name "a name: 1 to 63 of a-z, 0-9 and -" kebab;
    /// The name of a value of the workspace, `vars.NAME` in expressions.
    VarName "a name: 1 to 63 of a-z, 0-9 and _, not beginning with a digit" snake;
}

impl ModuleRef {
    /// The app's part of the name.
    pub fn app(&self) -> AppName {
        AppName(self.0.split('.').next().unwrap_or_default().into())
    }

    /// The module's part of the name.
    pub fn module(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }
}

/// The name of a step instance in a run, such as `lines[37]/add`; in a plan, of a step: `lines/add`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(Box<str>);

impl StepPath {
    /// The path of a step that stands at the top of its flow.
    pub fn top(step: &StepId) -> Self {
        Self(step.0.clone())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of something inside what this one names: `lines[37]` and `add` give `lines[37]/add`.
    #[must_use]
    pub fn within(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0).into())
    }

    /// The path of an item or a round: `lines` and 37 give `lines[37]`.
    #[must_use]
    pub fn numbered(&self, index: u64) -> Self {
        Self(format!("{}[{index}]", self.0).into())
    }

    /// The path of what stands around what this one names: of `lines[37]/add`, `lines[37]`; of a step at the top nothing.
    #[must_use]
    pub fn around(&self) -> Option<Self> {
        let (around, _) = self.0.rsplit_once('/')?;
        Some(Self(around.into()))
    }

    /// The path as one segment of an address, in letters that nobody encodes: `lines[37]/add` is `lines.37~add`.
    pub fn in_address(&self) -> String {
        self.0.replace('[', ".").replace(']', "").replace('/', "~")
    }

    /// The path that [`Self::in_address`] wrote.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_address(text: &str) -> Result<Self, BadName> {
        let part = |part: &str| match part.split_once('.') {
            Some((step, number)) => format!("{step}[{number}]"),
            None => part.to_owned(),
        };
        let parts: Vec<String> = text.split('~').map(part).collect();
        parts.join("/").parse()
    }
}

/// Whether a text is one part of a path: a step's id, with the number of an item or round.
fn path_part(text: &str) -> bool {
    let (step, number) = match text.strip_suffix(']').and_then(|t| t.split_once('[')) {
        Some((step, number)) => (step, Some(number)),
        None => (text, None),
    };
    snake(step)
        && number.is_none_or(|number| {
            (1..=9).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit())
                && (number == "0" || !number.starts_with('0'))
        })
}

impl FromStr for StepPath {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.len() <= 2_500 && text.split('/').all(path_part) {
            Ok(Self(text.into()))
        } else {
            Err(BadName {
                text: text.chars().take(64).collect(),
                expected: "the path of a step, such as `add` or `lines[37]/add`",
            })
        }
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for StepPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_sorts_as_its_bits_and_is_read_back() {
        let (small, large) = (RunId::from_bits(7), RunId::from_bits(u128::MAX));
        assert!(small < large);
        assert_eq!(large.as_str().parse(), Ok(large.clone()));
        assert!("con_00000000000000000000000000".parse::<RunId>().is_err());
    }

    #[test]
    fn a_path_goes_through_an_address_and_comes_back() {
        for (path, address) in [
            ("add", "add"),
            ("lines[37]/add", "lines.37~add"),
            ("a[0]/b[12]/on_error/c_1", "a.0~b.12~on_error~c_1"),
        ] {
            let parsed: StepPath = path.parse().expect("a path");
            assert_eq!(parsed.in_address(), address);
            assert_eq!(StepPath::from_address(address), Ok(parsed));
        }
        for odd in [
            "", "a/", "/a", "a[]", "a[01]", "a[1", "A", "a[1]b", "a.1", "a b", "a[-1]",
        ] {
            assert!(odd.parse::<StepPath>().is_err(), "{odd}");
        }
        for odd in [
            "", "a.", "a..1", "a~~b", "a[1]b", "a.x", "A", "~a", "a/../b",
        ] {
            assert!(StepPath::from_address(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_module_names_its_app() {
        let module: ModuleRef = "sandbox_crm.create_record".parse().expect("well formed");
        assert_eq!(
            (module.app().as_str(), module.module()),
            ("sandbox_crm", "create_record")
        );
        assert!("create_record".parse::<ModuleRef>().is_err());
    }
}
