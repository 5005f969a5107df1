//! Pipedrive's JSON as it stands on the wire: both envelopes, rows, the many forms of time. Pure; knows nothing of Baton's words.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::connector::RECORD_BYTES_MAX;

/// How v1 writes a time of notes and users: UTC without a zone. Source: section 3.
const PLAIN: &str = "%Y-%m-%d %H:%M:%S";

/// One record of either API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Row(pub(super) Map<String, Value>);

impl Row {
    /// The record's id, a number or a UUID.
    pub(super) fn id(&self) -> Option<String> {
        match self.0.get("id")? {
            Value::Number(number) => number.as_i64().map(|id| id.to_string()),
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    /// The record's number.
    pub(super) fn number(&self) -> Option<i64> {
        self.integer("id")
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.value(name).and_then(Value::as_i64)
    }

    /// A flag; missing counts as no.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(instant)
    }

    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.value(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The values of e-mail addresses or numbers, the primary one first.
    pub(super) fn contacts(&self, name: &str) -> Vec<&str> {
        let mut all: Vec<(bool, &str)> = self
            .list(name)
            .iter()
            .filter_map(|one| {
                let value = one.get("value")?.as_str()?.trim();
                let is_primary = one.get("primary").and_then(Value::as_bool).unwrap_or(false);
                (!value.is_empty()).then_some((!is_primary, value))
            })
            .collect();
        all.sort_by_key(|(is_other, _)| *is_other);
        all.into_iter().map(|(_, value)| value).collect()
    }

    /// A custom field: under `custom_fields` in v2, at the root in leads. Source: sections 3 and 4.
    pub(super) fn custom(&self, hash: &str) -> Option<&Value> {
        let inside = self.0.get("custom_fields").and_then(|fields| fields.get(hash));
        inside.or_else(|| self.0.get(hash)).filter(|value| !value.is_null())
    }
}

/// Reads a time as either API writes it, with milliseconds or without. Source: sections 3 and 5.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Timestamp::from_millisecond(at.as_millisecond()).ok();
    }
    let civil = DateTime::strptime(PLAIN, text).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Writes a time as queries take it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One page of records, each read by itself: one that cannot be read does not spoil the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listed {
    pub(super) rows: Vec<Row>,
    pub(super) broken: Vec<Broken>,
    /// Records without a readable id.
    pub(super) nameless: usize,
    /// v2: where the list goes on. Absent or null is the end. Source: section 5.
    pub(super) cursor: Option<String>,
    /// v1: is there more?
    pub(super) has_more: bool,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) id: String,
    /// Why, without any value of a person.
    pub(super) why: String,
}

impl Listed {
    /// How many records the page holds, whether they can be read or not.
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.broken.len() + self.nameless
    }

    fn take(&mut self, text: &str) {
        #[derive(Deserialize)]
        struct Stub {
            #[serde(default)]
            id: Value,
        }
        let is_large = text.len() > RECORD_BYTES_MAX;
        if !is_large
            && let Ok(row) = serde_json::from_str::<Row>(text)
            && row.id().is_some()
        {
            self.rows.push(row);
            return;
        }
        let stub: Option<Stub> = serde_json::from_str(text).ok();
        let id = stub.and_then(|stub| Row(Map::from_iter([("id".to_owned(), stub.id)])).id());
        let why = if is_large {
            format!("{} bytes, more than {RECORD_BYTES_MAX}", text.len())
        } else {
            "it is no record".to_owned()
        };
        match id {
            Some(id) => self.broken.push(Broken { id, why }),
            None => self.nameless += 1,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    success: bool,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    additional_data: Value,
}

/// Reads a page. The error says where the answer stopped making sense, without quoting it. An answer that is no page is never an
/// empty one; `"data": null` of a success is (v1 says so of an empty list).
pub(super) fn listed(body: &[u8]) -> Result<Listed, String> {
    let envelope = envelope(body)?;
    let mut listed = Listed::default();
    let raw = envelope.data.map_or("null", RawValue::get);
    let records: Option<Vec<&RawValue>> = serde_json::from_str(raw).map_err(|_| "data: no list".to_owned())?;
    records.unwrap_or_default().into_iter().for_each(|record| listed.take(record.get()));
    let additional = &envelope.additional_data;
    let cursor = additional.get("next_cursor").and_then(Value::as_str);
    listed.cursor = cursor.filter(|cursor| !cursor.is_empty()).map(str::to_owned);
    // Nested, or not: the specification and clients differ. Source: section 5.
    let paging = additional.get("pagination").unwrap_or(additional);
    listed.has_more = paging.get("more_items_in_collection").and_then(Value::as_bool).unwrap_or(false);
    Ok(listed)
}

/// Reads one record.
pub(super) fn one(body: &[u8]) -> Result<Row, String> {
    let envelope = envelope(body)?;
    let raw = envelope.data.map_or("null", RawValue::get);
    serde_json::from_str(raw).map_err(|_| "data: no record".to_owned())
}

/// Reads a page of a changelog, whose rows have no ids, and where it goes on. Source: the specification of
/// `/deals/{id}/changelog`.
pub(super) fn changes(body: &[u8]) -> Result<(Vec<Row>, Option<String>), String> {
    let envelope = envelope(body)?;
    let raw = envelope.data.map_or("null", RawValue::get);
    let rows: Option<Vec<Row>> = serde_json::from_str(raw).map_err(|_| "data: no changes".to_owned())?;
    let cursor = envelope.additional_data.get("next_cursor").and_then(Value::as_str);
    Ok((rows.unwrap_or_default(), cursor.filter(|cursor| !cursor.is_empty()).map(str::to_owned)))
}

/// Reads the ids of what a search found. Source: the specification of `/persons/search`.
pub(super) fn found(body: &[u8]) -> Result<Vec<Row>, String> {
    #[derive(Deserialize)]
    struct Found {
        items: Vec<Hit>,
    }
    #[derive(Deserialize)]
    struct Hit {
        item: Row,
    }
    let envelope = envelope(body)?;
    let raw = envelope.data.map_or("null", RawValue::get);
    let found: Found = serde_json::from_str(raw).map_err(|_| "data: no items".to_owned())?;
    Ok(found.items.into_iter().map(|hit| hit.item).collect())
}

fn envelope(body: &[u8]) -> Result<Envelope<'_>, String> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| place(body, &error))?;
    // The status alone is not enough. Source: section 7.
    if envelope.success { Ok(envelope) } else { Err("success: false with a status of success".to_owned()) }
}

