//! The trip to the provider begins: by a button's POST and by nothing else. Each try has a row of its own, with its own state and verifier,
//! bound to the person, their browser and the app client.

use actas_core::Secret;
use actas_core::app::Manifest;
use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, Name, SignInId, SlotName, UserId, WorkspaceId,
};
use actas_core::run::ConnectionKind;
use actas_store::{AttemptRow, ClientRow, ConnectionRow, Op, Reader, system};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use url::Url;

use crate::ask::scope_list;
use crate::connections::{Connections, now};
use crate::dpop::ProofKey;
use crate::errors::SignInError;
use crate::page::must_be_same;
use crate::vault::Place;
use crate::who::Who;

/// An attempt lives so long.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(600);

/// A connection to be made from the list, without a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectTarget {
    /// The app.
    pub app: AppName,
    /// To sign in through.
    pub client: ClientId,
    /// What it is to become.
    pub kind: ConnectKind,
    /// The scopes to ask for; empty: all that the manifest names.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl ConnectTarget {
    /// The scopes to ask for.
    pub(crate) fn scopes_of(&self, manifest: &Manifest) -> BTreeSet<String> {
        if !self.scopes.is_empty() {
            return self.scopes.iter().cloned().collect();
        }
        let oauth2 = manifest.auth.oauth2.as_ref();
        oauth2
            .map(|o| o.scopes.keys().cloned().collect())
            .unwrap_or_default()
    }
}

/// What a new connection is to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectKind {
    /// The workspace's, under this name.
    Shared {
        /// Free among the shared connections.
        name: Name,
    },
    /// The person's own: under a parent, or for a flow's slot.
    Personal {
        /// Under this parent.
        parent: Option<ConnectionId>,
        /// Without a parent: for this flow and slot.
        made_for: Option<(FlowId, SlotName)>,
    },
    /// The person's own with another account, where one of theirs stands: what they agreed to goes over to it.
    Another {
        /// The one they have.
        than: ConnectionId,
        /// Its parent.
        parent: Option<ConnectionId>,
        /// What it was made for.
        made_for: Option<(FlowId, SlotName)>,
    },
}

/// What an attempt keeps sealed until its answer comes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// The PKCE verifier.
    pub(crate) verifier: String,
    /// Where the code will be redeemed: the same then as now, or not at all.
    pub(crate) token: Url,
    /// What was asked for.
    pub(crate) scopes: Vec<String>,
    /// Who the answer must come from: what a provider promised when it was asked cannot be taken back before the answer comes.
    #[serde(default)]
    pub(crate) issuer: Option<String>,
    /// The key that the code is bound to, if any.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.verifier);
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

/// What an attempt is for.
struct Purpose {
    sign_in: Option<SignInId>,
    reconnect: Option<ConnectionId>,
    target: Option<String>,
    scopes: Vec<String>,
}

pub(crate) fn state_hash(state: &str) -> String {
    hex::encode(Sha256::digest(state.as_bytes()))
}

/// Where an attempt's sealed part belongs.
pub(crate) fn attempt_place<'a>(
    workspace: &'a WorkspaceId,
    user: &'a UserId,
    state_hash: &'a str,
) -> Place<'a> {
    Place {
        workspace,
        owner: user.as_str(),
        of: state_hash,
        field: "attempt",
        version: 0,
    }
}

