use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::agreement::{Destination, HandoffPolicy, RecyclePolicy};
use super::super::expr::{Comparison, Number, Test};
use super::*;

const TODAY: Date = jiff::civil::date(2026, 11, 24);

fn at_least(field: Field, bound: f64) -> Rule {
    let test = Test::Compare(Number::Field(field), Comparison::AtLeast, Number::Constant(bound));
    Rule::new("field >= bound", test)
}

fn agreement(score: ScoreModel) -> Agreement {
    Agreement {
        version: Name::from("1"),
        effective: Timestamp::UNIX_EPOCH,
        review_by: None,
        signed: Vec::new(),
        icp: Icp { fits: None, never: None },
        score,
        stages: Vec::new(),
        handoff: HandoffPolicy {
            to: None,
            skip: Vec::new(),
            requires: Vec::new(),
            incomplete: None,
            commitments: Vec::new(),
            rejections: BTreeMap::new(),
            turns_max: 3,
        },
        recycle: RecyclePolicy { cycles_max: 3, then: Destination::Disqualified },
        routing: Vec::new(),
        committee: None,
        uses: FieldSet::default(),
    }
}

fn rule(signal: &str, points: i32) -> SignalRule {
    SignalRule { signal: Name::from(signal), points, at_least: 1, within_days: None, half_life_days: None, cap: None }
}

fn fit(field: Field, bound: f64, points: i32, because: &str) -> FitRule {
    FitRule { when: at_least(field, bound), points, because: Name::from(because) }
}

/// Noon in UTC, so many days before today.
fn happened(name: &str, days_ago: i64) -> Signal {
    let noon = TODAY.to_datetime(jiff::civil::time(12, 0, 0, 0)).to_zoned(TimeZone::UTC).unwrap().timestamp();
    Signal { name: Name::from(name), at: noon - jiff::SignedDuration::from_hours(24 * days_ago) }
}

fn score_on(today: Date, signals: &[Signal], facts: &mut Facts, agreement: &Agreement) -> Score {
    let signals: Vec<&Signal> = signals.iter().collect();
    score(today, &signals, &TimeZone::UTC, facts, agreement)
}

fn intent_of(rule: SignalRule, days_ago: &[i64]) -> Score {
    let signals: Vec<Signal> = days_ago.iter().map(|days| happened("demo", *days)).collect();
    let model = ScoreModel { intent: vec![rule], ..ScoreModel::default() };
    score_on(TODAY, &signals, &mut Facts::default(), &agreement(model))
}

#[test]
fn occurrences_count_within_window_count_and_cap() {
    let check = |rule: SignalRule, days_ago: &[i64], points: i32, count: u32| {
        let found = intent_of(rule.clone(), days_ago);
        assert_eq!((found.points.intent, found.parts[0].count), (points, count), "{rule:?} {days_ago:?}");
    };
    let demo = || rule("demo", 40);
    check(demo(), &[], 0, 0);
    check(demo(), &[0, 300], 80, 2);
    check(SignalRule { cap: Some(50), ..demo() }, &[0, 3], 50, 2);
    check(SignalRule { points: -40, cap: Some(50), ..demo() }, &[0, 3], -50, 2);
    check(SignalRule { within_days: Some(7), ..demo() }, &[7, 8], 40, 1);
    check(SignalRule { at_least: 2, within_days: Some(7), ..demo() }, &[1, 9], 0, 1);
    check(SignalRule { at_least: 2, within_days: Some(7), ..demo() }, &[1, 2, 7], 40, 3);
    check(SignalRule { half_life_days: Some(14), ..demo() }, &[0], 40, 1);
    check(SignalRule { half_life_days: Some(14), ..demo() }, &[14], 20, 1);
    check(SignalRule { half_life_days: Some(14), ..demo() }, &[7], 28, 1);
    check(SignalRule { half_life_days: Some(14), ..demo() }, &[14, 28], 30, 2);
    check(SignalRule { half_life_days: Some(1), points: 100_000, ..demo() }, &[10], 98, 1);
    check(SignalRule { half_life_days: Some(1), points: 100_000, ..demo() }, &[11], 0, 0);
    check(SignalRule { at_least: 2, half_life_days: Some(14), ..demo() }, &[14, 28], 20, 2);
    check(demo(), &[-1], 0, 0);
    check(rule("another", 40), &[0], 0, 0);
}

