//! Which connection fills a slot of a run, or why its person must be asked. There is no fallback in here, and there must be none.

use std::collections::BTreeSet;
use std::sync::Arc;

use actas_core::Time;
use actas_core::app::Manifest;
use actas_core::flow::{Dynamic, Keep};
use actas_core::ids::{
    AppName, ClientId, ConnectionId, FlowId, RunId, SignInId, SlotName, UserId, VersionId,
    WorkspaceId,
};
use actas_core::run::{AskReason, Bound, ConnectionKind, Rule};
use actas_store::{
    Binding, ConnectionRow, ConnectionState, ReadError, Reader, SignInRow, SignInState,
};

use crate::connections::Connections;
use crate::errors::ConnectionsError;
use crate::surface::Surface;

/// A slot that wants its connection.
#[derive(Debug, Clone)]
pub struct SlotAsk {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The run.
    pub run: RunId,
    /// Its flow.
    pub flow: FlowId,
    /// Its version.
    pub version: VersionId,
    /// True for a run of a draft's snapshot: its author's build-time value fills the slot.
    pub draft: bool,
    /// The slot.
    pub slot: SlotName,
    /// The slot's person.
    pub person: UserId,
    /// Their login.
    pub login: String,
    /// What the slot's names meant when the version was made.
    pub binding: Binding,
    /// The app's manifest, as the version has it.
    pub manifest: Arc<Manifest>,
    /// The terms of a dynamic slot; none for a shared one.
    pub dynamic: Option<Dynamic>,
    /// True if a flow that calls this one handed the account of whoever decided an approval down to it: then it stays theirs by that rule.
    pub approvers: bool,
    /// How far the flow reaches through the slot.
    pub surface: Surface,
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Use this.
    Bound(Bound),
    /// Ask the slot's person.
    Ask {
        /// Why.
        reason: AskReason,
        /// The connection that died, lacks scopes or was not agreed to for all this.
        connection: Option<ConnectionId>,
    },
}

impl SlotAsk {
    /// The app client it is signed in through, and the parent it is made under.
    pub(crate) fn through(&self) -> (&ClientId, Option<&ConnectionId>) {
        match &self.binding {
            Binding::Dynamic { client, parent } => (client, parent.as_ref()),
            Binding::Shared { client, .. } => (client, None),
        }
    }

    /// The rule by which its person's account is chosen.
    fn rule(&self) -> Rule {
        match &self.dynamic {
            _ if self.draft => Rule::BuildTime,
            Some(dynamic) if self.approvers || dynamic.of.is_some() => Rule::Approver,
            _ => Rule::Invoker,
        }
    }
}

impl Resolution {
    fn ask(reason: AskReason, connection: Option<&ConnectionRow>) -> Self {
        Self::Ask {
            reason,
            connection: connection.map(|row| row.id.clone()),
        }
    }

    fn bound(row: ConnectionRow, rule: Rule) -> Self {
        Self::Bound(Bound {
            connection: row.id,
            kind: row.kind,
            rule,
            account: row.account,
        })
    }
}

/// Whether a person acts with a parent itself: it is theirs, has an account, and the workspace has decided so.
pub(crate) async fn acts_with_parent(
    reader: &Reader,
    parent: &ConnectionRow,
    person: &UserId,
) -> Result<bool, ReadError> {
    Ok(parent.kind == ConnectionKind::Shared
        && parent.owner == *person
        && parent.state != ConnectionState::NoAccount
        && reader.policies().await?.policies.owner_uses_parent)
}

/// Why a connection is of no use as it stands; none: it is.
pub(crate) fn dead(state: ConnectionState) -> Option<AskReason> {
    match state {
        ConnectionState::Connected => None,
        ConnectionState::Expired => Some(AskReason::Expired),
        ConnectionState::Revoked => Some(AskReason::Revoked),
        ConnectionState::Disconnected => Some(AskReason::Disconnected),
        ConnectionState::NoAccount => Some(AskReason::Missing),
    }
}

/// Whether granted scopes are enough. Two that OpenID Connect asks for but seldom grants by name are not looked for.
pub(crate) fn enough<'a>(mut wanted: impl Iterator<Item = &'a String>, granted: &[String]) -> bool {
    wanted.all(|scope| {
        matches!(scope.as_str(), "openid" | "offline_access") || granted.contains(scope)
    })
}

