//! Reads the HTML of our own and the provider's pages: forms, links, the text a person sees. Tolerant where browsers are,
//! and small because those pages are; not a general HTML parser.

use std::collections::BTreeMap;

/// A form as it would be sent: what is filled in already, and what a test fills in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Where it goes, as written; empty: to the page itself.
    pub action: String,
    /// `get` or `post`, in lower case.
    pub method: String,
    /// Names and values in the order of the page.
    pub fields: Vec<(String, String)>,
    /// The buttons: label, name, value.
    pub buttons: Vec<Button>,
}

/// A button that sends a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Button {
    /// What is written on it.
    pub label: String,
    /// The name it is sent under; empty: not sent.
    pub name: String,
    /// The value it sends.
    pub value: String,
    /// Where it sends the form instead of the form's own address.
    pub action: Option<String>,
}

impl Form {
    /// Fills in a field.
    ///
    /// # Panics
    /// When the form has no such field: a person could not fill it in either.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let known: Vec<String> = self.fields.iter().map(|(name, _)| name.clone()).collect();
        let Some(field) = self.fields.iter_mut().find(|(known, _)| known == name) else {
            panic!("the form has no field `{name}`, only {known:?}");
        };
        value.clone_into(&mut field.1);
        self
    }

    /// Presses the button whose label contains `label`.
    ///
    /// # Panics
    /// When there is no such button.
    #[must_use]
    pub fn press(mut self, label: &str) -> Self {
        let Some(button) = self
            .buttons
            .iter()
            .find(|button| button.label.contains(label))
            .cloned()
        else {
            panic!("the form has no button `{label}`: {:?}", self.buttons);
        };
        if !button.name.is_empty() {
            self.fields.push((button.name, button.value));
        }
        if let Some(action) = button.action {
            self.action = action;
        }
        self
    }
}

enum Piece {
    Open(String, BTreeMap<String, String>),
    Close(String),
    Text(String),
}

/// The forms of a page, in order.
#[must_use]
pub fn forms(html: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut inside = false;
    // What the text belongs to: a button's label, or the value of a text area.
    let mut button: Option<Button> = None;
    let mut area: Option<(String, String)> = None;
    let mut select: Option<(String, Option<String>)> = None;
    for piece in pieces(html) {
        let Some(form) = forms.last_mut().filter(|_| inside) else {
            if let Piece::Open(name, attributes) = piece
                && name == "form"
            {
                inside = true;
                let method = attributes
                    .get("method")
                    .map_or("get", String::as_str)
                    .to_lowercase();
                forms.push(Form {
                    action: attribute(&attributes, "action"),
                    method,
                    ..Form::default()
                });
            }
            continue;
        };
        match piece {
            Piece::Open(name, attributes) if !attributes.contains_key("disabled") => {
                let (field, value) = (
                    attribute(&attributes, "name"),
                    attribute(&attributes, "value"),
                );
                let kind = attribute(&attributes, "type").to_lowercase();
                match (name.as_str(), kind.as_str()) {
                    ("input", "submit" | "image") => {
                        form.buttons.push(Button {
                            label: value.clone(),
                            name: field,
                            value,
                            action: attributes.get("formaction").cloned(),
                        });
                    }
                    ("input", "button" | "reset") => {}
                    ("input", "checkbox" | "radio") if !attributes.contains_key("checked") => {}
                    ("input", "checkbox" | "radio") => {
                        let value = if attributes.contains_key("value") {
                            value
                        } else {
                            "on".into()
                        };
                        form.fields.push((field, value));
                    }
                    ("input", _) if !field.is_empty() => form.fields.push((field, value)),
                    ("button", "" | "submit") => {
                        button = Some(Button {
                            label: String::new(),
                            name: field,
                            value,
                            action: attributes.get("formaction").cloned(),
                        });
                    }
                    ("textarea", _) => area = Some((field, String::new())),
                    ("select", _) => select = Some((field, None)),
                    ("option", _) => {
                        if let Some((_, chosen)) = &mut select
                            && (chosen.is_none() || attributes.contains_key("selected"))
                        {
                            *chosen = Some(value);
                        }
                    }
                    _ => {}
                }
            }
            Piece::Open(..) => {}
            Piece::Close(name) => match name.as_str() {
                "form" => inside = false,
                "button" => form.buttons.extend(button.take().map(|button| Button {
                    label: squeeze(&button.label),
                    ..button
                })),
                "textarea" => form.fields.extend(area.take()),
                "select" => form
                    .fields
                    .extend(select.take().and_then(|(name, value)| Some((name, value?)))),
                _ => {}
            },
            Piece::Text(text) => {
                if let Some(button) = &mut button {
                    button.label.push_str(&text);
                } else if let Some((_, value)) = &mut area {
                    value.push_str(&text);
                }
            }
        }
    }
    forms
}

/// The links of a page: what is written on them, and where they lead.
#[must_use]
pub fn links(html: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut open: Option<(String, String)> = None;
    for piece in pieces(html) {
        match piece {
            Piece::Open(name, attributes) if name == "a" && attributes.contains_key("href") => {
                open = Some((String::new(), attribute(&attributes, "href")));
            }
            Piece::Text(text) => {
                if let Some((label, _)) = &mut open {
                    label.push_str(&text);
                }
            }
            Piece::Close(name) if name == "a" => {
                links.extend(open.take().map(|(label, href)| (squeeze(&label), href)));
            }
            _ => {}
        }
    }
    links
}

