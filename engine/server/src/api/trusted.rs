//! Whose word counts for who somebody is: the workspace's OpenID provider, and applications that Actas is built into. Whoever sets them up gives
//! no role that has more than they have.

use std::time::Duration;

use actas_connections::jwt::{Claims, Expected, Key, NotValid, Unverified};
use actas_core::audit::Actor;
use actas_core::ids::Name;
use actas_store::{Commit, Host, HostRow, LoginLinkRow, Oidc, OidcRow, Op, TokenRow};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::users::may_give;
use crate::api::{json as answer, ok};
use crate::call::Call;
use crate::context::{Context, Visitor};
use crate::gate::hash_of;
use crate::newcomers::{self, NotLetIn, Vouched};
use crate::pages::elsewhere::ENTER;
use crate::pages::login::visitor_record;
use crate::problem::Problem;
use crate::refusals;
use crate::routes::Answer;
use crate::secrets;
use crate::workspaces::Workspace;

/// How long the word of an application may count.
const WORD: i64 = 300;

/// How long a link by such a word may be used.
const LINK: Duration = Duration::from_secs(120);

/// How long a token by such a word lives.
const TOKEN: Duration = Duration::from_secs(3600);

fn oidc_view(cx: &Context, row: Option<&OidcRow>) -> Value {
    let path = format!("/w/{}/oidc/callback", cx.workspace_name());
    json!({
        "oidc": row.map(|row| &row.oidc), "updated_at": row.map(|row| row.updated_at),
        "redirect_uri": cx.app.origin.join(&path),
    })
}

/// `GET /oidc`
pub async fn oidc(cx: Context, _call: Call) -> Answer {
    let row = cx.reader.oidc().await?;
    Ok(ok(&oidc_view(&cx, row.as_ref())))
}

/// `PUT /oidc`
pub async fn set_oidc(cx: Context, call: Call) -> Answer {
    let mut oidc: Oidc = call.json()?;
    oidc.domains = oidc.domains.iter().map(|d| d.to_lowercase()).collect();
    let url: Option<url::Url> = oidc.issuer.parse().ok();
    let fits = url.is_some_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if !fits || oidc.client_id.is_empty() {
        return Err(Problem::invalid(
            "bad_oidc",
            "`issuer` must be the provider's https address, exactly as it names itself, and `client_id` how this workspace is known there",
        ));
    }
    if let Some(name) = &oidc.secret {
        let named = cx.reader.named_secrets().await?;
        let Some(held) = named.iter().find(|row| row.name == *name) else {
            return Err(Problem::invalid(
                "no_such_secret",
                format!(
                    "the workspace has no secret `{name}`: add it with `actas secrets add {name}`"
                ),
            ));
        };
        // Whoever names an address that a secret goes to could have it sent to one of their own. What they put in themselves they know anyway.
        let before = cx.reader.oidc().await?.map(|row| row.oidc);
        let stays = before.is_some_and(|b| b.issuer == oidc.issuer && b.secret == oidc.secret);
        if !stays && (held.created_by != cx.user.id || held.rotated_at.is_some()) {
            return Err(Problem::forbidden(format!(
                "the secret `{name}` was not put in by you, or was given another value since, and would go to another provider than it does: add it anew under another name"
            )));
        }
    }
    let given: Vec<String> = oidc
        .groups
        .values()
        .flatten()
        .chain(&oidc.roles)
        .cloned()
        .collect();
    may_give(&cx, &given).await?;
    let mut record = cx.audit("oidc.set", "oidc", cx.workspace().as_str());
    record.reason = Some(oidc.issuer.clone());
    let row = OidcRow {
        oidc,
        updated_by: cx.user.id.clone(),
        updated_at: cx.now,
    };
    let commit = Commit {
        audit: vec![record],
        ops: vec![Op::PutOidc {
            workspace: cx.workspace().clone(),
            oidc: row.clone(),
        }],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&oidc_view(&cx, Some(&row))))
}

/// `DELETE /oidc`
pub async fn drop_oidc(cx: Context, _call: Call) -> Answer {
    let commit = Commit {
        audit: vec![cx.audit("oidc.dropped", "oidc", cx.workspace().as_str())],
        ops: vec![Op::DropOidc {
            workspace: cx.workspace().clone(),
        }],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&json!({"deleted": true})))
}

fn audience(app: &crate::app::App, workspace: &str) -> String {
    app.origin.join(&format!("/w/{workspace}")).to_string()
}

fn host_view(cx: &Context, row: &HostRow) -> Value {
    json!({
        "name": row.name, "issuer": row.host.issuer, "algorithm": row.host.algorithm,
        "public_key": row.host.public_key, "roles": row.host.roles, "updated_at": row.updated_at,
        "audience": audience(&cx.app, &cx.workspace_name()),
    })
}

