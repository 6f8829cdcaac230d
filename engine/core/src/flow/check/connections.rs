//! Slots: each step acts through the right one, and it is said whose account each is.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::{HoldKind, Manifest, Module};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::flow::check::Check;
use crate::flow::check::layout::{Part, Site};
use crate::flow::{Dynamic, Entry, SlotKind, Trigger};

impl Check<'_> {
    /// The slot a step acts through: the one it names, or the only one for its app.
    pub(super) fn slot_of(
        &mut self,
        number: usize,
        site: &Site<'_>,
        module: Option<&(Arc<Manifest>, Arc<Module>)>,
    ) -> Option<usize> {
        let (step, id) = (site.step, self.called(number));
        let uses = step.uses.as_ref()?;
        let app = uses.app();
        if let Some(name) = &step.connection {
            let span = site.at("connection");
            let Some((number, _, slot)) = self.flow.connections.get_full(name.as_str()) else {
                if !self.slot_names.contains(&name.as_str()) {
                    let names = Arc::clone(&self.slot_names);
                    let help = self.suggest(name.as_str(), names.iter().copied()).or_else(|| {
                        Some(format!(
                            "declare it: `connections: {{{name}: {{app: {app}, dynamic: {{}}}}}}`"
                        ))
                    });
                    self.faults.push(
                        Diagnostic::error(
                            "unknown_connection",
                            span,
                            format!("there is no connection `{name}`"),
                        )
                        .with_help_if(help),
                    );
                }
                return None;
            };
            if let Some((_, module)) = module {
                if slot.app != app {
                    let fitting = self.fitting(app.as_str());
                    self.faults.push(
                        Diagnostic::error(
                            "wrong_app",
                            span,
                            format!(
                                "`{name}` is a connection to `{}`, but `{id}` uses `{}`",
                                slot.app, uses
                            ),
                        )
                        .with_help_if(
                            fitting
                                .first()
                                .map(|(_, name)| format!("`{name}` is a connection to `{app}`")),
                        ),
                    );
                } else if !module.needs_connection {
                    self.faults.push(
                        Diagnostic::error(
                            "needless_connection",
                            span,
                            format!("`{uses}` acts through no connection"),
                        )
                        .with_help("remove `connection`"),
                    );
                }
            }
            return Some(number);
        }
        if !module.is_some_and(|(_, module)| module.needs_connection) {
            return None;
        }
        let fitting = self.fitting(app.as_str());
        let span = site.at("uses");
        match fitting.as_slice() {
            [(number, _)] => Some(*number),
            [] => {
                let message = format!("`{id}` needs a connection to `{app}`, and there is none");
                let help =
                    format!("declare one: `connections: {{{app}: {{app: {app}, dynamic: {{}}}}}}`");
                self.faults
                    .push(Diagnostic::error("missing_connection", span, message).with_help(help));
                None
            }
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(_, name)| format!("`{name}`"))
                    .collect();
                let message = format!("`{id}` could act through {}", names.join(" or "));
                self.faults.push(
                    Diagnostic::error("ambiguous_connection", span, message)
                        .with_help("say which: `connection: NAME`"),
                );
                None
            }
        }
    }

    fn fitting(&self, app: &str) -> Vec<(usize, String)> {
        let fits = self
            .flow
            .connections
            .iter()
            .enumerate()
            .filter(|(_, (_, slot))| slot.app.as_str() == app);
        fits.map(|(number, (name, _))| (number, name.as_str().to_owned()))
            .collect()
    }

    /// What messages call a step: one that nobody wrote an id for by the step it belongs to.
    fn called(&self, number: usize) -> String {
        let site = &self.layout.sites[number];
        let owner = self.layout.scopes[site.scope].owner;
        match owner.map(|owner| &self.layout.sites[owner]) {
            Some(owner) if site.part == Part::Inner => owner.id.to_string(),
            Some(owner) if owner.undo == Some(site.scope) => format!("the undo of {}", owner.id),
            _ => site.id.to_string(),
        }
    }

    pub(super) fn check_slots(&mut self) {
        let unused = self.writing() && !self.faults_in_steps();
        let used: HashSet<usize> = self
            .steps
            .iter()
            .flat_map(|step| {
                step.slot
                    .into_iter()
                    .chain(step.hands.iter().map(|(_, slot)| *slot))
            })
            .collect();
        for (number, (name, slot)) in self.flow.connections.iter().enumerate() {
            let name = name.as_str();
            let key = self.places.key(&["connections", name]);
            let node = self.places.node(&["connections", name]);
            if let Some(node) = node {
                match (node.entry("dynamic"), node.entry("connection")) {
                    (Some(dynamic), Some(shared)) => self.faults.push(
                        Diagnostic::error("two_kinds", shared.key_span, format!("`{name}` is dynamic and shared at once"))
                            .with_also(dynamic.key_span, "`dynamic` is here")
                            .with_help("keep one: `dynamic` for the account of whoever runs it, `connection` for a shared one"),
                    ),
                    (None, None) => self.faults.push(
                        Diagnostic::error("missing_key", key, format!("the connection `{name}` does not say whose account it is"))
                            .with_help("`dynamic: {}` for the account of whoever runs the flow, or `connection: NAME` for a shared one"),
                    ),
                    (None, Some(_)) => {
                        if let Some(build_time) = node.entry("build_time") {
                            self.faults.push(
                                Diagnostic::error("needless_build_time", build_time.key_span, format!("`{name}` is shared: it needs no build-time value"))
                                    .with_help("remove `build_time`"),
                            );
                        }
                    }
                    (Some(_), None) => {}
                }
            }
            let app = slot.app.as_str();
            let Some(manifest) = self.apps.get(app).cloned() else {
                let fault = self.unknown_app(app, self.places.at(&["connections", name, "app"]));
                self.faults.push(fault);
                continue;
            };
            if manifest.auth.none {
                self.faults.error(
                    "needless_connection",
                    key,
                    format!("the app `{app}` needs no account"),
                );
            }
            self.check_scopes(number, name, &manifest);
            if let SlotKind::Dynamic(dynamic) = &slot.kind {
                self.check_kinds(number, name, &manifest);
                self.check_dynamic(name, dynamic);
            }
            if unused && !used.contains(&number) {
                self.faults.push(
                    Diagnostic::warning(
                        "unused_connection",
                        key,
                        format!("no step acts through `{name}`"),
                    )
                    .with_help("remove it, so that nobody is asked for it"),
                );
            }
        }
    }

    fn check_scopes(&mut self, number: usize, name: &str, manifest: &Manifest) {
        let Some((_, slot)) = self.flow.connections.get_index(number) else {
            return;
        };
        let (SlotKind::Dynamic(dynamic), Some(oauth2)) = (&slot.kind, &manifest.auth.oauth2) else {
            return;
        };
        if dynamic.scopes.is_empty() {
            return;
        }
        for (n, scope) in dynamic.scopes.iter().enumerate() {
            if !oauth2.scopes.is_empty() && !oauth2.scopes.contains_key(scope) {
                let node = self
                    .places
                    .node(&["connections", name, "dynamic", "scopes"]);
                let span = node.map_or_else(Span::default, |node| node.at(&format!("/{n}")).span);
                let help = did_you_mean(scope, oauth2.scopes.keys().map(String::as_str));
                self.faults.push(
                    Diagnostic::error(
                        "unknown_scope",
                        span,
                        format!("the app `{}` has no scope `{scope}`", slot.app),
                    )
                    .with_help_if(help),
                );
            }
        }
        let layout = self.layout;
        let mut lacking = Vec::new();
        for (site, checked) in layout.sites.iter().zip(&self.steps) {
            let Some((_, module)) = checked.module().filter(|_| checked.slot == Some(number))
            else {
                continue;
            };
            let missing = |scope: &&String| !dynamic.scopes.contains(scope);
            for scope in module.scopes.iter().filter(missing) {
                lacking.push((scope.clone(), site));
            }
        }
        for (scope, site) in lacking {
            let span = self.places.at(&["connections", name, "dynamic", "scopes"]);
            let uses = site.step.uses.as_ref().map_or("", |uses| uses.as_str());
            self.faults.push(
                Diagnostic::error(
                    "missing_scope",
                    span,
                    format!(
                        "`{name}` leaves out the scope `{scope}`, which `{}` needs (`{uses}`)",
                        site.path
                    ),
                )
                .with_help("add it, or leave `scopes` out to ask for what the steps need"),
            );
        }
    }

    /// Where nothing can be typed, or nothing may be, people bring accounts of apps with OAuth 2 alone.
    fn check_kinds(&mut self, number: usize, name: &str, manifest: &Manifest) {
        let chat = match &self.flow.trigger {
            Trigger::OnDemand { from } => from.contains(&Entry::Chat),
            _ => false,
        };
        if manifest.auth.oauth2.is_some()
            || manifest.auth.none
            || !(chat || self.apps.oauth2_only())
        {
            return;
        }
        let layout = self.layout;
        let uses = layout
            .sites
            .iter()
            .zip(&self.steps)
            .find_map(|(site, step)| {
                let (_, _) = step.module().filter(|_| step.slot == Some(number))?;
                let uses = site.step.uses.as_ref()?;
                Some(format!("; `{}` uses `{}`", site.path, uses.as_str()))
            });
        let why = if chat {
            "nobody can type a password in a chat"
        } else {
            "this workspace lets people bring accounts of apps with OAuth 2 only"
        };
        self.faults.push(
            Diagnostic::error(
                "needs_oauth2",
                self.places.at(&["connections", name, "app"]),
                format!(
                    "`{name}` cannot be dynamic: the app `{}` has no OAuth 2 sign-in{}",
                    manifest.app,
                    uses.unwrap_or_default()
                ),
            )
            .with_help(format!(
                "{why}: let it act through a shared connection, `connection: NAME`"
            )),
        );
    }

    /// Whose account a dynamic connection is, where that is not whoever runs the flow.
    fn check_dynamic(&mut self, name: &str, dynamic: &Dynamic) {
        let key = |key| self.places.key(&["connections", name, "dynamic", key]);
        if dynamic.enabled == Some(false) && dynamic.parent.is_none() {
            self.faults.push(
                Diagnostic::error(
                    "missing_key",
                    key("enabled"),
                    format!(
                        "`{name}` is switched off and does not say through what it acts instead"
                    ),
                )
                .with_help("name a shared connection: `parent: NAME`"),
            );
        }
        let Some(of) = dynamic
            .of
            .as_ref()
            .filter(|_| dynamic.switched_off().is_none())
        else {
            return;
        };
        let span = self.places.at(&["connections", name, "dynamic", "of"]);
        let layout = self.layout;
        let root = &layout.scopes[0];
        let approves = |number: &usize| {
            let (_, module) = self.steps[*number].module()?;
            (module.hold() == Some(HoldKind::Approve)).then(|| layout.sites[*number].id.as_ref())
        };
        let help = "it names a step of the flow itself with `uses: core.approve`; the account is that of whoever decides it";
        match root.by_id.get(of.as_str()) {
            Some(number) if approves(number).is_some() => {}
            Some(number) => {
                let other = layout.sites[*number].key;
                self.faults.push(
                    Diagnostic::error("not_an_approval", span, format!("`{of}` is no approval"))
                        .with_also(other, format!("`{of}` is here"))
                        .with_help(help),
                );
            }
            None if root.written.contains(&of.as_str()) => {}
            None => {
                let known: Vec<&str> = root.members.iter().filter_map(approves).collect();
                let elsewhere = layout.sites.iter().find(|site| site.id == of.as_str());
                let message = match elsewhere {
                    Some(site) => format!("`{}` stands inside another step", site.path),
                    None => format!("there is no step `{of}`"),
                };
                let help = did_you_mean(of.as_str(), known).unwrap_or_else(|| help.to_owned());
                self.faults
                    .push(Diagnostic::error("not_an_approval", span, message).with_help(help));
            }
        }
    }
}
