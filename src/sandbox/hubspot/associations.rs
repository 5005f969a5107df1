//! Associations: per record and in batches. A change here never moves the last-modified time. Source: section 7.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Answer, Reply, invalid, no_such_path, not_found, time_text, wrong_method};
use super::association::{self, Types};
use super::batch::inputs;
use super::kind::Kind;
use super::model::{End, Model};
use super::objects::{resolve, unknown_kind};
use super::server::Call;

const READ_INPUTS_MAX: usize = 1_000;
const WRITE_INPUTS_MAX: usize = 2_000;
const PAGE_MAX: usize = 500;

/// One end of a new association and its types.
pub(super) struct Join {
    pub(super) to: End,
    pub(super) types: Types,
}

/// Joins two records in both directions. A primary type brings the plain one and takes the place of the former primary.
pub(super) fn join(model: &mut Model, from: End, to: End, mut types: Types, adds: bool) {
    let plain = association::plain(from.0, to.0);
    let primary = association::primary(from.0, to.0).filter(|primary| types.contains(*primary));
    if primary.is_some() {
        plain.into_iter().for_each(|plain| types.add(plain));
    }
    if let Some(primary) = primary {
        let others: Vec<End> =
            model.associated(from).map(|(other, _)| other).filter(|other| other.0 == to.0 && *other != to).collect();
        for other in others {
            if let Some(held) = model.associations.get_mut(&(from, other)) {
                held.remove(primary);
            }
            if let Some(held) = model.associations.get_mut(&(other, from)) {
                held.remove(association::inverse(primary));
            }
        }
    }
    let back = types.map(association::inverse);
    for (key, types) in [((from, to), types), ((to, from), back)] {
        let held = model.associations.entry(key).or_default();
        if !adds {
            *held = Types::default();
        }
        held.extend(&types);
    }
}

/// Takes an association away. A lead without a contact and company is deleted by HubSpot. Source: section 3.
pub(super) fn part(model: &mut Model, from: End, to: End, now: i64) -> bool {
    let was_joined = model.associations.remove(&(from, to)).is_some();
    model.associations.remove(&(to, from));
    for end in [from, to] {
        let keeps = |to: Kind| model.associated_to(end, to).next().is_some();
        if was_joined && end.0 == Kind::Lead && !keeps(Kind::Contact) && !keeps(Kind::Company) {
            model.archive(end.0, end.1, now);
        }
    }
    was_joined
}

fn kind_of(text: &str) -> Result<Kind, Answer> {
    Kind::parse(text).ok_or_else(|| unknown_kind(&[text]))
}

/// Reads `[{associationCategory, associationTypeId}]`; a type of the wrong direction is refused.
fn types_of(from: Kind, to: Kind, value: &Value) -> Result<Types, Answer> {
    let all = value
        .as_array()
        .filter(|all| !all.is_empty())
        .ok_or_else(|| invalid("Invalid input JSON: association types must be an array that is not empty"))?;
    let mut types = Types::default();
    for each in all {
        let category = each.get("associationCategory").and_then(Value::as_str).unwrap_or_default();
        let id = each.get("associationTypeId").and_then(Value::as_u64).and_then(|id| u16::try_from(id).ok());
        let known =
            id.filter(|id| Some(*id) == association::plain(from, to) || Some(*id) == association::primary(from, to));
        match known {
            Some(id) if category == "HUBSPOT_DEFINED" => types.add(id),
            _ => {
                return Err(invalid(format!(
                    "{category} association type {} is not valid from {} to {}",
                    each.get("associationTypeId").unwrap_or(&Value::Null),
                    from.type_id(),
                    to.type_id()
                )));
            }
        }
    }
    Ok(types)
}

/// The `associations` of a create body: `[{to: {id}, types: [..]}]`; the other type follows from the type id.
pub(super) fn joins_of(call: &Call<'_>, from: Kind, body: &Value) -> Result<Vec<Join>, Answer> {
    let all = match body.get("associations") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(all)) => all,
        Some(_) => return Err(invalid("Invalid input JSON: associations must be an array")),
    };
    let mut joins = Vec::with_capacity(all.len());
    for each in all {
        let id = each
            .pointer("/to/id")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("Invalid input JSON: associations.to.id must be a string"))?;
        let types = each.get("types").unwrap_or(&Value::Null);
        let first = types.pointer("/0/associationTypeId").and_then(Value::as_u64).and_then(|id| u16::try_from(id).ok());
        let to = Kind::ALL
            .into_iter()
            .find(|to| {
                first.is_some() && (first == association::plain(from, *to) || first == association::primary(from, *to))
            })
            .ok_or_else(|| invalid(format!("association type {first:?} is not valid from {}", from.type_id())))?;
        let types = types_of(from, to, types)?;
        let other = resolve(call, to, id, None, false)
            .map_err(|_| invalid(format!("{} {id} does not exist", to.singular())))?;
        joins.push(Join { to: (to, other), types });
    }
    Ok(joins)
}

fn types_json(types: &Types) -> Vec<Value> {
    types
        .iter()
        .map(|id| json!({"category": "HUBSPOT_DEFINED", "typeId": id, "label": association::label(id)}))
        .collect()
}

