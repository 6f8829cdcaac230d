//! What starts a flow: one trigger, told whole, and no dynamic connection where there is no person.

use crate::diagnostic::{Diagnostic, Span};
use crate::flow::check::Check;
use crate::flow::{Schedule, SlotKind, Trigger, Webhook};
use crate::schedule::{Fields, SLOT, Spec};

/// What starts a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// A person.
    OnDemand,
    /// The clock.
    Schedule,
    /// Another system.
    Webhook,
}

impl TriggerKind {
    /// What starts a flow with this trigger.
    pub fn of(trigger: &Trigger) -> Self {
        match trigger {
            Trigger::OnDemand { .. } => Self::OnDemand,
            Trigger::Schedule(_) => Self::Schedule,
            Trigger::Webhook(_) => Self::Webhook,
        }
    }

    /// The key in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on_demand",
            Self::Schedule => "schedule",
            Self::Webhook => "webhook",
        }
    }
}

/// A dynamic connection is that of whoever runs the flow: where nobody does, there is none. Names each slot, the trigger and both places.
pub fn dynamic_slots_need_on_demand<'s>(
    trigger: TriggerKind,
    trigger_span: Span,
    dynamic_slots: impl IntoIterator<Item = (&'s str, Span)>,
) -> Vec<Diagnostic> {
    if trigger == TriggerKind::OnDemand {
        return Vec::new();
    }
    let name = trigger.as_str();
    let fault = |(slot, span): (&str, Span)| {
        Diagnostic::error(
            "dynamic_without_person",
            span,
            format!("the connection `{slot}` is dynamic, but the trigger `{name}` has no person whose account it could be"),
        )
        .with_also(trigger_span, format!("`{name}` is here"))
        .with_help("make the flow on-demand, or name a shared connection: `connection: NAME`")
    };
    dynamic_slots.into_iter().map(fault).collect()
}

const TRIGGERS: [TriggerKind; 3] = [
    TriggerKind::OnDemand,
    TriggerKind::Schedule,
    TriggerKind::Webhook,
];

impl Check<'_> {
    pub(super) fn check_trigger(&mut self) {
        let kind = TriggerKind::of(&self.flow.trigger);
        let node = self.places.node(&["trigger"]);
        let found: Vec<(TriggerKind, Span)> = TRIGGERS
            .into_iter()
            .filter_map(|kind| Some((kind, node?.entry(kind.as_str())?.key_span)))
            .collect();
        match found.as_slice() {
            [] => {
                if let Some(node) = node.filter(|node| node.as_map().is_some_and(<[_]>::is_empty)) {
                    self.faults.push(
                        Diagnostic::error(
                            "missing_key",
                            node.span,
                            "a trigger says what starts the flow",
                        )
                        .with_help("`trigger: {on_demand: {}}` lets people start it"),
                    );
                }
            }
            [_] => {}
            [first, second, ..] => self.faults.push(
                Diagnostic::error("two_triggers", second.1, "a flow has one trigger")
                    .with_also(first.1, "the first is here"),
            ),
        }
        // What is written counts even where the rest of it could not be read.
        let (kind, span) = match found.as_slice() {
            [one] => *one,
            _ => (kind, Span::default()),
        };
        let dynamic: Vec<(&str, Span)> = self
            .flow
            .connections
            .iter()
            .filter(|(_, slot)| match &slot.kind {
                SlotKind::Dynamic(dynamic) => dynamic.switched_off().is_none(),
                SlotKind::Connection(_) => false,
            })
            .map(|(name, _)| {
                let name = name.as_str();
                (name, self.places.key(&["connections", name]))
            })
            .collect();
        self.faults
            .extend(dynamic_slots_need_on_demand(kind, span, dynamic));
        let flow = self.flow;
        match &flow.trigger {
            Trigger::OnDemand { .. } => {}
            Trigger::Schedule(schedule) => {
                self.check_schedule(schedule);
                self.check_inputs_of_a_schedule();
            }
            Trigger::Webhook(webhook) => self.check_webhook(webhook),
        }
    }

    fn check_schedule(&mut self, schedule: &Schedule) {
        let at = |key| self.places.at(&["trigger", "schedule", key]);
        let cron = Fields::parse(&schedule.cron).map(drop);
        let zone = Spec::new("* * * * *", &schedule.timezone, schedule.dst).map(drop);
        let (cron_span, zone_span) = (at("cron"), at("timezone"));
        for (code, span, read) in [
            ("bad_cron", cron_span, cron),
            ("bad_timezone", zone_span, zone),
        ] {
            if let Err(bad) = read {
                self.faults
                    .push(Diagnostic::error(code, span, bad.message).with_help(bad.help));
            }
        }
    }

    /// A schedule gives its runs one input, and that only where it is asked for.
    fn check_inputs_of_a_schedule(&mut self) {
        for (name, input) in &self.flow.inputs {
            if name == SLOT || !input.required {
                continue;
            }
            let span = self.places.key(&["inputs", name]);
            let message = format!("nobody gives `{name}` where a schedule starts the flow");
            self.faults.push(
                Diagnostic::error("input_never_given", span, message)
                    .with_help(format!("give it a default, say `required: false`, or call it `{SLOT}` to be given the time the run is for")),
            );
        }
    }

    fn check_webhook(&mut self, webhook: &Webhook) {
        let Err(bad) = crate::webhook::check(webhook) else {
            return;
        };
        let mut path = vec!["trigger", "webhook"];
        if bad.key != "delivery" {
            path.extend(["verify", "hmac_sha256"]);
        }
        let whole = self.places.at(&path);
        path.push(bad.key);
        let span = match self.places.node(&path) {
            Some(node) => node.span,
            None => whole,
        };
        self.faults
            .push(Diagnostic::error("bad_webhook", span, bad.message).with_help(bad.help));
    }
}
