//! Walking a chain: every record must be as it was written, in its place, with its side values unaltered, or erased as a later record says.

use std::collections::BTreeMap;

use crate::audit::personal::Personal;
use crate::audit::record::{GENESIS, Record};
use crate::audit::{Field, Hash};
use crate::ids::{UserId, WorkspaceId};

/// The action of a record that says: what was personal of the user it names is gone from all records before it.
pub const ERASED: &str = "audit.erased";

/// The action of a record that says: the records up to the one it names were let go, as the time to keep them was over.
pub const CUT: &str = "audit.cut";

/// The first record that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} {why}")]
pub struct Broken {
    /// Which.
    pub seq: u64,
    /// What is wrong with it: the rest of a sentence that begins with the record.
    pub why: String,
}

/// Takes the records of one workspace in order, one by one. It stops at the first fault: what stands behind it proves nothing.
#[derive(Debug, Clone)]
pub struct Verifier {
    workspace: WorkspaceId,
    seq: u64,
    hash: Hash,
    erased: u64,
    /// For each person, the first of their values that is missing and that no erasure has accounted for yet.
    owed: BTreeMap<UserId, (u64, Field)>,
    /// What was cut off before the first record, until a record has said so.
    cut: Option<(u64, Hash)>,
    broken: Option<Broken>,
}

impl Verifier {
    /// From the first record on.
    pub fn new(workspace: WorkspaceId) -> Self {
        Self::after(workspace, 0, GENESIS)
    }

    /// From behind a record that is trusted: its number and its hash, as a checkpoint has them.
    pub fn after(workspace: WorkspaceId, seq: u64, hash: Hash) -> Self {
        Self {
            workspace,
            seq,
            hash,
            erased: 0,
            owed: BTreeMap::new(),
            cut: None,
            broken: None,
        }
    }

    /// From behind the last record that was let go: a later record must say that it was, see [`CUT`].
    pub fn behind_cut(workspace: WorkspaceId, seq: u64, hash: Hash) -> Self {
        Self {
            cut: (seq > 0).then_some((seq, hash)),
            ..Self::after(workspace, seq, hash)
        }
    }

