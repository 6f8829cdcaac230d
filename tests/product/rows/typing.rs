//! Rows about accounts that are not of OAuth: what somebody types, what happens when it changes, and what the app itself refuses.

use actas_test_support::browser::{Browser, Page};
use actas_test_support::postgres;
use actas_test_support::process::{self, Running};
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{Stage, reason, rows_of, run_of, show};
use crate::needles::{Needles, canary};
use crate::world::{self, Kind, LONG, World, link};

/// A flow that posts a document as whoever runs it.
fn posting(flow: &str, more: &str) -> String {
    format!(
        "
flow: {flow}
trigger: {{on_demand: {{}}}}
connections:
  erp: {{app: sandbox_erp, dynamic: {{ask: when_needed{more}}}}}
steps:
  post: {{uses: sandbox_erp.post_document, connection: erp, with: {{text: {flow}, amount: 1200}}}}
outputs: {{author: '{{{{ steps.post.author }}}}'}}
"
    )
}

/// Makes the ERP known to the workspace, unless another row has; an app without OAuth has no client id.
async fn erp(stage: &Stage) {
    let body = json!({"settings": {"instance_url": stage.world.crm.url}});
    let made = stage.post("", "/apps/sandbox_erp/clients", &body).await;
    assert!(matches!(made.status, 201 | 409), "{:#}", made.body);
}

/// Somebody's requests to the ERP so far: method, status, idempotency key.
async fn asked(stage: &Stage, user: &str) -> Vec<(String, i64, Value)> {
    let log = stage.world.crm.ask("log").await;
    rows_of(&log)
        .into_iter()
        .filter(|one| one["user"] == user && one["path"].as_str().is_some_and(is_erp))
        .map(|one| {
            let method = one["method"].as_str().unwrap_or_default().to_owned();
            let status = one["status"].as_i64().unwrap_or_default();
            (method, status, one["idempotency_key"].clone())
        })
        .collect()
}

fn is_erp(path: &str) -> bool {
    path.starts_with("/erp/")
}

async fn refusals(stage: &Stage, user: &str) -> usize {
    let all = asked(stage, user).await;
    all.iter().filter(|(_, status, _)| *status == 401).count()
}

/// Types user and password into the form of a sign-in's page.
async fn types(browser: &mut Browser, url: &str, login: &str, word: &str) -> Page {
    let page = world::open(browser, url, login).await;
    let form = page
        .form_about("kind", "password", "Sign in")
        .with("typed.username", login)
        .with("typed.password", word);
    browser.submit(&page, &form).await
}

async fn at_the_erp(stage: &Stage, user: &str, word: &str) {
    let set = json!({"user": user, "password": word});
    stage.world.crm.tell("erp", &set).await;
}

/// Runs a command that is typed a line.
fn typing(stage: &Stage, args: &[&str], line: &str) -> (Option<i32>, String) {
    let mut command = process::command(env!("CARGO_BIN_EXE_actas"), stage.world.home.path());
    stage.world.environment(&mut command);
    command.args(args);
    let mut running = Running::start(command);
    running.write_line(line);
    let status = running.wait(LONG).expect("it ends");
    let said = format!("{}{}", running.stdout(), running.stderr());
    (status.code(), said)
}

