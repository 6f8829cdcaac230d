//! Speaking to an OAuth 2 provider for one app client: where people are sent, and what is sent to its endpoints. The `oauth2` crate makes
//! the requests, the egress crate sends them; the answers are read by [`crate::token`], because providers keep less to the letter of
//! RFC 6749 than that crate's reader does.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use actas_core::app::{ClientAuth, Manifest, OAuthEndpoints};
use actas_core::{ErrorKind, Secret, StepError};
use actas_egress::{Egress, EgressError, Prover as _, wants_another_proof};
use actas_store::ClientRow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpRequest, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, TokenUrl,
};
use url::{Url, form_urlencoded};

use crate::dpop::{Lent, Nonces, ProofKey};
use crate::token::{self, TokenFault, Tokens};

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// One app client at its provider.
pub(crate) struct Provider<'a> {
    pub(crate) egress: &'a Egress,
    pub(crate) manifest: &'a Manifest,
    pub(crate) client: &'a ClientRow,
    pub(crate) secret: Option<Secret<String>>,
    pub(crate) endpoints: OAuthEndpoints,
    pub(crate) redirect: Url,
    pub(crate) nonces: &'a Arc<Nonces>,
}

/// Carries an answer past the crate's own reader. `Debug` says nothing, because the crate's errors show it.
struct Past(Result<http::Response<Vec<u8>>, EgressError>);

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answer")
    }
}

impl fmt::Display for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answer")
    }
}

impl std::error::Error for Past {}

