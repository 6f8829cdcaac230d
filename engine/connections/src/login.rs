//! Logging in to Actas itself at an OpenID provider: code flow with PKCE, and an ID token that is checked to the last claim. What is kept of it
//! is who somebody is; its tokens are dropped here.

use std::sync::Arc;
use std::time::Duration;

use actas_core::Secret;
use actas_core::ids::WorkspaceId;
use actas_store::{Oidc, ReadError};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::{Url, form_urlencoded};

use crate::connections::{Connections, now};
use crate::jwt::{Claims, Expected, NotValid, Unverified};
use crate::token::object;

/// The largest answer that is read, in bytes.
const MOST: usize = 256 * 1024;

/// Keys that are younger than this are not asked for again because a token names another.
const YOUNG: Duration = Duration::from_secs(60);

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The provider, or what was said of it here, is not right; the operator or an administrator has to look.
    #[error("the login provider is not set up right: {0}")]
    Setup(String),
    /// It does not answer.
    #[error("the login provider does not answer: try again later")]
    Away,
    /// It does not take the code.
    #[error("the login provider did not take the code")]
    Refused,
    /// The answer comes from somebody else than was asked.
    #[error("the answer comes from another provider than was asked")]
    OtherIssuer,
    /// What it says who somebody is does not count.
    #[error("the login provider's word {0}")]
    Token(NotValid),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Where a login goes and comes back to, and what binds it to its browser.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Where the provider sends people back to.
    pub redirect: Url,
    /// Comes back with them.
    pub state: String,
    /// Stands in the ID token.
    pub nonce: String,
    /// Proves to the provider that whoever redeems the code began it.
    pub verifier: Secret<String>,
}

/// What comes back with a person.
#[derive(Debug)]
pub struct Returned {
    /// The code.
    pub code: Secret<String>,
    /// Who says that it sends them (RFC 9207).
    pub issuer: Option<String>,
}

fn text<'a>(metadata: &'a Value, name: &str) -> Result<&'a str, LoginError> {
    let found = metadata.get(name).and_then(Value::as_str);
    found.ok_or_else(|| LoginError::Setup(format!("its description has no `{name}`")))
}

fn address(metadata: &Value, name: &str) -> Result<Url, LoginError> {
    text(metadata, name)?
        .parse()
        .map_err(|_| LoginError::Setup(format!("its `{name}` is no address")))
}

