//! What a person may do in the CRM, as `VERB on Object`. A refusal outweighs a permission.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The rights of one person: `CREATE on Opportunity`, with `*` for every verb or object.
///
/// The verbs are `READ`, `CREATE`, `UPDATE` and `DELETE`; the objects are those of the records, `Account` and `Message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// What is permitted.
    pub allowed: BTreeSet<String>,
    /// What is refused in spite of it.
    pub refused: BTreeSet<String>,
}

impl Default for Rights {
    fn default() -> Self {
        Self {
            allowed: BTreeSet::from(["* on *".to_owned()]),
            refused: BTreeSet::new(),
        }
    }
}

impl Rights {
    /// Whether this may be done.
    pub fn allow(&self, verb: &str, object: &str) -> bool {
        let names =
            |rights: &BTreeSet<String>| rights.iter().any(|right| fits(right, verb, object));
        names(&self.allowed) && !names(&self.refused)
    }

    /// Everything but this.
    pub fn all_but(right: &str) -> Self {
        Self {
            refused: BTreeSet::from([right.to_owned()]),
            ..Self::default()
        }
    }
}

fn fits(right: &str, verb: &str, object: &str) -> bool {
    let same = |pattern: &str, word: &str| pattern == "*" || pattern == word;
    right
        .split_once(" on ")
        .is_some_and(|(verbs, objects)| same(verbs, verb) && same(objects, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_outweighs_a_permission() {
        let rights = Rights::all_but("CREATE on Opportunity");
        assert!(rights.allow("READ", "Opportunity"));
        assert!(rights.allow("CREATE", "Note"));
        assert!(!rights.allow("CREATE", "Opportunity"));
    }

    #[test]
    fn nothing_is_allowed_that_is_not_named() {
        let rights = Rights {
            allowed: BTreeSet::from(["READ on *".into()]),
            refused: BTreeSet::new(),
        };
        assert!(rights.allow("READ", "Account"));
        assert!(!rights.allow("DELETE", "Account"));
        assert!(
            !Rights {
                allowed: BTreeSet::from(["nonsense".into()]),
                refused: BTreeSet::new()
            }
            .allow("READ", "Account")
        );
    }
}
