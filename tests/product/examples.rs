//! Every example and every sample flow does what it says: it validates, is published, run by somebody who signs in where they are asked, and
//! ends as the table below says. A file without a row is a fault, and so is a row without a file.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use actas_test_support::browser::Browser;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::world::{Kind, World, is_over, link, sign_in};

/// How a run ends.
enum End {
    /// With these outputs; `"*"` stands for any text.
    Succeeds(Value),
    /// With an error of this kind, at this step.
    Fails(&'static str, &'static str),
}
use End::{Fails, Succeeds};

/// A file without its ending, the inputs besides those it proposes itself, how it ends, how often its person is asked to sign in on the way.
type Row = (&'static str, Value, End, usize);

// One row, one line.
#[rustfmt::skip]
fn table(crm: &str) -> Vec<Row> {
    let any = "*";
    vec![
        ok("examples/acting-as-you", 1, json!({}), json!({"note": any, "author": "ana"})),
        ok("examples/approve", 1, json!({}), json!({"decision": "approved", "signed_by": "ben"})),
        ok("examples/ask-when-needed", 1, json!({}), json!({"note": any, "words": 6})),
        ok("examples/at-most-once", 1, json!({}), json!({"message": any})),
        ok("examples/build-time", 1, json!({}), json!({"count": 0})),
        ok("examples/callback", 1, json!({}), json!({"price": 42})),
        ok("examples/check-and-fail", 0, json!({}), json!({"numbers": 10})),
        bad("examples/check-and-fail", json!({"from": 5, "to": 1}), "rejected", "order"),
        bad("examples/check-and-fail", json!({"from": 1, "to": 5000}), "invalid_input", "too_many"),
        ok("examples/concurrency", 0, json!({}), json!({"text": "Northwind is changed"})),
        ok("examples/dates", 0, json!({}), json!({
            "delivered": "2026-03-28T16:30:00+01:00", "reminder": "2026-03-29T16:30:00+02:00", "due": "2026-04-30", "days": 33, "is_late": false,
            "year_ends": "Thursday, 31 December 2026", "in_new_york": "2026-03-28T11:30:00-04:00", "begun": any,
        })),
        bad("examples/dates", json!({"delivered": "soon"}), "invalid_input", "delivered"),
        ok("examples/every-morning", 0, json!({}), json!({"message": any, "posted_by": "dora", "slot": "right now"})),
        bad("examples/flow-on-error", json!({}), "rejected", "positive"),
        ok("examples/flow-on-error", 0, json!({"amount": 1}), json!({})),
        ok("examples/for-each", 1, json!({}), json!({"order": any, "lines": [1, 2, 3]})),
        ok("examples/for-each-item-errors", 0, json!({}), json!({"done": 2, "failed": [1]})),
        ok("examples/hello", 0, json!({}), json!({"text": "Hello, world!"})),
        ok("examples/http-request", 0, json!({"server": crm}), json!({"status": 200, "is_server": true})),
        ok("examples/if-and-skip", 0, json!({}), json!({"accepted": 100, "receipt": null})),
        ok("examples/if-and-skip", 0, json!({"amount": 1000}), json!({"accepted": 1000, "receipt": "checked by ana"})),
        ok("examples/inputs", 0, json!({}), json!({"price": 40, "note": "none"})),
        ok("examples/inputs", 0, json!({"item": "lamp", "count": 2, "express": true, "note": "ring twice"}), json!({"price": 65, "note": "ring twice"})),
        ok("examples/keep-for-one-run", 1, json!({}), json!({"city": any, "owner": any})),
        ok("examples/keep-for-one-run", 1, json!({}), json!({"city": any, "owner": any})),
        ok("examples/lists", 0, json!({}), json!({
            "there": ["a-1", "c-3"], "tags": ["fragile", "heavy"], "shelves": ["north", "south"], "missing": ["z-9"],
            "first": {"sku": "c-3", "shelf": "north", "checked": true}, "pairs": "a-1: 1; c-3: 2", "average": 4.33, "total": 13,
        })),
        ok("examples/order-arrives", 0, json!({}), json!({"told": null, "customer": "somebody"})),
        ok("examples/order-arrives", 0, json!({"total": 250, "payload": {"customer": "Ada"}}), json!({"told": any, "customer": "Ada"})),
        ok("examples/on-error", 0, json!({}), json!({"followed": null, "number": "pending", "because": "no_number: no number today"})),
        ok("examples/order-of-effects", 1, json!({}), json!({"first": any, "second": any})),
        ok("examples/parallel-branches", 1, json!({}), json!({"desk": {"cases": 0, "tasks": 0, "visits": 0, "all": 0}})),
        ok("examples/parent", 1, json!({}), json!({"you": "Ana Alvarez", "account": "ana@sandbox"})),
        ok("examples/repeat-until", 0, json!({}), json!({"rounds": 3})),
        ok("examples/retry-and-timeout", 1, json!({}), json!({"task": any})),
        ok("examples/run-flow", 1, json!({}), json!({"visit": any})),
        ok("examples/run-flow-part", 1, json!({}), json!({"visit": any})),
        ok("examples/shared-connection", 0, json!({}), json!({"message": any, "posted_by": "dora"})),
        ok("examples/tables", 0, json!({}), json!({
            "report": "Sales of 4 days and shops\n\nNorth: 130.0, at best 120.5\nSouth: 80.0, at best 80.0", "lines": 4,
            "csv": "key,total\r\nNorth,130.0\r\nSouth,80.0\r\n",
        })),
        bad("examples/tables", json!({"sales": "shop;amount\n1;{{ 1 }}\n"}), "invalid_input", "sales"),
        bad("examples/tables", json!({"shops": "[{}]"}), "invalid_input", "shops"),
        ok("examples/texts", 0, json!({}), json!({
            "greeting": "Dear Zoë, we have 000077 and 001042.", "folder": "zoe-muller/example.com",
            "html": "<p>order INV-1042 and INV-77, {{…</p>", "digest": "*",
        })),
        ok("examples/switch", 0, json!({}), json!({"text": "Guten Tag, ana", "case": "de"})),
        ok("examples/switch", 0, json!({"language": "it"}), json!({"text": "Hello, ana", "case": null})),
        ok("examples/transform", 1, json!({}), json!({"companies": any, "industries": ["Food", "Retail", "Wholesale"]})),
        ok("examples/two-accounts", 1, json!({}), json!({"lead_by": "ana", "announced_by": "dora"})),
        fails_after("examples/undo", 1, json!({}), "rejected", "car"),
        ok("examples/undo", 0, json!({"free": true}), json!({"room": any, "seat": any})),
        ok("examples/wait", 0, json!({}), json!({"text": "It is done, ana"})),
        ok("examples/whatever-happens", 0, json!({}), json!({"trace": "done: 3"})),
        ok("examples/whatever-happens", 0, json!({"work": false}), json!({"trace": "done: 0"})),
        ok("examples/whole-opportunity", 2, json!({"customer": "Aurora", "lines": [{"Article": "chair"}, {"Article": "table"}]}), json!({"opportunity": any})),
        ok("flows/log-visit", 1, json!({}), json!({"visit": any, "task": null})),
        ok("flows/log-visit", 0, json!({"next_step": "send the offer"}), json!({"visit": any, "task": any})),
        ok("flows/mark-deal-won", 1, json!({}), json!({"opportunity": any, "was_known": false})),
        ok("flows/new-opportunity", 1, json!({"customer": "Aurora Coffee"}), json!({"opportunity": any, "account": any})),
        ok("flows/mark-deal-won", 0, json!({}), json!({"opportunity": any, "was_known": true})),
        ok("flows/report-problem", 1, json!({}), json!({"case": any, "announced": any})),
        ok("flows/report-problem", 0, json!({"urgency": "low"}), json!({"case": any, "announced": null})),
        ok("flows/request-time-off", 1, json!({}), json!({"request": any})),
        bad("flows/request-time-off", json!({"last_day": "2027-08-01"}), "rejected", "order"),
        bad("flows/request-time-off", json!({"stands_in": "ana"}), "rejected", "other"),
        ok("flows/share-pipeline", 1, json!({}), json!({"opportunities": [], "sum": 0})),
    ]
}

fn ok(file: &'static str, signs_in: usize, inputs: Value, outputs: Value) -> Row {
    (file, inputs, Succeeds(outputs), signs_in)
}

fn bad(file: &'static str, inputs: Value, kind: &'static str, step: &'static str) -> Row {
    (file, inputs, Fails(kind, step), 0)
}

/// Fails after somebody was asked to sign in so often.
fn fails_after(
    file: &'static str,
    signs_in: usize,
    inputs: Value,
    kind: &'static str,
    step: &'static str,
) -> Row {
    (file, inputs, Fails(kind, step), signs_in)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files() -> BTreeSet<String> {
    let of = |folder: &'static str| {
        std::fs::read_dir(root().join(folder))
            .unwrap()
            .map(move |entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()))
    };
    of("examples")
        .chain(of("flows"))
        .filter(|file| Path::new(file).extension().is_some_and(|e| e == "yaml"))
        .collect()
}

