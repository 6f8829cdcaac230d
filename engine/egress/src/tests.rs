//! The guard, the bounds and the credential, against servers that mean harm.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod kinds;
mod prover;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actas_core::app::{Call, Method, Response};
use actas_core::{ErrorKind, Secret};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::any;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::*;

const TOKEN: &str = "tok-4f1c/9a+zz==";

fn tls() {
    // A second test of this binary finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a server saw: method, path, `authorization`, body.
type Seen = Arc<Mutex<Vec<(String, String, Option<String>, String)>>>;

/// A server that notes each request and answers as told.
async fn server<F>(answer: F) -> (SocketAddr, Seen)
where
    F: Fn(&str) -> axum::response::Response + Clone + Send + Sync + 'static,
{
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |request: Request| {
        let (answer, noted) = (answer.clone(), noted.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let header = |name: &str| {
                parts
                    .headers
                    .get(name)
                    .map(|v| v.to_str().unwrap().to_owned())
            };
            noted.lock().unwrap().push((
                parts.method.to_string(),
                parts.uri.path().to_owned(),
                header("authorization").or_else(|| header("x-key")),
                String::from_utf8_lossy(&body).into_owned(),
            ));
            answer(parts.uri.path())
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(any(handler)))
            .await
            .unwrap();
    });
    (address, seen)
}

/// A server that writes bytes, whatever is asked.
async fn raw(bytes: Vec<u8>, stay: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(&bytes).await;
                if stay {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    address
}

fn egress(exceptions: &[SocketAddr]) -> Egress {
    tls();
    Egress::new(EgressConfig {
        exceptions: exceptions
            .iter()
            .map(|a| a.to_string().parse().unwrap())
            .collect(),
        max_body: 1_000_000,
        ..EgressConfig::default()
    })
    .unwrap()
}

fn get(url: &str) -> Call {
    Call {
        method: Method::Get,
        url: url.parse().unwrap(),
        headers: Vec::new(),
        body: None,
        authenticated: true,
    }
}

fn bearer(hosts: &[SocketAddr]) -> Credential {
    Credential::new(
        Scheme::Bearer(Secret::new(TOKEN.to_owned())),
        hosts.iter().map(ToString::to_string).collect(),
    )
}

async fn send(egress: &Egress, url: &str, c: Option<&Credential>) -> Result<Response, EgressError> {
    egress
        .send(
            &get(url),
            c,
            &CallLimits {
                timeout: Duration::from_secs(5),
                ..CallLimits::default()
            },
        )
        .await
}

fn to(location: &str, status: u16) -> axum::response::Response {
    (
        StatusCode::from_u16(status).unwrap(),
        [(header::LOCATION, location.to_owned())],
    )
        .into_response()
}

#[tokio::test]
async fn no_spelling_of_an_inside_address_gets_out_and_nothing_is_connected_to() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "127.255.255.254",
        "0",
        "0.0.0.0",
        "0x0",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2001:0:7f00:1::1]",
        "[2001:db8::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[100::1]",
        "[2001:4860:4860::5efe:127.0.0.1]",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "169.254.169.254.",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "192.88.99.1",
    ];
    let strict = egress(&[]);
    let mut tried = 0;
    for host in hosts {
        for form in [
            format!("https://{host}:{port}/x"),
            format!("https://user:pw@{host}:{port}/"),
            format!("https:\\\\{host}:{port}\\x"),
            format!("HTTPS:{host}:{port}"),
            format!("http://{host}:{port}/"),
            format!("https://public.example@{host}:{port}/"),
        ] {
            let Ok(url) = form.parse() else { continue };
            tried += 1;
            let mut call = get("https://placeholder.example/");
            call.url = url;
            let error = strict
                .send(&call, None, &CallLimits::default())
                .await
                .unwrap_err();
            // Whether `a.localhost` means anything is the resolver's affair.
            let unknown = matches!(&error, EgressError::Unreachable(why) if why.contains("cannot be resolved"));
            assert!(
                matches!(error, EgressError::Refused { .. })
                    || (unknown && host.contains("localhost")),
                "{form}: {error:?}"
            );
            assert!(!error.answer_lost());
            if !unknown {
                assert_eq!(error.step_error().kind, ErrorKind::InvalidInput);
                assert_eq!(error.step_error().code.as_deref(), Some("egress_refused"));
            }
        }
    }
    assert!(tried > 300, "{tried}");
    assert_eq!(accepted.load(Ordering::SeqCst), 0);
}

#[test]
fn public_addresses_are_let_through() {
    for ip in [
        "1.1.1.1",
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2a00:1450::1",
    ] {
        assert_eq!(guard::refuse(ip.parse().unwrap()), None, "{ip}");
    }
}

