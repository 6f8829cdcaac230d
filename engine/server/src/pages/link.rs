//! Connections made or renewed from a list, without a run: the page says what would happen, its button's POST begins it.

use std::fmt;
use std::str::FromStr;

use actas_connections::{ConnectKind, ConnectTarget, Fields, Finished};
use actas_core::flow::{Dynamic, Flow, Slot, SlotKind};
use actas_core::ids::{AppName, ClientId, ConnectionId, FlowId, Name, SlotName};
use actas_core::run::{ConnectionKind, Scheme};
use actas_store::{Binding, Bindings};
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::access::Privilege;
use crate::call::Call;
use crate::context::Context;
use crate::gate::hash_of;
use crate::pages::connect::{leads_out, session_hash, to_provider};
use crate::pages::{Chrome, Message, page};
use crate::problem::Problem;
use crate::publish::default_client;
use crate::refusals;
use crate::routes::Answer;
use crate::target::Unknown;
use crate::typed::{self, Ways};

/// What a link is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// Renew this connection.
    Again(ConnectionId),
    /// A new shared connection through this client under this name.
    Shared(ClientId, Name),
    /// One's own, for a flow's slot. The flow by its id: one made again under an old name is another.
    Slot(FlowId, SlotName),
    /// One's own with another account, in the place of this one.
    Another(ConnectionId),
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
            Self::Another(connection) => write!(f, "another:{connection}"),
        }
    }
}

impl FromStr for LinkTarget {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["again", id] => id.parse().map(Self::Again).map_err(|_| Unknown),
            ["another", id] => id.parse().map(Self::Another).map_err(|_| Unknown),
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
    /// What was wrong with what they typed.
    fault: Option<String>,
    ways: Ways,
    scopes: Vec<(String, Option<String>)>,
    shown: String,
}

/// What a link would begin.
#[derive(Debug)]
pub enum What {
    /// Renewing, of this account.
    Again(ConnectionId, String, Scheme),
    /// A new connection.
    New(ConnectTarget),
}

impl What {
    /// Names exactly this: what a page showed is what its button begins, or nothing.
    fn digest(&self) -> String {
        let text = match self {
            Self::Again(id, _, _) => id.to_string(),
            Self::New(target) => serde_json::to_string(target).unwrap_or_default(),
        };
        hash_of(&text)
    }
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
                    cx.needs(Privilege::ConnectionsEdit)?;
                }
                ConnectionKind::Personal | ConnectionKind::Shared => {
                    return Err(Problem::not_found("connection"));
                }
            }
            Ok((What::Again(row.id, row.account, row.scheme), row.app))
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
        LinkTarget::Another(id) => {
            let row = cx.reader.connection(id).await?.filter(|row| {
                row.kind == ConnectionKind::Personal
                    && row.owner == cx.user.id
                    && row.only_run.is_none()
            });
            let row = row.ok_or_else(|| Problem::not_found("connection"))?;
            let target = ConnectTarget {
                app: row.app.clone(),
                client: row.client,
                kind: ConnectKind::Another {
                    than: row.id,
                    parent: row.parent,
                    made_for: row.made_for,
                },
                scopes: row.scopes,
            };
            Ok((What::New(target), row.app))
        }
    }
}

async fn own_for_slot(
    cx: &Context,
    id: &FlowId,
    slot: &SlotName,
) -> Result<(What, actas_core::ids::AppName), Problem> {
    let flow = cx.reader.flow(id).await?;
    let flow = flow
        .filter(|flow| {
            cx.may(Privilege::FlowsView) || crate::access::on_run_list(&cx.user, &flow.runners)
        })
        .ok_or_else(|| Problem::not_found("flow"))?;
    let version = cx
        .reader
        .version_by_number(&flow.id, flow.last_version)
        .await?;
    // A version says what its names mean, and that is what its runs go by. A flow that was never published means what they mean now.
    let (document, bound) = match version {
        Some(version) => {
            let document =
                serde_json::from_str::<Flow>(&version.document).map_err(Problem::internal)?;
            let mut bindings =
                serde_json::from_str::<Bindings>(&version.bindings).map_err(Problem::internal)?;
            (document, bindings.slots.remove(slot))
        }
        None => {
            let draft = cx.reader.draft(&flow.id).await?;
            let draft = draft.ok_or_else(|| Problem::not_found("flow"))?;
            let document = crate::drafts::check(&draft.text, &cx.app.apps)
                .map_err(refusals::draft)?
                .0
                .flow;
            (document, None)
        }
    };
    let wanted = document.connections.get(slot).map(Slot::acting);
    let (app, dynamic) = match wanted.map(|wanted| (wanted.app, wanted.kind)) {
        Some((app, SlotKind::Dynamic(dynamic))) => (app, dynamic),
        Some((_, SlotKind::Connection(_))) => {
            return Err(Problem::conflict(
                "slot_is_shared",
                format!("`{slot}` uses a shared connection: there is nothing to connect"),
            ));
        }
        None => return Err(Problem::not_found("connection")),
    };
    let (client, parent) = match bound {
        Some(Binding::Dynamic { client, parent }) => (client, parent),
        Some(Binding::Shared { .. }) | None => meant_now(cx, &app, &dynamic).await?,
    };
    if let Some(id) = &parent
        && cx.reader.connection(id).await?.is_none()
    {
        return Err(parent_gone(slot));
    }
    let kind = ConnectKind::Personal {
        made_for: parent.is_none().then(|| (flow.id, slot.clone())),
        parent,
    };
    let target = ConnectTarget {
        app: app.clone(),
        client,
        kind,
        scopes: dynamic.scopes,
    };
    Ok((What::New(target), app))
}

