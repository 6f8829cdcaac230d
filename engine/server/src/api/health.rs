//! Is it alive, is it ready, what is it set to.

use axum::http::StatusCode;
use serde_json::json;

use crate::api::openapi::document;
use crate::api::{json as answer, ok};
use crate::call::Call;
use crate::context::{Context, Visitor};
use crate::routes::{Answer, table};

/// `GET /healthz`
pub async fn alive(_visitor: Visitor, _call: Call) -> Answer {
    Ok(ok(&json!({"status": "ok"})))
}

/// `GET /readyz`: the store answers and the server is not stopping.
pub async fn ready(visitor: Visitor, _call: Call) -> Answer {
    if visitor.app.stopping.is_cancelled() {
        return Ok(answer(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"status": "stopping"}),
        ));
    }
    visitor.app.store.workspaces().await?;
    Ok(ok(&json!({"status": "ready"})))
}

/// `GET /api/v1/openapi.json`
pub async fn openapi(_visitor: Visitor, _call: Call) -> Answer {
    Ok(ok(&document(&table(false))))
}

/// `GET /settings`
pub async fn settings(cx: Context, _call: Call) -> Answer {
    let mut settings = cx.app.settings.clone();
    settings["workspace"] = (*cx.workspace_name()).into();
    Ok(ok(&settings))
}
