//! Queries and the two ways of paging: cursors in v2, offsets in v1. Source: section 5.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{Answer, invalid};
use super::model::Record;

/// Rows of a page at most. Source: section 5.
const ROWS_MAX: usize = 500;
/// Rows of a page where nobody says; the vendor's examples have it.
const ROWS: usize = 100;

/// The query of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The parts of a list that is written with commas.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.one(name).map_or_else(Vec::new, |text| text.split(',').filter(|part| !part.is_empty()).collect())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Answer> {
        self.one(name).map(|text| text.parse().map_err(|_| invalid(format!("{name} is no number")))).transpose()
    }

    /// An instant; v2 takes RFC 3339 alone.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, Answer> {
        let parsed = self.one(name).map(|text| {
            text.parse::<Timestamp>()
                .map(Timestamp::as_millisecond)
                .map_err(|_| invalid(format!("{name} is no RFC 3339 time")))
        });
        parsed.transpose()
    }
}

/// One page of v2: the rows behind the cursor and the next one.
pub(super) fn by_cursor<'a>(
    query: &Query,
    mut rows: Vec<&'a Record>,
    most: usize,
) -> Result<(Vec<&'a Record>, Value), Answer> {
    let limit = query.number("limit")?.map_or(ROWS.min(most), |limit| usize::try_from(limit).unwrap_or(0));
    if limit == 0 || limit > most {
        return Err(invalid(format!("limit is not between 1 and {most}")));
    }
    let field = query.one("sort_by").unwrap_or("id").to_owned();
    let descends = match query.one("sort_direction").unwrap_or("asc") {
        "asc" => false,
        "desc" => true,
        _ => return Err(invalid("sort_direction is asc or desc")),
    };
    let key = |record: &Record| -> Result<(i64, i64), Answer> {
        let number = record.number();
        Ok(match field.as_str() {
            "id" => (number, number),
            "update_time" => (record.updated, number),
            "add_time" => (record.added, number),
            _ => return Err(invalid("sort_by is not valid")),
        })
    };
    let mut keyed: Vec<((i64, i64), &Record)> =
        rows.drain(..).map(|record| Ok((key(record)?, record))).collect::<Result<_, Answer>>()?;
    keyed.sort_by_key(|(key, _)| *key);
    if descends {
        keyed.reverse();
    }
    if let Some(cursor) = query.one("cursor") {
        let (of, value, id, way) = read_cursor(cursor).ok_or_else(|| invalid("cursor is not valid"))?;
        if of != field || way != descends {
            return Err(invalid("cursor belongs to another order"));
        }
        // A keyset: rows that moved past it meanwhile are not shown again, and rows that moved behind it are not shown at all.
        let after = |key: (i64, i64)| if descends { key < (value, id) } else { key > (value, id) };
        keyed.retain(|(key, _)| after(*key));
    }
    let has_more = keyed.len() > limit;
    keyed.truncate(limit);
    let next = match keyed.last().filter(|_| has_more) {
        Some(((value, id), _)) => json!(write_cursor(&field, *value, *id, descends)),
        None => Value::Null,
    };
    Ok((keyed.into_iter().map(|(_, record)| record).collect(), json!({ "next_cursor": next })))
}

fn write_cursor(field: &str, value: i64, id: i64, descends: bool) -> String {
    let text =
        json!({"field": field, "fieldValue": value, "sortDirection": if descends { "desc" } else { "asc" }, "id": id});
    URL_SAFE_NO_PAD.encode(text.to_string())
}

fn read_cursor(text: &str) -> Option<(String, i64, i64, bool)> {
    let read: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let way = read["sortDirection"].as_str()? == "desc";
    Some((read["field"].as_str()?.to_owned(), read["fieldValue"].as_i64()?, read["id"].as_i64()?, way))
}

/// One page of v1: the rows from `start` on, and what says how it goes on. What changes while somebody pages shifts the rest.
pub(super) fn by_offset<T>(query: &Query, rows: Vec<T>) -> Result<(Vec<T>, Value), Answer> {
    let start = query.number("start")?.map_or(0, |start| usize::try_from(start).unwrap_or(0));
    // More than the most is cut, not refused.
    let limit = query.number("limit")?.map_or(ROWS, |limit| usize::try_from(limit).unwrap_or(ROWS).clamp(1, ROWS_MAX));
    let total = rows.len();
    let shown: Vec<T> = rows.into_iter().skip(start).take(limit).collect();
    let has_more = start + shown.len() < total;
    let mut paging = json!({"start": start, "limit": limit, "more_items_in_collection": has_more});
    if has_more {
        paging["next_start"] = json!(start + limit);
    }
    Ok((shown, paging))
}
