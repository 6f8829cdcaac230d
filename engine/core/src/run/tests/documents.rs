//! The run document and the events as their person and others see them.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::support::{Story, bound, plan, user};
use crate::run::{ConnectionKind, Event, Handed, Links, Parent, Privacy, Run, Viewer, document};

const FLOW: &str = r#"
flow: report
trigger: {on_demand: {}}
inputs: {name: {type: string}}
connections:
  mine: {app: crm, dynamic: {ask: when_needed}}
  team: {app: crm, connection: team}
steps:
  find: {uses: crm.find, connection: mine, with: {q: "{{ inputs.name }}"}}
  words: {uses: core.set, with: {text: "found {{ steps.find.id }}"}}
  post: {uses: crm.add, connection: team, with: {q: "{{ steps.words.text }}"}}
  open: {uses: crm.find, connection: team, needs: [], with: {q: all}}
  last: {uses: crm.add, connection: mine, needs: [post, open], with: {q: x}}
outputs: {posted: "{{ steps.post.id }}", open: "{{ steps.open.id }}"}
"#;

fn story(script: &[&str]) -> Story {
    let mut story = Story::new(plan(FLOW), json!({"name": "Acme"}));
    story.settle();
    for line in script {
        story.happen(line);
        story.settle();
    }
    assert!(!story.trace.contains("ILLEGAL"), "{}", story.trace);
    story
}

fn seen(story: &Story, by: u128) -> Value {
    let viewer = Viewer::new(user(by));
    let connect = |id: &crate::ids::SignInId| format!("http://actas.example/connect/{id}");
    let links = Links {
        sign_in: &connect,
        request: &|id| format!("http://actas.example/approvals/{id}"),
    };
    document(&story.run, &viewer, story.now, &links).0
}

fn check(value: &Value, expect: Expect) {
    expect.assert_eq(&serde_json::to_string_pretty(value).unwrap());
}

const TO_THE_END: &[&str] = &[
    "bind mine",
    "bind team shared",
    r#"ok open {"id": "public"}"#,
    r#"ok find {"id": "canary"}"#,
    r#"ok words {"text": "found canary"}"#,
    r#"ok post {"id": "post of canary"}"#,
    r#"ok last {"id": "canary too"}"#,
];

