//! Publishing: a draft becomes a version. Names are resolved to ids, the document is made canonical, build-time values are dropped, and that
//! none is left is read back and proved. Nothing here knows of HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actas_connections::Surface;
use actas_core::app::Apps;
use actas_core::diagnostic::Diagnostic;
use actas_core::flow::{Flow, Plan, SlotKind, Unmanned, canonical, digest};
use actas_core::ids::{AppName, Name, SlotName, UserId, VersionId};
use actas_core::run::LEVEL;
use actas_runner::LoadError;
use actas_store::{
    Binding, Bindings, ClientRow, Commit, CommitError, ConnectionState, DraftRow, FlowRow,
    ManifestRow, Op, ReadError, Reader, VersionRow, system,
};
use serde::Serialize;
use serde_json::Value;

use crate::attach::{self, AttachError};
use crate::calls;
use crate::context::{Context, Fill};
use crate::difference::{Difference, difference};
use crate::drafts::{self, DraftError};
use crate::dynamic::{self, MayNotTurn};
use crate::leaves::{Leaves, leaves};
use crate::renewed;
use crate::triggers;

/// How often a commit is tried that meets the flow's own schedule firing.
const TRIES: u32 = 10;

/// Why a draft is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The draft has faults.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// Names that lead nowhere; all of them.
    #[error("the flow names what is not there")]
    Unresolved(Vec<Unresolved>),
    /// A webhook's secrets that are not there.
    #[error(
        "the webhook names secrets that are not there: make each with `actas secrets add NAME`"
    )]
    NoSecret(Vec<Name>),
    /// Attaching a shared connection needs the privilege.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The workspace wants four eyes.
    #[error("you saved this draft last: in this workspace somebody else publishes it")]
    ByTheSame,
    /// Dynamic slots may be turned on and off by those alone who have the privileges, whoever wrote the draft.
    #[error(transparent)]
    Dynamic(#[from] MayNotTurn),
    /// A flow that nobody starts would act as somebody, by way of others it runs.
    #[error("a flow that nobody starts would run one that acts as whoever runs it")]
    Unmanned(Vec<Unmanned>),
    /// Nothing has changed since the last version.
    #[error("nothing has changed since version {0}")]
    Same(u32),
    /// Somebody published meanwhile.
    #[error("the flow was published meanwhile: look at the new version, then repeat")]
    Meanwhile,
    /// What was written is not what publishing promises. It has been stopped.
    #[error("the version is not what publishing promises ({0}): the flow is stopped")]
    NotProved(String),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unresolved {
    /// The slot.
    pub slot: SlotName,
    /// A stable word.
    pub code: &'static str,
    /// What is missing and what to do.
    pub message: String,
}

/// What publishing did, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Published {
    /// The flow's name.
    pub flow: String,
    /// The version's number.
    pub version: u32,
    /// `sha256:…` over document, manifests and bindings.
    pub digest: String,
    /// The steps in the order they can run: each wave needs only earlier ones.
    pub waves: Vec<Vec<String>>,
    /// The slots whose build-time values were dropped.
    pub dropped: Dropped,
    /// What is different from the last version.
    pub difference: Difference,
    /// How what somebody's own account gives gets to others: through approvals, other accounts, outputs.
    pub leaves: Vec<Leaves>,
    /// Whose next run pauses for consent, because the flow now reaches further.
    pub widens: Vec<Widened>,
    /// Slots that are others than the ones of that name in older versions: whoever runs the flow is asked for them anew.
    pub renewed: Vec<SlotName>,
    /// What starts it by itself: its next times, or where it is called. Null if people do.
    pub trigger: Value,
    /// Warnings, with their places.
    pub warnings: Vec<Diagnostic>,
    /// True if nothing was written.
    pub dry_run: bool,
}

/// What was dropped: names of slots, never a value.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Dropped {
    /// Build-time values of anybody.
    pub build_time: u64,
    /// Slots for which the publisher had one.
    pub slots: Vec<SlotName>,
}

/// A person who agreed to less.
#[derive(Debug, Clone, Serialize)]
pub struct Widened {
    /// Their login.
    pub person: String,
    /// For this slot.
    pub slot: SlotName,
    /// What is new.
    pub adds: Vec<String>,
}

