//! `password`, `api_key` and `custom` of `auth`: what somebody types, and where it goes in a request.

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::app::encode;
use crate::app::parse::reader::Reader;
use crate::app::settings::Settings;
use crate::app::typed::{Sent, Typed, TypedField};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::run::Scheme;
use crate::yaml::{Fields, Node};

/// The header of a key, unless the manifest says another.
const AUTHORIZATION: &str = "authorization";

/// What is read of a kind: its fields, their schemas, and where they stand.
#[derive(Default)]
struct Asked {
    fields: IndexMap<String, TypedField>,
    schemas: IndexMap<String, Value>,
    spans: IndexMap<String, Span>,
}

/// `password: {username: {title: User}, password: {title: Password}, send: basic}`.
pub fn password(node: &Node, r: &mut Reader) -> Option<Typed> {
    let mut fields = Fields::of(node, "`password`", &mut r.faults)?;
    let mut asked = Asked::default();
    asked.take(&mut fields, ("username", "User"), None, r);
    asked.take(&mut fields, ("password", "Password"), Some("password"), r);
    if let Some(send) = fields.take("send") {
        send.word(&[("basic", ())], &mut r.faults);
    }
    fields.close(&mut r.faults);
    let send = vec![Sent::Basic {
        username: "username".to_owned(),
        password: "password".to_owned(),
    }];
    asked.finish(Scheme::Password, send, r)
}

/// `api_key: {key: {title: API key}, send: {header: X-Api-Key, prefix: ""}}`, or `send: {query: key}`.
pub fn api_key(node: &Node, r: &mut Reader) -> Option<Typed> {
    let mut fields = Fields::of(node, "`api_key`", &mut r.faults)?;
    let mut asked = Asked::default();
    asked.take(&mut fields, ("key", "API key"), Some("key"), r);
    let sent = match fields.take("send") {
        Some(node) => one(node, Some("key"), &asked, r)?,
        None => Sent::Header {
            name: AUTHORIZATION.to_owned(),
            prefix: "Bearer ".to_owned(),
            field: "key".to_owned(),
        },
    };
    fields.close(&mut r.faults);
    asked.finish(Scheme::ApiKey, vec![sent], r)
}

/// `custom: {fields: {…}, send: [{header: X-Pin, field: pin}, {query: k, field: key}, {basic: {username: user, password: word}}]}`.
pub fn custom(node: &Node, r: &mut Reader) -> Option<Typed> {
    let mut fields = Fields::of(node, "`custom`", &mut r.faults)?;
    let mut asked = Asked::default();
    let entries = fields
        .need("fields", &mut r.faults)
        .and_then(|n| n.map(&mut r.faults))
        .unwrap_or_default();
    for entry in entries {
        r.name(entry);
        asked.field(&entry.key, &entry.key, &entry.value, None, r);
        asked.spans.insert(entry.key.clone(), entry.key_span);
    }
    let send = fields
        .need("send", &mut r.faults)
        .and_then(|n| n.list(&mut r.faults))
        .unwrap_or_default();
    let send: Vec<_> = send
        .iter()
        .filter_map(|n| one(n, None, &asked, r))
        .collect();
    fields.close(&mut r.faults);
    asked.finish(Scheme::Custom, send, r)
}

