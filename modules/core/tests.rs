//! What the modules of `core` do with any data: texts come out as they went in, and nothing is made without bound.
#![expect(clippy::unwrap_used, reason = "tests")]

use actas_core::ErrorKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::copies::Copies;
use super::{parse_csv::parse_csv, parse_json::parse_json, render::render, transform::transform};

fn braces() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(&[
        "{{",
        "}}",
        "{{ run.id }}",
        "{%",
        "${x}",
        "$1",
        "\"",
        ",",
        ";",
        "\r\n",
        "\n",
        "'",
        "{",
        "}",
        "\\",
        " ",
        "a",
        "é",
    ]);
    proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn texts_full_of_braces_come_out_as_they_went_in(text in braces(), other in braces()) {
        let value = json!({"t": text, other.as_str(): [text]});
        let read = parse_json(&json!({"text": value.to_string()})).unwrap();
        prop_assert_eq!(&read["value"], &value);

        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let table = format!("{},b\r\n{},{}\r\n", quoted("t"), quoted(&text), quoted(&other));
        let read = parse_csv(&json!({"text": table, "header": true, "delimiter": ",", "quote": "\"", "trim": false})).unwrap();
        prop_assert_eq!(&read["items"], &json!([{"t": text, "b": other}]));

        prop_assert_eq!(&render(&json!({"text": text, "tidy": false})).unwrap()["text"], &json!(text));

        let changed = transform(&json!({
            "items": [{"k": text, "l": [{"v": other}]}],
            "expand": "l",
            "join": {"with": [{"k": text, "w": other}], "on": "k", "as": "j"},
            "where": {"k": text},
            "unique": "k",
            "sort": "k",
            "pick": {"k": "k", "v": "l.v", "w": "j.w"},
            "group": "k",
            "aggregate": {"most": {"max": "l.v"}},
        }))
        .unwrap();
        prop_assert_eq!(&changed["items"], &json!([{"k": text, "v": other, "w": other}]));
        prop_assert_eq!(&changed["groups"][0]["key"], &json!(text));
        prop_assert_eq!(&changed["groups"][0]["most"], &json!(other));
    }

    #[test]
    fn no_text_makes_the_readers_panic_or_show_it(text in "[\\PC\n\"]{0,60}") {
        let marked = format!("PRIVATE{text}");
        if let Err(error) = parse_json(&json!({"text": marked, "schema": {"type": "number"}})) {
            let shown = format!("{error:?}");
            prop_assert!(!shown.contains("PRIVATE"));
        }
        let table = json!({"text": format!("a\n{marked}"), "header": true, "delimiter": ",", "quote": "\"", "trim": true, "types": {"a": "integer"}});
        if let Err(error) = parse_csv(&table) {
            let shown = format!("{error:?}");
            prop_assert!(!shown.contains("PRIVATE"));
        }
    }
}

fn code(outcome: Result<Value, actas_core::StepError>) -> (ErrorKind, String) {
    let error = outcome.unwrap_err();
    (error.kind, error.code.unwrap_or_default())
}

#[test]
fn what_repeats_parts_of_its_input_stops_before_it_makes_too_much() {
    let too_large = (ErrorKind::InvalidInput, "too_large".to_owned());
    let large = "x".repeat(1_000_000);
    let many: Vec<Value> = (0..1000).map(|n| json!({"n": n, "k": 1})).collect();
    // A large field beside each item of a long list.
    let expanded = json!({"items": [{"large": large, "l": many}], "expand": "l"});
    assert_eq!(code(transform(&expanded)), too_large);
    // A large item for each of many.
    let joined =
        json!({"items": many, "join": {"with": [{"k": 1, "large": large}], "on": "k", "as": "j"}});
    assert_eq!(code(transform(&joined)), too_large);
    // All for all.
    let all = json!({"items": many, "join": {"with": many, "on": "k", "as": "j", "many": true}});
    assert_eq!(code(transform(&all)), too_large);
    let names: Vec<(String, Value)> = (0..100).map(|n| (n.to_string(), json!("large"))).collect();
    let picked = json!({"items": [{"large": large}], "pick": names.into_iter().collect::<serde_json::Map<_, _>>()});
    assert_eq!(code(transform(&picked)), too_large);
    let table = json!({"text": format!("{}\n{}", "a".repeat(10_000), "1\n".repeat(90_000)), "header": true, "delimiter": ",", "quote": "\""});
    assert_eq!(code(parse_csv(&table)), too_large);
    let rows =
        json!({"text": "1\n".repeat(100_001), "header": false, "delimiter": ",", "quote": "\""});
    assert_eq!(code(parse_csv(&rows)), too_large);
    assert_eq!(
        code(parse_json(
            &json!({"text": format!("[{}1]", "{\"a\":1},".repeat(400_000))})
        )),
        too_large
    );
    assert_eq!(
        code(parse_json(
            &json!({"text": "[".repeat(100) + &"]".repeat(100)})
        ))
        .1,
        "too_deep"
    );
}

#[test]
fn copies_are_paid_for_to_the_byte() {
    let mut copies = Copies::new();
    let value = json!({"a": "x".repeat(1000)});
    let mut made = 0;
    while copies.copy(&value).is_ok() {
        made += 1;
    }
    assert_eq!(made, 32 * 1024 * 1024 / (16 + 64 + 1 + 16 + 1000));
}
