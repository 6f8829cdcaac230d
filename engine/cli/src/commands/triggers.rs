//! What starts a flow by itself, in words: for `flows show` and after publishing.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::{cell, items, moment, texts};

/// The lines of a trigger; nothing where people start the flow.
pub fn lines(trigger: &Value) -> String {
    let mut text = String::new();
    if let Some(schedule) = trigger.get("schedule") {
        let _ = writeln!(
            text,
            "  runs at: {} in {}{}",
            cell(schedule, "cron"),
            cell(schedule, "timezone"),
            match cell(schedule, "catchup").as_str() {
                "last" => ", makes up for the last time missed",
                "all" => ", makes up for all times missed",
                _ => "",
            }
        );
        let next: Vec<String> = items(trigger, "next")
            .map(|time| moment(&json!({"time": time}), "time"))
            .collect();
        if !next.is_empty() {
            let _ = writeln!(text, "  next (UTC): {}", next.join(", "));
        }
        if trigger.get("last").is_some_and(Value::is_string) {
            let _ = writeln!(text, "  last (UTC): {}", moment(trigger, "last"));
        }
    }
    if let Some(webhook) = trigger.get("webhook") {
        match trigger.get("address").filter(|address| address.is_string()) {
            Some(_) => {
                let _ = writeln!(text, "  called at: POST {}", cell(trigger, "address"));
            }
            None => text.push_str("  called by another system\n"),
        }
        let hmac = webhook.pointer("/verify/hmac_sha256");
        match hmac {
            Some(hmac) => {
                let _ = writeln!(
                    text,
                    "  signed in {} with the secret {}",
                    cell(hmac, "header"),
                    texts(hmac, "secret").join(" or ")
                );
            }
            None => text.push_str("  NOT VERIFIED: whoever knows the address can start it\n"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_trigger_is_told_with_its_next_times_or_its_address() {
        let text = [
            json!(null),
            json!({"schedule": {"cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin", "catchup": "last"},
                   "next": ["2026-11-20T08:00:00.000000Z", "2026-11-23T08:00:00.000000Z"], "last": "2026-11-19T08:00:00.000000Z"}),
            json!({"schedule": {"cron": "@daily", "timezone": "UTC", "catchup": "none"}, "next": [], "last": null}),
            json!({"webhook": {"verify": {"hmac_sha256": {"secret": ["a", "b"], "header": "X-Signature"}}}, "address": "http://localhost/hooks/hk_1"}),
            json!({"webhook": {"verify": "none"}, "address": null}),
        ]
        .map(|trigger| lines(&trigger))
        .join("--\n");
        expect![[r#"
            --
              runs at: 0 9 * * MON-FRI in Europe/Berlin, makes up for the last time missed
              next (UTC): 2026-11-20 08:00:00, 2026-11-23 08:00:00
              last (UTC): 2026-11-19 08:00:00
            --
              runs at: @daily in UTC
            --
              called at: POST http://localhost/hooks/hk_1
              signed in X-Signature with the secret a or b
            --
              called by another system
              NOT VERIFIED: whoever knows the address can start it
        "#]]
        .assert_eq(&text);
    }
}
