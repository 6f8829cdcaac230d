//! The page of an approval or a decision: what is decided, what is filled in, as whom the flow would act, and the answer. Only those who are
//! asked see anything; to everybody else all such links look alike. Reading it changes nothing.

use actas_core::ids::{RequestId, SlotName};
use actas_core::run::{Answer as Said, Refused};
use actas_store::{RequestKind, RequestRow};
use askama::Template;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::approver::{self, ActsAs};
use crate::call::Call;
use crate::context::Context;
use crate::pages::form::{Field, Kind, field, typed};
use crate::pages::{Chrome, Message, minute, page, redirect, sentence};
use crate::problem::Problem;
use crate::refusals;
use crate::requests::{self, AnswerError, Given, May};
use crate::routes::Answer;

#[derive(Debug, Template)]
#[template(path = "approval.html")]
struct ApprovalPage {
    chrome: Chrome,
    path: String,
    flow: String,
    invoker: Option<String>,
    title: String,
    message: Option<String>,
    fields: Vec<Field>,
    comment: String,
    slots: Vec<ActsAs>,
    sign_in_first: bool,
    reveals: Vec<String>,
    goes_on: bool,
    faults: Vec<String>,
    until: String,
}

#[derive(Debug, Template)]
#[template(path = "decision.html")]
struct DecisionPage {
    chrome: Chrome,
    path: String,
    flow: String,
    invoker: Option<String>,
    title: String,
    error: String,
    undo: bool,
    may_again: bool,
    output: String,
    faults: Vec<String>,
    until: String,
}

/// What was typed before, to stand there again with what is wrong with it.
#[derive(Debug, Default)]
struct Before {
    fields: Map<String, Value>,
    typed: Vec<(String, String)>,
    comment: String,
    faults: Vec<String>,
}

/// `GET /approvals/{request}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let (row, may) = match asked(&cx, &call).await {
        Ok(found) => found,
        Err(error) => return refused(&cx, error),
    };
    shown(&cx, &call, StatusCode::OK, &row, may, Before::default()).await
}

/// The request of the path, open and the caller's to answer.
async fn asked(cx: &Context, call: &Call) -> Result<(RequestRow, May), AnswerError> {
    let id: RequestId = call.id("request").map_err(|_| Refused::NotFound)?;
    let row = cx.reader.request(&id).await?.ok_or(Refused::NotFound)?;
    let may = requests::theirs(cx, &row).await?;
    requests::is_open(&row)?;
    let run = cx.reader.run(&row.run).await?;
    if run.is_none_or(|run| run.ended_at.is_some()) {
        return Err(Refused::RunEnding.into());
    }
    Ok((row, may))
}

async fn shown(
    cx: &Context,
    call: &Call,
    status: StatusCode,
    row: &RequestRow,
    may: May,
    before: Before,
) -> Answer {
    let flow = cx.reader.flow(&row.flow).await?;
    let flow = flow.map_or_else(
        || row.flow.to_string(),
        |flow| flow.title.unwrap_or_else(|| flow.name.to_string()),
    );
    let run = cx.reader.run(&row.run).await?;
    let invoker = match run.and_then(|run| run.invoker) {
        Some(user) => cx.reader.user(&user).await?.map(|user| user.name),
        None => None,
    };
    let detail = requests::detail(row);
    let (path, until) = (call.uri.path().to_owned(), minute(row.until));
    match row.kind {
        RequestKind::Approval => {
            let look = approver::look(cx, row).await?;
            let fields = fields(&detail["form"], &before);
            page(
                status,
                &ApprovalPage {
                    chrome: Chrome::of(cx),
                    path,
                    flow,
                    invoker,
                    title: row.title.clone(),
                    message: detail["message"].as_str().map(str::to_owned),
                    fields,
                    comment: before.comment,
                    sign_in_first: look.slots.iter().any(|slot| slot.account.is_none()),
                    slots: look.slots,
                    reveals: look.reveals,
                    goes_on: look.goes_on,
                    faults: before.faults,
                    until,
                },
            )
        }
        RequestKind::Decision => page(
            status,
            &DecisionPage {
                chrome: Chrome::of(cx),
                path,
                flow,
                invoker,
                title: row.title.clone(),
                // What an app said to a person's own account is for that person.
                error: sentence(match may {
                    May::All => detail["error"]["message"]
                        .as_str()
                        .unwrap_or("it is not known"),
                    May::NotAgain => {
                        "what exactly went wrong is for the person alone whose step it is"
                    }
                }),
                undo: detail["undo"] == true,
                may_again: may == May::All,
                output: before.comment,
                faults: before.faults,
                until,
            },
        ),
    }
}

