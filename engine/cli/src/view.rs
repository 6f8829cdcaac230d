//! A run as a picture of its steps: one line each, with state, attempts, time, and the account it acted as.

use std::fmt::Write;

use actas_core::Time;
use owo_colors::OwoColorize;
use serde_json::Value;

use crate::output::{cell, clean, items, texts};

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

/// The steps as a tree: on each level as they began, then the one that is held up, then those to come; what is inside a step stands under it.
fn in_order(document: &Value) -> Vec<(&String, &Value)> {
    let steps: Vec<_> = document
        .get("steps")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .collect();
    // Paths whose owner is not in the document would be lost in a tree: they stand at the top.
    let mut inside: std::collections::BTreeMap<&str, Vec<(&String, &Value)>> =
        std::collections::BTreeMap::new();
    for (id, step) in steps {
        let owner = owner(id).filter(|owner| document["steps"].get(owner).is_some());
        inside
            .entry(owner.unwrap_or_default())
            .or_default()
            .push((id, step));
    }
    for level in inside.values_mut() {
        level.sort_by_key(|(id, step)| {
            let at = |key: &str| step.get(key).and_then(Value::as_str).and_then(Time::parse);
            // Pure steps may begin and end within the same microsecond.
            let began = at("started_at")
                .map_or((1, None, None), |began| (0, Some(began), at("finished_at")));
            (item(id), began, cell(step, "state") == "pending")
        });
    }
    let mut ordered = Vec::new();
    let mut open: Vec<(&String, &Value)> = inside.remove("").unwrap_or_default();
    open.reverse();
    while let Some((id, step)) = open.pop() {
        ordered.push((id, step));
        let mut under = inside.remove(id.as_str()).unwrap_or_default();
        under.reverse();
        open.extend(under);
    }
    ordered
}

/// The step that a path stands in: `lines` of `lines[37]/add`, `old` of `old/on_error/keep`, `create` of `create/undo`.
fn owner(path: &str) -> Option<&str> {
    let (above, last) = path.rsplit_once('/')?;
    let above = above.strip_suffix("/on_error").unwrap_or(above);
    let above = match above.strip_suffix(']').and_then(|a| a.rsplit_once('[')) {
        Some((above, _)) => above,
        None => above,
    };
    (!last.is_empty()).then_some(above)
}

/// The number of the item or round that a path stands in; items stand in their order.
fn item(path: &str) -> Option<u64> {
    let (above, _) = path.rsplit_once('/')?;
    let (_, number) = above.strip_suffix(']')?.rsplit_once('[')?;
    number.parse().ok()
}

/// How a step is named under its owner, and how deep it stands.
fn branch(id: &str) -> String {
    let mut depth = 0;
    let mut above = id;
    while let Some(next) = owner(above) {
        depth += 1;
        above = next;
    }
    if depth == 0 {
        return id.to_owned();
    }
    let own = owner(id).map_or(id, |owner| id[owner.len()..].trim_start_matches('/'));
    format!("{}{own}", "  ".repeat(depth))
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
        branch(id),
        match cell(step, "module").as_str() {
            "-" => String::new(),
            module => module.to_owned(),
        }
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

/// One thing that a paused run asks of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Of whom: a login, or several with `role:NAME` among them.
    pub of: String,
    /// What about them, in words.
    pub what: String,
    /// Where they answer.
    pub url: String,
}

/// What a paused run needs: sign-ins, approvals, decisions.
pub fn asked(document: &Value) -> Vec<Asked> {
    let paused = document.get("paused").unwrap_or(&Value::Null);
    let own = |one: &Value| cell(one, "person") == cell(document, "invoker");
    // Several accounts of one person are connected at one page.
    let several = items(paused, "connections").filter(|one| own(one)).count() > 1;
    let sign_ins = items(paused, "connections").map(|one| {
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
        Asked {
            of: cell(one, "person"),
            what: format!("{why} at {}", cell(one, "app")),
            url: if several && own(one) && paused["url"].is_string() {
                cell(paused, "url")
            } else {
                cell(one, "url")
            },
        }
    });
    let approvals = items(paused, "approvals").map(|one| Asked {
        of: who(one),
        what: match cell(one, "title").as_str() {
            "-" => format!("has to decide {}", cell(one, "step")),
            title => format!("has to decide: {title}"),
        },
        url: cell(one, "url"),
    });
    let decisions = items(paused, "decisions").map(|one| Asked {
        of: who(one),
        what: format!(
            "has to say whether {} happened: {}",
            cell(one, "step"),
            cell(one, "error.message")
        ),
        url: cell(one, "url"),
    });
    sign_ins.chain(approvals).chain(decisions).collect()
}

fn who(one: &Value) -> String {
    match texts(one, "who") {
        none if none.is_empty() => "somebody".to_owned(),
        some => some.join(" or "),
    }
}

/// What a paused run needs, in words, with the links.
pub fn pause(document: &Value, colour: bool) -> String {
    let mut text = String::new();
    let asked = asked(document);
    for (place, one) in asked.iter().enumerate() {
        let _ = writeln!(
            text,
            "  {} {} {}",
            paint("paused:", "yellow", colour),
            one.of,
            one.what,
        );
        // What is answered at one page stands together over its address.
        if asked.get(place + 1).is_none_or(|next| next.url != one.url) {
            let _ = writeln!(text, "      {}", one.url);
        }
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

    #[test]
    fn what_is_inside_a_step_stands_under_it() {
        let step =
            |state: &str, module: Value| json!({"state": state, "module": module, "attempts": 1});
        let mut steps = serde_json::Map::new();
        for (path, module) in [
            ("approve", json!("core.approve")),
            ("lines", Value::Null),
            ("lines[0]/add", json!("sandbox_crm.create_record")),
            ("lines[10]/add", json!("sandbox_crm.create_record")),
            ("lines[2]/add", json!("sandbox_crm.create_record")),
            ("old", json!("core.fail")),
            ("old/on_error/keep", json!("core.set")),
            ("route", Value::Null),
            ("route/tell", json!("core.log")),
        ] {
            steps.insert(path.into(), step("succeeded", module));
        }
        steps["approve"] = json!({"state": "paused", "module": "core.approve", "attempts": 0});
        let document = json!({
            "run": "run_1", "flow": "win", "version": 3, "state": "paused", "invoker": "ana", "steps": steps,
            "paused": {"for": "approval", "approvals": [{"step": "approve", "title": "Approve op_7", "who": ["ben", "role:admin"], "url": "http://localhost/approvals/rq_1"}],
                       "decisions": [{"step": "lines[2]/add", "who": ["ana"], "error": {"message": "nobody knows"}, "url": "http://localhost/approvals/rq_2"}]}
        });
        expect![[r#"
            win  run_1  version 3  as ana
              ‖ approve              core.approve                      paused
              ✓ lines
              ✓   [0]/add            sandbox_crm.create_record
              ✓   [2]/add            sandbox_crm.create_record
              ✓   [10]/add           sandbox_crm.create_record
              ✓ old                  core.fail
              ✓   on_error/keep      core.set
              ✓ route
              ✓   tell               core.log
              paused: ben or role:admin has to decide: Approve op_7
                  http://localhost/approvals/rq_1
              paused: ana has to say whether lines[2]/add happened: nobody knows
                  http://localhost/approvals/rq_2"#]]
        .assert_eq(&run(&document, false));
    }
}
