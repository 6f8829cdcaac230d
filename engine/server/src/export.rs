//! A version as a file: the language people write, from the flow that was frozen. What is exported validates and means the same; a
//! build-time value cannot be in it, because a flow has no place for one.

use std::fmt::Write;
use std::time::Duration;

use actas_core::flow::{Flow, Input, Step};
use actas_core::yaml::format_duration;
use serde_json::{Map, Value, json};

use crate::triggers;

/// The file's text, in YAML.
pub fn yaml(flow: &Flow) -> String {
    let mut text = String::new();
    write_map(&mut text, &file(flow), 0);
    text
}

/// The file as JSON values, keys in the order people write them.
fn file(flow: &Flow) -> Map<String, Value> {
    let mut file = Map::new();
    let mut put = |key: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if !empty {
            file.insert(key.to_owned(), value);
        }
    };
    put("language", json!(flow.language));
    put("flow", json!(flow.flow));
    put("title", json!(flow.title));
    put("description", json!(flow.description));
    put("trigger", triggers::written(&flow.trigger));
    let inputs: Map<String, Value> = flow
        .inputs
        .iter()
        .map(|(name, given)| (name.clone(), input(given)))
        .collect();
    put("inputs", Value::Object(inputs));
    put("connections", json!(flow.connections));
    let steps: Map<String, Value> = flow
        .steps
        .iter()
        .map(|(id, written)| (id.to_string(), step(written)))
        .collect();
    put("steps", Value::Object(steps));
    put("outputs", json!(flow.outputs));
    let limits: Map<String, Value> = [("run", flow.limits.run_ms), ("pause", flow.limits.pause_ms)]
        .into_iter()
        .filter_map(|(key, millis)| Some((key.to_owned(), duration(millis?.0))))
        .collect();
    put("limits", Value::Object(limits));
    file
}

fn duration(millis: u64) -> Value {
    Value::String(format_duration(Duration::from_millis(millis)))
}

fn input(input: &Input) -> Value {
    let mut written = input.schema.clone();
    if let (false, Some(members)) = (input.required, written.as_object_mut())
        && !members.contains_key("default")
    {
        members.insert("required".into(), json!(false));
    }
    written
}

fn step(step: &Step) -> Value {
    let mut written = json!(step);
    if let Some(members) = written.as_object_mut() {
        if let Some(millis) = members.remove("timeout_ms").and_then(|v| v.as_u64()) {
            members.insert("timeout".into(), duration(millis));
        }
        if let Some(retry) = &step.retry {
            members.insert(
                "retry".into(),
                json!({
                    "attempts": retry.attempts,
                    "first_delay": duration(retry.first_delay_ms.0),
                    "max_delay": duration(retry.max_delay_ms.0),
                }),
            );
        }
    }
    written
}

fn write_map(text: &mut String, map: &Map<String, Value>, indent: usize) {
    for (key, value) in map {
        let _ = write!(text, "{:indent$}{}:", "", word(key));
        write_value(text, value, indent);
    }
}

fn write_value(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            write_map(text, map, indent + 2);
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            text.push('\n');
            for item in items {
                // JSON is YAML: what is nested deeper in a list stands on one line.
                let _ = writeln!(text, "{:1$}- {item}", "", indent + 2);
            }
        }
        Value::String(one) => {
            let _ = writeln!(text, " {}", word(one));
        }
        other => {
            let _ = writeln!(text, " {other}");
        }
    }
}

/// A text as YAML: bare where nobody could read it as anything else, else in JSON's quotes.
fn word(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" _-./".contains(&b))
        && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if bare {
        text.to_owned()
    } else {
        Value::String(text.to_owned()).to_string()
    }
}
