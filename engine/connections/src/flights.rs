//! One refresh at a time in this process, for each connection, and what was learned of its provider: when it may be asked again, and
//! whether the token at hand is the fruit of a forced refresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::{ClientId, ConnectionId};

/// A forced refresh is remembered so long: a refusal within it means that the app does not take this account any more.
const FRESH: Duration = Duration::from_secs(300);

/// The longest wait before a provider that is down is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// So many failures in a row, of whichever connections, and the provider itself counts as down: then one asks for all.
const OPENS: u32 = 5;

/// Whoever asks for all has so long; then the next one may.
const PROBE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Flights {
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    connections: HashMap<ConnectionId, Flight>,
    circuits: HashMap<ClientId, Circuit>,
}

#[derive(Debug, Default)]
struct Flight {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The version that a forced refresh gave, and when.
    forced: Option<(i64, Time)>,
    /// How often in a row the provider was down, and before when it is not asked again.
    down: Option<(u32, Time)>,
}

/// What all connections of one app client have learned of their provider.
#[derive(Debug)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// Before this nobody asks, once there were enough of them.
    until: Time,
}

impl Flights {
    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of one connection: whoever holds it refreshes, the others wait and then find it done.
    pub(crate) fn turn(&self, connection: &ConnectionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.all();
        let flight = all.connections.entry(connection.clone()).or_default();
        flight.turn.clone()
    }

    /// How long the provider is not to be asked; none if it may be now. Where the provider counts as down, the one that is told so asks for all,
    /// and the others are told to wait for what comes of it.
    pub(crate) fn wait(
        &self,
        connection: &ConnectionId,
        client: &ClientId,
        now: Time,
    ) -> Option<Duration> {
        let mut all = self.all();
        let own = all.connections.get(connection).and_then(|f| f.down);
        if let Some((_, until)) = own
            && until > now
        {
            return Some(until.since(now));
        }
        let circuit = all.circuits.get_mut(client)?;
        if circuit.failures < OPENS {
            return None;
        }
        if circuit.until > now {
            return Some(circuit.until.since(now));
        }
        circuit.until = now.after(PROBE);
        None
    }

    /// The provider was down: asked again after 1 s, 2 s, 4 s and so on up to an hour, a little later for some connections than for others.
    pub(crate) fn down(
        &self,
        connection: &ConnectionId,
        client: &ClientId,
        now: Time,
        asked: Option<Duration>,
    ) -> Duration {
        let mut all = self.all();
        let flight = all.connections.entry(connection.clone()).or_default();
        let times = flight.down.map_or(0, |(times, _)| times);
        let wait = backoff(times, connection.as_str()).max(asked.unwrap_or_default());
        let wait = wait.min(LONGEST_WAIT);
        flight.down = Some((times.saturating_add(1), now.after(wait)));
        let circuit = all.circuits.entry(client.clone()).or_insert(Circuit {
            failures: 0,
            until: now,
        });
        circuit.failures = circuit.failures.saturating_add(1);
        if circuit.failures >= OPENS {
            circuit.until = now.after(backoff(circuit.failures - OPENS, client.as_str()));
        }
        wait
    }

    /// Whether the last request for this connection brought no answer that could be used: what it was to bring may be lost.
    pub(crate) fn was_down(&self, connection: &ConnectionId) -> bool {
        let all = self.all();
        let flight = all.connections.get(connection);
        flight.is_some_and(|flight| flight.down.is_some())
    }

    /// The provider answers, whatever it says.
    pub(crate) fn answers(&self, client: &ClientId) {
        self.all().circuits.remove(client);
    }

    /// It worked; `forced` if the app had refused the token before.
    pub(crate) fn landed(&self, connection: &ConnectionId, version: i64, forced: bool, now: Time) {
        let mut all = self.all();
        let flight = all.connections.entry(connection.clone()).or_default();
        flight.down = None;
        flight.forced = forced.then_some((version, now));
    }

    /// Whether this version of the token is the fruit of a forced refresh just now.
    pub(crate) fn is_fresh(&self, connection: &ConnectionId, version: i64, now: Time) -> bool {
        let all = self.all();
        matches!(all.connections.get(connection).and_then(|f| f.forced),
            Some((forced, at)) if forced == version && now.since(at) < FRESH)
    }

