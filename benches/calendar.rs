//! Business time: how long `add` and `between` take over 30 days, beside `workclock`, and a million random cases
//! against the count by the minute.
//!
//! `cargo bench --bench calendar`; figures are medians of many rounds, in nanoseconds an operation.
#![expect(clippy::print_stdout, reason = "a benchmark speaks on standard output")]
#![expect(clippy::unwrap_used, reason = "a benchmark may end on what cannot happen")]

use std::hint::black_box;
use std::time::Instant;

use baton::domain::calendar::{Calendar, Holidays, Hours};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

#[path = "../tests/it/calendar/oracle.rs"]
mod oracle;

use oracle::{HOURS, Oracle, Readings, at, holidays_of, year_of};

const SEED: u64 = 20_261_124;
const ZONES: [&str; 12] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Antarctica/Troll",
    "Pacific/Chatham",
    "America/Havana",
    "Europe/Dublin",
    "Asia/Tehran",
];

fn main() {
    speed();
    million();
}

fn speed() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let lines = [("mon-thu", "08:30-12:00"), ("mon-thu", "13:00-17:30"), ("fri", "08:30-15:00")];
    let hours = Hours::parse(lines).unwrap();
    let began = Instant::now();
    let calendar = Calendar::new("berlin", zone, hours, Holidays::none()).unwrap();
    println!("working out 60 years: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

    let time = |text: &str| text.parse::<Time>().unwrap();
    let days = |last| {
        workclock::Weekdays::from_iter(jiff::civil::Weekday::Monday.cycle_forward().take(last).collect::<Vec<_>>())
    };
    let friday = workclock::Weekdays::from_iter([jiff::civil::Weekday::Friday]);
    let other = workclock::Schedule::builder()
        .time_zone("Europe/Berlin")
        .rule(workclock::WorkDay::new(time("08:30:00"), time("12:00:00"), days(4)))
        .rule(workclock::WorkDay::new(time("13:00:00"), time("17:30:00"), days(4)))
        .rule(workclock::WorkDay::new(time("08:30:00"), time("15:00:00"), friday))
        .build()
        .unwrap();

    let mut random = fastrand::Rng::with_seed(SEED);
    let first = 1_735_689_600_i64;
    let starts: Vec<Timestamp> = (0..1000).map(|_| at(first + random.i64(0..5 * 365 * 86_400))).collect();
    let month = SignedDuration::from_hours(30 * 24);
    // 30 days hold about 162 hours of this office.
    let open = SignedDuration::from_hours(160);
    let four = SignedDuration::from_hours(4);

    let add = median(2000, || starts.iter().for_each(|start| drop(black_box(calendar.add(*start, open)))));
    let add_four = median(2000, || starts.iter().for_each(|start| drop(black_box(calendar.add(*start, four)))));
    let between = median(2000, || {
        starts.iter().for_each(|start| {
            black_box(calendar.between(*start, *start + month));
        });
    });
    let add_days = median(200, || starts.iter().for_each(|start| drop(black_box(calendar.add_days(*start, 20)))));
    let their_add = median(30, || starts.iter().for_each(|start| drop(black_box(other.add(*start, open)))));
    let their_add_four = median(60, || starts.iter().for_each(|start| drop(black_box(other.add(*start, four)))));
    let their_between = median(30, || {
        starts.iter().for_each(|start| {
            black_box(other.between(*start, *start + month));
        });
    });
    println!("{:<28}{:>10}{:>12}{:>8}", "ns an operation", "baton", "workclock", "ratio");
    for (what, ours, theirs) in [
        ("add, over 30 days", add, their_add),
        ("add, 4 business hours", add_four, their_add_four),
        ("between, over 30 days", between, their_between),
    ] {
        println!("{what:<28}{ours:>10.1}{theirs:>12.1}{:>8.0}", theirs / ours);
    }
    println!("{:<28}{add_days:>10.1}", "add_days, 20 business days");
}

/// The median time of one of a thousand operations, over `rounds` rounds, in nanoseconds.
fn median(rounds: usize, mut thousand: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            thousand();
            began.elapsed().as_secs_f64() * 1e9 / 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn million() {
    let mut random = fastrand::Rng::with_seed(SEED);
    let (mut cases, mut wrong) = (0_u32, 0_u32);
    let began = Instant::now();
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        for year in 2020..=2035 {
            let (first, last) = year_of(&zone, year);
            let readings = Readings::of(&zone, first, last, 60);
            for lines in HOURS {
                let hours = Hours::parse(lines.iter().copied()).unwrap();
                let holidays = holidays_of(year, &mut random);
                let calendar =
                    Calendar::covering(name, zone.clone(), hours.clone(), holidays.clone(), year..=year).unwrap();
                let oracle = Oracle::new(&readings, &hours, &holidays);
                for _ in 0..750 {
                    let start = random.i64(first.as_second() + 3 * 86_400..last.as_second() - 3 * 86_400);
                    let end = random.i64(start..last.as_second() - 3 * 86_400);
                    let length = random.i64(0..60 * 3600);
                    let counted = oracle.open_before(end) - oracle.open_before(start);
                    let due = oracle.add(start, length).filter(|due| *due < last.as_second() - 3 * 86_400);
                    let same = calendar.between(at(start), at(end)).as_secs() == counted
                        && due.is_none_or(|due| {
                            calendar.add(at(start), SignedDuration::from_secs(length)) == Ok(at(due))
                        });
                    cases += 1;
                    wrong += u32::from(!same);
                }
            }
        }
    }
    println!("{cases} random cases in 12 zones, 2020-2035, seed {SEED}: {wrong} wrong ({:.0?})", began.elapsed());
    assert_eq!(wrong, 0, "business time differs from the count by the minute");
}
