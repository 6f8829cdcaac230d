//! What is wide keeps to its width: loops to their `parallel`, a run to 64 attempts at once.
use std::time::Duration;

use actas_core::run::{Ending, Phase};
use serde_json::json;

use crate::place::Place;

const LEASE: Duration = Duration::from_secs(30);

/// Waits until as many calls are under way as may be, and looks on for a while: there must not be more.
async fn fills_up_to(place: &Place, most: usize) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while place.app.under_way().0 < most {
        assert!(
            tokio::time::Instant::now() < deadline,
            "only {:?} at once",
            place.app.under_way()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Whatever else could begin would begin now: all that is held here are the answers.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(place.app.under_way(), (most, most));
    place.app.let_go("x");
}

async fn ends_well(place: &Place, run: &actas_core::ids::RunId, calls: usize) {
    let run = place.until_ended(run).await;
    assert!(
        matches!(
            run.phase,
            Phase::Ended {
                ending: Ending::Succeeded,
                ..
            }
        ),
        "{:?}",
        run.phase
    );
    assert_eq!(place.app.done().len(), calls);
    assert!(place.app.under_way().1 <= 64, "{:?}", place.app.under_way());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_a_thousand_items_keeps_to_64_at_once() {
    let place = Place::on(None, LEASE).await;
    let version = place
        .publish(
            "
flow: wide-loop
trigger: {on_demand: {}}
inputs: {items: {type: array}}
steps:
  all:
    for_each: inputs.items
    parallel: 64
    steps:
      one: {uses: toy.touch, with: {word: x, number: '{{ item }}'}}
outputs: {count: '{{ steps.all.count }}'}
",
        )
        .await;
    place.app.hold("x");
    let items: Vec<u32> = (0..1000).collect();
    let run = place
        .start(&version, json!({"items": items}))
        .await
        .unwrap();
    fills_up_to(&place, 64).await;
    ends_well(&place, &run, 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_steps_side_by_side_keep_to_64_at_once() {
    let place = Place::on(None, LEASE).await;
    let mut flow = "flow: wide\ntrigger: {on_demand: {}}\nsteps:\n".to_owned();
    for number in 0..1000 {
        flow += &format!(
            "  s{number}: {{uses: toy.touch, needs: [], with: {{word: x, number: {number}}}}}\n"
        );
    }
    let version = place.publish(&flow).await;
    place.app.hold("x");
    let run = place.start(&version, json!({})).await.unwrap();
    fills_up_to(&place, 64).await;
    ends_well(&place, &run, 1000).await;
}
