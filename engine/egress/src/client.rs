//! Sending: one strict client for the world, and one for each exact exception.

use actas_core::app::{Call, Response};

use crate::config::{CallLimits, EgressConfig};
use crate::credential::Credential;
use crate::error::EgressError;

/// The way out. Cheap to clone; all clones share connections.
#[derive(Debug, Clone)]
pub struct Egress;

impl Egress {
    /// Makes the clients.
    ///
    /// # Errors
    /// [`EgressError::Client`] if TLS cannot be set up.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        let _ = config;
        todo!()
    }

    /// Performs a call: at most three redirects, each judged anew; the credential is attached where the call wants one and the host is
    /// one of its own, and never after a redirect to another host. What the answer repeats of the credential is replaced by `***`.
    ///
    /// # Errors
    /// See [`EgressError`]; an answer with an error status is an answer.
    pub async fn send(
        &self,
        call: &Call,
        credential: Option<&Credential>,
        limits: &CallLimits,
    ) -> Result<Response, EgressError> {
        let _ = (call, credential, limits);
        todo!()
    }

    /// Performs a request of an OAuth sign-in, which holds secrets and whose answer does: no redirects, at most 1 MB, nothing is logged.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, EgressError> {
        let _ = request;
        todo!()
    }
}
