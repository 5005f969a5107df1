//! Business time: how much of the time between two instants a team was open, and when a promise falls due.
//!
//! This is the only place of the domain that knows zones and civil dates; everywhere else an instant is a
//! [`Timestamp`] and a length is a [`SignedDuration`]. A [`Calendar`] is worked out once (every open interval of its
//! [`HORIZON`], as UTC seconds with running totals), so that each question costs one or two binary searches.
//!
//! Two rules decide everything about changes of the clocks:
//! - a window opens at the *first* instant at which the wall clock reads its start or later, and closes right after
//!   the *last* instant at which it reads less than its end. So a boundary inside a gap moves to the gap's end, and
//!   in a repeated hour the earlier start and the later end hold;
//! - what counts inside is elapsed time: a night shift of 22:00-06:00 has 7 hours in March and 9 in October.
//!
//! An interval includes its first instant and not its last, so time is counted once; a deadline may still fall on
//! the closing instant, because it is the earliest one with the whole promise behind it.
//! It must not know where hours or holidays were read from. Read next: `hours.rs`, `holidays.rs`, `span.rs`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

mod explain;
mod holidays;
mod hours;
mod span;
mod table;

pub use explain::{Interval, Why};
pub use holidays::{Closure, Holidays};
pub use hours::{Days, Hours, HoursError, Window, day_name};
pub use span::{Span, SpanError};

use table::Table;

/// The years that [`Calendar::new`] works out. Time outside them counts as closed.
pub const HORIZON: RangeInclusive<i16> = 2000..=2059;

/// The longest horizon a calendar can have, in years.
const YEARS_MAX: i16 = 100;

/// When a team is open. Cheap to clone; clones share the worked-out intervals.
#[derive(Clone, Debug)]
pub struct Calendar(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    zone: TimeZone,
    hours: Hours,
    holidays: Holidays,
    /// `None`: open at every instant.
    table: Option<Table>,
}

/// Why a calendar cannot be made, or cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No window at all, or holidays on every open day.
    #[error("calendar `{calendar}` is never open: give at least one weekday a window such as \"09:00-17:00\"")]
    NeverOpen {
        /// The calendar's name.
        calendar: String,
    },
    /// Two windows share time, perhaps across midnight.
    #[error("calendar `{calendar}`: the window {first} of {first_day} runs into {second} of {second_day}")]
    Overlap {
        /// The calendar's name.
        calendar: String,
        /// Weekday on which the earlier window opens, as `mon`.
        first_day: &'static str,
        /// The earlier window.
        first: Window,
        /// Weekday on which the later window opens.
        second_day: &'static str,
        /// The later window.
        second: Window,
    },
    /// A horizon that is empty, longer than a hundred years or outside the years 1 to 9998.
    #[error("years {from} to {to} are no usable horizon: give one to a hundred years between 1 and 9998")]
    Horizon {
        /// First year asked for.
        from: i16,
        /// Last year asked for.
        to: i16,
    },
    /// The answer lies behind the last worked-out year.
    #[error("calendar `{calendar}` has no answer before the end of {last_year}")]
    BeyondHorizon {
        /// The calendar's name.
        calendar: String,
        /// Last year that is worked out.
        last_year: i16,
    },
    /// A promise of less than nothing.
    #[error("a promise cannot take less than no time")]
    Negative,
}

impl Calendar {
    /// Works out every open interval of the [`HORIZON`].
    ///
    /// # Errors
    /// [`CalendarError::NeverOpen`] and [`CalendarError::Overlap`].
    pub fn new(
        name: impl Into<String>,
        zone: TimeZone,
        hours: Hours,
        holidays: Holidays,
    ) -> Result<Self, CalendarError> {
        Self::covering(name, zone, hours, holidays, HORIZON)
    }

