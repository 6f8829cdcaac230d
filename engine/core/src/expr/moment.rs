//! Dates and times as expressions know them: texts of three kinds, kept apart because only one of them is a point in time. Zones are
//! the ones built in, so that the same data give the same outcome on every machine; nothing here asks what time it is.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::{rfc2822, strtime, temporal};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, Unit, Zoned};

/// The longest text that can be a date or time.
const MAX_LENGTH: usize = 100;
/// The longest pattern.
const MAX_PATTERN: usize = 200;

/// A date or time.
#[derive(Debug, Clone)]
pub(super) enum Moment {
    /// `2026-03-31`.
    Date(Date),
    /// `2026-03-31T09:00:00`, wherever that is meant.
    Local(DateTime),
    /// `2026-03-31T09:00:00+02:00`: a point in time, and the offset or zone that its calendar goes by.
    Instant(Zoned),
}

/// A unit of the calendar or the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Step {
    /// By its name, in the singular or plural.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.strip_suffix('s').unwrap_or(name) {
            "year" => Self::Year,
            "quarter" => Self::Quarter,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            _ => return None,
        })
    }

    fn is_of_clock(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second)
    }
}

/// What goes wrong: a lowercase fragment that does not show the data.
pub(super) type Fault = String;

fn out_of_range(_: jiff::Error) -> Fault {
    "the date is out of range: years go from -9999 to 9999".to_owned()
}

