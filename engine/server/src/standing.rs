//! How a connection stands, beside what its row says: under what it was made, whether anything can use it, and what its person should know before
//! it stops working. Reads only; no secret is looked at, only whether there is one.

use std::time::Duration;

use actas_core::Time;
use actas_core::run::ConnectionKind;
use actas_store::{ConnectionRow, ConnectionState};
use serde_json::{Value, json};

use crate::context::Context;
use crate::problem::Problem;

/// What ends sooner than this is said to be ending.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is known ahead of a connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// When what is stored now ends, if the provider said.
    pub expires_at: Option<Time>,
    /// It is renewed without its person.
    pub renews: bool,
    /// It ends within a week, and its person will be asked again.
    pub expiring: bool,
    /// Nothing used it for longer than the workspace's policy says.
    pub unused: bool,
}

impl Ahead {
    /// Of a connection.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn of(cx: &Context, row: &ConnectionRow) -> Result<Self, Problem> {
        let live = row.state == ConnectionState::Connected;
        let renews = live && cx.app.connections.renews(cx.workspace(), row).await?;
        let days = cx.reader.policies().await?.policies.unused_after;
        let soon = cx.now.after(SOON);
        let used = row.last_used_at.unwrap_or(row.created_at);
        Ok(Self {
            expires_at: row.expires_at,
            renews,
            expiring: live && !renews && row.expires_at.is_some_and(|end| end <= soon),
            unused: used.after(DAY.saturating_mul(days)) <= cx.now,
        })
    }
}

/// Adds to what a list shows of a connection.
///
/// # Errors
/// If the database is away.
pub async fn add(cx: &Context, row: &ConnectionRow, shown: &mut Value) -> Result<(), Problem> {
    let ahead = Ahead::of(cx, row).await?;
    shown["renews"] = json!(ahead.renews);
    shown["expiring"] = json!(ahead.expiring);
    shown["unused"] = json!(ahead.unused);
    match row.kind {
        ConnectionKind::Personal => {
            shown["parent"] = parent(cx, row).await?;
            let orphan = cx.app.connections.is_orphan(cx.workspace(), row).await?;
            shown["orphan"] = json!(orphan);
        }
        ConnectionKind::Shared => {
            let holder = cx.reader.user(&row.owner).await?;
            shown["holder_left"] = json!(holder.is_none_or(|holder| holder.disabled));
        }
    }
    Ok(())
}

/// The parent a personal connection was made under, also after it was deleted; null: none.
async fn parent(cx: &Context, row: &ConnectionRow) -> Result<Value, Problem> {
    let Some(id) = &row.parent else {
        return Ok(Value::Null);
    };
    if let Some(parent) = cx.reader.connection(id).await? {
        return Ok(json!({"id": id, "name": parent.name, "deleted": false}));
    }
    let left = cx.reader.deleted_parent(id).await?;
    Ok(json!({
        "id": id, "name": left.as_ref().map(|left| &left.name), "deleted": true,
        "deleted_at": left.map(|left| left.deleted_at),
    }))
}
