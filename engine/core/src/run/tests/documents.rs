//! The run document and the events as their person and others see them.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::support::{Story, plan, user};
use crate::run::{Links, Privacy, Viewer, document};

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
    let viewer = Viewer { user: user(by) };
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
    let privacy = Privacy::of(&story.run, &Viewer { user: user(2) });
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
    let own = Privacy::of(&story.run, &Viewer { user: user(1) });
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
