//! Why a lead is not past the bar: every part of the bar that fails, with what was found and what would help.

use crate::domain::agreement::{Agreement, FitRule, SignalRule};
use crate::domain::counted::many;
use crate::domain::expr::{Comparison, Facts, Number, Test, Verdict};
use crate::domain::field::{Field, Value};
use crate::domain::score::{Axis, Score};
use crate::domain::stage::Stage;

use super::rule;

/// How a lead stands to the bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The bar and what came of it, in a sentence.
    pub headline: String,
    /// The parts that fail, in the order of the rule; required facts come last.
    pub parts: Vec<Shortfall>,
    /// Which segment's rules score this lead, or why none does; `None` if the agreement has no segments.
    pub segment: Option<String>,
}

/// A part of the bar that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Of what it is a part: `mql`, `icp.fits`, `icp.never` or `requires`.
    pub of: &'static str,
    /// What is needed, as a rule says it: `score.fit >= 50`.
    pub needs: String,
    /// What was found: `34 (16 short)`, `not known`.
    pub found: String,
    /// What would help, each a line of the score that gives nothing yet or less than it could.
    pub helps: Vec<String>,
}

/// How a lead at `stage` stands to the bar of `agreement`; `None` if it is past it.
///
/// `facts` hold what `icp` and the score made of the lead, which `score` gives line by line.
#[must_use]
pub fn standing(stage: Stage, agreement: &Agreement, facts: &Facts, score: &Score) -> Option<Standing> {
    if stage.is_past_bar() {
        return None;
    }
    let ruling = Ruling { agreement, facts, score };
    let segment = ruling.segment();
    let Some(bar) = agreement.bar() else {
        let headline = "the agreement has no rule for `mql`: only a person can qualify a lead".to_owned();
        return Some(Standing { headline, parts: ruling.required(), segment });
    };
    let outcome = match bar.eval(facts) {
        Verdict::Yes => "it is fulfilled, but nothing happened since the last hand-off, or the lead rests",
        Verdict::No => "it does not hold",
        Verdict::Unknown(_) => "it cannot be said whether it holds, which counts as no",
    };
    let mut parts = ruling.fails("mql", bar.test());
    parts.extend(ruling.required());
    Some(Standing { headline: format!("the bar is `{}`: {outcome}", bar.text), parts, segment })
}

/// One lead under one agreement.
struct Ruling<'a> {
    agreement: &'a Agreement,
    facts: &'a Facts,
    score: &'a Score,
}

