//! What a flow is given of a call.

use expect_test::expect;
use serde_json::{Value, json};

use crate::flow::Webhook;
use crate::webhook::{Call, inputs};

fn given(content_type: Option<&str>, body: &[u8], declared: &[&str]) -> String {
    let webhook: Webhook = serde_json::from_value(json!({"verify": {"hmac_sha256": {
        "secret": ["a"], "header": "X-Signature"}}}))
    .expect("a webhook");
    let mut headers: Vec<(String, Vec<u8>)> = [
        ("x-signature", "00"),
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("x-topic", "order"),
        ("x-topic", "paid"),
        ("user-agent", "sender/1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .into();
    if let Some(content_type) = content_type {
        headers.push(("content-type".to_owned(), content_type.as_bytes().to_vec()));
    }
    let call = Call {
        headers: &headers,
        body,
    };
    match inputs(&webhook, &call, declared.iter().copied()) {
        Ok(given) => Value::Object(given).to_string(),
        Err(bad) => format!("{}: {bad}", bad.code()),
    }
}

#[test]
fn a_flow_is_given_the_fields_it_declares_the_payload_and_the_headers() {
    let order = br#"{"id": 7, "payload": "inner", "lines": [1, 2], "more": true}"#;
    let json = Some("application/json; charset=utf-8");
    let table = [
        given(json, order, &["id", "lines", "missing"]),
        given(json, order, &["payload"]),
        given(json, order, &["headers"]),
        given(
            Some("application/cloudevents+json"),
            b"[1]",
            &["id", "payload"],
        ),
        given(
            Some("application/x-www-form-urlencoded"),
            b"id=7&name=Ana+B",
            &["id", "payload"],
        ),
        given(Some("text/plain"), "grüß".as_bytes(), &["payload"]),
        given(None, b"", &["payload"]),
        given(None, b"{}", &["payload"]),
        given(json, b"{", &["payload"]),
        given(json, b"\xff", &["payload"]),
        given(Some("text/plain"), b"\xff", &["payload"]),
        given(Some("multipart/form-data; boundary=x"), order, &["payload"]),
        // What it says it is counts, not what it looks like.
        given(Some("text/plain"), br#"{"id": 7}"#, &["id", "payload"]),
    ]
    .join("\n");
    expect![[r#"
        {"id":7,"lines":[1,2]}
        {"payload":{"id":7,"lines":[1,2],"more":true,"payload":"inner"}}
        {"headers":{"content-type":"application/json; charset=utf-8","user-agent":"sender/1","x-topic":"order, paid"}}
        {"payload":[1]}
        {"id":"7","payload":{"id":"7","name":"Ana B"}}
        {"payload":"grüß"}
        {"payload":null}
        unsupported_body: content type `` is not taken here: send JSON, a form or plain text
        bad_body: body is not JSON, although its content type says so
        bad_body: body is not JSON, although its content type says so
        bad_body: body is not text in UTF-8, although its content type says so
        unsupported_body: content type `multipart/form-data` is not taken here: send JSON, a form or plain text
        {"payload":"{\"id\": 7}"}"#]].assert_eq(&table);
}
