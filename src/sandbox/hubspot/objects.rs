//! Single records and pages of them: list, read, create, change, archive, merge, privacy deletion. Source: sections 4, 5, 10.

use std::ops::Bound;

use serde_json::Value;

use super::answer::{Answer, Reply, invalid, no_such_path, not_found, problem, wrong_method};
use super::associations;
use super::kind::Kind;
use super::render::{Extra, Shape, object_bytes, write_object};
use super::server::Call;
use super::write;

pub(super) fn run(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    let kind = rest.first().and_then(|text| Kind::parse(text)).ok_or_else(|| unknown_kind(rest))?;
    match (call.method, &rest[1..]) {
        ("GET", []) => list(call, kind),
        ("POST", []) => create(call, kind),
        ("POST", ["merge"]) => merge(call, kind),
        ("POST", ["gdpr-delete"]) if kind == Kind::Contact => gdpr_delete(call),
        ("GET", [id]) => read(call, kind, id),
        ("PATCH", [id]) => change(call, kind, id),
        ("DELETE", [id]) => archive(call, kind, id),
        (_, [] | [_]) => Err(wrong_method()),
        _ => Err(no_such_path()),
    }
}

pub(super) fn unknown_kind(rest: &[&str]) -> Answer {
    invalid(format!("Unable to infer object type from: {}", rest.first().copied().unwrap_or_default()))
}

/// Pages by id without an upper limit; `after` is the id the next page starts with. Source: section 4.
fn list(call: &mut Call<'_>, kind: Kind) -> Reply {
    let limit = call
        .query
        .one("limit")
        .map_or(Ok(10), |text| text.parse::<usize>().map_err(|_| invalid(format!("Invalid limit: {text}"))))?;
    let history = call.query.many("propertiesWithHistory");
    let max = if history.is_empty() { 100 } else { 50 };
    if limit == 0 || limit > max {
        return Err(invalid(format!("Invalid page size: {limit}. The limit must be between 1 and {max}.")));
    }
    let after = call
        .query
        .one("after")
        .map_or(Ok(0), |text| text.parse::<u64>().map_err(|_| invalid(format!("Invalid after: {text}"))))?;
    let archived = call.query.is_true("archived");
    let state = &*call.state;
    let model = &state.model;
    let mut shape = Shape::new(model, kind, &call.query.many("properties"), &history);
    shape.associations = kinds(&call.query.many("associations"))?;
    let mut records = model
        .all(kind)
        .range((Bound::Included(after), Bound::Unbounded))
        .map(|(_, object)| object)
        .filter(|object| object.archived.is_some() == archived && !state.faults.hides(kind, object.id));
    let mut out = Vec::with_capacity(limit * 512);
    out.extend_from_slice(b"{\"results\":[");
    for at in 0..limit {
        let Some(object) = records.next() else { break };
        if at > 0 {
            out.push(b',');
        }
        write_object(&mut out, model, kind, object, &shape, Extra::default());
    }
    out.push(b']');
    if let Some(next) = records.next() {
        // The link shows a stale path, as the sheet warns: only `after` is good.
        let paging = format!(
            ",\"paging\":{{\"next\":{{\"after\":\"{0}\",\"link\":\"https://api.hubapi.com/crm/v3/objects/{1}?limit={limit}&after={0}\"}}}}",
            next.id,
            kind.plural()
        );
        out.extend_from_slice(paging.as_bytes());
    }
    out.push(b'}');
    Ok(Answer::raw(200, out))
}

fn kinds(names: &[&str]) -> Result<Vec<Kind>, Answer> {
    names
        .iter()
        .map(|name| Kind::parse(name).ok_or_else(|| invalid(format!("Unable to infer object type from: {name}"))))
        .collect()
}

/// The record a path names: by id (old ids of merges too) or by a unique property.
pub(super) fn resolve(
    call: &Call<'_>,
    kind: Kind,
    key: &str,
    id_property: Option<&str>,
    archived: bool,
) -> Result<u64, Answer> {
    let model = &call.state.model;
    let id = match id_property {
        None | Some("hs_object_id") => key.parse().ok(),
        Some(name) => {
            let schema = model.schema(kind);
            let number = schema.find(name).filter(|number| schema.get(*number).is_unique);
            let number = number
                .ok_or_else(|| invalid(format!("Property {name} is not a unique property of {}", kind.type_id())))?;
            model.by_unique(kind, number, key)
        }
    };
    id.and_then(|id| model.object(kind, id))
        .filter(|object| object.archived.is_some() == archived && !call.state.faults.hides(kind, object.id))
        .map(|object| object.id)
        .ok_or_else(|| not_found(key))
}

