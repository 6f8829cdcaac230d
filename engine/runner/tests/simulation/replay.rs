//! What a seed did to the store, in order, with the answers: two lives of one seed are compared by it.

use std::time::Duration;

use actas_core::ids::{RunId, WorkerId, WorkspaceId};
use actas_store::model::weather::Did;
use actas_store::{Commit, CommitError, Op};

/// One thing that was done, and when.
#[derive(Debug, Clone)]
#[expect(
    dead_code,
    reason = "it is read as text, where two lives of a seed are compared"
)]
pub enum Act {
    Commit(i64, Commit, Option<&'static str>),
    Claim(i64, WorkerId, u32, Duration, u32, Vec<RunId>),
    Renew(i64, WorkerId, Vec<RunId>, Duration),
    Take(i64, WorkspaceId, String, i64, i64, Duration),
}

impl Act {
    pub fn of(at: i64, did: &Did<'_>) -> Option<Self> {
        Some(match did {
            Did::Commit(commit, answer) => {
                let refused = match answer {
                    Ok(()) => None,
                    Err(CommitError::Conflict { op, .. }) => Some(*op),
                    Err(_) => return None,
                };
                // There is one key in a store, and many workspaces here.
                if matches!(commit.ops.first(), Some(Op::SetKeyCheck { .. })) {
                    return None;
                }
                Self::Commit(at, (*commit).clone(), refused)
            }
            Did::Claim(worker, level, lease, limit, taken) => {
                let runs = taken.iter().map(|one| one.run.id.clone()).collect();
                Self::Claim(at, (*worker).clone(), *level, *lease, *limit, runs)
            }
            Did::Renew(worker, runs, lease) => {
                Self::Renew(at, (*worker).clone(), runs.to_vec(), *lease)
            }
            Did::Take(workspace, bucket, fill, whole, ahead) => Self::Take(
                at,
                (*workspace).clone(),
                (*bucket).to_owned(),
                *fill,
                *whole,
                *ahead,
            ),
        })
    }
}
