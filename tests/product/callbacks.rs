//! Callbacks and decisions from outside: an address works once, for its own step, while it is waited for; and what nobody knows, its own person says.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Kind, World, link, sign_in};
use actas_test_support::browser::{Browser, client};

/// Hands its address to the CRM, then waits.
const ASK: &str = r#"
flow: ask
trigger: {on_demand: {}}
inputs: {expires: {type: string, default: 1h}}
connections:
  crm: {app: sandbox_crm, dynamic: {}}
steps:
  tell:
    uses: sandbox_crm.create_record
    connection: crm
    with: {object: Note, fields: {Answer to: "{{ callbacks.wait }}"}}
  wait:
    needs: [tell]
    uses: core.wait_for_callback
    with: {expires: "{{ inputs.expires }}", payload: {type: object, required: [ok], properties: {ok: {type: boolean}}}}
outputs: {ok: "{{ steps.wait.payload.ok }}"}
"#;

/// Says something that cannot be said again unseen, twice.
const SAY: &str = r##"
flow: say
trigger: {on_demand: {}}
connections:
  crm: {app: sandbox_crm, dynamic: {}}
steps:
  say: {uses: sandbox_crm.post_message, connection: crm, with: {channel: "#all", text: hello}}
outputs: {message: "{{ steps.say.id }}"}
"##;

/// A run of Ana's, with her account given.
async fn begin(world: &World, flow: &str, inputs: Value) -> String {
    let body = json!({"inputs": inputs}).to_string();
    let path = format!("/api/v1/flows/{flow}/runs");
    let headers = [("prefer", "wait=1"), ("content-type", "application/json")];
    let run = world
        .send(Method::POST, &path, Some("ana"), &headers, Some(body))
        .await
        .expect_ok();
    let id = run["run"].as_str().unwrap().to_owned();
    // The first time her account is asked for; later nothing is, and the run waits for something else.
    if run["paused"]["for"] == "sign_in" {
        sign_in(&mut Browser::new(), &link(&run), "ana", "ana").await;
    }
    id
}

/// The address that the CRM was given by the last run.
async fn address(world: &World) -> String {
    let notes = world.records("Note").await;
    let fields = &notes.last().unwrap()["fields"];
    fields["Answer to"].as_str().unwrap().to_owned()
}

async fn call(address: &str, body: &Value) -> (u16, Value) {
    let answer = client().post(address).json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

async fn post(world: &World, user: &str, run: &str, verb: &str, body: Value) -> Answer {
    let path = format!("/api/v1/runs/{run}/{verb}");
    world
        .ask(Method::POST, &path, Some(user), Some(&body))
        .await
}

async fn until_waiting(world: &World, run: &str) {
    let waits = |document: &Value| document["steps"]["wait"]["state"] == "waiting";
    world.until("ana", run, waits).await;
}

#[tokio::test]
async fn an_address_calls_its_own_step_back_once() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(ASK).await;
    let run = begin(&world, "ask", json!({})).await;
    until_waiting(&world, &run).await;
    let good = address(&world).await;
    let (page, token) = good.split_once("?token=").unwrap();
    assert!(
        good.starts_with(&format!("{}/hooks/callback/{run}/wait?token=", world.url())),
        "{good}"
    );

    // What is wrong with it cannot be told from outside.
    let other = page.replace(&run, "run_00000000000000000000000000");
    let flipped = format!(
        "{}{}",
        if token.starts_with('0') { "1" } else { "0" },
        &token[1..]
    );
    let mut answers = Vec::new();
    for wrong in [
        page.to_owned(),
        format!("{page}?token="),
        format!("{page}?token={flipped}"),
        format!("{page}?token={token}&more=1"),
        format!("{other}?token={token}"),
        format!("{}?token={token}", page.replace("/wait", "/tell")),
        format!("{}?token={token}", page.replace("/wait", "/wait.0~x")),
    ] {
        let (status, body) = call(&wrong, &json!({"ok": true})).await;
        assert_eq!(status, 404, "{wrong} {body}");
        answers.push(body);
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    for body in [json!({}), json!({"ok": "yes"}), json!([])] {
        let (status, said) = call(&good, &body).await;
        assert_eq!(
            (status, &said["code"]),
            (422, &json!("does_not_fit")),
            "{body}"
        );
    }
    let large = json!({"ok": true, "more": "x".repeat(1 << 20)});
    assert_eq!(call(&good, &large).await.0, 413);
    assert_eq!(
        client().get(&good).send().await.unwrap().status().as_u16(),
        405
    );
    let now = world.see("ana", &run).await;
    assert_eq!(now["steps"]["wait"]["state"], "waiting", "{now:#}");
    // Nothing that Ana or the log can see holds the token.
    let path = format!("/api/v1/runs/{run}/journal");
    let journal = world
        .ask(Method::GET, &path, Some("ana"), None)
        .await
        .expect_ok();
    let audit = world
        .ask(Method::GET, "/api/v1/audit", None, None)
        .await
        .expect_ok();
    for seen in [&now, &journal, &audit] {
        assert!(!seen.to_string().contains(token), "{seen:#}");
    }

    let yes = json!({"ok": true});
    let (first, second) = tokio::join!(call(&good, &yes), call(&good, &yes));
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409], "once, however many come at once");
    let ended = world.end("ana", &run).await;
    assert_eq!(
        (&ended["state"], &ended["outputs"]["ok"]),
        (&json!("succeeded"), &json!(true))
    );
    assert_eq!(call(&good, &json!({"ok": true})).await.0, 409);
    assert_eq!(
        post(
            &world,
            "ana",
            &run,
            "callback",
            json!({"step": "wait", "payload": {"ok": true}})
        )
        .await
        .status,
        409
    );
}

