//! Where checkpoints are taken to: a file that only grows, or an address that takes what C2SP calls `add-checkpoint`
//! (c2sp.org/tlog-witness): the size it knows, a proof that the log only grew since, the note.

use std::path::{Path, PathBuf};

use actas_core::audit::Hash;
use actas_core::audit::note::{Checkpoint, LogKey, notes};
use actas_egress::Egress;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt as _;
use url::Url;

use crate::log::LogError;

/// Where checkpoints go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Added to the end of a file.
    File(PathBuf),
    /// Posted.
    Url(Url),
}

/// What cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place for checkpoints: give a file, or an address that begins with https://")]
pub struct BadSink(String);

impl Sink {
    /// A file, or an address if it looks like one.
    ///
    /// # Errors
    /// If it is empty or a bad address.
    pub fn parse(text: &str) -> Result<Self, BadSink> {
        let bad = || BadSink(text.to_owned());
        if text.starts_with("http://") || text.starts_with("https://") {
            return text.parse().map(Self::Url).map_err(|_| bad());
        }
        if text.is_empty() || text.contains("://") {
            return Err(bad());
        }
        Ok(Self::File(text.into()))
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => url.to_string(),
        }
    }

    fn cannot(&self, why: impl ToString) -> LogError {
        LogError::Sink {
            sink: self.name(),
            why: why.to_string(),
        }
    }

    /// The last checkpoint of a log that it has; an address is not asked.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub async fn last(&self, key: &LogKey) -> Result<Option<Checkpoint>, LogError> {
        let Self::File(path) = self else {
            return Ok(None);
        };
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.cannot(error)),
        };
        let all = notes(&text);
        let ours = all.iter().filter_map(|note| key.open(note).ok());
        Ok(ours.max_by_key(|checkpoint| checkpoint.size))
    }

    /// Takes a checkpoint there. `from` is the size of the one before with a proof that the log only grew since.
    ///
    /// # Errors
    /// If it was not taken.
    pub async fn take(
        &self,
        egress: &Egress,
        note: &str,
        from: (u64, &[Hash]),
    ) -> Result<(), LogError> {
        match self {
            Self::File(path) => self.append(path, note).await,
            Self::Url(url) => self.post(egress, url, note, from).await,
        }
    }

    async fn append(&self, path: &Path, note: &str) -> Result<(), LogError> {
        let mut options = tokio::fs::OpenOptions::new();
        let open = options.create(true).append(true).mode(0o640).open(path);
        let mut file = open.await.map_err(|e| self.cannot(e))?;
        let text = format!("{note}\n");
        file.write_all(text.as_bytes())
            .await
            .map_err(|e| self.cannot(e))?;
        file.sync_all().await.map_err(|e| self.cannot(e))
    }

    async fn post(
        &self,
        egress: &Egress,
        url: &Url,
        note: &str,
        (size, proof): (u64, &[Hash]),
    ) -> Result<(), LogError> {
        let proof: String = proof
            .iter()
            .map(|part| STANDARD.encode(part) + "\n")
            .collect();
        let request = http::Request::post(url.as_str())
            .header("content-type", "text/plain; charset=utf-8")
            .body(format!("old {size}\n{proof}\n{note}").into_bytes())
            .map_err(|e| self.cannot(e))?;
        let answer = egress.exchange(request).await.map_err(|e| self.cannot(e))?;
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            // It says which size it knows: of a log that is another one, or was rolled back.
            409 => {
                let known = std::str::from_utf8(answer.body()).ok();
                let known = known.and_then(|text| text.trim().parse().ok());
                Err(match known {
                    Some(known) if known != size => LogError::OtherHistory {
                        sink: self.name(),
                        size: known,
                    },
                    _ => self
                        .cannot("it does not take it (409): it knows another history of this log"),
                })
            }
            status => Err(self.cannot(format!("it answered {status}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_an_address() {
        let read = |text: &str| Sink::parse(text).map(|sink| sink.name());
        assert_eq!(
            read("/var/log/actas.log"),
            Ok("/var/log/actas.log".to_owned())
        );
        assert_eq!(
            read("https://w.example/add"),
            Ok("https://w.example/add".to_owned())
        );
        assert!(matches!(Sink::parse("https://w.example"), Ok(Sink::Url(_))));
        for bad in ["", "ftp://x", "https://"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
