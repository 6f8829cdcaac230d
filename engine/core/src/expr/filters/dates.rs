//! Filters of dates and times, which are texts. There is no clock: `run.started_at` is the time the run began.

use std::cmp::Ordering;

use jiff::{Span, Unit};
use serde_json::Value;

use crate::expr::eval::{Given, Machine, Out, fail, whole};
use crate::expr::filters::{filters, number, text};
use crate::expr::moment::{self, Moment, Step};
use crate::expr::operators::number_or_fail;
use crate::expr::value::{Num, Val};

filters! {
    "format_date" (1, 2) ["pattern", "timezone"] format_date, "format_date(pattern, timezone)", "as text by a pattern of `%d %m %Y %H %M %S %B %A …`", "'2026-03-31T22:30:00Z' | format_date('%d.%m.%Y %H:%M', 'Europe/Berlin')" => "\"01.04.2026 00:30\"";
    "parse_date" (0, 2) ["pattern", "timezone"] parse_date, "parse_date(pattern, timezone)", "the date or time in a text, by a pattern or in a usual form; a local time is meant in `timezone`", "'31.03.2026 09:00' | parse_date('%d.%m.%Y %H:%M', 'Europe/Berlin')" => "\"2026-03-31T09:00:00+02:00\"";
    "date_add" (0, 0) ["years", "months", "weeks", "days", "hours", "minutes", "seconds", "timezone"] date_add, "date_add(years=, months=, weeks=, days=, hours=, minutes=, seconds=, timezone=)", "later, or earlier with negative numbers; a day that a month does not have becomes its last", "'2026-01-31' | date_add(months=1)" => "\"2026-02-28\"";
    "date_diff" (1, 3) ["earlier", "unit", "timezone"] date_diff, "date_diff(earlier, unit='days', timezone)", "how many whole years, quarters, months, weeks, days, hours, minutes or seconds later", "'2026-03-31' | date_diff('2026-03-01', 'days')" => "30";
    "start_of" (1, 2) ["unit", "timezone"] |machine, val, given| edge(machine, &val, given, "start_of", Moment::start_of), "start_of(unit, timezone)", "the first moment of the year, quarter, month, week (Monday), day, hour or minute", "'2026-08-19' | start_of('quarter')" => "\"2026-07-01\"";
    "end_of" (1, 2) ["unit", "timezone"] |machine, val, given| edge(machine, &val, given, "end_of", Moment::end_of), "end_of(unit, timezone)", "its last second, or the last day for a date", "'2026-02-03T10:00:00Z' | end_of('month')" => "\"2026-02-28T23:59:59Z\"";
    "to_timezone" (1, 1) ["timezone"] to_timezone, "to_timezone(timezone)", "the same moment with the offset of a zone; a date or local time is meant there", "'2026-07-01T12:00:00Z' | to_timezone('America/New_York')" => "\"2026-07-01T08:00:00-04:00\"";
    "weekday" (0, 1) ["timezone"] |machine, val, given| { let given = Given { placed: vec![Val::Own(Value::from("weekday")), zone_of(given)], named: Vec::new() }; date_part(machine, val, given) }, "weekday(timezone)", "1 for Monday to 7 for Sunday", "'2026-03-31' | weekday" => "2";
    "date_part" (1, 2) ["part", "timezone"] date_part, "date_part(part, timezone)", "the year, quarter, month, week (ISO), day, hour, minute, second, weekday, yearday or days_in_month as a number", "'2026-03-31' | date_part('quarter')" => "1";
    "timestamp" (0, 1) ["unit"] timestamp, "timestamp(unit='seconds')", "seconds or milliseconds since 1970 in UTC", "'2026-03-31T00:00:00Z' | timestamp" => "1774915200";
    "from_timestamp" (0, 1) ["unit"] from_timestamp, "from_timestamp(unit='seconds')", "the moment so many seconds or milliseconds after 1970 began in UTC", "1774915200 | from_timestamp" => "\"2026-03-31T00:00:00Z\"";
}

/// What a filter of dates costs: reading, reckoning, writing.
const COST: usize = 50;

pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    moment::check_pattern(pattern)
}

pub(super) fn check_zone(name: &str) -> Result<(), String> {
    moment::zone(name).map(drop)
}

pub(super) fn check_unit(name: &str) -> Result<(), String> {
    Step::parse(name).map(drop).ok_or_else(|| {
        format!("there is no unit `{name}`; there are year, quarter, month, week, day, hour, minute, second")
    })
}

const PARTS: [&str; 11] = [
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "weekday",
    "yearday",
    "days_in_month",
];

pub(super) fn check_part(name: &str) -> Result<(), String> {
    if PARTS.contains(&name) {
        return Ok(());
    }
    Err(format!(
        "there is no part `{name}`; there are {}",
        PARTS.join(", ")
    ))
}

/// The zone among arguments, or null.
fn zone_of<'a>(mut given: Given<'a>) -> Val<'a> {
    given.take(0, "timezone").unwrap_or(Val::Own(Value::Null))
}

