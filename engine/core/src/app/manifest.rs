//! The manifest of an app: how to sign in, whose account it is, what its modules ask and answer.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::answer::ErrorRule;
use crate::app::paging::Pages;
use crate::app::request::{Request, Site};
use crate::app::settings::Settings;
use crate::app::shape::Shape;
use crate::app::signin::{AccountLookup, Endpoints};
use crate::app::typed::Typed;
use crate::error::StepError;
use crate::expr::Template;
use crate::ids::{AppName, ModuleRef};

/// What may be done when a step is interrupted between its effect and the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// No IO: computed again, never journaled alone.
    Pure,
    /// May be repeated; its output is journaled before an effect builds on it.
    Read,
    /// Repeated with the same key.
    Idempotent,
    /// Never repeated by itself.
    AtMostOnce,
    /// The flow's step must say.
    Step,
}

impl Effect {
    /// The name manifests and flows use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::AtMostOnce => "at_most_once",
            Self::Step => "step",
        }
    }
}

/// All apps a flow can be checked against or a version was published with.
#[derive(Debug, Clone, Default)]
pub struct Apps {
    apps: IndexMap<AppName, Arc<Manifest>>,
    oauth2_only: bool,
}

impl Apps {
    /// The set of some manifests; of two with one name the later counts.
    pub fn new(manifests: impl IntoIterator<Item = Arc<Manifest>>) -> Self {
        Self {
            apps: manifests.into_iter().map(|m| (m.app.clone(), m)).collect(),
            oauth2_only: false,
        }
    }

    /// The same apps, where dynamic slots may be of those with OAuth 2 alone, or may not.
    #[must_use]
    pub fn with_oauth2_only(&self, oauth2_only: bool) -> Self {
        Self {
            apps: self.apps.clone(),
            oauth2_only,
        }
    }

    /// Whether dynamic slots may be of apps with OAuth 2 alone.
    pub fn oauth2_only(&self) -> bool {
        self.oauth2_only
    }

    /// The manifest of an app.
    pub fn get(&self, app: &str) -> Option<&Arc<Manifest>> {
        self.apps.get(app)
    }

    /// A module with its manifest.
    pub fn module(&self, module: &ModuleRef) -> Option<(&Arc<Manifest>, &Arc<Module>)> {
        let manifest = self.get(module.app().as_str())?;
        Some((manifest, manifest.modules.get(module.module())?))
    }

    /// All manifests.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Manifest>> {
        self.apps.values()
    }
}

/// A parsed and checked manifest. The compiled request and answer templates live in private fields beside these.
#[derive(Debug)]
pub struct Manifest {
    /// The app's name.
    pub app: AppName,
    /// A title for people.
    pub title: String,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// The author's version number.
    pub version: u32,
    /// `sha256:…` over the canonical document.
    pub digest: String,
    /// The document as canonical JSON (RFC 8785): what publishing stores. `Manifest::from_document` reads it back.
    pub document: String,
    /// Settings of an app client or a connection: name → JSON Schema with `pattern`, `title`, `example`.
    pub settings: IndexMap<String, Value>,
    /// How one signs in.
    pub auth: Auth,
    /// How much a connection bears.
    pub limits: Limits,
    /// The modules by name.
    pub modules: IndexMap<String, Arc<Module>>,
    pub(super) site: Site,
    pub(super) settings_check: Settings,
    pub(super) endpoints: Option<Endpoints>,
    pub(super) lookup: Option<AccountLookup>,
    pub(super) verify: Option<Request>,
    pub(super) errors: Vec<ErrorRule>,
}

/// How much a connection bears, shared by all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests under way at once.
    pub concurrency: Option<u32>,
    /// So many requests in so many milliseconds.
    pub rate: Option<(u32, u64)>,
}

/// The kinds of sign-in an app offers.
#[derive(Debug, Default)]
pub struct Auth {
    /// OAuth 2; its addresses are asked for with [`Manifest::oauth_endpoints`].
    pub oauth2: Option<OAuth2>,
    /// A user name and a password.
    pub password: Option<Typed>,
    /// A key.
    pub api_key: Option<Typed>,
    /// Fields of the app's own.
    pub custom: Option<Typed>,
    /// True if the app needs no account at all (`core`, `http` without a connection).
    pub none: bool,
}