#[tokio::test]
async fn only_schemes_of_the_web_get_out() {
    let strict = egress(&[]);
    for url in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "data:text/plain,x",
        "gopher://example.com/",
        "ws://example.com/",
    ] {
        let error = send(&strict, url, None).await.unwrap_err();
        assert!(
            matches!(error, EgressError::Refused { .. }),
            "{url}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_exception_is_one_port_and_never_our_own_listener() {
    let (open, _) = server(|_| "ok".into_response()).await;
    let (shut, seen) = server(|_| "ok".into_response()).await;
    assert!(
        send(&egress(&[open]), &format!("http://{open}/"), None)
            .await
            .is_ok()
    );
    let error = send(&egress(&[open]), &format!("http://{shut}/"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }));

    let any: SocketAddr = ([0, 0, 0, 0], shut.port()).into();
    for own in [shut, any] {
        for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::1]"] {
            let exception = format!("{host}:{}", shut.port());
            let egress = Egress::new(EgressConfig {
                exceptions: vec![exception.parse().unwrap()],
                own_listeners: vec![own],
                ..EgressConfig::default()
            })
            .unwrap();
            let result = send(&egress, &format!("http://{exception}/"), None).await;
            assert!(result.is_err(), "{exception} with a listener at {own}");
        }
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_credential_goes_to_its_own_hosts_only() {
    let (app, seen) = server(|_| "ok".into_response()).await;
    let (other, others) = server(|_| "ok".into_response()).await;
    let egress = egress(&[app, other]);
    let credential = bearer(&[app]);
    send(&egress, &format!("http://{app}/"), Some(&credential))
        .await
        .unwrap();
    let error = send(&egress, &format!("http://{other}/"), Some(&credential))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }) && !error.answer_lost());
    let mut plain = get(&format!("http://{app}/plain"));
    plain.authenticated = false;
    egress
        .send(&plain, Some(&credential), &CallLimits::default())
        .await
        .unwrap();
    let seen: Vec<_> = seen.lock().unwrap().iter().map(|s| s.2.clone()).collect();
    assert_eq!(seen, [Some(format!("Bearer {TOKEN}")), None]);
    assert!(others.lock().unwrap().is_empty());
}

#[test]
fn a_host_without_a_port_means_its_own_port_alone() {
    let credential = Credential::new(
        Scheme::Bearer(Secret::new(TOKEN.to_owned())),
        vec!["API.example.com".to_owned(), "crm.example:8443".to_owned()],
    );
    let may = |url: &str| credential.may_go_to(&url.parse().unwrap());
    assert!(
        may("https://api.example.com/x")
            && may("https://api.example.com:443/")
            && may("https://crm.example:8443/")
    );
    for url in [
        "https://api.example.com:8443/",
        "https://crm.example/",
        "https://api.example.com.evil.org/",
        "https://evil.org/api.example.com",
        "https://xapi.example.com/",
        "https://api.example.com@evil.org/",
    ] {
        assert!(!may(url), "{url}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_never_carries_the_credential_not_even_back_home() {
    let (b, seen_b) = server(|path| to(&path[1..].replace('_', "/"), 302)).await;
    let (a, seen_a) = server(move |path| match path {
        "/home" => to("/here", 307),
        "/away" => to(&format!("http://{b}/stop"), 302),
        _ => "ok".into_response(),
    })
    .await;
    let egress = egress(&[a, b]);
    // Both hosts are the app's: even so a redirect between them is not trusted.
    let credential = bearer(&[a, b]);
    send(&egress, &format!("http://{a}/home"), Some(&credential))
        .await
        .unwrap();
    let (back, seen_back) = server(move |path| match path {
        "/start" => to(&format!("http://{a}/return"), 302),
        _ => "ok".into_response(),
    })
    .await;
    let there = egress_with(&[a, b, back]);
    let both = bearer(&[a, b, back]);
    send(&there, &format!("http://{back}/start"), Some(&both))
        .await
        .unwrap();
    let _ = send(&egress, &format!("http://{a}/away"), Some(&credential)).await;

    let auth = |seen: &Seen| -> Vec<(String, bool)> {
        seen.lock()
            .unwrap()
            .iter()
            .map(|s| (s.1.clone(), s.2.is_some()))
            .collect()
    };
    assert_eq!(
        auth(&seen_a),
        [
            ("/home", true),
            ("/here", true),
            ("/return", false),
            ("/away", true)
        ]
        .map(|(p, c)| (p.to_owned(), c))
    );
    assert_eq!(auth(&seen_back), [("/start".to_owned(), true)]);
    assert!(auth(&seen_b).iter().all(|(_, carried)| !carried) && !auth(&seen_b).is_empty());
}

fn egress_with(exceptions: &[SocketAddr]) -> Egress {
    egress(exceptions)
}

#[tokio::test]
async fn away_and_back_again_comes_without_the_credential() {
    let home: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
    let known = home.clone();
    let (b, _) = server(move |_| {
        to(
            &format!("http://{}/end", known.lock().unwrap().unwrap()),
            302,
        )
    })
    .await;
    let (a, seen) = server(move |path| match path {
        "/start" => to(&format!("http://{b}/"), 302),
        _ => "ok".into_response(),
    })
    .await;
    *home.lock().unwrap() = Some(a);
    send(
        &egress(&[a, b]),
        &format!("http://{a}/start"),
        Some(&bearer(&[a, b])),
    )
    .await
    .unwrap();
    let seen: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|s| (s.1.clone(), s.2.is_some()))
        .collect();
    assert_eq!(
        seen,
        [("/start".to_owned(), true), ("/end".to_owned(), false)]
    );
}

#[tokio::test]
async fn a_redirect_inside_is_refused_and_the_request_counts_as_seen() {
    for inside in [
        "http://127.0.0.1:1/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "ftp://example.com/",
    ] {
        let (app, _) = server(move |_| to(inside, 302)).await;
        let error = send(&egress(&[app]), &format!("http://{app}/"), None)
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                EgressError::Refused {
                    redirected: true,
                    ..
                }
            ),
            "{inside}: {error:?}"
        );
        assert!(error.answer_lost());
    }
}

