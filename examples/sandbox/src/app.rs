//! What all handlers share: the address, the state behind its lock, the faults and the log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::faults::Faults;
use crate::log::Log;
use crate::state::State;

/// The argument of every handler.
pub(crate) type Shared = axum::extract::State<Arc<App>>;

/// One sandbox.
#[derive(Debug)]
pub(crate) struct App {
    /// Its address for people and programs, without a slash at the end; also the OAuth issuer.
    pub url: String,
    pub admin: bool,
    pub faults: Faults,
    pub log: Log,
    state: Mutex<State>,
    file: Option<PathBuf>,
}

impl App {
    pub(crate) fn new(url: String, admin: bool, state: State, file: Option<PathBuf>) -> Self {
        Self {
            url,
            admin,
            faults: Faults::default(),
            log: Log::default(),
            state: Mutex::new(state),
            file,
        }
    }

    /// Looks at the state.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the state and saves it before anybody can be told of the change.
    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let answer = change(&mut state);
        if let Some(file) = &self.file
            && let Err(error) = save(&state, file)
        {
            tracing::error!(file = %file.display(), %error, "the state could not be saved; it will be gone after a restart");
        }
        answer
    }

    /// A panic in one request must not take the whole sandbox with it: changes are whole or not begun.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a saved state; `None` where there is no file yet.
pub(crate) fn load(file: &Path) -> io::Result<Option<State>> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is not a saved sandbox: {error}", file.display()),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside the file and renames, so that a killed process leaves the old state or the new one, never half of it.
fn save(state: &State, file: &Path) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, serde_json::to_vec(state)?)?;
    std::fs::rename(&beside, file)
}