/// The parts of an OAuth 2 sign-in that do not depend on a connection.
#[derive(Debug, Clone)]
pub struct OAuth2 {
    /// Scope → what it lets the flow do, in words.
    pub scopes: IndexMap<String, String>,
    /// PKCE with S256; true unless switched off.
    pub pkce: bool,
    /// How the client shows who it is at the token endpoint.
    pub client_auth: ClientAuth,
    /// Between scopes; a space unless said.
    pub scope_separator: String,
    /// Fields of the token answer that are kept on the connection.
    pub keep: Vec<String>,
    /// Extra parameters of the authorisation request.
    pub authorize_parameters: IndexMap<String, String>,
    /// Extra parameters of token requests: of those for codes and of those for refresh tokens.
    pub token_parameters: IndexMap<String, String>,
    /// Whether requests are pushed (RFC 9126) where the provider's metadata offers it.
    pub par: bool,
    /// Whether tokens are bound to a key (RFC 9449) where the provider's metadata offers it.
    pub dpop: bool,
    /// Whether the app client may act as itself (RFC 6749, 4.4): for shared connections only.
    pub client_credentials: bool,
}

/// How a client authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic.
    Basic,
    /// Parameters in the body.
    Post,
    /// A public client.
    None,
}

/// One operation of an app.
#[derive(Debug)]
pub struct Module {
    /// Its name within the app.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What it does, in a sentence.
    pub description: Option<String>,
    /// What happens when it is interrupted.
    pub effect: Effect,
    /// JSON Schema of the whole input object (`additionalProperties: false`).
    pub input_schema: Value,
    /// JSON Schema of the output, if the manifest says.
    pub output_schema: Option<Value>,
    /// Scopes it needs.
    pub scopes: Vec<String>,
    /// Rights it needs in the app itself, in the app's words.
    pub rights: Vec<String>,
    /// True if it acts through a connection; false for `core.*` and where `http.request` has none.
    pub needs_connection: bool,
    pub(super) shape: Shape,
    pub(super) operation: Operation,
}

impl Module {
    /// What a step that uses it waits for, if waiting is all it does.
    pub fn hold(&self) -> Option<HoldKind> {
        match self.operation {
            Operation::Hold(kind) => Some(kind),
            Operation::Native(_) | Operation::Exchange(_) => None,
        }
    }

    /// The input of a step with what the module fills in, if it fits.
    ///
    /// # Errors
    /// `invalid_input` naming every part that does not fit.
    pub fn accept(&self, input: Value) -> Result<Value, StepError> {
        self.shape.accept(&self.name, input)
    }
}

/// What a step may wait for without anything under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// A time.
    Wait,
    /// A call from outside.
    Callback,
    /// A person's decision.
    Approve,
    /// Another run.
    RunFlow,
}

/// What a module does.
#[derive(Debug)]
pub(super) enum Operation {
    /// The native module of this name.
    Native(String),
    /// Nothing by itself: the run waits.
    Hold(HoldKind),
    /// Requests and answers.
    Exchange(Box<Exchange>),
}

/// A module that is data: what it asks, and what it makes of the answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub request: Request,
    pub pages: Option<Pages>,
    /// The answer's body unless said; with pages `{items, more}`.
    pub output: Option<Template>,
    /// Type and id of what was touched.
    pub record: Option<(Template, Template)>,
    /// The header the idempotency key is sent in.
    pub idempotency: Option<String>,
    /// Inputs that may be missing: expressions see `null`.
    pub optional: Vec<String>,
}

impl Exchange {
    /// The input as expressions see it.
    pub fn fill(&self, mut input: Value) -> Value {
        if let Value::Object(map) = &mut input {
            for name in &self.optional {
                if !map.contains_key(name) {
                    map.insert(name.clone(), Value::Null);
                }
            }
        }
        input
    }
}
