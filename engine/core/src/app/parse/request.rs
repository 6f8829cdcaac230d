//! Requests, bodies and pages.

use crate::app::interpret::Method;
use crate::app::paging::{DEFAULT_AT_MOST, MOST_ITEMS, Pages, Way};
use crate::app::parse::reader::{ANSWER, Reader};
use crate::app::request::{Body, Request, SendAs};
use crate::diagnostic::Diagnostic;
use crate::yaml::{Data, Fields, Node};

const METHODS: [(&str, Method); 6] = [
    ("get", Method::Get),
    ("head", Method::Head),
    ("post", Method::Post),
    ("put", Method::Put),
    ("patch", Method::Patch),
    ("delete", Method::Delete),
];

/// Reads `{post: /path, query: …, headers: …, json: …}`.
pub fn read(node: &Node, roots: &[&str], r: &mut Reader) -> Option<Request> {
    let mut fields = Fields::of(node, "a request", &mut r.faults)?;
    let mut found = Vec::new();
    for (key, method) in METHODS {
        if let Some(entry) = fields.entry(key) {
            found.push((method, entry));
        }
    }
    let query = fields
        .take("query")
        .map(|n| r.templates(n, roots))
        .unwrap_or_default();
    let mut headers = Vec::new();
    for entry in fields
        .take("headers")
        .and_then(|n| n.map(&mut r.faults))
        .unwrap_or_default()
    {
        let name = r.header(&entry.key, entry.key_span);
        if let (Some(name), Some(value)) = (name, r.template(&entry.value, roots)) {
            headers.push((name, value));
        }
    }
    let body = body(&mut fields, roots, r);
    r.not_yet(&mut fields, &["xml", "multipart"]);
    let span = fields.span();
    fields.close(&mut r.faults);

    let (method, address) = match found.as_slice() {
        [(method, entry)] => (*method, r.address(&entry.value, roots)),
        [] => {
            r.faults.push(
                Diagnostic::error("missing_key", span, "the request has no method")
                    .with_help("write the method with the path: `get: /accounts`"),
            );
            return None;
        }
        [_, (_, second), ..] => {
            r.faults
                .error("two_methods", second.key_span, "a request has one method");
            return None;
        }
    };
    if !matches!(body, Body::Empty) && matches!(method, Method::Get | Method::Head) {
        r.faults.error(
            "body_without_place",
            span,
            format!("a {} request has no body", method.as_str()),
        );
    }
    Some(Request {
        method,
        address: address?,
        query,
        headers,
        body,
    })
}

fn body(fields: &mut Fields<'_>, roots: &[&str], r: &mut Reader) -> Body {
    let json = fields.entry("json");
    let form = fields.take("form");
    let raw = fields.take("raw");
    if [json.is_some(), form.is_some(), raw.is_some()]
        .into_iter()
        .filter(|b| *b)
        .count()
        > 1
    {
        r.faults.error(
            "two_bodies",
            fields.span(),
            "a request has one body: `json`, `form` or `raw`",
        );
    }
    let read = if let Some(entry) = json {
        r.template(&entry.value, roots).map(Body::Json)
    } else if let Some(node) = form {
        Some(Body::Form(r.templates(node, roots)))
    } else {
        raw.and_then(|node| r.text_template(node, roots))
            .map(Body::Raw)
    };
    read.unwrap_or(Body::Empty)
}

/// Reads `pages`.
pub fn pages(node: &Node, request: Option<&Request>, r: &mut Reader) -> Option<Pages> {
    let mut fields = Fields::of(node, "`pages`", &mut r.faults)?;
    let (cursor, link, offset) = (
        fields.take("cursor"),
        fields.take("link"),
        fields.take("offset"),
    );
    let send_node = fields.take("send_as");
    let send_as = send_node.and_then(|n| send_as(n, request, r));
    let items = fields
        .need("items", &mut r.faults)
        .and_then(|n| r.text_template(n, ANSWER));
    let at_most = match fields.take("at_most") {
        Some(node) => node
            .integer(1, MOST_ITEMS as u64, &mut r.faults)
            .and_then(|n| usize::try_from(n).ok()),
        None => Some(DEFAULT_AT_MOST),
    };
    let span = fields.span();
    fields.close(&mut r.faults);
    let needed = |r: &mut Reader| {
        if send_node.is_none() {
            r.faults.push(
                Diagnostic::error("missing_key", span, "`send_as` is missing in `pages`")
                    .with_help("say where it is sent: `send_as: {query: cursor}`"),
            );
        }
    };
    let way = match (cursor, link, offset) {
        (Some(node), None, None) => {
            needed(r);
            let cursor = r.text_template(node, ANSWER);
            Way::Cursor {
                cursor: cursor?,
                send_as: send_as?,
            }
        }
        (None, Some(node), None) => {
            if let Some(node) = send_node {
                r.faults.error(
                    "useless_key",
                    node.span,
                    "a link is followed as it is; `send_as` has no place here",
                );
            }
            match node.as_text() {
                Some("header") => Way::LinkHeader,
                _ => Way::Link(r.text_template(node, ANSWER)?),
            }
        }
        (None, None, Some(node)) => {
            needed(r);
            let (size, size_as) = offset_size(node, request, r)?;
            Way::Offset {
                size,
                send_as: send_as?,
                size_as,
            }
        }
        _ => {
            r.faults.push(
                Diagnostic::error("bad_pages", span, "`pages` needs one of `cursor`, `link` and `offset`")
                    .with_help("cursor: a mark that is sent back; link: an address, or `header`; offset: {size: 100}"),
            );
            return None;
        }
    };
    Some(Pages {
        way,
        items: items?,
        at_most: at_most?,
    })
}

fn offset_size(
    node: &Node,
    request: Option<&Request>,
    r: &mut Reader,
) -> Option<(usize, Option<SendAs>)> {
    let mut fields = Fields::of(node, "`offset`", &mut r.faults)?;
    let size = fields
        .need("size", &mut r.faults)
        .and_then(|n| n.integer(1, 10_000, &mut r.faults));
    let size_as = fields.take("size_as").and_then(|n| send_as(n, request, r));
    fields.close(&mut r.faults);
    Some((usize::try_from(size?).ok()?, size_as))
}

fn send_as(node: &Node, request: Option<&Request>, r: &mut Reader) -> Option<SendAs> {
    let mut fields = Fields::of(node, "a place in the request", &mut r.faults)?;
    let query = fields
        .take("query")
        .and_then(|n| n.text(&mut r.faults))
        .map(str::to_owned);
    let json = fields
        .take("json")
        .and_then(|n| n.text(&mut r.faults))
        .map(str::to_owned);
    fields.close(&mut r.faults);
    match (query, json) {
        (Some(name), None) => Some(SendAs::Query(name)),
        (None, Some(name)) => {
            if request.is_some_and(|request| !matches!(request.body, Body::Json(_))) {
                r.faults.error(
                    "body_without_place",
                    node.span,
                    "the request has no JSON body to put it in",
                );
            }
            Some(SendAs::Json(name))
        }
        _ => {
            let empty = matches!(&node.data, Data::Map(entries) if entries.is_empty());
            let message = if empty {
                "it is not said where"
            } else {
                "a place is one of `query` and `json`"
            };
            r.faults.push(
                Diagnostic::error("bad_place", node.span, message)
                    .with_help("such as {query: cursor}"),
            );
            None
        }
    }
}
