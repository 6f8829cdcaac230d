//! The rules that nothing may bend, seen from outside: whose account a step acts as, who agreed to what, what is another person's.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::Browser;
use reqwest::Method;
use serde_json::{Value, json};

use crate::flows::WIN;
use crate::world::{Answer, Kind, World, link, open, sign_in};

const TEAM: &str = "
flow: tell-team
trigger: {on_demand: {}}
connections:
  team: {app: sandbox_crm, connection: team-crm}
steps:
  post: {uses: sandbox_crm.post_message, connection: team, with: {channel: '#team', text: hello}}
outputs: {author: '{{ steps.post.author }}'}
";

/// A flow whose slot asks for these scopes, with these steps.
fn reaching(scopes: &str, steps: &str) -> String {
    format!(
        "flow: reach\ntrigger: {{on_demand: {{}}}}\nconnections:\n  crm: {{app: sandbox_crm, dynamic: {{scopes: [{scopes}]}}}}\nsteps:\n{steps}"
    )
}

const ME: &str = "  me: {uses: sandbox_crm.get_me, connection: crm}\n";
const LIST: &str = "  list: {uses: sandbox_crm.list_accounts, connection: crm}\n";

async fn get(world: &World, user: &str, path: &str) -> Answer {
    world
        .ask(Method::GET, &format!("/api/v1/{path}"), Some(user), None)
        .await
}

async fn post(world: &World, user: &str, path: &str) -> Answer {
    world
        .ask(Method::POST, &format!("/api/v1/{path}"), Some(user), None)
        .await
}

async fn run(world: &World, user: &str, flow: &str, inputs: Value) -> Value {
    let started = world.run(user, flow, &inputs, None).await.unwrap();
    let run = started.expect_ok();
    world.settle(user, run["run"].as_str().unwrap()).await
}

async fn win(world: &World, user: &str) -> Value {
    run(world, user, "win", json!({"customer": "Northwind"})).await
}

/// Runs the flow `win` as somebody who signs in on the way.
async fn win_signing_in(world: &World, user: &str) -> Value {
    let paused = win(world, user).await;
    sign_in(&mut Browser::new(), &link(&paused), user, user).await;
    let done = world.end(user, paused["run"].as_str().unwrap()).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    done
}

fn reason(run: &Value) -> &Value {
    &run["paused"]["connections"][0]["reason"]
}

async fn share(world: &World, account: &str) -> String {
    let body = json!({"name": "team-crm", "app": "sandbox_crm"});
    let path = "/api/v1/connections";
    let page = world
        .ask(Method::POST, path, Some("vera"), Some(&body))
        .await
        .expect_ok();
    let page = sign_in(
        &mut Browser::new(),
        page["url"].as_str().unwrap(),
        "vera",
        account,
    )
    .await;
    assert_eq!(page.status, 200, "{page}");
    let all = get(world, "vera", "connections").await.expect_ok();
    all["connections"][0]["id"].as_str().unwrap().to_owned()
}

/// The only personal connection of somebody.
async fn own(world: &World, user: &str) -> Value {
    let all = get(world, user, "me/connections").await.expect_ok();
    assert_eq!(all["connections"].as_array().unwrap().len(), 1, "{all:#}");
    all["connections"][0].clone()
}

#[tokio::test]
async fn a_connection_name_used_again_inherits_nothing() {
    let world = World::start(Kind::Sqlite).await;
    let first = share(&world, "dora").await;
    world.publish(TEAM).await;
    let done = run(&world, "ana", "tell-team", json!({})).await;
    assert_eq!(done["outputs"]["author"], "dora", "{done:#}");

    let path = format!("/api/v1/connections/{first}");
    let deleted = world
        .ask(Method::DELETE, &path, None, None)
        .await
        .expect_ok();
    assert_eq!(
        deleted["stopped_flows"],
        json!(["tell-team"]),
        "{deleted:#}"
    );
    let second = share(&world, "carla").await;
    assert_ne!(first, second);
    let looked = world.calls("carla").await;
    let stopped = world
        .run("ana", "tell-team", &json!({}), None)
        .await
        .unwrap();
    assert!(stopped.status >= 400, "a stopped flow: {:#}", stopped.body);
    // Nobody can start it again: the version means the connection that is gone.
    let start = post(&world, "vera", "flows/tell-team/start").await;
    assert_eq!(
        (start.status, start.body["code"].as_str()),
        (409, Some("connection_deleted")),
        "{:#}",
        start.body
    );
    let stopped = world
        .run("ana", "tell-team", &json!({}), None)
        .await
        .unwrap();
    assert!(stopped.status >= 400, "a stopped flow: {:#}", stopped.body);
    assert_eq!(world.calls("carla").await, looked, "nobody acts as Carla");
}

