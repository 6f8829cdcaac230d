//! `http`: one request to any address. It carries no credential, and a header that would carry one is refused.

use std::sync::Arc;

use actas_core::app::{Call, Method, Native, NativeStep, Response, address, encode};
use actas_core::{ErrorKind, StepError};
use serde_json::{Map, Value, json};

/// The native modules of the app.
pub fn natives() -> crate::NativeList {
    vec![("http/request/1", Arc::new(Request))]
}

/// `http.request`.
struct Request;

impl Native for Request {
    fn start(&self, input: &Value) -> Result<NativeStep, StepError> {
        let method: Method = serde_json::from_value(input["method"].clone()).unwrap_or(Method::Get);
        let url = address::whole(&fill(input)?.into())?;
        let mut headers = headers(input)?;
        let (body, kind) = body(input)?;
        if body.is_some() && matches!(method, Method::Get | Method::Head) {
            return Err(bad(format!("a {} request has no body", method.as_str())));
        }
        for (name, value) in [
            ("accept", Some("application/json, */*;q=0.5")),
            ("content-type", kind),
        ] {
            if let Some(value) = value
                && !headers.iter().any(|(n, _)| n == name)
            {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(NativeStep::Call(Call {
            method,
            url: address::with_query(url, &pairs(input, "query")?),
            headers,
            body,
            authenticated: false,
        }))
    }

    fn next(&self, input: &Value, response: &Response) -> Result<NativeStep, StepError> {
        let expected = input["expect"]
            .as_array()
            .is_some_and(|list| list.iter().any(|s| *s == response.status));
        if !expected && let Some(mut error) = response.error() {
            if error.kind == ErrorKind::SignInNeeded {
                // There is no account here that anybody could sign in to.
                error.kind = ErrorKind::PermissionDenied;
            }
            return Err(error.with_code(format!("http_{}", response.status)));
        }
        let headers: Map<_, _> = response
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        Ok(NativeStep::Output(
            json!({"status": response.status, "headers": headers, "body": response.body}),
        ))
    }
}

/// The address with each `{word}` filled from `params`. A value fills one segment and nothing else.
fn fill(input: &Value) -> Result<String, StepError> {
    let mut rest = input["url"].as_str().unwrap_or_default();
    let mut out = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once('{') {
        let (word, after) = after
            .split_once('}')
            .ok_or_else(|| bad("a `{` in the address has no `}`".to_owned()))?;
        if !past_authority(&out, before) {
            return Err(bad(format!("`{{{word}}}` cannot be part of the host")));
        }
        let value = encode::scalar(&input["params"][word])
            .filter(|text| !matches!(text.as_str(), "" | "." | ".."))
            .ok_or_else(|| bad(format!("`params` has no text for `{word}`")))?;
        out.push_str(before);
        out.push_str(&encode::percent(&value));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// True if the host of the address written so far has ended.
fn past_authority(out: &str, before: &str) -> bool {
    let text = format!("{out}{before}");
    // A slash right behind `://` would be skipped over, and the value behind it become the host.
    text.split_once("://")
        .is_some_and(|(_, rest)| rest.find(['/', '?']).is_some_and(|at| at > 0))
}

fn headers(input: &Value) -> Result<Vec<(String, String)>, StepError> {
    let mut out = Vec::new();
    for (name, value) in input["headers"].as_object().into_iter().flatten() {
        if value.is_null() {
            continue;
        }
        let name = encode::header_name(name).map_err(|why| {
            bad(format!("the header `{name}` {why}"))
                .with_help("use an app with a connection where an account is needed")
        })?;
        let text = encode::scalar(value)
            .filter(|text| encode::is_header_value(text))
            .ok_or_else(|| {
                bad(format!(
                    "the header `{name}` takes one line of printable ASCII"
                ))
            })?;
        out.push((name, text));
    }
    Ok(out)
}

fn body(input: &Value) -> Result<(Option<Vec<u8>>, Option<&'static str>), StepError> {
    let said: Vec<_> = ["json", "form", "text"]
        .into_iter()
        .filter(|kind| input.get(kind).is_some())
        .collect();
    Ok(match said.as_slice() {
        [] => (None, None),
        ["json"] => (
            Some(input["json"].to_string().into_bytes()),
            Some("application/json"),
        ),
        ["form"] => {
            let text = encode::form(&pairs(input, "form")?);
            (
                Some(text.into_bytes()),
                Some("application/x-www-form-urlencoded"),
            )
        }
        ["text"] => {
            let text = input["text"].as_str().unwrap_or_default();
            (
                Some(text.as_bytes().to_vec()),
                Some("text/plain; charset=utf-8"),
            )
        }
        _ => {
            return Err(bad(
                "a request has one body: `json`, `form` or `text`".to_owned()
            ));
        }
    })
}

fn pairs(input: &Value, place: &str) -> Result<Vec<(String, String)>, StepError> {
    let values = input[place].as_object().into_iter().flatten();
    encode::pairs(values.map(|(name, value)| (name.as_str(), value))).map_err(|name| {
        bad(format!(
            "`{place}.{name}` takes text, numbers, booleans or a list of them"
        ))
    })
}

fn bad(message: String) -> StepError {
    StepError::new(ErrorKind::InvalidInput, message).with_code("bad_request_value")
}
