//! Pages: where the items of an answer are, and where the next page is. Decides only; the request is made by `request`.

use serde_json::Value;
use url::Url;

use crate::app::answer::{self, unexpected};
use crate::app::interpret::Response;
use crate::app::request::{Additions, SendAs};
use crate::error::StepError;
use crate::expr::{Scope, Template};

/// Items a module gathers unless its manifest says otherwise.
pub const DEFAULT_AT_MOST: usize = 1000;
/// The most a manifest may ask for.
pub const MOST_ITEMS: usize = 100_000;
/// Pages of one step; an app that goes on beyond is going in circles.
const MOST_PAGES: usize = 10_000;

/// How a module's answer is cut into pages.
#[derive(Debug)]
pub struct Pages {
    /// How the next page is found.
    pub way: Way,
    /// The list in the answer.
    pub items: Template,
    /// Items gathered at most.
    pub at_most: usize,
}

/// How the next page is found.
#[derive(Debug)]
pub enum Way {
    /// A mark in the answer that is sent back; `null`, `""` and a missing one end it.
    Cursor {
        /// The mark.
        cursor: Template,
        /// Where it is sent.
        send_as: SendAs,
    },
    /// An address in the answer.
    Link(Template),
    /// The `Link` header with `rel="next"` (RFC 8288).
    LinkHeader,
    /// The number of items so far; a page with fewer items than asked for is the last.
    Offset {
        /// Items to a page.
        size: usize,
        /// Where the number is sent.
        send_as: SendAs,
        /// Where the page size is sent.
        size_as: Option<SendAs>,
    },
}

/// What was gathered so far.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The items.
    pub items: Vec<Value>,
    /// True if the app had more than was asked for.
    pub more: bool,
    bytes: usize,
    pages: usize,
    place: Option<Value>,
}

/// Where the next page is.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// There is none.
    End,
    /// At a place that is sent with the same request.
    Place(Value),
    /// At this address.
    Address(Url),
}

impl Pages {
    /// What the request of a page carries.
    pub fn additions<'a>(&'a self, place: Option<&Value>) -> Additions<'a> {
        let mut add = Additions::default();
        match &self.way {
            Way::Cursor { send_as, .. } => {
                add.place
                    .extend(place.map(|cursor| (send_as, cursor.clone())));
            }
            Way::Link(_) | Way::LinkHeader => {}
            Way::Offset {
                size,
                send_as,
                size_as,
            } => {
                add.place
                    .push((send_as, place.cloned().unwrap_or_else(|| 0.into())));
                add.place
                    .extend(size_as.as_ref().map(|name| (name, Value::from(*size))));
            }
        }
        add
    }

    /// Takes a page in and says where the next one is.
    ///
    /// # Errors
    /// `unexpected_answer` if there is no list, or the next page is the one just read or at another host; `value_too_large`.
    pub fn take(
        &self,
        so_far: &mut Gathered,
        scope: &Scope,
        response: &Response,
        url: &Url,
    ) -> Result<Next, StepError> {
        let items = match self.items.evaluate(scope) {
            Ok(Value::Array(items)) => items,
            Ok(Value::Null) => Vec::new(),
            Ok(_) => return Err(unexpected("its `items` are not a list")),
            Err(error) => return Err(unexpected(&error.message)),
        };
        let count = items.len();
        so_far.pages += 1;
        for item in items {
            if so_far.items.len() == self.at_most {
                so_far.more = true;
                return Ok(Next::End);
            }
            so_far.bytes += answer::size(&item);
            if so_far.bytes > answer::MOST_BYTES {
                return Err(answer::too_large());
            }
            so_far.items.push(item);
        }
        let next = self.next(so_far, count, scope, response, url)?;
        if next == Next::End {
            return Ok(next);
        }
        if so_far.items.len() >= self.at_most {
            so_far.more = true;
            return Ok(Next::End);
        }
        if so_far.pages >= MOST_PAGES {
            return Err(unexpected("its pages do not end"));
        }
        match &next {
            Next::Place(place) if so_far.place.as_ref() == Some(place) => {
                return Err(unexpected("it names the page just read as the next one"));
            }
            Next::Address(next) if next == url => {
                return Err(unexpected("it names the page just read as the next one"));
            }
            Next::Place(place) => so_far.place = Some(place.clone()),
            _ => {}
        }
        Ok(next)
    }

    fn next(
        &self,
        so_far: &Gathered,
        count: usize,
        scope: &Scope,
        response: &Response,
        url: &Url,
    ) -> Result<Next, StepError> {
        match &self.way {
            Way::Cursor { cursor, .. } => Ok(match cursor.evaluate(scope) {
                Err(_) | Ok(Value::Null) => Next::End,
                Ok(Value::String(text)) if text.is_empty() => Next::End,
                Ok(place) => Next::Place(place),
            }),
            Way::Link(link) => match link.evaluate(scope) {
                Ok(Value::String(text)) if !text.is_empty() => same_site(url, &text),
                _ => Ok(Next::End),
            },
            Way::LinkHeader => {
                let header = response.headers.iter().find(|(name, _)| name == "link");
                match header.and_then(|(_, value)| next_link(value)) {
                    Some(link) => same_site(url, link),
                    None => Ok(Next::End),
                }
            }
            Way::Offset { size, .. } if count < *size => Ok(Next::End),
            Way::Offset { .. } => Ok(Next::Place(so_far.items.len().into())),
        }
    }
}

/// The address of a next page; only where the page before came from, because the credential goes with it.
fn same_site(url: &Url, link: &str) -> Result<Next, StepError> {
    match url.join(link) {
        Ok(next)
            if next.origin() == url.origin()
                && next.username().is_empty()
                && next.password().is_none() =>
        {
            Ok(Next::Address(next))
        }
        _ => Err(unexpected("its next page is at another host")),
    }
}

/// The target of `rel="next"` in a `Link` header.
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(open) = rest.find('<') {
        let (target, after) = rest[open + 1..].split_once('>')?;
        let parameters = &after[..after.find('<').unwrap_or(after.len())];
        let is_next = parameters.split([';', ',']).any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                let mut kinds = value.trim().trim_matches('"').split_ascii_whitespace();
                name.trim().eq_ignore_ascii_case("rel")
                    && kinds.any(|k| k.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target.trim());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_a_link_header() {
        let header = r#"<https://a.example/1>; rel="prev", <https://a.example/3?x=1,2>; title="a"; rel="last next""#;
        assert_eq!(next_link(header), Some("https://a.example/3?x=1,2"));
        assert_eq!(next_link("<https://a.example/1>; rel=prev"), None);
        assert_eq!(next_link("<broken"), None);
    }

    #[test]
    fn a_next_page_at_another_host_is_refused() {
        let here = Url::parse("https://api.example/v1/a?p=1").expect("an address");
        for link in [
            "https://evil.example/",
            "//evil.example/x",
            "http://api.example/v1",
            "https://api.example:8443/",
            "https://u@api.example/",
        ] {
            assert!(same_site(&here, link).is_err(), "{link}");
        }
        for link in ["?p=2", "/v1/a?p=2", "https://api.example/v1/a?p=2"] {
            assert!(
                matches!(same_site(&here, link), Ok(Next::Address(_))),
                "{link}"
            );
        }
    }
}
