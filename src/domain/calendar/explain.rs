//! A clock's story: every counted and every skipped stretch, with the reason.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};

use super::hours::day_name;
use super::{Closure, Inner, table};

/// One stretch of time that a calendar counts or skips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Its first instant.
    pub from: Timestamp,
    /// The instant after its last.
    pub to: Timestamp,
    /// Whether it counts.
    pub open: bool,
    /// The reason.
    pub why: Why,
}

/// Why a stretch counts or is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Inside opening hours.
    Open,
    /// Outside the hours of a day that has some.
    ClosedHours,
    /// A Saturday or Sunday without hours.
    Weekend,
    /// Another weekday without hours.
    DayOff(Weekday),
    /// A holiday, by date and name.
    Holiday(Date, String),
    /// Outside the years the calendar covers.
    OutsideHorizon,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::ClosedHours => f.write_str("closed hours"),
            Self::Weekend => f.write_str("weekend"),
            Self::DayOff(day) => write!(f, "no hours on {}", day_name(*day)),
            Self::Holiday(date, name) if name.is_empty() => write!(f, "holiday {date}"),
            Self::Holiday(date, name) => write!(f, "holiday {date} {name}"),
            Self::OutsideHorizon => f.write_str("outside the years this calendar covers"),
        }
    }
}

pub(super) fn explain(calendar: &Inner, start: Timestamp, end: Timestamp) -> Vec<Interval> {
    let mut story = Vec::new();
    if end <= start {
        return story;
    }
    let Some(table) = &calendar.table else {
        story.push(Interval { from: start, to: end, open: true, why: Why::Open });
        return story;
    };
    let mut at = start;
    for (from, to) in table.intervals(start, end) {
        let (Ok(from), Ok(to)) = (Timestamp::from_second(from), Timestamp::from_second(to)) else { continue };
        let (from, to) = (from.max(start), to.min(end));
        closed(calendar, at, from, &mut story);
        push(&mut story, from, to, Why::Open);
        at = to;
    }
    closed(calendar, at, end, &mut story);
    story
}

/// Cuts a closed stretch where its reason may change: at midnights and at the ends of closures.
fn closed(calendar: &Inner, from: Timestamp, to: Timestamp, story: &mut Vec<Interval>) {
    let first = calendar.zone.to_datetime(from).date();
    let last = calendar.zone.to_datetime(to).date();
    let (covered_from, covered_to) = calendar.table.as_ref().map_or((from, to), |table| table.covers(&calendar.zone));
    let mut cuts = vec![from, to, covered_from, covered_to];
    let cut = |date: Date, second: i64| Timestamp::from_second(table::first_reading(&calendar.zone, date, second)).ok();
    // Outside the horizon there is one reason only, so nothing to cut.
    let mut date = first.max(calendar.zone.to_datetime(covered_from).date());
    let last = last.min(calendar.zone.to_datetime(covered_to).date());
    while date <= last {
        cuts.extend(cut(date, 0));
        for closure in calendar.holidays.on(date) {
            cuts.extend(cut(date, closure.opens_second()));
            cuts.extend(Timestamp::from_second(table::last_reading(&calendar.zone, date, closure.closes_second())));
        }
        match date.tomorrow() {
            Ok(tomorrow) => date = tomorrow,
            Err(_) => break,
        }
    }
    cuts.retain(|cut| (from..=to).contains(cut));
    cuts.sort_unstable();
    cuts.dedup();
    for pair in cuts.windows(2) {
        let outside = pair[0] < covered_from || pair[0] >= covered_to;
        let why = if outside { Why::OutsideHorizon } else { reason(calendar, pair[0]) };
        push(story, pair[0], pair[1], why);
    }
}

/// The reason for being closed at `at`.
fn reason(calendar: &Inner, at: Timestamp) -> Why {
    let date = calendar.zone.to_datetime(at).date();
    let holds = |closure: &&Closure| {
        let from = table::first_reading(&calendar.zone, closure.date, closure.opens_second());
        let to = table::last_reading(&calendar.zone, closure.date, closure.closes_second());
        from <= at.as_second() && at.as_second() < to
    };
    // A partial closure past midnight stands under the day before.
    let yesterday = date.yesterday().unwrap_or(date);
    let closures = calendar.holidays.on(date).iter().chain(calendar.holidays.on(yesterday));
    if let Some(closure) = closures.into_iter().find(holds) {
        return Why::Holiday(closure.date, closure.name.clone());
    }
    match date.weekday() {
        day if !calendar.hours.on(day).is_empty() => Why::ClosedHours,
        Weekday::Saturday | Weekday::Sunday => Why::Weekend,
        day => Why::DayOff(day),
    }
}

fn push(story: &mut Vec<Interval>, from: Timestamp, to: Timestamp, why: Why) {
    if from >= to {
        return;
    }
    match story.last_mut() {
        Some(last) if last.why == why && last.to == from => last.to = to,
        _ => story.push(Interval { from, to, open: why == Why::Open, why }),
    }
}
