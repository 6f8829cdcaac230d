//! The same as what is offered in [`super::keys`], at a server that was not written here: with and without its metadata, pushed requests and
//! bound tokens with nonces, refreshed and used. Left out, aloud, where Node.js is missing.

use actas_test_support::browser::Browser;
use actas_test_support::oidc::{Oidc, confidential};
use serde_json::json;

use super::keys::discovering;
use super::*;

const SECRET: &str = "client-secret-of-actas";

/// The manifest of the app behind that server: what it says of addresses, or where it says that they are to be found.
fn described(text: String) -> String {
    let at = "{{ connection.instance_url }}";
    discovering("")(text)
        .replace("client_auth: post", "client_auth: basic")
        .replace(
            &format!("base_url: \"{at}\""),
            &format!("base_url: \"{at}/api\""),
        )
}

fn explicit(text: String) -> String {
    let at = "{{ connection.instance_url }}";
    described(text).replace(
        &format!("    discovery: \"{at}\"\n"),
        &format!(
            "    authorize: \"{at}/auth\"\n    token: \"{at}/token\"\n    revoke: \"{at}/token/revocation\"\n    issuer: \"{at}\"\n"
        ),
    )
}

/// Goes where the person is sent, agrees, and comes back with what the callback is given.
async fn through(oidc: &Oidc, from: &Url) -> Vec<(String, String)> {
    oidc.sign_in_as("ana").await;
    let mut browser = Browser::new();
    let mut page = browser.open_without_redirects(from.as_str()).await;
    loop {
        let Some(location) = page.headers.get("location") else {
            panic!("nobody is sent on: {page}");
        };
        let next = page.url.join(location.to_str().unwrap()).unwrap();
        if next.host_str() == Some("actas.example") {
            return next.query_pairs().into_owned().collect();
        }
        page = browser.open_without_redirects(next.as_str()).await;
    }
}

async fn combination(oidc: &Oidc, found: bool, push: bool, bind: bool) {
    let named = format!("found {found} push {push} bind {bind}");
    let address = oidc.issuer.trim_start_matches("http://").parse().unwrap();
    let change = if found { described } else { explicit };
    let bench = Bench::at(Provider::elsewhere(address), None, &change).await;
    // Its id stands in the redirect URI, so the server learns of the client now; the id at the server is another one for each.
    let id = format!("actas-{found}");
    let mut client = bench.client.clone();
    client.oauth_client_id.clone_from(&id);
    let who = bench.who(&bench.ana);
    let secret = Some(Secret::new(SECRET.to_owned()));
    let put = bench
        .connections
        .put_client(&bench.workspace, client, secret, &who)
        .await;
    put.unwrap();
    let redirect = bench.connections.redirect_uri(&bench.client.id);
    oidc.register(confidential(&id, SECRET, &[redirect.as_str()]))
        .await;
    oidc.forget_requests().await;

    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let url = bench.depart(&id, &bench.ana).await.unwrap();
    let pushed = url.query_pairs().any(|(name, _)| name == "request_uri");
    assert_eq!(pushed, found && push, "{named}: {url}");
    let query = through(oidc, &url).await;
    let finished = bench
        .connections
        .callback(
            &bench.client.id,
            &query,
            Some(&bench.session(&bench.ana)),
            &who,
        )
        .await
        .unwrap_or_else(|error| panic!("{named}: {error:?} {query:?}"));
    assert_eq!(finished.account, "ana@idp.example", "{named}");

    let using = bench.using(&run, &finished.connection, &bench.ana);
    for version in [1, 2] {
        let usable = bench.connections.credential(&using).await.unwrap();
        assert_eq!(usable.token_version, version, "{named}");
        let call = bench.manifest.account_call(&usable.facts).unwrap().unwrap();
        let limits = actas_egress::CallLimits::default();
        let egress = &bench.connections.inner.egress;
        let answer = egress.send(&call, Some(&usable.credential), &limits).await;
        assert_eq!(answer.unwrap().status, 200, "{named}");
        bench.expire(&finished.connection).await;
    }
    let requests = oidc.requests().await;
    let tokens: Vec<_> = requests.iter().filter(|r| r.route == "token").collect();
    let good = tokens.iter().filter(|request| request.status == 200);
    assert_eq!(good.count(), 2, "{named}: {requests:?}");
    assert!(
        tokens
            .iter()
            .all(|request| request.proved == (found && bind)),
        "{named}: {requests:?}"
    );
    // What is let go is let go there too.
    let ws = &bench.workspace;
    let deleted = bench
        .connections
        .delete(ws, &finished.connection, &bench.ana.id, &who)
        .await;
    assert_eq!(deleted.unwrap(), AtProvider::Revoked, "{named}");
}

#[tokio::test]
async fn a_real_server_is_spoken_to_in_all_eight_combinations_of_metadata_pushing_and_binding() {
    let servers =
        [(false, false), (true, false), (false, true), (true, true)].map(async |(push, bind)| {
            let options = json!({"par": push, "dpop": bind, "access_token_seconds": 600});
            let started = tokio::task::spawn_blocking(move || Oidc::start_with(&options));
            let Some(oidc) = started.await.unwrap() else {
                return;
            };
            for found in [false, true] {
                combination(&oidc, found, push, bind).await;
            }
        });
    futures::future::join_all(servers).await;
}
