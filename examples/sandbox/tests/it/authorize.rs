//! The pages: what they check, what they say, where they lead.

use reqwest::StatusCode;
use reqwest::header::LOCATION;
use url::Url;

use crate::browser::{
    BOTH, Browser, CALLBACK, authorize, call, hidden, location, query, redeem, sandbox, status,
};

#[tokio::test]
async fn a_person_signs_in_and_agrees_and_the_code_goes_to_the_client_with_state_and_iss() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    let page = browser.get(&authorize(&[])).await.text().await.unwrap();
    assert!(
        page.contains("<h1>Sign in</h1>") && page.contains("Actas"),
        "{page}"
    );
    let next = location(&browser.log_in(&page, "ana").await);
    let page = browser.get(&next).await.text().await.unwrap();
    for words in [
        "Ana Alvarez",
        "ana@sandbox",
        "Actas",
        "Create, change and delete records",
        "Not you?",
        "localhost",
    ] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
    let back = location(&browser.decide(&page, "allow").await);
    assert!(back.starts_with(&format!("{CALLBACK}?code=")), "{back}");
    let answer = query(&Url::parse(&back).unwrap());
    assert_eq!(answer["state"], "st&te");
    assert_eq!(answer["iss"], sandbox.url());
}

#[tokio::test]
async fn an_address_that_is_not_registered_gets_a_page_and_never_a_redirect() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    let longer = format!("{CALLBACK}/");
    for changes in [
        ("redirect_uri", &*longer),
        ("redirect_uri", "http://localhost:1/oauth/callback/AC_1"),
        ("redirect_uri", "http://evil.example/"),
        ("redirect_uri", ""),
        ("client_id", "somebody"),
        ("client_id", ""),
    ] {
        let response = browser.get(&authorize(&[changes])).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{changes:?}");
        assert!(response.headers().get(LOCATION).is_none());
        assert!(
            response
                .text()
                .await
                .unwrap()
                .contains("can&#39;t be answered")
        );
    }
    let twice = format!("{}&redirect_uri=http%3A%2F%2Fevil.example", authorize(&[]));
    assert_eq!(browser.get(&twice).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_other_fault_of_the_request_is_told_to_the_client() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    for (change, error) in [
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("scope", "records.read everything"), "invalid_scope"),
        (("prompt", "none"), "interaction_required"),
    ] {
        let back = Url::parse(&location(&browser.get(&authorize(&[change])).await)).unwrap();
        let answer = query(&back);
        assert!(back.as_str().starts_with(CALLBACK));
        assert_eq!(
            (&*answer["error"], &*answer["state"], &*answer["iss"]),
            (error, "st&te", sandbox.url()),
            "{change:?}"
        );
    }
}

