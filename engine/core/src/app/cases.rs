//! Cases: recorded requests and answers beside a manifest, `cases.yaml`. They are an app's tests and need no network: what the
//! interpreter asks is compared with what was recorded, and what it makes of the recorded answers with what is expected.
//!
//! ```yaml
//! cases:
//!   - case: a record is created with the step's key
//!     module: create_record
//!     connection: {instance_url: "https://acme.example"}   # the connection's settings
//!     input: {object: Account, fields: {Name: Acme}}
//!     key: k-1                                             # the idempotency key; `key` if not said
//!     calls:
//!       - post: https://acme.example/api/v1/records/Account
//!         headers: {idempotency-key: k-1}                  # these at least
//!         json: {Name: Acme}                               # or `text`; none means no body
//!         answer: {status: 201, headers: {}, json: {id: r_1}}
//!     output: {id: r_1}                                    # or `error: {kind: not_found}`, its other fields if said
//!     record: {type: Account, id: r_1}
//!   - case: the account is known
//!     account: {subject: u_1, name: ana@example}           # instead of a module
//!     calls: […]
//! ```

use std::sync::Arc;

use serde_json::Value;

use crate::app::interpret::{Account, Call, Performance, Progress, RecordRef, Response};
use crate::app::manifest::Manifest;
use crate::app::native::Natives;
use crate::diagnostic::{Diagnostic, Faults, Span, did_you_mean};
use crate::error::StepError;
use crate::yaml::{self, Fields, Node};

/// What came of a file of cases.
#[derive(Debug)]
pub struct Ran {
    /// The names of the cases, in order.
    pub cases: Vec<String>,
    /// The modules that some case performs.
    pub modules: Vec<String>,
    /// Faults of the file, and what came out differently.
    pub diagnostics: Vec<Diagnostic>,
}

/// Runs all cases of a file against a manifest.
pub fn run(manifest: &Arc<Manifest>, natives: &Natives, text: &str) -> Ran {
    let mut ran = Ran {
        cases: Vec::new(),
        modules: Vec::new(),
        diagnostics: Vec::new(),
    };
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(diagnostics) => return Ran { diagnostics, ..ran },
    };
    let mut faults = Faults::default();
    if let Some(mut fields) = Fields::of(&root, "a file of cases", &mut faults) {
        let cases = fields
            .need("cases", &mut faults)
            .and_then(|n| n.list(&mut faults))
            .unwrap_or_default();
        fields.close(&mut faults);
        for node in cases {
            let before = faults.len();
            if let Some(case) = Case::read(node, manifest, &mut faults) {
                ran.cases.push(case.name.to_owned());
                if let What::Module(module) = case.what {
                    ran.modules.push(module.to_owned());
                }
                if faults.len() == before {
                    case.run(manifest, natives, &mut faults);
                }
            }
        }
    }
    ran.diagnostics = faults.finish();
    ran
}

struct Case<'n> {
    name: &'n str,
    span: Span,
    what: What<'n>,
    connection: Value,
    input: Value,
    key: &'n str,
    calls: Vec<Recorded<'n>>,
    output: Option<&'n Node>,
    error: Option<&'n Node>,
    record: Option<&'n Node>,
}

