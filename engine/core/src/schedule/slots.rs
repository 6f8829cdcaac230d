//! The slots of a schedule on the line of time. A zone's history is a row of stretches with one offset each: inside a stretch readings of the
//! clock only grow, and between two stretches is the gap or the overlap that the policy is about.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

use super::Spec;
use crate::flow::{Gap, Overlap};
use crate::time::Time;

const MICROS: i64 = 1_000_000;

/// From one change of offset to the next.
struct Stretch {
    offset: Offset,
    /// The first instant behind it; none if it has no end.
    end: Option<Timestamp>,
    /// The offset before it, if it begins with a change.
    before: Option<Offset>,
    /// The first instant in it.
    begin: Option<Timestamp>,
}

impl Spec {
    /// The first slot after an instant; none if there is none in the next 48 years.
    pub fn next_after(&self, after: Time) -> Option<Time> {
        // Slots are at whole seconds: the first that can be one.
        let second = after.micros().div_euclid(MICROS).checked_add(1)?;
        let mut from = Timestamp::from_second(second).ok()?;
        let mut before = None;
        loop {
            let stretch = self.stretch(from, before);
            if let Some(slot) = self.slot_in(&stretch, from) {
                return Some(Time(slot.as_second().checked_mul(MICROS)?));
            }
            from = stretch.end?;
            before = Some(stretch.offset);
        }
    }

    /// The next slots after an instant, at most so many.
    pub fn upcoming(&self, after: Time, count: usize) -> Vec<Time> {
        std::iter::successors(self.next_after(after), |slot| self.next_after(*slot))
            .take(count)
            .collect()
    }

    /// The stretch that an instant is in.
    fn stretch(&self, at: Timestamp, known: Option<Offset>) -> Stretch {
        let offset = self.zone.to_offset(at);
        let begin = match known {
            Some(_) => Some(at),
            // A change at this very instant counts as before it.
            None => at
                .checked_add(1.second())
                .ok()
                .and_then(|later| self.zone.preceding(later).next())
                .map(|change| change.timestamp()),
        };
        let before = known.or_else(|| {
            let earlier = begin?.checked_sub(1.second()).ok()?;
            Some(self.zone.to_offset(earlier))
        });
        Stretch {
            offset,
            end: self
                .zone
                .following(at)
                .next()
                .map(|change| change.timestamp()),
            before,
            begin,
        }
    }

    /// The first slot of a stretch at or after an instant of it.
    fn slot_in(&self, stretch: &Stretch, from: Timestamp) -> Option<Timestamp> {
        let mut reading = stretch.offset.to_datetime(from);
        if !self.fields.every_hour()
            && let (Some(begin), Some(before)) = (stretch.begin, stretch.before)
        {
            let ended = before.to_datetime(begin);
            let began = stretch.offset.to_datetime(begin);
            if began > ended {
                // The clock jumped forward: what it left out is made up for at once, or not at all.
                let left_out = || self.reads(ended, began);
                if from == begin && self.dst.gap == Gap::Run && left_out() {
                    return Some(begin);
                }
            } else if self.dst.overlap == Overlap::First {
                // It jumped back: what it reads again does not count.
                reading = reading.max(ended);
            }
        }
        let found = self.fields.next(reading)?;
        let slot = stretch.offset.to_timestamp(found).ok()?;
        stretch.end.is_none_or(|end| slot < end).then_some(slot)
    }

    /// Whether any reading from one to another, that one left out, matches.
    fn reads(&self, from: DateTime, until: DateTime) -> bool {
        self.fields.next(from).is_some_and(|found| found < until)
    }
}
