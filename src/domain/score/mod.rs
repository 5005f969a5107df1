//! Points for who a lead is and for what it did: two axes with a grade, engagement beside, each point with its reason.
//!
//! Whole points: a line's points are rounded once, and the lines of an axis sum to the axis exactly. A day is a civil day
//! of the workspace's zone: scores step at its midnight and are the same all day. A fact that nobody knows gives no
//! points and takes none: its line says what is missing.

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::agreement::{Agreement, FitRule, Grades, Icp, ScoreModel, Segment, SignalRule};
use super::expr::{Facts, Rule, Verdict};
use super::field::{Field, FieldSet, Value};
use super::id::Name;
use super::lead::{Grade, Points};
use super::signal::Signal;

/// After so many half-lives an occurrence is worth nothing.
pub const HALF_LIVES_MAX: i64 = 10;

/// A score with its reasons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// The axes and the grade.
    pub points: Points,
    /// One line for each rule in force, in the agreement's order: fit, intent, engagement.
    pub parts: Vec<Part>,
    /// The segment whose rules stood in, if any.
    pub segment: Option<Name>,
    /// The first day on which any line would give other points though nothing new happens; `None` = never.
    pub next_change: Option<Date>,
    /// The fields that were asked for.
    pub uses: FieldSet,
    /// What nobody knows though the ideal customer or a segment asks for it; counted as no.
    pub missing: FieldSet,
}

/// One line of a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it adds to.
    pub axis: Axis,
    /// What a person reads as the reason: the rule's words, or the signal's name.
    pub because: Name,
    /// The points: 0 if the rule does not hold.
    pub points: i32,
    /// Occurrences that counted; for a fact 1 if it holds.
    pub count: u32,
    /// What would have to be known to say whether the fact holds; empty if that can be said.
    pub missing: FieldSet,
}

/// What a line adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Who they are.
    Fit,
    /// What shows that they mean to buy.
    Intent,
    /// What shows interest.
    Engagement,
}

impl Axis {
    /// The axis' name in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Intent => "intent",
            Self::Engagement => "engagement",
        }
    }
}

/// Scores a lead on the day `today` of `zone`, from its facts and the signals of all its records, each once.
///
/// Tells `facts` what follows: `icp.*` before the rules are asked, how often each signal happened, then `score.*`. A
/// signal of a later day does not count before its day.
#[must_use]
pub fn score(today: Date, signals: &[&Signal], zone: &TimeZone, facts: &mut Facts, agreement: &Agreement) -> Score {
    let mut score = Score::default();
    settle_icp(&agreement.icp, facts, &mut score);
    let happened = ages(today, signals, zone);
    count_signals(&happened, facts);
    let model = &agreement.score;
    let segment = segment(&model.segments, facts, &mut score);
    let (fit, intent, engagement) = in_force(model, segment);
    score.segment = segment.map(|segment| segment.name.clone());
    score.parts.reserve_exact(fit.len() + intent.len() + engagement.len());
    score.points.fit = fit.iter().map(|rule| fit_line(rule, facts, &mut score)).fold(0, i32::saturating_add);
    // Signals of later days change something on their day, in rules that count them by name too.
    let mut next = happened.iter().filter(|(_, age)| *age < 0).map(|(_, age)| -age).min();
    let mut ages = Vec::new();
    for (axis, rules) in [(Axis::Intent, intent), (Axis::Engagement, engagement)] {
        let mut total = 0i32;
        for rule in rules {
            let (points, changes_in) = signal_line(axis, rule, &happened, &mut ages, &mut score);
            total = total.saturating_add(points);
            next = [next, changes_in].into_iter().flatten().min();
        }
        match axis {
            Axis::Engagement => score.points.engagement = total,
            Axis::Intent | Axis::Fit => score.points.intent = total,
        }
    }
    score.points.grade = grade(&model.grades, score.points.fit, score.points.intent);
    score.next_change = next.and_then(|days| today.checked_add(days.days()).ok());
    for (field, points) in [
        (Field::Fit, score.points.fit),
        (Field::Intent, score.points.intent),
        (Field::Engagement, score.points.engagement),
    ] {
        facts.set(field, Some(Value::Number(f64::from(points))));
    }
    facts.set(Field::Grade, Value::text(&score.points.grade.to_string()));
    score
}

/// The grade of points on both axes.
#[must_use]
pub fn grade(grades: &Grades, fit: i32, intent: i32) -> Grade {
    let step = |bounds: &[i32; 3], points: i32| match bounds {
        [best, _, _] if points >= *best => 0,
        [_, second, _] if points >= *second => 1,
        [_, _, third] if points >= *third => 2,
        _ => 3u8,
    };
    Grade { fit: b'A' + step(&grades.fit, fit), intent: 1 + step(&grades.intent, intent) }
}

