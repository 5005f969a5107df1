use jiff::civil::{Weekday, date};
use proptest::prelude::*;

use super::*;

const WORKDAYS: [Weekday; 5] =
    [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a known zone")
}

fn calendar_of(zone_name: &str, lines: &[(&str, &str)], holidays: Holidays) -> Calendar {
    let hours = Hours::parse(lines.iter().copied()).expect("readable hours");
    Calendar::covering("test", zone(zone_name), hours, holidays, 2009..=2030).expect("a usable calendar")
}

/// `2026-11-27 16:30` in the calendar's zone.
fn local(calendar: &Calendar, text: &str) -> Timestamp {
    let civil: jiff::civil::DateTime = text.replace(' ', "T").parse().expect("a civil time");
    calendar.zone().to_timestamp(civil).expect("an instant")
}

fn shown(calendar: &Calendar, at: Timestamp) -> String {
    at.to_zoned(calendar.zone().clone()).strftime("%a %d %H:%M").to_string()
}

fn check_add(calendar: &Calendar, cases: &[(&str, &str, &str)]) {
    for (start, span, expected) in cases {
        let span: Span = span.parse().expect("a readable span");
        let end = span.end(calendar, local(calendar, start)).expect("an end");
        assert_eq!(shown(calendar, end), *expected, "{start} + {span}");
    }
}

/// The cases in which a peer's clock was measured to be wrong, with the right answers.
#[test]
fn days_off_do_not_keep_the_time_of_day() {
    let holidays = Holidays::none().close(date(2026, 11, 26), "Thanksgiving");
    for zone in ["UTC", "Europe/Berlin", "Asia/Kathmandu"] {
        let calendar = calendar_of(zone, &[("mon-fri", "09:00-17:00")], holidays.clone());
        check_add(
            &calendar,
            &[
                ("2026-11-27 16:30", "1 business hour", "Mon 30 09:30"),
                ("2026-11-21 07:00", "1 business hour", "Mon 23 10:00"),
                ("2026-11-21 15:00", "1 business hour", "Mon 23 10:00"),
                ("2026-11-22 23:00", "1 business hour", "Mon 23 10:00"),
                ("2026-11-25 16:30", "1 business hour", "Fri 27 09:30"),
                ("2026-11-26 15:00", "1 business hour", "Fri 27 10:00"),
            ],
        );
    }
}

#[test]
fn promises_cross_lunch_weekends_and_half_days() {
    let holidays = Holidays::none()
        .close_part(date(2026, 12, 24), "12:00-24:00".parse().unwrap(), "Christmas Eve")
        .close(date(2026, 12, 25), "Christmas");
    let lines = [("mon-thu", "08:30-12:00"), ("mon-thu", "13:00-17:30"), ("fri", "08:30-15:00")];
    let calendar = calendar_of("Europe/Berlin", &lines, holidays);
    check_add(
        &calendar,
        &[
            ("2026-11-24 11:45", "30 business minutes", "Tue 24 13:15"),
            ("2026-11-24 12:30", "30 business minutes", "Tue 24 13:30"),
            // The promise ends with the window, not with the next one's start.
            ("2026-11-24 11:30", "30 business minutes", "Tue 24 12:00"),
            ("2026-11-27 14:30", "1 business hour", "Mon 30 09:00"),
            ("2026-12-24 11:00", "2 business hours", "Mon 28 09:30"),
            ("2026-11-24 11:45", "30 minutes", "Tue 24 12:15"),
            ("2026-11-27 23:50", "30 minutes", "Sat 28 00:20"),
        ],
    );
}

