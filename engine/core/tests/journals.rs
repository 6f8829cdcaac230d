//! Journals as released versions wrote them, kept as files: this program must fold them to the same runs for ever. A file is never
//! changed; a new version of the events adds new ones.
#![expect(
    clippy::unwrap_used,
    reason = "a test may stop where something is not as it was written down"
)]

use std::path::Path;
use std::sync::Arc;

use actas_core::Time;
use actas_core::app::{Apps, Manifest};
use actas_core::flow::{Flow, Plan};
use actas_core::run::{Command, Links, Run, Viewer, decide, document, upcast};
use serde::Deserialize;
use serde_json::Value;

/// A run as a store holds it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// What the file shows.
    about: String,
    /// The version's canonical document.
    flow: Flow,
    /// The documents of its manifests.
    manifests: Vec<String>,
    /// The journal's rows.
    rows: Vec<Row>,
    /// The time at which the rest was written down.
    now: Time,
    /// The run's document, as its invoker sees it.
    document: Value,
    /// What is decided next, as [`say`] puts it.
    decided: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    v: u32,
    body: String,
}

#[test]
fn every_journal_ever_written_folds_to_the_run_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let stored: Stored = serde_json::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let about = format!("{}: {}", path.display(), stored.about);
        let apps = Apps::new(
            stored
                .manifests
                .iter()
                .map(|text| Arc::new(Manifest::from_document(text).unwrap())),
        );
        let plan = Arc::new(Plan::compile(&stored.flow, &apps).unwrap());
        let mut run = Run::new(plan);
        for row in &stored.rows {
            for event in upcast(row.v, &row.body).unwrap().events {
                run.apply(&event).unwrap_or_else(|e| panic!("{about}: {e}"));
            }
        }
        let interrupted = run.interrupted(stored.now);
        assert!(interrupted.is_empty(), "{about}: {interrupted:?}");
        let invoker = run.created.as_ref().unwrap().invoker.as_ref().unwrap();
        let viewer = Viewer::new(invoker.id.clone());
        let links = Links {
            sign_in: &|id| format!("/connect/{id}"),
            request: &|id| format!("/approvals/{id}"),
        };
        let shown = document(&run, &viewer, stored.now, &links).0;
        assert!(
            contains(&shown, &stored.document),
            "{about}\nnow:  {shown}\nthen: {}",
            stored.document
        );
        let decided: Vec<String> = decide(&run, stored.now)
            .iter()
            .map(|command| say(&run, command))
            .collect();
        assert_eq!(decided, stored.decided, "{about}");
        count += 1;
    }
    assert!(count >= 3, "the kept journals are not there");
}

/// A command in words that do not change with the program.
fn say(run: &Run, command: &Command) -> String {
    match command {
        Command::Record(event) => format!("record {event}"),
        Command::ResolveSlot(slot) => format!("resolve {}", run.plan.slots[*slot].name),
        Command::StartStep(start) => {
            format!(
                "start {}, attempt {}, with {}",
                start.path, start.attempt, start.input
            )
        }
        Command::Hold(start) => format!(
            "hold {}, attempt {}, with {}",
            start.path, start.attempt, start.input
        ),
        Command::StartBatch(start) => format!(
            "batch {} of {} from {}",
            start.batch, start.path, start.offset
        ),
        Command::AskDecision(ask) => format!("ask about {}, attempt {}", ask.path, ask.attempt),
        Command::WaitUntil(at) => format!("wait until {at}"),
        Command::WaitForOutside => "wait".to_owned(),
        Command::Finish { ending, .. } => format!("finish {}", ending.as_str()),
    }
}

/// Whether a document still says all that an older one said; fields may have been added.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part))),
        _ => whole == part,
    }
}