#[tokio::test]
async fn what_comes_too_late_is_told_and_changes_nothing() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(ASK).await;
    let run = begin(&world, "ask", json!({})).await;
    until_waiting(&world, &run).await;
    let cancelled = address(&world).await;
    post(&world, "ana", &run, "cancel", json!({}))
        .await
        .expect_ok();
    world.end("ana", &run).await;
    assert_eq!(call(&cancelled, &json!({"ok": true})).await.0, 410);
    assert_eq!(world.see("ana", &run).await["state"], "cancelled");

    let run = begin(&world, "ask", json!({"expires": "1s"})).await;
    let ended = world.end("ana", &run).await;
    assert_eq!(
        (&ended["state"], &ended["error"]["code"]),
        (&json!("failed"), &json!("callback_expired")),
        "{ended:#}"
    );
    assert_eq!(
        call(&address(&world).await, &json!({"ok": true})).await.0,
        410
    );

    // Its own people may bring it too, and nobody else.
    let run = begin(&world, "ask", json!({})).await;
    until_waiting(&world, &run).await;
    let body = json!({"step": "wait", "payload": {"ok": false}});
    for other in ["ben", "vera"] {
        assert_eq!(
            post(&world, other, &run, "callback", body.clone())
                .await
                .status,
            404
        );
    }
    post(&world, "ana", &run, "callback", body)
        .await
        .expect_ok();
    assert_eq!(world.end("ana", &run).await["outputs"]["ok"], false);
}

/// A run whose effect was under way when the program was killed: nobody knows whether it happened.
async fn in_doubt(world: &mut World, after: bool) -> Value {
    let action = if after { "hold_after" } else { "hold_before" };
    world
        .crm
        .tell(
            "faults",
            &json!({"path": "/api/v1/messages", "method": "POST", "times": 1, "do": action}),
        )
        .await;
    let run = begin(world, "say", json!({})).await;
    world.until_held().await;
    world.kill();
    world.release().await;
    world.serve();
    world.until_ready().await;
    let asked = |document: &Value| document["paused"]["for"] == "decision";
    world.until("ana", &run, asked).await
}

#[tokio::test]
async fn what_nobody_knows_is_asked_of_its_own_person() {
    let mut world = World::start(Kind::Sqlite).await;
    world.publish(SAY).await;
    let admin = json!({"login": "adam", "name": "Adam", "email": "adam@actas.test", "roles": ["admin"], "local": true});
    world
        .ask(Method::POST, "/api/v1/users", None, Some(&admin))
        .await
        .expect_ok();

    // It did happen, Ana says, and what it gave.
    let run = in_doubt(&mut world, true).await;
    let asked = &run["paused"]["decisions"][0];
    assert_eq!(
        (&asked["step"], &asked["who"], &asked["mine"]),
        (&json!("say"), &json!(["ana"]), &json!(true)),
        "{run:#}"
    );
    let id = run["run"].as_str().unwrap();
    for (user, body, status) in [
        ("ben", json!({"step": "say", "answer": "give_up"}), 404),
        ("vera", json!({"step": "say", "answer": "happened"}), 404),
        ("adam", json!({"step": "say", "answer": "again"}), 403),
        ("ana", json!({"step": "say", "answer": "maybe"}), 400),
        ("ana", json!({"step": "other", "answer": "again"}), 404),
        (
            "ana",
            json!({"step": "say", "answer": "again", "output": 1}),
            400,
        ),
    ] {
        let said = post(&world, user, id, "decide", body.clone()).await;
        assert_eq!(said.status, status, "{user} {body} {:#}", said.body);
    }
    let page = crate::world::open(&mut Browser::new(), asked["url"].as_str().unwrap(), "ana").await;
    for button in ["It did happen", "Do it again", "Give up"] {
        assert!(page.text().contains(button), "{page}");
    }
    let happened = json!({"step": "say", "answer": "happened", "output": {"id": "msg_1"}});
    post(&world, "ana", id, "decide", happened.clone())
        .await
        .expect_ok();
    let ended = world.end("ana", id).await;
    assert_eq!(
        (&ended["state"], &ended["outputs"]["message"]),
        (&json!("succeeded"), &json!("msg_1")),
        "{ended:#}"
    );
    assert_eq!(
        post(&world, "ana", id, "decide", happened).await.status,
        409
    );

    // It did not: again. The administrator may not say that in her place, but may give it up.
    let run = in_doubt(&mut world, false).await;
    let id = run["run"].as_str().unwrap();
    post(
        &world,
        "ana",
        id,
        "decide",
        json!({"step": "say", "answer": "again"}),
    )
    .await
    .expect_ok();
    assert_eq!(world.end("ana", id).await["state"], "succeeded");
    let run = in_doubt(&mut world, false).await;
    let id = run["run"].as_str().unwrap();
    let gave_up = json!({"step": "say", "answer": "give_up"});
    post(&world, "adam", id, "decide", gave_up)
        .await
        .expect_ok();
    let ended = world.end("ana", id).await;
    assert_eq!(
        (&ended["state"], &ended["error"]["code"]),
        (&json!("failed"), &json!("gave_up")),
        "{ended:#}"
    );
    let messages = world.crm.ask("messages").await;
    let count = messages
        .as_array()
        .or_else(|| messages["items"].as_array())
        .map(Vec::len);
    assert_eq!(
        count,
        Some(2),
        "the one that happened, and the one done again: {messages:#}"
    );
}