#[test]
fn business_days_keep_the_time_of_day_on_open_days_only() {
    let holidays = Holidays::none().close(date(2026, 11, 26), "Thanksgiving");
    let calendar = calendar_of("Europe/Berlin", &[("mon-thu", "09:00-17:00"), ("fri", "09:00-15:00")], holidays);
    check_add(
        &calendar,
        &[
            ("2026-11-23 10:00", "1 business day", "Tue 24 10:00"),
            ("2026-11-23 10:00", "2 business days", "Wed 25 10:00"),
            // Over the holiday and the weekend.
            ("2026-11-25 10:00", "1 business day", "Fri 27 10:00"),
            ("2026-11-25 10:00", "2 business days", "Mon 30 10:00"),
            // Friday closes at 15:00: the last open instant at or before 16:00.
            ("2026-11-25 16:00", "1 business day", "Fri 27 15:00"),
            // Before and after the day's hours.
            ("2026-11-23 07:00", "1 business day", "Mon 23 17:00"),
            ("2026-11-23 20:00", "1 business day", "Tue 24 17:00"),
            ("2026-11-27 20:00", "1 business day", "Mon 30 17:00"),
            // A day off has no time of day of its own.
            ("2026-11-28 07:00", "1 business day", "Mon 30 17:00"),
            ("2026-11-28 09:05", "1 business day", "Mon 30 17:00"),
            ("2026-11-29 23:00", "1 business day", "Mon 30 17:00"),
            ("2026-11-26 12:00", "1 business day", "Fri 27 15:00"),
            // Summer time ended on 25 October: the same time of day, not 24 hours.
            ("2026-10-23 10:00", "1 business day", "Mon 26 10:00"),
        ],
    );
}

#[test]
fn a_night_shift_belongs_to_the_day_it_opens_on() {
    let calendar = calendar_of("Europe/Berlin", &[("mon-fri", "22:00-06:00")], Holidays::none());
    check_add(
        &calendar,
        &[
            ("2026-11-27 23:00", "1 business day", "Mon 30 23:00"),
            // Saturday 02:00 is Friday's shift.
            ("2026-11-28 02:00", "1 business day", "Tue 01 02:00"),
            ("2026-11-24 12:00", "1 business day", "Wed 25 06:00"),
            ("2026-11-28 05:00", "2 business hours", "Mon 30 23:00"),
        ],
    );
    let night = |day: &str, next: &str| {
        calendar.between(local(&calendar, &format!("{day} 12:00")), local(&calendar, &format!("{next} 12:00")))
    };
    assert_eq!(night("2026-11-24", "2026-11-25"), SignedDuration::from_hours(8));
}

#[test]
fn elapsed_time_counts_when_the_clocks_change() {
    let calendar = calendar_of("Europe/Berlin", &[("mon-sun", "22:00-06:00")], Holidays::none());
    let night = |from: &str, to: &str| calendar.between(local(&calendar, from), local(&calendar, to)).as_secs() / 3600;
    assert_eq!(night("2026-03-28 12:00", "2026-03-29 12:00"), 7);
    assert_eq!(night("2026-10-24 12:00", "2026-10-25 12:00"), 9);
}

fn opens_and_closes(zone_name: &str, lines: &[(&str, &str)], day: &str) -> Vec<String> {
    let calendar = calendar_of(zone_name, lines, Holidays::none());
    let date: Date = day.parse().unwrap();
    let (from, to) = (calendar.midnight(date), calendar.midnight(date.tomorrow().unwrap()));
    let open = calendar.explain(from, to).into_iter().filter(|interval| interval.open);
    open.map(|interval| format!("{} {}", interval.from, interval.to)).collect()
}

#[test]
fn boundaries_inside_a_gap_move_to_its_end() {
    // 02:00-03:00 does not exist on 29 March 2026 in Berlin; it is 01:00 UTC.
    let cases = [("02:30-05:00", "01:00:00Z", "03:00:00Z"), ("00:30-02:30", "23:30:00Z", "01:00:00Z")];
    for (window, opens, closes) in cases {
        let open = opens_and_closes("Europe/Berlin", &[("sun", window)], "2026-03-29");
        assert_eq!(open.len(), 1, "{window}");
        assert!(open[0].contains(opens) && open[0].ends_with(closes), "{window}: {open:?}");
    }
    let inside = Calendar::covering(
        "gap",
        zone("Europe/Berlin"),
        Hours::parse([("sun", "02:10-02:50")]).unwrap(),
        Holidays::none(),
        2026..=2026,
    );
    let inside = inside.expect("open on the other Sundays");
    let day = date(2026, 3, 29);
    assert_eq!(inside.between(inside.midnight(day), inside.midnight(day.tomorrow().unwrap())), SignedDuration::ZERO);
}

