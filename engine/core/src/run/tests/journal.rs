//! Events as the journal keeps them: the form of version 1 is fixed, and everything is read back as it was.

use std::str::FromStr;

use expect_test::expect;
use serde_json::{Value, json};

use super::support::{START, bound, created, plan, user};
use crate::app::RecordRef;
use crate::error::{ErrorKind, StepError};
use crate::flow::Entry;
use crate::ids::{ConnectionId, RequestId, RunId, SignInId, StepPath, VersionId};
use crate::run::*;

const FLOW: &str = r"
flow: one
trigger: {on_demand: {}}
steps:
  one: {uses: core.set, with: {a: 1}}
";

fn every_event() -> Vec<Event> {
    let step = || serde_json::from_value(json!("one")).unwrap();
    let slot = || "crm".parse().unwrap();
    let at = START;
    let acted_as = Some(ActedAs {
        connection: ConnectionId::from_bits(7),
        kind: ConnectionKind::Personal,
        rule: Rule::BuildTime,
        account: "ana@crm".into(),
        record: Some(RecordRef {
            kind: "Opportunity".into(),
            id: "op_7".into(),
        }),
    });
    let error = StepError::new(ErrorKind::RateLimited, "too fast")
        .with_code("SLOW")
        .with_help("wait")
        .at(&step());
    vec![
        Event::RunCreated(Box::new(Created {
            level: 1,
            ..created(&plan(FLOW), json!({"n": 1}))
        })),
        Event::StepStarted {
            step: step(),
            attempt: 1,
            at,
        },
        Event::StepSucceeded {
            step: step(),
            attempt: 1,
            output: json!({"id": 7}).into(),
            acted_as: acted_as.clone(),
            started_at: at,
            at,
        },
        Event::StepFailed {
            step: step(),
            attempt: 1,
            error: error.clone(),
            retry_at: Some(at),
            acted_as,
            started_at: at,
            at,
        },
        Event::StepSkipped {
            step: step(),
            because: SkipReason::RunEnding,
            at,
        },
        Event::SlotBound {
            slot: slot(),
            bound: bound("crm", ConnectionKind::Shared),
            at,
        },
        Event::SlotAsked {
            slot: slot(),
            sign_in: SignInId::from_bits(9),
            person: user(1),
            reason: AskReason::Consent,
            until: at,
            at,
        },
        Event::SlotDeclined { slot: slot(), at },
        Event::SlotLost {
            slot: slot(),
            step: step(),
            reason: AskReason::Revoked,
            at,
        },
        Event::SlotExpired { slot: slot(), at },
        Event::CancelAsked {
            by: Some(user(1)),
            at,
        },
        Event::RunEnded {
            ending: Ending::Failed,
            outputs: Value::Null.into(),
            error: Some(error),
            at,
        },
        Event::RunEnded {
            ending: Ending::Succeeded,
            outputs: json!({"a": 1}).into(),
            error: None,
            at,
        },
    ]
}

/// The events of what is inside of steps, of waiting, of doubt and of undoing.
fn every_event_of_level_2() -> Vec<Event> {
    let step = || StepPath::from_str("lines[37]/add").unwrap();
    let at = START;
    let error = StepError::new(ErrorKind::Rejected, "no").at(&step());
    let by = Decider {
        id: user(2),
        login: "ben".into(),
        name: "Ben".into(),
    };
    let created = Created {
        invoker: None,
        entry: Entry::ChildRun,
        parent: Some(Parent {
            run: RunId::from_bits(4),
            step: step(),
            depth: 1,
        }),
        retry_of: Some(RunId::from_bits(5)),
        ..created(&plan(FLOW), json!({}))
    };
    let held = |hold| Event::StepHeld {
        step: step(),
        attempt: 1,
        hold,
        at,
    };
    vec![
        Event::RunCreated(Box::new(created)),
        Event::EachBegan {
            step: step(),
            items: 3,
            at,
        },
        Event::RoundBegan {
            step: step(),
            round: 0,
            at,
        },
        Event::CaseChosen {
            step: step(),
            case: Some("yes".into()),
            at,
        },
        Event::CaseChosen {
            step: step(),
            case: None,
            at,
        },
        Event::HandlerBegan {
            step: Some(step()),
            error: error.clone(),
            at,
        },
        Event::HandlerBegan {
            step: None,
            error: error.clone(),
            at,
        },
        Event::FrameEnded {
            frame: step(),
            output: Some(json!({"a": 1}).into()),
            error: None,
            at,
        },
        Event::FrameEnded {
            frame: step(),
            output: None,
            error: Some(error.clone()),
            at,
        },
        held(Hold::Until { at }),
        held(Hold::Callback {
            until: at,
            schema: Some(json!({"type": "object"}).into()),
        }),
        held(Hold::Child {
            run: RunId::from_bits(6),
            flow: "other".parse().unwrap(),
            version: VersionId::from_bits(7),
        }),
        Event::CallbackCame {
            step: step(),
            payload: json!({"a": 1}).into(),
            at,
        },
        Event::ChildPaused {
            step: step(),
            child: RunId::from_bits(6),
            paused: true,
            at,
        },
        Event::DecisionAsked {
            step: step(),
            attempt: 1,
            error,
            request: RequestId::from_bits(8),
            until: at,
            at,
        },
        Event::Decided {
            step: step(),
            answer: Answer::Happened {
                output: json!({"id": 7}).into(),
            },
            by: Some(by),
            at,
        },
        Event::Decided {
            step: step(),
            answer: Answer::GiveUp,
            by: None,
            at,
        },
        Event::UndoBegan { step: step(), at },
        Event::StepImported {
            step: step(),
            output: json!({"id": 7}).into(),
            acted_as: None,
            by: None,
            at,
        },
    ]
}

