//! The worked-out open intervals of one calendar: built once, then only searched.
//!
//! Seconds count from the first instant of the horizon, so that four bytes hold a hundred years: an office with a
//! lunch break takes 16 bytes a day.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::{Holidays, Hours, Window};

const NANOS: i64 = 1_000_000_000;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Sorted, disjoint, non-touching open intervals with running totals.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) last_year: i16,
    /// Unix second of the horizon's first instant; the other times count from it.
    origin: i64,
    /// Where interval `i` starts.
    starts: Vec<u32>,
    /// Open seconds before interval `i`; one entry more than `starts`, the last is the total.
    before: Vec<u32>,
    /// Days on which a window opens, in order.
    days: Vec<OpenDay>,
}

#[derive(Clone, Copy, Debug)]
struct OpenDay {
    /// Days since 1970-01-01.
    day: i32,
    /// Where the last of the day's windows ends, if need be on the next day.
    closes: u32,
}

/// An open day that was asked for.
pub(super) struct Day {
    pub(super) date: Date,
    /// Unix second at which its last window closes.
    pub(super) closes: i64,
}

impl Table {
    pub(super) fn build(zone: &TimeZone, hours: &Hours, holidays: &Holidays, years: RangeInclusive<i16>) -> Self {
        let first = Date::constant(*years.start(), 1, 1);
        let last = Date::constant(*years.end(), 12, 31);
        let origin = first_reading(zone, first, 0);
        let end = first_reading(zone, last, 86_400);

        // The day before the horizon may reach into it.
        let mut windows = Vec::new();
        let mut date = first.yesterday().unwrap_or(first);
        while date <= last {
            for window in hours.on(date.weekday()) {
                let (opens, closes) = window_bounds(zone, date, *window);
                let (opens, closes) = (opens.max(origin), closes.min(end));
                if opens < closes {
                    windows.push((date, opens, closes));
                }
            }
            match date.tomorrow() {
                Ok(tomorrow) => date = tomorrow,
                Err(_) => break,
            }
        }
        let closed = joined(holidays.closures().map(|closure| {
            let (from, to) = (closure.opens_second(), closure.closes_second());
            (first_reading(zone, closure.date, from), last_reading(zone, closure.date, to))
        }));
        let open = without(&joined(windows.iter().map(|(_, opens, closes)| (*opens, *closes))), &closed);

        let offset =
            |at: i64| u32::try_from(at - origin).expect("a horizon of a hundred years fits 32 bits of seconds");
        let mut table = Self { last_year: *years.end(), origin, starts: vec![], before: vec![0], days: vec![] };
        let mut total = 0;
        for (from, to) in open {
            table.starts.push(offset(from));
            total += to - from;
            table.before.push(offset(origin + total));
        }
        table.starts.shrink_to_fit();
        table.before.shrink_to_fit();
        table.days = table.open_days(&windows, offset);
        table
    }

    fn open_days(&self, windows: &[(Date, i64, i64)], offset: impl Fn(i64) -> u32) -> Vec<OpenDay> {
        let mut days: Vec<OpenDay> = Vec::new();
        for (date, opens, closes) in windows {
            let (Ok(from), Ok(to)) = (Timestamp::from_second(*opens), Timestamp::from_second(*closes)) else {
                continue;
            };
            let open = self.open_before(to) - self.open_before(from);
            let Some(last) = self.last_open_at_or_before(to).filter(|_| open > 0) else { continue };
            let day = OpenDay { day: day_number(*date), closes: offset(last.as_second()) };
            match days.last_mut() {
                Some(same) if same.day == day.day => *same = day,
                _ => days.push(day),
            }
        }
        days.shrink_to_fit();
        days
    }

