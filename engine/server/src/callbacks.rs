//! A callback that came for a waiting step, by its address or by its run's people: checked against what the step takes, used up and handed to the
//! run in one commit. It may come before the step is reached; then the run keeps it for the step.

use actas_core::audit::Draft;
use actas_core::ids::{InboxId, StepPath};
use actas_core::run::Refused;
use actas_store::{Commit, CommitError, InboxMessage, InboxRow, Op, Reader, RunRow, system};
use axum::http::StatusCode;
use serde_json::Value;

use crate::app::App;
use crate::call::Call;
use crate::problem::Problem;
use crate::requests::AnswerError;

/// The largest body a payload comes in, in bytes: the run keeps it in its journal, and in memory as long as it goes on.
const LARGEST: usize = 1 << 20;

/// Whether a call is small enough, whoever brings it.
///
/// # Errors
/// 413.
pub fn fits(call: &Call) -> Result<(), Problem> {
    if call.body.len() <= LARGEST {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("a payload has at most {LARGEST} bytes"),
    ))
}

/// What came.
#[derive(Debug)]
pub struct Brought {
    /// For which run.
    pub run: RunRow,
    /// For which of its steps.
    pub step: StepPath,
    /// With what.
    pub payload: Value,
}

/// Takes a callback: durable when this returns.
///
/// # Errors
/// [`Refused`]: no step that waits so, over, used before, or a payload that does not fit.
pub async fn take(
    app: &App,
    reader: &Reader,
    brought: Brought,
    mut draft: Draft,
) -> Result<(), AnswerError> {
    let Brought { run, step, payload } = brought;
    if reader.callback_used(&run.id, &step).await? {
        return Err(Refused::Used.into());
    }
    if run.ended_at.is_some() {
        return Err(Refused::RunEnding.into());
    }
    let Some(loaded) = app.runner.load(reader.workspace(), &run.id).await? else {
        return Err(Refused::NotFound.into());
    };
    // Whether it fits is judged by the run as it stands; whether it came before, by the commit.
    loaded.takes_callback(&step, &payload, system::now())?;
    draft.step = Some(step.to_string());
    draft.flow = Some(loaded.plan.flow.flow.to_string());
    let workspace = reader.workspace().clone();
    let at = system::now();
    let commit = Commit {
        ops: vec![
            Op::UseCallback {
                workspace: workspace.clone(),
                run: run.id.clone(),
                step: step.clone(),
            },
            Op::PutInbox {
                workspace,
                inbox: InboxRow {
                    id: InboxId::from_bits(system::new_bits()),
                    run: run.id.clone(),
                    message: InboxMessage::CalledBack {
                        step: step.clone(),
                        payload,
                    },
                    at,
                },
            },
        ],
        audit: vec![draft],
    };
    match app.store.commit(commit).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict { .. }) => Err(if reader.callback_used(&run.id, &step).await? {
            Refused::Used.into()
        } else {
            Refused::RunEnding.into()
        }),
        Err(error) => Err(error.into()),
    }
}
