//! What a person is shown of one account that a flow wants to act through: how far it reaches, what of that is new, and which of their own
//! connections would do. It is for that person alone; whoever asks for it has made sure of that.

use std::collections::BTreeSet;

use actas_core::app::Manifest;
use actas_core::flow::Keep;
use actas_core::ids::{ClientId, ConnectionId, FlowId, SlotName, UserId};
use actas_core::run::AskReason;
use actas_store::{ConnectionRow, ReadError, Reader};

use crate::ask::{Fits, Resolution, SlotAsk, dead, suffices};
use crate::connections::{Connections, settings};
use crate::errors::ConnectionsError;
use crate::surface::Surface;

/// One account that a flow wants to act through.
#[derive(Debug, Clone, Default)]
pub struct AccountView {
    /// What it is allowed to do.
    pub scopes: Vec<ScopeView>,
    /// The modules it acts with that were not there when its person agreed before.
    pub new_modules: Vec<String>,
    /// Where the account's credential may go.
    pub hosts: Vec<String>,
    /// Those of them that were not there when its person agreed before.
    pub new_hosts: Vec<String>,
    /// Whether its person agreed before, to less than this.
    pub wider: bool,
    /// Their own connections that agreeing would be enough for.
    pub candidates: Vec<Candidate>,
    /// The account that must sign in again, if it is about one.
    pub account: Option<String>,
}

/// A scope in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeView {
    /// The provider's name for it.
    pub scope: String,
    /// What it lets the flow do, if the app says.
    pub words: Option<String>,
    /// True if it is more than was agreed to before.
    pub new: bool,
}

/// One of the person's own connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub connection: ConnectionId,
    /// The account's name.
    pub account: String,
}

/// What is wanted of whom.
pub(crate) struct Wanted<'a> {
    pub(crate) person: &'a UserId,
    pub(crate) flow: &'a FlowId,
    pub(crate) slot: &'a SlotName,
    pub(crate) client: &'a ClientId,
    pub(crate) manifest: &'a Manifest,
    pub(crate) surface: &'a Surface,
    pub(crate) fits: Fits<'a>,
    pub(crate) this_run_only: bool,
}

impl Connections {
    /// What the person of a slot is shown of it, before they are asked by a run or ahead of any.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn account(
        &self,
        ask: &SlotAsk,
        found: &Resolution,
    ) -> Result<AccountView, ConnectionsError> {
        let reader = self.reader(&ask.workspace);
        let (client, parent) = ask.through();
        let wanted = Wanted {
            person: &ask.person,
            flow: &ask.flow,
            slot: &ask.slot,
            client,
            manifest: &ask.manifest,
            surface: &ask.surface,
            fits: Fits {
                person: &ask.person,
                client,
                parent,
                flow: &ask.flow,
                slot: &ask.slot,
            },
            this_run_only: !ask.draft && ask.dynamic.as_ref().is_some_and(|d| d.keep == Keep::Run),
        };
        let mut view = self.wanted(&reader, &wanted).await?;
        if let Resolution::Ask {
            reason,
            connection: Some(connection),
        } = found
            && must_be_same(*reason)
        {
            view.account = reader.connection(connection).await?.map(|row| row.account);
        }
        Ok(view)
    }

    pub(crate) async fn wanted(
        &self,
        reader: &Reader,
        wanted: &Wanted<'_>,
    ) -> Result<AccountView, ReadError> {
        let surface = wanted.surface;
        let before = reader
            .grant(wanted.person, wanted.flow, wanted.slot)
            .await?
            .and_then(|grant| serde_json::from_str::<Surface>(&grant.surface).ok());
        let new = |now: &BTreeSet<String>, of: fn(&Surface) -> &BTreeSet<String>| match &before {
            Some(before) => now.difference(of(before)).cloned().collect(),
            None => Vec::new(),
        };
        let candidates = self.candidates(reader, wanted).await?;
        Ok(AccountView {
            scopes: scope_views(wanted.manifest, &surface.scopes, before.as_ref()),
            new_modules: new(&surface.modules, |surface| &surface.modules),
            hosts: self.hosts(reader, wanted).await?,
            new_hosts: new(&surface.hosts, |surface| &surface.hosts),
            wider: before.is_some_and(|before| surface.widens(&before)),
            candidates: candidates
                .into_iter()
                .map(|row| Candidate {
                    connection: row.id,
                    account: row.account,
                })
                .collect(),
            account: None,
        })
    }

    /// Their own connections that could answer it as they stand.
    pub(crate) async fn candidates(
        &self,
        reader: &Reader,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<ConnectionRow>, ReadError> {
        // For one run only nothing that was there before counts.
        if wanted.this_run_only {
            return Ok(Vec::new());
        }
        let own = reader.personal_connections(Some(wanted.person)).await?;
        Ok(own
            .into_iter()
            .filter(|row| {
                wanted.fits.takes(row)
                    && dead(row.state).is_none()
                    && suffices(row, wanted.surface.scopes.iter())
            })
            .collect())
    }

    async fn hosts(&self, reader: &Reader, wanted: &Wanted<'_>) -> Result<Vec<String>, ReadError> {
        let from_client = reader
            .client(wanted.client)
            .await?
            .and_then(|client| settings(&client).ok())
            .and_then(|settings| wanted.manifest.hosts(&settings).ok());
        Ok(from_client.unwrap_or_else(|| wanted.surface.hosts.iter().cloned().collect()))
    }
}

/// Whether the answer must come from the account that was there: it died or lacks something, and is not simply to be agreed to.
pub(crate) fn must_be_same(reason: AskReason) -> bool {
    matches!(
        reason,
        AskReason::Expired | AskReason::Revoked | AskReason::Disconnected | AskReason::Scopes
    )
}

fn scope_views(
    manifest: &Manifest,
    scopes: &BTreeSet<String>,
    before: Option<&Surface>,
) -> Vec<ScopeView> {
    let words = |scope: &String| {
        let oauth2 = manifest.auth.oauth2.as_ref()?;
        oauth2.scopes.get(scope).cloned()
    };
    scopes
        .iter()
        .map(|scope| ScopeView {
            scope: scope.clone(),
            words: words(scope),
            new: before.is_some_and(|before| !before.scopes.contains(scope)),
        })
        .collect()
}
