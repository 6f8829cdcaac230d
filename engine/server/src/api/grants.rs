//! What I agreed to: for each slot of each flow which of my accounts it acts through, and how far it may go. I can choose another account of
//! mine, or take it back; agreeing to more happens on the page that shows it.

use actas_connections::{Choice, Surface};
use actas_core::ids::{ConnectionId, FlowName, SlotName};
use actas_store::{Binding, FlowRow, GrantRow};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::last_version;
use crate::api::me::{connection_view, nothing, own_connection};
use crate::api::ok;
use crate::call::Call;
use crate::context::Context;
use crate::pages::link::LinkTarget;
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;

/// `GET /me/grants`
pub async fn list(cx: Context, _call: Call) -> Answer {
    let mut shown = Vec::new();
    for grant in cx.reader.grants_by(&cx.user.id).await? {
        if let Some(flow) = cx.reader.flow(&grant.flow).await? {
            shown.push(view(&cx, &flow, &grant).await?);
        }
    }
    Ok(ok(&json!({"grants": shown})))
}

async fn view(cx: &Context, flow: &FlowRow, grant: &GrantRow) -> Result<Value, Problem> {
    let connection = cx.reader.connection(&grant.connection).await?;
    let agreed = serde_json::from_str::<Surface>(&grant.surface).ok();
    let choices = match found(cx, flow, &grant.slot).await {
        Ok(slot) => Some(slot.choices(cx).await?),
        // The last version has no such slot any more, or was never published.
        Err(_) => None,
    };
    Ok(json!({
        "flow": flow.name, "title": flow.title, "slot": grant.slot, "in_use": choices.is_some(),
        "app": connection.as_ref().map(|row| &row.app), "connection": grant.connection,
        "account": connection.as_ref().map(|row| &row.account), "state": connection.map(|row| row.state.as_str()),
        "agreed_at": grant.at, "scopes": agreed.as_ref().map(|agreed| &agreed.scopes),
        "modules": agreed.as_ref().map(|agreed| &agreed.modules), "hosts": agreed.map(|agreed| agreed.hosts),
        "choices": choices,
    }))
}

/// A dynamic slot of a flow's last version.
struct Slot {
    flow: FlowRow,
    slot: SlotName,
    client: actas_core::ids::ClientId,
    parent: Option<ConnectionId>,
    surface: Surface,
}

impl Slot {
    fn choice<'a>(&'a self, cx: &'a Context) -> Choice<'a> {
        Choice {
            person: &cx.user.id,
            flow: &self.flow.id,
            slot: &self.slot,
            client: &self.client,
            parent: self.parent.as_ref(),
            surface: &self.surface,
        }
    }

    /// The caller's connections that can fill it.
    async fn choices(&self, cx: &Context) -> Result<Vec<Value>, Problem> {
        let rows = cx
            .app
            .connections
            .choices(cx.workspace(), &self.choice(cx))
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| json!({"connection": row.id, "account": row.account}))
            .collect())
    }
}

async fn found(cx: &Context, flow: &FlowRow, slot: &SlotName) -> Result<Slot, Problem> {
    let gone = || Problem::not_found("slot");
    let version = last_version(cx, flow).await?;
    let number = version.plan.slot(slot).ok_or_else(gone)?;
    let Some(Binding::Dynamic { client, parent }) = version.bindings.slots.get(slot) else {
        return Err(gone());
    };
    let surface = cx
        .app
        .runner
        .surface(cx.workspace(), &version, number, client.clone())
        .await;
    Ok(Slot {
        flow: flow.clone(),
        slot: slot.clone(),
        client: client.clone(),
        parent: parent.clone(),
        surface,
    })
}

/// The caller's own connections that can fill a slot of a flow's last version; empty if it has no such slot.
///
/// # Errors
/// If the database is away.
pub async fn choices(
    cx: &Context,
    flow: &FlowName,
    slot: &SlotName,
) -> Result<Vec<Value>, Problem> {
    let Some(flow) = cx.reader.flow_by_name(flow).await? else {
        return Ok(Vec::new());
    };
    match found(cx, &flow, slot).await {
        Ok(slot) => slot.choices(cx).await,
        Err(_) => Ok(Vec::new()),
    }
}

/// The caller's grant of the path. What they did not agree to is not there, whatever flows there are.
async fn of_path(cx: &Context, call: &Call) -> Result<(FlowRow, GrantRow), Problem> {
    let (name, slot): (FlowName, SlotName) = (call.id("flow")?, call.id("slot")?);
    let gone = || Problem::not_found("grant");
    let flow = cx.reader.flow_by_name(&name).await?.ok_or_else(gone)?;
    let grant = cx.reader.grant(&cx.user.id, &flow.id, &slot).await?;
    Ok((flow, grant.ok_or_else(gone)?))
}

/// `PUT /me/grants/{flow}/{slot}`: another of my accounts; what I agreed to stays.
pub async fn choose(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        connection: ConnectionId,
    }
    let (flow, grant) = of_path(&cx, &call).await?;
    let Body { connection } = call.json()?;
    let slot = found(&cx, &flow, &grant.slot).await?;
    cx.app
        .connections
        .choose(cx.workspace(), &slot.choice(&cx), &connection, &cx.who())
        .await
        .map_err(refusals::connections)?;
    let (flow, grant) = of_path(&cx, &call).await?;
    Ok(ok(&view(&cx, &flow, &grant).await?))
}

/// `DELETE /me/grants/{flow}/{slot}`: my next run of it asks me again. Runs that have begun keep what they were given.
pub async fn withdraw(cx: Context, call: Call) -> Answer {
    let (flow, grant) = of_path(&cx, &call).await?;
    let person = &cx.user.id;
    cx.app
        .connections
        .withdraw(cx.workspace(), person, &flow.id, &grant.slot, &cx.who())
        .await
        .map_err(refusals::connections)?;
    Ok(ok(
        &json!({"flow": flow.name, "slot": grant.slot, "withdrawn": true}),
    ))
}

/// `GET /me/connections/{connection}`
pub async fn connection(cx: Context, call: Call) -> Answer {
    let row = own_connection(&cx, &call).await?;
    Ok(ok(&connection_view(&cx, &row).await?))
}

/// `GET /me/connections/{connection}/where-used`
pub async fn where_used(cx: Context, call: Call) -> Answer {
    let row = own_connection(&cx, &call).await?;
    Ok(ok(&crate::api::lifecycle::own_use(&cx, &row).await?))
}

/// `POST /me/connections/{connection}/switch`: the page to sign in with another account at, which takes this one's place wherever it is used.
pub async fn switch(cx: Context, call: Call) -> Answer {
    nothing(&call)?;
    let row = own_connection(&cx, &call).await?;
    let target = LinkTarget::Another(row.id);
    Ok(ok(&json!({"url": cx.app.origin.join(&target.path())})))
}
