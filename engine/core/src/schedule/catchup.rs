//! What a scheduler does with the slots that have come since it looked last: which run, which are let go, and where it goes on.

use std::time::Duration;

use super::Spec;
use crate::flow::Catchup;
use crate::time::Time;

/// A slot that is younger than this is on time: a scheduler that is a little late misses nothing.
pub const ON_TIME: Duration = Duration::from_secs(30);

/// How many missed slots are made up for at most.
pub const CATCH_UP: usize = 1_000;

/// What to do about the slots up to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The slots to run, in order.
    pub fire: Vec<Time>,
    /// Whether slots were let go that nobody ran.
    pub missed: bool,
    /// The first slot that has not come yet; none if there is no more.
    pub next: Option<Time>,
}

impl Spec {
    /// What to do about the slots from `first`, the first that has not been handled, up to `now`.
    ///
    /// Those on time all run. Of the missed ones: none with `catchup: none`; with `last` the last one, unless one on time stands for
    /// it; with `all` all, but of more than [`CATCH_UP`] the last ones only.
    pub fn due(&self, first: Time, now: Time, catchup: Catchup) -> Due {
        let nothing = |next| Due {
            fire: Vec::new(),
            missed: false,
            next,
        };
        if first > now {
            return nothing(Some(first));
        }
        let on_time_from = Time(now.micros().saturating_sub(micros(ON_TIME)));
        let kept = match catchup {
            Catchup::None => 0,
            Catchup::Last => 1,
            Catchup::All => CATCH_UP,
        };
        let mut slots = Some(first);
        let (old, gone) = if first < on_time_from {
            let missed = self.last_before(first, on_time_from, kept);
            slots = self.next_after(Time(on_time_from.micros() - 1));
            missed
        } else {
            (Vec::new(), false)
        };
        let mut on_time = Vec::new();
        while let Some(slot) = slots.filter(|slot| *slot <= now) {
            on_time.push(slot);
            slots = self.next_after(slot);
        }
        let stood_for = catchup == Catchup::Last && !on_time.is_empty();
        let missed = gone || (stood_for && !old.is_empty());
        let mut fire = if stood_for { Vec::new() } else { old };
        fire.append(&mut on_time);
        Due {
            fire,
            missed,
            next: slots,
        }
    }

    /// The last slots from `first` on and before an instant, at most so many, and whether there were more.
    ///
    /// Looked for from behind in stretches that double, so that a schedule of every second costs no more after a year than after a minute.
    fn last_before(&self, first: Time, until: Time, kept: usize) -> (Vec<Time>, bool) {
        if kept == 0 {
            return (Vec::new(), true);
        }
        let mut back = micros(ON_TIME);
        loop {
            let from = Time(until.micros().saturating_sub(back)).max(first);
            let mut slots: Vec<Time> =
                std::iter::successors(self.next_after(Time(from.micros() - 1)), |slot| {
                    self.next_after(*slot)
                })
                .take_while(|slot| *slot < until)
                .collect();
            if slots.len() >= kept || from == first {
                let more = from > first || slots.len() > kept;
                slots.drain(..slots.len().saturating_sub(kept));
                return (slots, more);
            }
            back = back.saturating_mul(2);
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
