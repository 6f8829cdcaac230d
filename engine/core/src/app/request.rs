//! Requests: from a module's template and its input to a [`Call`]. Says where an app is and which hosts are its own; never holds a
//! credential.

use serde_json::Value;
use url::Url;

use crate::app::address::{self, Address};
use crate::app::encode;
use crate::app::interpret::{Call, Method};
use crate::error::{ErrorKind, StepError};
use crate::expr::{Scope, Template};

/// Where an app is.
#[derive(Debug, Default)]
pub struct Site {
    /// What paths stand under.
    pub base_url: Option<Template>,
    /// The hosts credentials may go to; that of `base_url` if the manifest names none.
    pub hosts: Vec<Template>,
}

/// A request with places for values.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The address.
    pub address: Address,
    /// Parameters by name; `null` leaves one out, a list repeats it.
    pub query: Vec<(String, Template)>,
    /// Headers by lower-case name; `null` leaves one out.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Body,
}

/// A body with places for values.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// `application/json`.
    Json(Template),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, Template)>),
    /// A text as it is; the manifest's headers say its type.
    Raw(Template),
}

/// Where something that the engine adds is sent: a cursor, an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendAs {
    /// A parameter of the query.
    Query(String),
    /// A field of the JSON body.
    Json(String),
}

/// What is added to a request beside its template.
#[derive(Debug, Default)]
pub struct Additions<'a> {
    /// A header: the idempotency key.
    pub header: Option<(&'a str, &'a str)>,
    /// The place of the next page.
    pub place: Vec<(&'a SendAs, Value)>,
}

impl Site {
    /// The base address.
    ///
    /// # Errors
    /// If the app has none or a setting does not give one.
    pub fn base(&self, scope: &Scope) -> Result<Url, StepError> {
        let Some(base) = &self.base_url else {
            return Err(StepError::new(
                ErrorKind::Internal,
                "the app has no `base_url`",
            ));
        };
        address::base(&base.evaluate(scope)?)
    }

    /// The hosts credentials may go to.
    ///
    /// # Errors
    /// If a setting does not give one.
    pub fn hosts(&self, scope: &Scope) -> Result<Vec<String>, StepError> {
        if self.hosts.is_empty() {
            return match self.base_url {
                Some(_) => Ok(vec![address::host(&self.base(scope)?)]),
                None => Ok(Vec::new()),
            };
        }
        self.hosts
            .iter()
            .map(|host| one_host(&host.evaluate(scope)?))
            .collect()
    }
}

/// A host in the form that [`address::host`] gives, so that the two can be compared.
fn one_host(value: &Value) -> Result<String, StepError> {
    let bad = || {
        StepError::new(
            ErrorKind::InvalidInput,
            format!("`{value}` is not a host or host:port"),
        )
        .with_code("bad_address")
    };
    let text = value.as_str().ok_or_else(bad)?;
    let url = address::base(&format!("https://{text}/").into()).map_err(|_| bad())?;
    if url.path() == "/" && !text.contains('/') {
        Ok(address::host(&url))
    } else {
        Err(bad())
    }
}

impl Request {
    /// The request in a scope. Whether it is authenticated is for the caller to say.
    ///
    /// # Errors
    /// `invalid_input` if a value is missing or has no form in its place.
    pub fn build(
        &self,
        site: &Site,
        scope: &Scope,
        add: &Additions<'_>,
    ) -> Result<Call, StepError> {
        let base = match &self.address.base {
            Some(base) => address::base(&base.evaluate(scope)?)?,
            None => site.base(scope)?,
        };
        let mut query = fields(&self.query, scope)?;
        let mut headers = self.headers(scope)?;
        let (mut body, kind) = self.body(scope)?;
        for (place, value) in &add.place {
            match place {
                SendAs::Query(name) => {
                    query.retain(|(n, _)| n != name);
                    query.push((name.clone(), value.clone()));
                }
                SendAs::Json(name) => match &mut body {
                    Some(Written::Json(Value::Object(map))) => {
                        map.insert(name.clone(), value.clone());
                    }
                    _ => return Err(unwritable(name, "needs a JSON object as body")),
                },
            }
        }
        if let Some((name, value)) = add.header {
            headers.retain(|(n, _)| n != name);
            headers.push((name.to_owned(), value.to_owned()));
        }
        for (name, value) in [("accept", Some("application/json")), ("content-type", kind)] {
            if let Some(value) = value
                && !headers.iter().any(|(n, _)| n == name)
            {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let path = self.address.path(scope)?;
        Ok(Call {
            method: self.method,
            url: address::join(&base, &path, &encode::query(&pairs(&query)?))?,
            headers,
            body: body.map(Written::into_bytes),
            authenticated: false,
        })
    }

    fn headers(&self, scope: &Scope) -> Result<Vec<(String, String)>, StepError> {
        let mut out = Vec::with_capacity(self.headers.len() + 3);
        for (name, template) in &self.headers {
            let value = template.evaluate(scope)?;
            if value.is_null() {
                continue;
            }
            let text = encode::scalar(&value)
                .filter(|text| encode::is_header_value(text))
                .ok_or_else(|| unwritable(name, "takes one line of printable ASCII as header"))?;
            out.push((name.clone(), text));
        }
        Ok(out)
    }

    fn body(&self, scope: &Scope) -> Result<(Option<Written>, Option<&'static str>), StepError> {
        Ok(match &self.body {
            Body::Empty => (None, None),
            Body::Json(template) => (
                Some(Written::Json(template.evaluate(scope)?)),
                Some("application/json"),
            ),
            Body::Form(values) => {
                let text = encode::form(&pairs(&fields(values, scope)?)?);
                (
                    Some(Written::Text(text)),
                    Some("application/x-www-form-urlencoded"),
                )
            }
            Body::Raw(template) => {
                let text = encode::scalar(&template.evaluate(scope)?)
                    .ok_or_else(|| unwritable("raw", "takes a text"))?;
                (Some(Written::Text(text)), Some("text/plain; charset=utf-8"))
            }
        })
    }
}

/// A body whose values are filled in.
enum Written {
    Json(Value),
    Text(String),
}

impl Written {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Text(text) => text.into_bytes(),
        }
    }
}

/// Names and values in the order of the manifest.
fn fields(
    templates: &[(String, Template)],
    scope: &Scope,
) -> Result<Vec<(String, Value)>, StepError> {
    templates
        .iter()
        .map(|(name, template)| Ok((name.clone(), template.evaluate(scope)?)))
        .collect()
}

fn pairs(values: &[(String, Value)]) -> Result<Vec<(String, String)>, StepError> {
    encode::pairs(values.iter().map(|(name, value)| (name.as_str(), value)))
        .map_err(|name| unwritable(&name, "takes text, numbers, booleans or a list of them"))
}

fn unwritable(name: &str, why: &str) -> StepError {
    StepError::new(ErrorKind::InvalidInput, format!("`{name}` {why}"))
        .with_code("bad_request_value")
}
