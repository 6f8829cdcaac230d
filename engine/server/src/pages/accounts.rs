//! The page of all accounts: those that a run reaches, or a flow ahead of any run. Each is answered by itself, in any order, and whoever comes
//! back from an app comes back here. Only the person whose accounts they are sees anything.

use actas_connections::{AccountView, Resolution};
use actas_core::app::Manifest;
use actas_core::ids::{ConnectionId, FlowId, RunId, SlotName};
use actas_core::run::{AskReason, Scheme};
use actas_store::{FlowRow, RunRow, SignInRow, SignInState};
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::accounts::{ForRun, Need, asked, needed, open_for, reached, root_of};
use crate::api::flow_of;
use crate::call::Call;
use crate::context::Context;
use crate::gate::hash_of;
use crate::pages::connect::{leads_out, refused, session_hash, to_provider};
use crate::pages::{Chrome, because, page, redirect};
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;

#[derive(Debug, Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    chrome: Chrome,
    path: String,
    flow: String,
    /// The run that waits, if one does.
    run: Option<String>,
    /// Whether the run is over.
    over: bool,
    cards: Vec<Card>,
    /// How many are missing of those that the run waits for; without a run, of those that are certainly needed.
    missing: usize,
    /// How many are missing that it will certainly need, and does not wait for yet.
    later: usize,
    /// Whether some that may be needed are.
    perhaps: bool,
}

/// One account.
#[derive(Debug)]
struct Card {
    flow_id: String,
    /// The called flow it is for.
    called: Option<String>,
    slot: String,
    app: String,
    /// `connected`, `needed`, `perhaps`, `later` or `declined`.
    state: &'static str,
    account: Option<String>,
    because: String,
    why: Option<String>,
    steps: Vec<String>,
    view: AccountView,
    this_run_only: bool,
    /// Whether the run waits for it now.
    asked: bool,
    /// Whether it can be answered here.
    open: bool,
    /// Names exactly what is agreed to here.
    shown: String,
    declines: bool,
}

/// Where the accounts of a run are connected.
pub fn path_of(run: &RunId) -> String {
    format!("/connect/run/{run}")
}

/// Where the accounts of a flow are connected ahead of a run.
pub fn ahead_of(flow: &FlowRow) -> String {
    format!("/connect/flow/{}", flow.name)
}

/// Where somebody goes on after a sign-in: the page of all accounts it is one of, if it is one of several.
///
/// # Errors
/// If the store is away.
pub async fn after(cx: &Context, row: &SignInRow) -> Result<Option<String>, Problem> {
    let Some(run) = &row.run else {
        let flow = row.back.as_ref().unwrap_or(&row.flow);
        let flow = cx.reader.flow(flow).await?;
        return Ok(flow.map(|flow| ahead_of(&flow)));
    };
    let Some(run) = cx.reader.run(run).await? else {
        return Ok(None);
    };
    let root = root_of(cx, run).await?;
    if root.invoker.as_ref() != Some(&cx.user.id) {
        return Ok(None);
    }
    let several = of(cx, &root).await?.len() > 1;
    Ok(several.then(|| path_of(&root.id)))
}

/// The caller's accounts that a run reaches.
async fn of(cx: &Context, run: &RunRow) -> Result<Vec<Need>, Problem> {
    let version = cx.app.runner.version(cx.workspace(), &run.version).await;
    let version = version.map_err(refusals::load)?;
    let for_run = ForRun::of(run, &version);
    let mut needs = reached(cx, version, for_run).await?;
    needs.retain(|need| need.dynamic);
    Ok(needs)
}

/// The run of the path if its accounts are the caller's, with the one that called it first; another's is as if there were none.
async fn run_of(cx: &Context, call: &Call) -> Result<RunRow, Problem> {
    let id: RunId = call.id("run")?;
    let run = cx.reader.run(&id).await?;
    let own = |run: &RunRow| run.invoker.as_ref() == Some(&cx.user.id);
    let missing = || Problem::not_found("run");
    let root = root_of(cx, run.filter(own).ok_or_else(missing)?).await?;
    Some(root).filter(own).ok_or_else(missing)
}

