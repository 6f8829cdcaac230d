//! What is typed to sign in, over the API: new connections, and a new password in the place of the old one. Only for people themselves, in a
//! browser or at this machine; a program with a token cannot sign in for anybody. No answer holds any of it.

use actas_connections::{ConnectTarget, Fields, Finished};
use actas_core::ids::ConnectionId;
use actas_core::run::{ConnectionKind, Scheme};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Privilege;
use crate::api::me::{connection_view, own_connection};
use crate::api::ok;
use crate::call::Call;
use crate::context::{Context, Via};
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;
use crate::typed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    fields: Value,
}

/// `PUT /me/connections/{connection}/password`
pub async fn set_own(cx: Context, call: Call) -> Answer {
    let row = own_connection(&cx, &call).await?;
    set(&cx, &call, &row.id).await
}

/// `PUT /connections/{connection}/password`
pub async fn set_shared(cx: Context, call: Call) -> Answer {
    cx.needs(Privilege::ConnectionsEdit)?;
    let id: ConnectionId = call.id("connection")?;
    let row = cx.reader.connection(&id).await?;
    let row = row
        .filter(|row| row.kind == ConnectionKind::Shared)
        .ok_or_else(|| Problem::not_found("connection"))?;
    set(&cx, &call, &row.id).await
}

async fn set(cx: &Context, call: &Call, id: &ConnectionId) -> Answer {
    let body: Body = call.json()?;
    let fields = typed::fields_of(body.fields)?;
    let done = cx
        .app
        .connections
        .update_typed(cx.workspace(), id, &cx.user.id, fields, &cx.who())
        .await
        .map_err(typed::refused)?;
    made(cx, &done).await
}

/// What a body says beside what is to be connected: the kind of sign-in, with what was typed for it.
///
/// # Errors
/// 400 if it says one without the other, 403 for a program.
pub fn given(
    cx: &Context,
    kind: Option<&str>,
    fields: Option<Value>,
) -> Result<Option<(Scheme, Fields)>, Problem> {
    match (kind, fields) {
        (None, None) => Ok(None),
        (Some(kind), Some(fields)) => {
            if matches!(cx.via, Via::Token { .. }) {
                return Err(Problem::forbidden(
                    "an API token cannot sign in for anybody: leave out `fields` and open the page",
                ));
            }
            Ok(Some((typed::scheme_of(kind)?, typed::fields_of(fields)?)))
        }
        _ => Err(Problem::bad(
            "bad_fields",
            "`kind` and `fields` belong together",
        )),
    }
}

/// Makes a connection with what was typed.
///
/// # Errors
/// What [`typed::refused`] says.
pub async fn connect(cx: &Context, target: &ConnectTarget, given: (Scheme, Fields)) -> Answer {
    let done = cx
        .app
        .connections
        .give_connect(cx.workspace(), target, &cx.user.id, given, &cx.who())
        .await
        .map_err(typed::refused)?;
    made(cx, &done).await
}

/// Makes a shared connection as which the app client itself acts.
///
/// # Errors
/// 409 if the app does not offer it; what [`refusals::sign_in`] says.
pub async fn connect_as_client(cx: &Context, target: &ConnectTarget) -> Answer {
    let manifest = cx.app.apps.get(target.app.as_str());
    let offered = manifest
        .and_then(|manifest| manifest.auth.oauth2.as_ref())
        .is_some_and(|oauth2| oauth2.client_credentials);
    if !offered {
        return Err(Problem::conflict(
            "kind_not_offered",
            format!("`{}` lets no app client act as itself", target.app),
        ));
    }
    let done = cx
        .app
        .connections
        .connect_as_client(cx.workspace(), target, &cx.user.id, &cx.who())
        .await
        .map_err(refusals::sign_in)?;
    made(cx, &done).await
}

async fn made(cx: &Context, done: &Finished) -> Answer {
    let row = cx.reader.connection(&done.connection).await?;
    let row = row.ok_or_else(|| Problem::not_found("connection"))?;
    Ok(ok(&json!({"connection": connection_view(cx, &row).await?})))
}