fn place(body: &[u8], error: &serde_json::Error) -> String {
    let kind = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => "a page of HTML",
        None => "an empty body",
        Some(b'n') => "null",
        Some(_) if error.is_eof() => "a cut answer",
        Some(_) => "another shape",
    };
    format!("line {} column {}: {kind}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_apis_are_read_section_3() {
        let at: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        for text in
            ["2026-11-24T08:00:00Z", "2026-11-24T08:00:00.000Z", "2026-11-24 08:00:00", "2026-11-24T09:00:00+01:00"]
        {
            assert_eq!(instant(text), Some(at), "{text}");
        }
        assert_eq!((instant("0000-00-00 00:00:00"), instant("soon")), (None, None));
        assert_eq!(stamp(at), "2026-11-24T08:00:00Z");
    }

    #[test]
    fn both_ways_of_paging_are_understood_section_5() {
        let nested = r#"{"success":true,"data":[{"id":1}],"additional_data":{"pagination":{"start":0,"limit":1,"more_items_in_collection":true,"next_start":1}}}"#;
        let bare = r#"{"success":true,"data":[{"id":"u"}],"additional_data":{"start":0,"limit":1,"more_items_in_collection":true}}"#;
        let cursor = r#"{"success":true,"data":[],"additional_data":{"next_cursor":"eyJ"}}"#;
        assert!(listed(nested.as_bytes()).unwrap().has_more && listed(bare.as_bytes()).unwrap().has_more);
        assert_eq!(listed(cursor.as_bytes()).unwrap().cursor.as_deref(), Some("eyJ"), "an empty page is not the end");
        for end in [r#"{"next_cursor":null}"#, r#"{"next_cursor":""}"#, "null", "{}"] {
            let body = format!(r#"{{"success":true,"data":null,"additional_data":{end}}}"#);
            let read = listed(body.as_bytes()).unwrap();
            assert_eq!((read.len(), read.cursor, read.has_more), (0, None, false), "{end}");
        }
    }

    #[test]
    fn an_answer_that_is_no_page_is_never_an_empty_page() {
        for (body, part) in [
            (&b"<!DOCTYPE html>"[..], "HTML"),
            (b"{\"success\":true,\"data\":[{\"id\":1}", "cut"),
            (b"", "empty"),
            (b"null", "null"),
            (b"[]", "shape"),
            (b"{\"success\":false,\"data\":[]}", "success"),
            (b"{\"success\":true,\"data\":{\"id\":1}}", "list"),
        ] {
            assert!(listed(body).unwrap_err().contains(part), "{part}");
        }
    }

    #[test]
    fn one_bad_record_does_not_spoil_the_page() {
        let long = "x".repeat(RECORD_BYTES_MAX);
        let body =
            format!(r#"{{"success":true,"data":[{{"id":1}},7,{{"name":"x"}},{{"id":2,"name":"{long}"}},{{"id":3}}]}}"#);
        let read = listed(body.as_bytes()).unwrap();
        assert_eq!((read.rows.len(), read.nameless, read.broken.len(), read.len()), (2, 2, 1, 5));
        assert_eq!(read.broken[0].id, "2");
        assert!(read.broken[0].why.len() < 100, "{}", read.broken[0].why);
    }

    #[test]
    fn custom_fields_are_found_wherever_they_stand_section_3() {
        let v2 = one(br#"{"success":true,"data":{"id":1,"custom_fields":{"abc":5,"nil":null}}}"#).unwrap();
        let lead = one(br#"{"success":true,"data":{"id":"u","abc":5}}"#).unwrap();
        assert_eq!((v2.custom("abc"), lead.custom("abc")), (Some(&Value::from(5)), Some(&Value::from(5))));
        assert_eq!((v2.custom("nil"), v2.custom("none")), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0..120usize) {
            let good = br#"{"success":true,"data":[{"id":1,"emails":[{"value":"x","primary":true}]},7],"additional_data":{"next_cursor":"a"}}"#;
            let mut mixed = good[..cut.min(good.len())].to_vec();
            mixed.extend(&bytes);
            for bytes in [&bytes, &mixed] {
                drop((listed(bytes), one(bytes), found(bytes)));
            }
        }
    }
}
