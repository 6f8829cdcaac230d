//! What every request passes before its handler: is the path plain, who is it, may they, does the change come from a page of ours. There is
//! no other way to a handler, and whatever is not clearly allowed is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actas_core::ids::{UserId, WorkspaceId};
use actas_store::{SessionRow, UserRow, system};
use axum::RequestExt;
use axum::body::Body;
use axum::extract::{ConnectInfo, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::Rights;
use crate::app::App;
use crate::call::{Call, is_plain};
use crate::context::{Context, Via, Visitor};
use crate::pages;
use crate::problem::Problem;
use crate::routes::{Caller, Handler, Kind, Needs, Route};
use crate::scopes::{Scope, Scopes};
use crate::target::Target;
use crate::workspaces::Workspace;

/// The largest body taken, in bytes: a flow file of 1 MB fits when it is wrapped in JSON.
const LARGEST_BODY: usize = 4 << 20;

/// A body that is not there by then is not waited for: whoever sends a byte now and then must not hold a request for ever.
const BODY_ARRIVES: Duration = Duration::from_secs(30);

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Somebody on the network.
    Tcp(SocketAddr),
    /// Whoever can open the 0600 socket in the 0700 data directory: the operator of this machine.
    Socket,
}

/// Answers a request to a route.
pub async fn pass(route: &'static Route, app: Arc<App>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let to = Target::of_path(request.uri().path());
    let secure = app.origin.url().scheme() == "https";
    let cookie = app.origin.cookie_of(request.headers());
    let shows = route.kind == Kind::Page && route.method == Method::GET;
    let mut response = match answer(route, Arc::clone(&app), request).await {
        Ok(response) => response,
        Err(problem) if route.kind == Kind::Page => {
            if problem.status == StatusCode::UNAUTHORIZED {
                // A store that is away has been said already.
                let home = app.home_of(&to).await.ok().flatten();
                let home = home.unwrap_or_else(|| app.first_workspace());
                pages::redirect(&App::login_path(&home.name, &to))
            } else {
                pages::problem(&problem)
            }
        }
        Err(problem) => problem.into_response(),
    };
    let absent = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&response.status());
    if absent
        && shows
        && let Some(login) = elsewhere(&app, &to, cookie).await
    {
        response = pages::redirect(&login);
    }
    if head {
        *response.body_mut() = Body::empty();
    }
    protect(&mut response, route.kind, secure);
    response
}

/// The answer for what is no route at all.
pub async fn nothing(request: Request) -> Response {
    let kind = if request.uri().path().starts_with("/api/") {
        Kind::Api
    } else {
        Kind::Page
    };
    let problem = Problem::not_found("page");
    let mut response = match kind {
        Kind::Api => problem.into_response(),
        Kind::Page | Kind::Asset => pages::problem(&problem),
    };
    protect(&mut response, kind, false);
    response
}

async fn answer(
    route: &'static Route,
    app: Arc<App>,
    request: Request,
) -> Result<Response, Problem> {
    if !is_plain(request.uri().path()) {
        return Err(Problem::not_found("page"));
    }
    let peer = request
        .extensions()
        .get::<ConnectInfo<Peer>>()
        .map(|info| info.0)
        .ok_or_else(|| Problem::internal("a connection without a peer"))?;
    let now = system::now();
    let ip = match peer {
        Peer::Tcp(address) => Some(address.ip().to_string()),
        Peer::Socket => None,
    };
    let agent = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.chars().take(120).collect::<String>());
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);

    match route.handler {
        Handler::Public(handler) => {
            let machine = route.caller == Caller::Machine;
            let session = match machine {
                true => None,
                false => session_of(&app, request.headers()).await?,
            };
            if changes && !machine && !app.origin.is_same(request.headers()) {
                return Err(foreign());
            }
            let call = read(request).await?;
            let workspace = workspace_of(&app, route, &call, session.as_ref()).await?;
            let visitor = Visitor {
                app,
                workspace,
                ip,
                agent,
                now,
                session: session.map(|(row, _)| row),
            };
            handler(visitor, call).await
        }
        Handler::Private(handler) => {
            let (workspace, user, via) =
                recognise(&app, peer, request.headers(), ip.as_deref()).await?;
            let allowed = match (route.kind, route.caller, &via) {
                (_, Caller::Public | Caller::Machine, _) => false,
                // What is about all workspaces is for nobody inside one of them.
                (_, Caller::Operator, via) => *via == Via::Socket,
                (_, _, Via::Session { .. }) => true,
                // Pages are for browsers: nothing else completes a sign-in.
                (Kind::Page | Kind::Asset, _, _) => false,
                (Kind::Api, Caller::Session, via) => *via == Via::Socket,
                (Kind::Api, Caller::Answering | Caller::Either, _) => true,
            };
            if !allowed {
                return Err(Problem::forbidden(match route.caller {
                    Caller::Operator => {
                        "this is for the operator of the server's machine: use the command line there"
                    }
                    _ => "this needs a person in a browser: an API token is not enough",
                }));
            }
            if let Via::Token { scopes, .. } = &via {
                scopes.check(route).map_err(|lacking| {
                    let scope = lacking.as_str();
                    let who = match lacking {
                        Scope::Approvals => "a person in a browser, or ",
                        Scope::Runs | Scope::Read | Scope::Manage => "",
                    };
                    Problem::forbidden(format!(
                        "this needs {who}an API token with the scope `{scope}`"
                    ))
                    .with("scope", scope)
                })?;
            }
            let reader = app.store.reader(&workspace.id);
            let rights = Rights::read(&reader, &user).await?;
            // The operator of the machine is not whom they act as.
            if via != Via::Socket {
                app.see(&workspace.id, &user.id, now);
            }
            let context = Context {
                reader,
                app,
                user,
                rights,
                via,
                ip,
                agent,
                now,
            };
            if let Needs::Privilege(privilege) = route.needs {
                context.needs(privilege)?;
            }
            if changes
                && matches!(context.via, Via::Session { .. })
                && !context.app.origin.is_same(request.headers())
            {
                return Err(foreign());
            }
            let call = read(request).await?;
            if changes && matches!(context.via, Via::Session { .. }) {
                let sent = match route.kind {
                    Kind::Api => call.header("x-actas-csrf").map(str::to_owned),
                    Kind::Page | Kind::Asset => call.form_field("csrf"),
                };
                let fits = sent
                    .is_some_and(|sent| sent.as_bytes().ct_eq(context.csrf().as_bytes()).into());
                if !fits {
                    return Err(foreign());
                }
            }
            handler(context, call).await
        }
    }
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not_our_page",
        "a change must come from a page of this server: open it again and repeat",
    )
}

