//! Working hours and days off that a CRM keeps for itself. Pure.
//!
//! They are offered as lines of the roster, and held against the roster's calendars that name them as their source. The roster stays what
//! counts: a promise must not move because somebody edits a CRM.

use std::collections::BTreeSet;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::domain::calendar::{Calendar, Closure, Hours, Window, day_name};
use crate::domain::counted::many;
use crate::domain::id::{ConnectionId, Name};
use crate::domain::roster::CalendarSource;

/// Differences of one kind that are told one by one.
const TOLD: usize = 5;

/// What a CRM keeps.
#[derive(Clone, Debug, Default)]
pub struct Calendars {
    /// Its working hours.
    pub hours: Vec<WorkingHours>,
    /// Its days off within the time that was asked for. Which hours they belong to is for people to know.
    pub days_off: Vec<Closure>,
    /// What could not be read, in words.
    pub unread: Vec<String>,
}

/// Working hours of a CRM.
#[derive(Clone, Debug)]
pub struct WorkingHours {
    /// Their name there.
    pub name: String,
    /// Whose clock they are by.
    pub zone: TimeZone,
    /// The windows of each weekday.
    pub hours: Hours,
}

/// Where a calendar of the roster says something else than its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key of the calendar that is to be looked at.
    pub key: &'static [&'static str],
    /// What is otherwise.
    pub text: String,
}

impl Calendars {
    /// The section of the roster that says the same as `hours` and all days off.
    #[must_use]
    pub fn section(&self, hours: &WorkingHours, connection: &ConnectionId) -> Vec<String> {
        let key: String = hours
            .name
            .to_lowercase()
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
            .collect();
        let zone = hours.zone.iana_name().unwrap_or("UTC");
        let mut lines = vec![
            format!("[calendars.{}]", key.trim_matches('-')),
            format!("zone = {zone:?}"),
            format!("open = {{ {} }}", open(&hours.hours)),
        ];
        if !self.days_off.is_empty() {
            lines.push("closed = [".to_owned());
            lines.extend(self.days_off.iter().map(|off| format!("  {:?},", day_off(off))));
            lines.push("]".to_owned());
        }
        lines.push(format!("source = {{ connection = {:?}, hours = {:?} }}", connection.as_str(), hours.name));
        lines
    }

    /// In what `calendar` says something else than its source; empty if it agrees.
    #[must_use]
    pub fn differences(&self, source: &CalendarSource, calendar: &Calendar) -> Vec<Difference> {
        let difference = |key: &'static [&'static str], text: String| Difference { key, text };
        let Some(theirs) = self.hours.iter().find(|one| one.name.eq_ignore_ascii_case(source.hours.as_str())) else {
            let known: Vec<String> = self.hours.iter().map(|one| format!("{:?}", one.name)).collect();
            let text = format!("there are no working hours {:?}, but {}", source.hours.as_str(), known.join(", "));
            return vec![difference(&["source", "hours"], text)];
        };
        let mut told = Vec::new();
        let zone = |zone: &TimeZone| zone.iana_name().unwrap_or("another zone").to_owned();
        if theirs.zone.iana_name() != calendar.zone().iana_name() {
            told.push(difference(&["zone"], format!("the zone is {} there", zone(&theirs.zone))));
        }
        for day in Weekday::Monday.cycle_forward().take(7) {
            let (there, here) = (theirs.hours.on(day), calendar.hours().on(day));
            if there != here {
                let text = format!("{} is {} there, {} here", day_name(day), windows(there), windows(here));
                told.push(difference(&["open"], text));
            }
        }
        told.extend(self.missing_days(source, calendar).into_iter().map(|text| difference(&["closed"], text)));
        let there: BTreeSet<String> = self.days_off.iter().map(|off| off.name.to_lowercase()).collect();
        let unknown = source.holidays.iter().flatten().filter(|name| !there.contains(&name.as_str().to_lowercase()));
        let no_more = |name: &Name| format!("no holiday {:?} comes there any more", name.as_str());
        told.extend(unknown.map(|name| difference(&["source", "holidays"], no_more(name))));
        told
    }

    /// Days off that the calendar works on.
    fn missing_days(&self, source: &CalendarSource, calendar: &Calendar) -> Vec<String> {
        let named = |off: &&Closure| {
            source
                .holidays
                .as_ref()
                .is_none_or(|names| names.iter().any(|name| name.as_str().eq_ignore_ascii_case(&off.name)))
        };
        let is_open = |off: &&Closure| {
            let known = calendar.holidays().on(off.date);
            !calendar.hours().on(off.date.weekday()).is_empty()
                && !known.iter().any(|here| here.part.is_none() || here.part == off.part)
        };
        let missing: Vec<String> = self.days_off.iter().filter(named).filter(is_open).map(day_off).collect();
        let mut told: Vec<String> = missing.iter().take(TOLD).map(|day| format!("{day} is off there")).collect();
        if missing.len() > TOLD {
            told.push(format!("{} off there", many(missing.len() - TOLD, "more day is", "more days are")));
        }
        told
    }
}

