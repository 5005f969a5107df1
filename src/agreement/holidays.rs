//! Holiday files: iCalendar text -> [`Holidays`], and what of it could not be used.
//!
//! Understood are all-day events, of several days too (`DTEND` is exclusive), with their yearly recurrence. Whatever
//! else a file holds is a [`Problem`], because a holiday that is dropped in silence turns into a breach that was none.
//! Source: RFC 5545, sections 3.6.1 (events), 3.3.10 and 3.8.5 (recurrence).

use std::fmt;

use icalendar::parser::{Component, Property, read_calendar, unfold};
use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};

use crate::domain::calendar::{HORIZON, Holidays};

/// The longest event that is taken for a holiday.
const DAYS_MAX: i64 = 92;

/// What one holiday file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolidayFile {
    /// The closed days. Known until the end of the last year that has days which do not recur for ever.
    pub holidays: Holidays,
    /// Everything in the file that closes no day, in the file's order.
    pub problems: Vec<Problem>,
}

/// A part of a holiday file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line of the event's `BEGIN:VEVENT`, from 1; `None` for the file as a whole.
    pub line: Option<usize>,
    /// The event's `SUMMARY`; empty if it has none.
    pub summary: String,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: `{}`: {}", self.summary, self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Reads one iCalendar text.
#[must_use]
pub fn read(text: &str) -> HolidayFile {
    let whole = |what: String| Problem { line: None, summary: String::new(), what };
    let unfolded = unfold(text);
    let calendar = match read_calendar(&unfolded) {
        Ok(calendar) => calendar,
        Err(_) => {
            let problem = whole("this is no iCalendar text: it must start with BEGIN:VCALENDAR".to_owned());
            return HolidayFile { holidays: Holidays::none(), problems: vec![problem] };
        }
    };
    let mut events = Vec::new();
    collect_events(&calendar.components, &mut events);
    let begins = text.trim_start_matches('\u{feff}').lines().enumerate();
    let lines: Vec<usize> =
        begins.filter(|(_, line)| line.trim().eq_ignore_ascii_case("BEGIN:VEVENT")).map(|(i, _)| i + 1).collect();

    let mut problems = Vec::new();
    let mut holidays = Holidays::none();
    let mut finite = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let summary = value(event, "SUMMARY").map(unescaped).unwrap_or_default();
        match days_of(event) {
            Ok(days) => {
                if !days.for_ever {
                    finite.extend(days.closed.iter().copied());
                }
                holidays = days.closed.into_iter().fold(holidays, |all, day| all.close(day, summary.as_str()));
            }
            Err(what) => problems.push(Problem { line: lines.get(i).copied(), summary, what }),
        }
    }
    if events.is_empty() {
        problems.push(whole("the file holds no event (BEGIN:VEVENT)".to_owned()));
    }
    if let Some(known) = known_until(&finite) {
        holidays = holidays.until(known);
    }
    HolidayFile { holidays, problems }
}

fn collect_events<'a, 'text>(components: &'a [Component<'text>], events: &mut Vec<&'a Component<'text>>) {
    for component in components {
        if component.name.as_str().eq_ignore_ascii_case("VEVENT") {
            events.push(component);
        } else {
            collect_events(&component.components, events);
        }
    }
}

/// The end of the last year that is really covered: a lone New Year's Day at the end of a file covers no year.
fn known_until(days: &[Date]) -> Option<Date> {
    let last = *days.iter().max()?;
    let covered = |day: &&Date| day.month() > 1 || day.day() > 6;
    let year = days.iter().filter(covered).max().map_or(last.year(), |day| day.year());
    Some(date(year, 12, 31))
}

/// The days that one event closes, and whether it goes on doing so for ever.
struct Days {
    closed: Vec<Date>,
    for_ever: bool,
}

fn days_of(event: &Component<'_>) -> Result<Days, String> {
    if value(event, "STATUS").is_some_and(|status| status.eq_ignore_ascii_case("CANCELLED")) {
        return Err("the event is cancelled; delete it".to_owned());
    }
    if property(event, "RDATE").is_some() {
        return Err("RDATE is not understood; write one event for each date".to_owned());
    }
    let start = all_day(property(event, "DTSTART").ok_or("the event has no DTSTART")?)?;
    let length = length_in_days(event, start)?;
    let except = exceptions(event)?;
    let rules: Vec<_> = event.properties.iter().filter(|property| is(property, "RRULE")).collect();
    let (starts, for_ever) = match rules.as_slice() {
        [] => (vec![start], false),
        [rule] => yearly(rule.val.as_str(), start)?,
        _ => return Err("several recurrence rules; write one event for each".to_owned()),
    };
    let closed = starts
        .into_iter()
        .filter(|first| !except.contains(first))
        .flat_map(|first| (0..length).map(move |offset| first.saturating_add(offset.days())))
        .collect();
    Ok(Days { closed, for_ever })
}

