//! Salesforce's JSON as it stands on the wire: rows, pages, times, refusals. Pure. Knows nothing of Baton's words. Source: the
//! sheet, sections 4, 5 and 9.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::soql::Id;
use crate::connector::{RECORD_BYTES_MAX, code, saying};

/// One record as a query shows it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Row(pub(super) Map<String, Value>);

impl Row {
    /// A value, with its path: `Owner.Type`.
    fn value(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part)).filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.value(path)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The id in a field.
    pub(super) fn id(&self, path: &str) -> Option<Id> {
        self.text(path).and_then(Id::parse)
    }

    /// A flag; missing counts as no.
    pub(super) fn flag(&self, path: &str) -> bool {
        self.value(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A time.
    pub(super) fn time(&self, path: &str) -> Option<Timestamp> {
        self.text(path).and_then(instant)
    }

    /// The state's own time: history rows have no stamp. Source: section 4.
    pub(super) fn stamp(&self) -> Option<Timestamp> {
        self.time("SystemModstamp")
            .or_else(|| self.time("CreatedDate").filter(|_| !self.0.contains_key("SystemModstamp")))
    }

    /// Any value as text; `false` and an empty text are said as they are.
    pub(super) fn plain(&self, path: &str) -> Option<String> {
        match self.value(path)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// Reads a time as Salesforce writes it: the offset has no colon, which RFC 3339 does not allow. Source: section 5. A day is
/// its midnight, UTC.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).and_then(|parts| parts.to_timestamp()).ok().or_else(|| {
        let is_day = text.len() == "2026-11-24".len();
        text.parse::<Date>().ok().filter(|_| is_day)?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp())
    })
}

/// Writes a time as Salesforce reads it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// One page of a query, each record read by itself: one that cannot be read does not spoil the others (faults 37 and 38).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listed {
    pub(super) rows: Vec<Row>,
    pub(super) broken: Vec<Broken>,
    /// Records without a readable id.
    pub(super) nameless: usize,
    /// Is this the end of what was asked for?
    pub(super) done: bool,
    /// Where the rest is, as the org says it.
    pub(super) next: Option<String>,
    pub(super) total: u64,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) id: Id,
    /// Why, without any value of a person.
    pub(super) why: String,
}

impl Listed {
    /// How many records the page holds, whether they can be read or not.
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.broken.len() + self.nameless
    }

    /// Stamp and id of the last record that has both.
    pub(super) fn last(&self) -> Option<(Timestamp, Id)> {
        self.rows.iter().rev().find_map(|row| Some((row.stamp()?, row.id("Id")?)))
    }

    fn take(&mut self, text: &str) {
        #[derive(Deserialize)]
        struct Stub {
            #[serde(rename = "Id")]
            id: String,
        }
        let id = || serde_json::from_str::<Stub>(text).ok().and_then(|stub| Id::parse(&stub.id));
        let row = if text.len() > RECORD_BYTES_MAX {
            Err(format!("{} bytes, more than {RECORD_BYTES_MAX}", text.len()))
        } else {
            serde_json::from_str::<Row>(text).map_err(|_| "it is no record".to_owned())
        };
        match (row, id()) {
            (Ok(row), Some(_)) if row.stamp().is_some() || !has_stamp(&row) => self.rows.push(row),
            (Ok(_), Some(id)) => self.broken.push(Broken { id, why: "SystemModstamp is no time".to_owned() }),
            (Err(why), Some(id)) => self.broken.push(Broken { id, why }),
            (_, None) => self.nameless += 1,
        }
    }
}

/// Was the stamp asked for?
fn has_stamp(row: &Row) -> bool {
    row.0.contains_key("SystemModstamp")
}

/// Reads a page of a query. The error says where the answer stopped making sense, without quoting it.
pub(super) fn listed(body: &[u8]) -> Result<Listed, String> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(rename = "totalSize", default)]
        total: u64,
        done: bool,
        #[serde(rename = "nextRecordsUrl", default)]
        next: Option<String>,
        #[serde(borrow)]
        records: Vec<&'a RawValue>,
    }
    let page: Page<'_> = whole(body)?;
    if !page.done && page.next.is_none() {
        return Err("a page that is not the last says not where the next one is".to_owned());
    }
    let mut listed = Listed { done: page.done, next: page.next, total: page.total, ..Listed::default() };
    page.records.into_iter().for_each(|record| listed.take(record.get()));
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

/// What was made, as single writes and rows of collections say it. Source: section 7.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Saved {
    /// Present in a row that was rolled back, too: `success` alone tells. Source: section 7.
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) success: bool,
    #[serde(default)]
    pub(super) errors: Vec<Fault>,
}

/// A refusal: `errorCode` at the top, `statusCode` in rows. Source: section 1.2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Fault {
    #[serde(rename = "errorCode", alias = "statusCode", default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) fields: Vec<String>,
}