/// A draft made ready to be stored: by publishing, or as the snapshot of a draft run.
#[derive(Debug)]
pub struct Frozen {
    /// The row.
    pub row: VersionRow,
    /// The manifests it runs with.
    pub manifests: Vec<ManifestRow>,
    /// Compiled.
    pub plan: Arc<Plan>,
    /// What its names mean.
    pub bindings: Bindings,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

impl Frozen {
    /// The operations that store it.
    pub fn ops(&self, workspace: &actas_core::ids::WorkspaceId) -> Vec<Op> {
        let mut ops: Vec<Op> = self
            .manifests
            .iter()
            .map(|manifest| Op::KeepManifest {
                workspace: workspace.clone(),
                manifest: manifest.clone(),
            })
            .collect();
        ops.push(Op::AddVersion {
            workspace: workspace.clone(),
            version: self.row.clone(),
        });
        ops
    }
}

/// Freezes a draft's text under a number (0: a snapshot).
///
/// # Errors
/// Faults, and names that lead nowhere.
pub async fn freeze(
    cx: &Context,
    flow: &FlowRow,
    draft: &DraftRow,
    number: u32,
) -> Result<Frozen, PublishError> {
    let apps = drafts::apps(cx).await?;
    let (parsed, warnings) = drafts::check(&draft.text, &apps)?;
    let document = parsed.flow;
    let plan = Plan::compile(&document, &cx.app.apps)
        .map_err(|faults| PublishError::Draft(DraftError::Faults(faults)))?;
    attach::check(cx, Some(flow), &document).await?;
    let bindings = resolve(cx, &document).await?;
    let (apps, manifests) = manifests(&plan, &cx.app.apps);
    let bindings_text = sorted(&bindings);
    let mut covered: Vec<String> = apps.values().cloned().collect();
    covered.push(bindings_text.clone());
    Ok(Frozen {
        row: VersionRow {
            id: VersionId::from_bits(system::new_bits()),
            flow: flow.id.clone(),
            number,
            document: canonical(&document),
            digest: digest(&document, &covered),
            bindings: bindings_text,
            manifests: sorted(&apps),
            level: LEVEL,
            created_by: cx.user.id.clone(),
            created_at: cx.now,
        },
        manifests,
        plan: Arc::new(plan),
        bindings,
        warnings,
    })
}

/// The JSON of a value whose maps are sorted: the same every time.
fn sorted<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .map(|value| value.to_string())
        .unwrap_or_default()
}

/// The manifests a plan uses, by app and as rows.
fn manifests(plan: &Plan, all: &Apps) -> (BTreeMap<AppName, String>, Vec<ManifestRow>) {
    let mut used: BTreeMap<AppName, String> = BTreeMap::new();
    let works = plan.steps.iter().filter_map(|step| step.module());
    let of_steps = works.map(|work| &work.manifest);
    let of_slots = plan.slots.iter().map(|slot| &slot.manifest);
    for manifest in of_steps.chain(of_slots) {
        used.insert(manifest.app.clone(), manifest.digest.clone());
    }
    let rows = used
        .keys()
        .filter_map(|app| all.get(app.as_str()))
        .map(|manifest| ManifestRow {
            digest: manifest.digest.clone(),
            app: manifest.app.clone(),
            document: manifest.document.clone(),
        })
        .collect();
    (used, rows)
}

