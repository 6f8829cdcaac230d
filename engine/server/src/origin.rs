//! Where this server is found from outside, and what follows from it: the cookie's name and flags, and which requests come from our own pages.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use url::{Host, Url};

/// The address people open.
#[derive(Debug, Clone)]
pub struct Origin {
    base: Url,
    secure: bool,
}

/// Why an address cannot be the public one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// It has more than scheme, host and port, or another scheme.
    #[error("public url {0} must be `https://host[:port]` without a path")]
    Form(String),
    /// Sessions would travel in the clear.
    #[error(
        "public url {0} is plain http: that is for a loopback host only (`http://localhost:PORT`)"
    )]
    Plain(String),
}

impl Origin {
    /// Takes an address: https, or http on a loopback host.
    ///
    /// # Errors
    /// See [`BadOrigin`].
    pub fn new(base: Url) -> Result<Self, BadOrigin> {
        let bare = base.path() == "/"
            && base.query().is_none()
            && base.fragment().is_none()
            && base.username().is_empty()
            && base.password().is_none();
        match base.scheme() {
            _ if !bare => Err(BadOrigin::Form(base.to_string())),
            "https" => Ok(Self { base, secure: true }),
            "http" if is_loopback(&base) => Ok(Self {
                base,
                secure: false,
            }),
            "http" => Err(BadOrigin::Plain(base.to_string())),
            _ => Err(BadOrigin::Form(base.to_string())),
        }
    }

    /// The address itself.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// The address of a path of ours.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        url.set_path(path);
        url.set_query(query);
        url
    }

    /// The name of the session's cookie. The prefix makes browsers hold to Secure, Path=/ and no Domain; on plain loopback some refuse it.
    pub fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-actas" } else { "actas" }
    }

    /// `Set-Cookie` for a new session; lives as long as the browser, the session itself ends on the server.
    pub fn set_cookie(&self, value: &str) -> HeaderValue {
        self.cookie(value, "")
    }

    /// `Set-Cookie` that takes the cookie away.
    pub fn drop_cookie(&self) -> HeaderValue {
        self.cookie("", "; Max-Age=0")
    }

    /// The name of the cookie by which a browser is known that logs in elsewhere.
    fn attempt_cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-actas-login"
        } else {
            "actas-login"
        }
    }

    /// `Set-Cookie` for a browser that logs in elsewhere.
    pub fn set_attempt_cookie(&self, value: &str, lives: Duration) -> HeaderValue {
        let more = format!("; Max-Age={}", lives.as_secs());
        self.named_cookie(self.attempt_cookie_name(), value, &more)
    }

    /// What a browser holds that logs in elsewhere.
    pub fn attempt_cookie_of(&self, headers: &HeaderMap) -> Option<String> {
        only(headers, self.attempt_cookie_name()).filter(|value| value.len() >= 32)
    }

    fn cookie(&self, value: &str, more: &str) -> HeaderValue {
        self.named_cookie(self.cookie_name(), value, more)
    }

    fn named_cookie(&self, name: &str, value: &str, more: &str) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// The session's secret, if exactly one such cookie came: two of a name are the mark of somebody planting one.
    pub fn cookie_of(&self, headers: &HeaderMap) -> Option<String> {
        only(headers, self.cookie_name())
    }

    /// Whether a change of state was asked for by a page of ours. `Sec-Fetch-Site` decides where a browser sends it; a page without referrers
    /// sends `Origin: null` beside it. Without either header the answer is no.
    pub fn is_same(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
        let origin = text("origin");
        let ours = self.base.origin().ascii_serialization();
        match (text("sec-fetch-site"), origin) {
            (Some("same-origin"), None | Some("null")) => true,
            (Some("same-origin") | None, Some(origin)) => origin == ours,
            _ => false,
        }
    }
}

/// The value of a cookie that came exactly once.
fn only(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned());
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Whether a host is this machine and nothing else.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::new(text.parse().expect("a url")).expect("fits")
    }

    #[test]
    fn plain_http_is_for_loopback_hosts_only() {
        for good in [
            "https://actas.example",
            "http://localhost:7788",
            "http://127.0.0.1:1",
            "http://[::1]:1",
        ] {
            assert!(Origin::new(good.parse().expect("a url")).is_ok(), "{good}");
        }
        for bad in [
            "http://actas.example",
            "http://localhost.example",
            "https://actas.example/path",
            "https://u:p@actas.example",
            "ftp://actas.example",
            "http://10.0.0.1",
        ] {
            assert!(Origin::new(bad.parse().expect("a url")).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_cookie_is_bound_to_the_host_wherever_a_browser_can_do_it() {
        let set = |text: &str| {
            origin(text)
                .set_cookie("v")
                .to_str()
                .expect("ascii")
                .to_owned()
        };
        assert_eq!(
            set("https://actas.example"),
            "__Host-actas=v; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            set("http://localhost:1"),
            "actas=v; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn two_session_cookies_count_as_none() {
        let origin = origin("https://actas.example");
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_static("a=b; __Host-actas=one"));
        assert_eq!(origin.cookie_of(&headers), Some("one".into()));
        headers.append("cookie", HeaderValue::from_static("__Host-actas=two"));
        assert_eq!(origin.cookie_of(&headers), None);
        headers.remove("cookie");
        headers.insert("cookie", HeaderValue::from_static("actas=one"));
        assert_eq!(origin.cookie_of(&headers), None, "another name");
    }

    #[test]
    fn only_our_own_pages_may_ask_for_changes() {
        let ours = origin("https://actas.example");
        let asked = |site: Option<&'static str>, from: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            if let Some(from) = from {
                headers.insert("origin", HeaderValue::from_static(from));
            }
            ours.is_same(&headers)
        };
        assert!(asked(Some("same-origin"), Some("https://actas.example")));
        assert!(asked(Some("same-origin"), Some("null")));
        assert!(asked(Some("same-origin"), None));
        assert!(asked(None, Some("https://actas.example")));
        for site in ["cross-site", "same-site", "none", ""] {
            for from in [None, Some("null"), Some("https://actas.example")] {
                assert!(!asked(Some(site), from), "{site} {from:?}");
            }
        }
        for from in [
            None,
            Some("null"),
            Some("https://evil.example"),
            Some("http://actas.example"),
            Some("https://actas.example:444"),
        ] {
            assert!(!asked(None, from), "{from:?}");
        }
        assert!(!asked(Some("same-origin"), Some("https://evil.example")));
    }
}