    /// The first instant of the horizon and the one after its last.
    pub(super) fn covers(&self, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let end = first_reading(zone, Date::constant(self.last_year, 12, 31), 86_400);
        (
            Timestamp::from_second(self.origin).unwrap_or(Timestamp::MIN),
            Timestamp::from_second(end).unwrap_or(Timestamp::MAX),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Open nanoseconds of the horizon before `at`.
    pub(super) fn open_before(&self, at: Timestamp) -> i64 {
        let (second, nanosecond) = self.split(at);
        let found = self.starts.partition_point(|start| i64::from(*start) <= second);
        let Some(i) = found.checked_sub(1) else { return 0 };
        let before = i64::from(self.before[i]);
        let length = i64::from(self.before[found]) - before;
        let inside = second - i64::from(self.starts[i]);
        if inside >= length { (before + length) * NANOS } else { (before + inside) * NANOS + nanosecond }
    }

    /// The earliest instant with `open` nanoseconds (more than none) of the horizon before it.
    pub(super) fn instant_with(&self, open: i64) -> Option<Timestamp> {
        let (second, nanosecond) = (open.div_euclid(NANOS), open.rem_euclid(NANOS));
        let whole = second + i64::from(nanosecond > 0);
        let i = self.before.partition_point(|before| i64::from(*before) < whole).checked_sub(1)?;
        let start = i64::from(*self.starts.get(i)?);
        let at = self.origin + start + second - i64::from(self.before[i]);
        Timestamp::new(at, i32::try_from(nanosecond).ok()?).ok()
    }

    pub(super) fn is_open(&self, at: Timestamp) -> bool {
        self.interval_at(at).is_some_and(|(_, to)| at.as_second() < to)
    }

    pub(super) fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return Some(at);
        }
        let (second, _) = self.split(at);
        let next = self.starts.partition_point(|start| i64::from(*start) <= second);
        Timestamp::from_second(self.origin + i64::from(*self.starts.get(next)?)).ok()
    }

    /// `at` if it is open or a closing instant, else the closing before it.
    pub(super) fn last_open_at_or_before(&self, at: Timestamp) -> Option<Timestamp> {
        let (_, to) = self.interval_at(at)?;
        if at.as_second() < to { Some(at) } else { Timestamp::from_second(to).ok() }
    }

    /// The interval that holds `at`, or the last one before it, in Unix seconds.
    fn interval_at(&self, at: Timestamp) -> Option<(i64, i64)> {
        let (second, _) = self.split(at);
        let found = self.starts.partition_point(|start| i64::from(*start) <= second);
        self.interval(found.checked_sub(1)?)
    }

    fn interval(&self, i: usize) -> Option<(i64, i64)> {
        let start = self.origin + i64::from(*self.starts.get(i)?);
        Some((start, start + i64::from(self.before[i + 1]) - i64::from(self.before[i])))
    }

    /// Open intervals that touch `[start, end)`, in Unix seconds.
    pub(super) fn intervals(&self, start: Timestamp, end: Timestamp) -> impl Iterator<Item = (i64, i64)> + '_ {
        let (second, _) = self.split(start);
        let first = self.starts.partition_point(|start| i64::from(*start) <= second).saturating_sub(1);
        (first..self.starts.len())
            .filter_map(|i| self.interval(i))
            .skip_while(move |(_, to)| *to <= start.as_second())
            .take_while(move |(from, _)| Timestamp::from_second(*from).is_ok_and(|from| from < end))
    }

    pub(super) fn open_day(&self, date: Date) -> Option<Day> {
        let i = self.days.binary_search_by_key(&day_number(date), |day| day.day).ok()?;
        Some(Day { date, closes: self.origin + i64::from(self.days[i].closes) })
    }

    pub(super) fn nth_open_day_after(&self, date: Date, n: u32) -> Option<Day> {
        let after = self.days.partition_point(|day| day.day <= day_number(date));
        let day = self.days.get(after + usize::try_from(n).ok()?.checked_sub(1)?)?;
        let date = EPOCH.date().checked_add(SignedDuration::from_hours(24 * i64::from(day.day))).ok()?;
        Some(Day { date, closes: self.origin + i64::from(day.closes) })
    }

    /// Seconds since the origin and nanoseconds into that second.
    fn split(&self, at: Timestamp) -> (i64, i64) {
        let (second, nanosecond) = (at.as_second(), i64::from(at.subsec_nanosecond()));
        // Before 1970 the fraction is negative.
        if nanosecond < 0 { (second - 1 - self.origin, nanosecond + NANOS) } else { (second - self.origin, nanosecond) }
    }
}

