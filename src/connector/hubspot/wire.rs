//! HubSpot's JSON, as it comes over the wire: typed, borrowed from the answer where it can be, and lenient where the fact
//! sheet says that every field is optional. It knows nothing of what a value means; that is `map/`.
//!
//! "Section n" in this folder means a section of the HubSpot fact sheet.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A value that HubSpot sends as text, and in places as a number: ids, property values. Source: sections 3 and 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(if flag { "true" } else { "false" })))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                // Beyond that a float has been rounded already: another id, or another amount, would stand in its place.
                if number.abs() < FLOAT_WHOLE_MAX {
                    return Ok(Text(Cow::Owned(number.to_string())));
                }
                Err(E::custom("a number with more digits than can be kept"))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Up to here a float holds every whole number: 2^53.
const FLOAT_WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A JSON object as pairs in the order of the answer; `null` is an empty one. Faster than a map for the few dozen
/// properties of a record.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a, V>(pub(super) Vec<(Cow<'a, str>, V)>);

impl<V> Default for Pairs<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Pairs<'_, V> {
    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
            type Value = Pairs<'de, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(32);
                while let Some(Text(name)) = map.next_key()? {
                    pairs.push((name, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Object(PhantomData))
    }
}

/// One entry of a property's history. Source: section 4.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    #[serde(borrow, default)]
    pub(super) value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow, default)]
    pub(super) source_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) source_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) source_label: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) updated_by_user_id: Option<Text<'a>>,
}

impl Entry<'_> {
    pub(super) fn value(&self) -> &str {
        self.value.as_ref().map_or("", Text::as_str)
    }
}

/// The associations of one record with one type, as a list answers them. Source: section 4.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub(super) struct Associated<'a> {
    #[serde(borrow, default)]
    pub(super) results: Vec<AssociatedTo<'a>>,
}

/// One association in a list.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct AssociatedTo<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, rename = "type", default)]
    pub(super) kind: Option<Text<'a>>,
}

/// One record of any type. Source: sections 3 to 6.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) properties: Pairs<'a, Option<Text<'a>>>,
    #[serde(borrow, default)]
    pub(super) properties_with_history: Pairs<'a, Vec<Entry<'a>>>,
    #[serde(borrow, default)]
    pub(super) created_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) updated_at: Option<Text<'a>>,
    #[serde(default)]
    pub(super) archived: Option<bool>,
    #[serde(borrow, default)]
    pub(super) associations: Pairs<'a, Associated<'a>>,
    /// What we called the row that made or changed it, where the answer to a batch says so. Source: section 6.
    #[serde(borrow, rename = "objectWriteTraceId", default)]
    pub(super) trace: Option<Text<'a>>,
}

impl Record<'_> {
    /// A property's value; an empty one is none.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_ref().map(Text::as_str).filter(|text| !text.is_empty())
    }

    /// Was this record known by `id` before it was merged? Source: section 5, `hs_merged_object_ids`.
    pub(super) fn was(&self, id: &str) -> bool {
        self.id.as_str() == id
            || self.value("hs_merged_object_ids").is_some_and(|ids| ids.split(';').any(|old| old.trim() == id))
    }
}

#[derive(serde::Deserialize)]
struct Rows<'a, R> {
    results: Vec<R>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
    #[serde(borrow, default)]
    errors: Option<Vec<RowError<'a>>>,
}

#[derive(serde::Deserialize)]
pub(super) struct Paging<'a> {
    #[serde(borrow, default)]
    next: Option<Next<'a>>,
}

/// Only `after` is taken: `link` may show a stale path or another host. Source: section 4, fault 44.
#[derive(serde::Deserialize)]
struct Next<'a> {
    #[serde(borrow)]
    after: Text<'a>,
}

/// An error for some rows of a batch. Source: section 6.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct RowError<'a> {
    #[serde(borrow, default)]
    pub(super) category: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) message: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) context: Pairs<'a, OneOrMany<'a>>,
    #[serde(borrow, default)]
    pub(super) errors: Option<Vec<Detail<'a>>>,
}

