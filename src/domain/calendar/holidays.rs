//! Days, and parts of days, on which a team is closed whatever its weekly hours say.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::Window;

/// One closed day or part of a day, in the calendar's zone.
///
/// It closes its civil day from midnight to midnight and nothing else: a shift past midnight is cut there, and so
/// it is said in `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The civil date.
    pub date: Date,
    /// The closed part; `None` is the whole day.
    pub part: Option<Window>,
    /// What people call it: `Christmas`.
    pub name: String,
}

impl Closure {
    pub(super) fn opens_second(&self) -> i64 {
        self.part.map_or(0, Window::opens_second)
    }

    pub(super) fn closes_second(&self) -> i64 {
        self.part.map_or(86_400, Window::closes_second)
    }
}

/// The closures of one calendar, and the last date that they speak for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays {
    closures: BTreeMap<Date, Vec<Closure>>,
    known_until: Option<Date>,
}

impl Holidays {
    /// None, and nothing known.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Closes a whole day.
    #[must_use]
    pub fn close(self, date: Date, name: impl Into<String>) -> Self {
        self.with(Closure { date, part: None, name: name.into() })
    }

    /// Closes a part of a day: an afternoon off is `12:00-24:00`.
    #[must_use]
    pub fn close_part(self, date: Date, part: Window, name: impl Into<String>) -> Self {
        self.with(Closure { date, part: Some(part), name: name.into() })
    }

    /// Adds a closure; the same one twice is one.
    #[must_use]
    pub fn with(mut self, closure: Closure) -> Self {
        let of_day = self.closures.entry(closure.date).or_default();
        if !of_day.contains(&closure) {
            of_day.push(closure);
        }
        self
    }

    /// States that closures are known up to and including `date`. Of several statements the earliest holds: one
    /// source that ends early leaves the rest of the time unknown.
    #[must_use]
    pub fn until(mut self, date: Date) -> Self {
        self.known_until = Some(self.known_until.map_or(date, |known| known.min(date)));
        self
    }

    /// Both together, as for a calendar with two holiday files.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let known_until = other.known_until;
        let all = other.closures.into_values().flatten().fold(self, Self::with);
        match known_until {
            Some(date) => all.until(date),
            None => all,
        }
    }

    /// The last date for which closures are known; `None` if nothing was stated.
    #[must_use]
    pub fn known_until(&self) -> Option<Date> {
        self.known_until
    }

    /// All closures by date.
    pub fn closures(&self) -> impl Iterator<Item = &Closure> {
        self.closures.values().flatten()
    }

    /// The closures of one date.
    #[must_use]
    pub fn on(&self, date: Date) -> &[Closure] {
        self.closures.get(&date).map_or(&[], Vec::as_slice)
    }
}
