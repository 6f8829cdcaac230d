//! How people are asked: all accounts at one page and in any order, ahead of a run, again where a flow wants more; and what becomes of a no.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::{Browser, Page};
use actas_test_support::sandbox::{self, Decision};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rows::stage::{Stage, rows_of, run_of, show, show_alone};
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

        let run = format!("{}/runs/{}", stage.world.url(), run_of(&paused));
        let shown = open(&mut browser, &run, &ana).await;
        let path = format!("/connect/run/{}", run_of(&paused));
        assert_eq!(shown.link("Connect 2 accounts").path(), path);

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
        let text = page.text();
        assert!(
            text.contains("The inner one") && text.contains("needed later"),
            "{page}"
        );
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

/// A flow that reads, and with more also writes; its slot asks for both scopes, or for what it needs.
fn reads(flow: &str, writes: bool, scopes: &str) -> String {
    let object = object(flow);
    let write = if writes {
        format!(
            "  write: {{uses: sandbox_crm.create_record, connection: crm, with: {{object: {object}}}}}"
        )
    } else {
        String::new()
    };
    format!(
        "
flow: {flow}
trigger: {{on_demand: {{}}}}
connections:
  crm: {{app: sandbox_crm, dynamic: {{scopes: [{scopes}]}}}}
steps:
  me: {{uses: sandbox_crm.list_records, connection: crm, with: {{object: {object}}}}}
{write}
"
    )
}

#[test]
fn a_published_change_that_wants_more_is_agreed_to_anew_with_what_is_new_marked_and_less_is_not() {
    show("ask-more", async |stage: &Stage| {
        let (ana, ben) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
        );
        let flow = stage.name("reads");
        let both = "records.read, records.write";
        stage.world.publish(&reads(&flow, false, both)).await;
        stage.run_signing_in(&ana, &flow, &json!({})).await;
        stage.run_signing_in(&ben, &flow, &json!({})).await;

        // One more module, within the same scopes: agreeing is enough.
        let published = stage.world.publish(&reads(&flow, true, both)).await;
        assert!(
            published.to_string().contains("crm"),
            "publishing says whose consent it widens: {published:#}"
        );
        let paused = stage.run(&ana, &flow, &json!({})).await;
        assert_eq!(paused["paused"]["connections"][0]["reason"], "consent");
        let mut browser = Browser::new();
        let page = open(&mut browser, all_at(&paused), &ana).await;
        let text = page.text();
        assert!(
            text.contains("wants more of your account")
                && text.contains("sandbox_crm.create_record new")
                && !text.contains("sandbox_crm.list_records new")
                && !text.contains("records.write new"),
            "{page}"
        );
        let form = page.form_about("slot", "crm", "Use ");
        let page = browser.submit(&page, &form).await;
        assert!(page.text().contains("it goes on"), "{page}");
        let done = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        assert_eq!(stage.own(&ana).await.len(), 1);
        // What ana agreed to is not ben's agreement.
        let bens = stage.run(&ben, &flow, &json!({})).await;
        assert_eq!(bens["paused"]["connections"][0]["reason"], "consent");

        // Less asks nobody who agreed to more.
        stage
            .world
            .publish(&reads(&flow, false, "records.read"))
            .await;
        let done = stage.run(&ana, &flow, &json!({})).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
    });
}

#[test]
fn more_scopes_than_the_account_gave_need_a_sign_in_with_the_same_account_and_are_marked() {
    show("ask-scopes", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let flow = stage.name("reads");
        stage
            .world
            .publish(&reads(&flow, false, "records.read"))
            .await;
        stage.run_signing_in(&ana, &flow, &json!({})).await;
        let both = "records.read, records.write";
        stage.world.publish(&reads(&flow, true, both)).await;
        let paused = stage.run(&ana, &flow, &json!({})).await;
        assert_eq!(paused["paused"]["connections"][0]["reason"], "scopes");
        let mut browser = Browser::new();
        let page = open(&mut browser, all_at(&paused), &ana).await;
        let text = page.text();
        assert!(
            text.contains("records.write new")
                && !text.contains("records.read new")
                && text.contains("sign in with this one, another is refused"),
            "{page}"
        );
        connect(&mut browser, &page, "crm", &ana).await;
        let done = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        assert_eq!(stage.own(&ana).await.len(), 1, "it is the same connection");
    });
}

