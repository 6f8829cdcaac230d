//! Tokens that are bound to a key (RFC 9449): each request carries a proof made for it alone. Making one needs the key, the clock and chance, and
//! none of them is here: whoever holds the key lends a [`Prover`].

use std::fmt;

use actas_core::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use url::Url;

use crate::error::EgressError;

/// The proof of a request.
pub(crate) const PROOF: HeaderName = HeaderName::from_static("dpop");

/// What the next proofs must repeat.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Shows that whoever sends a request holds the key that its token is bound to. `Debug` must show neither.
pub trait Prover: fmt::Debug + Send + Sync {
    /// The proof for a request with this method to this address; none if it cannot be made.
    fn proof(&self, method: &str, url: &Url) -> Option<Secret<String>>;

    /// Takes what a server wants repeated in proofs for it. True if that is news: then a request that was refused for the want of it is worth
    /// another try.
    fn learn(&self, url: &Url, nonce: &str) -> bool;
}

/// The header with the proof.
pub(crate) fn header_for(
    prover: &dyn Prover,
    method: &str,
    url: &Url,
) -> Result<HeaderValue, EgressError> {
    let cannot = || EgressError::Invalid("proof of the credential cannot be made".to_owned());
    let proof = prover.proof(method, url).ok_or_else(cannot)?;
    let mut value = HeaderValue::from_str(proof.reveal()).map_err(|_| cannot())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether an answer refuses a proof for the want of a nonce that it brings along. What it brings is kept in any case.
pub fn wants_another_proof(
    prover: &dyn Prover,
    url: &Url,
    status: StatusCode,
    headers: &HeaderMap,
    refusal: &str,
) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let news = text(&NONCE)
        .filter(|nonce| !nonce.is_empty() && nonce.len() <= 1024)
        .is_some_and(|nonce| prover.learn(url, nonce));
    let refused = match status {
        StatusCode::UNAUTHORIZED => {
            text(&header::WWW_AUTHENTICATE).is_some_and(|value| value.contains("use_dpop_nonce"))
                || refusal == "use_dpop_nonce"
        }
        StatusCode::BAD_REQUEST => refusal == "use_dpop_nonce",
        _ => false,
    };
    news && refused
}
