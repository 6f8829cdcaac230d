//! All zones against an oracle that is slow and plainly right: it walks along the real line of time, asks at each instant what the clock on
//! the wall reads, has another library say whether the fields match that reading, and applies the policy to what it saw. It shares nothing
//! with the code under test but the zones themselves.

use std::collections::{HashMap, HashSet};

use cron::Cron;
use cron::parser::{CronParser, Seconds};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use crate::flow::{Dst, Gap, Overlap};
use crate::schedule::{Spec, zones};
use crate::time::Time;

const DAY: i64 = 24 * 3600;

/// Expressions, and how far around a change and in which steps they are walked, in seconds.
const EXPRESSIONS: [(&str, i64, i64); 20] = [
    ("* * * * *", DAY, 60),
    ("*/5 * * * *", DAY, 60),
    ("0 * * * *", DAY, 60),
    ("30 * * * *", DAY, 60),
    ("45 * * * MON", DAY, 60),
    ("0 0 * * *", DAY, 60),
    ("30 0 * * *", DAY, 60),
    ("59 23 * * *", DAY, 60),
    ("30 1 * * *", DAY, 60),
    ("0 2 * * *", DAY, 60),
    ("30 2 * * *", DAY, 60),
    ("15 2 * * SUN", DAY, 60),
    ("0 3 * * *", DAY, 60),
    ("*/15 0-4 * * *", DAY, 60),
    ("*/7 1-2,22-23 * * *", DAY, 60),
    ("0 9 * * MON-FRI", DAY, 60),
    ("10,50 */2 * * *", DAY, 60),
    ("0 2 L * *", DAY, 60),
    ("*/10 59,0,30 0-3 * * *", 3 * 3600, 1),
    ("30 */20 * * * *", 3 * 3600, 1),
];

const POLICIES: [Dst; 4] = [
    policy(Gap::Run, Overlap::First),
    policy(Gap::Run, Overlap::Both),
    policy(Gap::Skip, Overlap::First),
    policy(Gap::Skip, Overlap::Both),
];

const fn policy(gap: Gap, overlap: Overlap) -> Dst {
    Dst { gap, overlap }
}

/// What the other library says of readings, asked once for each value.
struct Theirs {
    seconds: Vec<bool>,
    minutes: Vec<bool>,
    hours: Vec<bool>,
    /// The same expression at midnight alone: whether a day matches.
    midnight: Cron,
    days: HashMap<Date, bool>,
    every_hour: bool,
}

impl Theirs {
    fn parse(text: &str) -> Self {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let read = |text: &str| parser.parse(text).expect("they read it");
        let parts: Vec<&str> = text.split(' ').collect();
        let pattern = read(text).pattern;
        let yes = |answer: Result<bool, _>| answer.expect("a reading of a clock");
        Self {
            seconds: (0..60).map(|n| yes(pattern.second_match(n))).collect(),
            minutes: (0..60).map(|n| yes(pattern.minute_match(n))).collect(),
            hours: (0..24).map(|n| yes(pattern.hour_match(n))).collect(),
            every_hour: pattern.hours.values().len() == 24,
            midnight: read(&format!("0 0 {}", parts[parts.len() - 3..].join(" "))),
            days: HashMap::new(),
        }
    }

    fn matches(&mut self, at: DateTime) -> bool {
        let is = |table: &[bool], value: i8| table[usize::try_from(value).expect("not negative")];
        is(&self.seconds, at.second())
            && is(&self.minutes, at.minute())
            && is(&self.hours, at.hour())
            && *self.days.entry(at.date()).or_insert_with(|| {
                let day = at.date().to_zoned(TimeZone::UTC).expect("in range");
                self.midnight.is_time_matching(&day).expect("a day")
            })
    }
}

/// One instant of a walk.
struct Instant {
    second: i64,
    reading: DateTime,
    /// The clock has been at or past this reading before.
    again: bool,
    /// What the clock left out between the instant before and this one.
    left_out: Vec<DateTime>,
}