    /// The same for other years, at most a hundred of them: for tests, and for imports of old history.
    ///
    /// # Errors
    /// As [`Calendar::new`], and [`CalendarError::Horizon`].
    pub fn covering(
        name: impl Into<String>,
        zone: TimeZone,
        hours: Hours,
        holidays: Holidays,
        years: RangeInclusive<i16>,
    ) -> Result<Self, CalendarError> {
        let name = name.into();
        let (from, to) = (*years.start(), *years.end());
        if from < 1 || to > 9998 || to < from || to - from >= YEARS_MAX {
            return Err(CalendarError::Horizon { from, to });
        }
        if let Some(((first_day, first), (second_day, second))) = hours.overlap() {
            let (first_day, second_day) = (hours::day_name(first_day), hours::day_name(second_day));
            return Err(CalendarError::Overlap { calendar: name, first_day, first, second_day, second });
        }
        let table = Table::build(&zone, &hours, &holidays, years);
        if table.is_empty() {
            return Err(CalendarError::NeverOpen { calendar: name });
        }
        Ok(Self(Arc::new(Inner { name, zone, hours, holidays, table: Some(table) })))
    }

    /// A calendar that is open at every instant, for promises that run through nights. Its days are UTC's.
    #[must_use]
    pub fn always_open() -> Self {
        let hours = Hours::default();
        let holidays = Holidays::default();
        Self(Arc::new(Inner { name: "always open".to_owned(), zone: TimeZone::UTC, hours, holidays, table: None }))
    }

