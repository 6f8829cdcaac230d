//! The fields of a cron expression: read once, with what to write instead for everything refused, and asked which wall-clock readings they
//! match. They know a calendar and no zone.

use jiff::civil::{Date, DateTime, Time};

/// What is wrong with an expression, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadCron {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: String,
}

/// How many years are searched for a matching day: 29 February falls on the same weekday again after 40 years at most (across 2100).
const YEARS: i16 = 48;

/// A cron expression, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Bits 0 to 59.
    seconds: u64,
    /// Bits 0 to 59.
    minutes: u64,
    /// Bits 0 to 23.
    hours: u64,
    days: Days,
    /// Bits 1 to 12.
    months: u64,
    weekdays: Weekdays,
}

/// Days of the month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Days {
    /// The field is `*` or `?`.
    free: bool,
    /// Bits 1 to 31.
    set: u64,
    /// `L`: the last.
    last: bool,
    /// `LW`: the last from Monday to Friday.
    last_working: bool,
    /// `15W`: bits 1 to 31, each moved to the nearest day from Monday to Friday of its month.
    nearest_working: u64,
}

/// Days of the week, Sunday is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Weekdays {
    /// The field is `*` or `?`.
    free: bool,
    /// Bits 0 to 6.
    set: u64,
    /// `5L`: bits 0 to 6, the last such day of its month.
    last: u64,
    /// `MON#2`: by which one of its month it is, first to fifth, bits 0 to 6.
    nth: [u64; 5],
}

/// What one field may hold.
struct Range {
    what: &'static str,
    low: u32,
    high: u32,
    /// Names of its values, the first for `low`.
    names: &'static [&'static str],
}

