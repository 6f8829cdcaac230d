//! Slots where a clock changes, by example.

use expect_test::expect;

use crate::flow::{Dst, Gap, Overlap};
use crate::schedule::Spec;
use crate::time::Time;

const POLICIES: [(&str, Dst); 3] = [
    (
        "run, first",
        Dst {
            gap: Gap::Run,
            overlap: Overlap::First,
        },
    ),
    (
        "skip, first",
        Dst {
            gap: Gap::Skip,
            overlap: Overlap::First,
        },
    ),
    (
        "run, both",
        Dst {
            gap: Gap::Run,
            overlap: Overlap::Both,
        },
    ),
];

/// The slots of a schedule after an instant under each policy, as its zone's clock shows them.
fn slots(cron: &str, zone: &str, after: &str, count: usize) -> String {
    let after = Time::parse(after).expect("a time");
    let mut table = format!("{cron} in {zone}\n");
    for (name, dst) in POLICIES {
        let spec = Spec::new(cron, zone, dst).expect("a good schedule");
        let slots: Vec<String> = spec
            .upcoming(after, count)
            .iter()
            .map(|slot| {
                jiff::Timestamp::from_microsecond(slot.micros())
                    .expect("in range")
                    .to_zoned(spec.zone.clone())
                    .strftime("%d %H:%M%:z")
                    .to_string()
            })
            .collect();
        table.push_str(&format!("  {name:11} {}\n", slots.join(" | ")));
    }
    table
}

