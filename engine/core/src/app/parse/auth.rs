//! `auth`: the kinds of sign-in, whose account it is, and how a credential is tried.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::app::manifest::{Auth, ClientAuth, OAuth2};
use crate::app::parse::reader::{ADDRESS, OWN_ANSWER, Reader};
use crate::app::parse::{request, typed};
use crate::app::request::Request;
use crate::app::signin::{AccountLookup, Endpoints};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::yaml::{Fields, Node};

/// Parameters that the sign-in itself sets.
const OWN_PARAMETERS: [&str; 17] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "dpop_jkt",
    "grant_type",
    "refresh_token",
    "request",
    "request_uri",
];

type Read = (
    Auth,
    Option<Endpoints>,
    Option<AccountLookup>,
    Option<Request>,
);

/// Reads `auth`; an app without it needs no account.
pub fn read(node: Option<&Node>, app: &Node, r: &mut Reader) -> Read {
    let none = (
        Auth {
            none: true,
            ..Auth::default()
        },
        None,
        None,
        None,
    );
    let Some(node) = node else { return none };
    let Some(mut fields) = Fields::of(node, "`auth`", &mut r.faults) else {
        return none;
    };
    let mut auth = Auth::default();
    let mut endpoints = None;
    if let Some((oauth2, addresses)) = fields.take("oauth2").and_then(|n| oauth2(n, r)) {
        auth.oauth2 = Some(oauth2);
        endpoints = addresses;
    }
    auth.password = fields.take("password").and_then(|n| typed::password(n, r));
    auth.api_key = fields.take("api_key").and_then(|n| typed::api_key(n, r));
    auth.custom = fields.take("custom").and_then(|n| typed::custom(n, r));
    let account = fields.take("account");
    let lookup = account.and_then(|n| lookup(n, r));
    let verify = fields.take("verify").and_then(|n| {
        let mut fields = Fields::of(n, "`verify`", &mut r.faults)?;
        let request = fields
            .need("request", &mut r.faults)
            .and_then(|n| request::read(n, ADDRESS, r));
        fields.close(&mut r.faults);
        request
    });
    fields.close(&mut r.faults);
    let kinds = ["oauth2", "password", "api_key", "custom"];
    if !kinds.iter().any(|kind| node.get(kind).is_some()) {
        r.faults.push(
            Diagnostic::error("missing_key", node.span, "`auth` names no kind of sign-in")
                .with_help("there are `oauth2`, `password`, `api_key` and `custom`; an app that needs no account has no `auth`"),
        );
    }
    if auth.oauth2.is_some() && account.is_none() {
        let span = app.entry("auth").map_or(node.span, |entry| entry.key_span);
        r.faults.push(
            Diagnostic::error("missing_key", span, "`account` is missing in `auth`")
                .with_help("say whose account it is: account: {request: {get: /me}, subject: \"{{ response.body.id }}\"}"),
        );
    }
    let types = ["password", "api_key", "custom"]
        .iter()
        .find_map(|kind| node.entry(kind));
    if let Some(entry) = types
        && account.is_none()
        && verify.is_none()
    {
        r.faults.push(
            Diagnostic::warning(
                "no_verify",
                entry.key_span,
                "what is typed cannot be tried when it is saved",
            )
            .with_help(
                "name a request that only a good credential passes: verify: {request: {get: /me}}",
            ),
        );
    }
    (auth, endpoints, lookup, verify)
}

