//! Credentials of other kinds than tokens: a key in a header or in the address, and several values at once.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::Request;
use serde_json::{Value, json};

use super::*;

const KEY: &str = "k3y-ä+/& 91kk";

/// An app that answers with all it was asked with: address, headers.
async fn echo() -> (SocketAddr, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let handler = move |request: Request| {
        let noted = noted.clone();
        async move {
            let headers: serde_json::Map<String, Value> = request
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.to_string(), value.into())
                })
                .collect();
            let all = json!({"address": request.uri().to_string(), "headers": headers});
            noted.lock().unwrap().push(all.clone());
            Json(all)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(any(handler)))
            .await
            .unwrap();
    });
    (address, asked)
}

fn key(name: &str) -> Scheme {
    Scheme::Query {
        name: name.to_owned(),
        value: Secret::new(KEY.to_owned()),
    }
}

#[tokio::test]
async fn every_part_of_a_credential_goes_along_and_no_secret_comes_back() {
    let (app, asked) = echo().await;
    let credential = Credential::new(
        Scheme::Several(vec![
            key("api key"),
            Scheme::Header {
                name: "x-pin".into(),
                prefix: "Pin ".into(),
                value: Secret::new("pin-778812".into()),
            },
            Scheme::Public {
                name: "x-tenant".into(),
                value: "tenant-north".into(),
            },
            Scheme::Basic {
                user: "ada".into(),
                password: Secret::new("pass-word-7".into()),
            },
        ]),
        vec![app.to_string()],
    );
    let response = send(
        &egress(&[app]),
        &format!("http://{app}/x?a=1"),
        Some(&credential),
    )
    .await
    .unwrap();
    let seen = asked.lock().unwrap()[0].clone();
    let address: url::Url = format!("http://{app}{}", seen["address"].as_str().unwrap())
        .parse()
        .unwrap();
    let pairs: Vec<_> = address.query_pairs().into_owned().collect();
    assert_eq!(
        pairs,
        [
            ("a".to_owned(), "1".to_owned()),
            ("api key".to_owned(), KEY.to_owned())
        ]
    );
    assert_eq!(seen["headers"]["x-pin"], "Pin pin-778812");
    assert_eq!(
        seen["headers"]["authorization"],
        "Basic YWRhOnBhc3Mtd29yZC03"
    );
    assert_eq!(response.body["headers"]["x-tenant"], "tenant-north");
    let back = response.body.to_string();
    for secret in [KEY, "91kk", "778812", "pass-word", "YWRhOnBhc3M"] {
        assert!(!back.contains(secret), "{secret} in {back}");
    }
    let shown = format!("{credential:?}");
    assert!(
        !shown.contains("91kk") && !shown.contains("778812"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_key_of_the_address_stays_with_its_hosts() {
    let (app, asked) = echo().await;
    let home = app;
    let (front, seen) = server(move |path| match path {
        // An app that repeats the address it was asked with, to itself and to somebody else.
        "/back" => to("/there?k=k3y-%C3%A4%2B%2F%26+91kk", 302),
        "/away" => to(&format!("http://{home}/y?k=k3y-%C3%A4%2B%2F%26+91kk"), 302),
        "/bare" => to(&format!("http://{home}/z"), 302),
        _ => "ok".into_response(),
    })
    .await;
    let egress = egress(&[app, front]);
    let credential = Credential::new(key("k"), vec![front.to_string()]);
    let ask =
        async |path: &str| send(&egress, &format!("http://{front}{path}"), Some(&credential)).await;
    assert_eq!(ask("/back").await.unwrap().status, 200);
    assert_eq!(seen.lock().unwrap().last().unwrap().1, "/there");
    let refused = ask("/away").await.unwrap_err().to_string();
    assert!(
        refused.contains("with the credential in the address") && !refused.contains("91kk"),
        "{refused}"
    );
    assert!(asked.lock().unwrap().is_empty(), "nothing was sent there");
    assert_eq!(ask("/bare").await.unwrap().status, 200);
    assert_eq!(asked.lock().unwrap()[0]["address"], "/z");
    // A flow cannot give the parameter itself.
    let error = ask("/x?k=mine").await.unwrap_err().to_string();
    assert!(error.contains("the credential's own"), "{error}");
}
