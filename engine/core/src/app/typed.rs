//! Kinds of sign-in that somebody types: a user name and a password, a key, or fields of the app's own. What the manifest asks for, what may
//! be typed, and where each value goes in a request. Secrets pass through here on their way to the vault and are never kept.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::Secret;
use crate::app::manifest::{Auth, Manifest};
use crate::app::settings::Settings;
use crate::error::StepError;
use crate::run::Scheme;

/// The longest value that may be typed, in bytes.
const LONGEST: usize = 4096;

/// What one kind of sign-in asks for.
#[derive(Debug)]
pub struct Typed {
    /// Which kind.
    pub scheme: Scheme,
    /// By name, in the order in which they are asked for.
    pub fields: IndexMap<String, TypedField>,
    /// Where the values go in each request.
    pub send: Vec<Sent>,
    pub(super) check: Settings,
}

/// One value that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedField {
    /// What people call it.
    pub title: String,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// A secret goes to the vault and is never seen again; what is none is a public fact of the connection.
    pub secret: bool,
    /// The name it is kept under in the vault.
    pub place: String,
}

/// How values are shown to the app. They name fields; no expression ever sees a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The field with the user's name.
        username: String,
        /// The field with the password.
        password: String,
    },
    /// A header.
    Header {
        /// In lower case.
        name: String,
        /// What stands before the value.
        prefix: String,
        /// The field.
        field: String,
    },
    /// A parameter of the address.
    Query {
        /// Its name.
        name: String,
        /// The field.
        field: String,
    },
}

impl Typed {
    /// Everything that is wrong with what was typed. Names fields, never values.
    pub fn faults(&self, given: &BTreeMap<String, Secret<String>>) -> Vec<String> {
        let mut faults: Vec<String> = given
            .keys()
            .filter(|name| !self.fields.contains_key(*name))
            .map(|name| format!("`{name}` is not asked for by this app"))
            .collect();
        for (name, field) in &self.fields {
            let text = given.get(name).map_or("", |value| value.reveal());
            let title = &field.title;
            if text.is_empty() {
                faults.push(format!("`{name}` ({title}) is missing"));
            } else if text.len() > LONGEST {
                faults.push(format!("`{name}` ({title}) is too long"));
            } else if text.chars().any(char::is_control) {
                faults.push(format!(
                    "`{name}` ({title}) holds a character that cannot be sent"
                ));
            } else if self.is_user(name) && text.contains(':') {
                faults.push(format!("`{name}` ({title}) cannot hold a colon"));
            } else if let Some(fault) = self.check.fault(name, Some(&text.into())) {
                faults.push(fault);
            }
        }
        faults
    }

    /// RFC 7617, 2: a colon ends the user's name.
    fn is_user(&self, field: &str) -> bool {
        self.send
            .iter()
            .any(|sent| matches!(sent, Sent::Basic { username, .. } if username == field))
    }

    /// The public ones of what was typed.
    pub fn facts(&self, given: &BTreeMap<String, Secret<String>>) -> Map<String, Value> {
        self.fields
            .iter()
            .filter(|(_, field)| !field.secret)
            .filter_map(|(name, _)| Some((name.clone(), given.get(name)?.reveal().as_str().into())))
            .collect()
    }

    /// The secret ones, each with the name it is kept under.
    pub fn secrets(
        &self,
        given: &BTreeMap<String, Secret<String>>,
    ) -> Vec<(String, Secret<String>)> {
        self.fields
            .iter()
            .filter(|(_, field)| field.secret)
            .filter_map(|(name, field)| Some((field.place.clone(), given.get(name)?.clone())))
            .collect()
    }

    /// The public field that names the account, where the app itself cannot say whose it is.
    pub fn account_field(&self) -> Option<&str> {
        self.send.iter().find_map(|sent| match sent {
            Sent::Basic { username, .. } => Some(username.as_str()),
            Sent::Header { .. } | Sent::Query { .. } => None,
        })
    }
}

impl Auth {
    /// What a kind of sign-in asks for, if it is one that is typed and the app offers it.
    pub fn typed(&self, scheme: Scheme) -> Option<&Typed> {
        match scheme {
            Scheme::Password => self.password.as_ref(),
            Scheme::ApiKey => self.api_key.as_ref(),
            Scheme::Custom => self.custom.as_ref(),
            Scheme::Oauth2 | Scheme::ClientCredentials => None,
        }
    }

    /// The kinds by which a person may sign in, in the order in which they are offered.
    pub fn schemes(&self) -> Vec<Scheme> {
        let offered = |scheme: &Scheme| match scheme {
            Scheme::Oauth2 => self.oauth2.is_some(),
            Scheme::ClientCredentials => false,
            typed => self.typed(*typed).is_some(),
        };
        Scheme::ALL.into_iter().filter(offered).collect()
    }
}

impl Manifest {
    /// The facts that expressions may look at: settings, and what was typed and is no secret, each checked again, because they decide where a
    /// credential goes and what goes with it.
    pub(super) fn facts(&self, values: &Value) -> Result<Value, StepError> {
        let Value::Object(mut facts) = self.settings_check.facts(values)? else {
            return Ok(Value::Null);
        };
        let kinds = [&self.auth.password, &self.auth.api_key, &self.auth.custom];
        for typed in kinds.into_iter().flatten() {
            for name in typed.fields.iter().filter(|(_, f)| !f.secret).map(|f| f.0) {
                let value = values.get(name);
                let fits = value.is_some() && typed.check.fault(name, value).is_none();
                if fits || !facts.contains_key(name) {
                    let value = value.filter(|_| fits).cloned().unwrap_or(Value::Null);
                    facts.insert(name.clone(), value);
                }
            }
        }
        Ok(Value::Object(facts))
    }
}
