//! Odoo's JSON as it stands on the wire: rows, times without a zone, `false` for empty, error bodies. Pure.
//!
//! Knows nothing of Baton's words. Source: Odoo 19.0 Community on loopback, November 2026, and the sheet's captured
//! exchanges.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::connector::{RECORD_BYTES_MAX, code, saying};

/// How a time is written: UTC without a zone. An ISO time with `Z` is answered with 500. Source: trap 9.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// One record as `search_read` or `read` gives it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Row(pub(super) Map<String, Value>);

/// A many2one: `[57, "Germany"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link<'a> {
    pub(super) id: i64,
    pub(super) name: &'a str,
}

impl Row {
    /// The record's own id; `None` if the row has none, which Odoo never does.
    pub(super) fn id(&self) -> Option<i64> {
        self.0.get("id").and_then(Value::as_i64)
    }

    /// A text; empty is `false` or nothing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A many2one. The name is `false` where the key may not see it.
    pub(super) fn link(&self, name: &str) -> Option<Link<'_>> {
        match self.0.get(name)?.as_array()?.as_slice() {
            [id, name, ..] => Some(Link { id: id.as_i64()?, name: name.as_str().unwrap_or_default() }),
            _ => None,
        }
    }

    /// The id of a many2one.
    pub(super) fn link_id(&self, name: &str) -> Option<i64> {
        self.link(name).map(|link| link.id)
    }

    /// An integer.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// A flag; missing counts as no.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A time; whole seconds, although the database keeps microseconds (trap 2).
    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(instant)
    }

    /// Ids of a many2many.
    pub(super) fn ids(&self, name: &str) -> Vec<i64> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_i64).collect()).unwrap_or_default()
    }

    /// Any value as text: the name of a many2one, the digits of a number. `false` and an empty text are none.
    pub(super) fn plain(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(true) => Some("true".to_owned()),
            Value::Array(_) => self.link(name).map(|link| link.name.to_owned()).filter(|name| !name.is_empty()),
            Value::Bool(false) | Value::Null | Value::Object(_) => None,
        }
    }
}

/// Reads a time as Odoo writes it; also with fractions, as a webhook does.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let whole = text.split('.').next()?;
    let civil = DateTime::strptime(TIME, whole).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Writes a time as Odoo reads it, cut to the second.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime(TIME).to_string()
}

/// Reads a list of records. The error says where the answer stopped making sense, without quoting it.
pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, String> {
    serde_json::from_slice(body).map_err(|error| place(body, &error))
}

/// One page of records, each read by itself: one that cannot be read does not spoil the others (faults 37 and 38).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listed {
    pub(super) rows: Vec<Row>,
    pub(super) broken: Vec<Broken>,
    /// Records without a readable id.
    pub(super) nameless: usize,
    /// `write_date` of the last record that has a readable one.
    pub(super) last_at: Option<Timestamp>,
    /// Id of the last record that has a readable one.
    pub(super) last_id: Option<i64>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) id: i64,
    pub(super) at: Option<Timestamp>,
    /// Why, without any value of a person.
    pub(super) why: String,
}

impl Listed {
    /// How many records the page holds, whether they can be read or not.
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.broken.len() + self.nameless
    }

    /// The ids of all records that have a readable one.
    pub(super) fn ids(&self) -> impl Iterator<Item = i64> {
        self.rows.iter().filter_map(Row::id).chain(self.broken.iter().map(|broken| broken.id))
    }

    fn take(&mut self, row: Row) {
        match row.id() {
            Some(id) => {
                self.last_at = row.time("write_date").or(self.last_at);
                self.last_id = Some(id);
                self.rows.push(row);
            }
            None => self.nameless += 1,
        }
    }

    fn take_broken(&mut self, text: &str, why: String) {
        #[derive(Deserialize)]
        struct Stub {
            id: i64,
            #[serde(default)]
            write_date: Value,
        }
        let Ok(stub) = serde_json::from_str::<Stub>(text) else {
            self.nameless += 1;
            return;
        };
        let at = stub.write_date.as_str().and_then(instant);
        self.last_at = at.or(self.last_at);
        self.last_id = Some(stub.id);
        self.broken.push(Broken { id: stub.id, at, why });
    }
}