#[tokio::test]
async fn a_body_is_not_carried_to_another_host_and_303_becomes_a_get() {
    let (b, seen_b) = server(|_| "ok".into_response()).await;
    let (a, seen) = server(move |path| match path {
        "/keep" => to(&format!("http://{b}/"), 308),
        "/see" => to("/other", 303),
        _ => "ok".into_response(),
    })
    .await;
    let egress = egress(&[a, b]);
    let post = |path: &str| Call {
        method: Method::Post,
        body: Some(b"data".to_vec()),
        ..get(&format!("http://{a}{path}"))
    };
    let error = egress
        .send(&post("/keep"), None, &CallLimits::default())
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }) && error.answer_lost());
    egress
        .send(&post("/see"), None, &CallLimits::default())
        .await
        .unwrap();
    assert!(seen_b.lock().unwrap().is_empty());
    let last = seen.lock().unwrap().last().cloned().unwrap();
    assert_eq!(
        (last.0.as_str(), last.1.as_str(), last.3.as_str()),
        ("GET", "/other", "")
    );
}

#[tokio::test]
async fn a_redirect_loop_ends_after_three() {
    let (app, seen) = server(|_| to("/again", 302)).await;
    let error = send(&egress(&[app]), &format!("http://{app}/"), None)
        .await
        .unwrap_err();
    assert_eq!(error, EgressError::Redirects(3));
    assert_eq!(seen.lock().unwrap().len(), 4);
}

/// A gzip stream of which each 13 bits stand for 258 zero bytes (fixed Huffman codes, RFC 1951).
fn bomb(matches: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let (mut byte, mut filled) = (0_u8, 0);
    let mut bit = |bit: u8| {
        byte |= bit << filled;
        filled += 1;
        if filled == 8 {
            out.push(byte);
            (byte, filled) = (0, 0);
        }
    };
    [1, 1, 0].into_iter().for_each(&mut bit);
    [0, 0, 1, 1, 0, 0, 0, 0].into_iter().for_each(&mut bit);
    for _ in 0..matches {
        [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]
            .into_iter()
            .for_each(&mut bit);
    }
    out
}

#[tokio::test]
async fn a_gzip_bomb_and_an_endless_body_are_cut_off() {
    let (app, _) = server(|path| match path {
        "/bomb" => ([(header::CONTENT_ENCODING, "gzip")], bomb(400_000)).into_response(),
        _ => Body::from_stream(futures::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 4096]))
        }))
        .into_response(),
    })
    .await;
    let egress = egress(&[app]);
    for path in ["/bomb", "/endless"] {
        let error = send(&egress, &format!("http://{app}{path}"), None)
            .await
            .unwrap_err();
        assert_eq!(error, EgressError::TooLarge { limit: 1_000_000 }, "{path}");
        assert!(error.answer_lost());
    }
    let small = CallLimits {
        max_body: 10,
        ..CallLimits::default()
    };
    let error = egress
        .send(&get(&format!("http://{app}/endless")), None, &small)
        .await
        .unwrap_err();
    assert_eq!(error, EgressError::TooLarge { limit: 10 });
}

