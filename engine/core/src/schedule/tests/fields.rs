//! Cron fields: what they match, compared with another library, and what is said about those that cannot be read.

use expect_test::expect;
use jiff::civil::{Date, DateTime, date};

use crate::flow::Dst;
use crate::schedule::{Fields, Spec};

fn next(cron: &str, from: DateTime, count: usize) -> Vec<String> {
    let fields = Fields::parse(cron).expect("a good expression");
    let first = fields.next(from);
    std::iter::successors(first, |found| {
        let later = found.saturating_add(jiff::ToSpan::second(1));
        fields.next(later)
    })
    .take(count)
    .map(|found| found.strftime("%a %Y-%m-%d %H:%M:%S").to_string())
    .collect()
}

#[test]
fn each_form_of_a_field_matches_what_it_says() {
    let from = date(2026, 1, 30).at(12, 0, 0, 0);
    let mut table = String::new();
    for cron in [
        "0 9 * * MON-FRI",
        "*/20 8-9 * * *",
        "10,40 6 1 */6 *",
        "15 30 2 * * *",
        "@daily",
        "0 0 L * *",
        "0 0 LW * ?",
        "0 0 15W * *",
        "0 0 1W 8 *",
        "0 0 31W 5 *",
        "0 0 ? * MON#2",
        "0 0 * * FRIL",
        "0 0 13 * FRI",
        "0 0 * * FRI-SUN",
        "0 0 * * 7",
        "0 0 29 2 *",
        "0 0 * 2 SUN#5",
    ] {
        table.push_str(&format!("{cron:18} {}\n", next(cron, from, 3).join(" | ")));
    }
    expect![[r#"
        0 9 * * MON-FRI    Mon 2026-02-02 09:00:00 | Tue 2026-02-03 09:00:00 | Wed 2026-02-04 09:00:00
        */20 8-9 * * *     Sat 2026-01-31 08:00:00 | Sat 2026-01-31 08:20:00 | Sat 2026-01-31 08:40:00
        10,40 6 1 */6 *    Wed 2026-07-01 06:10:00 | Wed 2026-07-01 06:40:00 | Fri 2027-01-01 06:10:00
        15 30 2 * * *      Sat 2026-01-31 02:30:15 | Sun 2026-02-01 02:30:15 | Mon 2026-02-02 02:30:15
        @daily             Sat 2026-01-31 00:00:00 | Sun 2026-02-01 00:00:00 | Mon 2026-02-02 00:00:00
        0 0 L * *          Sat 2026-01-31 00:00:00 | Sat 2026-02-28 00:00:00 | Tue 2026-03-31 00:00:00
        0 0 LW * ?         Fri 2026-02-27 00:00:00 | Tue 2026-03-31 00:00:00 | Thu 2026-04-30 00:00:00
        0 0 15W * *        Mon 2026-02-16 00:00:00 | Mon 2026-03-16 00:00:00 | Wed 2026-04-15 00:00:00
        0 0 1W 8 *         Mon 2026-08-03 00:00:00 | Mon 2027-08-02 00:00:00 | Tue 2028-08-01 00:00:00
        0 0 31W 5 *        Fri 2026-05-29 00:00:00 | Mon 2027-05-31 00:00:00 | Wed 2028-05-31 00:00:00
        0 0 ? * MON#2      Mon 2026-02-09 00:00:00 | Mon 2026-03-09 00:00:00 | Mon 2026-04-13 00:00:00
        0 0 * * FRIL       Fri 2026-02-27 00:00:00 | Fri 2026-03-27 00:00:00 | Fri 2026-04-24 00:00:00
        0 0 13 * FRI       Fri 2026-02-06 00:00:00 | Fri 2026-02-13 00:00:00 | Fri 2026-02-20 00:00:00
        0 0 * * FRI-SUN    Sat 2026-01-31 00:00:00 | Sun 2026-02-01 00:00:00 | Fri 2026-02-06 00:00:00
        0 0 * * 7          Sun 2026-02-01 00:00:00 | Sun 2026-02-08 00:00:00 | Sun 2026-02-15 00:00:00
        0 0 29 2 *         Tue 2028-02-29 00:00:00 | Sun 2032-02-29 00:00:00 | Fri 2036-02-29 00:00:00
        0 0 * 2 SUN#5      Sun 2032-02-29 00:00:00 | Sun 2060-02-29 00:00:00 | Sun 2088-02-29 00:00:00
    "#]].assert_eq(&table);
}

#[test]
fn every_expression_matches_the_days_and_times_that_another_library_says() {
    use cron::parser::{CronParser, Seconds};
    let parts = [
        "*", "0", "*/7", "5-30/5", "1,15,31", "59", "?", "L", "LW", "15W", "1W,30W", "MON-FRI",
        "SUN", "7", "FRI#3", "5L", "FEB", "JAN,DEC", "2-4", "*/2", "28-31",
    ];
    let theirs = CronParser::builder().seconds(Seconds::Optional).build();
    let (mut compared, mut days_compared) = (0_u32, 0_u32);
    for minute in ["*", "0", "*/7", "5-30/5", "1,15,59"] {
        for day in parts {
            for (month, weekday) in parts
                .iter()
                .flat_map(|m| parts.iter().map(move |w| (*m, *w)))
            {
                let cron = format!("{minute} 3 {day} {month} {weekday}");
                let Ok(ours) = Fields::parse(&cron) else {
                    continue;
                };
                let theirs = theirs.parse(&cron).expect("what we read they read");
                compared += 1;
                // A leap year in every part of it, and the year after; another stretch for each expression.
                let mut at = date(2024, 1, 1)
                    .checked_add(jiff::ToSpan::days(i64::from(compared % 97)))
                    .expect("in range");
                while at < date(2026, 1, 1) {
                    let time = at.at(3, 15, 0, 0);
                    let zoned = time.in_tz("UTC").expect("UTC is known");
                    days_compared += 1;
                    assert_eq!(
                        ours.next(time) == Some(time),
                        theirs.is_time_matching(&zoned).expect("a time"),
                        "{cron} at {time}"
                    );
                    at = at.saturating_add(jiff::ToSpan::days(if at.day() < 27 { 13 } else { 1 }));
                }
            }
        }
    }
    assert!(
        compared > 1_000 && days_compared > 100_000,
        "{compared} expressions, {days_compared} days"
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_write() {
    let mut table = String::new();
    for (cron, zone) in [
        ("0 9 * *", "UTC"),
        ("", "UTC"),
        ("60 * * * *", "UTC"),
        ("* 24 * * *", "UTC"),
        ("0 0 0 * *", "UTC"),
        ("0 0 * 13 *", "UTC"),
        ("0 0 * * MONDAY", "UTC"),
        ("5/15 * * * *", "UTC"),
        ("*/0 * * * *", "UTC"),
        ("0 22-2 * * *", "UTC"),
        ("0 0 * * FRI-MON", "UTC"),
        ("1,,2 * * * *", "UTC"),
        ("-5 * * * *", "UTC"),
        ("+5 * * * *", "UTC"),
        ("0 0 30 2 *", "UTC"),
        ("0 0 * * MON#6", "UTC"),
        ("@reboot", "UTC"),
        ("* * * * * * 2030", "UTC"),
        ("@daily", "berlin"),
        ("@daily", "europe/berlin"),
        ("@daily", "Europe/Berlni"),
        ("@daily", "Mars/Olympus"),
        ("@daily", "Etc/Unknown"),
        ("@daily", ""),
    ] {
        let fault = Spec::new(cron, zone, Dst::default()).expect_err("a fault");
        let (message, help) = (fault.message, fault.help);
        table.push_str(&format!("{message}\n    {help}\n"));
    }
    expect![[r#"
        a cron expression has five fields, or six with seconds first; `0 9 * *` has 4
            minute, hour, day of the month, month, day of the week: such as `0 9 * * MON-FRI`
        a cron expression has five fields, or six with seconds first; `` has 0
            minute, hour, day of the month, month, day of the week: such as `0 9 * * MON-FRI`
        `60` is not among the minutes: they are 0 to 59
            a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`
        `24` is not among the hours: they are 0 to 23
            a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`
        `0` is not among the days of the month: they are 1 to 31
            a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`
        `13` is not among the months: they are 1 to 12
            or JAN to DEC
        `MONDAY` is not among the days of the week: they are 0 to 7
            or SUN to SAT
        `5/15` in the minutes has a step and no range that it could step through
            write `5-59/15`
        `0` in the minutes is not a step: it is a number from 1 to 59
            such as `*/5`
        `22-2` in the hours runs backwards
            write two ranges: `22-23,0-2`
        `FRI-MON` in the days of the week runs backwards
            write two ranges: `5-7,0-1`
        the minutes have an empty place
            a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`
        the minutes have an empty place
            a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`
        `+5` is not among the minutes: they are 0 to 59
            a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`
        `0 0 30 2 *` matches no day: no such month has it
            to run at the end of a month write `L` as the day
        `MON#6` in the days of the week names no day of a month
            `MON#2` is the second Monday; there are five at most
        `@reboot` is not a named schedule
            the names are @hourly, @daily, @weekly, @monthly and @yearly
        a cron expression has five fields, or six with seconds first; `* * * * * * 2030` has 7
            minute, hour, day of the month, month, day of the week: such as `0 9 * * MON-FRI`
        `berlin` is not a time zone
            did you mean `Europe/Berlin`?
        `europe/berlin` is not a time zone
            did you mean `Europe/Berlin`?
        `Europe/Berlni` is not a time zone
            did you mean `Europe/Berlin`?
        `Mars/Olympus` is not a time zone
            zones have IANA names, such as `Europe/Berlin` or `UTC`
        `Etc/Unknown` is not a time zone
            zones have IANA names, such as `Europe/Berlin` or `UTC`
        `` is not a time zone
            did you mean `GB`?
    "#]]
    .assert_eq(&table);
}

#[test]
fn no_text_makes_the_reader_panic_or_search_for_long() {
    let pieces = [
        "*",
        "/",
        "-",
        ",",
        "#",
        "L",
        "W",
        "?",
        "0",
        "7",
        "31",
        "59",
        "99999999999",
        "MON",
        "é",
        " ",
        "@",
    ];
    let mut seed = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = usize::try_from(seed >> 40).expect("24 bits") % pieces.len();
            text.push_str(pieces[place]);
        }
        let _ = Fields::parse(&text);
    }
    assert_eq!(
        Fields::parse("0 0 * * *")
            .expect("good")
            .next(Date::MAX.at(1, 0, 0, 0)),
        None
    );
}
