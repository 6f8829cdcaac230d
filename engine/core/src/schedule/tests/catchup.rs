//! What is done about slots that nobody was there for.

use expect_test::expect;

use crate::flow::{Catchup, Dst};
use crate::schedule::{CATCH_UP, Spec};
use crate::time::Time;

fn time(text: &str) -> Time {
    Time::parse(text).expect("a time")
}

fn due(cron: &str, first: &str, now: &str) -> String {
    let spec = Spec::new(cron, "UTC", Dst::default()).expect("good");
    let mut table = format!("{cron}, unhandled from {first}, now {now}\n");
    for catchup in [Catchup::None, Catchup::Last, Catchup::All] {
        let due = spec.due(time(first), time(now), catchup);
        let short = |slot: &Time| slot.to_string()[8..19].to_owned();
        let fire: Vec<String> = due.fire.iter().map(short).collect();
        table.push_str(&format!(
            "  {:5} {}{}, then {}\n",
            format!("{catchup:?}").to_lowercase(),
            if fire.is_empty() {
                "nothing".to_owned()
            } else {
                fire.join(" ")
            },
            if due.missed { ", some missed" } else { "" },
            due.next.as_ref().map(short).unwrap_or_default()
        ));
    }
    table
}

#[test]
fn missed_slots_are_let_go_or_made_up_for() {
    let table = due("0 9 * * *", "2026-11-17T09:00:00Z", "2026-11-20T13:00:00Z")
        + &due("0 9 * * *", "2026-11-17T09:00:00Z", "2026-11-20T09:00:05Z")
        + &due("0 9 * * *", "2026-11-20T09:00:00Z", "2026-11-20T09:00:29Z")
        + &due("0 9 * * *", "2026-11-20T09:00:00Z", "2026-11-20T09:00:31Z")
        + &due("0 9 * * *", "2026-11-20T09:00:00Z", "2026-11-20T08:59:59Z")
        + &due(
            "*/10 * * * * *",
            "2026-11-20T09:00:00Z",
            "2026-11-20T09:01:05Z",
        );
    expect![[r#"
        0 9 * * *, unhandled from 2026-11-17T09:00:00Z, now 2026-11-20T13:00:00Z
          none  nothing, some missed, then 21T09:00:00
          last  20T09:00:00, some missed, then 21T09:00:00
          all   17T09:00:00 18T09:00:00 19T09:00:00 20T09:00:00, then 21T09:00:00
        0 9 * * *, unhandled from 2026-11-17T09:00:00Z, now 2026-11-20T09:00:05Z
          none  20T09:00:00, some missed, then 21T09:00:00
          last  20T09:00:00, some missed, then 21T09:00:00
          all   17T09:00:00 18T09:00:00 19T09:00:00 20T09:00:00, then 21T09:00:00
        0 9 * * *, unhandled from 2026-11-20T09:00:00Z, now 2026-11-20T09:00:29Z
          none  20T09:00:00, then 21T09:00:00
          last  20T09:00:00, then 21T09:00:00
          all   20T09:00:00, then 21T09:00:00
        0 9 * * *, unhandled from 2026-11-20T09:00:00Z, now 2026-11-20T09:00:31Z
          none  nothing, some missed, then 21T09:00:00
          last  20T09:00:00, then 21T09:00:00
          all   20T09:00:00, then 21T09:00:00
        0 9 * * *, unhandled from 2026-11-20T09:00:00Z, now 2026-11-20T08:59:59Z
          none  nothing, then 20T09:00:00
          last  nothing, then 20T09:00:00
          all   nothing, then 20T09:00:00
        */10 * * * * *, unhandled from 2026-11-20T09:00:00Z, now 2026-11-20T09:01:05Z
          none  20T09:00:40 20T09:00:50 20T09:01:00, some missed, then 20T09:01:10
          last  20T09:00:40 20T09:00:50 20T09:01:00, some missed, then 20T09:01:10
          all   20T09:00:00 20T09:00:10 20T09:00:20 20T09:00:30 20T09:00:40 20T09:00:50 20T09:01:00, then 20T09:01:10
    "#]].assert_eq(&table);
}

#[test]
fn all_is_bounded_to_the_last_thousand_and_says_so() {
    let spec = Spec::new("* * * * * *", "UTC", Dst::default()).expect("good");
    let (first, now) = (time("2025-01-01T00:00:00Z"), time("2026-11-20T12:00:00Z"));
    let due = spec.due(first, now, Catchup::All);
    // Those on time come on top: 12:00:00 and the thirty seconds before.
    assert_eq!(due.fire.len(), CATCH_UP + 31);
    assert_eq!(due.fire.last(), Some(&now));
    assert!(due.fire.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(due.missed);
    let exact = spec.due(time("2026-11-20T11:42:50Z"), now, Catchup::All);
    assert_eq!((exact.fire.len(), exact.missed), (CATCH_UP + 31, false));
}

#[test]
fn nothing_that_is_handled_slot_by_slot_is_handled_twice_or_left_out() {
    // A scheduler that looks at random moments sees each slot of `all` exactly once.
    let spec = Spec::new("*/7 * * * * *", "UTC", Dst::default()).expect("good");
    let start = time("2026-11-20T09:00:00Z");
    let end = Time(start.micros() + 3_600_000_000);
    let mut next = spec.next_after(Time(start.micros() - 1)).expect("a slot");
    let (mut fired, mut seed, mut now) = (Vec::new(), 3_u64, start);
    while now < end {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pause = i64::try_from((seed >> 33) % 120_000_000).expect("small");
        now = Time(now.micros() + pause).min(end);
        let due = spec.due(next, now, Catchup::All);
        assert!(!due.missed);
        fired.extend(due.fire);
        next = due.next.expect("a schedule without end");
    }
    let expected: Vec<Time> = spec
        .upcoming(Time(start.micros() - 1), 10_000)
        .into_iter()
        .take_while(|slot| *slot <= end)
        .collect();
    assert_eq!(fired, expected);
}
