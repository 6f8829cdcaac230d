//! Checking the proofs of keys as a server does (RFC 9449, 4.3): written apart from what makes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What a good proof says.
pub struct Proof {
    pub thumbprint: String,
    pub id: String,
    pub nonce: Option<String>,
}

/// A proof for this request, with this token if it goes to an app; none if anything about it is wrong.
pub fn check(proof: &str, method: &str, address: &str, token: Option<&str>) -> Option<Proof> {
    let parts: Vec<&str> = proof.split('.').collect();
    let [head, body, signature] = parts.as_slice() else {
        return None;
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)?).ok();
    let (header, claims) = (json(head)?, json(body)?);
    let jwk = &header["jwk"];
    if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || jwk.get("d").is_some() {
        return None;
    }
    let mut point = vec![4];
    point.extend(decoded(jwk["x"].as_str()?)?);
    point.extend(decoded(jwk["y"].as_str()?)?);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
        .verify(format!("{head}.{body}").as_bytes(), &decoded(signature)?)
        .ok()?;
    let hash = |text: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    let now = actas_store::system::now().0 / 1_000_000;
    let fits = claims["htm"] == method
        && claims["htu"] == address
        && (claims["iat"].as_i64()? - now).abs() < 60
        && claims.get("ath").and_then(Value::as_str) == token.map(hash).as_deref();
    // `serde_json` sorts the members, as RFC 7638 wants them.
    let members = json!({"crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"], "y": jwk["y"]});
    fits.then_some(Proof {
        thumbprint: hash(&members.to_string()),
        id: claims["jti"].as_str()?.to_owned(),
        nonce: claims["nonce"].as_str().map(str::to_owned),
    })
}
