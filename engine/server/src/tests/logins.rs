//! Logging in and out, sessions, cookies, and which changes a browser may ask for.

use actas_test_support::browser::Browser;
use serde_json::json;

use super::Site;
use super::site::{Answer, HELLO, PASSWORD};

#[tokio::test]
async fn the_owners_link_works_once_and_then_the_password_does() {
    let site = Site::start().await;
    let link = site.server.first_link().unwrap().to_string();
    let mut browser = Browser::new();
    let page = browser.open(&link).await;
    assert!(page.text().contains("Welcome, Olga Owner"), "{page}");
    // Looking uses nothing up; two passwords that differ do not either.
    let form = page
        .form("/link/")
        .with("password", PASSWORD)
        .with("again", "another password");
    let again = browser.submit(&page, &form).await;
    assert!(
        again.status == 422 && again.text().contains("not the same"),
        "{again}"
    );
    let form = page
        .form("/link/")
        .with("password", PASSWORD)
        .with("again", PASSWORD);
    let home = browser.submit(&page, &form).await;
    assert!(home.text().contains("Hello, Olga Owner"), "{home}");
    assert_eq!(Browser::new().open(&link).await.status, 410);

    let mut other = Browser::new();
    let page = other.open(&site.url("/")).await;
    assert_eq!(page.url.path(), "/w/main/login");
    let wrong = page
        .form("/login")
        .with("login", "olga")
        .with("password", "not the password");
    let refused = other.submit(&page, &wrong).await;
    assert!(
        refused.status == 401 && refused.text().contains("is not right"),
        "{refused}"
    );
    let right = page
        .form("/login")
        .with("login", "Olga")
        .with("password", PASSWORD);
    let home = other.submit(&page, &right).await;
    assert!(home.text().contains("Hello, Olga Owner"), "{home}");
    site.server.stop().await;
}

#[tokio::test]
async fn a_new_password_ends_what_was_opened_with_the_old_one() {
    let site = Site::start().await;
    let ana = site.person("ana", &["runner"]).await;
    let old = format!("actas={}", ana.cookie(&site.url("/"), "actas").unwrap());
    let me = |cookie: String| site.net("GET", "/api/v1/me").header("cookie", cookie);
    Answer::of(me(old.clone())).await.ok();
    let mut links = Vec::new();
    for _ in 0..2 {
        let made = site.put("olga", "POST", "/users/ana/link", json!({})).await;
        links.push(made.ok()["link"].as_str().unwrap().to_owned());
    }
    let mut browser = Browser::new();
    let page = browser.open(&links[0]).await;
    let form = page
        .form("/link/")
        .with("password", "another good password")
        .with("again", "another good password");
    let home = browser.submit(&page, &form).await;
    assert_eq!((home.status, home.url.path()), (200, "/"), "{home}");
    Answer::of(me(old)).await.refused(401);
    let new = browser.cookie(&site.url("/"), "actas").unwrap();
    Answer::of(me(format!("actas={new}"))).await.ok();
    assert_eq!(Browser::new().open(&links[1]).await.status, 410);
    site.server.stop().await;
}

#[tokio::test]
async fn after_logging_out_the_old_cookie_is_worth_nothing() {
    let site = Site::start().await;
    let mut ana = site.person("ana", &["runner"]).await;
    let cookie = ana.cookie(&site.url("/"), "actas").unwrap().to_owned();
    let me = |cookie: String| {
        site.net("GET", "/api/v1/me")
            .header("cookie", format!("actas={cookie}"))
    };
    assert_eq!(Answer::of(me(cookie.clone())).await.ok()["login"], "ana");
    let home = ana.open(&site.url("/")).await;
    let out = ana.submit(&home, &home.form("/logout")).await;
    assert_eq!(out.url.path(), "/w/main/login");
    Answer::of(me(cookie)).await.refused(401);
    site.server.stop().await;
}

#[tokio::test]
async fn logging_in_again_makes_a_new_session_and_ends_the_old_one() {
    let site = Site::start().await;
    let mut ana = site.person("ana", &["runner"]).await;
    let before = ana.cookie(&site.url("/"), "actas").unwrap().to_owned();
    let page = ana
        .open(&site.url("/w/main/login?to=run:run_01jd0000000000000000000000"))
        .await;
    let form = page
        .form("/login")
        .with("login", "ana")
        .with("password", PASSWORD);
    let there = ana.submit_without_redirects(&page, &form).await;
    assert_eq!(
        there.headers["location"],
        "/runs/run_01jd0000000000000000000000"
    );
    let after = ana.cookie(&site.url("/"), "actas").unwrap().to_owned();
    assert_ne!(before, after);
    let old = site
        .net("GET", "/api/v1/me")
        .header("cookie", format!("actas={before}"));
    Answer::of(old).await.refused(401);
    site.server.stop().await;
}

