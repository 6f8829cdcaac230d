//! The API's description (OpenAPI 3.1), made from the table of routes: a route that is not in it does not exist.

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::routes::{Caller, Kind, Needs, Route};

/// The description of a table's API routes.
pub fn document(table: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in table
        .iter()
        .filter(|route| route.path.starts_with("/api/v1") && route.kind == Kind::Api)
    {
        let path = paths
            .entry(route.path.to_owned())
            .or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Actas", "version": "1",
            "description": "Action flows that act as the person who runs them. Refusals are problem documents (RFC 9457) with a stable `code`.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token: starts and watches runs for its user; completes no sign-in."},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-actas", "description": "A person in a browser; changes also need the header `X-Actas-CSRF` and come from our own pages."},
            },
            "schemas": {
                "Problem": {
                    "type": "object", "required": ["type", "title", "status", "code", "detail"],
                    "properties": {
                        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                        "code": {"type": "string"}, "detail": {"type": "string"},
                    },
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let security = match route.caller {
        Caller::Public | Caller::Machine => json!([]),
        Caller::Operator => json!([{"operator": []}]),
        Caller::Session => json!([{"session": []}]),
        Caller::Either => json!([{"session": []}, {"token": []}]),
        Caller::Answering => json!([{"session": []}, {"token": ["approvals"]}]),
    };
    let problem = json!({
        "description": "A problem document.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    let mut operation = json!({
        "summary": route.about,
        "operationId": name(route),
        "parameters": parameters,
        "security": security,
        "responses": {"2XX": {"description": "Done.", "content": {"application/json": {}}}, "4XX": problem, "5XX": problem},
    });
    if let (Needs::Privilege(privilege), Some(members)) = (route.needs, operation.as_object_mut()) {
        members.insert("x-privilege".into(), privilege.as_str().into());
    }
    if matches!(route.method, Method::POST | Method::PUT)
        && let Some(members) = operation.as_object_mut()
    {
        members.insert(
            "requestBody".into(),
            json!({"content": {"application/json": {"schema": {"type": "object"}}}}),
        );
    }
    operation
}

/// `GET /api/v1/flows/{flow}/runs` → `get_flows_flow_runs`.
fn name(route: &Route) -> String {
    let path: String = route
        .path
        .trim_start_matches("/api/v1/")
        .chars()
        .filter(|c| !matches!(c, '{' | '}'))
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("{}_{path}", route.method.as_str().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_description_is_the_tables() {
        let text = serde_json::to_string_pretty(&document(&crate::routes::table(false)));
        expect_test::expect_file!["../../openapi.json"].assert_eq(&(text.expect("JSON") + "\n"));
    }
}