#[test]
fn one_sign_in_wakes_every_run_of_its_person_that_waits_for_it_and_no_other() {
    show("ask-wake", async |stage: &Stage| {
        let (ana, ben) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
        );
        let (flow, other) = (stage.name("reads"), stage.name("others"));
        for name in [&flow, &other] {
            stage
                .world
                .publish(&reads(name, false, "records.read"))
                .await;
        }
        let mut anas = Vec::new();
        for _ in 0..5 {
            anas.push(stage.run(&ana, &flow, &json!({})).await);
        }
        let elsewhere = stage.run(&ana, &other, &json!({})).await;
        let bens = stage.run(&ben, &flow, &json!({})).await;
        // She answers the one in the middle.
        stage.sign_in(&ana, &anas[2]).await;
        for run in &anas {
            let done = stage.world.end(&ana, run_of(run)).await;
            assert_eq!(done["state"], "succeeded", "{done:#}");
        }
        for (person, run) in [(&ana, &elsewhere), (&ben, &bens)] {
            let still = stage.world.see(person, run_of(run)).await;
            assert_eq!(still["paused"]["connections"][0]["reason"], "missing");
            let events = stage.events(person, run_of(run)).await;
            assert!(!events.contains(&"slot_bound".to_owned()), "{events:?}");
        }
        let mine = stage.get(&ana, "/me/requests").await;
        assert_eq!(rows_of(&mine["requests"]).len(), 1, "{mine:#}");
    });
}

