//! What holds: all along, and in the end.

use std::collections::{BTreeMap, BTreeSet};

use actas_core::audit::Verifier;
use actas_core::run::{Run, decide, upcast};
use actas_store::{RunRow, Store};
use serde_json::Value;

use crate::world::World;

/// The first word of a value.
pub fn word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split([' ', '{', '('])
        .next()
        .unwrap_or_default()
        .to_owned()
}

impl World {
    fn store(&self) -> &Store {
        &self.base
    }

    /// What holds whenever nobody is in the middle of something.
    pub fn check_now(&self, before: &mut BTreeMap<String, RunRow>) {
        for row in self.runs() {
            self.sky.state().see(&format!("run: {}", row.state));
            let reason = row.owner.is_some()
                || row.ended_at.is_some()
                || matches!(row.state.as_str(), "running" | "queued")
                || row.due_at.is_some()
                || self.is_awaited(&row);
            assert!(
                reason,
                "{} is {} and has no reason to wait: {row:?}",
                row.id, row.state
            );
            if let Some(old) = before.get(row.id.as_str()) {
                assert!(old.epoch <= row.epoch, "an epoch fell: {old:?} {row:?}");
                assert!(
                    old.ended_at.is_none()
                        || (&old.state, old.ended_at) == (&row.state, row.ended_at),
                    "an end did not last: {old:?} {row:?}"
                );
            }
            before.insert(row.id.to_string(), row);
        }
    }

    /// Whether something will come into its inbox, or has.
    fn is_awaited(&self, row: &RunRow) -> bool {
        futures::executor::block_on(async {
            let reader = self.store().reader(&self.workspace);
            !self
                .store()
                .inbox(&self.workspace, &row.id)
                .await
                .unwrap()
                .is_empty()
                || !reader.living_children(&row.id).await.unwrap().is_empty()
        })
    }

    /// What a run would do now, noted for what was reached.
    pub fn look_into(&self) {
        let now = actas_core::Time(self.sky.now());
        for row in self.runs() {
            if row.ended_at.is_some() {
                continue;
            }
            let run = self.fold(&row);
            let mut state = self.sky.state();
            for command in decide(&run, now) {
                state.see(&format!("command: {}", word(&command)));
            }
        }
    }

    fn plan_of(&self, row: &RunRow) -> std::sync::Arc<actas_core::flow::Plan> {
        let (text, _) = self
            .versions
            .iter()
            .find(|(_, id)| **id == row.version)
            .unwrap();
        crate::flows::plan(text)
    }

    /// The fold of a journal, every event of it legal and every row of it there.
    fn fold(&self, row: &RunRow) -> Run {
        let reader = self.store().reader(&self.workspace);
        let journal = futures::executor::block_on(reader.journal(&row.id)).unwrap();
        let mut run = Run::new(self.plan_of(row));
        for (at, line) in journal.iter().enumerate() {
            assert_eq!(
                line.seq,
                i64::try_from(at).unwrap() + 1,
                "a hole in {}",
                row.id
            );
            for event in upcast(line.v, &line.body).unwrap().events {
                self.sky.state().see(&format!("event: {}", word(&event)));
                run.apply(&event)
                    .unwrap_or_else(|illegal| panic!("{}: row {}: {illegal}", row.id, line.seq));
            }
        }
        run
    }

    /// What holds in the end, when nothing goes wrong any more and everybody has answered.
    pub fn check_end(&self) {
        let runs = self.runs();
        let ids: BTreeSet<&str> = runs.iter().map(|row| row.id.as_str()).collect();
        for run in self.acknowledged.lock().unwrap().iter() {
            assert!(
                ids.contains(run.as_str()),
                "{run} was acknowledged and is not there"
            );
        }
        let strangers = std::mem::take(&mut self.sky.state().strangers);
        assert!(
            strangers.is_empty(),
            "only the holder writes: {strangers:?}"
        );
        let town = self.town.lock().unwrap();
        assert!(town.faults.is_empty(), "{:?}", town.faults);
        let mut receipts = BTreeSet::new();
        for row in &runs {
            assert!(row.ended_at.is_some(), "{}", self.stuck(row));
            let run = self.fold(row);
            assert_eq!(run.ended_at(), row.ended_at, "{}", row.id);
            let reader = self.store().reader(&self.workspace);
            let journal = futures::executor::block_on(reader.journal(&row.id)).unwrap();
            for line in journal {
                collect(&serde_json::from_str(&line.body).unwrap(), &mut receipts);
            }
        }
        for (receipt, word) in receipts {
            let effect = &town.effects[receipt - 1];
            // An app that was given an address gives back the word for it.
            if !word.contains("actas-callback") {
                assert_eq!(effect.word, word, "a result that nobody gave");
            }
        }
        let mut done: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for effect in &town.effects {
            *done.entry((&effect.what, &effect.word)).or_default() += 1;
            if let Some(whom) = &effect.acts_for {
                assert_eq!(effect.account.as_ref(), Some(whom), "{effect:?}");
            }
        }
        // A retry does again what was undone, and whoever is asked may want it again.
        let twice: Vec<_> = done
            .iter()
            .filter(|(_, times)| **times > 1 + self.agains)
            .collect();
        assert!(
            twice.is_empty(),
            "done more often than somebody wanted: {twice:?}"
        );
        self.check_audit();
    }

    /// What there is to say of a run that does not end.
    fn stuck(&self, row: &RunRow) -> String {
        let reader = self.store().reader(&self.workspace);
        let (asked, signs) = futures::executor::block_on(async {
            (
                reader.requests_of_run(&row.id).await.unwrap(),
                reader.sign_ins_of_run(&row.id).await.unwrap(),
            )
        });
        let text = self.versions.iter().find(|(_, id)| **id == row.version);
        let slots = self.fold(row).slots;
        format!("never ends: {row:?}\n{asked:?}\n{signs:?}\n{slots:?}\n{text:?}")
    }

    fn check_audit(&self) {
        let reader = self.store().reader(&self.workspace);
        let entries = futures::executor::block_on(reader.audit_from(0, 100_000)).unwrap();
        let mut verifier = Verifier::new(self.workspace.clone());
        let mut steps = BTreeMap::new();
        for entry in &entries {
            verifier
                .push(&entry.record, &entry.personal)
                .unwrap_or_else(|broken| panic!("{broken}"));
            let record = &entry.record;
            if record.action == "step.done" || record.action.starts_with("step.succeeded") {
                let key = (record.run.clone(), record.step.clone());
                *steps.entry(key).or_insert(0) += 1;
            }
        }
        assert!(steps.values().all(|times| *times == 1), "{steps:?}");
        let (seq, hash) = futures::executor::block_on(reader.audit_head()).unwrap();
        verifier.check_head(seq, hash).unwrap();
    }
}

/// What apps gave for what they did, wherever it stands.
fn collect(value: &Value, into: &mut BTreeSet<(usize, String)>) {
    match value {
        Value::Object(map) => {
            if let (Some(receipt), Some(word)) = (
                map.get("receipt").and_then(Value::as_u64),
                map.get("word").and_then(Value::as_str),
            ) {
                into.insert((usize::try_from(receipt).unwrap(), word.to_owned()));
            }
            map.values().for_each(|value| collect(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}
