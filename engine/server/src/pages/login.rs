//! Logging in and out: by password, by one-time link. A login makes a new session and ends the one the browser had.

use std::time::Duration;

use actas_connections::Who;
use actas_core::Secret;
use actas_core::audit::{Actor, Draft, Object};
use actas_core::ids::UserId;
use actas_store::{Commit, LoginLinkRow, Op, SessionRow, UserRow, system};
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use crate::call::Call;
use crate::context::{Context, Fill, Via, Visitor, record};
use crate::gate::hash_of;
use crate::pages::connect::policy;
use crate::pages::{Chrome, Message, page, redirect};
use crate::password;
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;
use crate::secrets;
use crate::target::Target;
use crate::workspaces::Workspace;

/// How long a session lives.
const SESSION_LIVES: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage {
    chrome: Chrome,
    workspace: String,
    to: String,
    login: String,
    asked: bool,
    fault: Option<String>,
    /// What stands on the button of the workspace's own provider, if it has one.
    elsewhere: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "link.html")]
struct LinkPage {
    chrome: Chrome,
    path: String,
    login: String,
    name: String,
    to: String,
    shortest: usize,
    fault: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    to: Option<String>,
}

pub(super) fn to_of(call: &Call) -> Target {
    let to = call.query::<To>().ok().and_then(|query| query.to);
    to.map(|text| Target::of(&text)).unwrap_or_default()
}

/// `GET /w/{workspace}/login`
pub async fn show(visitor: Visitor, call: Call) -> Answer {
    let to = to_of(&call);
    let session = visitor.session.as_ref();
    if session.is_some_and(|row| row.workspace == visitor.workspace.id) && to == Target::Home {
        return Ok(redirect("/"));
    }
    login_page(&visitor, StatusCode::OK, &to, "", None).await
}

async fn login_page(
    visitor: &Visitor,
    status: StatusCode,
    to: &Target,
    login: &str,
    fault: Option<String>,
) -> Answer {
    let oidc = visitor
        .app
        .store
        .reader(&visitor.workspace.id)
        .oidc()
        .await?;
    let elsewhere = oidc.map(|row| {
        let title = row.oidc.title.filter(|title| !title.trim().is_empty());
        title.unwrap_or_else(|| "Log in with your organisation".to_owned())
    });
    let leads_away = elsewhere.is_some();
    let mut response = page(
        status,
        &LoginPage {
            chrome: Chrome::default(),
            workspace: visitor.workspace.name.to_string(),
            to: to.to_string(),
            login: login.to_owned(),
            asked: *to != Target::Home,
            fault,
            elsewhere,
        },
    )?;
    if leads_away {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy());
    }
    Ok(response)
}

/// `POST /w/{workspace}/login`
pub async fn enter(visitor: Visitor, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        login: String,
        password: Secret<String>,
        #[serde(default)]
        to: String,
    }
    let Form {
        login,
        password,
        to,
    } = call.form()?;
    let to = Target::of(&to);
    let login: String = login.trim().to_lowercase().chars().take(100).collect();
    let app = &visitor.app;
    let by_address = visitor.ip.as_deref().unwrap_or("socket");
    let account = format!("{}/{login}", visitor.workspace.name);
    let place = format!("{account} {by_address}");
    // From where its person has logged in before, nobody elsewhere can shut them out by guessing.
    let known = app.known_places.has(&place);
    let taken = app
        .by_address
        .take(by_address, visitor.now)
        .and_then(|()| app.by_place.take(&place, visitor.now))
        .and_then(|()| match known {
            true => Ok(()),
            false => app.by_login.take(&account, visitor.now),
        });
    if let Err(seconds) = taken {
        // One record says it for a minute: whoever floods must not write into the audit log at will.
        if app.noted.take(by_address, visitor.now).is_ok() {
            refuse(&visitor, None, "too_many_attempts").await?;
        }
        return Err(Problem::too_many(seconds));
    }
    let user = app
        .store
        .reader(&visitor.workspace.id)
        .user_by_login(&login)
        .await?;
    let hash = user
        .as_ref()
        .filter(|user| !user.disabled)
        .and_then(|user| user.password_hash.clone());
    let fits = password::fits(password, hash).await;
    match user {
        Some(user) if fits => {
            // An office full of people behind one address shuts nobody out.
            app.by_address.give_back(by_address);
            app.by_place.give_back(&place);
            if !known {
                app.by_login.give_back(&account);
            }
            app.known_places.add(&place);
            begin_session(&visitor, &user, Commit::default(), "session.begun", &to).await
        }
        user => {
            refuse(&visitor, user.as_ref(), "wrong_password").await?;
            let fault = "The login or the password is not right.".to_owned();
            login_page(&visitor, StatusCode::UNAUTHORIZED, &to, &login, Some(fault)).await
        }
    }
}