#[tokio::test]
async fn a_version_that_reaches_further_asks_again_and_one_that_reaches_less_does_not() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(&reaching("records.read", ME)).await;
    let paused = run(&world, "ana", "reach", json!({})).await;
    assert_eq!(reason(&paused), "missing", "{paused:#}");
    sign_in(&mut Browser::new(), &link(&paused), "ana", "ana").await;
    world.end("ana", paused["run"].as_str().unwrap()).await;

    // One more module.
    let published = world
        .publish(&reaching("records.read", &format!("{ME}{LIST}")))
        .await;
    assert_eq!(published["widens"][0]["person"], "ana", "{published:#}");
    let paused = run(&world, "ana", "reach", json!({})).await;
    assert_eq!(reason(&paused), "consent", "{paused:#}");
    let mut ana = Browser::new();
    let page = open(&mut ana, &link(&paused), "ana").await;
    let page = ana
        .submit(&page, &page.form_with_button("Use ana@sandbox"))
        .await;
    assert_eq!(page.status, 200, "{page}");
    let done = world.end("ana", paused["run"].as_str().unwrap()).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");

    // One module less.
    world.publish(&reaching("records.read", LIST)).await;
    let done = run(&world, "ana", "reach", json!({})).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");

    // One more scope, which the sign-in does not have.
    world
        .publish(&reaching("records.read, records.write", LIST))
        .await;
    let paused = run(&world, "ana", "reach", json!({})).await;
    assert_eq!(reason(&paused), "scopes", "{paused:#}");
}

#[tokio::test]
async fn a_personal_connection_is_for_its_person_only() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    win_signing_in(&world, "ana").await;
    let anas = own(&world, "ana").await;
    let id = anas["id"].as_str().unwrap();
    let bens = get(&world, "ben", "me/connections").await.expect_ok();
    assert_eq!(bens["connections"], json!([]));
    for path in ["reconnect", "disconnect"] {
        let answer = post(&world, "ben", &format!("me/connections/{id}/{path}")).await;
        assert_eq!(answer.status, 404, "{path}: {:#}", answer.body);
    }
    let path = format!("/api/v1/me/connections/{id}");
    let answer = world.ask(Method::DELETE, &path, Some("ben"), None).await;
    assert_eq!(answer.status, 404);

    // Ben's run waits for Ben; he cannot choose Ana's account on his page, neither from a list nor by writing its id into the form.
    let paused = win(&world, "ben").await;
    assert_eq!(
        (
            reason(&paused),
            &paused["paused"]["connections"][0]["person"]
        ),
        (&json!("missing"), &json!("ben"))
    );
    let mut ben = Browser::new();
    let page = open(&mut ben, &link(&paused), "ben").await;
    assert!(
        !page.body.contains("ana@sandbox") && !page.body.contains(id),
        "{page}"
    );
    let mut forged = page.form_with_button("Decline").with("answer", "agree");
    forged.fields.push(("connection".to_owned(), id.to_owned()));
    let page = ben.submit(&page, &forged).await;
    assert!(page.status >= 400, "{page}");
    let still = world.see("ben", paused["run"].as_str().unwrap()).await;
    assert_eq!(still["state"], "paused", "{still:#}");
}

#[tokio::test]
async fn who_disconnects_or_deletes_is_asked_again_alone_and_the_provider_saw_a_revocation() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    win_signing_in(&world, "ana").await;
    win_signing_in(&world, "ben").await;
    let revocations = async || {
        let log = world.crm.ask("log").await.to_string();
        log.matches("/oauth/revoke").count()
    };
    assert_eq!(revocations().await, 0);

    let id = own(&world, "ana").await["id"].as_str().unwrap().to_owned();
    post(&world, "ana", &format!("me/connections/{id}/disconnect"))
        .await
        .expect_ok();
    assert!(revocations().await > 0, "the provider was told");
    let paused = win(&world, "ana").await;
    assert_eq!(reason(&paused), "disconnected", "{paused:#}");
    assert_eq!(win(&world, "ben").await["state"], "succeeded");

    let (before, id) = (
        revocations().await,
        own(&world, "ben").await["id"].as_str().unwrap().to_owned(),
    );
    let path = format!("/api/v1/me/connections/{id}");
    world
        .ask(Method::DELETE, &path, Some("ben"), None)
        .await
        .expect_ok();
    assert!(revocations().await > before, "the provider was told");
    assert_eq!(reason(&win(&world, "ben").await), "missing");
}

