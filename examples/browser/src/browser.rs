//! A scripted browser: cookies, redirects and forms as a browser does them, without one. It holds to the rules that our pages
//! rely on (`SameSite`, `Secure`, `Path`, `Origin`, `Sec-Fetch-Site`), so what passes here passes in a real browser.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use url::Url;

use crate::html::{self, Form};

/// Redirects that are followed before somebody is going in circles.
const REDIRECTS: usize = 20;

/// An HTTP client as the tests use it: no redirects, no waiting for ever, no TLS but ring's.
///
/// # Panics
/// When no client can be built.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a test stands outside, where no egress guard is"
)]
pub fn client() -> reqwest::Client {
    // A second call finds it installed, and answers with an error for that.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(60))
        .no_proxy()
        .build()
        .expect("a client can be built")
}

/// One person's browser, with a cookie jar of its own.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    cookies: Vec<Cookie>,
    /// Every address asked for, in order, with the answer's status: to see where a chain of redirects went.
    pub trail: Vec<(String, u16)>,
}

/// A page, or whatever else was answered.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it came from, after redirects.
    pub url: Url,
    /// The status of the answer.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    path: String,
    secure: bool,
    same_site: SameSite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SameSite {
    Strict,
    Lax,
    None,
}

impl Page {
    /// The text that a person reads.
    #[must_use]
    pub fn text(&self) -> String {
        html::text(&self.body)
    }

    /// The first form whose action contains `action`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn form(&self, action: &str) -> Form {
        html::forms(&self.body)
            .into_iter()
            .find(|form| form.action.contains(action))
            .unwrap_or_else(|| panic!("no form to `{action}` on {self}"))
    }

    /// The first form that has a button with this label.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn form_with_button(&self, label: &str) -> Form {
        html::forms(&self.body)
            .into_iter()
            .find(|form| {
                form.buttons
                    .iter()
                    .any(|button| button.label.contains(label))
            })
            .unwrap_or_else(|| panic!("no form with the button `{label}` on {self}"))
    }

    /// The form that says this of a field and has a button with this label.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn form_about(&self, field: &str, value: &str, label: &str) -> Form {
        self.find_about(field, value, label)
            .unwrap_or_else(|| panic!("no form of {field} `{value}` with `{label}` on {self}"))
    }

    /// The same, where there may be none.
    #[must_use]
    pub fn find_about(&self, field: &str, value: &str, label: &str) -> Option<Form> {
        html::forms(&self.body).into_iter().find(|form| {
            let says = |(name, said): &(String, String)| name == field && said == value;
            form.fields.iter().any(says)
                && form
                    .buttons
                    .iter()
                    .any(|button| button.label.contains(label))
        })
    }

    /// The address of the first link with this label.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn link(&self, label: &str) -> Url {
        let links = html::links(&self.body);
        let found = links
            .iter()
            .find(|(text, _)| text.contains(label))
            .unwrap_or_else(|| panic!("no link `{label}` on {self}"));
        self.url.join(&found.1).expect("a link leads somewhere")
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.url, self.status, self.text())
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    /// A browser that has never been anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self {
            http: client(),
            cookies: Vec::new(),
            trail: Vec::new(),
        }
    }

    /// Opens an address as if it had been typed, and follows redirects.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn open(&mut self, url: &str) -> Page {
        let url = Url::parse(url).expect("an address");
        let page = self.request("GET", url, None, None, false).await;
        self.follow(page, None).await
    }

    /// Opens an address as if it had been typed, and stays at the first answer.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn open_without_redirects(&mut self, url: &str) -> Page {
        self.request(
            "GET",
            Url::parse(url).expect("an address"),
            None,
            None,
            false,
        )
        .await
    }

    /// Follows a link of `page`.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn click(&mut self, page: &Page, label: &str) -> Page {
        let answer = self
            .request("GET", page.link(label), None, Some(&page.url), false)
            .await;
        self.follow(answer, Some(&page.url)).await
    }

    /// Sends a form of `page` and follows redirects.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn submit(&mut self, page: &Page, form: &Form) -> Page {
        let answer = self.submit_without_redirects(page, form).await;
        self.follow(answer, Some(&page.url)).await
    }

    /// Sends a form of `page` and stays at the first answer.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn submit_without_redirects(&mut self, page: &Page, form: &Form) -> Page {
        let mut url = page.url.join(&form.action).expect("a form leads somewhere");
        let encoded = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form.fields)
            .finish();
        if form.method == "post" {
            return self
                .request("POST", url, Some(encoded), Some(&page.url), false)
                .await;
        }
        url.set_query(Some(&encoded));
        self.request("GET", url, None, Some(&page.url), false).await
    }

    /// Follows the redirects that begin with `page`; `from` is where the person pressed something.
    async fn follow(&mut self, mut page: Page, from: Option<&Url>) -> Page {
        // A chain that ever left the site stays foreign to it, as a link in an e-mail would be.
        let mut foreign = from.is_some_and(|from| !same_site(from, &page.url));
        for _ in 0..REDIRECTS {
            let Some(location) = page
                .headers
                .get(LOCATION)
                .filter(|_| (300..400).contains(&page.status))
            else {
                return page;
            };
            let next = page
                .url
                .join(location.to_str().expect("an address is text"))
                .expect("a redirect leads somewhere");
            foreign |= !same_site(&page.url, &next);
            page = self.request("GET", next, None, from, foreign).await;
        }
        panic!("more than {REDIRECTS} redirects: {:?}", self.trail);
    }

    async fn request(
        &mut self,
        method: &str,
        url: Url,
        form: Option<String>,
        from: Option<&Url>,
        foreign: bool,
    ) -> Page {
        let foreign = foreign || from.is_some_and(|from| !same_site(from, &url));
        let mut request = self
            .http
            .request(method.parse().expect("a method"), url.clone())
            .headers(navigation(&url, from, foreign));
        if let Some(body) = form {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body);
        }
        let cookies = self.cookies_for(&url, method, foreign);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{method} {url}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        self.trail.push((url.to_string(), status));
        for header in headers.get_all(SET_COOKIE) {
            self.keep(header, &url);
        }
        let body = response
            .text()
            .await
            .unwrap_or_else(|error| panic!("{method} {url}: {error:?}"));
        Page {
            url,
            status,
            headers,
            body,
        }
    }

    /// The value of a cookie that would be sent to `url`.
    #[must_use]
    pub fn cookie(&self, url: &str, name: &str) -> Option<&str> {
        let url = Url::parse(url).ok()?;
        self.cookies
            .iter()
            .find(|cookie| cookie.name == name && cookie.belongs_to(&url))
            .map(|cookie| cookie.value.as_str())
    }

    /// Forgets every cookie of a host: what "log out everywhere" looks like from here.
    pub fn forget(&mut self, host: &str) {
        self.cookies.retain(|cookie| cookie.host != host);
    }

    fn cookies_for(&self, url: &Url, method: &str, foreign: bool) -> String {
        let sent = |cookie: &&Cookie| {
            cookie.belongs_to(url)
                && match cookie.same_site {
                    SameSite::Strict => !foreign,
                    SameSite::Lax => !foreign || method == "GET",
                    SameSite::None => true,
                }
        };
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .filter(sent)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        pairs.join("; ")
    }

    fn keep(&mut self, header: &HeaderValue, url: &Url) {
        let header = header.to_str().expect("a cookie is text");
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            host: host(url),
            path: url
                .path()
                .rsplit_once('/')
                .map_or("/", |(folder, _)| folder)
                .to_owned(),
            secure: false,
            same_site: SameSite::Lax,
        };
        let mut gone = false;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.to_lowercase().as_str() {
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => gone |= value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                "expires" => gone |= value.contains("1970"),
                "samesite" => {
                    cookie.same_site = match value.to_lowercase().as_str() {
                        "strict" => SameSite::Strict,
                        "none" => SameSite::None,
                        _ => SameSite::Lax,
                    }
                }
                _ => {}
            }
        }
        if name.starts_with("__Host-") {
            assert!(
                cookie.secure && cookie.path == "/",
                "a browser refuses the cookie {header}"
            );
        }
        if cookie.secure && !trustworthy(url) {
            return;
        }
        self.cookies.retain(|known| {
            !(known.name == cookie.name && known.host == cookie.host && known.path == cookie.path)
        });
        if !gone {
            self.cookies.push(cookie);
        }
    }
}