    /// The name under which the roster knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The zone its hours and holidays are in.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.0.zone
    }

    /// Its weekly hours.
    #[must_use]
    pub fn hours(&self) -> &Hours {
        &self.0.hours
    }

    /// Its days off.
    #[must_use]
    pub fn holidays(&self) -> &Holidays {
        &self.0.holidays
    }

    /// The open time inside `[start, end)`; zero if `end` is not after `start`.
    #[must_use]
    pub fn between(&self, start: Timestamp, end: Timestamp) -> SignedDuration {
        if end <= start {
            return SignedDuration::ZERO;
        }
        match &self.0.table {
            None => end.duration_since(start),
            Some(table) => SignedDuration::from_nanos(table.open_before(end) - table.open_before(start)),
        }
    }

    /// The earliest instant that has `open` of open time between `start` and itself; `start` itself for zero.
    ///
    /// # Errors
    /// [`CalendarError::Negative`], and [`CalendarError::BeyondHorizon`] if it lies behind the last year.
    pub fn add(&self, start: Timestamp, open: SignedDuration) -> Result<Timestamp, CalendarError> {
        if open.is_negative() {
            return Err(CalendarError::Negative);
        }
        if open.is_zero() {
            return Ok(start);
        }
        let Some(table) = &self.0.table else {
            return start.checked_add(open).map_err(|_| self.beyond_horizon());
        };
        let open = i64::try_from(open.as_nanos()).map_err(|_| self.beyond_horizon())?;
        let target = table.open_before(start).checked_add(open).ok_or_else(|| self.beyond_horizon())?;
        table.instant_with(target).ok_or_else(|| self.beyond_horizon())
    }

    /// The same time of day, that many open days later, moved to the last open instant at or before it.
    ///
    /// A day is open if a window opens on it. A shift past midnight belongs to the day it opened on. A start on a
    /// day without open hours counts as that day's end: its time of day would turn "1 business day" from Sunday
    /// 09:05 into five minutes of Monday, and a later arrival could fall due before an earlier one. For the same
    /// reason a result without any open time behind it moves on to the end of its day. Zero days is `start`.
    ///
    /// # Errors
    /// [`CalendarError::BeyondHorizon`] if it lies behind the last year.
    pub fn add_days(&self, start: Timestamp, business_days: u32) -> Result<Timestamp, CalendarError> {
        if business_days == 0 {
            return Ok(start);
        }
        let Some(table) = &self.0.table else {
            let days = SignedDuration::from_hours(24 * i64::from(business_days));
            return start.checked_add(days).map_err(|_| self.beyond_horizon());
        };
        let inner = &*self.0;
        let local = inner.zone.to_datetime(start);
        let mut day = local.date();
        let mut second_of_day = i64::from(local.time().hour()) * 3600
            + i64::from(local.time().minute()) * 60
            + i64::from(local.time().second());
        let in_window_of = |day: Date| {
            inner.hours.on(day.weekday()).iter().any(|window| {
                let (opens, closes) = table::window_bounds(&inner.zone, day, *window);
                opens <= start.as_second() && start.as_second() < closes
            })
        };
        if let Ok(yesterday) = day.yesterday()
            && !in_window_of(day)
            && in_window_of(yesterday)
        {
            day = yesterday;
            second_of_day += 86_400;
        }
        let starts_on_open_day = table.open_day(day).is_some();
        let target = table.nth_open_day_after(day, business_days).ok_or_else(|| self.beyond_horizon())?;
        if starts_on_open_day {
            let at = table::first_reading(&inner.zone, target.date, second_of_day);
            let at = Timestamp::new(at, start.subsec_nanosecond().max(0)).map_err(|_| self.beyond_horizon())?;
            if let Some(moved) = table.last_open_at_or_before(at)
                && self.between(start, moved).is_positive()
            {
                return Ok(moved);
            }
        }
        Timestamp::from_second(target.closes).map_err(|_| self.beyond_horizon())
    }

    /// `start` plus `percent` of the open time between `start` and `due`; past 100 it goes on at that scale.
    ///
    /// At 100 it is `due` itself, and so it is if no open time lies between the two.
    ///
    /// # Errors
    /// [`CalendarError::BeyondHorizon`] if it lies behind the last year.
    pub fn at_percent(&self, start: Timestamp, due: Timestamp, percent: u32) -> Result<Timestamp, CalendarError> {
        let whole = self.between(start, due);
        if percent == 100 || whole.is_zero() {
            return Ok(due);
        }
        let part = whole.as_nanos() * i128::from(percent) / 100;
        let part = i64::try_from(part).map_err(|_| self.beyond_horizon())?;
        self.add(start, SignedDuration::from_nanos(part))
    }

    /// Whether somebody is there at `at`.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.0.table.as_ref().is_none_or(|table| table.is_open(at))
    }

    /// `at` if it is open then, else the next opening.
    ///
    /// # Errors
    /// [`CalendarError::BeyondHorizon`] if none comes before the end of the last year.
    pub fn next_open(&self, at: Timestamp) -> Result<Timestamp, CalendarError> {
        match &self.0.table {
            None => Ok(at),
            Some(table) => table.next_open(at).ok_or_else(|| self.beyond_horizon()),
        }
    }

    /// Every counted and every skipped stretch of `[start, end)` in order, without holes; empty if `end` is not
    /// after `start`. Neighbours differ in their reason.
    #[must_use]
    pub fn explain(&self, start: Timestamp, end: Timestamp) -> Vec<Interval> {
        explain::explain(&self.0, start, end)
    }

    /// Whether `until` lies behind the last date for which holidays are known, so that an answer up to there rests
    /// on the assumption that there are none. Never so for a calendar without any holiday data.
    #[must_use]
    pub fn assumes_no_holidays(&self, until: Timestamp) -> bool {
        self.0.holidays.known_until().is_some_and(|known| self.date(until) > known)
    }

    /// The last date for which holidays are known; `None` if no holiday data was given.
    #[must_use]
    pub fn holidays_known_until(&self) -> Option<Date> {
        self.0.holidays.known_until()
    }

    /// The civil date at `at` in this calendar's zone.
    #[must_use]
    pub fn date(&self, at: Timestamp) -> Date {
        self.0.zone.to_datetime(at).date()
    }

    /// The first instant of `date` in this calendar's zone.
    #[must_use]
    pub fn midnight(&self, date: Date) -> Timestamp {
        Timestamp::from_second(table::first_reading(&self.0.zone, date, 0)).unwrap_or(Timestamp::MAX)
    }

    fn beyond_horizon(&self) -> CalendarError {
        let last_year = self.0.table.as_ref().map_or(9999, |table| table.last_year);
        CalendarError::BeyondHorizon { calendar: self.0.name.clone(), last_year }
    }
}

#[cfg(test)]
mod tests;
