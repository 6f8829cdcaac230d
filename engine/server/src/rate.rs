//! Token buckets against guessing: per login, per address, and per both. They live in this process and forget whoever stayed away.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actas_core::Time;

/// How many keys are remembered before the full buckets are dropped.
const REMEMBERED: usize = 10_000;

/// Buckets of one kind.
#[derive(Debug)]
pub struct Buckets {
    size: f64,
    refill: Duration,
    levels: Mutex<HashMap<String, (f64, Time)>>,
}

impl Buckets {
    /// Buckets that hold `size` attempts and get one back every `refill`.
    pub fn new(size: u32, refill: Duration) -> Self {
        Self {
            size: f64::from(size),
            refill,
            levels: Mutex::default(),
        }
    }

    /// Takes one attempt of a key.
    ///
    /// # Errors
    /// Seconds to wait, if there is none left.
    pub fn take(&self, key: &str, now: Time) -> Result<(), u32> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() > REMEMBERED {
            levels.retain(|_, (level, at)| self.level(*level, *at, now) < self.size);
        }
        let (level, at) = levels.entry(key.to_owned()).or_insert((self.size, now));
        *level = self.level(*level, *at, now);
        *at = now;
        if *level < 1.0 {
            let wait = self.refill.mul_f64(1.0 - *level);
            return Err(u32::try_from(wait.as_secs())
                .unwrap_or(u32::MAX)
                .saturating_add(1));
        }
        *level -= 1.0;
        Ok(())
    }

    /// Gives an attempt back that was none against anybody: only what went wrong counts.
    pub fn give_back(&self, key: &str) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((level, _)) = levels.get_mut(key) {
            *level = (*level + 1.0).min(self.size);
        }
    }

    fn level(&self, level: f64, at: Time, now: Time) -> f64 {
        (level + now.since(at).as_secs_f64() / self.refill.as_secs_f64()).min(self.size)
    }
}

/// From where people have logged in with the right password, as far as this process remembers.
#[derive(Debug, Default)]
pub struct KnownPlaces(Mutex<HashSet<String>>);

impl KnownPlaces {
    /// Whether somebody logged in with this login from this address.
    pub fn has(&self, place: &str) -> bool {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.contains(place)
    }

    /// Somebody did.
    pub fn add(&self, place: &str) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= REMEMBERED {
            places.clear();
        }
        places.insert(place.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_run_out_for_one_key_alone_and_come_back_with_time() {
        let buckets = Buckets::new(3, Duration::from_secs(10));
        let start = Time(1_000_000_000);
        for _ in 0..3 {
            assert_eq!(buckets.take("ana", start), Ok(()));
        }
        assert_eq!(buckets.take("ana", start), Err(11));
        assert_eq!(buckets.take("ben", start), Ok(()));
        // An attempt that went well leaves the bucket as it was, however often.
        for _ in 0..5 {
            assert_eq!(buckets.take("cid", start), Ok(()));
            buckets.give_back("cid");
        }
        assert_eq!(
            buckets.take("ana", start.after(Duration::from_secs(4))),
            Err(7)
        );
        assert_eq!(
            buckets.take("ana", start.after(Duration::from_secs(10))),
            Ok(())
        );
    }
}
