//! What providers do that they should not, as tables: each row says what is done and how it must end. Beside its own end each row is held to the
//! same rules: nothing is stored that should not be, the way back is open, and the provider is asked no more often than the row allows.

mod browser;
mod connecting;
mod metadata;
mod refreshing;

use serde_json::Map;

use super::provider::Said;
use super::*;

/// So many rows are played at once.
const AT_ONCE: usize = 6;

/// What a provider gives if it means well.
const GOOD: &str =
    r#"{"access_token":"access-x","token_type":"Bearer","refresh_token":"refresh-x"}"#;

fn text(status: u16, body: &str) -> Said {
    Said::Text(status, body.to_owned())
}

fn html(status: u16) -> Said {
    Said::Other {
        status,
        kind: "text/html",
        header: None,
        body: "<html><p>Please sign in to the proxy</p></html>".to_owned(),
    }
}

fn waits(status: u16, seconds: u32) -> Said {
    Said::Other {
        status,
        kind: "application/json",
        header: Some(("retry-after", seconds.to_string())),
        body: "{}".to_owned(),
    }
}

fn elsewhere(status: u16) -> Said {
    Said::Other {
        status,
        kind: "text/plain",
        header: Some(("location", "https://evil.example/token".to_owned())),
        body: String::new(),
    }
}

fn twice(key: &str, one: &str, two: &str) -> Said {
    let rest = r#""token_type":"Bearer""#;
    text(200, &format!("{{\"{key}\":{one},\"{key}\":{two},{rest}}}"))
}

/// Answers that are none. What comes of them differs between codes and refresh tokens, but never that nothing of them is believed.
fn nonsense() -> Vec<(&'static str, Said)> {
    vec![
        ("HTML instead of JSON", html(200)),
        ("thirty megabytes", Said::Bytes(30_000_000)),
        ("an empty answer", text(200, "")),
        ("JSON that breaks off", text(200, r#"{"access_token":"a"#)),
        ("a list", text(200, r#"[{"access_token":"a"}]"#)),
        ("two answers in one", text(200, &format!("{GOOD}{GOOD}"))),
        (
            "a kind of token nobody knows",
            text(200, r#"{"access_token":"a","token_type":"mac"}"#),
        ),
        (
            "a token bound to a key that nobody showed",
            text(200, r#"{"access_token":"a","token_type":"DPoP"}"#),
        ),
        ("two access tokens", twice("access_token", "\"a\"", "\"b\"")),
        ("two lifetimes", twice("expires_in", "5", "5000")),
        (
            "a token no header can carry",
            text(200, r#"{"access_token":"a\r\nhost: evil.example"}"#),
        ),
        (
            "a refresh token that is a number",
            text(200, r#"{"access_token":"a","refresh_token":7}"#),
        ),
        ("a redirect to somewhere else", elsewhere(302)),
        ("a redirect that repeats the request", elsewhere(307)),
    ]
}

/// Refusals of the grant, in the words and without the words of the standard.
fn refusals() -> Vec<(&'static str, Said)> {
    vec![
        ("invalid_grant", text(400, r#"{"error":"invalid_grant"}"#)),
        ("403 instead of invalid_grant", text(403, "")),
        ("403 and HTML", html(403)),
        ("401 without a word", text(401, "{}")),
        ("400 without a word", text(400, "")),
        (
            "200 and ok: false",
            text(200, r#"{"ok":false,"error":"token_revoked"}"#),
        ),
        (
            "200 and an error",
            text(200, r#"{"error":"bad_refresh_token"}"#),
        ),
        (
            "200 without an access token",
            text(200, r#"{"token_type":"Bearer"}"#),
        ),
        (
            "200 with an empty access token",
            text(200, r#"{"access_token":""}"#),
        ),
    ]
}

/// Troubles that pass.
fn troubles() -> Vec<(&'static str, Said)> {
    vec![
        ("500", text(500, "")),
        ("503 with Retry-After", waits(503, 20)),
        ("429 with Retry-After", waits(429, 20)),
        ("429 that wants a day", waits(429, 86_400)),
        ("502 and HTML", html(502)),
        (
            "temporarily_unavailable",
            text(400, r#"{"error":"temporarily_unavailable"}"#),
        ),
        ("no answer at all", Said::Silence),
        ("a connection that breaks after the headers", Said::Broken),
        ("a byte now and then", Said::Drips),
    ]
}

/// A sign-in of Ana's that waits, and the state of a begun attempt.
async fn begun(bench: &Bench) -> (RunId, SignInId, String) {
    let run = bench.run(&bench.ana).await;
    let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
    let state = bench.begin(&id, &bench.ana).await;
    (run, id, state)
}

async fn stored(bench: &Bench) -> usize {
    bench
        .reader()
        .personal_connections(None)
        .await
        .unwrap()
        .len()
}

/// Nothing is stored, the run still waits, and the same person can begin again and succeed.
async fn nothing_stored_and_open(bench: &Bench, name: &str, run: &RunId, id: &SignInId) {
    assert_eq!(stored(bench).await, 0, "{name}");
    assert!(bench.inbox(run).await.is_empty(), "{name}");
    let row = bench.reader().sign_in(id).await.unwrap().unwrap();
    assert_eq!(row.state, SignInState::Open, "{name}");
    {
        let mut book = bench.provider.book();
        book.script.clear();
        book.app_script.clear();
        book.more = Map::new();
        book.scope = None;
    }
    let state = bench.begin(id, &bench.ana).await;
    let code = bench.provider.code("ana@crm");
    let again = bench.come_back(&bench.ana, &state, &code).await;
    assert!(again.is_ok(), "{name}: {again:?}");
    assert_eq!(stored(bench).await, 1, "{name}");
}