/// The date of an all-day property.
fn all_day(property: &Property<'_>) -> Result<Date, String> {
    let text = property.val.as_str().trim();
    read_date(text).ok_or_else(|| {
        let name = property.name.as_str();
        if text.contains('T') {
            format!(
                "{name} `{text}` has a time of day; only whole days close a calendar, as {name};VALUE=DATE:20261225"
            )
        } else {
            format!("{name} `{text}` is no date; write {name};VALUE=DATE:20261225")
        }
    })
}

fn read_date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()
}

fn length_in_days(event: &Component<'_>, start: Date) -> Result<i64, String> {
    let length = match (property(event, "DTEND"), value(event, "DURATION")) {
        // Many files give the same date twice for one day.
        (Some(end), _) => i64::from(start.until(all_day(end)?).map_or(0, |span| span.get_days())).max(1),
        (None, Some(text)) => {
            let span: Option<Span> = text.trim().parse().ok();
            let days = span.map(|span| i64::from(span.get_days()) + 7 * i64::from(span.get_weeks()));
            let whole = span.is_some_and(|span| span.fieldwise() == span_of_days(&span).fieldwise());
            let days = days.filter(|days| whole && *days > 0);
            days.ok_or_else(|| format!("DURATION `{text}` is no number of whole days; write P1D"))?
        }
        (None, None) => 1,
    };
    if length > DAYS_MAX {
        return Err(format!("{length} days in one event; at most {DAYS_MAX} are taken for a holiday"));
    }
    Ok(length)
}

fn span_of_days(span: &Span) -> Span {
    Span::new().weeks(span.get_weeks()).days(span.get_days())
}

fn exceptions(event: &Component<'_>) -> Result<Vec<Date>, String> {
    let texts = event.properties.iter().filter(|property| is(property, "EXDATE"));
    texts
        .flat_map(|property| property.val.as_str().split(','))
        .map(|text| read_date(text.trim()).ok_or_else(|| format!("EXDATE `{text}` is no date; write 20261225")))
        .collect()
}

/// The first days of a yearly recurrence inside the calendars' horizon, and whether it never ends.
fn yearly(rule: &str, start: Date) -> Result<(Vec<Date>, bool), String> {
    let (mut until, mut count, mut interval) = (None, None, 1_i16);
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (name, text) = part.split_once('=').unwrap_or((part, ""));
        let refused = || format!("the recurrence `{part}` is not understood; write one event for each year");
        match name.to_ascii_uppercase().as_str() {
            "FREQ" if text.eq_ignore_ascii_case("YEARLY") => {}
            "WKST" => {}
            "INTERVAL" => interval = text.parse().ok().filter(|years| (1..=100).contains(years)).ok_or_else(refused)?,
            "COUNT" => count = Some(text.parse::<usize>().ok().filter(|count| *count > 0).ok_or_else(refused)?),
            "UNTIL" => until = Some(text.get(..8).and_then(read_date).ok_or_else(refused)?),
            // These only repeat what the start says.
            "BYMONTH" if text == start.month().to_string() => {}
            "BYMONTHDAY" if text == start.day().to_string() => {}
            _ => return Err(refused()),
        }
    }
    if !rule.to_ascii_uppercase().contains("FREQ=YEARLY") {
        return Err(format!("the recurrence `{rule}` is not yearly; write one event for each date"));
    }
    let years = (0..).map(|n: i16| start.year().saturating_add(n.saturating_mul(interval)));
    let starts = years
        .take_while(|year| *year <= *HORIZON.end())
        // 29 February comes in leap years only, and only those count.
        .filter_map(|year| Date::new(year, start.month(), start.day()).ok())
        .take_while(|day| until.is_none_or(|until| *day <= until))
        .take(count.unwrap_or(usize::MAX));
    Ok((starts.collect(), until.is_none() && count.is_none()))
}

fn is(property: &Property<'_>, name: &str) -> bool {
    property.name.as_str().eq_ignore_ascii_case(name)
}

fn property<'a, 'text>(event: &'a Component<'text>, name: &str) -> Option<&'a Property<'text>> {
    event.properties.iter().find(|property| is(property, name))
}

fn value<'a>(event: &'a Component<'_>, name: &str) -> Option<&'a str> {
    property(event, name).map(|property| property.val.as_str())
}

