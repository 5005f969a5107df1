//! What the zone data say, as one name: whether other data would move a deadline.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::id::{LeadId, OperationId};
use super::roster::Roster;

/// How far ahead changes of the clocks are looked at: further than any deadline.
const YEARS: i16 = 3;

/// A name for everything that the zone data say of the roster's calendars and of `workspace` from the year of `now` on. Other
/// data have another name; so has another year, which moves no deadline.
#[must_use]
pub fn fingerprint(roster: &Roster, workspace: &TimeZone, now: Timestamp) -> String {
    let year = now.to_zoned(TimeZone::UTC).year();
    let first =
        |year: i16| Date::new(year, 1, 1).ok().and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok());
    let (from, until) = (first(year).unwrap_or(now), first(year.saturating_add(YEARS)).unwrap_or(Timestamp::MAX));
    let zones = roster.calendars.iter().map(|(name, calendar)| (name.as_str(), calendar.zone()));
    let mut said: Vec<String> = Vec::new();
    for (name, zone) in zones.chain([("workspace", workspace)]) {
        said.push(format!("{name} {} {}", zone.iana_name().unwrap_or("-"), zone.to_offset(from)));
        let changes = zone.following(from).take_while(|change| change.timestamp() < until);
        said.extend(changes.map(|change| format!("{} {}", change.timestamp(), change.offset())));
    }
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    OperationId::of(&said).to_string()
}

/// A deadline that another calendar moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Whose.
    pub lead: LeadId,
    /// From when.
    pub from: Timestamp,
    /// To when.
    pub to: Timestamp,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::calendar::{Calendar, Holidays, Hours, Window};
    use crate::domain::id::Name;

    fn roster(zone: &TimeZone) -> Roster {
        let days = "mon-fri".parse::<crate::domain::calendar::Days>().unwrap().0;
        let hours = Hours::default().open(days, "09:00-17:00".parse::<Window>().unwrap());
        let calendar = Calendar::new("office", zone.clone(), hours, Holidays::none()).unwrap();
        let mut roster = Roster::default();
        roster.calendars.insert(Name::from("office"), Arc::new(calendar));
        roster
    }

    #[test]
    fn other_zone_data_have_another_name_and_the_same_have_the_same_fault_80() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let name = |rules: &str, now: &str| {
            let zone = TimeZone::posix(rules).unwrap();
            fingerprint(&roster(&zone), &TimeZone::UTC, at(now))
        };
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        let one = name(berlin, "2026-11-24T08:00:00Z");
        assert_eq!(one, name(berlin, "2026-02-01T00:00:00Z"), "all year");
        assert_ne!(one, name("CET-1CEST,M3.4.0,M10.5.0/3", "2026-11-24T08:00:00Z"), "the clocks change a week earlier");
        assert_ne!(one, name("CET-1", "2026-11-24T08:00:00Z"), "they change no more");
    }
}
