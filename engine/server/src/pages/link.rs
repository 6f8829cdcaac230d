//! Connections made or renewed from a list, without a run: the page says what would happen, its button's POST begins it.

use std::fmt;
use std::str::FromStr;

use actas_connections::{ConnectKind, ConnectTarget};
use actas_core::flow::{Flow, SlotKind};
use actas_core::ids::{ClientId, ConnectionId, FlowName, Name, SlotName};
use actas_core::run::ConnectionKind;
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::access::Privilege;
use crate::call::Call;
use crate::context::Context;
use crate::pages::connect::{leads_out, session_hash, to_provider};
use crate::pages::{Chrome, page};
use crate::problem::Problem;
use crate::publish::default_client;
use crate::refusals;
use crate::routes::Answer;
use crate::target::Unknown;

/// What a link is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// Renew this connection.
    Again(ConnectionId),
    /// A new shared connection through this client under this name.
    Shared(ClientId, Name),
    /// One's own, for a flow's slot.
    Slot(FlowName, SlotName),
}

impl LinkTarget {
    /// The path of its page.
    pub fn path(&self) -> String {
        format!("/link/{}", self.to_string().replace(':', "/"))
    }
}

impl fmt::Display for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again(connection) => write!(f, "again:{connection}"),
            Self::Shared(client, name) => write!(f, "shared:{client}:{name}"),
            Self::Slot(flow, slot) => write!(f, "slot:{flow}:{slot}"),
        }
    }
}

impl FromStr for LinkTarget {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["again", id] => id.parse().map(Self::Again).map_err(|_| Unknown),
            ["shared", client, name] => match (client.parse(), name.parse()) {
                (Ok(client), Ok(name)) => Ok(Self::Shared(client, name)),
                _ => Err(Unknown),
            },
            ["slot", flow, slot] => match (flow.parse(), slot.parse()) {
                (Ok(flow), Ok(slot)) => Ok(Self::Slot(flow, slot)),
                _ => Err(Unknown),
            },
            _ => Err(Unknown),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "connect_new.html")]
struct LinkPage {
    chrome: Chrome,
    path: String,
    app: String,
    title: String,
    sentences: Vec<String>,
    scopes: Vec<(String, Option<String>)>,
}

/// What a link would begin.
#[derive(Debug)]
pub enum What {
    /// Renewing, of this account.
    Again(ConnectionId, String),
    /// A new connection.
    New(ConnectTarget),
}

fn target_of(call: &Call) -> Result<LinkTarget, Problem> {
    let mut text = format!("{}:{}", call.text("what"), call.text("first"));
    if let Some(second) = call.path.get("second") {
        text = format!("{text}:{second}");
    }
    text.parse().map_err(|_| Problem::not_found("page"))
}

/// What a link would begin, if the caller may: their own connections, or a shared one with the privilege.
///
/// # Errors
/// 404 for what is not theirs or not there, 403 without the privilege, 409 without an app client.
pub async fn what(
    cx: &Context,
    target: &LinkTarget,
) -> Result<(What, actas_core::ids::AppName), Problem> {
    match target {
        LinkTarget::Again(id) => {
            let row = cx.reader.connection(id).await?;
            let row = row.ok_or_else(|| Problem::not_found("connection"))?;
            match row.kind {
                ConnectionKind::Personal if row.owner == cx.user.id => {}
                ConnectionKind::Shared if cx.may(Privilege::ConnectionsView) => {
                    cx.needs(Privilege::ConnectionsAdd)?;
                }
                ConnectionKind::Personal | ConnectionKind::Shared => {
                    return Err(Problem::not_found("connection"));
                }
            }
            Ok((What::Again(row.id, row.account), row.app))
        }
        LinkTarget::Shared(client, name) => {
            cx.needs(Privilege::ConnectionsAdd)?;
            let client = cx.reader.client(client).await?;
            let client = client.ok_or_else(|| Problem::not_found("app client"))?;
            let target = ConnectTarget {
                app: client.app.clone(),
                client: client.id,
                kind: ConnectKind::Shared { name: name.clone() },
                scopes: Vec::new(),
            };
            Ok((What::New(target), client.app))
        }
        LinkTarget::Slot(flow, slot) => own_for_slot(cx, flow, slot).await,
    }
}

