//! Rows about the workspace's page of all personal connections, and about what becomes of them when a parent or one of them is deleted.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{Stage, reason, rows_of, run_of, show, text_of};

/// A flow that writes under a parent.
pub fn under(flow: &str, parent: &str, object: &str) -> String {
    super::acting::shared(flow, "X", object).replace(
        "connection: X",
        &format!("dynamic: {{parent: {parent}, ask: when_needed, scopes: [records.write]}}"),
    )
}

/// A parent, a flow under it, and people who have connected there.
pub async fn connected(stage: &Stage, people: &[&str]) -> (String, Vec<String>) {
    let row = stage.row;
    let owner = stage.name("owner");
    stage.account(&owner).await;
    let parent = stage.share(&format!("{row}-team"), &owner).await;
    let flow = under(
        &format!("{row}-note"),
        &format!("{row}-team"),
        &row.to_uppercase(),
    );
    stage.world.publish(&flow).await;
    let mut logins = Vec::new();
    for name in people {
        let login = stage.person(name, "runner").await;
        stage
            .run_signing_in(&login, &format!("{row}-note"), &json!({}))
            .await;
        logins.push(login);
    }
    (parent, logins)
}

/// The rows of the workspace's page that are these people's.
async fn listed(stage: &Stage, user: &str, people: &[String]) -> Vec<Value> {
    let all = stage.get(user, "/runtime-connections").await;
    let mut rows = rows_of(&all["connections"]);
    rows.retain(|row| people.iter().any(|person| row["owner"] == *person));
    rows
}

#[test]
fn r11_the_page_of_personal_connections_needs_its_privilege() {
    show("r11", async |stage: &Stage| {
        for (role, may) in [
            ("runner", false),
            ("builder", true),
            ("auditor", false),
            ("admin", true),
            ("owner", true),
        ] {
            let user = stage.person(role, role).await;
            let answer = stage
                .ask(Method::GET, "/runtime-connections", &user, None)
                .await;
            let me = stage.get(&user, "/me").await;
            let has = rows_of(&me["privileges"]).contains(&json!("runtime_connections.view"));
            assert_eq!(has, may, "{role}: what a menu goes by");
            assert_eq!(answer.status == 200, may, "{role}: {:#}", answer.body);
            if !may {
                assert_eq!(
                    (answer.status, &answer.body["privilege"]),
                    (403, &json!("runtime_connections.view"))
                );
            }
        }
    });
}

#[test]
fn r12_the_page_lists_every_connection_that_people_made_and_no_shared_one() {
    show("r12", async |stage: &Stage| {
        let (parent, people) = connected(stage, &["ana", "ben", "carl"]).await;
        let rows = listed(stage, "vera", &people).await;
        assert_eq!(rows.len(), 3, "{rows:#?}");
        for row in &rows {
            assert_eq!(
                (&row["app"], &row["state"], &row["kind"]),
                (
                    &json!("sandbox_crm"),
                    &json!("connected"),
                    &json!("personal")
                )
            );
            assert!(row["parent"].to_string().contains(&parent), "{row:#}");
            assert_eq!(row["used_by"][0]["flow"], "r12-note", "{row:#}");
            assert!(row["created_at"].is_string() && row["last_used_at"].is_string());
        }
        let all = stage.get("vera", "/runtime-connections").await;
        let ids: Vec<String> = rows_of(&all["connections"])
            .iter()
            .map(|row| text_of(&row["id"]))
            .collect();
        assert!(!ids.contains(&parent), "a shared connection is not there");
    });
}

#[test]
fn r13_deleting_from_the_page_needs_the_privilege_to_delete() {
    show("r13", async |stage: &Stage| {
        let (_, people) = connected(stage, &["ana"]).await;
        let adam = stage.person("adam", "admin").await;
        let id = text_of(&listed(stage, "vera", &people).await[0]["id"]);
        let path = format!("/runtime-connections/{id}");
        // A builder sees the page and may not delete.
        let refused = stage.delete("vera", &path).await;
        assert_eq!(
            (refused.status, &refused.body["privilege"]),
            (403, &json!("connections.delete"))
        );
        let me = stage.get("vera", "/me").await;
        assert!(!rows_of(&me["privileges"]).contains(&json!("connections.delete")));
        assert_eq!(listed(stage, "vera", &people).await.len(), 1);
        stage.delete(&adam, &path).await.expect_ok();
        assert!(listed(stage, "vera", &people).await.is_empty());
        let told = stage.audit(&format!("connection={id}")).await;
        let deleted = told
            .iter()
            .find(|record| record["action"] == "connection.deleted")
            .unwrap_or_else(|| panic!("{told:#?}"));
        assert_eq!(deleted["outcome"], "ok");
    });
}

