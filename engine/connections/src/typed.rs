//! What somebody types to sign in: tried at the app before it is stored, once and no more, because an app may lock the account after a few
//! wrong passwords. A refusal stores nothing. What is stored is never shown again, not even to whoever typed it.

use std::collections::BTreeMap;

use actas_core::app::{Account, Call, Manifest, Sent, Typed};
use actas_core::ids::{ConnectionId, SignInId, UserId, WorkspaceId};
use actas_core::run::{ConnectionKind, Rule, Scheme};
use actas_core::{ErrorKind, Secret, StepError};
use actas_egress::{self as egress, CallLimits, Credential};
use actas_store::{ConnectionRow, Reader};
use serde_json::Value;

use crate::connections::{Connections, now, settings};
use crate::errors::GiveError;
use crate::page::{Finished, must_be_same};
use crate::pending::{ConnectKind, ConnectTarget, connection_draft};
use crate::secrets::SecretError;
use crate::settle::{Given, Wanted};
use crate::who::Who;

/// What was typed, by the name of the field.
pub type Fields = BTreeMap<String, Secret<String>>;

/// A kind of sign-in as a form shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindView {
    /// Which.
    pub scheme: Scheme,
    /// In the order in which they are asked for; none: it is done at the provider.
    pub fields: Vec<FieldView>,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldView {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What it is.
    pub description: Option<String>,
    /// It is typed unseen.
    pub secret: bool,
}

/// The kinds of sign-in by which a person may connect an app; with the policy `oauth2_only` a slot may be filled by OAuth 2 alone.
pub fn kinds(manifest: &Manifest, oauth2_only: bool) -> Vec<KindView> {
    manifest
        .auth
        .schemes()
        .into_iter()
        .filter(|scheme| !oauth2_only || *scheme == Scheme::Oauth2)
        .map(|scheme| KindView {
            scheme,
            fields: manifest.auth.typed(scheme).map_or_else(Vec::new, |typed| {
                let view = |(name, field): (&String, &actas_core::app::TypedField)| FieldView {
                    name: name.clone(),
                    title: field.title.clone(),
                    description: field.description.clone(),
                    secret: field.secret,
                };
                typed.fields.iter().map(view).collect()
            }),
        })
        .collect()
}

/// How values are shown to the app: the secrets as such, the public ones beside them.
fn shown(typed: &Typed, values: &Fields) -> egress::Scheme {
    let value = |field: &str| {
        let empty = || Secret::new(String::new());
        values.get(field).cloned().unwrap_or_else(empty)
    };
    let secret = |field: &str| typed.fields.get(field).is_none_or(|field| field.secret);
    let part = |sent: &Sent| match sent {
        Sent::Basic { username, password } => egress::Scheme::Basic {
            user: value(username).reveal().clone(),
            password: value(password),
        },
        Sent::Header {
            name,
            prefix,
            field,
        } if secret(field) => egress::Scheme::Header {
            name: name.clone(),
            prefix: prefix.clone(),
            value: value(field),
        },
        Sent::Header {
            name,
            prefix,
            field,
        } => egress::Scheme::Public {
            name: name.clone(),
            value: format!("{prefix}{}", value(field).reveal()),
        },
        Sent::Query { name, field } => egress::Scheme::Query {
            name: name.clone(),
            value: value(field),
        },
    };
    egress::Scheme::Several(typed.send.iter().map(part).collect())
}