/// The Unix seconds between which `window` of `date` is open; an empty or reversed pair if the clocks skip it.
pub(super) fn window_bounds(zone: &TimeZone, date: Date, window: Window) -> (i64, i64) {
    (first_reading(zone, date, window.opens_second()), last_reading(zone, date, window.closes_second()))
}

/// The first Unix second at which the wall clock reads `second` after midnight of `date`, or later.
pub(super) fn first_reading(zone: &TimeZone, date: Date, second: i64) -> i64 {
    let local = civil(date, second);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            naive(local) - i64::from(offset.seconds())
        }
        AmbiguousOffset::Gap { after, .. } => gap_end(zone, naive(local) - i64::from(after.seconds())),
    }
}

/// The Unix second right after the last one at which the wall clock reads less than `second` after midnight.
pub(super) fn last_reading(zone: &TimeZone, date: Date, second: i64) -> i64 {
    let local = civil(date, second);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => naive(local) - i64::from(offset.seconds()),
        AmbiguousOffset::Gap { after, .. } => gap_end(zone, naive(local) - i64::from(after.seconds())),
        AmbiguousOffset::Fold { before, after } => {
            // The very first reading of a repeated hour comes back as the hour's second start: nothing less than it
            // is read after its first pass.
            let just_before = zone.to_ambiguous_timestamp(civil(date, second - 1)).offset();
            let starts_the_fold = !matches!(just_before, AmbiguousOffset::Fold { .. });
            naive(local) - i64::from(if starts_the_fold { before } else { after }.seconds())
        }
    }
}

/// The transition behind `second`, which lies less than the gap's length before it.
fn gap_end(zone: &TimeZone, second: i64) -> i64 {
    // `following` leaves out the instant itself, and a boundary on the gap's last second may sit right there.
    let before = Timestamp::from_second(second - 1).unwrap_or(Timestamp::MIN);
    let offset = zone.to_offset(before);
    zone.following(before).find(|next| next.offset() != offset).map_or(second, |next| next.timestamp().as_second())
}

/// The civil time `second` seconds after midnight of `date`, on a later or earlier day if need be.
fn civil(date: Date, second: i64) -> DateTime {
    date.to_datetime(Time::midnight()).saturating_add(SignedDuration::from_secs(second))
}

/// Seconds from 1970-01-01T00:00 to `local`, as if its clock were UTC's.
fn naive(local: DateTime) -> i64 {
    local.duration_since(EPOCH).as_secs()
}

fn day_number(date: Date) -> i32 {
    i32::try_from(naive(date.to_datetime(Time::midnight())) / 86_400).unwrap_or(i32::MAX)
}

/// Sorts intervals and joins those that touch.
fn joined(intervals: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut sorted: Vec<_> = intervals.filter(|(from, to)| from < to).collect();
    sorted.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::with_capacity(sorted.len());
    for (from, to) in sorted {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// What of `open` lies outside `closed`; both sorted and joined.
fn without(open: &[(i64, i64)], closed: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut left = Vec::with_capacity(open.len() + closed.len());
    let mut skip = 0;
    for (mut from, to) in open.iter().copied() {
        while closed.get(skip).is_some_and(|(_, end)| *end <= from) {
            skip += 1;
        }
        for (close, reopen) in closed[skip..].iter().take_while(|(close, _)| *close < to) {
            if from < *close {
                left.push((from, *close));
            }
            from = from.max(*reopen);
        }
        if from < to {
            left.push((from, to));
        }
    }
    left
}
