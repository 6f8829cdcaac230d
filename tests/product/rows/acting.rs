//! Rows about whose account a step acts with: the shared one's, or the runner's own.

use actas_test_support::browser::Browser;
use actas_test_support::sandbox::{self, Decision};
use reqwest::Method;
use serde_json::json;

use super::stage::{Stage, reason, run_of, show, show_alone};
use crate::world::{link, open};

/// A flow that acts as whoever runs it and writes records of a kind of its own.
pub fn personal(flow: &str, object: &str) -> String {
    format!(
        "
flow: {flow}
trigger: {{on_demand: {{}}}}
inputs: {{text: {{type: string, default: hello}}}}
connections:
  crm: {{app: sandbox_crm, dynamic: {{ask: when_needed, scopes: [records.write]}}}}
steps:
  write: {{uses: sandbox_crm.create_record, connection: crm, with: {{object: {object}, fields: {{Text: '{{{{ inputs.text }}}}'}}}}}}
outputs: {{id: '{{{{ steps.write.id }}}}', author: '{{{{ steps.write.author }}}}'}}
"
    )
}

/// A flow that acts through a shared connection.
pub fn shared(flow: &str, connection: &str, object: &str) -> String {
    format!(
        "
flow: {flow}
trigger: {{on_demand: {{}}}}
connections:
  crm: {{app: sandbox_crm, connection: {connection}}}
steps:
  write: {{uses: sandbox_crm.create_record, connection: crm, with: {{object: {object}}}}}
outputs: {{author: '{{{{ steps.write.author }}}}'}}
"
    )
}

#[test]
fn r01_a_step_with_a_shared_connection_acts_as_its_account_whoever_runs_it() {
    show("r01", async |stage: &Stage| {
        let (ana, ben) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
        );
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r01-team", &owner).await;
        stage
            .world
            .publish(&shared("r01-tell", "r01-team", "R01"))
            .await;
        let by_api = stage.run(&ana, "r01-tell", &json!({})).await;
        let by_command = stage.actas(&ben, &["run", "r01-tell"]).expect(0).json();
        for done in [&by_api, &by_command] {
            assert_eq!(done["outputs"]["author"], owner, "{done:#}");
            let acted_as = &done["steps"]["write"]["acted_as"];
            assert_eq!(
                (&acted_as["kind"], &acted_as["rule"]),
                (&json!("shared"), &json!("shared"))
            );
        }
        assert_eq!(stage.authors("R01").await, [owner.clone(), owner]);
        assert_eq!(
            (stage.world.calls(&ana).await, stage.world.calls(&ben).await),
            (0, 0)
        );
    });
}

#[test]
fn r02_whoever_may_run_brings_their_own_account_without_any_right_to_edit() {
    show("r02", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let me = stage.get(&ana, "/me").await;
        assert_eq!(me["privileges"], json!(["flows.run"]), "{me:#}");
        stage.world.publish(&personal("r02-note", "R02")).await;
        let refused = stage
            .save(&ana, "r02-note", &personal("r02-note", "R02"))
            .await;
        assert_eq!(refused.status, 403, "{:#}", refused.body);
        let done = stage.run_signing_in(&ana, "r02-note", &json!({})).await;
        assert_eq!(done["outputs"]["author"], ana, "{done:#}");
        let again = stage.actas(&ana, &["run", "r02-note"]).expect(0).json();
        assert_eq!(again["outputs"]["author"], ana, "{again:#}");
    });
}

#[test]
fn r04_the_strict_order_is_invoke_pause_prompt_bind_act() {
    show("r04", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        stage.world.publish(&personal("r04-note", "R04")).await;
        // Invoked from the command line: without a terminal it ends with the exit code of a pause, and says where to go.
        let paused = stage.actas(&ana, &["run", "r04-note"]).expect(3).json();
        assert_eq!(
            (&paused["state"], reason(&paused)),
            (&json!("paused"), &json!("missing"))
        );
        assert_eq!(paused["paused"]["connections"][0]["person"], ana);
        assert_eq!(
            stage.world.calls(&ana).await,
            0,
            "nothing before the answer"
        );
        let run = run_of(&paused);
        stage.sign_in(&ana, &paused).await;
        let done = stage.world.end(&ana, run).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");

        let told: Vec<String> = stage.events(&ana, run).await;
        let order = [
            "run_created",
            "slot_asked",
            "slot_bound",
            "step_succeeded",
            "run_ended",
        ];
        assert_eq!(told, order);
        assert_eq!(stage.authors("R04").await, std::slice::from_ref(&ana));
    });
}

/// A flow whose slot has the shared connection as its parent, switched on or off.
fn switched(flow: &str, parent: &str, object: &str, enabled: bool) -> String {
    let slot = format!(
        "dynamic: {{ask: when_needed, scopes: [records.write], parent: {parent}, enabled: {enabled}}}"
    );
    shared(flow, "X", object).replace("connection: X", &slot)
}

