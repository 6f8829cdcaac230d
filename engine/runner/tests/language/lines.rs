//! Flows that bound how many of their runs there are at once, on both databases: with real runs, real effects and a runner that may lose a run.

use std::time::Duration;

use crate::place::Place;
use actas_core::audit::Actor;
use actas_core::ids::{RunId, VersionId};
use actas_core::run::{Phase, Run};
use actas_runner::CreateError;
use actas_store::AdmissionState;
use actas_test_support::postgres;
use serde_json::json;

const LEASE: Duration = Duration::from_secs(5);

async fn places() -> Vec<Place> {
    let mut places = vec![Place::on(None, LEASE).await];
    if let Some(url) = postgres::database() {
        places.push(Place::on(Some(url), LEASE).await);
    }
    places
}

/// Looks again until it is so.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
}

async fn ended(place: &Place, run: &RunId) -> Run {
    until("the run ends", async || {
        let loaded = place.load(run).await;
        matches!(loaded.phase, Phase::Ended { .. }).then_some(loaded)
    })
    .await
}

async fn state(place: &Place, run: &RunId) -> String {
    let reader = place.store.reader(&place.workspace);
    reader.run(run).await.unwrap().unwrap().state
}

fn touches(concurrency: &str) -> String {
    format!(
        "
flow: touches
trigger: {{on_demand: {{}}}}
inputs: {{word: {{type: string}}}}
concurrency: {concurrency}
steps:
  touch: {{uses: toy.touch, with: {{word: '{{{{ inputs.word }}}}'}}}}
outputs: {{word: '{{{{ steps.touch.word }}}}'}}
"
    )
}

