//! How the address of a callback stands in a run before it is made: `{{ callbacks.STEP }}` gives a word that means nothing to anybody. Only in the
//! input of a step that is about to act outside is it replaced by the address, which no journal, output or error ever holds.

use serde_json::Value;

use crate::ids::{RunId, StepPath};

const OPENS: &str = "{actas-callback:";
const CLOSES: char = '}';

/// The word for the callback of a step instance. The run's id, which nobody knows before there is the run, keeps what is given to a run from
/// holding such words.
pub fn placeholder(run: &RunId, step: &StepPath) -> String {
    format!("{OPENS}{run}/{}{CLOSES}", step.in_address())
}

/// The callbacks that a value has words for, each once.
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
        let (run, step) = text.get(inner..inner + length)?.split_once('/')?;
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
        let words: Vec<String> = steps.iter().map(|step| placeholder(&run, step)).collect();
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
}
