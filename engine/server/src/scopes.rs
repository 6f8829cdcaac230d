//! What an API token may be used for, of what its user may do. A scope narrows; nothing here gives a privilege.

use std::collections::BTreeSet;

use axum::http::Method;

use crate::routes::{Caller, Route};

/// One of the things a token may be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Start, watch, cancel, retry and replay runs.
    Runs,
    /// Read whatever its user may read.
    Read,
    /// Approve and decide in its user's name.
    Approvals,
    /// Change what its user may change: flows, connections, people.
    Manage,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Approvals, Self::Manage, Self::Read, Self::Runs];

    /// What a token is for if nobody says.
    pub const DEFAULT: [Self; 2] = [Self::Read, Self::Runs];

    /// The word in requests, answers and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Read => "read",
            Self::Approvals => "approvals",
            Self::Manage => "manage",
        }
    }

    /// The scope of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// What a route is about.
    fn asked(route: &Route) -> Self {
        let reads = matches!(route.method, Method::GET | Method::HEAD);
        if route.caller == Caller::Answering {
            Self::Approvals
        } else if is_about_runs(route.path) {
            Self::Runs
        } else if reads || route.path == "/api/v1/validate" {
            Self::Read
        } else {
            Self::Manage
        }
    }
}

/// Whether a path belongs to what a program does that runs flows, the page for its user's sign-in included.
fn is_about_runs(path: &str) -> bool {
    path.starts_with("/api/v1/runs")
        || matches!(
            path,
            "/api/v1/flows/{flow}/runs"
                | "/api/v1/flows/{flow}/accounts"
                | "/api/v1/flows/{flow}/sign-ins"
                | "/api/v1/me"
                | "/api/v1/me/requests"
        )
}

/// The scopes of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Those that a token's row names. A word that is none allows nothing.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        Self(
            words
                .into_iter()
                .filter_map(|word| Scope::of(word))
                .collect(),
        )
    }

    /// Those of a new token: what it was asked for. Approving comes on top of the usual, if it is all that was named.
    pub fn of_new(mut named: BTreeSet<Scope>) -> Self {
        if named.iter().all(|scope| *scope == Scope::Approvals) {
            named.extend(Scope::DEFAULT);
        }
        Self(named)
    }

    /// The words, in order.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.0.iter().map(|s| s.as_str().to_owned()).collect();
        words.sort();
        words
    }

    /// Whether there are none: then the token is no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a token may call a route.
    ///
    /// # Errors
    /// With the scope that it lacks.
    pub fn check(&self, route: &Route) -> Result<(), Scope> {
        let asked = Scope::asked(route);
        let reads = matches!(route.method, Method::GET | Method::HEAD);
        let enough = match asked {
            // Whoever may read at all sees runs too; whoever answers sees what is asked.
            Scope::Runs if reads => !self.0.is_empty(),
            Scope::Read => self.has(Scope::Read) || self.has(Scope::Manage),
            asked => self.has(asked),
        };
        if enough { Ok(()) } else { Err(asked) }
    }

    fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::routes::{Kind, table};

    #[test]
    fn what_belongs_to_runs_and_to_approving_is_known_and_all_else_is_read_or_managed() {
        let mut text = String::new();
        for scope in [Scope::Approvals, Scope::Runs] {
            let only = Scopes([scope].into());
            let _ = writeln!(text, "{}", scope.as_str());
            for route in table(false) {
                let takes = matches!(route.caller, Caller::Either | Caller::Answering);
                if route.kind == Kind::Api && takes && Scope::asked(&route) == scope {
                    let _ = writeln!(text, "  {route:?}");
                    assert!(only.check(&route).is_ok(), "{route:?}");
                }
            }
        }
        expect_test::expect![[r#"
            approvals
              POST /api/v1/runs/{run}/approve
              POST /api/v1/runs/{run}/decide
            runs
              GET /api/v1/flows/{flow}/accounts
              POST /api/v1/flows/{flow}/sign-ins
              POST /api/v1/flows/{flow}/runs
              GET /api/v1/runs
              GET /api/v1/runs/{run}
              GET /api/v1/runs/{run}/journal
              GET /api/v1/runs/{run}/events
              POST /api/v1/runs/{run}/cancel
              POST /api/v1/runs/{run}/retry
              POST /api/v1/runs/{run}/replay
              POST /api/v1/runs/{run}/callback
              GET /api/v1/me
              GET /api/v1/me/requests
        "#]]
        .assert_eq(&text);
        let none = Scopes::default();
        assert!(table(false).iter().all(|r| none.check(r).is_err()));
    }

    #[test]
    fn a_new_token_runs_and_reads_unless_something_else_is_said() {
        let of = |named: &[Scope]| Scopes::of_new(named.iter().copied().collect()).words();
        assert_eq!(of(&[]), ["read", "runs"]);
        assert_eq!(of(&[Scope::Approvals]), ["approvals", "read", "runs"]);
        assert_eq!(of(&[Scope::Read]), ["read"]);
        assert_eq!(
            of(&[Scope::Manage, Scope::Approvals]),
            ["approvals", "manage"]
        );
        let odd = ["everything".to_owned(), "Read".to_owned()];
        assert!(Scopes::of(&odd).is_empty());
    }
}