    /// Takes the next record with what the side table has for it. A value that was erased is simply absent; whether a later record says that
    /// its person was erased shows only at the end, see [`Self::check_missing`].
    ///
    /// # Errors
    /// The first fault of the chain, also again at every later call.
    pub fn push(&mut self, record: &Record, personal: &[Personal]) -> Result<(), Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        match self.check(record, personal) {
            Ok(missing) => {
                self.seq = record.seq;
                self.hash = record.hash;
                if let Some(user) = record.erases() {
                    self.owed.remove(&user);
                }
                if self.cut.is_some() && record.cuts() == self.cut {
                    self.cut = None;
                }
                for (field, whose) in missing {
                    self.erased += 1;
                    self.owed.entry(whose).or_insert((record.seq, field));
                }
                Ok(())
            }
            Err((seq, why)) => {
                let broken = Broken { seq, why };
                self.broken = Some(broken.clone());
                Err(broken)
            }
        }
    }

    /// What is missing of a record that is right otherwise, and whose it was.
    fn check(
        &self,
        record: &Record,
        personal: &[Personal],
    ) -> Result<Vec<(Field, UserId)>, (u64, String)> {
        let (last, expected) = (self.seq, self.seq.saturating_add(1));
        if record.seq > expected {
            let found = record.seq;
            return Err((
                expected,
                format!("is missing: after {last} comes {found} (it was deleted)"),
            ));
        }
        let fault = |why: String| Err((record.seq, why));
        if record.seq < expected {
            return fault(format!(
                "stands behind record {last} (it was inserted or the order changed)"
            ));
        }
        if record.workspace != self.workspace {
            return fault("belongs to the chain of another workspace".to_owned());
        }
        if record.computed_hash() != record.hash {
            return fault("was altered: its fields do not give its hash".to_owned());
        }
        if record.prev != self.hash {
            return fault(if last == 0 {
                "does not begin the chain: it was written behind another record".to_owned()
            } else {
                format!(
                    "was not written behind record {last} as that now is (one of the two was replaced)"
                )
            });
        }
        values_of(record, personal).map_err(|why| (record.seq, why))
    }

    /// Whether everything that is missing is accounted for: records before the first by one that says they were let go, personal values by one that
    /// says their person was erased. For the end of a chain: what accounts for it stands behind it.
    ///
    /// # Errors
    /// The first record that is missing, or has lost a value, for no reason; or the first fault of the chain.
    pub fn check_missing(&self) -> Result<(), Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if let Some((seq, _)) = self.cut {
            return Err(Broken {
                seq,
                why: format!(
                    "and all before it are missing, and no record says that they were let go as `{CUT}` does (they were deleted)"
                ),
            });
        }
        let first = self
            .owed
            .iter()
            .min_by_key(|(_, (seq, field))| (*seq, *field));
        first.map_or(Ok(()), |(user, (seq, field))| {
            Err(Broken {
                seq: *seq,
                why: format!(
                    "has lost its personal value `{}`, and no later record says that {user} was erased (it was deleted)",
                    field.as_str()
                ),
            })
        })
    }

    /// Compares the end of what was pushed with a head or a checkpoint kept elsewhere: a tail that was cut off is seen only so. Then
    /// [`Self::check_missing`].
    ///
    /// # Errors
    /// The record that is missing or not the one it was, or that has lost a value.
    pub fn check_head(&self, seq: u64, hash: Hash) -> Result<(), Broken> {
        let fault = |seq, why: String| Err(Broken { seq, why });
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if self.seq < seq {
            return fault(
                self.seq + 1,
                format!(
                    "is missing: the chain ends here and should end with {seq} (the tail was cut off)"
                ),
            );
        }
        if self.seq > seq {
            return fault(
                seq.saturating_add(1),
                format!("is not known: the chain should end with {seq} (it was added)"),
            );
        }
        if self.hash != hash {
            return fault(
                seq,
                "is not the one that the head names (it was replaced)".to_owned(),
            );
        }
        self.check_missing()
    }

    /// The last record that was found right: its number and hash; 0 and [`GENESIS`] if there was none.
    pub fn head(&self) -> (u64, Hash) {
        (self.seq, self.hash)
    }

    /// How many personal values were found missing.
    pub fn erased(&self) -> u64 {
        self.erased
    }
}

/// Whether the personal values of a record are what it is committed to; and which are missing, with whose they were.
///
/// # Errors
/// What is wrong with them: the rest of a sentence that begins with the record.
pub(super) fn values_of(
    record: &Record,
    personal: &[Personal],
) -> Result<Vec<(Field, UserId)>, String> {
    let fault = Err;
    let mut seen = Vec::with_capacity(personal.len());
    for value in personal {
        let name = value.field.as_str();
        match record.commitments.0.get(&value.field) {
            None => {
                return fault(format!(
                    "never had a personal value `{name}` (it was added)"
                ));
            }
            Some(_) if seen.contains(&value.field) => {
                return fault(format!("has two personal values `{name}`"));
            }
            Some(commitment) if *commitment != value.commitment() => {
                return fault(format!(
                    "has another personal value `{name}` than when it was written"
                ));
            }
            Some(_) => seen.push(value.field),
        }
    }
    let mut missing = Vec::new();
    for field in erased(record, personal) {
        match record.whose(field) {
            Some(whose) => missing.push((field, whose.clone())),
            None => {
                return fault(format!(
                    "has lost its personal value `{}`, which belongs to nobody who could be erased (it was deleted)",
                    field.as_str()
                ));
            }
        }
    }
    Ok(missing)
}

/// Which personal values of a record are no longer there.
pub(super) fn erased(record: &Record, personal: &[Personal]) -> Vec<Field> {
    record
        .commitments
        .0
        .keys()
        .copied()
        .filter(|field| !personal.iter().any(|value| value.field == *field))
        .collect()
}
