//! The clock and the source of randomness: the only place of this crate that reads either.
#![expect(
    clippy::disallowed_methods,
    reason = "the sandbox stands for a system out there, with a clock and randomness of its own"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time as RFC 3339, to the millisecond.
pub(crate) fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| "invalid".into(), |t| format!("{t:.3}"))
}

/// 256 random bits in 43 URL-safe characters.
pub(crate) fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256 as base64url without padding: how secrets are kept, and the S256 method of PKCE (RFC 7636, section 4.2).
pub(crate) fn s256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Compares secrets in a time that does not depend on where they differ.
pub(crate) fn same_secret(a: &str, b: &str) -> bool {
    use subtle::ConstantTimeEq as _;
    s256(a).as_bytes().ct_eq(s256(b).as_bytes()).into()
}
