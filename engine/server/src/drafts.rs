//! Drafts: a flow's text without what belongs to its author alone. Build-time values are cut out of the text and kept as rows of that
//! author; a run of the draft belongs to an immutable snapshot.

use actas_core::app::Apps;
use actas_core::diagnostic::Diagnostic;
use actas_core::flow::{Draft, Flow, parse, without_build_time};
use actas_core::ids::{FlowId, FlowName, SlotName};
use actas_store::{
    BuildValueRow, Commit, CommitError, DraftRow, FlowRow, Op, ReadError, Reader, system,
};

use sha2::{Digest, Sha256};

use crate::access::default_runners;
use crate::attach::{self, AttachError};
use crate::context::{Context, Fill};
use crate::dynamic::{self, MayNotTurn};

/// Why a draft is not saved.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The text has faults; all of them.
    #[error("the flow has faults")]
    Faults(Vec<Diagnostic>),
    /// The text is another flow's.
    #[error("this is the flow `{found}`, not `{expected}`: save it under its own name")]
    OtherFlow {
        /// The name in the text.
        found: FlowName,
        /// The name in the address.
        expected: FlowName,
    },
    /// Somebody saved meanwhile.
    #[error("the draft is at revision {0}: read it again, then repeat the change")]
    Stale(u32),
    /// There is one already.
    #[error("the flow exists already")]
    Exists,
    /// Dynamic slots may be turned on and off by those alone who have the privileges.
    #[error(transparent)]
    Dynamic(#[from] MayNotTurn),
    /// Attaching a shared connection needs the privilege.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What the caller expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever there is.
    Anything,
    /// This revision.
    Revision(u32),
    /// No draft yet.
    Nothing,
}

/// A draft that was saved.
#[derive(Debug)]
pub struct Saved {
    /// The flow.
    pub flow: FlowRow,
    /// The draft.
    pub draft: DraftRow,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// The slots that have a build-time value of this author.
    pub build_time: Vec<BuildValueRow>,
    /// True if the flow is new.
    pub created: bool,
}

/// The apps that a flow of this workspace is checked against before it is published.
///
/// # Errors
/// If the database is away.
pub async fn apps(cx: &Context) -> Result<Apps, ReadError> {
    let policies = cx.reader.policies().await?.policies;
    Ok(cx.app.apps.with_oauth2_only(policies.oauth2_only))
}

