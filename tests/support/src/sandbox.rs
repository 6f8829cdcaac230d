//! The sandbox as a process of its own, so that the product can be killed beside it, and what a person does on its pages.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::browser::{Browser, Page, client};
use crate::process::{self, Running};

const START: Duration = Duration::from_secs(30);

/// A running sandbox; dropping it kills it.
#[derive(Debug)]
pub struct Sandbox {
    running: Running,
    http: reqwest::Client,
    /// Where it answers, without a slash at the end.
    pub url: String,
}

impl Sandbox {
    /// Starts it on a free port with its controls. `clients` are triples of id, secret and redirect URI; `args` is what else
    /// its command line takes.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(home: &Path, clients: &[(&str, &str, &str)], args: &[&str]) -> Self {
        let mut command = process::command(process::sandbox(), home);
        command.args(["--listen", "127.0.0.1:0", "--admin"]);
        for (id, secret, redirect_uri) in clients {
            command
                .arg("--client")
                .arg(format!("{id},{secret},{redirect_uri}"));
        }
        command.args(args);
        let mut running = Running::start(command);
        let url = running.wait_for_line("http://", START);
        Self {
            running,
            http: client(),
            url,
        }
    }

    /// Kills it, as a machine that fails does.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Reads one of its controls: `log`, `counts`, `records`, `messages`, `grants`, `held`.
    ///
    /// # Panics
    /// When it does not answer with JSON.
    pub async fn ask(&self, what: &str) -> Value {
        let response = self
            .http
            .get(format!("{}/_sandbox/{what}", self.url))
            .send()
            .await
            .expect("the sandbox answers");
        response.json().await.expect("the sandbox answers in JSON")
    }

    /// Uses one of its controls: `revoke`, `expire`, `rights`, `clients`, `faults`, `reset`, …
    ///
    /// # Panics
    /// When it refuses.
    pub async fn tell(&self, what: &str, body: &Value) {
        let response = self
            .http
            .post(format!("{}/_sandbox/{what}", self.url))
            .json(body)
            .send()
            .await
            .expect("the sandbox answers");
        assert!(
            response.status().is_success(),
            "{what}: {} {}",
            response.status(),
            response.text().await.unwrap_or_default()
        );
    }
}

/// What a person does on the sandbox's pages, from the first one after being sent there: signs in and allows (or refuses).
/// Answers the page after it, which is where the redirects lead.
///
/// # Panics
/// When a page is not as described.
pub async fn sign_in(browser: &mut Browser, page: Page, user: &str, decision: Decision) -> Page {
    let consent = arrive(browser, page, user).await;
    let form = consent
        .form_with_button(decision.button())
        .press(decision.button());
    browser.submit(&consent, &form).await
}

/// The same, up to the answer that leads back: its `location` is the callback, which has not been opened yet.
///
/// # Panics
/// When a page is not as described.
pub async fn sign_in_without_callback(
    browser: &mut Browser,
    page: Page,
    user: &str,
    decision: Decision,
) -> Page {
    let consent = arrive(browser, page, user).await;
    let form = consent
        .form_with_button(decision.button())
        .press(decision.button());
    browser.submit_without_redirects(&consent, &form).await
}

async fn arrive(browser: &mut Browser, page: Page, user: &str) -> Page {
    if !page.body.contains("name=\"password\"") {
        return page;
    }
    let form = page
        .form("/oauth/login")
        .with("username", user)
        .with("password", &format!("{user}-crm"));
    browser.submit(&page, &form).await
}

/// What a person answers when the sandbox asks whether a program may act for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

impl Decision {
    fn button(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Don't allow",
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[tokio::test]
    async fn a_person_signs_in_and_allows_or_refuses() {
        let home = tempfile::tempdir().unwrap();
        let callback = "http://localhost:1/oauth/callback/x";
        let sandbox = Sandbox::start(home.path(), &[("actas", "s", callback)], &[]);
        let authorize = format!(
            "{}/oauth/authorize?response_type=code&client_id=actas&redirect_uri={callback}&scope=records.write&state=st4te\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
            sandbox.url
        );
        for (user, decision, expected) in [
            ("ana", Decision::Allow, "code="),
            ("ben", Decision::Deny, "error=access_denied"),
        ] {
            let mut browser = Browser::new();
            let page = browser.open(&authorize).await;
            let back = sign_in_without_callback(&mut browser, page, user, decision).await;
            let location = back.headers["location"].to_str().unwrap();
            assert!(
                location.starts_with(callback)
                    && location.contains(expected)
                    && location.contains("state=st4te"),
                "{location}"
            );
        }
        assert_eq!(
            sandbox.ask("counts").await["token_requests"],
            serde_json::json!({})
        );
        sandbox
            .tell("revoke", &serde_json::json!({"user": "ana"}))
            .await;
    }
}
