//! Approvals from outside: Ana runs a flow, Ben decides it and acts in it as himself, and nobody gets round him.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::{Browser, Page};
use actas_test_support::sandbox::{self, Decision};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Kind, World, open};

/// Ben signs a deal off in the CRM as himself, if he approves.
const DEAL: &str = r#"
flow: deal
title: Close a deal
trigger: {on_demand: {}}
inputs: {customer: {type: string, default: Northwind}}
connections:
  boss: {app: sandbox_crm, dynamic: {of: approve, why: To sign the deal off}}
steps:
  words: {uses: core.set, with: {name: "{{ inputs.customer | upper }}"}}
  approve:
    uses: core.approve
    with: {who: ben, title: "Approve {{ steps.words.name }}", form: {discount: {type: number, title: Discount}}}
  sign_off:
    title: Sign it off
    uses: sandbox_crm.create_record
    connection: boss
    with: {object: Opportunity, fields: {Name: "{{ steps.words.name }}", Discount: "{{ steps.approve.form.discount }}"}}
outputs: {opportunity: "{{ steps.sign_off.id }}", decision: "{{ steps.approve.decision }}"}
"#;

/// Approvals side by side, one of them for each item, and an effect behind all of them.
const SIDES: &str = r#"
flow: sides
trigger: {on_demand: {}}
inputs: {lines: {type: array, default: [a, b]}}
connections:
  crm: {app: sandbox_crm, dynamic: {}}
steps:
  left: {uses: core.approve, with: {who: ben, title: Left}}
  right: {uses: core.approve, with: {who: "role:builder", title: Right}}
  lines:
    for_each: inputs.lines
    parallel: 8
    steps:
      ok: {uses: core.approve, with: {who: [ben, vera], title: "Line {{ item }}"}}
  call: {uses: core.wait_for_callback, needs: [], with: {expires: 1h}}
  act:
    needs: [left, right, lines, call]
    uses: sandbox_crm.create_record
    connection: crm
    with: {object: Note, fields: {Text: done}}
outputs: {note: "{{ steps.act.id }}"}
"#;

async fn begin(world: &World, flow: &str) -> Value {
    let started = world.run("ana", flow, &json!({}), None).await.unwrap();
    let run = started.expect_ok();
    let run = world.settle("ana", run["run"].as_str().unwrap()).await;
    assert!(run["paused"]["approvals"].is_array(), "{run:#}");
    run
}

fn id(run: &Value) -> &str {
    run["run"].as_str().unwrap()
}

/// The link of the first approval a run waits for.
fn approval(run: &Value) -> String {
    run["paused"]["approvals"][0]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("no approval: {run:#}"))
        .to_owned()
}

async fn answer(world: &World, user: &str, run: &str, verb: &str, body: Value) -> Answer {
    world
        .ask(
            Method::POST,
            &format!("/api/v1/runs/{run}/{verb}"),
            Some(user),
            Some(&body),
        )
        .await
}

async fn approve(world: &World, user: &str, run: &str, step: &str) -> Answer {
    let body = json!({"step": step, "decision": "approved"});
    answer(world, user, run, "approve", body).await
}

/// Ben's page with everything but his decision done.
async fn signed_in(browser: &mut Browser, link: &str) -> Page {
    let page = open(browser, link, "ben").await;
    assert!(page.text().contains("Approve NORTHWIND"), "{page}");
    let form = page.form_with_button("Approve and sign in");
    let connect = browser.submit(&page, &form).await;
    assert!(
        connect.text().contains("Signing in approves nothing yet"),
        "{connect}"
    );
    let there = browser
        .submit(&connect, &connect.form_with_button("Sign in with"))
        .await;
    let back = sandbox::sign_in(browser, there, "ben", Decision::Allow).await;
    assert!(back.text().contains("You have not decided yet"), "{back}");
    browser.click(&back, "Go on to decide").await
}

fn decision(page: &Page, button: &str, discount: &str) -> actas_test_support::html::Form {
    page.form_with_button("Reject")
        .with("in.discount", discount)
        .with("comment", "well done")
        .press(button)
}

async fn requests(world: &World, user: &str) -> Vec<Value> {
    let path = "/api/v1/me/requests";
    let list = world
        .ask(Method::GET, path, Some(user), None)
        .await
        .expect_ok();
    list["requests"].as_array().unwrap().clone()
}

