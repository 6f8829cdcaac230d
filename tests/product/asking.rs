//! How people are asked: all accounts at one page and in any order, ahead of a run, again where a flow wants more; and what becomes of a no.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::{Browser, Page};
use actas_test_support::sandbox::{self, Decision};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rows::stage::{Stage, rows_of, run_of, show};
use crate::world::open;

/// What a flow writes at the CRM, by a name of its own.
fn object(flow: &str) -> String {
    flow.replace('-', "")
}

/// Three accounts, one of them only where it is wanted.
fn three(flow: &str) -> String {
    let object = object(flow);
    format!(
        "
flow: {flow}
title: Three places
trigger: {{on_demand: {{}}}}
inputs: {{more: {{type: boolean, default: false}}}}
connections:
  first: {{app: sandbox_crm, dynamic: {{scopes: [records.write], why: For the first}}}}
  second: {{app: sandbox_crm, dynamic: {{scopes: [records.write]}}}}
  third: {{app: sandbox_crm, dynamic: {{scopes: [records.write]}}}}
steps:
  one: {{uses: sandbox_crm.create_record, connection: first, with: {{object: {object}}}}}
  two: {{uses: sandbox_crm.create_record, connection: second, needs: [one], with: {{object: {object}}}}}
  more: {{uses: sandbox_crm.create_record, connection: third, needs: [two], if: inputs.more, with: {{object: {object}}}}}
outputs: {{one: '{{{{ steps.one.author }}}}', two: '{{{{ steps.two.author }}}}'}}
"
    )
}

/// Signs in for a slot at a page of accounts, with an account at the CRM; gives the page it comes back to.
async fn connect(browser: &mut Browser, page: &Page, slot: &str, account: &str) -> Page {
    // Whoever was logged in at the CRM is not any more.
    browser.forget("127.0.0.1");
    let form = page.form_about("slot", slot, "Sign in");
    let there = browser.submit(page, &form).await;
    sandbox::sign_in(browser, there, account, Decision::Allow).await
}

fn slots(document: &Value) -> Vec<String> {
    let mut slots: Vec<String> = rows_of(&document["paused"]["connections"])
        .iter()
        .map(|one| one["slot"].as_str().unwrap().to_owned())
        .collect();
    slots.sort();
    slots
}

fn all_at(document: &Value) -> &str {
    document["paused"]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("no page of all accounts: {document:#}"))
}

#[test]
fn all_accounts_are_asked_for_at_one_page_in_any_order_and_what_may_be_needed_can_wait() {
    show("ask-three", async |stage: &Stage| {
        let (ana, flow) = (stage.person("ana", "runner").await, stage.name("places"));
        let ben = stage.person("ben", "runner").await;
        for account in ["a", "b", "c"] {
            stage.account(&stage.name(account)).await;
        }
        stage.world.publish(&three(&flow)).await;
        let before = stage.get(&ana, &format!("/flows/{flow}/accounts")).await;
        let known: Vec<_> = rows_of(&before["accounts"])
            .iter()
            .map(|one| (one["slot"].clone(), one["may_be_needed"].clone()))
            .collect();
        assert_eq!(
            known,
            [
                (json!("first"), json!(false)),
                (json!("second"), json!(false)),
                (json!("third"), json!(true))
            ]
        );

        let paused = stage.run(&ana, &flow, &json!({"more": true})).await;
        assert_eq!(slots(&paused), ["first", "second"], "{paused:#}");
        let mut browser = Browser::new();
        let page = open(&mut browser, all_at(&paused), &ana).await;
        let text = page.text();
        assert!(
            text.contains("the 2 that are missing are connected") && text.contains("may be needed"),
            "{page}"
        );
        assert!(text.contains("For the first"), "{page}");

        // Another person's page is as if there were none.
        let others = open(&mut Browser::new(), all_at(&paused), &ben).await;
        let unknown = all_at(&paused).replace(run_of(&paused), "run_00000000000000000000000000");
        let nothing = open(&mut Browser::new(), &unknown, &ben).await;
        assert_eq!((others.status, nothing.status), (404, 404));
        assert_eq!(others.text(), nothing.text());

        // The second one first; the page comes back, and the run still waits for the other.
        let page = connect(&mut browser, &page, "second", &stage.name("b")).await;
        assert_eq!(page.url.path(), format!("/connect/run/{}", run_of(&paused)));
        assert!(
            page.text().contains("the one that is missing is connected")
                && page
                    .text()
                    .contains(&format!("Acts as {}@sandbox", stage.name("b"))),
            "{page}"
        );
        assert!(stage.authors(&object(&flow)).await.is_empty());
        let page = connect(&mut browser, &page, "first", &stage.name("a")).await;
        assert_eq!(page.status, 200, "{page}");

        // What was put off is asked for at its step, on the same page.
        let document = stage
            .world
            .until(&ana, run_of(&paused), |run| slots_of(run) == ["third"])
            .await;
        assert_eq!(document["steps"]["two"]["state"], "succeeded");
        let page = open(&mut browser, all_at(&document), &ana).await;
        assert!(page.text().contains("the one that is missing is"), "{page}");
        let page = connect(&mut browser, &page, "third", &stage.name("c")).await;
        assert_eq!(page.status, 200, "{page}");
        let done = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        let authors = [stage.name("a"), stage.name("b"), stage.name("c")];
        assert_eq!(stage.authors(&object(&flow)).await, authors);
        // Everything is kept: the next run asks for nothing.
        let again = stage.run(&ana, &flow, &json!({"more": true})).await;
        assert_eq!(again["state"], "succeeded", "{again:#}");
    });
}