const SECONDS: Range = Range {
    what: "seconds",
    low: 0,
    high: 59,
    names: &[],
};
const MINUTES: Range = Range {
    what: "minutes",
    low: 0,
    high: 59,
    names: &[],
};
const HOURS: Range = Range {
    what: "hours",
    low: 0,
    high: 23,
    names: &[],
};
const DAYS: Range = Range {
    what: "days of the month",
    low: 1,
    high: 31,
    names: &[],
};
const MONTHS: Range = Range {
    what: "months",
    low: 1,
    high: 12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
const WEEKDAYS: Range = Range {
    what: "days of the week",
    low: 0,
    high: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

impl Fields {
    /// Reads five fields (minute, hour, day of the month, month, day of the week), six (a second before them), or a name such as `@daily`.
    ///
    /// A field is `*`, a number or name, a range `1-5`, one of these with a step (`*/5`, `10-40/5`), or a list of them. `?` means `*` where
    /// a day is asked for. Days of the month also take `L`, `LW` and `15W`; days of the week `5L` and `MON#2`; 0 and 7 are Sunday.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn parse(text: &str) -> Result<Self, BadCron> {
        let upper = text.trim().to_ascii_uppercase();
        let written = match upper.as_str() {
            "@YEARLY" | "@ANNUALLY" => "0 0 1 1 *",
            "@MONTHLY" => "0 0 1 * *",
            "@WEEKLY" => "0 0 * * 0",
            "@DAILY" | "@MIDNIGHT" => "0 0 * * *",
            "@HOURLY" => "0 * * * *",
            name if name.starts_with('@') => {
                return Err(bad(
                    format!("`{}` is not a named schedule", text.trim()),
                    "the names are @hourly, @daily, @weekly, @monthly and @yearly",
                ));
            }
            other => other,
        };
        let parts: Vec<&str> = written.split_ascii_whitespace().collect();
        let (second, rest) = match parts.as_slice() {
            [second, rest @ ..] if rest.len() == 5 => (*second, rest),
            rest if rest.len() == 5 => ("0", rest),
            _ => {
                return Err(bad(
                    format!(
                        "a cron expression has five fields, or six with seconds first; `{}` has {}",
                        text.trim(),
                        parts.len()
                    ),
                    "minute, hour, day of the month, month, day of the week: such as `0 9 * * MON-FRI`",
                ));
            }
        };
        let fields = Self {
            seconds: set(&SECONDS, second)?,
            minutes: set(&MINUTES, rest[0])?,
            hours: set(&HOURS, rest[1])?,
            days: days(rest[2])?,
            months: set(&MONTHS, rest[3])?,
            weekdays: weekdays(rest[4])?,
        };
        let start = Date::constant(2020, 1, 1).at(0, 0, 0, 0);
        if fields.next(start).is_none() {
            return Err(bad(
                format!("`{}` matches no day: no such month has it", text.trim()),
                "to run at the end of a month write `L` as the day",
            ));
        }
        Ok(fields)
    }

    /// Whether the hours field covers every hour of the day.
    pub fn every_hour(&self) -> bool {
        self.hours == all(&HOURS)
    }

    /// The first matching reading at or after this one (which has whole seconds); none if there is none within 48 years.
    pub fn next(&self, from: DateTime) -> Option<DateTime> {
        if let Some(time) = self
            .day(from.date())
            .then(|| self.time(from.time()))
            .flatten()
        {
            return Some(from.date().to_datetime(time));
        }
        let first = self.time(Time::midnight())?;
        let mut date = from.date().tomorrow().ok()?;
        let until = from.year().saturating_add(YEARS);
        while date.year() <= until {
            if !has(self.months, date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.day(date) {
                return Some(date.to_datetime(first));
            } else {
                date = date.tomorrow().ok()?;
            }
        }
        None
    }

    /// The first matching reading of a day at or after this one.
    fn time(&self, from: Time) -> Option<Time> {
        let at = |hour, minute, second| Time::new(hour, minute, second, 0).ok();
        let (hour, minute) = (from.hour(), from.minute());
        let first_second = lowest(self.seconds, 0)?;
        let first_minute = lowest(self.minutes, 0)?;
        if has(self.hours, hour) {
            if has(self.minutes, minute)
                && let Some(second) = lowest(self.seconds, from.second())
            {
                return at(hour, minute, second);
            }
            if let Some(minute) = lowest(self.minutes, minute + 1) {
                return at(hour, minute, first_second);
            }
        }
        at(lowest(self.hours, hour + 1)?, first_minute, first_second)
    }

    /// Whether a day matches. If both its fields say something, either will do; a free one asks nothing.
    fn day(&self, date: Date) -> bool {
        has(self.months, date.month())
            && match (self.days.free, self.weekdays.free) {
                (true, true) => true,
                (true, false) => self.weekdays.has(date),
                (false, true) => self.days.has(date),
                (false, false) => self.days.has(date) || self.weekdays.has(date),
            }
    }
}

impl Days {
    fn has(&self, date: Date) -> bool {
        let day = date.day();
        has(self.set, day)
            || (self.last && day == date.days_in_month())
            || (self.last_working && date == working(date.last_of_month()))
            || (day.saturating_sub(2).max(1)..=(day + 2).min(date.days_in_month()))
                .filter(|near| has(self.nearest_working, *near))
                .filter_map(|near| date.with().day(near).build().ok())
                .any(|near| working(near) == date)
    }
}

impl Weekdays {
    fn has(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset();
        let nth = usize::try_from((date.day() - 1) / 7).unwrap_or(0);
        has(self.set, weekday)
            || (has(self.last, weekday) && date.day() + 7 > date.days_in_month())
            || has(self.nth[nth], weekday)
    }
}

/// The day from Monday to Friday that is nearest to a day, in its month.
fn working(date: Date) -> Date {
    let moved = match date.weekday().to_sunday_zero_offset() {
        6 if date.day() == 1 => 2,
        6 => -1,
        0 if date.day() == date.days_in_month() => -2,
        0 => 1,
        _ => 0,
    };
    date.with().day(date.day() + moved).build().unwrap_or(date)
}

fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| set & (1 << value) != 0)
}

/// The lowest value of a set at or above a value.
fn lowest(set: u64, from: i8) -> Option<i8> {
    let rest = set & u64::MAX.checked_shl(u32::try_from(from).ok()?)?;
    (rest != 0)
        .then(|| i8::try_from(rest.trailing_zeros()).ok())
        .flatten()
}

fn all(range: &Range) -> u64 {
    (range.low..=range.high).fold(0, |set, value| set | (1 << value))
}

fn bad(message: impl Into<String>, help: impl Into<String>) -> BadCron {
    BadCron {
        message: message.into(),
        help: help.into(),
    }
}

