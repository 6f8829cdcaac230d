//! The audit log from outside: taken out and checked with the public key alone, reviewed, signed, cut.

use actas_core::Time;
use actas_core::audit::export::{Check, Checked, ExportError};
use actas_core::audit::note::{LogKey, notes};
use actas_core::audit::tree::extends;
use serde_json::{Value, json};

use super::Site;
use super::site::Answer;

const FLOW: &str = "
flow: tell
trigger: {on_demand: {}}
steps: {say: {uses: core.set, with: {value: hello}}}
";

async fn key(site: &Site) -> LogKey {
    let key = site.get("olga", "/audit/key").await.ok();
    key["key"].as_str().unwrap().parse().unwrap()
}

async fn export(site: &Site, who: &str, query: &str) -> (u16, String) {
    let answer = site.cli(who, "GET", &format!("/audit/export?{query}"));
    let answer = answer.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn check(text: &str, key: &LogKey) -> Result<Checked, ExportError> {
    let mut lines = text.lines();
    let mut check = Check::begin(lines.next().unwrap(), key)?;
    for line in lines {
        check.push(line)?;
    }
    check.end()
}

/// A site on which something happened.
async fn busy() -> Site {
    let site = Site::start().await;
    for (login, role) in [("aud", "auditor"), ("ruth", "runner"), ("bob", "builder")] {
        site.person(login, &[role]).await;
    }
    site.publish("tell", FLOW).await;
    for _ in 0..3 {
        site.run("olga", "tell", json!({})).await;
    }
    site
}

#[tokio::test]
async fn an_export_is_checked_with_the_file_and_the_public_key_alone() {
    let site = busy().await;
    let key = key(&site).await;
    let (status, all) = export(&site, "aud", "").await;
    assert_eq!(status, 200, "{all}");
    let checked = check(&all, &key).unwrap();
    assert!(checked.header.is_full() && checked.header.exporter.login == "aud");
    assert_eq!(all.lines().count() as u64, checked.checkpoint.size + 1);
    // Each narrowed one proves its records, what was asked for and how many there were.
    for (query, count) in [
        ("action=run.created", 3),
        ("person=aud&outcome=ok", 3),
        ("flow=tell&notable=true", 3),
        ("person=nobody", 0),
        ("since=2000-01-01T00:00:00Z&action=version.published", 1),
    ] {
        let (_, some) = export(&site, "aud", query).await;
        let checked = check(&some, &key).unwrap_or_else(|e| panic!("{query}: {e}\n{some}"));
        assert!(!checked.header.is_full());
        assert_eq!(checked.header.count, count, "{query}: {some}");
        let less: Vec<&str> = some.lines().take(1).chain(some.lines().skip(2)).collect();
        assert!(check(&less.join("\n"), &key).is_err(), "{query}");
    }
    let left = site
        .get("aud", "/audit?action=audit.exported&limit=500")
        .await
        .ok();
    assert_eq!(
        left["records"].as_array().unwrap().len(),
        6,
        "each is recorded"
    );
    // Who may read may not take out.
    for who in ["ruth", "bob"] {
        assert_eq!(export(&site, who, "").await.0, 403);
    }
    let (status, said) = export(&site, "aud", "format=xml").await;
    assert!(status == 400 && said.contains("jsonl"), "{said}");
}

#[tokio::test]
async fn a_spreadsheet_has_a_row_for_each_record_and_calculates_nothing() {
    let site = busy().await;
    let body = json!({"login": "mal", "name": "mal", "roles": ["runner"]});
    site.put("olga", "POST", "/users", body).await.ok();
    let agent = site
        .cli("olga", "GET", "/audit/verify")
        .header("user-agent", "=cmd|'/C calc'!A0");
    Answer::of(agent).await.ok();
    let (status, text) = export(&site, "aud", "format=csv&action=audit.verified").await;
    assert_eq!(status, 200);
    let mut lines = text.split("\r\n");
    assert!(
        lines.next().unwrap().starts_with("seq,at,actor_type,"),
        "{text}"
    );
    let row = lines.next().unwrap();
    assert!(
        row.contains("audit.verified") && row.contains("\"'=cmd|'/C calc'!A0\""),
        "{row}"
    );
    assert_eq!((lines.next(), lines.next()), (Some(""), None));
}

#[tokio::test]
async fn an_erased_person_leaves_exports_that_still_prove_themselves() {
    let site = busy().await;
    let user = site.get("olga", "/users").await.ok();
    let all = user["users"].as_array().unwrap();
    let bob = all.iter().find(|u| u["login"] == "bob").unwrap();
    let id = bob["id"].as_str().unwrap().to_owned();
    let app = site.server.app();
    let (workspace, user): (_, actas_core::ids::UserId) =
        (app.workspace.clone(), id.parse().unwrap());
    let mut record = crate::context::record(
        &workspace,
        actas_store::system::now(),
        actas_core::audit::Actor::Engine,
        "engine",
        actas_core::audit::ERASED,
        actas_core::audit::Object {
            kind: "user".into(),
            id: id.clone(),
            version: None,
        },
    );
    record.reason = Some("asked_for".into());
    let ops = vec![actas_store::Op::ErasePersonal { workspace, user }];
    let audit = vec![record];
    app.store
        .commit(actas_store::Commit { ops, audit })
        .await
        .unwrap();
    let key = key(&site).await;
    let (_, of_bob) = export(&site, "aud", &format!("person={id}")).await;
    let checked = check(&of_bob, &key).unwrap_or_else(|e| panic!("{e}\n{of_bob}"));
    assert!(checked.header.count > 0 && checked.erased > 0, "{of_bob}");
    assert!(!of_bob.contains("\"bob\""), "{of_bob}");
    assert!(of_bob.contains("\"because\":\"erasure\""), "{of_bob}");
    let (_, all) = export(&site, "aud", "").await;
    assert!(check(&all, &key).unwrap().erased > 0);
    let verdict = site.get("aud", "/audit/verify").await.ok();
    assert!(
        verdict["ok"] == true && verdict["erased"].as_u64() > Some(0),
        "{verdict}"
    );
}

#[tokio::test]
async fn a_review_covers_what_stands_behind_the_last_one_and_leaves_the_rest() {
    let site = busy().await;
    let left = async || {
        let list = site
            .get("aud", "/audit?unreviewed=true&limit=500")
            .await
            .ok();
        let all = list["records"].as_array().unwrap().clone();
        all.iter()
            .map(|r| r["seq"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let all = left().await;
    let to = all[2];
    let review = |to: u64| json!({"to": to, "note": "looked at the publishing"});
    site.person("rita", &["auditor"]).await;
    let done = site
        .put("rita", "POST", "/audit/reviews", review(to))
        .await
        .ok();
    assert_eq!(
        (&done["from"], &done["to"], &done["by"]),
        (&json!(1), &json!(to), &json!("rita"))
    );
    let now = left().await;
    assert!(now.iter().all(|seq| *seq > to) && now.len() >= 2, "{now:?}");
    let again = site.put("rita", "POST", "/audit/reviews", review(to)).await;
    assert_eq!(again.refused(409), "reviewed_already");
    let beyond = site
        .put("rita", "POST", "/audit/reviews", review(1_000_000))
        .await;
    assert_eq!(beyond.refused(422), "no_such_record");
    let shown = site.get("aud", &format!("/audit/{to}")).await.ok();
    assert_eq!(shown["reviewed"], true);
    // The record of it is in the log, and its note is not.
    let own = site.get("aud", "/audit?action=audit.reviewed").await.ok();
    let own = &own["records"][0];
    assert_eq!(
        (&own["actor"]["type"], &own["object"]["id"]),
        (&json!("local_operator"), &json!(format!("1-{to}")))
    );
    assert!(!own.to_string().contains("publishing"), "{own}");
    let reviews = site.get("aud", "/audit/reviews").await.ok();
    assert_eq!(reviews["reviews"][0]["note"], "looked at the publishing");
    for (who, method) in [("bob", "POST"), ("ruth", "POST")] {
        let answer = site
            .put(who, method, "/audit/reviews", review(to + 1))
            .await;
        assert_eq!(answer.refused(403), "forbidden");
    }
}

#[tokio::test]
async fn what_a_reviewer_should_look_at_first_says_why() {
    let site = busy().await;
    let list = site.get("aud", "/audit?notable=true&limit=500").await.ok();
    let all = list["records"].as_array().unwrap();
    assert_eq!(all.len(), 3, "{list:#}");
    for record in all {
        assert_eq!(
            (&record["action"], &record["notable"]),
            (&json!("run.created"), &json!(["own_version"]))
        );
    }
}

#[tokio::test]
async fn checkpoints_go_where_the_operator_says_and_each_only_adds_to_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("checkpoints");
    let site = Site::with(|config| config.checkpoints = Some(file.display().to_string())).await;
    let key = key(&site).await;
    let first = site.get("olga", "/audit/checkpoint").await.ok();
    let kept = |count: usize| {
        let file = file.clone();
        async move {
            for _ in 0..200 {
                let all = notes(&std::fs::read_to_string(&file).unwrap_or_default());
                if all.len() >= count {
                    return all;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            panic!("no checkpoint came");
        }
    };
    assert_eq!(kept(1).await[0], first["checkpoint"]);
    site.person("ana", &["runner"]).await;
    let size = first["size"].as_u64().unwrap();
    let second = site
        .get("olga", &format!("/audit/checkpoint?from={size}"))
        .await
        .ok();
    assert_eq!(kept(2).await[1], second["checkpoint"]);
    let open = |answer: &Value| key.open(answer["checkpoint"].as_str().unwrap()).unwrap();
    let (old, new) = (open(&first), open(&second));
    let proof: Vec<[u8; 32]> = second["proof"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(part.as_str().unwrap(), &mut bytes).unwrap();
            bytes
        })
        .collect();
    assert!(new.size > old.size);
    assert!(extends(
        (old.size, &old.root),
        (new.size, &new.root),
        &proof
    ));
    assert!(!extends(
        (old.size, &new.root),
        (new.size, &new.root),
        &proof
    ));
    let beyond = site.get("olga", "/audit/checkpoint?from=100000").await;
    assert_eq!(beyond.refused(422), "no_such_size");
}

#[tokio::test]
async fn old_records_are_let_go_up_to_a_checkpoint_and_the_rest_still_verifies() {
    let site = busy().await;
    let key = key(&site).await;
    let app = site.server.app();
    let reader = app.store.reader(&app.workspace);
    let now = actas_store::system::now();
    // Nothing is signed yet.
    crate::log::cut(app, &reader, Time(i64::MAX), now)
        .await
        .unwrap();
    assert!(reader.audit_start().await.unwrap().is_none());
    let signed = site.get("olga", "/audit/checkpoint").await.ok()["size"]
        .as_u64()
        .unwrap();
    site.run("olga", "tell", json!({})).await;
    crate::log::cut(app, &reader, Time(i64::MAX), now)
        .await
        .unwrap();
    let start = reader.audit_start().await.unwrap().unwrap();
    assert_eq!(start.start.seq, signed);
    for drop in [signed / 2, signed] {
        let verdict = site.get("aud", "/audit/verify").await.ok();
        assert!(
            verdict["ok"] == true && verdict["begins_behind"] == signed,
            "{verdict}"
        );
        let (_, all) = export(&site, "aud", "").await;
        let checked = check(&all, &key).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(checked.header.start.unwrap().seq, signed);
        let (_, some) = export(&site, "aud", "action=run.created").await;
        let checked = check(&some, &key).unwrap_or_else(|e| panic!("{e}\n{some}"));
        assert!(checked.header.count >= 1);
        let act = actas_store::LogAct::Drop(drop);
        let ops = vec![actas_store::Op::Log {
            workspace: app.workspace.clone(),
            act,
        }];
        let audit = Vec::new();
        app.store
            .commit(actas_store::Commit { ops, audit })
            .await
            .unwrap();
    }
    let first = reader.audit_from(1, 1).await.unwrap();
    assert_eq!(first[0].record.seq, signed + 1);
    let verdict = site.get("aud", "/audit/verify").await.ok();
    assert_eq!(verdict["ok"], true, "{verdict}");
    let proof = site
        .get("aud", &format!("/audit/checkpoint?from={}", signed / 2))
        .await;
    assert_eq!(proof.refused(422), "no_such_size");
}
