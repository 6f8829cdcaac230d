//! Exports against everything that may be done to the file, with nothing at hand but it and the public key.

use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::chain::{Chain, add, draft, erased_chain};
use super::*;
use crate::audit::export::{
    Because, Check, Checked, EXPORT, EXPORTED, ExportError, Exporter, Header, line,
};
use crate::audit::note::LogSigner;
use crate::audit::tree::{Block, Tree};
use crate::secret::Secret;

fn signer() -> LogSigner {
    LogSigner::new(&WorkspaceId::from_bits(1), &Secret::new([7; 32]))
}

/// The chain with the record of an export behind it; asked for are the records whose number `fits`.
fn export(mut chain: Chain, query: Value, fits: impl Fn(u64) -> bool) -> Vec<String> {
    let Value::Object(query) = query else {
        panic!("a query is an object")
    };
    let to = chain.len() as u64;
    let mut header = Header {
        format: EXPORT.into(),
        workspace: WorkspaceId::from_bits(1),
        at: Time(1),
        exporter: Exporter {
            id: UserId::from_bits(300),
            login: "eve".into(),
        },
        query,
        to,
        count: (1..=to).filter(|seq| fits(*seq)).count() as u64,
        start: None,
        checkpoint: String::new(),
        key: signer().key().to_string(),
    };
    let mut exported = draft(300);
    (exported.action, exported.object.version) = (EXPORTED.into(), Some(header.digest()));
    add(&mut chain, &exported);
    add(&mut chain, &draft(8));
    let mut tree = Tree::default();
    chain.iter().for_each(|(record, _)| tree.push(&record.hash));
    header.checkpoint = signer().sign(tree.edge().size(), tree.edge().root());
    let block = Block::of(0, chain.iter().map(|(record, _)| record.hash));
    let full = header.is_full();
    let mut lines = vec![serde_json::to_string(&header).unwrap()];
    for (record, personal) in &chain {
        let because = match record.action.as_str() {
            _ if full || record.seq <= to && fits(record.seq) => None,
            ERASED => Some(Because::Erasure),
            EXPORTED => Some(Because::Export),
            _ => continue,
        };
        let proof = tree.inclusion(&block, record.seq - 1).filter(|_| !full);
        lines.push(line(record, personal, proof.as_deref(), because).to_string());
    }
    lines
}

fn check(lines: &[String]) -> Result<Checked, ExportError> {
    let mut check = Check::begin(&lines[0], &signer().key())?;
    for line in &lines[1..] {
        check.push(line)?;
    }
    check.end()
}

fn full() -> Vec<String> {
    export(erased_chain(), json!({}), |_| true)
}

fn narrowed() -> Vec<String> {
    export(erased_chain(), json!({"person": "ana"}), |seq| {
        seq % 2 == 0 && seq < 6
    })
}

fn said(lines: &[String]) -> String {
    check(lines).map_or_else(|e| e.to_string(), |_| "right".to_owned())
}

#[test]
fn a_full_export_is_a_chain_and_a_narrowed_one_has_a_proof_for_each_record() {
    let checked = check(&full()).unwrap();
    assert_eq!(
        (
            checked.checkpoint.size,
            checked.header.count,
            checked.erased
        ),
        (9, 7, 6)
    );
    let checked = check(&narrowed()).unwrap();
    assert_eq!(
        (
            checked.checkpoint.size,
            checked.header.count,
            checked.erased
        ),
        (9, 2, 4)
    );
    // What was asked for may be the erasure itself.
    assert_eq!(
        said(&export(erased_chain(), json!({"x": 1}), |seq| seq > 1)),
        "right"
    );
    assert_eq!(
        said(&export(erased_chain(), json!({"x": 1}), |_| false)),
        "right"
    );
}