#[tokio::test]
async fn guessing_passwords_is_stopped_for_that_login() {
    let site = Site::start().await;
    site.person("ana", &["runner"]).await;
    let guess = |login: &'static str| {
        site.net("POST", "/w/main/login")
            .header("sec-fetch-site", "same-origin")
            .form(&[
                ("login", login),
                ("password", "a wrong guess"),
                ("to", "home"),
            ])
    };
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let answer = Answer::of(guess("ana")).await;
        if answer.status == 429 {
            assert!(answer.headers.contains_key("retry-after"));
        }
        statuses.push(answer.status);
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 401).count(),
        10,
        "{statuses:?}"
    );
    assert_eq!(
        Answer::of(guess("ben")).await.status,
        401,
        "another login is not touched"
    );
    let audit = site.get("olga", "/audit?action=session.refused").await.ok();
    // Ten guesses at ana, one at ben, and one record for all that came too fast.
    assert_eq!(audit["records"].as_array().unwrap().len(), 12);
    site.server.stop().await;
}

#[tokio::test]
async fn a_browsers_change_needs_its_session_its_origin_and_its_token_together() {
    let site = Site::start().await;
    site.publish("hello", HELLO).await;
    let ana = site.person("ana", &["runner"]).await;
    let cookie = format!("actas={}", ana.cookie(&site.url("/"), "actas").unwrap());
    let me = Answer::of(site.net("GET", "/api/v1/me").header("cookie", &cookie))
        .await
        .ok();
    let csrf = me["csrf"].as_str().unwrap().to_owned();
    let ours = site.server.url().origin().ascii_serialization();
    let mut allowed = 0;
    for site_header in [
        None,
        Some("same-origin"),
        Some("same-site"),
        Some("cross-site"),
        Some("none"),
    ] {
        for origin in [
            None,
            Some("null".to_owned()),
            Some(ours.clone()),
            Some("https://evil.example".into()),
        ] {
            for token in [None, Some("wrong".to_owned()), Some(csrf.clone())] {
                let mut request = site
                    .net("POST", "/api/v1/flows/hello/runs")
                    .header("cookie", &cookie)
                    .json(&json!({"inputs": {"name": "x"}}));
                if let Some(value) = site_header {
                    request = request.header("sec-fetch-site", value);
                }
                if let Some(value) = &origin {
                    request = request.header("origin", value);
                }
                if let Some(value) = &token {
                    request = request.header("x-actas-csrf", value);
                }
                let fine_origin = matches!(
                    (site_header, origin.as_deref()),
                    (Some("same-origin"), None | Some("null"))
                ) || matches!(site_header, None | Some("same-origin"))
                    && origin.as_deref() == Some(ours.as_str());
                let fine = fine_origin && token.as_deref() == Some(csrf.as_str());
                let answer = Answer::of(request).await;
                if fine {
                    allowed += 1;
                    assert_eq!(
                        answer.status, 202,
                        "{site_header:?} {origin:?} {token:?} {}",
                        answer.text
                    );
                } else {
                    assert_eq!(
                        answer.refused(403),
                        "not_our_page",
                        "{site_header:?} {origin:?} {token:?}"
                    );
                }
            }
        }
    }
    assert_eq!(allowed, 4);
    let runs = site.get("ana", "/runs").await.ok();
    assert_eq!(
        runs["runs"].as_array().unwrap().len(),
        4,
        "refused requests did nothing"
    );
    site.server.stop().await;
}

#[tokio::test]
async fn with_an_authorization_header_cookies_count_for_nothing() {
    let site = Site::start().await;
    let ana = site.person("ana", &["runner"]).await;
    let cookie = format!("actas={}", ana.cookie(&site.url("/"), "actas").unwrap());
    for value in ["Bearer nonsense", "Basic YTpi", "", "Bearer"] {
        let request = site
            .net("GET", "/api/v1/me")
            .header("cookie", &cookie)
            .header("authorization", value);
        Answer::of(request).await.refused(401);
    }
    let token = site.token("olga").await;
    let request = site
        .net("GET", "/api/v1/me")
        .header("cookie", &cookie)
        .bearer_auth(token);
    assert_eq!(Answer::of(request).await.ok()["login"], "olga");
    site.server.stop().await;
}