#[test]
fn the_document_of_a_finished_run_is_what_was_promised() {
    let story = story(TO_THE_END);
    check(
        &seen(&story, 1),
        expect![[r#"
        {
          "created_at": "2026-11-20T13:06:40.000000Z",
          "digest": "sha256:00",
          "entry": "cli",
          "error": null,
          "finished_at": "2026-11-20T13:06:40.000000Z",
          "flow": "report",
          "invoker": "ana",
          "outputs": {
            "open": "public",
            "posted": "post of canary"
          },
          "paused": null,
          "retry_of": null,
          "run": "run_00000000000000000000000001",
          "state": "succeeded",
          "steps": {
            "find": {
              "acted_as": {
                "account": "ana@mine",
                "connection": "con_00000000000000000000000007",
                "kind": "personal",
                "rule": "invoker"
              },
              "attempts": 1,
              "error": null,
              "finished_at": "2026-11-20T13:06:40.000000Z",
              "module": "crm.find",
              "order": 0,
              "output": {
                "id": "canary"
              },
              "started_at": "2026-11-20T13:06:40.000000Z",
              "state": "succeeded"
            },
            "last": {
              "acted_as": {
                "account": "ana@mine",
                "connection": "con_00000000000000000000000007",
                "kind": "personal",
                "rule": "invoker"
              },
              "attempts": 1,
              "error": null,
              "finished_at": "2026-11-20T13:06:40.000000Z",
              "module": "crm.add",
              "order": 4,
              "output": {
                "id": "canary too"
              },
              "started_at": "2026-11-20T13:06:40.000000Z",
              "state": "succeeded"
            },
            "open": {
              "acted_as": {
                "account": "ana@team",
                "connection": "con_00000000000000000000000007",
                "kind": "shared",
                "rule": "shared"
              },
              "attempts": 1,
              "error": null,
              "finished_at": "2026-11-20T13:06:40.000000Z",
              "module": "crm.find",
              "order": 3,
              "output": {
                "id": "public"
              },
              "started_at": "2026-11-20T13:06:40.000000Z",
              "state": "succeeded"
            },
            "post": {
              "acted_as": {
                "account": "ana@team",
                "connection": "con_00000000000000000000000007",
                "kind": "shared",
                "rule": "shared"
              },
              "attempts": 1,
              "error": null,
              "finished_at": "2026-11-20T13:06:40.000000Z",
              "module": "crm.add",
              "order": 2,
              "output": {
                "id": "post of canary"
              },
              "started_at": "2026-11-20T13:06:40.000000Z",
              "state": "succeeded"
            },
            "words": {
              "acted_as": null,
              "attempts": 1,
              "error": null,
              "finished_at": "2026-11-20T13:06:40.000000Z",
              "module": "core.set",
              "order": 1,
              "output": {
                "text": "found canary"
              },
              "started_at": "2026-11-20T13:06:40.000000Z",
              "state": "succeeded"
            }
          },
          "version": 3
        }"#]],
    );
}

#[test]
fn a_paused_run_says_who_is_needed_for_what_and_where_to_go() {
    let story = story(&["ask mine consent", "bind team shared"]);
    let document = seen(&story, 1);
    check(
        &document["paused"],
        expect![[r#"
        {
          "connections": [
            {
              "app": "crm",
              "person": "ana",
              "reason": "consent",
              "slot": "mine",
              "url": "http://actas.example/connect/si_00000000000000000000000009"
            }
          ],
          "for": "sign_in",
          "until": "2026-11-27T13:06:40.000000Z"
        }"#]],
    );
    check(
        &json!([
            document["state"],
            document["steps"]["find"]["state"],
            document["steps"]["open"]["state"]
        ]),
        expect![[r#"
        [
          "running",
          "paused",
          "running"
        ]"#]],
    );
}

#[test]
fn others_see_neither_what_came_through_a_personal_connection_nor_what_was_made_of_it() {
    let story = story(TO_THE_END);
    let document = seen(&story, 2);
    assert!(!document.to_string().contains("canary"), "{document}");
    check(
        &json!({
            "outputs": document["outputs"],
            "steps": document["steps"].as_object().unwrap().iter()
                .map(|(id, step)| json!([id, step["output"]])).collect::<Vec<_>>(),
        }),
        expect![[r#"
            {
              "outputs": {
                "open": "public",
                "posted": {
                  "private": true
                }
              },
              "steps": [
                [
                  "find",
                  {
                    "private": true
                  }
                ],
                [
                  "last",
                  {
                    "private": true
                  }
                ],
                [
                  "open",
                  {
                    "id": "public"
                  }
                ],
                [
                  "post",
                  {
                    "private": true
                  }
                ],
                [
                  "words",
                  {
                    "private": true
                  }
                ]
              ]
            }"#]],
    );
    let privacy = Privacy::of(&story.run, &Viewer::new(user(2)));
    let events: Vec<Value> = story
        .journal
        .iter()
        .map(|event| privacy.event(event))
        .collect();
    let text = serde_json::to_string(&events).unwrap();
    assert!(
        !text.contains("canary") && text.contains("public"),
        "{text}"
    );
    let own = Privacy::of(&story.run, &Viewer::new(user(1)));
    for event in &story.journal {
        if !matches!(
            event,
            crate::run::Event::StepFailed { .. } | crate::run::Event::RunEnded { .. }
        ) {
            assert_eq!(own.event(event), json!(event));
        }
    }
}

#[test]
fn others_see_of_a_private_error_only_its_kind_and_step() {
    let story = story(&[
        "bind mine",
        "bind team shared",
        "ok open",
        "fail find not_found",
    ]);
    let document = seen(&story, 2);
    check(
        &json!([document["error"], document["steps"]["find"]["error"]]),
        expect![[r#"
        [
          {
            "kind": "not_found",
            "private": true,
            "step": "find"
          },
          {
            "kind": "not_found",
            "private": true,
            "step": "find"
          }
        ]"#]],
    );
    check(
        &seen(&story, 1)["error"],
        expect![[r#"
        {
          "code": null,
          "help": null,
          "kind": "not_found",
          "message": "it did not work",
          "step": "find"
        }"#]],
    );
}

const INSIDE: &str = r"
flow: inside
trigger: {on_demand: {}}
connections:
  mine: {app: crm, dynamic: {}}
  team: {app: crm, connection: team}
steps:
  find: {uses: crm.find, connection: mine, needs: []}
  lines:
    for_each: steps.find.all
    steps:
      note: {uses: core.set, with: {of: '{{ item.name }}'}}
  other:
    for_each: '[1, 2]'
    needs: []
    steps:
      get: {uses: crm.find, connection: team, needs: []}
    outputs: {id: '{{ steps.get.id }}'}
  old:
    uses: crm.add
    connection: mine
    needs: [lines, other]
    with: {of: open}
    on_error:
      steps: {keep: {uses: core.set, with: {why: '{{ error.message }}'}}}
      outputs: {id: '{{ steps.keep.why }}'}
outputs: {lines: '{{ steps.lines.items }}', other: '{{ steps.other.items }}', old: '{{ steps.old.id }}'}
";

#[test]
fn what_is_made_of_private_items_and_errors_is_private_inside_of_loops_and_handlers_too() {
    let mut story = Story::new(plan(INSIDE), json!({}));
    story.settle();
    for line in [
        "bind mine",
        "bind team shared",
        r#"ok find {"all": [{"name": "canary"}]}"#,
        r#"ok lines[0]/note {"of": "canary"}"#,
        r#"ok other[0]/get {"id": "public"}"#,
        r#"ok other[1]/get {"id": "public"}"#,
        "fail old rejected",
        r#"ok old/on_error/keep {"why": "canary"}"#,
    ] {
        story.happen(line);
        story.settle();
    }
    let seen_by = |by: u128| {
        let viewer = Viewer::new(user(by));
        let privacy = Privacy::of(&story.run, &viewer);
        let events: Vec<Value> = story.journal.iter().map(|e| privacy.event(e)).collect();
        format!("{} {}", seen(&story, by), Value::from(events))
    };
    let own = seen_by(1);
    assert!(
        own.contains("canary") && own.contains("public"),
        "{}",
        story.trace
    );
    let others = seen_by(2);
    assert!(!others.contains("canary"), "{others}");
    assert!(others.contains("public"), "{others}");
    expect![[r#"
        > begin
          resolve mine
          = running
        > bind mine
          start find#1 {}
          each_began other
          resolve team
          = running
        > bind team shared
          start other[0]/get#1 {}
          wait 86400 s
          = running
        > ok find {"all": [{"name": "canary"}]}
          each_began lines
          start lines[0]/note#1 {"of":"canary"}
          wait 86400 s
          = running
        > ok lines[0]/note {"of": "canary"}
          frame_ended lines[0]
          step_succeeded lines
          wait 86400 s
          = running
        > ok other[0]/get {"id": "public"}
          frame_ended other[0]
          start other[1]/get#1 {}
          wait 86400 s
          = running
        > ok other[1]/get {"id": "public"}
          frame_ended other[1]
          step_succeeded other
          start old#1 {"of":"open"}
          wait 86400 s
          = running
        > fail old rejected
          fail old#1 rejected for good: it did not work
          handler_began old
          start old/on_error/keep#1 {"why":"it did not work"}
          wait 86400 s
          = running
        > ok old/on_error/keep {"why": "canary"}
          frame_ended old/on_error
          end succeeded {"lines":[{"note":{"of":"canary"}}],"old":"canary","other":[{"id":"public"},{"id":"public"}]}
          = succeeded
    "#]].assert_eq(&story.trace);
}

/// A run that another one of Ana's began.
fn called(flow: &str, inputs: Value, bound: Vec<Handed>) -> Story {
    let mut story = Story::new(plan(flow), json!({}));
    let mut created = story.run.created.as_deref().cloned().unwrap();
    created.inputs = std::sync::Arc::new(inputs);
    created.bound = bound;
    created.parent = Some(Parent {
        run: crate::ids::RunId::from_bits(9),
        step: "call".parse().unwrap(),
        depth: 1,
    });
    story.run = Run::new(story.run.plan.clone());
    story.journal.clear();
    story.take(Event::RunCreated(Box::new(created)));
    story.settle();
    story
}

fn all_seen(story: &Story, by: u128) -> String {
    let viewer = Viewer::new(user(by));
    let privacy = Privacy::of(&story.run, &viewer);
    let events: Vec<Value> = story.journal.iter().map(|e| privacy.event(e)).collect();
    format!("{} {}", seen(story, by), Value::from(events))
}

#[test]
fn what_a_called_run_was_given_is_private_as_what_its_caller_got_may_be() {
    let flow = r"
flow: inner
trigger: {on_demand: {}}
inputs: {name: {type: string}}
steps:
  words: {uses: core.set, with: {text: '{{ inputs.name }}'}}
outputs: {text: '{{ steps.words.text }}', name: '{{ inputs.name }}'}
";
    let mut story = called(flow, json!({"name": "canary"}), Vec::new());
    story.happen(r#"ok words {"text": "canary"}"#);
    story.settle();
    assert!(story.run.ended_at().is_some(), "{}", story.trace);
    assert!(all_seen(&story, 1).contains("canary"));
    let others = all_seen(&story, 2);
    assert!(!others.contains("canary"), "{others}");
}

#[test]
fn what_is_done_with_an_account_that_was_handed_down_is_for_its_person() {
    let flow = r"
flow: inner
trigger: {on_demand: {}}
connections: {mine: {app: crm, dynamic: {}}}
steps:
  find: {uses: crm.find, connection: mine}
";
    let handed = Handed {
        slot: "mine".parse().unwrap(),
        bound: bound("mine", ConnectionKind::Personal),
        person: Some((user(3), "cleo".to_owned())),
        run: crate::ids::RunId::from_bits(9),
    };
    let mut story = called(flow, json!({}), vec![handed]);
    story.happen(r#"ok find {"id": "canary"}"#);
    story.settle();
    assert!(story.run.ended_at().is_some(), "{}", story.trace);
    // Neither whoever runs it nor anybody else: whose account it was alone.
    let invoker = all_seen(&story, 1);
    assert!(!invoker.contains("canary"), "{invoker}");
}

#[test]
fn a_document_tells_of_a_thousand_steps_inside_and_of_what_went_wrong_first() {
    let flow = r"
flow: many
trigger: {on_demand: {}}
steps:
  rows:
    for_each: range(11)
    on_item_error: continue
    steps:
      cells: {for_each: range(100), parallel: 64, uses: core.set, with: {n: '{{ item }}'}}
      check: {needs: [cells], uses: core.set, with: {n: '{{ index }}'}}
";
    let mut story = Story::new(plan(flow), json!({}));
    story.settle();
    loop {
        let running: Vec<String> = story
            .run
            .progress
            .running
            .iter()
            .map(|at| story.run.path(*at).to_string())
            .collect();
        if running.is_empty() {
            break;
        }
        for step in running {
            let fails = step == "rows[10]/check";
            story.happen(&format!(
                "{} {step}{}",
                if fails { "fail" } else { "ok" },
                if fails { " rejected" } else { "" }
            ));
        }
        story.trace.clear();
        story.settle();
    }
    let document = seen(&story, 1);
    let steps = document["steps"].as_object().unwrap();
    assert!((900..=1_001).contains(&steps.len()), "{}", steps.len());
    assert_eq!(steps["rows[10]/check"]["state"], "failed");
    assert_eq!(steps["rows[0]/cells[0]/do"]["state"], "succeeded");
    let left_out = document["steps_left_out"].as_u64().unwrap();
    assert_eq!(steps.len() as u64 + left_out, 1 + 11 * (2 + 100));
    assert_eq!(document["state"], "succeeded");
}

#[test]
fn of_two_cases_with_a_step_of_one_name_a_frame_that_is_gone_hides_what_either_hides() {
    let text = r"
flow: cases
trigger: {on_demand: {}}
inputs: {way: {type: string}}
connections:
  mine: {app: crm, dynamic: {ask: when_needed}}
  team: {app: crm, connection: team}
steps:
  pick:
    switch: '{{ inputs.way }}'
    cases: {open: {steps: {get: {uses: crm.find, connection: team, with: {q: x}}}}}
    default: {steps: {get: {uses: crm.find, connection: mine, with: {q: x}}}}
";
    let mut story = Story::new(plan(text), json!({"way": "closed"}));
    story.settle();
    for line in ["bind mine", r#"ok pick/get {"id": "canary"}"#] {
        story.happen(line);
        story.settle();
    }
    assert!(all_seen(&story, 1).contains("canary"), "{}", story.trace);
    assert!(!all_seen(&story, 2).contains("canary"), "{}", story.trace);
    // The journal is longer than what is kept in memory.
    let fresh = Run::new(story.run.plan.clone());
    let mut early = Story {
        run: fresh,
        ..story.clone()
    };
    early.take(story.journal[0].clone());
    let seen = Privacy::of(&early.run, &Viewer::new(user(2)));
    let told: Vec<Value> = story.journal.iter().map(|e| seen.event(e)).collect();
    assert!(!Value::from(told).to_string().contains("canary"));
}
