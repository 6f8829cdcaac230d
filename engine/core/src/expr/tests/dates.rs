//! Dates, times and zones, as text in and text out.

use super::*;

#[test]
fn a_text_is_read_as_one_of_three_kinds_and_shown_as_it() {
    check(
        r#"
        {{ '2026-03-31' | parse_date }} {{ '2026-03-31 09:00' | parse_date }} {{ '2026-03-31T09:00:00.250+02:00' | parse_date }}
        {{ '2026-03-31T09:00:00Z' | parse_date }} {{ '2026-03-31T09:00:00+0530' | parse_date }} {{ 'Tue, 31 Mar 2026 09:00:00 +0200' | parse_date }}
        {{ '2026-03-31T09:00' | parse_date(timezone='Europe/Berlin') }} {{ '2026-03-31' | parse_date(timezone='Europe/Berlin') }}
        {{ '31. März' | parse_date }}
        {{ '2026-13-01' | parse_date }}
        {{ '2026-03-31T09:00[Europe/Berlin]' | parse_date }}
        {{ 5 | parse_date }}
        {{ '03/31/26' | parse_date('%m/%d/%y') }} {{ '31 Mar 2026 5:07 pm' | parse_date('%d %b %Y %I:%M %p') }} {{ '2026-03-31 09:00 -0700' | parse_date('%Y-%m-%d %H:%M %z') }}
        {{ 'x' | parse_date('%Y') }}
        {{ '1774915200' | parse_date('%s') }}
        "#,
        expect![[r#"
            {{ '2026-03-31' | parse_date }} {{ '2026-03-31 09:00' | parse_date }} {{ '2026-03-31T09:00:00.250+02:00' | parse_date }} => "2026-03-31 2026-03-31T09:00:00 2026-03-31T09:00:00.25+02:00"
            {{ '2026-03-31T09:00:00Z' | parse_date }} {{ '2026-03-31T09:00:00+0530' | parse_date }} {{ 'Tue, 31 Mar 2026 09:00:00 +0200' | parse_date }} => "2026-03-31T09:00:00Z 2026-03-31T09:00:00+05:30 2026-03-31T09:00:00+02:00"
            {{ '2026-03-31T09:00' | parse_date(timezone='Europe/Berlin') }} {{ '2026-03-31' | parse_date(timezone='Europe/Berlin') }} => "2026-03-31T09:00:00+02:00 2026-03-31"
            {{ '31. März' | parse_date }} => invalid_input/expression: `parse_date`: the text is no date or time such as `2026-03-31` or `2026-03-31T09:00:00+02:00`; `parse_date` reads others by a pattern
            {{ '2026-13-01' | parse_date }} => invalid_input/expression: `parse_date`: the text is no date or time such as `2026-03-31` or `2026-03-31T09:00:00+02:00`; `parse_date` reads others by a pattern
            {{ '2026-03-31T09:00[Europe/Berlin]' | parse_date }} => invalid_input/expression: `parse_date`: the text names a zone in brackets; give it as `timezone` instead
            {{ 5 | parse_date }} => invalid_input/expression: `parse_date` needs a date or time as text, not a number
            {{ '03/31/26' | parse_date('%m/%d/%y') }} {{ '31 Mar 2026 5:07 pm' | parse_date('%d %b %Y %I:%M %p') }} {{ '2026-03-31 09:00 -0700' | parse_date('%Y-%m-%d %H:%M %z') }} => "2026-03-31 2026-03-31T17:07:00 2026-03-31T09:00:00-07:00"
            {{ 'x' | parse_date('%Y') }} => invalid_input/expression: `parse_date`: the text does not fit the pattern
            {{ '1774915200' | parse_date('%s') }} => "2026-03-31T00:00:00Z"
        "#]],
    );
}

#[test]
fn calendar_arithmetic_goes_by_the_zone_that_is_named() {
    check(
        r#"
        {{ '2026-01-31' | date_add(months=1) }} {{ '2024-02-29' | date_add(years=1) }} {{ '2026-03-01' | date_add(days=-1) }} {{ '2026-03-01T10:00' | date_add(hours=20, weeks=1) }}
        {{ '2026-03-28T12:00:00+01:00' | date_add(days=1) }} {{ '2026-03-28T12:00:00+01:00' | date_add(days=1, timezone='Europe/Berlin') }} {{ '2026-03-28T12:00:00+01:00' | date_add(hours=24, timezone='Europe/Berlin') }}
        {{ '2026-03-01' | date_add(hours=1) }}
        {{ '2026-03-01' | date_add(years=99999) }}
        {{ '2026-03-01' | date_add(days=9007199254740992) }}
        {{ '2026-03-01' | date_add(days=1.5) }}
        {{ '2026-03-01' | date_add(day=1) }}
        {{ '2027-01-15' | date_diff('2026-01-16', 'years') }} {{ '2027-01-15' | date_diff('2026-01-16', 'months') }} {{ '2026-01-01' | date_diff('2026-12-31', 'quarters') }}
        {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-28T23:00:00Z', 'hours') }} {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-29T00:00:00+01:00', 'days', 'Europe/Berlin') }} {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-29T00:00:00+01:00', 'days') }}
        {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-29') }}
        {{ '2026-03-30' | date_diff('2026-03-29', 'fortnights') }}
        {{ '2026-08-19T15:04:05+02:00' | start_of('week') }} {{ '2026-08-19' | start_of('year') }} {{ '2026-08-19T15:04:05' | start_of('hour') }} {{ '2026-03-29T12:00:00Z' | start_of('day', 'Europe/Berlin') }}
        {{ '2026-08-19' | end_of('week') }} {{ '2024-02-10T00:00:00Z' | end_of('month') }} {{ '2026-08-19T15:04:05' | end_of('minute') }} {{ '2026-10-25T12:00:00Z' | end_of('day', 'Europe/Berlin') }}
        {{ '2026-08-19' | start_of('hour') }}
        {{ '2026-08-19' | to_timezone('Asia/Kolkata') }} {{ '2026-03-29T02:30' | to_timezone('Europe/Berlin') }} {{ '2026-01-01T00:00:00Z' | to_timezone('+05:45') }} {{ '2026-01-01T05:00:00+05:00' | to_timezone('UTC') }}
        {{ '2026-08-19' | to_timezone('Europe/Berln') }}
        {{ '2026-08-19' | to_timezone(inputs.customer) }}
        "#,
        expect![[r#"
            {{ '2026-01-31' | date_add(months=1) }} {{ '2024-02-29' | date_add(years=1) }} {{ '2026-03-01' | date_add(days=-1) }} {{ '2026-03-01T10:00' | date_add(hours=20, weeks=1) }} => "2026-02-28 2025-02-28 2026-02-28 2026-03-09T06:00:00"
            {{ '2026-03-28T12:00:00+01:00' | date_add(days=1) }} {{ '2026-03-28T12:00:00+01:00' | date_add(days=1, timezone='Europe/Berlin') }} {{ '2026-03-28T12:00:00+01:00' | date_add(hours=24, timezone='Europe/Berlin') }} => "2026-03-29T12:00:00+01:00 2026-03-29T12:00:00+02:00 2026-03-29T13:00:00+02:00"
            {{ '2026-03-01' | date_add(hours=1) }} => invalid_input/expression: `date_add`: a date has no hours; `to_timezone` makes a moment of it
            {{ '2026-03-01' | date_add(years=99999) }} => invalid_input/expression: `date_add`: the numbers are too large
            {{ '2026-03-01' | date_add(days=9007199254740992) }} => invalid_input/expression: `date_add`: the numbers are too large
            {{ '2026-03-01' | date_add(days=1.5) }} => invalid_input/expression: `days` of `date_add` must be a whole number, not a number
            {{ '2026-03-01' | date_add(day=1) }} => FAULT at `1`: the filter `date_add` has no argument `day` (did you mean `days`?)
            {{ '2027-01-15' | date_diff('2026-01-16', 'years') }} {{ '2027-01-15' | date_diff('2026-01-16', 'months') }} {{ '2026-01-01' | date_diff('2026-12-31', 'quarters') }} => "0 11 -3"
            {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-28T23:00:00Z', 'hours') }} {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-29T00:00:00+01:00', 'days', 'Europe/Berlin') }} {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-29T00:00:00+01:00', 'days') }} => "23 1 0"
            {{ '2026-03-30T00:00:00+02:00' | date_diff('2026-03-29') }} => invalid_input/expression: `date_diff`: a moment and a date or local time cannot be compared; `parse_date(timezone=…)` says where the second is meant
            {{ '2026-03-30' | date_diff('2026-03-29', 'fortnights') }} => FAULT at `'fortnights'`: there is no unit `fortnights`; there are year, quarter, month, week, day, hour, minute, second
            {{ '2026-08-19T15:04:05+02:00' | start_of('week') }} {{ '2026-08-19' | start_of('year') }} {{ '2026-08-19T15:04:05' | start_of('hour') }} {{ '2026-03-29T12:00:00Z' | start_of('day', 'Europe/Berlin') }} => "2026-08-17T00:00:00+02:00 2026-01-01 2026-08-19T15:00:00 2026-03-29T00:00:00+01:00"
            {{ '2026-08-19' | end_of('week') }} {{ '2024-02-10T00:00:00Z' | end_of('month') }} {{ '2026-08-19T15:04:05' | end_of('minute') }} {{ '2026-10-25T12:00:00Z' | end_of('day', 'Europe/Berlin') }} => "2026-08-23 2024-02-29T23:59:59Z 2026-08-19T15:04:59 2026-10-25T23:59:59+01:00"
            {{ '2026-08-19' | start_of('hour') }} => invalid_input/expression: `start_of`: a date has no hours
            {{ '2026-08-19' | to_timezone('Asia/Kolkata') }} {{ '2026-03-29T02:30' | to_timezone('Europe/Berlin') }} {{ '2026-01-01T00:00:00Z' | to_timezone('+05:45') }} {{ '2026-01-01T05:00:00+05:00' | to_timezone('UTC') }} => "2026-08-19T00:00:00+05:30 2026-03-29T03:30:00+02:00 2026-01-01T05:45:00+05:45 2026-01-01T00:00:00Z"
            {{ '2026-08-19' | to_timezone('Europe/Berln') }} => FAULT at `'Europe/Berln'`: there is no such time zone; it is named as in `Europe/Berlin`, `America/New_York` or `UTC`
            {{ '2026-08-19' | to_timezone(inputs.customer) }} => invalid_input/expression: `to_timezone`: there is no such time zone; it is named as in `Europe/Berlin`, `America/New_York` or `UTC`
        "#]],
    );
}

#[test]
fn parts_patterns_and_points_in_time() {
    check(
        r#"
        {{ '2026-12-31' | date_part('week') }} {{ '2026-12-31' | date_part('yearday') }} {{ '2024-02-01' | date_part('days_in_month') }} {{ '2026-03-29T23:30:00Z' | date_part('hour', 'Europe/Berlin') }} {{ '2026-03-29' | weekday }} {{ '2026-03-29T23:30:00Z' | weekday('Europe/Berlin') }}
        {{ '2026-03-29' | date_part('minute') }}
        {{ '2026-03-29' | date_part('moon') }}
        {{ '2026-03-09T08:05:03Z' | format_date('%A, %-d %B %Y, %I:%M %p, %H:%M:%S%.3f %z %:z %j %V %s') }}
        {{ '2026-03-09' | format_date('%a %d %b %y (%F)') }} {{ '2026-03-09T08:05' | format_date('%T') }}
        {{ '2026-03-09' | format_date('%H') }}
        {{ '2026-03-09T08:05' | format_date('%z') }}
        {{ '2026-03-09' | format_date('%Q') }}
        {{ '2026-03-09' | format_date('%9999d') }}
        {{ '2026-03-09' | format_date('YYYY-MM-DD') }}
        {{ '1969-12-31T23:59:59.900Z' | timestamp }} {{ '2026-03-09T08:05:03.5Z' | timestamp('ms') }} {{ 1773043503.5 | from_timestamp }} {{ 1773043503500 | from_timestamp('milliseconds') }} {{ -0.1 | from_timestamp }}
        {{ 1e300 | from_timestamp }}
        {{ '2026-03-09' | timestamp }}
        {{ '2026-03-09T10:00:00+02:00' is before '2026-03-09T08:30:00Z' }} {{ '2026-03-10' is after '2026-03-09T12:00' }} {{ '2026-03-09' is date }} {{ 'soon' is date }} {{ '2026-03-14' is weekend }} {{ '2026-03-16' is weekend }}
        {{ '2026-03-10' is after '2026-03-09T12:00:00Z' }}
        {{ ['2026-03-10', '2026-03-09'] | select('before', '2026-03-10') | map('date_add', days=1) | map('format_date', '%d.%m.') }}
        "#,
        expect![[r#"
            {{ '2026-12-31' | date_part('week') }} {{ '2026-12-31' | date_part('yearday') }} {{ '2024-02-01' | date_part('days_in_month') }} {{ '2026-03-29T23:30:00Z' | date_part('hour', 'Europe/Berlin') }} {{ '2026-03-29' | weekday }} {{ '2026-03-29T23:30:00Z' | weekday('Europe/Berlin') }} => "53 365 29 1 7 1"
            {{ '2026-03-29' | date_part('minute') }} => invalid_input/expression: `date_part`: a date has no hours
            {{ '2026-03-29' | date_part('moon') }} => FAULT at `'moon'`: there is no part `moon`; there are year, quarter, month, week, day, hour, minute, second, weekday, yearday, days_in_month
            {{ '2026-03-09T08:05:03Z' | format_date('%A, %-d %B %Y, %I:%M %p, %H:%M:%S%.3f %z %:z %j %V %s') }} => "Monday, 9 March 2026, 08:05 AM, 08:05:03.000 +0000 +00:00 068 11 1773043503"
            {{ '2026-03-09' | format_date('%a %d %b %y (%F)') }} {{ '2026-03-09T08:05' | format_date('%T') }} => "Mon 09 Mar 26 (2026-03-09) 08:05:00"
            {{ '2026-03-09' | format_date('%H') }} => invalid_input/expression: `format_date`: the pattern asks for a time, and this is a date
            {{ '2026-03-09T08:05' | format_date('%z') }} => invalid_input/expression: `format_date`: the pattern asks for an offset, and this is a local time; `to_timezone` says where it is meant
            {{ '2026-03-09' | format_date('%Q') }} => FAULT at `'%Q'`: the pattern has a `%` that stands for nothing; there are %Y year, %m month, %d day, %H hour, %M minute, %S second, %B and %b month by name, %A and %a weekday by name, %I and %p hour with AM/PM, %z offset, %j day of the year, %V week, and %F %T %R %y %e %u %f %s %%
            {{ '2026-03-09' | format_date('%9999d') }} => FAULT at `'%9999d'`: the pattern has a `%` that stands for nothing; there are %Y year, %m month, %d day, %H hour, %M minute, %S second, %B and %b month by name, %A and %a weekday by name, %I and %p hour with AM/PM, %z offset, %j day of the year, %V week, and %F %T %R %y %e %u %f %s %%
            {{ '2026-03-09' | format_date('YYYY-MM-DD') }} => FAULT at `'YYYY-MM-DD'`: the pattern has no `%`; a day is written `%Y-%m-%d`
            {{ '1969-12-31T23:59:59.900Z' | timestamp }} {{ '2026-03-09T08:05:03.5Z' | timestamp('ms') }} {{ 1773043503.5 | from_timestamp }} {{ 1773043503500 | from_timestamp('milliseconds') }} {{ -0.1 | from_timestamp }} => "-1 1773043503500 2026-03-09T08:05:03.5Z 2026-03-09T08:05:03.5Z 1969-12-31T23:59:59.9Z"
            {{ 1e300 | from_timestamp }} => invalid_input/expression: `from_timestamp`: the number is too large
            {{ '2026-03-09' | timestamp }} => invalid_input/expression: `timestamp`: this is no point in time; `to_timezone` says where it is meant
            {{ '2026-03-09T10:00:00+02:00' is before '2026-03-09T08:30:00Z' }} {{ '2026-03-10' is after '2026-03-09T12:00' }} {{ '2026-03-09' is date }} {{ 'soon' is date }} {{ '2026-03-14' is weekend }} {{ '2026-03-16' is weekend }} => "true true true false true false"
            {{ '2026-03-10' is after '2026-03-09T12:00:00Z' }} => invalid_input/expression: a moment and a date or local time cannot be compared; `parse_date(timezone=…)` says where the second is meant
            {{ ['2026-03-10', '2026-03-09'] | select('before', '2026-03-10') | map('date_add', days=1) | map('format_date', '%d.%m.') }} => ["10.03."]
        "#]],
    );
}
