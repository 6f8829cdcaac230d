//! Which events about items, rounds, cases, handlers and undos are refused, and that refusing changes nothing; how much lives at once.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::json;

use super::support::{START, Story, facts, plan};
use crate::error::{ErrorKind, StepError};
use crate::ids::StepPath;
use crate::run::*;

const FLOW: &str = r"
flow: all
trigger: {on_demand: {}}
connections: {team: {app: crm, connection: team}}
steps:
  lines: {for_each: '[1, 2]', parallel: 2, steps: {add: {uses: crm.add, connection: team, undo: {uses: crm.add, connection: team}}}}
  poll: {needs: [], while: index < 2, max_rounds: 2, steps: {get: {uses: crm.find, connection: team}}}
  route: {needs: [lines], switch: '1', cases: {'1': {steps: {tell: {uses: crm.add, connection: team}}}}}
  old: {needs: [route], uses: crm.add, connection: team, on_error: {steps: {keep: {uses: crm.add, connection: team}}}}
on_error: {steps: {report: {uses: crm.add, connection: team}}}
";

/// What is tried at a moment, in the words of [`Event`]'s names.
fn tried() -> Vec<Event> {
    let step = |path: &str| -> StepPath { path.parse().unwrap() };
    let error = || StepError::new(ErrorKind::Rejected, "no");
    let at = START;
    let ended = |frame: &str, error| Event::FrameEnded {
        frame: step(frame),
        output: None,
        error,
        at,
    };
    let began = |round| Event::RoundBegan {
        step: step("poll"),
        round,
        at,
    };
    vec![
        Event::EachBegan {
            step: step("lines"),
            items: 2,
            at,
        },
        Event::EachBegan {
            step: step("poll"),
            items: 2,
            at,
        },
        began(0),
        began(2),
        Event::CaseChosen {
            step: step("route"),
            case: Some("2".into()),
            at,
        },
        Event::CaseChosen {
            step: step("route"),
            case: None,
            at,
        },
        Event::HandlerBegan {
            step: Some(step("old")),
            error: error(),
            at,
        },
        Event::HandlerBegan {
            step: None,
            error: error(),
            at,
        },
        Event::UndoBegan {
            step: step("lines[0]/add"),
            at,
        },
        Event::UndoBegan {
            step: step("old"),
            at,
        },
        ended("lines[0]", None),
        ended("lines[7]", None),
        ended("route", None),
        ended("old/on_error", Some(error())),
        Event::StepSucceeded {
            step: step("lines"),
            attempt: 1,
            output: json!([]).into(),
            acted_as: None,
            started_at: at,
            at,
        },
        Event::StepStarted {
            step: step("lines[0]/sub"),
            attempt: 1,
            at,
        },
    ]
}

/// Tries all at the moment that a script leads to.
fn refused(script: &[&str], expect: Expect) {
    let mut story = Story::new(plan(FLOW), json!({}));
    story.settle();
    for line in script {
        story.happen(line);
        story.settle();
    }
    let mut shown = String::new();
    let before = facts(&story.run);
    for event in tried() {
        let mut run = story.run.clone();
        match run.apply(&event) {
            Ok(()) => writeln!(shown, "{event}: taken").unwrap(),
            Err(illegal) => {
                assert_eq!(facts(&run), before, "{event}");
                writeln!(shown, "{illegal}").unwrap();
            }
        }
    }
    expect.assert_eq(&shown);
}