/// Saves a draft: checks it, cuts build-time values out into rows of their own, raises the revision.
///
/// # Errors
/// See [`DraftError`].
pub async fn save(
    cx: &Context,
    name: &FlowName,
    text: &str,
    expect: Expect,
) -> Result<Saved, DraftError> {
    let (draft, diagnostics) = check(text, &cx.app.apps)?;
    if draft.flow.flow != *name {
        return Err(DraftError::OtherFlow {
            found: draft.flow.flow,
            expected: name.clone(),
        });
    }
    let bare = without_build_time(text).map_err(DraftError::Faults)?;
    let workspace = cx.workspace().clone();
    let known = cx.reader.flow_by_name(name).await?;
    let created = known.is_none();
    let flow = match known {
        Some(row) => row,
        None => FlowRow {
            id: FlowId::from_bits(system::new_bits()),
            name: name.clone(),
            title: draft.flow.title.clone(),
            stopped: None,
            last_version: 0,
            runners: default_runners(),
            created_by: cx.user.id.clone(),
            created_at: cx.now,
        },
    };
    let before = cx.reader.draft(&flow.id).await?;
    let revision = before.as_ref().map_or(0, |row| row.revision);
    match expect {
        Expect::Revision(expected) if expected != revision => {
            return Err(DraftError::Stale(revision));
        }
        Expect::Nothing if before.is_some() => return Err(DraftError::Exists),
        Expect::Anything | Expect::Revision(_) | Expect::Nothing => {}
    }
    let stood = before
        .as_ref()
        .and_then(|row| parse(&row.text, &cx.app.apps).draft);
    let published = (!created).then_some(&flow);
    attach::check(cx, published, &draft.flow).await?;
    dynamic::check(cx, stood.as_ref().map(|draft| &draft.flow), &draft.flow)?;

    let saved = DraftRow {
        flow: flow.id.clone(),
        text: bare,
        revision: revision + 1,
        updated_by: cx.user.id.clone(),
        updated_at: cx.now,
    };
    let mut commit = Commit::default();
    if created {
        commit.ops.push(Op::AddFlow {
            workspace: workspace.clone(),
            flow: flow.clone(),
        });
    }
    commit.ops.push(Op::PutDraft {
        workspace: workspace.clone(),
        draft: saved.clone(),
    });
    let mut kept = cx.reader.build_values(&flow.id, &cx.user.id).await?;
    for (slot, written) in &draft.build_time {
        let value = build_value(cx, &flow.id, &draft.flow, slot, written, &kept).await?;
        kept.retain(|row| row.slot != *slot);
        kept.push(value.clone());
        commit.ops.push(Op::PutBuildValue {
            workspace: workspace.clone(),
            value,
        });
    }
    let mut record = cx
        .audit("draft.saved", "flow", flow.id.as_str())
        .in_flow(name.as_str());
    // The one before it is in the record before it.
    let digest = hex::encode(Sha256::digest(&saved.text));
    record.object.version = Some(format!("sha256:{digest}"));
    commit.audit.push(record);
    match cx.app.store.commit(commit).await {
        Ok(()) => {}
        Err(CommitError::Conflict { .. }) => {
            let now = cx.reader.draft(&flow.id).await?;
            return Err(DraftError::Stale(now.map_or(0, |row| row.revision)));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Saved {
        flow,
        draft: saved,
        diagnostics,
        build_time: kept,
        created,
    })
}

/// Reads a text that must be without errors; its warnings come along.
///
/// # Errors
/// All faults.
pub fn check(text: &str, apps: &Apps) -> Result<(Draft, Vec<Diagnostic>), DraftError> {
    let parsed = parse(text, apps);
    match parsed.draft {
        Some(draft) if !parsed.diagnostics.iter().any(Diagnostic::is_error) => {
            Ok((draft, parsed.diagnostics))
        }
        _ => Err(DraftError::Faults(parsed.diagnostics)),
    }
}

/// The value of a slot for its author: with the connection it names, if that is one of theirs.
async fn build_value(
    cx: &Context,
    flow: &FlowId,
    document: &Flow,
    slot: &SlotName,
    written: &str,
    kept: &[BuildValueRow],
) -> Result<BuildValueRow, ReadError> {
    let same = kept
        .iter()
        .find(|row| row.slot == *slot && row.written == written);
    let connection = match same.and_then(|row| row.connection.clone()) {
        Some(known) => Some(known),
        None => named_connection(&cx.reader, cx, document, slot, written).await?,
    };
    Ok(BuildValueRow {
        flow: flow.clone(),
        slot: slot.clone(),
        user: cx.user.id.clone(),
        written: written.to_owned(),
        connection,
    })
}

/// The author's own connection of a name: its id or its account, at the slot's app. Of two that fit, none: the author is asked.
async fn named_connection(
    reader: &Reader,
    cx: &Context,
    document: &Flow,
    slot: &SlotName,
    written: &str,
) -> Result<Option<actas_core::ids::ConnectionId>, ReadError> {
    let Some(app) = document.connections.get(slot).map(|slot| &slot.app) else {
        return Ok(None);
    };
    let own = reader.personal_connections(Some(&cx.user.id)).await?;
    let mut fits = own.into_iter().filter(|row| {
        row.app == *app
            && row.only_run.is_none()
            && (row.id.as_str() == written || row.account.eq_ignore_ascii_case(written))
    });
    Ok(match (fits.next(), fits.next()) {
        (Some(one), None) => Some(one.id),
        _ => None,
    })
}
