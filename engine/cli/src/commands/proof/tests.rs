//! What `audit verify` says of logs that were cut off, rolled back, replaced or taken another way, with the checkpoints somebody kept.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use actas_core::audit::export::{EXPORT, Exporter, Header, line};
use actas_core::audit::note::LogSigner;
use actas_core::audit::{Actor, Draft, GENESIS, Object, Personal, Record, link};
use actas_core::ids::{UserId, WorkspaceId};
use actas_core::{Secret, Time};
use serde_json::Map;

use super::*;

fn signer() -> LogSigner {
    LogSigner::new(&WorkspaceId::from_bits(1), &Secret::new([7; 32]))
}

/// A log of so many records; those behind `until` are others in another `history`.
fn log(length: u64, until: u64, history: &str) -> Vec<(Record, Vec<Personal>)> {
    let mut prev = GENESIS;
    (1..=length)
        .map(|seq| {
            let action = if seq > until { history } else { "act" };
            let draft = Draft {
                workspace: WorkspaceId::from_bits(1),
                at: Time(1),
                actor: Actor::Engine,
                person: None,
                connection: None,
                account: None,
                rule: None,
                record: None,
                entry: "engine".into(),
                action: action.into(),
                object: Object {
                    kind: "run".into(),
                    id: seq.to_string(),
                    version: None,
                },
                flow: None,
                run: None,
                step: None,
                outcome: "ok".into(),
                reason: None,
                ip: None,
                agent: None,
            };
            let linked = link(&draft, seq, prev, &mut || [1; 16]);
            prev = linked.0.hash;
            linked
        })
        .collect()
}

fn signed(log: &[(Record, Vec<Personal>)], size: usize) -> String {
    let mut edge = Frontier::default();
    log[..size]
        .iter()
        .for_each(|(record, _)| edge.push(&record.hash));
    signer().sign(edge.size(), edge.root())
}

fn exported(log: &[(Record, Vec<Personal>)]) -> String {
    let header = Header {
        format: EXPORT.into(),
        workspace: WorkspaceId::from_bits(1),
        at: Time(1),
        exporter: Exporter {
            id: UserId::from_bits(1),
            login: "aud".into(),
        },
        query: Map::new(),
        to: log.len() as u64,
        count: log.len() as u64,
        start: None,
        checkpoint: signed(log, log.len()),
        key: signer().key().to_string(),
    };
    let mut text = serde_json::to_string(&header).unwrap() + "\n";
    for (record, personal) in log {
        text += &(line(record, personal, None, None).to_string() + "\n");
    }
    text
}

fn verify(export: &str, checkpoints: &[String]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let args = VerifyArgs {
        export: Some(path("export", export)),
        checkpoint: (!checkpoints.is_empty()).then(|| path("kept", &checkpoints.join("\n"))),
        key: Some(
            path("key", &signer().key().to_string())
                .display()
                .to_string(),
        ),
    };
    let output = Output {
        json: true,
        quiet: true,
    };
    match of_export(&args, output) {
        Ok(()) => "right".to_owned(),
        Err(failed) => failed.to_string(),
    }
}

#[test]
fn a_log_that_only_grew_fits_every_checkpoint_that_was_kept() {
    let log = log(9, 9, "");
    let kept = [2, 5, 9].map(|size| signed(&log, size));
    assert_eq!(verify(&exported(&log), &kept), "right");
    assert_eq!(verify(&exported(&log), &[]), "right");
}

#[test]
fn a_log_that_was_cut_off_or_rolled_back_is_found() {
    let whole = log(9, 9, "");
    let kept = [signed(&whole, 5), signed(&whole, 9)];
    // The end is gone, or an older state was restored: both are whole in themselves, signed and all.
    expect_test::expect!["audit record 8 is missing: the log has 7 records, and a checkpoint was signed when it had 9 (its end was cut off, or an older state of it was restored)"]
        .assert_eq(&verify(&exported(&whole[..7]), &kept));
}

#[test]
fn a_log_that_goes_another_way_is_found_between_two_checkpoints() {
    let (whole, other) = (log(9, 9, ""), log(12, 6, "another act"));
    let kept = [2, 5, 9].map(|size| signed(&whole, size));
    expect_test::expect!["audit records 6 to 9 are not all those that were signed in the checkpoint of 9 (the log was rewritten or goes another way since)"]
        .assert_eq(&verify(&exported(&other), &kept));
    assert_eq!(verify(&exported(&other), &kept[..2]), "right");
}

#[test]
fn an_edited_line_and_a_strange_key_are_named() {
    let whole = log(5, 5, "");
    let edited = exported(&whole).replacen("\"id\":\"3\"", "\"id\":\"4\"", 1);
    expect_test::expect!["audit record 3 was altered: its fields do not give its hash"]
        .assert_eq(&verify(&edited, &[]));
    let strange = LogSigner::new(&WorkspaceId::from_bits(1), &Secret::new([9; 32]));
    let note = strange.sign(5, [1; 32]);
    expect_test::expect![
        "audit checkpoint of `actas/ws_00000000000000000000000001` is not signed with this key"
    ]
    .assert_eq(&verify(&exported(&whole), &[note]));
}