#[test]
fn r14_deleting_a_parent_stops_every_flow_that_uses_it_and_says_so_before_and_after() {
    show("r14", async |stage: &Stage| {
        let (parent, people) = connected(stage, &["ana", "ben"]).await;
        let shared = super::acting::shared("r14-tell", "r14-team", "R14");
        stage.world.publish(&shared).await;
        let other = super::acting::personal("r14-other", "R14");
        stage.world.publish(&other).await;
        let before = stage.get("vera", &format!("/connections/{parent}")).await;
        let mut uses: Vec<String> = rows_of(&before["flows"]).iter().map(text_of).collect();
        uses.sort();
        assert_eq!(uses, ["r14-note", "r14-tell"], "said before");

        stage
            .delete("", &format!("/connections/{parent}"))
            .await
            .expect_ok();
        for (flow, state) in [
            ("r14-note", "stopped"),
            ("r14-tell", "stopped"),
            ("r14-other", "published"),
        ] {
            let shown = stage.get("vera", &format!("/flows/{flow}")).await;
            assert_eq!(shown["state"], state, "{shown:#}");
            if state == "stopped" {
                let why = shown["stopped"].as_str().unwrap_or_default();
                assert!(why.contains("r14-team"), "the reason is kept: {shown:#}");
                let said = stage.actas(&people[0], &["run", flow]);
                assert!(said.code != Some(0), "{said}");
            }
        }
        // Children are not deleted: listed, and still to be deleted one by one.
        let rows = listed(stage, "vera", &people).await;
        assert_eq!(rows.len(), 2, "{rows:#?}");
        for person in &people {
            let own = stage.own(person).await;
            assert_eq!(own.len(), 1, "{own:#?}");
        }
        let id = text_of(&rows[0]["id"]);
        stage
            .delete("", &format!("/runtime-connections/{id}"))
            .await
            .expect_ok();
        assert_eq!(listed(stage, "vera", &people).await.len(), 1);
        // A parent of the same name inherits nothing.
        let owner = stage.name("owner");
        stage.share("r14-team", &owner).await;
        let shown = stage.get("vera", "/flows/r14-note").await;
        assert_eq!(shown["state"], "stopped", "{shown:#}");
    });
}

#[test]
fn r15_what_people_made_under_a_deleted_parent_is_kept_and_serves_no_new_parent_by_itself() {
    show("r15", async |stage: &Stage| {
        let (parent, people) = connected(stage, &["ana"]).await;
        stage
            .delete("", &format!("/connections/{parent}"))
            .await
            .expect_ok();
        let owner = stage.name("owner");
        stage.share("r15-team", &owner).await;
        let text = under("r15-note", "r15-team", "R15");
        stage.world.publish(&(text + "description: anew\n")).await;
        let started = stage
            .post("vera", "/flows/r15-note/start", &json!({}))
            .await;
        started.expect_ok();
        let paused = stage.run(&people[0], "r15-note", &json!({})).await;
        assert_eq!(reason(&paused), "missing", "{paused:#}");
        assert_eq!(stage.own(&people[0]).await.len(), 1, "it is still there");
    });
}

#[test]
fn r16_after_a_delete_that_person_is_asked_again_at_the_next_run_and_nobody_else() {
    show("r16", async |stage: &Stage| {
        let (_, people) = connected(stage, &["ana", "ben"]).await;
        let id = text_of(&stage.own(&people[0]).await[0]["id"]);
        stage
            .delete("", &format!("/runtime-connections/{id}"))
            .await
            .expect_ok();
        let anas = stage.run(&people[0], "r16-note", &json!({})).await;
        assert_eq!(
            (&anas["state"], reason(&anas)),
            (&json!("paused"), &json!("missing")),
            "{anas:#}"
        );
        let bens = stage.actas(&people[1], &["run", "r16-note"]).expect(0);
        assert_eq!(bens.json()["state"], "succeeded");
        stage.sign_in(&people[0], &anas).await;
        let done = stage.world.end(&people[0], run_of(&anas)).await;
        assert_eq!(done["outputs"]["author"], people[0], "{done:#}");
    });
}