/// `GET /hosts`
pub async fn hosts(cx: Context, _call: Call) -> Answer {
    let rows = cx.reader.hosts().await?;
    let shown: Vec<Value> = rows.iter().map(|row| host_view(&cx, row)).collect();
    Ok(ok(&json!({"hosts": shown})))
}

/// What identities by the word of an application are known by: never those of a provider of the same name.
fn source(issuer: &str) -> String {
    format!("host:{issuer}")
}

/// `PUT /hosts/{host}`
pub async fn set_host(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        issuer: String,
        public_key: String,
        #[serde(default)]
        roles: Vec<String>,
    }
    let name: Name = call
        .text("host")
        .parse()
        .map_err(|_| Problem::bad("bad_name", "the name of a host: 1 to 63 of a-z, 0-9 and -"))?;
    let body: Body = call.json()?;
    let Some(key) = Key::of_pem(&body.public_key) else {
        return Err(Problem::invalid(
            "bad_key",
            "`public_key` must be PEM (`BEGIN PUBLIC KEY`): Ed25519, or RSA of 2,048 bits and more",
        ));
    };
    let length = body.issuer.len();
    let all = cx.reader.hosts().await?;
    if !(1..=255).contains(&length)
        || all
            .iter()
            .any(|row| row.name != name && row.host.issuer == body.issuer)
    {
        return Err(Problem::invalid(
            "bad_issuer",
            "`issuer` must be how the application names itself, of 255 characters at most, and no other host's",
        ));
    }
    may_give(&cx, &body.roles).await?;
    let before = all.iter().find(|row| row.name == name);
    let row = HostRow {
        name: name.clone(),
        host: Host {
            algorithm: key.algorithm().to_owned(),
            public_key: body.public_key.trim().to_owned(),
            issuer: body.issuer,
            roles: body.roles,
        },
        updated_by: cx.user.id.clone(),
        updated_at: cx.now,
    };
    let same = |before: &&HostRow| {
        before.host.public_key == row.host.public_key && before.host.issuer == row.host.issuer
    };
    if before.filter(same).is_none() {
        let_go(&cx, &row.host.issuer).await?;
    }
    let mut record = cx.audit("host.set", "host", name.as_str());
    record.reason = Some(row.host.issuer.clone());
    let commit = Commit {
        audit: vec![record],
        ops: vec![Op::PutHost {
            workspace: cx.workspace().clone(),
            host: row.clone(),
        }],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&host_view(&cx, &row)))
}

/// Whoever has the key can be any of the application's people. So another key is set only by who could be given the roles of each of them; and
/// before it counts, what those have connected is disconnected: an administrator may renew a key, but never come to act with another's account.
async fn let_go(cx: &Context, issuer: &str) -> Result<(), Problem> {
    let source = source(issuer);
    let mut known = cx.reader.identities().await?;
    known.retain(|row| row.issuer == source);
    for user in cx.reader.users().await? {
        if !user.disabled && known.iter().any(|row| row.user == user.id) {
            may_give(cx, &user.roles).await?;
        }
    }
    for identity in known {
        let own = cx.reader.personal_connections(Some(&identity.user)).await?;
        for connection in own {
            cx.app
                .connections
                .disconnect(cx.workspace(), &connection.id, &identity.user, &cx.who())
                .await
                .map_err(refusals::connections)?;
        }
    }
    Ok(())
}

/// `DELETE /hosts/{host}`
pub async fn delete_host(cx: Context, call: Call) -> Answer {
    let name = call.text("host");
    let all = cx.reader.hosts().await?;
    let row = all.into_iter().find(|row| row.name.as_str() == name);
    let row = row.ok_or_else(|| Problem::not_found("host"))?;
    let commit = Commit {
        audit: vec![cx.audit("host.deleted", "host", name)],
        ops: vec![Op::DeleteHost {
            workspace: cx.workspace().clone(),
            name: row.name,
        }],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&json!({"deleted": true})))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum As {
    #[default]
    Link,
    Token,
}