#[test]
fn the_form_of_every_event_of_level_2_is_fixed() {
    let lines: Vec<String> = every_event_of_level_2()
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    expect![[r#"
        {"event":"run_created","level":2,"run":"run_00000000000000000000000001","first_run":"run_00000000000000000000000001","flow":"flw_00000000000000000000000001","flow_name":"one","version":"ver_00000000000000000000000001","number":3,"digest":"sha256:00","entry":"child_run","inputs":{},"parent":{"run":"run_00000000000000000000000004","step":"lines[37]/add","depth":1},"retry_of":"run_00000000000000000000000005","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"each_began","step":"lines[37]/add","items":3,"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"round_began","step":"lines[37]/add","round":0,"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"case_chosen","step":"lines[37]/add","case":"yes","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"case_chosen","step":"lines[37]/add","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"handler_began","step":"lines[37]/add","error":{"kind":"rejected","message":"no","step":"lines[37]/add"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"handler_began","error":{"kind":"rejected","message":"no","step":"lines[37]/add"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"frame_ended","frame":"lines[37]/add","output":{"a":1},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"frame_ended","frame":"lines[37]/add","error":{"kind":"rejected","message":"no","step":"lines[37]/add"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_held","step":"lines[37]/add","attempt":1,"hold":{"for":"until","at":"2026-11-20T13:06:40.000000Z"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_held","step":"lines[37]/add","attempt":1,"hold":{"for":"callback","until":"2026-11-20T13:06:40.000000Z","schema":{"type":"object"}},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_held","step":"lines[37]/add","attempt":1,"hold":{"for":"child","run":"run_00000000000000000000000006","flow":"other","version":"ver_00000000000000000000000007"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"callback_came","step":"lines[37]/add","payload":{"a":1},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"child_paused","step":"lines[37]/add","child":"run_00000000000000000000000006","paused":true,"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"decision_asked","step":"lines[37]/add","attempt":1,"error":{"kind":"rejected","message":"no","step":"lines[37]/add"},"request":"rq_00000000000000000000000008","until":"2026-11-20T13:06:40.000000Z","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"decided","step":"lines[37]/add","answer":{"answer":"happened","output":{"id":7}},"by":{"id":"usr_00000000000000000000000002","login":"ben","name":"Ben"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"decided","step":"lines[37]/add","answer":{"answer":"give_up"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"undo_began","step":"lines[37]/add","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_imported","step":"lines[37]/add","output":{"id":7},"at":"2026-11-20T13:06:40.000000Z"}"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn the_form_of_every_event_in_version_1_is_fixed() {
    let lines: Vec<String> = every_event()
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    expect![[r#"
        {"event":"run_created","level":1,"run":"run_00000000000000000000000001","first_run":"run_00000000000000000000000001","flow":"flw_00000000000000000000000001","flow_name":"one","version":"ver_00000000000000000000000001","number":3,"digest":"sha256:00","invoker":{"id":"usr_00000000000000000000000001","login":"ana","name":"Ana","manager":"mia","roles":["builder"]},"entry":"cli","inputs":{"n":1},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_started","step":"one","attempt":1,"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_succeeded","step":"one","attempt":1,"output":{"id":7},"acted_as":{"connection":"con_00000000000000000000000007","kind":"personal","rule":"build_time","account":"ana@crm","record":{"type":"Opportunity","id":"op_7"}},"started_at":"2026-11-20T13:06:40.000000Z","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_failed","step":"one","attempt":1,"error":{"kind":"rate_limited","code":"SLOW","message":"too fast","step":"one","help":"wait"},"retry_at":"2026-11-20T13:06:40.000000Z","acted_as":{"connection":"con_00000000000000000000000007","kind":"personal","rule":"build_time","account":"ana@crm","record":{"type":"Opportunity","id":"op_7"}},"started_at":"2026-11-20T13:06:40.000000Z","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"step_skipped","step":"one","because":"run_ending","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"slot_bound","slot":"crm","bound":{"connection":"con_00000000000000000000000007","kind":"shared","rule":"shared","account":"ana@crm"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"slot_asked","slot":"crm","sign_in":"si_00000000000000000000000009","person":"usr_00000000000000000000000001","reason":"consent","until":"2026-11-20T13:06:40.000000Z","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"slot_declined","slot":"crm","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"slot_lost","slot":"crm","step":"one","reason":"revoked","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"slot_expired","slot":"crm","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"cancel_asked","by":"usr_00000000000000000000000001","at":"2026-11-20T13:06:40.000000Z"}
        {"event":"run_ended","ending":"failed","error":{"kind":"rate_limited","code":"SLOW","message":"too fast","step":"one","help":"wait"},"at":"2026-11-20T13:06:40.000000Z"}
        {"event":"run_ended","ending":"succeeded","outputs":{"a":1},"at":"2026-11-20T13:06:40.000000Z"}"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn what_was_written_is_read_back_as_it_was() {
    let body = JournalBody {
        events: [every_event(), every_event_of_level_2()].concat(),
    };
    let text = serde_json::to_string(&body).unwrap();
    assert_eq!(upcast(EVENT_VERSION, &text), Ok(body));
}

#[test]
fn a_row_of_a_newer_version_or_no_row_at_all_is_refused_with_what_to_do() {
    expect!["journal row of version 2 is newer than this program; run a newer one"]
        .assert_eq(&upcast(2, "{}").unwrap_err());
    expect!["journal row of version 1 cannot be read: missing field `events` at line 1 column 2"]
        .assert_eq(&upcast(1, "{}").unwrap_err());
}
