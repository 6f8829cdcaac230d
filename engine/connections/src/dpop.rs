//! Tokens that are bound to a key (RFC 9449): the key, made here for one connection and kept in the vault beside its tokens, and the proofs that
//! requests carry. A copied token is of no use without the key, which never leaves this process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actas_core::{Secret, Time};
use actas_egress::Prover;
use actas_store::system;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;
use zeroize::Zeroizing;

/// So many servers' nonces are kept.
const MOST_NONCES: usize = 1024;

/// A key on the curve P-256, for ES256.
pub(crate) struct ProofKey {
    pair: EcdsaKeyPair,
    written: Secret<String>,
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(***)")
    }
}

impl ProofKey {
    /// A new one; none if the machine gives no randomness.
    pub(crate) fn new() -> Option<Self> {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = Zeroizing::new(made.ok()?.as_ref().to_vec());
        Self::read(Secret::new(URL_SAFE_NO_PAD.encode(&*document)))
    }

    /// One that was written before.
    pub(crate) fn read(written: Secret<String>) -> Option<Self> {
        let document = Zeroizing::new(URL_SAFE_NO_PAD.decode(written.reveal()).ok()?);
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &document,
            &SystemRandom::new(),
        );
        Some(Self {
            pair: pair.ok()?,
            written,
        })
    }

    /// As the vault keeps it.
    pub(crate) fn written(&self) -> &Secret<String> {
        &self.written
    }

    /// The public half: its coordinates.
    fn point(&self) -> (String, String) {
        // The uncompressed form: 4, then x, then y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }

    /// What an authorisation request names the key by (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        let (x, y) = self.point();
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    }

    /// The proof of one request (RFC 9449, 4.2).
    fn proof(&self, claims: &Claims<'_>) -> Option<Secret<String>> {
        let (x, y) = self.point();
        let mut htu = claims.url.clone();
        htu.set_query(None);
        htu.set_fragment(None);
        let head = json!({
            "typ": "dpop+jwt", "alg": "ES256",
            "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
        });
        let mut body = json!({
            "jti": URL_SAFE_NO_PAD.encode(claims.id),
            "htm": claims.method,
            "htu": htu.as_str(),
            "iat": claims.at.0 / 1_000_000,
        });
        if let Some(token) = claims.token {
            body["ath"] = URL_SAFE_NO_PAD
                .encode(Sha256::digest(token.reveal()))
                .into();
        }
        if let Some(nonce) = claims.nonce {
            body["nonce"] = nonce.into();
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&body));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.ok()?.as_ref());
        Some(Secret::new(format!("{signed}.{signature}")))
    }
}

/// What a proof says.
struct Claims<'a> {
    method: &'a str,
    url: &'a Url,
    at: Time,
    id: [u8; 16],
    token: Option<&'a Secret<String>>,
    nonce: Option<&'a str>,
}

/// What servers want repeated in proofs, by origin.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<HashMap<String, String>>);

impl Nonces {
    fn of(&self, url: &Url) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&url.origin().ascii_serialization()).cloned()
    }

    /// True if it is another one than before.
    fn learn(&self, url: &Url, nonce: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_NONCES {
            known.clear();
        }
        let origin = url.origin().ascii_serialization();
        known.insert(origin, nonce.to_owned()).as_deref() != Some(nonce)
    }
}

/// A key lent to the requests of one token, or to token requests themselves.
#[derive(Debug, Clone)]
pub(crate) struct Lent {
    pub(crate) key: Arc<ProofKey>,
    /// The token that the requests carry, whose hash is part of their proofs.
    pub(crate) token: Option<Secret<String>>,
    pub(crate) nonces: Arc<Nonces>,
}

impl Prover for Lent {
    fn proof(&self, method: &str, url: &Url) -> Option<Secret<String>> {
        let nonce = self.nonces.of(url);
        self.key.proof(&Claims {
            method,
            url,
            at: system::now(),
            id: system::random::<16>(),
            token: self.token.as_ref(),
            nonce: nonce.as_deref(),
        })
    }

    fn learn(&self, url: &Url, nonce: &str) -> bool {
        self.nonces.learn(url, nonce)
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    fn decoded(part: &str) -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base 64");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn a_proof_says_what_it_is_for_and_is_signed_by_the_key_it_shows() {
        let key = Arc::new(ProofKey::new().expect("a key"));
        let nonces = Arc::new(Nonces::default());
        let lent = Lent {
            key: key.clone(),
            token: Some(Secret::new("a-token".to_owned())),
            nonces,
        };
        let url = Url::parse("https://api.example:8443/v1/me?page=2#x").expect("an address");
        assert!(lent.learn(&url, "n-1"));
        assert!(!lent.learn(&url, "n-1"));
        let proof = lent.proof("GET", &url).expect("a proof");
        let parts: Vec<_> = proof.reveal().split('.').collect();
        let (head, body) = (decoded(parts[0]), decoded(parts[1]));
        assert_eq!(
            (&head["typ"], &head["alg"]),
            (&json!("dpop+jwt"), &json!("ES256"))
        );
        assert_eq!(
            (&body["htm"], &body["htu"], &body["nonce"], &body["ath"]),
            (
                &json!("GET"),
                &json!("https://api.example:8443/v1/me"),
                &json!("n-1"),
                &json!(URL_SAFE_NO_PAD.encode(Sha256::digest("a-token")))
            )
        );
        assert!(body["iat"].as_i64().is_some_and(|at| at > 1_700_000_000));
        let coordinate =
            |name: &str| URL_SAFE_NO_PAD.decode(head["jwk"][name].as_str().expect("a text"));
        let mut point = vec![4];
        point.extend(coordinate("x").expect("base 64"));
        point.extend(coordinate("y").expect("base 64"));
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).expect("base 64");
        let signed = format!("{}.{}", parts[0], parts[1]);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
            .verify(signed.as_bytes(), &signature)
            .expect("its own signature");
        // Each is another one; another server's nonce is none of ours.
        let elsewhere = Url::parse("https://as.example/token").expect("an address");
        let other = lent.proof("POST", &elsewhere).expect("a proof");
        let other = decoded(other.reveal().split('.').nth(1).expect("a body"));
        assert_eq!(
            (&other["nonce"], other["jti"] == body["jti"]),
            (&Value::Null, false)
        );
        // What the vault gives back is the same key, and nothing prints it.
        let again = ProofKey::read(key.written().clone()).expect("the same key");
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert_eq!(format!("{again:?}"), "ProofKey(***)");
        assert!(ProofKey::read(Secret::new("abc".to_owned())).is_none());
    }
}
