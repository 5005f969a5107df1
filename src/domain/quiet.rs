//! Quiet hours: when a team or a person is not told. What falls into them waits for their end, and then comes together.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::calendar::Window;
use super::local;
use super::plan::NoticeKind;

/// Hours of each day in which nobody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// From and to, in local time: `19:00-08:00` runs past midnight.
    pub hours: Window,
    /// Kinds that are told all the same.
    pub except: Vec<NoticeKind>,
}

impl Quiet {
    /// The end of the quiet hours that `now` lies in; `None` if people may be told now.
    ///
    /// The end is a time of the wall's clock in `zone`: on the night of a change of the clocks the hours are longer or shorter.
    #[must_use]
    pub fn until(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let today = zone.to_datetime(now).date();
        // Yesterday's hours may run past midnight.
        [today.yesterday().ok()?, today].into_iter().find_map(|day| {
            let from = local::shown(day, self.hours.opens_second(), zone)?;
            let to = local::shown(day, self.hours.closes_second(), zone)?;
            (from <= now && now < to).then_some(to)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_end_when_the_wall_says_so() {
        let check = |hours: &str, zone: &str, now: &str, expected: Option<&str>| {
            let quiet = Quiet { hours: hours.parse().unwrap(), except: Vec::new() };
            let until = quiet.until(now.parse().unwrap(), &TimeZone::get(zone).unwrap());
            assert_eq!(until, expected.map(|text| text.parse().unwrap()), "{hours} in {zone} at {now}");
        };
        let berlin = "Europe/Berlin";
        check("19:00-08:00", berlin, "2026-11-24T17:59:59Z", None);
        check("19:00-08:00", berlin, "2026-11-24T18:00:00Z", Some("2026-11-25T07:00:00Z"));
        check("19:00-08:00", berlin, "2026-11-25T06:59:59Z", Some("2026-11-25T07:00:00Z"));
        check("19:00-08:00", berlin, "2026-11-25T07:00:00Z", None);
        check("12:00-13:00", berlin, "2026-11-24T11:30:00Z", Some("2026-11-24T12:00:00Z"));
        check("12:00-13:00", berlin, "2026-11-24T12:30:00Z", None);
        check("12:00-13:00", "America/New_York", "2026-11-24T17:30:00Z", Some("2026-11-24T18:00:00Z"));
        // The night in which the clocks go forward is an hour shorter, the one in which they go back an hour longer.
        check("19:00-08:00", berlin, "2026-03-28T20:00:00Z", Some("2026-03-29T06:00:00Z"));
        check("19:00-08:00", berlin, "2026-10-24T20:00:00Z", Some("2026-10-25T07:00:00Z"));
        // 02:30 is skipped on that day, and counts as 03:30.
        check("23:00-02:30", berlin, "2026-03-29T00:30:00Z", Some("2026-03-29T01:30:00Z"));
    }
}