fn flow_of(file: &str) -> &str {
    Path::new(file).file_stem().unwrap().to_str().unwrap()
}

/// What a run of this flow proposes by itself: the first example of every input without a default.
async fn proposed(world: &World, flow: &str) -> Map<String, Value> {
    let shown = world
        .ask(
            Method::GET,
            &format!("/api/v1/flows/{flow}"),
            Some("vera"),
            None,
        )
        .await
        .expect_ok();
    let inputs = shown["inputs"].as_object().cloned().unwrap_or_default();
    inputs
        .into_iter()
        .filter(|(_, input)| input["schema"].get("default").is_none())
        .filter_map(|(name, input)| Some((name, input["schema"]["examples"].get(0)?.clone())))
        .collect()
}

fn alike(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), Value::String(text)) if any == "*" => !text.is_empty(),
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|f| alike(value, f)))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => expected == found,
    }
}

/// Does what a run waits for: signs in as whoever is asked, decides as whoever is asked, calls back. Gives its end and how often somebody signed
/// in.
async fn through(
    world: &World,
    browsers: &mut BTreeMap<String, Browser>,
    user: &str,
    mut run: Value,
) -> (Value, usize) {
    let id = run["run"].as_str().unwrap().to_owned();
    let mut asked = 0;
    while !is_over(&run) {
        let paused = &run["paused"];
        if paused["connections"].get(0).is_some() {
            let person = paused["connections"][0]["person"].as_str().unwrap();
            // Vera is known as Carla there.
            let account = if person == "vera" { "carla" } else { person };
            let browser = browsers.entry(person.to_owned()).or_default();
            let page = sign_in(browser, &link(&run), person, account).await;
            assert_eq!(page.status, 200, "{page}");
            asked += 1;
        } else if paused["approvals"].get(0).is_some() {
            let step = paused["approvals"][0]["step"].as_str().unwrap();
            let decision = json!({"step": step, "decision": "approved", "form": form(&run, step)});
            let _ = world
                .ask(
                    Method::POST,
                    &format!("/api/v1/runs/{id}/approve"),
                    Some("ben"),
                    Some(&decision),
                )
                .await
                .expect_ok();
        } else if is_waiting_for_the_crm(&run) {
            call_back(world).await;
        }
        let before = run["paused"].clone();
        run = world
            .until(user, &id, |now| {
                is_over(now)
                    || (now["paused"].is_object() && now["paused"] != before)
                    || is_waiting_for_the_crm(now)
            })
            .await;
    }
    (run, asked)
}

