//! Rows about writing a flow that acts as whoever runs it: its settings, its build-time value, its publication, and how it is started.

use actas_test_support::browser::Browser;
use reqwest::Method;
use serde_json::{Value, json};

use super::acting::personal;
use super::stage::{Stage, reason, rows_of, run_of, show, text_of};
use crate::world::{Answer, link, open, sign_in};

async fn publish(stage: &Stage, user: &str, flow: &str, tag: &str) -> Answer {
    let path = format!("/api/v1/flows/{flow}/versions");
    let headers = [("if-match", tag)];
    stage
        .world
        .send(Method::POST, &path, Some(user), &headers, None)
        .await
}

/// The codes of all faults that a refusal names.
fn codes(refused: &Answer) -> Vec<String> {
    rows_of(&refused.body["diagnostics"])
        .iter()
        .map(|fault| text_of(&fault["code"]))
        .collect()
}

#[test]
fn r28_whether_a_flow_asks_is_a_setting_of_it_that_is_kept_versioned_and_exported() {
    show("r28", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r28-team", &owner).await;
        let text = |enabled: bool| {
            let slot = format!(
                "dynamic: {{parent: r28-team, ask: when_needed, scopes: [records.write], enabled: {enabled}}}"
            );
            super::acting::shared("r28-note", "X", "R28").replace("connection: X", &slot)
        };
        stage.world.publish(&text(true)).await;
        stage.world.publish(&text(false)).await;
        let says = |document: &Value| document["connections"]["crm"]["dynamic"]["enabled"].clone();
        for (version, enabled) in [(1, true), (2, false)] {
            let shown = stage
                .get("vera", &format!("/flows/r28-note/versions/{version}"))
                .await;
            let kept = says(&shown["document"]);
            assert_eq!(kept != json!(false), enabled, "{shown:#}");
            // Out, and in again under another name: it still asks, or does not.
            let number = version.to_string();
            let file = stage
                .world
                .actas(&[
                    "--as",
                    "vera",
                    "flows",
                    "export",
                    "r28-note",
                    "--version",
                    &number,
                ])
                .expect(0);
            let name = format!("r28-copy-{version}");
            let copy = file.stdout.replace("r28-note", &name);
            assert!(copy.contains("r28-team"), "{copy}");
            stage.world.publish(&copy).await;
            let run = stage.run(&ana, &name, &json!({})).await;
            let expected = if enabled { "paused" } else { "succeeded" };
            assert_eq!(run["state"], expected, "{version}: {run:#}");
        }
    });
}

#[test]
fn r34_a_slot_has_exactly_one_connection_it_falls_to() {
    show("r34", async |stage: &Stage| {
        for slot in [
            "{app: sandbox_crm}",
            "{app: sandbox_crm, connection: one, dynamic: {}}",
            "{app: sandbox_crm, connection: [one, two]}",
            "{app: sandbox_crm, dynamic: {parent: [one, two]}}",
            "{app: sandbox_crm, dynamic: {enabled: false}}",
        ] {
            let text = format!(
                "flow: r34-one\ntrigger: {{on_demand: {{}}}}\nconnections:\n  crm: {slot}\nsteps:\n  me: {{uses: sandbox_crm.get_me, connection: crm}}\n"
            );
            let saved = stage.save("vera", "r34-one", &text).await;
            assert_eq!(saved.status, 422, "{slot}: {:#}", saved.body);
            let file = stage.file("one.yaml", &text);
            let _ = stage.world.actas(&["validate", &file]).expect(1);
        }
    });
}

#[test]
fn r39_a_dynamic_connection_and_a_schedule_are_refused_together_from_both_sides() {
    show("r39", async |stage: &Stage| {
        let text = |trigger: &str, slot: &str| {
            format!(
                "flow: r39-tell\ntrigger: {trigger}\nconnections:\n  crm: {{app: sandbox_crm, {slot}}}\nsteps:\n  write: {{uses: sandbox_crm.create_record, connection: crm, with: {{object: R39}}}}\n"
            )
        };
        let (by_hand, by_clock) = (
            "{on_demand: {}}",
            "{schedule: {cron: '0 9 * * MON', timezone: Europe/Berlin}}",
        );
        let (shared, own) = ("connection: r39-team", "dynamic: {scopes: [records.write]}");
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r39-team", &owner).await;
        // A flow that acts as its runner is put on the clock; one on the clock comes to act as its runner.
        for first in [text(by_hand, own), text(by_clock, shared)] {
            stage.world.publish(&first).await;
            let refused = stage.save("vera", "r39-tell", &text(by_clock, own)).await;
            assert_eq!(refused.status, 422, "{:#}", refused.body);
            let said = refused.body["diagnostics"].to_string();
            assert!(said.contains("crm"), "the slot is named: {said}");
            let file = stage.file("tell.yaml", &text(by_clock, own));
            let said = stage.world.actas(&["validate", &file]).expect(1);
            let all = format!("{}{}", said.stdout, said.stderr);
            assert!(all.contains("crm") && all.contains("schedule"), "{said}");
        }
        // Nor by way of a flow it runs.
        stage.world.publish(&personal("r39-part", "R39")).await;
        let caller = format!(
            "flow: r39-call\ntrigger: {by_clock}\nsteps:\n  call: {{uses: core.run_flow, with: {{flow: r39-part}}}}\n"
        );
        let saved = stage.save("vera", "r39-call", &caller).await;
        let tag = saved.etag.clone().expect("a tag");
        saved.expect_ok();
        let refused = publish(stage, "vera", "r39-call", &tag).await;
        assert!((400..500).contains(&refused.status), "{:#}", refused.body);
        assert!(
            refused.body.to_string().contains("crm"),
            "{:#}",
            refused.body
        );
    });
}

