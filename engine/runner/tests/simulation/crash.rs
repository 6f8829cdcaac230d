//! A crash at each commit of each flow that is there to be learned from or that we run, on the model: the process dies before or after it, or the
//! answer is lost, written or not. It comes to the same end, and every effect is done once; of what must not be repeated somebody may be asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actas_store::model::weather::Fate;
use serde_json::{Map, Value};

use crate::flows;
use crate::world::World;

const FATES: [Fate; 4] = [
    Fate::DiesBefore,
    Fate::DiesAfter,
    Fate::AnswerLost,
    Fate::RequestLost,
];

/// How a run ended, what was done how often, and how many commits it took.
type End = (String, BTreeMap<(String, String), usize>, u64);

/// What flows are given that have no default for it.
const GIVEN: &[(&str, &str)] = &[
    ("account", "\"acc-1\""),
    ("amount", "5"),
    ("customer", "\"Northwind\""),
    ("first_day", "\"2027-08-02\""),
    ("last_day", "\"2027-08-13\""),
    ("notes", "\"all is well\""),
    ("problem", "\"it is broken\""),
    ("stands_in", "\"ben\""),
];

fn inputs(text: &str) -> Value {
    let read = flows::read(text);
    let document: Value = serde_json::from_str(&read.canonical).unwrap();
    let mut given = Map::new();
    for (name, input) in document["inputs"].as_object().into_iter().flatten() {
        let value = GIVEN.iter().find(|(known, _)| known == name);
        if let Some((_, value)) = value.filter(|_| input.get("default").is_none()) {
            given.insert(name.clone(), serde_json::from_str(value).unwrap());
        }
    }
    let filled = read.flow.check_inputs(Value::Object(given));
    filled.unwrap_or_else(|faults| panic!("{faults:?}: {text}"))
}

/// Runs the last of some flows, with what befalls it.
fn run(texts: &[String], strikes: &[(u64, Fate)]) -> End {
    let mut world = World::new(7, 0, false, 1);
    let versions: Vec<_> = texts.iter().map(|text| world.publish(text)).collect();
    let (version, text) = (versions.last().unwrap(), texts.last().unwrap());
    world.pass(Duration::from_millis(10));
    {
        let mut state = world.sky.state();
        state.commits = 0;
        state.strikes = strikes.to_vec();
    }
    let given = inputs(text);
    for round in 0..400 {
        // Some wait for days.
        let leap = world.runs().iter().filter_map(|row| row.due_at).min();
        if round % 20 == 19
            && let Some(due) = leap
            && world.runs().iter().all(|row| row.state != "paused")
        {
            let now = world.sky.now();
            world
                .sky
                .clock
                .store(due.micros().max(now), Ordering::SeqCst);
        }
        // Whoever got no answer asks again, under the same key.
        if world.acknowledged.lock().unwrap().is_empty() {
            world.start(0, version, "ana", given.clone(), Some("once"));
        }
        world.pass(Duration::from_millis(400));
        world.people_look(1, true);
        let runs = world.runs();
        let ended = runs.iter().all(|row| row.ended_at.is_some());
        if ended && !runs.is_empty() && !world.acknowledged.lock().unwrap().is_empty() {
            break;
        }
    }
    world.check_end();
    let top = world.runs().into_iter().find(|row| row.parent.is_none());
    let mut done = BTreeMap::new();
    for effect in &world.town.lock().unwrap().effects {
        // What changes from run to run: the token of an address, the time.
        let mut word = effect.word.as_str();
        for cut in ["https://actas.example", "2026-12-31T", "2027-01-0"] {
            word = word.split(cut).next().unwrap_or_default();
        }
        let what = (effect.what.clone(), word.to_owned());
        *done.entry(what).or_default() += 1;
    }
    let commits = world.sky.state().commits;
    (top.unwrap().state, done, commits)
}

/// Whether this is done at most once: if nobody knows whether it was, a person says so.
fn once(what: &str) -> bool {
    matches!(what, "/hit" | "/messages")
}

fn compare(texts: &[String], whole: &End, strikes: &[(u64, Fate)]) {
    let broken = run(texts, strikes);
    let place = || format!("{strikes:?} of\n{}", texts.last().unwrap());
    assert_eq!(whole.0, broken.0, "another end after {}", place());
    for (what, times) in &broken.1 {
        let may = whole.1.get(what).copied().unwrap_or_default();
        assert!(
            *times <= may,
            "{what:?} done {times} times after {}",
            place()
        );
    }
    for (what, times) in whole.1.iter().filter(|(what, _)| !once(&what.0)) {
        assert_eq!(
            broken.1.get(what),
            Some(times),
            "{what:?} after {}",
            place()
        );
    }
}

/// What is tried, two at a time.
fn each<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(one)));
                    *failed.lock().unwrap() += usize::from(done.is_err());
                }
            });
        }
    });
    assert_eq!(failed.into_inner().unwrap(), 0, "flows fail; see above");
}

/// The flows of a folder, those that others run before those that run them.
fn folder(name: &str) -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(root.join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let text = read(path);
            let part = text.contains("flow: run-flow-part,");
            part.then(|| read(&root.join("examples/run-flow-part.yaml")))
                .into_iter()
                .chain([text])
                .collect()
        })
        .collect()
}

#[test]
fn a_crash_at_any_commit_of_any_flow_of_ours_changes_nothing() {
    let mut all = folder("examples");
    all.extend(folder("flows"));
    assert!(all.len() > 40, "only {} flows were found", all.len());
    each(&all, |texts| {
        let whole = run(texts, &[]);
        for commit in 1..=whole.2 {
            for fate in FATES {
                compare(texts, &whole, &[(commit, fate)]);
            }
        }
    });
}

#[test]
fn two_crashes_at_any_two_commits_of_a_small_flow_change_nothing() {
    each(&flows::small(), |texts| {
        let whole = run(texts, &[]);
        for first in 1..=whole.2 {
            for second in first + 1..=whole.2 + 2 {
                for fate in FATES {
                    for other in [Fate::DiesBefore, Fate::DiesAfter] {
                        compare(texts, &whole, &[(first, fate.clone()), (second, other)]);
                    }
                }
            }
        }
    });
}