#[test]
fn decay_is_a_power_of_two_at_every_age() {
    for half_life in [1, 7, 14, 30, 365] {
        for age in 0..=half_life * HALF_LIVES_MAX {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let expected = (-(age as f64) / half_life as f64).exp2();
            assert!((decay(age, half_life) / expected - 1.0).abs() < 1e-14, "{age} days at {half_life}");
        }
        assert_eq!(decay(half_life, half_life).to_bits(), 0.5f64.to_bits());
    }
}

#[test]
fn points_step_at_midnight_of_the_workspace() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    // 23:30 in UTC is half past midnight of the next day in Berlin.
    let signal = Signal { name: Name::from("demo"), at: "2026-11-16T23:30:00Z".parse().unwrap() };
    let model =
        ScoreModel { intent: vec![SignalRule { within_days: Some(7), ..rule("demo", 40) }], ..ScoreModel::default() };
    let agreement = agreement(model);
    let on = |zone: &TimeZone| score(TODAY, &[&signal], zone, &mut Facts::default(), &agreement);
    assert_eq!(on(&TimeZone::UTC).points.intent, 0);
    assert_eq!(on(&berlin).points.intent, 40);
    assert_eq!(on(&berlin).next_change, Some(jiff::civil::date(2026, 11, 25)));
}

#[test]
fn unknown_is_not_bad_and_says_what_is_missing() {
    let model = ScoreModel {
        fit: vec![
            fit(Field::Employees, 200.0, 25, "company size"),
            fit(Field::Revenue, 1e6, 10, "revenue"),
            fit(Field::Budget, 5.0, -15, "tiny budget"),
        ],
        ..ScoreModel::default()
    };
    let mut facts = Facts::default();
    facts.set(Field::Employees, Some(Value::Number(300.0)));
    facts.set(Field::Revenue, Some(Value::Number(1e5)));
    let found = score_on(TODAY, &[], &mut facts, &agreement(model));
    let lines: Vec<_> =
        found.parts.iter().map(|part| (part.because.as_str(), part.points, part.missing.iter().next())).collect();
    assert_eq!(lines, [("company size", 25, None), ("revenue", 0, None), ("tiny budget", 0, Some(Field::Budget))]);
    assert_eq!((found.points.fit, found.points.grade.to_string().as_str()), (25, "B4"));
    assert!([Field::Employees, Field::Revenue, Field::Budget].into_iter().all(|field| found.uses.contains(field)));
    assert_eq!(facts.get(Field::Fit), Some(&Value::Number(25.0)));
    assert_eq!(facts.get(Field::Grade), Value::text("B4").as_ref());
}

#[test]
fn the_ideal_customer_is_settled_before_the_rules_ask() {
    let mut policy = agreement(ScoreModel::default());
    let mut facts = Facts::default();
    score_on(TODAY, &[], &mut facts, &policy);
    assert_eq!(
        (facts.get(Field::IcpFits), facts.get(Field::IcpNever)),
        (Some(&Value::Flag(true)), Some(&Value::Flag(false)))
    );

    policy.icp = Icp { fits: Some(at_least(Field::Employees, 50.0)), never: None };
    let found = score_on(TODAY, &[], &mut facts, &policy);
    assert_eq!(facts.get(Field::IcpFits), Some(&Value::Flag(false)), "unknown counts as no");
    assert!(found.missing.contains(Field::Employees) && found.uses.contains(Field::Employees));
}

#[test]
fn the_first_segment_that_holds_stands_in_with_the_lists_it_has() {
    let segment = |name: &str, bound: f64, points: i32| Segment {
        name: Name::from(name),
        when: at_least(Field::Employees, bound),
        fit: Some(vec![fit(Field::Employees, 0.0, points, "segment")]),
        intent: None,
        engagement: None,
    };
    let policy = agreement(ScoreModel {
        fit: vec![fit(Field::Employees, 0.0, 1, "general")],
        intent: vec![rule("demo", 40)],
        segments: vec![segment("large", 1000.0, 50), segment("middle", 100.0, 30)],
        ..ScoreModel::default()
    });
    let check = |employees: f64, name: Option<&str>, points: i32| {
        let mut facts = Facts::default();
        facts.set(Field::Employees, Some(Value::Number(employees)));
        let found = score_on(TODAY, &[happened("demo", 0)], &mut facts, &policy);
        assert_eq!(found.segment.as_ref().map(Name::as_str), name, "{employees}");
        assert_eq!((found.points.fit, found.points.intent), (points, 40), "{employees}");
    };
    check(5000.0, Some("large"), 50);
    check(500.0, Some("middle"), 30);
    check(5.0, None, 1);
}