impl RowError<'_> {
    /// Does the error name `text` in its context, as an id or as a trace id?
    pub(super) fn names(&self, text: &str) -> bool {
        self.context.0.iter().any(|(_, values)| values.0.iter().any(|value| value.as_str() == text))
    }

    /// Does it say that something is not there?
    pub(super) fn is_not_found(&self) -> bool {
        self.category.as_ref().is_some_and(|category| category.as_str() == "OBJECT_NOT_FOUND")
    }
}

/// Text or a list of texts; anything else is nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct OneOrMany<'a>(pub(super) Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMany<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either<'a> {
            #[serde(borrow)]
            Many(Vec<Text<'a>>),
            #[serde(borrow)]
            One(Text<'a>),
            Other(IgnoredAny),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Many(values) => values,
            Either::One(value) => vec![value],
            Either::Other(_) => Vec::new(),
        }))
    }
}

/// One reason inside an error. Source: section 9.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct Detail<'a> {
    #[serde(borrow, default)]
    pub(super) message: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) context: Pairs<'a, OneOrMany<'a>>,
}

/// An error answer: "all fields should be treated as optional". Source: section 9.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorBody<'a> {
    #[serde(borrow, default)]
    pub(super) message: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) category: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) correlation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) policy_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) errors: Option<Vec<Detail<'a>>>,
}

/// A page of a list or a search, or the answer to a batch.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    /// What could be decoded.
    pub(super) records: Vec<Record<'a>>,
    /// Ids of records that could not, with the reason; fault 37.
    pub(super) broken: Vec<(String, String)>,
    /// Records that could not be decoded and whose id could not be read either.
    pub(super) nameless: usize,
    /// Where the list goes on.
    pub(super) after: Option<String>,
    /// What a batch could not do.
    pub(super) errors: Vec<RowError<'a>>,
}

impl Decoded<'_> {
    /// How many rows the answer had.
    pub(super) fn len(&self) -> usize {
        self.records.len() + self.broken.len() + self.nameless
    }
}

/// Reads a page. One record that cannot be decoded does not spoil it; a page that is none (HTML, cut short, no `results`)
/// is an error that says where. Source: sections 4 and 6, faults 35 and 37.
pub(super) fn page(body: &[u8]) -> Result<Decoded<'_>, String> {
    if let Ok(rows) = serde_json::from_slice::<Rows<'_, Record<'_>>>(body) {
        return Ok(Decoded {
            records: rows.results,
            broken: Vec::new(),
            nameless: 0,
            after: after(rows.paging),
            errors: rows.errors.unwrap_or_default(),
        });
    }
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: Text<'a>,
    }
    let rows: Rows<'_, &RawValue> = serde_json::from_slice(body).map_err(|error| place(body, &error))?;
    let mut decoded = Decoded {
        records: Vec::with_capacity(rows.results.len()),
        broken: Vec::new(),
        nameless: 0,
        after: after(rows.paging),
        errors: rows.errors.unwrap_or_default(),
    };
    for raw in rows.results {
        match (serde_json::from_str(raw.get()), serde_json::from_str::<Named<'_>>(raw.get())) {
            (Ok(record), _) => decoded.records.push(record),
            (Err(error), Ok(named)) => decoded.broken.push((named.id.0.into_owned(), kind_of(&error))),
            (Err(_), Err(_)) => decoded.nameless += 1,
        }
    }
    Ok(decoded)
}

fn after(paging: Option<Paging<'_>>) -> Option<String> {
    Some(paging?.next?.after.0.into_owned())
}

impl Paging<'_> {
    pub(super) fn after(&self) -> Option<String> {
        Some(self.next.as_ref()?.after.as_str().to_owned())
    }
}

/// Reads any other answer.
pub(super) fn whole<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| place(body, &error))
}

/// Where and what kind of thing was found, without any value of a person.
fn place(body: &[u8], error: &serde_json::Error) -> String {
    let found = if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') {
        "HTML instead of JSON".to_owned()
    } else {
        kind_of(error)
    };
    format!("line {} column {} of {} bytes: {found}", error.line(), error.column(), body.len())
}