/// Whether a connection reaches as far as is wanted. Only OAuth knows scopes: what else an account may do, its app alone knows.
pub(crate) fn suffices<'a>(row: &ConnectionRow, wanted: impl Iterator<Item = &'a String>) -> bool {
    row.scheme.is_typed() || enough(wanted, &row.scopes)
}

/// The slot whose person a connection must have been made by: what decides whether it may be chosen there at all.
pub(crate) struct Fits<'a> {
    pub(crate) person: &'a UserId,
    pub(crate) client: &'a ClientId,
    pub(crate) parent: Option<&'a ConnectionId>,
    pub(crate) flow: &'a FlowId,
    pub(crate) slot: &'a SlotName,
}

impl Fits<'_> {
    /// With a parent: made under it. Without one: made for this very slot. Always: this person's own, through this client, for good.
    pub(crate) fn takes(&self, row: &ConnectionRow) -> bool {
        row.kind == ConnectionKind::Personal
            && row.owner == *self.person
            && row.client == *self.client
            && row.only_run.is_none()
            && match self.parent {
                Some(parent) => row.parent.as_ref() == Some(parent),
                None => {
                    row.parent.is_none()
                        && row
                            .made_for
                            .as_ref()
                            .is_some_and(|(flow, slot)| flow == self.flow && slot == self.slot)
                }
            }
    }
}

impl Connections {
    /// Looks a slot's connection up. There is no fallback: another person's, or a shared one in place of a dynamic one, is never the answer.
    ///
    /// # Errors
    /// If the store is away, or the slot's parent was deleted.
    pub async fn resolve(&self, ask: &SlotAsk) -> Result<Resolution, ConnectionsError> {
        let reader = self.reader(&ask.workspace);
        match &ask.binding {
            Binding::Shared { connection, .. } => {
                self.resolve_shared(&ask.workspace, connection, &ask.manifest.app)
                    .await
            }
            Binding::Dynamic { client, parent } => {
                if let Some(parent) = parent {
                    let Some(parent) = reader.connection(parent).await? else {
                        return Err(ConnectionsError::ParentGone(ask.slot.to_string()));
                    };
                    if ask.rule() == Rule::Invoker
                        && acts_with_parent(&reader, &parent, &ask.person).await?
                    {
                        return match dead(parent.state) {
                            None => Ok(Resolution::bound(parent, Rule::Owner)),
                            // They have no connection of their own to be asked for.
                            Some(_) => Err(ConnectionsError::ParentDead(ask.slot.to_string())),
                        };
                    }
                }
                if ask.draft {
                    return self.build_time(&reader, ask, client).await;
                }
                if ask.dynamic.as_ref().is_some_and(|d| d.keep == Keep::Run) {
                    return self.for_this_run(&reader, ask).await;
                }
                let fits = Fits {
                    person: &ask.person,
                    client,
                    parent: parent.as_ref(),
                    flow: &ask.flow,
                    slot: &ask.slot,
                };
                self.granted(&reader, ask, &fits).await
            }
        }
    }

    /// Looks a shared connection up: what a slot that names one is filled with, whoever the run acts for and also if it acts for nobody.
    ///
    /// # Errors
    /// If the store is away, or there is no such shared connection of this app.
    pub async fn resolve_shared(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        app: &AppName,
    ) -> Result<Resolution, ConnectionsError> {
        let row = self.reader(workspace).connection(connection).await?;
        let row = row
            .filter(|row| row.kind == ConnectionKind::Shared && row.app == *app)
            .ok_or(ConnectionsError::NotFound)?;
        Ok(match dead(row.state) {
            Some(reason) => Resolution::ask(reason, Some(&row)),
            None => Resolution::bound(row, Rule::Shared),
        })
    }

