//! Connections as which an app client itself acts (RFC 6749, 4.4): nobody's account, and so only ever shared. They are made at once, without a
//! trip in a browser, and renewed by asking again.

use actas_core::app::{Account, Manifest};
use actas_core::ids::{ConnectionId, UserId, WorkspaceId};
use actas_core::run::{ConnectionKind, Scheme};
use actas_store::{ClientRow, ConnectionRow, Reader};
use serde_json::Value;

use crate::ask::scope_list;
use crate::connections::{Connections, now, settings};
use crate::dpop::ProofKey;
use crate::errors::{SettleError, SignInError};
use crate::page::Finished;
use crate::pending::{ConnectKind, ConnectTarget};
use crate::refresh::ends;
use crate::settle::{Given, Wanted};
use crate::token::TokenFault;
use crate::who::Who;

impl Connections {
    /// Makes a shared connection as which the app client itself acts. That the user may do so, the caller has checked.
    ///
    /// # Errors
    /// See [`SignInError`]; nothing is stored then.
    pub async fn connect_as_client(
        &self,
        workspace: &WorkspaceId,
        target: &ConnectTarget,
        user: &UserId,
        who: &Who,
    ) -> Result<Finished, SignInError> {
        let reader = self.reader(workspace);
        // Nobody's account can be nobody's own.
        let ConnectKind::Shared { name } = &target.kind else {
            return Err(SignInError::NotUsable);
        };
        if reader.shared_connection(name).await?.is_some() {
            return Err(SignInError::Taken(name.to_string()));
        }
        let client = self.client(&reader, &target.client).await?;
        let manifest = self.app(&target.app)?;
        let scopes = target.scopes_of(&manifest);
        let given = self
            .given_to_client(&reader, &client, &manifest, scope_list(&scopes))
            .await?;
        let wanted = Wanted {
            user,
            asked: None,
            target: Some(target),
            renew: None,
            client: &client,
            manifest: &manifest,
        };
        match self.settle_given(&reader, wanted, &given, who).await {
            Ok(finished) => Ok(finished),
            Err(error) => {
                let taken = reader.shared_connection(name).await?.is_some();
                Err(if taken {
                    SignInError::Taken(name.to_string())
                } else {
                    refused(error)
                })
            }
        }
    }

    /// Renews such a connection, whatever state it is in. That the user may do so, the caller has checked.
    ///
    /// # Errors
    /// See [`SignInError`]; nothing is changed then.
    pub async fn reconnect_as_client(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        user: &UserId,
        who: &Who,
    ) -> Result<Finished, SignInError> {
        let reader = self.reader(workspace);
        let row = reader
            .connection(connection)
            .await?
            .filter(|row| row.kind == ConnectionKind::Shared)
            .ok_or(SignInError::NotFound)?;
        if row.scheme != Scheme::ClientCredentials {
            return Err(SignInError::NotUsable);
        }
        let client = self.client(&reader, &row.client).await?;
        let manifest = self.app(&row.app)?;
        let given = self
            .given_to_client(&reader, &client, &manifest, row.scopes.clone())
            .await?;
        let wanted = Wanted {
            user,
            asked: None,
            target: None,
            renew: Some(&row),
            client: &client,
            manifest: &manifest,
        };
        let settled = self.settle_given(&reader, wanted, &given, who).await;
        settled.map_err(refused)
    }

    async fn given_to_client(
        &self,
        reader: &Reader,
        client: &ClientRow,
        manifest: &Manifest,
        scopes: Vec<String>,
    ) -> Result<Given, SignInError> {
        let oauth2 = manifest.auth.oauth2.as_ref();
        if !oauth2.is_some_and(|oauth2| oauth2.client_credentials) {
            return Err(SignInError::Misconfigured(
                "it does not let an app client act as itself".to_owned(),
            ));
        }
        let provider = self.provider(reader, client, manifest).await?;
        let key = if provider.endpoints.dpop {
            let no_key = || SignInError::Misconfigured("no key can be made".to_owned());
            Some(std::sync::Arc::new(ProofKey::new().ok_or_else(no_key)?))
        } else {
            None
        };
        let tokens = provider.client_credentials(&scopes, key.as_ref()).await?;
        let wrong =
            || SignInError::Misconfigured("it gave values that do not fit the app".to_owned());
        let (Ok(Value::Object(mut facts)), Ok(kept)) =
            (settings(client), manifest.kept_fields(&tokens.rest))
        else {
            return Err(wrong());
        };
        facts.extend(kept);
        Ok(Given {
            secrets: tokens.secrets(),
            scopes: tokens.scopes.clone().unwrap_or(scopes),
            facts: Value::Object(facts).to_string(),
            account: account(client),
            expires_at: tokens.expires_in.map(|life| ends(now(), life)),
            scheme: Scheme::ClientCredentials,
        })
    }
}

/// Whose account it is: the client's own, under the name that the provider knows it by.
fn account(client: &ClientRow) -> Account {
    Account {
        subject: format!("client:{}", client.oauth_client_id),
        name: client.oauth_client_id.clone(),
    }
}

/// Whether a connection is renewed by asking again, without a refresh token.
pub(crate) fn asks_again(row: &ConnectionRow) -> bool {
    row.scheme == Scheme::ClientCredentials && row.kind == ConnectionKind::Shared
}

fn refused(error: SettleError) -> SignInError {
    match error {
        SettleError::Gone | SettleError::OtherAccount => SignInError::NotFound,
        SettleError::Guarded(why) => SignInError::Guarded(why),
        SettleError::MissingScopes => SignInError::NotUsable,
        SettleError::WrongPerson => SignInError::NotYours,
        SettleError::Done => SignInError::Done,
        SettleError::Over => SignInError::Over,
        SettleError::Read(error) => error.into(),
        SettleError::Commit(error) => error.into(),
    }
}

impl From<TokenFault> for SignInError {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Away { .. } => Self::Unavailable,
            TokenFault::Client => {
                Self::Misconfigured("it refuses this workspace's app client".to_owned())
            }
            TokenFault::Dead => Self::Misconfigured("it refuses what it is asked for".to_owned()),
            TokenFault::Broken(what) => Self::Misconfigured(format!(
                "it gave no usable answer when it was asked: {what}"
            )),
        }
    }
}