#[test]
fn a_repeated_hour_is_open_from_the_earlier_start_to_the_later_end() {
    // 02:00-03:00 comes twice on 25 October 2026 in Berlin: 00:00 and 01:00 UTC.
    for (window, expected) in [
        ("02:30-05:00", "2026-10-25T00:30:00Z 2026-10-25T04:00:00Z"),
        ("01:00-02:30", "2026-10-24T23:00:00Z 2026-10-25T01:30:00Z"),
        // Nothing before 02:00 is read after its first pass, so this one has no second end.
        ("01:00-02:00", "2026-10-24T23:00:00Z 2026-10-25T00:00:00Z"),
        ("01:00-03:00", "2026-10-24T23:00:00Z 2026-10-25T02:00:00Z"),
    ] {
        assert_eq!(opens_and_closes("Europe/Berlin", &[("sun", window)], "2026-10-25"), [expected], "{window}");
    }
}

#[test]
fn a_date_that_a_zone_skipped_has_no_open_time() {
    // Samoa went from the end of 29 December 2011 straight to 31 December.
    let calendar = calendar_of("Pacific/Apia", &[("mon-fri", "09:00-17:00")], Holidays::none());
    let open = calendar.between(local(&calendar, "2011-12-29 16:00"), local(&calendar, "2012-01-02 10:00"));
    assert_eq!(open, SignedDuration::from_hours(2));
    let day = calendar.add_days(local(&calendar, "2011-12-29 10:00"), 1).unwrap();
    assert_eq!(shown(&calendar, day), "Mon 02 10:00");
}

#[test]
fn whole_days_join_and_leap_days_count() {
    let calendar = calendar_of("Europe/Berlin", &[("mon-sun", "00:00-24:00")], Holidays::none());
    let open = |from: &str, to: &str| calendar.between(local(&calendar, from), local(&calendar, to));
    assert_eq!(open("2028-02-28 00:00", "2028-03-01 00:00"), SignedDuration::from_hours(48));
    assert_eq!(open("2027-12-31 12:00", "2028-01-01 12:00"), SignedDuration::from_hours(24));
    assert_eq!(open("2026-03-29 00:00", "2026-03-30 00:00"), SignedDuration::from_hours(23));
}

#[test]
fn a_holiday_closes_its_civil_day_and_nothing_else() {
    let holidays = Holidays::none().close(date(2026, 12, 25), "Christmas");
    let calendar = calendar_of("Europe/Berlin", &[("mon-sun", "22:00-06:00")], holidays);
    let story = calendar.explain(local(&calendar, "2026-12-24 20:00"), local(&calendar, "2026-12-26 08:00"));
    let told: Vec<_> = story.iter().map(|i| format!("{} {}", shown(&calendar, i.from), i.why)).collect();
    assert_eq!(
        told,
        [
            "Thu 24 20:00 closed hours",
            "Thu 24 22:00 open",
            "Fri 25 00:00 holiday 2026-12-25 Christmas",
            "Sat 26 00:00 open",
            "Sat 26 06:00 closed hours",
        ]
    );
}

#[test]
fn explain_names_every_skipped_stretch() {
    let holidays = Holidays::none().close(date(2026, 12, 25), "Christmas").close_part(
        date(2026, 12, 24),
        "12:00-24:00".parse().unwrap(),
        "Christmas Eve",
    );
    let calendar = calendar_of("Europe/Berlin", &[("tue-fri", "09:00-17:00")], holidays);
    let (start, end) = (local(&calendar, "2026-12-24 10:00"), local(&calendar, "2026-12-29 10:00"));
    let story = calendar.explain(start, end);
    let told: Vec<_> = story.iter().map(|i| format!("{} {}", shown(&calendar, i.from), i.why)).collect();
    assert_eq!(
        told,
        [
            "Thu 24 10:00 open",
            "Thu 24 12:00 holiday 2026-12-24 Christmas Eve",
            "Fri 25 00:00 holiday 2026-12-25 Christmas",
            "Sat 26 00:00 weekend",
            "Mon 28 00:00 no hours on mon",
            "Tue 29 00:00 closed hours",
            "Tue 29 09:00 open",
        ]
    );
    assert_eq!(story.last().map(|i| i.to), Some(end));
    let counted =
        story.iter().filter(|i| i.open).fold(SignedDuration::ZERO, |sum, i| sum + i.to.duration_since(i.from));
    assert_eq!(counted, calendar.between(start, end));
    let early = calendar.explain(Timestamp::UNIX_EPOCH, local(&calendar, "2009-01-01 00:00"));
    assert_eq!(early.iter().map(|i| i.why.clone()).collect::<Vec<_>>(), [Why::OutsideHorizon]);
}

