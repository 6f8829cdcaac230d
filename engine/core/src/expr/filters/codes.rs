//! Filters from one way of writing to another: base64, addresses, HTML, CSV, digests.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::expr::budget::VALUE;
use crate::expr::eval::{Given, Machine, Out, fail};
use crate::expr::filters::{filters, is_on, name_of, text};
use crate::expr::value::{Val, kind};

filters! {
    "urlencode" (0, 0) [] urlencode, "urlencode", "safe in a query; a map becomes `key=value&…`", "'a b&c' | urlencode" => "\"a+b%26c\"";
    "urldecode" (0, 0) [] urldecode, "urldecode", "the text that was encoded so", "'a+b%26c' | urldecode" => "\"a b&c\"";
    "urlsplit" (0, 0) [] urlsplit, "urlsplit", "the parts of an address", "('https://a.example:8443/x?q=1#top' | urlsplit).params" => "{\"q\":\"1\"}";
    "host" (0, 0) [] host, "host", "host, and port if it is not the usual one, of an address", "'https://crm.example:8443/x' | host" => "\"crm.example:8443\"";
    "b64encode" (0, 1) ["urlsafe"] b64encode, "b64encode(urlsafe=false)", "as base64", "'Ana' | b64encode" => "\"QW5h\"";
    "b64decode" (0, 0) [] b64decode, "b64decode", "the text that a base64 text holds, in either alphabet", "'QW5h' | b64decode" => "\"Ana\"";
    "hash" (0, 1) ["algorithm"] hash, "hash(algorithm='sha256')", "the digest in hexadecimal; also sha384 and sha512", "'Ana' | hash | truncate(9)" => "\"dea210f0…\"";
    "escape" (0, 0) [] escape, "escape", "safe as text in HTML and XML", "'<b>Tom & Co</b>' | escape" => "\"&lt;b&gt;Tom &amp; Co&lt;/b&gt;\"";
    "e" (0, 0) [] escape, "e", "the same as `escape`", "'<' | e" => "\"&lt;\"";
    "unescape" (0, 0) [] unescape, "unescape", "with the usual entities of HTML resolved", "'Tom &amp; Co&#33;' | unescape" => "\"Tom & Co!\"";
    "striptags" (0, 0) [] striptags, "striptags", "HTML without its tags and comments, on one line", "'<p>Dear <b>Ana</b>,</p> hello' | striptags" => "\"Dear Ana, hello\"";
    "to_csv" (0, 2) ["columns", "delimiter"] to_csv, "to_csv(columns, delimiter=',')", "a list of maps as CSV with a line of names", "[{'a': 1, 'b': 'x,y'}] | to_csv" => "\"a,b\\r\\n1,\\\"x,y\\\"\\r\\n\"";
}

fn urlencode<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    if let Some(Value::Object(fields)) = val.value() {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in fields {
            let shown = machine.json_copy(value)?;
            let shown = machine.display(Val::Own(shown))?;
            machine.make((key.len() + shown.len()) * 3 + 2)?;
            query.append_pair(key, &shown);
        }
        return Ok(Val::Own(Value::String(query.finish())));
    }
    let text = text(&val, "urlencode")?;
    machine.make(text.len() * 3)?;
    let encoded = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    Ok(Val::Own(Value::String(encoded)))
}

fn urldecode<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "urldecode")?;
    machine.make(text.len())?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let mut digit = || char::from(ahead.next()?).to_digit(16);
        let code = match (digit(), digit()) {
            (Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        match (byte, code) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = ahead;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(byte),
        }
    }
    into_text(bytes, "urldecode")
}

fn into_text<'a>(bytes: Vec<u8>, filter: &str) -> Out<Val<'a>> {
    String::from_utf8(bytes)
        .map(|text| Val::Own(Value::String(text)))
        .map_err(|_| fail(format!("what `{filter}` finds is not a text in UTF-8")))
}

fn urlsplit<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "urlsplit")?;
    let parameters = text.bytes().filter(|byte| *byte == b'&').count() + 1;
    machine.make(text.len() * 8 + (parameters + 10) * VALUE)?;
    let url = url::Url::parse(text).map_err(|_| {
        fail("`urlsplit` needs a whole address such as `https://crm.example/a?b=c`")
    })?;
    let params: Map<String, Value> = url
        .query_pairs()
        .map(|(key, value)| (key.into_owned(), Value::from(value.into_owned())))
        .collect();
    Ok(Val::Own(json!({
        "scheme": url.scheme(),
        "host": url.host_str(),
        "port": url.port_or_known_default(),
        "path": url.path(),
        "query": url.query(),
        "fragment": url.fragment(),
        "params": params,
    })))
}

