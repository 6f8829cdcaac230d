//! From the text of `app.yaml` to a [`Manifest`], with every fault at once. Expressions are compiled here and may look only at what
//! exists in their place.

mod auth;
mod errors;
mod module;
mod reader;
mod request;
mod typed;

use indexmap::IndexMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::app::manifest::Manifest;
use crate::app::request::Site;
use crate::app::settings::Settings;
use crate::diagnostic::{Diagnostic, Faults};
use crate::ids::AppName;
use crate::yaml::{self, Fields, Node};
use reader::Reader;

/// What came of a manifest file.
#[derive(Debug)]
pub struct ParsedManifest {
    /// The manifest, if no error stands among the diagnostics.
    pub manifest: Option<Manifest>,
    /// All faults.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks one `app.yaml`.
pub fn parse(text: &str) -> ParsedManifest {
    match yaml::parse(text) {
        Ok(node) => read(&node),
        Err(diagnostics) => ParsedManifest {
            manifest: None,
            diagnostics,
        },
    }
}

impl Manifest {
    /// Reads a stored canonical document back.
    ///
    /// # Errors
    /// The faults, if it was not written by this version or an older one.
    pub fn from_document(document: &str) -> Result<Self, Vec<Diagnostic>> {
        let value: Value = serde_json::from_str(document).map_err(|e| {
            vec![Diagnostic::error(
                "bad_document",
                Default::default(),
                format!("the manifest is not JSON: {e}"),
            )]
        })?;
        let parsed = read(&Node::from_json(&value));
        parsed.manifest.ok_or(parsed.diagnostics)
    }
}

fn read(node: &Node) -> ParsedManifest {
    let mut reader = Reader::default();
    let manifest = manifest(node, &mut reader);
    reader.check_addressed();
    let failed = reader.faults.has_errors();
    ParsedManifest {
        manifest: manifest.filter(|_| !failed),
        diagnostics: reader.faults.finish(),
    }
}

fn manifest(node: &Node, r: &mut Reader) -> Option<Manifest> {
    let mut fields = Fields::of(node, "an app", &mut r.faults)?;
    let app = fields
        .need("app", &mut r.faults)
        .and_then(|n| n.parsed::<AppName>(&mut r.faults));
    let title = fields
        .take("title")
        .and_then(|n| n.text(&mut r.faults))
        .map(str::to_owned);
    let description = fields
        .take("description")
        .and_then(|n| n.text(&mut r.faults))
        .map(str::to_owned);
    let version = fields
        .need("version", &mut r.faults)
        .and_then(|n| n.integer(1, u64::from(u32::MAX), &mut r.faults));
    let (settings, settings_check) = fields
        .take("settings")
        .map(|n| read_settings(n, r))
        .unwrap_or_default();
    let site = Site {
        base_url: fields.take("base_url").and_then(|n| r.address_text(n)),
        hosts: fields
            .take("hosts")
            .and_then(|n| n.list(&mut r.faults))
            .unwrap_or_default()
            .iter()
            .filter_map(|n| r.host(n))
            .collect(),
    };
    r.has_base_url = site.base_url.is_some();
    let (auth, endpoints, lookup, verify) = auth::read(fields.take("auth"), node, r);
    let errors = fields
        .take("errors")
        .map(|n| errors::read(n, r))
        .unwrap_or_default();
    let limits = fields
        .take("limits")
        .map(|n| errors::limits(n, r))
        .unwrap_or_default();
    r.not_yet(
        &mut fields,
        &[
            "hooks",
            "sign_request",
            "after_connect",
            "map_response",
            "verify_webhook",
        ],
    );
    let mut modules = IndexMap::new();
    for entry in fields
        .need("modules", &mut r.faults)
        .and_then(|n| n.map(&mut r.faults))
        .unwrap_or_default()
    {
        if let Some(module) = module::read(entry, &auth, r) {
            modules.insert(entry.key.clone(), std::sync::Arc::new(module));
        }
    }
    // A logo is a file beside the manifest; the key may name it.
    fields.take("logo");
    fields.close(&mut r.faults);

    let app = app?;
    let (document, digest) = canonical(node, &mut r.faults)?;
    Some(Manifest {
        title: title.unwrap_or_else(|| app.to_string()),
        app,
        description,
        version: u32::try_from(version?).ok()?,
        digest,
        document,
        settings,
        auth,
        limits,
        modules,
        site,
        settings_check,
        endpoints,
        lookup,
        verify,
        errors,
    })
}

/// The canonical document (RFC 8785) and its digest.
fn canonical(node: &Node, faults: &mut Faults) -> Option<(String, String)> {
    match serde_json_canonicalizer::to_string(&node.to_json()) {
        Ok(document) => {
            let digest = format!(
                "sha256:{}",
                hex::encode(Sha256::digest(document.as_bytes()))
            );
            Some((document, digest))
        }
        Err(error) => {
            faults.error(
                "not_canonical",
                node.span,
                format!("the manifest has no canonical form: {error}"),
            );
            None
        }
    }
}

fn read_settings(node: &Node, r: &mut Reader) -> (IndexMap<String, Value>, Settings) {
    let mut settings = IndexMap::new();
    for entry in node.map(&mut r.faults).unwrap_or_default() {
        r.name(entry);
        let Some(mut fields) = Fields::of(&entry.value, "a setting", &mut r.faults) else {
            continue;
        };
        let pattern = fields
            .take("pattern")
            .and_then(|n| n.text(&mut r.faults))
            .is_some();
        let kind = fields.need("type", &mut r.faults);
        kind.and_then(|n| {
            n.word(
                &[("string", ()), ("integer", ()), ("boolean", ())],
                &mut r.faults,
            )
        });
        for text in ["title", "description"] {
            fields.take(text).and_then(|n| n.text(&mut r.faults));
        }
        fields
            .take("required")
            .and_then(|n| n.boolean(&mut r.faults));
        for other in ["example", "default", "enum"] {
            fields.take(other);
        }
        let closed = fields.entry("enum").is_some();
        fields.close(&mut r.faults);
        r.settings
            .insert(entry.key.clone(), (entry.key_span, pattern || closed));
        settings.insert(entry.key.clone(), entry.value.to_json());
    }
    match Settings::compile(&settings) {
        Ok(check) => (settings, check),
        Err(bad) => {
            for (name, why) in bad {
                let span = node.get(&name).map_or(node.span, |n| n.span);
                r.faults.error(
                    "bad_setting",
                    span,
                    format!("the setting `{name}` cannot be checked: {why}"),
                );
            }
            (settings, Settings::default())
        }
    }
}
