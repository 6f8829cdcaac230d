//! Which client calls the token or revocation endpoint (RFC 6749, section 2.3). Gives nothing away but a yes or no.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::params::Params;
use super::token::OAuthError;
use crate::app::App;
use crate::system::same_secret;

/// The id of the client, proved by HTTP Basic, by form fields, or by id alone where it is a public one.
pub(crate) fn client(
    app: &App,
    headers: &HeaderMap,
    params: &Params,
) -> Result<String, OAuthError> {
    let (id, secret, by_header) = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            if params.get("client_secret").is_some() {
                let why = "the client authenticates by header and by form; only one is allowed";
                return Err(OAuthError::new("invalid_request", why));
            }
            let (id, secret) = value
                .to_str()
                .ok()
                .and_then(basic)
                .ok_or_else(|| OAuthError::invalid_client(true))?;
            if params.get("client_id").is_some_and(|other| other != id) {
                return Err(OAuthError::new(
                    "invalid_request",
                    "client_id is not the one of the header",
                ));
            }
            (id, Some(secret), true)
        }
        None => {
            let id = params
                .get("client_id")
                .ok_or_else(|| OAuthError::invalid_client(false))?;
            (
                id.to_owned(),
                params.get("client_secret").map(str::to_owned),
                false,
            )
        }
    };
    let expected = app.read(|state| state.clients.get(&id).map(|client| client.secret.clone()));
    let proved = match (expected, secret) {
        (Some(Some(expected)), Some(secret)) => same_secret(&expected, &secret),
        (Some(None), None) => true,
        _ => false,
    };
    if proved {
        Ok(id)
    } else {
        Err(OAuthError::invalid_client(by_header))
    }
}

/// Id and secret of a Basic header; both are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, coded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (id, secret) = plain.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // A bare value parses as a name without a value. `=` and `&` can't stand in an encoded one; where a client did not
    // encode, they would be cut off, so they are encoded for it.
    let text = text.replace('=', "%3D").replace('&', "%26");
    url::form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}