/// `2026-12-24 12:00-24:00 Christmas Eve`, as the roster writes a day off.
fn day_off(off: &Closure) -> String {
    let part = off.part.map_or_else(String::new, |part| format!(" {part}"));
    format!("{}{part} {}", off.date, off.name).trim_end().to_owned()
}

/// Weekdays in a row that have the same windows are one entry.
fn open(hours: &Hours) -> String {
    let mut runs: Vec<(Weekday, Weekday, &[Window])> = Vec::new();
    for day in Weekday::Monday.cycle_forward().take(7) {
        let windows = hours.on(day);
        match runs.last_mut() {
            Some((_, last, same)) if *same == windows => *last = day,
            _ => runs.push((day, day, windows)),
        }
    }
    let entry = |(first, last, all): &(Weekday, Weekday, &[Window])| {
        let days = if first == last {
            day_name(*first).to_owned()
        } else {
            format!("{}-{}", day_name(*first), day_name(*last))
        };
        let all: Vec<String> = all.iter().map(|window| format!("\"{window}\"")).collect();
        format!("{days} = [{}]", all.join(", "))
    };
    let runs: Vec<String> = runs.iter().filter(|(_, _, all)| !all.is_empty()).map(entry).collect();
    runs.join(", ")
}

fn windows(all: &[Window]) -> String {
    if all.is_empty() {
        return "closed".to_owned();
    }
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join(" and ")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::domain::calendar::Holidays;

    fn org() -> Calendars {
        let hours = Hours::parse([("mon-thu", "09:00-17:00"), ("fri", "09:00-15:00")]).unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let off = |date, name: &str| Closure { date, part: None, name: name.to_owned() };
        Calendars {
            hours: vec![WorkingHours { name: "Sales DACH".to_owned(), zone, hours }],
            days_off: vec![off(date(2026, 12, 25), "Christmas"), off(date(2026, 12, 26), "Boxing Day")],
            unread: Vec::new(),
        }
    }

    fn source(holidays: Option<&[&str]>) -> CalendarSource {
        CalendarSource {
            connection: ConnectionId::from("salesforce"),
            hours: Name::from("sales dach"),
            holidays: holidays.map(|names| names.iter().map(|name| Name::from(*name)).collect()),
        }
    }

    fn roster(open: &[(&str, &str)], closed: Holidays) -> Calendar {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Calendar::new("berlin", zone, Hours::parse(open.iter().copied()).unwrap(), closed).unwrap()
    }

    #[test]
    fn hours_of_a_crm_are_written_as_the_roster_has_them() {
        let org = org();
        let lines = org.section(&org.hours[0], &ConnectionId::from("salesforce"));
        assert_eq!(
            lines,
            [
                "[calendars.sales-dach]",
                "zone = \"Europe/Berlin\"",
                "open = { mon-thu = [\"09:00-17:00\"], fri = [\"09:00-15:00\"] }",
                "closed = [",
                "  \"2026-12-25 Christmas\",",
                "  \"2026-12-26 Boxing Day\",",
                "]",
                "source = { connection = \"salesforce\", hours = \"Sales DACH\" }",
            ]
        );
    }

    #[test]
    fn a_calendar_that_says_something_else_than_its_source_is_told() {
        let same = [("mon-thu", "09:00-17:00"), ("fri", "09:00-15:00")];
        let christmas = || Holidays::none().close(date(2026, 12, 25), "anything");
        // The 26th is a Saturday, on which nobody works anyway.
        let told = |source: &CalendarSource, calendar: &Calendar| -> Vec<String> {
            let all = org().differences(source, calendar);
            all.into_iter().map(|one| format!("{}: {}", one.key.join("."), one.text)).collect()
        };
        assert_eq!(told(&source(None), &roster(&same, christmas())), Vec::<String>::new());
        assert_eq!(
            told(&source(None), &roster(&[("mon-fri", "09:00-17:00")], Holidays::none())),
            ["open: fri is 09:00-15:00 there, 09:00-17:00 here", "closed: 2026-12-25 Christmas is off there"]
        );
        let only = source(Some(&["Boxing Day", "Epiphany"]));
        assert_eq!(
            told(&only, &roster(&same, Holidays::none())),
            ["source.holidays: no holiday \"Epiphany\" comes there any more"]
        );
        let mut other = source(None);
        other.hours = Name::from("Support");
        assert_eq!(
            told(&other, &roster(&same, christmas())),
            ["source.hours: there are no working hours \"Support\", but \"Sales DACH\""]
        );
    }
}
