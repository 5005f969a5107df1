//! How long a promise may take, as the agreement writes it: `4 business hours`, `2 business days`, `30 minutes`.

use crate::domain::counted::many;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::{Calendar, CalendarError};

/// The largest number that may stand before a unit.
const COUNT_MAX: u32 = 100_000;

/// The length of a promise or of a wait. Never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    /// Open time of a calendar.
    Business(SignedDuration),
    /// Open days of a calendar.
    BusinessDays(u32),
    /// Elapsed time, which runs through nights and weekends. A `day` is 24 hours here.
    Elapsed(SignedDuration),
}

impl Span {
    /// When it ends if it starts at `start`.
    ///
    /// # Errors
    /// [`CalendarError::BeyondHorizon`] if that is too far away.
    pub fn end(self, calendar: &Calendar, start: Timestamp) -> Result<Timestamp, CalendarError> {
        match self {
            Self::Business(open) => calendar.add(start, open),
            Self::BusinessDays(days) => calendar.add_days(start, days),
            Self::Elapsed(elapsed) => Calendar::always_open().add(start, elapsed),
        }
    }

    /// Where `percent` of the way from `start` to `due` lies, on this span's own scale.
    ///
    /// # Errors
    /// [`CalendarError::BeyondHorizon`] if that is too far away.
    pub fn at_percent(
        self,
        calendar: &Calendar,
        start: Timestamp,
        due: Timestamp,
        percent: u32,
    ) -> Result<Timestamp, CalendarError> {
        match self {
            Self::Business(_) | Self::BusinessDays(_) => calendar.at_percent(start, due, percent),
            Self::Elapsed(_) => Calendar::always_open().at_percent(start, due, percent),
        }
    }

    /// Whether it needs a calendar.
    #[must_use]
    pub fn is_business(self) -> bool {
        !matches!(self, Self::Elapsed(_))
    }
}

/// A length of time that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no length of time: {hint}")]
pub struct SpanError {
    /// What was written.
    pub found: String,
    /// What to write instead.
    pub hint: String,
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refused = |hint: &str| SpanError { found: text.to_owned(), hint: hint.to_owned() };
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(refused("write a whole number and a unit, such as \"4 business hours\" or \"30 minutes\""));
        }
        if unit.starts_with(['.', ',']) {
            return Err(refused("write whole numbers of a smaller unit, such as \"90 business minutes\""));
        }
        let count: u32 = number
            .parse()
            .ok()
            .filter(|count| (1..=COUNT_MAX).contains(count))
            .ok_or_else(|| refused(&format!("the number must be from 1 to {COUNT_MAX}")))?;
        let words: Vec<String> = unit.split_whitespace().map(str::to_ascii_lowercase).collect();
        let (business, unit) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["business" | "working", unit] => (true, unit),
            [unit] => (false, unit),
            [] => {
                return Err(refused(&format!(
                    "a unit is missing, such as \"{}\"",
                    many(count, "business hour", "business hours")
                )));
            }
            _ => return Err(refused("write one number with one unit, such as \"90 business minutes\"")),
        };
        let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
            "second" => 1,
            "minute" => 60,
            "hour" => 3600,
            "day" if business => return Ok(Self::BusinessDays(count)),
            "day" => 86_400,
            "week" if business => {
                return Err(refused(&format!("count business weeks in days, such as \"{} business days\"", 5 * count)));
            }
            "week" => 7 * 86_400,
            "month" | "quarter" | "year" => return Err(refused("months differ in length; write days")),
            _ => {
                return Err(refused("the units are seconds, minutes, hours, days and weeks; \"business\" may precede"));
            }
        };
        let length = SignedDuration::from_secs(i64::from(count) * seconds);
        Ok(if business { Self::Business(length) } else { Self::Elapsed(length) })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self {
            Self::BusinessDays(days) => (i64::from(*days), "business day"),
            Self::Business(length) => match whole_units(*length) {
                (count, 3600) => (count, "business hour"),
                (count, 60) => (count, "business minute"),
                (count, _) => (count, "business second"),
            },
            Self::Elapsed(length) if !length.is_zero() && length.as_secs() % 86_400 == 0 => {
                (length.as_secs() / 86_400, "day")
            }
            Self::Elapsed(length) => match whole_units(*length) {
                (count, 3600) => (count, "hour"),
                (count, 60) => (count, "minute"),
                (count, _) => (count, "second"),
            },
        };
        write!(f, "{}", many(count, unit, &format!("{unit}s")))
    }
}

/// The count in the largest unit that divides `length`, and that unit's seconds.
fn whole_units(length: SignedDuration) -> (i64, i64) {
    let seconds = length.as_secs();
    match seconds {
        0 => (0, 1),
        _ if seconds % 3600 == 0 => (seconds / 3600, 3600),
        _ if seconds % 60 == 0 => (seconds / 60, 60),
        _ => (seconds, 1),
    }
}
