//! What people type to sign in to an app: its forms, and reading what came back. Secrets go through here and are repeated nowhere, least of
//! all in what is said about a mistake.

use std::collections::BTreeMap;

use actas_connections::{FieldView, Fields, GiveError, KindView, kinds};
use actas_core::Secret;
use actas_core::app::Manifest;
use actas_core::run::Scheme;
use axum::http::StatusCode;
use serde_json::Value;

use crate::call::Call;
use crate::problem::Problem;
use crate::refusals;

/// Before a field's name in a form.
const PREFIX: &str = "typed.";

/// One kind of sign-in as a form.
#[derive(Debug)]
pub struct KindForm {
    /// The kind's name.
    pub kind: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What is asked for.
    pub fields: Vec<FieldView>,
}

/// The ways in that a page offers.
#[derive(Debug, Default)]
pub struct Ways {
    /// By a button that leads to the app.
    pub button: bool,
    /// By typing.
    pub forms: Vec<KindForm>,
    /// Names what the page shows, where its answer has to say it.
    pub seen: Option<String>,
}

impl Ways {
    /// Of these kinds.
    pub fn of(kinds: Vec<KindView>) -> Self {
        let (typed, others): (Vec<_>, Vec<_>) =
            kinds.into_iter().partition(|kind| kind.scheme.is_typed());
        Self {
            button: others.iter().any(|kind| kind.scheme == Scheme::Oauth2),
            forms: typed.into_iter().map(form).collect(),
            seen: None,
        }
    }

    /// Of all kinds that an app offers.
    pub fn into(manifest: &Manifest, oauth2_only: bool) -> Self {
        Self::of(kinds(manifest, oauth2_only))
    }

    /// Of the one kind that a connection has: what is no secret stays as it is.
    pub fn again(manifest: Option<&Manifest>, scheme: Scheme) -> Self {
        let all = manifest.map_or_else(Vec::new, |manifest| kinds(manifest, false));
        let mut ways = Self::of(
            all.into_iter()
                .filter(|kind| kind.scheme == scheme)
                .collect(),
        );
        // An app client that acts as itself is asked again by a button too.
        ways.button |= !scheme.is_typed();
        for form in &mut ways.forms {
            form.fields.retain(|field| field.secret);
        }
        ways
    }
}

fn form(kind: KindView) -> KindForm {
    KindForm {
        kind: kind.scheme.as_str(),
        title: match kind.scheme {
            Scheme::Password => "With user and password",
            Scheme::ApiKey => "With a key",
            Scheme::Custom | Scheme::Oauth2 | Scheme::ClientCredentials => {
                "With what the app asks for"
            }
        },
        fields: kind.fields,
    }
}

/// Whether a form gives something typed, and by which kind of sign-in.
///
/// # Errors
/// 400 if there is no such kind.
pub fn given(call: &Call) -> Result<Option<(Scheme, Fields)>, Problem> {
    if call.form_field("answer").as_deref() != Some("give") {
        return Ok(None);
    }
    let scheme = call.form_field("kind").unwrap_or_default();
    let fields = call
        .form_fields()
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX)?.to_owned();
            Some((name, Secret::new(value)))
        })
        .collect();
    Ok(Some((scheme_of(&scheme)?, fields)))
}

/// A kind of sign-in that is typed, by its name.
///
/// # Errors
/// 400 if it is none.
pub fn scheme_of(name: &str) -> Result<Scheme, Problem> {
    Scheme::parse(name)
        .filter(|scheme| scheme.is_typed())
        .ok_or_else(|| {
            Problem::bad(
                "bad_kind",
                "there is no such kind: it is `password`, `api_key` or `custom`",
            )
        })
}

/// Fields of a JSON body. Read by hand: whoever reads by type says in errors what stood there instead.
///
/// # Errors
/// 400 if it is no object of texts.
pub fn fields_of(value: Value) -> Result<Fields, Problem> {
    let Value::Object(members) = value else {
        return Err(wrong());
    };
    let read: Option<BTreeMap<_, _>> = members
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Some((name, Secret::new(text))),
            _ => None,
        })
        .collect();
    read.ok_or_else(wrong)
}

fn wrong() -> Problem {
    Problem::bad("bad_fields", "`fields` is an object of texts by field name")
}

/// What is said instead of storing it.
pub fn refused(error: GiveError) -> Problem {
    let (code, words) = (error.code(), error.to_string());
    match error {
        GiveError::Fields(_) => Problem::invalid(code, words),
        GiveError::Refused => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, words),
        GiveError::NotOffered | GiveError::OtherAccount => Problem::conflict(code, words),
        GiveError::Unavailable => Problem::new(StatusCode::BAD_GATEWAY, code, words),
        GiveError::SignIn(error) => refusals::sign_in(error),
        GiveError::Read(error) => error.into(),
        GiveError::Commit(error) => error.into(),
    }
}

/// The status and the words of a fault that its own page says again, with the form below it; else what it is.
///
/// # Errors
/// What no page can say.
pub fn said_again(error: GiveError) -> Result<(StatusCode, String), GiveError> {
    let words = error.to_string();
    match error {
        GiveError::Fields(_) | GiveError::Refused => Ok((StatusCode::UNPROCESSABLE_ENTITY, words)),
        GiveError::NotOffered | GiveError::OtherAccount => Ok((StatusCode::CONFLICT, words)),
        GiveError::Unavailable => Ok((StatusCode::BAD_GATEWAY, words)),
        other => Err(other),
    }
}
