//! One refresh at a time in this process, for each connection, and whether a provider is down. What every process must know of a connection stands
//! in its row, as a lease to refresh that nobody holds, with a mark in the holder's place: how often it failed, while it waits; or that its
//! token is the fruit of a forced refresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actas_core::Time;
use actas_core::ids::{ClientId, ConnectionId, WorkerId};

/// A forced refresh is remembered so long: a refusal within it means that the app does not take this account any more.
const FRESH: Duration = Duration::from_secs(300);

/// The longest wait before a provider that is down is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// In the holder's place of the mark that a forced refresh leaves.
const FORCED: u128 = 1 << 32;

/// More failures in a row than these make no difference.
const MOST_COUNTED: u32 = 20;

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

    /// How long nobody is to ask the provider of an app client; none if it may be asked now. Where it counts as down, the one that is told so asks
    /// for all, and the others are told to wait for what comes of it.
    pub(crate) fn closed(&self, client: &ClientId, now: Time) -> Option<Duration> {
        let mut all = self.all();
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

    /// The provider was down, whichever connection it was asked for.
    pub(crate) fn failed(&self, client: &ClientId, now: Time) {
        let mut all = self.all();
        let circuit = all.circuits.entry(client.clone()).or_insert(Circuit {
            failures: 0,
            until: now,
        });
        circuit.failures = circuit.failures.saturating_add(1);
        if circuit.failures >= OPENS {
            circuit.until = now.after(backoff(circuit.failures - OPENS, client.as_str()));
        }
    }

    /// The provider answers, whatever it says.
    pub(crate) fn answers(&self, client: &ClientId) {
        self.all().circuits.remove(client);
    }

    /// Nothing more is to be known of a connection.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.all().connections.remove(connection);
    }

    /// As if every wait were over.
    #[cfg(test)]
    pub(crate) fn elapse(&self) {
        let mut all = self.all();
        for circuit in all.circuits.values_mut() {
            circuit.until = Time(0);
        }
    }
}

/// How long a connection waits after so many failures before this one: 1 s, 2 s, 4 s and so on up to an hour, or what the provider asks for if
/// that is longer and within the hour.
pub(crate) fn wait_after(
    failures: u32,
    connection: &ConnectionId,
    asked: Option<Duration>,
) -> Duration {
    let wait = backoff(failures, connection.as_str()).max(asked.unwrap_or_default());
    wait.min(LONGEST_WAIT)
}

/// In the holder's place of a wait: no worker's id, because those begin with the time of day.
pub(crate) fn waiting(failures: u32) -> WorkerId {
    WorkerId::from_bits(u128::from(failures.clamp(1, MOST_COUNTED)))
}

/// How often it failed, if a lease is a wait.
pub(crate) fn failures(holder: &WorkerId) -> Option<u32> {
    (1..=MOST_COUNTED).find(|times| waiting(*times) == *holder)
}

/// What is left in the row after a forced refresh.
pub(crate) fn forced(now: Time) -> (WorkerId, Time) {
    (WorkerId::from_bits(FORCED), now.after(FRESH))
}

/// Whether a lease is that mark, however old.
pub(crate) fn is_forced(holder: &WorkerId) -> bool {
    *holder == WorkerId::from_bits(FORCED)
}

/// Whether the token of a row is the fruit of a forced refresh just now.
pub(crate) fn is_fresh(refreshing: Option<&(WorkerId, Time)>, now: Time) -> bool {
    refreshing.is_some_and(|(by, until)| is_forced(by) && *until > now)
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
    use actas_store::system;

    use super::*;

    const DAY: Time = Time(24 * 3_600_000_000);

    fn client() -> ClientId {
        ClientId::from_bits(1)
    }

    #[test]
    fn a_wait_names_how_often_it_failed_and_no_worker() {
        for times in 1..=MOST_COUNTED {
            assert_eq!(failures(&waiting(times)), Some(times));
        }
        assert_eq!(failures(&waiting(1000)), Some(MOST_COUNTED));
        assert_eq!(failures(&WorkerId::from_bits(system::new_bits())), None);
    }

    #[test]
    fn waits_double_up_to_an_hour_and_a_provider_that_names_a_time_is_given_it_within_the_hour() {
        let connection = ConnectionId::from_bits(7);
        let mut last = Duration::ZERO;
        for times in 0..40 {
            let wait = wait_after(times, &connection, None);
            assert!(wait >= last && wait <= LONGEST_WAIT);
            last = wait;
        }
        assert_eq!(last, LONGEST_WAIT);
        for (asked, given) in [(90, 90), (86_400, 3600)] {
            let asked = Some(Duration::from_secs(asked));
            assert_eq!(
                wait_after(0, &connection, asked),
                Duration::from_secs(given)
            );
        }
    }

    #[test]
    fn a_thousand_connections_of_a_provider_that_is_down_ask_hardly_more_than_one() {
        let flights = Flights::default();
        let connections: Vec<_> = (0..1000).map(ConnectionId::from_bits).collect();
        let mut waits = vec![(0, Time(0)); connections.len()];
        let mut now = Time(0);
        // Every ten seconds each of them is wanted by some step.
        while now < DAY {
            for (connection, (times, until)) in connections.iter().zip(&mut waits) {
                if *until <= now && flights.closed(&client(), now).is_none() {
                    *until = now.after(wait_after(*times, connection, None));
                    *times += 1;
                    flights.failed(&client(), now);
                }
            }
            now = now.after(Duration::from_secs(10));
        }
        let all: u32 = waits.iter().map(|(times, _)| times).sum();
        assert!((20..=60).contains(&all), "{all}");
        // Another app client's provider is none of it, and one answer is the end of it.
        assert_eq!(flights.closed(&ClientId::from_bits(2), now), None);
        flights.answers(&client());
        assert_eq!(flights.closed(&client(), now), None);
        assert_eq!(flights.closed(&client(), now), None);
    }

    #[test]
    fn while_one_asks_for_all_the_others_wait() {
        let flights = Flights::default();
        let at = |second| Time(0).after(Duration::from_secs(second));
        for _ in 0..5 {
            assert_eq!(flights.closed(&client(), at(0)), None);
            flights.failed(&client(), at(0));
        }
        assert!(flights.closed(&client(), at(0)).is_some());
        assert_eq!(flights.closed(&client(), at(2)), None);
        assert_eq!(flights.closed(&client(), at(2)), Some(PROBE));
        // It never came back: another may.
        assert_eq!(flights.closed(&client(), at(63)), None);
    }

    #[test]
    fn only_the_fruit_of_a_forced_refresh_counts_as_fresh_and_not_for_ever() {
        let mark = forced(Time(0));
        assert!(is_forced(&mark.0) && failures(&mark.0).is_none());
        assert!(is_fresh(Some(&mark), Time(1)));
        assert!(!is_fresh(Some(&mark), Time(0).after(FRESH)));
        assert!(!is_fresh(Some(&(waiting(3), mark.1)), Time(1)));
        assert!(!is_fresh(None, Time(1)));
    }
}
