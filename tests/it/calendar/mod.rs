//! Business time against clocks that share no code with it (faults 76, 77, 84).
//!
//! The oracle walks a zone minute by minute (or second by second), looks only at what the wall clock reads, and counts
//! the steps that are open. `ule-hours` and `workclock` are a second and a third opinion wherever they mean the same:
//! both move a boundary inside a gap on by the gap's whole length and end a window in the earlier of two repeated
//! hours, and `ule-hours` lets a shift run on into a holiday. So they are asked about hours whose boundaries no zone
//! change touches, and `ule-hours` about day shifts only.

use baton::domain::calendar::{Calendar, Holidays, Hours};
use jiff::SignedDuration;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

mod oracle;

use oracle::{HOURS, Oracle, Readings, at, holidays_of, year_of};

const SEED: u64 = 20_261_124;

/// Zones with half-hour and three-quarter offsets, half-hour and two-hour summer times, summer time upside down,
/// changes at midnight and at 00:01, Ramadan, and a date that never was; with years that hold such changes.
const ZONES: [(&str, i16); 13] = [
    ("Europe/Berlin", 2026),
    ("America/New_York", 2027),
    ("Australia/Lord_Howe", 2025),
    ("Africa/Casablanca", 2026),
    ("America/Sao_Paulo", 2018),
    ("Asia/Kathmandu", 2026),
    ("Pacific/Apia", 2011),
    ("Antarctica/Troll", 2026),
    ("Pacific/Chatham", 2026),
    ("America/Havana", 2026),
    ("America/St_Johns", 2010),
    ("Europe/Dublin", 2026),
    ("Asia/Tehran", 2022),
];

#[test]
fn random_promises_equal_a_count_by_the_minute() {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut cases = 0;
    for (name, year) in ZONES {
        let zone = TimeZone::get(name).expect("within range");
        let (first, last) = year_of(&zone, year);
        let readings = Readings::of(&zone, first, last, 60);
        for lines in HOURS {
            let hours = Hours::parse(lines.iter().copied()).expect("within range");
            let holidays = holidays_of(year, &mut random);
            let calendar = Calendar::covering(name, zone.clone(), hours.clone(), holidays.clone(), year - 1..=year + 1)
                .expect("within range");
            let oracle = Oracle::new(&readings, &hours, &holidays);
            for _ in 0..230 {
                let start = random.i64(first.as_second() + 86_400 * 3..last.as_second() - 86_400 * 3);
                let end = random.i64(start..last.as_second() - 86_400 * 3);
                let length = random.i64(0..40 * 3600);
                let told = || format!("seed {SEED}: {name} {lines:?} from {} to {}, {length} s", at(start), at(end));
                let open = oracle.open_before(end) - oracle.open_before(start);
                assert_eq!(calendar.between(at(start), at(end)).as_secs(), open, "{}", told());
                if let Some(due) = oracle.add(start, length).filter(|due| *due < last.as_second() - 86_400 * 3) {
                    assert_eq!(calendar.add(at(start), SignedDuration::from_secs(length)), Ok(at(due)), "{}", told());
                }
                cases += 1;
            }
        }
    }
    assert!(cases >= 20_000, "{cases}");
}

#[test]
fn every_second_round_every_zone_change_is_counted_once() {
    let mut changes = 0;
    for (name, year) in ZONES {
        let zone = TimeZone::get(name).expect("within range");
        let (first, last) = year_of(&zone, year);
        for change in zone.following(first).take_while(|change| change.timestamp() < last) {
            let middle = change.timestamp().as_second();
            // A day more on both sides, so that no clock reading from outside matters.
            let readings = Readings::of(&zone, at(middle - 2 * 86_400), at(middle + 2 * 86_400), 1);
            for lines in [HOURS[2], HOURS[4], HOURS[5]] {
                let hours = Hours::parse(lines.iter().copied()).expect("within range");
                let closed = zone.to_datetime(at(middle)).date();
                let holidays = if lines == HOURS[5] { Holidays::none().close(closed, "x") } else { Holidays::none() };
                let calendar = Calendar::covering(name, zone.clone(), hours.clone(), holidays.clone(), year..=year)
                    .expect("within range");
                let oracle = Oracle::new(&readings, &hours, &holidays);
                let start = middle - 86_400;
                let base = oracle.open_before(start);
                for second in start..middle + 86_400 {
                    let counted = oracle.open_before(second) - base;
                    let told = || format!("{name} {lines:?} at {}", at(second));
                    assert_eq!(calendar.between(at(start), at(second)).as_secs(), counted, "{}", told());
                    // The promise of that length ends here, or ended when the window closed.
                    if oracle.open_before(second + 1) - base > counted && second % 7 == 0 {
                        let length = SignedDuration::from_secs(counted + 1);
                        assert_eq!(calendar.add(at(start), length), Ok(at(second + 1)), "{}", told());
                    }
                }
            }
            changes += 1;
        }
    }
    assert!(changes >= 24, "{changes}");
}

