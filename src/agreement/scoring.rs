//! `[score]`: points for facts and for signals, segments, grades.

use crate::document::{Problems, Reader, Value};
use crate::domain::agreement::{FitRule, Grades, ScoreModel, Segment, SignalRule};
use crate::domain::id::Name;

use super::rule::{Names, Scope};
use super::together::{Mention, Mentioned};
use super::{days, rule, signal_name};

const POINTS_MAX: i32 = 1_000;

pub(super) struct Scoring<'a> {
    pub(super) names: &'a Names,
    pub(super) problems: &'a Problems,
    pub(super) mentions: Vec<Mention>,
}

impl Scoring<'_> {
    pub(super) fn model(&mut self, score: &Reader<'_>) -> ScoreModel {
        let model = ScoreModel {
            fit: self.fit(score, "fit"),
            intent: self.signals(score, "intent"),
            engagement: self.signals(score, "engagement"),
            segments: score.tables("segments").into_iter().filter_map(|table| self.segment(table)).collect(),
            grades: score.table("grades").map(grades).unwrap_or_default(),
        };
        for rule in &model.engagement {
            if model.intent.iter().any(|intent| intent.signal == rule.signal) {
                let message = format!("`{}` is scored as intent and as engagement", rule.signal);
                score.error("engagement", message, "a signal is one of the two: take it out of one list");
            }
        }
        model
    }

    fn rule(&self, table: &Reader<'_>) -> Option<crate::domain::expr::Rule> {
        let (text, node) = table.needed("when", "\"company.employees >= 200\"")?;
        rule::read(node, text, &table.path("when"), Scope::Score, self.names, self.problems)
    }

    fn fit(&self, table: &Reader<'_>, key: &str) -> Vec<FitRule> {
        let read = |table: Reader<'_>| {
            let when = self.rule(&table);
            let points = points(&table);
            let because = table.text("because").map(|(text, _)| Name::from(text));
            table.finish();
            let when = when?;
            Some(FitRule { because: because.unwrap_or_else(|| Name::new(&when.text)), when, points: points? })
        };
        table.tables(key).into_iter().filter_map(read).collect()
    }

    fn signals(&mut self, table: &Reader<'_>, key: &str) -> Vec<SignalRule> {
        let mut rules = Vec::new();
        for table in table.tables(key) {
            let signal = signal_name(&table, "signal");
            let points = points(&table);
            let at_least = table.count("at_least", 1..=10_000).unwrap_or(1);
            let within_days = table.parsed("within", days);
            let half_life_days = table.parsed("half_life", days);
            let cap = table.integer("cap", 1..=POINTS_MAX);
            if let (Some(points), Some(cap)) = (points, cap)
                && cap < points
            {
                table.error(
                    "cap",
                    format!("the cap of {cap} is below the {points} points of one occurrence"),
                    "raise the cap",
                );
            }
            if cap.is_some() && at_least > 1 {
                let help = "`at_least` gives its points once: leave one of the two out";
                table.error("cap", "a cap on points that are given once", help);
            }
            if let Some((name, place)) = signal {
                let key = table.path("signal");
                self.mentions.push(Mention { what: Mentioned::Signal, name: name.clone(), place, key });
                if let Some(points) = points {
                    rules.push(SignalRule { signal: name, points, at_least, within_days, half_life_days, cap });
                }
            }
            table.finish();
        }
        rules
    }

    fn segment(&mut self, table: Reader<'_>) -> Option<Segment> {
        let name = table.needed("name", "\"manufacturing\"").map(|(text, _)| Name::from(text));
        let when = self.rule(&table);
        let has = |key: &str| table.get(key).is_some();
        let fit = has("fit").then(|| self.fit(&table, "fit"));
        let intent = has("intent").then(|| self.signals(&table, "intent"));
        let engagement = has("engagement").then(|| self.signals(&table, "engagement"));
        if fit.is_none() && intent.is_none() && engagement.is_none() {
            table.error(
                "name",
                "a segment without rules of its own changes nothing",
                "give it `fit`, `intent` or `engagement`",
            );
        }
        table.finish();
        Some(Segment { name: name?, when: when?, fit, intent, engagement })
    }
}

fn points(table: &Reader<'_>) -> Option<i32> {
    if table.get("points").is_none() {
        table.missing("points", "20");
    }
    let points = table.integer("points", -POINTS_MAX..=POINTS_MAX)?;
    if points == 0 {
        table.error("points", "a rule of 0 points changes nothing", "give it points, or take it out");
    }
    Some(points)
}

fn grades(table: Reader<'_>) -> Grades {
    let bounds = |key: &str, usual: [i32; 3]| {
        let Some(list) = table.list(key) else { return usual };
        let found: Vec<i32> = list
            .iter()
            .filter_map(|node| if let Value::Integer(found) = node.value { i32::try_from(found).ok() } else { None })
            .collect();
        match <[i32; 3]>::try_from(found) {
            Ok(found) if list.len() == 3 && found[0] > found[1] && found[1] > found[2] => found,
            _ => {
                table.error(key, "grades need three falling bounds", format!("write `{key} = {usual:?}`"));
                usual
            }
        }
    };
    let usual = Grades::default();
    let grades = Grades { fit: bounds("fit", usual.fit), intent: bounds("intent", usual.intent) };
    table.finish();
    grades
}
