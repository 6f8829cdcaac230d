//! What people are asked while a run waits: who may answer, and the answer itself, for API and pages alike. An answer is one commit: the request
//! is used up, the run is told, and the audit record names the person. Nothing here changes a run.

use actas_core::audit::Draft;
use actas_core::ids::{InboxId, RunId, StepPath};
use actas_core::run::approval::{self, Asked, LONGEST_COMMENT};
use actas_core::run::{Answer, Decider, Decision, Refused, Run};
use actas_runner::LoadError;
use actas_store::{
    Commit, CommitError, InboxMessage, InboxRow, Op, ReadError, RequestKind, RequestRow,
    RequestState, SignInRow, system,
};
use serde_json::{Value, json};

use crate::access::Privilege;
use crate::api::may_see;
use crate::approver;
use crate::context::{Context, Fill};

/// So many open requests are looked through for somebody; a workspace in which more are open at once has other worries.
const LOOKED_AT: u32 = 10_000;

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is not theirs to give, comes too late, or does not fit.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The run cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What somebody decides about an approval.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Yes or no.
    pub approved: bool,
    /// What they want to say about it.
    pub comment: Option<String>,
    /// What they filled in.
    pub form: Value,
}

/// How far somebody's right to answer reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// Whatever can be said.
    All,
    /// Whatever does not act as another person: not that it be done again.
    NotAgain,
}

/// How far the caller may answer a request, whatever its state.
///
/// # Errors
/// [`Refused::NotAsked`] or [`Refused::InvokerMayNotDecide`].
pub fn may_answer(cx: &Context, row: &RequestRow) -> Result<May, Refused> {
    let who: Vec<Asked> = row.who.iter().filter_map(|who| Asked::parse(who)).collect();
    let asked = approval::may_decide(&who, row.not_by.as_ref(), &cx.person());
    match (row.kind, asked) {
        (_, Ok(())) => Ok(May::All),
        // A person's own step is theirs alone to have done again.
        (RequestKind::Decision, Err(_)) if cx.may(Privilege::RunsDecide) => {
            // Nobody in particular is asked of a run that no person started.
            Ok(if who.is_empty() {
                May::All
            } else {
                May::NotAgain
            })
        }
        (_, Err(refused)) => Err(refused),
    }
}

/// The request as it stands if the caller may answer it at all. That somebody else tried is audited; who may not see the run either learns no
/// more than that there is nothing for them.
///
/// # Errors
/// [`Refused`].
pub async fn theirs(cx: &Context, row: &RequestRow) -> Result<May, AnswerError> {
    let refused = match may_answer(cx, row) {
        Ok(may) => return Ok(may),
        Err(refused) => refused,
    };
    let action = format!("{}.refused", row.kind.as_str());
    let draft = about(cx, row, &action).await?.refused(refused.code());
    let commit = Commit {
        ops: Vec::new(),
        audit: vec![draft],
    };
    cx.app.store.commit(commit).await?;
    let run = cx.reader.run(&row.run).await?;
    Err(AnswerError::Refused(
        if run.is_some_and(|run| may_see(cx, &run)) {
            refused
        } else {
            Refused::NotFound
        },
    ))
}

/// Whether a request can still be answered.
///
/// # Errors
/// [`Refused`].
pub fn is_open(row: &RequestRow) -> Result<(), Refused> {
    match row.state {
        RequestState::Decided => Err(Refused::AlreadyDecided),
        RequestState::Closed => Err(Refused::RunEnding),
        RequestState::Open if row.until <= system::now() => Err(Refused::Expired),
        RequestState::Open => Ok(()),
    }
}

/// The request of a step: the one that is open, else the last there was.
///
/// # Errors
/// If the store is away.
pub async fn of_step(
    cx: &Context,
    run: &RunId,
    step: &StepPath,
    kind: RequestKind,
) -> Result<Option<RequestRow>, ReadError> {
    let mut rows = cx.reader.requests_of_run(run).await?;
    rows.retain(|row| row.step == *step && row.kind == kind);
    let open = rows.iter().position(|row| row.state == RequestState::Open);
    Ok(match open {
        Some(open) => Some(rows.swap_remove(open)),
        None => rows.pop(),
    })
}