async fn audited(world: &World, filter: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit?{filter}");
    let list = world.ask(Method::GET, &path, None, None).await.expect_ok();
    list["records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn ana_starts_ben_signs_in_and_decides_and_the_crm_names_ben() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(DEAL).await;
    let paused = begin(&world, "deal").await;
    let asked = &paused["paused"]["approvals"][0];
    assert_eq!(
        (
            &paused["paused"]["for"],
            &asked["who"],
            &asked["title"],
            &asked["mine"]
        ),
        (
            &json!("approval"),
            &json!(["ben"]),
            &json!("Approve NORTHWIND"),
            &json!(false)
        ),
        "{paused:#}"
    );
    assert_eq!(paused["state"], "paused");
    assert!(requests(&world, "ana").await.is_empty());
    let bens = requests(&world, "ben").await;
    assert_eq!(
        (
            bens.len(),
            &bens[0]["kind"],
            &bens[0]["asks"],
            &bens[0]["url"]
        ),
        (
            1,
            &json!("approval"),
            &json!("Approve NORTHWIND"),
            &asked["url"]
        )
    );

    // He cannot approve before his account is there: nothing would be done as him.
    let link = approval(&paused);
    let mut ben = Browser::new();
    let page = open(&mut ben, &link, "ben").await;
    let mut form = page.form_with_button("Reject").with("in.discount", "5");
    form.fields.push(("answer".into(), "approve".into()));
    let early = ben.submit(&page, &form).await;
    assert_eq!(early.status, 409, "{early}");
    assert_eq!(world.see("ana", id(&paused)).await["state"], "paused");

    let page = signed_in(&mut ben, &link).await;
    assert!(page.text().contains("ben@sandbox"), "{page}");
    // A form that does not fit is said, and nothing is decided.
    let wrong = ben.submit(&page, &decision(&page, "Approve", "much")).await;
    assert_eq!(wrong.status, 422, "{wrong}");
    assert_eq!(
        world.calls("ben").await,
        1,
        "nothing but who he is was asked of the CRM"
    );
    let done = ben.submit(&page, &decision(&page, "Approve", "5")).await;
    assert!(done.text().contains("You approved it"), "{done}");

    let run = world.end("ana", id(&paused)).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let acted = &run["steps"]["sign_off"]["acted_as"];
    assert_eq!(
        (&acted["account"], &acted["rule"]),
        (&json!("ben@sandbox"), &json!("approver"))
    );
    let records = world.records("Opportunity").await;
    assert_eq!((records.len(), &records[0]["author"]), (1, &json!("ben")));
    assert_eq!(world.calls("ana").await, 0);
    assert_eq!(
        (
            &run["outputs"]["decision"],
            &run["steps"]["approve"]["output"]["form"]
        ),
        (&json!("approved"), &json!({"discount": 5}))
    );
    assert_eq!(run["steps"]["approve"]["output"]["comment"], "well done");

    let decided = audited(&world, &format!("run={}&action=approval.decided", id(&run))).await;
    assert_eq!(
        (
            decided.len(),
            &decided[0]["person"]["login"],
            &decided[0]["reason"]
        ),
        (1, &json!("ben"), &json!("approved")),
        "{decided:#?}"
    );
    let again = ben.open(&link).await;
    assert_eq!(again.status, 410, "{again}");
    assert!(requests(&world, "ben").await.is_empty());

    // The second time his account is known, and one click decides.
    let second = begin(&world, "deal").await;
    let page = ben.open(&approval(&second)).await;
    let done = ben.submit(&page, &decision(&page, "Approve", "7")).await;
    assert!(done.text().contains("You approved it"), "{done}");
    assert_eq!(world.end("ana", id(&second)).await["state"], "succeeded");
}

#[tokio::test]
async fn whoever_is_not_asked_changes_nothing_and_learns_nothing() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(DEAL).await;
    let paused = begin(&world, "deal").await;
    let other = begin(&world, "deal").await;
    let (run, link) = (id(&paused), approval(&paused));

    // Ana runs it: she sees that Ben is asked, and does not decide in his place.
    for body in [
        json!({"step": "approve", "decision": "approved"}),
        json!({"step": "approve", "decision": "rejected"}),
    ] {
        let refused = answer(&world, "ana", run, "approve", body).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("not_asked"))
        );
    }
    let mut ana = Browser::new();
    let page = open(&mut ana, &link, "ana").await;
    assert_eq!(page.status, 403, "{page}");
    // The link of nothing at all looks the same.
    let nothing = ana
        .open(&format!(
            "{}/approvals/rq_00000000000000000000000000",
            world.url()
        ))
        .await;
    assert_eq!((nothing.status, nothing.text()), (403, page.text()));
    for word in ["NORTHWIND", "deal", "ben"] {
        assert!(
            !page.text().contains(word),
            "the page tells `{word}`: {page}"
        );
    }
    // Nor by the form that the page would have had.
    let home = ana.open(&world.url()).await;
    let csrf = home.form("/logout").fields[0].1.clone();
    for fields in [
        vec![("answer", "approve"), ("in.discount", "5")],
        vec![("answer", "sign_in"), ("slot", "boss")],
        vec![("answer", "reject")],
    ] {
        let form = actas_test_support::html::Form {
            action: link.clone(),
            method: "post".into(),
            fields: fields
                .into_iter()
                .chain([("csrf", csrf.as_str())])
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..Default::default()
        };
        let page = ana.submit(&home, &form).await;
        assert_eq!(page.status, 403, "{page}");
    }
    let refused = audited(&world, &format!("run={run}&action=approval.refused")).await;
    assert!(
        refused.len() >= 6
            && refused
                .iter()
                .all(|r| r["person"]["login"] == "ana" && r["outcome"] == "refused"),
        "{refused:#?}"
    );

    // To whoever may not even see the run, it is not there.
    let vera = approve(&world, "vera", run, "approve").await;
    let gone = approve(&world, "vera", "run_00000000000000000000000000", "approve").await;
    assert_eq!((vera.status, &vera.body), (404, &gone.body));

    // Ben, with something altered: another step, another run's request, fields that are not there.
    for (step, status) in [("sign_off", 404), ("words", 404), ("approve[0]/x", 404)] {
        let answer = approve(&world, "ben", run, step).await;
        assert_eq!(answer.status, status, "{step} {:#}", answer.body);
    }
    let odd = [
        json!({"step": "approve", "decision": "approved", "by": "ana"}),
        json!({"step": "approve", "decision": "yes"}),
        json!({"step": "../approve", "decision": "approved"}),
    ];
    for body in odd {
        let said = answer(&world, "ben", run, "approve", body.clone()).await;
        assert!([400, 404].contains(&said.status), "{body}");
    }
    for form in [
        json!({}),
        json!({"discount": "much"}),
        json!({"discount": 1, "self": true}),
    ] {
        let body = json!({"step": "approve", "decision": "approved", "form": form});
        let said = answer(&world, "ben", run, "approve", body).await;
        assert_eq!(
            (said.status, &said.body["code"]),
            (422, &json!("does_not_fit")),
            "{form}"
        );
    }
    let mut ben = Browser::new();
    let page = open(&mut ben, &link, "ben").await;
    let mut form = page.form_with_button("Reject").press("Reject");
    form.fields.push(("request".into(), "rq_other".into()));
    assert_eq!(ben.submit(&page, &form).await.status, 400);
    let mut form = page.form_with_button("Reject").press("Reject");
    form.fields.retain(|(name, _)| name != "csrf");
    assert_eq!(ben.submit(&page, &form).await.status, 403);
    let mut form = page.form_with_button("Reject").press("Reject");
    form.fields.push(("answer".into(), "approve".into()));
    assert_eq!(ben.submit(&page, &form).await.status, 400);
    for run in [&paused, &other] {
        let now = world.see("ana", id(run)).await;
        assert_eq!(
            (&now["state"], &now["steps"]["approve"]["state"]),
            (&json!("paused"), &json!("paused"))
        );
    }

    // Ben says no, once; there is no second word, and the CRM has heard nothing at all.
    let done = ben
        .submit(&page, &page.form_with_button("Reject").press("Reject"))
        .await;
    assert!(done.text().contains("You rejected it"), "{done}");
    let late = answer(
        &world,
        "ben",
        run,
        "approve",
        json!({"step": "approve", "decision": "approved", "form": {"discount": 1}}),
    )
    .await;
    assert_eq!(late.status, 409, "{:#}", late.body);
    let ended = world.end("ana", run).await;
    assert_eq!(
        (&ended["state"], &ended["error"]["kind"]),
        (&json!("failed"), &json!("rejected")),
        "{ended:#}"
    );
    assert_eq!(world.calls("ben").await + world.calls("ana").await, 0);
    let counts = world.crm.ask("counts").await;
    assert_eq!(counts["token_requests"], json!({}), "{counts:#}");

    // After a cancel the link is over, and nothing wakes the run.
    answer(&world, "ana", id(&other), "cancel", json!({}))
        .await
        .expect_ok();
    world.end("ana", id(&other)).await;
    let page = ben.open(&approval(&other)).await;
    assert_eq!(page.status, 410, "{page}");
    let late = answer(
        &world,
        "ben",
        id(&other),
        "approve",
        json!({"step": "approve", "decision": "approved", "form": {"discount": 1}}),
    )
    .await;
    assert_eq!(late.status, 410, "{:#}", late.body);
    assert_eq!(world.see("ana", id(&other)).await["state"], "cancelled");
}

