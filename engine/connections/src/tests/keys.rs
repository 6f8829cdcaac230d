//! What a manifest may say about an OAuth 2 sign-in, each seen at the provider; and what a provider's own description adds.

use serde_json::json;

use super::provider::Said;
use super::*;

/// The manifest with lines put in place of others.
fn changed(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(String) -> String {
    move |mut text| {
        for (old, new) in pairs {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        text
    }
}

/// The manifest of an app that is told all by its provider's metadata.
pub fn discovering(more: &'static str) -> impl Fn(String) -> String {
    move |text| {
        let text: String = text
            .lines()
            .filter(|line| {
                let line = line.trim_start();
                !["authorize:", "token:", "revoke:", "issuer:"]
                    .iter()
                    .any(|key| line.starts_with(key))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        text.replace(
            "    client_auth: post\n",
            &format!("    client_auth: post\n    discovery: \"{{{{ connection.instance_url }}}}\"\n{more}"),
        )
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs.find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
}

/// Departs, comes back, uses, lets expire and uses again; gives the address that the browser was sent to.
async fn round(bench: &Bench, issuer: Option<&str>) -> Url {
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let url = bench.depart(&id, &bench.ana).await.unwrap();
    let state = match parameter(&url, "request_uri") {
        Some(name) => bench.provider.book().pushed[&name]["state"].clone(),
        None => state_of(&url),
    };
    let code = bench.provider.code("ana@crm");
    let asked = match parameter(&url, "request_uri") {
        Some(name) => bench.provider.book().pushed[&name].get("dpop_jkt").cloned(),
        None => parameter(&url, "dpop_jkt"),
    };
    if let Some(key) = asked {
        bench.provider.book().bound.insert(code.clone(), key);
    }
    let mut query = vec![("state", state.as_str()), ("code", code.as_str())];
    query.extend(issuer.map(|issuer| ("iss", issuer)));
    let finished = bench.come_with(&bench.ana, &query).await.unwrap();
    let using = bench.using(&run, &finished.connection, &bench.ana);
    for version in [1, 2] {
        let usable = bench.connections.credential(&using).await.unwrap();
        assert_eq!(usable.token_version, version);
        let call = bench.manifest.account_call(&usable.facts).unwrap().unwrap();
        let limits = actas_egress::CallLimits::default();
        let egress = &bench.connections.inner.egress;
        let answer = egress.send(&call, Some(&usable.credential), &limits).await;
        assert_eq!(answer.unwrap().status, 200);
        bench.expire(&finished.connection).await;
    }
    url
}

#[tokio::test]
async fn pkce_can_be_switched_off_and_the_way_a_client_shows_itself_chosen() {
    let basic = "Basic YWN0YXM6Y2xpZW50LXNlY3JldC1vZi1hY3Rhcw==";
    for (way, shown, secret) in [
        ("basic", Some(basic), None),
        ("post", None, Some("client-secret-of-actas")),
        ("none", None, None),
    ] {
        let bench = Bench::with(&|text: String| {
            text.replace("client_auth: post", &format!("client_auth: {way}"))
        })
        .await;
        let url = round(&bench, Some(ISSUER)).await;
        assert_eq!(
            parameter(&url, "code_challenge_method").as_deref(),
            Some("S256")
        );
        for request in &bench.provider.book().token_requests {
            let said = |name: &str| request.get(name).map(String::as_str);
            assert_eq!(
                (said(":shown"), said("client_secret")),
                (shown, secret),
                "{way}"
            );
        }
    }
    let bench = Bench::with(&changed(&[(
        "client_auth: post",
        "client_auth: post\n    pkce: false",
    )]))
    .await;
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let url = bench.depart(&id, &bench.ana).await.unwrap();
    assert_eq!(parameter(&url, "code_challenge"), None);
    bench.provider.answer_next(400, "{}");
    let _ = bench.come_back(&bench.ana, &state_of(&url), "a-code").await;
    assert!(!bench.provider.book().token_requests[0].contains_key("code_verifier"));
}

#[tokio::test]
async fn scopes_parameters_and_the_address_of_refreshes_are_as_the_manifest_says() {
    let bench = Bench::with(&changed(&[
        ("    client_auth: post\n", "    client_auth: post\n    scope_separator: \",\"\n    authorize_parameters: {access_type: offline, audience: a b}\n    token_parameters: {resource: 'https://api.example'}\n    refresh: \"{{ connection.instance_url }}/refresh\"\n"),
    ]))
    .await;
    // Both are asked for, and both are said to be granted, by a comma.
    bench.provider.book().scope = Some("read,write".to_owned());
    let run = bench.run(&bench.ana).await;
    let mut ask = bench.ask(&run, &bench.ana);
    ask.surface = bench.surface(&["read", "write"]);
    let id = bench.pause(&ask).await;
    let url = bench.depart(&id, &bench.ana).await.unwrap();
    for (name, value) in [
        ("access_type", "offline"),
        ("audience", "a b"),
        ("response_type", "code"),
    ] {
        assert_eq!(parameter(&url, name).as_deref(), Some(value));
    }
    let code = bench.provider.code("ana@crm");
    let finished = bench
        .come_back(&bench.ana, &state_of(&url), &code)
        .await
        .unwrap();
    let row = bench.connection(&finished.connection).await;
    assert_eq!(row.scopes, ["read", "write"]);
    bench.expire(&finished.connection).await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    bench.connections.credential(&using).await.unwrap();
    let book = bench.provider.book();
    let seen: Vec<_> = book
        .token_requests
        .iter()
        .map(|r| {
            (
                r[":path"].as_str(),
                r["grant_type"].as_str(),
                r["resource"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("/token", "authorization_code", "https://api.example"),
            ("/refresh", "refresh_token", "https://api.example")
        ]
    );
}

#[tokio::test]
async fn what_a_provider_offers_is_used_in_all_eight_combinations_of_metadata_pushing_and_binding()
{
    for number in 0..8 {
        let (described, push, bind) = (number & 1 == 1, number & 2 == 2, number & 4 == 4);
        // Without metadata nothing is offered, whatever the manifest would take.
        let bench = if described {
            Bench::with(&discovering("")).await
        } else {
            Bench::with(&changed(&[(
                "client_auth: post",
                "client_auth: post\n    par: auto\n    dpop: auto",
            )]))
            .await
        };
        let mut description = bench.provider.description();
        if !push {
            description["pushed_authorization_request_endpoint"] = json!(null);
        }
        if !bind {
            description["dpop_signing_alg_values_supported"] = json!(["RS256"]);
        }
        bench.provider.book().metadata = Some(Said::Text(200, description.to_string()));
        if bind {
            bench.provider.book().nonce = Some("n-1".to_owned());
        }
        let issuer = if described {
            bench.provider.url()
        } else {
            ISSUER.to_owned()
        };
        let url = round(&bench, Some(&issuer)).await;
        let named = format!("described {described} push {push} bind {bind}");
        // Pushed: the browser carries nothing but the client and the name of the request.
        let names: Vec<_> = url
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        if described && push {
            assert_eq!(names, ["client_id", "request_uri"], "{named}");
            let book = bench.provider.book();
            let request = book.pushed.values().next().unwrap();
            assert_eq!(
                request["client_secret"], "client-secret-of-actas",
                "{named}"
            );
            assert_eq!(request["client_id"], "actas", "{named}");
            assert_eq!(request["scope"], "read", "{named}");
            assert_eq!(request.contains_key("dpop_jkt"), bind, "{named}");
        } else {
            assert_eq!(
                names.contains(&"dpop_jkt".to_owned()),
                described && bind,
                "{named}"
            );
            assert!(bench.provider.book().pushed.is_empty(), "{named}");
        }
        let book = bench.provider.book();
        assert_eq!(book.proofs.is_empty(), !(described && bind), "{named}");
        // Once for want of a nonce, and from then on with it.
        assert_eq!(
            book.nonce_refusals,
            usize::from(described && bind),
            "{named}"
        );
        assert_eq!(book.metadata_requests, usize::from(described), "{named}");
        assert_eq!(
            book.token_requests.len(),
            2 + usize::from(described && bind),
            "{named}"
        );
    }
}

#[tokio::test]
async fn a_manifest_can_forgo_what_is_offered() {
    let bench = Bench::with(&discovering("    par: off\n    dpop: off\n")).await;
    let description = bench.provider.description();
    bench.provider.book().metadata = Some(Said::Text(200, description.to_string()));
    let issuer = bench.provider.url();
    let url = round(&bench, Some(&issuer)).await;
    assert!(parameter(&url, "state").is_some());
    let book = bench.provider.book();
    assert!(book.pushed.is_empty() && book.proofs.is_empty());
}

#[tokio::test]
async fn a_copied_token_is_of_no_use_without_its_key() {
    let bench = Bench::with(&discovering("")).await;
    let description = bench.provider.description();
    bench.provider.book().metadata = Some(Said::Text(200, description.to_string()));
    let issuer = bench.provider.url();
    round(&bench, Some(&issuer)).await;
    let token = bench.provider.book().access.keys().next().unwrap().clone();
    for scheme in ["Bearer", "DPoP"] {
        let answer = reqwest_get(&format!("{issuer}/me"), &format!("{scheme} {token}")).await;
        assert_eq!(answer, 401, "{scheme}");
    }
    // The key lies in the vault, sealed, and goes with the connection.
    let row = bench
        .reader()
        .personal_connections(None)
        .await
        .unwrap()
        .remove(0);
    let sealed = bench
        .reader()
        .secret(row.id.as_str(), "dpop_key")
        .await
        .unwrap()
        .unwrap();
    assert!(!sealed.sealed.is_empty());
    bench
        .connections
        .delete(
            &bench.workspace,
            &row.id,
            &bench.ana.id,
            &bench.who(&bench.ana),
        )
        .await
        .unwrap();
    assert!(
        bench
            .reader()
            .secret(row.id.as_str(), "dpop_key")
            .await
            .unwrap()
            .is_none()
    );
}

async fn reqwest_get(url: &str, authorization: &str) -> u16 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a thief has a client of their own"
    )]
    let client = reqwest::Client::new();
    let request = client.get(url).header("authorization", authorization);
    request.send().await.unwrap().status().as_u16()
}