/// One page of a record's associations: rows and the next `after`.
fn page(call: &Call<'_>, from: End, to: Kind, after: u64, limit: usize) -> (Vec<Value>, Option<u64>) {
    let model = &call.state.model;
    let faults = &call.state.faults;
    let mut rows = model.associated_to(from, to).filter(|(other, types)| {
        !types.is_empty()
            && *other >= after
            && !faults.hides(to, *other)
            && model.object(to, *other).is_some_and(|object| object.archived.is_none())
    });
    let page = rows
        .by_ref()
        .take(limit)
        .map(|(other, types)| json!({"toObjectId": other, "associationTypes": types_json(types)}))
        .collect();
    let next = rows.next().map(|(other, _)| other);
    (page, next)
}

/// `/objects/{from}/{id}/associations/...`
pub(super) fn of_record(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    let from_kind = kind_of(rest[0])?;
    match (call.method, &rest[3..]) {
        ("GET", [to]) => {
            let to = kind_of(to)?;
            let from = (from_kind, resolve(call, from_kind, rest[1], None, false)?);
            let limit = call
                .query
                .one("limit")
                .map_or(Some(PAGE_MAX), |text| text.parse().ok())
                .filter(|limit| (1..=PAGE_MAX).contains(limit));
            let limit = limit.ok_or_else(|| invalid(format!("The limit must be between 1 and {PAGE_MAX}.")))?;
            let after = call
                .query
                .one("after")
                .map_or(Some(0), |text| text.parse().ok())
                .ok_or_else(|| invalid("Invalid after"))?;
            let (rows, next) = page(call, from, to, after, limit);
            let mut body = json!({"results": rows});
            if let Some(next) = next {
                body["paging"] =
                    json!({"next": {"after": next.to_string(), "link": format!("{}?after={next}", call.path)}});
            }
            Ok(Answer::json(200, &body))
        }
        ("PUT", ["default", to, to_id]) => {
            let (from, to) = ends(call, from_kind, rest[1], kind_of(to)?, to_id)?;
            let plain = default_type(from.0, to.0)?;
            put(call, from, to, Types::of(&[plain]), true);
            Ok(batch_answer(call, 200, &[default_row(from, to, plain)], &[]))
        }
        ("PUT", [to, to_id]) => {
            let (from, to) = ends(call, from_kind, rest[1], kind_of(to)?, to_id)?;
            let types = types_of(from.0, to.0, &call.json()?)?;
            put(call, from, to, types, false);
            let labels: Vec<&str> = types.iter().filter_map(association::label).collect();
            Ok(Answer::json(
                201,
                &json!({"fromObjectTypeId": from.0.type_id(), "fromObjectId": from.1, "toObjectTypeId": to.0.type_id(), "toObjectId": to.1, "labels": labels}),
            ))
        }
        ("DELETE", [to, to_id]) => {
            if let Ok((from, to)) = ends(call, from_kind, rest[1], kind_of(to)?, to_id) {
                remove(call, from, to);
            }
            Ok(Answer::empty())
        }
        (_, [_] | [_, _] | ["default", _, _]) => Err(wrong_method()),
        _ => Err(no_such_path()),
    }
}

fn default_type(from: Kind, to: Kind) -> Result<u16, Answer> {
    association::plain(from, to)
        .ok_or_else(|| invalid(format!("{} and {} cannot be associated", from.plural(), to.plural())))
}

fn ends(call: &Call<'_>, from: Kind, from_id: &str, to: Kind, to_id: &str) -> Result<(End, End), Answer> {
    Ok(((from, resolve(call, from, from_id, None, false)?), (to, resolve(call, to, to_id, None, false)?)))
}

fn default_row(from: End, to: End, plain: u16) -> Value {
    json!({"from": {"id": from.1.to_string()}, "to": {"id": to.1.to_string()},
           "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": plain}})
}

fn put(call: &mut Call<'_>, from: End, to: End, types: Types, adds: bool) {
    join(&mut call.state.model, from, to, types, adds);
    let names: Vec<String> = types.iter().map(|id| id.to_string()).collect();
    let other = vec![("to".to_owned(), format!("{}/{}", to.0.plural(), to.1)), ("types".to_owned(), names.join(";"))];
    call.note("associate", from.0.plural(), from.1, other, Vec::new());
}

fn remove(call: &mut Call<'_>, from: End, to: End) {
    let now = call.state.now();
    part(&mut call.state.model, from, to, now);
    let other = vec![("to".to_owned(), format!("{}/{}", to.0.plural(), to.1))];
    call.note("dissociate", from.0.plural(), from.1, other, Vec::new());
}

