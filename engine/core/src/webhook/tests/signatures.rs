//! What is let in and what is not.

use expect_test::expect;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use serde_json::json;
use sha2::Sha256;

use crate::flow::{Encoding, Verify, Webhook};
use crate::secret::Secret;
use crate::time::Time;
use crate::webhook::{Call, Refusal, check, delivery_key, verify};

const NOW: i64 = 1_795_180_000;

fn code(key: &str, text: &[u8]) -> [u8; 32] {
    let mut keyed = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key");
    keyed.update(text);
    keyed.finalize().into_bytes().into()
}

fn hex_of(key: &str, text: &str) -> String {
    hex::encode(code(key, text.as_bytes()))
}

fn base64_of(key: &str, text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(code(key, text.as_bytes()))
}

fn webhook(description: serde_json::Value) -> Webhook {
    let webhook: Webhook = serde_json::from_value(description).expect("a webhook");
    check(&webhook).expect("a good one");
    webhook
}

fn github() -> Webhook {
    webhook(
        json!({"delivery": "X-GitHub-Delivery", "verify": {"hmac_sha256": {
        "secret": ["github"], "header": "X-Hub-Signature-256", "prefix": "sha256="}}}),
    )
}

fn stripe() -> Webhook {
    webhook(json!({"verify": {"hmac_sha256": {
        "secret": ["stripe"], "header": "Stripe-Signature", "prefix": "v1=", "signed": "{timestamp}.{body}",
        "timestamp": {"header": "Stripe-Signature"}}}}))
}

fn slack() -> Webhook {
    webhook(json!({"verify": {"hmac_sha256": {
        "secret": ["slack"], "header": "X-Slack-Signature", "prefix": "v0=", "signed": "v0:{timestamp}:{body}",
        "timestamp": {"header": "X-Slack-Request-Timestamp"}}}}))
}

fn shopify() -> Webhook {
    webhook(
        json!({"delivery": "X-Shopify-Webhook-Id", "verify": {"hmac_sha256": {
        "secret": ["shopify"], "header": "X-Shopify-Hmac-Sha256", "encoding": "base64"}}}),
    )
}

/// Standard Webhooks signs the id too, and gives the version before a comma.
fn standard() -> Webhook {
    webhook(json!({"delivery": "webhook-id", "verify": {"hmac_sha256": {
        "secret": ["one"], "header": "webhook-signature", "prefix": "v1,", "encoding": "base64",
        "signed": "{delivery}.{timestamp}.{body}", "timestamp": {"header": "webhook-timestamp"}}}}))
}

type Headers = Vec<(String, Vec<u8>)>;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let one = |(name, value): &(&str, &str)| (name.to_lowercase(), value.as_bytes().to_vec());
    pairs.iter().map(one).collect()
}

fn judge(
    webhook: &Webhook,
    headers: &Headers,
    body: &[u8],
    keys: &[&str],
    now: i64,
) -> Result<(), Refusal> {
    let Verify::HmacSha256(hmac) = &webhook.verify else {
        panic!("a signed one");
    };
    let keys: Vec<Secret<String>> = keys
        .iter()
        .map(|key| Secret::from((*key).to_owned()))
        .collect();
    verify(
        webhook,
        hmac,
        &Call { headers, body },
        &keys,
        Time(now * 1_000_000),
    )
}

/// Each sender's call of now, with the key `key` and the body `{"a":1}`.
fn calls() -> Vec<(&'static str, Webhook, Headers)> {
    let body = r#"{"a":1}"#;
    let at = NOW.to_string();
    vec![
        (
            "github",
            github(),
            headers(&[
                ("X-GitHub-Delivery", "72d3162e"),
                (
                    "X-Hub-Signature-256",
                    &format!("sha256={}", hex_of("key", body)),
                ),
            ]),
        ),
        (
            "stripe",
            stripe(),
            headers(&[(
                "Stripe-Signature",
                &format!(
                    "t={at},v1={},v0=6ffbb59b",
                    hex_of("key", &format!("{at}.{body}"))
                ),
            )]),
        ),
        (
            "slack",
            slack(),
            headers(&[
                ("X-Slack-Request-Timestamp", &at),
                (
                    "X-Slack-Signature",
                    &format!("v0={}", hex_of("key", &format!("v0:{at}:{body}"))),
                ),
            ]),
        ),
        (
            "shopify",
            shopify(),
            headers(&[
                ("X-Shopify-Webhook-Id", "b54557e4"),
                ("X-Shopify-Hmac-Sha256", &base64_of("key", body)),
            ]),
        ),
        (
            "standard",
            standard(),
            headers(&[
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", &at),
                (
                    "webhook-signature",
                    &format!(
                        "v1,AAAA v1,{}",
                        base64_of("key", &format!("msg_1.{at}.{body}"))
                    ),
                ),
            ]),
        ),
    ]
}