/// `GET /connect/run/{run}`
pub async fn of_run(cx: Context, call: Call) -> Answer {
    let run = run_of(&cx, &call).await?;
    let needs = of(&cx, &run).await?;
    let flow = cx.reader.flow(&run.flow).await?;
    let title = flow.map(|flow| flow.title.unwrap_or_else(|| flow.name.to_string()));
    let title = title.unwrap_or_default();
    show(&cx, path_of(&run.id), title, Some(&run), &needs).await
}

/// `GET /connect/flow/{flow}`
pub async fn of_flow(cx: Context, call: Call) -> Answer {
    let flow = flow_of(&cx, &call).await?;
    let mut needs = needed(&cx, &flow).await?;
    needs.retain(|need| need.dynamic);
    let title = flow.title.clone().unwrap_or_else(|| flow.name.to_string());
    show(&cx, ahead_of(&flow), title, None, &needs).await
}

async fn show(
    cx: &Context,
    path: String,
    flow: String,
    run: Option<&RunRow>,
    needs: &[Need],
) -> Answer {
    let over = run.is_some_and(|run| run.ended_at.is_some());
    let mut cards = Vec::new();
    for need in needs {
        cards.push(card(cx, run, need, over).await?);
    }
    let wanted = |state: &str| cards.iter().filter(|card| card.state == state).count();
    let certain = wanted("needed") + wanted("declined");
    let waits = cards.iter().filter(|card| card.asked).count();
    let missing = if run.is_some() { waits } else { certain };
    let later = certain - missing.min(certain);
    let shown = AccountsPage {
        chrome: Chrome::of(cx),
        path,
        flow,
        run: run.map(|run| run.id.to_string()),
        over,
        missing,
        later,
        perhaps: wanted("perhaps") > 0,
        cards,
    };
    page(StatusCode::OK, &shown).map(leads_out)
}

async fn card(
    cx: &Context,
    run: Option<&RunRow>,
    need: &Need,
    over: bool,
) -> Result<Card, Problem> {
    let manifest = &need.ask.manifest;
    let view = cx.app.connections.account(&need.ask, &need.resolution);
    let view = view.await.map_err(refusals::connections)?;
    let open = match &need.resolution {
        Resolution::Bound(_) => None,
        Resolution::Ask { .. } => open_for(cx, need, run.map(|run| &run.id)).await?,
    };
    let asked = open.as_ref().is_some_and(|row| row.back.is_none());
    let declined = open
        .as_ref()
        .is_some_and(|row| row.state == SignInState::Declined);
    // What is for one run only is given to that run, which asks for it itself; of a called flow's run nobody knows before it is there.
    let can = need.ahead() || run.is_some() && need.own || open.is_some();
    let (state, account, because) = match &need.resolution {
        Resolution::Bound(bound) => ("connected", Some(bound.account.clone()), String::new()),
        Resolution::Ask { reason, .. } => {
            // What the run waits for is needed, whatever it was before.
            let state = match (declined, can, need.may_be_needed && !asked) {
                (true, ..) => "declined",
                (false, false, _) => "later",
                (false, true, true) => "perhaps",
                (false, true, false) => "needed",
            };
            (state, None, words(*reason, view.wider, &manifest.title))
        }
    };
    Ok(Card {
        flow_id: need.ask.flow.to_string(),
        called: (!need.own).then(|| need.flow_title.clone()),
        slot: need.slot.to_string(),
        app: manifest.title.clone(),
        state,
        account,
        because,
        why: need.why.clone(),
        steps: need.steps.clone(),
        view,
        this_run_only: need.this_run_only,
        asked,
        open: can && !over,
        shown: digest(need)?,
        // Only what a run waits for can be declined.
        declines: open.is_some_and(|row| row.back.is_none() && row.state == SignInState::Open),
    })
}