/// There is no page to click a dynamic connection together yet; what it would write is the text, which comes back as it was.
#[test]
fn r40_a_dynamic_connection_is_written_and_comes_back_as_it_was_written() {
    show("r40", async |stage: &Stage| {
        let text = personal("r40-note", "R40");
        stage.save("vera", "r40-note", &text).await.expect_ok();
        let accept = [("accept", "application/yaml")];
        let back = stage
            .world
            .send(
                Method::GET,
                "/api/v1/flows/r40-note/draft",
                Some("vera"),
                &accept,
                None,
            )
            .await;
        assert_eq!(back.body, json!(text), "not a character is changed");
        // A program gets it with what else is known of the draft.
        let accept = [("accept", "application/json")];
        let back = stage
            .world
            .send(
                Method::GET,
                "/api/v1/flows/r40-note/draft",
                Some("vera"),
                &accept,
                None,
            )
            .await
            .expect_ok();
        assert_eq!(back["text"], text, "{back:#}");
        stage.world.publish(&text).await;
        let file = stage
            .world
            .actas(&["--as", "vera", "flows", "export", "r40-note"])
            .expect(0);
        stage
            .save("vera", "r40-note", &file.stdout)
            .await
            .expect_ok();
        let exported = stage.file("note.yaml", &file.stdout);
        let _ = stage.world.actas(&["validate", &exported]).expect(0);
    });
}

#[test]
fn r41_a_dynamic_connection_has_a_name_of_its_own_and_building_needs_a_value_for_it() {
    show("r41", async |stage: &Stage| {
        let bea = stage.person("bea", "builder").await;
        let text = personal("r41-note", "R41");
        for slots in [
            "  crm: {app: sandbox_crm, dynamic: {}}\n  crm: {app: sandbox_crm, dynamic: {}}\n",
            "  '': {app: sandbox_crm, dynamic: {}}\n",
            "  - {app: sandbox_crm, dynamic: {}}\n",
        ] {
            let (head, rest) = text.split_once("connections:\n").expect("connections");
            let (_, steps) = rest.split_once("steps:\n").expect("steps");
            let odd = format!("{head}connections:\n{slots}steps:\n{steps}");
            let refused = stage.save(&bea, "r41-note", &odd).await;
            assert_eq!(refused.status, 422, "{slots}: {:#}", refused.body);
            assert!(!codes(&refused).is_empty());
        }
        // Without a value the builder is asked for one; it is remembered for the next time.
        let file = stage.file("note.yaml", &text);
        let paused = stage.actas(&bea, &["build", &file]).expect(3).json();
        assert_eq!(reason(&paused), "missing", "{paused:#}");
        assert_eq!(paused["paused"]["connections"][0]["person"], bea);
        stage.sign_in(&bea, &paused).await;
        let done = stage.world.end(&bea, run_of(&paused)).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");
        let again = stage.actas(&bea, &["build", &file]).expect(0).json();
        assert_eq!(
            (
                &again["entry"],
                &again["steps"]["write"]["acted_as"]["rule"]
            ),
            (&json!("build"), &json!("build_time")),
            "{again:#}"
        );
    });
}

#[test]
fn r42_a_build_time_value_serves_its_builder_alone_and_is_in_nothing_that_was_published() {
    show("r42", async |stage: &Stage| {
        let (bea, ana) = (
            stage.person("bea", "builder").await,
            stage.person("ana", "runner").await,
        );
        let mark = "r42-a-placeholder-nobody-else-has";
        let text = personal("r42-note", "R42");
        let text = text.replace(
            "sandbox_crm, dynamic",
            &format!("sandbox_crm, build_time: {mark}, dynamic"),
        );
        let saved = stage.save(&bea, "r42-note", &text).await;
        let tag = saved.etag.clone().expect("a tag");
        saved.expect_ok();
        let file = stage.file("note.yaml", &text);
        let paused = stage.actas(&bea, &["build", &file]).expect(3).json();
        stage.sign_in(&bea, &paused).await;
        let built = stage.world.end(&bea, run_of(&paused)).await;
        assert_eq!(built["state"], "succeeded", "{built:#}");
        let tag = match stage.save(&bea, "r42-note", &text).await {
            saved if saved.etag.is_some() => saved.etag.expect("a tag"),
            _ => tag,
        };
        let published = publish(stage, &bea, "r42-note", &tag).await.expect_ok();
        assert!(
            published["dropped"].to_string().contains("crm"),
            "{published:#}"
        );
        let _ = stage
            .actas(&bea, &["flows", "allow", "r42-note", "everyone"])
            .expect(0);

        for path in ["draft", "versions", "versions/1", "versions/1/export"] {
            let got = stage
                .ask(Method::GET, &format!("/flows/r42-note/{path}"), &bea, None)
                .await;
            assert_eq!(got.status, 200, "{path}");
            assert!(
                !got.body.to_string().contains(mark),
                "{path}: {:#}",
                got.body
            );
        }
        let export = stage
            .world
            .actas(&["--as", &bea, "flows", "export", "r42-note"]);
        assert!(!export.expect(0).stdout.contains(mark));
        // A production run finds nothing of it, not even its builder's.
        for user in [&bea, &ana] {
            let paused = stage.run(user, "r42-note", &json!({})).await;
            assert_eq!(paused["state"], "paused", "{paused:#}");
            assert_eq!(paused["paused"]["connections"][0]["person"], *user);
        }
    });
}

