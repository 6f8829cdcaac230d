//! An app that may be called so often is called so often, whatever runs want, on both databases: and waiting for it is no attempt.

use std::time::Duration;

use crate::place::Place;
use actas_core::Time;
use actas_core::run::{Instance, Phase, Run, StepState};
use actas_store::{RunRow, system};
use actas_test_support::postgres;
use serde_json::json;

const FLOW: &str = "
flow: slow
trigger: {on_demand: {}}
inputs: {word: {type: string}}
steps:
  touch: {uses: slow.touch, with: {word: '{{ inputs.word }}'}}
";

async fn places() -> Vec<Place> {
    let lease = Duration::from_secs(5);
    let mut places = vec![Place::on(None, lease).await];
    if let Some(url) = postgres::database() {
        places.push(Place::on(Some(url), lease).await);
    }
    places
}

async fn ended(place: &Place, run: &actas_core::ids::RunId) -> Run {
    let looking = async {
        loop {
            let loaded = place.load(run).await;
            if matches!(loaded.phase, Phase::Ended { .. }) {
                return loaded;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking)
        .await
        .expect("the run ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_wait_for_their_turn_with_an_app_and_that_is_no_attempt() {
    let all = places().await.into_iter().map(|place| async move {
        let version = place.publish(FLOW).await;
        let began = system::now();
        let mut runs = Vec::new();
        for word in ["a", "b", "c", "d"] {
            let run = place.start(&version, json!({"word": word})).await;
            runs.push(run.unwrap());
        }
        // The fourth is promised a call in five seconds: until then it is a row.
        let reader = place.store.reader(&place.workspace);
        let waits = |row: &RunRow| row.state == "waiting" && row.owner.is_none();
        let looking = async {
            loop {
                let mut waiting = Vec::new();
                for run in &runs {
                    waiting.extend(reader.run(run).await.unwrap().filter(waits));
                }
                if !waiting.is_empty() {
                    return waiting;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waiting = tokio::time::timeout(Duration::from_secs(4), looking)
            .await
            .expect("one waits");
        assert!(waiting[0].due_at.unwrap() > began);
        let loaded = place.load(&waiting[0].id).await;
        let step = loaded.state(Instance::root(0));
        assert!(
            matches!(
                step,
                StepState::Retrying {
                    attempts: 0,
                    promised: true,
                    ..
                }
            ),
            "{step:?}"
        );
        let mut ends: Vec<Time> = Vec::new();
        for run in &runs {
            let run = ended(&place, run).await;
            ends.extend(run.ended_at());
            let step = run.state(Instance::root(0));
            assert!(
                matches!(step, StepState::Succeeded { attempts: 1, .. }),
                "{step:?}"
            );
        }
        assert_eq!(place.app.calls().len(), 4);
        ends.sort();
        let after = |n: usize| ends[n].since(began);
        assert!(after(1) < Duration::from_secs(2), "two at once");
        assert!(after(2) >= Duration::from_millis(2_400), "{:?}", after(2));
        assert!(after(3) >= Duration::from_millis(4_900), "{:?}", after(3));
    });
    futures::future::join_all(all).await;
}
