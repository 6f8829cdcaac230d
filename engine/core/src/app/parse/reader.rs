//! What the parts of the parser share: the faults so far, the names that expressions may use, and how expressions are compiled.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::address::Address;
use crate::app::encode;
use crate::diagnostic::{Diagnostic, Faults, Span, did_you_mean};
use crate::expr::{Condition, Reference, Template};
use crate::yaml::{Entry, Fields, Node};

/// What expressions see where no step is: in addresses of the app and of its sign-in.
pub const ADDRESS: &[&str] = &["connection"];
/// In a module's request.
pub const REQUEST: &[&str] = &["connection", "input"];
/// Where there is an answer.
pub const ANSWER: &[&str] = &["connection", "input", "response"];
/// In the answer to a request of the manifest itself.
pub const OWN_ANSWER: &[&str] = &["connection", "response"];
/// In the output of a module with pages.
pub const GATHERED: &[&str] = &["connection", "input", "response", "items"];

const RESPONSE_FIELDS: [&str; 3] = ["status", "headers", "body"];

/// The state of reading one manifest.
#[derive(Debug, Default)]
pub struct Reader {
    /// Everything wrong so far.
    pub faults: Faults,
    /// The settings: where they stand, and whether a pattern or a list of values bounds them.
    pub settings: BTreeMap<String, (Span, bool)>,
    /// Those of them that somebody types when they sign in.
    pub facts: BTreeSet<String>,
    /// The inputs of the module being read; none where any may be given.
    pub inputs: Option<BTreeSet<String>>,
    /// Whether a path alone is an address.
    pub has_base_url: bool,
    /// Settings that are part of an address, with the first place.
    addressed: BTreeMap<String, Span>,
}

impl Reader {
    /// Compiles a value whose expressions may look at these roots.
    pub fn template(&mut self, node: &Node, roots: &[&str]) -> Option<Template> {
        match Template::compile(&node.to_json()) {
            Ok(template) => {
                self.references(node, &template.references_with_places(), roots);
                Some(template)
            }
            Err(faults) => {
                for (pointer, fault) in faults {
                    let text = node.at(&pointer);
                    self.faults.push(
                        Diagnostic::error(
                            "bad_expression",
                            text.part(fault.start..fault.end),
                            fault.message,
                        )
                        .with_help_if(fault.help),
                    );
                }
                None
            }
        }
    }

    /// Compiles a text: nothing but a text may stand there.
    pub fn text_template(&mut self, node: &Node, roots: &[&str]) -> Option<Template> {
        node.text(&mut self.faults)?;
        self.template(node, roots)
    }

    /// Compiles the values of a map with free keys.
    pub fn templates(&mut self, node: &Node, roots: &[&str]) -> Vec<(String, Template)> {
        let entries = node.map(&mut self.faults).unwrap_or_default();
        entries
            .iter()
            .filter_map(|e| Some((e.key.clone(), self.template(&e.value, roots)?)))
            .collect()
    }

    /// Compiles a condition.
    pub fn condition(&mut self, node: &Node, roots: &[&str]) -> Option<Condition> {
        match Condition::compile(node.text(&mut self.faults)?) {
            Ok(condition) => {
                self.references(node, &condition.references_with_places(), roots);
                Some(condition)
            }
            Err(fault) => {
                self.faults.push(
                    Diagnostic::error(
                        "bad_expression",
                        node.part(fault.start..fault.end),
                        fault.message,
                    )
                    .with_help_if(fault.help),
                );
                None
            }
        }
    }

    /// Compiles a base or a whole address that only settings decide.
    pub fn address_text(&mut self, node: &Node) -> Option<Template> {
        let text = node.text(&mut self.faults)?;
        if !text.starts_with("https://")
            && !text.starts_with("http://")
            && !text.trim_start().starts_with("{{")
        {
            self.faults.push(
                Diagnostic::error(
                    "bad_address",
                    node.span,
                    format!("`{text}` is not a whole address"),
                )
                .with_help("begin with https:// or with a setting that does"),
            );
        }
        let template = self.template(node, ADDRESS)?;
        self.addressed_by(node, &template.references_with_places());
        Some(template)
    }

    /// Compiles a host.
    pub fn host(&mut self, node: &Node) -> Option<Template> {
        let text = node.text(&mut self.faults)?;
        if !text.contains("{{") && (text.contains(['/', '*', '@', ' ']) || text.is_empty()) {
            self.faults.push(
                Diagnostic::error("bad_host", node.span, format!("`{text}` is not a host"))
                    .with_help("write `host` or `host:port`, without wildcards: a credential goes to these hosts only"),
            );
        }
        let template = self.template(node, ADDRESS)?;
        self.addressed_by(node, &template.references_with_places());
        Some(template)
    }