#[tokio::test]
async fn a_token_opens_no_page_and_makes_no_other_token() {
    let site = Site::start().await;
    let token = site.token("olga").await;
    for path in [
        "/",
        "/connect/si_01jd0000000000000000000000",
        "/runs/run_01jd0000000000000000000000",
    ] {
        assert_eq!(
            Answer::of(site.net("GET", path).bearer_auth(&token))
                .await
                .status,
            403,
            "{path}"
        );
    }
    let more = site
        .net("POST", "/api/v1/tokens")
        .bearer_auth(&token)
        .json(&json!({"name": "more"}));
    Answer::of(more).await.refused(403);
    site.server.stop().await;
}

#[tokio::test]
async fn acting_as_somebody_works_through_the_socket_alone_and_for_local_users_alone() {
    let site = Site::start().await;
    site.put(
        "olga",
        "POST",
        "/users",
        json!({"login": "eve", "roles": ["runner"]}),
    )
    .await
    .ok();
    assert_eq!(site.get("eve", "/me").await.refused(403), "forbidden");
    assert_eq!(site.get("nobody", "/me").await.refused(403), "forbidden");
    assert_eq!(site.get("olga", "/me").await.ok()["entry"], "cli");
    // On the network the header is nothing.
    Answer::of(site.net("GET", "/api/v1/me").header("actas-as", "olga"))
        .await
        .refused(401);
    let audit = site.get("olga", "/audit?action=user.added").await.ok();
    let record = &audit["records"][0];
    assert_eq!(
        (
            record["actor"]["type"].as_str(),
            record["person"]["login"].as_str()
        ),
        (Some("local_operator"), Some("olga"))
    );
    site.server.stop().await;
}

#[tokio::test]
async fn a_person_switched_off_is_out_at_once() {
    let site = Site::start().await;
    let ana = site.person("ana", &["runner"]).await;
    let token = site.token("ana").await;
    let cookie = format!("actas={}", ana.cookie(&site.url("/"), "actas").unwrap());
    site.put("olga", "PUT", "/users/ana", json!({"disabled": true}))
        .await
        .ok();
    Answer::of(site.net("GET", "/api/v1/me").bearer_auth(token))
        .await
        .refused(401);
    Answer::of(site.net("GET", "/api/v1/me").header("cookie", cookie))
        .await
        .refused(401);
    assert_eq!(site.get("ana", "/me").await.refused(403), "forbidden");
    site.server.stop().await;
}

#[tokio::test]
async fn a_terminals_link_logs_in_once_and_exists_only_where_it_was_asked_for() {
    let site = Site::with(|config| config.terminal_login = true).await;
    let link = site
        .server
        .terminal_link("olga", "/runs/run_01jd0000000000000000000000")
        .await
        .unwrap()
        .unwrap();
    let mut browser = Browser::new();
    let page = browser.open(link.as_str()).await;
    assert!(page.text().contains("Go on as olga"), "{page}");
    let there = browser
        .submit_without_redirects(&page, &page.form("/terminal/"))
        .await;
    assert_eq!(
        there.headers["location"],
        "/runs/run_01jd0000000000000000000000"
    );
    assert_eq!(Browser::new().open(link.as_str()).await.status, 410);
    let eve = json!({"login": "eve", "roles": ["runner"]});
    site.put("olga", "POST", "/users", eve).await.ok();
    let of_eve = site.server.terminal_link("eve", "/").await.unwrap();
    assert!(of_eve.is_none(), "she is no local user");
    assert_eq!(
        Answer::of(
            site.net("POST", link.path())
                .header("origin", "https://evil.example")
        )
        .await
        .status,
        403
    );
    site.server.stop().await;

    let plain = Site::start().await;
    assert!(
        plain
            .server
            .terminal_link("olga", "/")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(Answer::of(plain.net("GET", link.path())).await.status, 404);
    plain.server.stop().await;
}

#[tokio::test]
async fn a_token_does_what_it_was_made_for_and_nothing_else() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    let ask = async |token: &str, method: &str, path: &str| {
        let request = site.net(method, &format!("/api/v1{path}"));
        let request = request.bearer_auth(token).json(&json!({}));
        Answer::of(request).await
    };
    let run = json!({"inputs": {"name": "x"}});
    let tokens = [
        ("runs", [true, true, false, false]),
        ("read", [true, false, true, false]),
        ("manage", [true, false, true, true]),
    ];
    for (scope, [me, start, audit, stop]) in tokens {
        let token = site.token_for("olga", &[scope]).await;
        assert_eq!(ask(&token, "GET", "/me").await.status == 200, me, "{scope}");
        let started = site.net("POST", "/api/v1/flows/hello/runs");
        let started = Answer::of(started.bearer_auth(&token).json(&run)).await;
        assert_eq!(started.status < 300, start, "{scope} {}", started.text);
        let read = ask(&token, "GET", "/audit").await;
        assert_eq!(read.status == 200, audit, "{scope} {}", read.text);
        let stopped = ask(&token, "POST", "/flows/hello/stop").await;
        assert_eq!(stopped.status == 200, stop, "{scope} {}", stopped.text);
        if !stop {
            assert_eq!(stopped.refused(403), "forbidden");
            assert_eq!(stopped.body["scope"], "manage");
        }
    }
    // A scope narrows: it never gives what the person has not.
    site.person("rita", &["runner"]).await;
    let token = site.token_for("rita", &["manage", "read", "runs"]).await;
    let refused = ask(&token, "GET", "/audit").await;
    assert_eq!(refused.body["privilege"], "audit.view");
    // One that was made for nothing known is no token.
    let odd = "act_made-for-nothing";
    let app = site.server.app().clone();
    let reader = app.store.reader(&app.workspace);
    let olga = reader.user_by_login("olga").await.unwrap().unwrap();
    let now = actas_store::system::now();
    let row = actas_store::TokenRow {
        hash: crate::gate::hash_of(odd),
        workspace: app.workspace.clone(),
        user: olga.id,
        name: "odd".into(),
        scopes: vec!["everything".into()],
        created_at: now,
        expires_at: now.after(std::time::Duration::from_secs(60)),
    };
    let commit = actas_store::Commit {
        ops: vec![actas_store::Op::AddToken(row)],
        audit: Vec::new(),
    };
    app.store.commit(commit).await.unwrap();
    assert_eq!(ask(odd, "GET", "/me").await.refused(401), "not_logged_in");
    site.server.stop().await;
}