/// A zone by its IANA name, `UTC`, or an offset such as `+02:00`.
pub(super) fn zone(name: &str) -> Result<TimeZone, Fault> {
    if matches!(name, "UTC" | "Z" | "utc") {
        return Ok(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) && name.len() <= 9 {
        let offset = format!("2000-01-01T00:00:00{name}");
        if let Ok(pieces) = temporal::Pieces::parse(&offset)
            && let Some(offset) = pieces.to_numeric_offset()
        {
            return Ok(TimeZone::fixed(offset));
        }
    }
    let known = name.len() <= 64 && name.is_ascii();
    known
        .then(|| TimeZoneDatabase::bundled().get(name).ok())
        .flatten()
        .ok_or_else(|| "there is no such time zone; it is named as in `Europe/Berlin`, `America/New_York` or `UTC`".to_owned())
}

impl Moment {
    /// Reads a text: ISO 8601 and RFC 3339, or the form of mails and HTTP (RFC 2822).
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        let unreadable = || {
            "the text is no date or time such as `2026-03-31` or `2026-03-31T09:00:00+02:00`; `parse_date` reads others by a pattern".to_owned()
        };
        if text.len() > MAX_LENGTH || text.starts_with(['+', '-']) {
            return Err(unreadable());
        }
        let Ok(pieces) = temporal::Pieces::parse(text) else {
            return rfc2822::DateTimeParser::new()
                .parse_zoned(text)
                .map(Self::Instant)
                .map_err(|_| unreadable());
        };
        if pieces.time_zone_annotation().is_some() {
            return Err(
                "the text names a zone in brackets; give it as `timezone` instead".to_owned(),
            );
        }
        let date = pieces.date();
        match (pieces.time(), pieces.to_numeric_offset()) {
            (None, None) => Ok(Self::Date(date)),
            (None, Some(_)) => Err(unreadable()),
            (Some(time), None) => Ok(Self::Local(date.to_datetime(time))),
            (Some(time), Some(offset)) => {
                Self::at(date.to_datetime(time), &TimeZone::fixed(offset))
            }
        }
    }

    /// Reads a text by a pattern.
    pub fn parse_by(pattern: &str, text: &str) -> Result<Self, Fault> {
        check_pattern(pattern)?;
        if text.len() > MAX_LENGTH + MAX_PATTERN {
            return Err("the text is too long for a date".to_owned());
        }
        let misfit = |_| "the text does not fit the pattern".to_owned();
        let read = strtime::parse(pattern, text.trim()).map_err(misfit)?;
        if let Some(offset) = read.offset() {
            let time = read.to_datetime().map_err(misfit)?;
            return Self::at(time, &TimeZone::fixed(offset));
        }
        if let Ok(at) = read.to_timestamp() {
            return Ok(Self::Instant(at.to_zoned(TimeZone::UTC)));
        }
        if read.hour().is_some() {
            return read.to_datetime().map(Self::Local).map_err(misfit);
        }
        read.to_date().map(Self::Date).map_err(misfit)
    }

    fn at(time: DateTime, zone: &TimeZone) -> Result<Self, Fault> {
        time.to_zoned(zone.clone())
            .map(Self::Instant)
            .map_err(out_of_range)
    }

    /// So many milliseconds after 1970 began in UTC.
    pub fn from_milliseconds(milliseconds: i64) -> Result<Self, Fault> {
        Timestamp::from_millisecond(milliseconds)
            .map(|at| Self::Instant(at.to_zoned(TimeZone::UTC)))
            .map_err(out_of_range)
    }

    /// The point in time.
    pub fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Instant(zoned) => Some(zoned.timestamp()),
            Self::Date(_) | Self::Local(_) => None,
        }
    }

    /// In a zone: a point in time is shown there, a local time or date is meant there.
    pub fn in_zone(&self, zone: &TimeZone) -> Result<Self, Fault> {
        match self {
            Self::Instant(zoned) => Ok(Self::Instant(zoned.with_time_zone(zone.clone()))),
            Self::Local(time) => Self::at(*time, zone),
            Self::Date(date) => Self::at(date.to_datetime(Time::midnight()), zone),
        }
    }

    /// What the clock on the wall shows.
    pub fn civil(&self) -> DateTime {
        match self {
            Self::Date(date) => date.to_datetime(Time::midnight()),
            Self::Local(time) => *time,
            Self::Instant(zoned) => zoned.datetime(),
        }
    }

    /// The same kind of value with another date and time on the wall.
    fn with_civil(&self, time: DateTime) -> Result<Self, Fault> {
        match self {
            Self::Date(_) => Ok(Self::Date(time.date())),
            Self::Local(_) => Ok(Self::Local(time)),
            Self::Instant(zoned) => Self::at(time, zoned.time_zone()),
        }
    }

    /// Later by a span; a day that a month does not have becomes its last.
    pub fn add(&self, span: Span, has_clock: bool) -> Result<Self, Fault> {
        match self {
            Self::Date(_) if has_clock => {
                return Err("a date has no hours; `to_timezone` makes a moment of it".to_owned());
            }
            Self::Date(date) => date.checked_add(span).map(Self::Date),
            Self::Local(time) => time.checked_add(span).map(Self::Local),
            Self::Instant(zoned) => zoned.checked_add(span).map(Self::Instant),
        }
        .map_err(out_of_range)
    }

    /// The first moment of the year, month, … that this is in; a week begins on Monday.
    pub fn start_of(&self, step: Step) -> Result<Self, Fault> {
        if matches!(self, Self::Date(_)) && step.is_of_clock() {
            return Err("a date has no hours".to_owned());
        }
        self.with_civil(first(self.civil(), step)?)
    }

    /// The last second, or of a date the last day, of the year, month, … that this is in.
    pub fn end_of(&self, step: Step) -> Result<Self, Fault> {
        if matches!(self, Self::Date(_)) && step.is_of_clock() {
            return Err("a date has no hours".to_owned());
        }
        let next = first(self.civil(), step)?
            .checked_add(one(step))
            .map_err(out_of_range)?;
        match self {
            Self::Date(_) => next
                .date()
                .yesterday()
                .map(Self::Date)
                .map_err(out_of_range),
            Self::Local(_) | Self::Instant(_) => {
                let second = Span::new().seconds(-1);
                self.with_civil(next)?.add(second, true)
            }
        }
    }

    /// How many whole units this is later than another; negative if it is earlier.
    pub fn since(&self, other: &Self, step: Step) -> Result<i64, Fault> {
        let unit = match step {
            Step::Year => Unit::Year,
            Step::Quarter | Step::Month => Unit::Month,
            Step::Week => Unit::Week,
            Step::Day => Unit::Day,
            Step::Hour => Unit::Hour,
            Step::Minute => Unit::Minute,
            Step::Second => Unit::Second,
        };
        let span = match (self, other) {
            (Self::Instant(a), Self::Instant(b)) => {
                a.since((unit, &b.with_time_zone(a.time_zone().clone())))
            }
            (Self::Instant(_), _) | (_, Self::Instant(_)) => return Err(mixed()),
            (a, b) => a.civil().since((unit, b.civil())),
        }
        .map_err(out_of_range)?;
        Ok(match step {
            Step::Year => i64::from(span.get_years()),
            Step::Quarter => i64::from(span.get_months() / 3),
            Step::Month => i64::from(span.get_months()),
            Step::Week => i64::from(span.get_weeks()),
            Step::Day => i64::from(span.get_days()),
            Step::Hour => i64::from(span.get_hours()),
            Step::Minute => span.get_minutes(),
            Step::Second => span.get_seconds(),
        })
    }

    /// Which of the two is earlier.
    pub fn order(&self, other: &Self) -> Result<std::cmp::Ordering, Fault> {
        match (self, other) {
            (Self::Instant(a), Self::Instant(b)) => Ok(a.timestamp().cmp(&b.timestamp())),
            (Self::Instant(_), _) | (_, Self::Instant(_)) => Err(mixed()),
            (a, b) => Ok(a.civil().cmp(&b.civil())),
        }
    }

    /// As text by a pattern that was checked.
    pub fn format(&self, pattern: &str) -> Result<String, Fault> {
        check_pattern(pattern)?;
        match self {
            Self::Date(date) => strtime::format(pattern, *date),
            Self::Local(time) => strtime::format(pattern, *time),
            Self::Instant(zoned) => strtime::format(pattern, zoned),
        }
        .map_err(|_| match self {
            Self::Date(_) => "the pattern asks for a time, and this is a date",
            _ => "the pattern asks for an offset, and this is a local time; `to_timezone` says where it is meant",
        }
        .to_owned())
    }
}

