//! Mail goes out here: one plain text to one person, through the server that the operator names. What is written in it is the caller's business;
//! who asks for it never says where it goes through.

use std::fmt;
use std::time::Duration;

use actas_core::Secret;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport as _, Message, Tokio1Executor};
use url::Url;

/// A server that has not taken a letter by then is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the operator says about mail.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `smtps://user:password@mail.example`, `smtp://…?tls=required`, or `smtp://…` for one without TLS.
    pub url: Secret<String>,
    /// Who it comes from: `Actas <actas@example.com>`.
    pub from: String,
}

/// Why mail cannot be set up or sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The operator's settings.
    #[error("mail is not set up well: {0}")]
    Config(String),
    /// The letter itself: trying again is of no use.
    #[error("letter cannot be written: {0}")]
    Letter(String),
    /// The server, or the way to it.
    #[error("mail server did not take the letter: {0}")]
    Server(String),
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The person's name.
    pub name: String,
    /// Their address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same each time that the same letter is sent, so that whoever gets it twice can tell.
    pub id: String,
}

/// The way to the operator's mail server. Cheap to clone.
#[derive(Clone)]
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    server: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("server", &self.server)
            .field("from", &self.from.to_string())
            .finish()
    }
}

impl Mail {
    /// Reads the settings; nothing is connected to yet.
    ///
    /// # Errors
    /// [`MailError::Config`], which never holds the password.
    pub fn new(config: &MailConfig) -> Result<Self, MailError> {
        let wrong = |why: &str| MailError::Config(why.to_owned());
        let url = Url::parse(config.url.reveal())
            .map_err(|_| wrong("the server is no URL: write it as smtps://user:password@host"))?;
        if !matches!(url.scheme(), "smtp" | "smtps") || url.host_str().is_none() {
            return Err(wrong("the server is written as smtps://… or smtp://…"));
        }
        let from = config.from.parse().map_err(|_| {
            wrong("the sender is no address: write it as Actas <actas@example.com>")
        })?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(config.url.reveal())
            .map_err(|_| wrong("the server's URL has a part that is not understood"))?
            .timeout(Some(PATIENCE))
            .build();
        let mut shown = url;
        // Fails only for addresses that have no place for one.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        Ok(Self {
            transport,
            from,
            server: shown.to_string(),
        })
    }

    /// The server without what proves us to it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Who it comes from.
    pub fn from(&self) -> String {
        self.from.to_string()
    }

    /// Sends a letter; when this returns, the server has taken it.
    ///
    /// # Errors
    /// [`MailError::Letter`] if it can never be sent, [`MailError::Server`] if it may be another time.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let message = self.message(letter)?;
        let sent = tokio::time::timeout(PATIENCE, self.transport.send(message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(MailError::Server(plain(&error.to_string()))),
            Err(_) => Err(MailError::Server(format!("no answer in {PATIENCE:?}"))),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, MailError> {
        let wrong = |error: &dyn fmt::Display| MailError::Letter(plain(&error.to_string()));
        let address = letter.to.parse().map_err(|error| wrong(&error))?;
        let domain = self.from.email.domain();
        let part = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .header(ContentTransferEncoding::QuotedPrintable)
            .body(letter.text.clone());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(plain(&letter.name)), address))
            .subject(plain(&letter.subject))
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            // RFC 3834: nobody answers for being away.
            .header(AutoSubmitted)
            .singlepart(part)
            .map_err(|error| wrong(&error))
    }
}

/// One line without control characters.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect()
}

/// `Auto-Submitted: auto-generated`.
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(url: &str, from: &str) -> Result<Mail, MailError> {
        Mail::new(&MailConfig {
            url: Secret::new(url.to_owned()),
            from: from.to_owned(),
        })
    }

    #[test]
    fn settings_that_cannot_be_are_refused_and_a_password_is_never_said() {
        for (url, from) in [
            ("mail.example", "Actas <a@actas.example>"),
            ("https://user:hunter2@mail.example", "a@actas.example"),
            ("smtp://user:hunter2@mail.example", "nobody"),
            (
                "smtp://user:hunter2@mail.example?tls=perhaps",
                "a@actas.example",
            ),
        ] {
            let error = mail(url, from).expect_err(url).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let good = mail(
            "smtps://user:hunter2@mail.example",
            "Actas <a@actas.example>",
        );
        let good = good.expect("good settings");
        assert!(!format!("{good:?}").contains("hunter2"), "{good:?}");
        assert_eq!(good.server(), "smtps://mail.example");
    }

    #[test]
    fn a_letter_is_plain_text_with_an_id_of_its_own_and_nobody_can_add_a_header() {
        let mail = mail("smtp://127.0.0.1:25", "Actas <actas@actas.example>").expect("settings");
        let letter = Letter {
            name: "Ana".to_owned(),
            to: "ana@actas.example".to_owned(),
            subject: "A flow\r\nBcc: eve@evil.example".to_owned(),
            text: "Hello".to_owned(),
            id: "not_1".to_owned(),
        };
        let text = mail.message(&letter).expect("a message").formatted();
        let text = String::from_utf8(text).expect("text");
        assert!(text.contains("Message-ID: <not_1@actas.example>"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
        assert!(!text.contains("\r\nBcc:"), "{text}");
        let nobody = Letter {
            to: "ana@actas.example, eve@evil.example".to_owned(),
            ..letter
        };
        assert!(matches!(mail.message(&nobody), Err(MailError::Letter(_))));
    }
}
