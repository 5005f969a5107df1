//! HubSpot's JSON, as it comes over the wire: typed, borrowed from the answer where it can be, and lenient where the fact
//! sheet says that every field is optional. It knows nothing of what a value means; that is `map/`.
//!
//! "Section n" in this folder means a section of the HubSpot fact sheet.

use serde_json::value::RawValue;

pub(super) use other::{Account, AssociatedObjects, AssociationRows, Owner, Owners, Property, PropertyList, ToObject};
pub(super) use value::{OneOrMany, Pairs, Text};

mod other;
#[cfg(test)]
mod tests;
mod value;

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