#[test]
fn a_reading_in_the_gap_runs_right_after_it_or_not_at_all() {
    // Berlin 2026-03-29: 02:00 becomes 03:00.
    let table = slots("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3)
        + &slots("*/20 1-3 * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", 7);
    expect![[r#"
        30 2 * * * in Europe/Berlin
          run, first  28 02:30+01:00 | 29 03:00+02:00 | 30 02:30+02:00
          skip, first 28 02:30+01:00 | 30 02:30+02:00 | 31 02:30+02:00
          run, both   28 02:30+01:00 | 29 03:00+02:00 | 30 02:30+02:00
        */20 1-3 * * * in Europe/Berlin
          run, first  29 01:00+01:00 | 29 01:20+01:00 | 29 01:40+01:00 | 29 03:00+02:00 | 29 03:20+02:00 | 29 03:40+02:00 | 30 01:00+02:00
          skip, first 29 01:00+01:00 | 29 01:20+01:00 | 29 01:40+01:00 | 29 03:00+02:00 | 29 03:20+02:00 | 29 03:40+02:00 | 30 01:00+02:00
          run, both   29 01:00+01:00 | 29 01:20+01:00 | 29 01:40+01:00 | 29 03:00+02:00 | 29 03:20+02:00 | 29 03:40+02:00 | 30 01:00+02:00
    "#]].assert_eq(&table);
}

#[test]
fn a_reading_in_the_overlap_runs_the_first_time_or_both() {
    // Berlin 2026-10-25: 03:00 becomes 02:00.
    let table = slots("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00:00Z", 3)
        + &slots("*/30 1-3 * * *", "Europe/Berlin", "2026-10-24T22:30:00Z", 8);
    expect![[r#"
        30 2 * * * in Europe/Berlin
          run, first  24 02:30+02:00 | 25 02:30+02:00 | 26 02:30+01:00
          skip, first 24 02:30+02:00 | 25 02:30+02:00 | 26 02:30+01:00
          run, both   24 02:30+02:00 | 25 02:30+02:00 | 25 02:30+01:00
        */30 1-3 * * * in Europe/Berlin
          run, first  25 01:00+02:00 | 25 01:30+02:00 | 25 02:00+02:00 | 25 02:30+02:00 | 25 03:00+01:00 | 25 03:30+01:00 | 26 01:00+01:00 | 26 01:30+01:00
          skip, first 25 01:00+02:00 | 25 01:30+02:00 | 25 02:00+02:00 | 25 02:30+02:00 | 25 03:00+01:00 | 25 03:30+01:00 | 26 01:00+01:00 | 26 01:30+01:00
          run, both   25 01:00+02:00 | 25 01:30+02:00 | 25 02:00+02:00 | 25 02:30+02:00 | 25 02:00+01:00 | 25 02:30+01:00 | 25 03:00+01:00 | 25 03:30+01:00
    "#]].assert_eq(&table);
}

#[test]
fn a_schedule_of_every_hour_runs_on_the_real_line_of_time() {
    let table = slots("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4)
        + &slots("0 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", 4)
        // Half an hour is left out and comes twice on Lord Howe Island.
        + &slots("15 * * * *", "Australia/Lord_Howe", "2026-04-04T13:30:00Z", 4)
        + &slots("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00:00Z", 3);
    expect![[r#"
        */30 * * * * in Europe/Berlin
          run, first  29 01:30+01:00 | 29 03:00+02:00 | 29 03:30+02:00 | 29 04:00+02:00
          skip, first 29 01:30+01:00 | 29 03:00+02:00 | 29 03:30+02:00 | 29 04:00+02:00
          run, both   29 01:30+01:00 | 29 03:00+02:00 | 29 03:30+02:00 | 29 04:00+02:00
        0 * * * * in Europe/Berlin
          run, first  25 02:00+02:00 | 25 02:00+01:00 | 25 03:00+01:00 | 25 04:00+01:00
          skip, first 25 02:00+02:00 | 25 02:00+01:00 | 25 03:00+01:00 | 25 04:00+01:00
          run, both   25 02:00+02:00 | 25 02:00+01:00 | 25 03:00+01:00 | 25 04:00+01:00
        15 * * * * in Australia/Lord_Howe
          run, first  05 01:15+11:00 | 05 02:15+10:30 | 05 03:15+10:30 | 05 04:15+10:30
          skip, first 05 01:15+11:00 | 05 02:15+10:30 | 05 03:15+10:30 | 05 04:15+10:30
          run, both   05 01:15+11:00 | 05 02:15+10:30 | 05 03:15+10:30 | 05 04:15+10:30
        15 2 * * * in Australia/Lord_Howe
          run, first  04 02:30+11:00 | 05 02:15+11:00 | 06 02:15+11:00
          skip, first 05 02:15+11:00 | 06 02:15+11:00 | 07 02:15+11:00
          run, both   04 02:30+11:00 | 05 02:15+11:00 | 06 02:15+11:00
    "#]]
    .assert_eq(&table);
}

#[test]
fn an_instant_may_itself_be_the_first_after_a_change() {
    // Asking from the very instant of the change, and from one microsecond before.
    let spec = Spec::new("30 2 * * *", "Europe/Berlin", Dst::default()).expect("good");
    let change = Time::parse("2026-03-29T01:00:00Z").expect("a time");
    assert_eq!(spec.next_after(Time(change.micros() - 1)), Some(change));
    let next = spec.next_after(change).expect("the next day").to_string();
    assert_eq!(next, "2026-03-30T00:30:00.000000Z");
}

#[test]
fn a_zone_that_leaves_out_a_day_runs_what_was_meant_for_it_at_once() {
    // Samoa had no 30 December 2011.
    let table = slots("0 8 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 4);
    expect![[r#"
        0 8 * * * in Pacific/Apia
          run, first  29 08:00-10:00 | 31 00:00+14:00 | 31 08:00+14:00 | 01 08:00+14:00
          skip, first 29 08:00-10:00 | 31 08:00+14:00 | 01 08:00+14:00 | 02 08:00+14:00
          run, both   29 08:00-10:00 | 31 00:00+14:00 | 31 08:00+14:00 | 01 08:00+14:00
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_schedule_of_every_second_has_one_slot_each_second() {
    let spec = Spec::new("* * * * * *", "Asia/Kathmandu", Dst::default()).expect("good");
    let start = Time(1_795_180_000_500_000);
    let slots = spec.upcoming(start, 3);
    let expected = [1, 2, 3].map(|n| Time(1_795_180_000_000_000 + n * 1_000_000));
    assert_eq!(slots, expected);
}