impl Connections {
    /// Begins a sign-in: makes the attempt and says where the person is sent. Only ever the answer to a POST of its own person.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin(
        &self,
        workspace: &WorkspaceId,
        id: &SignInId,
        user: &UserId,
        session_hash: &str,
        who: &Who,
    ) -> Result<Url, SignInError> {
        let reader = self.reader(workspace);
        let row = self.theirs(&reader, id, user, who).await?;
        let asked = self.asked(&reader, row).await?;
        let client = self.client(&reader, &asked.row.client).await?;
        let mut scopes = asked.surface.scopes.clone();
        // What is renewed serves other flows too: they must not lose by it.
        if let Some(old) = asked
            .row
            .connection
            .as_ref()
            .filter(|_| must_be_same(&asked.row))
            && let Some(old) = reader.connection(old).await?
        {
            scopes.extend(old.scopes);
        }
        let purpose = Purpose {
            sign_in: Some(id.clone()),
            reconnect: None,
            target: None,
            scopes: scope_list(&scopes),
        };
        let mut draft = self
            .sign_in_draft(&reader, who, &asked.row, "sign_in.begun", "ok")
            .await?;
        draft.object.version = Some(client.name.to_string());
        self.depart(
            &reader,
            &client,
            &asked.manifest,
            user,
            session_hash,
            purpose,
            draft,
        )
        .await
    }

    /// Begins a sign-in from the list of connections, without a run. That the user may make it, the caller has checked.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin_connect(
        &self,
        workspace: &WorkspaceId,
        target: &ConnectTarget,
        user: &UserId,
        session_hash: &str,
        who: &Who,
    ) -> Result<Url, SignInError> {
        let reader = self.reader(workspace);
        self.may_become(&reader, target, user).await?;
        let client = self.client(&reader, &target.client).await?;
        let manifest = self.app(&target.app)?;
        let scopes = target.scopes_of(&manifest);
        let purpose = Purpose {
            sign_in: None,
            reconnect: None,
            target: serde_json::to_string(target).ok(),
            scopes: scope_list(&scopes),
        };
        let draft = who.draft(
            workspace,
            now(),
            "sign_in.begun",
            ("app_client", client.id.as_str()),
            "ok",
        );
        self.depart(
            &reader,
            &client,
            &manifest,
            user,
            session_hash,
            purpose,
            draft,
        )
        .await
    }

    /// Whether a connection may become what somebody wants of it.
    pub(crate) async fn may_become(
        &self,
        reader: &Reader,
        target: &ConnectTarget,
        user: &UserId,
    ) -> Result<(), SignInError> {
        if !self.is_active(reader, user).await? {
            return Err(SignInError::NotYours);
        }
        match &target.kind {
            ConnectKind::Shared { name } => {
                if reader.shared_connection(name).await?.is_some() {
                    return Err(SignInError::Taken(name.to_string()));
                }
            }
            ConnectKind::Personal {
                parent: Some(parent),
                ..
            } => {
                let parent = reader.connection(parent).await?;
                if !parent.is_some_and(|row| {
                    row.kind == ConnectionKind::Shared && row.client == target.client
                }) {
                    return Err(SignInError::NotUsable);
                }
            }
            ConnectKind::Another { than, .. } => {
                let old = reader.connection(than).await?;
                if !old.is_some_and(|row| row.owner == *user && row.client == target.client) {
                    return Err(SignInError::NotFound);
                }
            }
            ConnectKind::Personal { parent: None, .. } => {}
        }
        Ok(())
    }

    /// Begins to renew a connection from the list; the same account must sign in. A personal one by its owner only.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin_reconnect(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        user: &UserId,
        session_hash: &str,
        who: &Who,
    ) -> Result<Url, SignInError> {
        let reader = self.reader(workspace);
        let row = reader
            .connection(connection)
            .await?
            .filter(|row| row.kind == ConnectionKind::Shared || row.owner == *user)
            .ok_or(SignInError::NotFound)?;
        if !self.is_active(&reader, user).await? {
            return Err(SignInError::NotYours);
        }
        let client = self.client(&reader, &row.client).await?;
        let manifest = self.app(&row.app)?;
        let purpose = Purpose {
            sign_in: None,
            reconnect: Some(row.id.clone()),
            target: None,
            scopes: row.scopes.clone(),
        };
        let draft = connection_draft(who, workspace, &row, "sign_in.begun", "ok");
        self.depart(
            &reader,
            &client,
            &manifest,
            user,
            session_hash,
            purpose,
            draft,
        )
        .await
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is one of the things that an attempt is bound to"
    )]
    async fn depart(
        &self,
        reader: &Reader,
        client: &ClientRow,
        manifest: &Manifest,
        user: &UserId,
        session_hash: &str,
        purpose: Purpose,
        draft: actas_core::audit::Draft,
    ) -> Result<Url, SignInError> {
        let provider = self.provider(reader, client, manifest).await?;
        let state = URL_SAFE_NO_PAD.encode(system::random::<32>());
        let verifier = Secret::new(URL_SAFE_NO_PAD.encode(system::random::<32>()));
        let state_hash = state_hash(&state);
        let key = if provider.endpoints.dpop {
            let no_key = || SignInError::Misconfigured("no key can be made".to_owned());
            Some(ProofKey::new().ok_or_else(no_key)?)
        } else {
            None
        };
        let url = provider.authorize_url(&state, &verifier, &purpose.scopes, key.as_ref());
        let url = provider.pushed(url).await?;
        let sealed = Sealed {
            verifier: verifier.reveal().clone(),
            token: provider.endpoints.token.clone(),
            scopes: purpose.scopes,
            issuer: provider
                .endpoints
                .issuer
                .clone()
                .filter(|_| provider.endpoints.issuer_always),
            key: key.map(|key| key.written().reveal().clone()),
        };
        let plain = Secret::new(
            serde_json::to_string(&sealed)
                .map_err(|_| SignInError::Misconfigured("attempt cannot be written".to_owned()))?,
        );
        let place = attempt_place(reader.workspace(), user, &state_hash);
        let sealed = self
            .inner
            .vault
            .seal_bytes(&place, plain.reveal().as_bytes());
        let at = now();
        let attempt = AttemptRow {
            sign_in: purpose.sign_in,
            reconnect: purpose.reconnect,
            target: purpose.target,
            user: user.clone(),
            session_hash: session_hash.to_owned(),
            client: client.id.clone(),
            sealed,
            created_at: at,
            expires_at: at.after(ATTEMPT),
            used_at: None,
            state_hash,
        };
        self.commit(
            vec![Op::AddAttempt {
                workspace: reader.workspace().clone(),
                attempt,
            }],
            vec![draft],
        )
        .await?;
        Ok(url)
    }

    pub(crate) async fn client(
        &self,
        reader: &Reader,
        id: &ClientId,
    ) -> Result<ClientRow, SignInError> {
        reader
            .client(id)
            .await?
            .ok_or_else(|| SignInError::Misconfigured("its app client is gone".to_owned()))
    }

    pub(crate) fn app(&self, app: &AppName) -> Result<std::sync::Arc<Manifest>, SignInError> {
        self.installed(app)
            .ok_or_else(|| SignInError::Misconfigured(format!("there is no app `{app}` here")))
    }
}

/// An audit record about a connection.
pub(crate) fn connection_draft(
    who: &Who,
    workspace: &WorkspaceId,
    row: &ConnectionRow,
    action: &str,
    outcome: &str,
) -> actas_core::audit::Draft {
    let mut draft = who.draft(
        workspace,
        now(),
        action,
        ("connection", row.id.as_str()),
        outcome,
    );
    draft.connection = Some(row.id.clone());
    draft.account = Some(row.account.clone());
    draft
}