#[test]
fn percent_follows_open_time_and_goes_on_past_the_deadline() {
    let calendar = calendar_of("Europe/Berlin", &[("mon-fri", "09:00-17:00")], Holidays::none());
    let start = local(&calendar, "2026-11-27 15:00");
    let due = calendar.add(start, SignedDuration::from_hours(4)).unwrap();
    for (percent, expected) in [
        (0, "Fri 27 15:00"),
        (50, "Fri 27 17:00"),
        (80, "Mon 30 10:12"),
        (100, "Mon 30 11:00"),
        (150, "Mon 30 13:00"),
        (300, "Tue 01 11:00"),
    ] {
        assert_eq!(shown(&calendar, calendar.at_percent(start, due, percent).unwrap()), expected, "{percent} %");
    }
    // A due date on an opening instant is kept, though the evening before has as much behind it.
    let monday = local(&calendar, "2026-11-30 09:00");
    assert_eq!(calendar.at_percent(start, monday, 100).unwrap(), monday);
    let span: Span = "1 hour".parse().unwrap();
    let night = local(&calendar, "2026-11-27 23:00");
    let due = span.end(&calendar, night).unwrap();
    assert_eq!(shown(&calendar, span.at_percent(&calendar, night, due, 50).unwrap()), "Fri 27 23:30");
}

#[test]
fn unusable_calendars_are_refused() {
    let make = |lines: &[(&str, &str)], holidays: Holidays| {
        let hours = Hours::parse(lines.iter().copied()).unwrap();
        Calendar::covering("c", TimeZone::UTC, hours, holidays, 2026..=2026)
    };
    assert!(matches!(make(&[], Holidays::none()), Err(CalendarError::NeverOpen { .. })));
    let closed = (1..=4).fold(Holidays::none(), |all, day| all.close(date(2026, 1, day), "shut"));
    let one_week = Calendar::covering(
        "c",
        TimeZone::UTC,
        Hours::parse([("thu", "00:00-24:00")]).unwrap(),
        (0..53).fold(closed, |all, week| {
            all.close(date(2026, 1, 1).checked_add(jiff::Span::new().weeks(week)).unwrap(), "shut")
        }),
        2026..=2026,
    );
    assert!(matches!(one_week, Err(CalendarError::NeverOpen { .. })));
    for lines in [
        &[("mon", "09:00-12:00"), ("mon", "11:00-13:00")][..],
        &[("mon", "22:00-06:00"), ("tue", "05:00-09:00")],
        &[("sun", "22:00-06:00"), ("mon", "05:00-09:00")],
        &[("mon", "08:00-20:00"), ("mon", "09:00-10:00"), ("mon", "11:00-12:00")],
        &[("mon", "09:00-12:00"), ("mon", "09:00-12:00")],
    ] {
        assert!(matches!(make(lines, Holidays::none()), Err(CalendarError::Overlap { .. })), "{lines:?}");
    }
    assert!(make(&[("mon-sun", "22:00-06:00"), ("mon-sun", "06:00-14:00")], Holidays::none()).is_ok());
    assert!(make(&[("mon", "00:00-24:00")], Holidays::none()).is_ok());
    let hours = Hours::default().open(WORKDAYS, "09:00-17:00".parse().unwrap());
    let short = Calendar::covering("c", TimeZone::UTC, hours, Holidays::none(), 2026..=2026).unwrap();
    let december: Timestamp = "2026-12-31T16:00:00Z".parse().unwrap();
    assert!(matches!(
        short.add(december, SignedDuration::from_hours(2)),
        Err(CalendarError::BeyondHorizon { last_year: 2026, .. })
    ));
    assert!(short.add_days(december, 1).is_err());
    assert!(short.next_open("2026-12-31T17:00:00Z".parse().unwrap()).is_err());
    assert_eq!(short.add(december, SignedDuration::from_secs(-1)), Err(CalendarError::Negative));
}