impl Provider<'_> {
    /// Where the person is sent: code flow with a PKCE challenge (RFC 7636, S256), the state, the scopes, the manifest's own parameters, and
    /// the key that the code will be bound to.
    pub(crate) fn authorize_url(
        &self,
        state: &str,
        verifier: &Secret<String>,
        scopes: &[String],
        key: Option<&ProofKey>,
    ) -> Url {
        let client = self.oauth();
        let mut request = client.authorize_url(|| CsrfToken::new(state.to_owned()));
        let oauth2 = self.manifest.auth.oauth2.as_ref();
        if oauth2.is_none_or(|o| o.pkce) {
            let verifier = PkceCodeVerifier::new(verifier.reveal().clone());
            request =
                request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        if !scopes.is_empty() {
            let separator = oauth2.map_or(" ", |o| o.scope_separator.as_str());
            request = request.add_extra_param("scope", scopes.join(separator));
        }
        for (name, value) in oauth2.iter().flat_map(|o| &o.authorize_parameters) {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        if let Some(key) = key {
            request = request.add_extra_param("dpop_jkt", key.thumbprint());
        }
        request.url().0
    }

    /// Where the person is sent if the provider takes pushed requests (RFC 9126): it is told everything here, and the browser carries a name
    /// of it alone.
    pub(crate) async fn pushed(&self, url: Url) -> Result<Url, TokenFault> {
        let Some(push) = &self.endpoints.push else {
            return Ok(url);
        };
        let own = self.endpoints.authorize.query_pairs().count();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().skip(own).collect();
        let request = self
            .authenticated(push, pairs)
            .ok_or(TokenFault::Broken("it could not be asked"))?;
        let response = self.egress.exchange(request).await.map_err(not_sent)?;
        let name = token::pushed(&response)?;
        let mut url = self.endpoints.authorize.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client.oauth_client_id)
            .append_pair("request_uri", &name);
        Ok(url)
    }

    /// Redeems a code.
    pub(crate) async fn redeem(
        &self,
        code: &Secret<String>,
        verifier: &Secret<String>,
        key: Option<&Arc<ProofKey>>,
    ) -> Result<Tokens, TokenFault> {
        let client = self.oauth();
        let mut request = client.exchange_code(AuthorizationCode::new(code.reveal().clone()));
        for (name, value) in self.token_parameters() {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        if self.manifest.auth.oauth2.as_ref().is_none_or(|o| o.pkce) {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.reveal().clone()));
        }
        let answer = request.request_async(&self.past(key)).await;
        self.read(answer.err(), key)
    }

    /// Asks for a new access token.
    pub(crate) async fn refresh(
        &self,
        refresh: &Secret<String>,
        key: Option<&Arc<ProofKey>>,
    ) -> Result<Tokens, TokenFault> {
        let client = match &self.endpoints.refresh {
            Some(url) => self.oauth().set_token_uri(TokenUrl::from_url(url.clone())),
            None => self.oauth(),
        };
        let token = RefreshToken::new(refresh.reveal().clone());
        let mut request = client.exchange_refresh_token(&token);
        for (name, value) in self.token_parameters() {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        let answer = request.request_async(&self.past(key)).await;
        self.read(answer.err(), key)
    }

    /// Asks for a token of the client's own (RFC 6749, 4.4). A refresh token that comes along is not used: asking again is as good.
    pub(crate) async fn client_credentials(
        &self,
        scopes: &[String],
        key: Option<&Arc<ProofKey>>,
    ) -> Result<Tokens, TokenFault> {
        let client = self.oauth();
        let mut request = client.exchange_client_credentials();
        if !scopes.is_empty() {
            let oauth2 = self.manifest.auth.oauth2.as_ref();
            let separator = oauth2.map_or(" ", |o| o.scope_separator.as_str());
            request = request.add_extra_param("scope", scopes.join(separator));
        }
        for (name, value) in self.token_parameters() {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        let answer = request.request_async(&self.past(key)).await;
        let mut tokens = self.read(answer.err(), key)?;
        tokens.refresh = None;
        Ok(tokens)
    }

    fn token_parameters(&self) -> impl Iterator<Item = (&String, &String)> {
        let oauth2 = self.manifest.auth.oauth2.as_ref();
        oauth2.into_iter().flat_map(|o| &o.token_parameters)
    }

    /// Takes a token back (RFC 7009). True if the provider says that it is gone. Written out here, because the crate refuses a plain
    /// address outright, although an exception of the operator's may allow it.
    pub(crate) async fn revoke(&self, token: &Secret<String>, hint: &str) -> bool {
        let Some(request) = self.revocation(token, hint) else {
            return false;
        };
        self.egress
            .exchange(request)
            .await
            .is_ok_and(|response| response.status().is_success())
    }

    fn revocation(&self, token: &Secret<String>, hint: &str) -> Option<HttpRequest> {
        let url = self.endpoints.revoke.as_ref()?;
        let pairs = [
            ("token", token.reveal().as_str()),
            ("token_type_hint", hint),
        ];
        self.authenticated(url, pairs)
    }

    /// A form for one of the provider's addresses, in which the client shows who it is.
    fn authenticated<K: AsRef<str>, V: AsRef<str>>(
        &self,
        url: &Url,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Option<HttpRequest> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let mut named = false;
        for (name, value) in pairs {
            named |= name.as_ref() == "client_id";
            form.append_pair(name.as_ref(), value.as_ref());
        }
        // A pushed request names the client itself (RFC 9126, 2.1), however the client shows itself.
        let name_client = |form: &mut form_urlencoded::Serializer<'_, String>| {
            if !named {
                form.append_pair("client_id", &self.client.oauth_client_id);
            }
        };
        let mut request = http::Request::post(url.as_str())
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::CONTENT_TYPE,
                "application/x-www-form-urlencoded",
            );
        match (self.endpoints.client_auth, &self.secret) {
            (ClientAuth::Basic, Some(secret)) => {
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair = Secret::new(format!(
                    "{}:{}",
                    encode(&self.client.oauth_client_id),
                    encode(secret.reveal())
                ));
                request = request.header(
                    http::header::AUTHORIZATION,
                    format!("Basic {}", STANDARD.encode(pair.reveal())),
                );
            }
            (ClientAuth::Post, Some(secret)) => {
                name_client(&mut form);
                form.append_pair("client_secret", secret.reveal());
            }
            _ => name_client(&mut form),
        }
        request.body(form.finish().into_bytes()).ok()
    }

    fn oauth(&self) -> Client {
        let mut client = BasicClient::new(ClientId::new(self.client.oauth_client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(self.endpoints.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(self.endpoints.token.clone()))
            .set_redirect_uri(RedirectUrl::from_url(self.redirect.clone()))
            .set_auth_type(match self.endpoints.client_auth {
                ClientAuth::Basic => AuthType::BasicAuth,
                ClientAuth::Post | ClientAuth::None => AuthType::RequestBody,
            });
        if self.endpoints.client_auth != ClientAuth::None
            && let Some(secret) = &self.secret
        {
            client = client.set_client_secret(ClientSecret::new(secret.reveal().clone()));
        }
        client
    }

    fn read<E>(
        &self,
        error: Option<RequestTokenError<Past, E>>,
        key: Option<&Arc<ProofKey>>,
    ) -> Result<Tokens, TokenFault>
    where
        E: oauth2::ErrorResponse + 'static,
    {
        let oauth2 = self.manifest.auth.oauth2.as_ref();
        let separator = oauth2.map_or(" ", |o| o.scope_separator.as_str());
        match error {
            Some(RequestTokenError::Request(Past(Ok(response)))) => {
                token::read(&response, separator, key)
            }
            Some(RequestTokenError::Request(Past(Err(error)))) => Err(not_sent(error)),
            _ => Err(TokenFault::Broken("it could not be asked")),
        }
    }

    /// Sends what the crate made, with the proof of a key if there is one, and carries the answer past it.
    fn past(&self, key: Option<&Arc<ProofKey>>) -> impl Fn(HttpRequest) -> Passing + use<> {
        let egress = self.egress.clone();
        let lent = key.map(|key| Lent {
            key: key.clone(),
            token: None,
            nonces: self.nonces.clone(),
        });
        move |request| {
            let (egress, lent) = (egress.clone(), lent.clone());
            Box::pin(async move { Err(Past(exchange(&egress, request, lent.as_ref()).await)) })
        }
    }
}

/// One request; a second one only if the proof is refused for the want of a nonce that the refusal brings along: then nothing was done.
async fn exchange(
    egress: &Egress,
    request: HttpRequest,
    lent: Option<&Lent>,
) -> Result<http::Response<Vec<u8>>, EgressError> {
    let Some(lent) = lent else {
        return egress.exchange(request).await;
    };
    let url = Url::parse(&request.uri().to_string())
        .map_err(|_| EgressError::Invalid("its address is not a URL".to_owned()))?;
    let proved = || {
        let proof = lent.proof(request.method().as_str(), &url)?;
        let mut value = http::HeaderValue::from_str(proof.reveal()).ok()?;
        value.set_sensitive(true);
        let mut request = request.clone();
        request.headers_mut().insert("dpop", value);
        Some(request)
    };
    let cannot = || EgressError::Invalid("proof of the key cannot be made".to_owned());
    let first = egress.exchange(proved().ok_or_else(cannot)?).await?;
    let word = token::error_word(&first).unwrap_or_default();
    if wants_another_proof(lent, &url, first.status(), first.headers(), &word) {
        let second = egress.exchange(proved().ok_or_else(cannot)?).await?;
        wants_another_proof(lent, &url, second.status(), second.headers(), "");
        return Ok(second);
    }
    Ok(first)
}

type Passing = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, Past>> + Send>>;

/// What a request that brought no answer means.
fn not_sent(error: EgressError) -> TokenFault {
    match error {
        EgressError::Refused { .. } | EgressError::Invalid(_) => {
            TokenFault::Broken("its address may not be reached")
        }
        EgressError::TooLarge { .. } => TokenFault::Broken("it is too large"),
        _ => TokenFault::Away { after: None },
    }
}

impl TokenFault {
    /// What a step fails with that needs a token and gets none, where signing in would not help.
    pub(crate) fn step_error(&self, app: &str) -> StepError {
        match self {
            Self::Dead => StepError::new(
                ErrorKind::SignInNeeded,
                format!("{app} has to be signed in to again"),
            ),
            Self::Client => StepError::new(
                ErrorKind::Unavailable,
                format!("{app} refuses this workspace's app client"),
            )
            .with_code("app_client_refused")
            .with_help("check the client id and secret with `actas apps configure`"),
            Self::Away { after } => {
                let mut error = StepError::new(
                    ErrorKind::Unavailable,
                    format!("{app} does not renew the sign-in just now"),
                )
                .with_code("token_endpoint_unavailable");
                error.after_ms = after.and_then(|d| u64::try_from(d.as_millis()).ok());
                error
            }
            Self::Broken(what) => StepError::new(
                ErrorKind::Unavailable,
                format!("{app} gave no usable answer when the sign-in was renewed: {what}"),
            )
            .with_code("token_endpoint_broken"),
        }
    }
}