impl Connections {
    /// Where somebody is sent to log in.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login_address(&self, oidc: &Oidc, journey: &Journey) -> Result<Url, LoginError> {
        let metadata = self.login_metadata(oidc).await?;
        let mut url = address(&metadata, "authorization_endpoint")?;
        let issuer: Option<Url> = oidc.issuer.parse().ok();
        let plain = issuer.is_some_and(|i| i.scheme() == "http" && i.origin() == url.origin());
        if url.scheme() != "https" && !plain {
            return Err(LoginError::Setup("its login page is not https".to_owned()));
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(journey.verifier.reveal()));
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(oidc.scopes.iter().filter(|s| *s != "openid").cloned());
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &oidc.client_id)
            .append_pair("redirect_uri", journey.redirect.as_str())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &journey.state)
            .append_pair("nonce", &journey.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Who came back: the code is redeemed, and what the provider says who it is, is checked.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn logged_in(
        &self,
        workspace: &WorkspaceId,
        oidc: &Oidc,
        journey: &Journey,
        returned: Returned,
    ) -> Result<Claims, LoginError> {
        let metadata = self.login_metadata(oidc).await?;
        let announces = metadata.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true));
        let other = match &returned.issuer {
            Some(issuer) => *issuer != oidc.issuer,
            None => announces,
        };
        if other {
            return Err(LoginError::OtherIssuer);
        }
        let answer = self
            .redeem(workspace, oidc, &metadata, journey, &returned.code)
            .await?;
        let token = answer.get("id_token").and_then(Value::as_str);
        let token = token.ok_or(LoginError::Token(NotValid::Form))?;
        let claims = self.signed(&metadata, token).await?;
        let expected = Expected {
            issuer: &oidc.issuer,
            audience: &oidc.client_id,
            longest: None,
            now: now(),
        };
        claims.check(expected).map_err(LoginError::Token)?;
        let nonce = claims.text("nonce").unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(journey.nonce.as_bytes())) {
            return Err(LoginError::Token(NotValid::Nonce));
        }
        Ok(claims)
    }

    /// The claims of a token, if the provider signed it. Keys that are not known yet are asked for once more.
    async fn signed(&self, metadata: &Value, token: &str) -> Result<Claims, LoginError> {
        let keys = address(metadata, "jwks_uri")?;
        for old in [Duration::MAX, YOUNG] {
            let set = self.login_document(&keys, old).await?;
            let unverified = Unverified::read(token).map_err(LoginError::Token)?;
            match unverified.verified_by_one_of(&set) {
                Err(NotValid::UnknownKey) => {}
                done => return done.map_err(LoginError::Token),
            }
        }
        Err(LoginError::Token(NotValid::UnknownKey))
    }

    async fn redeem(
        &self,
        workspace: &WorkspaceId,
        oidc: &Oidc,
        metadata: &Value,
        journey: &Journey,
        code: &Secret<String>,
    ) -> Result<Map<String, Value>, LoginError> {
        let endpoint = address(metadata, "token_endpoint")?;
        let secret = match &oidc.secret {
            None => None,
            Some(name) => {
                let reader = self.reader(workspace);
                let held = self.workspace_secret(&reader, name).await?;
                Some(held.ok_or_else(|| {
                    LoginError::Setup(format!("the workspace has no secret `{name}`"))
                })?)
            }
        };
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.reveal()),
            ("redirect_uri", journey.redirect.as_str()),
            ("code_verifier", journey.verifier.reveal()),
        ];
        let mut request = http::Request::post(endpoint.as_str())
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::CONTENT_TYPE,
                "application/x-www-form-urlencoded",
            );
        let methods = metadata.get("token_endpoint_auth_methods_supported");
        let methods = methods.and_then(Value::as_array);
        let takes = |name: &str| {
            methods.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)))
        };
        match &secret {
            // In the body only where the header is not taken.
            Some(secret) if takes("client_secret_post") && !takes("client_secret_basic") => {
                form.push(("client_id", &oidc.client_id));
                form.push(("client_secret", secret.reveal()));
            }
            Some(secret) => {
                let escaped = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair = format!("{}:{}", escaped(&oidc.client_id), escaped(secret.reveal()));
                let basic = format!("Basic {}", STANDARD.encode(pair));
                request = request.header(http::header::AUTHORIZATION, basic);
            }
            None => {
                form.push(("client_id", &oidc.client_id));
            }
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish()
            .into_bytes();
        let request = request
            .body(body)
            .map_err(|_| LoginError::Setup("its token endpoint is no address".to_owned()))?;
        let answer = self.inner.egress.exchange_within(request, MOST).await;
        let answer = answer.map_err(|error| away(&error))?;
        match answer.status().as_u16() {
            200 => object(answer.body()).map_err(|_| LoginError::Refused),
            408 | 429 | 500..=599 => Err(LoginError::Away),
            _ => Err(LoginError::Refused),
        }
    }

    /// What the provider says about itself, if it is the one that is meant.
    async fn login_metadata(&self, oidc: &Oidc) -> Result<Arc<Value>, LoginError> {
        let place = format!(
            "{}/.well-known/openid-configuration",
            oidc.issuer.trim_end_matches('/')
        );
        let place: Url = place
            .parse()
            .map_err(|_| LoginError::Setup("its issuer is no address".to_owned()))?;
        let metadata = self.login_document(&place, Duration::MAX).await?;
        if metadata.get("issuer").and_then(Value::as_str) == Some(&oidc.issuer) {
            Ok(metadata)
        } else {
            Err(LoginError::Setup(
                "its description is of another issuer".to_owned(),
            ))
        }
    }

    /// A document of the provider, kept for an hour, unless it is older than it may be.
    async fn login_document(&self, url: &Url, oldest: Duration) -> Result<Arc<Value>, LoginError> {
        let key = format!("login {url}");
        if let Some(known) = self.inner.found.younger(&key, now(), oldest) {
            return Ok(known);
        }
        let request = http::Request::get(url.as_str())
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| LoginError::Setup(format!("{url} is no address")))?;
        let answer = self.inner.egress.exchange_within(request, MOST).await;
        let answer = answer.map_err(|error| away(&error))?;
        match answer.status().as_u16() {
            200 => {}
            408 | 429 | 500..=599 => return Err(LoginError::Away),
            _ => return Err(LoginError::Setup(format!("there is nothing at {url}"))),
        }
        let fields = object(answer.body())
            .map_err(|_| LoginError::Setup(format!("what is at {url} cannot be read")))?;
        let document = Arc::new(Value::Object(fields));
        self.inner.found.put(&key, now(), document.clone());
        Ok(document)
    }
}

fn away(error: &actas_egress::EgressError) -> LoginError {
    use actas_egress::EgressError as E;
    match error {
        E::Refused { .. } | E::Invalid(_) | E::TooLarge { .. } => {
            LoginError::Setup(error.to_string())
        }
        _ => LoginError::Away,
    }
}
