//! When the wall's clock of a zone shows a time: the one place where a local time becomes an instant.
//!
//! What Baton does at a local time (scores step at midnight, quiet hours end) is worked out anew from the zone's rules for
//! each day, never from an offset that somebody kept: twice a year that would be an hour off (fault 91).

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When the clock shows `second` after the midnight with which `day` begins.
///
/// A time that is skipped counts as much after the skip as it lies after its beginning; one that comes twice counts the first
/// time. `None` only at the end of time.
#[must_use]
pub fn shown(day: Date, second: i64, zone: &TimeZone) -> Option<Timestamp> {
    let shown = day.to_datetime(Time::midnight()).checked_add(SignedDuration::from_secs(second)).ok()?;
    zone.to_ambiguous_zoned(shown).compatible().ok().map(|zoned| zoned.timestamp())
}

/// When `day` begins.
#[must_use]
pub fn beginning(day: Date, zone: &TimeZone) -> Timestamp {
    shown(day, 0, zone).unwrap_or(Timestamp::MAX)
}

/// The next time after `now` at which the clock shows `time`: once each day, whatever the clocks do.
#[must_use]
pub fn next(now: Timestamp, time: Time, zone: &TimeZone) -> Timestamp {
    let second = time.duration_since(Time::midnight()).as_secs();
    let today = zone.to_datetime(now).date();
    // Yesterday's may still come where the clocks go back over midnight; the day after tomorrow's is the next one where a whole
    // day is skipped.
    let days =
        [today.yesterday().ok(), Some(today), today.tomorrow().ok(), today.tomorrow().and_then(Date::tomorrow).ok()];
    let mut at = days.into_iter().flatten().filter_map(|day| shown(day, second, zone));
    at.find(|at| *at > now).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn a_local_time_comes_once_a_day_whatever_the_clocks_do_fault_91() {
        let check = |name: &str, time: &str, now: &str, expected: &[&str]| {
            let mut at: Timestamp = now.parse().unwrap();
            for expected in expected {
                at = next(at, time.parse().unwrap(), &zone(name));
                assert_eq!(at, expected.parse().unwrap(), "{time} in {name} after {now}");
            }
        };
        let berlin = "Europe/Berlin";
        // Midnight stays midnight: 24 h, then 23 h in spring and 25 h in autumn.
        check(
            berlin,
            "00:00",
            "2026-03-27T12:00:00Z",
            &["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"],
        );
        check(
            berlin,
            "00:00",
            "2026-10-23T12:00:00Z",
            &["2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
        );
        // 02:30 is skipped, and counts as 03:30, once.
        check(berlin, "02:30", "2026-03-28T02:00:00Z", &["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        // 02:30 comes twice, and counts the first time.
        check(berlin, "02:30", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        check(berlin, "02:30", "2026-10-25T00:30:00Z", &["2026-10-26T01:30:00Z"]);
        check(berlin, "08:00", "2026-03-28T12:00:00Z", &["2026-03-29T06:00:00Z"]);
        check("America/New_York", "08:00", "2026-10-31T13:00:00Z", &["2026-11-01T13:00:00Z"]);
        // Half an hour is put forward on Lord Howe.
        check(
            "Australia/Lord_Howe",
            "02:15",
            "2026-10-03T00:00:00Z",
            &["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"],
        );
        // Midnight itself is skipped in Beirut, so that the day begins at one; it comes twice in Havana.
        check("Asia/Beirut", "00:00", "2026-03-28T12:00:00Z", &["2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"]);
        check("America/Havana", "00:00", "2026-10-31T12:00:00Z", &["2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"]);
        // Samoa went without the 30th of December 2011.
        check("Pacific/Apia", "09:00", "2011-12-29T12:00:00Z", &["2011-12-29T19:00:00Z", "2011-12-30T19:00:00Z"]);
        check("Asia/Kolkata", "00:00", "2026-03-27T12:00:00Z", &["2026-03-27T18:30:00Z", "2026-03-28T18:30:00Z"]);
        check("UTC", "00:00", "2026-03-27T12:00:00Z", &["2026-03-28T00:00:00Z"]);
    }

    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/Havana",
        "Asia/Beirut",
        "Africa/Casablanca",
        "Pacific/Chatham",
    ];

    proptest! {
        #[test]
        fn a_day_begins_with_its_first_instant_fault_91(days in 0_i32..14_600, at in 0..ZONES.len()) {
            let (zone, day) = (zone(ZONES[at]), jiff::civil::date(2000, 1, 1).checked_add(days.days()).unwrap());
            let beginning = beginning(day, &zone);
            prop_assert_eq!(zone.to_datetime(beginning).date(), day);
            prop_assert!(zone.to_datetime(beginning - SignedDuration::from_millis(1)).date() < day);
        }

        #[test]
        fn the_next_time_is_after_now_and_within_26_hours_fault_91(second in 946_684_800_i64..2_208_988_800, of_day in 0_i64..86_400, at in 0..ZONES.len()) {
            let (zone, now) = (zone(ZONES[at]), Timestamp::from_second(second).unwrap());
            let time = Time::midnight() + SignedDuration::from_secs(of_day);
            let next = next(now, time, &zone);
            prop_assert!(next > now && next.duration_since(now) <= SignedDuration::from_hours(26), "{} {} {}", now, time, next);
        }
    }
}