/// SHA-256 of a secret that somebody carries, hex: what the store knows it by.
pub fn hash_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// What forms of a session bring back; it cannot be computed without the cookie.
pub fn csrf_of(cookie: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"actas/csrf/1\0");
    hash.update(cookie.as_bytes());
    hex::encode(hash.finalize())
}

async fn session_of(
    app: &App,
    headers: &HeaderMap,
) -> Result<Option<(SessionRow, String)>, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let Some(cookie) = app.origin.cookie_of(headers) else {
        return Ok(None);
    };
    let row = app.store.session(&hash_of(&cookie), system::now()).await?;
    Ok(row.map(|row| (row, csrf_of(&cookie))))
}

/// Finds out who it is. With an Authorization header cookies are ignored; the socket is known by itself.
async fn recognise(
    app: &App,
    peer: Peer,
    headers: &HeaderMap,
    ip: Option<&str>,
) -> Result<(Workspace, UserRow, Via), Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return by_token(app, value, ip).await;
    }
    if peer == Peer::Socket {
        let workspace = operated(app, headers).await?;
        let user = local_user(app, &workspace, headers).await?;
        return Ok((workspace, user, Via::Socket));
    }
    let (row, csrf) = session_of(app, headers)
        .await?
        .ok_or_else(Problem::unauthorized)?;
    let workspace = workspace_row(app, &row.workspace).await?;
    let user = live_user(app, &workspace, &row.user).await?;
    let hash = row.hash;
    Ok((workspace, user, Via::Session { hash, csrf }))
}

async fn by_token(
    app: &App,
    value: &HeaderValue,
    ip: Option<&str>,
) -> Result<(Workspace, UserRow, Via), Problem> {
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let found = match token {
        Some(token) => app.store.bearer(&hash_of(token), system::now()).await?,
        None => None,
    };
    let Some((row, user)) = found else {
        // Guessing a token is hopeless; asking the store for every guess need not be free.
        if let Some(ip) = ip {
            app.by_address
                .take(ip, system::now())
                .map_err(Problem::too_many)?;
        }
        return Err(Problem::unauthorized());
    };
    let scopes = Scopes::of(&row.scopes);
    if user.disabled || scopes.is_empty() {
        return Err(Problem::unauthorized());
    }
    let hash = row.hash;
    let workspace = workspace_row(app, &row.workspace).await?;
    Ok((workspace, user, Via::Token { hash, scopes }))
}

async fn live_user(app: &App, workspace: &Workspace, id: &UserId) -> Result<UserRow, Problem> {
    app.store
        .reader(&workspace.id)
        .user(id)
        .await?
        .filter(|user| !user.disabled)
        .ok_or_else(Problem::unauthorized)
}