/// `POST /sessions`: exchanges what an application signed about one of its people for a one-time link, or for a token that runs and reads.
pub async fn exchange(visitor: Visitor, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        token: actas_core::Secret<String>,
        #[serde(default, rename = "as")]
        kind: As,
    }
    let body: Body = call.json()?;
    let app = &visitor.app;
    let (workspace, host, claims) = match vouched(&visitor, body.token.reveal()).await? {
        Ok(found) => found,
        Err(fault) => {
            let by = visitor.ip.as_deref().unwrap_or("socket");
            app.by_address
                .take(by, visitor.now)
                .map_err(Problem::too_many)?;
            tracing::info!("the word of an application is not taken: it {fault}");
            return Err(not_taken());
        }
    };
    let (Some(jti), Some(end)) = (claims.text("jti"), claims.seconds("exp")) else {
        return Err(not_taken());
    };
    let allowed = &host.host.roles;
    let roles = match claims.get("roles") {
        None => allowed.clone(),
        Some(_) => {
            let named = claims.texts("roles");
            allowed
                .iter()
                .filter(|r| named.contains(r))
                .cloned()
                .collect()
        }
    };
    let wish = |name: &str| claims.text(name).map(str::to_owned);
    let found = Vouched {
        issuer: source(&host.host.issuer),
        subject: claims.subject().to_owned(),
        logins: [
            wish("preferred_username"),
            Some(format!("{}.{}", host.name, claims.subject())),
            Some(host.name.to_string()),
        ]
        .into_iter()
        .flatten()
        .collect(),
        name: wish("name"),
        email: wish("email"),
        roles: Some(roles.clone()),
        first: Some(roles),
    };
    let (user, led) = match newcomers::find(&visitor, &workspace, found).await? {
        Ok(found) => found,
        Err(NotLetIn(why)) => {
            return Err(Problem::forbidden(
                "this person is not let in: they are switched off, or have no role here",
            )
            .with("reason", why));
        }
    };
    let Commit { mut ops, mut audit } = led;
    // It counts once; afterwards it is remembered for as long as it would count.
    ops.push(Op::UseOnce {
        workspace: workspace.id.clone(),
        hash: hash_of(&format!("jti\0{}\0{jti}", host.host.issuer)),
        expires_at: actas_core::Time((end + 120).saturating_mul(1_000_000)),
        now: visitor.now,
    });
    let mut shown = json!({"user": user.login, "id": user.id});
    let (until, field, value) = match body.kind {
        As::Link => {
            let token = secrets::new_token("");
            let until = visitor.now.after(LINK);
            ops.push(Op::AddLoginLink(LoginLinkRow {
                hash: hash_of(&format!("{ENTER}{token}")),
                workspace: workspace.id.clone(),
                user: user.id.clone(),
                expires_at: until,
            }));
            let path = format!("/w/{}/enter/{token}", workspace.name);
            (until, "link", app.origin.join(&path).to_string())
        }
        As::Token => {
            let token = secrets::new_token("act_");
            let until = visitor.now.after(TOKEN);
            ops.push(Op::AddToken(TokenRow {
                hash: hash_of(&token),
                workspace: workspace.id.clone(),
                user: user.id.clone(),
                name: format!("by {}", host.name),
                scopes: vec!["read".into(), "runs".into()],
                created_at: visitor.now,
                expires_at: until,
            }));
            (until, "token", token)
        }
    };
    shown[field] = json!(value);
    shown["expires_at"] = json!(until);
    let mut record = visitor_record(
        &visitor,
        &workspace,
        Actor::Anonymous,
        "session.vouched",
        "host",
        host.name.as_str(),
    );
    "api".clone_into(&mut record.entry);
    record.person = Some((user.id.clone(), user.login.clone()));
    record.reason = Some(field.to_owned());
    audit.push(record);
    match app.store.commit(Commit { ops, audit }).await {
        Err(actas_store::CommitError::Conflict { op: "use_once", .. }) => Err(not_taken()),
        done => {
            done?;
            Ok(answer(StatusCode::CREATED, &shown))
        }
    }
}

/// Whatever is wrong with it: whoever tries is told no more.
fn not_taken() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "word_not_taken",
        "this is not the word of an application that counts here, or not for the first time",
    )
}

/// The workspace that a token is meant for, the application that signed it, and what it says.
async fn vouched(
    visitor: &Visitor,
    token: &str,
) -> Result<Result<(Workspace, HostRow, Claims), NotValid>, Problem> {
    let app = &visitor.app;
    let unverified = match Unverified::read(token) {
        Ok(unverified) => unverified,
        Err(fault) => return Ok(Err(fault)),
    };
    let meant = unverified.audience().unwrap_or_default().to_owned();
    let prefix = audience(app, "");
    let Some(name) = meant.strip_prefix(&prefix) else {
        return Ok(Err(NotValid::Audience));
    };
    let Some(workspace) = app.workspace_named(name).await? else {
        return Ok(Err(NotValid::Audience));
    };
    let hosts = app.store.reader(&workspace.id).hosts().await?;
    let issuer = unverified.issuer().unwrap_or_default().to_owned();
    let Some(host) = hosts.into_iter().find(|row| row.host.issuer == issuer) else {
        return Ok(Err(NotValid::Issuer));
    };
    let Some(key) = Key::of_pem(&host.host.public_key) else {
        return Ok(Err(NotValid::UnknownKey));
    };
    let expected = Expected {
        issuer: &issuer,
        audience: &meant,
        longest: Some(WORD),
        now: visitor.now,
    };
    let claims = unverified
        .verified(&key)
        .and_then(|claims| claims.check(expected).map(|()| claims));
    Ok(claims.and_then(|claims| {
        let jti = claims.text("jti").unwrap_or_default();
        if (1..=255).contains(&jti.len()) {
            Ok((workspace, host, claims))
        } else {
            Err(NotValid::Form)
        }
    }))
}