#[tokio::test]
async fn tokens_are_listed_and_revoked_by_their_person_and_by_who_may_see_all() {
    let site = Site::start().await;
    site.person("rita", &["runner"]).await;
    site.person("ruth", &["runner"]).await;
    let token = site.token("rita").await;
    let list = site.get("rita", "/tokens").await.ok();
    let id = list["tokens"][0]["id"].as_str().unwrap().to_owned();
    assert!(!list.to_string().contains(&token), "{list}");
    assert_eq!(
        list["tokens"][0]["scopes"],
        json!(["manage", "read", "runs"])
    );
    // To anybody else there is no such token.
    let path = format!("/tokens/{id}");
    for who in ["ruth"] {
        let refused = Answer::of(site.cli(who, "DELETE", &path)).await;
        let unknown = Answer::of(site.cli(who, "DELETE", "/tokens/0123456789abcdef")).await;
        assert_eq!((refused.status, &refused.text), (404, &unknown.text));
        assert_eq!(
            site.get(who, "/tokens?user=rita").await.refused(403),
            "forbidden"
        );
        assert_eq!(
            site.get(who, "/tokens?all=true").await.refused(403),
            "forbidden"
        );
    }
    let all = site.get("olga", "/tokens?all=true").await.ok();
    assert_eq!(all["tokens"][0]["user"], "rita");
    Answer::of(site.cli("olga", "DELETE", &path)).await.ok();
    let me = site.net("GET", "/api/v1/me").bearer_auth(&token);
    assert_eq!(Answer::of(me).await.refused(401), "not_logged_in");
    let audit = site.get("olga", "/audit?action=token.revoked").await.ok();
    assert_eq!(audit["records"][0]["object"]["id"], id.as_str());
    site.server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it_and_with_its_person() {
    use futures::StreamExt;
    let site = Site::start().await;
    site.configure_crm().await;
    site.publish("note", super::site::NOTE).await;
    for way in ["revoke", "disable"] {
        let login = format!("rita-{way}");
        site.person(&login, &["builder"]).await;
        let token = site.token(&login).await;
        let started = site
            .put(&login, "POST", "/flows/note/runs", json!({}))
            .await;
        let run = started.ok()["run"].as_str().unwrap().to_owned();
        let events = site.net("GET", &format!("/api/v1/runs/{run}/events"));
        let stream = events.bearer_auth(&token).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        let mut stream = stream.bytes_stream();
        assert!(stream.next().await.unwrap().is_ok());
        if way == "revoke" {
            let list = site.get(&login, "/tokens").await.ok();
            let id = list["tokens"][0]["id"].as_str().unwrap();
            Answer::of(site.cli(&login, "DELETE", &format!("/tokens/{id}")))
                .await
                .ok();
        } else {
            let path = format!("/users/{login}");
            site.put("olga", "PUT", &path, json!({"disabled": true}))
                .await
                .ok();
        }
        let rest = async { while stream.next().await.is_some_and(|part| part.is_ok()) {} };
        tokio::time::timeout(std::time::Duration::from_secs(10), rest)
            .await
            .expect("the stream ends at once, not at its next look");
    }
    site.server.stop().await;
}