fn read<'a>(machine: &mut Machine<'a>, val: &Val<'a>, filter: &str) -> Out<Moment> {
    machine.burn(COST)?;
    let said = |fault| fail(format!("`{filter}`: {fault}"));
    match val.as_text() {
        Some(text) => Moment::parse(text).map_err(said),
        None => Err(fail(format!(
            "`{filter}` needs a date or time as text, not {}",
            val.kind()
        ))),
    }
}

/// In the zone that an argument names, if it does.
fn placed<'a>(
    machine: &mut Machine<'a>,
    read: Moment,
    given: &mut Given<'a>,
    place: usize,
    filter: &str,
) -> Out<Moment> {
    let Some(name) = given
        .take(place, "timezone")
        .filter(|val| !matches!(val.value(), Some(Value::Null)))
    else {
        return Ok(read);
    };
    machine.burn(COST)?;
    let zone = moment::zone(text(&name, filter)?).map_err(|fault| said(filter, &fault))?;
    read.in_zone(&zone).map_err(|fault| said(filter, &fault))
}

fn said(filter: &str, fault: &str) -> Box<crate::error::StepError> {
    fail(format!("`{filter}`: {fault}"))
}

fn show<'a>(machine: &mut Machine<'a>, moment: &Moment) -> Out<Val<'a>> {
    machine.text(moment.to_string())
}

fn format_date<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let read = read(machine, &val, "format_date")?;
    let read = placed(machine, read, &mut given, 1, "format_date")?;
    let pattern = given.take(0, "pattern").unwrap_or(Val::Own(Value::Null));
    let pattern = text(&pattern, "format_date")?;
    // No letter stands for more than thirty bytes.
    machine.make(pattern.len() * 16)?;
    let shown = read
        .format(pattern)
        .map_err(|fault| said("format_date", &fault))?;
    machine.text(shown)
}

fn parse_date<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let pattern = given
        .take(0, "pattern")
        .filter(|val| !matches!(val.value(), Some(Value::Null)));
    let moment = match &pattern {
        Some(pattern) => {
            machine.burn(COST)?;
            Moment::parse_by(text(pattern, "parse_date")?, text(&val, "parse_date")?)
                .map_err(|fault| said("parse_date", &fault))?
        }
        None => read(machine, &val, "parse_date")?,
    };
    // A date stays one: it is the same day everywhere.
    let moment = match moment {
        Moment::Date(_) => moment,
        other => placed(machine, other, &mut given, 1, "parse_date")?,
    };
    show(machine, &moment)
}

fn date_add<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let read = read(machine, &val, "date_add")?;
    let mut amount = |name: &str| -> Out<i64> {
        match given.take(usize::MAX, name) {
            Some(val) => whole(&val, &format!("`{name}` of `date_add`")),
            None => Ok(0),
        }
    };
    let (years, months, weeks, days) = (
        amount("years")?,
        amount("months")?,
        amount("weeks")?,
        amount("days")?,
    );
    let (hours, minutes, seconds) = (amount("hours")?, amount("minutes")?, amount("seconds")?);
    let calendar = || {
        Span::new()
            .try_years(years)?
            .try_months(months)?
            .try_weeks(weeks)?
            .try_days(days)
    };
    let clock = || {
        Span::new()
            .try_hours(hours)?
            .try_minutes(minutes)?
            .try_seconds(seconds)
    };
    let too_large = |_: jiff::Error| fail("`date_add`: the numbers are too large");
    let (calendar, clock) = (calendar().map_err(too_large)?, clock().map_err(too_large)?);
    let was_date = matches!(read, Moment::Date(_));
    let read = match (was_date, hours == 0 && minutes == 0 && seconds == 0) {
        // A date plus days is the same in every zone.
        (true, true) => read,
        _ => placed(machine, read, &mut given, usize::MAX, "date_add")?,
    };
    let has_clock = !clock.is_zero();
    let moved = read
        .add(calendar, false)
        .and_then(|moved| {
            if has_clock {
                moved.add(clock, true)
            } else {
                Ok(moved)
            }
        })
        .map_err(|fault| said("date_add", &fault))?;
    show(machine, &moved)
}

fn unit<'a>(given: &mut Given<'a>, place: usize, filter: &str) -> Out<Option<Step>> {
    let Some(name) = given.take(place, "unit") else {
        return Ok(None);
    };
    let name = text(&name, filter)?;
    Step::parse(name)
        .map(Some)
        .ok_or_else(|| said(filter, "there is no such unit"))
}

fn date_diff<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let step = unit(&mut given, 1, "date_diff")?.unwrap_or(Step::Day);
    let other = given.take(0, "earlier").unwrap_or(Val::Own(Value::Null));
    let (later, earlier) = (
        read(machine, &val, "date_diff")?,
        read(machine, &other, "date_diff")?,
    );
    let zone = given.take(2, "timezone");
    let mut in_zone = |moment: Moment| {
        let mut again = Given::default();
        if let Some(name) = &zone {
            again.placed.push(machine.copy(name)?);
        }
        placed(machine, moment, &mut again, 0, "date_diff")
    };
    let (later, earlier) = (in_zone(later)?, in_zone(earlier)?);
    let units = later
        .since(&earlier, step)
        .map_err(|fault| said("date_diff", &fault))?;
    number_or_fail(Num::Int(units))
}

