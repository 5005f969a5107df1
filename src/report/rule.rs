//! A rule's parts as people read them, and what a lead has of what they ask for.

use crate::domain::expr::{Comparison, Facts, Number, Operation, Place, Test, Texts};
use crate::domain::field::{Field, Value};

/// Texts of a list that are written out.
const TEXTS_MAX: usize = 8;

/// A condition in the agreement's own syntax.
#[must_use]
pub fn words(test: &Test) -> String {
    match test {
        Test::Always(holds) => holds.to_string(),
        Test::Not(inner) => match &**inner {
            Test::TextIn(field, texts) if texts.iter().count() == 1 => format!("{field} != {}", list(*field, texts)),
            Test::Flag(_) | Test::Has(_) => format!("!{}", words(inner)),
            other => format!("!({})", words(other)),
        },
        Test::All(tests) => join(tests, " && "),
        Test::Any(tests) => join(tests, " || "),
        Test::Has(field) => format!("has({field})"),
        Test::Flag(field) => field.to_string(),
        Test::Compare(left, how, right) => format!("{} {} {}", number(left), sign(*how), number(right)),
        Test::TextIn(field, texts) if texts.iter().count() == 1 => format!("{field} == {}", list(*field, texts)),
        Test::TextIn(field, texts) => format!("{field} in [{}]", list(*field, texts)),
        Test::SameText(left, right) => format!("{left} == {right}"),
        Test::HasWord(field, texts) => format!("{field}.has_word([{}])", list(*field, texts)),
        Test::Part(field, place, part) => {
            let method = match place {
                Place::Anywhere => "contains",
                Place::Start => "startsWith",
                Place::End => "endsWith",
            };
            format!("{field}.{method}('{}')", part.as_str())
        }
    }
}

/// What is known of everything that `test` asks for: the value alone if it asks for one thing.
#[must_use]
pub fn found(test: &Test, facts: &Facts) -> String {
    let field = |field: Field| (field.name().to_owned(), known(field, facts));
    let mut all: Vec<(String, String)> = test.uses().iter().map(field).collect();
    let mut names = Vec::new();
    signals(test, &mut names);
    all.extend(names.into_iter().map(|name| (format!("signals.{name}"), facts.signal(&name).to_string())));
    match &all[..] {
        [] => "nothing to look at".to_owned(),
        [(_, value)] => value.clone(),
        many => many.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", "),
    }
}

fn known(field: Field, facts: &Facts) -> String {
    facts.get(field).map_or_else(|| "not known".to_owned(), Value::to_string)
}

/// The signals that `test` counts, each once.
fn signals(test: &Test, into: &mut Vec<crate::domain::id::Name>) {
    match test {
        Test::Not(inner) => signals(inner, into),
        Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|test| signals(test, into)),
        Test::Compare(left, _, right) => [left, right].into_iter().for_each(|side| counted(side, into)),
        Test::Always(_)
        | Test::Has(_)
        | Test::Flag(_)
        | Test::TextIn(..)
        | Test::SameText(..)
        | Test::HasWord(..)
        | Test::Part(..) => {}
    }
}

fn counted(number: &Number, into: &mut Vec<crate::domain::id::Name>) {
    match number {
        Number::Signal(name) if !into.contains(name) => into.push(name.clone()),
        Number::Signal(_) | Number::Constant(_) | Number::Field(_) => {}
        Number::Negative(inner) => counted(inner, into),
        Number::Of(left, _, right) => {
            counted(left, into);
            counted(right, into);
        }
    }
}

fn join(tests: &[Test], between: &str) -> String {
    let one = |test: &Test| match test {
        Test::All(_) | Test::Any(_) => format!("({})", words(test)),
        other => words(other),
    };
    tests.iter().map(one).collect::<Vec<_>>().join(between)
}

/// Texts in quotes; codes as they are written, the rest as it is compared.
fn list(field: Field, texts: &Texts) -> String {
    let is_code = matches!(field, Field::Country | Field::CompanyCountry | Field::Grade);
    let shown = |text: &str| if is_code { format!("'{}'", text.to_uppercase()) } else { format!("'{text}'") };
    let mut all: Vec<String> = texts.iter().take(TEXTS_MAX).map(shown).collect();
    let left = texts.iter().count() - all.len();
    if left > 0 {
        all.push(format!("and {left} more"));
    }
    all.join(", ")
}

fn number(number_of: &Number) -> String {
    match number_of {
        Number::Constant(constant) => constant.to_string(),
        Number::Field(field) => field.to_string(),
        Number::Signal(name) => format!("signals.{name}"),
        Number::Negative(inner) => format!("-{}", number(inner)),
        Number::Of(left, operation, right) => {
            let sign = match operation {
                Operation::Add => '+',
                Operation::Subtract => '-',
                Operation::Multiply => '*',
                Operation::Divide => '/',
            };
            format!("({} {sign} {})", number(left), number(right))
        }
    }
}

fn sign(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Greater => ">",
        Comparison::AtLeast => ">=",
    }
}