/// Settles `icp.*`: unknown counts as no. Without a definition everybody fits and nobody is ruled out.
fn settle_icp(icp: &Icp, facts: &mut Facts, score: &mut Score) {
    let mut settle = |rule: Option<&Rule>, default: bool, facts: &Facts| match rule {
        Some(rule) => holds(rule, facts, score),
        None => default,
    };
    let fits = settle(icp.fits.as_ref(), true, facts);
    let never = settle(icp.never.as_ref(), false, facts);
    facts.set(Field::IcpFits, Some(Value::Flag(fits)));
    facts.set(Field::IcpNever, Some(Value::Flag(never)));
}

fn holds(rule: &Rule, facts: &Facts, score: &mut Score) -> bool {
    score.uses = score.uses.union(rule.uses);
    match rule.eval(facts) {
        Verdict::Yes => true,
        Verdict::No => false,
        Verdict::Unknown(missing) => {
            score.missing = score.missing.union(missing);
            false
        }
    }
}

/// Tells `facts` how often each signal happened up to `today`, and nothing else.
pub fn count(today: Date, signals: &[&Signal], zone: &TimeZone, facts: &mut Facts) {
    count_signals(&ages(today, signals, zone), facts);
}

/// Each signal with its age in days.
fn ages<'a>(today: Date, signals: &[&'a Signal], zone: &TimeZone) -> Vec<(&'a Name, i64)> {
    signals.iter().map(|signal| (&signal.name, days_between(zone.to_datetime(signal.at).date(), today))).collect()
}

fn count_signals(happened: &[(&Name, i64)], facts: &mut Facts) {
    let mut counts: Vec<(&Name, u32)> = Vec::new();
    for (name, _) in happened.iter().filter(|(_, age)| *age >= 0) {
        // From the end: whoever sorts the signals by name finds the count at once.
        match counts.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((*name, 1)),
        }
    }
    for (name, count) in counts {
        facts.set_signal(name.clone(), count);
    }
}

/// The first segment whose condition holds.
fn segment<'a>(segments: &'a [Segment], facts: &Facts, score: &mut Score) -> Option<&'a Segment> {
    segments.iter().find(|segment| holds(&segment.when, facts, score))
}

/// The rules in force: a list that the segment has stands in for the general one.
fn in_force<'a>(
    model: &'a ScoreModel,
    segment: Option<&'a Segment>,
) -> (&'a [FitRule], &'a [SignalRule], &'a [SignalRule]) {
    (
        segment.and_then(|segment| segment.fit.as_ref()).unwrap_or(&model.fit),
        segment.and_then(|segment| segment.intent.as_ref()).unwrap_or(&model.intent),
        segment.and_then(|segment| segment.engagement.as_ref()).unwrap_or(&model.engagement),
    )
}

fn fit_line(rule: &FitRule, facts: &Facts, score: &mut Score) -> i32 {
    score.uses = score.uses.union(rule.when.uses);
    let (points, count, missing) = match rule.when.eval(facts) {
        Verdict::Yes => (rule.points, 1, FieldSet::default()),
        Verdict::No => (0, 0, FieldSet::default()),
        Verdict::Unknown(missing) => (0, 0, missing),
    };
    score.parts.push(Part { axis: Axis::Fit, because: rule.because.clone(), points, count, missing });
    points
}

fn signal_line(
    axis: Axis,
    rule: &SignalRule,
    happened: &[(&Name, i64)],
    ages: &mut Vec<i64>,
    score: &mut Score,
) -> (i32, Option<i64>) {
    ages.clear();
    ages.extend(happened.iter().filter(|(name, _)| **name == rule.signal).map(|(_, age)| *age));
    // Sums of f64 depend on their order; the score must not depend on the order in which records were read.
    ages.sort_unstable();
    let points = points_in(0, rule, ages);
    let counted = ages.iter().filter(|age| counts(rule, **age)).count();
    score.parts.push(Part {
        axis,
        because: rule.signal.clone(),
        points,
        count: u32::try_from(counted).unwrap_or(u32::MAX),
        missing: FieldSet::default(),
    });
    (points, changes_in(rule, ages, points))
}

/// Does an occurrence of this age, in days, count? "Within 7 days" reaches back to the same day of last week, so that what
/// happened less than seven times 24 hours ago always counts.
fn counts(rule: &SignalRule, age: i64) -> bool {
    0 <= age && age <= last_day(rule)
}

/// The greatest age that counts.
fn last_day(rule: &SignalRule) -> i64 {
    let window = rule.within_days.map_or(i64::MAX, i64::from);
    window.min(half_life(rule).map_or(i64::MAX, |days| days * HALF_LIVES_MAX))
}

fn half_life(rule: &SignalRule) -> Option<i64> {
    rule.half_life_days.map(|days| i64::from(days.max(1)))
}