/// What the forms of the examples ask for.
fn form(run: &Value, step: &str) -> Value {
    match (run["flow"].as_str(), step) {
        (Some("approve"), _) => json!({"at_most": 5}),
        _ => json!({"discount": 5}),
    }
}

fn is_waiting_for_the_crm(run: &Value) -> bool {
    run["flow"] == "callback" && run["steps"]["answer"]["state"] == "waiting"
}

/// The other system answers: at the address that it was given in the record.
async fn call_back(world: &World) {
    let requests = world.records("PriceRequest").await;
    let address = requests.last().unwrap()["fields"]["ReplyTo"]
        .as_str()
        .unwrap();
    let answer = actas_test_support::browser::client()
        .post(address)
        .json(&json!({"price": 42}))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

/// The shared connection that some examples name: the account of Dora at the CRM.
pub async fn share_team_crm(world: &World) {
    let body = json!({"name": "team-crm", "app": "sandbox_crm"});
    let page = world
        .ask(
            Method::POST,
            "/api/v1/connections",
            Some("vera"),
            Some(&body),
        )
        .await
        .expect_ok();
    let page = sign_in(
        &mut Browser::new(),
        page["url"].as_str().unwrap(),
        "vera",
        "dora",
    )
    .await;
    assert_eq!(page.status, 200, "{page}");
}

#[test]
fn every_example_and_flow_has_a_row_and_every_row_a_file() {
    let rows: BTreeSet<String> = table("")
        .iter()
        .map(|row| format!("{}.yaml", row.0))
        .collect();
    assert_eq!(rows, files());
    for file in files() {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        assert!(
            text.contains(&format!("\nflow: {}\n", flow_of(&file))),
            "{file}: file and flow have the same name"
        );
    }
}

#[test]
fn the_flow_that_the_page_on_the_language_opens_with_validates() {
    let page = std::fs::read_to_string(root().join("examples/LANGUAGE.md")).unwrap();
    let (_, flow) = page.split_once("```yaml\n").unwrap();
    let (flow, _) = flow.split_once("```").unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("flow.yaml"), flow).unwrap();
    let _ = crate::actas::run(home.path(), &["validate", "flow.yaml"]).expect(0);
}

