//! One-time tokens of a terminal, in memory: they die with the process, and another process knows nothing of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actas_core::Time;
use actas_core::ids::{UserId, WorkspaceId};

use crate::gate::hash_of;
use crate::pages::terminal::LIVES;
use crate::secrets;
use crate::target::Target;

/// A person of a workspace.
pub type Person = (WorkspaceId, UserId);

/// The tokens that wait to be used, by hash.
#[derive(Debug, Default)]
pub struct Terminal {
    tokens: Mutex<HashMap<String, (Person, Target, Time)>>,
}

impl Terminal {
    /// A new token that logs a person in once and leads to a page.
    pub fn make(&self, user: Person, to: Target, now: Time) -> String {
        let token = secrets::new_token("");
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, (_, _, until)| *until > now);
        tokens.insert(hash_of(&token), (user, to, now.after(LIVES)));
        token
    }

    /// What a token is for.
    pub fn look(&self, token: &str, now: Time) -> Option<(Person, Target)> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, to, until) = tokens.get(&hash_of(token))?;
        (*until > now).then(|| (user.clone(), to.clone()))
    }

    /// Uses a token up.
    pub fn take(&self, token: &str, now: Time) -> Option<(Person, Target)> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, to, until) = tokens.remove(&hash_of(token))?;
        (until > now).then_some((user, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminals_token_works_once_and_not_for_ever() {
        let terminal = Terminal::default();
        let user = (WorkspaceId::from_bits(1), UserId::from_bits(1));
        let now = Time(0);
        let token = terminal.make(user.clone(), Target::Home, now);
        assert!(
            terminal.look(&token, now).is_some(),
            "looking uses nothing up"
        );
        assert_eq!(
            terminal.take(&token, now),
            Some((user.clone(), Target::Home))
        );
        assert_eq!(terminal.take(&token, now), None);
        let late = terminal.make(user, Target::Home, now);
        assert_eq!(terminal.take(&late, now.after(LIVES)), None);
        assert_eq!(terminal.take("guess", now), None);
    }
}
