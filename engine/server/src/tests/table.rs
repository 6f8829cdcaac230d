//! Every route of the table, walked: without credentials none answers but the public ones, however its path is dressed up.

use reqwest::Method;
use serde_json::json;

use super::Site;
use super::site::Answer;
use crate::access::Privilege;
use crate::routes::{Caller, Handler, Kind, Needs, Route, table};

/// A path with plausible parameters.
fn filled(route: &Route) -> String {
    let id = "01jd0000000000000000000000";
    let fill = |part: &str| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        None => part.to_owned(),
        Some("run") => format!("run_{id}"),
        Some("request") => format!("rq_{id}"),
        Some("sign_in") => format!("si_{id}"),
        Some("connection") => format!("con_{id}"),
        Some("client") => format!("cli_{id}"),
        Some("workspace") => "main".to_owned(),
        Some("number") => "1".to_owned(),
        Some("file") => "page.css".to_owned(),
        Some("app") => "core".to_owned(),
        Some("what") => "again".to_owned(),
        Some("first") => format!("con_{id}"),
        Some("flow") => "hello".to_owned(),
        Some("login") => "olga".to_owned(),
        Some("role") => "desk".to_owned(),
        Some(other) => other.to_owned(),
    };
    route
        .path
        .split('/')
        .map(fill)
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn every_route_says_who_may_call_it() {
    let routes = table(true);
    for route in &routes {
        let public = matches!(route.caller, Caller::Public | Caller::Machine);
        assert_eq!(
            public,
            matches!(route.handler, Handler::Public(_)),
            "{route:?}"
        );
        assert!(!public || route.needs == Needs::Own, "{route:?}");
        // What a browser alone may do is a page; nothing else completes a sign-in.
        assert!(
            route.kind != Kind::Page || route.caller != Caller::Either,
            "{route:?}"
        );
        assert!(route.path == "/" || !route.path.ends_with('/'), "{route:?}");
        assert!(
            !route.about.is_empty() && route.about.ends_with('.'),
            "{route:?}"
        );
    }
    let mut names: Vec<String> = routes.iter().map(|route| format!("{route:?}")).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(all, names.len(), "two routes of one name");
    let terminal = |terminal| {
        table(terminal)
            .iter()
            .filter(|r| r.path.starts_with("/terminal"))
            .count()
    };
    assert_eq!((terminal(false), terminal(true)), (0, 2));
}

#[tokio::test]
async fn without_credentials_only_public_routes_answer() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    for route in table(false) {
        let answer = Answer::of(site.net(route.method.as_str(), &filled(&route))).await;
        let redirected = answer
            .headers
            .get("location")
            .is_some_and(|to| to.to_str().unwrap().starts_with("/w/main/login"));
        match (route.caller, route.kind) {
            (Caller::Public, _) => assert_ne!(answer.status, 401, "{route:?}"),
            // What other systems show is judged, but nobody logs in there.
            (Caller::Machine, _) => assert_ne!(answer.body["code"], "not_logged_in", "{route:?}"),
            (_, Kind::Api) => assert_eq!(answer.refused(401), "not_logged_in", "{route:?}"),
            (_, Kind::Page | Kind::Asset) => assert!(
                answer.status == 303 && redirected,
                "{route:?} {}",
                answer.status
            ),
        }
        for header in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "x-frame-options",
        ] {
            assert!(
                answer.headers.contains_key(header),
                "{route:?} has no {header}"
            );
        }
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
    }
    site.server.stop().await;
}

#[tokio::test]
async fn a_dressed_up_path_leads_nowhere() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    let address = site.server.address();
    for route in table(false)
        .into_iter()
        .filter(|route| route.method == Method::GET)
    {
        let path = filled(&route);
        let mut odd = vec![
            format!("{path}/"),
            format!("/{path}"),
            format!("{path}."),
            format!("{path};x"),
            format!("{path}%2f"),
            format!("{path}%00"),
            format!("{path}/..{path}"),
            format!("{path}/healthz"),
            format!("/healthz{path}"),
            format!("/assets{path}"),
            format!("{path}//healthz"),
            path.replacen('/', "/%2e/", 1),
            path.replacen('/', "\\", 1),
            format!("{path}%3b"),
            format!("/./{path}"),
        ];
        if path.len() > 1 {
            odd.push(path.to_uppercase());
            odd.push(path.replacen('a', "%61", 1).replacen('e', "%65", 1));
        }
        for odd in odd.into_iter().filter(|odd| *odd != path) {
            let status = raw_status(address, &odd).await;
            let redirected_to_login = status == 303;
            assert!(
                matches!(status, 400 | 401 | 403 | 404 | 405) || redirected_to_login,
                "{odd} answered {status}"
            );
            assert_ne!(status, 200, "{odd}");
        }
    }
    site.server.stop().await;
}

/// The status of a GET whose target nobody has tidied up.
async fn raw_status(address: std::net::SocketAddr, target: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let text = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = [0; 64];
    let read = stream.read(&mut head).await.unwrap();
    let line = String::from_utf8_lossy(&head[..read]).into_owned();
    line.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(400)
}

#[tokio::test]
async fn each_role_reaches_exactly_the_routes_its_privileges_name() {
    let site = Site::start().await;
    site.publish("hello", super::site::HELLO).await;
    for role in crate::access::ROLES {
        let login = format!("one-{role}");
        let body = json!({"login": login, "roles": [role], "local": true});
        site.put("olga", "POST", "/users", body).await.ok();
        let token = site.token(&login).await;
        for route in table(false) {
            let Needs::Privilege(privilege) = route.needs else {
                continue;
            };
            if route.kind != Kind::Api || route.caller != Caller::Either {
                continue;
            }
            let request = site
                .net(route.method.as_str(), &filled(&route))
                .bearer_auth(&token);
            let answer = Answer::of(
                request
                    .header("content-type", "application/json")
                    .body("{\"nonsense\": 1}"),
            )
            .await;
            let lacks = answer.status == 403 && answer.body["privilege"] == privilege.as_str();
            let has = crate::access::privileges(role).contains(&privilege);
            assert_eq!(
                lacks, !has,
                "{role} {route:?}: {} {}",
                answer.status, answer.text
            );
        }
    }
    assert_eq!(
        Privilege::ALL.len(),
        30,
        "a privilege without a row in the roles' table"
    );
    site.server.stop().await;
}
