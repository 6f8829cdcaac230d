//! Random operations on the model, SQLite and PostgreSQL: the same answers, the same reads, the same rows in the end.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod keys;
mod known;
mod life;
mod log;
mod reads;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actas_core::Time;
use actas_core::audit::Verifier;
use actas_core::ids::*;
use actas_core::run::ConnectionKind;
use actas_store::*;
use acts::{Dice, KINDS, act, op};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reads::{reads, reads_across};
use support::{Place, draft};

async fn compare(acts: Vec<Vec<[u8; 10]>>, places: &[Place], done: &mut BTreeSet<&'static str>) {
    let clock = Arc::new(AtomicI64::new(0));
    let model = Store::model(Arc::clone(&clock));
    let mut stores = Vec::new();
    for place in places {
        stores.push((place.kind, place.open().await));
    }
    for act_dice in acts {
        let mut ops = Vec::new();
        for numbers in &act_dice {
            ops.push(op(&mut Dice(*numbers, 0), &model).await);
        }
        let dice = Dice(act_dice[0].map(|n| n.rotate_left(3)), 0);
        clock.store(system::now().micros(), Ordering::SeqCst);
        let expected = act(&model, &mut dice.clone(), &ops).await;
        for (kind, store) in &stores {
            let answer = act(store, &mut dice.clone(), &ops).await;
            if answer != expected && !both_refused(&model, &ops, &answer, &expected).await {
                assert_eq!(answer, expected, "{kind} after {ops:?}");
            }
        }
        if expected == "ok" {
            done.extend(ops.iter().map(Op::name));
        } else if dice.clone().roll(8) == 0 && !expected.is_empty() {
            done.insert("claim");
        }
    }
    let (rows, answers) = (model.snapshot().await.unwrap(), reads(&model).await);
    // Somebody of a third workspace finds nothing of the first two, whatever ids they name: the same as where nothing was ever written.
    let nothing = reads_across(&Store::model(clock)).await;
    assert_eq!(reads_across(&model).await, nothing, "model");
    for (kind, store) in &stores {
        assert_eq!(reads_across(store).await, nothing, "{kind}");
        let found = store.snapshot().await.unwrap();
        for (table, rows) in &rows {
            assert_eq!(found.get(table), Some(rows), "{kind} {table}");
        }
        assert_eq!(found.len(), rows.len(), "{kind}");
        assert_eq!(reads(store).await, answers, "{kind}");
    }
}

/// Whether a commit was refused that has two reasons to be. Which one is named is not promised: many commits at once are done kind by kind.
async fn both_refused(model: &Store, ops: &[Op], answer: &str, expected: &str) -> bool {
    let (Some(named), true) = (
        answer.strip_prefix("refused: "),
        expected.starts_with("refused: "),
    ) else {
        return false;
    };
    let Some(op) = ops.iter().find(|op| op.name() == named) else {
        return false;
    };
    let alone = model.commit(support::ops(vec![op.clone()])).await;
    support::is_conflict(alone, named)
}

#[test]
fn the_model_and_both_databases_answer_alike() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let done = std::cell::RefCell::new(BTreeSet::new());
    let config = Config {
        cases: 4,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    };
    // Always the same numbers: a failure is a failure for everybody.
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config.clone(), seed);
    let acts = vec(vec(any::<[u8; 10]>(), 1..3), 250..400);
    let all = usize::from(KINDS) + 1;
    // As often as it takes for every kind to go well once.
    for round in 0..6 {
        if round >= 2 && done.borrow().len() == all {
            break;
        }
        runner
            .run(&acts, |acts| {
                let places = support::places();
                runtime.block_on(compare(acts, &places, &mut done.borrow_mut()));
                Ok(())
            })
            .unwrap();
        let next = runner.new_rng();
        runner = TestRunner::new_with_rng(config.clone(), next);
    }
    // What never went well was never compared.
    let done = done.into_inner();
    assert_eq!(done.len(), all, "{done:?}");
}

#[test]
fn every_read_of_a_workspace_is_compared_and_asked_across_workspaces() {
    let compared = include_str!("reads.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/read");
    let (mut missing, mut all) = (Vec::new(), 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let ours = text
            .split("\nimpl ")
            .filter(|part| part.starts_with("Reader {"));
        for part in ours {
            for line in part.lines().take_while(|line| *line != "}") {
                let Some(rest) = line.trim().strip_prefix("pub async fn ") else {
                    continue;
                };
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                all += 1;
                if !compared.contains(&format!("r.{name}(")) {
                    missing.push(name);
                }
            }
        }
    }
    assert!(all > 60, "only {all} reads were found");
    assert!(
        missing.is_empty(),
        "reads that nobody compares: {missing:?}"
    );
}
