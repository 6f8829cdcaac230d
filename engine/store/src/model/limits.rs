//! What operations on the lines of flows mean, said a second time: the line is sorted and gone through, whoever can go in goes in.

use std::collections::BTreeSet;
use std::time::Duration;

use actas_core::ids::{FlowId, WorkspaceId};

use crate::model::ops::{Done, demand};
use crate::model::{Model, Tables};
use crate::op::Op;
use crate::rows::*;

/// What a flow said last about its runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    pub limit: Option<u32>,
    pub last_ticket: i64,
}

impl Tables {
    pub(super) fn apply_to_line(&mut self, op: &Op) -> Done {
        match op {
            Op::Enter(admission) => {
                self.line_up(admission);
                self.let_in(&admission.workspace, &admission.flow);
                let key = (admission.workspace.clone(), admission.run.clone());
                let entered = self
                    .admissions
                    .get(&key)
                    .is_some_and(|row| row.state == AdmissionState::Active);
                demand(entered, "the flow is full")
            }
            Op::Queue { admission, epoch } => {
                self.line_up(admission);
                let key = (admission.workspace.clone(), admission.run.clone());
                let queued = self
                    .admissions
                    .get(&key)
                    .is_some_and(|row| row.state == AdmissionState::Queued);
                let run = self.runs.get_mut(&key).ok_or("no such run")?;
                let ours = run.owner.is_some() || run.state == "queued";
                let held = run.ended_at.is_none() && run.epoch == *epoch && ours;
                demand(held && queued, "is fenced off")?;
                "queued".clone_into(&mut run.state);
                (run.owner, run.lease_until, run.due_at) = (None, None, None);
                self.let_in(&admission.workspace, &admission.flow);
                Ok(())
            }
            Op::StepAside {
                workspace,
                flow,
                run,
                epoch,
            } => {
                self.next_change(workspace, flow);
                let key = (workspace.clone(), run.clone());
                let given_up = self
                    .runs
                    .get(&key)
                    .is_some_and(|run| run.owner.is_none() && run.epoch == *epoch);
                if given_up
                    && let Some(row) = self.admissions.get_mut(&key)
                    && row.state == AdmissionState::Active
                {
                    row.state = AdmissionState::Paused;
                }
                self.let_in(workspace, flow);
                Ok(())
            }
            Op::Leave {
                workspace,
                flow,
                run,
            } => {
                self.next_change(workspace, flow);
                self.admissions.remove(&(workspace.clone(), run.clone()));
                self.let_in(workspace, flow);
                Ok(())
            }
            _ => Err("is not about lines"),
        }
    }

    fn next_change(&mut self, workspace: &WorkspaceId, flow: &FlowId) {
        if let Some(gate) = self.gates.get_mut(&(workspace.clone(), flow.clone())) {
            gate.last_ticket += 1;
        }
    }

    fn line_up(&mut self, a: &Admission) {
        let gate = self
            .gates
            .entry((a.workspace.clone(), a.flow.clone()))
            .or_default();
        gate.limit = a.limit;
        gate.last_ticket += 1;
        let ticket = gate.last_ticket;
        let row = self
            .admissions
            .entry((a.workspace.clone(), a.run.clone()))
            .or_insert_with(|| AdmissionRow {
                run: a.run.clone(),
                flow: a.flow.clone(),
                key: a.key.clone(),
                state: AdmissionState::Paused,
                entered: false,
                ticket,
                since: a.at,
            });
        if row.state == AdmissionState::Paused {
            (row.state, row.ticket, row.since) = (AdmissionState::Queued, ticket, a.at);
        }
    }

    fn let_in(&mut self, workspace: &WorkspaceId, flow: &FlowId) {
        let Some(gate) = self.gates.get(&(workspace.clone(), flow.clone())).cloned() else {
            return;
        };
        let mut line: Vec<&mut AdmissionRow> = self
            .admissions
            .iter_mut()
            .filter(|((ws, _), row)| ws == workspace && row.flow == *flow)
            .map(|(_, row)| row)
            .collect();
        line.sort_by_key(|row| (row.ticket, row.run.clone()));
        let active = line
            .iter()
            .filter(|row| row.state == AdmissionState::Active)
            .count();
        let mut places = gate
            .limit
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0))
            .saturating_sub(active);
        let mut taken: BTreeSet<String> = line
            .iter()
            .filter(|row| row.entered)
            .filter_map(|row| row.key.clone())
            .collect();
        for row in line {
            if row.state != AdmissionState::Queued {
                continue;
            }
            let free = row.entered || row.key.as_ref().is_none_or(|key| !taken.contains(key));
            // Whoever is before it in the line has the key before it, although it may have to wait for a place.
            taken.extend(row.key.clone());
            if !free || places == 0 {
                continue;
            }
            places -= 1;
            (row.state, row.entered, row.ticket) = (AdmissionState::Active, true, gate.last_ticket);
            let key = (workspace.clone(), row.run.clone());
            if let Some(run) = self.runs.get_mut(&key)
                && run.state == "queued"
            {
                "running".clone_into(&mut run.state);
            }
        }
    }

    pub(super) fn let_out(&mut self, workspace: &WorkspaceId, inbox: &InboxRow) {
        if !matches!(inbox.message, InboxMessage::Cancel { .. }) {
            return;
        }
        let key = (workspace.clone(), inbox.run.clone());
        let queued = self
            .runs
            .get(&key)
            .filter(|run| run.state == "queued")
            .map(|run| run.flow.clone());
        if let Some(flow) = queued {
            self.next_change(workspace, &flow);
        }
        let unbegun = |row: &AdmissionRow| row.state == AdmissionState::Queued && !row.entered;
        if self.admissions.get(&key).is_some_and(unbegun) {
            self.admissions.remove(&key);
        }
        if !self.admissions.contains_key(&key)
            && let Some(run) = self.runs.get_mut(&key)
            && run.state == "queued"
        {
            "running".clone_into(&mut run.state);
        }
    }
}

impl Model {
    /// Promises the next call of a bucket and says how far ahead it is.
    pub(crate) fn take(
        &self,
        workspace: &WorkspaceId,
        bucket: &str,
        fill: i64,
        whole: i64,
    ) -> Duration {
        let now = self.now().micros();
        let mut tables = self.tables();
        let key = (workspace.clone(), bucket.to_owned());
        let filled_to = tables.rates.entry(key).or_insert(now);
        *filled_to = now.max(*filled_to) + fill;
        crate::write::limits::ahead(*filled_to - whole - now)
    }
}