#[test]
fn whatever_is_taken_out_or_put_in_is_named() {
    for at in 1..full().len() {
        let mut lines = full();
        lines.remove(at);
        assert_ne!(said(&lines), "right", "{at}");
    }
    for at in 1..narrowed().len() {
        let mut lines = narrowed();
        lines.remove(at);
        assert_ne!(said(&lines), "right", "{at}");
        let mut lines = narrowed();
        lines.insert(at, lines[1].clone());
        assert_ne!(said(&lines), "right", "{at}");
    }
    let mut lines = narrowed();
    lines.swap(1, 2);
    expect!["record 2 does not stand where it should (the order changed, or it was inserted)"]
        .assert_eq(&said(&lines));
    let mut lines = narrowed();
    lines.remove(2);
    expect!["the export should hold 2 records and holds 1 (some were taken out or added)"]
        .assert_eq(&said(&lines));
    let mut lines = narrowed();
    lines.pop();
    expect!["the record of the export itself is missing: its end was cut off"]
        .assert_eq(&said(&lines));
    // A record of the full export has no proof.
    let mut lines = narrowed();
    lines[1] = full()[2].clone();
    expect![
        "record 2 is not among the 9 that the checkpoint stands for: its proof does not show it"
    ]
    .assert_eq(&said(&lines));
}

#[test]
fn query_count_and_exporter_cannot_be_changed() {
    for (from, to) in [
        ("\"person\":\"ana\"", "\"person\":\"ben\""),
        ("\"to\":7", "\"to\":6"),
        (
            r#"{"id":"usr_0000000000000000000000009c""#,
            r#"{"id":"usr_0000000000000000000000009d""#,
        ),
    ] {
        let mut lines = narrowed();
        assert!(lines[0].contains(from), "{}", lines[0]);
        lines[0] = lines[0].replace(from, to);
        expect!["record 8 is not the record of this export: what was asked for, how many records there were or who asked was changed"].assert_eq(&said(&lines));
    }
    // Two numbers that agree with each other are still not what the log holds.
    let mut lines = narrowed();
    lines[0] = lines[0].replace("\"count\":2", "\"count\":1");
    lines.remove(1);
    assert_ne!(said(&lines), "right");
}

#[test]
fn another_key_is_not_enough() {
    let lines = full();
    let other = LogSigner::new(&WorkspaceId::from_bits(1), &Secret::new([8; 32]));
    let found = Check::begin(&lines[0], &other.key()).unwrap_err();
    expect!["checkpoint of `actas/ws_00000000000000000000000001` is not signed with this key"]
        .assert_eq(&found.to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_change_of_any_byte_goes_unnoticed(of_all in any::<bool>(), at in any::<prop::sample::Index>(), flip in 1u8..=127) {
        let mut lines = if of_all { full() } else { narrowed() };
        let length = lines.iter().map(String::len).sum();
        let mut at = at.index(length);
        let line = lines.iter().position(|line| { let here = at < line.len(); if !here { at -= line.len(); } here }).unwrap();
        let mut bytes = lines[line].clone().into_bytes();
        bytes[at] ^= flip;
        if let Ok(text) = String::from_utf8(bytes) {
            // The login of the exporter and the key are only said, in the first line; the format of what is signed may differ in nothing else.
            let before: Value = serde_json::from_str(&lines[line]).unwrap();
            let after = serde_json::from_str::<Value>(&text).ok();
            let mut said_only = before.clone();
            if line == 0 && let Some(after) = &after {
                said_only["exporter"]["login"] = after["exporter"]["login"].clone();
                said_only["key"] = after["key"].clone();
            }
            let plain = |value: &Value| {
                let mut value = value.clone();
                if of_all && line == 0 {
                    // Nobody needs them where everything is there.
                    for key in ["at", "to", "count", "exporter"] { value[key] = Value::Null; }
                }
                value
            };
            let same = after.as_ref().is_some_and(|after| plain(after) == plain(&said_only));
            lines[line] = text;
            let found = check(&lines);
            prop_assert!(found.is_err() || same, "{:?} in {}", found, lines[line]);
        }
    }
}
