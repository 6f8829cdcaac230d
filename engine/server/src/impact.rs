//! What hangs on a shared connection: the flows that use it, the runs that are under way, the people it is about. Shown before it is deleted and
//! once more when it was. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use actas_core::flow::{Draft, parse};
use actas_core::ids::{ConnectionId, FlowName, SlotName, UserId, VersionId};
use actas_store::{Binding, Bindings, ConnectionRow, FlowRow, VersionRow};
use serde::Serialize;

use crate::access::Privilege;
use crate::context::Context;
use crate::problem::Problem;

/// A flow that uses a connection, in its last version.
#[derive(Debug, Clone, Serialize)]
pub struct UsedBy {
    /// The flow.
    pub flow: FlowName,
    /// Its title.
    pub title: Option<String>,
    /// Its last version.
    pub version: u32,
    /// The slots.
    pub slots: Vec<UsedIn>,
    /// True if it takes runs now, and would not any more.
    pub stops: bool,
    /// Its row.
    #[serde(skip)]
    pub row: FlowRow,
}

/// A slot that uses a connection.
#[derive(Debug, Clone, Serialize)]
pub struct UsedIn {
    /// The slot.
    pub slot: SlotName,
    /// `connection`: whoever runs it acts through it. `parent`: it says which app and client people sign in with.
    #[serde(rename = "as")]
    pub role: &'static str,
}

/// A draft that names a connection.
#[derive(Debug, Clone, Serialize)]
pub struct NamedIn {
    /// The flow.
    pub flow: FlowName,
    /// The slots.
    pub slots: Vec<SlotName>,
}

/// What hangs on a connection.
#[derive(Debug, Clone, Serialize)]
pub struct Impact {
    /// The flows that use it.
    pub flows: Vec<UsedBy>,
    /// Runs that have not ended, by their state: each fails at its next use of the connection.
    pub runs: BTreeMap<String, u64>,
    /// The people who are in these runs or made a connection of their own under it.
    pub people: People,
    /// The personal connections made under it: they are kept, and serve nothing until another parent adopts them.
    pub orphans: usize,
}

/// People, by number and for those who may see them by login.
#[derive(Debug, Clone, Serialize)]
pub struct People {
    /// How many.
    pub count: usize,
    /// Who; null without the privilege to see whose personal connections there are.
    pub logins: Option<Vec<String>>,
}

/// The slots of a version that use a connection.
fn uses(row: &VersionRow, connection: &ConnectionId) -> Vec<UsedIn> {
    let bindings: Bindings = serde_json::from_str(&row.bindings).unwrap_or_default();
    let role = |binding: &Binding| match binding {
        Binding::Shared { connection: id, .. } => (id == connection).then_some("connection"),
        Binding::Dynamic { parent, .. } => {
            (parent.as_ref() == Some(connection)).then_some("parent")
        }
    };
    bindings
        .slots
        .iter()
        .filter_map(|(slot, binding)| {
            let slot = slot.clone();
            role(binding).map(|role| UsedIn { slot, role })
        })
        .collect()
}

/// The flows whose last version uses a shared connection, as such or as a parent.
///
/// # Errors
/// If the database is away.
pub async fn used_by(cx: &Context, connection: &ConnectionId) -> Result<Vec<UsedBy>, Problem> {
    let mut found = Vec::new();
    for row in cx.reader.flows().await? {
        let version = cx
            .reader
            .version_by_number(&row.id, row.last_version)
            .await?;
        let slots = version.map_or_else(Vec::new, |version| uses(&version, connection));
        if !slots.is_empty() {
            found.push(UsedBy {
                flow: row.name.clone(),
                title: row.title.clone(),
                version: row.last_version,
                slots,
                stops: row.stopped.is_none(),
                row,
            });
        }
    }
    Ok(found)
}

/// The drafts that name a shared connection, as they stand.
///
/// # Errors
/// If the database is away.
pub async fn named_by(cx: &Context, connection: &ConnectionRow) -> Result<Vec<NamedIn>, Problem> {
    let mut found = Vec::new();
    let Some(name) = &connection.name else {
        return Ok(found);
    };
    for row in cx.reader.flows().await? {
        let Some(draft) = cx.reader.draft(&row.id).await? else {
            continue;
        };
        let Some(Draft { flow, .. }) = parse(&draft.text, &cx.app.apps).draft else {
            continue;
        };
        let slots: Vec<SlotName> = flow
            .connections
            .iter()
            .filter(|(_, slot)| slot.names() == Some(name))
            .map(|(slot, _)| slot.clone())
            .collect();
        if !slots.is_empty() {
            found.push(NamedIn {
                flow: row.name,
                slots,
            });
        }
    }
    Ok(found)
}

/// What hangs on a shared connection just now.
///
/// # Errors
/// If the database is away.
pub async fn impact(cx: &Context, connection: &ConnectionRow) -> Result<Impact, Problem> {
    let mut people: BTreeSet<UserId> = BTreeSet::new();
    let mut runs: BTreeMap<String, u64> = BTreeMap::new();
    // Runs go on with the version they began with, whatever was published since.
    let mut known: BTreeMap<VersionId, bool> = BTreeMap::new();
    for living in cx.reader.living_runs().await? {
        let hit = match known.get(&living.version) {
            Some(hit) => *hit,
            None => {
                let version = cx.reader.version(&living.version).await?;
                let hit = version.is_some_and(|row| !uses(&row, &connection.id).is_empty());
                known.insert(living.version.clone(), hit);
                hit
            }
        };
        if hit {
            *runs.entry(living.state).or_default() += u64::from(living.count);
            people.extend(living.invoker);
        }
    }
    let under = cx.reader.connections_under(&connection.id).await?;
    people.extend(under.iter().map(|row| row.owner.clone()));
    let logins = match cx.may(Privilege::RuntimeConnectionsView) {
        false => None,
        true => {
            let mut logins = Vec::new();
            for person in &people {
                logins.push(cx.login_of(person).await?);
            }
            logins.sort();
            Some(logins)
        }
    };
    Ok(Impact {
        flows: used_by(cx, &connection.id).await?,
        runs,
        people: People {
            count: people.len(),
            logins,
        },
        orphans: under.len(),
    })
}
