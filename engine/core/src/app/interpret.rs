//! What goes between the interpreter and whoever sends: a request without a credential, an answer, and what they come to. [`Performance`]
//! makes the one and reads the other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::ClientAuth;
pub use crate::app::perform::Performance;

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
    /// RFC 9126: where the request is pushed to before the person is sent.
    pub push: Option<url::Url>,
    /// RFC 9449: tokens are bound to a key.
    pub dpop: bool,
    /// RFC 9207: what `iss` must be.
    pub issuer: Option<String>,
    /// Whether an answer without `iss` is refused too.
    pub issuer_always: bool,
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
