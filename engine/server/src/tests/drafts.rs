//! Drafts and publishing: what moves out of the text, what a version holds, and who may.

use serde_json::{Value, json};

use super::Site;
use super::site::{Answer, HELLO, NOTE};

#[tokio::test]
async fn a_published_build_time_value_is_nowhere_any_more() {
    let site = Site::start().await;
    site.configure_crm().await;
    // 128 random bits, so that it can stand nowhere by chance.
    let name = format!("mine-{}", hex::encode(actas_store::system::random::<16>()));
    let text = NOTE.replace(
        "    dynamic:",
        &format!("    build_time: {name}   # mine\n    dynamic:"),
    );
    let tag = site.draft("olga", "note", &text).await;
    let draft = Answer::of(
        site.cli("olga", "GET", "/flows/note/draft")
            .header("accept", "application/json"),
    )
    .await
    .ok();
    assert_eq!(
        draft["build_time"],
        json!({"crm": name}),
        "its author sees it"
    );
    assert!(
        !draft["text"].as_str().unwrap().contains(&name),
        "the draft has it no more"
    );
    assert_eq!(draft["text"], NOTE, "and nothing else was lost");

    let publish = site
        .cli("olga", "POST", "/flows/note/versions")
        .header("if-match", &tag);
    let published = Answer::of(publish).await.ok();
    assert_eq!(
        published["dropped"],
        json!({"build_time": 1, "slots": ["crm"]})
    );
    assert!(!published.to_string().contains(&name));
    let draft = Answer::of(
        site.cli("olga", "GET", "/flows/note/draft")
            .header("accept", "application/json"),
    )
    .await
    .ok();
    assert_eq!(draft["build_time"], json!({}));
    for path in [
        "/flows/note/versions/1",
        "/flows/note/versions/1/export",
        "/flows/note",
        "/audit",
    ] {
        assert!(!site.get("olga", path).await.text.contains(&name), "{path}");
    }
    // Nor in any row: the database as it stands, page by page, has no such bytes.
    let image = database(&site.dir.path().join("data"));
    let has = |text: &str| {
        image
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(has("Leave a note"), "this is the database");
    assert!(!has(&name), "a row still has it");
    site.server.stop().await;
}

/// The pages of the SQLite database as they stand: the file, with the last frame of each page in its write-ahead log over it
/// (<https://www.sqlite.org/fileformat2.html#walformat>).
fn database(data: &std::path::Path) -> Vec<u8> {
    let mut image = std::fs::read(data.join("actas.db")).unwrap();
    let log = std::fs::read(data.join("actas.db-wal")).unwrap_or_default();
    let Some(header) = log.get(..32) else {
        return image;
    };
    let word =
        |bytes: &[u8]| usize::try_from(u32::from_be_bytes(bytes.try_into().unwrap())).unwrap();
    let size = word(&header[8..12]);
    for frame in log[32..].chunks_exact(24 + size) {
        // Frames of an older round of the log have another salt.
        if frame[8..16] != header[16..24] {
            break;
        }
        let end = word(&frame[..4]) * size;
        if image.len() < end {
            image.resize(end, 0);
        }
        image[end - size..end].copy_from_slice(&frame[24..]);
    }
    image
}

#[tokio::test]
async fn somebody_elses_build_time_value_is_not_shown_and_goes_too() {
    let site = Site::start().await;
    site.configure_crm().await;
    site.person("bea", &["builder"]).await;
    let with = |name: &str| {
        NOTE.replace(
            "    dynamic:",
            &format!("    build_time: {name}\n    dynamic:"),
        )
    };
    site.draft("olga", "note", &with("olgas-own")).await;
    let tag = site.draft("bea", "note", &with("beas-own")).await;
    let seen = Answer::of(
        site.cli("bea", "GET", "/flows/note/draft")
            .header("accept", "application/json"),
    )
    .await;
    assert_eq!(seen.body["build_time"], json!({"crm": "beas-own"}));
    assert!(!seen.text.contains("olgas-own"));
    let publish = site
        .cli("bea", "POST", "/flows/note/versions")
        .header("if-match", &tag);
    assert_eq!(Answer::of(publish).await.ok()["dropped"]["build_time"], 2);
    site.server.stop().await;
}

#[tokio::test]
async fn a_draft_that_another_changed_does_not_act_with_my_account_before_i_saved_it() {
    let site = Site::start().await;
    site.configure_crm().await;
    site.person("bea", &["builder"]).await;
    let note = super::site::NOTE;
    let mine = note.replacen("    dynamic:", "    build_time: beas-own\n    dynamic:", 1);
    site.draft("bea", "note", &mine).await;
    let run = || site.put("bea", "POST", "/flows/note/draft/runs", json!({}));
    run().await.ok();
    site.draft("olga", "note", &note.replace("Note,", "Other,"))
        .await;
    assert_eq!(run().await.refused(409), "draft_of_another");
    // Olga has no account of her own in it, and Bea none that was not asked for after she saved.
    site.put("olga", "POST", "/flows/note/draft/runs", json!({}))
        .await
        .ok();
    site.draft("bea", "note", note).await;
    run().await.ok();
    site.server.stop().await;
}

#[tokio::test]
async fn publishing_does_not_undo_a_stop_that_came_meanwhile() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    let titled = super::site::HELLO.replacen("flow: hello\n", "flow: hello\ntitle: Hello\n", 1);
    site.draft("olga", "hello", &titled).await;
    let app = site.server.app().clone();
    let reader = app.store.reader(&app.workspace);
    let before = reader
        .flow_by_name(&"hello".parse().unwrap())
        .await
        .unwrap();
    let before = before.unwrap();
    let draft = reader.draft(&before.id).await.unwrap().unwrap();
    let user = reader.user_by_login("olga").await.unwrap().unwrap();
    let context = crate::context::Context {
        rights: crate::access::Rights::of(&user, &[]),
        user,
        reader: reader.clone(),
        via: crate::context::Via::Socket,
        ip: None,
        agent: None,
        now: actas_store::system::now(),
        app,
    };
    site.put("olga", "POST", "/flows/hello/stop", json!({}))
        .await
        .ok();
    site.put(
        "olga",
        "PUT",
        "/flows/hello/runners",
        json!({"runners": []}),
    )
    .await
    .ok();
    crate::publish::publish(&context, &before, &draft, false)
        .await
        .unwrap();
    let after = reader.flow(&before.id).await.unwrap().unwrap();
    assert_eq!(after.title.as_deref(), Some("Hello"));
    assert_eq!(after.stopped.as_deref(), Some("stopped by olga"));
    assert!(after.runners.is_empty(), "{:?}", after.runners);
    site.server.stop().await;
}