    /// Compiles the address of a request.
    pub fn address(&mut self, node: &Node, roots: &[&str]) -> Option<Address> {
        let text = node.text(&mut self.faults)?;
        let address = match Address::compile(text) {
            Ok(address) => address,
            Err(faults) => {
                for fault in faults {
                    self.faults.push(
                        Diagnostic::error(
                            "bad_address",
                            node.part(fault.start..fault.end),
                            fault.message,
                        )
                        .with_help_if(fault.help),
                    );
                }
                return None;
            }
        };
        match &address.base {
            Some(base) => {
                self.references(node, &base.references_with_places(), ADDRESS);
                self.addressed_by(node, &base.references_with_places());
            }
            None if !self.has_base_url => {
                self.faults.push(
                    Diagnostic::error(
                        "bad_address",
                        node.span,
                        format!("`{text}` stands under no address"),
                    )
                    .with_help("give the app a `base_url`"),
                );
            }
            None => {}
        }
        self.references(node, &address.references(), roots);
        Some(address)
    }

    /// Reads the name of a header that a manifest may set; in lower case.
    pub fn header(&mut self, name: &str, span: Span) -> Option<String> {
        match encode::header_name(name) {
            Ok(name) => Some(name),
            Err(why) => {
                self.faults
                    .error("bad_header", span, format!("`{name}` {why}"));
                None
            }
        }
    }

    /// Says of keys that will come that they are not there yet.
    pub fn not_yet(&mut self, fields: &mut Fields<'_>, keys: &[&'static str]) {
        for key in keys {
            if let Some(entry) = fields.entry(key) {
                self.faults.push(
                    Diagnostic::error(
                        "not_yet_supported",
                        entry.key_span,
                        format!("`{key}` is known, but not supported yet"),
                    )
                    .with_help("remove it; this version cannot do what it asks for"),
                );
            }
        }
    }

    /// Checks the name of something the author names: a setting, an input, a module.
    pub fn name(&mut self, entry: &Entry) {
        let good =
            entry.key.bytes().enumerate().all(|(at, b)| {
                b.is_ascii_lowercase() || b == b'_' || (at > 0 && b.is_ascii_digit())
            });
        if !good || entry.key.is_empty() || entry.key.len() > 63 {
            self.faults.push(
                Diagnostic::error(
                    "bad_name",
                    entry.key_span,
                    format!("`{}` is not a name", entry.key),
                )
                .with_help("use 1 to 63 of a-z, 0-9 and _, not beginning with a digit"),
            );
        }
    }

    /// A setting that is part of an address decides where a credential goes: it must be bounded.
    pub fn check_addressed(&mut self) {
        for (name, place) in std::mem::take(&mut self.addressed) {
            if let Some((span, false)) = self.settings.get(&name) {
                self.faults.push(
                    Diagnostic::error(
                        "setting_without_pattern",
                        *span,
                        format!("`{name}` is part of an address and has no `pattern`"),
                    )
                    .with_also(place, "it is used here")
                    .with_help(
                        "say what it may look like, such as pattern: \"https://[a-z0-9.-]+\"",
                    ),
                );
            }
        }
    }

    fn addressed_by(&mut self, node: &Node, references: &[Reference]) {
        for reference in references {
            if let [root, name, ..] = reference.path.as_slice()
                && root == "connection"
            {
                let place = node.at(&reference.pointer).part(reference.range.clone());
                self.addressed.entry(name.clone()).or_insert(place);
            }
        }
    }

    /// Each name must be there in its place: a root, and of what is known below it one of that.
    fn references(&mut self, node: &Node, references: &[Reference], roots: &[&str]) {
        for reference in references {
            let place = node.at(&reference.pointer).part(reference.range.clone());
            let Some(root) = reference.path.first() else {
                continue;
            };
            if !roots.contains(&root.as_str()) {
                let message = if GATHERED.contains(&root.as_str()) {
                    format!("`{root}` is not there in this place")
                } else {
                    format!("`{root}` is not known in a manifest")
                };
                self.faults.push(
                    Diagnostic::error("unknown_name", place, message)
                        .with_help_if(did_you_mean(root, roots.iter().copied())),
                );
                continue;
            }
            let Some(field) = reference.path.get(1) else {
                continue;
            };
            let (known, what): (Vec<&str>, _) = match (root.as_str(), &self.inputs) {
                ("connection", _) => (
                    self.settings.keys().map(String::as_str).collect(),
                    "a setting of this app",
                ),
                ("input", Some(inputs)) => (
                    inputs.iter().map(String::as_str).collect(),
                    "an input of this module",
                ),
                ("response", _) => (RESPONSE_FIELDS.to_vec(), "a part of an answer"),
                _ => continue,
            };
            if !known.contains(&field.as_str()) {
                self.faults.push(
                    Diagnostic::error("unknown_name", place, format!("`{field}` is not {what}"))
                        .with_help_if(did_you_mean(field, known)),
                );
            }
        }
    }
}