#[test]
fn frames_begin_and_end_only_where_it_is_their_turn() {
    refused(
        &[],
        expect![[r#"
        each_began lines is not legal: what is inside the step has begun
        each_began poll is not legal: what is inside the step has begun
        round_began poll is not legal: a round is under way
        round_began poll is not legal: a round is under way
        case_chosen route is not legal: 1 of the steps it needs have not ended
        case_chosen route is not legal: 1 of the steps it needs have not ended
        handler_began old is not legal: the step has not begun
        handler_began is not legal: the run has not come to its end
        undo_began lines[0]/add is not legal: the run has not come to its end
        undo_began old is not legal: the step cannot be undone
        frame_ended lines[0] is not legal: not every step in it has ended, or it has
        frame_ended lines[7] is not legal: the run has no such frame
        frame_ended route is not legal: the run has no such frame
        frame_ended old/on_error is not legal: the run has no such frame
        step_succeeded lines is not legal: what is inside the step goes on
        step_started lines[0]/sub is not legal: the flow has no such step
    "#]],
    );
    refused(
        &[
            "bind team shared",
            "ok lines[0]/add",
            "ok lines[1]/add",
            "ok poll[0]/get",
            "ok poll[1]/get",
            "ok route/tell",
            "fail old rejected",
        ],
        expect![[r#"
            each_began lines is not legal: the step has succeeded
            each_began poll is not legal: the step has succeeded
            round_began poll is not legal: the step has succeeded
            round_began poll is not legal: the step has succeeded
            case_chosen route is not legal: the step has succeeded
            case_chosen route is not legal: the step has succeeded
            handler_began old is not legal: the step has failed, and its handler runs
            handler_began is not legal: the run has not come to its end
            undo_began lines[0]/add is not legal: the run has not come to its end
            undo_began old is not legal: the step cannot be undone
            frame_ended lines[0] is not legal: not every step in it has ended, or it has
            frame_ended lines[7] is not legal: the run has no such frame
            frame_ended route is not legal: not every step in it has ended, or it has
            frame_ended old/on_error is not legal: not every step in it has ended, or it has
            step_succeeded lines is not legal: the step has succeeded
            step_started lines[0]/sub is not legal: the flow has no such step
        "#]],
    );
    refused(
        &[
            "bind team shared",
            "ok lines[0]/add",
            "ok lines[1]/add",
            "ok poll[0]/get",
            "ok poll[1]/get",
            "ok route/tell",
            "fail old rejected",
            "fail old/on_error/keep rejected",
        ],
        expect![[r#"
            each_began lines is not legal: the step has succeeded
            each_began poll is not legal: the step has succeeded
            round_began poll is not legal: the step has succeeded
            round_began poll is not legal: the step has succeeded
            case_chosen route is not legal: the step has succeeded
            case_chosen route is not legal: the step has succeeded
            handler_began old is not legal: the step has failed
            handler_began is not legal: the run has not come to its end
            undo_began lines[0]/add is not legal: the run has not come to its end
            undo_began old is not legal: the step cannot be undone
            frame_ended lines[0] is not legal: not every step in it has ended, or it has
            frame_ended lines[7] is not legal: the run has no such frame
            frame_ended route is not legal: not every step in it has ended, or it has
            frame_ended old/on_error is not legal: not every step in it has ended, or it has
            step_succeeded lines is not legal: the step has succeeded
            step_started lines[0]/sub is not legal: the flow has no such step
        "#]],
    );
}

#[test]
fn a_loop_holds_as_many_items_as_it_may_and_deciding_looks_at_these_alone() {
    let flow = r"
flow: wide
trigger: {on_demand: {}}
steps:
  lines: {for_each: range(256), parallel: 64, steps: {one: {uses: core.set, with: {v: '{{ item }}'}}, two: {uses: core.set, with: {v: '{{ steps.one.v }}'}}}}
outputs: {count: '{{ steps.lines.count }}'}
";
    let mut story = Story::new(plan(flow), json!({}));
    let mut most = 0;
    while story.run.phase == Phase::Open {
        story.trace.clear();
        story.settle();
        let living = story.run.frames.iter().filter(|(_, frame)| !frame.ended);
        most = most.max(living.count());
        // One of many ends, and nothing but its own next step is decided.
        let Some(first) = story.run.progress.running.first().copied() else {
            break;
        };
        let path = story.run.path(first);
        story.happen(&format!("ok {path} {{\"v\": 1}}"));
        assert!(decide(&story.run, story.now).len() <= 2);
    }
    // The root and the items.
    assert_eq!(most, 65);
    assert_eq!(story.run.frames.iter().count(), 257);
    assert!(matches!(
        &story.run.phase,
        Phase::Ended { outputs, .. } if outputs["count"] == 256
    ));
}