/// The workspace that the operator of this machine acts in: the one they name, or the first.
async fn operated(app: &App, headers: &HeaderMap) -> Result<Workspace, Problem> {
    let Some(name) = headers.get("actas-workspace") else {
        return Ok(app.first_workspace());
    };
    let name = name.to_str().unwrap_or_default();
    let named = app.workspace_named(name).await?;
    let workspace = named.ok_or_else(|| Problem::not_found("workspace"))?;
    ready(app, &workspace).await?;
    Ok(workspace)
}

/// Whether this process has the workspace's key: another server may have added the workspace.
async fn ready(app: &App, workspace: &Workspace) -> Result<(), Problem> {
    let ready = app.connections.ready(&workspace.id).await;
    ready.map_err(|error| {
        tracing::error!(
            workspace = &*workspace.name,
            "a workspace cannot be served: {error}"
        );
        Problem::unavailable("this server cannot serve the workspace just now: try again later")
    })
}

/// The workspace that a row names. A row whose workspace is gone lets nobody in.
async fn workspace_row(app: &App, id: &WorkspaceId) -> Result<Workspace, Problem> {
    let known = app.workspace_of(id).await?;
    let workspace = known.ok_or_else(Problem::unauthorized)?;
    ready(app, &workspace).await?;
    Ok(workspace)
}

/// The workspace of a visitor: the one in the path, and no other; else the session's; else the first.
async fn workspace_of(
    app: &App,
    route: &Route,
    call: &Call,
    session: Option<&(SessionRow, String)>,
) -> Result<Workspace, Problem> {
    if route.path.starts_with("/w/{workspace}/") {
        let named = app.workspace_named(call.text("workspace")).await?;
        return named.ok_or_else(|| Problem::not_found("workspace"));
    }
    match session {
        Some((row, _)) => workspace_row(app, &row.workspace).await,
        None => Ok(app.first_workspace()),
    }
}

/// Where somebody logs in who asked for a page that is not there for them, but is in another workspace than the one they are logged in to.
async fn elsewhere(app: &App, to: &Target, cookie: Option<String>) -> Option<String> {
    let hash = hash_of(&cookie?);
    let session = app.store.session(&hash, system::now()).await.ok()??;
    let home = app.home_of(to).await.ok()??;
    (home.id != session.workspace).then(|| App::login_path(&home.name, to))
}

/// Whom the operator of this machine acts as: the local user they name, or the first local owner.
async fn local_user(
    app: &App,
    workspace: &Workspace,
    headers: &HeaderMap,
) -> Result<UserRow, Problem> {
    let reader = app.store.reader(&workspace.id);
    if let Some(login) = headers.get("actas-as") {
        let login = login.to_str().unwrap_or_default();
        return reader
            .user_by_login(login)
            .await?
            .filter(|user| user.local && !user.disabled)
            .ok_or_else(|| {
                Problem::forbidden(format!(
                    "`{login}` is not a local user: mark them so with `actas users set {login} --local`, or act with their API token"
                ))
            });
    }
    reader
        .users()
        .await?
        .into_iter()
        .filter(|user| user.local && !user.disabled && user.roles.iter().any(|r| r == "owner"))
        .min_by_key(|user| user.created_at)
        .ok_or_else(|| Problem::forbidden("there is no local owner: name a local user with `--as`"))
}

async fn read(mut request: Request) -> Result<Call, Problem> {
    let path = request
        .extract_parts::<RawPathParams>()
        .await
        .map_err(|_| Problem::not_found("page"))?;
    let path = path
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (parts, body) = request.into_parts();
    let body = whole(body, BODY_ARRIVES).await?;
    Ok(Call {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        path,
        body,
    })
}

/// A body, read within its bounds of size and time.
async fn whole(body: Body, within: Duration) -> Result<Bytes, Problem> {
    tokio::time::timeout(within, axum::body::to_bytes(body, LARGEST_BODY))
        .await
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                format!("body did not arrive within {} s", within.as_secs()),
            )
        })?
        .map_err(|_| {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("body is larger than {LARGEST_BODY} bytes, or did not arrive"),
            )
        })
}

/// Headers of every answer. A handler that needs another policy has set it already.
fn protect(response: &mut Response, kind: Kind, secure: bool) {
    let policy = match kind {
        Kind::Api => "default-src 'none'; frame-ancestors 'none'",
        Kind::Page | Kind::Asset => pages::POLICY,
    };
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set("content-security-policy", policy);
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    if secure {
        set("strict-transport-security", "max-age=31536000");
    }
    if kind != Kind::Asset {
        set("cache-control", "no-store");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        let slow = whole(Body::from_stream(never), Duration::from_millis(5)).await;
        let slow = slow.expect_err("nothing came");
        assert_eq!((slow.status.as_u16(), slow.code), (408, "body_too_slow"));

        let large = Body::from(vec![0; LARGEST_BODY + 1]);
        let large = whole(large, BODY_ARRIVES).await.expect_err("too large");
        assert_eq!((large.status.as_u16(), large.code), (413, "too_large"));
    }
}
