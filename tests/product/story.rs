//! The main job from outside: a flow acts as whoever runs it, pauses for their sign-in, and goes on at that very step.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::Browser;
use actas_test_support::sandbox::{self, Decision};
use reqwest::Method;
use serde_json::{Value, json};

use crate::flows::WIN;
use crate::world::{Kind, World, link, open, sign_in};

async fn token_requests(world: &World) -> u64 {
    world.crm.ask("counts").await["token_requests"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum()
}

async fn start(world: &World, user: &str, customer: &str) -> Value {
    world
        .run(user, "win", &json!({"customer": customer}), None)
        .await
        .unwrap()
        .expect_ok()
}

#[tokio::test]
async fn a_run_pauses_for_its_invoker_survives_kill_9_and_goes_on_at_that_step_as_them() {
    let mut world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let paused = start(&world, "ana", "Northwind").await;
    assert_eq!(
        (&paused["state"], &paused["paused"]["for"]),
        (&json!("paused"), &json!("sign_in")),
        "{paused:#}"
    );
    assert_eq!(paused["paused"]["connections"][0]["person"], "ana");
    assert_eq!(paused["paused"]["connections"][0]["reason"], "missing");
    let run = paused["run"].as_str().unwrap();

    world.kill();
    world.serve();
    world.until_ready().await;

    let page = sign_in(&mut Browser::new(), &link(&paused), "ana", "ana").await;
    assert_eq!(page.status, 200, "{page}");
    let done = world.end("ana", run).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(done["steps"]["prepare"]["attempts"], 1);
    assert_eq!(
        done["steps"]["create"]["acted_as"]["account"],
        "ana@sandbox"
    );
    assert_eq!(done["steps"]["create"]["acted_as"]["rule"], "invoker");
    assert_eq!(done["steps"]["create"]["acted_as"]["kind"], "personal");
    assert_eq!(world.records("Opportunity").await[0]["author"], "ana");

    let again = start(&world, "ana", "Contoso").await;
    assert_eq!(
        again["state"], "succeeded",
        "the sign-in is kept: {again:#}"
    );

    let audit = world
        .ask(Method::GET, &format!("/api/v1/audit?run={run}"), None, None)
        .await
        .expect_ok();
    let created = audit["records"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["action"] == "step.succeeded" && r["step"] == "create")
        .unwrap()
        .clone();
    assert_eq!(
        (
            &created["account"],
            &created["rule"],
            &created["person"]["login"]
        ),
        (&json!("ana@sandbox"), &json!("invoker"), &json!("ana"))
    );
    assert_eq!(created["record"]["type"], "Opportunity");
    let verdict = world
        .ask(Method::GET, "/api/v1/audit/verify", None, None)
        .await
        .expect_ok();
    assert_eq!(verdict["ok"], true, "{verdict:#}");
    // The command line speaks to the same server over its socket.
    let verified = world.actas(&["audit", "verify"]).expect(0);
    assert!(verified.stdout.contains("the chain is whole"), "{verified}");
}

#[tokio::test]
async fn whoever_is_not_the_invoker_cannot_use_the_link_and_the_provider_sees_no_token_request() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let paused = start(&world, "ben", "Northwind").await;
    let before = token_requests(&world).await;

    let page = open(&mut Browser::new(), &link(&paused), "ana").await;
    assert_eq!(page.status, 403, "{page}");
    assert!(
        !page.body.contains("Northwind") && !page.body.contains("win"),
        "the page tells nothing of the run: {page}"
    );

    // Ben goes as far as the answer of the provider; Ana's browser presents it.
    let mut ben = Browser::new();
    let page = open(&mut ben, &link(&paused), "ben").await;
    let form = page.form_with_button("Sign in");
    let page = ben.submit(&page, &form).await;
    let answer = sandbox::sign_in_without_callback(&mut ben, page, "ben", Decision::Allow).await;
    let callback = answer.headers["location"].to_str().unwrap().to_owned();
    let mut ana = Browser::new();
    open(&mut ana, &format!("{}/", world.url()), "ana").await;
    let page = ana.open(&callback).await;
    assert!(
        page.status >= 400,
        "Ana's browser presents Ben's callback: {page}"
    );
    let page = Browser::new().open(&callback).await;
    assert!(
        page.status >= 400 || page.url.path().contains("/login"),
        "nobody's browser presents Ben's callback: {page}"
    );
    assert_eq!(token_requests(&world).await, before, "no code was redeemed");
    let still = world.see("ben", paused["run"].as_str().unwrap()).await;
    assert_eq!(still["state"], "paused");

    let audit = world
        .ask(
            Method::GET,
            "/api/v1/audit?action=sign_in.refused",
            None,
            None,
        )
        .await
        .expect_ok();
    assert!(
        !audit["records"].as_array().unwrap().is_empty(),
        "refusals are in the audit log"
    );
}

