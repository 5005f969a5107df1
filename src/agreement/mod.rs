//! Floor 2: the agreement's and the roster's text -> the domain's checked types.
//!
//! Alone knows TOML's keys and CEL's syntax; below stand only values that cannot hold nonsense. Nothing here stops at
//! the first mistake: problems are gathered with their places, and what could not be read is replaced by something
//! harmless so that the rest is still checked. A result may be used only if no error was noted.
//! Start with [`read`] (the agreement) and [`read_roster`]; [`check_together`] holds the two against each other.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::document::{self, Node, Place, Problems, Reader, Source, Value};
use crate::domain::calendar::Span;
use crate::domain::expr::Rule;
use crate::domain::id::Name;

mod committee;
mod examples;
pub mod fields;
mod handoff;
pub mod holidays;
mod lints;
mod policy;
mod roster;
mod rule;
mod scoring;
pub mod shape;
mod together;

pub use policy::{Draft, read};
pub use roster::{RosterDraft, read_roster};
pub use rule::{RULE_BYTES_MAX, RULE_DEPTH_MAX, RULE_PARTS_MAX};
pub use together::{Mention, Mentioned, check_together};

/// Reads one rule that stands by itself, such as a filter on a command line. It may ask for every field, but knows no lists.
///
/// # Errors
/// What is wrong with it and what to write instead.
pub fn rule_of(text: &str) -> Result<Rule, String> {
    let problems = Problems::new();
    let source = Source::new("(the filter)", format!("where = {}", toml::Value::from(text)));
    let node = document::node::parse(&source, &problems);
    let read = |reader: &Reader<'_>| {
        let (text, node) = reader.needed("where", "\"score.fit >= 20\"")?;
        rule::read(node, text, "where", rule::Scope::Handoff, &rule::Names::default(), &problems)
    };
    let rule = Reader::of(&node, "", &problems).as_ref().and_then(read);
    rule.ok_or_else(|| problems.render(false))
}

/// What stands in `text` as a length of time; else what is wrong and what to write.
fn span(text: &str) -> Result<Span, (String, String)> {
    text.parse::<Span>().map_err(|error| (format!("`{}` is no length of time", error.found), error.hint))
}

/// A whole number of days: `14 days`.
fn days(text: &str) -> Result<u32, (String, String)> {
    let length = elapsed(text)?;
    let days = u32::try_from(length.as_hours() / 24).ok().filter(|days| *days > 0);
    match days {
        Some(days) if length == SignedDuration::from_hours(i64::from(days) * 24) => Ok(days),
        _ => Err((format!("`{text}` is no whole number of days"), "write \"7 days\" or \"2 weeks\"".to_owned())),
    }
}

/// A length of time that passes whether somebody works or not: `60 days`.
fn elapsed(text: &str) -> Result<SignedDuration, (String, String)> {
    match span(text)? {
        Span::Elapsed(length) => Ok(length),
        Span::Business(_) | Span::BusinessDays(_) => Err((
            format!("`{text}` counts working time, which has no meaning here"),
            "write plain days: \"60 days\"".to_owned(),
        )),
    }
}

/// A date: `2026-12-01`, without quotes.
fn date(reader: &Reader<'_>, key: &str) -> Option<Date> {
    let node = reader.get(key)?;
    let found = match &node.value {
        Value::Date(found) if found.time.is_none() => found.date.and_then(civil),
        _ => None,
    };
    if found.is_none() {
        reader.error(key, format!("`{key}` must be a date"), "write it without quotes: `2026-12-01`");
    }
    found
}

/// An instant: a date is its first moment in `zone`.
fn instant(reader: &Reader<'_>, key: &str, zone: &TimeZone) -> Option<Timestamp> {
    let node = reader.get(key)?;
    let found = match &node.value {
        Value::Date(found) => match (found.time, found.offset) {
            (None, _) => found.date.and_then(civil).and_then(|date| zone.to_timestamp(date.at(0, 0, 0, 0)).ok()),
            (Some(_), Some(_)) => found.to_string().parse().ok(),
            (Some(_), None) => {
                found.to_string().parse::<jiff::civil::DateTime>().ok().and_then(|at| zone.to_timestamp(at).ok())
            }
        },
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) => {
            None
        }
    };
    if found.is_none() {
        reader.error(key, format!("`{key}` must be a date"), "write it without quotes: `2026-12-01`");
    }
    found
}

fn civil(date: toml::value::Date) -> Option<Date> {
    Date::new(i16::try_from(date.year).ok()?, i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?).ok()
}

/// Is `text` without a line break?
fn is_one_line(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_control())
}

/// Can `text` follow a dot in a rule?
fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The name of a signal, checked to be one that rules can use.
fn signal_name(reader: &Reader<'_>, key: &str) -> Option<(Name, Place)> {
    let (text, node): (&str, &Node) = reader.needed(key, "\"demo_request\"")?;
    if !is_identifier(text) {
        let help = "signals are named with letters, digits and `_`, so that rules can say `signals.demo_request`";
        reader.error(key, format!("`{text}` cannot name a signal"), help);
        return None;
    }
    Some((Name::from(text), node.place.clone()))
}
