//! Whatever an input holds, a request goes to the app's host, to the path the manifest wrote, with the headers it named.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::app;
use crate::app::{Call, Manifest, Natives, Performance, Progress};

const MODULE: &str = r#"effect: step
input: {a: {}, b: {}}
request:
  post: "/x/{{ input.a }}/y-{{ input.b }}/z"
  query: {q: "{{ input.a }}", r: "<{{ input.b }}>"}
  headers: {X-A: "{{ input.a }}"}
  form: {f: "{{ input.b }}"}"#;

fn call(manifest: &Arc<Manifest>, a: &Value, b: &Value) -> Option<Call> {
    let input = json!({"a": a, "b": b});
    match Performance::start(
        manifest,
        &manifest.modules["it"],
        &Natives::default(),
        input,
        Value::Null,
        "k",
    ) {
        Ok((_, Progress::Call(call))) => Some(call),
        Ok(_) => None,
        Err(error) => {
            assert_eq!(error.kind, crate::ErrorKind::InvalidInput, "{error:?}");
            None
        }
    }
}

/// Texts that have broken such things before, among any others.
fn hostile() -> impl Strategy<Value = String> {
    let words = [
        "..",
        ".",
        "/",
        "//",
        "\\",
        "%2e%2e",
        "%2f",
        "?",
        "#",
        "&",
        "=",
        "@evil.example",
        ":",
        "https://evil.example",
        "\r\n",
        "\n",
        "\0",
        "\t",
        " ",
        "é",
        "{{ input.b }}",
        "{% x %}",
        ";",
        "a",
    ];
    let word = proptest::sample::select(words.to_vec());
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
    ]
}

proptest! {
    #[test]
    fn an_input_fills_its_place_and_nothing_else(a in hostile(), b in hostile()) {
        let manifest = app(MODULE);
        if let Some(call) = call(&manifest, &json!(a), &json!(b)) {
            prop_assert_eq!(call.url.origin().ascii_serialization(), "https://api.example");
            prop_assert_eq!(call.url.username(), "");
            prop_assert_eq!(call.url.fragment(), None);
            let segments: Vec<_> = call.url.path_segments().expect("a path").collect();
            prop_assert_eq!(segments.len(), 5, "{}", call.url);
            prop_assert_eq!((segments[0], segments[1], segments[4]), ("v1", "x", "z"));
            prop_assert!(segments[3].starts_with("y-"));
            let read = |s: &str| percent_decode(s);
            prop_assert_eq!(read(segments[2]), a.clone());
            prop_assert_eq!(read(&segments[3][2..]), b.clone());
            let query: Vec<_> = call.url.query_pairs().into_owned().collect();
            prop_assert_eq!(query, vec![("q".to_owned(), a.clone()), ("r".to_owned(), format!("<{b}>"))]);
            let names: Vec<_> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
            prop_assert_eq!(names, vec!["x-a", "accept", "content-type"]);
            prop_assert_eq!(&call.headers[0].1, &a);
            prop_assert!(call.headers.iter().all(|(_, v)| v.bytes().all(|b| (0x20..0x7f).contains(&b))));
            let body = call.body.expect("a form");
            let form: Vec<_> = url::form_urlencoded::parse(&body).into_owned().collect();
            prop_assert_eq!(form, vec![("f".to_owned(), b)]);
        }
    }

    #[test]
    fn a_plain_input_is_never_refused(a in "[ -~]{1,40}", b in "\\PC{0,40}") {
        prop_assume!(a != "." && a != "..");
        prop_assert!(call(&app(MODULE), &json!(a), &json!(b)).is_some());
    }

    #[test]
    fn a_setting_that_passed_its_pattern_decides_the_host_alone(host in "\\PC{0,30}", id in hostile()) {
        let text = "
app: demo
version: 1
base_url: \"https://{{ connection.host }}.api.example/v1\"
settings: {host: {type: string, pattern: \"[a-z0-9-]{1,20}\"}}
modules:
  it: {effect: read, input: {id: {type: string}}, request: {get: '/a/{{ input.id }}'}}
";
        let manifest = super::manifest(text);
        let facts = json!({"host": host});
        let started = Performance::start(&manifest, &manifest.modules["it"], &Natives::default(), json!({"id": id}), facts, "k");
        if let Ok((_, Progress::Call(call))) = started {
            prop_assert_eq!(call.url.host_str().expect("a host"), format!("{host}.api.example"));
        }
    }
}

fn percent_decode(text: &str) -> String {
    let query = format!("v={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes())
        .map(|(_, value)| value.into_owned())
        .collect()
}

#[test]
fn the_place_of_a_value_may_not_be_empty_or_climb() {
    let manifest = app(MODULE);
    for bad in [
        json!(""),
        json!("."),
        json!(".."),
        json!(null),
        json!([]),
        json!({}),
    ] {
        assert!(call(&manifest, &bad, &json!("b")).is_none(), "{bad}");
    }
    for good in [json!("a"), json!(1), json!(true), json!("...")] {
        assert!(call(&manifest, &good, &json!("b")).is_some(), "{good}");
    }
}
