//! Who calls the API: the bearer token of a request (RFC 6750), its person, scopes and rights.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::error::ApiError;
use super::people::Person;
use crate::app::App;
use crate::oauth::grants::Bearer;
use crate::system;

/// The caller of an API route. Having one means that the token is live; what it may do is asked for each operation.
#[derive(Debug)]
pub(crate) struct Caller(Bearer);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = token(&parts.headers).ok_or(ApiError::NoToken)?;
        let bearer = app.read(|state| state.grants.bearer(token, system::now()));
        bearer.map(Self).ok_or(ApiError::InvalidToken)
    }
}

/// The token in the header; tokens in queries or forms are not taken.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Caller {
    /// The caller's name.
    pub(crate) fn user(&self) -> &str {
        &self.0.user
    }

    pub(crate) fn person(&self, app: &App) -> Result<Person, ApiError> {
        app.read(|state| state.people.get(self.user()).cloned())
            .ok_or(ApiError::InvalidToken)
    }

    /// Refuses unless both the token and the person may do this: first what was granted, then who they are.
    pub(crate) fn may(
        &self,
        app: &App,
        scope: &'static str,
        verb: &str,
        object: &str,
    ) -> Result<(), ApiError> {
        if !self.0.scopes.iter().any(|granted| granted == scope) {
            return Err(ApiError::Scope(scope));
        }
        let person = self.person(app)?;
        if person.rights.allow(verb, object) {
            return Ok(());
        }
        Err(ApiError::Right {
            user: person.email,
            right: format!("{verb} on {object}"),
        })
    }
}