pub(super) async fn refuse(
    visitor: &Visitor,
    user: Option<&UserRow>,
    why: &str,
) -> Result<(), Problem> {
    let id = user.map_or("unknown", |user| user.id.as_str());
    let mut draft = visitor_record(
        visitor,
        &visitor.workspace,
        Actor::Anonymous,
        "session.refused",
        "user",
        id,
    );
    draft.person = user.map(|user| (user.id.clone(), user.login.clone()));
    let audit = visitor
        .app
        .strangers
        .records(draft.refused(why), visitor.now);
    if audit.is_empty() {
        return Ok(());
    }
    let commit = Commit {
        ops: Vec::new(),
        audit,
    };
    Ok(visitor.app.store.commit(commit).await?)
}

/// An audit record of something that somebody did who was not recognised yet.
pub fn visitor_record(
    visitor: &Visitor,
    workspace: &Workspace,
    actor: Actor,
    action: &str,
    kind: &str,
    id: &str,
) -> Draft {
    let object = Object {
        kind: kind.into(),
        id: id.into(),
        version: None,
    };
    record(&workspace.id, visitor.now, actor, "page", action, object)
        .of_peer(visitor.ip.as_deref(), visitor.agent.as_deref())
}

/// Begins a session together with what led to it, and sends the browser on.
///
/// # Errors
/// If it cannot be recorded.
pub async fn begin_session(
    visitor: &Visitor,
    user: &UserRow,
    led: Commit,
    action: &str,
    to: &Target,
) -> Answer {
    let secret = secrets::new_token("");
    let app = &visitor.app;
    let Commit { mut ops, mut audit } = led;
    ops.push(Op::AddSession(SessionRow {
        hash: hash_of(&secret),
        workspace: visitor.workspace.id.clone(),
        user: user.id.clone(),
        created_at: visitor.now,
        expires_at: visitor.now.after(SESSION_LIVES),
    }));
    if let Some(old) = &visitor.session {
        ops.push(Op::EndSession {
            hash: old.hash.clone(),
        });
    }
    let actor = Actor::User {
        id: user.id.clone(),
        login: user.login.clone(),
    };
    let mut draft = visitor_record(
        visitor,
        &visitor.workspace,
        actor,
        action,
        "user",
        user.id.as_str(),
    );
    draft.person = Some((user.id.clone(), user.login.clone()));
    audit.push(draft);
    app.store.commit(Commit { ops, audit }).await?;
    Ok(with_cookie(
        redirect(&to.path()),
        app.origin.set_cookie(&secret),
    ))
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// `POST /logout`: the session ends on the server too.
pub async fn leave(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(rename = "csrf")]
        _csrf: String,
    }
    let _: Form = call.form()?;
    let mut commit = Commit::default();
    if let Via::Session { hash, .. } = &cx.via {
        commit.ops.push(Op::EndSession { hash: hash.clone() });
    }
    commit
        .audit
        .push(cx.audit("session.ended", "user", cx.user.id.as_str()));
    cx.app.store.commit(commit).await?;
    cx.app.access_ended();
    let to = format!("/w/{}/login", cx.workspace_name());
    Ok(with_cookie(redirect(&to), cx.app.origin.drop_cookie()))
}

async fn link_of(
    visitor: &Visitor,
    call: &Call,
) -> Result<Option<(LoginLinkRow, UserRow)>, Problem> {
    let hash = hash_of(call.text("token"));
    let row = visitor
        .app
        .store
        .login_link(&hash, visitor.now)
        .await?
        .filter(|row| row.workspace == visitor.workspace.id);
    let Some(row) = row else { return Ok(None) };
    let user = user(visitor, &row.user).await?;
    Ok(user.map(|user| (row, user)))
}

