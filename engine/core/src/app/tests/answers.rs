//! Whatever an app answers, an attempt ends or goes on at the same host; nothing panics and nothing runs for ever.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{answer, manifest, play};
use crate::app::{Natives, Performance, Progress, Response};

const APP: &str = r#"
app: demo
version: 1
base_url: https://api.example
errors:
  - {status: 2xx, when: "response.body.ok == false", kind: conflict, code: "{{ response.body.code }}"}
  - {status: 4xx, kind: invalid_input, message: "{{ response.body.message }}", after: "{{ response.headers.wait }}"}
modules:
  plain: {effect: step, request: {post: /a}, output: {id: "{{ response.body.items[0].id }}"}, record: {type: "{{ response.body.message }}", id: "{{ response.body.next }}"}}
  cursor: {effect: read, request: {get: /a}, pages: {cursor: "{{ response.body.next }}", send_as: {query: c}, items: "{{ response.body.items }}"}}
  link: {effect: read, request: {get: /a}, pages: {link: "{{ response.body.next }}", items: "{{ response.body.items }}"}}
  header: {effect: read, request: {get: /a}, pages: {link: header, items: "{{ response.body }}"}}
  offset: {effect: read, request: {get: /a}, pages: {offset: {size: 1}, send_as: {query: o}, items: "{{ response.body.items }}"}}
"#;

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        proptest::sample::select(vec![
            "//evil.example/",
            "https://evil.example",
            "?p=2",
            "/a\r\nb",
            "\\\\evil.example",
            "javascript:1"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let key = proptest::sample::select(vec![
            "items", "next", "ok", "code", "message", "error", "id", "x",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..5).prop_map(|pairs| pairs
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

fn any_answer() -> impl Strategy<Value = Response> {
    let status = prop_oneof![4 => Just(200_u16), 1 => 100_u16..600];
    let name = proptest::sample::select(vec!["link", "wait", "retry-after", "date"]);
    let value = prop_oneof![
        any::<String>(),
        Just("<//evil.example>; rel=next".to_owned()),
        Just("<?p=3>;rel=\"next\"".to_owned())
    ];
    let headers = proptest::collection::vec((name.prop_map(str::to_owned), value), 0..3);
    (status, headers, any_json()).prop_map(|(status, headers, body)| Response {
        status,
        headers,
        body,
    })
}

proptest! {
    #[test]
    fn no_answer_leads_astray(answers in proptest::collection::vec(any_answer(), 1..5)) {
        let app = manifest(APP);
        for module in app.modules.values() {
            let started = Performance::start(&app, module, &Natives::default(), json!({}), Value::Null, "k");
            let (mut performance, mut progress) = started.expect("the first request");
            for answer in &answers {
                match &progress {
                    Progress::Done { record, .. } => {
                        prop_assert!(record.as_ref().is_none_or(|r| r.id.chars().count() <= 200 && !r.id.contains(char::is_control)));
                        break;
                    }
                    Progress::Call(call) => {
                        prop_assert_eq!(call.url.origin().ascii_serialization(), "https://api.example");
                        prop_assert_eq!(call.url.username(), "");
                    }
                }
                match performance.next(answer) {
                    Ok(next) => progress = next,
                    Err(error) => {
                        prop_assert!(!error.message.contains(char::is_control), "{:?}", error);
                        prop_assert!(error.after_ms.is_none_or(|ms| ms <= 86_400_000));
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn an_app_whose_pages_do_not_end_is_stopped() {
    let app = manifest(
        "{app: demo, version: 1, base_url: 'https://api.example', modules: {it: {effect: read, request: {get: /a}, \
         pages: {cursor: '{{ response.body.n }}', send_as: {query: c}, items: '{{ response.body.items }}'}}}}",
    );
    let answers: Vec<_> = (0..20_000)
        .map(|n| answer(200, json!({"n": n, "items": []})))
        .collect();
    let text = play(&app, json!({}), &answers);
    assert!(
        text.ends_with("its pages do not end\"}\n"),
        "{}",
        &text[text.len() - 200..]
    );
}
