//! Who somebody is to other systems, the workspace's own roles, and what it has decided.

use actas_core::Time;
use actas_core::ids::{Name, UserId};

use crate::kept::Rows;
#[cfg(any(test, feature = "model"))]
use crate::model::{all, get, sorted};
use crate::read::{Read, Reader, model, select};
use crate::rows::{
    HostRow, IdentityRow, LoginAttemptRow, OidcRow, PoliciesRow, RoleRow, SeenRow, TokenRow,
};
use crate::statement::params;

impl Reader {
    /// What the workspace has decided; defaults where it never did.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn policies(&self) -> Read<PoliciesRow> {
        model!(self, |t, ws| get(&t.policies, ws, &()).unwrap_or_default());
        let read = async {
            let row: Option<PoliciesRow> = self
                .one(
                    select!(policies_columns, "workspace_id = $1"),
                    params![&self.workspace],
                )
                .await?;
            Ok(Some(row.unwrap_or_default()))
        };
        let found = match &self.store.inner.kept {
            Some(kept) => {
                kept.or_read(Rows::policies, self.workspace.clone(), read)
                    .await?
            }
            None => read.await?,
        };
        Ok(found.unwrap_or_default())
    }

    /// The workspace's own roles, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn roles(&self) -> Read<Vec<RoleRow>> {
        model!(self, |t, ws| all(&t.roles, ws, |_| true));
        let read = async {
            self.all(
                select!(role_columns, "workspace_id = $1 ORDER BY name"),
                params![&self.workspace],
            )
            .await
            .map(Some)
        };
        let found = match &self.store.inner.kept {
            Some(kept) => {
                kept.or_read(Rows::roles, self.workspace.clone(), read)
                    .await?
            }
            None => read.await?,
        };
        Ok(found.unwrap_or_default())
    }

    /// A role of the workspace's own.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn role(&self, name: &Name) -> Read<Option<RoleRow>> {
        Ok(self
            .roles()
            .await?
            .into_iter()
            .find(|row| row.name == *name))
    }

    /// The API tokens that have not ended: of one person, or all; oldest first.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn tokens(&self, user: Option<&UserId>, now: Time) -> Read<Vec<TokenRow>> {
        model!(self, |t, ws| {
            let wanted = |row: &&TokenRow| {
                row.workspace == *ws
                    && row.expires_at > now
                    && user.is_none_or(|user| row.user == *user)
            };
            let rows = t.tokens.values().filter(wanted).cloned().collect();
            sorted(rows, |row| (row.created_at, row.hash.clone()))
        });
        match user {
            Some(user) => {
                let text = select!(
                    token_columns,
                    "workspace_id = $1 AND expires_at > $2 AND user_id = $3 ORDER BY created_at, hash"
                );
                self.all(text, params![&self.workspace, now, user]).await
            }
            None => {
                let text = select!(
                    token_columns,
                    "workspace_id = $1 AND expires_at > $2 ORDER BY created_at, hash"
                );
                self.all(text, params![&self.workspace, now]).await
            }
        }
    }

    /// When people were last here, as far as is known.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn seen(&self) -> Read<Vec<SeenRow>> {
        model!(self, |t, ws| all(&t.seen, ws, |_| true));
        self.all(
            select!(seen_columns, "workspace_id = $1 ORDER BY user_id"),
            params![&self.workspace],
        )
        .await
    }

    /// Whom another system means.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn identity(&self, issuer: &str, subject: &str) -> Read<Option<IdentityRow>> {
        model!(self, |t, ws| get(
            &t.identities,
            ws,
            &(issuer.to_owned(), subject.to_owned())
        ));
        self.one(
            select!(
                identity_columns,
                "workspace_id = $1 AND issuer = $2 AND subject = $3"
            ),
            params![&self.workspace, issuer, subject],
        )
        .await
    }

    /// What people are known by elsewhere: of one person, or all.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn identities(&self) -> Read<Vec<IdentityRow>> {
        model!(self, |t, ws| all(&t.identities, ws, |_| true));
        self.all(
            select!(
                identity_columns,
                "workspace_id = $1 ORDER BY issuer, subject"
            ),
            params![&self.workspace],
        )
        .await
    }

    /// Where people log in, if not here.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn oidc(&self) -> Read<Option<OidcRow>> {
        model!(self, |t, ws| get(&t.oidc, ws, &()));
        self.one(
            select!(oidc_columns, "workspace_id = $1"),
            params![&self.workspace],
        )
        .await
    }

    /// A login that is under way elsewhere and has not ended.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn login_attempt(
        &self,
        state_hash: &str,
        now: Time,
    ) -> Read<Option<LoginAttemptRow>> {
        model!(self, |t, ws| t
            .login_attempts
            .get(state_hash)
            .filter(|row| row.workspace == *ws && row.expires_at > now)
            .cloned());
        self.one(
            select!(
                login_attempt_columns,
                "state_hash = $1 AND workspace_id = $2 AND expires_at > $3"
            ),
            params![state_hash, &self.workspace, now],
        )
        .await
    }

    /// The host applications, by name.
    ///
    /// # Errors
    /// If the database is away or the row cannot be read.
    pub async fn hosts(&self) -> Read<Vec<HostRow>> {
        model!(self, |t, ws| all(&t.hosts, ws, |_| true));
        self.all(
            select!(host_columns, "workspace_id = $1 ORDER BY name"),
            params![&self.workspace],
        )
        .await
    }
}