/// Why somebody is asked; that more is wanted than they agreed to, if that is why.
pub fn words(reason: AskReason, wider: bool, app: &str) -> String {
    if reason == AskReason::Consent && wider {
        return format!(
            "The flow was changed and wants more of your account at {app} than you agreed to. What is new is marked."
        );
    }
    because(reason, app)
}

/// Names how far a flow reaches through a slot: what a page showed is what its button agrees to, or nothing. A version that was published in
/// between may reach further.
fn digest(need: &Need) -> Result<String, Problem> {
    let text = serde_json::to_string(&need.ask.surface).map_err(Problem::internal)?;
    Ok(hash_of(&text))
}

/// Whether signing in begins with a button alone: the app takes nothing that is typed here.
fn by_button(manifest: &Manifest) -> bool {
    manifest.auth.schemes() == [Scheme::Oauth2]
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    SignIn,
    Agree,
    Decline,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "csrf")]
    _csrf: String,
    answer: What,
    flow: FlowId,
    slot: SlotName,
    connection: Option<ConnectionId>,
    /// What was shown; one who declines agrees to nothing.
    shown: Option<String>,
}

/// `POST /connect/run/{run}`
pub async fn answer_of_run(cx: Context, call: Call) -> Answer {
    let run = run_of(&cx, &call).await?;
    let needs = of(&cx, &run).await?;
    answer(&cx, &call, path_of(&run.id), Some(&run), &run.flow, needs).await
}

/// `POST /connect/flow/{flow}`
pub async fn answer_of_flow(cx: Context, call: Call) -> Answer {
    let flow = flow_of(&cx, &call).await?;
    let mut needs = needed(&cx, &flow).await?;
    needs.retain(Need::ahead);
    answer(&cx, &call, ahead_of(&flow), None, &flow.id, needs).await
}

async fn answer(
    cx: &Context,
    call: &Call,
    path: String,
    run: Option<&RunRow>,
    back: &FlowId,
    needs: Vec<Need>,
) -> Answer {
    let form: Form = call.form()?;
    let need = needs
        .into_iter()
        .find(|need| need.ask.flow == form.flow && need.slot == form.slot)
        .ok_or_else(|| Problem::not_found("account"))?;
    let open = open_for(cx, &need, run.map(|run| &run.id)).await?;
    let over = run.is_some_and(|run| run.ended_at.is_some());
    let can = need.ahead() || run.is_some() && need.own || open.is_some();
    if need.is_there() || over || !can {
        return Ok(redirect(&path));
    }
    // The page once more, with what is new marked.
    if !matches!(form.answer, What::Decline) && form.shown != Some(digest(&need)?) {
        return Ok(redirect(&path));
    }
    let (connections, workspace, who) = (&cx.app.connections, cx.workspace(), cx.who());
    let me = &cx.user.id;
    let id = match (&form.answer, open) {
        (What::Decline, None) => return Ok(redirect(&path)),
        (_, Some(open)) => open.id,
        (_, None) => match asked(cx, &need, run, back).await? {
            Some(id) => id,
            None => return Ok(redirect(&path)),
        },
    };
    let done = match (form.answer, form.connection) {
        (What::SignIn, None) if by_button(&need.ask.manifest) => {
            let session = session_hash(cx)?;
            let url = connections.begin(workspace, &id, me, session, &who).await;
            url.map(|url| to_provider(&url))
        }
        (What::SignIn, None) => return Ok(redirect(&format!("/connect/{id}"))),
        (What::Agree, Some(connection)) => connections
            .agree(workspace, &id, me, &connection, &who)
            .await
            .map(|_| redirect(&path)),
        (What::Decline, None) => connections
            .decline(workspace, &id, me, &who)
            .await
            .map(|()| redirect(&path)),
        _ => return Err(Problem::bad("bad_form", "the answer is not complete")),
    };
    match done {
        Ok(response) => Ok(response),
        Err(error) => refused(cx, &id, error).await,
    }
}