impl Asked {
    /// One of the fields a kind always has, under its own key.
    fn take(
        &mut self,
        fields: &mut Fields<'_>,
        (name, title): (&'static str, &str),
        secret: Option<&str>,
        r: &mut Reader,
    ) {
        let Some(entry) = fields.entry(name) else {
            let field = TypedField {
                title: title.to_owned(),
                description: None,
                secret: secret.is_some(),
                place: secret.unwrap_or_default().to_owned(),
            };
            self.fields.insert(name.to_owned(), field);
            self.schemas
                .insert(name.to_owned(), json!({"type": "string", "title": title}));
            return;
        };
        self.field(name, title, &entry.value, Some(secret), r);
        self.spans.insert(name.to_owned(), entry.key_span);
    }

    /// Reads one field. Whether it is a secret, only the fields of an app's own kind may say.
    fn field(
        &mut self,
        name: &str,
        title: &str,
        node: &Node,
        fixed: Option<Option<&str>>,
        r: &mut Reader,
    ) {
        let Some(mut fields) = Fields::of(node, "a field", &mut r.faults) else {
            return;
        };
        let mut text = |key, r: &mut Reader| {
            let found = fields.take(key).and_then(|n| n.text(&mut r.faults));
            found.map(str::to_owned)
        };
        let title = text("title", r).unwrap_or_else(|| title.to_owned());
        let description = text("description", r);
        let (pattern, example) = (text("pattern", r), text("example", r));
        let place = match fixed {
            Some(place) => place.map(str::to_owned),
            None => fields
                .take("secret")
                .and_then(|n| n.boolean(&mut r.faults))
                .unwrap_or(false)
                .then(|| format!("field:{name}")),
        };
        fields.close(&mut r.faults);
        let mut schema = json!({"type": "string", "title": title});
        for (key, value) in [("pattern", pattern), ("example", example)] {
            if let Some(value) = value {
                schema[key] = value.into();
            }
        }
        self.schemas.insert(name.to_owned(), schema);
        let field = TypedField {
            title,
            description,
            secret: place.is_some(),
            place: place.unwrap_or_default(),
        };
        self.fields.insert(name.to_owned(), field);
    }

    fn finish(self, scheme: Scheme, send: Vec<Sent>, r: &mut Reader) -> Option<Typed> {
        let span = |name: &str| self.spans.get(name).copied().unwrap_or_default();
        for (name, field) in &self.fields {
            if !field.secret {
                // Expressions may look at it; it never decides an address, because it is read after those.
                if r.settings.contains_key(name) && !r.facts.contains(name) {
                    r.faults.push(
                        Diagnostic::error(
                            "double_name",
                            span(name),
                            format!("`{name}` is a setting too"),
                        )
                        .with_help("give the field another name: both are `connection.NAME`"),
                    );
                }
                r.facts.insert(name.clone());
                r.settings
                    .entry(name.clone())
                    .or_insert((span(name), false));
            } else if !send.iter().any(|sent| sent.takes(name)) {
                r.faults.push(
                    Diagnostic::error("useless_key", span(name), format!("`{name}` is never sent"))
                        .with_help("name it under `send`: a secret can be seen nowhere else"),
                );
            }
        }
        let check = match Settings::compile(&self.schemas) {
            Ok(check) => check,
            Err(bad) => {
                for (name, why) in bad {
                    r.faults.error(
                        "bad_setting",
                        span(&name),
                        format!("the field `{name}` cannot be checked: {why}"),
                    );
                }
                return None;
            }
        };
        Some(Typed {
            scheme,
            fields: self.fields,
            send,
            check,
        })
    }

    /// The name of a field that is there.
    fn known(&self, node: &Node, r: &mut Reader) -> Option<String> {
        let name = node.text(&mut r.faults)?;
        if self.fields.contains_key(name) {
            return Some(name.to_owned());
        }
        r.faults.push(
            Diagnostic::error(
                "unknown_name",
                node.span,
                format!("there is no field `{name}`"),
            )
            .with_help_if(did_you_mean(name, self.fields.keys().map(String::as_str))),
        );
        None
    }
}

impl Sent {
    fn takes(&self, name: &str) -> bool {
        match self {
            Self::Basic { username, password } => username == name || password == name,
            Self::Header { field, .. } | Self::Query { field, .. } => field == name,
        }
    }
}

/// One entry of `send`; `field` where there is but one to send.
fn one(node: &Node, field: Option<&str>, asked: &Asked, r: &mut Reader) -> Option<Sent> {
    let mut fields = Fields::of(node, "`send`", &mut r.faults)?;
    let (header, query, basic) = (
        fields.take("header"),
        fields.take("query"),
        fields.take("basic").filter(|_| field.is_none()),
    );
    let field = |r: &mut Reader, fields: &mut Fields<'_>| match field {
        Some(name) => Some(name.to_owned()),
        None => fields
            .need("field", &mut r.faults)
            .and_then(|n| asked.known(n, r)),
    };
    let sent = match (header, query, basic) {
        (Some(header), None, None) => {
            let prefix = fields.take("prefix").and_then(|n| n.text(&mut r.faults));
            let prefix = prefix.unwrap_or_default().to_owned();
            let field = field(r, &mut fields);
            let name = credential_header(header, r)?;
            Sent::Header {
                name,
                prefix,
                field: field?,
            }
        }
        (None, Some(query), None) => {
            let field = field(r, &mut fields)?;
            if !asked.fields.get(&field).is_none_or(|f| f.secret) {
                r.faults.push(
                    Diagnostic::error("bad_send", query.span, format!("`{field}` is no secret"))
                        .with_help(format!(
                            "write it in the requests: query: {{name: \"{{{{ connection.{field} }}}}\"}}"
                        )),
                );
            }
            Sent::Query {
                name: query.text(&mut r.faults)?.to_owned(),
                field,
            }
        }
        (None, None, Some(basic)) => {
            let mut pair = Fields::of(basic, "`basic`", &mut r.faults)?;
            let username = pair.need("username", &mut r.faults);
            let password = pair.need("password", &mut r.faults);
            pair.close(&mut r.faults);
            let username = username.and_then(|n| asked.known(n, r));
            let password = password.and_then(|n| asked.known(n, r));
            Sent::Basic {
                username: username?,
                password: password?,
            }
        }
        _ => {
            r.faults.push(
                Diagnostic::error(
                    "bad_send",
                    node.span,
                    "`send` says not in one way where the value goes",
                )
                .with_help("write `header: NAME`, `query: NAME`, or in `custom` also `basic: {username: FIELD, password: FIELD}`"),
            );
            fields.close(&mut r.faults);
            return None;
        }
    };
    fields.close(&mut r.faults);
    Some(sent)
}

/// The header a credential goes in: also `Authorization`, which nothing else may set.
fn credential_header(node: &Node, r: &mut Reader) -> Option<String> {
    let name = node.text(&mut r.faults)?;
    if name.eq_ignore_ascii_case(AUTHORIZATION) {
        return Some(AUTHORIZATION.to_owned());
    }
    match encode::header_name(name) {
        Ok(name) => Some(name),
        Err(why) => {
            r.faults
                .error("bad_header", node.span, format!("`{name}` {why}"));
            None
        }
    }
}
