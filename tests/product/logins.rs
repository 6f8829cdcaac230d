//! Logging in to Actas itself at an OpenID provider that was not written here: who somebody is, what their groups make them, and what hostile
//! or mistaken returns come to.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::{Browser, Page};
use actas_test_support::oidc::{Oidc, confidential};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::world::{Kind, World};

const CLIENT: (&str, &str) = ("actas-itself", "the-secret-of-actas-itself");

async fn set(world: &World, more: Value) {
    let mut body = more;
    body["client_id"] = json!(CLIENT.0);
    body["secret"] = json!("oidc-client");
    world
        .ask(Method::PUT, "/api/v1/oidc", None, Some(&body))
        .await
        .expect_ok();
}

/// A world whose people log in at a provider; none where Node.js is missing.
async fn world() -> Option<(World, Oidc)> {
    let mut world = World::prepare(Kind::Sqlite);
    let redirect = format!("{}/w/main/oidc/callback", world.url());
    let oidc = Oidc::start(&[confidential(CLIENT.0, CLIENT.1, &[&redirect])])?;
    world.allow(&oidc.issuer);
    world.serve();
    world.until_ready().await;
    world.furnish().await;
    let secret = json!({"name": "oidc-client", "value": CLIENT.1});
    let added = world.ask(Method::POST, "/api/v1/secrets", None, Some(&secret));
    added.await.expect_ok();
    set(
        &world,
        json!({"issuer": oidc.issuer, "create": true, "roles": ["runner"], "title": "Log in with us"}),
    )
    .await;
    let shown = world.ask(Method::GET, "/api/v1/oidc", None, None).await;
    let shown = shown.expect_ok();
    assert_eq!(shown["redirect_uri"], redirect.as_str());
    assert!(!shown.to_string().contains(CLIENT.1), "{shown}");
    Some((world, oidc))
}

/// Begins a login; gives the address of the provider that the browser is sent to.
async fn begin(world: &World, browser: &mut Browser) -> Url {
    let page = browser
        .open(&format!("{}/w/main/login?to=requests", world.url()))
        .await;
    let form = page.form("/oidc");
    let sent = browser.submit_without_redirects(&page, &form).await;
    assert_eq!(sent.status, 303, "{sent}");
    location(&sent)
}

fn location(page: &Page) -> Url {
    let to = page.headers["location"].to_str().unwrap();
    page.url.join(to).unwrap()
}

/// Goes to the provider as somebody; gives the address of ours that it sends the browser back to.
async fn returns(oidc: &Oidc, browser: &mut Browser, to: &Url, account: &str) -> Url {
    oidc.sign_in_as(account).await;
    let mut at = to.clone();
    for _ in 0..10 {
        let page = browser.open_without_redirects(at.as_str()).await;
        assert!((300..400).contains(&page.status), "{page}");
        at = location(&page);
        if at.path().ends_with("/oidc/callback") {
            return at;
        }
    }
    panic!("the provider sends nobody back: {at}");
}

