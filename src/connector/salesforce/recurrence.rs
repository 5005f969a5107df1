//! On which days a holiday recurs. Pure. Source: Object Reference, Holiday: `RecurrenceType` and the fields beside it.

use jiff::civil::{Date, Weekday};

use super::hours::day;
use super::wire::Row;

/// How a holiday recurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    start: Date,
    end: Option<Date>,
    /// Every so many days, weeks or months.
    interval: i32,
    on: On,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum On {
    Daily,
    EveryWeekday,
    Weekly(Vec<Weekday>),
    Monthly(i8),
    MonthlyNth(Nth),
    Yearly(i8, i8),
    YearlyNth(i8, Nth),
}

/// The first, or the last, such weekday of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nth {
    /// From 0; `None`: the last.
    place: Option<i8>,
    day: Weekday,
}

impl Nth {
    fn is_on(self, date: Date) -> bool {
        date.weekday() == self.day
            && match self.place {
                Some(place) => (date.day() - 1) / 7 == place,
                None => date.day() + 7 > date.days_in_month(),
            }
    }
}

impl Rule {
    /// Reads a recurring holiday; the error says in words what is not understood.
    pub(super) fn of(row: &Row) -> Result<Self, String> {
        let kind = row.text("RecurrenceType").unwrap_or("no type");
        let number = |field: &str| row.plain(field).and_then(|text| text.parse::<i32>().ok());
        let odd = |what: &str| format!("it recurs ({kind}) by {what} that is not understood; write its dates by hand");
        let start =
            day(row, "RecurrenceStartDate").or_else(|| day(row, "ActivityDate")).ok_or_else(|| odd("a start"))?;
        let month_day = || {
            let day = number("RecurrenceDayOfMonth").and_then(|day| i8::try_from(day).ok());
            day.filter(|day| (1..=31).contains(day)).ok_or_else(|| odd("a day of the month"))
        };
        let days = || weekdays(number("RecurrenceDayOfWeekMask").unwrap_or_default());
        let nth = || {
            let place = match row.text("RecurrenceInstance") {
                Some("First") => Some(0),
                Some("Second") => Some(1),
                Some("Third") => Some(2),
                Some("Fourth") => Some(3),
                Some("Last") => None,
                _ => return Err(odd("a place in the month")),
            };
            // More than one weekday stands for "day", "weekday" or "weekend day".
            match days().as_slice() {
                [day] => Ok(Nth { place, day: *day }),
                _ => Err(odd("a kind of day")),
            }
        };
        let month = || {
            let name = row.text("RecurrenceMonthOfYear").unwrap_or_default();
            let place = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(name));
            place.and_then(|place| i8::try_from(place + 1).ok()).ok_or_else(|| odd("a month"))
        };
        let on = match kind {
            "RecursDaily" => On::Daily,
            "RecursEveryWeekday" => On::EveryWeekday,
            "RecursWeekly" => On::Weekly(days()),
            "RecursMonthly" => On::Monthly(month_day()?),
            "RecursMonthlyNth" => On::MonthlyNth(nth()?),
            "RecursYearly" => On::Yearly(month()?, month_day()?),
            "RecursYearlyNth" => On::YearlyNth(month()?, nth()?),
            _ => return Err(odd("a type")),
        };
        let interval = number("RecurrenceInterval").unwrap_or(1).max(1);
        Ok(Self { start, end: day(row, "RecurrenceEndDateOnly"), interval, on })
    }

    /// Its days from `from` to `to`.
    pub(super) fn dates(&self, from: Date, to: Date) -> Vec<Date> {
        let last = self.end.map_or(to, |end| end.min(to));
        let days = std::iter::successors(Some(from.max(self.start)), |date| date.tomorrow().ok());
        days.take_while(|date| *date <= last).filter(|date| self.is_on(*date)).collect()
    }

    fn is_on(&self, date: Date) -> bool {
        let is_turn = |passed: i32| passed % self.interval == 0;
        let days = |from: Date, to: Date| from.until(to).map_or(0, |span| span.get_days());
        let months = (i32::from(date.year()) - i32::from(self.start.year())) * 12 + i32::from(date.month())
            - i32::from(self.start.month());
        // Weeks begin on Sunday there.
        let week = |date: Date| {
            date.checked_sub(jiff::Span::new().days(date.weekday().to_sunday_zero_offset())).unwrap_or(date)
        };
        match &self.on {
            On::Daily => is_turn(days(self.start, date)),
            On::EveryWeekday => !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday),
            On::Weekly(on) => on.contains(&date.weekday()) && is_turn(days(week(self.start), week(date)) / 7),
            On::Monthly(day) => date.day() == *day && is_turn(months),
            On::MonthlyNth(nth) => nth.is_on(date) && is_turn(months),
            On::Yearly(month, day) => (date.month(), date.day()) == (*month, *day),
            On::YearlyNth(month, nth) => date.month() == *month && nth.is_on(date),
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Sunday is 1, Monday 2, and so on by doubling.
fn weekdays(mask: i32) -> Vec<Weekday> {
    let days = Weekday::Sunday.cycle_forward().take(7).enumerate();
    days.filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, day)| day).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(mut rule: Value, wanted: &[&str]) {
        rule["IsRecurrence"] = json!(true);
        let row: Row = serde_json::from_value(rule.clone()).unwrap();
        let dates = Rule::of(&row).unwrap().dates(date(2026, 1, 1), date(2027, 12, 31));
        let shown: Vec<String> = dates.iter().take(4).map(ToString::to_string).collect();
        assert_eq!(shown, wanted, "{rule}");
    }

    #[test]
    fn each_usual_kind_of_recurrence_has_its_days() {
        let start = "2020-01-01";
        check(
            json!({"RecurrenceType": "RecursYearly", "RecurrenceStartDate": start, "RecurrenceDayOfMonth": 25, "RecurrenceMonthOfYear": "December"}),
            &["2026-12-25", "2027-12-25"],
        );
        // Thanksgiving and Memorial Day.
        check(
            json!({"RecurrenceType": "RecursYearlyNth", "RecurrenceStartDate": start, "RecurrenceInstance": "Fourth", "RecurrenceDayOfWeekMask": 16, "RecurrenceMonthOfYear": "November"}),
            &["2026-11-26", "2027-11-25"],
        );
        check(
            json!({"RecurrenceType": "RecursYearlyNth", "RecurrenceStartDate": start, "RecurrenceInstance": "Last", "RecurrenceDayOfWeekMask": 2, "RecurrenceMonthOfYear": "May"}),
            &["2026-05-25", "2027-05-31"],
        );
        check(
            json!({"RecurrenceType": "RecursMonthly", "RecurrenceStartDate": "2025-12-15", "RecurrenceInterval": 6, "RecurrenceDayOfMonth": 15}),
            &["2026-06-15", "2026-12-15", "2027-06-15", "2027-12-15"],
        );
        check(
            json!({"RecurrenceType": "RecursMonthlyNth", "RecurrenceStartDate": start, "RecurrenceInstance": "First", "RecurrenceDayOfWeekMask": 32}),
            &["2026-01-02", "2026-02-06", "2026-03-06", "2026-04-03"],
        );
        check(
            json!({"RecurrenceType": "RecursWeekly", "RecurrenceStartDate": "2026-01-05", "RecurrenceInterval": 2, "RecurrenceDayOfWeekMask": 65, "RecurrenceEndDateOnly": "2026-01-31"}),
            &["2026-01-10", "2026-01-18", "2026-01-24"],
        );
        check(
            json!({"RecurrenceType": "RecursDaily", "RecurrenceStartDate": "2025-12-30", "RecurrenceInterval": 3}),
            &["2026-01-02", "2026-01-05", "2026-01-08", "2026-01-11"],
        );
        check(
            json!({"RecurrenceType": "RecursEveryWeekday", "RecurrenceStartDate": "2027-12-30"}),
            &["2027-12-30", "2027-12-31"],
        );
    }

    #[test]
    fn what_is_not_understood_is_told_and_not_guessed() {
        for rule in [
            json!({"RecurrenceType": "RecursYearlyNth", "RecurrenceStartDate": "2020-01-01", "RecurrenceInstance": "Last", "RecurrenceDayOfWeekMask": 62, "RecurrenceMonthOfYear": "May"}),
            json!({"RecurrenceType": "RecursYearly", "RecurrenceStartDate": "2020-01-01", "RecurrenceDayOfMonth": 25}),
            json!({"RecurrenceType": "RecursYearly"}),
            json!({"RecurrenceStartDate": "2020-01-01"}),
        ] {
            let row: Row = serde_json::from_value(rule.clone()).unwrap();
            assert!(Rule::of(&row).unwrap_err().contains("write its dates by hand"), "{rule}");
        }
    }
}
