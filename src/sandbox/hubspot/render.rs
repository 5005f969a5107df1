//! Records as JSON, written straight into the answer's bytes: a page of a hundred costs no tree of values.

use serde_json::Value;

use super::answer::{write_text, write_time};
use super::association;
use super::kind::Kind;
use super::model::{Entry, Model, Object};
use super::schema::Source;
use super::server::Call;

/// What a read asks for.
pub(super) struct Shape {
    pub(super) values: Vec<(String, Source)>,
    pub(super) history: Vec<(String, Source)>,
    pub(super) associations: Vec<Kind>,
}

impl Shape {
    /// Undefined names are left out of answers; times and id come always. Source: section 3.
    pub(super) fn new(model: &Model, kind: Kind, properties: &[&str], history: &[&str]) -> Self {
        let schema = model.schema(kind);
        let asked = if properties.is_empty() && history.is_empty() { kind.defaults() } else { properties };
        let always = ["hs_object_id", kind.created(), kind.modified()];
        let mut names: Vec<&str> = asked.iter().chain(always.iter()).copied().collect();
        names.sort_unstable();
        names.dedup();
        let resolve = |names: &[&str]| -> Vec<(String, Source)> {
            names.iter().filter_map(|name| Some(((*name).to_owned(), schema.source(kind, name)?))).collect()
        };
        let mut past: Vec<&str> = history.to_vec();
        past.sort_unstable();
        past.dedup();
        Self { values: resolve(&names), history: resolve(&past), associations: Vec::new() }
    }

    /// Everything that has a value now: what a write answers with.
    pub(super) fn present(model: &Model, kind: Kind, object: &Object) -> Self {
        let schema = model.schema(kind);
        let names: Vec<&str> = object.values.iter().map(|(number, _)| &*schema.get(*number).name).collect();
        Self::new(model, kind, &names, &[])
    }
}

/// Members that only some answers have.
#[derive(Clone, Copy, Default)]
pub(super) struct Extra<'a> {
    pub(super) trace: Option<&'a str>,
    pub(super) is_new: Option<bool>,
}

pub(super) fn write_object(
    out: &mut Vec<u8>,
    model: &Model,
    kind: Kind,
    object: &Object,
    shape: &Shape,
    extra: Extra<'_>,
) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(object.id.to_string().as_bytes());
    out.extend_from_slice(b"\",\"properties\":{");
    for (at, (name, source)) in shape.values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        match source {
            Source::Created => write_quoted_time(out, object.created),
            Source::Modified => write_quoted_time(out, object.modified),
            Source::Stored(_) | Source::Id | Source::Merged => match object.value(*source) {
                Some(value) => write_text(out, &value),
                None => out.extend_from_slice(b"null"),
            },
        }
    }
    out.push(b'}');
    if !shape.history.is_empty() {
        write_histories(out, object, &shape.history);
    }
    out.extend_from_slice(b",\"createdAt\":");
    write_quoted_time(out, object.created);
    out.extend_from_slice(b",\"updatedAt\":");
    write_quoted_time(out, object.modified);
    match object.archived {
        None => out.extend_from_slice(b",\"archived\":false"),
        Some(at) => {
            out.extend_from_slice(b",\"archived\":true,\"archivedAt\":");
            write_quoted_time(out, at);
        }
    }
    if let Some(trace) = extra.trace {
        out.extend_from_slice(b",\"objectWriteTraceId\":");
        write_text(out, trace);
    }
    if let Some(is_new) = extra.is_new {
        out.extend_from_slice(if is_new { b",\"new\":true" } else { b",\"new\":false" });
    }
    if !shape.associations.is_empty() {
        write_associations(out, model, kind, object.id, &shape.associations);
    }
    out.push(b'}');
}

fn write_quoted_time(out: &mut Vec<u8>, millisecond: i64) {
    out.push(b'"');
    write_time(out, millisecond);
    out.push(b'"');
}

