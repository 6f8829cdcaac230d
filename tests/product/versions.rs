//! Versions and runs of them once more, from outside: differences, going back to an older one, what leaves its person, retry and replay.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::Browser;
use reqwest::Method;
use serde_json::{Value, json};

use crate::flows::WIN;
use crate::world::{Kind, World, link, sign_in};

/// What the manager got in the CRM goes to whoever runs the flow, and what that one got goes to the manager.
const LEAKY: &str = r#"
flow: leaky
trigger: {on_demand: {}}
connections:
  crm: {app: sandbox_crm, dynamic: {}}
  boss: {app: sandbox_crm, dynamic: {of: approve}}
steps:
  me: {uses: sandbox_crm.get_me, connection: crm}
  approve: {uses: core.approve, with: {who: ben, title: "For {{ steps.me.name }}"}}
  sign: {uses: sandbox_crm.get_me, connection: boss}
  note: {uses: sandbox_crm.create_record, connection: crm, with: {object: Note, fields: {By: "{{ steps.sign.name }}"}}}
outputs: {by: "{{ steps.sign.name }}", me: "{{ steps.me.name }}"}
"#;

async fn post(world: &World, user: &str, path: &str, body: &Value) -> crate::world::Answer {
    let path = format!("/api/v1/{path}");
    world.ask(Method::POST, &path, Some(user), Some(body)).await
}

#[tokio::test]
async fn a_flow_is_begun_compared_and_taken_back_from_the_command_line() {
    let world = World::start(Kind::Sqlite).await;
    let actas = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--as", "vera"]);
        let done = world.actas(&all);
        assert_eq!(done.code, Some(0), "{args:?} {done:?}");
        done
    };
    let file = world.home.path().join("hello-there.yaml");
    let name = file.to_str().unwrap();
    actas(&["flows", "new", "hello-there", "--out", name]);
    let again = world.actas(&["flows", "new", "hello-there", "--out", name]);
    assert_eq!(again.code, Some(2), "a file that is there stays: {again:?}");
    actas(&["validate", name]);
    actas(&["flows", "save", name]);
    actas(&["publish", name]);
    let text = std::fs::read_to_string(&file).unwrap();
    let more = text.replace("hello {{", "good day {{").replace(
        "outputs:",
        "  lines:\n    for_each: \"[1, 2]\"\n    steps:\n      one: {uses: core.set, with: {n: \"{{ item }}\"}}\noutputs:",
    );
    let more = more.replace("}\"}\n", "}\", n: \"{{ steps.lines.count }}\"}\n");
    std::fs::write(&file, &more).unwrap();
    actas(&["publish", name]);
    let diff = actas(&["flows", "diff", "hello-there"]);
    for part in ["version 1 → 2", "+lines", "+lines/one", "~greet (with)"] {
        assert!(diff.stdout.contains(part), "{part} in {diff:?}");
    }
    let same = actas(&["flows", "diff", "hello-there", "2", "2"]);
    assert!(same.stdout.contains("nothing is different"), "{same:?}");

    let shown = actas(&["flows", "rollback", "hello-there", "1", "--dry-run"]);
    assert!(shown.stdout.contains("would become version 3"), "{shown:?}");
    actas(&["flows", "rollback", "hello-there", "1"]);
    let one = actas(&["flows", "diff", "hello-there", "1", "3"]);
    assert!(one.stdout.contains("nothing is different"), "{one:?}");
    let versions = world
        .ask(
            Method::GET,
            "/api/v1/flows/hello-there/versions",
            Some("vera"),
            None,
        )
        .await
        .expect_ok();
    let digest = |number: u64| {
        let all = versions["versions"].as_array().unwrap();
        all.iter().find(|v| v["version"] == number).unwrap()["digest"].clone()
    };
    assert_eq!(digest(1), digest(3));
    let run = actas(&["run", "hello-there", "-i", "name=Vera", "--json"]);
    let run: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&run["version"], &run["outputs"]["text"]),
        (&json!(3), &json!("hello Vera"))
    );
    for (user, version, status) in [
        ("vera", 3, 409),
        ("vera", 9, 404),
        ("vera", 0, 404),
        ("ana", 1, 403),
    ] {
        let said = post(
            &world,
            user,
            "flows/hello-there/rollback",
            &json!({"version": version}),
        )
        .await;
        assert_eq!(said.status, status, "{user} {version} {:#}", said.body);
    }
}

#[tokio::test]
async fn publishing_says_what_leaves_its_person() {
    let world = World::start(Kind::Sqlite).await;
    let published = world.publish(LEAKY).await;
    assert_eq!(
        published["leaves"],
        json!([
            {"through": "approval", "name": "approve", "of": ["crm"]},
            {"through": "call", "name": "note", "of": ["boss"]},
            {"through": "output", "name": "by", "of": ["boss"]},
        ]),
        "{published:#}"
    );
    assert_eq!(world.publish(WIN).await["leaves"], json!([]));
}

#[tokio::test]
async fn a_retry_does_nothing_twice_and_a_replay_does_it_all_again_as_whoever_asks() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let inputs = json!({"customer": "Northwind"});
    let paused = world
        .run("ana", "win", &inputs, None)
        .await
        .unwrap()
        .expect_ok();
    world
        .crm
        .tell(
            "faults",
            &json!({"path": "/api/v1/records/Note", "method": "POST", "times": 1, "do": {"answer": {"status": 403}}}),
        )
        .await;
    sign_in(&mut Browser::new(), &link(&paused), "ana", "ana").await;
    let failed = world.end("ana", paused["run"].as_str().unwrap()).await;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    let path = |verb: &str| format!("runs/{}/{verb}", failed["run"].as_str().unwrap());

    assert_eq!(
        post(&world, "ben", &path("retry"), &json!({})).await.status,
        404
    );
    assert_eq!(
        post(&world, "ben", &path("replay"), &json!({}))
            .await
            .status,
        404
    );
    let retried = post(&world, "ana", &path("retry"), &json!({}))
        .await
        .expect_ok();
    let retried = world.end("ana", retried["run"].as_str().unwrap()).await;
    assert_eq!(
        (&retried["state"], &retried["retry_of"]),
        (&json!("succeeded"), &failed["run"]),
        "{retried:#}"
    );
    assert_eq!(
        retried["outputs"]["opportunity"],
        failed["steps"]["create"]["output"]["id"]
    );
    assert_eq!(world.records("Opportunity").await.len(), 1);
    assert_eq!(world.records("Note").await.len(), 1);
    let again = format!("runs/{}/retry", retried["run"].as_str().unwrap());
    assert_eq!(post(&world, "ana", &again, &json!({})).await.status, 409);

    let replayed = post(&world, "ana", &path("replay"), &json!({}))
        .await
        .expect_ok();
    let replayed = world.end("ana", replayed["run"].as_str().unwrap()).await;
    assert_eq!(
        (&replayed["state"], &replayed["retry_of"]),
        (&json!("succeeded"), &Value::Null)
    );
    assert_eq!(world.records("Opportunity").await.len(), 2);
    // A stopped flow is not run again either.
    post(
        &world,
        "vera",
        "flows/win/stop",
        &json!({"reason": "enough"}),
    )
    .await
    .expect_ok();
    assert_eq!(
        post(&world, "ana", &path("retry"), &json!({})).await.status,
        409
    );
}
