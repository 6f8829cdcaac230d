//! Our style sheet and scripts, part of the program. The list is closed.

use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::call::Call;
use crate::context::Visitor;
use crate::problem::Problem;
use crate::routes::Answer;

/// `GET /assets/{file}`
pub async fn show(_visitor: Visitor, call: Call) -> Answer {
    let (kind, text) = match call.text("file") {
        "page.css" => (
            "text/css; charset=utf-8",
            include_str!("../../assets/page.css"),
        ),
        "run.js" => (
            "text/javascript; charset=utf-8",
            include_str!("../../assets/run.js"),
        ),
        "mark.svg" => ("image/svg+xml", include_str!("../../assets/mark.svg")),
        _ => return Err(Problem::not_found("file")),
    };
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    Ok(response)
}