#[tokio::test]
async fn approvals_and_callbacks_side_by_side_are_all_needed() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(SIDES).await;
    let started = world
        .run("ana", "sides", &json!({}), None)
        .await
        .unwrap()
        .expect_ok();
    let run = started["run"].as_str().unwrap();
    // Up front Ana gives her account; what waits for others waits beside it.
    let paused = world.settle("ana", run).await;
    crate::world::sign_in(
        &mut Browser::new(),
        &crate::world::link(&paused),
        "ana",
        "ana",
    )
    .await;
    let waits = |document: &Value| {
        let mut steps: Vec<String> = document["paused"]["approvals"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["step"].as_str().unwrap().to_owned())
            .collect();
        steps.sort();
        steps
    };
    let all = ["left", "lines[0]/ok", "lines[1]/ok", "right"];
    world
        .until("ana", run, |document| waits(document) == all)
        .await;

    let mut left: Vec<&str> = all.to_vec();
    for (user, step, others) in [
        ("ben", "left", ["ana", "vera"]),
        ("vera", "lines[1]/ok", ["ana", "carl"]),
        ("vera", "right", ["ana", "ben"]),
        ("ben", "lines[0]/ok", ["ana", "carl"]),
    ] {
        for other in others.into_iter().filter(|other| *other != "carl") {
            let said = approve(&world, other, run, step).await;
            assert!(
                [403, 404].contains(&said.status),
                "{other} {step} {:#}",
                said.body
            );
        }
        approve(&world, user, run, step).await.expect_ok();
        assert_eq!(
            approve(&world, user, run, step).await.status,
            409,
            "{step} twice"
        );
        left.retain(|one| *one != step);
        world
            .until("ana", run, |document| waits(document) == left)
            .await;
        assert_eq!(
            world.calls("ana").await,
            1,
            "nothing but who she is was asked of the CRM"
        );
    }
    // All have said yes: it still waits for the call.
    let now = world.see("ana", run).await;
    assert_eq!(
        (
            &now["steps"]["call"]["state"],
            &now["steps"]["act"]["state"]
        ),
        (&json!("waiting"), &json!("pending")),
        "{now:#}"
    );
    for (user, step, status) in [
        ("ben", "call", 404),
        ("ana", "left", 404),
        ("ana", "act", 404),
    ] {
        let body = json!({"step": step, "payload": {}});
        let said = answer(&world, user, run, "callback", body).await;
        assert_eq!(said.status, status, "{user} {step} {:#}", said.body);
    }
    answer(
        &world,
        "ana",
        run,
        "callback",
        json!({"step": "call", "payload": {"ok": true}}),
    )
    .await
    .expect_ok();
    let ended = world.end("ana", run).await;
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
    assert_eq!(world.records("Note").await.len(), 1);
}

