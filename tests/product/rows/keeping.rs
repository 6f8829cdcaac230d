//! Rows about the connections that people make for themselves: kept, private, and only for what they agreed to.

use actas_test_support::browser::Browser;
use serde_json::{Value, json};

use super::acting::personal;
use super::stage::{Stage, reason, rows_of, run_of, show, show_alone, text_of};
use crate::needles::Needles;
use crate::world::{link, open};

/// A flow that reads through a parent.
fn under(flow: &str, parent: &str) -> String {
    format!(
        "
flow: {flow}
trigger: {{on_demand: {{}}}}
connections:
  crm: {{app: sandbox_crm, dynamic: {{parent: {parent}, ask: when_needed}}}}
steps:
  me: {{uses: sandbox_crm.get_me, connection: crm}}
outputs: {{me: '{{{{ steps.me.id }}}}'}}
"
    )
}

#[test]
fn r06_the_second_run_does_not_ask_again_also_not_after_a_restart() {
    show_alone("r06", async |mut stage: Stage| {
        let ana = stage.person("ana", "runner").await;
        stage.world.publish(&personal("r06-note", "R06")).await;
        stage.run_signing_in(&ana, "r06-note", &json!({})).await;
        let asked = async |run: &Value, stage: &Stage| {
            let told = stage.events(&ana, run_of(run)).await;
            told.iter().filter(|event| *event == "slot_asked").count()
        };
        let second = stage.run(&ana, "r06-note", &json!({})).await;
        assert_eq!(second["state"], "succeeded", "{second:#}");
        assert_eq!(asked(&second, &stage).await, 0);

        let world = stage.alone();
        world.kill();
        world.serve();
        world.until_ready().await;
        let third = stage.actas(&ana, &["run", "r06-note"]).expect(0).json();
        assert_eq!(third["state"], "succeeded", "{third:#}");
        assert_eq!(asked(&third, &stage).await, 0);
        assert_eq!(stage.authors("R06").await.len(), 3);
    });
}

#[test]
fn r07_a_personal_connection_cannot_be_chosen_for_a_flow_nor_used_by_another_one() {
    show("r07", async |stage: &Stage| {
        let ana = stage.person("ana", "builder").await;
        stage.world.publish(&personal("r07-note", "R07")).await;
        stage.run_signing_in(&ana, "r07-note", &json!({})).await;
        let own = stage.own(&ana).await;
        let id = text_of(&own[0]["id"]);
        let listed = stage.get(&ana, "/connections").await;
        assert!(!listed.to_string().contains(&id), "{listed:#}");
        for user in [ana.as_str(), "vera", ""] {
            let one = stage
                .ask(
                    reqwest::Method::GET,
                    &format!("/connections/{id}"),
                    user,
                    None,
                )
                .await;
            assert_eq!(one.status, 404, "{:#}", one.body);
        }
        // Neither by its id nor by its account.
        let account = text_of(&own[0]["account"]);
        for name in [id.as_str(), &account, &ana] {
            let text = super::acting::shared("r07-other", &format!("'{name}'"), "R07");
            let saved = stage.save(&ana, "r07-other", &text).await;
            let (status, body) = match saved.etag.clone() {
                None => (saved.status, saved.body),
                Some(tag) => {
                    let path = "/api/v1/flows/r07-other/versions";
                    let headers = [("if-match", tag.as_str())];
                    let published = stage
                        .world
                        .send(reqwest::Method::POST, path, Some(&ana), &headers, None)
                        .await;
                    (published.status, published.body)
                }
            };
            assert!((400..500).contains(&status), "{name}: {status} {body:#}");
        }
        // What she agreed to for one flow is not for another one.
        stage.world.publish(&personal("r07-else", "R07")).await;
        let paused = stage.run(&ana, "r07-else", &json!({})).await;
        assert_eq!(paused["state"], "paused", "{paused:#}");
    });
}

#[test]
fn r08_a_personal_connection_belongs_to_the_parent_it_was_made_under() {
    show("r08", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let owner = stage.name("owner");
        stage.account(&owner).await;
        let parent = stage.share("r08-team", &owner).await;
        let other = stage.share("r08-other", &owner).await;
        stage.world.publish(&under("r08-me", "r08-team")).await;
        stage.world.publish(&under("r08-too", "r08-team")).await;
        stage.world.publish(&under("r08-else", "r08-other")).await;
        stage.run_signing_in(&ana, "r08-me", &json!({})).await;
        let own = stage.own(&ana).await;
        assert_eq!(own.len(), 1, "{own:#?}");
        let of = own[0]["parent"].to_string();
        assert!(of.contains(&parent) && !of.contains(&other), "{of}");
        let all = stage.get("", "/runtime-connections").await;
        let mut rows = rows_of(&all["connections"]);
        rows.retain(|row| row["parent"].to_string().contains(&parent));
        assert_eq!(rows.len(), 1, "{rows:#?}");
        assert_eq!(rows[0]["owner"], ana);
        // Another flow under the same parent needs her consent and no second sign-in; one under another parent finds nothing.
        let paused = stage.run(&ana, "r08-too", &json!({})).await;
        assert_eq!(reason(&paused), "consent", "{paused:#}");
        let paused = stage.run(&ana, "r08-else", &json!({})).await;
        assert_eq!(reason(&paused), "missing", "{paused:#}");
    });
}

