//! The keys of workspaces over time: made, found when another server made them, rotated while everything goes on. Whatever breaks a rotation
//! off, what is stored opens, and the next rotation finishes it.

use std::time::Duration;

use actas_core::Secret;
use actas_core::ids::{ConnectionId, WorkspaceId};
use actas_store::{
    CommitError, KeyCheck, KeyOp, KeyState, Op, ReadError, Reader, SecretRow, WorkspaceKeyRow,
};

use crate::callback_address;
use crate::config::KeySource;
use crate::connections::{Connections, now};
use crate::errors::RotateError;
use crate::key;
use crate::secrets::{SecretError, binding, place};
use crate::vault::{Master, Place, Vault};
use crate::who::Who;

/// What codes are made for: their keys outlive the operator's key that they were derived from.
pub(crate) const PURPOSES: &[&str] = &[callback_address::PURPOSE];

/// How many secrets one commit wraps anew.
const BATCH: u32 = 128;

/// How long an old key that wraps nothing is kept: another server may seal with it until it learns of the new one, and what lies sealed
/// elsewhere than among the secrets lives shorter than this.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a rotation did in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The key that seals from now on.
    pub key: String,
    /// Whether it is new; if not, a rotation that had been broken off was finished.
    pub new: bool,
    /// How many secrets were wrapped anew.
    pub wrapped: u64,
    /// How many do not open, and were left.
    pub broken: u64,
}

