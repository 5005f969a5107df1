//! Batches of at most a hundred: read, create, update, upsert, archive. Source: section 6.
//!
//! Results come in another order than the inputs, as the sheet warns that nothing keeps it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answer::{Answer, Reply, invalid, no_such_path};
use super::associations;
use super::kind::Kind;
use super::objects::{resolve, unknown_kind};
use super::render::{Extra, Shape, batch_frame, write_object};
use super::server::Call;
use super::write;

const INPUTS_MAX: usize = 100;
const HISTORY_INPUTS_MAX: usize = 50;

pub(super) fn run(call: &mut Call<'_>, kind: &str, what: &str) -> Reply {
    let kind = Kind::parse(kind).ok_or_else(|| unknown_kind(&[kind]))?;
    let body = call.json()?;
    let inputs = inputs(&body, INPUTS_MAX)?;
    match what {
        "read" => read(call, kind, &body, inputs),
        "create" => create(call, kind, inputs),
        "update" => update(call, kind, inputs),
        "upsert" => upsert(call, kind, inputs),
        "archive" => archive(call, kind, inputs),
        _ => Err(no_such_path()),
    }
}

/// The `inputs` of any batch body.
pub(super) fn inputs(body: &Value, max: usize) -> Result<&Vec<Value>, Answer> {
    let inputs = body
        .get("inputs")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("Invalid input JSON: some required fields were not set: [inputs]"))?;
    if inputs.len() > max {
        return Err(invalid(format!(
            "The maximum number of inputs supported in a batch request is {max}. You sent {}.",
            inputs.len()
        )));
    }
    Ok(inputs)
}

fn names<'a>(body: &'a Value, member: &str) -> Result<Vec<&'a str>, Answer> {
    match body.get(member) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().ok_or_else(|| invalid(format!("Invalid input JSON: {member} must hold strings"))))
            .collect(),
        Some(_) => Err(invalid(format!("Invalid input JSON: {member} must be an array"))),
    }
}

/// A record id: a string. A number would pass a lenient parser, but the spec says string.
pub(super) fn id_of(input: &Value) -> Result<&str, Answer> {
    input.get("id").and_then(Value::as_str).ok_or_else(|| invalid("Invalid input JSON: inputs.id must be a string"))
}

/// Missing ids are one error of a 207. Old ids of merges answer with the new record. Source: sections 5, 6.
fn read(call: &mut Call<'_>, kind: Kind, body: &Value, inputs: &[Value]) -> Reply {
    let history = names(body, "propertiesWithHistory")?;
    if !history.is_empty() && inputs.len() > HISTORY_INPUTS_MAX {
        return Err(invalid(format!(
            "The maximum number of inputs with propertiesWithHistory is {HISTORY_INPUTS_MAX}."
        )));
    }
    let archived = call.query.is_true("archived");
    let id_property = body.get("idProperty").and_then(Value::as_str);
    let properties = names(body, "properties")?;
    let mut found = BTreeSet::new();
    let mut missing = Vec::new();
    for input in inputs {
        let key = id_of(input)?;
        match resolve(call, kind, key, id_property, archived) {
            Ok(id) => {
                found.insert(id);
            }
            Err(answer) if answer.status == 404 => missing.push(key),
            Err(answer) => return Err(answer),
        }
    }
    let model = &call.state.model;
    let shape = Shape::new(model, kind, &properties, &history);
    let mut rows = Vec::with_capacity(found.len());
    for object in found.iter().filter_map(|id| model.object(kind, *id)) {
        let mut row = Vec::with_capacity(512);
        write_object(&mut row, model, kind, object, &shape, Extra::default());
        rows.push(row);
    }
    let errors = if missing.is_empty() { Vec::new() } else { vec![missing_objects(kind, &missing)] };
    let now = call.state.now();
    Ok(batch_frame(200, &rows, &errors, now, now))
}

fn missing_objects(kind: Kind, ids: &[&str]) -> Value {
    json!({
        "status": "error", "category": "OBJECT_NOT_FOUND",
        "message": format!("Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.", kind.singular().to_uppercase()),
        "context": {"ids": ids}
    })
}

fn traces(inputs: &[Value]) -> Vec<Option<&str>> {
    inputs.iter().map(|input| input.get("objectWriteTraceId").and_then(Value::as_str)).collect()
}

/// An answer as an entry of `errors`, with the trace id in its context. Source: section 6.
fn error_row(answer: &Answer, trace: Option<&str>, id: Option<&str>) -> Value {
    let mut row: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(members) = row.as_object_mut() {
        members.remove("correlationId");
    }
    if let Some(trace) = trace {
        row["context"]["objectWriteTraceId"] = json!([trace]);
    }
    if let Some(id) = id {
        row["context"]["ids"] = json!([id]);
    }
    row
}

struct Row<'a> {
    id: u64,
    trace: Option<&'a str>,
    is_new: Option<bool>,
}

/// The frame, rows in reverse.
fn answer_rows(call: &Call<'_>, kind: Kind, status: u16, rows: &[Row<'_>], errors: &[Value]) -> Answer {
    let model = &call.state.model;
    let mut out = Vec::with_capacity(rows.len());
    for row in rows.iter().rev() {
        let Some(object) = model.object(kind, row.id) else { continue };
        let mut bytes = Vec::with_capacity(512);
        let extra = Extra { trace: row.trace, is_new: row.is_new };
        write_object(&mut bytes, model, kind, object, &Shape::present(model, kind, object), extra);
        out.push(bytes);
    }
    let now = call.state.now();
    batch_frame(status, &out, errors, now, now)
}

