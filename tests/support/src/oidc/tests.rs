//! The foreign OAuth 2 server, used by hand: so that what fails later fails because of us.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::*;
use crate::browser::{Browser, Page};

const REDIRECT: &str = "http://localhost:1/oauth/callback/here";
const VERIFIER: &str = "a-verifier-that-is-at-least-forty-three-characters-long";

fn server() -> Option<Oidc> {
    Oidc::start(&[confidential("actas", "a secret", &[REDIRECT])])
}

fn authorization(oidc: &Oidc, challenge: Option<&str>) -> String {
    let mut url = Url::parse(&format!("{}/auth", oidc.issuer)).unwrap();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", "actas")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", "openid email records.write")
        .append_pair("state", "st4te");
    if let Some(challenge) = challenge {
        url.query_pairs_mut()
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
    }
    url.into()
}

fn challenge() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// Follows the redirects up to the one that leaves for our callback, where nobody listens.
async fn until_callback(browser: &mut Browser, mut page: Page) -> Url {
    loop {
        let location = page
            .headers
            .get("location")
            .unwrap_or_else(|| panic!("no redirect: {page}"))
            .to_str()
            .unwrap();
        let next = page.url.join(location).unwrap();
        if next.as_str().starts_with(REDIRECT) {
            return next;
        }
        page = browser.open_without_redirects(next.as_str()).await;
    }
}

async fn token(oidc: &Oidc, form: &[(&str, &str)]) -> (u16, Value) {
    let request = client()
        .post(format!("{}/token", oidc.issuer))
        .basic_auth("actas", Some("a%20secret"))
        .form(form);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn api(oidc: &Oidc, path: &str, access: &str) -> (u16, Value) {
    let response = client()
        .get(format!("{}/{path}", oidc.issuer))
        .bearer_auth(access)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn sign_in(oidc: &Oidc) -> Value {
    let mut browser = Browser::new();
    let page = browser
        .open_without_redirects(&authorization(oidc, Some(&challenge())))
        .await;
    let callback = until_callback(&mut browser, page).await;
    let query: std::collections::BTreeMap<String, String> =
        callback.query_pairs().into_owned().collect();
    assert_eq!(
        (query["state"].as_str(), query["iss"].as_str()),
        ("st4te", oidc.issuer.as_str())
    );
    let (status, tokens) = token(
        oidc,
        &[
            ("grant_type", "authorization_code"),
            ("code", &query["code"]),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ],
    )
    .await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

#[tokio::test]
async fn a_code_with_pkce_becomes_tokens_that_rotate_and_die_with_their_grant() {
    let Some(oidc) = server() else { return };
    oidc.sign_in_as("ana").await;
    let tokens = sign_in(&oidc).await;
    assert_eq!(tokens["expires_in"], 5);
    let (status, me) = api(&oidc, "api/me", tokens["access_token"].as_str().unwrap()).await;
    assert_eq!((status, me["id"].as_str()), (200, Some("ana")));

    let first = tokens["refresh_token"].as_str().unwrap();
    let (status, second) = token(
        &oidc,
        &[("grant_type", "refresh_token"), ("refresh_token", first)],
    )
    .await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(second["refresh_token"], tokens["refresh_token"]);
    // The same one again: refused, and its whole family with it.
    let (status, refused) = token(
        &oidc,
        &[("grant_type", "refresh_token"), ("refresh_token", first)],
    )
    .await;
    assert_eq!(
        (status, refused["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    let (status, _) = token(
        &oidc,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", second["refresh_token"].as_str().unwrap()),
        ],
    )
    .await;
    assert_eq!(status, 400);
    let (status, _) = api(&oidc, "api/me", second["access_token"].as_str().unwrap()).await;
    assert_eq!(status, 401);
    assert_eq!(
        (
            oidc.token_requests("authorization_code").await,
            oidc.token_requests("refresh_token").await
        ),
        (1, 3)
    );
}

#[tokio::test]
async fn a_person_signs_in_through_the_pages_or_says_no() {
    let Some(oidc) = server() else { return };
    let mut browser = Browser::new();
    let page = browser
        .open(&authorization(&oidc, Some(&challenge())))
        .await;
    let page = browser
        .submit(&page, &page.form("/login").with("account", "ben"))
        .await;
    assert!(
        page.text()
            .contains("actas asks for openid email records.write"),
        "{page}"
    );
    let answer = browser
        .submit_without_redirects(&page, &page.form_with_button("Refuse"))
        .await;
    let callback = until_callback(&mut browser, answer).await;
    assert!(
        callback.query().unwrap().contains("error=access_denied"),
        "{callback}"
    );

    let page = browser
        .open(&authorization(&oidc, Some(&challenge())))
        .await;
    let answer = browser
        .submit_without_redirects(&page, &page.form_with_button("Allow"))
        .await;
    let callback = until_callback(&mut browser, answer).await;
    assert!(callback.query().unwrap().contains("code="), "{callback}");
    assert_eq!(oidc.grants().await[0]["account"], "ben");
    assert_eq!(oidc.revoke("ben").await, 1);
    assert!(oidc.grants().await.is_empty());
}

#[tokio::test]
async fn a_request_without_pkce_is_refused_and_a_revoked_account_is_signed_out() {
    let Some(oidc) = server() else { return };
    oidc.sign_in_as("ana").await;
    let mut browser = Browser::new();
    let page = browser
        .open_without_redirects(&authorization(&oidc, None))
        .await;
    let callback = until_callback(&mut browser, page).await;
    assert!(
        callback.query().unwrap().contains("error=invalid_request"),
        "{callback}"
    );

    let tokens = sign_in(&oidc).await;
    assert_eq!(oidc.revoke("ana").await, 1);
    let (status, _) = api(&oidc, "api/me", tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(status, 401);
    let (status, refused) = token(
        &oidc,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ],
    )
    .await;
    assert_eq!(
        (status, refused["error"].as_str()),
        (400, Some("invalid_grant"))
    );

    oidc.refuse_tokens(1, 400, "").await;
    let response = client()
        .post(format!("{}/token", oidc.issuer))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), response.text().await.unwrap()),
        (400, String::new())
    );
}

#[tokio::test]
async fn a_real_browser_sees_the_page_of_the_server() {
    let Some(oidc) = server() else { return };
    let url = authorization(&oidc, Some(&challenge()));
    let Some(seen) = crate::chromium::run("open.mjs", &serde_json::json!({"urls": [url]})) else {
        return;
    };
    assert_eq!(seen[0]["title"], "Sign in", "{seen}");
}
