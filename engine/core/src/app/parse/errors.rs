//! `errors` and `limits`.

use crate::app::answer::{ErrorRule, Status};
use crate::app::manifest::Limits;
use crate::app::parse::reader::{ANSWER, Reader};
use crate::diagnostic::Diagnostic;
use crate::error::ErrorKind;
use crate::yaml::{Data, Fields, Node, duration};

/// The kinds an app's answer can be.
const KINDS: [(&str, ErrorKind); 10] = [
    ("invalid_input", ErrorKind::InvalidInput),
    ("permission_denied", ErrorKind::PermissionDenied),
    ("not_found", ErrorKind::NotFound),
    ("conflict", ErrorKind::Conflict),
    ("rate_limited", ErrorKind::RateLimited),
    ("unavailable", ErrorKind::Unavailable),
    ("timeout", ErrorKind::Timeout),
    ("sign_in_needed", ErrorKind::SignInNeeded),
    ("rejected", ErrorKind::Rejected),
    ("internal", ErrorKind::Internal),
];

/// The rules in order; the first that matches counts.
pub fn read(node: &Node, r: &mut Reader) -> Vec<ErrorRule> {
    let items = node.list(&mut r.faults).unwrap_or_default();
    items.iter().filter_map(|item| rule(item, r)).collect()
}

fn rule(node: &Node, r: &mut Reader) -> Option<ErrorRule> {
    let mut fields = Fields::of(node, "an entry of `errors`", &mut r.faults)?;
    let status = fields.take("status");
    let statuses = status.map(|n| statuses(n, r)).unwrap_or_default();
    let when = fields.take("when");
    let has_when = when.is_some();
    let when = when.and_then(|n| r.condition(n, ANSWER));
    let kind = fields
        .need("kind", &mut r.faults)
        .and_then(|n| n.word(&KINDS, &mut r.faults));
    let mut text = |key, r: &mut Reader| fields.take(key).and_then(|n| r.text_template(n, ANSWER));
    let (code, message) = (text("code", r), text("message", r));
    let after = fields.take("after").and_then(|n| r.template(n, ANSWER));
    let span = fields.span();
    fields.close(&mut r.faults);
    if !has_when && (status.is_none() || statuses.iter().any(|s| s.means_success())) {
        r.faults.push(
            Diagnostic::error(
                "rule_for_good_answers",
                span,
                "this rule makes every good answer an error",
            )
            .with_help("say for which `status`, or `when`"),
        );
    }
    Some(ErrorRule {
        statuses,
        when,
        kind: kind?,
        code,
        message,
        after,
    })
}

fn statuses(node: &Node, r: &mut Reader) -> Vec<Status> {
    let items = match &node.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut out = Vec::new();
    for item in items {
        let written = match &item.data {
            Data::Text(text) => text.value.clone(),
            Data::Number(number) => number.to_string(),
            _ => item.kind().to_owned(),
        };
        match Status::parse(&written) {
            Some(status) => out.push(status),
            None => r.faults.push(
                Diagnostic::error(
                    "bad_status",
                    item.span,
                    format!("`{written}` is not a status"),
                )
                .with_help("write a number such as 404, a class such as 4xx, or a list of them"),
            ),
        }
    }
    out
}

/// How much a connection bears.
pub fn limits(node: &Node, r: &mut Reader) -> Limits {
    let Some(mut fields) = Fields::of(node, "`limits`", &mut r.faults) else {
        return Limits::default();
    };
    let concurrency = fields
        .take("concurrency")
        .and_then(|n| n.integer(1, 10_000, &mut r.faults));
    let rate = fields.take("rate").and_then(|n| {
        let text = n.text(&mut r.faults)?;
        let read = text.split_once('/').and_then(|(count, time)| {
            let time = duration(time).filter(|t| !t.is_zero())?;
            Some((
                count.parse().ok().filter(|c| *c > 0)?,
                u64::try_from(time.as_millis()).ok()?,
            ))
        });
        if read.is_none() {
            r.faults.push(
                Diagnostic::error("bad_rate", n.span, format!("`{text}` is not a rate"))
                    .with_help("write requests and a time: `100/1m`"),
            );
        }
        read
    });
    fields.close(&mut r.faults);
    Limits {
        concurrency: concurrency.and_then(|c| u32::try_from(c).ok()),
        rate,
    }
}