#[tokio::test]
async fn a_draft_that_changed_meanwhile_is_neither_overwritten_nor_published() {
    let site = Site::start().await;
    let first = site.draft("olga", "hello", HELLO).await;
    let second = site
        .draft("olga", "hello", &format!("{HELLO}# more\n"))
        .await;
    assert_ne!(first, second);
    let save = |tag: &str| {
        site.cli("olga", "PUT", "/flows/hello/draft")
            .header("content-type", "application/yaml")
            .header("if-match", tag)
            .body(HELLO)
    };
    assert_eq!(Answer::of(save(&first)).await.refused(412), "draft_changed");
    let publish = |tag: &str| {
        site.cli("olga", "POST", "/flows/hello/versions")
            .header("if-match", tag)
    };
    assert_eq!(
        Answer::of(publish(&first)).await.refused(412),
        "draft_changed"
    );
    let none = site.cli("olga", "POST", "/flows/hello/versions");
    assert_eq!(Answer::of(none).await.refused(428), "if_match_needed");
    let new = site
        .cli("olga", "PUT", "/flows/hello/draft")
        .header("if-none-match", "*")
        .body(HELLO);
    assert_eq!(Answer::of(new).await.refused(412), "draft_exists");
    Answer::of(publish(&second)).await.ok();
    assert_eq!(
        Answer::of(publish(&second)).await.refused(409),
        "nothing_changed"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn publishing_says_what_it_does_and_a_dry_run_does_nothing() {
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("note", NOTE).await;
    let more = NOTE
        .replace(
            "outputs:",
            "  last: {uses: core.set, needs: [note], with: {x: 1}}\noutputs:",
        )
        .replace("Leave a note", "Leave notes");
    let tag = site.draft("olga", "note", &more).await;
    let dry = Answer::of(site.cli("olga", "POST", "/flows/note/versions?dry_run=true"))
        .await
        .ok();
    assert_eq!(
        (dry["version"].as_u64(), dry["dry_run"].as_bool()),
        (Some(2), Some(true))
    );
    assert_eq!(
        dry["difference"]["steps"],
        json!({"added": ["last"], "removed": [], "changed": []})
    );
    assert_eq!(dry["difference"]["other"], json!(["title"]));
    assert_eq!(dry["waves"], json!([["first"], ["note"], ["last"]]));
    let versions = site.get("olga", "/flows/note/versions").await.ok();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 1);
    let wet = Answer::of(
        site.cli("olga", "POST", "/flows/note/versions")
            .header("if-match", tag),
    )
    .await
    .ok();
    assert_eq!(wet["digest"], dry["digest"]);
    assert_eq!(
        site.get("olga", "/flows/note").await.ok()["title"],
        "Leave notes"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn what_is_exported_validates_and_means_the_same() {
    let site = Site::start().await;
    site.configure_crm().await;
    let text = NOTE.replace("note: {uses", "note: {timeout: 30s, retry: {attempts: 3, first_delay: 1s, max_delay: 1m}, if: \"steps.first.text != 'no: thing'\", uses");
    let published = site.publish("note", &text).await;
    let exported = site.get("olga", "/flows/note/versions/1/export").await.text;
    let valid = site
        .put("olga", "POST", "/validate", json!({"text": exported}))
        .await
        .ok();
    assert_eq!(valid["valid"], true, "{exported}\n{valid:#}");
    let tag = site.draft("olga", "note", &exported).await;
    let again = Answer::of(
        site.cli("olga", "POST", "/flows/note/versions")
            .header("if-match", tag),
    )
    .await;
    assert_eq!(
        again.refused(409),
        "nothing_changed",
        "{}",
        published["digest"]
    );
    site.server.stop().await;
}

#[tokio::test]
async fn all_faults_come_at_once_and_nothing_is_saved() {
    let site = Site::start().await;
    let bad = "flow: bad\ntrigger: {on_demand: {}}\nsteps:\n  a: {uses: core.nothing}\n  b: {uses: core.set, with: {x: \"{{ steps.c.y }}\"}}\n";
    let request = site.cli("olga", "PUT", "/flows/bad/draft").body(bad);
    let answer = Answer::of(request).await;
    assert_eq!(answer.refused(422), "flow_has_faults");
    let faults = answer.body["diagnostics"].as_array().unwrap();
    assert!(
        faults.len() >= 2
            && faults
                .iter()
                .all(|fault| fault["span"]["line"].as_u64() > Some(0)),
        "{faults:?}"
    );
    assert_eq!(
        site.get("olga", "/flows/bad").await.refused(404),
        "not_found"
    );
    let other = site.cli("olga", "PUT", "/flows/other/draft").body(HELLO);
    assert_eq!(Answer::of(other).await.refused(422), "other_flow");
    site.server.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_not_published() {
    let site = Site::start().await;
    let publish = |tag: String| {
        site.cli("olga", "POST", "/flows/note/versions")
            .header("if-match", tag)
    };
    let tag = site.draft("olga", "note", NOTE).await;
    let answer = Answer::of(publish(tag)).await;
    assert_eq!(answer.refused(422), "unresolved_names");
    assert_eq!(answer.body["missing"][0]["code"], "no_app_client");
    let parent = NOTE.replace("ask: when_needed,", "parent: sales-org,");
    let tag = site.draft("olga", "note", &parent).await;
    let answer = Answer::of(publish(tag)).await;
    assert_eq!(
        answer.body["missing"][0]["code"], "no_such_connection",
        "{}",
        answer.text
    );
    site.server.stop().await;
}

#[tokio::test]
async fn who_may_not_build_neither_sees_nor_saves_a_draft() {
    let site = Site::start().await;
    site.person("ana", &["runner"]).await;
    site.publish("hello", HELLO).await;
    for (method, path) in [
        ("GET", "/flows/hello/draft"),
        ("PUT", "/flows/hello/draft"),
        ("POST", "/flows/hello/versions"),
        ("GET", "/flows/hello/versions"),
    ] {
        assert_eq!(
            Answer::of(site.cli("ana", method, path)).await.refused(403),
            "forbidden",
            "{method} {path}"
        );
    }
    let flows: Value = site.get("ana", "/flows").await.ok();
    assert_eq!(
        flows["flows"][0]["flow"], "hello",
        "but runs what everybody may"
    );
    site.server.stop().await;
}