/// Reads a page of records, each by itself. The error says where the answer stopped being JSON.
pub(super) fn listed(body: &[u8]) -> Result<Listed, String> {
    let mut listed = Listed::default();
    // A page that is smaller than one record may be holds none that is too large.
    if body.len() <= RECORD_BYTES_MAX
        && let Ok(rows) = rows(body)
    {
        rows.into_iter().for_each(|row| listed.take(row));
        return Ok(listed);
    }
    let raws: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| place(body, &error))?;
    for text in raws.into_iter().map(RawValue::get) {
        if text.len() > RECORD_BYTES_MAX {
            listed.take_broken(text, format!("{} bytes, more than {RECORD_BYTES_MAX}", text.len()));
        } else if let Ok(row) = serde_json::from_str(text) {
            listed.take(row);
        } else {
            listed.take_broken(text, "it is no record".to_owned());
        }
    }
    Ok(listed)
}

/// Reads any answer.
pub(super) fn whole<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| place(body, &error))
}

fn place(body: &[u8], error: &serde_json::Error) -> String {
    let kind = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => "a page of HTML",
        None => "an empty body",
        Some(_) if error.is_eof() => "a cut answer",
        Some(_) => "another shape",
    };
    format!("line {} column {}: {kind}", error.line(), error.column())
}

/// The body of a failure; `debug`, a traceback of the server with file paths, is never read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Fault {
    /// The exception: `odoo.exceptions.AccessError`.
    #[serde(default)]
    pub(super) name: String,
    /// Words for a person.
    #[serde(default)]
    pub(super) message: String,
}

