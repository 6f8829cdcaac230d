//! Signed tokens of other systems (RFC 7515, 7519), checked with the primitives of `ring`, which TLS is done with here already. The usual
//! crates for it would bring an RSA library without a remedy for its timing leak, or a second cryptographic library. The key says which
//! algorithm counts, never the token: there is no `none`, and no key of one kind can be used as one of another.

use actas_core::Time;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16_384;

/// Clocks differ by so much, in seconds.
const SKEW: i64 = 60;

/// Why a token does not count. Its sender is told nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotValid {
    /// It is no signed token, or one with extensions that are not understood.
    #[error("is no signed token")]
    Form,
    /// It was signed in another way than its key is for.
    #[error("names another algorithm than its key's")]
    Algorithm,
    /// There is no key that it could have been signed with.
    #[error("names a key that is not known")]
    UnknownKey,
    /// Nobody who has the key signed it.
    #[error("is not signed with the key")]
    Signature,
    /// Somebody else made it.
    #[error("comes from another issuer")]
    Issuer,
    /// It is meant for somebody else.
    #[error("is meant for somebody else")]
    Audience,
    /// Its time is over, or has not come, or lasts too long.
    #[error("does not count now")]
    Time,
    /// It answers another question.
    #[error("belongs to another login")]
    Nonce,
    /// It does not say whom it is about, or not once.
    #[error("does not say who it is")]
    Subject,
}

/// A public key, and with it the one way of signing that counts.
#[derive(Debug, Clone)]
pub enum Key {
    /// RSASSA-PKCS1-v1_5 with SHA-256: modulus and exponent.
    Rs256(Vec<u8>, Vec<u8>),
    /// The same, as DER of PKCS #1.
    Rs256Der(Vec<u8>),
    /// ECDSA on P-256 with SHA-256: an uncompressed point.
    Es256(Vec<u8>),
    /// Ed25519.
    EdDsa(Vec<u8>),
}

/// What a SubjectPublicKeyInfo of Ed25519 begins with (RFC 8410).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The algorithm in one of RSA (RFC 3279).
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

impl Key {
    /// A key of a JWK Set (RFC 7517); none if it is of another kind or not for signatures.
    pub fn of_jwk(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|is| is != "sig") {
            return None;
        }
        let key = match (text("kty")?, text("crv")) {
            ("RSA", _) => Self::Rs256(bytes("n")?, bytes("e")?),
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if (x.len(), y.len()) != (32, 32) {
                    return None;
                }
                Self::Es256([vec![4], x, y].concat())
            }
            ("OKP", Some("Ed25519")) => Self::EdDsa(bytes("x")?),
            _ => return None,
        };
        text("alg")
            .is_none_or(|alg| alg == key.algorithm())
            .then_some(key)
    }

    /// A public key in PEM (`BEGIN PUBLIC KEY`): Ed25519, or RSA of 2,048 bits and more.
    pub fn of_pem(text: &str) -> Option<Self> {
        let body = text
            .trim()
            .strip_prefix("-----BEGIN PUBLIC KEY-----")?
            .strip_suffix("-----END PUBLIC KEY-----")?;
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD.decode(body).ok()?;
        if let Some(key) = der.strip_prefix(&ED25519_SPKI) {
            return (key.len() == 32).then(|| Self::EdDsa(key.to_vec()));
        }
        let inner = long_form(0x30, &der)?.strip_prefix(&RSA_ALGORITHM)?;
        let key = long_form(0x03, inner)?.strip_prefix(&[0])?;
        // Modulus of 2,048 bits and more: its own length takes the long form too.
        long_form(0x30, key).map(|_| Self::Rs256Der(key.to_vec()))
    }

    /// The algorithm's name.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rs256(..) | Self::Rs256Der(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), NotValid> {
        let done =
            match self {
                Self::Rs256(n, e) => RsaPublicKeyComponents { n, e }.verify(
                    &RSA_PKCS1_2048_8192_SHA256,
                    signed,
                    signature,
                ),
                Self::Rs256Der(der) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
                    .verify(signed, signature),
                Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature),
                Self::EdDsa(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
            };
        done.map_err(|_| NotValid::Signature)
    }
}

/// The content of the one DER value that there is, with a length of two bytes.
fn long_form(tag: u8, der: &[u8]) -> Option<&[u8]> {
    let rest = der.strip_prefix(&[tag, 0x82])?;
    let (length, content) = rest.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    (content.len() == length).then_some(content)
}

