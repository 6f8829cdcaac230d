//! Dice, clocks and weather: what one seed says about when things happen and what befalls whom. Knows nothing of runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::RunId;
use actas_store::model::weather::{Did, Doing, Fate, Turn, Weather};
use actas_store::system::simulated::Source;
use actas_store::{CommitError, Op, Store};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::replay::Act;

/// How long a lease lasts here.
pub const LEASE: Duration = Duration::from_secs(3);

/// The numbers of a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// One process's life: its clock, its dice, and whether it still lives.
#[derive(Debug)]
pub struct Life {
    /// When it was given time, and where its own clock stood.
    inside: Mutex<Option<(i64, Instant)>>,
    last: AtomicI64,
    /// How far its clock is off.
    pub skew: AtomicI64,
    dice: Mutex<Dice>,
    dead: AtomicBool,
    pub died: Notify,
}

impl Life {
    pub fn new(seed: u64, at: i64) -> Arc<Self> {
        Arc::new(Self {
            inside: Mutex::default(),
            last: AtomicI64::new(at),
            skew: AtomicI64::new(0),
            dice: Mutex::new(Dice(seed)),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    pub fn enter(&self, at: i64) {
        *self.inside.lock().unwrap() = Some((at, Instant::now()));
    }

    pub fn leave(&self) {
        self.last.store(self.truth(), Ordering::SeqCst);
        *self.inside.lock().unwrap() = None;
    }

    /// What time it is in truth, as far as this process has come.
    pub fn truth(&self) -> i64 {
        let inside = *self.inside.lock().unwrap();
        inside.map_or_else(
            || self.last.load(Ordering::SeqCst),
            |(at, since)| at + i64::try_from(since.elapsed().as_micros()).unwrap(),
        )
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }
}

impl Source for Life {
    fn now(&self) -> Time {
        Time(self.truth() + self.skew.load(Ordering::SeqCst))
    }

    fn dice(&self) -> u64 {
        self.dice.lock().unwrap().roll()
    }
}

/// What is common to all.
#[derive(Debug)]
pub struct Sky {
    /// The database's clock.
    pub clock: Arc<AtomicI64>,
    state: Mutex<State>,
}

/// Under a lock, although all of it is one thread's.
#[derive(Debug)]
pub struct State {
    pub dice: Dice,
    /// How many in a thousand things go wrong.
    pub storm: u64,
    /// Until when the store is away.
    pub away: i64,
    /// What happened, and how often.
    pub seen: BTreeMap<String, u64>,
    /// What was done to the store, if anybody wants to know.
    pub acts: Option<Vec<Act>>,
    /// Who holds which run, by the epoch of the last claim.
    pub epochs: BTreeMap<RunId, i64>,
    /// Writes of somebody who holds a run no longer.
    pub strangers: Vec<String>,
    /// How many commits were begun.
    pub commits: u64,
    /// What befalls which of them.
    pub strikes: Vec<(u64, Fate)>,
    /// All processes' stores, for hints.
    pub stores: Vec<(usize, Store)>,
    /// Hints that come late.
    pub late: Vec<(usize, Option<RunId>)>,
}

impl State {
    pub fn see(&mut self, what: &str) {
        if let Some(count) = self.seen.get_mut(what) {
            *count += 1;
        } else {
            self.seen.insert(what.to_owned(), 1);
        }
    }

    /// A time to wait: none mostly, seldom longer than a lease.
    pub fn delay(&mut self) -> Duration {
        if self.storm == 0 {
            return Duration::ZERO;
        }
        let long = self.dice.one_in(400);
        if long {
            self.see("longer than a lease");
            return Duration::from_millis(3_000 + self.dice.below(2_000));
        }
        match self.dice.below(8) {
            0 => Duration::from_micros(self.dice.below(200_000)),
            1 | 2 => Duration::from_micros(self.dice.below(4_000)),
            _ => Duration::ZERO,
        }
    }
}

impl Sky {
    pub fn new(seed: u64, start: i64, storm: u64) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::new(AtomicI64::new(start)),
            state: Mutex::new(State {
                dice: Dice(seed),
                storm,
                away: 0,
                seen: BTreeMap::new(),
                acts: None,
                epochs: BTreeMap::new(),
                strangers: Vec::new(),
                commits: 0,
                strikes: Vec::new(),
                stores: Vec::new(),
                late: Vec::new(),
            }),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }
}

/// The weather of one process.
#[derive(Debug)]
pub struct Air {
    pub sky: Arc<Sky>,
    /// Nothing befalls it.
    pub calm: bool,
    pub life: Arc<Life>,
}

impl Air {
    fn fate(&self, state: &mut State, doing: Doing<'_>) -> Fate {
        if self.life.is_dead() {
            return Fate::DiesBefore;
        }
        if self.calm {
            return Fate::Fine;
        }
        let commit = matches!(doing, Doing::Commit(_));
        if commit {
            state.commits += 1;
            let number = state.commits;
            if let Some(at) = state.strikes.iter().position(|(n, _)| *n == number) {
                return state.strikes.remove(at).1;
            }
        }
        if state.storm == 0 {
            return Fate::Fine;
        }
        let away = || CommitError::Unavailable("it is away".to_owned());
        if state.away > self.sky.now() {
            return Fate::Refused(away());
        }
        let dice = state.dice.below(4_000);
        let storm = state.storm;
        if dice >= storm * 4 {
            return Fate::Fine;
        }
        if matches!(doing, Doing::Read) {
            return match dice % 8 {
                0 => Fate::DiesBefore,
                _ => Fate::Refused(away()),
            };
        }
        match dice % 8 {
            0 => Fate::DiesBefore,
            1 => Fate::DiesAfter,
            2 | 3 => Fate::AnswerLost,
            4 | 5 => Fate::RequestLost,
            6 => Fate::Refused(CommitError::Busy),
            _ => Fate::Refused(away()),
        }
    }
}

impl Weather for Air {
    fn turn(&self, doing: Doing<'_>) -> Turn {
        let mut state = self.sky.state();
        let fate = self.fate(&mut state, doing);
        if !matches!(fate, Fate::Fine) && !self.life.is_dead() {
            let kind = match doing {
                Doing::Commit(_) => "commit",
                Doing::Claim => "claim",
                Doing::Renew => "renew",
                Doing::Take => "take",
                Doing::Read => "read",
            };
            let name = match &fate {
                Fate::Refused(CommitError::Busy) => "busy".to_owned(),
                Fate::Refused(_) => "away".to_owned(),
                other => format!("{other:?}"),
            };
            state.see(&format!("{kind}: {name}"));
        }
        let (there, back) = if matches!(fate, Fate::DiesBefore | Fate::DiesAfter) {
            self.life.die();
            (Duration::ZERO, Duration::ZERO)
        } else if self.calm {
            (Duration::ZERO, Duration::ZERO)
        } else {
            (state.delay(), state.delay())
        };
        Turn { there, fate, back }
    }

    fn tick(&self) {
        self.sky
            .clock
            .fetch_max(self.life.truth(), Ordering::SeqCst);
    }

    fn did(&self, did: Did<'_>) {
        let at = self.sky.now();
        let mut state = self.sky.state();
        if let Did::Commit(commit, Ok(())) = &did {
            for op in &commit.ops {
                if let Op::PutInbox { inbox, .. } | Op::TellRun { inbox, .. } = op {
                    let message = format!("{:?}", inbox.message);
                    let kind = message.split([' ', '{']).next().unwrap_or_default();
                    state.see(&format!("inbox: {kind}"));
                }
            }
        }
        match &did {
            Did::Claim(.., taken) => {
                for one in *taken {
                    state.epochs.insert(one.run.id.clone(), one.run.epoch);
                }
            }
            Did::Commit(commit, Ok(())) => {
                for op in &commit.ops {
                    if let Op::Append { epoch, journal, .. } = op
                        && state.epochs.get(&journal.run).copied().unwrap_or(1) != *epoch
                    {
                        state.strangers.push(format!("{epoch}: {journal:?}"));
                    }
                }
            }
            _ => {}
        }
        if let Some(acts) = &mut state.acts {
            acts.extend(Act::of(at, &did));
        }
    }

    fn news(&self, news: Vec<Option<RunId>>) {
        let mut state = self.sky.state();
        let stores = state.stores.clone();
        for run in news {
            for (number, store) in &stores {
                let dice = if state.storm == 0 {
                    9
                } else {
                    state.dice.below(10)
                };
                match dice {
                    0 => state.see("hint: lost"),
                    1 => {
                        state.see("hint: late");
                        state.late.push((*number, run.clone()));
                    }
                    2 => {
                        state.see("hint: twice");
                        store.deliver(run.clone());
                        store.deliver(run.clone());
                    }
                    _ => store.deliver(run.clone()),
                }
            }
        }
    }
}