#[test]
fn r32_nobody_but_its_person_uses_or_reads_a_personal_connection() {
    show("r32", async |stage: &Stage| {
        let (ana, ben, adam) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
            stage.person("adam", "admin").await,
        );
        stage.world.publish(&personal("r32-note", "R32")).await;
        let done = stage.run_signing_in(&ana, "r32-note", &json!({})).await;
        let id = text_of(&stage.own(&ana).await[0]["id"]);
        for user in [&ben, &adam] {
            assert!(stage.own(user).await.is_empty());
            for act in ["reconnect", "disconnect"] {
                let path = format!("/me/connections/{id}/{act}");
                let answer = stage.post(user, &path, &json!({})).await;
                assert_eq!(answer.status, 404, "{user} {act}: {:#}", answer.body);
            }
            let answer = stage.delete(user, &format!("/me/connections/{id}")).await;
            assert_eq!(answer.status, 404, "{user}: {:#}", answer.body);
            let said = stage.actas(user, &["connections", "disconnect", &id]);
            assert!(said.code != Some(0), "{said}");
            // They are asked for themselves, and cannot choose hers.
            let paused = stage.run(user, "r32-note", &json!({})).await;
            assert_eq!(reason(&paused), "missing", "{paused:#}");
            let mut browser = Browser::new();
            let page = open(&mut browser, &link(&paused), user).await;
            assert!(!page.body.contains(&id), "{page}");
            let mut forged = page.form_with_button("Decline").with("answer", "agree");
            forged.fields.push(("connection".to_owned(), id.clone()));
            let page = browser.submit(&page, &forged).await;
            assert!(page.status >= 400, "{page}");
        }
        // What her account gave is hers too.
        let record = text_of(&done["outputs"]["id"]);
        let seen = stage.get(&adam, &format!("/runs/{}", run_of(&done))).await;
        assert!(!seen.to_string().contains(&record), "{seen:#}");
        assert_eq!(stage.authors("R32").await, std::slice::from_ref(&ana));
        // An administrator may delete it, and that is all.
        let deleted = stage
            .delete(&adam, &format!("/runtime-connections/{id}"))
            .await;
        deleted.expect_ok();
        assert!(stage.own(&ana).await.is_empty());
    });
}

#[test]
fn r45_the_details_are_kept_for_later_and_are_nowhere_in_clear() {
    show_alone("r45", async |stage: Stage| {
        let ana = stage.person("ana", "runner").await;
        stage.world.publish(&personal("r45-note", "R45")).await;
        stage.run_signing_in(&ana, "r45-note", &json!({})).await;
        let again = stage.run(&ana, "r45-note", &json!({})).await;
        assert_eq!(again["state"], "succeeded", "{again:#}");

        let secrets = ["a-client-secret-of-the-test", "-has-a-long-password"].map(str::to_owned);
        let needles = Needles::of(&secrets);
        let dumped = stage.world.dump();
        assert!(
            dumped.windows(ana.len()).any(|part| part == ana.as_bytes()),
            "what was searched has what is meant to be there"
        );
        assert_eq!(needles.found_in(&dumped), Vec::<String>::new());
        let own = stage.get(&ana, "/me/connections").await.to_string();
        assert_eq!(needles.found_in(own.as_bytes()), Vec::<String>::new());
    });
}

#[test]
fn r48_everybody_has_a_page_of_their_own_connections_across_flows_and_of_nobody_elses() {
    show("r48", async |stage: &Stage| {
        let (ana, ben) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
        );
        for flow in ["r48-one", "r48-two"] {
            stage.world.publish(&personal(flow, "R48")).await;
            stage.run_signing_in(&ana, flow, &json!({})).await;
        }
        stage.run_signing_in(&ben, "r48-one", &json!({})).await;
        let list = stage
            .actas(&ana, &["connections", "list", "--mine"])
            .expect(0)
            .json();
        for own in [stage.own(&ana).await, rows_of(&list["connections"])] {
            let flows: std::collections::BTreeSet<String> = own
                .iter()
                .flat_map(|row| rows_of(&row["used_by"]))
                .map(|used| text_of(&used["flow"]))
                .collect();
            assert_eq!(
                flows.into_iter().collect::<Vec<_>>(),
                ["r48-one", "r48-two"]
            );
            assert!(own.iter().all(|row| row["owner"] == ana), "{own:#?}");
        }
        let url = format!("{}/", stage.world.url());
        let page = open(&mut Browser::new(), &url, &ana).await;
        assert!(page.text().contains(&format!("{ana}@sandbox")), "{page}");
        assert!(!page.text().contains(&format!("{ben}@sandbox")), "{page}");
    });
}
