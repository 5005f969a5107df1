//! Twenty rules on one lead, with reasons: Baton's evaluator, and the `cel` interpreter on the same text.
//!
//! Run with `cargo bench --bench rules`. Times are the best of several rounds, in nanoseconds a lead.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use baton::agreement;
use baton::document::{Problems, Source};
use baton::domain::expr::{Facts, Rule, Verdict};
use baton::domain::field::{Field, FieldSet, Value};
use jiff::tz::TimeZone;

const RULES: [&str; 20] = [
    "company.employees >= 200.0",
    "company.employees >= 50.0 && company.employees < 200.0",
    "company.country in ['DE', 'AT', 'CH']",
    "company.industry == 'manufacturing'",
    "company.industry in ['computer software', 'banking', 'insurance', 'retail']",
    "company.revenue > 1000000.0",
    "lead.country == 'DE' && company.country == 'DE'",
    "lead.language == 'de' || lead.language == 'en'",
    "lead.title.contains('Head')",
    "lead.title.startsWith('VP') || lead.title.startsWith('Chief')",
    "lead.title.endsWith('Finance')",
    "!lead.opted_out",
    "lead.email_domain in ['rival.example', 'copycat.example']",
    "lead.source == 'PAID_SEARCH'",
    "lead.budget >= 10000.0 && lead.timeline_days <= 90.0",
    "lead.seniority in ['director', 'vp', 'c_level']",
    "lead.product == 'suite'",
    "company.open_deals == 0.0",
    "company.engaged >= 3.0 && company.employees >= 50.0",
    "(lead.seniority == 'vp' || lead.title.contains('Chief')) && company.country != 'US' && lead.budget > 0.0",
];

fn facts() -> Vec<(Field, Value)> {
    let text = |text: &str| Value::text(text).expect("not empty");
    vec![
        (Field::Employees, Value::Number(300.0)),
        (Field::CompanyCountry, text("DE")),
        (Field::Industry, text("insurance")),
        (Field::Revenue, Value::Number(5e7)),
        (Field::Country, text("DE")),
        (Field::Language, text("de")),
        (Field::Title, text("Head of Finance")),
        (Field::OptedOut, Value::Flag(false)),
        (Field::EmailDomain, text("customer.example")),
        (Field::Source, text("ORGANIC_SEARCH")),
        (Field::Budget, Value::Number(20_000.0)),
        (Field::Timeline, Value::Number(60.0)),
        (Field::Seniority, text("director")),
        (Field::Product, text("suite")),
        (Field::CompanyOpenDeals, Value::Number(0.0)),
        (Field::CompanyEngaged, Value::Number(2.0)),
    ]
}

/// The rules as Baton reads them: as the fit rules of an agreement.
fn rules() -> Vec<Rule> {
    let list: Vec<String> = RULES.iter().map(|rule| format!("{{ when = \"{rule}\", points = 1 }}")).collect();
    let starter = include_str!("../config/starter.toml");
    let start = starter.find("fit = [").expect("the starter scores fit");
    let end = start + starter[start..].find('\n').expect("a line ends");
    let text = format!("{}fit = [{}]{}", &starter[..start], list.join(", "), &starter[end..]);
    let problems = Problems::new();
    let draft = agreement::read(&Source::new("bench.toml", text), &TimeZone::UTC, &problems);
    assert!(!problems.has_errors(), "{}", problems.render(false));
    draft.agreement.score.fit.into_iter().map(|rule| rule.when).collect()
}

fn best(rounds: u32, times: u32, mut work: impl FnMut()) -> f64 {
    let round = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..times).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
    };
    (0..rounds).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let rules = rules();
    let mut lead = Facts::default();
    facts().into_iter().for_each(|(field, value)| lead.set(field, Some(value)));
    let known = best(7, 100_000, || {
        let reasons: (u32, FieldSet) = rules.iter().fold((0, FieldSet::default()), |(held, missing), rule| {
            let verdict = black_box(rule).eval(black_box(&lead));
            (held + u32::from(verdict == Verdict::Yes), missing.union(verdict.missing()))
        });
        black_box(reasons);
    });

    let programs: Vec<cel::Program> = RULES.iter().map(|rule| cel::Program::compile(rule).expect("CEL")).collect();
    let mut context = cel::Context::default();
    for root in ["lead", "company"] {
        let members: std::collections::HashMap<String, cel::Value> = facts()
            .into_iter()
            .filter_map(|(field, value)| {
                let name = field.name().strip_prefix(root)?.strip_prefix('.')?.to_owned();
                let value: cel::Value = match value {
                    Value::Text(text) => cel::Value::from(text.to_string()),
                    Value::Number(number) => cel::Value::from(number),
                    Value::Flag(flag) => cel::Value::from(flag),
                };
                Some((name, value))
            })
            .collect();
        context.add_variable_from_value(root, members);
    }
    let interpreted = best(5, 2_000, || {
        for program in &programs {
            drop(black_box(black_box(program).execute(&context)));
        }
    });
    println!("20 rules on one lead, with what is missing: {known:.0} ns ({:.0} ns a rule)", known / 20.0);
    println!(
        "the cel interpreter on the same rules:      {interpreted:.0} ns ({:.1} times as long)",
        interpreted / known
    );
}