#[tokio::test]
async fn a_token_decides_only_if_it_was_made_for_that() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(DEAL).await;
    let paused = begin(&world, "deal").await;
    let token = async |scopes: Value| {
        let body = json!({"name": "of ben's program", "scopes": scopes});
        let made = world
            .ask(Method::POST, "/api/v1/tokens", Some("ben"), Some(&body))
            .await;
        made.expect_ok()["token"].as_str().unwrap().to_owned()
    };
    let (plain, full) = (token(json!([])).await, token(json!(["approvals"])).await);
    let body = json!({"step": "approve", "decision": "rejected"});
    let say = async |token: &str| {
        let http = actas_test_support::browser::client();
        let path = format!("{}/api/v1/runs/{}/approve", world.url(), id(&paused));
        let sent = http.post(path).bearer_auth(token).json(&body).send().await;
        sent.unwrap().status().as_u16()
    };
    assert_eq!(say(&plain).await, 403);
    assert_eq!(world.see("ana", id(&paused)).await["state"], "paused");
    assert_eq!(say(&full).await, 202);
    assert_eq!(world.end("ana", id(&paused)).await["state"], "failed");
    let odd = json!({"name": "odd", "scopes": ["everything"]});
    let refused = world
        .ask(Method::POST, "/api/v1/tokens", Some("ben"), Some(&odd))
        .await;
    assert_eq!(refused.status, 422);
}

