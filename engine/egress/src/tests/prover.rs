//! Tokens that are bound to a key: a proof for each request, a second try for a nonce and no third, nothing to strangers.

use std::sync::atomic::{AtomicUsize, Ordering};

use url::Url;

use super::*;

/// Says what it proves, instead of proving it.
#[derive(Debug, Default)]
struct Says {
    proofs: AtomicUsize,
    nonce: Mutex<Option<String>>,
}

impl Prover for Says {
    fn proof(&self, method: &str, url: &Url) -> Option<Secret<String>> {
        let number = self.proofs.fetch_add(1, Ordering::Relaxed);
        let nonce = self.nonce.lock().unwrap().clone();
        let nonce = nonce.as_deref().unwrap_or("none");
        Some(Secret::new(format!(
            "{number} {method} {} {nonce}",
            url.path()
        )))
    }

    fn learn(&self, _url: &Url, nonce: &str) -> bool {
        let mut known = self.nonce.lock().unwrap();
        let news = known.as_deref() != Some(nonce);
        *known = Some(nonce.to_owned());
        news
    }
}

#[tokio::test]
async fn each_request_of_a_bound_token_carries_a_proof_of_its_own() {
    let proofs: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let noted = proofs.clone();
    // Wants a nonce at `/n`; at `/m` it is never content.
    let handler = move |request: Request| {
        let noted = noted.clone();
        async move {
            let text = |name: &str| {
                let value = request.headers().get(name)?;
                Some(value.to_str().unwrap().to_owned())
            };
            assert_eq!(text("authorization"), Some(format!("DPoP {TOKEN}")));
            let proof = text("dpop");
            noted.lock().unwrap().push(proof.clone());
            let wants = [
                ("www-authenticate", "DPoP error=\"use_dpop_nonce\""),
                ("dpop-nonce", "n-1"),
            ];
            match request.uri().path() {
                "/n" if !proof.unwrap().ends_with("n-1") => {
                    (StatusCode::UNAUTHORIZED, wants, "").into_response()
                }
                "/m" => (StatusCode::UNAUTHORIZED, wants, "").into_response(),
                _ => (StatusCode::OK, TOKEN).into_response(),
            }
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(any(handler)))
            .await
            .unwrap();
    });
    let egress = egress(&[address]);
    let credential = Credential::new(
        Scheme::Dpop {
            token: Secret::new(TOKEN.to_owned()),
            prover: Arc::new(Says::default()),
        },
        vec![address.to_string()],
    );
    for (path, status) in [("/a", 200), ("/n", 200), ("/m", 401)] {
        let url = format!("http://{address}{path}");
        let answer = send(&egress, &url, Some(&credential)).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        // What an app repeats of the token is scrubbed.
        assert!(!format!("{answer:?}").contains(TOKEN), "{path}");
    }
    let seen: Vec<_> = proofs.lock().unwrap().iter().flatten().cloned().collect();
    // The nonce of `/m` is no news any more, so there is no second try.
    assert_eq!(
        seen,
        [
            "0 GET /a none",
            "1 GET /n none",
            "2 GET /n n-1",
            "3 GET /m n-1"
        ]
    );
    // Not to another host, and a flow cannot bring a proof of its own.
    let elsewhere = server(|_| StatusCode::OK.into_response()).await;
    let refused = send(
        &super::egress(&[elsewhere.0]),
        &format!("http://{}/", elsewhere.0),
        Some(&credential),
    )
    .await;
    assert!(matches!(refused, Err(EgressError::Refused { .. })));
    let mut call = get(&format!("http://{address}/a"));
    call.headers.push(("DPoP".to_owned(), "mine".to_owned()));
    let refused = egress.send(&call, None, &CallLimits::default()).await;
    assert!(matches!(refused, Err(EgressError::Invalid(_))));
}
