//! When a schedule runs: cron fields, a time zone, and what is done about the hours that a zone leaves out or has twice.
//!
//! Pure: the zones are those of the IANA database that is part of the program, never the machine's, and the time comes in as an argument.
//!
//! **A slot** is an instant at which a schedule means to run. Which they are:
//! - A schedule whose hours field covers every hour (`*/5 * * * *`) lives on the real line of time: each instant at which a clock on the wall
//!   of its zone reads something that the fields match is a slot. So it runs through an hour that a clock has twice as through any other two
//!   hours, and has nothing to make up for when the clock jumps forward.
//! - Any other schedule (`30 2 * * *`) means readings of that clock, each once. A reading that is left out (the **gap** when the clock
//!   jumps forward) is a slot at the first instant after the gap, together with all other readings of that gap and with what is meant for that
//!   very instant (`gap: run`), or is none (`gap: skip`). A reading that comes twice (the **overlap** when the clock jumps back) is a slot
//!   the first time only (`overlap: first`), or both times (`overlap: both`).

mod catchup;
mod fields;
mod slots;
mod zones;

pub use catchup::{CATCH_UP, Due, ON_TIME};
pub use fields::{BadCron, Fields};

use jiff::tz::TimeZone;

use crate::flow::{Dst, Schedule};

/// An input of this name is given the instant that a run is for, which is not when it starts.
pub const SLOT: &str = "slot";

/// A schedule, read: it says when its slots are.
#[derive(Debug, Clone)]
pub struct Spec {
    fields: Fields,
    zone: TimeZone,
    dst: Dst,
}

impl Spec {
    /// Reads a flow's schedule.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn read(schedule: &Schedule) -> Result<Self, BadCron> {
        Self::new(&schedule.cron, &schedule.timezone, schedule.dst)
    }

    /// Reads an expression and the name of an IANA zone.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn new(cron: &str, timezone: &str, dst: Dst) -> Result<Self, BadCron> {
        Ok(Self {
            fields: Fields::parse(cron)?,
            zone: zones::zone(timezone)?,
            dst,
        })
    }
}

#[cfg(test)]
mod tests;