#[test]
fn r29_where_only_oauth_will_do_an_app_without_it_is_refused_with_the_step_that_uses_it() {
    // From a chat: nobody can type a password there, whatever the workspace allows.
    show("r29", async |stage: &Stage| {
        let text = posting("r29-chat", "").replace("on_demand: {}", "on_demand: {from: [chat]}");
        let refused = stage.save("vera", "r29-chat", &text).await;
        assert_eq!(refused.status, 422, "{:#}", refused.body);
        let said = refused.body.to_string();
        for part in ["needs_oauth2", "`erp`", "sandbox_erp.post_document"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let kinds = [Some(Kind::Sqlite), postgres::database().map(Kind::Postgres)];
        for kind in kinds.into_iter().flatten() {
            let stage = Stage {
                world: std::sync::Arc::new(World::start(kind).await),
                row: "r29",
            };
            erp(&stage).await;
            let text = posting("r29-typed", "");
            let saved = stage.save("vera", "r29-typed", &text).await;
            let tag = saved.etag.clone().expect("a tag");
            saved.expect_ok();
            let command = stage.actas("", &["policies", "set", "oauth2_only", "true"]);
            let _ = command.expect(0);
            let publish = async || {
                let path = "/api/v1/flows/r29-typed/versions";
                let headers = [("if-match", tag.as_str())];
                let world = &stage.world;
                world
                    .send(Method::POST, path, Some("vera"), &headers, None)
                    .await
            };
            let refused = publish().await;
            assert_eq!(refused.status, 422, "{:#}", refused.body);
            let said = refused.body.to_string();
            for part in ["needs_oauth2", "`erp`", "sandbox_erp.post_document"] {
                assert!(said.contains(part), "{part}: {said}");
            }
            let validated = stage
                .post("vera", "/validate", &json!({"text": text}))
                .await;
            assert_eq!(validated.expect_ok()["valid"], false);
            let _ = stage
                .actas("", &["policies", "set", "oauth2_only", "false"])
                .expect(0);
            publish().await.expect_ok();
        }
    });
}

#[test]
fn r47_a_password_is_changed_in_place_tried_once_and_never_seen_again() {
    show("r47", async |stage: &Stage| {
        let (erp_user, flow) = (stage.person("ana", "runner").await, "r47-post");
        let ana = erp_user.as_str();
        erp(stage).await;
        stage.world.publish(&posting(flow, "")).await;
        let words: Vec<String> = (0..4).map(|_| canary()).collect();
        at_the_erp(stage, ana, &words[0]).await;

        // A wrong one is found when it is given: one attempt, nothing stored, nothing repeated to whoever typed it.
        let paused = stage.run(ana, flow, &json!({})).await;
        assert_eq!(paused["state"], "paused", "{paused:#}");
        let mut browser = Browser::new();
        let page = types(&mut browser, &link(&paused), ana, &words[3]).await;
        assert_eq!(page.status, 422, "{page}");
        assert!(page.text().contains("did not accept"), "{page}");
        assert_eq!(refusals(stage, ana).await, 1, "tried once");
        assert_eq!(stage.own(ana).await, [] as [Value; 0]);

        // The right one lets the run go on.
        let page = types(&mut browser, &link(&paused), ana, &words[0]).await;
        assert_eq!(page.status, 200, "{page}");
        let done = stage.world.end(ana, run_of(&paused)).await;
        assert_eq!(
            (&done["state"], &done["outputs"]["author"]),
            (&json!("succeeded"), &json!(ana)),
            "{done:#}"
        );
        let own = stage.own(ana).await;
        assert_eq!(
            (own.len(), &own[0]["sign_in"], &own[0]["account"]),
            (1, &json!("password"), &json!(ana))
        );
        let id = own[0]["id"].as_str().expect("an id").to_owned();

        // Changed at the app: the next use pauses that run after one attempt; a new password lets the same step go on with the same key.
        at_the_erp(stage, ana, &words[1]).await;
        let before = asked(stage, ana).await.len();
        let paused = stage.run(ana, flow, &json!({})).await;
        assert_eq!(reason(&paused), "revoked", "{paused:#}");
        let tried = asked(stage, ana).await.split_off(before);
        assert_eq!(tried.len(), 1, "{tried:?}");
        let path = format!("/me/connections/{id}/password");
        let wrong = stage
            .put(ana, &path, &json!({"fields": {"password": words[3]}}))
            .await;
        assert_eq!(
            (wrong.status, &wrong.body["code"]),
            (422, &json!("credential_refused")),
            "{:#}",
            wrong.body
        );
        let ben = stage.person("ben", "runner").await;
        let foreign = stage
            .put(&ben, &path, &json!({"fields": {"password": words[1]}}))
            .await;
        assert_eq!(foreign.status, 404, "{:#}", foreign.body);
        let body = json!({"fields": {"password": words[1]}});
        let changed = stage.put(ana, &path, &body).await.expect_ok();
        assert_eq!(
            (
                &changed["connection"]["id"],
                &changed["connection"]["state"]
            ),
            (&json!(id), &json!("connected"))
        );
        let done = stage.world.end(ana, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        let posts: Vec<Value> = asked(stage, ana)
            .await
            .split_off(before)
            .into_iter()
            .filter(|(method, ..)| method == "POST")
            .map(|(.., key)| key)
            .collect();
        assert_eq!((posts.len(), posts[0] == posts[1]), (2, true), "{posts:?}");

        // And once more from the command line, where nothing secret is an argument.
        at_the_erp(stage, ana, &words[2]).await;
        let paused = stage.run(ana, flow, &json!({})).await;
        assert_eq!(reason(&paused), "revoked", "{paused:#}");
        let args = [
            "--as",
            ana,
            "connections",
            "set-password",
            &id,
            "--password-stdin",
        ];
        let (code, said) = typing(stage, &args, &words[2]);
        assert_eq!(code, Some(0), "{said}");
        let done = stage.world.end(ana, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");

        // Wherever one could look, none of them is to be found.
        let mut seen = said.into_bytes();
        for path in [
            "/me/connections",
            "/me/requests",
            &format!("/runs/{}", run_of(&paused)),
            &format!("/runs/{}/journal", run_of(&paused)),
        ] {
            seen.extend(stage.get(ana, path).await.to_string().bytes());
        }
        seen.extend(format!("{wrong:?} {changed}").bytes());
        seen.extend(json!(stage.audit("limit=500").await).to_string().bytes());
        seen.extend(stage.world.dump());
        seen.extend(stage.world.said().bytes());
        let found = Needles::of(&words).found_in(&seen);
        assert!(found.is_empty(), "{found:#?}");
    });
}

#[test]
fn r49_a_right_that_is_missing_at_the_app_is_named_and_no_other_account_is_tried() {
    show("r49", async |stage: &Stage| {
        let (dora, strong) = (stage.person("dora", "runner").await, stage.name("strong"));
        stage.account(&strong).await;
        erp(stage).await;
        // A shared account that could do it stands by, as the parent of the slot.
        let words = [canary(), canary()];
        at_the_erp(stage, &dora, &words[0]).await;
        at_the_erp(stage, &strong, &words[1]).await;
        let body = json!({"name": "r49-parent", "app": "sandbox_erp", "kind": "password", "fields": {"username": strong, "password": words[1]}});
        let made = stage.post("vera", "/connections", &body).await.expect_ok();
        assert_eq!(made["connection"]["state"], "connected", "{made:#}");
        let right = "EXECUTE on BAPI_ACC_DOCUMENT_POST";
        let rights = json!({"allowed": ["* on *"], "refused": [right]});
        stage
            .world
            .crm
            .tell("rights", &json!({"user": dora, "rights": rights}))
            .await;
        stage
            .world
            .publish(&posting("r49-post", ", parent: r49-parent"))
            .await;

        let strong_before = asked(stage, &strong).await.len();
        let paused = stage.run(&dora, "r49-post", &json!({})).await;
        let page = types(&mut Browser::new(), &link(&paused), &dora, &words[0]).await;
        assert_eq!(page.status, 200, "{page}");
        let failed = stage.world.end(&dora, run_of(&paused)).await;
        let error = &failed["error"];
        assert_eq!(
            (&failed["state"], &error["kind"]),
            (&json!("failed"), &json!("permission_denied")),
            "{failed:#}"
        );
        assert!(error.to_string().contains(right), "{error:#}");
        let posts = asked(stage, &dora).await;
        let posts: Vec<_> = posts
            .iter()
            .filter(|(method, ..)| method == "POST")
            .collect();
        assert_eq!((posts.len(), posts[0].1), (1, 403), "{posts:?}");
        assert_eq!(
            asked(stage, &strong).await.len(),
            strong_before,
            "nobody else's account"
        );
        let documents = rows_of(&stage.world.crm.ask("documents").await);
        let theirs = documents
            .iter()
            .filter(|one| one["author"] == dora || one["author"] == strong);
        assert_eq!(theirs.count(), 0, "{documents:#?}");
    });
}