#[tokio::test]
async fn requests_show_what_waits_for_me_and_only_that() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let paused = win(&world, "ana").await;
    let asked = get(&world, "ana", "me/requests").await.expect_ok();
    let asked = asked["requests"].as_array().unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (&asked[0]["run"], &asked[0]["url"]),
        (&paused["run"], &paused["paused"]["connections"][0]["url"])
    );
    let bens = get(&world, "ben", "me/requests").await.expect_ok();
    assert_eq!(bens["requests"], json!([]));

    // A run that is cancelled asks for nothing any more, and its link is over.
    let run = paused["run"].as_str().unwrap();
    let answer = post(&world, "ben", &format!("runs/{run}/cancel")).await;
    assert!([403, 404].contains(&answer.status), "{:#}", answer.body);
    post(&world, "ana", &format!("runs/{run}/cancel"))
        .await
        .expect_ok();
    let done = world.end("ana", run).await;
    assert_eq!(done["state"], "cancelled", "{done:#}");
    let asked = get(&world, "ana", "me/requests").await.expect_ok();
    assert_eq!(asked["requests"], json!([]));
    let page = open(&mut Browser::new(), &link(&paused), "ana").await;
    assert_eq!(page.status, 410, "{page}");
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_run_and_refuses_another_body() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let start = async |customer: &str, user: &str| {
        let inputs = json!({"customer": customer});
        world
            .run(user, "win", &inputs, Some("one-key"))
            .await
            .unwrap()
    };
    let first = start("Northwind", "ana").await.expect_ok();
    let again = start("Northwind", "ana").await.expect_ok();
    assert_eq!(first["run"], again["run"]);
    assert_eq!(start("Contoso", "ana").await.status, 422);
    let bens = start("Contoso", "ben").await.expect_ok();
    assert_ne!(bens["run"], first["run"], "a key is one person's");
}

#[tokio::test]
async fn what_a_step_read_as_another_person_is_hidden_from_whoever_sees_all_runs() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let done = win_signing_in(&world, "ana").await;
    let auditor = json!({"login": "olga", "name": "Olga", "email": "olga@actas.test", "roles": ["auditor"], "local": true});
    world
        .ask(Method::POST, "/api/v1/users", None, Some(&auditor))
        .await
        .expect_ok();
    let run = done["run"].as_str().unwrap();
    let record = done["steps"]["create"]["output"]["id"].to_string();
    let seen = world.see("olga", run).await;
    let journal = get(&world, "olga", &format!("runs/{run}/journal"))
        .await
        .expect_ok();
    assert_eq!(
        seen["steps"]["create"]["acted_as"]["account"],
        "ana@sandbox"
    );
    for shown in [&seen, &journal] {
        assert!(
            !shown.to_string().contains(&record),
            "{record} in {shown:#}"
        );
    }
    let answer = get(&world, "ben", &format!("runs/{run}")).await;
    assert_eq!(answer.status, 404, "{:#}", answer.body);
}

#[tokio::test]
async fn an_api_token_starts_and_watches_a_run_but_cannot_answer_for_its_person() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(WIN).await;
    let mut ana = Browser::new();
    let page = open(&mut ana, &format!("{}/", world.url()), "ana").await;
    let csrf = page.form("/logout");
    let (_, csrf) = csrf.fields.iter().find(|(name, _)| name == "csrf").unwrap();
    let cookie = ana.cookie(&world.url(), "actas").unwrap();
    let http = actas_test_support::browser::client();
    let api = format!("{}/api/v1", world.url());
    let made = http
        .post(format!("{api}/tokens"))
        .header("cookie", format!("actas={cookie}"))
        .header("origin", world.url())
        .header("x-actas-csrf", csrf)
        .json(&json!({"name": "for a program"}));
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let token = made["token"].as_str().unwrap_or_else(|| panic!("{made:#}"));

    let started = http
        .post(format!("{api}/flows/win/runs"))
        .bearer_auth(token)
        .json(&json!({"inputs": {"customer": "Northwind"}}));
    let started: Value = started.send().await.unwrap().json().await.unwrap();
    let run = started["run"]
        .as_str()
        .unwrap_or_else(|| panic!("{started:#}"));
    let paused = world.settle("ana", run).await;
    let seen = http.get(format!("{api}/runs/{run}")).bearer_auth(token);
    let seen: Value = seen.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&seen["state"], &seen["invoker"]),
        (&json!("paused"), &json!("ana"))
    );

    // The page is for a browser: a token neither sees nor answers it, nor makes itself another token.
    let page = http
        .get(link(&paused))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert!(
        !page
            .text()
            .await
            .unwrap()
            .contains("Sign in with Sandbox CRM")
    );
    let answers = [("answer", "sign_in"), ("csrf", csrf.as_str())];
    let posted = http.post(link(&paused)).bearer_auth(token).form(&answers);
    let posted = posted.send().await.unwrap();
    assert!([401, 403].contains(&posted.status().as_u16()), "{posted:?}");
    let another = http.post(format!("{api}/tokens")).bearer_auth(token);
    let another = another.json(&json!({"name": "more"})).send().await.unwrap();
    assert!(
        [401, 403].contains(&another.status().as_u16()),
        "{another:?}"
    );
    assert_eq!(world.see("ana", run).await["state"], "paused");
    let counts = world.crm.ask("counts").await;
    assert_eq!(counts["token_requests"], json!({}), "{counts:#}");
}
