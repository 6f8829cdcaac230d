//! What becomes of connections: what hangs on a parent, orphans and those who adopt them, and names that come again and inherit nothing.

use serde_json::json;

use super::acting::personal;
use super::stage::{Stage, reason, rows_of, run_of, show, text_of};
use super::workspace::{connected, under};

#[test]
fn what_hangs_on_a_parent_is_said_before_it_is_deleted_and_what_was_made_under_it_is_adopted_or_purged()
 {
    show("life", async |stage: &Stage| {
        let (parent, people) = connected(stage, &["ana", "ben"]).await;
        let used = stage.actas("vera", &["connections", "where-used", "life-team"]);
        let used = used.expect(0).json();
        assert_eq!(used["flows"][0]["slots"][0]["as"], "parent", "{used:#}");
        assert_eq!(used["personal_connections"], 2, "{used:#}");
        let before = stage
            .get("", &format!("/connections/{parent}/impact"))
            .await;
        let impact = &before["impact"];
        assert_eq!(impact["flows"][0]["flow"], "life-note", "{before:#}");
        assert_eq!(impact["people"]["count"], 2, "{before:#}");
        assert_eq!(impact["people"]["logins"], json!(people), "{before:#}");
        assert_eq!(impact["orphans"], 2, "{before:#}");

        let deleted = stage.actas("", &["connections", "delete", "life-team"]);
        let deleted = deleted.expect(0).json();
        assert_eq!(
            deleted["stopped_flows"],
            json!(["life-note"]),
            "{deleted:#}"
        );
        assert_eq!(deleted["impact"]["orphans"], 2, "{deleted:#}");
        // It cannot be started while what it goes through is gone.
        let start = stage
            .post("vera", "/flows/life-note/start", &json!({}))
            .await;
        assert_eq!(start.status, 409, "{start:?}");
        let own = stage.own(&people[0]).await;
        assert_eq!(own[0]["orphan"], true, "{own:#?}");
        assert_eq!(own[0]["parent"]["deleted"], true, "{own:#?}");
        assert_eq!(own[0]["parent"]["name"], "life-team", "{own:#?}");

        // Another parent takes one of them in: that person is not asked, the other is.
        stage.share("life-new", &stage.name("owner")).await;
        let id = text_of(&own[0]["id"]);
        let adopted = stage.actas("", &["connections", "adopt", "life-new", &id]);
        let adopted = adopted.expect(0).json();
        assert_eq!(rows_of(&adopted["adopted"]).len(), 1, "{adopted:#}");
        let text = under("life-note", "life-new", "LIFE");
        stage.world.publish(&text).await;
        stage
            .post("vera", "/flows/life-note/start", &json!({}))
            .await
            .expect_ok();
        let done = stage.run(&people[0], "life-note", &json!({})).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        let asked = stage.run(&people[1], "life-note", &json!({})).await;
        assert_eq!(reason(&asked), "missing", "{asked:#}");
        let purge = stage.actas("", &["connections", "purge", "--parent", &parent]);
        let purged = purge.expect(0).json();
        assert_eq!(rows_of(&purged["purged"]).len(), 1, "{purged:#}");
        assert_eq!(stage.own(&people[1]).await.len(), 0);
        assert_eq!(stage.own(&people[0]).await.len(), 1);
    });
}

#[test]
fn a_flow_or_a_slot_that_comes_again_under_an_old_name_inherits_nothing() {
    show("again", async |stage: &Stage| {
        let text = personal("again-note", "AGAIN");
        stage.world.publish(&text).await;
        let ana = stage.person("ana", "runner").await;
        stage.run_signing_in(&ana, "again-note", &json!({})).await;
        let done = stage.run(&ana, "again-note", &json!({})).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        // The slot goes and comes again.
        let gone = text
            .replace("crm:", "other:")
            .replace("connection: crm", "connection: other");
        stage.world.publish(&gone).await;
        stage.world.publish(&text).await;
        let asked = stage.run(&ana, "again-note", &json!({})).await;
        assert_eq!(reason(&asked), "missing", "{asked:#}");
        // A flow of which a run waits is not deleted.
        let refused = stage.actas("vera", &["flows", "delete", "again-note"]);
        assert_ne!(refused.code, Some(0), "{refused}");
        let run = run_of(&asked);
        stage
            .post(&ana, &format!("/runs/{run}/cancel"), &json!({}))
            .await
            .expect_ok();
        stage.world.end(&ana, run).await;
        stage.run_signing_in(&ana, "again-note", &json!({})).await;
        let _ = stage
            .actas("vera", &["flows", "delete", "again-note"])
            .expect(0);
        assert_eq!(
            stage
                .ask(reqwest::Method::GET, "/flows/again-note", "vera", None)
                .await
                .status,
            404
        );
        let grants = stage.get(&ana, "/me/grants").await;
        assert_eq!(grants["grants"], json!([]), "{grants:#}");
        // What was done with it can still be seen.
        let kept = stage.get(&ana, &format!("/runs/{}", run_of(&done))).await;
        assert_eq!(kept["state"], "succeeded", "{kept:#}");
        let orphans = stage.own(&ana).await;
        assert!(
            orphans.iter().all(|row| row["orphan"] == true),
            "{orphans:#?}"
        );
        stage.world.publish(&text).await;
        let asked = stage.run(&ana, "again-note", &json!({})).await;
        assert_eq!(reason(&asked), "missing", "{asked:#}");
    });
}

#[test]
fn another_flow_that_names_the_parent_does_not_act_as_anybody_who_has_not_agreed_to_it() {
    show("agree", async |stage: &Stage| {
        let (_, people) = connected(stage, &["ana"]).await;
        let before = stage.authors("OTHER").await.len();
        let other = under("agree-other", "agree-team", "OTHER");
        stage.world.publish(&other).await;
        let asked = stage.run(&people[0], "agree-other", &json!({})).await;
        assert_eq!(reason(&asked), "consent", "{asked:#}");
        assert_eq!(
            stage.authors("OTHER").await.len(),
            before,
            "nothing was done"
        );
        // Agreeing to one flow can be taken back without touching the other.
        let list = stage.get(&people[0], "/me/grants").await;
        assert_eq!(list["grants"][0]["flow"], "agree-note", "{list:#}");
        let _ = stage
            .actas(
                &people[0],
                &["connections", "withdraw", "agree-note", "crm"],
            )
            .expect(0);
        let asked = stage.run(&people[0], "agree-note", &json!({})).await;
        assert_eq!(reason(&asked), "consent", "{asked:#}");
    });
}
