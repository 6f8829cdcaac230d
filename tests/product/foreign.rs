//! Against a real OAuth 2 server that was not written here: PKCE required, refresh tokens rotate, a second use of one kills the grant, access
//! tokens live for five seconds, answers carry the issuer (RFC 9207).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::time::Duration;

use actas_test_support::browser::{Browser, Page};
use actas_test_support::oidc::{Oidc, confidential};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Kind, World, is_over, link, open};

const FLOW: &str = r"
flow: file-it
trigger: {on_demand: {}}
inputs:
  what: {type: string}
connections:
  records: {app: foreign, dynamic: {ask: when_needed}}
steps:
  add:
    uses: foreign.add
    connection: records
    with: {fields: {what: '{{ inputs.what }}'}}
    retry: {attempts: 4, first_delay: 200ms, max_delay: 1s}
outputs: {who: '{{ steps.add }}'}
";

const CLIENT: (&str, &str) = ("actas-abroad", "the-secret-of-actas-abroad");

/// A world with the foreign app; none where Node.js is missing.
async fn abroad() -> Option<(World, Oidc)> {
    abroad_for(5).await
}

/// The same with access tokens that live so many seconds.
async fn abroad_for(seconds: u32) -> Option<(World, Oidc)> {
    let mut world = World::prepare(Kind::Sqlite);
    world.add_apps(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/product/apps"));
    // The client's own id stands in its redirect URI, and the provider wants to know that before it starts: the address comes second.
    world.serve();
    world.until_ready().await;
    world.furnish().await;
    let redirect = world
        .configure("foreign", &json!({"issuer": "http://127.0.0.1:1"}), CLIENT)
        .await;
    let client = confidential(CLIENT.0, CLIENT.1, &[&redirect]);
    let oidc = Oidc::start_with(&json!({"clients": [client], "access_token_seconds": seconds}))?;
    world.allow(&oidc.issuer);
    world.kill();
    world.serve();
    world.until_ready().await;
    let body = json!({"client_id": CLIENT.0, "client_secret": CLIENT.1, "settings": {"issuer": oidc.issuer}});
    world
        .ask(
            Method::PUT,
            "/api/v1/apps/foreign/clients/default",
            None,
            Some(&body),
        )
        .await
        .expect_ok();
    world.publish(FLOW).await;
    Some((world, oidc))
}

async fn start(world: &World, user: &str, what: &str) -> Value {
    world
        .run(user, "file-it", &json!({"what": what}), None)
        .await
        .unwrap()
        .expect_ok()
}

/// Opens the link as its person and signs in there as an account.
async fn connect(oidc: &Oidc, link: &str, login: &str, account: &str) -> Page {
    oidc.sign_in_as(account).await;
    let mut browser = Browser::new();
    let page = open(&mut browser, link, login).await;
    let form = page.form_with_button("Sign in");
    browser.submit(&page, &form).await
}

#[tokio::test]
async fn connect_refresh_revoke_and_reconnect_as_the_wrong_person() {
    let Some((world, oidc)) = abroad().await else {
        return;
    };
    let paused = start(&world, "ana", "one").await;
    let page = connect(&oidc, &link(&paused), "ana", "ana").await;
    assert_eq!(page.status, 200, "{page}");
    let done = world.end("ana", paused["run"].as_str().unwrap()).await;
    assert_eq!(
        (&done["state"], &done["steps"]["add"]["acted_as"]["account"]),
        (&json!("succeeded"), &json!("ana")),
        "{done:#}"
    );
    assert_eq!(oidc.token_requests("authorization_code").await, 1);

    // The access token has run out: one refresh, nobody is asked.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    let again = start(&world, "ana", "two").await;
    assert_eq!(again["state"], "succeeded", "{again:#}");
    assert_eq!(oidc.token_requests("refresh_token").await, 1);

    // Access is taken back: the run pauses, and says why.
    assert!(oidc.revoke("ana").await > 0);
    let revoked = start(&world, "ana", "three").await;
    assert_eq!(
        revoked["paused"]["connections"][0]["reason"], "revoked",
        "{revoked:#}"
    );

    // Somebody else's account in Ana's browser is refused, and the run stays paused.
    let page = connect(&oidc, &link(&revoked), "ana", "ben").await;
    assert!(page.status >= 400, "another account came back: {page}");
    let still = world.see("ana", revoked["run"].as_str().unwrap()).await;
    assert_eq!(still["state"], "paused", "{still:#}");
    let audit = world
        .ask(
            Method::GET,
            "/api/v1/audit?action=identity_mismatch",
            None,
            None,
        )
        .await
        .expect_ok();
    assert_eq!(audit["records"].as_array().unwrap().len(), 1, "{audit:#}");

    let page = connect(&oidc, &link(&still), "ana", "ana").await;
    assert_eq!(page.status, 200, "{page}");
    let done = world.end("ana", revoked["run"].as_str().unwrap()).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(oidc.records().await.len(), 3, "each record once");
}

#[tokio::test]
async fn a_step_waits_for_a_provider_that_does_not_renew_its_token_whatever_its_retries() {
    let Some((world, oidc)) = abroad_for(2).await else {
        return;
    };
    let once = "    retry: {attempts: 4, first_delay: 200ms, max_delay: 1s}\n";
    assert!(FLOW.contains(once));
    world.publish(&FLOW.replace(once, "")).await;
    let paused = start(&world, "ana", "one").await;
    connect(&oidc, &link(&paused), "ana", "ana").await;
    world.end("ana", paused["run"].as_str().unwrap()).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    oidc.forget_requests().await;
    oidc.refuse_tokens(2, 503, "").await;
    let run = start(&world, "ana", "two").await;
    let done = world.end("ana", run["run"].as_str().unwrap()).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(done["steps"]["add"]["attempts"], 3, "{done:#}");
    let asked = oidc.requests().await;
    let asked = asked.iter().filter(|request| request.route == "token");
    assert_eq!(asked.count(), 3, "two in vain, and one");
    assert_eq!(oidc.records().await.len(), 2, "each record once");
}

#[tokio::test]
async fn many_runs_that_need_one_expired_token_refresh_it_once() {
    let Some((world, oidc)) = abroad().await else {
        return;
    };
    let paused = start(&world, "ana", "first").await;
    connect(&oidc, &link(&paused), "ana", "ana").await;
    world.end("ana", paused["run"].as_str().unwrap()).await;
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    oidc.delay_tokens(300).await;
    oidc.forget_requests().await;
    let runs = futures::future::join_all((0..16).map(|n| {
        let world = &world;
        async move { start(world, "ana", &format!("at once {n}")).await }
    }))
    .await;
    for run in runs {
        let done = if is_over(&run) {
            run
        } else {
            world.end("ana", run["run"].as_str().unwrap()).await
        };
        assert_eq!(done["state"], "succeeded", "{done:#}");
    }
    assert_eq!(
        oidc.token_requests("refresh_token").await,
        1,
        "{:?}",
        oidc.requests().await
    );
}