    /// Nothing more is to be known of a connection.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.all().connections.remove(connection);
    }

    /// As if every wait were over.
    #[cfg(test)]
    pub(crate) fn elapse(&self) {
        let mut all = self.all();
        for flight in all.connections.values_mut() {
            flight.down = flight.down.map(|(times, _)| (times, Time(0)));
        }
        for circuit in all.circuits.values_mut() {
            circuit.until = Time(0);
        }
    }
}

/// 1 s, 2 s, 4 s and so on up to an hour, and up to a quarter more by whose it is, so that not all come back at once.
fn backoff(times: u32, whose: &str) -> Duration {
    let spread = whose
        .bytes()
        .fold(0_u64, |a, b| a * 31 % 997 + u64::from(b));
    let base = Duration::from_secs(1 << times.min(12)).min(LONGEST_WAIT);
    let jittered = base + base / 1000 * u32::try_from(spread % 250).unwrap_or(0);
    jittered.min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Time = Time(24 * 3_600_000_000);

    fn client() -> ClientId {
        ClientId::from_bits(1)
    }

    #[test]
    fn a_provider_that_is_down_for_a_day_is_asked_forty_times_at_most() {
        let flights = Flights::default();
        let connection = ConnectionId::from_bits(7);
        let (mut now, mut asked) = (Time(0), 0);
        while now < DAY {
            match flights.wait(&connection, &client(), now) {
                Some(wait) => now = now.after(wait),
                None => {
                    asked += 1;
                    flights.down(&connection, &client(), now, None);
                }
            }
        }
        assert!((20..=40).contains(&asked), "{asked}");
        flights.answers(&client());
        flights.landed(&connection, 2, false, now);
        assert_eq!(flights.wait(&connection, &client(), now), None);
    }

    #[test]
    fn a_thousand_connections_of_a_provider_that_is_down_ask_hardly_more_than_one() {
        let flights = Flights::default();
        let connections: Vec<_> = (0..1000).map(ConnectionId::from_bits).collect();
        let mut asked = vec![0; connections.len()];
        let mut now = Time(0);
        // Every ten seconds each of them is wanted by some step.
        while now < DAY {
            for (number, connection) in connections.iter().enumerate() {
                if flights.wait(connection, &client(), now).is_none() {
                    asked[number] += 1;
                    flights.down(connection, &client(), now, None);
                }
            }
            now = now.after(Duration::from_secs(10));
        }
        let all: u32 = asked.iter().sum();
        assert!((20..=60).contains(&all), "{all}");
        assert!(asked.iter().all(|times| *times <= 40));
        // Another app client's provider is none of it, and one answer is the end of it.
        let other = ClientId::from_bits(2);
        assert_eq!(
            flights.wait(&ConnectionId::from_bits(5000), &other, now),
            None
        );
        flights.answers(&client());
        assert_eq!(
            flights.wait(&ConnectionId::from_bits(5000), &client(), now),
            None
        );
    }

    #[test]
    fn while_one_asks_for_all_the_others_wait() {
        let flights = Flights::default();
        let at = |second| Time(0).after(Duration::from_secs(second));
        for number in 0..5 {
            let connection = ConnectionId::from_bits(number);
            assert_eq!(flights.wait(&connection, &client(), at(0)), None);
            flights.down(&connection, &client(), at(0), None);
        }
        let (one, other) = (ConnectionId::from_bits(10), ConnectionId::from_bits(11));
        assert!(flights.wait(&one, &client(), at(0)).is_some());
        assert_eq!(flights.wait(&one, &client(), at(2)), None);
        assert_eq!(flights.wait(&other, &client(), at(2)), Some(PROBE));
        // It never came back: another may.
        assert_eq!(flights.wait(&other, &client(), at(63)), None);
    }

    #[test]
    fn a_provider_that_names_a_time_is_given_it_within_the_hour() {
        let flights = Flights::default();
        let connection = ConnectionId::from_bits(7);
        for (asked, given) in [(90, 90), (86_400, 3600)] {
            let asked = Some(Duration::from_secs(asked));
            assert_eq!(
                flights.down(&connection, &client(), Time(0), asked),
                Duration::from_secs(given)
            );
        }
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