#[tokio::test]
async fn answers_that_are_none_end_in_time_with_a_typed_error() {
    let many: String = (0..101).map(|n| format!("h{n}: x\r\n")).collect();
    let huge: String = (0..100_000).map(|n| format!("h{n}: x\r\n")).collect();
    for (bytes, stay) in [
        (
            format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"),
            false,
        ),
        (format!("HTTP/1.1 200 OK\r\n{huge}\r\n"), false),
        ("not http at all\r\n\r\n".to_owned(), false),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_owned(),
            false,
        ),
        (String::new(), false),
    ] {
        let app = raw(bytes.clone().into_bytes(), stay).await;
        let error = send(&egress(&[app]), &format!("http://{app}/"), None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::Protocol(_)),
            "{error:?} for {bytes:.40}"
        );
        assert!(error.answer_lost());
        assert_eq!(error.step_error().kind, ErrorKind::Unavailable);
    }
    for slow in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx",
    ] {
        let app = raw(slow.as_bytes().to_vec(), true).await;
        let limits = CallLimits {
            timeout: Duration::from_millis(200),
            ..CallLimits::default()
        };
        let error = egress(&[app])
            .send(&get(&format!("http://{app}/")), None, &limits)
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::Timeout { sent: true, .. }),
            "{error:?}"
        );
        assert_eq!(error.step_error().kind, ErrorKind::Timeout);
    }
}

#[tokio::test]
async fn a_closed_port_and_a_bad_handshake_are_known_not_to_have_been_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let error = send(&egress(&[closed]), &format!("http://{closed}/"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Unreachable(_)), "{error:?}");
    assert!(!error.answer_lost());
    let plain = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false).await;
    let error = send(&egress(&[plain]), &format!("https://{plain}/"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Tls(_)), "{error:?}");
    assert!(!error.answer_lost());
}

#[tokio::test]
async fn what_an_app_echoes_of_the_credential_is_masked() {
    let (app, _) = server(|path| {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", format!("Bearer {TOKEN}").parse().unwrap());
        headers.insert(
            header::CONTENT_TYPE,
            if path == "/json" {
                "application/problem+json"
            } else {
                "text/html"
            }
            .parse()
            .unwrap(),
        );
        let escaped: String = TOKEN
            .chars()
            .map(|c| format!("\\u{:04x}", c as u32))
            .collect();
        (
            StatusCode::BAD_REQUEST,
            headers,
            format!("{{\"you\": [\"{escaped}\", \"{TOKEN}\"]}}"),
        )
            .into_response()
    })
    .await;
    let egress = egress(&[app]);
    let json = send(
        &egress,
        &format!("http://{app}/json"),
        Some(&bearer(&[app])),
    )
    .await
    .unwrap();
    assert_eq!(json.status, 400);
    assert_eq!(json.body, serde_json::json!({"you": ["***", "***"]}));
    assert!(
        json.headers
            .contains(&("x-echo".to_owned(), "Bearer ***".to_owned()))
    );
    let text = send(
        &egress,
        &format!("http://{app}/text"),
        Some(&bearer(&[app])),
    )
    .await
    .unwrap();
    assert!(!format!("{text:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_flow_cannot_set_headers_that_say_who_asks() {
    let (app, seen) = server(|_| "ok".into_response()).await;
    for name in [
        "authorization",
        "Cookie",
        "host",
        "proxy-authorization",
        "transfer-encoding",
        "content-length",
    ] {
        let mut call = get(&format!("http://{app}/"));
        call.headers.push((name.to_owned(), "x".to_owned()));
        let error = egress(&[app])
            .send(&call, None, &CallLimits::default())
            .await
            .unwrap_err();
        assert!(matches!(error, EgressError::Invalid(_)), "{name}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_oauth_exchange_follows_no_redirect_and_reads_a_megabyte_at_most() {
    let (app, seen) = server(|path| match path {
        "/token" => to("/elsewhere", 307),
        _ => "x".repeat(1_000_001).into_response(),
    })
    .await;
    let egress = egress(&[app]);
    let post = |path: &str| {
        http::Request::post(format!("http://{app}{path}"))
            .body(b"code=secret".to_vec())
            .unwrap()
    };
    let answer = egress.exchange(post("/token")).await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(seen.lock().unwrap().len(), 1);
    let error = egress.exchange(post("/large")).await.unwrap_err();
    assert_eq!(error, EgressError::TooLarge { limit: 1_000_000 });
    let inside = http::Request::post("https://169.254.169.254/")
        .body(Vec::new())
        .unwrap();
    assert!(matches!(
        egress.exchange(inside).await.unwrap_err(),
        EgressError::Refused { .. }
    ));
}