/// The fields of a form, with what was typed before.
fn fields(form: &Value, before: &Before) -> Vec<Field> {
    let schemas = form.as_object().into_iter().flatten();
    schemas
        .map(|(name, schema)| {
            let required = schema["required"] != false;
            let mut field = field(name, schema, required);
            if let Some((_, text)) = before.typed.iter().find(|(key, _)| key == name) {
                field.value.clone_from(text);
            }
            field
        })
        .collect()
}

/// `POST /approvals/{request}`
pub async fn answer(cx: Context, call: Call) -> Answer {
    let (row, may) = match asked(&cx, &call).await {
        Ok(found) => found,
        Err(error) => return refused(&cx, error),
    };
    match row.kind {
        RequestKind::Approval => decide_approval(&cx, &call, &row, may).await,
        RequestKind::Decision => say(&cx, &call, &row, may).await,
    }
}

async fn decide_approval(cx: &Context, call: &Call, row: &RequestRow, may: May) -> Answer {
    let sent = call.form_fields();
    let one = |key: &str| -> Option<&str> {
        let mut all = sent.iter().filter(|(name, _)| name == key);
        match (all.next(), all.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    };
    let form = requests::detail(row)["form"].clone();
    let fields = fields(&form, &Before::default());
    let known = |key: &str| {
        matches!(key, "csrf" | "answer" | "slot" | "comment")
            || key
                .strip_prefix("in.")
                .is_some_and(|name| fields.iter().any(|field| field.name == name))
    };
    if let Some((odd, _)) = sent.iter().find(|(key, _)| !known(key)) {
        return Err(Problem::bad(
            "bad_form",
            format!("the form has no field `{odd}`"),
        ));
    }
    let approved = match (one("answer"), one("slot")) {
        (Some("approve"), None) => true,
        (Some("reject"), None) => false,
        (Some("sign_in"), Some(slot)) => {
            let slot: SlotName = slot.parse().map_err(|_| Problem::not_found("connection"))?;
            return Ok(match approver::sign_in(cx, row, &slot).await? {
                Some(sign_in) => redirect(&format!("/connect/{sign_in}")),
                None => redirect(call.uri.path()),
            });
        }
        _ => return Err(Problem::bad("bad_form", "the answer is not complete")),
    };
    let mut before = Before {
        comment: one("comment").unwrap_or_default().to_owned(),
        ..Before::default()
    };
    for field in &fields {
        let text = one(&format!("in.{}", field.name)).unwrap_or_default();
        if let Some(value) = typed(field, text) {
            before.fields.insert(field.name.clone(), value);
        }
        before.typed.push((field.name.clone(), text.to_owned()));
    }
    // The account is given before the decision, so that nothing is approved that then cannot be done as its approver.
    if approved
        && approver::look(cx, row)
            .await?
            .slots
            .iter()
            .any(|slot| slot.account.is_none())
    {
        before
            .faults
            .push("Sign in first: approving acts as you.".to_owned());
        return shown(cx, call, StatusCode::CONFLICT, row, may, before).await;
    }
    // Whoever rejects need not fill anything in.
    let form = if approved {
        Value::Object(before.fields.clone())
    } else {
        Value::Null
    };
    let given = Given {
        approved,
        comment: Some(before.comment.clone()),
        form,
    };
    match requests::approve(cx, row, given).await {
        Ok(()) => done(
            cx,
            row,
            if approved {
                "You approved it"
            } else {
                "You rejected it"
            },
        ),
        Err(AnswerError::Refused(Refused::DoesNotFit(faults))) => {
            before.faults = faults.split("; ").map(sentence).collect();
            shown(cx, call, StatusCode::UNPROCESSABLE_ENTITY, row, may, before).await
        }
        Err(error) => refused(cx, error),
    }
}

async fn say(cx: &Context, call: &Call, row: &RequestRow, may: May) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum What {
        Happened,
        Again,
        GiveUp,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(rename = "csrf")]
        _csrf: String,
        answer: What,
        output: Option<String>,
    }
    let form: Form = call.form()?;
    let text = form.output.unwrap_or_default();
    let said = match form.answer {
        What::Happened if text.trim().is_empty() => Said::Happened {
            output: Value::Null.into(),
        },
        What::Happened => match serde_json::from_str::<Value>(&text) {
            Ok(output) => Said::Happened {
                output: output.into(),
            },
            Err(error) => {
                let before = Before {
                    faults: vec![sentence(&format!("what it gave is not JSON: {error}"))],
                    comment: text,
                    ..Before::default()
                };
                return shown(cx, call, StatusCode::UNPROCESSABLE_ENTITY, row, may, before).await;
            }
        },
        What::Again => Said::Again,
        What::GiveUp => Said::GiveUp,
    };
    match requests::decide(cx, row, said).await {
        Ok(()) => done(cx, row, "Thank you"),
        Err(AnswerError::Refused(Refused::DoesNotFit(why))) => {
            let before = Before {
                faults: vec![sentence(&why)],
                comment: text,
                ..Before::default()
            };
            shown(cx, call, StatusCode::UNPROCESSABLE_ENTITY, row, may, before).await
        }
        Err(error) => refused(cx, error),
    }
}