#[test]
fn facts_learn_how_often_each_signal_happened() {
    let signals = [happened("demo", 1), happened("price", 0), happened("demo", 40), happened("demo", -3)];
    let mut facts = Facts::default();
    let found = score_on(TODAY, &signals, &mut facts, &agreement(ScoreModel::default()));
    assert_eq!((facts.signal(&Name::from("demo")), facts.signal(&Name::from("price"))), (2, 1));
    assert_eq!(found.next_change, Some(jiff::civil::date(2026, 11, 27)), "a rule may ask for the count on that day");
}

#[test]
fn grades_begin_at_their_bounds() {
    let check = |fit: i32, intent: i32, expected: &str| {
        assert_eq!(grade(&Grades::default(), fit, intent).to_string(), expected);
    };
    check(40, 60, "A1");
    check(39, 59, "B2");
    check(25, 30, "B2");
    check(24, 29, "C3");
    check(10, 10, "C3");
    check(9, 9, "D4");
    check(-50, 0, "D4");
}

fn any_rule() -> impl Strategy<Value = SignalRule> {
    (0..3, -60..60i32, 1..4u32, prop::option::of(1..40u32), prop::option::of(1..12u32), prop::option::of(1..100i32))
        .prop_map(|(name, points, at_least, within_days, half_life_days, cap)| SignalRule {
            signal: Name::from(format!("signal {name}")),
            points,
            at_least,
            within_days,
            half_life_days,
            cap,
        })
}

fn any_signals() -> impl Strategy<Value = Vec<Signal>> {
    prop::collection::vec((0..3, -5..60i64), 0..6)
        .prop_map(|all| all.into_iter().map(|(name, ago)| happened(&format!("signal {name}"), ago)).collect())
}

proptest! {
    #[test]
    fn lines_sum_to_their_axis(
        intent in prop::collection::vec(any_rule(), 0..6),
        engagement in prop::collection::vec(any_rule(), 0..6),
        bounds in prop::collection::vec((0.0..10.0f64, -50..50i32), 0..6),
        employees in prop::option::of(0.0..10.0f64),
        signals in any_signals(),
    ) {
        let fit = bounds.into_iter().map(|(bound, points)| fit(Field::Employees, bound, points, "size")).collect();
        let mut facts = Facts::default();
        facts.set(Field::Employees, employees.map(Value::Number));
        let found = score_on(TODAY, &signals, &mut facts, &agreement(ScoreModel { fit, intent, engagement, ..ScoreModel::default() }));
        let sum = |axis| found.parts.iter().filter(|part| part.axis == axis).map(|part| part.points).sum::<i32>();
        prop_assert_eq!(sum(Axis::Fit), found.points.fit);
        prop_assert_eq!(sum(Axis::Intent), found.points.intent);
        prop_assert_eq!(sum(Axis::Engagement), found.points.engagement);
    }

    #[test]
    fn nothing_changes_before_the_day_that_is_named(
        intent in prop::collection::vec(any_rule(), 1..4),
        signals in any_signals(),
    ) {
        let policy = agreement(ScoreModel { intent, ..ScoreModel::default() });
        let lines = |score: &Score| score.parts.iter().map(|part| part.points).collect::<Vec<_>>();
        let now = score_on(TODAY, &signals, &mut Facts::default(), &policy);
        let first = (1..200)
            .map(|days| TODAY.checked_add(days.days()).unwrap())
            .find(|day| lines(&score_on(*day, &signals, &mut Facts::default(), &policy)) != lines(&now));
        // A signal of a later day is looked at on its day, whether a line counts it or not.
        let arrival = signals.iter().map(|signal| TimeZone::UTC.to_datetime(signal.at).date()).filter(|day| *day > TODAY).min();
        let expected = [first, arrival].into_iter().flatten().min();
        prop_assert_eq!(now.next_change, expected);
    }

    #[test]
    fn order_of_signals_does_not_matter(
        intent in prop::collection::vec(any_rule(), 1..4),
        signals in any_signals().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let policy = agreement(ScoreModel { intent, ..ScoreModel::default() });
        let one = score_on(TODAY, &signals.0, &mut Facts::default(), &policy);
        let other = score_on(TODAY, &signals.1, &mut Facts::default(), &policy);
        prop_assert_eq!(one.points, other.points);
        prop_assert_eq!(one.next_change, other.next_change);
    }
}