fn slots_of(document: &Value) -> Vec<String> {
    if document["paused"].is_object() {
        slots(document)
    } else {
        Vec::new()
    }
}

#[test]
fn what_may_be_needed_can_be_connected_with_the_others_and_is_not_asked_for_again() {
    show("ask-early", async |stage: &Stage| {
        let (ana, flow) = (stage.person("ana", "runner").await, stage.name("places"));
        stage.world.publish(&three(&flow)).await;
        let paused = stage.run(&ana, &flow, &json!({"more": true})).await;
        let mut browser = Browser::new();
        let mut page = open(&mut browser, all_at(&paused), &ana).await;
        for slot in ["third", "first", "second"] {
            page = connect(&mut browser, &page, slot, &ana).await;
        }
        assert!(page.text().contains("it goes on"), "{page}");
        let done = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(
            (&done["state"], &done["steps"]["more"]["state"]),
            (&json!("succeeded"), &json!("succeeded")),
            "{done:#}"
        );
        let asked: Vec<_> = stage.events(&ana, run_of(&paused)).await;
        let asked = asked.iter().filter(|kind| *kind == "slot_asked").count();
        assert_eq!(asked, 2);
    });
}

#[test]
fn accounts_of_flows_that_it_runs_stand_on_the_same_page() {
    show("ask-called", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let (inner, outer) = (stage.name("inner"), stage.name("outer"));
        let object = object(&inner);
        let text = format!(
            "
flow: {inner}
title: The inner one
trigger: {{on_demand: {{}}}}
connections:
  theirs: {{app: sandbox_crm, dynamic: {{scopes: [records.write]}}}}
  handed: {{app: sandbox_crm, dynamic: {{scopes: [records.write]}}}}
steps:
  write: {{uses: sandbox_crm.create_record, connection: theirs, with: {{object: {object}}}}}
  too: {{uses: sandbox_crm.create_record, connection: handed, needs: [write], with: {{object: {object}}}}}
"
        );
        stage.world.publish(&text).await;
        let text = format!(
            "
flow: {outer}
trigger: {{on_demand: {{}}}}
connections:
  mine: {{app: sandbox_crm, dynamic: {{scopes: [records.write]}}}}
steps:
  call: {{uses: core.run_flow, with: {{flow: {inner}, connections: {{handed: mine}}}}}}
"
        );
        stage.world.publish(&text).await;
        let accounts = stage.get(&ana, &format!("/flows/{outer}/accounts")).await;
        let all: Vec<_> = rows_of(&accounts["accounts"])
            .iter()
            .map(|one| (one["flow"].clone(), one["slot"].clone()))
            .collect();
        assert_eq!(
            all,
            [
                (json!(outer), json!("mine")),
                (json!(inner), json!("theirs"))
            ]
        );
        let paused = stage.run(&ana, &outer, &json!({})).await;
        let mut browser = Browser::new();
        let page = open(&mut browser, all_at(&paused), &ana).await;
        assert!(page.text().contains("The inner one"), "{page}");
        let page = connect(&mut browser, &page, "theirs", &ana).await;
        connect(&mut browser, &page, "mine", &ana).await;
        let done = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        // The called run found everything there: nobody but the page asked.
        let asked = stage
            .audit(&format!("action=sign_in.asked&flow={inner}"))
            .await;
        assert_eq!(asked.len(), 1, "{asked:#?}");
    });
}

#[test]
fn accounts_connected_ahead_of_any_run_are_agreed_to_as_well_so_that_the_first_run_asks_nothing() {
    show("ask-ahead", async |stage: &Stage| {
        let (ana, flow) = (stage.person("ana", "runner").await, stage.name("places"));
        stage.world.publish(&three(&flow)).await;
        let path = format!("/flows/{flow}/sign-ins");
        let page = stage
            .ask(Method::POST, &path, &ana, Some(&json!({})))
            .await
            .expect_ok();
        assert_eq!(rows_of(&page["missing"]).len(), 3, "{page:#}");
        let by_command = stage.actas(&ana, &["connections", "connect", &flow]);
        assert_eq!(by_command.expect(0).json()["url"], page["url"]);
        let mut browser = Browser::new();
        let mut page = open(&mut browser, page["url"].as_str().unwrap(), &ana).await;
        for slot in ["second", "first"] {
            page = connect(&mut browser, &page, slot, &ana).await;
            assert_eq!(page.url.path(), format!("/connect/flow/{flow}"), "{page}");
        }
        assert!(
            page.text()
                .contains("Every account that this flow certainly needs is connected"),
            "{page}"
        );
        assert!(rows_of(&stage.get(&ana, "/me/requests").await["requests"]).is_empty());
        let done = stage.run(&ana, &flow, &json!({})).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
    });
}
