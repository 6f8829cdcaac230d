//! `core.render`: a text of the flow's own. Its expressions were evaluated before it came here, as those of every step; nothing in it is
//! looked at for braces again, so data that holds some stays as it is.

use actas_core::StepError;
use serde_json::{Value, json};

use super::copies::Copies;

/// Performs the module.
pub fn render(input: &Value) -> Result<Value, StepError> {
    let text = match &input["text"] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => {
            // As an expression in a text shows it.
            let _ = Copies::new().copy(other)?;
            other.to_string()
        }
    };
    let text = if input["tidy"] == true {
        tidy(&text)
    } else {
        text
    };
    Ok(json!({"lines": text.lines().count(), "text": text}))
}

/// Without white space at the ends of lines, and without empty lines but single ones inside.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut apart = false;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            apart = true;
            continue;
        }
        if !tidied.is_empty() {
            tidied.push_str(if apart { "\n\n" } else { "\n" });
        }
        apart = false;
        tidied.push_str(line);
    }
    tidied
}
