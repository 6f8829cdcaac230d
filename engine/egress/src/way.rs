//! What carries a request: the network, or in tests a simulated one. Nothing is judged here.

use http::{HeaderMap, Method};
use url::Url;

use crate::answer;
use crate::client::host;
use crate::error::EgressError;

/// An answer on its way.
#[cfg(any(test, feature = "simulated"))]
pub type Carried<'a> = futures::future::BoxFuture<'a, Result<http::Response<Vec<u8>>, EgressError>>;

/// A network that is not there.
#[cfg(any(test, feature = "simulated"))]
pub trait Network: std::fmt::Debug + Send + Sync {
    /// Carries a request to whoever is simulated, and the answer back.
    fn carry(&self, request: http::Request<Vec<u8>>) -> Carried<'_>;
}

/// What carries requests to one target.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// The network.
    Real(reqwest::Client),
    /// None.
    #[cfg(any(test, feature = "simulated"))]
    Simulated(std::sync::Arc<dyn Network>),
}

impl Way {
    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<reqwest::Response, EgressError> {
        match self {
            Self::Real(client) => {
                let host = host(&url);
                let mut request = client.request(method, url).headers(headers);
                if let Some(body) = body {
                    request = request.body(body);
                }
                request.send().await.map_err(|e| answer::failure(&e, &host))
            }
            #[cfg(any(test, feature = "simulated"))]
            Self::Simulated(network) => {
                let mut request = http::Request::new(body.unwrap_or_default());
                *request.method_mut() = method;
                *request.uri_mut() = url
                    .as_str()
                    .parse()
                    .map_err(|_| EgressError::Invalid("its address is not a URL".to_owned()))?;
                *request.headers_mut() = headers;
                network.carry(request).await.map(reqwest::Response::from)
            }
        }
    }
}
