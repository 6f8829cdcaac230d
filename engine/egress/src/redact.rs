//! Scrubbing an answer of the credential that was sent: apps that echo requests must not bring it into journals. Bodies are searched after
//! they were read as JSON, so that no way of escaping hides it. A second line of defence: the first is that nothing hands secrets to flows.

use actas_core::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;
use url::form_urlencoded;

/// Shorter secrets are not searched for: replacing every `abc` in an answer would destroy it and hide nothing.
const SHORTEST: usize = 6;

const MASK: &str = "***";

/// The forms a secret may come back in.
pub(crate) struct Redactor {
    needles: Vec<Secret<String>>,
}

impl Redactor {
    pub(crate) fn new(secrets: &[Secret<String>]) -> Self {
        let mut needles: Vec<String> = Vec::new();
        for secret in secrets {
            let plain = secret.reveal();
            if plain.len() < SHORTEST {
                continue;
            }
            needles.push(plain.clone());
            needles.push(form_urlencoded::byte_serialize(plain.as_bytes()).collect());
            needles.push(percent(plain, |byte| format!("%{byte:02X}")));
            needles.push(percent(plain, |byte| format!("%{byte:02x}")));
            needles.push(plain.bytes().map(|byte| format!("{byte:02x}")).collect());
            needles.push(plain.bytes().map(|byte| format!("{byte:02X}")).collect());
            if let Ok(json) = serde_json::to_string(plain) {
                needles.push(json[1..json.len() - 1].to_owned());
            }
            for shift in 0..3 {
                needles.extend(base64_inside(plain.as_bytes(), shift));
            }
        }
        // Longer forms first: a short one must not break up a longer one that holds it.
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Self {
            needles: needles.into_iter().map(Secret::new).collect(),
        }
    }

    /// Replaces every form in a text.
    pub(crate) fn text(&self, text: &mut String) {
        for needle in &self.needles {
            if text.contains(needle.reveal()) {
                *text = text.replace(needle.reveal(), MASK);
            }
        }
    }

    /// Replaces every form in a JSON value: texts, keys, and numbers that spell the secret.
    pub(crate) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                let tainted = fields
                    .keys()
                    .any(|key| self.needles.iter().any(|n| key.contains(n.reveal())));
                if tainted {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(mut key, value)| {
                            self.text(&mut key);
                            (key, value)
                        })
                        .collect();
                }
                fields.values_mut().for_each(|field| self.value(field));
            }
            Value::Number(number) => {
                let mut text = number.to_string();
                let before = text.len();
                self.text(&mut text);
                if text.len() != before {
                    *value = Value::String(MASK.to_owned());
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

fn percent(plain: &str, encode: impl Fn(u8) -> String) -> String {
    plain
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => encode(byte),
        })
        .collect()
}

/// The base 64 characters that the secret alone decides if `shift` other bytes stand before it, in both alphabets.
fn base64_inside(plain: &[u8], shift: usize) -> Vec<String> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(plain);
    let (first, last) = ((shift * 8).div_ceil(6), bytes.len() * 8 / 6);
    [
        STANDARD_NO_PAD.encode(&bytes),
        URL_SAFE_NO_PAD.encode(&bytes),
    ]
    .into_iter()
    .filter_map(|text| text.get(first..last).map(str::to_owned))
    .filter(|text| text.len() >= SHORTEST)
    .collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_it_may_come_back_in() {
        let secret = "p/ä+\"q8 Zx&91kk";
        let redactor = Redactor::new(&[Secret::new(secret.to_owned())]);
        for shift in 0..7 {
            let before = "u".repeat(shift);
            let mut text = STANDARD.encode(format!("{before}{secret} and more"));
            let encoded = text.clone();
            redactor.text(&mut text);
            assert!(text.contains(MASK), "shifted by {shift}: {encoded}");
        }
        let mut body = serde_json::json!({
            "echo": format!("Bearer {secret}"),
            "query": "a=p%2F%C3%A4%2B%22q8+Zx%2691kk",
            secret: [serde_json::to_string(secret).unwrap_or_default()],
        });
        redactor.value(&mut body);
        assert_eq!(
            body,
            serde_json::json!({"echo": "Bearer ***", "query": "a=***", "***": ["\"***\""]})
        );
    }

    #[test]
    fn a_number_that_spells_the_secret_goes_and_others_stay() {
        let redactor = Redactor::new(&[Secret::new("123456789".to_owned())]);
        let mut body = serde_json::json!([123_456_789, 7, 12_345]);
        redactor.value(&mut body);
        assert_eq!(body, serde_json::json!(["***", 7, 12_345]));
    }
}
