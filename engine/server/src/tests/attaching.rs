//! Who writes a shared connection into a flow, and who publishes what.

use serde_json::json;

use super::Site;
use super::site::Answer;

/// With `connection: bot`, with `dynamic: {parent: bot}`, or without either.
fn text(slot: &str) -> String {
    format!(
        "flow: team\ntrigger: {{on_demand: {{}}}}\nconnections:\n  crm: {{app: sandbox_crm, {slot}}}\nsteps:\n  me: {{uses: sandbox_crm.get_me, connection: crm}}\n"
    )
}

const SHARED: &str = "connection: bot";
const PARENT: &str = "dynamic: {parent: bot}";
const ALONE: &str = "dynamic: {}";

async fn save(site: &Site, login: &str, text: &str) -> Answer {
    let request = site
        .cli(login, "PUT", "/flows/team/draft")
        .header("content-type", "application/yaml")
        .body(text.to_owned());
    Answer::of(request).await
}

async fn publish(site: &Site, login: &str) -> Answer {
    let draft = site.get("olga", "/flows/team/draft").await;
    let tag = draft.headers["etag"].clone();
    let request = site
        .cli(login, "POST", "/flows/team/versions")
        .header("if-match", tag);
    Answer::of(request).await
}

/// A workspace with a shared connection, and somebody who builds but attaches nothing.
async fn workspace() -> Site {
    let site = Site::start().await;
    site.configure_crm().await;
    let mut olga = site.person("otto", &["owner"]).await;
    let body = json!({"name": "bot", "app": "sandbox_crm"});
    let page = site.put("otto", "POST", "/connections", body).await.ok();
    let page = olga.open(page["url"].as_str().unwrap()).await;
    site.sign_in(&mut olga, &page, "Sign in with Sandbox CRM", "carla")
        .await;
    let all = [
        "flows.view",
        "flows.edit",
        "flows.publish",
        "flows.run",
        "runtime_connections.view",
        "runtime_connections.edit",
    ];
    let role = json!({"privileges": all});
    site.put("olga", "PUT", "/roles/writer", role).await.ok();
    let wanda = json!({"login": "wanda", "roles": ["writer"], "local": true});
    site.put("olga", "POST", "/users", wanda).await.ok();
    site
}

#[tokio::test]
async fn writing_a_shared_connection_into_a_flow_needs_the_privilege_unless_its_version_names_it() {
    let site = workspace().await;
    for slot in [SHARED, PARENT, "dynamic: {enabled: false, parent: bot}"] {
        let refused = save(&site, "wanda", &text(slot)).await;
        assert_eq!(refused.refused(403), "forbidden", "{slot}");
        assert_eq!(refused.body["privilege"], "connections.use", "{slot}");
    }
    save(&site, "wanda", &text(ALONE)).await.ok();

    // What somebody with the privilege saved, somebody without does not publish, nor try.
    save(&site, "otto", &text(PARENT)).await.ok();
    assert_eq!(publish(&site, "wanda").await.refused(403), "forbidden");
    let tried = site.put("wanda", "POST", "/flows/team/draft/runs", json!({}));
    assert_eq!(tried.await.refused(403), "forbidden");
    publish(&site, "otto").await.ok();

    // A parent lends its address: that is not its account.
    save(
        &site,
        "wanda",
        &text(&format!("{PARENT}\n")).replace("get_me", "list_accounts"),
    )
    .await
    .ok();
    publish(&site, "wanda").await.ok();
    assert_eq!(
        save(&site, "wanda", &text(SHARED)).await.refused(403),
        "forbidden"
    );
    save(&site, "otto", &text(SHARED)).await.ok();
    publish(&site, "otto").await.ok();
    save(
        &site,
        "wanda",
        &text(SHARED).replace("get_me", "list_accounts"),
    )
    .await
    .ok();
    publish(&site, "wanda").await.ok();

    // Back to a version that did not name it, and then not forward again.
    save(&site, "wanda", &text(ALONE)).await.ok();
    publish(&site, "wanda").await.ok();
    let back = site.put(
        "wanda",
        "POST",
        "/flows/team/rollback",
        json!({"version": 3}),
    );
    assert_eq!(back.await.refused(403), "forbidden");
    let back = site.put(
        "otto",
        "POST",
        "/flows/team/rollback",
        json!({"version": 3}),
    );
    back.await.ok();
    site.server.stop().await;
}

#[tokio::test]
async fn where_a_workspace_wants_it_nobody_publishes_what_they_saved_last() {
    let site = workspace().await;
    save(&site, "wanda", &text(ALONE)).await.ok();
    let policy = json!({"publish_by_another": true});
    site.put("olga", "PUT", "/policies", policy).await.ok();
    assert_eq!(
        publish(&site, "wanda").await.refused(403),
        "publish_by_another"
    );
    publish(&site, "otto").await.ok();
    save(
        &site,
        "otto",
        &text(ALONE).replace("get_me", "list_accounts"),
    )
    .await
    .ok();
    assert_eq!(
        publish(&site, "otto").await.refused(403),
        "publish_by_another"
    );
    // What Otto saved last, Wanda publishes.
    publish(&site, "wanda").await.ok();
    let policy = json!({"publish_by_another": false});
    site.put("olga", "PUT", "/policies", policy).await.ok();
    save(&site, "wanda", &text(ALONE)).await.ok();
    publish(&site, "wanda").await.ok();
    site.server.stop().await;
}
