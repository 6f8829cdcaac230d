//! Walking a chain: every record must be as it was written, in its place, with its side values unaltered or gone.

use crate::audit::personal::Personal;
use crate::audit::record::{GENESIS, Record};
use crate::audit::{Field, Hash};
use crate::ids::WorkspaceId;

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
            broken: None,
        }
    }

    /// Takes the next record with what the side table has for it. A value that was erased is simply absent.
    ///
    /// # Errors
    /// The first fault of the chain, also again at every later call.
    pub fn push(&mut self, record: &Record, personal: &[Personal]) -> Result<(), Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        match self.check(record, personal) {
            Ok(erased) => {
                self.seq = record.seq;
                self.hash = record.hash;
                self.erased += erased;
                Ok(())
            }
            Err((seq, why)) => {
                let broken = Broken { seq, why };
                self.broken = Some(broken.clone());
                Err(broken)
            }
        }
    }

    fn check(&self, record: &Record, personal: &[Personal]) -> Result<u64, (u64, String)> {
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
        // Both are at most as many as there are fields.
        Ok((record.commitments.0.len() - seen.len()) as u64)
    }

    /// Compares the end of what was pushed with a head or a checkpoint kept elsewhere: a tail that was cut off is seen only so.
    ///
    /// # Errors
    /// The record that is missing or not the one it was.
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
        Ok(())
    }

    /// The last record that was found right: its number and hash; 0 and [`GENESIS`] if there was none.
    pub fn head(&self) -> (u64, Hash) {
        (self.seq, self.hash)
    }

    /// How many personal values were found erased.
    pub fn erased(&self) -> u64 {
        self.erased
    }
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
