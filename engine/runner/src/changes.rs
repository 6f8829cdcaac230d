//! Who wants to hear when something of a run was recorded. A hint: whoever is told looks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actas_core::ids::RunId;
use tokio::sync::watch;

/// The watchers of runs, by run.
#[derive(Debug, Default)]
pub struct Changes(Mutex<HashMap<RunId, watch::Sender<u64>>>);

impl Changes {
    /// A receiver that moves whenever something of the run was recorded.
    pub fn of(&self, run: &RunId) -> watch::Receiver<u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(run.clone())
            .or_default()
            .subscribe()
    }

    /// Something of the run was recorded here.
    pub fn moved(&self, run: &RunId) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watched.get(run) {
            if sender.receiver_count() == 0 {
                watched.remove(run);
            } else {
                sender.send_modify(|n| *n += 1);
            }
        }
    }

    /// Something of any run may have been recorded by another process: everybody looks.
    pub fn tick(&self) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, sender| sender.receiver_count() > 0);
        for sender in watched.values() {
            sender.send_modify(|n| *n += 1);
        }
    }
}