/// From names to ids. Renaming or reusing a name later changes nothing.
async fn resolve(cx: &Context, flow: &Flow) -> Result<Bindings, PublishError> {
    let mut bindings = Bindings::default();
    let mut missing = Vec::new();
    for (slot, written) in &flow.connections {
        let written = written.acting();
        let parent = match &written.kind {
            SlotKind::Connection(name) => Some(name),
            SlotKind::Dynamic(dynamic) => dynamic.parent.as_ref(),
        };
        let shared = match parent {
            None => None,
            Some(name) => match cx.reader.shared_connection(name).await? {
                Some(row) if row.app == written.app => {
                    if matches!(written.kind, SlotKind::Connection(_))
                        && row.state == ConnectionState::NoAccount
                    {
                        missing.push(no_account(slot, name));
                        continue;
                    }
                    Some(row)
                }
                Some(row) => {
                    missing.push(Unresolved {
                        slot: slot.clone(),
                        code: "other_app",
                        message: format!(
                            "shared connection `{name}` is one of the app `{}`, the slot's app is `{}`",
                            row.app, written.app
                        ),
                    });
                    continue;
                }
                None => {
                    missing.push(Unresolved {
                        slot: slot.clone(),
                        code: "no_such_connection",
                        message: format!(
                            "there is no shared connection `{name}`: make it with `actas connections add {name} --app {}`",
                            written.app
                        ),
                    });
                    continue;
                }
            },
        };
        let binding = match (&written.kind, shared) {
            (SlotKind::Connection(_), Some(row)) => Binding::Shared {
                connection: row.id,
                client: row.client,
            },
            (SlotKind::Dynamic(_), Some(row)) => Binding::Dynamic {
                client: row.client,
                parent: Some(row.id),
            },
            (_, None) => match default_client(&cx.reader, &written.app).await? {
                Some(client) => Binding::Dynamic {
                    client: client.id,
                    parent: None,
                },
                None => {
                    missing.push(Unresolved {
                        slot: slot.clone(),
                        code: "no_app_client",
                        message: format!(
                            "this workspace has no app client for `{0}`: make one with `actas apps configure {0}`",
                            written.app
                        ),
                    });
                    continue;
                }
            },
        };
        bindings.slots.insert(slot.clone(), binding);
    }
    if missing.is_empty() {
        Ok(bindings)
    } else {
        Err(PublishError::Unresolved(missing))
    }
}

fn no_account(slot: &SlotName, name: &Name) -> Unresolved {
    Unresolved {
        slot: slot.clone(),
        code: "no_account",
        message: format!(
            "shared connection `{name}` has no account of its own, so nobody can act through it: write `dynamic: {{parent: {name}}}`, or name another"
        ),
    }
}

/// The client of an app that counts when none is named.
pub async fn default_client(
    reader: &Reader,
    app: &AppName,
) -> Result<Option<ClientRow>, ReadError> {
    let clients = reader.clients(Some(app)).await?;
    Ok(clients.into_iter().find(|client| client.is_default))
}

/// Publishes a draft, or says what publishing it would do.
///
/// # Errors
/// See [`PublishError`].
pub async fn publish(
    cx: &Context,
    flow: &FlowRow,
    draft: &DraftRow,
    dry_run: bool,
) -> Result<Published, PublishError> {
    // What publishing would do, its author may see.
    if !dry_run
        && draft.updated_by == cx.user.id
        && cx.reader.policies().await?.policies.publish_by_another
    {
        return Err(PublishError::ByTheSame);
    }
    let frozen = freeze(cx, flow, draft, flow.last_version + 1).await?;
    release(cx, flow, &frozen, dry_run, None).await
}

/// Makes a new version that is equal to an older one, or says what that would do. What its names mean stays what they meant then.
///
/// # Errors
/// See [`PublishError`].
pub async fn roll_back(
    cx: &Context,
    flow: &FlowRow,
    old: &VersionRow,
    dry_run: bool,
) -> Result<Published, PublishError> {
    let version = cx.app.runner.version(cx.workspace(), &old.id).await;
    let version = version.map_err(|error| match error {
        LoadError::Read(error) => PublishError::Read(error),
        other => PublishError::NotProved(other.to_string()),
    })?;
    attach::check_again(cx, flow, &version.bindings).await?;
    still_there(cx, &version.bindings).await?;
    let frozen = Frozen {
        row: VersionRow {
            id: VersionId::from_bits(system::new_bits()),
            number: flow.last_version + 1,
            created_by: cx.user.id.clone(),
            created_at: cx.now,
            ..old.clone()
        },
        manifests: Vec::new(),
        plan: version.plan.clone(),
        bindings: version.bindings.clone(),
        warnings: Vec::new(),
    };
    release(cx, flow, &frozen, dry_run, Some(old.number)).await
}

