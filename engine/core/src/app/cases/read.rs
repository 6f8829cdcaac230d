//! From a file of cases to values.

use serde_json::Value;

use crate::app::interpret::Response;
use crate::app::manifest::Manifest;
use crate::diagnostic::{Diagnostic, Faults, Span, did_you_mean};
use crate::yaml::{Data, Fields, Node};

/// What holds for all cases of a file.
pub struct Shared<'n> {
    connection: Value,
    key: &'n str,
}

/// One case.
pub struct Case<'n> {
    pub name: &'n str,
    pub span: Span,
    pub what: What<'n>,
    pub connection: Value,
    pub input: Value,
    pub key: &'n str,
    pub exchanges: Vec<Exchange<'n>>,
    pub output: Option<&'n Node>,
    pub error: Option<&'n Node>,
    pub record: Option<&'n Node>,
}

/// What a case tries.
#[derive(Clone, Copy)]
pub enum What<'n> {
    Module(&'n str),
    Account,
}

/// A request and its answer.
pub struct Exchange<'n> {
    pub span: Span,
    pub method: &'static str,
    pub url: &'n str,
    pub headers: Vec<(String, &'n str)>,
    pub body: Body<'n>,
    pub response: Response,
}

/// The body a request should have.
pub enum Body<'n> {
    None,
    Json(&'n Node),
    Text(&'n Node),
}

impl<'n> Shared<'n> {
    pub fn read(fields: &mut Fields<'n>, faults: &mut Faults) -> Self {
        Self {
            connection: fields
                .take("connection")
                .map(Node::to_json)
                .unwrap_or_default(),
            key: fields
                .take("key")
                .and_then(|n| n.text(faults))
                .unwrap_or("key"),
        }
    }
}

impl<'n> Case<'n> {
    pub fn read(
        node: &'n Node,
        shared: &Shared<'n>,
        manifest: &Manifest,
        faults: &mut Faults,
    ) -> Option<Self> {
        let mut fields = Fields::of(node, "a case", faults)?;
        let name = fields.need("case", faults).and_then(|n| n.text(faults));
        let module = fields.take("module");
        let account = fields
            .take("account")
            .and_then(|n| n.boolean(faults))
            .unwrap_or(false);
        let what = match (module, account) {
            (Some(node), false) => node.text(faults).map(|text| {
                if !manifest.modules.contains_key(text) {
                    let known = manifest.modules.keys().map(String::as_str);
                    faults.push(
                        Diagnostic::error(
                            "unknown_module",
                            node.span,
                            format!("`{text}` is not a module of this app"),
                        )
                        .with_help_if(did_you_mean(text, known)),
                    );
                }
                What::Module(text)
            }),
            (None, true) => Some(What::Account),
            _ => {
                faults.error(
                    "missing_key",
                    node.span,
                    "a case has one of `module: NAME` and `account: true`",
                );
                None
            }
        };
        let connection = fields.take("connection").map(Node::to_json);
        let input = fields.take("input").map(Node::to_json).unwrap_or_default();
        let key = fields.take("key").and_then(|n| n.text(faults));
        let mut exchanges = Vec::new();
        for node in fields
            .take("exchanges")
            .and_then(|n| n.list(faults))
            .unwrap_or_default()
        {
            exchanges.extend(Exchange::read(node, faults));
        }
        let output = fields.entry("output").map(|entry| &entry.value);
        let error = fields.take("error");
        let record = fields.take("record");
        fields.close(faults);
        if output.is_some() == error.is_some() {
            faults.error(
                "missing_key",
                node.span,
                "a case expects one of `output` and `error`",
            );
        }
        Some(Self {
            name: name?,
            span: node.span,
            what: what?,
            connection: connection.unwrap_or_else(|| shared.connection.clone()),
            input,
            key: key.unwrap_or(shared.key),
            exchanges,
            output,
            error,
            record,
        })
    }
}

impl<'n> Exchange<'n> {
    fn read(node: &'n Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, "an exchange", faults)?;
        let request = fields.need("request", faults);
        let response = fields
            .need("response", faults)
            .and_then(|n| response(n, faults));
        fields.close(faults);
        let node = request?;
        let mut fields = Fields::of(node, "a recorded request", faults)?;
        let mut found = None;
        for (key, method) in [
            ("get", "GET"),
            ("head", "HEAD"),
            ("post", "POST"),
            ("put", "PUT"),
            ("patch", "PATCH"),
            ("delete", "DELETE"),
        ] {
            if let Some(url) = fields.take(key) {
                found = Some((method, url.text(faults)?));
            }
        }
        if found.is_none() {
            faults.error(
                "missing_key",
                node.span,
                "a recorded request has a method and an address: `get: https://…`",
            );
        }
        let headers = headers(fields.take("headers"), faults);
        let json = fields.entry("json").map(|entry| Body::Json(&entry.value));
        let text = fields.take("text").map(Body::Text);
        fields.close(faults);
        let (method, url) = found?;
        Some(Self {
            span: node.span,
            method,
            url,
            headers,
            body: json.or(text).unwrap_or(Body::None),
            response: response?,
        })
    }
}

fn response(node: &Node, faults: &mut Faults) -> Option<Response> {
    let mut fields = Fields::of(node, "an answer", faults)?;
    let status = match fields.take("status") {
        Some(node) => node.integer(100, 599, faults)?,
        None => 200,
    };
    let headers = headers(fields.take("headers"), faults);
    let body = fields.take("body").map(Node::to_json).unwrap_or_default();
    fields.close(faults);
    Some(Response {
        status: u16::try_from(status).ok()?,
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        body,
    })
}

fn headers<'n>(node: Option<&'n Node>, faults: &mut Faults) -> Vec<(String, &'n str)> {
    let entries = match node.map(|n| &n.data) {
        None | Some(Data::Null) => &[],
        Some(_) => node.and_then(|n| n.map(faults)).unwrap_or_default(),
    };
    entries
        .iter()
        .filter_map(|e| Some((e.key.to_ascii_lowercase(), e.value.text(faults)?)))
        .collect()
}