    async fn granted(
        &self,
        reader: &Reader,
        ask: &SlotAsk,
        fits: &Fits<'_>,
    ) -> Result<Resolution, ConnectionsError> {
        let grant = reader.grant(&ask.person, &ask.flow, &ask.slot).await?;
        let granted = match &grant {
            Some(grant) => reader.connection(&grant.connection).await?,
            None => None,
        };
        let (Some(grant), Some(row)) = (grant, granted.filter(|row| fits.takes(row))) else {
            // A connection alone is not enough: nobody agreed that this flow may use it.
            let own = reader.personal_connections(Some(&ask.person)).await?;
            let some = own
                .iter()
                .any(|row| fits.takes(row) && dead(row.state).is_none());
            let reason = if some {
                AskReason::Consent
            } else {
                AskReason::Missing
            };
            return Ok(Resolution::ask(reason, None));
        };
        if let Some(reason) = dead(row.state) {
            return Ok(Resolution::ask(reason, Some(&row)));
        }
        if !suffices(&row, ask.surface.scopes.iter()) {
            return Ok(Resolution::ask(AskReason::Scopes, Some(&row)));
        }
        // What cannot be read was not agreed to.
        let agreed = serde_json::from_str::<Surface>(&grant.surface)
            .is_ok_and(|agreed| !ask.surface.widens(&agreed));
        Ok(if agreed {
            Resolution::bound(row, ask.rule())
        } else {
            Resolution::ask(AskReason::Consent, Some(&row))
        })
    }

    /// A draft's run acts through its author's own build-time value and through nothing else.
    async fn build_time(
        &self,
        reader: &Reader,
        ask: &SlotAsk,
        client: &ClientId,
    ) -> Result<Resolution, ConnectionsError> {
        let values = reader.build_values(&ask.flow, &ask.person).await?;
        let Some(value) = values.into_iter().find(|value| value.slot == ask.slot) else {
            return Ok(Resolution::ask(AskReason::Missing, None));
        };
        let row = match &value.connection {
            Some(id) => reader.connection(id).await?,
            None => reader
                .personal_connections(Some(&ask.person))
                .await?
                .into_iter()
                .filter(|row| row.app == ask.manifest.app && row.client == *client)
                .find(|row| named(row, &value.written)),
        };
        let row = row.filter(|row| {
            row.kind == ConnectionKind::Personal
                && row.owner == ask.person
                && row.app == ask.manifest.app
                && row.client == *client
                && row.only_run.is_none()
        });
        Ok(match row {
            None => Resolution::ask(AskReason::Missing, None),
            Some(row) => match dead(row.state) {
                Some(reason) => Resolution::ask(reason, Some(&row)),
                None if !suffices(&row, ask.surface.scopes.iter()) => {
                    Resolution::ask(AskReason::Scopes, Some(&row))
                }
                None => Resolution::bound(row, Rule::BuildTime),
            },
        })
    }

    /// `keep: run`: what was given for this run and slot, and nothing that was there before.
    async fn for_this_run(
        &self,
        reader: &Reader,
        ask: &SlotAsk,
    ) -> Result<Resolution, ConnectionsError> {
        let here = (ask.flow.clone(), ask.slot.clone());
        let row = reader
            .connections_of_run(&ask.run)
            .await?
            .into_iter()
            .find(|row| row.owner == ask.person && row.made_for.as_ref() == Some(&here));
        Ok(match row {
            None => Resolution::ask(AskReason::Missing, None),
            Some(row) => match dead(row.state) {
                Some(reason) => Resolution::ask(reason, Some(&row)),
                None => Resolution::bound(row, ask.rule()),
            },
        })
    }

    /// The row of a request that asks a dynamic slot's person; the runner stores it with the pause.
    pub fn sign_in_row(
        &self,
        ask: &SlotAsk,
        id: SignInId,
        reason: AskReason,
        connection: Option<ConnectionId>,
        until: Time,
        now: Time,
    ) -> SignInRow {
        let (client, parent) = ask.through();
        SignInRow {
            id,
            run: Some(ask.run.clone()),
            flow: ask.flow.clone(),
            version: ask.version.clone(),
            slot: ask.slot.clone(),
            person: ask.person.clone(),
            app: ask.manifest.app.clone(),
            client: client.clone(),
            parent: parent.cloned(),
            reason,
            connection,
            surface: surface_text(&ask.surface),
            rule: ask.rule(),
            state: SignInState::Open,
            created_at: now,
            until,
            back: None,
        }
    }
}

/// The surface as the store keeps it.
pub(crate) fn surface_text(surface: &Surface) -> String {
    serde_json::to_string(surface).unwrap_or_default()
}

/// Scopes as they are asked for: sorted, each once.
pub(crate) fn scope_list(scopes: &BTreeSet<String>) -> Vec<String> {
    scopes.iter().cloned().collect()
}

/// Whether an author meant this connection by what they wrote.
fn named(row: &ConnectionRow, written: &str) -> bool {
    row.id.as_str() == written
        || row.account == written
        || row
            .name
            .as_ref()
            .is_some_and(|name| name.as_str() == written)
}
