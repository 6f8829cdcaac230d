//! What manifests are refused for, and what the interpreter asks and answers.

mod answers;
mod encoding;
mod faults;
mod interpreter;
mod reading;
mod sign_in;

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{Manifest, Natives, Performance, Progress, Response, parse};
use crate::diagnostic::render;

/// A manifest that must be without fault.
fn manifest(text: &str) -> Arc<Manifest> {
    let parsed = parse(text);
    assert_eq!(render("app.yaml", text, &parsed.diagnostics, false), "");
    Arc::new(parsed.manifest.expect("a manifest without faults"))
}

/// An app with one module, whose body is given, at `https://api.example/v1`.
fn app(module: &str) -> Arc<Manifest> {
    let module = module.replace('\n', "\n    ");
    manifest(&format!(
        "app: demo\nversion: 1\nbase_url: https://api.example/v1\nmodules:\n  it:\n    {module}\n"
    ))
}

/// An answer with a JSON body.
fn answer(status: u16, body: Value) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body,
    }
}

/// An answer with one header and no body.
fn answer_with(status: u16, header: (&str, &str)) -> Response {
    Response {
        status,
        headers: vec![(header.0.to_owned(), header.1.to_owned())],
        body: Value::Null,
    }
}

/// What goes over the wire and what comes of it, one line each, for these answers.
fn play(manifest: &Arc<Manifest>, input: Value, answers: &[Response]) -> String {
    let facts = json!({"url": "https://acme.example"});
    let mut out = String::new();
    let started = Performance::start(
        manifest,
        &manifest.modules["it"],
        &Natives::default(),
        input,
        facts,
        "key-1",
    );
    let mut answers = answers.iter();
    let ended = started.and_then(|(mut performance, mut progress)| {
        loop {
            match progress {
                Progress::Done { output, record } => break Ok((output, record)),
                Progress::Call(call) => {
                    let _ = writeln!(out, "{} {}", call.method.as_str(), call.url);
                    for (name, value) in call
                        .headers
                        .iter()
                        .filter(|(n, v)| n != "accept" || v != "application/json")
                    {
                        let _ = writeln!(out, "  {name}: {value}");
                    }
                    if let Some(body) = &call.body {
                        let _ = writeln!(out, "  {}", String::from_utf8_lossy(body));
                    }
                    let Some(answer) = answers.next() else {
                        return Ok((json!("(no more answers)"), None));
                    };
                    progress = performance.next(answer)?;
                }
            }
        }
    });
    let _ = match ended {
        Ok((output, None)) => writeln!(out, "= {output}"),
        Ok((output, Some(record))) => writeln!(out, "= {output} ({} {})", record.kind, record.id),
        Err(error) => writeln!(
            out,
            "! {}",
            serde_json::to_string(&error).expect("errors are JSON")
        ),
    };
    out
}
