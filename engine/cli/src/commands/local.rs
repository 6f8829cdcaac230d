//! What needs no server: checking files and printing schemas.

use std::io::stderr;
use std::path::Path;

use actas_core::app::{self, Apps};
use actas_core::diagnostic::{Diagnostic, Severity, render};
use actas_core::{flow, schema};
use serde_json::{Value, json};

use crate::args::SchemaOf;
use crate::exit::{Done, Failed};
use crate::output::{Output, colour};

/// `validate FILE…`: every fault of every file, in one go.
///
/// # Errors
/// Exit 1 if any file has an error.
pub fn validate(files: &[std::path::PathBuf], apps: &Apps, output: Output) -> Done {
    let mut faults = 0;
    let mut documents = Vec::new();
    for file in files {
        let text = read(file)?;
        let diagnostics = check(file, &text, apps);
        faults += diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .count();
        if output.json {
            documents.push(json!({"file": file.display().to_string(), "diagnostics": diagnostics}));
        } else if !diagnostics.is_empty() {
            output.say(&render(
                &file.display().to_string(),
                &text,
                &diagnostics,
                colour(&stderr()),
            ));
        }
    }
    if output.json {
        output.data(&Value::Array(documents), Value::to_string)?;
    }
    if faults > 0 {
        output.say(&format!(
            "{faults} {} in {}",
            plural(faults, "error", "errors"),
            count(files.len())
        ));
        return Err(Failed::Said);
    }
    output.say(&format!("{} without errors", count(files.len())));
    Ok(())
}

/// A flow, or an app manifest if it says `app:` at its top.
fn check(file: &Path, text: &str, apps: &Apps) -> Vec<Diagnostic> {
    let is_manifest = file.file_name().is_some_and(|name| name == "app.yaml")
        || text.lines().any(|line| line.starts_with("app:"));
    if is_manifest {
        app::parse(text).diagnostics
    } else {
        flow::parse(text, apps).diagnostics
    }
}

/// `schema flow|app`.
///
/// # Errors
/// If standard output is closed.
pub fn schema(of: SchemaOf, output: Output) -> Done {
    let schema = match of {
        SchemaOf::Flow => schema::flow_schema(),
        SchemaOf::App => app::manifest_schema(),
    };
    output.text(&serde_json::to_string_pretty(&schema).unwrap_or_default())
}

/// A file's text.
///
/// # Errors
/// Exit 2 with what to do.
pub fn read(file: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(file)
        .map_err(|e| Failed::Usage(format!("{} cannot be read: {e}", file.display())))
}

fn count(files: usize) -> String {
    format!("{files} {}", plural(files, "file", "files"))
}

fn plural<'a>(n: usize, one: &'a str, many: &'a str) -> &'a str {
    if n == 1 { one } else { many }
}
