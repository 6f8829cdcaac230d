//! Users, and what comes before a workspace is known: sessions, tokens and links.

use actas_core::Time;
use actas_core::ids::{UserId, WorkspaceId};

use crate::cells::{Cells, FromRow};
use crate::database::Database;
use crate::kept::Rows;
#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, lives, sorted};
use crate::read::{Read, Reader, model, select};
use crate::rows::{LoginLinkRow, SessionRow, TokenRow, UserRow};
use crate::statement::params;
use crate::store::{ReadError, Store};

/// A token and its user, the columns of both in the order in which they are read.
const BEARER: &str = "SELECT t.hash, t.workspace_id, t.user_id, t.name, t.scopes, t.created_at, t.expires_at, \
    u.id, u.login, u.name, u.email, u.manager, u.password_hash, u.local, u.roles, u.disabled, u.created_at \
    FROM tokens t JOIN users u ON u.workspace_id = t.workspace_id AND u.id = t.user_id WHERE t.hash = $1 AND t.expires_at > $2";

struct Bearer(TokenRow, UserRow);

impl FromRow for Bearer {
    const WHAT: &'static str = "token";

    fn read(c: &mut Cells<'_>) -> Read<Self> {
        Ok(Self(TokenRow::read(c)?, UserRow::read(c)?))
    }
}

impl Reader {
    /// A user.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn user(&self, id: &UserId) -> Read<Option<UserRow>> {
        model!(self, |t, ws| get(&t.users, ws, id));
        let read = async {
            self.one(
                select!(user_columns, "workspace_id = $1 AND id = $2"),
                params![&self.workspace, id],
            )
            .await
        };
        match &self.store.inner.kept {
            Some(kept) => {
                let key = (self.workspace.clone(), id.clone());
                kept.or_read(Rows::users, key, read).await
            }
            None => read.await,
        }
    }

    /// A user by login.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn user_by_login(&self, login: &str) -> Read<Option<UserRow>> {
        model!(self, |t, ws| all(&t.users, ws, |row| row.login == login)
            .pop());
        self.one(
            select!(user_columns, "workspace_id = $1 AND login = $2"),
            params![&self.workspace, login],
        )
        .await
    }

    /// All users, by login.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn users(&self) -> Read<Vec<UserRow>> {
        model!(self, |t, ws| sorted(all(&t.users, ws, |_| true), |row| row
            .login
            .clone()));
        self.all(
            select!(user_columns, "workspace_id = $1 ORDER BY login"),
            params![&self.workspace],
        )
        .await
    }
}

impl Store {
    /// A session that has not ended, of any workspace: the one read that comes before a workspace is known.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn session(&self, hash: &str, now: Time) -> Read<Option<SessionRow>> {
        model!(of self, |t| lives(t.sessions.get(hash), |row| row.expires_at, now));
        self.inner
            .database
            .one(
                select!(session_columns, "hash = $1 AND expires_at > $2"),
                params![hash, now],
            )
            .await
    }

    /// An API token that has not ended.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn token(&self, hash: &str, now: Time) -> Read<Option<TokenRow>> {
        model!(of self, |t| lives(t.tokens.get(hash), |row| row.expires_at, now));
        let read = async {
            let text = select!(token_columns, "hash = $1 AND expires_at > $2");
            self.inner.database.one(text, params![hash, now]).await
        };
        let found: Option<TokenRow> = match &self.inner.kept {
            Some(kept) => kept.or_read(Rows::tokens, hash.to_owned(), read).await?,
            None => read.await?,
        };
        // One that is kept may have ended since it was read.
        Ok(found.filter(|token| token.expires_at > now))
    }

    /// An API token that has not ended, with its user, disabled or not: what a program's every request begins with.
    ///
    /// # Errors
    /// If the database is away or a row cannot be read.
    pub async fn bearer(&self, hash: &str, now: Time) -> Read<Option<(TokenRow, UserRow)>> {
        if matches!(self.inner.database, Database::Postgres(_)) {
            // Nothing can be kept, so that a way there and back is saved instead.
            let found: Option<Bearer> = self.inner.database.one(BEARER, params![hash, now]).await?;
            return Ok(found.map(|Bearer(token, user)| (token, user)));
        }
        let Some(token) = self.token(hash, now).await? else {
            return Ok(None);
        };
        let user = self.reader(&token.workspace).user(&token.user).await?;
        Ok(user.map(|user| (token, user)))
    }

    /// A one-time link that has not ended.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn login_link(&self, hash: &str, now: Time) -> Read<Option<LoginLinkRow>> {
        model!(of self, |t| lives(t.login_links.get(hash), |row| row.expires_at, now));
        self.inner
            .database
            .one(
                select!(login_link_columns, "hash = $1 AND expires_at > $2"),
                params![hash, now],
            )
            .await
    }

    /// All workspaces, `(id, name)`, oldest first.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn workspaces(&self) -> Read<Vec<(WorkspaceId, String)>> {
        model!(of self, |t| {
            let mut rows: Vec<_> = t.workspaces.iter().map(|(id, (name, at))| (*at, id.clone(), name.clone())).collect();
            rows.sort();
            rows.into_iter().map(|(_, id, name)| (id, name)).collect()
        });
        self.inner
            .database
            .all(
                "SELECT workspace_id, name FROM workspaces ORDER BY created_at, workspace_id",
                Vec::new(),
            )
            .await
    }

    /// The key-check value, `(kek id, check)`.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn key_check(&self) -> Read<Option<(String, Vec<u8>)>> {
        model!(of self, |t| t.key_check.clone());
        let text = "SELECT value FROM store_facts WHERE name = 'key_check'";
        let value: Option<String> = self.inner.database.one(text, Vec::new()).await?;
        let Some(value) = value else { return Ok(None) };
        value
            .rsplit_once(' ')
            .and_then(|(kek_id, check)| Some((kek_id.to_owned(), hex::decode(check).ok()?)))
            .map(Some)
            .ok_or_else(|| ReadError::Corrupt {
                what: "key-check value".to_owned(),
                why: "it is not a key id and hex digits".to_owned(),
            })
    }
}