#[test]
fn r03_switched_on_the_runner_acts_and_switched_off_the_account_that_is_there_does() {
    show("r03", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r03-team", &owner).await;
        for (enabled, author) in [(false, &owner), (true, &ana), (false, &owner)] {
            let text = switched("r03-note", "r03-team", "R03", enabled);
            stage.world.publish(&text).await;
            let done = stage.run(&ana, "r03-note", &json!({})).await;
            let done = match enabled {
                false => done,
                true => {
                    assert_eq!(reason(&done), "missing", "{done:#}");
                    stage.sign_in(&ana, &done).await;
                    stage.world.end(&ana, run_of(&done)).await
                }
            };
            assert_eq!(done["outputs"]["author"], *author, "{done:#}");
        }
        assert_eq!(
            stage.authors("R03").await,
            [owner.clone(), ana, owner.clone()]
        );
    });
}

#[test]
fn r05_switched_off_nobody_is_asked_and_the_default_account_is_the_author() {
    show("r05", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r05-team", &owner).await;
        let text = switched("r05-note", "r05-team", "R05", false);
        stage.world.publish(&text).await;
        let done = stage.actas(&ana, &["run", "r05-note"]).expect(0).json();
        assert_eq!(done["outputs"]["author"], owner, "{done:#}");
        assert_eq!(done["steps"]["write"]["acted_as"]["rule"], "shared");
        let told = stage.events(&ana, run_of(&done)).await;
        assert!(!told.iter().any(|event| event == "slot_asked"), "{told:?}");
        let asked = stage.get(&ana, "/me/requests").await;
        assert_eq!(asked["requests"], json!([]));
        assert!(stage.own(&ana).await.is_empty());
        assert_eq!(stage.world.calls(&ana).await, 0);
    });
}

#[test]
fn r17_before_somebody_has_signed_in_nothing_is_done_for_them_and_nobody_stands_in() {
    show("r17", async |stage: &Stage| {
        let (ana, ben, carl) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
            stage.person("carl", "runner").await,
        );
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r17-team", &owner).await;
        let text = switched("r17-note", "r17-team", "R17", true);
        stage.world.publish(&text).await;
        let before = stage.world.calls(&owner).await;

        // Declined on our page.
        let paused = stage.run(&ana, "r17-note", &json!({})).await;
        let mut browser = Browser::new();
        let page = open(&mut browser, &link(&paused), &ana).await;
        let form = page.form_with_button("Decline").press("Decline");
        browser.submit(&page, &form).await;
        let run = run_of(&paused);
        let declined = stage
            .world
            .until(&ana, run, |run| reason(run) == "declined")
            .await;
        assert_eq!(declined["state"], "paused", "{declined:#}");

        // Refused at the CRM.
        let paused = stage.run(&ben, "r17-note", &json!({})).await;
        let mut browser = Browser::new();
        let page = open(&mut browser, &link(&paused), &ben).await;
        let form = page.form_with_button("Sign in");
        let page = browser.submit(&page, &form).await;
        sandbox::sign_in(&mut browser, page, &ben, Decision::Deny).await;
        let seen = stage.world.see(&ben, run_of(&paused)).await;
        assert_eq!(seen["state"], "paused", "{seen:#}");

        // Not in time.
        let short = switched("r17-short", "r17-team", "R17", true) + "limits: {pause: 1s}\n";
        stage.world.publish(&short).await;
        let late = stage.run(&carl, "r17-short", &json!({})).await;
        let late = stage.world.end(&carl, run_of(&late)).await;
        assert_eq!(
            (&late["state"], &late["error"]["kind"]),
            (&json!("failed"), &json!("sign_in_needed")),
            "{late:#}"
        );

        for user in [&ana, &ben, &carl] {
            assert_eq!(stage.world.calls(user).await, 0, "{user}");
        }
        assert_eq!(stage.world.calls(&owner).await, before);
        assert!(stage.authors("R17").await.is_empty());
    });
}

#[test]
fn r33_a_flow_acts_as_its_invoker_and_not_as_whoever_set_it_up() {
    show("r33", async |stage: &Stage| {
        let (bea, ana) = (
            stage.person("bea", "builder").await,
            stage.person("ana", "runner").await,
        );
        let text = personal("r33-note", "R33");
        let saved = stage.save(&bea, "r33-note", &text).await;
        let tag = saved.etag.clone().expect("a tag");
        saved.expect_ok();
        let path = "/api/v1/flows/r33-note/versions";
        let headers = [("if-match", tag.as_str())];
        let published = stage
            .world
            .send(Method::POST, path, Some(&bea), &headers, None);
        published.await.expect_ok();
        let allowed = stage.actas(&bea, &["flows", "allow", "r33-note", &ana]);
        let _ = allowed.expect(0);
        // Whoever set it up has an account at hand, and is no fallback.
        stage.run_signing_in(&bea, "r33-note", &json!({})).await;
        let paused = stage.run(&ana, "r33-note", &json!({})).await;
        assert_eq!(reason(&paused), "missing", "{paused:#}");
        stage.sign_in(&ana, &paused).await;
        let done = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(done["outputs"]["author"], ana, "{done:#}");
        assert_eq!(stage.authors("R33").await, [bea, ana]);
    });
}

