//! Apps and app clients: how the workspace is known to each. A client's secret goes in and never comes out.

use actas_core::Secret;
use actas_core::app::Manifest;
use actas_core::ids::{AppName, ClientId, Name};
use actas_store::{ClientRow, system};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

use crate::api::{json as answer, ok};
use crate::call::Call;
use crate::context::Context;
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;

/// `GET /apps`
pub async fn list(cx: Context, _call: Call) -> Answer {
    let configured = cx.reader.clients(None).await?;
    let apps: Vec<Value> = cx
        .app
        .apps
        .iter()
        .map(|manifest| {
            json!({
                "app": manifest.app, "title": manifest.title, "version": manifest.version, "digest": manifest.digest,
                "modules": manifest.modules.keys().collect::<Vec<_>>(),
                "needs_client": manifest.auth.oauth2.is_some(),
                "clients": configured.iter().filter(|client| client.app == manifest.app).map(|client| &client.name).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(ok(&json!({"apps": apps})))
}

fn manifest_of<'a>(cx: &'a Context, call: &Call) -> Result<&'a Arc<Manifest>, Problem> {
    let app: AppName = call.id("app")?;
    cx.app
        .apps
        .get(app.as_str())
        .ok_or_else(|| Problem::not_found("app"))
}

/// `GET /apps/{app}`
pub async fn show(cx: Context, call: Call) -> Answer {
    let manifest = manifest_of(&cx, &call)?;
    let modules: Vec<Value> = manifest
        .modules
        .values()
        .map(|module| {
            json!({
                "module": format!("{}.{}", manifest.app, module.name), "title": module.title, "description": module.description,
                "effect": module.effect, "input": module.input_schema, "output": module.output_schema,
                "scopes": module.scopes, "rights": module.rights, "needs_connection": module.needs_connection,
            })
        })
        .collect();
    Ok(ok(&json!({
        "app": manifest.app, "title": manifest.title, "version": manifest.version, "digest": manifest.digest,
        "settings": manifest.settings, "scopes": manifest.auth.oauth2.as_ref().map(|oauth| &oauth.scopes),
        "modules": modules,
    })))
}

fn view(cx: &Context, client: &ClientRow) -> Value {
    json!({
        "id": client.id, "app": client.app, "name": client.name, "client_id": client.oauth_client_id,
        "settings": serde_json::from_str::<Value>(&client.settings).unwrap_or_default(),
        "default": client.is_default, "redirect_uri": cx.app.connections.redirect_uri(&client.id),
        "created_at": client.created_at,
    })
}

/// `GET /apps/{app}/clients`
pub async fn clients(cx: Context, call: Call) -> Answer {
    let app = manifest_of(&cx, &call)?.app.clone();
    let clients: Vec<Value> = cx
        .reader
        .clients(Some(&app))
        .await?
        .iter()
        .map(|client| view(&cx, client))
        .collect();
    Ok(ok(&json!({"clients": clients})))
}

fn check_settings(manifest: &Manifest, settings: &Map<String, Value>) -> Result<(), Problem> {
    manifest
        .check_settings(&Value::Object(settings.clone()))
        .map_err(|faults| {
            Problem::invalid(
                "bad_settings",
                format!("the settings do not fit the app: {}", faults.join("; ")),
            )
            .with("errors", json!(faults))
        })
}

/// `POST /apps/{app}/clients`
pub async fn add_client(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: Option<Name>,
        client_id: Option<String>,
        client_secret: Option<Secret<String>>,
        #[serde(default)]
        settings: Map<String, Value>,
        default: Option<bool>,
    }
    let manifest = Arc::clone(manifest_of(&cx, &call)?);
    let body: Body = call.json()?;
    check_settings(&manifest, &body.settings)?;
    let oauth_client_id = match body.client_id {
        Some(id) => id,
        // An app without OAuth knows no clients: what counts is where it is.
        None if manifest.auth.oauth2.is_none() => String::new(),
        None => {
            return Err(Problem::invalid(
                "client_id_missing",
                format!("`{}` knows this workspace by a `client_id`", manifest.app),
            ));
        }
    };
    let others = cx.reader.clients(Some(&manifest.app)).await?;
    let name = match body.name {
        Some(name) => name,
        None => "default".parse().map_err(Problem::internal)?,
    };
    if others.iter().any(|other| other.name == name) {
        return Err(Problem::conflict(
            "name_taken",
            format!(
                "`{}` has an app client `{name}` already: change it with PUT, or choose another name",
                manifest.app
            ),
        ));
    }
    let client = ClientRow {
        id: ClientId::from_bits(system::new_bits()),
        app: manifest.app.clone(),
        name,
        oauth_client_id,
        settings: Value::Object(body.settings).to_string(),
        is_default: body
            .default
            .unwrap_or_else(|| !others.iter().any(|other| other.is_default)),
        created_at: cx.now,
    };
    put(&cx, client.clone(), body.client_secret).await?;
    Ok(answer(StatusCode::CREATED, &view(&cx, &client)))
}

/// `PUT /apps/{app}/clients/{name}`: what is left out stays as it is, the secret too.
pub async fn change_client(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        client_id: Option<String>,
        client_secret: Option<Secret<String>>,
        settings: Option<Map<String, Value>>,
        default: Option<bool>,
    }
    let manifest = Arc::clone(manifest_of(&cx, &call)?);
    let body: Body = call.json()?;
    let name: Name = call.id("name")?;
    let clients = cx.reader.clients(Some(&manifest.app)).await?;
    let mut client = clients
        .into_iter()
        .find(|client| client.name == name)
        .ok_or_else(|| Problem::not_found("app client"))?;
    if let Some(settings) = body.settings {
        check_settings(&manifest, &settings)?;
        client.settings = Value::Object(settings).to_string();
    }
    if let Some(id) = body.client_id {
        client.oauth_client_id = id;
    }
    if let Some(default) = body.default {
        client.is_default = default;
    }
    put(&cx, client.clone(), body.client_secret).await?;
    Ok(ok(&view(&cx, &client)))
}

async fn put(
    cx: &Context,
    client: ClientRow,
    secret: Option<Secret<String>>,
) -> Result<(), Problem> {
    cx.app
        .connections
        .put_client(cx.workspace(), client, secret, &cx.who())
        .await
        .map_err(refusals::connections)
}
