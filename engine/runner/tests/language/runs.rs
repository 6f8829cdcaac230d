//! What a run does beside its steps: it is called back, asks what became of a step, is tried again, ends its children. On both databases.

use std::time::Duration;

use crate::place::Place;
use actas_core::audit::Actor;
use actas_core::flow::Entry;
use actas_core::ids::RunId;
use actas_core::run::{Ending, Phase, Run};
use actas_runner::{Again, AgainError};
use actas_test_support::postgres;
use serde_json::{Value, json};

const LEASE: Duration = Duration::from_secs(30);

/// On SQLite, and on PostgreSQL where it is installed.
async fn places() -> Vec<Place> {
    let mut all = vec![Place::on(None, LEASE).await];
    if let Some(url) = postgres::database() {
        all.push(Place::on(Some(url), LEASE).await);
    }
    all
}

fn outputs(run: &Run) -> Value {
    match &run.phase {
        Phase::Ended {
            ending: Ending::Succeeded,
            outputs,
            ..
        } => (**outputs).clone(),
        other => panic!("{other:?}"),
    }
}

fn again(place: &Place, run: &RunId, by: &str) -> Again {
    Again {
        workspace: place.workspace.clone(),
        run: run.clone(),
        by: place.person(by),
        actor: Actor::Engine,
        entry: Entry::Api,
        ip: None,
        agent: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_comes_by_the_address_that_only_the_app_was_given() {
    for place in places().await {
        let version = place
            .publish(
                "
flow: called
trigger: {on_demand: {}}
steps:
  a: {uses: toy.touch, with: {word: a, call_back: '{{ callbacks.back }}'}}
  back: {uses: core.wait_for_callback, needs: [a]}
outputs: {told: '{{ steps.back.payload.answer }}', gave: '{{ steps.a.word }}'}
",
            )
            .await;
        let run = place.start(&version, json!({})).await.unwrap();
        let ended = place.until_ended(&run).await;
        assert_eq!(outputs(&ended), json!({"told": 42, "gave": "a"}));
        let given = place.app.calls()[0].body["call_back"].clone();
        let given = given.as_str().unwrap();
        let token = given.rsplit_once("token=").unwrap().1.to_owned();
        assert_eq!(token.len(), 64);
        for row in place.journal(&run).await {
            assert!(!row.contains(&token), "{row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_does_what_was_not_done_and_what_was_undone_and_nothing_else() {
    let text = "
flow: again
trigger: {on_demand: {}}
steps:
  kept: {uses: toy.touch, with: {word: kept}}
  lines:
    for_each: '{{ [1, 2, 3] }}'
    needs: [kept]
    steps: {add: {uses: toy.touch, with: {word: 'add{{ item }}'}}}
  made:
    uses: toy.touch
    needs: [lines]
    with: {word: made}
    undo: {uses: toy.back, with: {word: made}}
  last: {uses: toy.touch, needs: [made], with: {word: last}}
outputs: {word: '{{ steps.kept.word }} {{ steps.last.word }} {{ steps.lines.count }}'}
";
    for place in places().await {
        let version = place.publish(text).await;
        place.app.refuse("last", 400, 1);
        let first = place.start(&version, json!({})).await.unwrap();
        let ended = place.until_ended(&first).await;
        assert!(matches!(
            ended.phase,
            Phase::Ended {
                ending: Ending::Failed,
                ..
            }
        ));
        let before = place.app.calls().len();
        let theirs = place.runner.retry(again(&place, &first, "ben")).await;
        assert!(matches!(theirs, Err(AgainError::NotYours)), "{theirs:?}");
        // Whoever presses the button twice gets one retry.
        let (second, twin) = tokio::join!(
            place.runner.retry(again(&place, &first, "ana")),
            place.runner.retry(again(&place, &first, "ana")),
        );
        let (second, twin) = (second.unwrap(), twin.unwrap());
        assert_eq!(second.run, twin.run);
        assert_ne!(second.repeated, twin.repeated);
        let second = second.run;
        place.runner.durable(&second).await.unwrap();
        let ended = place.until_ended(&second).await;
        assert_eq!(outputs(&ended), json!({"word": "kept last 3"}));
        let calls = place.app.calls();
        let did: Vec<String> = calls[before..]
            .iter()
            .map(|call| format!("{} {}", call.what, call.body["word"].as_str().unwrap()))
            .collect();
        assert_eq!(did, ["touch made", "touch last"]);
        // What was taken back is done under another key: the app would take it for a repeat.
        let keys: Vec<_> = calls
            .iter()
            .filter(|call| call.what == "touch" && call.body["word"] == "made")
            .map(|call| call.key.clone())
            .collect();
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0], keys[1]);
        let again_and_again = place.runner.retry(again(&place, &second, "ana")).await;
        assert!(matches!(again_and_again, Err(AgainError::Succeeded)));
        let late = place.runner.retry(again(&place, &first, "ana")).await;
        assert_eq!(late.unwrap().run, second);

        // A replay does it all, for whoever asks.
        let third = place.runner.replay(again(&place, &first, "ben")).await;
        let third = third.unwrap().run;
        place.runner.durable(&third).await.unwrap();
        let ended = place.until_ended(&third).await;
        assert_eq!(ended.created.unwrap().invoker.unwrap().login, "ben");
        assert_eq!(place.app.calls().len(), calls.len() + 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_goes_down_to_the_flows_that_a_run_has_called() {
    for place in places().await {
        place
            .publish(
                "
flow: inner
trigger: {on_demand: {}}
steps:
  nap: {uses: core.wait, with: {for: 1h}}
  after: {uses: toy.touch, needs: [nap], with: {word: never}}
",
            )
            .await;
        let version = place
            .publish(
                "
flow: outer
trigger: {on_demand: {}}
steps:
  call: {uses: core.run_flow, with: {flow: inner}}
",
            )
            .await;
        let run = place.start(&version, json!({})).await.unwrap();
        place.until_journal_has(&run, "step_held").await;
        let by = place.person("ana");
        place
            .runner
            .cancel(&place.workspace, &run, &by, Actor::Engine, "api".into())
            .await
            .unwrap();
        let ended = place.until_ended(&run).await;
        assert!(matches!(
            ended.phase,
            Phase::Ended {
                ending: Ending::Cancelled,
                ..
            }
        ));
        let reader = place.store.reader(&place.workspace);
        let children = reader.children(&run).await.unwrap();
        let states: Vec<&str> = children.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(states, ["cancelled"]);
        assert!(place.app.calls().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_may_not_be_run_or_does_not_take_the_inputs_fails_the_step_that_calls_it() {
    for place in places().await {
        place
            .publish(
                "
flow: strict
trigger: {on_demand: {}}
inputs: {n: {type: integer}}
steps: {a: {uses: toy.set, with: {n: '{{ inputs.n }}'}}}
outputs: {n: '{{ steps.a.n }}'}
",
            )
            .await;
        let call = |with: &str| {
            format!(
                "
flow: caller-{}
trigger: {{on_demand: {{}}}}
steps: {{call: {{uses: core.run_flow, with: {with}}}}}
outputs: {{n: '{{{{ steps.call.n }}}}'}}
",
                with.len()
            )
        };
        let mut found = Vec::new();
        for with in [
            "{flow: strict, inputs: {n: 7}}",
            "{flow: strict, inputs: {n: seven}}",
            "{flow: nowhere}",
        ] {
            let version = place.publish(&call(with)).await;
            let run = place.start(&version, json!({})).await.unwrap();
            found.push(match place.until_ended(&run).await.phase {
                Phase::Ended {
                    error: Some(error), ..
                } => json!(error.code),
                Phase::Ended { outputs, .. } => (*outputs).clone(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(
            found,
            [
                json!({"n": 7}),
                json!("invalid_inputs"),
                json!("unknown_flow")
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_happen_once_and_was_interrupted_is_asked_about_and_never_done_twice() {
    let text = "
flow: once
trigger: {on_demand: {}}
steps:
  a: {uses: toy.touch, with: {word: a}}
  hit: {uses: toy.hit, needs: [a], with: {word: hit}}
outputs: {word: '{{ steps.hit.word }}'}
";
    let databases = std::iter::once(None).chain(postgres::database().map(Some));
    for url in databases {
        let place = Place::on(url, Duration::from_millis(400)).await;
        let version = place.publish(text).await;
        // The start of `hit` is the last row that is taken: its result is lost.
        place.stop_after(2).await;
        let run = place.start(&version, json!({})).await.unwrap();
        let lost = tokio::time::timeout(Duration::from_secs(60), async {
            while place.statement("SELECT max(epoch) FROM runs").await == "1" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        lost.await.unwrap();
        place.go_on().await;
        let ended = place.until_ended(&run).await;
        assert_eq!(outputs(&ended), json!({"word": "told"}));
        let hits = place.app.calls().iter().filter(|c| c.what == "hit").count();
        assert_eq!(hits, 1);
        place.until_journal_has(&run, "decision_asked").await;
        let reader = place.store.reader(&place.workspace);
        let asked = reader.requests_of_run(&run).await.unwrap();
        assert_eq!(asked[0].who, ["ana"]);
    }
}