/// What was wrong, without the values that serde puts into its messages.
fn kind_of(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => "the answer ends in the middle".to_owned(),
        serde_json::error::Category::Syntax => "not JSON".to_owned(),
        serde_json::error::Category::Data => {
            let text = error.to_string();
            match text.split_once("missing field") {
                Some((_, rest)) => format!("missing field{}", rest.split(" at line").next().unwrap_or("")),
                None => "a value of another type than documented".to_owned(),
            }
        }
        serde_json::error::Category::Io => "unreadable".to_owned(),
    }
}

/// `GET /crm/owners/V`. Source: section 10.1.
#[derive(serde::Deserialize)]
pub(super) struct Owners<'a> {
    #[serde(borrow)]
    pub(super) results: Vec<Owner<'a>>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

impl Owners<'_> {
    pub(super) fn after(&self) -> Option<String> {
        Some(self.paging.as_ref()?.next.as_ref()?.after.as_str().to_owned())
    }
}

/// An owner: records are assigned by `id`, histories name the `user_id`. Source: section 3.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) email: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) first_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) last_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) user_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) user_id_including_inactive: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) updated_at: Option<Text<'a>>,
    #[serde(default)]
    pub(super) archived: Option<bool>,
}

/// The answer of an association batch read. Source: section 7.
#[derive(serde::Deserialize)]
pub(super) struct AssociationRows<'a> {
    #[serde(borrow)]
    pub(super) results: Vec<AssociationRow<'a>>,
    #[serde(borrow, default)]
    pub(super) errors: Option<Vec<RowError<'a>>>,
}

/// The associations of one record.
#[derive(serde::Deserialize)]
pub(super) struct AssociationRow<'a> {
    #[serde(borrow)]
    pub(super) from: Ided<'a>,
    #[serde(borrow, default)]
    pub(super) to: Vec<ToObject<'a>>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

impl AssociationRow<'_> {
    /// Has the record more associations than the row shows?
    pub(super) fn has_more(&self) -> bool {
        self.paging.as_ref().is_some_and(|paging| paging.next.is_some())
    }
}

/// Something with an id.
#[derive(serde::Deserialize)]
pub(super) struct Ided<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
}

/// The other end of an association; the id is a number in samples and text in the spec. Source: section 7.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToObject<'a> {
    #[serde(borrow)]
    pub(super) to_object_id: Text<'a>,
    #[serde(default)]
    pub(super) association_types: Vec<AssociationType>,
}

/// The type of an association.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssociationType {
    #[serde(default)]
    pub(super) type_id: i64,
}

/// `GET /crm/objects/V/{from}/{id}/associations/{to}`.
#[derive(serde::Deserialize)]
pub(super) struct AssociatedObjects<'a> {
    #[serde(borrow)]
    pub(super) results: Vec<ToObject<'a>>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

impl AssociatedObjects<'_> {
    pub(super) fn after(&self) -> Option<String> {
        Some(self.paging.as_ref()?.next.as_ref()?.after.as_str().to_owned())
    }
}

/// `GET /account-info/V/details`. Source: section 1.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account<'a> {
    #[serde(borrow)]
    pub(super) portal_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) time_zone: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) account_type: Option<Text<'a>>,
}

/// `GET /crm/properties/V/{type}`. Source: section 10.7.
#[derive(serde::Deserialize)]
pub(super) struct PropertyList<'a> {
    #[serde(borrow)]
    pub(super) results: Vec<Property<'a>>,
}

/// A property's definition.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow, rename = "type", default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) options: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(super) archived: Option<bool>,
    #[serde(default)]
    pub(super) modification_metadata: Option<Modification>,
}

/// One value that an enumeration may have.
#[derive(serde::Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    pub(super) value: Text<'a>,
    #[serde(borrow, default)]
    pub(super) label: Option<Text<'a>>,
}

