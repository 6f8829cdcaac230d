//! Large flows: deciding must cost what can move, not what there is.

use std::fmt::Write as _;

use serde_json::json;

use super::support::{Story, plan};
use crate::run::{Command, Phase, StepState, decide};

/// The first step is needed by all others, and they by the last.
fn wide(steps: usize) -> String {
    let mut text =
        "flow: wide\ntrigger: {on_demand: {}}\nsteps:\n  first: {uses: core.set, with: {v: 1}}\n"
            .to_owned();
    for step in 0..steps {
        writeln!(
            text,
            "  s{step}: {{uses: core.set, with: {{v: \"{{{{ steps.first.v }}}}\"}}}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn a_wide_flow_holds_a_bounded_number_of_attempts_and_ends() {
    let mut story = Story::new(plan(&wide(900)), json!({}));
    let mut most = 0;
    while story.run.phase == Phase::Open {
        story.trace.clear();
        story.settle();
        let running: Vec<String> = story
            .run
            .root()
            .states
            .iter()
            .zip(&story.run.plan.steps)
            .filter(|(state, _)| matches!(state, StepState::Running { .. }))
            .map(|(_, step)| step.path.to_string())
            .collect();
        most = most.max(running.len());
        for step in running {
            story.happen(&format!("ok {step} {{\"v\": 1}}"));
        }
    }
    assert_eq!(most, 64);
}

#[test]
fn deciding_looks_only_at_what_can_move() {
    let mut story = Story::new(plan(&wide(900)), json!({}));
    story.settle();
    // Nothing is ready but for the first step, which is under way.
    assert!(story.run.progress.ready.is_empty());
    assert!(matches!(
        decide(&story.run, story.now)[..],
        [Command::WaitUntil(_)]
    ));
}
