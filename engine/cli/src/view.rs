//! A run as a picture of its steps: one line each, with state, attempts, time, and the account it acted as.

use std::fmt::Write;

use actas_core::Time;
use owo_colors::OwoColorize;
use serde_json::Value;

use crate::output::{cell, clean};

/// The whole picture: a heading, the steps in their order, what a pause needs, and the end.
pub fn run(document: &Value, colour: bool) -> String {
    let mut text = String::new();
    let version = match document.get("version") {
        Some(Value::Number(number)) => format!("version {number}"),
        _ => "draft".to_owned(),
    };
    let _ = writeln!(
        text,
        "{}  {}  {version}  as {}",
        paint(&cell(document, "flow"), "bold", colour),
        paint(&cell(document, "run"), "dim", colour),
        cell(document, "invoker")
    );
    for (id, step) in in_order(document) {
        let _ = writeln!(text, "{}", step_line(id, step, colour));
    }
    text.push_str(&pause(document, colour));
    text.push_str(&end(document, colour));
    text.trim_end().to_owned()
}

/// The steps: as they began, then the one that is held up, then those to come.
fn in_order(document: &Value) -> Vec<(&String, &Value)> {
    let mut steps: Vec<_> = document
        .get("steps")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .collect();
    steps.sort_by_key(|(_, step)| {
        let at = |key: &str| step.get(key).and_then(Value::as_str).and_then(Time::parse);
        // Pure steps may begin and end within the same microsecond.
        let began =
            at("started_at").map_or((1, None, None), |began| (0, Some(began), at("finished_at")));
        (began, cell(step, "state") == "pending")
    });
    steps
}

/// One step.
pub fn step_line(id: &str, step: &Value, colour: bool) -> String {
    let state = cell(step, "state");
    let (mark, tone) = match state.as_str() {
        "succeeded" => ("✓", "green"),
        "failed" => ("✗", "red"),
        "running" => ("▸", "cyan"),
        "paused" => ("‖", "yellow"),
        "skipped" => ("–", "dim"),
        "waiting" | "retrying" => ("…", "yellow"),
        _ => ("·", "dim"),
    };
    let mut line = format!(
        "  {} {:<20} {:<32}",
        paint(mark, tone, colour),
        id,
        cell(step, "module")
    );
    if let Some(took) = took(step) {
        let _ = write!(line, " {took:>8}");
    }
    if step.get("attempts").and_then(Value::as_u64).unwrap_or(0) > 1 {
        let _ = write!(line, "  {} attempts", cell(step, "attempts"));
    }
    if step.get("acted_as").is_some_and(Value::is_object) {
        let _ = write!(
            line,
            "  as {} ({})",
            cell(step, "acted_as.account"),
            cell(step, "acted_as.rule")
        );
    }
    if matches!(state.as_str(), "skipped" | "paused" | "waiting") {
        let _ = write!(line, "  {}", paint(&state, tone, colour));
    }
    if let Some(message) = step.pointer("/error/message").and_then(Value::as_str) {
        let _ = write!(line, "\n      {}", paint(&clean(message), "red", colour));
    }
    line.trim_end().to_owned()
}

/// What a paused run needs, in words, with the link.
pub fn pause(document: &Value, colour: bool) -> String {
    let mut text = String::new();
    let connections = document
        .pointer("/paused/connections")
        .and_then(Value::as_array);
    for one in connections.into_iter().flatten() {
        let why = match cell(one, "reason").as_str() {
            "missing" => "has no account connected yet",
            "expired" => "has an account whose access ran out",
            "revoked" => "has an account that the app no longer lets in",
            "disconnected" => "disconnected the account",
            "scopes" => "has to allow more",
            "consent" => "has to agree that this flow uses the account",
            "declined" => "said no; changing one's mind is still possible",
            _ => "is needed",
        };
        let _ = writeln!(
            text,
            "  {} {} {why} at {}\n      {}",
            paint("paused:", "yellow", colour),
            cell(one, "person"),
            cell(one, "app"),
            cell(one, "url")
        );
    }
    text
}

/// How it ended, if it has.
pub fn end(document: &Value, colour: bool) -> String {
    let state = cell(document, "state");
    let mut text = match state.as_str() {
        "succeeded" => paint("succeeded", "green", colour),
        "failed" => paint("failed", "red", colour),
        "cancelled" => paint("cancelled", "yellow", colour),
        _ => return String::new(),
    };
    if let Some(error) = document.get("error").filter(|e| e.is_object()) {
        let _ = write!(
            text,
            " at {}: {}",
            cell(error, "step"),
            cell(error, "message")
        );
        if error.get("help").is_some_and(Value::is_string) {
            let _ = write!(text, "\n  help: {}", cell(error, "help"));
        }
    }
    if let Some(outputs) = document
        .get("outputs")
        .filter(|o| o.as_object().is_some_and(|o| !o.is_empty()))
    {
        let _ = write!(text, "  {outputs}");
    }
    text.push('\n');
    text
}

/// Whether the document is of a run that will not move any more.
pub fn ended(document: &Value) -> bool {
    matches!(
        cell(document, "state").as_str(),
        "succeeded" | "failed" | "cancelled"
    )
}

/// Whether a person is needed.
pub fn paused(document: &Value) -> bool {
    document.get("paused").is_some_and(Value::is_object)
}

fn took(step: &Value) -> Option<String> {
    let at = |key: &str| step.get(key).and_then(Value::as_str).and_then(Time::parse);
    let took = at("finished_at")?.since(at("started_at")?);
    Some(if took.as_secs() >= 10 {
        format!("{} s", took.as_secs())
    } else if took.as_millis() >= 1000 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} ms", took.as_millis())
    })
}

fn paint(text: &str, tone: &str, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    match tone {
        "green" => text.green().to_string(),
        "red" => text.red().to_string(),
        "yellow" => text.yellow().to_string(),
        "cyan" => text.cyan().to_string(),
        "bold" => text.bold().to_string(),
        _ => text.dimmed().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_paused_run_says_what_is_needed_and_from_whom() {
        let document = json!({
            "run": "run_1", "flow": "win", "version": 3, "state": "paused", "invoker": "ana",
            "steps": {
                "find": {"state": "succeeded", "module": "core.set", "attempts": 1,
                         "started_at": "2026-11-20T11:00:00Z", "finished_at": "2026-11-20T11:00:00.012Z"},
                "create": {"state": "paused", "module": "sandbox_crm.create_record", "attempts": 0}
            },
            "paused": {"for": "sign_in", "connections": [{"slot": "crm", "app": "sandbox_crm", "person": "ana", "reason": "missing",
                       "url": "http://localhost:8080/connect/si_1"}]}
        });
        expect![[r#"
            win  run_1  version 3  as ana
              ✓ find                 core.set                            12 ms
              ‖ create               sandbox_crm.create_record         paused
              paused: ana has no account connected yet at sandbox_crm
                  http://localhost:8080/connect/si_1"#]]
        .assert_eq(&run(&document, false));
    }
}
