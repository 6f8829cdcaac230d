//! The one place that reads the clock and makes randomness and ids. Everything else takes them as arguments or asks here.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the place that the ban points to"
)]

use actas_core::Time;

#[cfg(any(test, feature = "model"))]
pub mod simulated;

/// The instant it is on this machine.
pub fn now() -> Time {
    #[cfg(any(test, feature = "model"))]
    if let Some(now) = simulated::now() {
        return now;
    }
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// 128 bits that sort by time: a UUID of version 7 (RFC 9562), for the `from_bits` of an id.
pub fn new_bits() -> u128 {
    #[cfg(any(test, feature = "model"))]
    if let Some(bits) = simulated::bits() {
        return bits;
    }
    uuid::Uuid::now_v7().as_u128()
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[cfg(any(test, feature = "model"))]
    if simulated::fill(&mut bytes) {
        return bytes;
    }
    // The operating system's generator does not fail after boot; going on without it would be worse than stopping.
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}
