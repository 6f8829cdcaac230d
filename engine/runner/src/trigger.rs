//! Runs that nobody starts: the clock does, or another system. They act for nobody, so nobody's account is theirs to use.

use std::sync::Arc;

use actas_core::audit;
use actas_core::flow::{Plan, SlotKind};
use actas_core::ids::{RunId, UserId};
use actas_core::run::{Event, Run};
use actas_store::{Op, ReadError, RunRow, system};

use crate::drive::line::line_up;
use crate::plans::Version;
use crate::record::{Origin, audit_of, journal_row};
use crate::runner::{CreateError, Inner, NewRun};

/// Who stands where a person's id must, in a run that acts for nobody. It is no user's: ids are made of the time.
pub fn nobody() -> UserId {
    UserId::from_bits(0)
}

/// Whether a flow can run for nobody: none of its connections is dynamic. Said when it is written and published; looked at once more here.
pub fn acts_for_nobody(plan: &Plan) -> Result<(), CreateError> {
    let dynamic = plan.slots.iter().find(
        |slot| matches!(&slot.slot.kind, SlotKind::Dynamic(dynamic) if dynamic.switched_off().is_none()),
    );
    match dynamic {
        Some(slot) => Err(CreateError::NobodysSlot(slot.name.clone())),
        None => Ok(()),
    }
}

/// What makes a run that nobody holds yet.
#[derive(Debug)]
pub struct Unheld {
    /// To be written together.
    pub ops: Vec<Op>,
    /// With these records.
    pub audit: Vec<audit::Draft>,
}

/// Why there is none.
#[derive(Debug)]
pub enum Unborn {
    /// The store is away.
    Read(ReadError),
    /// It never will be: the code and why.
    Never(&'static str, String),
}

/// A run that acts for nobody, as if whoever made it had held it and let it go: whoever claims it first performs it.
pub async fn unheld(inner: &Inner, new: &NewRun, version: &Arc<Version>) -> Result<Unheld, Unborn> {
    let at = system::now();
    let id = RunId::from_bits(system::new_bits());
    let vars = version
        .vars(&inner.store, &new.workspace)
        .await
        .map_err(Unborn::Read)?;
    let created = new.created(&id, version, vars, at);
    let origin = Origin {
        actor: new.actor.clone(),
        ip: None,
        agent: None,
    };
    let event = Event::RunCreated(Box::new(created.clone()));
    let mut run = Run::new(version.plan.clone());
    run.apply(&event)
        .map_err(|illegal| Unborn::Never("illegal", illegal.to_string()))?;
    let row = RunRow {
        id: id.clone(),
        workspace: new.workspace.clone(),
        flow: created.flow.clone(),
        version: created.version.clone(),
        level: created.level,
        invoker: None,
        parent: None,
        retry_of: None,
        entry: created.entry.as_str().into(),
        state: run.state_name(at).to_owned(),
        created_at: at,
        ended_at: None,
        due_at: run.next_due(at),
        epoch: 1,
        owner: None,
        lease_until: None,
    };
    let turn = run
        .turn()
        .map_err(|error| Unborn::Never("concurrency_key", error.message))?;
    let audit = audit_of(&new.workspace, &created, Some(&origin), &event);
    let mut ops = vec![Op::AddRun {
        run: row,
        journal: journal_row(&id, 1, vec![event], at),
        idempotency: None,
    }];
    line_up(&mut ops, &new.workspace, &run, turn.as_ref());
    Ok(Unheld {
        ops,
        audit: audit.into_iter().collect(),
    })
}
