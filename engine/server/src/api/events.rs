//! Server-sent events: the run's document at every change, until it ends. What is private to another person is left out, as everywhere.

use std::convert::Infallible;
use std::time::Duration;

use actas_core::ids::RunId;
use actas_store::system;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream;
use serde_json::Value;

use crate::access::Rights;
use crate::api::{may_see, run_of};
use crate::call::Call;
use crate::context::{Context, Via};
use crate::problem::Problem;
use crate::routes::Answer;
use crate::start;
use crate::view::view;

/// Between two looks at a run that says nothing.
const LOOK: Duration = Duration::from_secs(15);

struct Watch {
    cx: Context,
    run: RunId,
    changes: tokio::sync::watch::Receiver<u64>,
    /// Moves when somebody's access ended here; elsewhere it is noticed at the next look.
    ended: tokio::sync::watch::Receiver<u64>,
    last: Option<Value>,
    over: bool,
}

/// `GET /runs/{run}/events`
pub async fn stream(cx: Context, call: Call) -> Answer {
    let row = run_of(&cx, &call).await?;
    let watch = Watch {
        changes: cx.app.runner.changes(&row.id),
        ended: cx.app.ended.subscribe(),
        cx,
        run: row.id,
        last: None,
        over: false,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::new().interval(LOOK))
        .into_response())
}

impl Watch {
    /// The next document that differs from the last one.
    async fn next(&mut self) -> Option<Event> {
        let stopping = self.cx.app.stopping.clone();
        while !self.over {
            self.changes.mark_unchanged();
            let seen = match start::load(&self.cx, &self.run).await {
                Ok(run) => view(&self.cx, &run).await.ok(),
                Err(_) => None,
            };
            // Judged after it was read: what came after the right had ended must not be shown.
            match self.still_may().await {
                Ok(true) => {}
                Ok(false) => return None,
                // The store is away: nothing is shown that cannot be judged.
                Err(_) => {
                    tokio::select! {
                        () = stopping.cancelled() => return None,
                        () = tokio::time::sleep(Duration::from_secs(1)) => continue,
                    }
                }
            }
            if let Some(document) = seen {
                self.over = matches!(
                    document["state"].as_str(),
                    Some("succeeded" | "failed" | "cancelled")
                );
                if self.last.as_ref() != Some(&document) {
                    let event = Event::default().event("run").data(document.to_string());
                    self.last = Some(document);
                    return Some(event);
                }
            }
            tokio::select! {
                () = stopping.cancelled() => return None,
                changed = self.changes.changed() => if changed.is_err() {
                    // Nobody tells any more: look now and then.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                },
                _ = self.ended.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        None
    }

    /// Whether whoever began to watch could begin now: a stream may live for weeks, and rights end.
    async fn still_may(&mut self) -> Result<bool, Problem> {
        let cx = &self.cx;
        let now = system::now();
        let lives = match &cx.via {
            Via::Session { hash, .. } => cx.app.store.session(hash, now).await?.is_some(),
            Via::Token { hash, .. } => cx.app.store.token(hash, now).await?.is_some(),
            Via::Socket => true,
        };
        if !lives {
            return Ok(false);
        }
        let user = cx.reader.user(&cx.user.id).await?;
        let Some(user) = user.filter(|user| !user.disabled) else {
            return Ok(false);
        };
        self.cx.rights = Rights::read(&cx.reader, &user).await?;
        self.cx.user = user;
        let row = self.cx.reader.run(&self.run).await?;
        Ok(row.is_some_and(|row| may_see(&self.cx, &row)))
    }
}