#[tokio::test]
async fn the_command_line_shows_what_waits_and_decides_it() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(DEAL).await;
    let run = world.actas(&["run", "deal", "--as", "ana"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(
        run.stderr.contains("ben has to decide: Approve NORTHWIND"),
        "{run:?}"
    );
    let asked = world.actas(&["requests", "--as", "ben", "--json"]);
    let asked: Value = serde_json::from_str(&asked.stdout).unwrap();
    let id = asked["requests"][0]["run"].as_str().unwrap();
    let no = world.actas(&["runs", "approve", id, "approve", "--as", "ana"]);
    assert_eq!(no.code, Some(4), "{no:?}");
    let said = world.actas(&[
        "runs",
        "approve",
        id,
        "approve",
        "--reject",
        "--comment",
        "too dear",
        "--as",
        "ben",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    world.end("ana", id).await;
    let shown = world.actas(&["runs", "show", id, "--as", "ana"]);
    assert!(
        shown.stdout.contains("approve") && shown.stdout.contains("failed"),
        "{shown:?}"
    );
}

/// Runs another flow, which asks Ben and then acts as Ana.
const CALLER: &str = r#"
flow: caller
trigger: {on_demand: {}}
steps:
  order: {uses: core.run_flow, with: {flow: called, inputs: {what: shoes}}}
outputs: {note: "{{ steps.order.note }}"}
"#;
const CALLED: &str = r#"
flow: called
trigger: {on_demand: {}}
inputs: {what: {type: string}}
connections:
  crm: {app: sandbox_crm, dynamic: {ask: when_needed}}
steps:
  ok: {uses: core.approve, with: {who: ben, title: "Buy {{ inputs.what }}"}}
  note: {needs: [ok], uses: sandbox_crm.create_record, connection: crm, with: {object: Note, fields: {Text: "{{ inputs.what }}"}}}
outputs: {note: "{{ steps.note.id }}"}
"#;

#[tokio::test]
async fn what_a_called_run_waits_for_is_seen_in_the_run_that_called_it() {
    let world = World::start(Kind::Sqlite).await;
    world.publish(CALLED).await;
    world.publish(CALLER).await;
    let paused = begin(&world, "caller").await;
    let asked = &paused["paused"]["approvals"][0];
    assert_eq!(
        (&asked["title"], &asked["who"], &asked["step"]),
        (&json!("Buy shoes"), &json!(["ben"]), &json!("ok")),
        "{paused:#}"
    );
    let path = format!("/api/v1/runs?parent={}", id(&paused));
    let children = world
        .ask(Method::GET, &path, Some("ana"), None)
        .await
        .expect_ok();
    let child = &children["runs"][0];
    assert_eq!(
        (&child["run"], &child["flow"], &child["invoker"]),
        (&asked["run"], &json!("called"), &json!("ana")),
        "{children:#}"
    );
    approve(&world, "ben", asked["run"].as_str().unwrap(), "ok")
        .await
        .expect_ok();
    let needs = |document: &Value| document["paused"]["for"] == "sign_in";
    let paused = world.until("ana", id(&paused), needs).await;
    let page = crate::world::sign_in(
        &mut Browser::new(),
        &crate::world::link(&paused),
        "ana",
        "ana",
    )
    .await;
    assert_eq!(page.status, 200, "{page}");
    let ended = world.end("ana", id(&paused)).await;
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
    assert_eq!(world.records("Note").await[0]["author"], "ana");
}