#[test]
fn what_a_sender_signed_is_let_in_under_any_of_the_secrets() {
    // The example that GitHub publishes for its receivers.
    let published = headers(&[
        ("X-GitHub-Delivery", "1"),
        (
            "X-Hub-Signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
    ]);
    let key = "It's a Secret to Everybody";
    assert_eq!(
        judge(&github(), &published, b"Hello, World!", &[key], NOW),
        Ok(())
    );
    for (sender, webhook, headers) in calls() {
        for keys in [&["key"][..], &["new", "key"], &["key", "new"]] {
            assert_eq!(
                judge(&webhook, &headers, br#"{"a":1}"#, keys, NOW),
                Ok(()),
                "{sender}"
            );
        }
        for keys in [&["new"][..], &[]] {
            let judged = judge(&webhook, &headers, br#"{"a":1}"#, keys, NOW);
            assert_eq!(judged, Err(Refusal::BadSignature), "{sender}");
        }
    }
}

#[test]
fn every_flipped_bit_of_body_and_signature_is_refused() {
    for (sender, webhook, headers) in calls() {
        let body = br#"{"a":1}"#;
        for bit in 0..body.len() * 8 {
            let mut changed = body.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                judge(&webhook, &headers, &changed, &["key"], NOW).is_err(),
                "{sender}"
            );
        }
        for cut in 0..body.len() {
            assert!(judge(&webhook, &headers, &body[..cut], &["key"], NOW).is_err());
        }
        let Verify::HmacSha256(hmac) = &webhook.verify else {
            panic!("a signed one");
        };
        let place = headers
            .iter()
            .position(|(name, _)| name.eq_ignore_ascii_case(&hmac.header))
            .expect("signed");
        let header = String::from_utf8(headers[place].1.clone()).expect("text");
        let parts = header.split([' ', ',']);
        let right = parts.max_by_key(|part| part.len()).expect("a signature");
        for bit in 0..header.len() * 8 {
            let mut changed = headers.clone();
            changed[place].1[bit / 8] ^= 1 << (bit % 8);
            if judge(&webhook, &changed, body, &["key"], NOW).is_ok() {
                // It is what does not belong to the signature, or the case of its digits.
                let text = String::from_utf8(changed[place].1.clone()).expect("text");
                let same = match hmac.encoding {
                    Encoding::Hex => text.to_lowercase().contains(&right.to_lowercase()),
                    Encoding::Base64 => text.contains(right),
                };
                assert!(same, "{sender}: {text}");
            }
        }
    }
}

#[test]
fn a_time_outside_the_window_is_refused_and_the_window_has_two_ends() {
    for (sender, webhook, headers) in calls() {
        let timed = matches!(&webhook.verify, Verify::HmacSha256(hmac) if hmac.timestamp.is_some());
        for (shift, good) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let judged = judge(&webhook, &headers, br#"{"a":1}"#, &["key"], NOW + shift);
            let expected = if good || !timed {
                Ok(())
            } else {
                Err(Refusal::Stale)
            };
            assert_eq!(judged, expected, "{sender} {shift}");
        }
    }
}

#[test]
fn what_is_missing_or_comes_twice_is_refused_with_its_reason() {
    let mut table = String::new();
    let body = br#"{"a":1}"#;
    for (sender, webhook, whole) in calls() {
        for place in 0..whole.len() {
            let mut without = whole.clone();
            let (name, value) = without.remove(place);
            let missing = judge(&webhook, &without, body, &["key"], NOW);
            let mut twice = whole.clone();
            twice.push((name.clone(), value));
            let double = judge(&webhook, &twice, body, &["key"], NOW);
            let say =
                |judged: Result<(), Refusal>| judged.map_or_else(Refusal::code, |()| "let in");
            table.push_str(&format!(
                "{sender:8} {name:26} missing: {:13} twice: {}\n",
                say(missing),
                say(double)
            ));
        }
    }
    expect![[r#"
        github   x-github-delivery          missing: no_delivery   twice: no_delivery
        github   x-hub-signature-256        missing: no_signature  twice: no_signature
        stripe   stripe-signature           missing: no_signature  twice: no_signature
        slack    x-slack-request-timestamp  missing: no_timestamp  twice: no_timestamp
        slack    x-slack-signature          missing: no_signature  twice: no_signature
        shopify  x-shopify-webhook-id       missing: no_delivery   twice: no_delivery
        shopify  x-shopify-hmac-sha256      missing: no_signature  twice: no_signature
        standard webhook-id                 missing: no_delivery   twice: no_delivery
        standard webhook-timestamp          missing: no_timestamp  twice: no_timestamp
        standard webhook-signature          missing: no_signature  twice: no_signature
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_delivery_is_known_by_its_id_or_by_what_was_signed_when() {
    let mut table = String::new();
    for (sender, webhook, headers) in calls() {
        let key = delivery_key(
            &webhook,
            &Call {
                headers: &headers,
                body: br#"{"a":1}"#,
            },
        )
        .expect("there");
        table.push_str(&format!(
            "{sender:8} {}\n",
            key.unwrap_or_else(|| "none".to_owned())
        ));
    }
    let unsigned = webhook(json!({"verify": "none"}));
    let call = Call {
        headers: &headers(&[]),
        body: b"{}",
    };
    table.push_str(&format!("nobody   {:?}\n", delivery_key(&unsigned, &call)));
    expect![[r#"
        github   id:72d3162e
        stripe   sha256:720170ab2a9f99d18791e6f98a4102ff9b330214f906423261553310e1246001
        slack    sha256:720170ab2a9f99d18791e6f98a4102ff9b330214f906423261553310e1246001
        shopify  id:b54557e4
        standard id:msg_1
        nobody   Ok(None)
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_description_that_protects_nothing_is_refused() {
    let mut table = String::new();
    for part in [
        json!({"secret": [], "header": "X-Signature"}),
        json!({"secret": ["a"], "header": "X Signature"}),
        json!({"secret": ["a"], "header": ""}),
        json!({"secret": ["a"], "header": "X-S", "signed": "{timestamp}"}),
        json!({"secret": ["a"], "header": "X-S", "signed": "{timestamp}.{body}"}),
        json!({"secret": ["a"], "header": "X-S", "signed": "{body", "timestamp": {"header": "X-T"}}),
        json!({"secret": ["a"], "header": "X-S", "signed": "{url}{body}"}),
        json!({"secret": ["a"], "header": "X-S", "signed": "{delivery}.{body}"}),
        json!({"secret": ["a"], "header": "X-S", "timestamp": {"header": "X-T"}}),
        json!({"secret": ["a"], "header": "X-S", "signed": "{timestamp}.{body}", "timestamp": {"header": "T:"}}),
    ] {
        let webhook: Webhook =
            serde_json::from_value(json!({"verify": {"hmac_sha256": part}})).expect("readable");
        let fault = check(&webhook).expect_err("a fault");
        table.push_str(&format!(
            "{}: {}\n    {}\n",
            fault.key, fault.message, fault.help
        ));
    }
    expect![[r#"
        secret: no secret is named
            name one that `actas secrets add` has made
        header: `X Signature` is not the name of a header
            such as `X-Signature`
        header: `` is not the name of a header
            such as `X-Signature`
        signed: what is signed does not contain the body
            write `{body}` into it, or anybody could change the body
        signed: the timestamp is signed, but no header gives it
            add `timestamp: {header: NAME}`
        signed: `{body` has a brace that is not closed
            write `{body}`, `{timestamp}` or `{delivery}`
        signed: `{url}` is nothing that can be signed
            write `{body}`, `{timestamp}` or `{delivery}`
        signed: the delivery id is signed, but no header gives it
            add `delivery: NAME` beside `verify`
        signed: the timestamp is not part of what is signed
            write `signed: "{timestamp}.{body}"`, or whatever its sender signs: a time that is not signed protects nothing
        timestamp: `T:` is not the name of a header
            such as `X-Signature`
    "#]].assert_eq(&table);
}

proptest! {
    #[test]
    fn nothing_is_let_in_that_was_not_signed_and_nothing_breaks_the_verifier(
        pairs in proptest::collection::vec((0..6_usize, "[ -~]{0,80}"), 0..6),
        body in proptest::collection::vec(any::<u8>(), 0..64),
        sender in 0..5_usize,
    ) {
        let names = ["stripe-signature", "x-hub-signature-256", "x-github-delivery", "webhook-signature", "webhook-timestamp", "webhook-id"];
        let headers: Headers = pairs.into_iter().map(|(name, value)| (names[name].to_owned(), value.into_bytes())).collect();
        let (_, webhook, _) = calls().swap_remove(sender);
        prop_assert!(judge(&webhook, &headers, &body, &["key"], NOW).is_err());
    }

    #[test]
    fn whatever_is_signed_is_let_in_byte_by_byte(body in proptest::collection::vec(any::<u8>(), 0..200), key in "[ -~]{1,80}") {
        let signature = hex::encode(code(&key, &body));
        let headers = headers(&[("x-hub-signature-256", &format!("sha256={signature}")), ("x-github-delivery", "1")]);
        prop_assert_eq!(judge(&github(), &headers, &body, &[&key], NOW), Ok(()));
    }
}