/// That what an older version's names meant has not been deleted.
async fn still_there(cx: &Context, bindings: &Bindings) -> Result<(), PublishError> {
    let mut missing = Vec::new();
    for (slot, binding) in &bindings.slots {
        let (connection, client) = match binding {
            Binding::Shared { connection, client } => (Some(connection), client),
            Binding::Dynamic { client, parent } => (parent.as_ref(), client),
        };
        let gone = match connection {
            Some(id) => cx.reader.connection(id).await?.is_none(),
            None => false,
        };
        if gone || cx.reader.client(client).await?.is_none() {
            missing.push(Unresolved {
                slot: slot.clone(),
                code: "no_such_connection",
                message: "the connection or app client of that version was deleted: publish the flow anew with another".to_owned(),
            });
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PublishError::Unresolved(missing))
    }
}

/// Stores a frozen version as the next one, or says what that would do.
async fn release(
    cx: &Context,
    flow: &FlowRow,
    frozen: &Frozen,
    dry_run: bool,
    like: Option<u32>,
) -> Result<Published, PublishError> {
    let last = match flow.last_version {
        0 => None,
        number => cx.reader.version_by_number(&flow.id, number).await?,
    };
    if let Some(last) = last
        .as_ref()
        .filter(|last| last.digest == frozen.row.digest)
    {
        return Err(PublishError::Same(last.number));
    }
    calls::check(&cx.reader, flow, &frozen.plan.flow).await?;
    prove_document(&frozen.row).map_err(PublishError::NotProved)?;
    let before: Option<Flow> = last
        .as_ref()
        .and_then(|row| serde_json::from_str(&row.document).ok());
    dynamic::check(cx, before.as_ref(), &frozen.plan.flow)?;
    let own = cx.reader.build_values(&flow.id, &cx.user.id).await?;
    let trigger = &frozen.plan.flow.trigger;
    let mut starts = triggers::starts(cx, flow, &frozen.row, trigger).await?;
    let mut published = Published {
        flow: flow.name.to_string(),
        version: frozen.row.number,
        digest: frozen.row.digest.clone(),
        waves: frozen
            .plan
            .waves()
            .into_iter()
            .map(|wave| wave.into_iter().map(ToString::to_string).collect())
            .collect(),
        dropped: Dropped {
            build_time: cx.reader.build_value_count(&flow.id).await?,
            slots: own.into_iter().map(|row| row.slot).collect(),
        },
        difference: difference(before.as_ref(), &frozen.plan.flow),
        widens: widened(cx, flow, frozen).await?,
        leaves: leaves(&frozen.plan),
        renewed: renewed::slots(cx, flow, last.as_ref(), frozen).await?,
        trigger: starts.shown.take(),
        warnings: frozen.warnings.clone(),
        dry_run,
    };
    published.dropped.slots.sort();
    if dry_run {
        return Ok(published);
    }

    let workspace = cx.workspace().clone();
    let mut ops = frozen.ops(&workspace);
    ops.push(Op::DropBuildValues {
        workspace: workspace.clone(),
        flow: flow.id.clone(),
        user: None,
    });
    ops.extend(published.renewed.iter().map(|slot| Op::RenewSlot {
        workspace: workspace.clone(),
        flow: flow.id.clone(),
        slot: slot.clone(),
    }));
    // As it stands now, and only if the title is another: a stop or a run list of somebody else's must not be undone by publishing.
    let mut changed = cx.reader.flow(&flow.id).await?.unwrap_or(flow.clone());
    if changed.title != frozen.plan.flow.title {
        changed.title.clone_from(&frozen.plan.flow.title);
        ops.push(Op::ChangeFlow {
            workspace: workspace.clone(),
            flow: changed,
        });
    }
    let mut record = cx
        .audit("version.published", "version", frozen.row.id.as_str())
        .in_flow(flow.name.as_str());
    record.object.version = Some(format!("{} {}", frozen.row.number, frozen.row.digest));
    record.reason = like.map(|number| format!("like version {number}"));
    for tries in 1.. {
        let mut commit = Commit {
            ops: ops.clone(),
            audit: vec![record.clone()],
        };
        commit.ops.append(&mut starts.ops);
        commit.audit.append(&mut starts.audit);
        match cx.app.store.commit(commit).await {
            Ok(()) => break,
            // Its schedule fired meanwhile: only when it goes on is another.
            Err(CommitError::Conflict {
                op: "put_trigger", ..
            }) if tries < TRIES => {
                starts = triggers::starts(cx, flow, &frozen.row, trigger).await?;
            }
            Err(CommitError::Conflict { .. }) => return Err(PublishError::Meanwhile),
            Err(error) => return Err(error.into()),
        }
    }
    if let Err(why) = prove(cx, flow, &frozen.row).await? {
        stop_unproved(cx, flow, &why).await?;
        return Err(PublishError::NotProved(why));
    }
    Ok(published)
}