#[test]
fn r36_one_module_brings_the_runners_account_and_another_the_shared_one_in_one_flow() {
    show("r36", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r36-team", &owner).await;
        let text = "
flow: r36-both
trigger: {on_demand: {}}
connections:
  mine: {app: sandbox_crm, dynamic: {ask: when_needed, scopes: [records.write]}}
  team: {app: sandbox_crm, connection: r36-team}
steps:
  own: {uses: sandbox_crm.create_record, connection: mine, with: {object: R36own}}
  all: {uses: sandbox_crm.create_record, connection: team, with: {object: R36all}, needs: [own]}
outputs: {own: '{{ steps.own.author }}', all: '{{ steps.all.author }}'}
";
        stage.world.publish(text).await;
        // The need is looked at each time, and asked for once.
        let first = stage.run_signing_in(&ana, "r36-both", &json!({})).await;
        let again = stage.actas(&ana, &["run", "r36-both"]).expect(0).json();
        for done in [&first, &again] {
            assert_eq!(
                done["outputs"],
                json!({"own": ana, "all": owner}),
                "{done:#}"
            );
        }
        let bound = stage.events(&ana, run_of(&again)).await;
        assert!(bound.iter().any(|event| event == "slot_bound"), "{bound:?}");
        assert_eq!(stage.authors("R36own").await, [ana.clone(), ana]);
        assert_eq!(stage.authors("R36all").await, [owner.clone(), owner]);
    });
}

#[test]
fn r37_what_the_system_does_not_allow_this_person_is_refused_and_never_done_as_somebody_stronger() {
    show("r37", async |stage: &Stage| {
        let (ana, ben) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
        );
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r37-team", &owner).await;
        let rights = json!({"allowed": ["* on *"], "refused": ["CREATE on R37"]});
        let set = json!({"user": ana, "rights": rights});
        stage.world.crm.tell("rights", &set).await;
        let text = switched("r37-note", "r37-team", "R37", true);
        stage.world.publish(&text).await;
        let before = stage.world.calls(&owner).await;
        let paused = stage.run(&ana, "r37-note", &json!({})).await;
        stage.sign_in(&ana, &paused).await;
        let done = stage.world.end(&ana, run_of(&paused)).await;
        assert_eq!(done["error"]["kind"], "permission_denied", "{done:#}");
        let message = done["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("CREATE on R37"), "{done:#}");
        assert_eq!(done["steps"]["write"]["attempts"], 1, "{done:#}");
        let again = stage.actas(&ana, &["run", "r37-note"]).expect(1).json();
        assert_eq!(again["error"]["kind"], "permission_denied", "{again:#}");
        assert_eq!(stage.world.calls(&owner).await, before);
        assert!(stage.authors("R37").await.is_empty());
        // Somebody who may, can.
        let done = stage.run_signing_in(&ben, "r37-note", &json!({})).await;
        assert_eq!(done["outputs"]["author"], ben, "{done:#}");
    });
}

#[test]
fn r35_where_the_workspace_says_so_the_owner_of_a_parent_acts_with_it_and_the_record_says_by_which_rule()
 {
    show_alone("r35", async |stage: Stage| {
        let ana = stage.person("ana", "runner").await;
        // Vera made the parent, so it is hers.
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r35-team", &owner).await;
        let text = switched("r35-note", "r35-team", "R35", true);
        stage.world.publish(&text).await;
        let paused = stage.run("vera", "r35-note", &json!({})).await;
        assert_eq!(
            reason(&paused),
            "missing",
            "off, as it is at first: {paused:#}"
        );

        let on = json!({"owner_uses_parent": true});
        stage.put("", "/policies", &on).await.expect_ok();
        let done = stage.actas("vera", &["run", "r35-note"]).expect(0).json();
        assert_eq!(done["outputs"]["author"], owner, "{done:#}");
        assert_eq!(done["steps"]["write"]["acted_as"]["rule"], "owner");
        assert!(stage.own("vera").await.is_empty(), "nothing of her own");
        let told = stage.audit(&format!("run={}", run_of(&done))).await;
        let acted = told
            .iter()
            .find(|record| record["action"] == "step.succeeded")
            .unwrap_or_else(|| panic!("{told:#?}"));
        assert_eq!(acted["rule"], "owner", "{acted:#}");
        // It is for the owner alone.
        let anas = stage.run(&ana, "r35-note", &json!({})).await;
        assert_eq!(reason(&anas), "missing", "{anas:#}");

        let off = json!({"owner_uses_parent": false});
        stage.put("", "/policies", &off).await.expect_ok();
        let paused = stage.run("vera", "r35-note", &json!({})).await;
        assert_eq!(paused["state"], "paused", "{paused:#}");
        assert_eq!(stage.authors("R35").await, [owner]);
    });
}