#[test]
fn a_no_is_said_in_the_run_and_its_person_goes_on_or_cancels() {
    show("ask-no", async |stage: &Stage| {
        let ben = stage.person("ben", "runner").await;
        let flow = stage.name("places");
        stage.world.publish(&three(&flow)).await;
        let paused = stage.run(&ben, &flow, &json!({})).await;
        let mut browser = Browser::new();
        let page = open(&mut browser, all_at(&paused), &ben).await;
        let no = page.form_about("slot", "second", "Decline");
        let page = browser.submit(&page, &no).await;
        assert!(
            page.text().contains("You declined.") && page.text().contains("or cancel the run"),
            "{page}"
        );
        let declined = |run: &Value| {
            let all = rows_of(&run["paused"]["connections"]);
            all.iter()
                .any(|one| one["slot"] == "second" && one["reason"] == "declined")
        };
        stage.world.until(&ben, run_of(&paused), declined).await;
        let shown = stage
            .world
            .actas(&["--as", &ben, "runs", "show", run_of(&paused)])
            .expect(0);
        assert!(shown.stdout.contains("said no"), "{shown}");
        let requests = stage.world.actas(&["--as", &ben, "requests"]).expect(0);
        assert!(requests.stdout.contains("/connect/"), "{requests}");
        // The other account alone does not let it go on; a change of mind does.
        let page = connect(&mut browser, &page, "first", &ben).await;
        assert!(page.text().contains("the one that is missing is"), "{page}");
        assert!(stage.authors(&object(&flow)).await.is_empty());
        connect(&mut browser, &page, "second", &ben).await;
        let done = stage.world.end(&ben, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");

        // Or it is cancelled: then nothing was done, and its pages say so.
        let again = stage.person("eve", "runner").await;
        let paused = stage.run(&again, &flow, &json!({})).await;
        stage
            .post(
                &again,
                &format!("/runs/{}/cancel", run_of(&paused)),
                &json!({}),
            )
            .await
            .expect_ok();
        let done = stage.world.end(&again, run_of(&paused)).await;
        assert_eq!(
            (&done["state"], &done["paused"]),
            (&json!("cancelled"), &Value::Null)
        );
        let page = open(&mut Browser::new(), all_at(&paused), &again).await;
        assert!(page.text().contains("This run has ended."), "{page}");
        let one = paused["paused"]["connections"][0]["url"].as_str().unwrap();
        let page = open(&mut Browser::new(), one, &again).await;
        assert!(
            page.status == 410 && page.text().contains("This is over"),
            "{page}"
        );
        assert_eq!(
            stage.get(&again, "/me/requests").await["requests"],
            json!([])
        );
    });
}

#[test]
fn a_pause_that_nobody_answered_ends_the_run_which_its_person_can_go_on_with_afterwards() {
    show("ask-late", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let flow = stage.name("late");
        let text = format!(
            "
flow: {flow}
trigger: {{on_demand: {{}}}}
limits: {{pause: 1s}}
connections:
  crm: {{app: sandbox_crm, dynamic: {{ask: when_needed, scopes: [records.write]}}}}
steps:
  before: {{uses: core.set, with: {{x: 1}}}}
  write: {{uses: sandbox_crm.create_record, connection: crm, needs: [before], with: {{object: {}}}}}
",
            object(&flow)
        );
        stage.world.publish(&text).await;
        let paused = stage.run(&ana, &flow, &json!({})).await;
        let late = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(
            (&late["state"], &late["error"]["code"]),
            (&json!("failed"), &json!("sign_in_expired")),
            "{late:#}"
        );
        let page = open(&mut Browser::new(), all_at(&paused), &ana).await;
        assert!(page.text().contains("This run has ended."), "{page}");
        let mut browser = Browser::new();
        let url = format!("{}/connect/flow/{flow}", stage.world.url());
        let page = open(&mut browser, &url, &ana).await;
        connect(&mut browser, &page, "crm", &ana).await;
        let retried = stage
            .post(
                &ana,
                &format!("/runs/{}/retry", run_of(&paused)),
                &json!({}),
            )
            .await
            .expect_ok();
        let done = stage.world.end(&ana, run_of(&retried)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        assert_eq!(stage.authors(&object(&flow)).await, [ana]);
    });
}

#[test]
fn an_approvers_account_that_is_lost_in_a_called_flow_is_asked_of_them_and_stays_theirs() {
    show_alone("ask-lost", async |stage: Stage| {
        let (ana, ben) = (
            stage.person("ana", "runner").await,
            stage.person("boss", "runner").await,
        );
        let (inner, outer) = (stage.name("inner"), stage.name("outer"));
        let object = object(&inner);
        let text = format!(
            "
flow: {inner}
trigger: {{on_demand: {{}}}}
connections:
  theirs: {{app: sandbox_crm, dynamic: {{scopes: [records.write]}}}}
steps:
  one: {{uses: sandbox_crm.create_record, connection: theirs, with: {{object: {object}}}}}
  two: {{uses: sandbox_crm.create_record, connection: theirs, needs: [one], with: {{object: {object}, fields: {{About: '{{{{ steps.one.id }}}}'}}}}}}
outputs: {{by: '{{{{ steps.two.author }}}}'}}
"
        );
        stage.world.publish(&text).await;
        let text = format!(
            "
flow: {outer}
trigger: {{on_demand: {{}}}}
connections:
  boss: {{app: sandbox_crm, dynamic: {{of: approve, scopes: [records.write]}}}}
steps:
  approve: {{uses: core.approve, with: {{who: {ben}, title: May it be}}}}
  call: {{uses: core.run_flow, needs: [approve], with: {{flow: {inner}, connections: {{theirs: boss}}}}}}
"
        );
        stage.world.publish(&text).await;
        let paused = stage.run(&ana, &outer, &json!({})).await;
        let run = run_of(&paused);
        let mut browser = Browser::new();
        let approval = paused["paused"]["approvals"][0]["url"].as_str().unwrap();
        let page = open(&mut browser, approval, &ben).await;
        let sign_in = page.form_with_button("sign in").press("sign in");
        let page = browser.submit(&page, &sign_in).await;
        let form = page.form_with_button("Sign in with");
        let there = browser.submit(&page, &form).await;
        sandbox::sign_in(&mut browser, there, &ben, Decision::Allow).await;
        let hold = json!({"path": format!("/api/v1/records/{object}"), "method": "POST", "times": 1, "do": "hold_after"});
        stage.world.crm.tell("faults", &hold).await;
        let said = json!({"step": "approve", "decision": "approved"});
        stage
            .post(&ben, &format!("/runs/{run}/approve"), &said)
            .await
            .expect_ok();
        stage.world.until_held().await;
        stage.world.crm.tell("revoke", &json!({"user": ben})).await;
        stage.world.release().await;
        let lost = stage
            .world
            .until(&ana, run, |run| {
                run["paused"]["connections"][0]["reason"].is_string()
            })
            .await;
        let asked = &lost["paused"]["connections"][0];
        assert_eq!(
            (&asked["person"], &asked["reason"]),
            (&json!(ben), &json!("missing")),
            "{lost:#}"
        );
        // It is asked of them alone, as somebody who approved.
        let anas = stage.get(&ana, "/me/requests").await;
        assert_eq!(anas["requests"], json!([]));
        assert!(lost["paused"]["url"].is_null(), "{lost:#}");
        let child = asked["run"].as_str().unwrap();
        stage.sign_in(&ben, &lost).await;
        let done = stage.world.end(&ana, run).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        let child = stage.world.see(&ana, child).await;
        let rules = |step: &str| child["steps"][step]["acted_as"]["rule"].clone();
        assert_eq!(
            (rules("one"), rules("two")),
            (json!("approver"), json!("approver")),
            "{child:#}"
        );
        assert_eq!(stage.authors(&object).await, [ben.clone(), ben]);
    });
}
