//! Addresses of the sign-in, whose account it is, and what may be kept of a token answer.

use expect_test::expect;
use serde_json::json;

use super::{answer, manifest, play};
use crate::app::{Account, Metadata, Method};

const APP: &str = r#"
app: demo
version: 1
base_url: "{{ connection.url }}/api/v1"
hosts: ["{{ connection.url | host }}", "files.example"]
settings:
  url: {type: string, title: Address, pattern: "https://[a-z0-9.-]+(:[0-9]+)?", example: "https://acme.example"}
  tier: {type: string, pattern: "free|paid", required: false}
auth:
  oauth2:
    authorize: "{{ connection.url }}/oauth/authorize?audience=api"
    token: "{{ connection.url }}/oauth/token"
    revoke: "{{ connection.url }}/oauth/revoke"
    issuer: "{{ connection.url }}"
    client_auth: post
    scopes: {read: Read}
    keep: [url, tier]
  account:
    request: {get: /me}
    subject: "{{ response.body.id }}"
    name: "{{ response.body.email }}"
  verify: {request: {get: "{{ connection.url }}/ping"}}
errors:
  - {status: 401, kind: sign_in_needed}
modules:
  it: {effect: read, scopes: [read], request: {get: /a}}
  away: {effect: read, request: {get: "https://evil.example/a"}}
  file: {effect: read, request: {get: "https://files.example/a"}}
"#;

#[test]
fn addresses_are_made_of_settings() {
    let app = manifest(APP);
    let facts = json!({"url": "https://acme.example:8443"});
    let found = app.oauth_endpoints(&facts, None).expect("addresses");
    expect!["https://acme.example:8443/oauth/authorize?audience=api https://acme.example:8443/oauth/token None Some(\"https://acme.example:8443/oauth/revoke\") Some(\"https://acme.example:8443\") Post"].assert_eq(&format!(
        "{} {} {:?} {:?} {:?} {:?}",
        found.authorize, found.token, found.refresh, found.revoke.map(String::from), found.issuer, found.client_auth
    ));
    assert_eq!(
        app.hosts(&facts).expect("hosts"),
        ["acme.example:8443", "files.example"]
    );
    for bad in [
        json!(null),
        json!({}),
        json!({"url": "https://acme.example/evil"}),
        json!({"url": "https://a.example", "tier": "x"}),
    ] {
        assert!(app.hosts(&bad).is_err(), "{bad}");
        assert!(app.oauth_endpoints(&bad, None).is_err(), "{bad}");
        assert!(app.account_call(&bad).is_err(), "{bad}");
    }
}

#[test]
fn what_the_manifest_does_not_say_the_metadata_does() {
    let text = APP
        .replace(
            "    authorize: \"{{ connection.url }}/oauth/authorize?audience=api\"\n",
            "    discovery: \"{{ connection.url }}\"\n",
        )
        .replace("    token: \"{{ connection.url }}/oauth/token\"\n", "")
        .replace("    issuer: \"{{ connection.url }}\"\n", "");
    let facts = json!({"url": "https://acme.example"});
    let document = json!({
        "issuer": "https://acme.example",
        "authorization_endpoint": "https://acme.example/a",
        "token_endpoint": "https://acme.example/t",
        "revocation_endpoint": "https://acme.example/elsewhere",
        "pushed_authorization_request_endpoint": "https://acme.example/p",
        "dpop_signing_alg_values_supported": ["ES256"],
    });
    let metadata = Metadata::read("https://acme.example", &[], &document).expect("believed");
    for (switches, used) in [
        ("", (true, true)),
        ("    par: off\n    dpop: auto\n", (false, true)),
        ("    dpop: off\n", (true, false)),
    ] {
        let app = manifest(&text.replace(
            "    client_auth: post\n",
            &format!("    client_auth: post\n{switches}"),
        ));
        let (issuer, url) = app.discovery(&facts).expect("settings").expect("an issuer");
        assert_eq!(
            (issuer.as_str(), url.as_str()),
            ("https://acme.example", "https://acme.example/")
        );
        assert!(app.oauth_endpoints(&facts, None).is_err());
        let found = app
            .oauth_endpoints(&facts, Some(&metadata))
            .expect("addresses");
        assert_eq!((found.push.is_some(), found.dpop), used);
        // The manifest's own word counts more; the issuer is known, but the provider does not promise to name it.
        assert_eq!(
            found.revoke.map(String::from).as_deref(),
            Some("https://acme.example/oauth/revoke")
        );
        assert_eq!(
            (found.issuer.as_deref(), found.issuer_always),
            (Some("https://acme.example"), false)
        );
    }
}

