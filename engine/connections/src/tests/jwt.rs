//! Tokens that count and tokens that must not.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::json;

use super::*;

const NOW: i64 = 1_795_200_000;

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A maker of tokens.
struct Maker {
    pair: Ed25519KeyPair,
}

impl Maker {
    fn new() -> Self {
        let seed = [7; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        Self { pair }
    }

    fn key(&self) -> Key {
        Key::EdDsa(self.pair.public_key().as_ref().to_vec())
    }

    fn set(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one", "use": "sig"}]})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": "us", "sub": "u-1", "iat": NOW, "exp": NOW + 300, "nonce": "n"})
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "one"})
}

fn checked(token: &str, set: &Value) -> Result<Claims, NotValid> {
    let claims = Unverified::read(token)?.verified_by_one_of(set)?;
    claims.check(Expected {
        issuer: "https://id.example",
        audience: "us",
        longest: Some(300),
        now: Time(NOW * 1_000_000),
    })?;
    Ok(claims)
}

#[test]
fn a_token_counts_that_says_all_it_must() {
    let maker = Maker::new();
    let set = maker.set();
    let good = checked(&maker.token(&header(), &claims()), &set).unwrap();
    assert_eq!((good.subject(), good.text("nonce")), ("u-1", Some("n")));
    // The only key there is need not be named.
    let unnamed = json!({"alg": "EdDSA", "typ": "JWT"});
    assert!(checked(&maker.token(&unnamed, &claims()), &set).is_ok());
    for aud in [json!(["us"]), json!("us")] {
        let mut claims = claims();
        claims["aud"] = aud;
        assert!(checked(&maker.token(&header(), &claims), &set).is_ok());
    }
}

#[test]
fn each_thing_that_is_not_as_expected_is_enough() {
    let maker = Maker::new();
    let set = maker.set();
    let with = |change: &[(&str, Value)]| {
        let mut claims = claims();
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        checked(&maker.token(&header(), &claims), &set).err()
    };
    assert_eq!(with(&[]), None);
    let cases = [
        ("iss", json!("https://other.example"), NotValid::Issuer),
        ("iss", json!("https://id.example/"), NotValid::Issuer),
        ("iss", json!(null), NotValid::Issuer),
        ("aud", json!("them"), NotValid::Audience),
        ("aud", json!(["us", "them"]), NotValid::Audience),
        ("aud", json!([]), NotValid::Audience),
        ("aud", json!(null), NotValid::Audience),
        ("azp", json!("them"), NotValid::Audience),
        ("exp", json!(NOW - 60), NotValid::Time),
        ("exp", json!(NOW + 301), NotValid::Time),
        ("exp", json!("soon"), NotValid::Time),
        ("exp", json!(null), NotValid::Time),
        ("exp", json!(9_223_372_036_854_775_807_i64), NotValid::Time),
        ("exp", json!(1e300), NotValid::Time),
        ("iat", json!(NOW + 61), NotValid::Time),
        ("iat", json!(null), NotValid::Time),
        ("iat", json!(-1), NotValid::Time),
        ("nbf", json!(NOW + 61), NotValid::Time),
        ("nbf", json!("later"), NotValid::Time),
        ("sub", json!(""), NotValid::Subject),
        ("sub", json!(null), NotValid::Subject),
        ("sub", json!("x".repeat(256)), NotValid::Subject),
    ];
    for (name, value, fault) in cases {
        assert_eq!(
            with(&[(name, value.clone())]),
            Some(fault),
            "{name}: {value}"
        );
    }
    let several = [("aud", json!(["us", "them"])), ("azp", json!("us"))];
    assert_eq!(with(&several), None);
}