#[tokio::test]
async fn declining_makes_no_call_and_stays_open_until_its_person_changes_their_mind() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let paused = start(&world, "ben", "Northwind").await;
    let run = paused["run"].as_str().unwrap();
    let mut ben = Browser::new();
    let page = open(&mut ben, &link(&paused), "ben").await;
    let form = page.form_with_button("Decline").press("Decline");
    ben.submit(&page, &form).await;
    let declined = world
        .until("ben", run, |run| {
            run["paused"]["connections"][0]["reason"] == "declined"
        })
        .await;
    assert_eq!(declined["state"], "paused", "{declined:#}");
    assert_eq!(
        (world.calls("ben").await, token_requests(&world).await),
        (0, 0),
        "declining makes no call"
    );

    sign_in(&mut Browser::new(), &link(&declined), "ben", "ben").await;
    let done = world.end("ben", run).await;
    assert_eq!(
        (
            &done["state"],
            &done["steps"]["create"]["acted_as"]["account"]
        ),
        (&json!("succeeded"), &json!("ben@sandbox")),
        "{done:#}"
    );
}

#[tokio::test]
async fn a_build_time_value_is_nowhere_after_publishing() {
    let world = World::start(Kind::Sqlite).await;
    let mut name = [0_u8; 16];
    name.copy_from_slice(&std::process::id().to_le_bytes().repeat(4));
    let name = format!("vera-{}", hex::encode(name));
    let text = WIN.replace(
        "dynamic: {ask: when_needed,",
        &format!("build_time: {name}, dynamic: {{ask: when_needed,"),
    );
    let published = world.publish(&text).await;
    assert!(
        published["dropped"].to_string().contains("crm"),
        "publishing says what it dropped: {published:#}"
    );
    for path in ["versions/1", "versions/1/export", "versions", "draft"] {
        let answer = world
            .ask(
                Method::GET,
                &format!("/api/v1/flows/win/{path}"),
                Some("ben"),
                None,
            )
            .await;
        let vera = world
            .ask(
                Method::GET,
                &format!("/api/v1/flows/win/{path}"),
                Some("vera"),
                None,
            )
            .await;
        assert!(
            !answer.body.to_string().contains(&name) && !vera.body.to_string().contains(&name),
            "{path} names it"
        );
    }
    let paused = start(&world, "vera", "Northwind").await;
    assert_eq!(
        paused["paused"]["connections"][0]["reason"], "missing",
        "a production run finds no build-time value: {paused:#}"
    );
}

#[tokio::test]
async fn what_the_app_refuses_this_person_is_said_with_its_words_and_never_tried_as_somebody_stronger()
 {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    world.crm.tell("rights", &json!({"user": "ana", "rights": {"allowed": ["* on *"], "refused": ["CREATE on Opportunity"]}})).await;
    let paused = start(&world, "ana", "Northwind").await;
    sign_in(&mut Browser::new(), &link(&paused), "ana", "ana").await;
    let done = world.end("ana", paused["run"].as_str().unwrap()).await;
    assert_eq!(
        (&done["state"], &done["error"]["kind"]),
        (&json!("failed"), &json!("permission_denied")),
        "{done:#}"
    );
    assert!(
        done["error"]["message"]
            .as_str()
            .unwrap()
            .contains("CREATE on Opportunity"),
        "{done:#}"
    );
    assert_eq!(done["steps"]["create"]["attempts"], 1);
    assert!(world.records("Opportunity").await.is_empty());
}

#[tokio::test]
async fn access_taken_back_in_mid_run_pauses_that_run_and_nothing_is_done_twice() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let paused = start(&world, "ana", "Northwind").await;
    world.crm.tell("faults", &json!({"path": "/api/v1/records/Opportunity", "method": "POST", "times": 1, "do": "hold_after"})).await;
    sign_in(&mut Browser::new(), &link(&paused), "ana", "ana").await;
    let run = paused["run"].as_str().unwrap();
    world.until_held().await;
    world.crm.tell("revoke", &json!({"user": "ana"})).await;
    world.release().await;
    let again = world.settle("ana", run).await;
    assert_eq!(
        (
            &again["paused"]["connections"][0]["reason"],
            &again["steps"]["create"]["state"]
        ),
        (&json!("revoked"), &json!("succeeded")),
        "{again:#}"
    );
    sign_in(&mut Browser::new(), &link(&again), "ana", "ana").await;
    let done = world.end("ana", run).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(
        (
            world.records("Opportunity").await.len(),
            world.records("Note").await.len()
        ),
        (1, 1)
    );
}