fn edge<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    mut given: Given<'a>,
    filter: &str,
    to: fn(&Moment, Step) -> Result<Moment, moment::Fault>,
) -> Out<Val<'a>> {
    let step = unit(&mut given, 0, filter)?.unwrap_or(Step::Day);
    let moment = read(machine, val, filter)?;
    let moment = match moment {
        Moment::Date(_) => moment,
        other => placed(machine, other, &mut given, 1, filter)?,
    };
    let edge = to(&moment, step).map_err(|fault| said(filter, &fault))?;
    show(machine, &edge)
}

fn to_timezone<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let moment = read(machine, &val, "to_timezone")?;
    let moment = placed(machine, moment, &mut given, 0, "to_timezone")?;
    show(machine, &moment)
}

fn date_part<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let moment = match read(machine, &val, "date_part")? {
        date @ Moment::Date(_) => date,
        other => placed(machine, other, &mut given, 1, "date_part")?,
    };
    let part = given.take(0, "part").unwrap_or(Val::Own(Value::Null));
    let part = text(&part, "date_part")?;
    let is_of_clock = matches!(part, "hour" | "minute" | "second");
    if is_of_clock && matches!(moment, Moment::Date(_)) {
        return Err(said("date_part", "a date has no hours"));
    }
    let civil = moment.civil();
    Ok(Val::Own(match part {
        "year" => Value::from(civil.year()),
        "quarter" => Value::from((civil.month() + 2) / 3),
        "month" => Value::from(civil.month()),
        "week" => Value::from(civil.date().iso_week_date().week()),
        "day" => Value::from(civil.day()),
        "hour" => Value::from(civil.hour()),
        "minute" => Value::from(civil.minute()),
        "second" => Value::from(civil.second()),
        "weekday" => Value::from(civil.weekday().to_monday_one_offset()),
        "yearday" => Value::from(civil.day_of_year()),
        "days_in_month" => Value::from(civil.days_in_month()),
        _ => return Err(said("date_part", "there is no such part")),
    }))
}

/// Whether the unit of timestamps is milliseconds.
fn is_in_milliseconds(given: &mut Given<'_>, filter: &str) -> Out<bool> {
    let unit = given.take(0, "unit");
    match unit.as_ref().map(|unit| text(unit, filter)).transpose()? {
        None | Some("seconds" | "s") => Ok(false),
        Some("milliseconds" | "ms") => Ok(true),
        Some(_) => Err(said(filter, "the unit is `seconds` or `milliseconds`")),
    }
}

fn timestamp<'a>(machine: &mut Machine<'a>, val: Val<'a>, mut given: Given<'a>) -> Out<Val<'a>> {
    let in_milliseconds = is_in_milliseconds(&mut given, "timestamp")?;
    let at = read(machine, &val, "timestamp")?
        .timestamp()
        .ok_or_else(|| {
            said(
                "timestamp",
                "this is no point in time; `to_timezone` says where it is meant",
            )
        })?;
    let floor = at
        .round(
            jiff::TimestampRound::new()
                .smallest(Unit::Second)
                .mode(jiff::RoundMode::Floor),
        )
        .unwrap_or(at);
    number_or_fail(Num::Int(if in_milliseconds {
        at.as_millisecond()
    } else {
        floor.as_second()
    }))
}

fn from_timestamp<'a>(
    machine: &mut Machine<'a>,
    val: Val<'a>,
    mut given: Given<'a>,
) -> Out<Val<'a>> {
    machine.burn(COST)?;
    let in_milliseconds = is_in_milliseconds(&mut given, "from_timestamp")?;
    let number = number(&val, "from_timestamp")?.float();
    let milliseconds = if in_milliseconds {
        number
    } else {
        number * 1000.0
    };
    let milliseconds = Num::Float(milliseconds.floor())
        .whole()
        .ok_or_else(|| said("from_timestamp", "the number is too large"))?;
    let moment =
        Moment::from_milliseconds(milliseconds).map_err(|fault| said("from_timestamp", &fault))?;
    show(machine, &moment)
}

/// The test `date`.
pub(in crate::expr) fn is_date<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    _: &[Val<'a>],
) -> Out<bool> {
    machine.burn(COST)?;
    Ok(val
        .as_text()
        .is_some_and(|text| Moment::parse(text).is_ok()))
}

/// The test `weekend`.
pub(in crate::expr) fn is_weekend<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    _: &[Val<'a>],
) -> Out<bool> {
    let moment = read(machine, val, "is weekend")?;
    Ok(moment.civil().weekday().to_monday_one_offset() >= 6)
}

/// Which of two dates or times is earlier: the tests `before` and `after`.
pub(in crate::expr) fn order_of_dates<'a>(
    machine: &mut Machine<'a>,
    val: &Val<'a>,
    args: &[Val<'a>],
) -> Out<Ordering> {
    let null = Val::Own(Value::Null);
    let (a, b) = (
        read(machine, val, "is before")?,
        read(machine, args.first().unwrap_or(&null), "is before")?,
    );
    a.order(&b).map_err(fail)
}