/// What may be changed of a property.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modification {
    #[serde(default)]
    pub(super) read_only_value: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_record_does_not_spoil_the_page_fault_37() {
        let body =
            br#"{"results":[{"id":"1","properties":{"email":"a@x.example"}},{"id":2,"properties":7},{"properties":7}],
            "paging":{"next":{"after":"3","link":"https://evil.example/x"}}}"#;
        let decoded = page(body).unwrap();
        assert_eq!(decoded.records.len(), 1);
        assert_eq!(decoded.broken[0].0, "2");
        assert_eq!((decoded.nameless, decoded.len()), (1, 3));
        assert_eq!(decoded.after.as_deref(), Some("3"));
    }

    #[test]
    fn what_is_no_page_is_an_error_never_an_empty_page_fault_35() {
        for (body, part) in [
            ("<html><body>maintenance</body></html>", "HTML"),
            (r#"{"results":[{"id":"1","#, "ends in the middle"),
            (r#"{"status":"error"}"#, "missing field `results`"),
            ("", "ends in the middle"),
            ("null", "type"),
        ] {
            let error = page(body.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{body}: {error}");
        }
    }

    #[test]
    fn an_error_names_no_value_of_a_person() {
        let body = br#"{"results":[{"id":"1","properties":"jane@x.example"}]}"#;
        let decoded = page(body).unwrap();
        assert!(!decoded.broken[0].1.contains("jane"), "{}", decoded.broken[0].1);
    }

    #[test]
    fn ids_are_read_as_text_and_as_numbers_section_7() {
        let body = br#"{"results":[{"from":{"id":"33451"},"to":[{"toObjectId":5790939450,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":1,"label":"Primary"}]},{"toObjectId":"12"}]}]}"#;
        let rows: AssociationRows<'_> = whole(body).unwrap();
        let ids: Vec<&str> = rows.results[0].to.iter().map(|to| to.to_object_id.as_str()).collect();
        assert_eq!(ids, ["5790939450", "12"]);
    }

    #[test]
    fn escaped_text_is_read_like_plain_text() {
        let decoded =
            page(br#"{"results":[{"id":"1","properties":{"na\u006de":"Zo\u00eb","x":null,"n":3}}]}"#).unwrap();
        assert_eq!(decoded.records[0].value("name"), Some("Zo\u{eb}"));
        assert_eq!(decoded.records[0].value("x"), None);
        assert_eq!(decoded.records[0].value("n"), Some("3"));
    }

    #[test]
    fn an_id_or_amount_with_more_digits_than_a_float_has_is_no_text_of_another_fault_42() {
        let record =
            |id: &str, amount: &str| format!(r#"{{"results":[{{"id":{id},"properties":{{"amount":{amount}}}}}]}}"#);
        for (id, amount) in
            [("\"90071992547409931\"", "\"90071992547409931.07\""), ("9007199254740993", "18446744073709551615")]
        {
            let body = record(id, amount);
            let decoded = page(body.as_bytes()).unwrap();
            assert_eq!(decoded.records[0].id.as_str(), id.trim_matches('"'));
            assert_eq!(decoded.records[0].value("amount"), Some(amount.trim_matches('"')));
        }
        for (id, amount) in [("1", "90071992547409931234567"), ("1", "1e300"), ("90071992547409931234567", "1")] {
            let body = record(id, amount);
            let decoded = page(body.as_bytes()).unwrap();
            // Without an id that can be kept nobody can say which record it is, only that there is one.
            let (named, nameless) = if id == "1" { (1, 0) } else { (0, 1) };
            assert_eq!(decoded.records.len(), 0, "{id} {amount}");
            assert_eq!((decoded.broken.len(), decoded.nameless), (named, nameless), "{id} {amount}");
        }
    }

    #[test]
    fn deep_json_is_no_record_and_no_overflow_fault_40() {
        for levels in [200, 100_000] {
            let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            assert!(page(deep.as_bytes()).map_or(true, |decoded| decoded.records.is_empty()), "{levels}");
            let within = format!(
                r#"{{"results":[{{"id":"1","properties":{{"name":{deep}}}}},{{"id":"2","properties":{{}}}}]}}"#
            );
            if let Ok(decoded) = page(within.as_bytes()) {
                assert_eq!((decoded.records.len(), decoded.broken.len()), (1, 1), "{levels}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_faults_35_and_40(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0..400usize) {
            drop(page(&bytes));
            let good = br#"{"results":[{"id":"1","createdAt":"x","properties":{"a":"b","n":1.5},"archived":false,
                "propertiesWithHistory":{"a":[{"value":"b","timestamp":"t"}]}}],"paging":{"next":{"after":"7"}}}"#;
            let mut mixed = good[..cut.min(good.len())].to_vec();
            mixed.extend(&bytes);
            drop(page(&mixed));
        }
    }
}