/// What the caller may answer now, oldest first.
///
/// # Errors
/// If the store is away.
pub async fn mine(cx: &Context) -> Result<Vec<RequestRow>, ReadError> {
    let mut mine = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..LOOKED_AT / 500 {
        let page = cx.reader.open_requests(500, cursor.as_deref()).await?;
        // What another person is asked about their own step may be settled by some, but it is not asked of them.
        let asked = |row: &RequestRow| {
            is_open(row).is_ok() && may_answer(cx, row).is_ok_and(|may| may == May::All)
        };
        mine.extend(page.items.into_iter().filter(asked));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    mine.reverse();
    Ok(mine)
}

/// The sign-ins that runs ask of the caller, oldest first.
///
/// # Errors
/// If the store is away.
pub async fn sign_ins(cx: &Context) -> Result<Vec<SignInRow>, ReadError> {
    let now = system::now();
    let mut rows = cx.reader.open_sign_ins(&cx.user.id).await?;
    rows.retain(|row| row.back.is_none() && row.until > now);
    Ok(rows)
}

/// What a request's page shows, as it was written with it.
pub fn detail(row: &RequestRow) -> Value {
    serde_json::from_str(&row.detail).unwrap_or_default()
}

/// Decides an approval.
///
/// # Errors
/// See [`AnswerError`]; the run is unchanged then.
pub async fn approve(cx: &Context, row: &RequestRow, given: Given) -> Result<(), AnswerError> {
    theirs(cx, row).await?;
    is_open(row)?;
    let comment = given.comment.filter(|text| !text.trim().is_empty());
    if comment
        .as_ref()
        .is_some_and(|text| text.chars().count() > LONGEST_COMMENT)
    {
        let why = format!("the comment is longer than {LONGEST_COMMENT} characters");
        return Err(Refused::DoesNotFit(why).into());
    }
    let run = loaded(cx, row).await?;
    let mut decision = Decision {
        approved: given.approved,
        by: Decider {
            id: cx.user.id.clone(),
            login: cx.user.login.clone(),
            name: cx.user.name.clone(),
        },
        comment,
        form: given.form,
    };
    let (_, form) = run.takes_approval(&row.step, &row.id, &decision, system::now())?;
    decision.form = form;
    let message = InboxMessage::Decided {
        step: row.step.clone(),
        request: row.id.clone(),
        decision: json!(decision),
    };
    let said = if given.approved {
        "approved"
    } else {
        "rejected"
    };
    // Whoever is asked to sign in for this approval now, is asked by the run itself if it needs them.
    let mut ops = Vec::new();
    for slot in approver::slots_of(cx, row).await? {
        ops.push(Op::CloseSignIns {
            workspace: cx.workspace().clone(),
            run: row.run.clone(),
            slot: Some(slot),
        });
    }
    answer(cx, row, message, said, ops).await
}

/// Says what is true of a step whose outcome nobody knows.
///
/// # Errors
/// See [`AnswerError`]; the run is unchanged then.
pub async fn decide(cx: &Context, row: &RequestRow, said: Answer) -> Result<(), AnswerError> {
    let may = theirs(cx, row).await?;
    is_open(row)?;
    if said == Answer::Again && may != May::All {
        return Err(Refused::OnlyTheirPerson.into());
    }
    let run = loaded(cx, row).await?;
    run.takes_answer(&row.step, Some(&row.id), &said, system::now())?;
    let word = match &said {
        Answer::Happened { .. } => "happened",
        Answer::Again => "again",
        Answer::GiveUp => "give_up",
    };
    let message = InboxMessage::Answered {
        step: row.step.clone(),
        request: row.id.clone(),
        answer: json!(said),
        by: cx.person(),
    };
    answer(cx, row, message, word, Vec::new()).await
}

/// The run that asks, folded.
async fn loaded(cx: &Context, row: &RequestRow) -> Result<Run, AnswerError> {
    let run = cx.app.runner.load(cx.workspace(), &row.run).await?;
    Ok(run.ok_or(Refused::NotFound)?)
}

/// The one commit of an answer.
async fn answer(
    cx: &Context,
    row: &RequestRow,
    message: InboxMessage,
    said: &str,
    mut ops: Vec<Op>,
) -> Result<(), AnswerError> {
    let workspace = cx.workspace().clone();
    let now = system::now();
    ops.push(Op::DecideRequest {
        workspace: workspace.clone(),
        request: row.id.clone(),
        by: cx.user.id.clone(),
        now,
    });
    ops.push(Op::PutInbox {
        workspace,
        inbox: InboxRow {
            id: InboxId::from_bits(system::new_bits()),
            run: row.run.clone(),
            message,
            at: now,
        },
    });
    let action = format!("{}.decided", row.kind.as_str());
    let mut draft = about(cx, row, &action).await?;
    draft.reason = Some(said.to_owned());
    let commit = Commit {
        ops,
        audit: vec![draft],
    };
    match cx.app.store.commit(commit).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict { .. }) => {
            // Somebody was quicker, or the run has ended: which of these, the row says.
            let again = cx.reader.request(&row.id).await?;
            again.as_ref().map_or(Err(Refused::NotFound), is_open)?;
            Err(Refused::RunEnding.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// An audit record about a request.
async fn about(cx: &Context, row: &RequestRow, action: &str) -> Result<Draft, ReadError> {
    let flow = cx.reader.flow(&row.flow).await?;
    let mut draft = cx.audit(action, "request", row.id.as_str());
    draft.flow = flow.map(|flow| flow.name.to_string());
    draft.run = Some(row.run.clone());
    draft.step = Some(row.step.to_string());
    Ok(draft)
}