#[tokio::test]
async fn declining_is_told_to_the_client_and_gives_nothing() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    let page = browser.get(&authorize(&[])).await.text().await.unwrap();
    let next = location(&browser.log_in(&page, "ben").await);
    let page = browser.get(&next).await.text().await.unwrap();
    let answer = query(&Url::parse(&location(&browser.decide(&page, "deny").await)).unwrap());
    assert_eq!(answer["error"], "access_denied");
    assert!(!answer.contains_key("code"));
    assert!(sandbox.grants().is_empty());
    assert_eq!(sandbox.token_requests().count(), 0);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_form_comes_again() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    let page = browser.get(&authorize(&[])).await.text().await.unwrap();
    let (csrf, back) = (hidden(&page, "csrf"), hidden(&page, "return_to"));
    for (name, password) in [("ana", "ben-crm"), ("nobody", "nobody-crm"), ("ana", "")] {
        let form = [
            ("csrf", &*csrf),
            ("return_to", &back),
            ("username", name),
            ("password", password),
        ];
        let response = browser.post("/oauth/login", &form).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(
            response
                .text()
                .await
                .unwrap()
                .contains("do not belong together")
        );
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused_and_lead_nowhere_else() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    let page = browser.get(&authorize(&[])).await.text().await.unwrap();
    let (csrf, back) = (hidden(&page, "csrf"), hidden(&page, "return_to"));
    let good = [
        ("csrf", &*csrf),
        ("return_to", &*back),
        ("username", "ana"),
        ("password", "ana-crm"),
    ];
    for bad in [
        ("csrf", "guess"),
        ("return_to", "http://evil.example/"),
        ("return_to", "//evil.example/"),
    ] {
        let form: Vec<_> = good
            .iter()
            .map(|field| if field.0 == bad.0 { bad } else { *field })
            .collect();
        assert_eq!(
            browser.post("/oauth/login", &form).await.status(),
            StatusCode::FORBIDDEN,
            "{bad:?}"
        );
    }
    // Another browser's value is of no use, and neither is a consent that no page here asked for.
    let other = Browser::new(&sandbox);
    assert_eq!(
        other.post("/oauth/login", &good).await.status(),
        StatusCode::FORBIDDEN
    );
    let next = location(&browser.post("/oauth/login", &good).await);
    browser.get(&next).await;
    let forged = [
        ("csrf", "guess"),
        ("return_to", &*back),
        ("person", "u_1"),
        ("decision", "allow"),
    ];
    assert_eq!(
        browser.post("/oauth/authorize", &forged).await.status(),
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn whoever_is_not_the_person_shown_can_sign_in_as_themselves() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    browser.agree("ana", "records.read").await;
    // The same browser is known now, and asked for consent at once.
    let page = browser.get(&authorize(&[])).await.text().await.unwrap();
    assert!(page.contains("Ana Alvarez"));
    let form = [
        ("csrf", &*hidden(&page, "csrf")),
        ("return_to", &*hidden(&page, "return_to")),
    ];
    let next = location(&browser.post("/oauth/logout", &form).await);
    let login = browser.get(&next).await.text().await.unwrap();
    assert!(login.contains("<h1>Sign in</h1>"));
    let next = location(&browser.log_in(&login, "ben").await);
    assert!(
        browser
            .get(&next)
            .await
            .text()
            .await
            .unwrap()
            .contains("Ben Becker")
    );
    // Ana's consent page, still open in another tab, no longer gives anything in anybody's name.
    assert_eq!(
        browser.decide(&page, "allow").await.status(),
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn prompt_login_asks_for_the_password_once_more_and_then_no_more() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    browser.agree("ana", "records.read").await;
    let page = browser
        .get(&authorize(&[("prompt", "login"), ("login_hint", "ben")]))
        .await
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("<h1>Sign in</h1>") && page.contains("value=\"ben\""),
        "{page}"
    );
    let next = location(&browser.log_in(&page, "ben").await);
    assert!(
        browser
            .get(&next)
            .await
            .text()
            .await
            .unwrap()
            .contains("Ben Becker")
    );
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_can_t_be_framed_and_escape_what_they_show() {
    let sandbox = sandbox().await;
    let mut client = actas_sandbox::Client::new("odd", "s", ["http://localhost:2/back"]);
    client.name = "<script>alert(1)</script>".into();
    sandbox.register_client(client);
    let browser = Browser::new(&sandbox);
    let odd = authorize(&[
        ("client_id", "odd"),
        ("redirect_uri", "http://localhost:2/back"),
        ("login_hint", "\"><b>"),
    ]);
    let response = browser.get(&odd).await;
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'self'; form-action 'self' http://localhost:2; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page = response.text().await.unwrap();
    assert!(
        !page.contains("<script>") && !page.contains("\"><b>"),
        "{page}"
    );
}

#[tokio::test]
async fn the_home_page_shows_one_s_own_records() {
    let sandbox = sandbox().await;
    let browser = Browser::new(&sandbox);
    let back = browser.agree("ana", BOTH).await;
    let tokens = crate::browser::tokens(redeem(&sandbox, &query(&back)["code"]).await);
    crate::browser::create(&sandbox, &tokens.access, "k1").await;
    let page = browser.get("/").await.text().await.unwrap();
    assert!(
        page.contains("op_1") && page.contains("Name: Northwind") && page.contains("by ana"),
        "{page}"
    );
    let stranger = Browser::new(&sandbox).get("/").await.text().await.unwrap();
    assert!(stranger.contains("<h1>Sign in</h1>"));
}

#[tokio::test]
async fn a_person_takes_away_their_own_access_and_nobody_else_s() {
    let sandbox = sandbox().await;
    let (ana, ben) = (Browser::new(&sandbox), Browser::new(&sandbox));
    let mut tokens = Vec::new();
    for (browser, name) in [(&ana, "ana"), (&ben, "ben")] {
        let back = browser.agree(name, BOTH).await;
        tokens.push(crate::browser::tokens(redeem(&sandbox, &query(&back)["code"]).await).access);
    }
    let page = ben.get("/").await.text().await.unwrap();
    let csrf = hidden(&page, "csrf");
    assert_eq!(hidden(&page, "grant"), "grant_2");
    let withdraw = async |grant: &str| {
        let form = [("csrf", &*csrf), ("grant", grant)];
        assert_eq!(location(&ben.post("/oauth/withdraw", &form).await), "/");
    };
    withdraw("grant_1").await;
    assert_eq!(status(call(&sandbox, "GET", "/me", &tokens[0])).await, 200);
    withdraw("grant_2").await;
    assert_eq!(status(call(&sandbox, "GET", "/me", &tokens[1])).await, 401);
    assert!(
        ben.get("/")
            .await
            .text()
            .await
            .unwrap()
            .contains("Nobody but you.")
    );
    assert_eq!(
        ana.post("/oauth/withdraw", &[("csrf", &csrf), ("grant", "grant_1")])
            .await
            .status(),
        StatusCode::FORBIDDEN
    );
}