/// Newest first. Source: section 4, entries of `propertiesWithHistory`.
fn write_histories(out: &mut Vec<u8>, object: &Object, wanted: &[(String, Source)]) {
    out.extend_from_slice(b",\"propertiesWithHistory\":{");
    for (at, (name, source)) in wanted.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.extend_from_slice(b":[");
        if let Source::Stored(number) = source {
            let mut entries: Vec<&Entry> = object
                .earlier
                .iter()
                .chain(&object.values)
                .filter(|(of, _)| of == number)
                .map(|(_, entry)| entry)
                .collect();
            entries.sort_by_key(|entry| entry.at);
            for (at, entry) in entries.iter().rev().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_entry(out, entry);
            }
        }
        out.push(b']');
    }
    out.push(b'}');
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.extend_from_slice(b"{\"value\":");
    write_text(out, &entry.value);
    out.extend_from_slice(b",\"timestamp\":");
    write_quoted_time(out, entry.at);
    out.extend_from_slice(b",\"sourceType\":");
    write_text(out, entry.author.source_type());
    if let Some(id) = entry.author.source_id() {
        out.extend_from_slice(b",\"sourceId\":");
        write_text(out, &id);
    }
    if let super::model::Author::User(id) = entry.author {
        out.extend_from_slice(format!(",\"updatedByUserId\":{id}").as_bytes());
    }
    out.push(b'}');
}

/// One entry for each type, so an id may come twice: `contact_to_company` beside `contact_to_company_unlabeled`.
fn write_associations(out: &mut Vec<u8>, model: &Model, kind: Kind, id: u64, wanted: &[Kind]) {
    let mut first_kind = true;
    for to in wanted {
        let mut rows = Vec::new();
        for (other, types) in model.associated_to((kind, id), *to) {
            if model.object(*to, other).is_none_or(|object| object.archived.is_some()) {
                continue;
            }
            for each in types.iter() {
                let name = format!("{}_to_{}", kind.singular(), to.singular());
                let has_primary = association::primary(kind, *to).is_some();
                let is_plain = association::plain(kind, *to) == Some(each);
                let name = if is_plain && has_primary { format!("{name}_unlabeled") } else { name };
                rows.push(format!("{{\"id\":\"{other}\",\"type\":\"{name}\"}}"));
            }
        }
        if rows.is_empty() {
            continue;
        }
        out.extend_from_slice(if first_kind { b",\"associations\":{" } else { b"," });
        first_kind = false;
        write_text(out, to.plural());
        out.extend_from_slice(b":{\"results\":[");
        out.extend_from_slice(rows.join(",").as_bytes());
        out.extend_from_slice(b"]}");
    }
    if !first_kind {
        out.push(b'}');
    }
}

/// The record as it is now, for a write's answer.
pub(super) fn object_bytes(call: &Call<'_>, kind: Kind, id: u64, warnings: &[Value]) -> Vec<u8> {
    let model = &call.state.model;
    let mut out = Vec::with_capacity(512);
    if let Some(object) = model.object(kind, id) {
        write_object(&mut out, model, kind, object, &Shape::present(model, kind, object), Extra::default());
    }
    if !warnings.is_empty() && out.last() == Some(&b'}') {
        out.pop();
        out.extend_from_slice(b",\"warnings\":");
        out.extend_from_slice(Value::Array(warnings.to_vec()).to_string().as_bytes());
        out.push(b'}');
    }
    out
}

/// The frame of a batch answer; 207 with errors, else `status`. Source: section 6.
pub(super) fn batch_frame(
    status: u16,
    rows: &[Vec<u8>],
    errors: &[Value],
    started: i64,
    ended: i64,
) -> super::answer::Answer {
    let mut out = Vec::with_capacity(rows.iter().map(Vec::len).sum::<usize>() + 256);
    out.extend_from_slice(b"{\"status\":\"COMPLETE\",\"results\":[");
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(row);
    }
    out.push(b']');
    if !errors.is_empty() {
        out.extend_from_slice(format!(",\"numErrors\":{},\"errors\":", errors.len()).as_bytes());
        out.extend_from_slice(Value::Array(errors.to_vec()).to_string().as_bytes());
    }
    out.extend_from_slice(b",\"startedAt\":");
    write_quoted_time(&mut out, started);
    out.extend_from_slice(b",\"completedAt\":");
    write_quoted_time(&mut out, ended);
    out.push(b'}');
    super::answer::Answer::raw(if errors.is_empty() { status } else { 207 }, out)
}
