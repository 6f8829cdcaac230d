//! A run's document as somebody may see it: what the core makes of the run, with what rows beside it say: of whom an approval is asked, and what
//! the runs wait for that it called.

use actas_core::Time;
use actas_core::flow::plan::Work;
use actas_core::ids::RunId;
use actas_core::run::approval::Asked;
use actas_core::run::{Links, Run, Viewer, document};
use actas_store::{RequestRow, system};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::context::Context;
use crate::pages::accounts;
use crate::pages::approval::path_of;
use crate::problem::Problem;
use crate::refusals;
use crate::requests;

/// How deep runs are looked into that others called.
const DEEPEST: usize = 16;

/// What a run can be paused for, in the order in which it is said.
const KINDS: [(&str, &str); 3] = [
    ("sign_in", "connections"),
    ("approval", "approvals"),
    ("decision", "decisions"),
];

/// A run's document as the caller may see it.
///
/// # Errors
/// If the store is away.
pub async fn view(cx: &Context, run: &Run) -> Result<Value, Problem> {
    view_as(cx, run, &Viewer::new(cx.user.id.clone())).await
}

/// The same for a viewer who may see more. What called runs wait for is shown as they themselves show it.
///
/// # Errors
/// If the store is away.
pub async fn view_as(cx: &Context, run: &Run, viewer: &Viewer) -> Result<Value, Problem> {
    at_depth(cx, run, viewer, 0).await
}

fn at_depth<'a>(
    cx: &'a Context,
    run: &'a Run,
    viewer: &'a Viewer,
    depth: usize,
) -> BoxFuture<'a, Result<Value, Problem>> {
    Box::pin(async move {
        let mut shown = bare(cx, run, viewer);
        let Some(created) = &run.created else {
            return Ok(shown);
        };
        if asks(&shown["paused"]) {
            let rows = cx.reader.requests_of_run(&created.run).await?;
            let own = created.is_of(&cx.user.id);
            for (_, list) in KINDS {
                for one in items(&mut shown["paused"], list) {
                    let row = rows.iter().find(|row| one["request"] == row.id.as_str());
                    if let Some(row) = row {
                        say_who(cx, one, row, own);
                    }
                }
            }
        }
        let calls = run.plan.steps.iter().any(|step| {
            matches!(step.work, Work::Each { .. })
                || matches!(
                    step.work,
                    Work::Hold {
                        kind: actas_core::app::HoldKind::RunFlow,
                        ..
                    }
                )
        });
        if calls && run.ended_at().is_none() && depth < DEEPEST {
            for child in cx.reader.living_children(&created.run).await? {
                let paused = paused_of(cx, &child.id, depth + 1).await?;
                merge(&mut shown["paused"], paused, &child.id);
            }
        }
        if depth == 0 {
            let invoker = shown["invoker"].clone();
            let theirs = items(&mut shown["paused"], "connections")
                .any(|one| !invoker.is_null() && one["person"] == invoker);
            if theirs {
                let all = cx.app.origin.join(&accounts::path_of(&created.run));
                shown["paused"]["url"] = json!(all);
            }
        }
        Ok(shown)
    })
}

/// What the core makes of the run.
fn bare(cx: &Context, run: &Run, viewer: &Viewer) -> Value {
    let join = |path: &str| cx.app.origin.join(path).to_string();
    let links = Links {
        sign_in: &|id| join(&format!("/connect/{id}")),
        request: &|id| join(&path_of(id)),
    };
    document(run, viewer, system::now(), &links).0
}

/// What a run that another one called is paused for.
async fn paused_of(cx: &Context, run: &RunId, depth: usize) -> Result<Value, Problem> {
    let loaded = cx.app.runner.load(cx.workspace(), run).await;
    Ok(match loaded.map_err(refusals::load)? {
        Some(run) => {
            let viewer = Viewer::new(cx.user.id.clone());
            at_depth(cx, &run, &viewer, depth).await?["paused"].take()
        }
        None => Value::Null,
    })
}

/// Whether something is asked of which rows say more.
fn asks(paused: &Value) -> bool {
    paused["approvals"].is_array() || paused["decisions"].is_array()
}

fn items<'a>(paused: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = paused.get_mut(list).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// Of whom it is asked, and whether the caller is one of them. Its title is made of what the flow knows: it is for those who are asked, and for
/// whoever runs the flow.
fn say_who(cx: &Context, one: &mut Value, row: &RequestRow, own: bool) {
    let may = requests::is_open(row).is_ok() && requests::may_answer(cx, row).is_ok();
    one["who"] = json!(row.who);
    one["mine"] = json!(may);
    let who: Vec<Asked> = row.who.iter().filter_map(|who| Asked::parse(who)).collect();
    if own || who.iter().any(|asked| asked.means(&cx.person())) {
        one["title"] = json!(row.title);
    }
}

/// Adds what a called run is paused for to what its caller is paused for.
fn merge(paused: &mut Value, mut child: Value, run: &RunId) {
    if child.is_null() {
        return;
    }
    if paused.is_null() {
        *paused = json!({"connections": []});
    }
    for (_, list) in KINDS {
        for one in items(&mut child, list) {
            // Of a run still further down, that one's name stands there already.
            if one.get("run").is_none() {
                one["run"] = json!(run);
            }
        }
        let Some(more) = child[list].as_array_mut().map(std::mem::take) else {
            continue;
        };
        match paused[list].as_array_mut() {
            Some(all) => all.extend(more),
            None => paused[list] = more.into(),
        }
    }
    let until = |value: &Value| value["until"].as_str().and_then(Time::parse);
    let first = [until(paused), until(&child)].into_iter().flatten().min();
    paused["until"] = json!(first);
    let kind = KINDS.iter().find(|(_, list)| {
        let asked = paused[*list].as_array();
        asked.is_some_and(|asked| !asked.is_empty())
    });
    paused["for"] = json!(kind.map(|(kind, _)| kind));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_called_runs_wait_for_stands_with_what_their_caller_waits_for() {
        let (child, grandchild) = (RunId::from_bits(1), RunId::from_bits(2));
        let mut paused = Value::Null;
        merge(&mut paused, Value::Null, &child);
        assert!(paused.is_null());
        let approval = json!({"for": "approval", "connections": [], "approvals": [{"step": "a"}, {"step": "b", "run": grandchild}], "until": "2026-11-20T13:00:00Z"});
        merge(&mut paused, approval, &child);
        assert_eq!(
            (
                &paused["for"],
                &paused["approvals"][0]["run"],
                &paused["approvals"][1]["run"]
            ),
            (&json!("approval"), &json!(child), &json!(grandchild))
        );
        let sign_in = json!({"for": "sign_in", "connections": [{"slot": "crm"}], "until": "2026-11-20T12:00:00Z"});
        merge(&mut paused, sign_in, &child);
        assert_eq!(paused["for"], "sign_in");
        assert_eq!(paused["connections"][0]["run"], json!(child));
        assert_eq!(until_of(&paused), "2026-11-20T12:00:00");
        assert_eq!(paused["approvals"].as_array().map(Vec::len), Some(2));
    }

    fn until_of(paused: &Value) -> &str {
        paused["until"]
            .as_str()
            .and_then(|text| text.get(..19))
            .unwrap_or_default()
    }
}
