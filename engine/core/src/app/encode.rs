//! How a value is written in each place of a request: path segment, query, header, form. An input value can fill its place and nothing
//! else: it never ends a segment, begins a parameter or adds a header line. Must not know about templates.

use std::fmt::Write as _;

use serde_json::Value;

/// Header names that a manifest or a flow may not set: credentials, and what the sender of a request decides.
const RESERVED_HEADERS: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-host",
];

/// Writes a value where only unreserved characters (RFC 3986 §2.3) may stand: in a path segment or a query. Everything else, `/` and `%`
/// too, becomes percent-encoded UTF-8.
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// True for what may stand as written in a path: the `pchar` of RFC 3986 §3.3 without `%`, and `/`.
pub fn is_path_text(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b))
}

/// The pairs of a query or a form: of each name its value, each item of a list by itself, nothing for `null`.
///
/// # Errors
/// The name of what is neither text, number, boolean nor a list of them.
pub fn pairs<'v>(
    values: impl IntoIterator<Item = (&'v str, &'v Value)>,
) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    for (name, value) in values {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                for item in items {
                    let text = scalar(item).ok_or_else(|| name.to_owned())?;
                    out.push((name.to_owned(), text));
                }
            }
            one => out.push((name.to_owned(), scalar(one).ok_or_else(|| name.to_owned())?)),
        }
    }
    Ok(out)
}

/// `a=1&b=2` for an address.
pub fn query(pairs: &[(String, String)]) -> String {
    let written: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
        .collect();
    written.join("&")
}

/// `a=1&b=2` for a body of type `application/x-www-form-urlencoded`.
pub fn form(pairs: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// The text of a value that has one way to be written: text, number, boolean.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Checks a header's name and gives it in lower case.
///
/// # Errors
/// What is wrong with it, as a fragment that follows the name.
pub fn header_name(name: &str) -> Result<String, &'static str> {
    let token = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    let lower = name.to_ascii_lowercase();
    if !token {
        Err("is not the name of a header")
    } else if lower == "authorization" || lower == "cookie" || lower == "proxy-authorization" {
        Err("is for credentials, which only a connection brings")
    } else if RESERVED_HEADERS.contains(&lower.as_str()) {
        Err("is set by whoever sends the request")
    } else {
        Ok(lower)
    }
}

/// True for what may stand in a header: printable ASCII (RFC 9110 §5.5), so that no value can end its line.
pub fn is_header_value(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_written_by_its_place() {
        expect!["a%2Fb%3Fc%3Dd%26e%23f%25%20%C3%A9~"].assert_eq(&percent("a/b?c=d&e#f% é~"));
        let values = json!({"q": "a&b=c d", "n": 1.5, "many": ["x", true], "none": null});
        let map = values.as_object().expect("an object");
        let pairs = pairs(map.iter().map(|(k, v)| (k.as_str(), v))).expect("all scalars");
        expect!["many=x&many=true&n=1.5&q=a%26b%3Dc%20d"].assert_eq(&query(&pairs));
        expect!["many=x&many=true&n=1.5&q=a%26b%3Dc+d"].assert_eq(&form(&pairs));
    }

    #[test]
    fn an_object_has_no_place_in_a_query() {
        let value = json!({"a": 1});
        assert_eq!(pairs([("filter", &value)]), Err("filter".to_owned()));
    }

    #[test]
    fn headers_that_carry_credentials_or_frame_the_message_are_refused() {
        for name in [
            "Authorization",
            "cookie",
            "Host",
            "Transfer-Encoding",
            "a b",
            "",
            "x\r\ny",
            "a:b",
        ] {
            assert!(header_name(name).is_err(), "{name:?}");
        }
        assert_eq!(header_name("X-Trace"), Ok("x-trace".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_percent_encoded_is_one_word_and_reads_back(text in any::<String>()) {
            let written = percent(&text);
            prop_assert!(written.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            let url = url::Url::parse(&format!("https://h.example/?v={written}")).expect("an address");
            let read: Vec<_> = url.query_pairs().collect();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].1.as_ref(), text.as_str());
        }

        #[test]
        fn no_header_value_ends_its_line(text in any::<String>()) {
            prop_assert!(!is_header_value(&text) || !text.contains(['\r', '\n', '\0']));
        }
    }
}