#[test]
fn a_deadline_behind_the_holiday_data_says_so() {
    let known = Holidays::none().close(date(2026, 12, 25), "Christmas").until(date(2026, 12, 31));
    let calendar = calendar_of("Europe/Berlin", &[("mon-fri", "09:00-17:00")], known.clone());
    assert!(!calendar.assumes_no_holidays(local(&calendar, "2026-12-31 23:59")));
    assert!(calendar.assumes_no_holidays(local(&calendar, "2027-01-01 00:00")));
    let both = known.and(Holidays::none().until(date(2028, 12, 31)));
    assert_eq!(both.known_until(), Some(date(2026, 12, 31)));
    let none = calendar_of("Europe/Berlin", &[("mon-fri", "09:00-17:00")], Holidays::none());
    assert!(!none.assumes_no_holidays(local(&none, "2029-01-01 00:00")));
}

#[test]
fn spans_read_back_as_written() {
    for (text, shown) in [
        ("4 business hours", "4 business hours"),
        ("1 business hour", "1 business hour"),
        ("30 business minutes", "30 business minutes"),
        ("90 business minutes", "90 business minutes"),
        ("120 business minutes", "2 business hours"),
        ("2 business days", "2 business days"),
        ("30 minutes", "30 minutes"),
        ("30minutes", "30 minutes"),
        ("48 hours", "2 days"),
        ("60 days", "60 days"),
        ("2 weeks", "14 days"),
        ("30 seconds", "30 seconds"),
    ] {
        let span: Span = text.parse().expect(text);
        assert_eq!(span.to_string(), shown);
        assert_eq!(shown.parse::<Span>(), Ok(span));
    }
    for (text, hint) in [
        ("", "whole number"),
        ("hours", "whole number"),
        ("-3 hours", "whole number"),
        ("1.5 business hours", "smaller unit"),
        ("4", "unit is missing"),
        ("0 hours", "from 1"),
        ("99999999999 days", "from 1"),
        ("1 business week", "5 business days"),
        ("3 months", "write days"),
        ("1 hour 30 minutes", "one number with one unit"),
        ("4 bananas", "units are"),
    ] {
        let error = text.parse::<Span>().expect_err(text);
        assert!(error.hint.contains(hint), "{text}: {error}");
    }
}

#[test]
fn hours_read_as_people_write_them() {
    for (text, shown) in
        [("8:30-12:00", "08:30-12:00"), ("22:00-06:00", "22:00-06:00"), ("00:00 – 24:00", "00:00-24:00")]
    {
        assert_eq!(text.parse::<Window>().expect(text).to_string(), shown);
    }
    for text in ["", "9-17", "25:00-26:00", "09:00", "24:00-06:00", "09:00-09:00", "09:60-10:00", "ab:cd-ef:gh"] {
        assert!(text.parse::<Window>().is_err(), "{text}");
    }
    assert_eq!("fri-mon".parse::<Days>().unwrap().0.len(), 4);
    assert_eq!("sat,sun".parse::<Days>().unwrap().0, [Weekday::Saturday, Weekday::Sunday]);
    assert_eq!("Monday".parse::<Days>().unwrap().0, [Weekday::Monday]);
    assert!("funday".parse::<Days>().is_err());
}

#[test]
fn fractions_of_a_second_are_kept() {
    let calendar = calendar_of("UTC", &[("mon-fri", "09:00-17:00")], Holidays::none());
    let start: Timestamp = "2026-11-27T16:59:59.25Z".parse().unwrap();
    let due = calendar.add(start, SignedDuration::from_millis(1_000)).unwrap();
    assert_eq!(due.to_string(), "2026-11-30T09:00:00.25Z");
    assert_eq!(calendar.between(start, due), SignedDuration::from_millis(1_000));
    let closing = calendar.add(start, SignedDuration::from_millis(750)).unwrap();
    assert_eq!(closing.to_string(), "2026-11-27T17:00:00Z");
}

