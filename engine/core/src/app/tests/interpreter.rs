//! Requests, answers, errors and pages.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{answer, answer_with, app, manifest, play};
use crate::app::{Natives, Performance, Progress, Response};

#[expect(
    clippy::needless_pass_by_value,
    reason = "an expectation stands last, as it is written"
)]
fn check(module: &str, input: Value, answers: &[Response], expected: Expect) {
    expected.assert_eq(&play(&app(module), input, answers));
}

const CREATE: &str = r#"effect: idempotent
idempotency: {header: Idempotency-Key}
rights: [CREATE on the object]
record: {type: "{{ input.object }}", id: "{{ response.body.id }}"}
input: {object: {type: string}, fields: {type: object}, note: {type: string, required: false}, mode: {enum: [a, b], default: a}}
request:
  post: "/records/{{ input.object }}/{{ input.mode }}-x"
  query: {note: "{{ input.note }}", mode: "{{ input.mode }}"}
  headers: {X-Mode: "{{ input.mode }}"}
  json: {fields: "{{ input.fields }}", by: "for {{ input.object }}"}
output: {id: "{{ response.body.id }}", object: "{{ input.object }}"}"#;

#[test]
fn a_request_is_made_from_the_input_and_the_answer_becomes_the_output() {
    check(
        CREATE,
        json!({"object": "a/b", "fields": {"n": 1}}),
        &[answer(201, json!({"id": 7}))],
        expect![[r#"
            POST https://api.example/v1/records/a%2Fb/a-x?mode=a
              x-mode: a
              idempotency-key: key-1
              content-type: application/json
              {"by":"for a/b","fields":{"n":1}}
            = {"id":7,"object":"a/b"} (a/b 7)
        "#]],
    );
    check(
        CREATE,
        json!({"object": "o", "fields": {}, "note": "x y&z"}),
        &[answer(201, json!({}))],
        expect![[r#"
            POST https://api.example/v1/records/o/a-x?note=x%20y%26z&mode=a
              x-mode: a
              idempotency-key: key-1
              content-type: application/json
              {"by":"for o","fields":{}}
            ! {"kind":"internal","code":"unexpected_answer","message":"the app answered differently than its manifest says: `response.body.id` is missing"}
        "#]],
    );
}

#[test]
fn an_input_that_does_not_fit_makes_no_request() {
    check(
        CREATE,
        json!({"object": 1, "filds": {}, "mode": "c"}),
        &[],
        expect![[r#"
            ! {"kind":"invalid_input","code":"bad_input","message":"`it` does not take this input: `input`: \"fields\" is a required property; `input.mode`: value is not one of \"a\" or \"b\"; `input.object`: value is not of type \"string\"; `input`: Additional properties are not allowed ('filds' was unexpected)"}
        "#]],
    );
    check(
        CREATE,
        json!({"object": "..", "fields": {}}),
        &[],
        expect![[r#"
            ! {"kind":"invalid_input","code":"bad_address","message":"`{{ input.object }}` is `..`, which cannot stand in an address"}
        "#]],
    );
    check(
        CREATE,
        json!({"object": "", "fields": {}}),
        &[],
        expect![[r#"
            ! {"kind":"invalid_input","code":"bad_address","message":"`{{ input.object }}` is empty, which cannot stand in an address"}
        "#]],
    );
    check(
        "effect: read\ninput: {a: {}}\nrequest: {get: '/a/{{ input.a }}', headers: {X-A: '{{ input.a }}'}}",
        json!({"a": "x\r\nY: z"}),
        &[],
        expect![[r#"
            ! {"kind":"invalid_input","code":"bad_request_value","message":"`x-a` takes one line of printable ASCII as header"}
        "#]],
    );
    check(
        "effect: read\ninput: {a: {}}\nrequest: {get: '/a', query: {a: '{{ input.a }}'}}",
        json!({"a": {"b": 1}}),
        &[],
        expect![[r#"
            ! {"kind":"invalid_input","code":"bad_request_value","message":"`a` takes text, numbers, booleans or a list of them"}
        "#]],
    );
}

#[test]
fn bodies_are_json_form_or_raw() {
    check(
        "effect: step\ninput: {a: {}}\nrequest: {put: /a, form: {a: '{{ input.a }}', b: [1, '2&']}}",
        json!({"a": "x=y z"}),
        &[answer(204, Value::Null)],
        expect![[r#"
            PUT https://api.example/v1/a
              content-type: application/x-www-form-urlencoded
              a=x%3Dy+z&b=1&b=2%26
            = null
        "#]],
    );
    check(
        "effect: step\ninput: {a: {}}\nrequest: {patch: /a, raw: 'n;{{ input.a }}', headers: {Content-Type: text/csv}}",
        json!({"a": 1}),
        &[answer(200, json!("done"))],
        expect![[r#"
            PATCH https://api.example/v1/a
              content-type: text/csv
              n;1
            = "done"
        "#]],
    );
}

const READ: &str = "effect: read\nrights: [READ on it]\nrequest: {get: /a}";

#[test]
fn without_rules_a_status_means_what_http_says() {
    let said = json!({"error": {"message": "no\nsuch thing"}});
    let all: String = [400, 401, 403, 404, 408, 409, 410, 418, 429, 500, 503, 302]
        .into_iter()
        .map(|status| play(&app(READ), json!({}), &[answer(status, said.clone())]))
        .map(|text| text.replace("GET https://api.example/v1/a\n", ""))
        .collect();
    expect![[r#"
        ! {"kind":"invalid_input","message":"no such thing"}
        ! {"kind":"sign_in_needed","message":"no such thing"}
        ! {"kind":"permission_denied","message":"no such thing","help":"in the app itself this needs: READ on it"}
        ! {"kind":"not_found","message":"no such thing"}
        ! {"kind":"timeout","message":"no such thing"}
        ! {"kind":"conflict","message":"no such thing"}
        ! {"kind":"not_found","message":"no such thing"}
        ! {"kind":"invalid_input","message":"no such thing"}
        ! {"kind":"rate_limited","message":"no such thing"}
        ! {"kind":"unavailable","message":"no such thing"}
        ! {"kind":"unavailable","message":"no such thing"}
        ! {"kind":"invalid_input","message":"no such thing"}
    "#]].assert_eq(&all);
}

#[test]
fn how_long_to_wait_is_seconds_or_a_date_beside_the_date_of_the_answer() {
    let wait = |headers: &[(&str, &str)]| {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let answer = Response {
            status: 503,
            headers,
            body: Value::Null,
        };
        let text = play(&app(READ), json!({}), &[answer]);
        let found: Value =
            serde_json::from_str(text.split_once("! ").expect("an error").1).expect("JSON");
        found["after_ms"].clone()
    };
    let (then, now) = (
        "Fri, 20 Nov 2026 12:00:30 GMT",
        "Fri, 20 Nov 2026 12:00:00 GMT",
    );
    assert_eq!(wait(&[("retry-after", "7")]), 7000);
    assert_eq!(wait(&[("retry-after", "1.5")]), 1500);
    assert_eq!(wait(&[("retry-after", then), ("date", now)]), 30_000);
    assert_eq!(wait(&[("retry-after", now), ("date", then)]), Value::Null);
    assert_eq!(wait(&[("retry-after", then)]), Value::Null);
    assert_eq!(wait(&[("retry-after", "soon")]), Value::Null);
    assert_eq!(wait(&[("retry-after", "-1")]), Value::Null);
    assert_eq!(wait(&[("retry-after", "1e99")]), 86_400_000);
    assert_eq!(wait(&[]), Value::Null);
}

const RULES: &str = r#"
app: demo
version: 1
base_url: https://api.example
errors:
  - {status: [403, 429], when: "response.body.code == 'LIMIT'", kind: rate_limited, after: "{{ response.body.wait }}"}
  - {status: 4xx, kind: invalid_input, code: "{{ response.body.code }}", message: "{{ response.body.text }}"}
  - {status: 2xx, when: "{{ response.body.ok == false }}", kind: conflict, code: "{{ response.body.error }}"}
modules:
  it: {effect: read, request: {get: /a}}
"#;

#[test]
fn of_the_rules_the_first_that_matches_counts() {
    let app = manifest(RULES);
    let all: String = [
        answer(403, json!({"code": "LIMIT", "wait": "3"})),
        answer(403, json!({"code": "OTHER", "text": "may not"})),
        answer(403, json!("plain words")),
        answer(200, json!({"ok": false, "error": "taken"})),
        answer(200, json!({"ok": true})),
        answer(200, json!([])),
        answer(500, json!({"message": "down"})),
    ]
    .into_iter()
    .map(|answer| play(&app, json!({}), &[answer]).replace("GET https://api.example/a\n", ""))
    .collect();
    expect![[r#"
        ! {"kind":"rate_limited","message":"the app answered with status 403","after_ms":3000}
        ! {"kind":"invalid_input","code":"OTHER","message":"may not"}
        ! {"kind":"invalid_input","message":"the app answered with status 403"}
        ! {"kind":"conflict","code":"taken","message":"taken"}
        = {"ok":true}
        = []
        ! {"kind":"unavailable","message":"down"}
    "#]]
    .assert_eq(&all);
}

#[test]
fn pages_are_followed_by_a_cursor() {
    let module = "effect: read\ninput: {q: {type: string}}\nrequest: {get: /a, query: {q: '{{ input.q }}'}}\n\
        pages: {cursor: '{{ response.body.next }}', send_as: {query: after}, items: '{{ response.body.items }}', at_most: 3}";
    let page = |items: Value, next: Value| answer(200, json!({"items": items, "next": next}));
    check(
        module,
        json!({"q": "x"}),
        &[
            page(json!([1, 2]), json!("c&1")),
            page(json!([]), json!("c2")),
            page(json!([3]), Value::Null),
        ],
        expect![[r#"
            GET https://api.example/v1/a?q=x
            GET https://api.example/v1/a?q=x&after=c%261
            GET https://api.example/v1/a?q=x&after=c2
            = {"items":[1,2,3],"more":false}
        "#]],
    );
    check(
        module,
        json!({"q": "x"}),
        &[
            page(json!([1, 2]), json!("c1")),
            page(json!([3, 4]), json!("c2")),
        ],
        expect![[r#"
            GET https://api.example/v1/a?q=x
            GET https://api.example/v1/a?q=x&after=c1
            = {"items":[1,2,3],"more":true}
        "#]],
    );
    check(
        module,
        json!({"q": "x"}),
        &[page(json!([1]), json!("c1")), page(json!([2]), json!("c1"))],
        expect![[r#"
            GET https://api.example/v1/a?q=x
            GET https://api.example/v1/a?q=x&after=c1
            ! {"kind":"internal","code":"unexpected_answer","message":"the app answered differently than its manifest says: it names the page just read as the next one"}
        "#]],
    );
    check(
        module,
        json!({"q": "x"}),
        &[page(json!([1]), json!("c1")), answer(429, json!({}))],
        expect![[r#"
            GET https://api.example/v1/a?q=x
            GET https://api.example/v1/a?q=x&after=c1
            ! {"kind":"rate_limited","message":"the app answered with status 429"}
        "#]],
    );
    check(
        module,
        json!({"q": "x"}),
        &[answer(200, json!({"rows": []}))],
        expect![[r#"
            GET https://api.example/v1/a?q=x
            ! {"kind":"internal","code":"unexpected_answer","message":"the app answered differently than its manifest says: `response.body.items` is missing"}
        "#]],
    );
    check(
        module,
        json!({"q": "x"}),
        &[page(json!("no list"), Value::Null)],
        expect![[r#"
            GET https://api.example/v1/a?q=x
            ! {"kind":"internal","code":"unexpected_answer","message":"the app answered differently than its manifest says: its `items` are not a list"}
        "#]],
    );
}

#[test]
fn pages_are_followed_by_a_link_at_the_same_host_only() {
    let module = "effect: read\nrequest: {get: /a}\npages: {link: header, items: '{{ response.body }}'}\noutput: {all: '{{ items }}', status: '{{ response.status }}'}";
    let linked = |to: &str| Response {
        body: json!([1]),
        ..answer_with(200, ("link", &format!("<{to}>; rel=\"next\"")))
    };
    check(
        module,
        json!({}),
        &[linked("/v1/a?page=2"), answer(200, json!([2]))],
        expect![[r#"
            GET https://api.example/v1/a
            GET https://api.example/v1/a?page=2
            = {"all":[1,2],"status":200}
        "#]],
    );
    check(
        module,
        json!({}),
        &[linked("https://evil.example/a")],
        expect![[r#"
            GET https://api.example/v1/a
            ! {"kind":"internal","code":"unexpected_answer","message":"the app answered differently than its manifest says: its next page is at another host"}
        "#]],
    );
    let module = "effect: read\nrequest: {get: /a}\npages: {link: '{{ response.body.next }}', items: '{{ response.body.items }}'}";
    check(
        module,
        json!({}),
        &[
            answer(
                200,
                json!({"items": [1], "next": "https://api.example/v1/a?p=2"}),
            ),
            answer(200, json!({"items": [2]})),
        ],
        expect![[r#"
            GET https://api.example/v1/a
            GET https://api.example/v1/a?p=2
            = {"items":[1,2],"more":false}
        "#]],
    );
}

#[test]
fn pages_are_followed_by_an_offset() {
    let module = "effect: read\nrequest: {post: /search, json: {q: x}}\n\
        pages: {offset: {size: 2, size_as: {json: limit}}, send_as: {json: skip}, items: '{{ response.body }}'}";
    check(
        module,
        json!({}),
        &[answer(200, json!([1, 2])), answer(200, json!([3]))],
        expect![[r#"
            POST https://api.example/v1/search
              content-type: application/json
              {"limit":2,"q":"x","skip":0}
            POST https://api.example/v1/search
              content-type: application/json
              {"limit":2,"q":"x","skip":2}
            = {"items":[1,2,3],"more":false}
        "#]],
    );
}

#[test]
fn an_output_beyond_the_limit_is_an_error() {
    let text = "x".repeat(10_000_001);
    check(
        READ,
        json!({}),
        &[answer(200, json!(text))],
        expect![[r#"
        GET https://api.example/v1/a
        ! {"kind":"invalid_input","code":"value_too_large","message":"the output is larger than 10 MB","help":"ask for fewer items or fewer fields"}
    "#]],
    );
    let module = "effect: read\nrequest: {get: /a}\npages: {cursor: '{{ response.body.next }}', send_as: {query: c}, items: '{{ response.body.items }}'}";
    let half = json!(["y".repeat(6_000_000)]);
    check(
        module,
        json!({}),
        &[
            answer(200, json!({"items": half, "next": 1})),
            answer(200, json!({"items": half})),
        ],
        expect![[r#"
            GET https://api.example/v1/a
            GET https://api.example/v1/a?c=1
            ! {"kind":"invalid_input","code":"value_too_large","message":"the output is larger than 10 MB","help":"ask for fewer items or fewer fields"}
        "#]],
    );
}

#[test]
fn what_a_read_does_not_find_is_not_found_and_what_an_effect_does_not_answer_is_unexpected() {
    for effect in ["read", "step"] {
        let module = format!(
            "effect: {effect}\nrequest: {{post: /a}}\noutput: '{{{{ response.body.items[0] }}}}'"
        );
        let text = play(
            &app(&module),
            json!({}),
            &[answer(200, json!({"items": []}))],
        );
        let kind = if effect == "read" {
            "not_found"
        } else {
            "internal"
        };
        assert!(
            text.contains(&format!(
                "\"kind\":\"{kind}\",\"code\":\"unexpected_answer\""
            )),
            "{text}"
        );
    }
}

#[test]
fn after_an_error_the_same_request_may_be_answered_again() {
    let app = app("effect: read\nrequest: {get: /a}\n\
        pages: {cursor: '{{ response.body.next }}', send_as: {query: c}, items: '{{ response.body.items }}'}");
    let started = Performance::start(
        &app,
        &app.modules["it"],
        &Natives::default(),
        json!({}),
        Value::Null,
        "k",
    );
    let (mut performance, _) = started.expect("the first request");
    let first = answer(200, json!({"items": [1], "next": "c1"}));
    let refused = answer(401, json!({}));
    assert!(matches!(performance.next(&first), Ok(Progress::Call(_))));
    for _ in 0..2 {
        let error = performance.next(&refused).expect_err("refused");
        assert_eq!(error.kind, crate::ErrorKind::SignInNeeded);
    }
    match performance.next(&answer(200, json!({"items": [2]}))) {
        Ok(Progress::Done { output, .. }) => {
            assert_eq!(output, json!({"items": [1, 2], "more": false}));
        }
        other => panic!("{other:?}"),
    }
}