/// What a person reads: no tags, no scripts, white space squeezed.
#[must_use]
pub fn text(html: &str) -> String {
    let mut text = String::new();
    for piece in pieces(html) {
        match piece {
            Piece::Text(part) => text.push_str(&part),
            Piece::Open(..) | Piece::Close(_) => text.push(' '),
        }
    }
    squeeze(&text)
}

fn pieces(html: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        if at > 0 {
            pieces.push(Piece::Text(decode(&rest[..at])));
        }
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let Some((name, attributes, after)) = tag(rest) else {
            pieces.push(Piece::Text("<".into()));
            rest = &rest[1..];
            continue;
        };
        rest = after;
        if let Some(name) = name.strip_prefix('/') {
            pieces.push(Piece::Close(name.to_owned()));
            continue;
        }
        // What stands inside these is not markup.
        if matches!(name.as_str(), "script" | "style") {
            let end = format!("</{name}");
            rest = rest.find(&end).map_or("", |at| &rest[at..]);
            continue;
        }
        pieces.push(Piece::Open(name, attributes));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(decode(rest)));
    }
    pieces
}

/// One tag at the start of `html`: its name (with the slash of a closing one), its attributes, and what follows.
fn tag(html: &str) -> Option<(String, BTreeMap<String, String>, &str)> {
    let mut rest = html.strip_prefix('<')?;
    let end = rest
        .find(|c: char| c.is_whitespace() || c == '>' || (c == '/' && !rest.starts_with('/')))
        .unwrap_or(rest.len());
    let name = rest[..end].to_lowercase();
    if !name
        .trim_start_matches(['/', '!'])
        .starts_with(|c: char| c.is_ascii_alphabetic())
    {
        return None;
    }
    rest = &rest[end..];
    let mut attributes = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return Some((name, attributes, after));
        }
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len());
        let attribute = rest[..end].to_lowercase();
        // A stray sign would otherwise be read for ever.
        rest = &rest[end.max(1)..];
        let mut value = String::new();
        if let Some(after) = rest.trim_start().strip_prefix('=') {
            let after = after.trim_start();
            let (raw, remaining) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote)?,
                _ => after.split_at(
                    after
                        .find(|c: char| c.is_whitespace() || c == '>')
                        .unwrap_or(after.len()),
                ),
            };
            value = decode(raw);
            rest = remaining;
        }
        attributes.insert(attribute, value);
    }
}

fn attribute(attributes: &BTreeMap<String, String>, name: &str) -> String {
    attributes.get(name).cloned().unwrap_or_default()
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = rest
            .find(';')
            .filter(|end| *end < 12)
            .and_then(|end| Some((entity(&rest[1..end])?, end)));
        if let Some((character, end)) = known {
            decoded.push(character);
            rest = &rest[end + 1..];
        } else {
            decoded.push('&');
            rest = &rest[1..];
        }
    }
    decoded.push_str(rest);
    decoded
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "hellip" => '…',
        "rarr" => '→',
        "middot" => '·',
        "ndash" => '–',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const PAGE: &str = r#"<!DOCTYPE html><html><head><title>Connect</title><style>form{}</style></head><body>
        <!-- <form action="/no"> --><p>Ana &amp; Ben &#8594; 1 < 2</p>
        <form method=POST action='/connect/si_1?a=1&amp;b=2'>
          <input type="hidden" name="csrf" value="x&quot;y"><input name=email required>
          <input type=checkbox name=stay checked><input type=checkbox name=never>
          <select name="account"><option value="1">one</option><option value="2" selected>two</option></select>
          <textarea name="note">a
b</textarea>
          <button name="answer" value="yes">Connect <b>now</b></button>
          <button formaction="/decline" name="answer" value="no">Decline</button>
        </form><a href="/requests">My   requests</a><script>if (a < b) { '<form>' }</script></body></html>"#;

    #[test]
    fn a_form_is_read_with_everything_a_browser_would_send() {
        let form = forms(PAGE)
            .remove(0)
            .with("email", "ana@example.com")
            .press("Decline");
        expect![[r#"
            Form {
                action: "/decline",
                method: "post",
                fields: [
                    (
                        "csrf",
                        "x\"y",
                    ),
                    (
                        "email",
                        "ana@example.com",
                    ),
                    (
                        "stay",
                        "on",
                    ),
                    (
                        "account",
                        "2",
                    ),
                    (
                        "note",
                        "a\nb",
                    ),
                    (
                        "answer",
                        "no",
                    ),
                ],
                buttons: [
                    Button {
                        label: "Connect now",
                        name: "answer",
                        value: "yes",
                        action: None,
                    },
                    Button {
                        label: "Decline",
                        name: "answer",
                        value: "no",
                        action: Some(
                            "/decline",
                        ),
                    },
                ],
            }
        "#]]
        .assert_debug_eq(&form);
        assert_eq!(forms(PAGE).len(), 1);
        assert_eq!(forms(PAGE)[0].action, "/connect/si_1?a=1&b=2");
    }

    #[test]
    fn a_person_reads_text_and_links() {
        expect!["Connect Ana & Ben → 1 < 2 one two a b Connect now Decline My requests"]
            .assert_eq(&text(PAGE));
        assert_eq!(
            links(PAGE),
            [("My requests".to_owned(), "/requests".to_owned())]
        );
    }
}