#[test]
fn two_other_engines_agree_where_they_mean_the_same() {
    let mut random = fastrand::Rng::with_seed(SEED);
    let day_shifts = [&[("mon-fri", "09:00-17:00")][..], &[("mon-fri", "08:30-12:00"), ("mon-fri", "13:00-17:30")]];
    let night_shift = &[("mon-fri", "20:00-07:00")][..];
    for (name, year) in ZONES {
        if name == "Pacific/Apia" {
            continue; // Its skipped date is one long gap.
        }
        let zone = TimeZone::get(name).expect("within range");
        let (first, last) = year_of(&zone, year);
        for lines in [day_shifts[0], day_shifts[1], night_shift] {
            let holidays: Vec<Date> = (0..5)
                .map(|_| Date::constant(year, 1, 1).saturating_add(jiff::Span::new().days(random.i64(0..365))))
                .collect();
            let closed = holidays.iter().fold(Holidays::none(), |all, day| all.close(*day, "day off"));
            let hours = Hours::parse(lines.iter().copied()).expect("within range");
            let calendar =
                Calendar::covering(name, zone.clone(), hours, closed, year..=year + 1).expect("within range");
            let workclock = workclock_of(name, lines, &holidays);
            let ule_hours = ule_hours_of(name, lines, &holidays).filter(|_| lines != night_shift);
            for _ in 0..100 {
                let start = at(random.i64(first.as_second()..last.as_second() - 86_400 * 40));
                let end = start + SignedDuration::from_secs(random.i64(0..86_400 * 40));
                let length = SignedDuration::from_secs(random.i64(1..3600 * 60));
                let told = format!("seed {SEED}: {name} {lines:?} from {start} to {end}, {length:?}");
                assert_eq!(calendar.between(start, end), workclock.between(start, end), "workclock {told}");
                assert_eq!(calendar.add(start, length).ok(), workclock.add(start, length).ok(), "workclock {told}");
                if let Some(ule_hours) = &ule_hours {
                    assert_eq!(calendar.between(start, end), ule_hours.between(start, end), "ule-hours {told}");
                    assert_eq!(calendar.add(start, length).ok(), ule_hours.add(start, length).ok(), "ule-hours {told}");
                }
            }
        }
    }
}

fn workclock_of(zone: &str, lines: &[(&str, &str)], holidays: &[Date]) -> workclock::Schedule {
    let time = |text: &str| format!("{text}:00").parse::<Time>().expect("within range");
    let builder =
        workclock::Schedule::builder().time_zone(zone).rule(workclock::Holidays::new(holidays.iter().copied()));
    let builder = lines.iter().fold(builder, |builder, (_, window)| {
        let (from, to) = window.split_once('-').expect("within range");
        builder.rule(workclock::WorkDay::new(time(from), time(to), workclock::Weekdays::MON_TO_FRI))
    });
    builder.build().expect("within range")
}

fn ule_hours_of(zone: &str, lines: &[(&str, &str)], holidays: &[Date]) -> Option<ule_hours::Schedule> {
    let windows: Vec<_> = lines.iter().map(|(_, window)| *window).collect();
    let builder = ule_hours::Schedule::builder(zone).ok()?.mon_fri(&windows.join(", ")).ok()?;
    Some(holidays.iter().fold(builder, |builder, day| builder.closed_on(*day)).build())
}
