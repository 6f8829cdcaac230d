//! The page of a run: its steps, the account each acted as, what it waits for and from whom.

use actas_core::run::Run;
use actas_store::RunRow;
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::access::Privilege;
use crate::api::run_of;
use crate::api::runs::ask_to_cancel;
use crate::approver::number_of;
use crate::call::Call;
use crate::context::Context;
use crate::pages::home::app_title;
use crate::pages::{Chrome, minute, page, redirect, sentence};
use crate::problem::Problem;
use crate::routes::Answer;
use crate::start;
use crate::view::view;

#[derive(Debug, Template)]
#[template(path = "run.html")]
struct RunPage {
    chrome: Chrome,
    id: String,
    flow: String,
    version: String,
    state: String,
    invoker: String,
    over: bool,
    may_cancel: bool,
    created_at: String,
    finished_at: String,
    waits: Vec<Wait>,
    until: String,
    steps: Vec<StepLine>,
    called: Vec<Called>,
    parent: Option<String>,
    outputs: Vec<(String, String)>,
    error: Option<Fault>,
}

/// What the run waits for, from somebody.
#[derive(Debug)]
struct Wait {
    title: String,
    sentence: String,
    /// Where it is answered, and what the button says; none if it is another's.
    answer: Option<(String, String)>,
}

/// A run that this one called.
#[derive(Debug)]
struct Called {
    run: String,
    flow: String,
    state: String,
}

#[derive(Debug)]
struct StepLine {
    id: String,
    /// How it is named under the step it is in.
    name: String,
    /// How deep it stands, as far as that is shown.
    depth: usize,
    child: String,
    title: String,
    module: String,
    state: String,
    account: String,
    record: String,
    attempts: u64,
    at: String,
    error: Option<Fault>,
}

#[derive(Debug)]
struct Fault {
    message: String,
    help: Option<String>,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(String::new, str::to_owned)
}

fn instant(value: &Value) -> String {
    value
        .as_str()
        .and_then(actas_core::Time::parse)
        .map(minute)
        .unwrap_or_default()
}

fn fault(error: &Value) -> Option<Fault> {
    if error.is_null() {
        return None;
    }
    if error["private"] == true {
        return Some(Fault {
            message: format!(
                "It failed ({}). The reason is private to its person.",
                text(&error["kind"])
            ),
            help: None,
        });
    }
    let step = error["step"].as_str();
    let message = sentence(error["message"].as_str().unwrap_or("it failed"));
    Some(Fault {
        message: step.map_or(message.clone(), |step| format!("{step}: {message}")),
        help: error["help"].as_str().map(sentence),
    })
}

fn record_of(record: &Value) -> String {
    match (record["type"].as_str(), record["id"].as_str()) {
        (Some(kind), Some(id)) => format!("{kind} {id}"),
        _ => String::new(),
    }
}

/// A value for people: text as it is, what is private said so, anything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if map.get("private") == Some(&Value::Bool(true)) => {
            "private to its person".to_owned()
        }
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// `GET /runs/{run}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let row = run_of(&cx, &call).await?;
    let run = start::load(&cx, &row.id).await?;
    let document = view(&cx, &run).await?;
    let own = row.invoker.as_ref() == Some(&cx.user.id);
    let state = text(&document["state"]);
    let over = matches!(state.as_str(), "succeeded" | "failed" | "cancelled");
    let waits = waits(&cx, &document);
    let steps = lines(&run, &document);
    let called = called(&cx, &row).await?;
    let outputs = document["outputs"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect();
    page(
        StatusCode::OK,
        &RunPage {
            chrome: Chrome::of(&cx),
            id: row.id.to_string(),
            flow: run
                .plan
                .flow
                .title
                .clone()
                .unwrap_or_else(|| text(&document["flow"])),
            version: document["version"]
                .as_u64()
                .map_or_else(|| "draft".to_owned(), |number| format!("version {number}")),
            invoker: text(&document["invoker"]),

            over,
            may_cancel: !over && (own || cx.may(Privilege::RunsCancel)),
            created_at: instant(&document["created_at"]),
            finished_at: instant(&document["finished_at"]),
            waits,
            until: instant(&document["paused"]["until"]),
            steps,
            called,
            parent: row.parent.as_ref().map(|(run, _)| run.to_string()),
            outputs,
            error: fault(&document["error"]),
            state,
        },
    )
}

/// The page of an address of ours: its path is enough.
fn path_of(url: &Value) -> String {
    url::Url::parse(url.as_str().unwrap_or_default())
        .map(|url| url.path().to_owned())
        .unwrap_or_default()
}

