//! The org's business hours and holidays as calendars. Which holidays suspend which hours is in no documented object, so it is for the roster
//! to say. Source: the sheet, section 4, BusinessHours and Holiday; the recurrence fields: Object Reference, Holiday.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::Salesforce;
use super::failure::Failure;
use super::recurrence::Rule;
use super::soql::{Condition, Literal, Query, Sign};
use super::wire::Row;
use crate::connector::calendars::{Calendars, WorkingHours};
use crate::domain::calendar::{Closure, Hours, Window};

const HOURS: &[&str] = &["Id", "Name", "TimeZoneSidKey"];
const DAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Monday"),
    (Weekday::Tuesday, "Tuesday"),
    (Weekday::Wednesday, "Wednesday"),
    (Weekday::Thursday, "Thursday"),
    (Weekday::Friday, "Friday"),
    (Weekday::Saturday, "Saturday"),
    (Weekday::Sunday, "Sunday"),
];
const HOLIDAY: &[&str] = &[
    "Id",
    "Name",
    "ActivityDate",
    "IsAllDay",
    "StartTimeInMinutes",
    "EndTimeInMinutes",
    "IsRecurrence",
    "RecurrenceType",
    "RecurrenceStartDate",
    "RecurrenceEndDateOnly",
    "RecurrenceInterval",
    "RecurrenceDayOfMonth",
    "RecurrenceDayOfWeekMask",
    "RecurrenceInstance",
    "RecurrenceMonthOfYear",
];

impl Salesforce {
    /// Business hours, and the holidays from `from` to `to`.
    pub(super) async fn working_hours(&self, from: Date, to: Date) -> Result<Calendars, Failure> {
        let times: Vec<String> =
            DAYS.iter().flat_map(|(_, day)| [format!("{day}StartTime"), format!("{day}EndTime")]).collect();
        let columns: Vec<&str> = HOURS.iter().copied().chain(times.iter().map(String::as_str)).collect();
        let active = Condition::Is("IsActive", Sign::Equal, Literal::Flag(true));
        let hours = self.api.rows(&Query::of("BusinessHours", &columns).filter(active).order("Name"), false).await?;
        let holidays = self.api.rows(&Query::of("Holiday", HOLIDAY).order("Name"), false).await?;
        Ok(calendars(&hours, &holidays, from, to))
    }
}

fn calendars(hours: &[Row], holidays: &[Row], from: Date, to: Date) -> Calendars {
    let mut all = Calendars::default();
    for row in hours {
        match working_hours(row) {
            Ok(hours) => all.hours.push(hours),
            Err(why) => all.unread.push(format!("business hours {:?}: {why}", name(row))),
        }
    }
    for row in holidays {
        match days_off(row, from, to) {
            Ok(days) => all.days_off.extend(days),
            Err(why) => all.unread.push(format!("holiday {:?}: {why}", name(row))),
        }
    }
    all.days_off.sort_by(|one, other| (one.date, &one.name).cmp(&(other.date, &other.name)));
    all
}

fn name(row: &Row) -> &str {
    row.text("Name").unwrap_or("without a name")
}

fn working_hours(row: &Row) -> Result<WorkingHours, String> {
    let zone = row.text("TimeZoneSidKey").ok_or("no zone is given")?;
    let zone = TimeZone::get(zone).map_err(|_| format!("no zone is called {zone:?}"))?;
    let mut hours = Hours::default();
    for (day, word) in DAYS {
        if let Some(window) = window(row, word)? {
            hours = hours.open([day], window);
        }
    }
    Ok(WorkingHours { name: name(row).to_owned(), zone, hours })
}

/// The hours of one weekday: no times mean closed, twice midnight the whole day. Source: section 4, BusinessHours.
fn window(row: &Row, day: &str) -> Result<Option<Window>, String> {
    // `09:00:00.000Z`: a time of day, whose letter stands for no zone.
    let time = |part: &str| {
        let text = row.text(&format!("{day}{part}Time"))?;
        Some(text.split(['.', 'Z']).next().unwrap_or(text))
    };
    let text = match (time("Start"), time("End")) {
        (None, None) => return Ok(None),
        (Some(start), Some(end)) if start == end && start.starts_with("00:00") => "00:00-24:00".to_owned(),
        (Some(start), Some(end)) => format!("{start}-{end}"),
        (Some(_), None) | (None, Some(_)) => return Err(format!("{day} begins or ends at no time")),
    };
    text.parse().map(Some).map_err(|error: crate::domain::calendar::HoursError| format!("{day}: {error}"))
}

