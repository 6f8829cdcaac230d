//! Secrets that are searched for, in every form in which somebody may have written them down.

use std::collections::HashMap;

/// So many bytes of a form are looked for, at its beginning and at its end: a page of a database may have cut it in two.
const WINDOW: usize = 12;

/// A secret that nothing else contains: 128 random bits, with two characters that encodings change.
pub fn canary() -> String {
    let bits = actas_store::system::random::<16>();
    format!("{}+/{}", hex::encode(&bits[..8]), hex::encode(&bits[8..]))
}

/// Base 64 without padding.
pub fn base64(bytes: &[u8], url: bool) -> String {
    let mut alphabet: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .collect();
    alphabet.extend(if url { b"-_" } else { b"+/" });
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let bits = (0..3).fold(0, |bits, n| {
                bits << 8 | usize::from(chunk.get(n).copied().unwrap_or_default())
            });
            let letter = |n: usize| char::from(alphabet[bits >> (18 - 6 * n) & 63]);
            (0..=chunk.len()).map(letter).collect::<Vec<_>>()
        })
        .collect()
}

/// As in the query of an address.
pub fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Every form of a secret.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("upper case", secret.to_uppercase()),
        ("percent-encoded", percent(secret)),
        (
            "percent-encoded in lower case",
            percent(secret).to_lowercase(),
        ),
        ("hex", hex::encode(secret)),
        ("upper hex", hex::encode_upper(secret)),
        ("reversed", secret.chars().rev().collect()),
        ("JSON-escaped", secret.replace('/', "\\/")),
        ("UTF-16", secret.chars().flat_map(|c| [c, '\0']).collect()),
    ];
    for (name, url) in [("base64", false), ("base64url", true)] {
        for shift in 0..3 {
            let text = base64(&[&vec![0; shift][..], secret.as_bytes()].concat(), url);
            let (first, last) = ((shift * 8).div_ceil(6), (shift + secret.len()) * 8 / 6);
            forms.push((name, text[first..last].to_owned()));
        }
    }
    forms
}

/// All secrets, ready to be searched for at once.
#[derive(Debug)]
pub struct Needles {
    windows: HashMap<[u8; WINDOW], (&'static str, String)>,
    beginnings: Vec<bool>,
}

impl Needles {
    /// Of these secrets.
    pub fn of(secrets: &[String]) -> Self {
        let mut windows = HashMap::new();
        let mut beginnings = vec![false; 1 << 16];
        for secret in secrets {
            for (name, form) in forms(secret) {
                let form = form.as_bytes();
                for part in [&form[..WINDOW], &form[form.len() - WINDOW..]] {
                    beginnings[usize::from(part[0]) << 8 | usize::from(part[1])] = true;
                    let window = part.try_into().expect("a window");
                    windows.insert(window, (name, secret.clone()));
                }
            }
        }
        Self {
            windows,
            beginnings,
        }
    }

    /// What stands in there: the form, the secret, and what stands around it.
    pub fn found_in(&self, hay: &[u8]) -> Vec<String> {
        hay.windows(WINDOW)
            .enumerate()
            .filter(|(_, part)| self.beginnings[usize::from(part[0]) << 8 | usize::from(part[1])])
            .filter_map(|(at, part)| {
                let (form, secret) = self.windows.get(part)?;
                let around = &hay[at.saturating_sub(80)..hay.len().min(at + 80)];
                let around = String::from_utf8_lossy(around);
                Some(format!("{secret} ({form}) in: {around}"))
            })
            .collect()
    }
}

#[test]
fn every_form_of_a_secret_is_found_wherever_it_is_cut_and_nothing_else() {
    let secret = canary();
    let needles = Needles::of(std::slice::from_ref(&secret));
    for (name, form) in forms(&secret) {
        let hay = format!("somewhere {form} else");
        assert!(!needles.found_in(hay.as_bytes()).is_empty(), "{name}");
        let (one, two) = form.split_at(form.len() / 2);
        assert!(
            !needles.found_in(one.as_bytes()).is_empty(),
            "{name}: first half"
        );
        assert!(
            !needles.found_in(two.as_bytes()).is_empty(),
            "{name}: second half"
        );
    }
    let inside = base64(format!("client:{secret}").as_bytes(), false);
    assert!(!needles.found_in(inside.as_bytes()).is_empty());
    assert_eq!(needles.found_in(canary().as_bytes()), Vec::<String>::new());
    assert_eq!(
        base64(b"Man", false) + &base64(b"M\xff\xfe", true),
        "TWFuTf_-"
    );
}
