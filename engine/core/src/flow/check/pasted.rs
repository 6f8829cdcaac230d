//! Secrets pasted into a flow: a flow is stored, shown and exported, so none may stand in it.

use crate::diagnostic::{Diagnostic, PASTED_SECRET};
use crate::expr::{TextKind, text_kind};
use crate::flow::check::Check;
use crate::yaml::{Data, Node};

/// Beginnings of well-known tokens, and the fewest characters that follow.
const BEGINNINGS: &[(&str, usize)] = &[
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("github_pat_", 30),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xapp-", 16),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("sk-ant-", 20),
    ("sk-proj-", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ya29.", 20),
    ("SG.", 30),
    ("shpat_", 20),
    ("npm_", 30),
    ("pypi-", 30),
    ("dop_v1_", 30),
    ("act_", 30),
];

/// Keys whose literal text is a secret, whatever it looks like.
const KEYS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
    "api-key",
    "x-api-key",
    "access_token",
    "refresh_token",
    "auth_token",
    "private_key",
    "authorization",
    "proxy-authorization",
    "cookie",
];

impl Check<'_> {
    pub(super) fn check_pasted(&mut self) {
        let Some(root) = self.places.root else { return };
        let mut found = Vec::new();
        walk(root, None, false, &mut found);
        for node in found {
            self.faults.push(
                Diagnostic::error(PASTED_SECRET, node.span, "this looks like a secret, and flows are stored and shown")
                    .with_help("take it out and withdraw it where it came from; credentials come in through `connections`, never through the file"),
            );
        }
    }
}

/// `given` is true inside `with`, where a key such as `password` means what it says.
fn walk<'n>(node: &'n Node, key: Option<&str>, given: bool, found: &mut Vec<&'n Node>) {
    match &node.data {
        Data::Text(text) => {
            let named = given && key.is_some_and(|key| KEYS.contains(&key.to_lowercase().as_str()));
            let literal =
                text_kind(&text.value) == TextKind::Literal && text.value.trim().len() >= 6;
            if looks_secret(&text.value) || (named && literal) {
                found.push(node);
            }
        }
        Data::List(items) => items.iter().for_each(|item| walk(item, key, given, found)),
        Data::Map(entries) => {
            for entry in entries {
                walk(
                    &entry.value,
                    Some(&entry.key),
                    given || entry.key == "with",
                    found,
                );
            }
        }
        Data::Null | Data::Bool(_) | Data::Number(_) => {}
    }
}

/// Whether a text holds something with the form of a token.
fn looks_secret(text: &str) -> bool {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return true;
    }
    text.split(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '=' | '(' | ')' | '<' | '>')
    })
    .any(|word| {
        let begins = |(start, more): &(&str, usize)| {
            word.strip_prefix(start).is_some_and(|rest| {
                rest.len() >= *more
                    && rest
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            })
        };
        BEGINNINGS.iter().any(begins) || is_web_token(word)
    })
}

/// A JSON Web Token: three parts of base 64, the first of which begins with `{"`.
fn is_web_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let base64 = |part: &&str| {
        part.len() >= 10
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    parts.len() == 3 && word.starts_with("eyJ") && parts.iter().all(base64)
}