impl Fault {
    /// The fault that a body tells, if it is one of Odoo's.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|fault: &Self| !fault.name.is_empty())
    }

    /// The first line of the message without mail addresses, at most 200 characters: the rest may hold values of people.
    pub(super) fn words(&self) -> String {
        let line = self.message.lines().next().unwrap_or_default();
        let safe: Vec<&str> = line.split_whitespace().map(|word| if word.contains('@') { "…" } else { word }).collect();
        let kind = self.name.rsplit('.').next().unwrap_or_default();
        let line: String = safe.join(" ").chars().take(200).collect();
        saying(code(kind), &line)
    }

    /// Is it the kind of exception that a server meets in the request itself, so that the same request fails for ever?
    /// Odoo answers these with 500. Source: the sheet's errors (unknown field, bad date format).
    pub(super) fn is_permanent(&self) -> bool {
        let kind = self.name.rsplit('.').next().unwrap_or_default();
        let is_builtin = self.name.starts_with("builtins.");
        let is_request = matches!(kind, "ValueError" | "TypeError" | "KeyError" | "AttributeError" | "AssertionError");
        let is_rule = matches!(kind, "UserError" | "ValidationError" | "RedirectWarning" | "AccessError");
        (is_builtin && is_request) || (self.name.starts_with("odoo.exceptions.") && is_rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_out_as_they_came_in() {
        let at = instant("2026-11-24 00:48:43").unwrap();
        assert_eq!(at.to_string(), "2026-11-24T00:48:43Z");
        assert_eq!(stamp(at), "2026-11-24 00:48:43");
        assert_eq!(instant("2026-11-24 00:48:43.140210"), Some(at));
        assert_eq!(instant("2026-11-24T00:48:43Z"), None);
        assert_eq!(instant("yesterday"), None);
    }

    #[test]
    fn false_is_empty_and_a_link_is_id_and_name() {
        let row: Row =
            whole(br#"{"id":7,"phone":false,"country_id":[57,"Germany"],"user_id":false,"n":0.5,"s":" x "}"#).unwrap();
        assert_eq!(row.text("phone"), None);
        assert_eq!(row.link("country_id"), Some(Link { id: 57, name: "Germany" }));
        assert_eq!((row.link("user_id"), row.plain("user_id")), (None, None));
        assert_eq!((row.plain("n"), row.plain("s"), row.id()), (Some("0.5".to_owned()), Some("x".to_owned()), Some(7)));
    }

    #[test]
    fn an_answer_that_is_not_rows_is_never_an_empty_page() {
        for (body, part) in
            [(&b"<!DOCTYPE html>"[..], "HTML"), (b"[{\"id\":1}", "cut"), (b"", "empty"), (b"null", "shape")]
        {
            assert!(rows(body).unwrap_err().contains(part), "{part}");
        }
        assert!(rows(b"[]").unwrap().is_empty());
    }

    #[test]
    fn one_bad_record_does_not_spoil_the_page_fault_37() {
        let body = br#"[{"id":1,"write_date":"2026-11-24 08:00:00"},7,{"name":"x"},{"id":"x"},
            {"id":3,"write_date":"2026-11-24 08:00:05"}]"#;
        let listed = listed(body).unwrap();
        assert_eq!((listed.rows.len(), listed.nameless, listed.len()), (2, 3, 5));
        assert_eq!((listed.last_at, listed.last_id), (instant("2026-11-24 08:00:05"), Some(3)));
    }

    #[test]
    fn one_record_that_is_too_large_is_left_out_and_walked_past_fault_38() {
        let long = "x".repeat(RECORD_BYTES_MAX);
        let date = "2026-11-24 08:00:05";
        let body = format!(r#"[{{"id":1}},{{"id":2,"name":"{long}","write_date":"{date}"}}]"#);
        let listed = listed(body.as_bytes()).unwrap();
        assert_eq!((listed.rows.len(), listed.len()), (1, 2));
        let broken = &listed.broken[0];
        assert_eq!((broken.id, broken.at), (2, instant(date)));
        assert!(broken.why.len() < 100 && broken.why.contains("more than 1048576"), "{}", broken.why);
        assert_eq!((listed.last_at, listed.last_id), (instant(date), Some(2)));
        assert!(super::listed(&body.as_bytes()[..body.len() - 1]).unwrap_err().contains("cut"));
    }

    #[test]
    fn a_fault_is_told_without_traceback_and_addresses() {
        let body = br#"{"name":"odoo.exceptions.ValidationError","message":"jane@x.example is taken\nDETAIL: secret","debug":"/srv/odoo"}"#;
        let fault = Fault::of(body).unwrap();
        assert_eq!(fault.words(), "ValidationError: “… is taken”");
        assert!(fault.is_permanent());
        let passing = Fault { name: "psycopg2.errors.SerializationFailure".to_owned(), message: String::new() };
        assert!(!passing.is_permanent());
        assert_eq!(Fault::of(b"<html>"), None);
    }
    #[test]
    fn a_number_is_told_as_it_stands_or_not_at_all_fault_42() {
        let row: Row = whole(br#"{"id":9007199254740993,"big":9007199254740993,"m":1200000.5}"#).unwrap();
        assert_eq!((row.id(), row.plain("big").as_deref()), (Some(9_007_199_254_740_993), Some("9007199254740993")));
        assert_eq!(row.plain("m").as_deref(), Some("1200000.5"));
        let listed = listed(br#"[{"id":90071992547409931234567,"write_date":"2026-11-24 08:00:00"}]"#).unwrap();
        assert_eq!((listed.rows.len(), listed.nameless), (0, 1), "no other record in its place");
    }

    #[test]
    fn deep_json_is_an_error_and_no_overflow_fault_40() {
        for levels in [200, 100_000] {
            let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            assert!(rows(deep.as_bytes()).is_err());
            assert!(listed(deep.as_bytes()).map_or(true, |listed| listed.rows.is_empty()));
            assert_eq!(Fault::of(deep.as_bytes()), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_faults_35_and_40(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0..200usize) {
            let good = br#"[{"id":1,"name":"x","write_date":"2026-11-24 08:00:00","user_id":[2,"M"],"phone":false},7]"#;
            let mut mixed = good[..cut.min(good.len())].to_vec();
            mixed.extend(&bytes);
            for bytes in [&bytes, &mixed] {
                drop((rows(bytes), listed(bytes), Fault::of(bytes)));
            }
        }
    }
}
