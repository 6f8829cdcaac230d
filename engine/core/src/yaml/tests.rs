//! What the reader accepts, refuses and points at.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "`expect!` reads best by value"
)]

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::diagnostic::render;

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&match parse(text) {
        Ok(node) => node.to_json().to_string(),
        Err(faults) => render("f", text, &faults, false),
    });
}

#[test]
fn scalars_are_read_strictly() {
    check(
        "{a: NO, b: yes, c: true, d: 1, e: -2.5, f: ~, g: '1', h: 1e3, i: 12:30, j: 2026-11-20, k: 1_000, l: off, m: +7, n: 1.2.3, o: 5xx}",
        expect![[
            r#"{"a":"NO","b":"yes","c":true,"d":1,"e":-2.5,"f":null,"g":"1","h":1000.0,"i":"12:30","j":"2026-11-20","k":"1_000","l":"off","m":7,"n":"1.2.3","o":"5xx"}"#
        ]],
    );
}

#[test]
fn all_faults_of_form_come_at_once() {
    check(
        "a: &x 1\nb: *x\na: 2\nc: !!str 3\nd: 9007199254740993\ne: 007\nf: .inf\n<<: {}\n",
        expect![[r#"
            f:1:4: error[anchor]: anchors (`&name`) are not part of the language
              1 | a: &x 1
                |    ^^
                = help: remove it; a text that begins with `&` needs quotes

            f:2:4: error[alias]: aliases (`*name`) are not part of the language
              2 | b: *x
                |    ^^
                = help: write the value out; a text that begins with `*` needs quotes

            f:3:1: error[duplicate_key]: `a` stands twice in this map
              1 | a: &x 1
                | - the first is here
              3 | a: 2
                | ^

            f:4:4: error[tag]: tags (`!name`) are not part of the language
              4 | c: !!str 3
                |    ^^^^^
                = help: remove it; a text that begins with `!` needs quotes

            f:5:4: error[bad_number]: `9007199254740993` is beyond ±9007199254740992, which JSON does not carry exactly
              5 | d: 9007199254740993
                |    ^^^^^^^^^^^^^^^^
                = help: put quotes around it: "9007199254740993"

            f:6:4: error[bad_number]: `007` is a number with a leading zero
              6 | e: 007
                |    ^^^
                = help: put quotes around it if it is a text, such as a postcode: "007"

            f:7:4: error[bad_number]: `.inf` cannot be carried by JSON
              7 | f: .inf
                |    ^^^^
                = help: put quotes around it if it is a text

            f:8:1: error[merge_key]: merge keys (`<<`) are not part of the language
              8 | <<: {}
                | ^^
                = help: write the keys out
        "#]],
    );
}

#[test]
fn an_expression_without_quotes_is_explained() {
    check(
        "amount: {{ inputs.amount }}\n",
        expect![[r#"
        f:1:10: error[unquoted_expression]: a key cannot be a list or a map
          1 | amount: {{ inputs.amount }}
            |          ^
            = help: an expression needs quotes around its braces: "{{ inputs.name }}"
    "#]],
    );
}

#[test]
fn syntax_errors_have_a_place() {
    check(
        "a: [1, 2\nb: 3\n",
        expect![[r#"
        f:2:2: error[yaml_syntax]: illegal placement of ':' indicator
          2 | b: 3
            |  ^
    "#]],
    );
    check(
        "a: 'x\n",
        expect![[r#"
        f:2:1: error[yaml_syntax]: invalid indentation in multiline quoted scalar
    "#]],
    );
    check("\ta: 1\n", expect![[r#"{"a":1}"#]]);
    check(
        "a: b: c\n",
        expect![[r#"
        f:1:5: error[yaml_syntax]: mapping values are not allowed in this context
          1 | a: b: c
            |     ^
    "#]],
    );
}

#[test]
fn a_second_document_is_refused() {
    check(
        "a: 1\n---\nb: 2\n",
        expect![[r#"
        f:2:1: error[second_document]: the file holds a second document
          2 | ---
            | ^^^
            = help: one file is one document: remove the line `---` and what follows it
    "#]],
    );
}

#[test]
fn hidden_characters_are_refused() {
    check(
        "a: 1\nb: x\0y\n",
        expect![[r#"
        f:2:5: error[invalid_character]: the character U+0000 is not allowed
          2 | b: x�y
            |     ^
            = help: in a quoted text it can be written as an escape, such as "\u0000"
    "#]],
    );
    check(
        "a: \u{202e}x\n",
        expect![[r#"
        f:1:4: error[invalid_character]: the character U+202E is not allowed
          1 | a: �x
            |    ^
            = help: in a quoted text it can be written as an escape, such as "\u0000"
    "#]],
    );
}

#[test]
fn nothing_is_a_fault() {
    check(
        "",
        expect![[r#"
        f:1:1: error[empty_file]: the file is empty
    "#]],
    );
    check(
        "# only a comment\n",
        expect![[r#"
        f:1:1: error[empty_file]: the file is empty
          1 | # only a comment
            | ^
    "#]],
    );
}

#[test]
fn the_last_integer_is_exact() {
    check(
        "[9007199254740992, -9007199254740992]",
        expect!["[9007199254740992,-9007199254740992]"],
    );
}

#[test]
fn places_are_where_a_person_would_point() {
    let text = "a:\n  - {b: \"x{{ y }}\", ü: 'z'}\nc: |\n  one\n  two {{ three }}\n";
    let root = parse(text).unwrap();
    let quoted = root.at("/a/0/b");
    assert_eq!(
        (quoted.span.line, quoted.span.column, quoted.span.length),
        (2, 9, 10)
    );
    assert_eq!(
        quoted.part(1..8),
        Span {
            line: 2,
            column: 11,
            length: 7
        }
    );
    assert_eq!(root.at("/a/0/ü").span.column, 24);
    let block = root.at("/c");
    let start = block.as_text().unwrap().find("{{").unwrap();
    assert_eq!(
        block.part(start..start + 2),
        Span {
            line: 5,
            column: 7,
            length: 2
        }
    );
    assert_eq!(
        &text[root.at("/a").range.clone()],
        "- {b: \"x{{ y }}\", ü: 'z'}"
    );
}

#[test]
fn a_hostile_megabyte_is_refused_with_a_reason() {
    let big = MAX_BYTES - 100;
    let cases: Vec<(&str, String)> = vec![
        ("too_deep", "[".repeat(big)),
        ("too_deep", "{a: ".repeat(big / 4)),
        ("too_deep", "- ".repeat(big / 2)),
        ("too_many_values", format!("[{}]", "1,".repeat(big / 2))),
        (
            "alias",
            format!("a: &a [x]\nb: [{}]\n", "*a,".repeat(big / 3)),
        ),
        (
            "alias",
            "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n".to_owned(),
        ),
        ("duplicate_key", "a: 1\n".repeat(big / 5)),
        ("file_too_large", "#".repeat(MAX_BYTES + 1)),
        ("second_document", "---\na: 1\n".repeat(big / 9)),
        ("empty_file", "#\n".repeat(big / 2)),
        ("yaml_syntax", format!("'{}", "x".repeat(big))),
        ("unquoted_expression", "? ".repeat(big / 2)),
        ("tag", format!("[{}]", "!!x y,".repeat(big / 6))),
        ("invalid_character", format!("a: {}\0", "x".repeat(big))),
    ];
    for (code, text) in cases {
        let faults = parse(&text).unwrap_err();
        let codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
        assert!(codes.contains(&code), "{code}: {:?}", &faults[0]);
        assert!(faults.len() <= 110);
    }
}

#[test]
fn durations_are_read_and_written() {
    for text in ["500ms", "30s", "5m", "2h", "7d", "90s", "0s"] {
        let read = duration(text).unwrap();
        assert_eq!(duration(&format_duration(read)), Some(read), "{text}");
    }
    assert_eq!(format_duration(duration("120s").unwrap()), "2m");
    for text in [
        "",
        "5",
        "s",
        "1.5s",
        "-1s",
        "5 s",
        "1m30s",
        "99999999999999d",
    ] {
        assert_eq!(duration(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\PC\n\t \\[\\]{}:,&*!|>'\"#%?-]{0,200}") {
        if let Ok(node) = parse(&text) {
            let _ = node.to_json();
        }
    }
}