/// Starts one that does not get an answer yet, and waits until it has asked.
async fn occupy(place: &Place, version: &VersionId, word: &str) -> RunId {
    place.app.hold(word);
    let (before, _) = place.app.under_way();
    let run = place.create(version, json!({"word": word})).await.unwrap();
    until("the app is asked", async || {
        (place.app.under_way().0 > before).then_some(())
    })
    .await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_never_more_at_work_than_the_limit_and_all_come_to_their_end() {
    for place in places().await {
        let version = place.publish(&touches("{limit: 3}")).await;
        let words: Vec<String> = (0..24).map(|n| format!("w{n}")).collect();
        let all = words
            .iter()
            .map(|word| place.create(&version, json!({"word": word})));
        for run in futures::future::join_all(all).await {
            let run = ended(&place, &run.unwrap()).await;
            assert_eq!(run.state_name(actas_core::Time(0)), "succeeded");
        }
        assert_eq!(place.app.done().len(), 24);
        let (_, busiest) = place.app.under_way();
        assert!(busiest <= 3, "{busiest} at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_too_many_is_refused_where_the_flow_says_so_and_leaves_no_trace() {
    for place in places().await {
        let version = place
            .publish(&touches("{limit: 1, when_full: refuse}"))
            .await;
        let first = occupy(&place, &version, "first").await;
        let second = place.create(&version, json!({"word": "second"})).await;
        assert!(matches!(second, Err(CreateError::Full)), "{second:?}");
        assert_eq!(place.journal_rows().await, 1);
        place.app.let_go("first");
        ended(&place, &first).await;
        let third = place.create(&version, json!({"word": "third"})).await;
        ended(&place, &third.unwrap()).await;
        assert_eq!(place.app.done(), ["touch first", "touch third"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_wait_go_in_the_order_of_their_creation_and_can_be_cancelled_there() {
    for place in places().await {
        let version = place.publish(&touches("{limit: 1}")).await;
        let first = occupy(&place, &version, "a").await;
        let mut queued = Vec::new();
        for word in ["b", "c", "d"] {
            let run = place.create(&version, json!({"word": word})).await.unwrap();
            assert_eq!(state(&place, &run).await, "queued");
            let shown = place.load(&run).await.state_name(actas_core::Time(0));
            assert_eq!(shown, "queued");
            queued.push(run);
        }
        let ana = place.person("ana");
        place
            .runner
            .cancel(
                &place.workspace,
                &queued[1],
                &ana,
                Actor::Engine,
                "cli".into(),
            )
            .await
            .unwrap();
        let cancelled = ended(&place, &queued[1]).await;
        assert_eq!(cancelled.state_name(actas_core::Time(0)), "cancelled");
        assert_eq!(state(&place, &queued[0]).await, "queued");
        place.app.let_go("a");
        for run in [&first, &queued[0], &queued[2]] {
            ended(&place, run).await;
        }
        assert_eq!(place.app.done(), ["touch a", "touch b", "touch d"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_gives_its_place_to_others_and_comes_back_when_there_is_one() {
    let text = "
flow: asks
trigger: {on_demand: {}}
inputs: {word: {type: string}}
concurrency: {limit: 1}
steps:
  ok: {uses: core.approve, if: inputs.word == 'asks', with: {who: ben, title: Go on}}
  touch: {uses: toy.touch, needs: [ok], if: always(), with: {word: '{{ inputs.word }}'}}
";
    for place in places().await {
        let version = place.publish(text).await;
        let asks = place.create(&version, json!({"word": "asks"})).await;
        let asks = asks.unwrap();
        until("it is paused", async || {
            (state(&place, &asks).await == "paused").then_some(())
        })
        .await;
        let other = occupy(&place, &version, "other").await;
        place.be_outside().await;
        // Approved: it lines up behind the other.
        until("it waits for its turn", async || {
            (state(&place, &asks).await == "queued").then_some(())
        })
        .await;
        assert_eq!(place.app.under_way().0, 1);
        place.app.let_go("other");
        ended(&place, &other).await;
        ended(&place, &asks).await;
        assert_eq!(place.app.done(), ["touch other", "touch asks"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_runs_until_its_end_also_while_that_one_is_paused() {
    let text = "
flow: by-customer
trigger: {on_demand: {}}
inputs: {customer: {type: string}, word: {type: string}}
concurrency: {key: '{{ inputs.customer }}'}
steps:
  ok: {uses: core.approve, with: {who: ben, title: Go on}}
  touch: {uses: toy.touch, needs: [ok], with: {word: '{{ inputs.word }}'}}
";
    for place in places().await {
        let version = place.publish(text).await;
        let mut runs = Vec::new();
        for (customer, word) in [("acme", "a"), ("acme", "b"), ("emca", "c")] {
            let inputs = json!({"customer": customer, "word": word});
            runs.push(place.create(&version, inputs).await.unwrap());
        }
        for (run, stands) in runs.iter().zip(["paused", "queued", "paused"]) {
            until(stands, async || {
                (state(&place, run).await == stands).then_some(())
            })
            .await;
        }
        let reader = place.store.reader(&place.workspace);
        let row = reader.admission(&runs[0]).await.unwrap().unwrap();
        assert_eq!(row.state, AdmissionState::Paused);
        assert!(!row.key.unwrap().contains("acme"));
        for run in &runs {
            until("it ends", async || {
                place.be_outside().await;
                let loaded = place.load(run).await;
                matches!(loaded.phase, Phase::Ended { .. }).then_some(())
            })
            .await;
        }
        let mut done = place.app.done();
        done.retain(|what| !what.ends_with('c'));
        assert_eq!(done, ["touch a", "touch b"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lost_its_holder_keeps_its_place_and_the_next_one_comes_after_it() {
    for url in [None, postgres::database()] {
        let place = Place::on(url, Duration::from_millis(400)).await;
        let version = place.publish(&touches("{limit: 1}")).await;
        let first = occupy(&place, &version, "a").await;
        let second = place.create(&version, json!({"word": "b"})).await.unwrap();
        // Two creations are recorded; the end of the first will not be.
        place.stop_after(2).await;
        place.app.let_go("a");
        until("it is claimed again", async || {
            let epochs = place.statement("SELECT max(epoch) FROM runs").await;
            (epochs != "1").then_some(())
        })
        .await;
        assert_eq!(state(&place, &second).await, "queued");
        place.go_on().await;
        for run in [&first, &second] {
            ended(&place, run).await;
        }
        assert_eq!(place.app.done(), ["touch a", "touch b"]);
        assert_eq!(place.app.under_way().1, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_flow_has_its_turn_or_is_full() {
    let caller = "
flow: calls
trigger: {on_demand: {}}
inputs: {word: {type: string}}
steps:
  call: {uses: core.run_flow, with: {flow: touches, inputs: {word: '{{ inputs.word }}'}}}
outputs: {word: '{{ steps.call.word }}'}
";
    for (rule, waits) in [
        ("{limit: 1}", true),
        ("{limit: 1, when_full: refuse}", false),
    ] {
        for place in places().await {
            let touches = place.publish(&touches(rule)).await;
            let calls = place.publish(caller).await;
            let first = occupy(&place, &touches, "first").await;
            let call = place.create(&calls, json!({"word": "called"})).await;
            let call = call.unwrap();
            place.runner.durable(&call).await.unwrap();
            if waits {
                let reader = place.store.reader(&place.workspace);
                until("the child is in the line", async || {
                    let children = reader.children(&call).await.unwrap();
                    children
                        .iter()
                        .any(|run| run.state == "queued")
                        .then_some(())
                })
                .await;
                place.app.let_go("first");
            }
            let run = ended(&place, &call).await;
            if let Phase::Ended { outputs, error, .. } = &run.phase {
                if waits {
                    assert_eq!(**outputs, json!({"word": "called"}));
                } else {
                    let error = error.as_ref().unwrap();
                    assert_eq!(error.code.as_deref(), Some("flow_full"), "{error:?}");
                }
            }
            place.app.let_go("first");
            ended(&place, &first).await;
        }
    }
}
