//! Rules against a second opinion: where every fact is known, the `cel` interpreter says the same.

use std::collections::HashMap;

use baton::agreement;
use baton::document::{Problems, Source};
use baton::domain::expr::{Facts, Rule, Verdict};
use baton::domain::field::{Field, Value};
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// One rule, read as a fit rule of the starter.
fn rule(text: &str) -> Rule {
    let starter = include_str!("../../config/starter.toml");
    let text = starter.replace("when = \"company.employees >= 50\"", &format!("when = \"{text}\""));
    let problems = Problems::new();
    let draft = agreement::read(&Source::new("a.toml", text), &TimeZone::UTC, &problems);
    assert!(!problems.has_errors(), "{}", problems.render(false));
    draft.agreement.score.fit.into_iter().next().unwrap().when
}

/// Conditions over known facts, written so that both read them alike: numbers with a point, text in small letters.
fn condition() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just("company.employees"), Just("company.revenue"), Just("lead.budget")];
    let text = prop_oneof![Just("lead.title"), Just("company.industry"), Just("lead.source")];
    let word = || prop_oneof![Just("head of sales"), Just("head"), Just("sales"), Just("retail"), Just("x"), Just("")];
    let comparison = prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let sum = (number.clone(), prop_oneof![Just("+"), Just("-"), Just("*")], 0..9)
        .prop_map(|(field, sign, n)| format!("{field} {sign} {n}.0"));
    let leaf = prop_oneof![
        (prop_oneof![number.clone().prop_map(str::to_owned), sum], comparison, 0..9)
            .prop_map(|(left, how, right)| format!("{left} {how} {right}.0")),
        (text.clone(), prop_oneof![Just("=="), Just("!=")], word()).prop_map(|(f, how, w)| format!("{f} {how} '{w}'")),
        (text.clone(), prop_oneof![Just("contains"), Just("startsWith"), Just("endsWith")], word())
            .prop_map(|(field, method, word)| format!("{field}.{method}('{word}')")),
        (text, word(), word()).prop_map(|(field, a, b)| format!("{field} in ['{a}', '{b}']")),
        Just("lead.opted_out".to_owned()),
        Just("true".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn the_cel_interpreter_agrees_where_everything_is_known(
        text in condition(),
        numbers in proptest::array::uniform3(0_u32..9),
        title in prop_oneof![Just("head of sales"), Just("sales"), Just("retail")],
        opted_out: bool,
    ) {
        let values = [
            (Field::Employees, Value::Number(f64::from(numbers[0]))),
            (Field::Revenue, Value::Number(f64::from(numbers[1]))),
            (Field::Budget, Value::Number(f64::from(numbers[2]))),
            (Field::Title, Value::text(title).unwrap()),
            (Field::Industry, Value::text("retail").unwrap()),
            (Field::Source, Value::text("x").unwrap()),
            (Field::OptedOut, Value::Flag(opted_out)),
        ];
        let mut facts = Facts::default();
        values.iter().for_each(|(field, value)| facts.set(*field, Some(value.clone())));
        let mut context = cel::Context::default();
        for root in ["lead", "company"] {
            let members = values.iter().filter_map(|(field, value)| {
                let name = field.name().strip_prefix(root)?.strip_prefix('.')?.to_owned();
                let value = match value {
                    Value::Text(text) => cel::Value::from(text.to_string()),
                    Value::Number(number) => cel::Value::from(*number),
                    Value::Flag(flag) => cel::Value::from(*flag),
                };
                Some((name, value))
            });
            context.add_variable_from_value(root, members.collect::<HashMap<String, cel::Value>>());
        }
        let theirs = cel::Program::compile(&text).unwrap().execute(&context).unwrap();
        let ours = rule(&text).eval(&facts);
        prop_assert_eq!(cel::Value::from(ours == Verdict::Yes), theirs, "{}", text);
        prop_assert!(ours.missing().is_empty());
    }

    #[test]
    fn what_is_settled_stays_settled_when_more_becomes_known(text in condition(), mask in 0_u8..128) {
        let values = [
            (Field::Employees, Value::Number(3.0)),
            (Field::Revenue, Value::Number(5.0)),
            (Field::Budget, Value::Number(7.0)),
            (Field::Title, Value::text("head of sales").unwrap()),
            (Field::Industry, Value::text("retail").unwrap()),
            (Field::Source, Value::text("x").unwrap()),
            (Field::OptedOut, Value::Flag(true)),
        ];
        let (mut some, mut all) = (Facts::default(), Facts::default());
        for (at, (field, value)) in values.iter().enumerate() {
            all.set(*field, Some(value.clone()));
            some.set(*field, (mask & (1 << at) != 0).then(|| value.clone()));
        }
        let rule = rule(&text);
        let (before, after) = (rule.eval(&some), rule.eval(&all));
        prop_assert!(matches!(before, Verdict::Unknown(_)) || before == after, "{}: {:?} {:?}", text, before, after);
    }
}
