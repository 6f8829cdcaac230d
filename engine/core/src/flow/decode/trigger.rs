//! From a tree to a trigger. What did not pass is left out; its fault was told already.

use crate::flow::decode::{millis, names, parsed, text, word};
use crate::flow::{
    Catchup, Dst, Encoding, Entry, Gap, HmacSha256, Millis, Overlap, Schedule, Timestamp, Trigger,
    Verify, Webhook,
};
use crate::yaml::Node;

/// Reads a trigger; one that cannot be read becomes on-demand.
pub(super) fn read(node: Option<&Node>) -> Trigger {
    let key = |name| node.and_then(|node| node.get(name));
    if key("on_demand").is_none() {
        if let Some(schedule) = key("schedule").and_then(schedule) {
            return Trigger::Schedule(schedule);
        }
        if let Some(webhook) = key("webhook").and_then(webhook) {
            return Trigger::Webhook(webhook);
        }
    }
    let words = [
        ("button", Entry::Button),
        ("run_once", Entry::RunOnce),
        ("api", Entry::Api),
        ("cli", Entry::Cli),
        ("chat", Entry::Chat),
        ("mcp", Entry::Mcp),
    ];
    let from = key("on_demand")
        .and_then(|node| node.get("from"))
        .and_then(Node::as_list)
        .unwrap_or_default();
    let entry = |item: &Node| {
        let written = item.as_text()?;
        words
            .iter()
            .find(|(word, _)| *word == written)
            .map(|(_, entry)| *entry)
    };
    Trigger::OnDemand {
        from: from.iter().filter_map(entry).collect(),
    }
}

fn schedule(node: &Node) -> Option<Schedule> {
    let catchup = [
        ("none", Catchup::None),
        ("last", Catchup::Last),
        ("all", Catchup::All),
    ];
    let dst = node.get("dst");
    let gap = dst.and_then(|dst| word(dst, "gap", &[("run", Gap::Run), ("skip", Gap::Skip)]));
    let overlaps = [("first", Overlap::First), ("both", Overlap::Both)];
    let overlap = dst.and_then(|dst| word(dst, "overlap", &overlaps));
    Some(Schedule {
        cron: text(node, "cron")?,
        timezone: text(node, "timezone").unwrap_or_else(|| "UTC".to_owned()),
        catchup: word(node, "catchup", &catchup).unwrap_or_default(),
        dst: Dst {
            gap: gap.unwrap_or_default(),
            overlap: overlap.unwrap_or_default(),
        },
    })
}

fn webhook(node: &Node) -> Option<Webhook> {
    let verify = node.get("verify")?;
    let verify = match verify.get("hmac_sha256") {
        Some(node) => Verify::HmacSha256(HmacSha256 {
            secret: node.get("secret").map(names).unwrap_or_default(),
            header: text(node, "header")?,
            prefix: text(node, "prefix"),
            encoding: word(
                node,
                "encoding",
                &[("hex", Encoding::Hex), ("base64", Encoding::Base64)],
            )
            .unwrap_or_default(),
            timestamp: node.get("timestamp").and_then(|node| {
                Some(Timestamp {
                    header: text(node, "header")?,
                    tolerance_ms: millis(node, "tolerance").unwrap_or(Millis(300_000)),
                })
            }),
            signed: text(node, "signed"),
        }),
        None if verify.as_text() == Some("none") => Verify::None,
        None => return None,
    };
    Some(Webhook {
        verify,
        delivery: parsed::<String>(node, "delivery"),
    })
}
