//! What a provider says about itself.

use futures::StreamExt as _;
use serde_json::{Value, json};

use super::super::keys::discovering;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_lies_is_not_believed_and_nobody_is_sent_anywhere() {
    let changed = |name: &'static str, value: Value| {
        move |bench: &Bench| {
            let mut description = bench.provider.description();
            description[name] = value.clone();
            text(200, &description.to_string())
        }
    };
    type Says = Box<dyn Fn(&Bench) -> Said + Send + Sync>;
    let row = |name: &'static str, says: Says, end: &'static str| (name, says, end);
    let said = |said: Said| -> Says { Box::new(move |_| said.clone()) };
    let rows: Vec<(&str, Says, &str)> = vec![
        row(
            "a foreign token endpoint",
            Box::new(changed(
                "token_endpoint",
                json!("https://evil.example/token"),
            )),
            "app_client_unusable",
        ),
        row(
            "a foreign page to sign in",
            Box::new(changed(
                "authorization_endpoint",
                json!("https://evil.example/"),
            )),
            "app_client_unusable",
        ),
        row(
            "a foreign place to push to",
            Box::new(changed(
                "pushed_authorization_request_endpoint",
                json!("http://127.0.0.1:1/par"),
            )),
            "app_client_unusable",
        ),
        row(
            "another issuer",
            Box::new(changed("issuer", json!("https://issuer.example"))),
            "app_client_unusable",
        ),
        row(
            "no token endpoint",
            Box::new(changed("token_endpoint", json!(null))),
            "app_client_unusable",
        ),
        row(
            "an address that is a script",
            Box::new(changed(
                "authorization_endpoint",
                json!("javascript:alert(1)"),
            )),
            "app_client_unusable",
        ),
        row(
            "a third of a megabyte",
            Box::new(changed("filler", json!("x".repeat(330_000)))),
            "app_client_unusable",
        ),
        row("HTML", said(html(200)), "app_client_unusable"),
        row("a list", said(text(200, "[]")), "app_client_unusable"),
        row("nothing there", said(text(404, "")), "app_client_unusable"),
        row(
            "a redirect to itself",
            Box::new(|bench: &Bench| Said::Other {
                status: 302,
                kind: "text/plain",
                header: Some((
                    "location",
                    format!(
                        "{}/.well-known/oauth-authorization-server",
                        bench.provider.url()
                    ),
                )),
                body: String::new(),
            }),
            "app_client_unusable",
        ),
        row("500", said(text(500, "")), "provider_unavailable"),
        row("no answer", said(Said::Silence), "provider_unavailable"),
        row(
            "a byte now and then",
            said(Said::Drips),
            "provider_unavailable",
        ),
    ];
    futures::stream::iter(rows)
        .for_each_concurrent(AT_ONCE, |(name, says, end)| async move {
            let bench = Bench::impatient(&discovering("")).await;
            let said = says(&bench);
            bench.provider.book().metadata = Some(said);
            let run = bench.run(&bench.ana).await;
            let id = bench.pause(&bench.ask(&run, &bench.ana)).await;
            let error = bench.depart(&id, &bench.ana).await.unwrap_err();
            assert_eq!(error.code(), end, "{name}");
            let book = bench.provider.book();
            assert_eq!(
                (
                    book.metadata_requests,
                    book.token_requests.len(),
                    book.pushed.len()
                ),
                (1, 0, 0),
                "{name}"
            );
        })
        .await;
}

#[tokio::test]
async fn metadata_that_changes_between_departure_and_return_gets_no_code() {
    for (name, value, end) in [
        ("token_endpoint", json!("$/refresh"), "app_client_changed"),
        (
            "authorization_response_iss_parameter_supported",
            json!(false),
            "wrong_issuer",
        ),
        (
            "issuer",
            json!("https://evil.example"),
            "app_client_changed",
        ),
    ] {
        let bench = Bench::with(&discovering("    par: off\n")).await;
        let mut description = bench.provider.description();
        bench.provider.book().metadata = Some(text(200, &description.to_string()));
        let (_, _, state) = begun(&bench).await;
        description[name] = match value.as_str() {
            Some(path) => path.replace('$', &bench.provider.url()).into(),
            None => value,
        };
        bench.provider.book().metadata = Some(text(200, &description.to_string()));
        bench.connections.inner.found.forget();
        let query = [("state", state.as_str()), ("code", "c")];
        let error = bench.come_with(&bench.ana, &query).await.unwrap_err();
        assert_eq!(
            (error.code(), bench.provider.token_requests()),
            (end, 0),
            "{name}"
        );
    }
}
