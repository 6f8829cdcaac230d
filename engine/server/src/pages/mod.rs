//! The HTML side: what people see. Everything is escaped text; there is no inline script or style, and no page changes anything when it is read.

pub mod accounts;
pub mod approval;
pub mod assets;
pub mod callback;
pub mod connect;
pub mod elsewhere;
pub mod flow;
pub mod form;
pub mod home;
pub mod link;
pub mod login;
pub mod requests;
pub mod run;
pub mod terminal;

use actas_core::Time;
use actas_core::run::AskReason;
use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::context::Context;
use crate::problem::Problem;
use crate::routes::Answer;

/// What pages may load and do: our own style sheet and script, nothing else.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What stands around every page.
#[derive(Debug, Clone, Default)]
pub struct Chrome {
    /// Whose page it is; empty if nobody is logged in.
    pub login: String,
    /// What its forms bring back.
    pub csrf: String,
}

impl Chrome {
    /// Of somebody who is logged in.
    pub fn of(cx: &Context) -> Self {
        Self {
            login: cx.user.login.clone(),
            csrf: cx.csrf().to_owned(),
        }
    }
}

/// A page of a template.
///
/// # Errors
/// If the template cannot be filled in, which would be ours.
pub fn page(status: StatusCode, template: &impl Template) -> Answer {
    let text = template.render().map_err(Problem::internal)?;
    Ok(html(status, text))
}

fn html(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    response
}

/// 303 to a path of ours.
pub fn redirect(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(value) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A plain message: a title, sentences, and one way on.
#[derive(Debug, Template)]
#[template(path = "message.html")]
pub struct Message {
    /// What stands around it.
    pub chrome: Chrome,
    /// The heading.
    pub title: String,
    /// `good`, `bad` or `plain`.
    pub tone: &'static str,
    /// The sentences.
    pub sentences: Vec<String>,
    /// Where the link leads, and what it says.
    pub on: Option<(String, String)>,
}

/// A problem as a page. It says no more than the problem document would.
pub fn problem(problem: &Problem) -> Response {
    let (title, sentence) = match problem.status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => (
            "There is nothing here",
            "The address is wrong, or what it led to is gone.".to_owned(),
        ),
        StatusCode::FORBIDDEN => ("This is not for you", sentence(&problem.detail)),
        StatusCode::TOO_MANY_REQUESTS => ("Too many attempts", sentence(&problem.detail)),
        status if status.is_server_error() => (
            "This does not work just now",
            "Something is wrong on our side. Please try again in a moment.".to_owned(),
        ),
        _ => ("That did not work", sentence(&problem.detail)),
    };
    let message = Message {
        chrome: Chrome::default(),
        title: title.into(),
        tone: "bad",
        sentences: vec![sentence],
        on: Some(("/".into(), "To the first page".into())),
    };
    let mut response = page(problem.status, &message)
        .unwrap_or_else(|_| html(problem.status, "This does not work just now.".into()));
    if let Some(seconds) = problem.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A fragment as a sentence: first letter large, a full stop at its end.
pub fn sentence(fragment: &str) -> String {
    let mut letters = fragment.chars();
    let mut text: String = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// An instant for people: to the minute, UTC.
pub fn minute(time: Time) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => text,
    }
}

/// Why somebody is asked, in a sentence.
pub fn because(reason: AskReason, app: &str) -> String {
    match reason {
        AskReason::Missing => format!("You have not connected an account at {app} for this yet."),
        AskReason::Expired => {
            format!("Your sign-in at {app} ran out and could not be renewed by itself.")
        }
        AskReason::Revoked => format!("{app} no longer accepts your sign-in."),
        AskReason::Disconnected => format!("You disconnected your account at {app}."),
        AskReason::Scopes => format!("This flow needs more than your sign-in at {app} allows."),
        AskReason::Consent => {
            format!("You have an account at {app}, but have not allowed this flow to use it.")
        }
        AskReason::Declined => "You declined before. You can still change your mind.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_become_sentences_and_times_become_short() {
        assert_eq!(sentence("there is no such run"), "There is no such run.");
        assert_eq!(sentence(""), ".");
        assert_eq!(minute(Time(1_795_180_000_000_001)), "2026-11-20 13:06 UTC");
    }

    #[test]
    fn what_people_wrote_is_shown_as_text() {
        let message = Message {
            chrome: Chrome::default(),
            title: "<script>alert(1)</script>".into(),
            tone: "plain",
            sentences: vec!["\"><img src=x onerror=alert(1)>".into()],
            on: Some(("/".into(), "<b>".into())),
        };
        let text = message.render().expect("rendered");
        assert!(
            !text.contains("<script>alert")
                && !text.contains("<img src=x")
                && !text.contains("<b>")
        );
        assert!(!text.contains("style=") && !text.contains("onclick"));
    }
}
