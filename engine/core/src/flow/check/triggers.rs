//! What starts a flow: one trigger, told whole, and no dynamic connection where there is no person.

use crate::diagnostic::{Diagnostic, Span};
use crate::flow::check::Check;
use crate::flow::{Schedule, SlotKind, Trigger, Verify, Webhook};
use crate::schedule::{Fields, Spec};

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
            Trigger::Schedule(schedule) => self.check_schedule(schedule),
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

    fn check_webhook(&mut self, webhook: &Webhook) {
        let Verify::HmacSha256(hmac) = &webhook.verify else {
            return;
        };
        let path = ["trigger", "webhook", "verify", "hmac_sha256"];
        let node = self.places.node(&path);
        let at = |key| {
            node.and_then(|n| n.get(key))
                .map_or_else(Span::default, |n| n.span)
        };
        if hmac.secret.is_empty() {
            self.faults
                .error("missing_key", at("secret"), "no secret is named");
        }
        if hmac.header.eq_ignore_ascii_case("authorization") {
            self.faults.push(
                Diagnostic::error(
                    "bad_header",
                    at("header"),
                    "`Authorization` is not a header for signatures",
                )
                .with_help("name the header the sender signs with, such as `X-Signature`"),
            );
        }
        let Some(signed) = &hmac.signed else { return };
        let mut rest = signed.replace("{body}", "");
        let timed = rest.contains("{timestamp}");
        rest = rest.replace("{timestamp}", "");
        let fault = if !signed.contains("{body}") {
            Some((
                "what is signed must hold `{body}`",
                "for instance `\"{timestamp}.{body}\"`",
            ))
        } else if rest.contains(['{', '}']) {
            Some((
                "what is signed is made of `{body}` and `{timestamp}` and plain text",
                "for instance `\"{timestamp}.{body}\"`",
            ))
        } else if timed && hmac.timestamp.is_none() {
            Some((
                "`{timestamp}` is signed, but no header is named that holds it",
                "add `timestamp: {header: X-Timestamp}`",
            ))
        } else {
            None
        };
        if let Some((message, help)) = fault {
            self.faults
                .push(Diagnostic::error("bad_signed", at("signed"), message).with_help(help));
        }
        if hmac.timestamp.is_some() && !timed {
            self.faults.push(
                Diagnostic::warning(
                    "unsigned_timestamp",
                    at("signed"),
                    "the time is not part of what is signed, so anybody could change it",
                )
                .with_help("sign it too if the sender does: `signed: \"{timestamp}.{body}\"`"),
            );
        }
    }
}
