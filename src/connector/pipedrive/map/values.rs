//! The fields of a person and an organization in normal form, what somebody can be recognised by, and the signals they show.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::super::book::Journey;
use super::super::catalogue::{Catalogue, FieldDef};
use super::super::settings::{Maps, Of, property};
use super::super::wire::Row;
use super::{Context, finding};
use crate::connector::settings::SignalTest;
use crate::connector::{country, moment, number};
use crate::domain::field::{Field, FieldSource, FieldType, Known, Value};
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{LeadId, Name};
use crate::domain::identity;
use crate::domain::record::{Key, KeyKind};
use crate::domain::signal::Signal;

/// What Baton writes into `origin_id` of a lead that it makes begins so: `baton:L-42:<operation>`. Source: section 4.
const ORIGIN: &str = "baton:";

/// The mark of a lead that operation `op` makes for `lead`.
pub(in crate::connector::pipedrive) fn origin(lead: LeadId, op: &str) -> String {
    format!("{ORIGIN}{lead}:{op}")
}

/// The lead that a mark names.
fn lead_of(origin: &str) -> Option<LeadId> {
    origin.strip_prefix(ORIGIN)?.split(':').next()?.parse().ok()
}

/// The fields of a person, those of the journey's lead or deal among them.
pub(super) fn values(
    row: &Row,
    journey: Option<&Journey>,
    modified: Timestamp,
    context: Context<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<Known> {
    let Context { maps, catalogue, .. } = context;
    let person = maps.fields.iter().filter(|(field, _)| field.source() == FieldSource::Person);
    let mut known = Vec::new();
    for (field, text) in person {
        let (of, name) = property(text, Of::Person);
        let found = match of {
            Of::Deal => journey.and_then(|journey| read(&journey.row, of, name, catalogue)),
            Of::Person | Of::Organization => read(row, of, name, catalogue),
        };
        push(&mut known, *field, name, found, modified, maps, findings);
    }
    if let Some(reason) = journey.and_then(|journey| journey.lost_reason.as_deref()).and_then(Value::text) {
        known.push(Known { field: Field::Reason, value: reason, at: modified });
    }
    known.sort_by_key(|known| known.field);
    known.dedup_by_key(|known| known.field);
    known
}

/// The fields of an organization.
pub(super) fn company(
    row: &Row,
    modified: Timestamp,
    maps: &Maps,
    catalogue: &Catalogue,
) -> (Vec<Known>, Vec<Finding>) {
    let (mut known, mut findings) = (Vec::new(), Vec::new());
    for (field, text) in maps.fields.iter().filter(|(field, _)| field.source() == FieldSource::Company) {
        let (_, name) = property(text, Of::Organization);
        let found = read(row, Of::Organization, name, catalogue);
        push(&mut known, *field, name, found, modified, maps, &mut findings);
    }
    (known, findings)
}

fn push(
    known: &mut Vec<Known>,
    field: Field,
    name: &str,
    found: Option<String>,
    at: Timestamp,
    maps: &Maps,
    findings: &mut Vec<Finding>,
) {
    match found.map_or(Ok(None), |found| normal(field, name, &found)) {
        Ok(value) => known.extend(value.map(|value| Known { field, value, at })),
        Err(found) => {
            let text = format!("{name} holds {found:?}, which is no {field}: {}", field.about());
            findings.push(finding(maps, FindingKind::Unmapped, format!("{name}={found}"), text));
        }
    }
}

/// What a property of a row says, as text: an option by its name, an address by its country.
pub(in crate::connector::pipedrive) fn read(row: &Row, of: Of, name: &str, catalogue: &Catalogue) -> Option<String> {
    let field = catalogue.field(of, name);
    let is_custom = field.is_some_and(|field| field.is_custom);
    let code = field.map_or(name, |field| field.code.as_str());
    let value = if is_custom { row.custom(code) } else { row.value(code).or_else(|| row.value(name)) };
    match value {
        Some(Json::Array(_)) if !is_custom => {
            row.contacts(code).first().or(row.contacts(name).first()).map(|&text| text.to_owned())
        }
        Some(value) => said(value, field),
        None => None,
    }
}

fn said(value: &Json, field: Option<&FieldDef>) -> Option<String> {
    let option = |id: &str| field.and_then(|field| field.label(id)).unwrap_or(id).to_owned();
    let text = match value {
        Json::String(text) => option(text.trim()),
        Json::Number(number) => option(&number.to_string()),
        Json::Bool(flag) => flag.to_string(),
        Json::Array(ids) => ids.iter().filter_map(|id| said(id, field)).collect::<Vec<_>>().join(", "),
        // Money, and an address: its country is what is asked for. Source: section 4 and the specification.
        Json::Object(inside) => {
            let part = ["value", "amount", "id"].into_iter().find_map(|name| inside.get(name));
            let part = inside.get("country").filter(|country| country.is_string()).or(part);
            return part.and_then(|part| said(part, None));
        }
        Json::Null => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// A value in normal form; the error is what was found instead.
fn normal(field: Field, name: &str, text: &str) -> Result<Option<Value>, String> {
    Ok(match (field.kind(), field) {
        (FieldType::Flag, _) => Some(Value::Flag(flag(name, text).ok_or_else(|| text.to_owned())?)),
        (FieldType::Number, _) => Some(Value::Number(number::exact(text).ok_or_else(|| text.to_owned())?)),
        (_, Field::Email) => identity::normal_email(text).and_then(|email| Value::text(email.as_str())),
        (_, Field::Country | Field::CompanyCountry) => {
            let code = country::iso2(text).ok_or_else(|| text.to_owned())?;
            Value::text(code)
        }
        (_, Field::Language) => Value::text(&text.split(['_', '-']).next().unwrap_or_default().to_lowercase()),
        (_, Field::CompanyDomain) => domain(text).and_then(|host| Value::text(&host)),
        (_, Field::Industry) => Value::text(&text.to_lowercase().replace('_', " ")),
        _ => Value::text(text),
    })
}

/// A flag; of the consent that the Campaigns product keeps, only a withdrawal is one. Source: section 4.
fn flag(name: &str, text: &str) -> Option<bool> {
    if name == "marketing_status" {
        return Some(matches!(text, "unsubscribed" | "archived"));
    }
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The host of a web address, in lower case, without `www.`.
fn domain(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next()?.trim_start_matches("www.");
    (host.contains('.') && !host.contains(char::is_whitespace)).then(|| host.to_owned())
}

/// What somebody can be recognised by: Baton's own key on a lead or deal of theirs, or in its own field, and every address.
pub(super) fn keys(row: &Row, person: i64, context: Context<'_>) -> Vec<Key> {
    let Context { maps, catalogue, book } = context;
    let own = book.of(person).filter_map(|journey| lead_of(journey.origin.as_deref()?));
    let mut keys: Vec<Key> = own.map(own_key).collect();
    let property = maps.key_property.as_deref().and_then(|name| read(row, Of::Person, name, catalogue));
    keys.extend(property.and_then(|text| text.parse().ok()).map(own_key));
    let emails = row.contacts("emails").into_iter().filter_map(identity::normal_email);
    keys.extend(emails.map(|value| Key { kind: KeyKind::Email, value }));
    keys.sort();
    keys.dedup();
    keys
}

fn own_key(lead: LeadId) -> Key {
    Key { kind: KeyKind::Own, value: Name::from(lead.to_string()) }
}

pub(super) fn signals(
    row: &Row,
    journey: Option<&Journey>,
    modified: Timestamp,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Vec<Signal> {
    let value = |text: &str| {
        let (of, name) = property(text, Of::Person);
        let row = if of == Of::Deal { journey.map(|journey| &journey.row)? } else { row };
        read(row, of, name, catalogue)
    };
    let mut found = Vec::new();
    for map in &maps.signals {
        let said = value(&map.property);
        let holds = match (&said, &map.test) {
            (None, SignalTest::Present | SignalTest::Is(_) | SignalTest::Contains(_)) => false,
            (Some(said), test) => test.accepts(said),
        };
        let at = match map.at.as_deref() {
            None => Some(modified),
            Some(at) => value(at).and_then(|text| moment::read(&text, maps.form(at))),
        };
        if let (true, Some(at)) = (holds, at) {
            found.push(Signal { name: map.signal.clone(), at });
        }
    }
    found
}