#[test]
fn a_token_cannot_choose_how_it_is_checked() {
    let maker = Maker::new();
    let set = maker.set();
    let of = |header: Value| maker.token(&header, &claims());
    for (header, fault) in [
        (json!({"alg": "none", "kid": "one"}), NotValid::Algorithm),
        (json!({"alg": "HS256", "kid": "one"}), NotValid::Algorithm),
        (json!({"alg": "RS256", "kid": "one"}), NotValid::Algorithm),
        (json!({"alg": "eddsa", "kid": "one"}), NotValid::Algorithm),
        (json!({"kid": "one"}), NotValid::Algorithm),
        (json!({"alg": "EdDSA", "kid": "two"}), NotValid::UnknownKey),
        (
            json!({"alg": "EdDSA", "kid": "one", "crit": ["b64"], "b64": false}),
            NotValid::Form,
        ),
    ] {
        assert_eq!(
            checked(&of(header.clone()), &set).err(),
            Some(fault),
            "{header}"
        );
    }
    // Signed with the public key as if it were a shared secret.
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, maker.pair.public_key().as_ref());
    let signed = format!(
        "{}.{}",
        part(&json!({"alg": "HS256", "kid": "one"})),
        part(&claims())
    );
    let tag = ring::hmac::sign(&hmac, signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
    assert_eq!(checked(&token, &set).err(), Some(NotValid::Algorithm));
    // Without a signature, with another's, with a bit of it turned.
    let good = of(header());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    assert!(checked(&format!("{signed}."), &set).is_err());
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    let turned = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes));
    assert_eq!(checked(&turned, &set).err(), Some(NotValid::Signature));
    let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let forged = URL_SAFE_NO_PAD.encode(other.sign(signed.as_bytes()).as_ref());
    let forged = format!("{signed}.{forged}");
    assert_eq!(checked(&forged, &set).err(), Some(NotValid::Signature));
    for odd in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        &good[1..],
        &format!("{good}.x"),
    ] {
        assert!(checked(odd, &set).is_err(), "{odd}");
    }
    let long = "x".repeat(LONGEST + 1);
    assert_eq!(Unverified::read(&long).err(), Some(NotValid::Form));
    // A name that comes twice could be read in two ways.
    let twice = format!(
        "{}.{}",
        part(&header()),
        URL_SAFE_NO_PAD.encode(r#"{"sub":"a","sub":"b"}"#)
    );
    let signature = maker.pair.sign(twice.as_bytes());
    let twice = format!("{twice}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    assert_eq!(Unverified::read(&twice).err(), Some(NotValid::Form));
    // Two keys of one name are no key.
    let mut double = maker.set();
    let again = double["keys"][0].clone();
    double["keys"].as_array_mut().unwrap().push(again);
    assert_eq!(
        checked(&of(header()), &double).err(),
        Some(NotValid::UnknownKey)
    );
}

#[test]
fn keys_are_of_the_kinds_that_are_known_and_nothing_else() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
        .unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (
        URL_SAFE_NO_PAD.encode(&point[1..33]),
        URL_SAFE_NO_PAD.encode(&point[33..]),
    );
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "e"});
    let signed = format!(
        "{}.{}",
        part(&json!({"alg": "ES256", "kid": "e"})),
        part(&claims())
    );
    let signature = pair.sign(&random, signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    assert!(checked(&token, &json!({"keys": [jwk]})).is_ok());
    for odd in [
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "enc"}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "HS256"}),
        json!({"kty": "EC", "crv": "P-521", "x": x, "y": y}),
        json!({}),
    ] {
        assert!(Key::of_jwk(&odd).is_none(), "{odd}");
    }
    let maker = Maker::new();
    let der = [ED25519_SPKI.as_slice(), maker.pair.public_key().as_ref()].concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(&der)
    );
    let key = Key::of_pem(&pem).unwrap();
    assert_eq!(key.algorithm(), maker.key().algorithm());
    let token = maker.token(&header(), &claims());
    assert!(Unverified::read(&token).unwrap().verified(&key).is_ok());
    for odd in ["", "x", &pem[1..], &pem.replace("PUBLIC", "PRIVATE")] {
        assert!(Key::of_pem(odd).is_none(), "{odd}");
    }
}