/// Whom a record is about that says that nothing came of it.
enum About<'a> {
    SignIn(&'a actas_store::SignInRow),
    Connection(&'a ConnectionRow),
    Client,
}

impl Connections {
    /// Answers a sign-in with what its person typed.
    ///
    /// # Errors
    /// See [`GiveError`]; nothing is stored then.
    pub async fn give(
        &self,
        workspace: &WorkspaceId,
        id: &SignInId,
        user: &UserId,
        (scheme, fields): (Scheme, Fields),
        who: &Who,
    ) -> Result<Finished, GiveError> {
        let reader = self.reader(workspace);
        let row = self.theirs(&reader, id, user, who).await?;
        let asked = self.asked(&reader, row).await?;
        if reader.policies().await?.policies.oauth2_only && asked.row.rule != Rule::BuildTime {
            return Err(GiveError::NotOffered);
        }
        let client = self.client(&reader, &asked.row.client).await?;
        let renew = match &asked.row.connection {
            Some(id) if must_be_same(&asked.row) => reader.connection(id).await?,
            _ => None,
        };
        let wanted = Wanted {
            user,
            asked: Some(&asked),
            target: None,
            renew: renew.as_ref(),
            client: &client,
            manifest: &asked.manifest,
        };
        self.give_for(&reader, wanted, scheme, fields, who).await
    }

    /// Makes a connection from the list with what was typed. That the user may make it, the caller has checked.
    ///
    /// # Errors
    /// See [`GiveError`]; nothing is stored then.
    pub async fn give_connect(
        &self,
        workspace: &WorkspaceId,
        target: &ConnectTarget,
        user: &UserId,
        (scheme, fields): (Scheme, Fields),
        who: &Who,
    ) -> Result<Finished, GiveError> {
        let reader = self.reader(workspace);
        self.may_become(&reader, target, user).await?;
        if matches!(
            target.kind,
            ConnectKind::Personal { .. } | ConnectKind::Another { .. }
        ) && reader.policies().await?.policies.oauth2_only
        {
            return Err(GiveError::NotOffered);
        }
        let client = self.client(&reader, &target.client).await?;
        let manifest = self.app(&target.app)?;
        let wanted = Wanted {
            user,
            asked: None,
            target: Some(target),
            renew: None,
            client: &client,
            manifest: &manifest,
        };
        let given = self.give_for(&reader, wanted, scheme, fields, who).await;
        match (&target.kind, given) {
            (ConnectKind::Shared { name }, Err(GiveError::Commit(_)))
                if reader.shared_connection(name).await?.is_some() =>
            {
                Err(GiveError::SignIn(crate::SignInError::Taken(
                    name.to_string(),
                )))
            }
            (_, given) => given,
        }
    }

    /// Gives a connection that is there something newer, such as a changed password: in place, and for the same account only. A personal one
    /// is its owner's alone to change; whether the user may change a shared one, the caller has checked.
    ///
    /// # Errors
    /// See [`GiveError`]; the old value stays then.
    pub async fn update_typed(
        &self,
        workspace: &WorkspaceId,
        connection: &ConnectionId,
        user: &UserId,
        mut fields: Fields,
        who: &Who,
    ) -> Result<Finished, GiveError> {
        let reader = self.reader(workspace);
        let row = reader
            .connection(connection)
            .await?
            .filter(|row| row.kind == ConnectionKind::Shared || row.owner == *user)
            .ok_or(crate::SignInError::NotFound)?;
        if !row.scheme.is_typed() {
            return Err(GiveError::NotOffered);
        }
        let client = self.client(&reader, &row.client).await?;
        let manifest = self.app(&row.app)?;
        let typed = manifest
            .auth
            .typed(row.scheme)
            .ok_or(GiveError::NotOffered)?;
        // What is no secret stays what it is unless it is said again.
        let facts: Value = serde_json::from_str(&row.facts).unwrap_or_default();
        for (name, _) in typed.fields.iter().filter(|(_, field)| !field.secret) {
            if let Some(known) = facts.get(name).and_then(Value::as_str) {
                let known = || Secret::new(known.to_owned());
                fields.entry(name.clone()).or_insert_with(known);
            }
        }
        let wanted = Wanted {
            user,
            asked: None,
            target: None,
            renew: Some(&row),
            client: &client,
            manifest: &manifest,
        };
        self.give_for(&reader, wanted, row.scheme, fields, who)
            .await
    }

    async fn give_for(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        scheme: Scheme,
        fields: Fields,
        who: &Who,
    ) -> Result<Finished, GiveError> {
        let typed = wanted
            .manifest
            .auth
            .typed(scheme)
            .ok_or(GiveError::NotOffered)?;
        let faults = typed.faults(&fields);
        if !faults.is_empty() {
            return Err(GiveError::Fields(faults));
        }
        let Value::Object(mut facts) =
            settings(wanted.client).map_err(crate::SignInError::Misconfigured)?
        else {
            return Err(GiveError::NotOffered);
        };
        facts.extend(typed.facts(&fields));
        let facts = Value::Object(facts);
        let account = match self.tried(wanted, typed, &fields, &facts).await {
            Ok(account) => account,
            Err(error) => {
                let refused = !error.kind.is_transient();
                let error = if refused {
                    GiveError::Refused
                } else {
                    GiveError::Unavailable
                };
                self.came_to_nothing(reader, wanted, error.code(), who)
                    .await?;
                return Err(error);
            }
        };
        let given = Given {
            secrets: typed.secrets(&fields),
            scopes: Vec::new(),
            facts: facts.to_string(),
            account,
            expires_at: None,
            scheme,
        };
        // A browser that goes away does not matter: nothing was used up at the app.
        Ok(self.settle_given(reader, wanted, &given, who).await?)
    }

    /// Whose account it is, as the app says of what was typed: the first refusal is the last attempt.
    async fn tried(
        &self,
        wanted: Wanted<'_>,
        typed: &Typed,
        fields: &Fields,
        facts: &Value,
    ) -> Result<Account, StepError> {
        let manifest = wanted.manifest;
        let credential = Credential::new(shown(typed, fields), manifest.hosts(facts)?);
        let ask = async |call: Call| {
            let limits = CallLimits::default();
            let sent = self.inner.egress.send(&call, Some(&credential), &limits);
            sent.await.map_err(|error| error.step_error())
        };
        if let Some(call) = manifest.verify_call(facts)? {
            let response = ask(call).await?;
            manifest.verified(facts, &response)?;
            // The request that tells whose account it is proves the credential too: it is made once.
            if !manifest.verifies_apart() {
                return manifest.account(facts, &response);
            }
        }
        if let Some(call) = manifest.account_call(facts)? {
            let response = ask(call).await?;
            return manifest.account(facts, &response);
        }
        Ok(match typed.account_field().and_then(|f| fields.get(f)) {
            Some(user) => Account {
                subject: user.reveal().clone(),
                name: user.reveal().clone(),
            },
            None => crate::settle::nameless(wanted),
        })
    }

    /// A record of what led to nothing, and why in one word.
    async fn came_to_nothing(
        &self,
        reader: &Reader,
        wanted: Wanted<'_>,
        reason: &str,
        who: &Who,
    ) -> Result<(), GiveError> {
        let about = match (wanted.asked, wanted.renew) {
            (Some(asked), _) => About::SignIn(&asked.row),
            (None, Some(row)) => About::Connection(row),
            (None, None) => About::Client,
        };
        let (action, outcome) = ("sign_in.failed", "failed");
        let workspace = reader.workspace();
        let mut draft = match about {
            About::SignIn(row) => {
                self.sign_in_draft(reader, who, row, action, outcome)
                    .await?
            }
            About::Connection(row) => connection_draft(who, workspace, row, action, outcome),
            About::Client => {
                let object = ("app_client", wanted.client.id.as_str());
                who.draft(workspace, now(), action, object, outcome)
            }
        };
        draft.reason = Some(reason.to_owned());
        self.commit(Vec::new(), vec![draft]).await?;
        Ok(())
    }

    /// What a step acts with through a connection whose credential was typed; none if part of it is not there.
    pub(crate) async fn typed_credential(
        &self,
        reader: &Reader,
        mut row: ConnectionRow,
        manifest: &Manifest,
    ) -> Result<(ConnectionRow, Option<egress::Scheme>), TypedError> {
        let typed = manifest
            .auth
            .typed(row.scheme)
            .ok_or_else(|| TypedError::NotOffered(not_offered(manifest, row.scheme)))?;
        // Several reads: if the row changes between them, all are read again.
        'again: for _ in 0..8 {
            let mut values = Fields::new();
            for (name, field) in typed.fields.iter().filter(|(_, field)| field.secret) {
                let (found, value) = self.secret(reader, row.clone(), &field.place).await?;
                if found.token_version != row.token_version {
                    row = found;
                    continue 'again;
                }
                let Some(value) = value else {
                    return Ok((found, None));
                };
                values.insert(name.clone(), value);
            }
            let facts: Value = serde_json::from_str(&row.facts).unwrap_or_default();
            for (name, _) in typed.fields.iter().filter(|(_, field)| !field.secret) {
                let Some(value) = facts.get(name).and_then(Value::as_str) else {
                    return Ok((row, None));
                };
                values.insert(name.clone(), Secret::new(value.to_owned()));
            }
            let scheme = shown(typed, &values);
            return Ok((row, Some(scheme)));
        }
        Ok((row, None))
    }
}

/// Why such a credential cannot be had.
pub(crate) enum TypedError {
    NotOffered(StepError),
    Secret(SecretError),
}

impl From<SecretError> for TypedError {
    fn from(error: SecretError) -> Self {
        Self::Secret(error)
    }
}

fn not_offered(manifest: &Manifest, scheme: Scheme) -> StepError {
    StepError::new(
        ErrorKind::Rejected,
        format!(
            "`{}` as this version has it knows no sign-in by `{}`",
            manifest.app,
            scheme.as_str()
        ),
    )
    .with_code("scheme_unknown")
    .with_help("publish the flow again, or connect the account in another way")
}
