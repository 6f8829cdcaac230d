//! Sending: one strict client for the world, and one for each exact exception. Redirects are followed here, one by one, because each is a
//! new question to the guard and to the credential.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actas_core::app::{Call, Method, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::answer::{self, MAX_HEADERS};
use crate::config::{CallLimits, EgressConfig, HostPort};
use crate::credential::Credential;
use crate::error::EgressError;
use crate::guard::{Guarded, Own};
use crate::prover;
use crate::redact::Redactor;
use crate::way::Way;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// Bytes of an answer of an OAuth endpoint.
const MAX_EXCHANGE: usize = 1_000_000;

const AGENT: &str = concat!("actas/", env!("CARGO_PKG_VERSION"));

/// The way out. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    config: EgressConfig,
    exceptions: HashSet<HostPort>,
    own: Own,
    /// Made at first use, because reading the machine's certificates takes a while; `None` is the strict one.
    clients: Mutex<HashMap<Option<HostPort>, reqwest::Client>>,
    /// Carries everything, if it is there.
    #[cfg(any(test, feature = "simulated"))]
    network: Option<Arc<dyn crate::way::Network>>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// Makes the way out.
    ///
    /// # Errors
    /// [`EgressError::Client`] if the program has not chosen how to do TLS.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(EgressError::Client(
                "no TLS provider is installed: install one first thing in main".to_owned(),
            ));
        }
        Ok(Self {
            inner: Arc::new(Inner {
                exceptions: config.exceptions.iter().cloned().collect(),
                own: Own::new(&config.own_listeners),
                clients: Mutex::default(),
                #[cfg(any(test, feature = "simulated"))]
                network: None,
                config,
            }),
        })
    }

    /// The same over a network that is not there; everything is judged as ever.
    #[cfg(any(test, feature = "simulated"))]
    pub fn over(config: EgressConfig, network: Arc<dyn crate::way::Network>) -> Self {
        Self {
            inner: Arc::new(Inner {
                exceptions: config.exceptions.iter().cloned().collect(),
                own: Own::new(&config.own_listeners),
                clients: Mutex::default(),
                network: Some(network),
                config,
            }),
        }
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
        let credential = credential.filter(|_| call.authenticated);
        let deadline = Instant::now() + limits.timeout;
        let mut hop = Hop::first(call)?;
        if let Some(credential) = credential
            && !credential.may_go_to(&hop.url)
        {
            return Err(refused(
                &hop.url,
                "it is none of the hosts this connection's credential may go to",
            ));
        }
        for _ in 0..=MAX_REDIRECTS {
            let response = self
                .hop(&hop, credential, deadline, limits.timeout)
                .await
                .map_err(|e| hop.seen(e))?;
            if let Some(location) = redirect(&response) {
                let from = HostPort::of(&hop.url);
                hop = hop.follow(response.status(), location)?;
                // An app that repeats the address it was asked with must not carry the credential in it to somebody else.
                if HostPort::of(&hop.url) != from
                    && let Some(credential) = credential
                {
                    let (before, mut shown) = (hop.url.to_string(), hop.url.to_string());
                    Redactor::new(&credential.secrets()).text(&mut shown);
                    if shown != before {
                        return Err(Hop::mark_seen(refused(
                            &hop.url,
                            "the app redirected to another host with the credential in the address",
                        )));
                    }
                }
                continue;
            }
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            if headers.len() > MAX_HEADERS {
                return Err(EgressError::Protocol("too many headers".to_owned()));
            }
            let limit = limits.max_body.min(self.inner.config.max_body);
            let body = timeout_at(deadline, answer::body(response, limit))
                .await
                .map_err(|_| answer::timed_out(limits.timeout))??;
            let redactor = credential.map(|c| Redactor::new(&c.secrets()));
            return Ok(answer::response(status, &headers, &body, redactor.as_ref()));
        }
        Err(EgressError::Redirects(MAX_REDIRECTS))
    }

    /// Performs a request of an OAuth sign-in, which holds secrets and whose answer does: no redirects, at most 1 MB, nothing is logged.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, EgressError> {
        self.exchange_within(request, MAX_EXCHANGE).await
    }

    /// The same with another bound for the answer's body, in bytes.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub async fn exchange_within(
        &self,
        request: http::Request<Vec<u8>>,
        max_body: usize,
    ) -> Result<http::Response<Vec<u8>>, EgressError> {
        let limit = self.inner.config.default_timeout;
        let deadline = Instant::now() + limit;
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|_| EgressError::Invalid("its address is not a URL".to_owned()))?;
        let way = self.gate(&url)?;
        let sent = way.send(parts.method, url, parts.headers, Some(body));
        let response = timeout_at(deadline, sent)
            .await
            .map_err(|_| answer::timed_out(limit))??;
        let mut answer = http::Response::builder().status(response.status());
        for (name, value) in response.headers() {
            answer = answer.header(name, value);
        }
        let body = timeout_at(deadline, answer::body(response, max_body))
            .await
            .map_err(|_| answer::timed_out(limit))??;
        answer
            .body(body)
            .map_err(|_| EgressError::Protocol("not an answer".to_owned()))
    }

    async fn hop(
        &self,
        hop: &Hop,
        credential: Option<&Credential>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<reqwest::Response, EgressError> {
        let way = self.gate(&hop.url)?;
        let credential = credential.filter(|c| !hop.crossed && c.may_go_to(&hop.url));
        let prover = credential.and_then(Credential::prover);
        let mut again = false;
        loop {
            let mut headers = hop.headers.clone();
            if let Some(credential) = credential {
                for (name, value) in credential.headers()? {
                    headers.insert(name, value);
                }
            }
            if let Some(prover) = prover {
                let proof = prover::header_for(prover, hop.method.as_str(), &hop.url)?;
                headers.insert(prover::PROOF, proof);
            }
            let address = match credential {
                Some(credential) => credential.address(&hop.url)?,
                None => hop.url.clone(),
            };
            let sent = way.send(hop.method.clone(), address, headers, hop.body.clone());
            let response = timeout_at(deadline, sent)
                .await
                .map_err(|_| answer::timed_out(limit))??;
            let refused = prover.is_some_and(|prover| {
                let (status, headers) = (response.status(), response.headers());
                prover::wants_another_proof(prover, &hop.url, status, headers, "")
            });
            // A second time only, with the nonce that the first one brought.
            if again || !refused {
                return Ok(response);
            }
            again = true;
        }
    }

    /// Judges an address before anything is resolved, and gives the client that judges what it resolves to.
    fn gate(&self, url: &Url) -> Result<Way, EgressError> {
        let Some(target) = HostPort::of(url) else {
            return Err(refused(url, "it names no host"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(url, "its address holds a name or password"));
        }
        let exception = self.inner.exceptions.contains(&target);
        match url.scheme() {
            "https" => {}
            "http" if exception => {}
            "http" => return Err(refused(url, "it is plain http")),
            _ => return Err(refused(url, "it is neither https nor http")),
        }
        let guarded = Guarded {
            own: self.inner.own.clone(),
            exception: exception.then_some(target.port),
        };
        // A literal address never reaches the resolver.
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(ip) = literal {
            guarded.check(ip).map_err(|e| refused(url, &e.why))?;
        }
        #[cfg(any(test, feature = "simulated"))]
        if let Some(network) = &self.inner.network {
            return Ok(Way::Simulated(network.clone()));
        }
        self.client(exception.then_some(target), guarded)
            .map(Way::Real)
    }

    fn client(
        &self,
        key: Option<HostPort>,
        guarded: Guarded,
    ) -> Result<reqwest::Client, EgressError> {
        let mut clients = self
            .inner
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(guarded)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the crate that the ban points to"
    )]
    fn build(&self, guarded: Guarded) -> Result<reqwest::Client, EgressError> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(AGENT)
                .redirect(reqwest::redirect::Policy::none())
                // A proxy would resolve and connect where the guard does not see it.
                .no_proxy()
                .referer(false)
                .dns_resolver(Arc::new(guarded.clone()))
                .connect_timeout(self.inner.config.connect_timeout)
                .http1_max_headers(MAX_HEADERS)
                .http2_max_header_list_size(64 * 1024)
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(32)
        };
        builder().build().or_else(|_| {
            // A machine without certificates can still reach its plain exceptions; everything else then fails by name.
            tracing::warn!(
                "this machine has no trusted certificates: no https request will succeed"
            );
            builder()
                .tls_certs_only([])
                .build()
                .map_err(|_| EgressError::Client("TLS cannot be set up".to_owned()))
        })
    }
}