fn batch_answer(call: &Call<'_>, status: u16, results: &[Value], errors: &[Value]) -> Answer {
    let now = time_text(call.state.now());
    let mut body = json!({"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now});
    if errors.is_empty() {
        return Answer::json(status, &body);
    }
    body["numErrors"] = errors.len().into();
    body["errors"] = errors.into();
    Answer::json(207, &body)
}

/// `/associations/{from}/{to}/...`
pub(super) fn run(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    let [from, to, tail @ ..] = rest else { return Err(no_such_path()) };
    let (from, to) = (kind_of(from)?, kind_of(to)?);
    match (call.method, tail) {
        ("GET", ["labels"]) => {
            let ids = [association::primary(from, to), association::plain(from, to)];
            let rows: Vec<Value> = ids
                .into_iter()
                .flatten()
                .map(|id| json!({"category": "HUBSPOT_DEFINED", "typeId": id, "label": association::label(id)}))
                .collect();
            Ok(Answer::json(200, &json!({"results": rows})))
        }
        ("POST", ["batch", "read"]) => batch_read(call, from, to),
        ("POST", ["batch", "create"]) => batch_write(call, from, to, Some(false)),
        ("POST", ["batch", "associate", "default"]) => batch_write(call, from, to, Some(true)),
        ("POST", ["batch", "archive"]) => batch_write(call, from, to, None),
        ("POST" | "GET", _) => Err(no_such_path()),
        _ => Err(wrong_method()),
    }
}

fn batch_read(call: &mut Call<'_>, from: Kind, to: Kind) -> Reply {
    let body = call.json()?;
    let mut rows = BTreeMap::new();
    let mut missing = Vec::new();
    for input in inputs(&body, READ_INPUTS_MAX)? {
        let key = super::batch::id_of(input)?;
        let Ok(id) = resolve(call, from, key, None, false) else {
            missing.push(key);
            continue;
        };
        let after = match input.get("after").and_then(Value::as_str) {
            None => 0,
            Some(text) => text.parse().map_err(|_| invalid("Invalid after"))?,
        };
        let (page, next) = page(call, (from, id), to, after, PAGE_MAX);
        // A record without associations has no row.
        if page.is_empty() {
            missing.push(key);
            continue;
        }
        let mut row = json!({"from": {"id": key}, "to": page});
        if let Some(next) = next {
            row["paging"] = json!({"next": {"after": next.to_string()}});
        }
        rows.insert(id, row);
    }
    let rows: Vec<Value> = rows.into_values().collect();
    let errors: Vec<Value> = missing
        .iter()
        .map(|id| {
            json!({"status": "error", "category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                   "message": format!("No {} is associated with {} {id}.", to.singular(), from.singular()),
                   "context": {"fromObjectId": [id], "fromObjectType": [from.type_id()], "toObjectType": [to.type_id()]}})
        })
        .collect();
    Ok(batch_answer(call, 200, &rows, &errors))
}

/// `is_default`: `None` archives, `Some(true)` uses the plain type, `Some(false)` the types given.
fn batch_write(call: &mut Call<'_>, from: Kind, to: Kind, is_default: Option<bool>) -> Reply {
    let body = call.json()?;
    let mut results = Vec::new();
    let mut errors = Vec::new();
    for input in inputs(&body, WRITE_INPUTS_MAX)? {
        let end = |value: &Value| value.get("id").and_then(Value::as_str).map(str::to_owned);
        let from_id = input
            .get("from")
            .and_then(end)
            .ok_or_else(|| invalid("Invalid input JSON: inputs.from.id must be a string"))?;
        // Archiving takes many other ends, the rest one.
        let to_ids: Vec<String> = match input.get("to") {
            Some(Value::Array(all)) if is_default.is_none() => all.iter().filter_map(end).collect(),
            Some(one) => end(one).into_iter().collect(),
            None => Vec::new(),
        };
        if to_ids.is_empty() {
            return Err(invalid("Invalid input JSON: inputs.to.id must be a string"));
        }
        for to_id in to_ids {
            let ends = match ends(call, from, &from_id, to, &to_id) {
                Ok(ends) => ends,
                Err(_) if is_default.is_none() => continue,
                Err(_) => {
                    let mut error: Value = serde_json::from_slice(&not_found(&from_id).body).unwrap_or_default();
                    error["context"] = json!({"fromObjectId": [from_id], "toObjectId": [to_id]});
                    errors.push(error);
                    continue;
                }
            };
            match is_default {
                None => {
                    remove(call, ends.0, ends.1);
                    results.push(json!({"from": {"id": from_id}, "to": {"id": to_id}}));
                }
                Some(true) => {
                    let plain = default_type(from, to)?;
                    put(call, ends.0, ends.1, Types::of(&[plain]), true);
                    results.push(default_row(ends.0, ends.1, plain));
                }
                Some(false) => {
                    let types = types_of(from, to, input.get("types").unwrap_or(&Value::Null))?;
                    put(call, ends.0, ends.1, types, true);
                    let labels: Vec<&str> = types.iter().filter_map(association::label).collect();
                    results.push(json!({"fromObjectTypeId": from.type_id(), "fromObjectId": ends.0.1.to_string(),
                                        "toObjectTypeId": to.type_id(), "toObjectId": ends.1.1.to_string(), "labels": labels}));
                }
            }
        }
    }
    match is_default {
        None if !call.version.archive_answers_body() => Ok(Answer::empty()),
        Some(false) => Ok(batch_answer(call, 201, &results, &errors)),
        None | Some(true) => Ok(batch_answer(call, 200, &results, &errors)),
    }
}