/// The points of a rule `later` days from today, if nothing new happens; `ages` are of today.
fn points_in(later: i64, rule: &SignalRule, ages: &[i64]) -> i32 {
    let cap = rule.cap.map_or(f64::from(i32::MAX), |cap| f64::from(cap).abs());
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i32")]
    let points = exact_in(later, rule, ages).round().clamp(-cap, cap) as i32;
    points
}

/// The same before rounding and cap.
fn exact_in(later: i64, rule: &SignalRule, ages: &[i64]) -> f64 {
    let counted = ages.iter().map(|age| age + later).filter(|age| counts(rule, *age));
    let weight = |age: i64| half_life(rule).map_or(1.0, |half_life| decay(age, half_life));
    let weights: f64 = if rule.at_least <= 1 {
        counted.map(weight).sum()
    } else if counted.clone().count() < usize::try_from(rule.at_least).unwrap_or(usize::MAX) {
        0.0
    } else {
        // The count was reached once: its points are as fresh as the newest occurrence.
        counted.min().map_or(0.0, weight)
    };
    f64::from(rule.points) * weights
}

/// In how many days the points of a rule change first, if nothing new happens. `points` are today's.
///
/// Between the days on which an occurrence begins or ceases to count, points only shrink: there the first day is guessed
/// from the half-life and then found exactly, by the function that will give the points on that day.
fn changes_in(rule: &SignalRule, ages: &[i64], points: i32) -> Option<i64> {
    let differs = |later: i64| points_in(later, rule, ages) != points;
    let last = last_day(rule);
    let mut from = 0;
    loop {
        let turn = ages
            .iter()
            .flat_map(|age| [-age, last.saturating_sub(*age).saturating_add(1)])
            .filter(|day| *day > from && *day < i64::from(i32::MAX))
            .min()?;
        let mut day = turn;
        if let Some(half_life) = half_life(rule).filter(|_| points != 0 && turn > from + 1) {
            day = guess(exact_in(from, rule, ages), points, half_life).saturating_add(from).clamp(from + 1, turn - 1);
            while day > from + 1 && differs(day - 1) {
                day -= 1;
            }
            while day < turn && !differs(day) {
                day += 1;
            }
        }
        if day < turn || differs(turn) {
            return Some(day);
        }
        from = turn;
    }
}

/// In about how many days an exact worth will no longer round to `points`. Only a place to begin looking: the platform's
/// logarithm may differ in its last bit.
fn guess(exact: f64, points: i32, half_life: i64) -> i64 {
    let bound = f64::from(points).abs() - 0.5;
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a guess; `as` saturates")]
    let days = ((exact.abs() / bound).log2() * half_life as f64).ceil() as i64;
    days
}

/// 2 to the power of -age / half life, for ages of 0 to [`HALF_LIVES_MAX`] half-lives.
///
/// Worked out in the four basic operations, whose results IEEE 754 fixes to the last bit: the platform's own power function
/// is not the same everywhere, and `replay` must give the same bytes.
fn decay(age: i64, half_life: i64) -> f64 {
    let (halvings, rest) = (age / half_life, age % half_life);
    let (step, rest) = (rest * i64::from(STEPS) / half_life, rest * i64::from(STEPS) % half_life);
    #[expect(clippy::cast_precision_loss, reason = "days and powers of two, far below 2^52")]
    let (part, whole) = (rest as f64 / (half_life * i64::from(STEPS)) as f64, (1i64 << halvings.clamp(0, 62)) as f64);
    let step = usize::try_from(step).unwrap_or_default();
    POWERS[step] * power::<8>(part) / whole
}

/// Each halving is cut into so many steps, whose powers are known, so that the series for the rest is short.
const STEPS: u8 = 32;

/// 2 to the power of -n / [`STEPS`].
const POWERS: [f64; STEPS as usize] = {
    let mut table = [1.0; STEPS as usize];
    let mut n = 0;
    while n < table.len() {
        #[expect(clippy::cast_precision_loss, reason = "below 32")]
        let part = n as f64 / STEPS as f64;
        table[n] = power::<20>(part);
        n += 1;
    }
    table
};

/// 2 to the power of -`part`, for parts of 0 to 1, by so many terms of the exponential series.
const fn power<const TERMS: usize>(part: f64) -> f64 {
    let x = std::f64::consts::LN_2 * part;
    let mut sum = 1.0;
    let mut n = TERMS;
    while n > 0 {
        sum = 1.0 - x * RECIPROCALS[n] * sum;
        n -= 1;
    }
    sum
}

const RECIPROCALS: [f64; 21] = {
    let mut table = [1.0; 21];
    let mut n = 1;
    while n < table.len() {
        #[expect(clippy::cast_precision_loss, reason = "below 21")]
        let divisor = n as f64;
        table[n] = 1.0 / divisor;
        n += 1;
    }
    table
};

/// How many civil days `later` comes after `earlier`; negative if it comes before.
fn days_between(earlier: Date, later: Date) -> i64 {
    later.duration_since(earlier).as_hours() / 24
}

#[cfg(test)]
mod tests;