impl Cookie {
    fn belongs_to(&self, url: &Url) -> bool {
        let path = url.path();
        let below = path == self.path
            || path.starts_with(&self.path)
                && (self.path.ends_with('/') || path[self.path.len()..].starts_with('/'));
        // Cookies ignore ports.
        self.host == host(url)
            && (below || self.path.is_empty())
            && (!self.secure || trustworthy(url))
    }
}

/// What a browser says of a navigation.
fn navigation(url: &Url, from: Option<&Url>, foreign: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a header is text"),
        );
    };
    set("accept", "text/html,application/xhtml+xml");
    set("sec-fetch-mode", "navigate");
    set("sec-fetch-dest", "document");
    set("sec-fetch-user", "?1");
    let site = match from {
        None if foreign => "cross-site",
        None => "none",
        Some(_) if foreign => "cross-site",
        Some(from) if from.origin() == url.origin() => "same-origin",
        Some(_) => "same-site",
    };
    set("sec-fetch-site", site);
    if let Some(from) = from {
        set("origin", &from.origin().ascii_serialization());
        set("referer", from.as_str());
    }
    headers
}

/// Whether two addresses are one site to a browser: scheme and host, whatever the port. (Domains with a common registered
/// parent do not occur in the tests.)
fn same_site(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && host(a) == host(b)
}

/// Browsers keep `Secure` cookies over plain HTTP on the machine itself.
fn trustworthy(url: &Url) -> bool {
    url.scheme() == "https"
        || host(url) == "localhost"
        || host(url).ends_with(".localhost")
        || host(url).starts_with("127.")
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