impl Fault {
    /// The first refusal that a body tells, if it is one of Salesforce's: an array, or an object by the OAuth pages. Source:
    /// section 1.3.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Body {
            Many(Vec<Fault>),
            One(Fault),
        }
        let fault = match serde_json::from_slice(body).ok()? {
            Body::Many(all) => all.into_iter().next()?,
            Body::One(fault) => fault,
        };
        (!fault.code.is_empty()).then_some(fault)
    }

    /// Code, fields and the last line of the message without mail addresses: the rest may hold values of people.
    pub(super) fn words(&self) -> String {
        let line = self.message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let safe: Vec<&str> = line.split_whitespace().map(|word| if word.contains('@') { "…" } else { word }).collect();
        let line: String = safe.join(" ").chars().take(200).collect();
        let fields: Vec<&str> = self.fields.iter().map(|field| code(field)).filter(|field| !field.is_empty()).collect();
        let about = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        saying(&format!("{}{about}", code(&self.code)), &line)
    }
}

/// The day's requests: used and allowed. Unknown keys are passed over; a strict pattern breaks. Source: section 8.
pub(super) fn usage(header: &str) -> Option<(u32, u32)> {
    let part = header.split(';').find_map(|part| part.trim().strip_prefix("api-usage="))?;
    let (used, limit) = part.split_once('/')?;
    Some((used.trim().parse().ok()?, limit.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_an_offset_without_a_colon_section_5() {
        let at = instant("2026-11-20T17:50:19.000+0000").unwrap();
        assert_eq!(at.to_string(), "2026-11-20T17:50:19Z");
        assert_eq!(instant("2026-11-20T18:50:19.000+0100"), Some(at));
        assert_eq!(stamp(at), "2026-11-20T17:50:19.000+0000");
        assert_eq!(instant("2026-11-20").unwrap().to_string(), "2026-11-20T00:00:00Z");
        for bad in ["", "soon", "2026-11-20 17:50:19", "2026-13-20"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_that_is_no_page_is_never_an_empty_one_fault_35() {
        for (body, part) in [
            (&b"<!DOCTYPE html>"[..], "HTML"),
            (br#"{"totalSize":1,"done":true,"records":[{"Id":"00Q"#, "cut"),
            (b"", "empty"),
            (b"null", "shape"),
            (br#"{"done":true}"#, "shape"),
            (br#"{"totalSize":9,"done":false,"records":[]}"#, "says not where"),
        ] {
            assert!(listed(body).unwrap_err().contains(part), "{part}");
        }
        assert_eq!(listed(br#"{"totalSize":0,"done":true,"records":[]}"#).unwrap().len(), 0);
    }

    #[test]
    fn one_bad_record_does_not_spoil_the_page_faults_37_and_38() {
        let long = "x".repeat(RECORD_BYTES_MAX);
        let id = |serial: u32| format!("00Q5f00000000{serial:02}AAA");
        let record = |serial: u32, stamp: &str| format!(r#"{{"Id":"{}","SystemModstamp":"{stamp}"}}"#, id(serial));
        let good = "2026-11-20T17:50:19.000+0000";
        let records = [
            record(1, good),
            record(2, "soon"),
            "7".to_owned(),
            r#"{"Id":null}"#.to_owned(),
            format!(r#"{{"Id":"{}","Name":"{long}","SystemModstamp":"{good}"}}"#, id(5)),
            record(6, "2026-11-20T17:50:20.000+0000"),
        ];
        let body = format!(r#"{{"totalSize":6,"done":true,"records":[{}]}}"#, records.join(","));
        let listed = listed(body.as_bytes()).unwrap();
        assert_eq!((listed.rows.len(), listed.broken.len(), listed.nameless, listed.len()), (2, 2, 2, 6));
        assert!(listed.broken[1].why.len() < 100 && listed.broken[1].why.contains("more than"), "{:?}", listed.broken);
        assert_eq!(listed.last().unwrap().1.as_str(), id(6));
    }

    #[test]
    fn a_refusal_is_told_by_code_and_field_without_values_section_9() {
        let fault = Fault::of(
            br#"[{"message":"\nSELECT Foo__c FROM Lead WHERE Email='jane@x.example'\n ^\nNo such column 'Foo__c' for jane@x.example","errorCode":"INVALID_FIELD","fields":["Foo__c"]}]"#,
        );
        assert_eq!(fault.unwrap().words(), "INVALID_FIELD (Foo__c): “No such column 'Foo__c' for …”");
        let row = br#"[{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"m","fields":[]}]}]"#;
        let rows: Vec<Saved> = whole(row).unwrap();
        assert_eq!(rows[0].errors[0].code, "UNABLE_TO_LOCK_ROW");
        assert_eq!(Fault::of(b"<html>"), None);
        assert_eq!(Fault::of(br#"{"error":"invalid_grant"}"#), None);
    }

    #[test]
    fn usage_is_read_by_its_key_section_8() {
        for (header, wanted) in [
            ("api-usage=18/5000", Some((18, 5000))),
            ("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-app)", Some((25, 5000))),
            ("api-bursts=1/750; api-usage=10018/100000", Some((10018, 100_000))),
            ("per-app-api-usage=17/250(appName=x)", None),
            ("api-usage=x", None),
        ] {
            assert_eq!(usage(header), wanted, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_faults_35_and_40(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0..120usize) {
            let good = br#"{"totalSize":1,"done":true,"records":[{"Id":"00Q5f000005bwLFEAY","SystemModstamp":"x"},7]}"#;
            let mut mixed = good[..cut.min(good.len())].to_vec();
            mixed.extend(&bytes);
            for bytes in [&bytes, &mixed] {
                drop((listed(bytes), Fault::of(bytes)));
            }
        }
    }
}