/// That a stored version has no build-time value and the flow has none left, read back from the store.
async fn prove(
    cx: &Context,
    flow: &FlowRow,
    row: &VersionRow,
) -> Result<Result<(), String>, PublishError> {
    let left = cx.reader.build_value_count(&flow.id).await?;
    if left != 0 {
        return Ok(Err(format!("{left} build-time values are left")));
    }
    let Some(stored) = cx.reader.version(&row.id).await? else {
        return Ok(Err("the version cannot be read back".to_owned()));
    };
    if stored != *row {
        return Ok(Err("the stored version is another one".to_owned()));
    }
    Ok(prove_document(&stored))
}

/// That a version's document is a flow, whose type has no place for a build-time value, and that no key of that name stands anywhere in it.
fn prove_document(row: &VersionRow) -> Result<(), String> {
    let tree: Value = serde_json::from_str(&row.document).map_err(|error| error.to_string())?;
    serde_json::from_value::<Flow>(tree.clone()).map_err(|error| error.to_string())?;
    let slots = tree.get("connections").and_then(Value::as_object);
    let named = slots
        .into_iter()
        .flatten()
        .find(|(_, slot)| slot.get("build_time").is_some());
    match named {
        Some((slot, _)) => Err(format!("slot `{slot}` has a build-time value")),
        None => Ok(()),
    }
}

async fn stop_unproved(cx: &Context, flow: &FlowRow, why: &str) -> Result<(), PublishError> {
    let mut stopped = flow.clone();
    stopped.last_version += 1;
    stopped.stopped = Some(format!("publishing could not be proved: {why}"));
    let mut commit = Commit::default();
    commit.ops.push(Op::ChangeFlow {
        workspace: cx.workspace().clone(),
        flow: stopped,
    });
    commit.audit.push(
        cx.audit("flow.stopped", "flow", flow.id.as_str())
            .in_flow(flow.name.as_str())
            .refused("publish_not_proved"),
    );
    Ok(cx.app.store.commit(commit).await?)
}

/// Who agreed to less than the version reaches for.
async fn widened(
    cx: &Context,
    flow: &FlowRow,
    frozen: &Frozen,
) -> Result<Vec<Widened>, PublishError> {
    let mut found = Vec::new();
    let connections = cx.reader.personal_connections(None).await?;
    let people: BTreeSet<&UserId> = connections.iter().map(|row| &row.owner).collect();
    for slot in 0..frozen.plan.slots.len() {
        let planned = &frozen.plan.slots[slot];
        let Some(Binding::Dynamic { client, .. }) = frozen.bindings.slots.get(&planned.name) else {
            continue;
        };
        let surface = cx
            .app
            .runner
            .surface_of_plan(cx.workspace(), &frozen.plan, slot, client.clone())
            .await;
        for person in &people {
            let Some(grant) = cx.reader.grant(person, &flow.id, &planned.name).await? else {
                continue;
            };
            let Ok(agreed) = serde_json::from_str::<Surface>(&grant.surface) else {
                continue;
            };
            if surface.widens(&agreed) {
                found.push(Widened {
                    person: cx
                        .reader
                        .user(person)
                        .await?
                        .map_or_else(|| person.to_string(), |user| user.login),
                    slot: planned.name.clone(),
                    adds: added(&surface, &agreed),
                });
            }
        }
    }
    Ok(found)
}

/// What one surface has that another has not, in words.
fn added(surface: &Surface, agreed: &Surface) -> Vec<String> {
    let mut words = Vec::new();
    if surface.client != agreed.client {
        words.push(format!("app client {}", surface.client));
    }
    let parts = [
        ("scope", &surface.scopes, &agreed.scopes),
        ("module", &surface.modules, &agreed.modules),
        ("host", &surface.hosts, &agreed.hosts),
    ];
    for (kind, now, before) in parts {
        words.extend(now.difference(before).map(|name| format!("{kind} {name}")));
    }
    words
}
