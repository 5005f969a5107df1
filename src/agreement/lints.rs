//! What an agreement says that both teams would regret: a bar that engagement alone crosses, one that nobody reaches,
//! names that look like typing mistakes.

use crate::document::{Problems, Reader, nearest};
use crate::domain::agreement::{Agreement, FitRule, SignalRule};
use crate::domain::expr::{Facts, Rule, Verdict};
use crate::domain::field::{Field, Value};
use crate::domain::id::Name;

use super::rule::Names;

/// More points or occurrences than any bar asks for.
const PLENTY: u32 = 1_000_000;

pub(super) fn check(agreement: &Agreement, root: &Reader<'_>, names: &Names, problems: &Problems) {
    unsigned(agreement, root);
    for name in names.lists.keys().filter(|name| !names.lists_used.borrow().contains(*name)) {
        if let Some(lists) = root.table("lists") {
            lists.warning(name, format!("no rule uses the list `{name}`"), "take it out, or say `... in lists.NAME`");
        }
    }
    signals(agreement, names, problems);
    match (agreement.bar(), root.get("stages")) {
        (Some(bar), _) => bar_is_sound(agreement, bar, root, problems),
        (None, None) => {
            let help = "add `[stages]` with `mql = \"icp.fits && score.intent >= 30\"`; until then only people and the CRM make MQLs";
            root.warning("version", "the agreement has no bar", help);
        }
        (None, Some(_)) => {}
    }
}

/// An agreement that not both teams have signed.
fn unsigned(agreement: &Agreement, root: &Reader<'_>) {
    let has_signed = |team: &&str| agreement.signed.iter().any(|signature| signature.team.as_str() == *team);
    let missing: Vec<&str> = ["marketing", "sales"].into_iter().filter(|team| !has_signed(team)).collect();
    let message = match missing[..] {
        [] => return,
        [team] => format!("{team} has not signed"),
        _ => "neither marketing nor sales has signed".to_owned(),
    };
    let lines: Vec<String> =
        missing.iter().map(|team| format!("{{ team = \"{team}\", by = \"...\", on = 2026-11-20 }}")).collect();
    let key = if root.get("signed").is_some() { "signed" } else { "version" };
    root.warning(key, message, format!("once they have: `signed = [{}]`", lines.join(", ")));
}

/// A signal that only a rule names, and that looks like one that is scored.
fn signals(agreement: &Agreement, names: &Names, problems: &Problems) {
    let scored = scored(agreement);
    for (name, place) in names.signals_used.borrow().iter() {
        if scored.contains(&name) {
            continue;
        }
        if let Some(near) = nearest(name.as_str(), scored.iter().map(|known| known.as_str())) {
            let message = format!("no signal is scored under the name `{name}`");
            problems.error(
                place.clone(),
                &format!("signals.{name}"),
                message,
                format!("did you mean `signals.{near}`?"),
            );
        }
    }
}

fn scored(agreement: &Agreement) -> Vec<&Name> {
    let model = &agreement.score;
    let segments = model.segments.iter().flat_map(|one| one.intent.iter().chain(&one.engagement).flatten());
    model.intent.iter().chain(&model.engagement).chain(segments).map(|rule| &rule.signal).collect()
}

fn bar_is_sound(agreement: &Agreement, bar: &Rule, root: &Reader<'_>, problems: &Problems) {
    let Some(stages) = root.table("stages") else { return };
    let model = &agreement.score;
    let engaging: Vec<&Name> = (model.engagement.iter())
        .chain(model.segments.iter().flat_map(|one| one.engagement.iter().flatten()))
        .map(|rule| &rule.signal)
        .collect();
    // With no intent at all: does it depend on engagement whether the bar can be crossed?
    let may_cross = |fit: u32, engagement: u32| {
        let mut facts = Facts::default();
        let number = |points: u32| Some(Value::Number(f64::from(points)));
        facts.set(Field::IcpFits, Some(Value::Flag(true)));
        facts.set(Field::IcpNever, Some(Value::Flag(false)));
        facts.set(Field::Fit, number(fit));
        facts.set(Field::Intent, number(0));
        facts.set(Field::Engagement, number(engagement));
        engaging.iter().for_each(|name| facts.set_signal((*name).clone(), engagement));
        bar.eval(&facts) != Verdict::No
    };
    if [0, PLENTY].into_iter().any(|fit| may_cross(fit, PLENTY) && !may_cross(fit, 0)) {
        let help = "ask for intent too, such as `&& score.intent >= 30`: readers are not buyers";
        stages.error("mql", "engagement alone can cross this bar", help);
        return;
    }
    let most_fit = (model.segments.iter().filter_map(|one| one.fit.as_deref()).map(fit_max))
        .chain([fit_max(&model.fit)])
        .max()
        .unwrap_or(0);
    let most_intent = (model.segments.iter().filter_map(|one| one.intent.as_deref()).map(signals_max))
        .chain([signals_max(&model.intent)])
        .max()
        .unwrap_or(0);
    let mut best = Facts::default();
    let number = |points: i32| Some(Value::Number(f64::from(points)));
    best.set(Field::IcpFits, Some(Value::Flag(true)));
    best.set(Field::IcpNever, Some(Value::Flag(false)));
    best.set(Field::Fit, number(most_fit));
    best.set(Field::Intent, number(most_intent));
    agreement.signals().into_iter().for_each(|name| best.set_signal(name, PLENTY));
    if bar.eval(&best) == Verdict::No && !problems.has_errors() {
        let intent = if most_intent >= i32::MAX / 2 { "any number".to_owned() } else { most_intent.to_string() };
        let message =
            format!("no lead can cross this bar: the rules give at most {most_fit} for fit and {intent} for intent");
        stages.warning("mql", message, "lower the bar, or give more points");
    }
}

fn fit_max(rules: &[FitRule]) -> i32 {
    rules.iter().map(|rule| rule.points.max(0)).sum()
}

fn signals_max(rules: &[SignalRule]) -> i32 {
    let most = |rule: &SignalRule| match (rule.points, rule.cap, rule.at_least) {
        (..=0, _, _) => 0,
        (_, Some(cap), _) => cap,
        (points, None, 2..) => points,
        (_, None, _) => i32::MAX / 2,
    };
    rules.iter().map(most).fold(0, i32::saturating_add).min(i32::MAX / 2)
}