/// `host` or `host:port` of an address; the port only if it is not the scheme's own.
fn host<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "host")?;
    machine.make(text.len() * 4)?;
    let parsed = url::Url::parse(text).ok();
    let host = parsed
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port())));
    match host {
        Some((host, Some(port))) => machine.text(format!("{host}:{port}")),
        Some((host, None)) => machine.text(host.to_owned()),
        None => Err(fail(format!(
            "`host` needs an address such as `https://crm.example`, not this ({})",
            kind(&Value::from(text))
        ))),
    }
}

fn b64encode<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let is_urlsafe = is_on(&mut given, 0, "urlsafe");
    let text = text(&val, "b64encode")?;
    machine.make(text.len() / 3 * 4 + 4)?;
    Ok(Val::Own(Value::String(if is_urlsafe {
        URL_SAFE_NO_PAD.encode(text)
    } else {
        STANDARD.encode(text)
    })))
}

fn b64decode<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "b64decode")?;
    machine.make(text.len() * 2)?;
    let plain: String = text
        .chars()
        .filter(|sign| !sign.is_ascii_whitespace() && *sign != '=')
        .map(|sign| match sign {
            '-' => '+',
            '_' => '/',
            sign => sign,
        })
        .collect();
    let bytes = STANDARD_NO_PAD
        .decode(plain)
        .map_err(|_| fail("`b64decode` needs a base64 text"))?;
    into_text(bytes, "b64decode")
}

const ALGORITHMS: [&str; 3] = ["sha256", "sha384", "sha512"];

pub(super) fn check_algorithm(algorithm: &str) -> Result<(), String> {
    if ALGORITHMS.contains(&algorithm) {
        return Ok(());
    }
    Err(format!(
        "`hash` has no algorithm `{algorithm}`; it has {}",
        ALGORITHMS.join(", ")
    ))
}

fn hash<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let algorithm = given.take(0, "algorithm");
    let algorithm = match &algorithm {
        Some(algorithm) => text(algorithm, "hash")?,
        None => "sha256",
    };
    let text = text(&val, "hash")?;
    machine.burn(text.len() / 16 + 1)?;
    let digest = match algorithm {
        "sha256" => hex::encode(Sha256::digest(text)),
        "sha384" => hex::encode(Sha384::digest(text)),
        "sha512" => hex::encode(Sha512::digest(text)),
        _ => {
            return Err(fail(format!("`hash` knows {} only", ALGORITHMS.join(", "))));
        }
    };
    machine.text(digest)
}

const ENTITIES: [(char, &str); 5] = [
    ('&', "&amp;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('"', "&#34;"),
    ('\'', "&#39;"),
];

fn escape<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "escape")?;
    machine.scan(text.len())?;
    let entity = |sign: char| ENTITIES.iter().find(|(plain, _)| *plain == sign);
    let more = text.chars().filter(|sign| entity(*sign).is_some()).count() * 4;
    machine.make(text.len() + more)?;
    let mut escaped = String::with_capacity(text.len() + more);
    for sign in text.chars() {
        match entity(sign) {
            Some((_, entity)) => escaped.push_str(entity),
            None => escaped.push(sign),
        }
    }
    Ok(Val::Own(Value::String(escaped)))
}

fn unescape<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "unescape")?;
    machine.make(text.len())?;
    Ok(Val::Own(Value::String(resolved(text))))
}