fn oauth2(node: &Node, r: &mut Reader) -> Option<(OAuth2, Option<Endpoints>)> {
    let mut fields = Fields::of(node, "`oauth2`", &mut r.faults)?;
    let discovers = node.get("discovery").is_some();
    let mut address = |key, r: &mut Reader| {
        let node = if discovers {
            fields.take(key)
        } else {
            fields.need(key, &mut r.faults)
        };
        node.and_then(|n| r.address_text(n))
    };
    let (authorize, token) = (address("authorize", r), address("token", r));
    let mut maybe = |key, r: &mut Reader| fields.take(key).and_then(|n| r.address_text(n));
    let discovery = maybe("discovery", r);
    let (refresh, revoke, issuer) = (maybe("refresh", r), maybe("revoke", r), maybe("issuer", r));
    let pkce = fields
        .take("pkce")
        .and_then(|n| n.boolean(&mut r.faults))
        .unwrap_or(true);
    let ways = [
        ("basic", ClientAuth::Basic),
        ("post", ClientAuth::Post),
        ("none", ClientAuth::None),
    ];
    let client_auth = fields
        .take("client_auth")
        .and_then(|n| n.word(&ways, &mut r.faults))
        .unwrap_or(ClientAuth::Basic);
    let scope_separator = fields
        .take("scope_separator")
        .and_then(|n| n.text(&mut r.faults))
        .unwrap_or(" ")
        .to_owned();
    let scopes = fields
        .take("scopes")
        .map(|n| texts(n, r))
        .unwrap_or_default();
    let keep = fields.take("keep");
    let keep_names = keep.map(|n| n.texts(&mut r.faults)).unwrap_or_default();
    for (number, name) in keep_names.iter().enumerate() {
        if !r.settings.contains_key(name) {
            let span = keep
                .map(|n| n.at(&format!("/{number}")).span)
                .unwrap_or_default();
            r.faults.push(
                Diagnostic::error("unknown_name", span, format!("`{name}` is kept from the token answer but is not a setting"))
                    .with_help_if(did_you_mean(name, r.settings.keys().map(String::as_str)))
                    .with_help("say under `settings` what it may look like: an answer must not point a connection elsewhere"),
            );
        }
    }
    let mut parameters = |key, r: &mut Reader| {
        fields
            .take(key)
            .map(|n| own_parameters(n, r))
            .unwrap_or_default()
    };
    let authorize_parameters = parameters("authorize_parameters", r);
    let token_parameters = parameters("token_parameters", r);
    let mut offered = |key, r: &mut Reader| {
        fields
            .take(key)
            .and_then(|n| n.word(&[("auto", true), ("off", false)], &mut r.faults))
            .unwrap_or(true)
    };
    let (par, dpop) = (offered("par", r), offered("dpop", r));
    let client_credentials = fields
        .take("client_credentials")
        .and_then(|n| n.boolean(&mut r.faults))
        .unwrap_or(false);
    fields.close(&mut r.faults);
    let complete = discovery.is_some() || (authorize.is_some() && token.is_some());
    let endpoints = complete.then_some(Endpoints {
        discovery,
        authorize,
        token,
        refresh,
        revoke,
        issuer,
    });
    let oauth2 = OAuth2 {
        scopes,
        pkce,
        client_auth,
        scope_separator,
        keep: keep_names,
        authorize_parameters,
        token_parameters,
        par,
        dpop,
        client_credentials,
    };
    Some((oauth2, endpoints))
}

fn texts(node: &Node, r: &mut Reader) -> IndexMap<String, String> {
    let entries = node.map(&mut r.faults).unwrap_or_default();
    entries
        .iter()
        .filter_map(|e| Some((e.key.clone(), e.value.text(&mut r.faults)?.to_owned())))
        .collect()
}

fn own_parameters(node: &Node, r: &mut Reader) -> IndexMap<String, String> {
    let spans: BTreeMap<_, _> = node
        .as_map()
        .unwrap_or_default()
        .iter()
        .map(|e| (e.key.as_str(), e.key_span))
        .collect();
    for name in OWN_PARAMETERS {
        if let Some(span) = spans.get(name) {
            r.faults.error(
                "reserved_parameter",
                *span,
                format!("`{name}` is set by the sign-in itself"),
            );
        }
    }
    texts(node, r)
}

fn lookup(node: &Node, r: &mut Reader) -> Option<AccountLookup> {
    let mut fields = Fields::of(node, "`account`", &mut r.faults)?;
    let request = fields
        .need("request", &mut r.faults)
        .and_then(|n| request::read(n, ADDRESS, r));
    let subject = fields
        .need("subject", &mut r.faults)
        .and_then(|n| r.text_template(n, OWN_ANSWER));
    let name = fields
        .take("name")
        .and_then(|n| r.text_template(n, OWN_ANSWER));
    fields.close(&mut r.faults);
    Some(AccountLookup {
        request: request?,
        subject: subject?,
        name,
    })
}