/// Every instant of a window after its first, with what the clock reads there.
fn walk(zone: &TimeZone, from: i64, until: i64, step: i64) -> Vec<Instant> {
    let read = |second: i64| {
        let at = Timestamp::from_second(second).expect("in range");
        zone.to_offset(at).to_datetime(at)
    };
    let mut before = read(from);
    let mut latest = before;
    let mut walked = Vec::new();
    let mut second = from + step;
    while second < until {
        let reading = read(second);
        let mut left_out = Vec::new();
        let mut between = before.saturating_add(step.seconds());
        while between < reading {
            left_out.push(between);
            between = between.saturating_add(step.seconds());
        }
        walked.push(Instant {
            second,
            reading,
            again: reading <= latest,
            left_out,
        });
        before = reading;
        latest = latest.max(reading);
        second += step;
    }
    walked
}

/// The slots of a walk under each policy.
fn oracle(theirs: &mut Theirs, walked: &[Instant]) -> [Vec<i64>; 4] {
    let mut slots = [const { Vec::new() }; 4];
    for instant in walked {
        let matches = theirs.matches(instant.reading);
        let made_up_for = instant
            .left_out
            .iter()
            .any(|left_out| theirs.matches(*left_out));
        for (dst, slots) in POLICIES.iter().zip(&mut slots) {
            let counts = theirs.every_hour || !instant.again || dst.overlap == Overlap::Both;
            let at_once = made_up_for && !theirs.every_hour && dst.gap == Gap::Run;
            if (matches && counts) || at_once {
                slots.push(instant.second);
            }
        }
    }
    slots
}

fn ours(spec: &Spec, from: i64, until: i64) -> Vec<i64> {
    let first = spec.next_after(Time(from * 1_000_000));
    std::iter::successors(first, |slot| spec.next_after(*slot))
        .map(|slot| slot.micros() / 1_000_000)
        .take_while(|slot| *slot < until)
        .collect()
}

/// The instants of ten years at which a zone's offset changes, with the offsets before and after.
fn changes(zone: &TimeZone) -> Vec<(i64, Offset, Offset)> {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let (from, until) = (at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z"));
    let mut before = zone.to_offset(from);
    let mut changes = Vec::new();
    for change in zone
        .following(from)
        .take_while(|change| change.timestamp() < until)
    {
        if change.offset() != before {
            changes.push((change.timestamp().as_second(), before, change.offset()));
        }
        before = change.offset();
    }
    changes
}

#[test]
fn slots_around_every_change_of_ten_years_in_all_zones_are_those_of_the_oracle() {
    let mut theirs: Vec<Theirs> = EXPRESSIONS
        .iter()
        .map(|(cron, ..)| Theirs::parse(cron))
        .collect();
    let (mut zones_seen, mut windows, mut compared) = (0_usize, 0_usize, 0_usize);
    // Zones with the same clock in these years are compared once.
    let mut clocks = HashSet::new();
    for name in zones::names() {
        let zone = zones::zone(&name).expect("a zone of the database").clone();
        let changes = changes(&zone);
        zones_seen += 1;
        let at_start = zone.to_offset(Timestamp::from_second(1_577_836_800).expect("2020"));
        if !clocks.insert((at_start, changes.clone())) {
            continue;
        }
        // A zone without changes is looked at on an ordinary day.
        let mut centres: Vec<i64> = changes.iter().map(|(second, ..)| *second).collect();
        if centres.is_empty() {
            centres.push(1_795_180_800);
        }
        for centre in centres {
            windows += 1;
            let mut walks: HashMap<i64, Vec<Instant>> = HashMap::new();
            for (place, (cron, around, step)) in EXPRESSIONS.iter().enumerate() {
                let (from, until) = (centre - around, centre + around);
                let walked = walks
                    .entry(*step)
                    .or_insert_with(|| walk(&zone, from, until, *step));
                let expected = oracle(&mut theirs[place], walked);
                for (number, (dst, expected)) in POLICIES.iter().zip(expected).enumerate() {
                    // To a schedule of every hour they are all one: a policy in turn.
                    if theirs[place].every_hour && number != windows % POLICIES.len() {
                        continue;
                    }
                    let spec = Spec::new(cron, &name, *dst).expect("a good schedule");
                    compared += expected.len();
                    let found = ours(&spec, from, until);
                    assert_eq!(found, expected, "{cron} in {name} around {centre}: {dst:?}");
                }
            }
        }
    }
    let summary = format!(
        "{zones_seen} zones, {} clocks, {windows} windows, {compared} slots",
        clocks.len()
    );
    assert!(
        zones_seen > 590 && windows > 700 && compared > 100_000,
        "{summary}"
    );
}