#[derive(Clone, Copy)]
enum What<'n> {
    Module(&'n str),
    Account(Option<&'n Node>),
}

struct Recorded<'n> {
    span: Span,
    method: &'static str,
    url: &'n str,
    headers: Vec<(String, &'n str)>,
    body: Option<(bool, &'n Node)>,
    answer: Response,
}

impl<'n> Case<'n> {
    fn read(node: &'n Node, manifest: &Manifest, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, "a case", faults)?;
        let name = fields.need("case", faults).and_then(|n| n.text(faults));
        let account = fields.take("account");
        let module = fields.take("module");
        let what = match (module, account) {
            (Some(node), _) => node.text(faults).map(|text| {
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
            (None, Some(node)) => Some(What::Account(Some(node))),
            (None, None) => {
                faults.push(
                    Diagnostic::error("missing_key", node.span, "the case names no module")
                        .with_help("write `module: NAME`, or `account: {subject: …, name: …}` for the account"),
                );
                None
            }
        };
        let json = |node: Option<&Node>| node.map(Node::to_json).unwrap_or_default();
        let connection = json(fields.take("connection"));
        let input = json(fields.take("input"));
        let key = fields
            .take("key")
            .and_then(|n| n.text(faults))
            .unwrap_or("key");
        let mut calls = Vec::new();
        for node in fields
            .take("calls")
            .and_then(|n| n.list(faults))
            .unwrap_or_default()
        {
            calls.extend(Recorded::read(node, faults));
        }
        let case = Case {
            name: name?,
            span: node.span,
            what: what?,
            connection,
            input,
            key,
            calls,
            output: fields.entry("output").map(|entry| &entry.value),
            error: fields.take("error"),
            record: fields.take("record"),
        };
        fields.close(faults);
        if matches!(case.what, What::Module(_)) && case.output.is_some() == case.error.is_some() {
            faults.error(
                "missing_key",
                case.span,
                "a case of a module expects one of `output` and `error`",
            );
        }
        Some(case)
    }

    fn run(&self, manifest: &Arc<Manifest>, natives: &Natives, faults: &mut Faults) {
        match self.what {
            What::Account(expected) => self.account(manifest, expected, faults),
            What::Module(module) => {
                let Some(module) = manifest.modules.get(module) else {
                    return;
                };
                let mut calls = self.calls.iter();
                let started = Performance::start(
                    manifest,
                    module,
                    natives,
                    self.input.clone(),
                    self.connection.clone(),
                    self.key,
                );
                let ended = started.and_then(|(mut performance, mut progress)| {
                    loop {
                        match progress {
                            Progress::Done { output, record } => break Ok(Some((output, record))),
                            Progress::Call(call) => {
                                let Some(recorded) = calls.next() else {
                                    faults.error(
                                        "case_failed",
                                        self.span,
                                        format!("an unrecorded request: {}", shown(&call)),
                                    );
                                    break Ok(None);
                                };
                                recorded.compare(&call, module.needs_connection, faults);
                                progress = performance.next(&recorded.answer)?;
                            }
                        }
                    }
                });
                if let Some(call) = calls.next() {
                    faults.error(
                        "case_failed",
                        call.span,
                        format!("this request was not made: {} {}", call.method, call.url),
                    );
                }
                match ended {
                    Ok(None) => {}
                    Ok(Some((output, record))) => self.compare(&output, record.as_ref(), faults),
                    Err(error) => self.failed(&error, faults),
                }
            }
        }
    }

    fn compare(&self, output: &Value, record: Option<&RecordRef>, faults: &mut Faults) {
        match (self.output, self.error) {
            (Some(expected), _) => same(
                expected.span,
                "the output",
                output,
                &expected.to_json(),
                faults,
            ),
            (None, _) => faults.error(
                "case_failed",
                self.span,
                format!("an error was expected; the output is {output}"),
            ),
        }
        let record = serde_json::to_value(record).unwrap_or_default();
        match self.record {
            Some(expected) => same(
                expected.span,
                "the record",
                &record,
                &expected.to_json(),
                faults,
            ),
            None if record.is_null() => {}
            None => faults.error(
                "case_failed",
                self.span,
                format!("the record {record} was not expected"),
            ),
        }
    }

    fn failed(&self, error: &StepError, faults: &mut Faults) {
        let found = serde_json::to_value(error).unwrap_or_default();
        let Some(expected) = self.error else {
            faults.error("case_failed", self.span, format!("it failed: {found}"));
            return;
        };
        for entry in expected.map(faults).unwrap_or_default() {
            let value = found.get(&entry.key).cloned().unwrap_or_default();
            same(
                entry.value.span,
                &format!("the error's `{}`", entry.key),
                &value,
                &entry.value.to_json(),
                faults,
            );
        }
    }

    fn account(&self, manifest: &Manifest, expected: Option<&Node>, faults: &mut Faults) {
        let found = manifest.account_call(&self.connection).and_then(|call| {
            match (call, self.calls.as_slice()) {
                (Some(call), [recorded]) => {
                    recorded.compare(&call, true, faults);
                    manifest
                        .account(&self.connection, &recorded.answer)
                        .map(Some)
                }
                (Some(call), _) => {
                    faults.error(
                        "case_failed",
                        self.span,
                        format!("exactly one request is made: {}", shown(&call)),
                    );
                    Ok(None)
                }
                (None, _) => {
                    faults.error("case_failed", self.span, "this app asks for no account");
                    Ok(None)
                }
            }
        });
        match (found, expected) {
            (Ok(Some(Account { subject, name })), Some(expected)) if self.error.is_none() => {
                let found = serde_json::json!({"subject": subject, "name": name});
                same(
                    expected.span,
                    "the account",
                    &found,
                    &expected.to_json(),
                    faults,
                );
            }
            (Ok(Some(account)), _) => {
                faults.error(
                    "case_failed",
                    self.span,
                    format!("an error was expected; the account is `{}`", account.name),
                );
            }
            (Ok(None), _) => {}
            (Err(error), _) => self.failed(&error, faults),
        }
    }
}

impl<'n> Recorded<'n> {
    fn read(node: &'n Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, "a recorded call", faults)?;
        let methods = [
            ("get", "GET"),
            ("head", "HEAD"),
            ("post", "POST"),
            ("put", "PUT"),
            ("patch", "PATCH"),
            ("delete", "DELETE"),
        ];
        let mut found = None;
        for (key, method) in methods {
            if let Some(url) = fields.take(key) {
                found = Some((method, url.text(faults)?));
            }
        }
        let headers = headers(fields.take("headers"), faults);
        let body = body(&mut fields);
        let answer = fields
            .need("answer", faults)
            .and_then(|n| answer(n, faults));
        fields.close(faults);
        if found.is_none() {
            faults.error(
                "missing_key",
                node.span,
                "the recorded call has no method, such as `get: https://…`",
            );
        }
        let (method, url) = found?;
        Some(Self {
            span: node.span,
            method,
            url,
            headers,
            body,
            answer: answer?,
        })
    }

    fn compare(&self, call: &Call, authenticated: bool, faults: &mut Faults) {
        let found = format!("{} {}", call.method.as_str(), call.url);
        let expected = format!("{} {}", self.method, self.url);
        if found != expected {
            faults.error(
                "case_failed",
                self.span,
                format!("the request is `{found}`, not `{expected}`"),
            );
        }
        if call.authenticated != authenticated {
            faults.error(
                "case_failed",
                self.span,
                "the credential goes where it should not, or not where it should",
            );
        }
        for (name, expected) in &self.headers {
            let found = call
                .headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| value.as_str());
            if found != Some(*expected) {
                let found = found.unwrap_or("missing");
                faults.error(
                    "case_failed",
                    self.span,
                    format!("the header `{name}` is `{found}`, not `{expected}`"),
                );
            }
        }
        match (&self.body, &call.body) {
            (None, None) => {}
            (None, Some(body)) => {
                let body = String::from_utf8_lossy(body);
                faults.error(
                    "case_failed",
                    self.span,
                    format!("the request has a body that was not recorded: {body}"),
                );
            }
            (Some((_, node)), None) => {
                faults.error("case_failed", node.span, "the request has no body")
            }
            (Some((true, node)), Some(body)) => {
                let body = serde_json::from_slice(body).unwrap_or_default();
                same(node.span, "the body", &body, &node.to_json(), faults);
            }
            (Some((false, node)), Some(body)) => {
                let body = Value::from(String::from_utf8_lossy(body));
                same(node.span, "the body", &body, &node.to_json(), faults);
            }
        }
    }
}

fn headers<'n>(node: Option<&'n Node>, faults: &mut Faults) -> Vec<(String, &'n str)> {
    let entries = node.and_then(|n| n.map(faults)).unwrap_or_default();
    entries
        .iter()
        .filter_map(|e| Some((e.key.to_ascii_lowercase(), e.value.text(faults)?)))
        .collect()
}

/// The body, and whether it is JSON.
fn body<'n>(fields: &mut Fields<'n>) -> Option<(bool, &'n Node)> {
    let json = fields.entry("json").map(|entry| (true, &entry.value));
    let text = fields.take("text").map(|node| (false, node));
    json.or(text)
}

fn answer(node: &Node, faults: &mut Faults) -> Option<Response> {
    let mut fields = Fields::of(node, "an answer", faults)?;
    let status = match fields.take("status") {
        Some(node) => node.integer(100, 599, faults)?,
        None => 200,
    };
    let headers = headers(fields.take("headers"), faults);
    let body = body(&mut fields);
    fields.close(faults);
    Some(Response {
        status: u16::try_from(status).ok()?,
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        body: body.map(|(_, node)| node.to_json()).unwrap_or_default(),
    })
}

fn same(span: Span, what: &str, found: &Value, expected: &Value, faults: &mut Faults) {
    if !equal(found, expected) {
        faults.error(
            "case_failed",
            span,
            format!("{what} is {found}, not {expected}"),
        );
    }
}

/// Equal as JSON: `1` and `1.0` are one number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn shown(call: &Call) -> String {
    format!("{} {}", call.method.as_str(), call.url)
}
