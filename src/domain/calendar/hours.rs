//! Opening hours as people write them: windows of local time on weekdays.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};

/// Weekday names, Monday first, as the roster spells them.
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 86_400;
const WEEK: u32 = 7 * DAY;

/// Seconds of local time after midnight between which a team is open; written `08:30-12:00`, past midnight
/// `22:00-06:00`, the whole day `00:00-24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    from: u32,
    /// More than `from`; more than a day for a window past midnight.
    to: u32,
}

impl Window {
    /// A window between two times of day; one that does not end after it starts runs past midnight.
    ///
    /// # Errors
    /// [`HoursError::Empty`] if both are the same time.
    pub fn new(from: Time, to: Time) -> Result<Self, HoursError> {
        Self::of(second_of_day(from), second_of_day(to))
    }

    fn of(from: u32, to: u32) -> Result<Self, HoursError> {
        match to {
            _ if from == to => Err(HoursError::Empty { found: format!("{}-{}", Clock(from), Clock(to)) }),
            _ if from < to => Ok(Self { from, to }),
            _ => Ok(Self { from, to: to + DAY }),
        }
    }

    /// Seconds after midnight at which it opens, below 86,400.
    #[must_use]
    pub fn opens_second(self) -> i64 {
        i64::from(self.from)
    }

    /// Seconds after the same midnight at which it closes; above 86,400 past midnight.
    #[must_use]
    pub fn closes_second(self) -> i64 {
        i64::from(self.to)
    }

    /// Whether it ends on the next day.
    #[must_use]
    pub fn is_overnight(self) -> bool {
        self.to > DAY
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", Clock(self.from), Clock(if self.to > DAY { self.to - DAY } else { self.to }))
    }
}

struct Clock(u32);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 3600, self.0 % 3600 / 60)?;
        if self.0.is_multiple_of(60) { Ok(()) } else { write!(f, ":{:02}", self.0 % 60) }
    }
}

/// Hours or days that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Not two times with a dash between them.
    #[error("`{found}` is no window of opening hours: write \"08:30-17:00\", \"22:00-06:00\" or \"00:00-24:00\"")]
    Window {
        /// What was written.
        found: String,
    },
    /// Start and end are the same.
    #[error("`{found}` has no length: write \"00:00-24:00\" for a whole day")]
    Empty {
        /// What was written.
        found: String,
    },
    /// Not a weekday or a range of weekdays.
    #[error("`{found}` is no weekday: write \"mon\", \"mon-fri\" or \"sat,sun\"")]
    Days {
        /// What was written.
        found: String,
    },
}

impl FromStr for Window {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let unreadable = || HoursError::Window { found: text.to_owned() };
        let (from, to) = text.split_once(['-', '–']).ok_or_else(unreadable)?;
        let from = clock(from).filter(|from| *from < DAY).ok_or_else(unreadable)?;
        Self::of(from, clock(to).ok_or_else(unreadable)?)
    }
}

/// Reads `8:30`, `08:30`, `08:30:15` or `24:00` as seconds after midnight.
fn clock(text: &str) -> Option<u32> {
    let mut parts = text.trim().split(':').map(|part| {
        let plain = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<u32>().ok() } else { None }
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let total = hour * 3600 + minute * 60 + second;
    (parts.next().is_none() && minute < 60 && second < 60 && total <= DAY).then_some(total)
}

fn second_of_day(time: Time) -> u32 {
    [(time.hour(), 3600), (time.minute(), 60), (time.second(), 1)]
        .into_iter()
        .map(|(part, seconds)| u32::from(part.unsigned_abs()) * seconds)
        .sum()
}

/// One or more weekdays; written `mon`, `mon-thu`, `fri-mon` or `sat,sun`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days(pub Vec<Weekday>);

impl FromStr for Days {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let unreadable = || HoursError::Days { found: text.to_owned() };
        let day = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            let found = NAMES.iter().position(|short| name == *short || name == full_name(short));
            found.and_then(|i| i8::try_from(i).ok()).ok_or_else(unreadable)
        };
        let mut days = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            for offset in 0..=(last - first).rem_euclid(7) {
                let weekday = Weekday::from_monday_zero_offset((first + offset) % 7).map_err(|_| unreadable())?;
                if !days.contains(&weekday) {
                    days.push(weekday);
                }
            }
        }
        Ok(Self(days))
    }
}

fn full_name(short: &str) -> String {
    let rest = match short {
        "tue" => "sday",
        "wed" => "nesday",
        "thu" => "rsday",
        "sat" => "urday",
        _ => "day",
    };
    format!("{short}{rest}")
}

/// `mon` to `sun`.
#[must_use]
pub fn day_name(day: Weekday) -> &'static str {
    NAMES[usize::from(day.to_monday_zero_offset().unsigned_abs())]
}

/// The windows of each weekday. A window past midnight belongs to the day it opens on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours([Vec<Window>; 7]);

impl Hours {
    /// Adds one window to each of `days`.
    #[must_use]
    pub fn open(mut self, days: impl IntoIterator<Item = Weekday>, window: Window) -> Self {
        for day in days {
            let windows = &mut self.0[usize::from(day.to_monday_zero_offset().unsigned_abs())];
            windows.push(window);
            windows.sort_unstable();
        }
        self
    }

    /// Hours from pairs as the roster writes them: `("mon-thu", "08:30-12:00")`.
    ///
    /// # Errors
    /// The first part that cannot be read.
    pub fn parse<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HoursError> {
        let mut hours = Self::default();
        for (days, window) in lines {
            hours = hours.open(days.parse::<Days>()?.0, window.parse()?);
        }
        Ok(hours)
    }

    /// The windows that open on a weekday, by start.
    #[must_use]
    pub fn on(&self, day: Weekday) -> &[Window] {
        &self.0[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }

    /// Two windows that share time, across midnight and across the week's end too.
    pub(super) fn overlap(&self) -> Option<((Weekday, Window), (Weekday, Window))> {
        let mut week = Vec::new();
        let mut midnight = 0;
        for (day, windows) in Weekday::Monday.cycle_forward().zip(&self.0) {
            week.extend(windows.iter().map(|window| (midnight + window.from, midnight + window.to, day, *window)));
            midnight += DAY;
        }
        let first_again = week.first().map(|(from, to, day, window)| (from + WEEK, to + WEEK, *day, *window));
        let following = week.iter().copied().skip(1).chain(first_again);
        let mut reach: Option<(u32, Weekday, Window)> = None;
        for ((_, to, day, window), (next_from, _, next_day, next)) in week.iter().copied().zip(following) {
            let furthest = reach.filter(|(reached, ..)| *reached > to).unwrap_or((to, day, window));
            let alone = week.len() == 1;
            if furthest.0 > next_from && !alone {
                return Some(((furthest.1, furthest.2), (next_day, next)));
            }
            reach = Some(furthest);
        }
        None
    }
}