/// A person who is not switched off.
///
/// # Errors
/// If the database is away.
pub async fn user(visitor: &Visitor, id: &UserId) -> Result<Option<UserRow>, Problem> {
    let app = &visitor.app;
    let user = app.store.reader(&visitor.workspace.id).user(id).await?;
    Ok(user.filter(|user| !user.disabled))
}

fn spent() -> Answer {
    page(
        StatusCode::GONE,
        &Message {
            chrome: Chrome::default(),
            title: "This link can no longer be used".into(),
            tone: "bad",
            sentences: vec![
                "It was used before, or its time is over.".into(),
                "Ask whoever gave it to you for a new one, or log in with your password.".into(),
            ],
            on: Some(("/".into(), "Log in".into())),
        },
    )
}

fn link_page(
    call: &Call,
    user: &UserRow,
    to: &Target,
    status: StatusCode,
    fault: Option<String>,
) -> Answer {
    page(
        status,
        &LinkPage {
            chrome: Chrome::default(),
            path: call.uri.path().to_owned(),
            login: user.login.clone(),
            name: user.name.clone(),
            to: to.to_string(),
            shortest: password::SHORTEST,
            fault,
        },
    )
}

/// `GET /w/{workspace}/link/{token}`: shows, uses nothing up.
pub async fn link(visitor: Visitor, call: Call) -> Answer {
    match link_of(&visitor, &call).await? {
        Some((_, user)) => link_page(&call, &user, &to_of(&call), StatusCode::OK, None),
        None => spent(),
    }
}

/// `POST /w/{workspace}/link/{token}`: uses it up, sets the password, begins a session.
pub async fn use_link(visitor: Visitor, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        password: Secret<String>,
        again: Secret<String>,
        #[serde(default)]
        to: String,
    }
    let Some((row, user)) = link_of(&visitor, &call).await? else {
        return spent();
    };
    let form: Form = call.form()?;
    let to = Target::of(&form.to);
    let again = |fault: String| {
        link_page(
            &call,
            &user,
            &to,
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(fault),
        )
    };
    if form.password.reveal() != form.again.reveal() {
        return again("The two passwords are not the same.".into());
    }
    let password_hash = match password::hash(form.password, system::random::<16>()).await {
        Err(fault) => return again(super::sentence(&fault.to_string())),
        Ok(hash) => hash,
    };
    let_go_of_accounts(&visitor, &user).await?;
    let ops = vec![
        Op::UseLoginLink {
            hash: row.hash,
            now: visitor.now,
        },
        // Nothing else of the row is written: somebody may have switched the person off while the password was hashed.
        Op::SetPassword {
            workspace: visitor.workspace.id.clone(),
            user: user.id.clone(),
            password_hash,
        },
    ];
    let led = Commit {
        ops,
        audit: Vec::new(),
    };
    let begun = begin_session(&visitor, &user, led, "link.used", &to).await;
    match begun {
        // Two browsers at once: one of them was first.
        Err(problem) if problem.code == "changed_meanwhile" => spent(),
        other => other,
    }
}

/// Disconnects a person's own accounts before a password of theirs counts. Somebody else made the link, and whoever uses it logs in as that
/// person: an administrator may help with a forgotten password, but never come to act with another's account. That they had no password says
/// nothing: whoever logs in elsewhere has accounts here and none. The person signs in at the apps again. Done first, so that nothing is left
/// connected if this breaks off.
async fn let_go_of_accounts(visitor: &Visitor, user: &UserRow) -> Result<(), Problem> {
    let app = &visitor.app;
    let who = Who {
        actor: Actor::User {
            id: user.id.clone(),
            login: user.login.clone(),
        },
        person: Some((user.id.clone(), user.login.clone())),
        entry: "page".to_owned(),
        ip: visitor.ip.clone(),
        agent: visitor.agent.clone(),
    };
    let reader = app.store.reader(&visitor.workspace.id);
    for connection in reader.personal_connections(Some(&user.id)).await? {
        app.connections
            .disconnect(&visitor.workspace.id, &connection.id, &user.id, &who)
            .await
            .map_err(refusals::connections)?;
    }
    Ok(())
}