/// What the run waits for, each with whom it is asked of.
fn waits(cx: &Context, document: &Value) -> Vec<Wait> {
    let list = |name: &str| document["paused"][name].as_array().into_iter().flatten();
    let mine = |wait: &&Value| wait["person"] == cx.user.login.as_str();
    let own = list("connections").filter(mine).count();
    let all = path_of(&document["paused"]["url"]);
    let several = own > 1 && !all.is_empty();
    let together = several.then(|| Wait {
        title: "This run waits for you".to_owned(),
        sentence: format!(
            "It needs {own} accounts of yours. You connect them at one page, in any order."
        ),
        answer: Some((all, format!("Connect {own} accounts"))),
    });
    let one_by_one = list("connections").filter(|wait| !(several && mine(wait)));
    let sign_ins = one_by_one.map(|wait| {
        let app = app_title(cx, wait["app"].as_str().unwrap_or_default());
        let person = text(&wait["person"]);
        if person == cx.user.login {
            let because = reason(&wait["reason"], &app);
            Wait {
                title: "This run waits for you".to_owned(),
                sentence: format!(
                    "It goes on at the very step where it stopped as soon as you have signed in. {because}"
                ),
                answer: Some((path_of(&wait["url"]), format!("Sign in with {app}"))),
            }
        } else {
            Wait {
                title: format!("This run waits for {person}"),
                sentence: format!(
                    "{person} has to sign in to {app}. Nobody else can do that in their place."
                ),
                answer: None,
            }
        }
    });
    let approvals = list("approvals").map(|wait| {
        let what = wait["title"].as_str().or(wait["step"].as_str());
        asked_of(
            wait,
            "to decide",
            what.unwrap_or_default(),
            "Look and decide",
        )
    });
    let decisions = list("decisions").map(|wait| {
        let step = wait["step"].as_str().unwrap_or_default();
        let what = format!("whether `{step}` happened");
        asked_of(wait, "to say", &what, "Look and answer")
    });
    together
        .into_iter()
        .chain(sign_ins)
        .chain(approvals)
        .chain(decisions)
        .collect()
}

fn asked_of(wait: &Value, verb: &str, what: &str, button: &str) -> Wait {
    let who: Vec<&str> = wait["who"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let who = if who.is_empty() {
        "somebody who may decide".to_owned()
    } else {
        who.join(" or ")
    };
    let mine = wait["mine"] == true;
    Wait {
        title: if mine {
            "This run waits for you".to_owned()
        } else {
            format!("This run waits for {who}")
        },
        sentence: if mine {
            format!("You are asked {verb}: {}", sentence(what))
        } else {
            format!("{who} is asked {verb}: {}", sentence(what))
        },
        answer: mine.then(|| (path_of(&wait["url"]), button.to_owned())),
    }
}

/// The steps in the order of the document, which is that of a tree.
fn lines(run: &Run, document: &Value) -> Vec<StepLine> {
    let mut all: Vec<(&String, &Value)> = document["steps"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    all.sort_by_key(|(_, step)| step["order"].as_u64());
    let line = |(path, step): (&String, &Value)| {
        let depth = path.matches('/').count();
        let planned = path
            .parse()
            .ok()
            .and_then(|path| number_of(&run.plan, &path))
            .map(|number| &run.plan.steps[number]);
        let name = match path.rsplit_once('/') {
            None => path.clone(),
            Some((above, name)) => match above.strip_suffix(']').and_then(|a| a.rsplit_once('[')) {
                Some((_, number)) => format!("[{number}]/{name}"),
                None => name.to_owned(),
            },
        };
        StepLine {
            id: path.clone(),
            title: planned
                .and_then(|planned| planned.step.title.clone())
                .unwrap_or_else(|| name.clone()),
            name,
            depth: depth.min(4),
            module: match step["module"].as_str() {
                Some(module) => module.to_owned(),
                None => text(&step["does"]),
            },
            child: text(&step["child"]),
            state: text(&step["state"]),
            account: text(&step["acted_as"]["account"]),
            record: record_of(&step["acted_as"]["record"]),
            attempts: step["attempts"].as_u64().unwrap_or(0),
            at: instant(&step["finished_at"]),
            error: fault(&step["error"]),
        }
    };
    all.into_iter().map(line).collect()
}

/// The runs that this one called, the latest first.
async fn called(cx: &Context, row: &RunRow) -> Result<Vec<Called>, Problem> {
    let mut called = Vec::new();
    for child in cx
        .reader
        .children(&row.id)
        .await?
        .into_iter()
        .rev()
        .take(50)
    {
        let flow = cx.reader.flow(&child.flow).await?;
        called.push(Called {
            run: child.id.to_string(),
            flow: flow.map_or_else(
                || child.flow.to_string(),
                |flow| flow.title.unwrap_or_else(|| flow.name.to_string()),
            ),
            state: child.state,
        });
    }
    Ok(called)
}

fn reason(reason: &Value, app: &str) -> String {
    serde_json::from_value(reason.clone()).map_or_else(
        |_| format!("A sign-in at {app} is needed."),
        |reason| super::because(reason, app),
    )
}

/// `POST /runs/{run}/cancel`
pub async fn cancel(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(rename = "csrf")]
        _csrf: String,
    }
    let _: Form = call.form()?;
    let row = run_of(&cx, &call).await?;
    ask_to_cancel(&cx, &row).await?;
    Ok(redirect(&format!("/runs/{}", row.id)))
}