/// The days of a holiday from `from` to `to`.
fn days_off(row: &Row, from: Date, to: Date) -> Result<Vec<Closure>, String> {
    let part = if row.flag("IsAllDay") { None } else { part(row)? };
    let dates = if row.flag("IsRecurrence") {
        Rule::of(row)?.dates(from, to)
    } else {
        let date = day(row, "ActivityDate").ok_or("it has no date")?;
        if (from..=to).contains(&date) { vec![date] } else { Vec::new() }
    };
    Ok(dates.into_iter().map(|date| Closure { date, part, name: name(row).to_owned() }).collect())
}

/// Minutes after midnight.
fn part(row: &Row) -> Result<Option<Window>, String> {
    let clock = |field: &str| {
        let minutes: u32 = row.plain(field)?.parse().ok()?;
        Some(format!("{:02}:{:02}", minutes / 60, minutes % 60))
    };
    let (Some(start), Some(end)) = (clock("StartTimeInMinutes"), clock("EndTimeInMinutes")) else {
        return Err("it is not for all day, and says no times".to_owned());
    };
    format!("{start}-{end}").parse().map(Some).map_err(|error: crate::domain::calendar::HoursError| error.to_string())
}

/// A day, which has no zone: the time that it may carry says nothing. Source: section 4, Holiday.
pub(super) fn day(row: &Row, field: &str) -> Option<Date> {
    row.text(field)?.get(..10)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;

    fn row(value: serde_json::Value) -> Row {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn closed_days_whole_days_and_zones_are_read_section_4() {
        let hours = row(json!({
            "Name": "Default", "TimeZoneSidKey": "America/Los_Angeles", "MondayStartTime": "08:00:00.000Z", "MondayEndTime": "17:30:00.000Z",
            "TuesdayStartTime": "00:00:00.000Z", "TuesdayEndTime": "00:00:00.000Z", "WednesdayStartTime": null, "WednesdayEndTime": null,
            "ThursdayStartTime": "14:00:00.000Z", "ThursdayEndTime": "00:00:00.000Z",
        }));
        let read = working_hours(&hours).unwrap();
        let on = |day| read.hours.on(day).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(on(Weekday::Monday), ["08:00-17:30"]);
        assert_eq!(on(Weekday::Tuesday), ["00:00-24:00"]);
        assert!(on(Weekday::Wednesday).is_empty() && on(Weekday::Sunday).is_empty());
        assert_eq!(on(Weekday::Thursday), ["14:00-24:00"]);
        assert_eq!(read.zone.iana_name(), Some("America/Los_Angeles"));
        let all = calendars(
            &[row(json!({"Name": "Mars", "TimeZoneSidKey": "Mars/Olympus"}))],
            &[],
            date(2026, 1, 1),
            date(2026, 1, 2),
        );
        assert!(all.hours.is_empty() && all.unread[0].contains("Mars/Olympus"), "{:?}", all.unread);
    }

    #[test]
    fn one_day_half_days_and_what_cannot_be_read_are_told_apart_section_4() {
        let (from, to) = (date(2026, 1, 1), date(2027, 12, 31));
        let all = calendars(
            &[],
            &[
                row(json!({"Name": "Fair", "ActivityDate": "2026-09-22", "IsAllDay": true})),
                row(
                    json!({"Name": "Eve", "ActivityDate": "2026-12-24", "IsAllDay": false, "StartTimeInMinutes": 720, "EndTimeInMinutes": 1440}),
                ),
                row(json!({"Name": "Long ago", "ActivityDate": "2019-12-24", "IsAllDay": true})),
                row(
                    json!({"Name": "Odd", "IsAllDay": true, "IsRecurrence": true, "RecurrenceType": "RecursByMoon", "RecurrenceStartDate": "2020-01-01"}),
                ),
            ],
            from,
            to,
        );
        let shown: Vec<String> = all
            .days_off
            .iter()
            .map(|off| format!("{} {:?} {}", off.date, off.part.map(|part| part.to_string()), off.name))
            .collect();
        assert_eq!(shown, ["2026-09-22 None Fair", "2026-12-24 Some(\"12:00-24:00\") Eve"]);
        assert!(all.unread.len() == 1 && all.unread[0].contains("RecursByMoon"), "{:?}", all.unread);
    }
}