fn resolved(text: &str) -> String {
    const NAMED: &[(&str, &str)] = &[
        ("amp", "&"),
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("apos", "'"),
        ("nbsp", "\u{a0}"),
        ("ndash", "–"),
        ("mdash", "—"),
        ("hellip", "…"),
        ("euro", "€"),
        ("copy", "©"),
        ("auml", "ä"),
        ("ouml", "ö"),
        ("uuml", "ü"),
        ("Auml", "Ä"),
        ("Ouml", "Ö"),
        ("Uuml", "Ü"),
        ("szlig", "ß"),
    ];
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let sign = end.and_then(|end| {
            let name = &rest[1..end];
            let code = match name.strip_prefix('#') {
                Some(code) => match code.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => code.parse().ok(),
                },
                None => None,
            };
            let named = NAMED.iter().find(|(known, _)| *known == name);
            match (code.and_then(char::from_u32), named) {
                (Some(sign), _) => Some((Cow::from(sign.to_string()), end)),
                (None, Some((_, sign))) => Some((Cow::from(*sign), end)),
                (None, None) => None,
            }
        });
        match sign {
            Some((sign, end)) => {
                plain.push_str(&sign);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn striptags<'a>(machine: &mut Machine<'a>, val: Val<'a>, _: Given<'a>) -> Out<Val<'a>> {
    let text = text(&val, "striptags")?;
    machine.make(text.len() * 3)?;
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    // Once there is no end of a tag or comment, there is none further on either.
    let (mut tags_close, mut comments_close) = (true, true);
    while let Some(at) = rest.find('<') {
        bare.push_str(&rest[..at]);
        rest = &rest[at..];
        let begins =
            rest[1..].starts_with(|sign: char| sign.is_ascii_alphabetic() || "/!?".contains(sign));
        let mut end = None;
        if rest.starts_with("<!--") && comments_close {
            end = rest.find("-->").map(|end| end + 3);
            comments_close = end.is_some();
        }
        if end.is_none() && begins && tags_close {
            end = end_of_tag(rest);
            tags_close = end.is_some();
        }
        match end {
            Some(end) => rest = &rest[end..],
            None => {
                bare.push('<');
                rest = &rest[1..];
            }
        }
    }
    bare.push_str(rest);
    let words: Vec<&str> = bare.split_whitespace().collect();
    Ok(Val::Own(Value::String(resolved(&words.join(" ")))))
}

/// Where a tag ends: at the first `>` that is not in quotes, or at the first at all if quotes do not close. Only the last quote of a
/// kind does not, so the search goes through to the end in vain at most twice in a text.
fn end_of_tag(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (place, sign) in rest.char_indices() {
        match (quote, sign) {
            (None, '>') => return Some(place + 1),
            (None, '"' | '\'') => quote = Some(sign),
            (Some(open), sign) if open == sign => quote = None,
            _ => {}
        }
    }
    quote.and_then(|_| rest.find('>')).map(|end| end + 1)
}

fn to_csv<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let delimiter = name_of(machine, &mut given, 1, "delimiter")?.unwrap_or_else(|| ",".into());
    if delimiter.chars().count() != 1 || delimiter.contains(['"', '\r', '\n']) {
        return Err(fail(
            "the delimiter of `to_csv` is one character, such as ';'",
        ));
    }
    let columns = given.take(0, "columns");
    let rows = machine.items(val, "`to_csv`")?;
    let columns: Vec<String> = match columns {
        Some(columns) => {
            let mut names = Vec::new();
            for column in machine.items(columns, "`columns` of `to_csv`")? {
                names.push(machine.key(column)?);
            }
            names
        }
        None => match rows.first().and_then(Val::value) {
            Some(Value::Object(first)) => {
                let size: usize = first.keys().map(|key| key.len() + VALUE).sum();
                machine.make(size)?;
                first.keys().cloned().collect()
            }
            _ => Vec::new(),
        },
    };
    let mut csv = String::new();
    let mut line = |machine: &mut Machine<'a>, cells: &mut dyn Iterator<Item = Cow<'_, str>>| {
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                machine.make(delimiter.len())?;
                csv.push_str(&delimiter);
            }
            machine.make(cell.len() * 2 + 2)?;
            if cell.contains(['"', '\r', '\n']) || cell.contains(&delimiter) {
                csv.push('"');
                csv.push_str(&cell.replace('"', "\"\""));
                csv.push('"');
            } else {
                csv.push_str(&cell);
            }
        }
        machine.make(2)?;
        csv.push_str("\r\n");
        Out::Ok(())
    };
    line(
        machine,
        &mut columns.iter().map(|name| Cow::from(name.as_str())),
    )?;
    for row in &rows {
        let Some(Value::Object(fields)) = row.value() else {
            return Err(fail(format!(
                "`to_csv` needs a list of maps, not of {}",
                row.kind()
            )));
        };
        machine.burn(columns.len())?;
        let mut cells = Vec::new();
        for column in &columns {
            cells.push(match fields.get(column) {
                None | Some(Value::Null) => Cow::from(""),
                Some(Value::String(text)) => Cow::from(text),
                Some(other) => Cow::from(machine.json(other)?),
            });
        }
        line(machine, &mut cells.into_iter())?;
    }
    Ok(Val::Own(Value::String(csv)))
}
