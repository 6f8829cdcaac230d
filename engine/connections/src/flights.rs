//! One refresh at a time in this process, for each connection, and what was learned of its provider: when it may be asked again, and
//! whether the token at hand is the fruit of a forced refresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::ConnectionId;

/// A forced refresh is remembered so long: a refusal within it means that the app does not take this account any more.
const FRESH: Duration = Duration::from_secs(300);

/// The longest wait before a provider that is down is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(crate) struct Flights {
    all: Mutex<HashMap<ConnectionId, Flight>>,
}

#[derive(Debug, Default)]
struct Flight {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The version that a forced refresh gave, and when.
    forced: Option<(i64, Time)>,
    /// How often in a row the provider was down, and before when it is not asked again.
    down: Option<(u32, Time)>,
}

impl Flights {
    fn all(&self) -> MutexGuard<'_, HashMap<ConnectionId, Flight>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of one connection: whoever holds it refreshes, the others wait and then find it done.
    pub(crate) fn turn(&self, connection: &ConnectionId) -> Arc<tokio::sync::Mutex<()>> {
        self.all()
            .entry(connection.clone())
            .or_default()
            .turn
            .clone()
    }

    /// How long the provider is not to be asked.
    pub(crate) fn wait(&self, connection: &ConnectionId, now: Time) -> Option<Duration> {
        let (_, until) = self.all().get(connection)?.down?;
        (until > now).then(|| until.since(now))
    }

    /// The provider was down: asked again after 1 s, 2 s, 4 s and so on up to an hour, a little later for some connections than for others.
    pub(crate) fn down(
        &self,
        connection: &ConnectionId,
        now: Time,
        asked: Option<Duration>,
    ) -> Duration {
        let mut all = self.all();
        let flight = all.entry(connection.clone()).or_default();
        let times = flight.down.map_or(0, |(times, _)| times);
        let spread = connection
            .as_str()
            .bytes()
            .fold(0_u64, |a, b| a * 31 % 997 + u64::from(b));
        let base = Duration::from_secs(1 << times.min(12)).min(LONGEST_WAIT);
        let jittered = base + base / 1000 * u32::try_from(spread % 250).unwrap_or(0);
        let wait = jittered.max(asked.unwrap_or_default()).min(LONGEST_WAIT);
        flight.down = Some((times.saturating_add(1), now.after(wait)));
        wait
    }

    /// It worked; `forced` if the app had refused the token before.
    pub(crate) fn landed(&self, connection: &ConnectionId, version: i64, forced: bool, now: Time) {
        let mut all = self.all();
        let flight = all.entry(connection.clone()).or_default();
        flight.down = None;
        flight.forced = forced.then_some((version, now));
    }

    /// Whether this version of the token is the fruit of a forced refresh just now.
    pub(crate) fn is_fresh(&self, connection: &ConnectionId, version: i64, now: Time) -> bool {
        let all = self.all();
        matches!(all.get(connection).and_then(|f| f.forced),
            Some((forced, at)) if forced == version && now.since(at) < FRESH)
    }

    /// Nothing more is to be known of a connection.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.all().remove(connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_is_down_for_a_day_is_asked_forty_times_at_most() {
        let flights = Flights::default();
        let connection = ConnectionId::from_bits(7);
        let (mut now, mut asked) = (Time(0), 0);
        while now < Time(24 * 3_600_000_000) {
            match flights.wait(&connection, now) {
                Some(wait) => now = now.after(wait),
                None => {
                    asked += 1;
                    flights.down(&connection, now, None);
                }
            }
        }
        assert!((20..=40).contains(&asked), "{asked}");
        flights.landed(&connection, 2, false, now);
        assert_eq!(flights.wait(&connection, now), None);
    }

    #[test]
    fn a_provider_that_names_a_time_is_given_it() {
        let flights = Flights::default();
        let connection = ConnectionId::from_bits(7);
        let asked = Some(Duration::from_secs(90));
        assert_eq!(
            flights.down(&connection, Time(0), asked),
            Duration::from_secs(90)
        );
    }

    #[test]
    fn only_the_fruit_of_a_forced_refresh_counts_as_fresh_and_not_for_ever() {
        let flights = Flights::default();
        let connection = ConnectionId::from_bits(7);
        flights.landed(&connection, 2, false, Time(0));
        assert!(!flights.is_fresh(&connection, 2, Time(0)));
        flights.landed(&connection, 3, true, Time(0));
        assert!(flights.is_fresh(&connection, 3, Time(1)));
        assert!(!flights.is_fresh(&connection, 2, Time(1)));
        assert!(!flights.is_fresh(&connection, 3, Time(0).after(FRESH)));
    }
}
