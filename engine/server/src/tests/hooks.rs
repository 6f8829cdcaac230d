//! Flows that the clock or another system starts, over real sockets: what is taken, what is not, and what their people see.

use std::time::Duration;

use actas_core::Time;
use actas_core::ids::HookId;
use actas_store::{Commit, Op, TriggerKind, TriggerRow, system};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Site;
use super::site::{Answer, NOTE};

/// Signed over time and body, as many senders do it.
const ORDERS: &str = "flow: orders
trigger:
  webhook:
    delivery: X-Delivery
    verify:
      hmac_sha256:
        secret: shop
        header: X-Signature
        prefix: v1=
        signed: \"{timestamp}.{body}\"
        timestamp: {header: X-Timestamp}
inputs:
  order: {type: integer}
  payload: {type: object}
  headers: {type: object}
steps:
  note: {uses: core.set, with: {order: \"{{ inputs.order }}\", from: \"{{ inputs.headers['x-shop'] | default('nowhere') }}\", all: \"{{ inputs.payload }}\"}}
outputs: {order: \"{{ steps.note.order }}\", from: \"{{ steps.note.from }}\", all: \"{{ steps.note.all }}\"}
";

const OPEN: &str = "flow: open
trigger: {webhook: {verify: none}}
inputs: {text: {type: string, default: nothing}}
steps: {say: {uses: core.set, with: {text: \"{{ inputs.text }}\"}}}
outputs: {text: \"{{ steps.say.text }}\"}
";

const NIGHTLY: &str = "flow: nightly
trigger: {schedule: {cron: \"0 3 * * *\", timezone: Europe/Berlin, catchup: last}}
inputs: {slot: {type: string, default: by hand}}
steps: {say: {uses: core.set, with: {slot: \"{{ inputs.slot }}\"}}}
outputs: {slot: \"{{ steps.say.slot }}\"}
";

fn code(key: &str, text: &str) -> String {
    let mut keyed = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    keyed.update(text.as_bytes());
    hex::encode(keyed.finalize().into_bytes())
}

/// A call of the shop's, as it would send it.
struct Sent<'a> {
    key: &'a str,
    delivery: &'a str,
    /// Seconds from now.
    at: i64,
    body: &'a str,
}

impl Sent<'_> {
    async fn to(&self, site: &Site, path: &str) -> Answer {
        let at = (system::now().micros() / 1_000_000 + self.at).to_string();
        let signature = code(self.key, &format!("{at}.{}", self.body));
        let request = site
            .net("POST", path)
            .header("content-type", "application/json")
            .header("x-shop", "berlin")
            .header("x-delivery", self.delivery)
            .header("x-timestamp", at)
            .header("x-signature", format!("v1={signature}"))
            .body(self.body.to_owned());
        Answer::of(request).await
    }
}

const GOOD: Sent<'static> = Sent {
    key: "first key",
    delivery: "d1",
    at: 0,
    body: "{\"order\": 7}",
};

async fn secret(site: &Site, value: &str) {
    let body = json!({"name": "shop", "value": value});
    site.put("olga", "POST", "/secrets", body).await.ok();
}

/// Where a flow is called, as a path.
async fn address(site: &Site, flow: &str) -> String {
    let shown = site.get("olga", &format!("/flows/{flow}")).await.ok();
    let address = shown["trigger"]["address"].as_str().unwrap().to_owned();
    url::Url::parse(&address).unwrap().path().to_owned()
}

async fn runs(site: &Site) -> Vec<Value> {
    let list = site.get("olga", "/runs?all=true&limit=100").await.ok();
    list["runs"].as_array().unwrap().clone()
}

/// The audit records of an action.
async fn audited(site: &Site, action: &str) -> Vec<Value> {
    let path = format!("/audit?action={action}");
    let list = site.get("olga", &path).await.ok();
    list["records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_signed_delivery_becomes_one_run_that_acts_for_nobody() {
    let site = Site::start().await;
    let tag = site.draft("olga", "orders", ORDERS).await;
    let request = site
        .cli("olga", "POST", "/flows/orders/versions")
        .header("if-match", tag);
    let refused = Answer::of(request).await;
    assert_eq!(refused.refused(422), "no_such_secret");
    assert_eq!(refused.body["missing"], json!(["shop"]));

    secret(&site, "first key").await;
    let published = site.publish("orders", ORDERS).await;
    let path = address(&site, "orders").await;
    assert!(
        published["trigger"]["address"]
            .as_str()
            .unwrap()
            .ends_with(&path)
    );

    let taken = GOOD.to(&site, &path).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    let run = taken.body["run"].as_str().unwrap();
    let ended = site.until("olga", run, "succeeded").await;
    assert_eq!(ended["invoker"], Value::Null);
    assert_eq!(ended["entry"], "webhook");
    assert_eq!(
        ended["outputs"],
        json!({"order": 7, "from": "berlin", "all": {"order": 7}})
    );
    let created = &audited(&site, "run.created").await[0];
    assert_eq!(created["actor"]["type"], "trigger", "{created:#}");

    // The same delivery again, also said otherwise, is the same run.
    for body in ["{\"order\": 7}", "{\"order\": 8}"] {
        let again = Sent { body, ..GOOD }.to(&site, &path).await;
        assert_eq!((again.status, &again.body["run"]), (200, &json!(run)));
    }
    assert_eq!(runs(&site).await.len(), 1);
    let next = Sent {
        delivery: "d2",
        ..GOOD
    }
    .to(&site, &path)
    .await;
    assert_eq!(next.status, 202);
    site.server.stop().await;
}

#[tokio::test]
async fn calls_without_the_secret_use_up_nothing_of_what_the_sender_of_a_hook_may_send() {
    let site = Site::start().await;
    secret(&site, "first key").await;
    site.publish("orders", ORDERS).await;
    let path = address(&site, "orders").await;
    // Seen from before the calls no time passes, so that nothing comes back.
    let before = system::now();
    for _ in 0..20 {
        let answer = Answer::of(site.net("POST", &path)).await;
        assert_eq!(answer.refused(401), "not_taken");
    }
    let buckets = &site.server.app().by_hook;
    let left = |who: &str| {
        (0..2_000)
            .take_while(|_| buckets.take(who, before).is_ok())
            .count()
    };
    assert_eq!(left(path.trim_start_matches("/hooks/")), 1_000);
    // They count for whoever sent them.
    assert!((980..1_000).contains(&left("127.0.0.1")));
    site.server.stop().await;
}

#[tokio::test]
async fn whoever_is_refused_learns_nothing_and_the_log_has_the_reason() {
    let site = Site::start().await;
    secret(&site, "first key").await;
    site.publish("orders", ORDERS).await;
    let path = address(&site, "orders").await;
    let nowhere = format!("/hooks/{}", HookId::from_bits(7));
    let answers = [
        Sent {
            key: "another",
            ..GOOD
        }
        .to(&site, &path)
        .await,
        Sent { at: -301, ..GOOD }.to(&site, &path).await,
        Sent { at: 302, ..GOOD }.to(&site, &path).await,
        Sent {
            delivery: "",
            ..GOOD
        }
        .to(&site, &path)
        .await,
        Answer::of(site.net("POST", &path)).await,
        GOOD.to(&site, &nowhere).await,
        GOOD.to(&site, "/hooks/no-hook-at-all").await,
    ];
    let first = (answers[0].status, answers[0].text.clone());
    assert_eq!(answers[0].refused(401), "not_taken");
    for answer in &answers {
        assert_eq!((answer.status, answer.text.clone()), first);
    }
    let noted = audited(&site, "webhook.refused").await;
    // One a minute, so that a flood does not fill the log.
    assert_eq!(noted.len(), 1, "{noted:#?}");
    assert_eq!(noted[0]["reason"], "bad_signature");
    assert_eq!(noted[0]["flow"], "orders");
    assert_eq!(runs(&site).await, [Value::Null; 0]);

    // A body beyond the bounds is not taken from anybody, known or not.
    let large = "x".repeat(1_000_001);
    for path in [&path, &nowhere] {
        let answer = Answer::of(site.net("POST", path).body(large.clone())).await;
        assert_eq!(answer.refused(413), "too_large");
    }
    site.server.stop().await;
}

#[tokio::test]
async fn a_rotation_loses_no_call_and_a_deleted_secret_lets_nothing_in() {
    let site = Site::start().await;
    secret(&site, "first key").await;
    site.publish("orders", ORDERS).await;
    let path = address(&site, "orders").await;
    let second = json!({"value": "second key"});
    site.put("olga", "PUT", "/secrets/shop", second).await.ok();
    for (n, key) in ["first key", "second key"].into_iter().enumerate() {
        let delivery = &format!("r{n}");
        let sent = Sent {
            key,
            delivery,
            ..GOOD
        }
        .to(&site, &path)
        .await;
        assert_eq!(sent.status, 202, "{key}");
    }
    Answer::of(site.cli("olga", "DELETE", "/secrets/shop"))
        .await
        .ok();
    let sent = Sent {
        delivery: "r3",
        ..GOOD
    }
    .to(&site, &path)
    .await;
    assert_eq!(sent.refused(401), "not_taken");
    site.server.stop().await;
}

#[tokio::test]
async fn a_flow_keeps_its_address_is_silent_while_stopped_and_gone_when_people_start_it() {
    let site = Site::start().await;
    let published = site.publish("open", OPEN).await;
    let path = address(&site, "open").await;
    assert_eq!(published["trigger"]["webhook"], json!({"verify": "none"}));
    let told = audited(&site, "webhook.unverified").await;
    assert_eq!(told.len(), 1);

    let call = |text: &'static str| {
        let request = site
            .net("POST", &path)
            .header("content-type", "application/json");
        Answer::of(request.body(text))
    };
    // Two equal calls without an id are two.
    for _ in 0..2 {
        assert_eq!(call("{\"text\": \"hi\"}").await.status, 202);
    }
    assert_eq!(runs(&site).await.len(), 2);
    assert_eq!(call("{\"text\"").await.refused(400), "bad_body");
    assert_eq!(call("{\"text\": 7}").await.refused(422), "invalid_inputs");
    let form = site
        .net("POST", &path)
        .header("content-type", "application/zip");
    assert_eq!(
        Answer::of(form.body("PK")).await.refused(415),
        "unsupported_body"
    );

    site.put(
        "olga",
        "POST",
        "/flows/open/stop",
        json!({"reason": "not now"}),
    )
    .await
    .ok();
    let stopped = call("{}").await;
    assert_eq!(
        (
            stopped.refused(503),
            stopped.headers["retry-after"].to_str().unwrap()
        ),
        ("unavailable", "1")
    );
    site.put("olga", "POST", "/flows/open/start", json!({}))
        .await
        .ok();
    assert_eq!(call("{}").await.status, 202);

    site.publish(
        "open",
        &OPEN.replace("default: nothing", "default: something"),
    )
    .await;
    assert_eq!(address(&site, "open").await, path);
    let exported = site.get("olga", "/flows/open/versions/2/export").await;
    assert!(exported.text.contains("verify"), "{}", exported.text);

    site.publish(
        "open",
        &OPEN.replace("{webhook: {verify: none}}", "{on_demand: {}}"),
    )
    .await;
    assert_eq!(call("{}").await.refused(401), "not_taken");
    let shown = site.get("olga", "/flows/open").await.ok();
    assert_eq!(shown["trigger"], Value::Null);
    site.server.stop().await;
}

#[tokio::test]
async fn a_schedule_shows_its_next_times_and_people_may_start_it_by_hand() {
    let site = Site::start().await;
    site.publish("nightly", NIGHTLY).await;
    let shown = site.get("olga", "/flows/nightly").await.ok();
    let next = shown["trigger"]["next"].as_array().unwrap();
    assert_eq!(next.len(), 5, "{shown:#}");
    for time in next {
        let text = time.as_str().unwrap();
        // Three in Berlin is one or two in UTC.
        assert!(
            text.contains("T01:00:00") || text.contains("T02:00:00"),
            "{text}"
        );
    }
    let run = site.run("olga", "nightly", json!({})).await;
    assert_eq!(
        (run["invoker"].as_str(), run["state"].as_str()),
        (Some("olga"), Some("succeeded"))
    );
    assert_eq!(run["outputs"]["slot"], "by hand");
    site.put("olga", "POST", "/flows/nightly/stop", json!({}))
        .await
        .ok();
    let shown = site.get("olga", "/flows/nightly").await.ok();
    assert_eq!(shown["trigger"]["next"], json!([]));
    // Who may only run a webhook's flow does not see its address.
    site.person("rita", &["runner"]).await;
    site.publish("open", OPEN).await;
    let shown = site.get("rita", "/flows/open").await.ok();
    assert_eq!(shown["trigger"]["address"], Value::Null);
    site.server.stop().await;
}

#[tokio::test]
async fn nobodys_account_is_used_even_if_a_trigger_says_so() {
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("note", NOTE).await;
    // No publishing writes these rows: somebody has put them there.
    let app = site.server.app();
    let reader = app.store.reader(&app.workspace);
    let flow = reader
        .flow_by_name(&"note".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let version = reader
        .version_by_number(&flow.id, 1)
        .await
        .unwrap()
        .unwrap();
    let hook = HookId::from_bits(u128::from_be_bytes(system::random()));
    let mut row = TriggerRow {
        flow: flow.id.clone(),
        workspace: app.workspace.clone(),
        version: version.id,
        kind: TriggerKind::Webhook,
        hook: Some(hook.clone()),
        spec: json!({"verify": "none"}).to_string(),
        next_at: None,
        last_at: None,
    };
    let put = |row: &TriggerRow| {
        let ops = vec![Op::PutTrigger(row.clone())];
        let audit = Vec::new();
        app.store.commit(Commit { ops, audit })
    };
    put(&row).await.unwrap();
    let called = Answer::of(site.net("POST", &format!("/hooks/{hook}"))).await;
    assert_eq!(called.refused(422), "nobodys_slot", "{}", called.text);

    row.kind = TriggerKind::Schedule;
    row.spec = json!({"cron": "* * * * * *"}).to_string();
    row.next_at = Some(Time(system::now().micros() / 1_000_000 * 1_000_000));
    put(&row).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..200 {
        told = audited(&site, "schedule.slot_let_go").await;
        if !told.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        told.first().map(|told| &told["reason"]),
        Some(&json!("nobodys_slot"))
    );
    assert_eq!(runs(&site).await, [Value::Null; 0]);
    site.server.stop().await;
}

#[tokio::test]
async fn no_flow_that_nobody_starts_comes_to_act_as_somebody_from_either_side() {
    const CALLER: &str = "flow: caller\ntrigger: {schedule: {cron: \"0 3 * * *\"}}\nsteps:\n  call: {uses: core.run_flow, with: {flow: called}}\n";
    const HARMLESS: &str = "flow: called\ntrigger: {on_demand: {}}\nsteps:\n  say: {uses: core.log, with: {message: hi}}\n";
    const PERSONAL: &str = "flow: called\ntrigger: {on_demand: {}}\nconnections: {crm: {app: sandbox_crm, dynamic: {}}}\nsteps:\n  me: {uses: sandbox_crm.get_me}\n";
    let site = Site::start().await;
    site.configure_crm().await;
    let publish = async |flow: &str, text: &str| {
        let tag = site.draft("olga", flow, text).await;
        let request = site
            .cli("olga", "POST", &format!("/flows/{flow}/versions"))
            .header("if-match", tag);
        Answer::of(request).await
    };
    publish("called", HARMLESS).await.ok();
    publish("caller", CALLER).await.ok();
    // The called flow may not become one that acts as somebody …
    assert_eq!(
        publish("called", PERSONAL).await.refused(422),
        "dynamic_without_person"
    );
    // … unless it is called by people only; then the caller may not become one that nobody starts.
    let by_people = CALLER.replace("{schedule: {cron: \"0 3 * * *\"}}", "{on_demand: {}}");
    publish("caller", &by_people).await.ok();
    publish("called", PERSONAL).await.ok();
    let refused = publish("caller", CALLER).await;
    assert_eq!(
        refused.body["slots"][0]["through"],
        json!(["caller", "called"])
    );
    assert_eq!(refused.refused(422), "dynamic_without_person");
    site.server.stop().await;
}