fn done(cx: &Context, row: &RequestRow, title: &str) -> Answer {
    page(
        StatusCode::OK,
        &Message {
            chrome: Chrome::of(cx),
            title: title.into(),
            tone: "good",
            sentences: vec![format!(
                "The run goes on. You answered: {}",
                sentence(&row.title)
            )],
            on: Some(("/requests".into(), "To what waits for you".into())),
        },
    )
}

/// What is seen instead of the page. Whoever is not asked learns nothing, not even whether there is such a request.
fn refused(cx: &Context, error: AnswerError) -> Answer {
    let message = |status, title: &str, sentences: &[&str]| {
        page(
            status,
            &Message {
                chrome: Chrome::of(cx),
                title: title.into(),
                tone: if status == StatusCode::FORBIDDEN {
                    "bad"
                } else {
                    "plain"
                },
                sentences: sentences.iter().map(|text| (*text).to_owned()).collect(),
                on: Some(("/requests".into(), "To what waits for you".into())),
            },
        )
    };
    let AnswerError::Refused(why) = &error else {
        return Err(refusals::answer(error));
    };
    match why {
        Refused::NotFound | Refused::NotAsked | Refused::InvokerMayNotDecide => message(
            StatusCode::FORBIDDEN,
            "This is not for you",
            &[
                "This link works only for those who were asked, when they are logged in here. Whoever runs a flow does not approve it themselves.",
                "If you have another login, log out and log in with that. You cannot answer it in somebody else's place.",
            ],
        ),
        Refused::OnlyTheirPerson => message(
            StatusCode::FORBIDDEN,
            "This is not for you",
            &["Only the person whose account is used may have it done again."],
        ),
        Refused::AlreadyDecided | Refused::Used => message(
            StatusCode::GONE,
            "This is done",
            &["It has been decided. Nothing is needed from you."],
        ),
        Refused::Expired | Refused::RunEnding => message(
            StatusCode::GONE,
            "This is over",
            &[
                "The run that asked has ended, or the time for it is up. Nothing is needed from you.",
            ],
        ),
        Refused::DoesNotFit(_) => Err(refusals::answer(error)),
    }
}

/// The path of a request's page.
pub fn path_of(id: &RequestId) -> String {
    format!("/approvals/{id}")
}
