//! When the company's people work: Monday to Friday, 08:30 to 12:00 and 13:00 to 17:30 in Berlin.
//!
//! Written apart from Baton's own calendars on purpose: the people must not be late by Baton's mistakes.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Morning and afternoon, in minutes of the day.
const OPEN: [(i64, i64); 2] = [(510, 720), (780, 1050)];

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC)
}

fn minute(at: Timestamp) -> (bool, i64) {
    let local = at.to_zoned(berlin());
    let is_weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
    (is_weekend, i64::from(local.hour()) * 60 + i64::from(local.minute()))
}

/// Whether people are at work.
pub(super) fn is_open(at: Timestamp) -> bool {
    let (is_weekend, minute) = minute(at);
    !is_weekend && OPEN.iter().any(|(from, to)| (*from..*to).contains(&minute))
}

/// The first moment from `at` on at which people are at work, to the minute.
pub(super) fn next_open(mut at: Timestamp) -> Timestamp {
    // A weekend is the longest gap: 63 hours.
    for _ in 0..(4 * 24 * 60) {
        if is_open(at) {
            return at;
        }
        at += SignedDuration::from_mins(1);
    }
    at
}

/// `work` of working time after `at`, to the minute.
pub(super) fn after(at: Timestamp, work: SignedDuration) -> Timestamp {
    let mut now = next_open(at);
    for _ in 0..work.as_mins() {
        now = next_open(now + SignedDuration::from_mins(1));
    }
    now
}

/// A Tuesday at 09:00 in Berlin, with nothing special about it.
pub(super) fn tuesday_morning() -> Timestamp {
    let day = jiff::civil::date(2026, 11, 24).at(9, 0, 0, 0);
    day.to_zoned(berlin()).map_or(Timestamp::UNIX_EPOCH, |local| local.timestamp())
}

/// The same time of day on the next day.
pub(super) fn tomorrow(at: Timestamp) -> Timestamp {
    at.to_zoned(berlin()).checked_add(1.day()).map_or(at, |local| local.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_pauses_for_lunch_nights_and_weekends() {
        let start = tuesday_morning();
        assert_eq!(start.to_string(), "2026-11-24T08:00:00Z");
        for (minutes, expected) in [
            (30, "2026-11-24T08:30:00Z"),
            (200, "2026-11-24T12:20:00Z"),
            (60 * 8, "2026-11-25T08:00:00Z"),
            (60 * 8 * 4, "2026-11-30T08:00:00Z"),
        ] {
            assert_eq!(after(start, SignedDuration::from_mins(minutes)).to_string(), expected, "{minutes}");
        }
    }
}