/// Undoes the escapes of iCalendar text, without line breaks.
fn unescaped(text: &str) -> String {
    let text = text.replace("\\n", " ").replace("\\N", " ").replace("\\,", ",").replace("\\;", ";");
    text.replace("\\\\", "\\").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(events: &str) -> HolidayFile {
        let events = events.trim().lines().map(str::trim).collect::<Vec<_>>().join("\r\n");
        read(&format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n{events}\r\nEND:VCALENDAR\r\n"))
    }

    fn event(lines: &str) -> HolidayFile {
        file(&format!("BEGIN:VEVENT\nUID:1@x\nSUMMARY:Day\n{lines}\nEND:VEVENT"))
    }

    fn days(file: &HolidayFile) -> Vec<String> {
        file.holidays.closures().map(|closure| closure.date.to_string()).collect()
    }

    #[test]
    fn whole_days_close_with_their_name() {
        let file = file(
            "BEGIN:VEVENT
             UID:1@x
             DTSTAMP:20250101T000000Z
             DTSTART;VALUE=DATE:20261225
             DTEND;VALUE=DATE:20261227
             SUMMARY:Christmas\\, and the day after it in a line that is long enough to be f
              olded
             TRANSP:TRANSPARENT
             END:VEVENT
             BEGIN:VEVENT
             UID:2@x
             DTSTART;VALUE=DATE:20270101
             SUMMARY:New Year
             END:VEVENT",
        );
        assert_eq!(file.problems, []);
        assert_eq!(days(&file), ["2026-12-25", "2026-12-26", "2027-01-01"]);
        assert_eq!(file.holidays.on(date(2026, 12, 26))[0].name.split(',').next(), Some("Christmas"));
        // The lone New Year's Day does not make 2027 a known year.
        assert_eq!(file.holidays.known_until(), Some(date(2026, 12, 31)));
    }

    #[test]
    fn yearly_days_come_back_until_they_end() {
        let cases = [
            ("RRULE:FREQ=YEARLY;COUNT=3", 3, Some(date(2028, 12, 31))),
            ("RRULE:FREQ=YEARLY;UNTIL=20271003", 2, Some(date(2027, 12, 31))),
            ("RRULE:FREQ=YEARLY;UNTIL=20271002T235959Z", 1, Some(date(2026, 12, 31))),
            ("RRULE:FREQ=YEARLY;INTERVAL=2;COUNT=2", 2, Some(date(2028, 12, 31))),
            ("RRULE:FREQ=YEARLY;BYMONTH=10;BYMONTHDAY=3", 34, None),
            ("RRULE:FREQ=YEARLY", 34, None),
            ("RRULE:FREQ=YEARLY;COUNT=3\nEXDATE;VALUE=DATE:20271003", 2, Some(date(2028, 12, 31))),
        ];
        for (rule, count, known) in cases {
            let file = event(&format!("DTSTART;VALUE=DATE:20261003\n{rule}"));
            assert_eq!(file.problems, [], "{rule}");
            assert_eq!(days(&file).len(), count, "{rule}");
            assert_eq!(file.holidays.known_until(), known, "{rule}");
        }
        let leap = event("DTSTART;VALUE=DATE:20280229\nRRULE:FREQ=YEARLY;COUNT=2");
        assert_eq!(days(&leap), ["2028-02-29", "2032-02-29"]);
    }

    #[test]
    fn what_cannot_be_used_is_reported_and_not_dropped() {
        for (lines, expected) in [
            ("DTSTART:20261224T120000Z\nDTEND:20261224T180000Z", "time of day"),
            ("DTSTART;VALUE=DATE:20261325", "is no date"),
            ("DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=WEEKLY", "not understood"),
            ("DTSTART;VALUE=DATE:20261126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "BYDAY"),
            ("DTSTART;VALUE=DATE:20261225\nRRULE:COUNT=2", "not yearly"),
            ("DTSTART;VALUE=DATE:20261225\nRDATE;VALUE=DATE:20271225", "RDATE"),
            ("DTSTART;VALUE=DATE:20261225\nSTATUS:CANCELLED", "cancelled"),
            ("DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20270101", "at most"),
            ("DTSTART;VALUE=DATE:20261225\nDURATION:PT12H", "whole days"),
            ("DESCRIPTION:nothing", "no DTSTART"),
        ] {
            let file = event(lines);
            assert_eq!(days(&file), Vec::<String>::new(), "{lines}");
            assert_eq!(file.problems.len(), 1, "{lines}");
            assert_eq!(file.problems[0].line, Some(4), "{lines}");
            let told = file.problems[0].to_string();
            assert!(told.starts_with("line 4: `Day`: ") && told.contains(expected), "{told}");
        }
        assert_eq!(days(&event("DTSTART;VALUE=DATE:20261225\nDURATION:P2D")).len(), 2);
    }

    #[test]
    fn another_kind_of_file_is_a_problem() {
        for text in ["", "<html></html>", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", "zone = 'x'"] {
            let file = read(text);
            assert_eq!(file.problems.len(), 1, "{text:?}: {:?}", file.problems);
            assert_eq!(file.holidays, Holidays::none());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(
            lines in prop::collection::vec(prop::sample::select(vec![
                "BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "DTSTART;VALUE=DATE:20261225",
                "DTEND;VALUE=DATE:99991231", "DTSTART:é0261225", "RRULE:FREQ=YEARLY;INTERVAL=32767", "RRULE:;;=",
                "SUMMARY:x\\", " folded", "DURATION:P99999999999D", "DTSTART;VALUE=DATE:00010101", "EXDATE:,,", "☃",
            ]), 0..14)
        ) {
            drop(read(&lines.join("\r\n")));
        }
    }
}
