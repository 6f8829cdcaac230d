//! The interpreter: from a module and its input to a request, and from an answer to an output, the next page or an error.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::{ClientAuth, Manifest, Module, Natives};
use crate::error::StepError;

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Read the head only.
    Head,
    /// Create or act.
    Post,
    /// Replace.
    Put,
    /// Change a part.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// The method's token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request without a credential: whoever sends it attaches one, if `authenticated` and the host is one of the app's.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The whole address, every part encoded by its place.
    pub url: url::Url,
    /// Headers, names in lower case; never `authorization` or `cookie`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// Whether the connection's credential belongs on it.
    pub authenticated: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case; of several with one name the last.
    pub headers: Vec<(String, String)>,
    /// The body: JSON if it says so and is, else text (lossy UTF-8), `null` if empty.
    pub body: Value,
}

/// What was touched in the app: audited, never its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRef {
    /// The app's type, `Opportunity`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The app's id.
    pub id: String,
}

/// Whose account a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The app's stable id for it.
    pub subject: String,
    /// What people call it.
    pub name: String,
}

/// The addresses of an OAuth 2 sign-in for one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuthEndpoints {
    /// Where the person is sent.
    pub authorize: url::Url,
    /// Where the code is redeemed.
    pub token: url::Url,
    /// Where tokens are refreshed, if elsewhere.
    pub refresh: Option<url::Url>,
    /// RFC 7009.
    pub revoke: Option<url::Url>,
    /// RFC 9207: what `iss` must be.
    pub issuer: Option<String>,
    /// How the client shows who it is.
    pub client_auth: ClientAuth,
}

/// What a step wants next.
#[derive(Debug)]
pub enum Progress {
    /// Send this and come back with the answer.
    Call(Call),
    /// It is done.
    Done {
        /// The step's output.
        output: Value,
        /// What was touched.
        record: Option<RecordRef>,
    },
}

/// One attempt of a step, from its input to its output, page by page. Holds no secret and does no IO.
#[derive(Debug)]
pub struct Performance {
    _private: (),
}

impl Performance {
    /// Begins an attempt. `facts` are the connection's public facts (settings, kept fields), `null` without one; `key` is the step's
    /// idempotency key, sent where the manifest says.
    ///
    /// # Errors
    /// `invalid_input` if the input does not fit the module's schema or an address cannot be made.
    pub fn start(
        manifest: &Arc<Manifest>,
        module: &Arc<Module>,
        natives: &Natives,
        input: Value,
        facts: Value,
        key: &str,
    ) -> Result<(Self, Progress), StepError> {
        let _ = (manifest, module, natives, input, facts, key);
        todo!("written by the app engineer")
    }

    /// Goes on after an answer.
    ///
    /// # Errors
    /// What the manifest's `errors` make of the answer; `sign_in_needed` means that the credential was refused.
    pub fn next(&mut self, response: &Response) -> Result<Progress, StepError> {
        let _ = response;
        todo!("written by the app engineer")
    }
}

impl Manifest {
    /// The hosts (`host` or `host:port`) credentials may be sent to.
    ///
    /// # Errors
    /// If a setting is missing or does not fit its pattern.
    pub fn hosts(&self, facts: &Value) -> Result<Vec<String>, StepError> {
        let _ = facts;
        todo!("written by the app engineer")
    }

    /// The addresses of the OAuth 2 sign-in.
    ///
    /// # Errors
    /// If the app has none, or a setting is missing.
    pub fn oauth_endpoints(&self, facts: &Value) -> Result<OAuthEndpoints, StepError> {
        let _ = facts;
        todo!("written by the app engineer")
    }

    /// The request that tells whose account it is.
    ///
    /// # Errors
    /// If a setting is missing.
    pub fn account_call(&self, facts: &Value) -> Result<Option<Call>, StepError> {
        let _ = facts;
        todo!("written by the app engineer")
    }

    /// Whose account it is, from the answer.
    ///
    /// # Errors
    /// If the answer is an error or has no subject.
    pub fn account(&self, facts: &Value, response: &Response) -> Result<Account, StepError> {
        let _ = (facts, response);
        todo!("written by the app engineer")
    }

    /// Checks values for the settings (an app client's, or kept from a token answer) against their patterns.
    ///
    /// # Errors
    /// Every setting that is missing or does not fit.
    pub fn check_settings(&self, values: &Value) -> Result<(), Vec<String>> {
        let _ = values;
        todo!("written by the app engineer")
    }
}