fn calendars() -> impl Strategy<Value = Calendar> {
    let zones = prop::sample::select(vec![
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "Antarctica/Troll",
    ]);
    let hours = prop::sample::select(vec![
        vec![("mon-fri", "09:00-17:00")],
        vec![("mon-thu", "08:30-12:00"), ("mon-thu", "13:00-17:30"), ("fri", "08:30-15:00")],
        vec![("mon-sun", "22:00-06:00")],
        vec![("mon-sun", "00:00-24:00")],
        vec![("sun", "01:15-02:30"), ("sun", "02:45-05:00"), ("wed", "00:00-24:00")],
    ]);
    let holidays = prop::collection::vec(0..364_i64, 0..6).prop_map(|days| {
        days.into_iter().fold(Holidays::none(), |all, day| {
            all.close(date(2026, 1, 1).saturating_add(jiff::Span::new().days(day)), "day off")
        })
    });
    (zones, hours, holidays).prop_map(|(name, lines, holidays)| {
        Calendar::covering("p", zone(name), Hours::parse(lines).unwrap(), holidays, 2025..=2027).unwrap()
    })
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (1_767_225_600_000..1_798_761_600_000_i64).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Fault 77: adding and measuring are inverse, and the answer is the earliest one.
    #[test]
    fn add_is_the_inverse_of_between(calendar in calendars(), start in instants(), ms in 0..500_000_000_i64) {
        let open = SignedDuration::from_millis(ms);
        let end = calendar.add(start, open).unwrap();
        prop_assert_eq!(calendar.between(start, end), open);
        let just_before = end - SignedDuration::from_millis(1);
        prop_assert!(ms == 0 || calendar.between(start, just_before) < open);
    }

    #[test]
    fn later_starts_and_longer_promises_are_never_due_earlier(
        calendar in calendars(), a in instants(), b in instants(), ms in 0..300_000_000_i64, days in 0..20_u32,
    ) {
        let (early, late) = (a.min(b), a.max(b));
        let open = SignedDuration::from_millis(ms);
        prop_assert!(calendar.add(early, open).unwrap() <= calendar.add(late, open).unwrap());
        prop_assert!(calendar.add(early, open).unwrap() <= calendar.add(early, open * 2).unwrap());
        prop_assert!(calendar.add_days(early, days).unwrap() <= calendar.add_days(early, days + 1).unwrap());
        prop_assert!(calendar.add_days(early, days).unwrap() >= early);
        prop_assert!(days == 0 || calendar.between(early, calendar.add_days(early, days).unwrap()).is_positive());
    }

    #[test]
    fn open_time_adds_up(calendar in calendars(), mut at in prop::array::uniform3(instants())) {
        at.sort_unstable();
        let [a, b, c] = at;
        prop_assert_eq!(calendar.between(a, b) + calendar.between(b, c), calendar.between(a, c));
        prop_assert!(calendar.between(a, c) <= c.duration_since(a));
        prop_assert_eq!(calendar.between(c, a), SignedDuration::ZERO);
        prop_assert_eq!(calendar.is_open(a), calendar.between(a, a + SignedDuration::from_nanos(1)).is_positive());
        let next = calendar.next_open(a).unwrap();
        prop_assert!(calendar.is_open(next) && calendar.between(a, next).is_zero());
    }

    #[test]
    fn a_story_has_no_holes_and_counts_what_between_counts(calendar in calendars(), a in instants(), b in instants()) {
        let (start, end) = (a.min(b), a.max(b));
        let story = calendar.explain(start, end);
        let mut at = start;
        let mut counted = SignedDuration::ZERO;
        for interval in &story {
            prop_assert_eq!(interval.from, at);
            at = interval.to;
            if interval.open {
                counted += interval.to.duration_since(interval.from);
            }
        }
        prop_assert_eq!(at, end);
        prop_assert_eq!(counted, calendar.between(start, end));
        prop_assert!(story.windows(2).all(|pair| pair[0].why != pair[1].why));
    }

    #[test]
    fn steps_keep_their_order(calendar in calendars(), start in instants(), ms in 1..200_000_000_i64, p in 0..400_u32) {
        let due = calendar.add(start, SignedDuration::from_millis(ms)).unwrap();
        let (step, next) = (calendar.at_percent(start, due, p).unwrap(), calendar.at_percent(start, due, p + 1).unwrap());
        prop_assert!(step <= next);
        prop_assert_eq!(p <= 100, step <= due);
    }

    #[test]
    fn any_text_is_refused_or_reads_back(text in "[ -~]{0,24}") {
        if let Ok(span) = text.parse::<Span>() {
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
        if let Ok(window) = text.parse::<Window>() {
            prop_assert_eq!(window.to_string().parse::<Window>(), Ok(window));
        }
        prop_assert!(text.parse::<Days>().map_or(true, |days| days.0.len() <= 7));
    }
}