async fn me(world: &World, login: &str) -> Value {
    let users = world.ask(Method::GET, "/api/v1/users", None, None).await;
    let users = users.expect_ok();
    let mut all = users["users"].as_array().unwrap().iter();
    all.find(|user| user["login"] == login)
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn somebody_is_known_by_issuer_and_subject_alone_and_comes_back_to_the_page_they_asked_for() {
    let Some((world, oidc)) = world().await else {
        return;
    };
    let mut browser = Browser::new();
    let to = begin(&world, &mut browser).await;
    let back = returns(&oidc, &mut browser, &to, "ana").await;
    let home = browser.open(back.as_str()).await;
    assert_eq!((home.status, home.url.path()), (200, "/requests"), "{home}");
    // There is an ana already, who chose a password here: she is somebody else.
    let newcomer = me(&world, "ana-2").await;
    assert_eq!(newcomer["roles"], json!(["runner"]), "{newcomer:#}");
    assert_eq!(newcomer["has_password"], false);

    // A second time it is the same person, from whatever browser.
    let mut other = Browser::new();
    let to = begin(&world, &mut other).await;
    let back = returns(&oidc, &mut other, &to, "ana").await;
    assert_eq!(other.open(back.as_str()).await.status, 200);
    assert_eq!(me(&world, "ana-3").await, Value::Null);

    // Groups say what somebody may be, at every login anew; whoever is in none of them is not let in.
    let groups = json!({"issuer": oidc.issuer, "create": true, "groups_claim": "sub", "groups": {"ana": ["builder"]}});
    set(&world, groups).await;
    let to = begin(&world, &mut other).await;
    let back = returns(&oidc, &mut other, &to, "ana").await;
    assert_eq!(other.open(back.as_str()).await.status, 200);
    assert_eq!(me(&world, "ana-2").await["roles"], json!(["builder"]));
    let mut gina = Browser::new();
    let to = begin(&world, &mut gina).await;
    let back = returns(&oidc, &mut gina, &to, "gina").await;
    assert_eq!(gina.open(back.as_str()).await.status, 403);
    assert_eq!(me(&world, "gina").await, Value::Null);

    // Whoever is switched off here is out, whatever the provider says.
    let nothing = json!({});
    let path = "/api/v1/users/ana-2/disable";
    let off = world.ask(Method::POST, path, None, Some(&nothing)).await;
    off.expect_ok();
    let to = begin(&world, &mut other).await;
    let back = returns(&oidc, &mut other, &to, "ana").await;
    assert_eq!(other.open(back.as_str()).await.status, 403);
}

#[tokio::test]
async fn a_return_counts_in_its_own_browser_once_and_as_it_was_asked_for() {
    let Some((world, oidc)) = world().await else {
        return;
    };
    // Another browser brings it: refused before the provider is asked anything, and it still counts where it belongs.
    let (mut mine, mut theirs) = (Browser::new(), Browser::new());
    let to = begin(&world, &mut mine).await;
    let back = returns(&oidc, &mut mine, &to, "mia").await;
    begin(&world, &mut theirs).await;
    for browser in [&mut theirs, &mut Browser::new()] {
        let page = browser.open(back.as_str()).await;
        assert_eq!(page.status, 403, "{page}");
    }
    assert_eq!(oidc.token_requests("authorization_code").await, 0);
    assert_eq!(mine.open(back.as_str()).await.status, 200);
    assert_eq!(oidc.token_requests("authorization_code").await, 1);
    // A second time it is over, and nothing is asked.
    assert_eq!(mine.open(back.as_str()).await.status, 410);
    assert_eq!(oidc.token_requests("authorization_code").await, 1);

    // A state that was not given out, an issuer that is another or not said, a refusal.
    let hostile = [
        ("state", Some("made-up"), 410),
        ("iss", Some("http://127.0.0.1:9"), 403),
        ("iss", None, 403),
    ];
    for (name, value, status) in hostile {
        let to = begin(&world, &mut mine).await;
        let mut back = returns(&oidc, &mut mine, &to, "mia").await;
        let pairs: Vec<(String, String)> = back.query_pairs().into_owned().collect();
        back.query_pairs_mut()
            .clear()
            .extend_pairs(pairs.iter().filter_map(|(key, stands)| match key == name {
                true => value.map(|value| (key.as_str(), value)),
                false => Some((key.as_str(), stands.as_str())),
            }));
        let page = mine.open(back.as_str()).await;
        assert_eq!(page.status, status, "{name} {value:?}: {page}");
    }
    assert_eq!(oidc.token_requests("authorization_code").await, 1);

    // An ID token for another question: what came with it counts for nothing.
    let mut to = begin(&world, &mut mine).await;
    let pairs: Vec<(String, String)> = to.query_pairs().into_owned().collect();
    to.query_pairs_mut().clear().extend_pairs(pairs.iter().map(
        |(key, value)| match key.as_str() {
            "nonce" => (key.as_str(), "of-somebody-else"),
            _ => (key.as_str(), value.as_str()),
        },
    ));
    let back = returns(&oidc, &mut mine, &to, "mia").await;
    let page = mine.open(back.as_str()).await;
    assert_eq!(page.status, 403, "{page}");
    // And a code that was bound to another verifier is not taken by the provider.
    let mut to = begin(&world, &mut mine).await;
    let pairs: Vec<(String, String)> = to.query_pairs().into_owned().collect();
    to.query_pairs_mut().clear().extend_pairs(pairs.iter().map(
        |(key, value)| match key.as_str() {
            "code_challenge" => (key.as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            _ => (key.as_str(), value.as_str()),
        },
    ));
    let back = returns(&oidc, &mut mine, &to, "mia").await;
    let page = mine.open(back.as_str()).await;
    assert_eq!(page.status, 403, "{page}");
    let audit = world.ask(
        Method::GET,
        "/api/v1/audit?action=session.refused",
        None,
        None,
    );
    let audit = audit.await.expect_ok().to_string();
    assert!(audit.contains("another_browser"), "{audit}");
}