#[test]
fn the_account_is_asked_for_and_read() {
    let app = manifest(APP);
    let facts = json!({"url": "https://acme.example"});
    let call = app
        .account_call(&facts)
        .expect("an address")
        .expect("a lookup");
    assert_eq!(
        (call.method, call.url.as_str(), call.authenticated),
        (Method::Get, "https://acme.example/api/v1/me", true)
    );
    let account = app.account(
        &facts,
        &answer(200, json!({"id": 7, "email": "ana@acme.example"})),
    );
    assert_eq!(
        account,
        Ok(Account {
            subject: "7".into(),
            name: "ana@acme.example".into()
        })
    );
    for bad in [
        json!({}),
        json!({"id": null, "email": "x"}),
        json!({"id": " ", "email": "x"}),
        json!({"id": [1], "email": "x"}),
    ] {
        let error = app
            .account(&facts, &answer(200, bad.clone()))
            .expect_err("no subject");
        assert_eq!(error.code.as_deref(), Some("unexpected_answer"), "{bad}");
    }
    let refused = app
        .account(&facts, &answer(401, json!({})))
        .expect_err("refused");
    assert_eq!(refused.kind, crate::ErrorKind::SignInNeeded);
}

#[test]
fn a_credential_is_tried_where_the_manifest_says() {
    let app = manifest(APP);
    let facts = json!({"url": "https://acme.example"});
    let call = app
        .verify_call(&facts)
        .expect("an address")
        .expect("a request");
    assert_eq!(call.url.as_str(), "https://acme.example/ping");
    assert_eq!(app.verified(&facts, &answer(204, json!(null))), Ok(()));
    assert!(app.verified(&facts, &answer(401, json!(null))).is_err());
}

#[test]
fn a_token_answer_cannot_point_a_connection_elsewhere() {
    let app = manifest(APP);
    let good = json!({"access_token": "s", "url": "https://eu.acme.example", "other": 1});
    assert_eq!(
        serde_json::to_value(app.kept_fields(&good).expect("fits")).expect("JSON"),
        json!({"url": "https://eu.acme.example"})
    );
    for bad in [
        json!("https://evil.example/x"),
        json!("http://acme.example"),
        json!({"a": 1}),
        json!("https://a.example\n"),
    ] {
        assert_eq!(
            app.kept_fields(&json!({"url": bad}))
                .expect_err("does not fit")
                .len(),
            1,
            "{bad}"
        );
    }
    assert_eq!(
        app.check_settings(&json!({"url": "https://a.example"})),
        Ok(())
    );
    expect![[r#"["`clr` is not a setting of this app", "`url` (Address) is missing, such as \"https://acme.example\""]"#]]
        .assert_eq(&format!("{:?}", app.check_settings(&json!({"clr": 1})).expect_err("two faults")));
}

#[test]
fn a_credential_goes_to_the_apps_hosts_only() {
    let app = manifest(APP);
    expect![[r#"
        GET https://acme.example/api/v1/a
        = 1
    "#]]
    .assert_eq(&play(&app, json!({}), &[answer(200, json!(1))]));
    let start = |module: &str| {
        let facts = json!({"url": "https://acme.example"});
        crate::app::Performance::start(
            &app,
            &app.modules[module],
            &Default::default(),
            json!({}),
            facts,
            "k",
        )
    };
    assert!(start("file").is_ok());
    assert_eq!(
        start("away")
            .expect_err("not a host of the app")
            .code
            .as_deref(),
        Some("foreign_host")
    );
}
