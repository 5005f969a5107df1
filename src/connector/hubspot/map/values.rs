//! A record's properties in the normal form of the product's fields.

use jiff::Timestamp;

use super::{Context, Findings};
use crate::connector::country;
use crate::connector::hubspot::wire::Record;
use crate::connector::number;
use crate::domain::field::{Field, FieldType, Known, Value};
use crate::domain::finding::FindingKind;
pub(super) fn values(
    fields: &[(Field, String)],
    record: &Record<'_>,
    at: Timestamp,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Vec<Known> {
    let mut known = Vec::with_capacity(fields.len());
    for (field, property) in fields {
        let Some(text) = record.value(property) else { continue };
        match normal(*field, text) {
            Ok(Some(value)) => known.push(Known { field: *field, value, at }),
            Ok(None) => {}
            Err(why) => {
                // A country is said by its value; other values may be a person's own words, so only the property is said.
                let (kind, subject) = if matches!(field, Field::Country | Field::CompanyCountry) {
                    (FindingKind::Unmapped, format!("{property}={}", short(text)))
                } else {
                    (FindingKind::Undecodable, property.clone())
                };
                findings.say(context.connection, kind, &subject, || {
                    format!("{subject}: {why}, so {field} stays unknown; correct the record, or map another property to \"{field}\" in [connections.{}.fields]", context.connection)
                });
            }
        }
    }
    known
}

/// A property's text in the field's normal form.
fn normal(field: Field, text: &str) -> Result<Option<Value>, &'static str> {
    match field.kind() {
        FieldType::Number => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',' && *c != '_').collect();
            match number::exact(&digits) {
                Some(number) => Ok(Some(Value::Number(number))),
                None => Err("not a number, or one of more digits than can be kept"),
            }
        }
        FieldType::Flag => match text.trim() {
            yes if yes.eq_ignore_ascii_case("true") || yes.eq_ignore_ascii_case("yes") => Ok(Some(Value::Flag(true))),
            no if no.eq_ignore_ascii_case("false") || no.eq_ignore_ascii_case("no") => Ok(Some(Value::Flag(false))),
            _ => Err("neither true nor false"),
        },
        FieldType::Text => match field {
            Field::Country | Field::CompanyCountry => match country::iso2(text) {
                Some(code) => Ok(Value::text(code)),
                None => Err("no country of ISO 3166-1 by that name"),
            },
            Field::Industry => Ok(Value::text(&industry(text))),
            Field::Email => Ok(Value::text(&text.to_lowercase())),
            Field::CompanyDomain => Ok(Value::text(&domain(text))),
            Field::Language => Ok(Value::text(&text.trim().chars().take(2).collect::<String>().to_lowercase())),
            _ => Ok(Value::text(text)),
        },
    }
}

/// `COMPUTER_SOFTWARE` -> `computer software`.
fn industry(text: &str) -> String {
    text.to_lowercase().split(|c: char| c == '_' || c.is_whitespace()).filter(|word| !word.is_empty()).fold(
        String::with_capacity(text.len()),
        |mut joined, word| {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(word);
            joined
        },
    )
}

/// `https://www.Example.com/de` -> `example.com`.
fn domain(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let bare = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let host = bare.split(['/', '?', ':']).next().unwrap_or(bare);
    host.strip_prefix("www.").unwrap_or(host).to_owned()
}

pub(super) fn short(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(at, _)| &text[..at])
}