impl Connections {
    /// Makes sure that a workspace has its own key and that this process has it. Cheap once it has.
    ///
    /// # Errors
    /// If the store is away, or the operator's key was rotated and this process has the old one.
    pub async fn ready(&self, workspace: &WorkspaceId) -> Result<(), RotateError> {
        for _ in 0..3 {
            if self.inner.vault.active(workspace).is_some() {
                return Ok(());
            }
            let reader = self.reader(workspace);
            let rows = reader.workspace_keys().await?;
            self.inner.vault.load(&rows);
            if rows.is_empty() {
                match self.first_key(&reader).await {
                    // Another server was first, or another part of this one.
                    Ok(()) | Err(RotateError::Commit(CommitError::Conflict { .. })) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        match self.inner.vault.active(workspace) {
            Some(_) => Ok(()),
            None => Err(RotateError::OtherMaster),
        }
    }

    /// The first key of a workspace. What app clients are set to is sealed with it in the same commit: where there is a key, each has its seal.
    async fn first_key(&self, reader: &Reader) -> Result<(), RotateError> {
        let workspace = reader.workspace();
        let new = self.inner.vault.make(workspace, now());
        let mut ops = vec![Op::Keys(KeyOp::Add {
            key: new.row.clone(),
            replaces: None,
        })];
        for client in reader.clients(None).await? {
            let place = crate::bound::client_place(workspace, &client.id);
            let set = crate::bound::set_to(&client);
            ops.push(Op::PutSecret {
                workspace: workspace.clone(),
                secret: Vault::seal_under(&new, &place, &[], &set),
            });
        }
        self.commit(ops, Vec::new()).await?;
        self.inner.vault.load(&[new.row]);
        Ok(())
    }

    /// Opens a sealed row, after looking for its key in the store if this process does not have it.
    pub(crate) async fn unseal(
        &self,
        place: &Place<'_>,
        bound: &[u8],
        row: &SecretRow,
    ) -> Result<Secret<String>, SecretError> {
        self.find_key(place.workspace, &row.kek_id).await?;
        let opened = self.inner.vault.open_bound(place, bound, row);
        let opened = opened.map_err(|_| SecretError::Integrity)?;
        let text = std::str::from_utf8(opened.reveal()).map_err(|_| SecretError::Integrity)?;
        Ok(Secret::new(text.to_owned()))
    }

    /// The same for a column that holds nothing else.
    pub(crate) async fn unseal_bytes(
        &self,
        place: &Place<'_>,
        bytes: &[u8],
    ) -> Result<Secret<Vec<u8>>, SecretError> {
        if let Some(kek_id) = Vault::key_of_bytes(bytes) {
            self.find_key(place.workspace, &kek_id).await?;
        }
        let opened = self.inner.vault.open_bytes(place, bytes);
        opened.map_err(|_| SecretError::Integrity)
    }

    /// Looks for a key in the store if this process does not have it.
    pub(crate) async fn find_key(
        &self,
        workspace: &WorkspaceId,
        kek_id: &str,
    ) -> Result<(), ReadError> {
        if !self.inner.vault.knows(workspace, kek_id) {
            let rows = self.reader(workspace).workspace_keys().await?;
            self.inner.vault.load(&rows);
        }
        Ok(())
    }

    /// Gives a workspace a new key and wraps all its secrets with it, in small commits; meanwhile both open. A rotation that was broken off is
    /// finished instead.
    ///
    /// # Errors
    /// If the store is away or somebody else rotates; then it can be asked for again.
    pub async fn rotate_key(
        &self,
        workspace: &WorkspaceId,
        who: &Who,
    ) -> Result<Rotated, RotateError> {
        let _alone = self.inner.rotating.lock().await;
        self.ready(workspace).await?;
        let reader = self.reader(workspace);
        let rows = reader.workspace_keys().await?;
        self.inner.vault.load(&rows);
        let (wrapped, broken) = self.wrap_anew(&reader).await?;
        let is_left = |row: &WorkspaceKeyRow| row.state == KeyState::Old;
        let finished = wrapped > 0 && rows.iter().any(is_left);
        let done = if finished {
            let key = self.inner.vault.active(workspace).unwrap_or_default();
            Rotated {
                key,
                new: false,
                wrapped,
                broken,
            }
        } else {
            let new = self.inner.vault.make(workspace, now());
            let add = KeyOp::Add {
                key: new.row.clone(),
                replaces: self.inner.vault.active(workspace),
            };
            let draft = self.key_draft(workspace, who, "vault_key.added", &new.row.id);
            self.commit(vec![Op::Keys(add)], vec![draft]).await?;
            self.inner.vault.load(std::slice::from_ref(&new.row));
            let (wrapped, broken) = self.wrap_anew(&reader).await?;
            Rotated {
                key: new.row.id,
                new: true,
                wrapped,
                broken,
            }
        };
        let mut draft = self.key_draft(workspace, who, "vault_key.rotated", &done.key);
        draft.reason = Some(format!("{} wrapped, {} broken", done.wrapped, done.broken));
        let at = now();
        // From when the next one took its place: until then, and a while longer, another server may have sealed with it.
        let replaced = |row: &WorkspaceKeyRow| {
            let later = rows.iter().map(|other| other.created_at);
            later.filter(|made| *made > row.created_at).min()
        };
        let forgotten = rows
            .iter()
            .filter(|row| is_left(row) && replaced(row).is_some_and(|made| at.since(made) > KEPT))
            .map(|row| {
                Op::Keys(KeyOp::Drop {
                    workspace: workspace.clone(),
                    id: row.id.clone(),
                })
            });
        self.commit(forgotten.collect(), vec![draft]).await?;
        Ok(done)
    }

    fn key_draft(
        &self,
        workspace: &WorkspaceId,
        who: &Who,
        action: &str,
        key: &str,
    ) -> actas_core::audit::Draft {
        who.draft(workspace, now(), action, ("vault_key", key), "ok")
    }

    /// Wraps with the active key whatever another one wraps. What was changed since it was read is left: whoever changed it used a key of now.
    async fn wrap_anew(&self, reader: &Reader) -> Result<(u64, u64), RotateError> {
        let (mut wrapped, mut broken) = (0, 0);
        let workspace = reader.workspace();
        let Some(active) = self.inner.vault.active(workspace) else {
            return Err(RotateError::OtherMaster);
        };
        let mut after = (String::new(), String::new());
        loop {
            let rows = reader.secrets_not_under(&active, &after, BATCH).await?;
            let Some(last) = rows.last() else {
                return Ok((wrapped, broken));
            };
            after = (last.owner.clone(), last.field.clone());
            let mut ops = Vec::new();
            for row in &rows {
                let to = match self.bound_now(reader, row).await? {
                    Some(to) => Ok(Some(to)),
                    None => self.inner.vault.rewrap(workspace, row),
                };
                match to {
                    Ok(None) => {}
                    Ok(Some(to)) => ops.push(Op::Keys(KeyOp::Rewrap {
                        workspace: workspace.clone(),
                        from: row.wrapped.clone(),
                        to,
                    })),
                    Err(_) => {
                        broken += 1;
                        let (owner, field) = (&row.owner, &row.field);
                        tracing::error!(
                            owner,
                            field,
                            "stored secret does not open and is left as it is"
                        );
                    }
                }
            }
            wrapped += ops.len() as u64;
            self.commit(ops, Vec::new()).await?;
        }
    }

    /// A connection's secret from before secrets were bound, sealed anew and bound; none if it is bound, or does not open as it stands.
    async fn bound_now(
        &self,
        reader: &Reader,
        row: &SecretRow,
    ) -> Result<Option<SecretRow>, ReadError> {
        let (workspace, vault) = (reader.workspace(), &self.inner.vault);
        let Ok(id) = row.owner.parse::<ConnectionId>() else {
            return Ok(None);
        };
        if vault.is_bound(workspace, row) != Ok(false) {
            return Ok(None);
        }
        let Some(connection) = reader.connection(&id).await? else {
            return Ok(None);
        };
        let place = place(workspace, &connection, &row.field);
        let plain = vault.open_bound(&place, &[], row).ok();
        Ok(plain.map(|plain| vault.seal_bound(&place, &binding(&connection), plain.reveal())))
    }

    /// Puts another operator's key in the place of the one of now. Every workspace's key is wrapped by it and the store asks for it, in one
    /// commit; no secret is touched. Other servers go on with what they have, and need the new key at their next start.
    ///
    /// # Errors
    /// If the key cannot be used, or the store is away: then the old key still counts.
    pub async fn rotate_master(
        &self,
        file: &std::path::Path,
        who: &Who,
    ) -> Result<String, RotateError> {
        let _alone = self.inner.rotating.lock().await;
        let text = key::read(file)?;
        let source = &self.inner.config.key;
        let next = Master::new(Secret::new(*text.reveal()));
        if next.kek_id() == self.inner.vault.kek_id() {
            return Err(RotateError::SameKey);
        }
        for (workspace, _) in self.inner.store.workspaces().await? {
            self.ready(&workspace).await?;
            self.wrap_anew(&self.reader(&workspace)).await?;
        }
        if let KeySource::EmbeddedFile(path) = source {
            key::write_next(path, &text)?;
        }
        let from: KeyCheck = self
            .inner
            .store
            .key_check()
            .await?
            .ok_or(RotateError::OtherMaster)?;
        let to: KeyCheck = (next.kek_id().to_owned(), next.check_value());
        let mut drafts = Vec::new();
        for (workspace, _) in self.inner.store.workspaces().await? {
            drafts.push(self.key_draft(&workspace, who, "vault_key.master", next.kek_id()));
        }
        let keys = self.inner.store.all_workspace_keys().await?;
        let keys = self.inner.vault.rewrapped(keys, &next);
        let op = KeyOp::Master {
            from,
            to: to.clone(),
            keys: keys.map_err(|_| RotateError::OtherMaster)?,
            derived: self.inner.vault.derived_under(&next, PURPOSES),
        };
        match self.commit(vec![Op::Keys(op)], drafts).await {
            Ok(()) => {}
            // Nobody but the store knows whether it was written.
            Err(CommitError::Unknown) if self.inner.store.key_check().await? == Some(to) => {}
            Err(error) => return Err(error.into()),
        }
        let id = next.kek_id().to_owned();
        self.inner.vault.take_over(next, PURPOSES);
        if let KeySource::EmbeddedFile(path) = source {
            key::finish_next(path)?;
        }
        Ok(id)
    }
}