#[test]
fn all_examples_and_flows_validate_at_once() {
    let home = tempfile::tempdir().unwrap();
    let paths: Vec<String> = files()
        .iter()
        .map(|file| root().join(file).to_str().unwrap().to_owned())
        .collect();
    let mut args = vec!["validate"];
    args.extend(paths.iter().map(String::as_str));
    let _ = crate::actas::run(home.path(), &args).expect(0);
}

#[tokio::test]
async fn every_example_and_flow_runs_to_the_end_that_it_speaks_of() {
    let world = World::start(Kind::Sqlite).await;
    share_team_crm(&world).await;
    let secret = json!({"name": "web-shop", "value": "a secret of the shop"});
    let path = "/api/v1/secrets";
    let added = world.ask(Method::POST, path, None, Some(&secret)).await;
    added.expect_ok();
    for file in files() {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        world.publish(&text).await;
    }
    // One browser for each: whoever logs in again and again is slowed down.
    let mut browsers = BTreeMap::new();
    for (file, more, end, signs_in) in table(&world.crm.url) {
        let flow = file.split_once('/').unwrap().1;
        let mut inputs = proposed(&world, flow).await;
        inputs.extend(more.as_object().unwrap().clone());
        let run = world
            .run("ana", flow, &Value::Object(inputs), None)
            .await
            .unwrap()
            .expect_ok();
        let (done, asked) = through(&world, &mut browsers, "ana", run).await;
        match end {
            Succeeds(outputs) => {
                assert_eq!(done["state"], "succeeded", "{file}: {done:#}");
                assert!(alike(&outputs, &done["outputs"]), "{file}: {done:#}");
            }
            Fails(kind, step) => assert_eq!(
                (
                    &done["state"],
                    &done["error"]["kind"],
                    &done["error"]["step"]
                ),
                (&json!("failed"), &json!(kind), &json!(step)),
                "{file}: {done:#}"
            ),
        }
        assert_eq!(asked, signs_in, "{file}: sign-ins on the way: {done:#}");
    }
}

#[tokio::test]
async fn the_build_time_example_is_tried_with_the_authors_own_account() {
    let world = World::start(Kind::Sqlite).await;
    let text = std::fs::read_to_string(root().join("examples/build-time.yaml")).unwrap();
    let headers = [("content-type", "application/yaml")];
    let draft = world
        .send(
            Method::PUT,
            "/api/v1/flows/build-time/draft",
            Some("vera"),
            &headers,
            Some(text),
        )
        .await
        .expect_ok();
    assert_eq!(draft["build_time"], json!(["crm"]), "{draft:#}");
    let headers = [("content-type", "application/json"), ("prefer", "wait=5")];
    let try_it = || async {
        world
            .send(
                Method::POST,
                "/api/v1/flows/build-time/draft/runs",
                Some("vera"),
                &headers,
                Some("{}".into()),
            )
            .await
            .expect_ok()
    };
    let (done, asked) = through(&world, &mut BTreeMap::new(), "vera", try_it().await).await;
    assert_eq!(
        (&done["state"], asked),
        (&json!("succeeded"), 1),
        "{done:#}"
    );
    let again = try_it().await;
    assert_eq!(
        (
            &again["state"],
            &again["steps"]["mine"]["acted_as"]["rule"],
            &again["entry"]
        ),
        (&json!("succeeded"), &json!("build_time"), &json!("build")),
        "{again:#}"
    );
}
