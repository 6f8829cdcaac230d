//! A person with a browser: logs in to Actas, signs in at the CRM, presses what a person would press. Knows pages only by what stands on
//! them.

use actas_sandbox::password_of;
use actas_scripted_browser::html::{forms, text};
use actas_scripted_browser::{Browser, Form, Page};

use crate::stage::{OrStop, Stopped, Told};

/// Somebody at a computer.
#[derive(Debug)]
pub struct Person {
    /// Their login at Actas.
    pub login: &'static str,
    /// Their user name at the CRM.
    pub crm_name: &'static str,
    /// Their password at Actas.
    pub password: String,
    browser: Browser,
}

impl Person {
    /// Somebody who has never been anywhere.
    pub fn new(login: &'static str, crm_name: &'static str) -> Self {
        Self {
            login,
            crm_name,
            password: format!("{login} likes long walks"),
            browser: Browser::new(),
        }
    }

    /// Takes another browser, one that knows no cookie.
    pub fn new_browser(&mut self) {
        self.browser = Browser::new();
    }

    /// Opens a one-time link and chooses a password.
    pub async fn choose_password(&mut self, link: &str) -> Told {
        let page = self.browser.open(link.trim()).await;
        let form = form_with(&page, "again")?
            .with("password", &self.password)
            .with("again", &self.password);
        let next = self.browser.submit(&page, &form).await;
        if next.status == 200 {
            Ok(())
        } else {
            Err(Stopped(format!("no password could be chosen: {next}")))
        }
    }

    /// Opens a page of Actas; logs in first where it is asked for.
    pub async fn open(&mut self, link: &str) -> Told<Page> {
        let page = self.browser.open(link).await;
        match form_with(&page, "login") {
            Err(_) => Ok(page),
            Ok(form) => {
                let form = form
                    .with("login", self.login)
                    .with("password", &self.password);
                Ok(self.browser.submit(&page, &form).await)
            }
        }
    }

    /// On the page of a sign-in: presses the button, signs in at the CRM if it does not know them, agrees, comes back.
    pub async fn sign_in(&mut self, page: &Page) -> Told<Page> {
        let mut page = self
            .browser
            .submit(page, &answering(page, "sign_in")?)
            .await;
        if let Ok(form) = form_with(&page, "username") {
            let form = form
                .with("username", self.crm_name)
                .with("password", &password_of(self.crm_name));
            page = self.browser.submit(&page, &form).await;
        }
        let consent = page.form("/oauth/authorize").press("Allow");
        Ok(self.browser.submit(&page, &consent).await)
    }

    /// On the page of a sign-in: says no.
    pub async fn decline(&mut self, page: &Page) -> Told<Page> {
        Ok(self
            .browser
            .submit(page, &answering(page, "decline")?)
            .await)
    }
}

/// What a person reads first on a page: its heading and what follows, up to three hundred characters.
pub fn read(page: &Page) -> String {
    let from = page.body.find("<h1").unwrap_or_default();
    let text = text(&page.body[from..]);
    let mut shown: String = text.chars().take(300).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("[{}] {shown}", page.status)
}

fn form_with(page: &Page, field: &str) -> Told<Form> {
    let found = forms(&page.body)
        .into_iter()
        .find(|form| form.fields.iter().any(|(name, _)| name == field));
    found.or_stop(&format!("no form with `{field}` on {page}"))
}

/// The form that gives one of the answers of a sign-in page.
fn answering(page: &Page, answer: &str) -> Told<Form> {
    let gives = |form: &Form| {
        form.fields
            .iter()
            .any(|(name, value)| name == "answer" && value == answer)
    };
    forms(&page.body)
        .into_iter()
        .find(gives)
        .or_stop(&format!("nothing answers `{answer}` on {page}"))
}