/// A list of numbers, ranges and steps.
fn set(range: &Range, field: &str) -> Result<u64, BadCron> {
    let mut set = 0;
    for part in field.split(',') {
        set |= one(range, part)?;
    }
    Ok(set)
}

fn one(range: &Range, part: &str) -> Result<u64, BadCron> {
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (part, None),
    };
    let (low, high) = if span == "*" {
        (range.low, range.high)
    } else if let Some((low, high)) = span.split_once('-') {
        (value(range, low)?, value(range, high)?)
    } else {
        let low = value(range, span)?;
        if let Some(step) = step {
            return Err(bad(
                format!(
                    "`{part}` in the {} has a step and no range that it could step through",
                    range.what
                ),
                format!("write `{span}-{}/{step}`", range.high),
            ));
        }
        (low, low)
    };
    // Sunday ends a week as well as it begins one: `FRI-SUN`.
    let high = if range.high == 7 && high == 0 && low > 0 {
        7
    } else {
        high
    };
    if low > high {
        return Err(bad(
            format!("`{part}` in the {} runs backwards", range.what),
            format!(
                "write two ranges: `{low}-{},{}-{high}`",
                range.high, range.low
            ),
        ));
    }
    let step = match step {
        None => 1,
        Some(text) => match number(text) {
            Some(step) if (1..=range.high).contains(&step) => step,
            _ => {
                return Err(bad(
                    format!(
                        "`{text}` in the {} is not a step: it is a number from 1 to {}",
                        range.what, range.high
                    ),
                    "such as `*/5`",
                ));
            }
        },
    };
    Ok((low..=high)
        .step_by(usize::try_from(step).unwrap_or(1))
        .fold(0, |set, value| set | (1 << value)))
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u32> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn value(range: &Range, text: &str) -> Result<u32, BadCron> {
    let named = range.names.iter().position(|name| *name == text);
    let found = match named {
        Some(place) => u32::try_from(place).ok().map(|place| range.low + place),
        None => number(text),
    };
    match found {
        Some(value) if (range.low..=range.high).contains(&value) => Ok(value),
        _ if text.is_empty() => Err(bad(
            format!("the {} have an empty place", range.what),
            "a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`",
        )),
        _ => Err(bad(
            format!(
                "`{text}` is not among the {}: they are {} to {}",
                range.what, range.low, range.high
            ),
            match range.names {
                [first, .., last] => {
                    format!("or {first} to {last}")
                }
                _ => "a field is `*`, a number, a range `1-5`, a step `*/5`, or a list `1,15`"
                    .to_owned(),
            },
        )),
    }
}

fn days(field: &str) -> Result<Days, BadCron> {
    let mut days = Days::default();
    if matches!(field, "*" | "?") {
        days.free = true;
        return Ok(days);
    }
    for part in field.split(',') {
        match part {
            "L" => days.last = true,
            "LW" => days.last_working = true,
            _ => match part.strip_suffix('W') {
                Some(day) => days.nearest_working |= 1 << value(&DAYS, day)?,
                None => days.set |= one(&DAYS, part)?,
            },
        }
    }
    Ok(days)
}

fn weekdays(field: &str) -> Result<Weekdays, BadCron> {
    let mut weekdays = Weekdays::default();
    if matches!(field, "*" | "?") {
        weekdays.free = true;
        return Ok(weekdays);
    }
    for part in field.split(',') {
        if let Some((day, nth)) = part.split_once('#') {
            let Some(nth) = number(nth).filter(|nth| (1..=5).contains(nth)) else {
                return Err(bad(
                    format!("`{part}` in the days of the week names no day of a month"),
                    "`MON#2` is the second Monday; there are five at most",
                ));
            };
            let nth = usize::try_from(nth).unwrap_or(1) - 1;
            weekdays.nth[nth] |= 1 << (value(&WEEKDAYS, day)? % 7);
        } else if let Some(day) = part.strip_suffix('L') {
            weekdays.last |= 1 << (value(&WEEKDAYS, day)? % 7);
        } else {
            weekdays.set |= one(&WEEKDAYS, part)?;
        }
    }
    // Sunday is 0 from here on.
    if weekdays.set & (1 << 7) != 0 {
        weekdays.set = (weekdays.set & 0x7f) | 1;
    }
    Ok(weekdays)
}
