//! Time zones by name, out of the database that is part of the program.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::fields::BadCron;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// All names, for tests and suggestions.
pub(super) fn names() -> impl Iterator<Item = String> {
    ZONES.available().map(|name| name.as_str().to_owned())
}

/// The zone of a name such as `Europe/Berlin`, written as the database writes it.
pub(super) fn zone(name: &str) -> Result<TimeZone, BadCron> {
    match ZONES.get(name) {
        Ok(zone) if zone.iana_name() == Some(name) && !zone.is_unknown() => Ok(zone),
        _ => Err(BadCron {
            message: format!("`{name}` is not a time zone"),
            help: match like(name) {
                Some(found) => format!("did you mean `{found}`?"),
                None => "zones have IANA names, such as `Europe/Berlin` or `UTC`".to_owned(),
            },
        }),
    }
}

/// The zone that was probably meant: another spelling, its city alone, or nearly it.
fn like(name: &str) -> Option<String> {
    let key = |text: &str| text.to_ascii_lowercase().replace([' ', '-'], "_");
    let wanted = key(name.trim());
    let city = |zone: &str| key(zone.rsplit('/').next().unwrap_or(zone));
    let found = names().find(|zone| key(zone) == wanted);
    let found = found.or_else(|| names().find(|zone| city(zone) == wanted));
    found.or_else(|| {
        names()
            .map(|zone| (strsim::osa_distance(&key(&zone), &wanted), zone))
            .filter(|(distance, _)| *distance <= 2)
            .min()
            .map(|(_, zone)| zone)
    })
}
