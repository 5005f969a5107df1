//! The fields of a person or an employer in normal form, what a person can be recognised by, and the signals it shows.

use jiff::Timestamp;

use super::super::settings::{Kind, Maps};
use super::super::wire::Row;
use super::finding;
use crate::connector::settings::CampaignSignal;
use crate::connector::{country, number};
use crate::domain::field::{Field, FieldType, Known, Value};
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::Name;
use crate::domain::identity;
use crate::domain::record::{Key, KeyKind};
use crate::domain::signal::Signal;

pub(super) fn values(
    row: &Row,
    modified: Timestamp,
    kind: Kind,
    maps: &Maps,
    findings: &mut Vec<Finding>,
) -> Vec<Known> {
    let mut known = Vec::new();
    for (field, property) in maps.fields(kind) {
        match value(row, field, property) {
            Ok(value) => known.extend(value.map(|value| Known { field, value, at: modified })),
            Err(found) => {
                let text = format!("{property} holds {found:?}, which is no {field}: {}", field.about());
                findings.push(finding(maps, FindingKind::Unmapped, format!("{property}={found}"), text));
            }
        }
    }
    known
}

/// The value of a field in normal form; the error is what was found instead.
fn value(row: &Row, field: Field, property: &str) -> Result<Option<Value>, String> {
    let Some(text) = row.plain(property) else { return Ok(None) };
    match field.kind() {
        FieldType::Flag => Ok(Some(Value::Flag(text.eq_ignore_ascii_case("true")))),
        FieldType::Number => number::exact(&text).map(|number| Some(Value::Number(number))).ok_or(text),
        FieldType::Text => text_value(field, &text),
    }
}

fn text_value(field: Field, text: &str) -> Result<Option<Value>, String> {
    Ok(match field {
        Field::Email => Value::text(&text.to_lowercase()),
        Field::Country | Field::CompanyCountry => match country::iso2(text) {
            Some(code) => Value::text(code),
            None => return Err(text.to_owned()),
        },
        Field::Language => Value::text(&text.split(['_', '-']).next().unwrap_or_default().to_lowercase()),
        Field::CompanyDomain => domain(text).and_then(|host| Value::text(&host)),
        Field::Industry => Value::text(&text.to_lowercase().replace('_', " ")),
        _ => Value::text(text),
    })
}

/// The host of a web address, in lower case, without `www.`.
fn domain(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next()?.trim_start_matches("www.");
    (host.contains('.') && !host.contains(char::is_whitespace)).then(|| host.to_owned())
}

/// What the record can be recognised by: Baton's own key (`L-42.<operation>`) and the e-mail address.
pub(super) fn keys(row: &Row, values: &[Known], maps: &Maps) -> Vec<Key> {
    let own = row.text(&maps.key).and_then(|text| identity::read_own_key(text.split('.').next().unwrap_or_default()));
    let email = values.iter().find(|known| known.field == Field::Email).and_then(|known| known.value.as_text());
    let email = email.map(|email| Key { kind: KeyKind::Email, value: Name::from(email) });
    let phone = crate::connector::phone::key(values, maps.country.as_ref().map(Name::as_str));
    let mut keys: Vec<Key> = own.into_iter().chain(email).chain(phone).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// What the record's own fields show, and its memberships in campaigns.
pub(super) fn signals(row: &Row, modified: Timestamp, members: Option<&Vec<Row>>, maps: &Maps) -> Vec<Signal> {
    let members = members.into_iter().flatten();
    let mut found: Vec<Signal> = members.flat_map(|member| responses(member, &maps.campaigns)).collect();
    for map in &maps.signals {
        let Some(value) = row.plain(&map.property).filter(|value| map.test.accepts(value)) else { continue };
        // A flag that is not set is no presence.
        if value == "false" {
            continue;
        }
        let at = map.at.as_deref().map_or(Some(modified), |at| row.time(at));
        found.extend(at.map(|at| Signal { name: map.signal.clone(), at }));
    }
    found
}

/// The signals that one membership shows.
///
/// The CRM keeps the day of the first response and nothing of a status' own time. So that what is read twice is one signal, its time is that
/// day's beginning, but never before the person became a member; without a response, when they became one. Source: section 4, CampaignMember.
fn responses(member: &Row, campaigns: &[CampaignSignal]) -> Vec<Signal> {
    let (Some(campaign), Some(joined)) = (member.text("Campaign.Name"), member.time("CreatedDate")) else {
        return Vec::new();
    };
    let status = member.text("Status").unwrap_or_default();
    let shows = |signal: &&CampaignSignal| {
        let is_named = || signal.statuses.iter().any(|known| known.trim().eq_ignore_ascii_case(status));
        signal.campaign.trim().eq_ignore_ascii_case(campaign)
            && if signal.statuses.is_empty() { member.flag("HasResponded") } else { is_named() }
    };
    let at = member.time("FirstRespondedDate").map_or(joined, |day| day.max(joined));
    campaigns.iter().filter(shows).map(|signal| Signal { name: signal.signal.clone(), at }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_form_however_they_are_written() {
        let text = |field: Field, text: &str| text_value(field, text).unwrap().map(|value| value.to_string());
        assert_eq!(text(Field::CompanyDomain, "https://www.X.example:8080/a?b"), Some("x.example".to_owned()));
        assert_eq!(text(Field::CompanyDomain, "not a site"), None);
        assert_eq!(text(Field::Country, "Germany"), Some("DE".to_owned()));
        assert_eq!(text_value(Field::Country, "Bielefeld"), Err("Bielefeld".to_owned()));
        assert_eq!(text(Field::Email, "Jane@X.example"), Some("jane@x.example".to_owned()));
    }
}