fn read(call: &mut Call<'_>, kind: Kind, key: &str) -> Reply {
    let id = resolve(call, kind, key, call.query.one("idProperty"), call.query.is_true("archived"))?;
    let model = &call.state.model;
    let mut shape = Shape::new(model, kind, &call.query.many("properties"), &call.query.many("propertiesWithHistory"));
    shape.associations = kinds(&call.query.many("associations"))?;
    let mut out = Vec::with_capacity(512);
    if let Some(object) = model.object(kind, id) {
        write_object(&mut out, model, kind, object, &shape, Extra::default());
    }
    Ok(Answer::raw(200, out))
}

fn create(call: &mut Call<'_>, kind: Kind) -> Reply {
    let body = call.json()?;
    let checked = write::check_in(call, kind, None, write::properties_of(&body)?)?;
    let joins = associations::joins_of(call, kind, &body)?;
    write::check_lead(kind, &joins)?;
    let warnings = checked.warnings.clone();
    let id = write::create(call, kind, checked, joins);
    let location = format!("{}/{id}", call.path);
    Ok(Answer::raw(201, object_bytes(call, kind, id, &warnings)).with("location", location))
}

/// Works with the old ids of merged records. Source: section 5.
fn change(call: &mut Call<'_>, kind: Kind, key: &str) -> Reply {
    let body = call.json()?;
    let id = resolve(call, kind, key, call.query.one("idProperty"), false)?;
    let checked = write::check_in(call, kind, Some(id), write::properties_of(&body)?)?;
    let warnings = checked.warnings.clone();
    write::update(call, kind, id, checked);
    Ok(Answer::raw(200, object_bytes(call, kind, id, &warnings)))
}

fn archive(call: &mut Call<'_>, kind: Kind, key: &str) -> Reply {
    if let Ok(id) = resolve(call, kind, key, None, false) {
        let now = call.state.now();
        call.state.model.archive(kind, id, now);
        call.note("archive", kind.plural(), id, Vec::new(), Vec::new());
    }
    Ok(Answer::empty())
}

fn merge(call: &mut Call<'_>, kind: Kind) -> Reply {
    let body = call.json()?;
    let id = |name: &str| {
        body.get(name).and_then(Value::as_str).ok_or_else(|| invalid(format!("Invalid input JSON: {name} is required")))
    };
    let winner = resolve(call, kind, id("primaryObjectId")?, None, false)?;
    let loser = resolve(call, kind, id("objectIdToMerge")?, None, false)?;
    let merges = call.state.model.object(kind, winner).map_or(0, |object| object.merged.len());
    if merges > 250 {
        return Err(problem(414, "", "This record has been merged too many times"));
    }
    let (now, author) = (call.state.now(), call.author);
    let merged = call.state.model.merge(kind, winner, loser, author, now);
    let merged = merged.ok_or_else(|| invalid("Cannot merge an object with itself"))?;
    call.note("merge", kind.plural(), merged, vec![("merged".to_owned(), format!("{winner};{loser}"))], Vec::new());
    Ok(Answer::raw(200, object_bytes(call, kind, merged, &[])))
}

fn gdpr_delete(call: &mut Call<'_>) -> Reply {
    let body = call.json()?;
    let key = body
        .get("objectId")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("Invalid input JSON: objectId is required"))?;
    let property = body.get("idProperty").and_then(Value::as_str);
    match resolve(call, Kind::Contact, key, property, false) {
        Ok(id) => {
            call.state.forget_contact(id);
            call.note("gdpr delete", "contacts", id, Vec::new(), Vec::new());
        }
        // An unknown address goes to a blocklist. Source: section 5.
        Err(_) if property == Some("email") => {
            call.state.model.blocked_emails.insert(key.to_lowercase());
        }
        Err(answer) => return Err(answer),
    }
    Ok(Answer::empty())
}
