//! Another clock and other dice for one thread, so that a simulation is the same each time. Compiled for tests only: a program asks the machine.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use actas_core::Time;

/// What a thread goes by.
pub trait Source: fmt::Debug + Send + Sync {
    /// The instant it is for it.
    fn now(&self) -> Time;

    /// The next 64 bits of its dice.
    fn dice(&self) -> u64;
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn Source>>> = const { RefCell::new(None) };
}

/// From here on this thread goes by another source, or by the machine's; gives back what it went by.
pub fn go_by(source: Option<Arc<dyn Source>>) -> Option<Arc<dyn Source>> {
    CURRENT.with(|current| current.replace(source))
}

/// What this thread goes by, for a thread that works for it.
pub fn current() -> Option<Arc<dyn Source>> {
    CURRENT.with(|current| current.borrow().clone())
}

/// Its instant.
pub(super) fn now() -> Option<Time> {
    CURRENT.with(|current| current.borrow().as_ref().map(|source| source.now()))
}

/// Bits that sort by its time.
pub(super) fn bits() -> Option<u128> {
    CURRENT.with(|current| {
        let current = current.borrow();
        let source = current.as_ref()?;
        let millis = u128::try_from(source.now().micros().max(0) / 1000).unwrap_or_default();
        Some(millis << 80 | 7 << 76 | u128::from(source.dice()))
    })
}

/// Fills in what nobody has to guess; false if the machine has to.
pub(super) fn fill(bytes: &mut [u8]) -> bool {
    CURRENT.with(|current| {
        let current = current.borrow();
        let Some(source) = current.as_ref() else {
            return false;
        };
        for chunk in bytes.chunks_mut(8) {
            let dice = source.dice().to_le_bytes();
            chunk.copy_from_slice(&dice[..chunk.len()]);
        }
        true
    })
}
