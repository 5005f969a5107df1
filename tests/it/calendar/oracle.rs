//! Business time counted step by step from what the wall clock reads; shared by the tests and the benchmark.

use baton::domain::calendar::{Holidays, Hours, Window};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

/// One zone's wall clock over a stretch of time, one reading a step.
pub(crate) struct Readings {
    pub(crate) first: Timestamp,
    pub(crate) step: i64,
    /// Local seconds since 1970, at each step.
    pub(crate) local: Vec<i64>,
    /// The latest reading so far.
    pub(crate) latest: Vec<i64>,
    /// The earliest reading from here on.
    pub(crate) earliest: Vec<i64>,
}

impl Readings {
    pub(crate) fn of(zone: &TimeZone, first: Timestamp, last: Timestamp, step: i64) -> Self {
        let local: Vec<i64> = (first.as_second()..last.as_second())
            .step_by(usize::try_from(step).expect("within range"))
            .map(|second| {
                second + i64::from(zone.to_offset(Timestamp::from_second(second).expect("within range")).seconds())
            })
            .collect();
        let mut latest = local.clone();
        for i in 1..latest.len() {
            latest[i] = latest[i].max(latest[i - 1]);
        }
        let mut earliest = local.clone();
        for i in (1..earliest.len()).rev() {
            earliest[i - 1] = earliest[i - 1].min(earliest[i]);
        }
        Self { first, step, local, latest, earliest }
    }

    /// Whether each step is open, said by the wall clock alone: a window is open from the first reading of its start
    /// to the last reading before its end, and so is a closure closed.
    pub(crate) fn open(&self, hours: &Hours, holidays: &Holidays) -> Vec<bool> {
        let midnight = |date: Date| date.to_datetime(Time::midnight()).duration_since(EPOCH).as_secs();
        let closures: Vec<(i64, i64)> = holidays
            .closures()
            .map(|closure| {
                let part = closure.part.unwrap_or(WHOLE_DAY.parse().expect("within range"));
                (midnight(closure.date) + part.opens_second(), midnight(closure.date) + part.closes_second())
            })
            .collect();
        let (mut of_day, mut windows_near, mut closures_near) = (i64::MIN, Vec::new(), Vec::new());
        (0..self.local.len())
            .map(|i| {
                let day = self.local[i].div_euclid(86_400);
                if of_day != day {
                    let near = |(from, to): &(i64, i64)| *from < (day + 3) * 86_400 && *to > (day - 2) * 86_400;
                    let windows = (day - 2..=day + 2).flat_map(|day| {
                        let weekday = Weekday::Thursday.wrapping_add(day);
                        let bounds = |window: &Window| {
                            (day * 86_400 + window.opens_second(), day * 86_400 + window.closes_second())
                        };
                        hours.on(weekday).iter().map(bounds).collect::<Vec<_>>()
                    });
                    of_day = day;
                    windows_near = windows.collect::<Vec<_>>();
                    closures_near = closures.iter().copied().filter(near).collect();
                }
                let covers = |(from, to): &(i64, i64)| *from <= self.latest[i] && self.earliest[i] < *to;
                windows_near.iter().any(covers) && !closures_near.iter().any(covers)
            })
            .collect()
    }
}

pub(crate) const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
pub(crate) const WHOLE_DAY: &str = "00:00-24:00";

/// Counts steps; knows nothing of intervals.
pub(crate) struct Oracle {
    pub(crate) first: i64,
    pub(crate) step: i64,
    pub(crate) open: Vec<bool>,
    /// Open seconds before each step.
    pub(crate) before: Vec<i64>,
}

impl Oracle {
    pub(crate) fn new(readings: &Readings, hours: &Hours, holidays: &Holidays) -> Self {
        let open = readings.open(hours, holidays);
        let mut before = vec![0];
        for is_open in &open {
            before.push(before[before.len() - 1] + if *is_open { readings.step } else { 0 });
        }
        Self { first: readings.first.as_second(), step: readings.step, open, before }
    }

    pub(crate) fn open_before(&self, second: i64) -> i64 {
        let i = usize::try_from((second - self.first) / self.step).expect("within range");
        let inside = (second - self.first) % self.step;
        self.before[i] + if self.open.get(i) == Some(&true) { inside } else { 0 }
    }

    pub(crate) fn add(&self, start: i64, open: i64) -> Option<i64> {
        if open == 0 {
            return Some(start);
        }
        let target = self.open_before(start) + open;
        let after = self.before.partition_point(|before| *before < target);
        let step = i64::try_from(after - 1).expect("within range");
        (after < self.before.len()).then(|| self.first + step * self.step + target - self.before[after - 1])
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("within range")
}

pub(crate) const HOURS: [&[(&str, &str)]; 7] = [
    &[("mon-fri", "09:00-17:00")],
    &[("mon-thu", "08:30-12:00"), ("mon-thu", "13:00-17:30"), ("fri", "08:30-15:00")],
    &[("mon-sun", "22:00-06:00")],
    &[("mon-sun", "00:00-24:00")],
    &[("sat-sun", "00:15-01:45"), ("sat-sun", "02:00-02:30"), ("sat-sun", "02:40-03:10"), ("mon,tue", "23:30-00:30")],
    &[("mon-sun", "00:00-02:15"), ("mon-sun", "02:45-09:00"), ("mon-sun", "23:15-24:00")],
    &[("sun-thu", "18:00-02:30"), ("sun-thu", "08:00-12:00")],
];

pub(crate) fn holidays_of(year: i16, random: &mut fastrand::Rng) -> Holidays {
    let mut holidays = Holidays::none();
    for _ in 0..random.usize(0..12) {
        let day = Date::constant(year, 1, 1).saturating_add(jiff::Span::new().days(random.i64(0..365)));
        holidays = match random.u8(0..3) {
            0 => holidays.close_part(day, "12:00-24:00".parse().expect("within range"), "half day"),
            1 => holidays.close(day, "day off").close(day.tomorrow().expect("within range"), "another"),
            _ => holidays.close(day, "day off"),
        };
    }
    holidays
}

pub(crate) fn year_of(zone: &TimeZone, year: i16) -> (Timestamp, Timestamp) {
    let start =
        |year| zone.to_timestamp(Date::constant(year, 1, 1).to_datetime(Time::midnight())).expect("within range");
    (start(year), start(year + 1))
}