fn parent_gone(slot: impl fmt::Display) -> Problem {
    Problem::conflict(
        "parent_deleted",
        format!(
            "the connection that `{slot}` goes through was deleted: the flow has to be published with another one"
        ),
    )
}

/// The app client and the parent that a draft's slot means as things are named now.
async fn meant_now(
    cx: &Context,
    app: &AppName,
    dynamic: &Dynamic,
) -> Result<(ClientId, Option<ConnectionId>), Problem> {
    if let Some(name) = &dynamic.parent {
        let parent = cx.reader.shared_connection(name).await?;
        let parent = parent.filter(|parent| parent.app == *app);
        return parent
            .map(|parent| (parent.client, Some(parent.id)))
            .ok_or_else(|| parent_gone(name));
    }
    let client = default_client(&cx.reader, app).await?;
    client.map(|client| (client.id, None)).ok_or_else(|| {
        Problem::conflict(
            "no_app_client",
            format!("this workspace has no app client for `{app}`: make one with `actas apps configure {app}`"),
        )
    })
}

/// `GET /link/…`
pub async fn show(cx: Context, call: Call) -> Answer {
    shown(&cx, &call, StatusCode::OK, None).await
}

async fn shown(cx: &Context, call: &Call, status: StatusCode, fault: Option<String>) -> Answer {
    let target = target_of(call)?;
    let (what, app_name) = what(cx, &target).await?;
    let manifest = cx.app.apps.get(app_name.as_str());
    let app = manifest.map_or_else(|| app_name.to_string(), |manifest| manifest.title.clone());
    let (title, sentences) = match (&what, &target) {
        (What::Again(_, account, _), _) => (
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
        (What::New(_), LinkTarget::Another(_)) => (
            format!("Sign in to {app} with another account"),
            vec![
                "Flows that you agreed to act through that account from then on, each within what you agreed to.".into(),
                "The account you have connected now stays in your list until you disconnect or delete it.".into(),
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
    let mut ways = match (&what, manifest) {
        (What::Again(_, _, scheme), _) => Ways::again(manifest.map(AsRef::as_ref), *scheme),
        (What::New(_), None) => Ways::default(),
        (What::New(target), Some(manifest)) => {
            let own = matches!(target.kind, ConnectKind::Personal { .. });
            Ways::into(manifest, own && oauth2_only(cx).await?)
        }
    };
    ways.seen = Some(what.digest());
    let scopes = if ways.button { scopes } else { Vec::new() };
    let shown = LinkPage {
        chrome: Chrome::of(cx),
        path: call.uri.path().to_owned(),
        app,
        title,
        sentences,
        fault,
        ways,
        scopes,
        shown: what.digest(),
    };
    page(status, &shown).map(leads_out)
}

/// Whether slots may be filled by OAuth 2 alone.
async fn oauth2_only(cx: &Context) -> Result<bool, Problem> {
    Ok(cx.reader.policies().await?.policies.oauth2_only)
}

/// Makes or renews a connection with what was typed. The page comes again, without it, if it was wrong.
async fn give(cx: &Context, call: &Call, what: What, typed: (Scheme, Fields)) -> Answer {
    let (connections, workspace, who) = (&cx.app.connections, cx.workspace(), cx.who());
    let done = match &what {
        What::Again(id, _, _) => {
            let (_, fields) = typed;
            connections
                .update_typed(workspace, id, &cx.user.id, fields, &who)
                .await
        }
        What::New(target) => {
            connections
                .give_connect(workspace, target, &cx.user.id, typed, &who)
                .await
        }
    };
    match done {
        Ok(done) => connected(cx, done),
        Err(error) => {
            let (status, fault) = typed::said_again(error).map_err(typed::refused)?;
            shown(cx, call, status, Some(fault)).await
        }
    }
}

fn connected(cx: &Context, done: Finished) -> Answer {
    page(
        StatusCode::OK,
        &Message {
            chrome: Chrome::of(cx),
            title: format!("Connected as {}", done.account),
            tone: "good",
            sentences: vec![format!("The account at {} is connected.", done.app)],
            on: Some(("/".into(), "To my first page".into())),
        },
    )
}

/// `POST /link/…`
pub async fn begin(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(rename = "csrf")]
        _csrf: String,
        shown: String,
    }
    let (what, _) = what(&cx, &target_of(&call)?).await?;
    let given = typed::given(&call)?;
    let seen = match &given {
        Some(_) => call.form_field("shown").unwrap_or_default(),
        None => {
            let form: Form = call.form()?;
            form.shown
        }
    };
    if what.digest() != seen {
        return Err(Problem::conflict(
            "changed_meanwhile",
            "what this page showed was changed meanwhile: open it again and look at it once more",
        ));
    }
    if let Some(typed) = given {
        return give(&cx, &call, what, typed).await;
    }
    let (connections, workspace, who) = (&cx.app.connections, cx.workspace(), cx.who());
    let session = session_hash(&cx)?;
    let url = match what {
        What::Again(id, _, Scheme::ClientCredentials) => {
            let done = connections
                .reconnect_as_client(workspace, &id, &cx.user.id, &who)
                .await;
            return connected(&cx, done.map_err(refusals::sign_in)?);
        }
        What::Again(id, _, _) => {
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
        let flow = FlowId::from_bits(7);
        let target = LinkTarget::Slot(flow.clone(), "crm".parse().expect("a slot"));
        assert_eq!(target.path(), format!("/link/slot/{flow}/crm"));
        assert_eq!(target.to_string().parse(), Ok(target));
        for odd in [
            "",
            "again:",
            "again:https://evil.example",
            "slot:a",
            "slot:new-opportunity:crm",
            "another:crm",
            "slot:a:b:c",
            "shared:x:y",
        ] {
            assert_eq!(odd.parse::<LinkTarget>(), Err(Unknown), "{odd}");
        }
    }
}
