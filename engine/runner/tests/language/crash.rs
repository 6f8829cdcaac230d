//! A crash at each commit of a run, on both databases: it comes to the same end, and each effect is done once. What dies is the task that drives
//! the run: the database takes no journal row past the N-th, so that the task loses everything after it, and the run is claimed when its lease
//! has run out.

use std::time::Duration;

use crate::place::Place;
use actas_core::run::{Phase, Run};
use actas_test_support::postgres;
use serde_json::{Value, json};

const LEASE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(120);

/// How a run ended, for comparing.
fn end(run: &Run) -> Value {
    match &run.phase {
        Phase::Ended {
            ending,
            outputs,
            error,
            ..
        } => json!({"ending": ending.as_str(), "outputs": outputs, "error": error}),
        other => panic!("{other:?}"),
    }
}

/// Runs a flow on a database of its own, with a crash after so many journal rows; gives its end, what was done, and the rows there were.
async fn once(
    url: Option<String>,
    texts: &[&str],
    crash: Option<u64>,
) -> Option<(Value, Vec<String>, u64)> {
    let place = Place::on(url, LEASE).await;
    let mut version = None;
    for text in texts {
        version = Some(place.publish(text).await);
    }
    if let Some(rows) = crash {
        place.stop_after(rows).await;
    }
    let Some(run) = place.start(&version.unwrap(), json!({})).await else {
        // Its first commit holds more rows than that: it never was, and nothing of it was done.
        assert_eq!(crash.map(|_| place.app.calls().len()), Some(0));
        return None;
    };
    let ended = tokio::time::timeout(PATIENCE, async {
        if crash.is_some() {
            // Claimed once more: its first task has lost it.
            while place.statement("SELECT max(epoch) FROM runs").await == "1" {
                place.be_outside().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            place.go_on().await;
        }
        loop {
            let loaded = place.load(&run).await;
            if matches!(loaded.phase, Phase::Ended { .. }) {
                return loaded;
            }
            place.be_outside().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let ended = ended.await.unwrap_or_else(|_| {
        panic!(
            "no end after a crash at {crash:?}\n{}",
            texts.join("\n---\n")
        )
    });
    let rows = place.journal_rows().await;
    let mut done = place.app.done();
    done.sort();
    Some((end(&ended), done, rows))
}

/// A crash at each commit.
async fn check(texts: &[&str]) {
    let databases = [false, true];
    for on_postgres in databases {
        let url = || on_postgres.then(postgres::database).flatten();
        if on_postgres && postgres::server().is_none() {
            continue;
        }
        let (expected, done, rows) = once(url(), texts, None).await.unwrap();
        let tries = (1..rows).map(|crash| {
            let (expected, done) = (&expected, &done);
            async move {
                if let Some((found, did, _)) = once(url(), texts, Some(crash)).await {
                    assert_eq!(
                        (&found, &did),
                        (expected, done),
                        "crash after row {crash} of {rows}"
                    );
                }
            }
        });
        futures::future::join_all(tries).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_effects() {
    check(&["
flow: chain
trigger: {on_demand: {}}
steps:
  a: {uses: toy.touch, with: {word: a}}
  b: {uses: toy.set, with: {word: '{{ steps.a.word }}'}}
  c: {uses: toy.touch, with: {word: '{{ steps.b.word }}c'}}
  d: {uses: toy.touch, with: {word: '{{ steps.c.word }}d'}}
outputs: {word: '{{ steps.d.word }}'}
"])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_an_approval_and_a_callback() {
    check(&["
flow: waiting
trigger: {on_demand: {}}
steps:
  a: {uses: toy.touch, with: {word: a, call_back: '{{ callbacks.back }}'}}
  nap: {uses: core.wait, needs: [a], with: {for: 0.2}}
  ok: {uses: core.approve, needs: [nap], with: {who: ben, title: Go on}}
  back: {uses: core.wait_for_callback, needs: [a]}
  b: {uses: toy.touch, with: {word: '{{ steps.back.payload.answer }} {{ steps.ok.decision }}'}}
outputs: {word: '{{ steps.b.word }}', told: '{{ steps.a.did }}'}
"])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_runs_a_flow_that_runs_a_flow() {
    check(&[
        "
flow: inner
trigger: {on_demand: {}}
inputs: {word: {type: string}}
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.word }}!'}}
  ok: {uses: core.approve, needs: [a], with: {who: ben, title: Go on}}
  b: {uses: toy.touch, needs: [ok], with: {word: '{{ steps.a.word }}?'}}
outputs: {word: '{{ steps.b.word }}'}
",
        "
flow: middle
trigger: {on_demand: {}}
inputs: {word: {type: string}}
steps:
  call: {uses: core.run_flow, with: {flow: inner, inputs: {word: '{{ inputs.word }}'}}}
outputs: {word: '{{ steps.call.word }}'}
",
        "
flow: outer
trigger: {on_demand: {}}
steps:
  one: {uses: core.run_flow, with: {flow: middle, inputs: {word: one}}}
  two: {uses: core.run_flow, needs: [], with: {flow: inner, inputs: {word: two}}}
  last: {uses: toy.touch, with: {word: '{{ steps.one.word }}{{ steps.two.word }}'}}
outputs: {word: '{{ steps.last.word }}'}
",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_and_a_switch() {
    check(&["
flow: looping
trigger: {on_demand: {}}
steps:
  lines:
    for_each: '{{ [1, 2, 3, 4, 5] }}'
    parallel: 2
    steps:
      a: {uses: toy.touch, with: {word: 'a{{ item }}'}}
      b: {uses: toy.set, with: {word: '{{ steps.a.word }}b'}}
      c: {uses: toy.touch, with: {word: '{{ steps.b.word }}c'}}
    outputs: {word: '{{ steps.c.word }}'}
  poll:
    until: 'steps.get.n >= 3'
    max_rounds: 5
    steps:
      get: {uses: toy.touch, with: {word: 'round{{ index }}', n: '{{ index + 1 }}'}}
      n: {uses: toy.set, with: {n: '{{ index + 1 }}'}}
    needs: [lines]
  route:
    switch: '{{ steps.lines.items[0].word }}'
    needs: [poll]
    cases:
      a1bc: {steps: {one: {uses: toy.touch, with: {word: right}}}}
    default: {steps: {other: {uses: toy.touch, with: {word: wrong}}}}
outputs: {words: '{{ steps.lines.items }}', rounds: '{{ steps.poll.rounds }}'}
"
    .replace("steps.get.n >= 3", "steps.n.n >= 3")
    .as_str()])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_an_undo_and_a_flow_that_reports() {
    check(&["
flow: failing
trigger: {on_demand: {}}
steps:
  a:
    uses: toy.touch
    with: {word: a}
    undo: {uses: toy.back, with: {word: '{{ steps.a.word }}'}}
  lines:
    for_each: '{{ [1, 2, 3] }}'
    needs: [a]
    steps:
      add:
        uses: toy.touch
        with: {word: 'add{{ item }}'}
        undo: {uses: toy.back, with: {word: '{{ steps.add.word }}'}}
  mend:
    uses: toy.fail
    needs: [lines]
    with: {message: broken}
    on_error:
      steps: {keep: {uses: toy.touch, with: {word: 'kept {{ error.code }}'}}}
      outputs: {word: '{{ steps.keep.word }}'}
  last: {uses: toy.fail, with: {message: '{{ steps.mend.word }}'}}
on_error: {steps: {report: {uses: toy.touch, with: {word: '{{ error.message }}'}}}}
"])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_so_long_that_its_items_are_done_in_batches() {
    check(&["
flow: long
trigger: {on_demand: {}}
steps:
  outer: {uses: toy.set, with: {word: seen, list: '{{ range(600) }}'}}
  once:
    for_each: '{{ [1] }}'
    needs: [outer]
    steps:
      lines:
        for_each: '{{ steps.outer.list }}'
        parallel: 16
        on_item_error: continue
        steps:
          n: {uses: toy.set, with: {n: '{{ item * 2 }}', at: '{{ index }}', word: '{{ steps.outer.word }}'}}
          odd: {uses: toy.fail, if: '{{ item == 555 }}', needs: [n]}
          told: {uses: toy.touch, if: '{{ item % 200 == 7 }}', needs: [odd], with: {word: '{{ item }} {{ run.flow }}'}}
        outputs: {n: '{{ steps.n.n }}', word: '{{ steps.n.word }}'}
    outputs: {count: '{{ steps.lines.count }}', failed: '{{ steps.lines.failed }}', last: '{{ steps.lines.items[599] }}'}
outputs: {all: '{{ steps.once.items }}'}
"
    .replace("needs: [odd], with", "needs: [n], with")
    .as_str()])
    .await;
}