/// Whether every input has its own trace id: only then may some rows fail alone. Source: section 6.
fn all_traced(inputs: &[Value]) -> bool {
    let traces: BTreeSet<&str> = traces(inputs).into_iter().flatten().collect();
    traces.len() == inputs.len()
}

fn create(call: &mut Call<'_>, kind: Kind, inputs: &[Value]) -> Reply {
    let may_be_partial = all_traced(inputs) && !call.state.faults.batches_are_whole;
    if !may_be_partial {
        // One bad row fails all, before anything is made.
        for input in inputs {
            write::check_in(call, kind, None, write::properties_of(input)?)?;
            write::check_lead(kind, &associations::joins_of(call, kind, input)?)?;
        }
    }
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for (input, trace) in inputs.iter().zip(traces(inputs)) {
        let made = create_one(call, kind, input);
        match made {
            Ok(id) => rows.push(Row { id, trace, is_new: None }),
            Err(answer) if may_be_partial => errors.push(error_row(&answer, trace, None)),
            Err(answer) => return Err(answer),
        }
    }
    Ok(answer_rows(call, kind, 201, &rows, &errors))
}

fn create_one(call: &mut Call<'_>, kind: Kind, input: &Value) -> Result<u64, Answer> {
    let checked = write::check_in(call, kind, None, write::properties_of(input)?)?;
    let joins = associations::joins_of(call, kind, input)?;
    write::check_lead(kind, &joins)?;
    Ok(write::create(call, kind, checked, joins))
}

fn refuse_twins(inputs: &[Value]) -> Result<(), Answer> {
    let mut seen = BTreeSet::new();
    for input in inputs {
        if !seen.insert(id_of(input)?) {
            return Err(invalid("Duplicate IDs found in batch input: a record may be written once in a batch"));
        }
    }
    Ok(())
}

/// Old ids of merges and ids that are no numbers are left out without an error. Source: sections 5 and 13.6.
fn update(call: &mut Call<'_>, kind: Kind, inputs: &[Value]) -> Reply {
    refuse_twins(inputs)?;
    let mut plans = Vec::new();
    let mut errors = Vec::new();
    let mut missing = Vec::new();
    for (input, trace) in inputs.iter().zip(traces(inputs)) {
        let key = id_of(input)?;
        let property = input.get("idProperty").and_then(Value::as_str);
        if let Some(name) = property {
            let schema = call.state.model.schema(kind);
            let is_key = name != "email" && schema.find(name).is_some_and(|number| schema.get(number).is_unique);
            if !is_key {
                return Err(invalid(format!(
                    "Unable to perform update/upsert by non-unique {} property {name}",
                    kind.type_id()
                )));
            }
        }
        let is_old = key.parse().is_ok_and(|id| call.state.model.merged_into.contains_key(&(kind, id)));
        if property.is_none() && (is_old || key.parse::<u64>().is_err()) {
            continue;
        }
        let id = match resolve(call, kind, key, property, false) {
            Ok(id) => id,
            Err(answer) => {
                match trace {
                    Some(_) => errors.push(error_row(&answer, trace, Some(key))),
                    None => missing.push(key),
                }
                continue;
            }
        };
        let checked =
            write::properties_of(input).and_then(|properties| write::check_in(call, kind, Some(id), properties));
        match checked {
            Ok(checked) => plans.push((id, trace, checked)),
            Err(answer) if trace.is_some() && !call.state.faults.batches_are_whole => {
                errors.push(error_row(&answer, trace, Some(key)));
            }
            Err(answer) => return Err(answer),
        }
    }
    let mut rows = Vec::new();
    for (id, trace, checked) in plans {
        write::update(call, kind, id, checked);
        rows.push(Row { id, trace, is_new: None });
    }
    if !missing.is_empty() {
        errors.push(missing_objects(kind, &missing));
    }
    Ok(answer_rows(call, kind, 200, &rows, &errors))
}

/// By e-mail all or nothing; conflicts answer 409 for the whole batch. Source: section 6.
fn upsert(call: &mut Call<'_>, kind: Kind, inputs: &[Value]) -> Reply {
    refuse_twins(inputs)?;
    let mut plans = Vec::new();
    for (input, trace) in inputs.iter().zip(traces(inputs)) {
        let key = id_of(input)?;
        let name = input
            .get("idProperty")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("Invalid input JSON: inputs.idProperty is required"))?;
        let schema = call.state.model.schema(kind);
        if !schema.find(name).is_some_and(|number| schema.get(number).is_unique) {
            return Err(invalid(format!(
                "Unable to perform update/upsert by non-unique {} property {name}",
                kind.type_id()
            )));
        }
        let present = resolve(call, kind, key, Some(name), false).ok();
        let mut properties = write::properties_of(input)?.clone();
        properties.entry(name).or_insert_with(|| key.into());
        write::check_in(call, kind, present, &properties)?;
        plans.push((name, key, properties, trace));
    }
    let mut rows = Vec::new();
    for (name, key, properties, trace) in plans {
        let present = resolve(call, kind, key, Some(name), false).ok();
        let checked = write::check_in(call, kind, present, &properties)?;
        let id = match present {
            Some(id) => {
                write::update(call, kind, id, checked);
                id
            }
            None => write::create(call, kind, checked, Vec::new()),
        };
        rows.push(Row { id, trace, is_new: Some(present.is_none()) });
    }
    Ok(answer_rows(call, kind, 200, &rows, &[]))
}

fn archive(call: &mut Call<'_>, kind: Kind, inputs: &[Value]) -> Reply {
    let now = call.state.now();
    for input in inputs {
        if let Ok(id) = resolve(call, kind, id_of(input)?, None, false) {
            call.state.model.archive(kind, id, now);
            call.note("archive", kind.plural(), id, Vec::new(), Vec::new());
        }
    }
    Ok(Answer::empty())
}