/// One request of a chain of redirects.
struct Hop {
    method: http::Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    /// Some redirect led to another host: no credential from here on, not even back home.
    crossed: bool,
    /// The app has seen a request.
    redirected: bool,
}

impl Hop {
    fn first(call: &Call) -> Result<Self, EgressError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &call.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| EgressError::Invalid(format!("`{name}` is no header name")))?;
            let value = HeaderValue::from_str(value).map_err(|_| {
                EgressError::Invalid(format!("header `{name}` holds characters it cannot carry"))
            })?;
            // These say who asks or where a message ends; they are not a flow's to give.
            if name == prover::PROOF
                || matches!(
                    name,
                    header::AUTHORIZATION
                        | header::PROXY_AUTHORIZATION
                        | header::COOKIE
                        | header::HOST
                        | header::CONTENT_LENGTH
                        | header::TRANSFER_ENCODING
                        | header::CONNECTION
                        | header::UPGRADE
                )
            {
                return Err(EgressError::Invalid(format!(
                    "header `{name}` cannot be set by a flow"
                )));
            }
            headers.append(name, value);
        }
        Ok(Self {
            method: method(call.method),
            url: call.url.clone(),
            headers,
            body: call.body.clone(),
            crossed: false,
            redirected: false,
        })
    }

    /// The next request after a redirect (RFC 9110, 15.4): 303, and 301 or 302 after a POST, become a GET; 307 and 308 repeat.
    fn follow(self, status: StatusCode, location: &str) -> Result<Self, EgressError> {
        let url = self
            .url
            .join(location)
            .map_err(|_| EgressError::Protocol("its redirect leads nowhere".to_owned()))?;
        let foreign =
            url.scheme() != self.url.scheme() || HostPort::of(&url) != HostPort::of(&self.url);
        let becomes_get = match status.as_u16() {
            303 => self.method != http::Method::HEAD,
            301 | 302 => self.method == http::Method::POST,
            _ => false,
        };
        if foreign && self.body.is_some() && !becomes_get {
            return Err(Self::mark_seen(refused(
                &url,
                "the app redirected a request with a body to another host",
            )));
        }
        let mut headers = self.headers;
        if foreign {
            headers = headers
                .get(header::ACCEPT)
                .map(|accept| (header::ACCEPT, accept.clone()))
                .into_iter()
                .collect();
        }
        let (method, body) = if becomes_get {
            headers.remove(header::CONTENT_TYPE);
            (http::Method::GET, None)
        } else {
            (self.method, self.body)
        };
        Ok(Self {
            method,
            url,
            headers,
            body,
            crossed: self.crossed || foreign,
            redirected: true,
        })
    }

    /// An error of this hop: if there was one before it, the app has seen a request.
    fn seen(&self, error: EgressError) -> EgressError {
        if !self.redirected {
            return error;
        }
        Self::mark_seen(error)
    }

    fn mark_seen(error: EgressError) -> EgressError {
        match error {
            EgressError::Refused { host, why, .. } => EgressError::Refused {
                host,
                why,
                redirected: true,
            },
            EgressError::Unreachable(why) | EgressError::Tls(why) => {
                EgressError::Protocol(format!("after a redirect: {why}"))
            }
            other => other,
        }
    }
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    }
}

fn redirect(response: &reqwest::Response) -> Option<&str> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    response.headers().get(header::LOCATION)?.to_str().ok()
}

pub(crate) fn host(url: &Url) -> String {
    HostPort::of(url).map_or_else(|| "an address without host".to_owned(), |h| h.to_string())
}

fn refused(url: &Url, why: &str) -> EgressError {
    EgressError::Refused {
        host: host(url),
        why: why.to_owned(),
        redirected: false,
    }
}
