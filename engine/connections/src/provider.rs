//! Speaking to an OAuth 2 provider for one app client: where people are sent, and what is sent to its endpoints. The `oauth2` crate makes
//! the requests, the egress crate sends them; the answers are read by [`crate::token`], because providers keep less to the letter of
//! RFC 6749 than that crate's reader does.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;

use actas_core::app::{ClientAuth, Manifest, OAuthEndpoints};
use actas_core::{ErrorKind, Secret, StepError};
use actas_egress::{Egress, EgressError};
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
    /// Where the person is sent: code flow with a PKCE challenge (RFC 7636, S256), the state, the scopes, the manifest's own parameters.
    pub(crate) fn authorize_url(
        &self,
        state: &str,
        verifier: &Secret<String>,
        scopes: &[String],
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
        request.url().0
    }

    /// Redeems a code.
    pub(crate) async fn redeem(
        &self,
        code: &Secret<String>,
        verifier: &Secret<String>,
    ) -> Result<Tokens, TokenFault> {
        let client = self.oauth();
        let mut request = client.exchange_code(AuthorizationCode::new(code.reveal().clone()));
        if self.manifest.auth.oauth2.as_ref().is_none_or(|o| o.pkce) {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.reveal().clone()));
        }
        let answer = request.request_async(&past(self.egress.clone())).await;
        self.read(answer.err())
    }

    /// Asks for a new access token.
    pub(crate) async fn refresh(&self, refresh: &Secret<String>) -> Result<Tokens, TokenFault> {
        let client = match &self.endpoints.refresh {
            Some(url) => self.oauth().set_token_uri(TokenUrl::from_url(url.clone())),
            None => self.oauth(),
        };
        let token = RefreshToken::new(refresh.reveal().clone());
        let answer = client
            .exchange_refresh_token(&token)
            .request_async(&past(self.egress.clone()))
            .await;
        self.read(answer.err())
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
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.reveal());
        form.append_pair("token_type_hint", hint);
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
                form.append_pair("client_id", &self.client.oauth_client_id);
                form.append_pair("client_secret", secret.reveal());
            }
            _ => {
                form.append_pair("client_id", &self.client.oauth_client_id);
            }
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

    fn read<E>(&self, error: Option<RequestTokenError<Past, E>>) -> Result<Tokens, TokenFault>
    where
        E: oauth2::ErrorResponse + 'static,
    {
        let separator = self
            .manifest
            .auth
            .oauth2
            .as_ref()
            .map_or(Cow::Borrowed(" "), |o| Cow::Borrowed(&o.scope_separator));
        match error {
            Some(RequestTokenError::Request(Past(Ok(response)))) => {
                token::read(&response, &separator)
            }
            Some(RequestTokenError::Request(Past(Err(error)))) => Err(match error {
                EgressError::Refused { .. } | EgressError::Invalid(_) => {
                    TokenFault::Broken("its address may not be reached")
                }
                EgressError::TooLarge { .. } => TokenFault::Broken("it is too large"),
                _ => TokenFault::Away { after: None },
            }),
            _ => Err(TokenFault::Broken("it could not be asked")),
        }
    }
}

/// Sends what the crate made, and carries the answer past it.
fn past(egress: Egress) -> impl Fn(HttpRequest) -> Passing {
    move |request| {
        let egress = egress.clone();
        Box::pin(async move { Err(Past(egress.exchange(request).await)) })
    }
}

type Passing = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, Past>> + Send>>;

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
