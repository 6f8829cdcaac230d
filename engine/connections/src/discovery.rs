//! Fetching what a provider says about itself, for apps whose manifest names an issuer instead of addresses. What is believed of it, the core
//! decides; here it is bounded, kept for an hour at most, and never followed elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actas_core::Time;
use actas_core::app::discovery::{MOST_METADATA, places};
use actas_core::app::{Manifest, Metadata};
use actas_egress::EgressError;
use serde_json::Value;
use url::Url;

use crate::connections::{Connections, SetupError, now};
use crate::token::object;

/// Metadata is asked for again after so long.
const KEPT: Duration = Duration::from_secs(3600);

/// So many issuers' metadata is kept.
const MOST: usize = 256;

/// What issuers said, and when.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<HashMap<String, (Time, Arc<Value>)>>);

impl Found {
    fn get(&self, issuer: &str, now: Time) -> Option<Arc<Value>> {
        self.younger(issuer, now, KEPT)
    }

    /// What was said less than so long ago.
    pub(crate) fn younger(&self, issuer: &str, now: Time, than: Duration) -> Option<Arc<Value>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, document) = all.get(issuer)?;
        // A clock that was set back makes it old too.
        (*at <= now && now.since(*at) < than.min(KEPT)).then(|| document.clone())
    }

    pub(crate) fn put(&self, issuer: &str, now: Time, document: Arc<Value>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(issuer.to_owned(), (now, document));
    }

    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Connections {
    /// What the provider says about itself; none if the manifest does not ask.
    pub(crate) async fn metadata(
        &self,
        manifest: &Manifest,
        settings: &Value,
    ) -> Result<Option<Metadata>, SetupError> {
        let wrong = |error: actas_core::StepError| SetupError::Wrong(error.message);
        let Some((issuer, url)) = manifest.discovery(settings).map_err(wrong)? else {
            return Ok(None);
        };
        let document = match self.inner.found.get(&issuer, now()) {
            Some(known) => known,
            None => {
                let document = Arc::new(self.fetch(&url).await?);
                self.inner.found.put(&issuer, now(), document.clone());
                document
            }
        };
        let hosts = manifest.hosts(settings).map_err(wrong)?;
        Metadata::read(&issuer, &hosts, &document)
            .map(Some)
            .map_err(|fault| SetupError::Wrong(fault.to_string()))
    }

    async fn fetch(&self, issuer: &Url) -> Result<Value, SetupError> {
        for place in places(issuer) {
            let request = http::Request::get(place.as_str())
                .header(http::header::ACCEPT, "application/json")
                .body(Vec::new())
                .map_err(|_| SetupError::Wrong("the issuer is no address".to_owned()))?;
            let answer = self
                .inner
                .egress
                .exchange_within(request, MOST_METADATA)
                .await;
            let response = match answer {
                Ok(response) => response,
                Err(EgressError::TooLarge { .. }) => {
                    return Err(SetupError::Wrong(
                        "the provider's description of itself is too large".to_owned(),
                    ));
                }
                Err(error @ (EgressError::Refused { .. } | EgressError::Invalid(_))) => {
                    return Err(SetupError::Wrong(error.to_string()));
                }
                Err(_) => return Err(SetupError::Away),
            };
            match response.status().as_u16() {
                200 => {
                    let fields = object(response.body());
                    return fields.map(Value::Object).map_err(|_| {
                        SetupError::Wrong(
                            "the provider's description of itself cannot be read".to_owned(),
                        )
                    });
                }
                408 | 429 | 500..=599 => return Err(SetupError::Away),
                // Not here, and not where a redirect would lead either.
                _ => {}
            }
        }
        Err(SetupError::Wrong(
            "the provider has no description of itself at the issuer's address".to_owned(),
        ))
    }
}