impl Ruling<'_> {
    /// Every part of `test` that keeps it from holding.
    fn fails(&self, of: &'static str, test: &Test) -> Vec<Shortfall> {
        if test.eval(self.facts).is_yes() {
            return Vec::new();
        }
        match test {
            Test::All(tests) => tests.iter().flat_map(|test| self.fails(of, test)).collect(),
            // What is settled by another rule fails by that rule's parts.
            Test::Flag(Field::IcpFits) => {
                self.agreement.icp.fits.as_ref().map_or_else(Vec::new, |fits| self.fails("icp.fits", fits.test()))
            }
            Test::Not(inner) if **inner == Test::Flag(Field::IcpNever) => {
                let never = self.agreement.icp.never.iter().flat_map(|never| self.holds(never.test()));
                never
                    .map(|test| Shortfall {
                        of: "icp.never",
                        needs: format!("not {}", rule::words(test)),
                        found: rule::found(test, self.facts),
                        helps: Vec::new(),
                    })
                    .collect()
            }
            Test::Any(tests) => {
                let helps = tests.iter().flat_map(|test| self.fails(of, test)).flat_map(|part| part.helps).collect();
                vec![Shortfall { of, needs: rule::words(test), found: rule::found(test, self.facts), helps }]
            }
            Test::Compare(left, how, right) => vec![self.comparison(of, test, left, *how, right)],
            Test::Always(_)
            | Test::Not(_)
            | Test::Has(_)
            | Test::Flag(_)
            | Test::TextIn(..)
            | Test::SameText(..)
            | Test::HasWord(..)
            | Test::Part(..) => {
                vec![Shortfall {
                    of,
                    needs: rule::words(test),
                    found: rule::found(test, self.facts),
                    helps: Vec::new(),
                }]
            }
        }
    }

    /// The alternatives of `test` that hold.
    fn holds<'t>(&self, test: &'t Test) -> Vec<&'t Test> {
        match test {
            Test::Any(tests) => tests.iter().filter(|test| test.eval(self.facts).is_yes()).collect(),
            one => vec![one],
        }
    }

    fn comparison(&self, of: &'static str, test: &Test, left: &Number, how: Comparison, right: &Number) -> Shortfall {
        let mut found = rule::found(test, self.facts);
        if let (Number::Field(field), Comparison::AtLeast, Number::Constant(bound)) = (left, how, right)
            && let Some(has) = self.facts.get(*field).and_then(Value::as_number)
        {
            found = format!("{found} ({} short)", bound - has);
        }
        let asks = |field| test.uses().contains(field);
        let mut helps = Vec::new();
        for (field, axis) in
            [(Field::Fit, Axis::Fit), (Field::Intent, Axis::Intent), (Field::Engagement, Axis::Engagement)]
        {
            if asks(field) {
                helps.extend(self.would_raise(axis));
            }
        }
        Shortfall { of, needs: rule::words(test), found, helps }
    }

    /// The lines of an axis that give less than they could.
    fn would_raise(&self, axis: Axis) -> Vec<String> {
        let model = &self.agreement.score;
        let named = self.score.segment.as_ref();
        let segment = named.and_then(|name| model.segments.iter().find(|segment| segment.name == *name));
        let points = self.score.parts.iter().filter(|part| part.axis == axis).map(|part| (part.points, part.count));
        let signals = |rules: &[SignalRule]| {
            let lines = rules.iter().zip(points.clone());
            lines.filter_map(|(rule, (points, count))| self.signal_line(rule, points, count)).collect()
        };
        match axis {
            Axis::Fit => {
                let rules = segment.and_then(|segment| segment.fit.as_ref()).unwrap_or(&model.fit);
                rules.iter().zip(points).filter_map(|(rule, (points, _))| self.fit_line(rule, points)).collect()
            }
            Axis::Intent => signals(segment.and_then(|segment| segment.intent.as_ref()).unwrap_or(&model.intent)),
            Axis::Engagement => {
                signals(segment.and_then(|segment| segment.engagement.as_ref()).unwrap_or(&model.engagement))
            }
        }
    }

    fn fit_line(&self, of: &FitRule, points: i32) -> Option<String> {
        let found = || rule::found(of.when.test(), self.facts);
        if of.points > 0 && points == 0 {
            return Some(format!("{:+} {}: `{}` (found {})", of.points, of.because, of.when.text, found()));
        }
        (points < 0).then(|| format!("{points:+} is taken away for {}: `{}` holds", of.because, of.when.text))
    }

    fn signal_line(&self, of: &SignalRule, points: i32, counted: u32) -> Option<String> {
        if of.points <= 0 {
            return (points < 0).then(|| format!("{points:+} is taken away by {}", of.signal));
        }
        let ever = self.facts.signal(&of.signal);
        let seen = match (counted, ever) {
            (0, 0) => "none seen".to_owned(),
            (0, ever) => format!("{ever} seen, all too long ago to count"),
            (counted, _) => format!("{counted} counted, {points:+} by now"),
        };
        if of.cap.is_some_and(|cap| points >= cap) {
            return None;
        }
        let window = of.within_days.map(|days| format!(" within {}", many(days, "day", "days"))).unwrap_or_default();
        let when = match of.at_least {
            0 | 1 => format!("{:+} for a {}{window}", of.points, of.signal),
            count => format!("{:+} for {count} of {}{window}", of.points, of.signal),
        };
        (points < of.points || of.at_least <= 1).then(|| format!("{when} ({seen})"))
    }

    /// The lists of required facts of which nothing is known.
    fn required(&self) -> Vec<Shortfall> {
        let missing = |any: &&Vec<Field>| any.iter().all(|field| self.facts.get(*field).is_none());
        let requires = self.agreement.handoff.requires.iter().filter(missing);
        requires
            .map(|any| Shortfall {
                of: "requires",
                needs: any.iter().map(|field| field.name()).collect::<Vec<_>>().join(" or "),
                found: "not known".to_owned(),
                helps: Vec::new(),
            })
            .collect()
    }

    fn segment(&self) -> Option<String> {
        let segments = &self.agreement.score.segments;
        if segments.is_empty() {
            return None;
        }
        Some(match &self.score.segment {
            Some(name) => format!("{name}: its own lines of the score count"),
            None => {
                let asked = segments.iter().map(|segment| {
                    let found = rule::found(segment.when.test(), self.facts);
                    format!("{} asks for `{}` (found {found})", segment.name, segment.when.text)
                });
                format!("none: {}", asked.collect::<Vec<_>>().join("; "))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::document::{Problems, Source};
    use crate::domain::id::Name;
    use crate::domain::score;

    const AGREEMENT: &str = include_str!("../../config/agreement.toml");

    fn agreement(change: (&str, &str)) -> Agreement {
        let text = AGREEMENT.replace(change.0, change.1);
        let problems = Problems::new();
        let draft = crate::agreement::read(&Source::new("agreement.toml", text), &TimeZone::UTC, &problems);
        assert!(!problems.has_errors(), "{}", problems.render(false));
        draft.agreement
    }

    /// How somebody with these facts stands, a part a line.
    fn told(agreement: &Agreement, facts: &[(Field, Value)], signals: &[&str]) -> Vec<String> {
        let mut known = Facts::default();
        facts.iter().for_each(|(field, value)| known.set(*field, Some(value.clone())));
        let at = "2026-11-24T09:00:00Z".parse().unwrap();
        let signals: Vec<crate::domain::signal::Signal> =
            signals.iter().map(|name| crate::domain::signal::Signal { name: Name::from(*name), at }).collect();
        let signals: Vec<_> = signals.iter().collect();
        let score = score::score(jiff::civil::date(2026, 11, 24), &signals, &TimeZone::UTC, &mut known, agreement);
        let standing = standing(Stage::Engagement, agreement, &known, &score).expect("below the bar");
        let mut lines: Vec<String> = standing
            .parts
            .iter()
            .flat_map(|part| {
                let own = format!("{}: {}; found {}", part.of, part.needs, part.found);
                std::iter::once(own).chain(part.helps.iter().map(|help| format!("  {help}")))
            })
            .collect();
        lines.extend(standing.segment);
        lines
    }

    fn text(text: &str) -> Value {
        Value::text(text).unwrap()
    }

    #[test]
    fn every_part_of_the_bar_that_fails_is_named_with_what_would_raise_it() {
        let agreement = agreement(("score.fit >= 25", "score.fit >= 30"));
        let facts = [
            (Field::Employees, Value::Number(300.0)),
            (Field::CompanyCountry, text("US")),
            (Field::Title, text("Student")),
            (Field::Email, text("a@example.com")),
            (Field::Country, text("US")),
        ];
        assert_eq!(
            told(&agreement, &facts, &["pricing_page"]),
            [
                "icp.fits: company.country in ['AT', 'CH', 'DE']; found US",
                "icp.never: not lead.title.has_word(['intern', 'student']); found Student",
                "mql: score.fit >= 30; found 25 (5 short)",
                "  +10 decides: `lead.title.has_word(['head', 'director', 'vp', 'chief'])` (found Student)",
                "mql: score.intent >= 30; found 0 (30 short)",
                "  +40 for a demo_request (none seen)",
                "  +20 for 2 of pricing_page within 7 days (1 counted, +0 by now)",
                "requires: lead.phone or lead.linkedin; found not known",
                "requires: lead.source; found not known",
                "none: manufacturing asks for `company.industry == 'manufacturing'` (found not known)",
            ]
        );
    }

    #[test]
    fn what_nobody_knows_is_named_and_a_segment_counts_its_own_lines() {
        let agreement = agreement(("score.fit >= 25", "score.fit >= 30"));
        let told = told(&agreement, &[(Field::Industry, text("manufacturing"))], &["demo_request"]);
        assert_eq!(
            told[..5],
            [
                "icp.fits: company.employees >= 50; found not known",
                "icp.fits: company.country in ['AT', 'CH', 'DE']; found not known",
                "mql: score.fit >= 30; found 0 (30 short)",
                "  +25 plant size: `company.employees >= 50` (found not known)",
                "requires: lead.email; found not known",
            ]
        );
        assert_eq!(told.last().map(String::as_str), Some("manufacturing: its own lines of the score count"));
    }

    #[test]
    fn alternatives_are_one_part() {
        let agreement = agreement((
            "icp.fits && !icp.never && score.fit >= 25 && score.intent >= 30",
            "score.intent >= 100 || signals.demo_request >= 2",
        ));
        let told = told(&agreement, &[], &["demo_request"]);
        assert_eq!(
            told[..3],
            [
                "mql: score.intent >= 100 || signals.demo_request >= 2; found score.intent 40, signals.demo_request 1",
                "  +40 for a demo_request (1 counted, +40 by now)",
                "  +20 for 2 of pricing_page within 7 days (none seen)",
            ]
        );
    }

    #[test]
    fn who_is_past_the_bar_has_nothing_to_explain() {
        let agreement = agreement(("", ""));
        assert_eq!(standing(Stage::Mql, &agreement, &Facts::default(), &Score::default()), None);
    }
}