async fn own_for_slot(
    cx: &Context,
    name: &FlowName,
    slot: &SlotName,
) -> Result<(What, actas_core::ids::AppName), Problem> {
    let flow = cx.reader.flow_by_name(name).await?;
    let flow = flow
        .filter(|flow| {
            cx.may(Privilege::FlowsView) || crate::access::on_run_list(&cx.user, &flow.runners)
        })
        .ok_or_else(|| Problem::not_found("flow"))?;
    let document = match cx
        .reader
        .version_by_number(&flow.id, flow.last_version)
        .await?
    {
        Some(version) => {
            serde_json::from_str::<Flow>(&version.document).map_err(Problem::internal)?
        }
        None => {
            let draft = cx.reader.draft(&flow.id).await?;
            let draft = draft.ok_or_else(|| Problem::not_found("flow"))?;
            crate::drafts::check(&draft.text, &cx.app.apps)
                .map_err(refusals::draft)?
                .0
                .flow
        }
    };
    let wanted = document.connections.get(slot);
    let (app, dynamic) = match wanted.map(|wanted| (&wanted.app, &wanted.kind)) {
        Some((app, SlotKind::Dynamic(dynamic))) => (app.clone(), dynamic.clone()),
        Some((_, SlotKind::Connection(_))) => {
            return Err(Problem::conflict(
                "slot_is_shared",
                format!("`{slot}` uses a shared connection: there is nothing to connect"),
            ));
        }
        None => return Err(Problem::not_found("connection")),
    };
    let parent = match &dynamic.parent {
        None => None,
        Some(parent) => cx.reader.shared_connection(parent).await?,
    };
    let client = match &parent {
        Some(parent) => Some(parent.client.clone()),
        None => default_client(&cx.reader, &app)
            .await?
            .map(|client| client.id),
    };
    let client = client.ok_or_else(|| {
        Problem::conflict(
            "no_app_client",
            format!("this workspace has no app client for `{app}`: make one with `actas apps configure {app}`"),
        )
    })?;
    let kind = ConnectKind::Personal {
        made_for: parent.is_none().then(|| (flow.id, slot.clone())),
        parent: parent.map(|parent| parent.id),
    };
    let target = ConnectTarget {
        app: app.clone(),
        client,
        kind,
        scopes: dynamic.scopes,
    };
    Ok((What::New(target), app))
}

/// `GET /link/…`
pub async fn show(cx: Context, call: Call) -> Answer {
    let target = target_of(&call)?;
    let (what, app_name) = what(&cx, &target).await?;
    let manifest = cx.app.apps.get(app_name.as_str());
    let app = manifest.map_or_else(|| app_name.to_string(), |manifest| manifest.title.clone());
    let (title, sentences) = match (&what, &target) {
        (What::Again(_, account), _) => (
            format!("Sign in to {app} again"),
            vec![
                format!("This renews the connection of {account}."),
                "You must sign in with the same account; another one is refused.".into(),
            ],
        ),
        (What::New(_), LinkTarget::Shared(_, name)) => (
            format!("Connect {app} for everybody"),
            vec![
                format!("The account you sign in with becomes the shared connection \u{201c}{name}\u{201d} of this workspace."),
                "Flows that name it act as that account, whoever runs them. Do not use your personal account for it.".into(),
            ],
        ),
        (What::New(_), _) => (
            format!("Connect your account at {app}"),
            vec!["It stays yours: flows use it only in runs that you start, and only after you agree.".into()],
        ),
    };
    let words = manifest.and_then(|manifest| manifest.auth.oauth2.as_ref());
    let scopes = match &what {
        What::Again(..) => Vec::new(),
        What::New(target) if target.scopes.is_empty() => words
            .map(|oauth| {
                oauth
                    .scopes
                    .iter()
                    .map(|(name, text)| (name.clone(), Some(text.clone())))
                    .collect()
            })
            .unwrap_or_default(),
        What::New(target) => target
            .scopes
            .iter()
            .map(|scope| {
                (
                    scope.clone(),
                    words.and_then(|oauth| oauth.scopes.get(scope).cloned()),
                )
            })
            .collect(),
    };
    let shown = LinkPage {
        chrome: Chrome::of(&cx),
        path: call.uri.path().to_owned(),
        app,
        title,
        sentences,
        scopes,
    };
    page(StatusCode::OK, &shown).map(leads_out)
}

/// `POST /link/…`
pub async fn begin(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(rename = "csrf")]
        _csrf: String,
    }
    let _: Form = call.form()?;
    let (what, _) = what(&cx, &target_of(&call)?).await?;
    let (connections, workspace, who) = (&cx.app.connections, cx.workspace(), cx.who());
    let session = session_hash(&cx)?;
    let url = match what {
        What::Again(id, _) => {
            connections
                .begin_reconnect(workspace, &id, &cx.user.id, session, &who)
                .await
        }
        What::New(target) => {
            connections
                .begin_connect(workspace, &target, &cx.user.id, session, &who)
                .await
        }
    };
    Ok(to_provider(&url.map_err(refusals::sign_in)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_links_name_and_path_lead_to_the_same_thing() {
        let target = LinkTarget::Slot(
            "new-opportunity".parse().expect("a flow"),
            "crm".parse().expect("a slot"),
        );
        assert_eq!(target.path(), "/link/slot/new-opportunity/crm");
        assert_eq!(target.to_string().parse(), Ok(target));
        for odd in [
            "",
            "again:",
            "again:https://evil.example",
            "slot:a",
            "slot:a:b:c",
            "shared:x:y",
        ] {
            assert_eq!(odd.parse::<LinkTarget>(), Err(Unknown), "{odd}");
        }
    }
}
