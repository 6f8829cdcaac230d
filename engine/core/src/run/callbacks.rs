//! How the address of a callback stands in a run before it is made: `{{ callbacks.STEP }}` gives a word that means nothing to anybody. Only in the
//! input of a step that is about to act outside is it replaced by the address, which no journal, output or error ever holds.

use serde_json::Value;

use crate::ids::{RunId, StepPath, VersionId};
use crate::run::retry::hash;

const OPENS: &str = "{actas-callback:";
const CLOSES: char = '}';

/// The word for the callback of a step instance. Whoever was called by a run may know its id and the names of its steps; what they send into it
/// holds no such word all the same, because its mark is made of the version's id too, which no app is told.
pub fn placeholder(run: &RunId, version: &VersionId, step: &StepPath) -> String {
    let parts = [version.as_str(), run.as_str(), step.as_str()];
    let mark = hash("actas/callback-word/1", &parts.map(str::as_bytes));
    let mark = hex::encode(&mark[..16]);
    format!("{OPENS}{run}/{}/{mark}{CLOSES}", step.in_address())
}

/// The callbacks that a value seems to have words for, each once. Whether a word is the right one, comparing it with [`placeholder`] says.
pub fn named(value: &Value) -> Vec<(RunId, StepPath)> {
    let mut found = Vec::new();
    look(value, &mut |text| {
        for (run, step) in words(text) {
            if !found.contains(&(run.clone(), step.clone())) {
                found.push((run, step));
            }
        }
    });
    found
}

/// Replaces texts within a value's texts, each by its partner: words by addresses, or the other way round.
pub fn replace(value: &mut Value, pairs: &[(&str, &str)]) {
    match value {
        Value::String(text) => replace_text(text, pairs),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, pairs)),
        Value::Object(fields) => {
            if fields.keys().any(|key| holds(key, pairs)) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(mut key, value)| {
                        replace_text(&mut key, pairs);
                        (key, value)
                    })
                    .collect();
            }
            fields.values_mut().for_each(|value| replace(value, pairs));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The same in one text.
pub fn replace_text(text: &mut String, pairs: &[(&str, &str)]) {
    for (old, new) in pairs {
        if text.contains(old) {
            *text = text.replace(old, new);
        }
    }
}

fn holds(text: &str, pairs: &[(&str, &str)]) -> bool {
    pairs.iter().any(|(old, _)| text.contains(old))
}

fn look(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| look(item, see)),
        Value::Object(fields) => {
            for (key, value) in fields {
                see(key);
                look(value, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What the words in a text name.
fn words(text: &str) -> impl Iterator<Item = (RunId, StepPath)> {
    text.match_indices(OPENS).filter_map(move |(begins, _)| {
        let inner = begins + OPENS.len();
        let length = text.get(inner..)?.find(CLOSES)?;
        let (run, rest) = text.get(inner..inner + length)?.split_once('/')?;
        let (step, _mark) = rest.split_once('/')?;
        Some((run.parse().ok()?, StepPath::from_address(step).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_found_wherever_they_stand_and_replaced_there_and_back() {
        let run = RunId::from_bits(7);
        let steps: Vec<StepPath> = ["ask", "lines[37]/ask"]
            .iter()
            .map(|path| path.parse().expect("a path"))
            .collect();
        let version = VersionId::from_bits(9);
        let words: Vec<String> = steps
            .iter()
            .map(|step| placeholder(&run, &version, step))
            .collect();
        let value = json!({
            "url": words[0],
            "text": format!("{{not one}} either {}/x or {}{}", words[0], words[1], words[0]),
            (words[1].clone()): [1, null, {"deep": words[1]}],
            "broken": "{actas-callback:run_1/ask} {actas-callback:",
        });
        assert_eq!(
            named(&value),
            vec![
                (run.clone(), steps[0].clone()),
                (run.clone(), steps[1].clone()),
            ]
        );
        let there = [
            (words[0].as_str(), "https://a/1"),
            (words[1].as_str(), "https://a/2"),
        ];
        let back = there.map(|(word, address)| (address, word));
        let mut replaced = value.clone();
        replace(&mut replaced, &there);
        assert_eq!(
            replaced["text"],
            "{not one} either https://a/1/x or https://a/2https://a/1"
        );
        assert_eq!(replaced["https://a/2"][2]["deep"], "https://a/2");
        assert_eq!(replaced["broken"], value["broken"]);
        replace(&mut replaced, &back);
        assert_eq!(replaced, value);
    }

    #[test]
    fn a_word_that_somebody_made_up_from_what_an_address_says_is_none() {
        let (run, step) = (RunId::from_bits(7), "ask".parse().expect("a path"));
        let word = placeholder(&run, &VersionId::from_bits(9), &step);
        let guessed = placeholder(&run, &VersionId::from_bits(8), &step);
        let mut value = json!([guessed, format!("{OPENS}{run}/ask{CLOSES}"), word]);
        assert_eq!(named(&value), vec![(run, step)]);
        let before = value.clone();
        replace(&mut value, &[(&word, "https://a/1")]);
        assert_eq!(value, json!([before[0], before[1], "https://a/1"]));
    }
}