fn mixed() -> Fault {
    "a moment and a date or local time cannot be compared; `parse_date(timezone=…)` says where the second is meant".to_owned()
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Date(date) => write!(f, "{date}"),
            Self::Local(time) => write!(f, "{time}"),
            Self::Instant(zoned) if zoned.offset() == Offset::UTC => {
                write!(f, "{}", zoned.timestamp())
            }
            Self::Instant(zoned) => {
                write!(
                    f,
                    "{}",
                    zoned.timestamp().display_with_offset(zoned.offset())
                )
            }
        }
    }
}

fn first(time: DateTime, step: Step) -> Result<DateTime, Fault> {
    let date = time.date();
    let midnight = |date: Date| date.to_datetime(Time::midnight());
    let clock = |hour, minute, second| {
        Time::new(hour, minute, second, 0)
            .map(|time| date.to_datetime(time))
            .map_err(out_of_range)
    };
    Ok(match step {
        Step::Year => midnight(date.first_of_year()),
        Step::Quarter => {
            let month = (date.month() - 1) / 3 * 3 + 1;
            midnight(Date::new(date.year(), month, 1).map_err(out_of_range)?)
        }
        Step::Month => midnight(date.first_of_month()),
        Step::Week => {
            let past = i64::from(date.weekday().to_monday_zero_offset());
            midnight(
                date.checked_sub(Span::new().days(past))
                    .map_err(out_of_range)?,
            )
        }
        Step::Day => midnight(date),
        Step::Hour => clock(time.hour(), 0, 0)?,
        Step::Minute => clock(time.hour(), time.minute(), 0)?,
        Step::Second => clock(time.hour(), time.minute(), time.second())?,
    })
}

fn one(step: Step) -> Span {
    let span = Span::new();
    match step {
        Step::Year => span.years(1),
        Step::Quarter => span.months(3),
        Step::Month => span.months(1),
        Step::Week => span.weeks(1),
        Step::Day => span.days(1),
        Step::Hour => span.hours(1),
        Step::Minute => span.minutes(1),
        Step::Second => span.seconds(1),
    }
}

/// The letters that a pattern may use.
const LETTERS: &str = "YymdeHIMSfpPAaBbjuwGVzsFTRD%";

/// Whether a pattern is one, such as `%d.%m.%Y %H:%M`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_pattern(pattern: &str) -> Result<(), Fault> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("the pattern is longer than {MAX_PATTERN} bytes"));
    }
    let mut rest = pattern;
    let mut found = 0;
    while let Some(at) = rest.find('%') {
        let code = &rest[at + 1..];
        // `%-d` without the leading zero, `%.3f` and `%3f` fractions, `%:z` with a colon.
        let code = code.strip_prefix('-').unwrap_or(code);
        let code = match code.strip_prefix('.') {
            Some(after) if after.trim_start_matches(['3', '6', '9']).starts_with('f') => after,
            _ => code,
        };
        let code = match code.strip_prefix(['3', '6', '9']) {
            Some(after) if after.starts_with('f') => after,
            _ => code,
        };
        let code = match code.strip_prefix(':') {
            Some(after) if after.starts_with('z') => after,
            _ => code,
        };
        match code.chars().next() {
            Some(letter) if LETTERS.contains(letter) => rest = &code[1..],
            _ => {
                return Err("the pattern has a `%` that stands for nothing; there are %Y year, %m month, %d day, %H hour, %M minute, %S second, %B and %b month by name, %A and %a weekday by name, %I and %p hour with AM/PM, %z offset, %j day of the year, %V week, and %F %T %R %y %e %u %f %s %%".to_owned());
            }
        }
        found += 1;
    }
    if found == 0 {
        return Err("the pattern has no `%`; a day is written `%Y-%m-%d`".to_owned());
    }
    Ok(())
}
