//! The real core, the real runner and the real connections on the model of the store, under simulated time, network, weather and people. A seed says
//! all of it: `SEED=17 cargo test -p actas-runner --test simulation one_seed -- --nocapture` lives one again, and
//! `SEEDS=1000000 cargo test -p actas-runner --test simulation any_seed` lives so many (`FROM=…` says where to begin). A failure names its seed.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]
#![expect(
    clippy::print_stdout,
    reason = "whoever lives one seed again wants to see it"
)]

mod check;
mod crash;
mod flows;
mod people;
mod replay;
mod sky;
mod town;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::sky::Dice;
use crate::world::World;

/// How many seeds `cargo test` lives.
const SEEDS: u64 = 600;

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes panics: a task that breaks down must not go unseen because nobody waits for it.
fn note_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with(|all| all.borrow_mut().push(info.to_string()));
            before(info);
        }));
    });
    PANICS.with(|all| all.borrow_mut().clear());
}

fn assert_no_panics() {
    let panics = PANICS.with(|all| all.borrow().clone());
    assert!(panics.is_empty(), "{panics:?}");
}

/// Lives a seed to its end.
fn live(seed: u64, record: bool) -> World {
    note_panics();
    let mut dice = Dice(seed);
    let storm = [0, 4, 15, 40][usize::try_from(dice.below(4)).unwrap()];
    let processes = 1 + usize::try_from(dice.below(3)).unwrap();
    let mut world = World::new(seed, storm, record, processes);
    let mut versions = Vec::new();
    for _ in 0..1 + dice.below(2) {
        let texts = flows::pick(&mut dice);
        let published: Vec<_> = texts.iter().map(|text| world.publish(text)).collect();
        versions.push(published.last().unwrap().clone());
    }
    let mut to_start = 1 + dice.below(4);
    let mut rows = BTreeMap::new();
    let slices = 20 + dice.below(20);
    for slice in 0..slices {
        let millis = [3, 20, 150, 700, 1_500][usize::try_from(dice.below(5)).unwrap()];
        world.pass(Duration::from_millis(millis));
        if to_start > 0 && (slice == 0 || dice.one_in(3)) {
            to_start -= 1;
            let version =
                versions[usize::try_from(dice.below(versions.len() as u64)).unwrap()].clone();
            let login = if dice.one_in(4) { "ben" } else { "ana" };
            let inputs = json!({"tag": format!("t{to_start}")});
            let key = format!("key-{to_start}");
            let keyed = dice.one_in(3);
            let place = usize::try_from(dice.below(processes as u64)).unwrap();
            world.start(
                place,
                &version,
                login,
                inputs.clone(),
                keyed.then_some(&*key),
            );
            if keyed && dice.one_in(2) {
                let place = usize::try_from(dice.below(processes as u64)).unwrap();
                world.start(place, &version, login, inputs, Some(&key));
            }
        }
        world.people_look(4, storm == 0);
        if storm > 0 {
            trouble(&mut world, &mut dice, storm);
        }
        world.check_now(&mut rows);
        if seed.is_multiple_of(2) {
            world.look_into();
        }
    }
    world.sky.state().storm = 0;
    world.town.lock().unwrap().life = 3600;
    for process in world.processes.iter_mut().flatten() {
        process.stopped = process.stopped.min(world.sky.now());
        process.life.skew.store(0, Ordering::SeqCst);
    }
    for _ in 0..400 {
        world.pass(Duration::from_millis(900));
        world.people_look(1, true);
        world.check_now(&mut rows);
        if rows.values().all(|row| row.ended_at.is_some()) && !rows.is_empty() {
            break;
        }
        if rows.is_empty() && world.acknowledged.lock().unwrap().is_empty() {
            break;
        }
    }
    world.check_end();
    assert_no_panics();
    world
}