#[test]
fn r43_a_draft_asks_nobody_but_its_builder_and_what_is_published_asks_whoever_runs_it() {
    show("r43", async |stage: &Stage| {
        let (bea, ana) = (
            stage.person("bea", "builder").await,
            stage.person("ana", "runner").await,
        );
        let text = personal("r43-note", "R43");
        let saved = stage.save(&bea, "r43-note", &text).await;
        let tag = saved.etag.clone().expect("a tag");
        saved.expect_ok();
        let _ = stage
            .actas(&bea, &["flows", "allow", "r43-note", "everyone"])
            .expect(0);
        let early = stage.world.run(&ana, "r43-note", &json!({}), None).await;
        let early = early.expect("an answer");
        assert!((400..500).contains(&early.status), "{:#}", early.body);
        let drafted = stage
            .post(&ana, "/flows/r43-note/draft/runs", &json!({}))
            .await;
        assert_eq!(drafted.status, 403, "{:#}", drafted.body);
        assert_eq!(stage.get(&ana, "/me/requests").await["requests"], json!([]));

        publish(stage, &bea, "r43-note", &tag).await.expect_ok();
        let done = stage.run_signing_in(&ana, "r43-note", &json!({})).await;
        assert_eq!(done["outputs"]["author"], ana, "{done:#}");
    });
}

/// Buttons in a View come later; of the entries there are, each prompts first, and the audit log tells them apart.
#[test]
fn r44_whatever_way_a_flow_is_started_its_person_is_asked_first_and_the_audit_log_says_which_way() {
    show("r44", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        for flow in ["r44-page", "r44-line", "r44-api"] {
            stage.world.publish(&personal(flow, "R44")).await;
        }
        // Run once, from the flow's page.
        let mut browser = Browser::new();
        let url = format!("{}/flows/r44-page", stage.world.url());
        let page = open(&mut browser, &url, &ana).await;
        let form = page.form("/flows/r44-page").with("in.text", "hello");
        let page = browser.submit(&page, &form).await;
        let run = page
            .url
            .path()
            .rsplit('/')
            .next()
            .expect("a run")
            .to_owned();
        let once = stage.world.settle(&ana, &run).await;
        let line = stage.actas(&ana, &["run", "r44-line"]).expect(3).json();
        for (paused, entry) in [(&once, "run_once"), (&line, "cli")] {
            assert_eq!(
                (reason(paused), &paused["entry"]),
                (&json!("missing"), &json!(entry)),
                "{paused:#}"
            );
            assert_eq!(
                stage.world.calls(&ana).await,
                0,
                "asked before anything is done"
            );
        }
        for (paused, entry) in [(&once, "run_once"), (&line, "cli")] {
            sign_in(&mut Browser::new(), &link(paused), &ana, &ana).await;
            let done = stage.world.end(&ana, run_of(paused)).await;
            assert_eq!(done["outputs"]["author"], ana, "{done:#}");
            let told = stage.audit(&format!("run={}", run_of(paused))).await;
            let acted = told
                .iter()
                .find(|record| record["action"] == "step.succeeded")
                .unwrap_or_else(|| panic!("{told:#?}"));
            assert_eq!(acted["entry"], entry, "{acted:#}");
        }
    });
}

/// A button in a View will send the row's key; until then the row's values come in as inputs from the flow's form and from programs.
#[test]
fn r46_the_values_of_a_row_arrive_as_inputs() {
    show("r46", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        stage.world.publish(&personal("r46-note", "R46")).await;
        stage
            .run_signing_in(&ana, "r46-note", &json!({"text": "row 6"}))
            .await;
        let done = stage
            .actas(&ana, &["run", "r46-note", "-i", "text=row 7"])
            .expect(0)
            .json();
        assert_eq!(done["state"], "succeeded", "{done:#}");
        let records = stage.world.records("R46").await;
        let texts: Vec<&Value> = records.iter().map(|r| &r["fields"]["Text"]).collect();
        assert_eq!(texts, ["row 6", "row 7"]);
    });
}