/// A token that was taken apart, and whom nobody believes yet.
#[derive(Debug)]
pub struct Unverified<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`NotValid::Form`].
    pub fn read(token: &'a str) -> Result<Self, NotValid> {
        if token.len() > LONGEST {
            return Err(NotValid::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(NotValid::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(NotValid::Form)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NotValid::Form);
        let object = |part: &str| crate::token::object(&bytes(part)?).map_err(|_| NotValid::Form);
        let this = Self {
            signed,
            signature: bytes(signature)?,
            header: object(header)?,
            claims: object(claims)?,
        };
        // What must be understood and is not (RFC 7515, 4.1.11).
        if this.header.contains_key("crit") {
            return Err(NotValid::Form);
        }
        Ok(this)
    }

    /// Which key it says it was signed with.
    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// Who it says it comes from: to look for the key, and for nothing else.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// For whom it says it is, if for one alone: to look for the key, and for nothing else.
    pub fn audience(&self) -> Option<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => Some(one),
            Some(Value::Array(all)) => match all.as_slice() {
                [Value::String(one)] => Some(one),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its claims, if it was signed with this key.
    ///
    /// # Errors
    /// [`NotValid::Algorithm`], [`NotValid::Signature`].
    pub fn verified(self, key: &Key) -> Result<Claims, NotValid> {
        let named = self.header.get("alg").and_then(Value::as_str);
        if named != Some(key.algorithm()) {
            return Err(NotValid::Algorithm);
        }
        key.verify(self.signed.as_bytes(), &self.signature)?;
        Ok(Claims(self.claims))
    }

    /// Its claims, if it was signed with a key of this set: the one that it names, or the only one there could be.
    ///
    /// # Errors
    /// Also [`NotValid::UnknownKey`].
    pub fn verified_by_one_of(self, set: &Value) -> Result<Claims, NotValid> {
        let keys = set.get("keys").and_then(Value::as_array);
        let keys: Vec<&Value> = keys.into_iter().flatten().collect();
        let id = |jwk: &Value| jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
        let named = self.key_id().map(str::to_owned);
        let mut fits = keys
            .iter()
            .filter(|jwk| named.is_none() || id(jwk) == named)
            .filter_map(|jwk| Key::of_jwk(jwk));
        match (fits.next(), fits.next()) {
            (Some(key), None) => self.verified(&key),
            _ => Err(NotValid::UnknownKey),
        }
    }
}

/// What a token says whose signature is good.
#[derive(Debug, Clone)]
pub struct Claims(Map<String, Value>);

/// What is expected of a token.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who made it.
    pub issuer: &'a str,
    /// For whom.
    pub audience: &'a str,
    /// How long it may live at most, in seconds.
    pub longest: Option<i64>,
    /// Now.
    pub now: Time,
}

impl Claims {
    /// Whether it counts: whose it is, for whom, and now.
    ///
    /// # Errors
    /// With the first thing that is not as expected.
    pub fn check(&self, expected: Expected<'_>) -> Result<(), NotValid> {
        if self.text("iss") != Some(expected.issuer) {
            return Err(NotValid::Issuer);
        }
        let party = self.text("azp");
        let for_us = match self.0.get("aud") {
            Some(Value::String(one)) => one == expected.audience,
            // Of several, the one that asked is named.
            Some(Value::Array(all)) => {
                let named = all
                    .iter()
                    .any(|one| one.as_str() == Some(expected.audience));
                named && (all.len() == 1 || party == Some(expected.audience))
            }
            _ => false,
        };
        if !for_us || party.is_some_and(|party| party != expected.audience) {
            return Err(NotValid::Audience);
        }
        let now = expected.now.micros().div_euclid(1_000_000);
        let end = self.seconds("exp").ok_or(NotValid::Time)?;
        let begun = self.seconds("iat").ok_or(NotValid::Time)?;
        let early =
            self.0.contains_key("nbf") && self.seconds("nbf").is_none_or(|from| from > now + SKEW);
        let too_long = expected.longest.is_some_and(|most| end - begun > most);
        if end + SKEW <= now || begun > now + SKEW || early || too_long {
            return Err(NotValid::Time);
        }
        match self.subject() {
            "" => Err(NotValid::Subject),
            _ => Ok(()),
        }
    }

    /// Whom it is about; empty if it does not say.
    pub fn subject(&self) -> &str {
        let subject = self.text("sub").unwrap_or_default();
        if subject.len() > 255 { "" } else { subject }
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is a text or several.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => all
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A claim that is a time, in whole seconds of the Unix epoch.
    pub fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        let whole = value.as_i64();
        // Some say it with a fraction; what is out of range is no time.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the bounds are those of the years there are"
        )]
        let cut = |fraction: f64| (0.0..1e11).contains(&fraction).then_some(fraction as i64);
        whole
            .or_else(|| value.as_f64().and_then(cut))
            .filter(|seconds| (0..100_000_000_000).contains(seconds))
    }
}

#[cfg(test)]
#[path = "tests/jwt.rs"]
mod tests;