/// What is not the way of one request: a machine that sleeps, a clock that jumps, a store that is away, somebody who interferes.
fn trouble(world: &mut World, dice: &mut Dice, storm: u64) {
    let place = usize::try_from(dice.below(world.processes.len() as u64)).unwrap();
    let now = world.sky.now();
    if dice.below(1_500) < storm
        && let Some(process) = &mut world.processes[place]
    {
        process.stopped = now + 8_000_000;
        world.sky.state().see("process: stopped and came back");
    }
    if dice.below(1_500) < storm
        && let Some(process) = &world.processes[place]
    {
        let jump = i64::try_from(dice.below(20_000_000)).unwrap() - 10_000_000;
        process.life.skew.store(jump, Ordering::SeqCst);
        world.sky.state().see("process: clock jumps");
    }
    if dice.below(3_000) < storm {
        world.sky.state().away = now + 2_000_000;
        world.sky.state().see("store: away for long");
    }
    if dice.below(600) < storm {
        world.people_interfere();
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn one_seed_comes_to_a_good_end() {
    let seed = number("SEED").unwrap_or(1);
    let (first, again) = (live(seed, true), live(seed, true));
    let acts = |world: &World| format!("{:?}", world.sky.state().acts);
    assert_eq!(acts(&first), acts(&again), "a seed does not say all of it");
    if number("SEED").is_some() {
        for row in first.runs() {
            println!("{row:?}");
        }
        println!("{:?}", first.sky.state().seen);
    }
}

#[test]
fn any_seed_comes_to_a_good_end_and_all_that_can_happen_does() {
    let (from, count) = (
        number("FROM").unwrap_or(0),
        number("SEEDS").unwrap_or(SEEDS),
    );
    let next = AtomicU64::new(from);
    let seen: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let failed: Mutex<Vec<u64>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= from + count || failed.lock().unwrap().len() > 4 {
                        return;
                    }
                    match std::panic::catch_unwind(|| live(seed, false)) {
                        Ok(world) => {
                            let mut all = seen.lock().unwrap();
                            for (what, times) in &world.sky.state().seen {
                                *all.entry(what.clone()).or_default() += times;
                            }
                        }
                        Err(_) => failed.lock().unwrap().push(seed),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "these seeds fail; each can be lived again: {}",
        failed
            .iter()
            .map(|seed| format!(
                "\nSEED={seed} cargo test -p actas-runner --test simulation one_seed -- --nocapture"
            ))
            .collect::<String>()
    );
    let seen = seen.into_inner().unwrap();
    if number("SHOW").is_some() {
        println!("{seen:#?}");
    }
    if count >= SEEDS {
        let missing: Vec<&&str> = REACHED
            .iter()
            .filter(|what| !seen.contains_key(**what))
            .collect();
        assert!(missing.is_empty(), "never reached: {missing:?}\n{seen:#?}");
    }
}

/// What must be reached, or nothing was tried. Commands that leave nothing open between two slices show as the events they became.
const REACHED: &[&str] = &[
    "claim: AnswerLost",
    "claim: DiesAfter",
    "claim: DiesBefore",
    "claim: RequestLost",
    "claim: away",
    "claim: busy",
    "commit: AnswerLost",
    "commit: DiesAfter",
    "commit: DiesBefore",
    "commit: RequestLost",
    "commit: away",
    "commit: busy",
    "renew: AnswerLost",
    "renew: DiesAfter",
    "renew: DiesBefore",
    "renew: RequestLost",
    "renew: away",
    "read: DiesBefore",
    "read: away",
    "event: DecisionAsked",
    "event: RunEnded",
    "event: StepHeld",
    "command: Record",
    "event: SlotBound",
    "event: SlotAsked",
    "event: BatchBegan",
    "command: StartStep",
    "command: WaitForOutside",
    "command: WaitUntil",
    "hint: late",
    "hint: lost",
    "hint: twice",
    "longer than a lease",
    "inbox: Answered",
    "inbox: CalledBack",
    "inbox: Cancel",
    "inbox: ChildEnded",
    "inbox: ChildPaused",
    "inbox: Decided",
    "inbox: Declined",
    "inbox: SignedIn",
    "network: 401",
    "network: 403",
    "network: 429",
    "network: 503",
    "network: answer lost",
    "network: dies after",
    "network: dies before",
    "network: slow",
    "network: unreachable",
    "people: retry",
    "process: clock jumps",
    "process: stopped and came back",
    "store: away for long",
    "run: cancelled",
    "run: failed",
    "run: paused",
    "run: queued",
    "run: running",
    "run: succeeded",
    "run: waiting",
];
