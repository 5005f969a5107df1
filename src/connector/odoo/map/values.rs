//! The fields of a lead in normal form, what it can be recognised by, and the signals it shows.

use jiff::Timestamp;

use super::super::catalogue::Catalogue;
use super::super::settings::Maps;
use super::super::wire::Row;
use super::finding;
use crate::connector::number;
use crate::connector::settings::SignalTest;
use crate::domain::field::{Field, FieldType, Known, Value};
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{LeadId, Name};
use crate::domain::record::{Key, KeyKind};
use crate::domain::signal::Signal;

pub(super) fn values(
    row: &Row,
    modified: Timestamp,
    maps: &Maps,
    catalogue: &Catalogue,
    findings: &mut Vec<Finding>,
) -> Vec<Known> {
    let mut known = Vec::new();
    for (field, property) in &maps.fields {
        let value = match value(row, *field, property, catalogue) {
            Ok(value) => value,
            Err(found) => {
                let part = format!("{property}={found}");
                let text = format!("{property} holds {found:?}, which is no {field}: {}", field.about());
                findings.push(finding(maps, FindingKind::Unmapped, part, text));
                None
            }
        };
        known.extend(value.map(|value| Known { field: *field, value, at: modified }));
    }
    known
}

/// The value of a field in normal form; the error is what was found instead.
fn value(row: &Row, field: Field, property: &str, catalogue: &Catalogue) -> Result<Option<Value>, String> {
    match field.kind() {
        // Odoo's flags are never empty; any other value of a flag is its presence.
        FieldType::Flag => Ok(row.0.get(property).map(|found| Value::Flag(*found != serde_json::Value::Bool(false)))),
        // Odoo's numbers are never empty either: nothing entered is 0, which is why 0 says nothing.
        FieldType::Number => match row.plain(property) {
            None => Ok(None),
            Some(text) => match number::exact(&text) {
                Some(number) => Ok((number != 0.0).then_some(Value::Number(number))),
                None => Err(text),
            },
        },
        FieldType::Text => Ok(match row.plain(property) {
            None if field == Field::Email && property == "email_normalized" => row.text("email_from").and_then(address),
            None => None,
            Some(text) => text_value(row, field, property, &text, catalogue)?,
        }),
    }
}

fn text_value(
    row: &Row,
    field: Field,
    property: &str,
    text: &str,
    catalogue: &Catalogue,
) -> Result<Option<Value>, String> {
    Ok(match field {
        Field::Email => address(text),
        Field::FirstName if property == "contact_name" => Value::text(split_name(text).0),
        Field::LastName if property == "contact_name" => Value::text(split_name(text).1),
        Field::Country | Field::CompanyCountry => {
            let code = row.link_id(property).and_then(|id| catalogue.countries.get(&id));
            match code {
                Some(code) => Value::text(&code.to_ascii_uppercase()),
                None if text.len() == 2 => Value::text(&text.to_ascii_uppercase()),
                None => return Err(text.to_owned()),
            }
        }
        // `de_CH` -> `de`.
        Field::Language => Value::text(&text.split(['_', '-', '@']).next().unwrap_or_default().to_lowercase()),
        Field::CompanyDomain => domain(text).and_then(|host| Value::text(&host)),
        Field::Industry => Value::text(&text.to_lowercase().replace('_', " ")),
        _ => Value::text(text),
    })
}

/// The first address of `Jane Doe <Jane@X.example>, ...` in lower case.
fn address(text: &str) -> Option<Value> {
    let inner = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(text, |(inner, _)| inner);
    let first = inner.split([',', ';']).next()?.trim().to_lowercase();
    let (local, host) = first.rsplit_once('@')?;
    (!local.is_empty() && host.contains('.') && !first.contains(char::is_whitespace)).then(|| Value::text(&first))?
}

/// `Dr. Jane van Doe` -> first name and the rest: a guess that only greets, never matches.
fn split_name(name: &str) -> (&str, &str) {
    let name = name.trim();
    match name.split_once(',') {
        Some((last, first)) => (first.trim(), last.trim()),
        None => name.split_once(char::is_whitespace).map_or((name, ""), |(first, last)| (first, last.trim())),
    }
}

/// The host of a web address, in lower case, without `www.`.
fn domain(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next()?.trim_start_matches("www.");
    (host.contains('.') && !host.contains(char::is_whitespace)).then(|| host.to_owned())
}

/// What the record can be recognised by: Baton's own key and the e-mail address.
pub(super) fn keys(row: &Row, external: &[String], maps: &Maps) -> Vec<Key> {
    let mut keys: Vec<Key> = external.iter().filter_map(|name| lead_of_key(name)).map(own_key).collect();
    let property = maps.key_property.as_deref().and_then(|property| row.text(property));
    keys.extend(property.and_then(|text| text.parse::<LeadId>().ok()).map(own_key));
    let email = row.text("email_normalized").or_else(|| row.text("email_from")).and_then(address);
    keys.extend(email.map(|email| Key { kind: KeyKind::Email, value: Name::from(email.to_string()) }));
    keys.sort();
    keys.dedup();
    keys
}

fn own_key(lead: LeadId) -> Key {
    Key { kind: KeyKind::Own, value: Name::from(lead.to_string()) }
}

/// The lead that an external id of Baton's names: `lead_42_<operation>` -> 42.
fn lead_of_key(name: &str) -> Option<LeadId> {
    name.strip_prefix("lead_")?.split('_').next()?.parse().ok().map(LeadId)
}

pub(super) fn signals(row: &Row, modified: Timestamp, maps: &Maps) -> Vec<Signal> {
    let mut found = Vec::new();
    for map in &maps.signals {
        let value = row.plain(&map.property);
        let holds = match (&value, &map.test) {
            (None, SignalTest::Present | SignalTest::Is(_) | SignalTest::Contains(_)) => false,
            (Some(value), test) => test.accepts(value),
        };
        let at = map.at.as_deref().map_or(Some(modified), |at| row.time(at));
        if let (true, Some(at)) = (holds, at) {
            found.push(Signal { name: map.signal.clone(), at });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_hosts_are_read_as_people_write_them() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).map(|value| value.to_string()).as_deref(), expected, "{text}");
        };
        check("Jane <Jane@X.example>, other@x.example", Some("jane@x.example"));
        check("jane@x.example; b@x.example", Some("jane@x.example"));
        check("jane at x", None);
        check("@x.example", None);
        assert_eq!(domain("https://www.X.example:8080/a?b"), Some("x.example".to_owned()));
        assert_eq!(domain("not a site"), None);
        assert_eq!(split_name("Doe, Jane"), ("Jane", "Doe"));
        assert_eq!(split_name("Jane"), ("Jane", ""));
    }
}
