//! How a CRM writes a time in a property that has no type for it. Pure.
//!
//! A typed property says it all: an instant with its zone, or milliseconds since 1970. In a text `03/04/2026` is two days, so
//! nothing is guessed: what is not one of the unambiguous forms is read only in the form that the settings declare.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A declared form. Days begin at midnight UTC, as HubSpot's own date properties do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `2026-11-24T09:00:00+01:00`.
    Instant,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Seconds since 1970.
    Seconds,
    /// `2026-11-24`.
    Day,
    /// `24.11.2026`, `24/11/2026` or `24-11-2026`.
    DayMonthYear,
    /// `11/24/2026`, `11.24.2026` or `11-24-2026`.
    MonthDayYear,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 6] =
        [Self::Instant, Self::Milliseconds, Self::Seconds, Self::Day, Self::DayMonthYear, Self::MonthDayYear];

    /// The form's name in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Milliseconds => "epoch_ms",
            Self::Seconds => "epoch_s",
            Self::Day => "day",
            Self::DayMonthYear => "day_month_year",
            Self::MonthDayYear => "month_day_year",
        }
    }
}

/// The instant that `text` says, in the declared form, else in one that cannot be mistaken for another.
#[must_use]
pub fn read(text: &str, form: Option<Form>) -> Option<Timestamp> {
    let text = text.trim();
    let Some(form) = form else {
        // Nine digits of seconds would be ten years of milliseconds: bare numbers are milliseconds, as CRMs write them.
        return [Form::Instant, Form::Milliseconds, Form::Day].into_iter().find_map(|form| read(text, Some(form)));
    };
    let number = || text.parse::<i64>().ok().filter(|_| text.len() <= 14);
    match form {
        Form::Instant => {
            let at: Timestamp = text.parse().ok()?;
            // The store keeps milliseconds, and CRMs send no more.
            Timestamp::from_millisecond(at.as_millisecond()).ok()
        }
        Form::Milliseconds => Timestamp::from_millisecond(number()?).ok(),
        Form::Seconds => Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(number()?)).ok(),
        // A date with a time behind it but no zone is no day: which instant it means is not known.
        Form::Day => midnight(Some(text).filter(|text| text.len() == "2026-11-24".len())?.parse().ok()?),
        Form::DayMonthYear => {
            let [day, month, year] = parts(text)?;
            midnight(Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?)
        }
        Form::MonthDayYear => {
            let [month, day, year] = parts(text)?;
            midnight(Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?)
        }
    }
}

fn midnight(day: Date) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
}

/// Three numbers, of which the last is a year of four digits.
fn parts(text: &str) -> Option<[i16; 3]> {
    let parts: Vec<&str> = text.split(['.', '/', '-']).collect();
    let [first, second, year] = parts[..] else { return None };
    let number = |text: &str| text.parse::<i16>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some([number(first)?, number(second)?, number(year).filter(|_| year.len() == 4)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, form: Option<Form>, wanted: Option<&str>) {
        let found = read(text, form).map(|at| at.to_string());
        assert_eq!(found.as_deref(), wanted, "{text} as {form:?}");
    }

    #[test]
    fn what_is_ambiguous_is_read_only_as_it_was_declared_fault_43() {
        let morning = Some("2026-11-24T08:00:00Z");
        check("2026-11-24T08:00:00Z", None, morning);
        check("2026-11-24T09:00:00+01:00", None, morning);
        check("1795507200000", None, morning);
        check("2026-11-24", None, Some("2026-11-24T00:00:00Z"));
        for ambiguous in ["03/04/2026", "3.4.2026", "2026-11-24 09:00", "2026-11-24T09:00:00", "soon", ""] {
            check(ambiguous, None, None);
        }
        check("03/04/2026", Some(Form::DayMonthYear), Some("2026-04-03T00:00:00Z"));
        check("03/04/2026", Some(Form::MonthDayYear), Some("2026-03-04T00:00:00Z"));
        check("24.11.2026", Some(Form::DayMonthYear), Some("2026-11-24T00:00:00Z"));
        check("24.11.2026", Some(Form::MonthDayYear), None);
        check("24.11.26", Some(Form::DayMonthYear), None);
        check("1795507200", Some(Form::Seconds), morning);
        check("2026-11-24", Some(Form::Instant), None);
        check("99999999999999999999", Some(Form::Milliseconds), None);
    }
}
