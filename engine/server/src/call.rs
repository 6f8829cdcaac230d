//! A request as handlers see it: path parameters, query, headers and a body that was read within its limit. Reading is strict: an unknown
//! field, a second value or a wrong type is refused with its name.

use std::collections::HashMap;
use std::str::FromStr;

use actas_core::ids::BadName;
use axum::http::{HeaderMap, Method, Uri, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A request, read.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The address as it came.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The path's parameters by name.
    pub path: HashMap<String, String>,
    /// The body.
    pub body: Bytes,
}

impl Call {
    /// A path parameter as text.
    pub fn text(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A path parameter as an id or a name. What has not its form cannot exist.
    ///
    /// # Errors
    /// 404.
    pub fn id<T: FromStr<Err = BadName>>(&self, name: &'static str) -> Result<T, Problem> {
        self.text(name)
            .parse()
            .map_err(|_| Problem::not_found(&name.replace('_', " ")))
    }

    /// A header as text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The query, read into a struct that denies unknown fields.
    ///
    /// # Errors
    /// 400 with what does not fit.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        axum::extract::Query::try_from_uri(&self.uri)
            .map(|query: axum::extract::Query<T>| query.0)
            .map_err(|error| {
                Problem::bad(
                    "bad_query",
                    format!("query is not understood: {}", source(&error)),
                )
            })
    }

    /// The body as JSON, read into a struct that denies unknown fields. An empty body is `{}`.
    ///
    /// # Errors
    /// 415 if it says it is something else, 400 with what does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return serde_json::from_slice(b"{}")
                .map_err(|error| Problem::bad("bad_body", format!("body is missing: {error}")));
        }
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if essence != "application/json" && !essence.ends_with("+json") {
            return Err(Problem::new(
                axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                format!("body must be application/json, not `{essence}`"),
            ));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Problem::bad("bad_body", format!("body is not understood: {error}")))
    }

    /// The body as a form.
    ///
    /// # Errors
    /// 400 with what does not fit.
    pub fn form<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(Problem::bad("bad_form", "body must be a form"));
        }
        serde_urlencoded(&self.body)
    }

    /// One field of a form, before the form itself is read.
    pub fn form_field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(&self.body)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// All fields of a form, in order.
    pub fn form_fields(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body)
            .into_owned()
            .collect()
    }

    /// Seconds a caller is willing to wait: `Prefer: wait=10` (RFC 7240), at most 60.
    pub fn wait_seconds(&self) -> Option<u64> {
        self.headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']))
            .find_map(|part| part.trim().strip_prefix("wait=")?.trim().parse().ok())
            .map(|seconds: u64| seconds.min(60))
    }
}

fn serde_urlencoded<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text =
        std::str::from_utf8(body).map_err(|_| Problem::bad("bad_form", "form is not UTF-8"))?;
    // A form is a query in another place.
    let uri: Uri = format!("/?{text}")
        .parse()
        .map_err(|_| Problem::bad("bad_form", "form is not understood"))?;
    axum::extract::Query::try_from_uri(&uri)
        .map(|query: axum::extract::Query<T>| query.0)
        .map_err(|error| {
            Problem::bad(
                "bad_form",
                format!("form is not understood: {}", source(&error)),
            )
        })
}

/// The innermost reason of an error.
fn source(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}

/// Whether a path says what it means: no empty segment, no dots, nothing encoded, nothing that some other reader would read otherwise.
/// Every id, name and token of ours fits; whatever does not cannot be an address of ours.
pub fn is_plain(path: &str) -> bool {
    path == "/"
        || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|segment| {
                !segment.is_empty()
                    && !segment.ends_with('.')
                    && !segment.starts_with('.')
                    && segment
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_.~@+".contains(&b))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_no_path() {
        for plain in [
            "/",
            "/healthz",
            "/api/v1/flows/a-b/versions/3",
            "/api/v1/users/ana@x.org",
            "/assets/page.css",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for odd in [
            "//",
            "/healthz/",
            "//healthz",
            "/a//b",
            "/a%2fb",
            "/a;b",
            "/a/../b",
            "/./a",
            "/a.",
            "/a\\b",
            "",
            "a",
            "/a b",
            "/a%00",
            "/\u{e4}",
        ] {
            assert!(!is_plain(odd), "{odd}");
        }
    }
}
