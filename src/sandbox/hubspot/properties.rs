//! Property definitions, their groups, and pipelines. Source: sections 3, 10.6, 10.7.

use serde_json::{Value, json};

use super::answer::{Answer, Reply, invalid, no_such_path, not_found, problem, time_text, wrong_method};
use super::kind::Kind;
use super::objects::unknown_kind;
use super::schema::{Choice, Property, property_json};
use super::server::Call;

const UNIQUE_MAX: usize = 10;

pub(super) fn run(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    let kind = rest.first().and_then(|text| Kind::parse(text)).ok_or_else(|| unknown_kind(rest))?;
    match (call.method, &rest[1..]) {
        ("GET", []) => {
            let archived = call.query.is_true("archived");
            let all =
                call.state.model.schema(kind).properties.iter().filter(|property| property.is_archived == archived);
            Ok(Answer::json(200, &json!({"results": all.map(property_json).collect::<Vec<_>>()})))
        }
        ("POST", []) => create(call, kind),
        ("GET", ["groups"]) => {
            let rows: Vec<Value> =
                call.state.model.schema(kind).groups.iter().map(|(name, label)| group_json(name, label)).collect();
            Ok(Answer::json(200, &json!({"results": rows})))
        }
        ("POST", ["groups"]) => create_group(call, kind),
        ("GET", ["groups", name]) => {
            let label = call.state.model.schema(kind).groups.get(*name);
            label.map(|label| Answer::json(200, &group_json(name, label))).ok_or_else(|| not_found(name))
        }
        ("POST", ["batch", "read"]) => {
            let body = call.json()?;
            let schema = call.state.model.schema(kind);
            let names =
                super::batch::inputs(&body, 100)?.iter().filter_map(|input| input.get("name").and_then(Value::as_str));
            let rows: Vec<Value> =
                names.filter_map(|name| schema.find(name)).map(|number| property_json(schema.get(number))).collect();
            let now = time_text(call.state.now());
            Ok(Answer::json(200, &json!({"status": "COMPLETE", "results": rows, "startedAt": now, "completedAt": now})))
        }
        ("GET", [name]) => {
            let schema = call.state.model.schema(kind);
            let number = if call.query.is_true("archived") { schema.any(name) } else { schema.find(name) };
            number
                .map(|number| Answer::json(200, &property_json(schema.get(number))))
                .ok_or_else(|| no_property(kind, name))
        }
        ("PATCH", [name]) => change(call, kind, name),
        ("DELETE", [name]) => archive(call, kind, name),
        (_, [] | [_]) => Err(wrong_method()),
        _ => Err(no_such_path()),
    }
}

fn no_property(kind: Kind, name: &str) -> Answer {
    problem(404, "OBJECT_NOT_FOUND", format!("Property \"{name}\" does not exist on {}", kind.type_id()))
}

fn group_json(name: &str, label: &str) -> Value {
    json!({"name": name, "label": label, "displayOrder": 0, "archived": false})
}

fn create_group(call: &mut Call<'_>, kind: Kind) -> Reply {
    let body = call.json()?;
    let (name, label) = (text(&body, "name")?, text(&body, "label")?);
    let groups = &mut call.state.model.schema_mut(kind).groups;
    if groups.contains_key(&name) {
        return Err(problem(409, "OBJECT_ALREADY_EXISTS", format!("A property group named '{name}' already exists.")));
    }
    groups.insert(name.clone(), label.clone());
    call.note("create group", "properties", &name, Vec::new(), Vec::new());
    Ok(Answer::json(201, &group_json(&name, &label)))
}

fn text(body: &Value, member: &str) -> Result<String, Answer> {
    let value = body.get(member).and_then(Value::as_str).filter(|value| !value.is_empty());
    value
        .map(str::to_owned)
        .ok_or_else(|| invalid(format!("Invalid input JSON: some required fields were not set: [{member}]")))
}

/// A taken name is 409; an archived one comes back. Source: section 10.7.
fn create(call: &mut Call<'_>, kind: Kind) -> Reply {
    let body = call.json()?;
    let name = text(&body, "name")?;
    let group = text(&body, "groupName")?;
    let now = call.state.now();
    let schema = call.state.model.schema_mut(kind);
    if schema.find(&name).is_some() {
        return Err(problem(409, "OBJECT_ALREADY_EXISTS", format!("A property named '{name}' already exists.")));
    }
    if !name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_') {
        return Err(invalid(format!(
            "{name} is not a valid property name: use lowercase letters, digits and underscores"
        )));
    }
    if !schema.groups.contains_key(&group) {
        return Err(invalid(format!("The property group {group} does not exist")));
    }
    let data_type = text(&body, "type")?;
    let field_type = text(&body, "fieldType")?;
    let fits: &[&str] = match data_type.as_str() {
        "string" => &["text", "textarea", "file", "html", "phonenumber"],
        "number" => &["number"],
        "date" | "datetime" => &["date"],
        "bool" => &["booleancheckbox"],
        "enumeration" => &["select", "radio", "checkbox", "booleancheckbox"],
        _ => &[],
    };
    if !fits.contains(&field_type.as_str()) {
        return Err(invalid(format!("fieldType {field_type} does not fit type {data_type}")));
    }
    let is_unique = body.get("hasUniqueValue").and_then(Value::as_bool).unwrap_or(false);
    if is_unique
        && schema.properties.iter().filter(|property| property.is_unique && property.is_custom).count() >= UNIQUE_MAX
    {
        return Err(invalid(format!("At most {UNIQUE_MAX} properties can have unique values")));
    }
    let property = Property {
        name: name.as_str().into(),
        label: text(&body, "label")?,
        data_type,
        field_type,
        group,
        description: body.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        options: options(&body)?.unwrap_or_default(),
        is_unique,
        is_archived: false,
        is_read_only: false,
        is_custom: true,
        changed: now,
    };
    let answer = Answer::json(201, &property_json(&property));
    schema.add(property);
    call.note("create property", "properties", format!("{}/{name}", kind.plural()), Vec::new(), Vec::new());
    Ok(answer)
}

fn options(body: &Value) -> Result<Option<Vec<Choice>>, Answer> {
    let Some(all) = body.get("options").and_then(Value::as_array) else { return Ok(None) };
    let mut choices = Vec::with_capacity(all.len());
    for (each, order) in all.iter().zip(0..) {
        choices.push(Choice {
            label: text(each, "label")?,
            value: text(each, "value")?,
            order: each.get("displayOrder").and_then(Value::as_i64).unwrap_or(order),
            hidden: each.get("hidden").and_then(Value::as_bool).unwrap_or(false),
        });
    }
    Ok(Some(choices))
}

/// A PATCH with `options` replaces the whole list. Source: section 10.7.
fn change(call: &mut Call<'_>, kind: Kind, name: &str) -> Reply {
    let body = call.json()?;
    let now = call.state.now();
    let schema = call.state.model.schema_mut(kind);
    let number = schema.find(name).ok_or_else(|| no_property(kind, name))?;
    let property = schema.get_mut(number);
    let choices = options(&body)?;
    if !property.is_custom && choices.is_none() {
        return Err(invalid(format!("The definition of {name} is read only")));
    }
    if let Some(choices) = choices {
        property.options = choices;
    }
    for (member, slot) in
        [("label", &mut property.label), ("description", &mut property.description), ("groupName", &mut property.group)]
    {
        if let Some(value) = body.get(member).and_then(Value::as_str) {
            value.clone_into(slot);
        }
    }
    property.changed = now;
    let answer = Answer::json(200, &property_json(property));
    call.note("change property", "properties", format!("{}/{name}", kind.plural()), Vec::new(), Vec::new());
    Ok(answer)
}

fn archive(call: &mut Call<'_>, kind: Kind, name: &str) -> Reply {
    let schema = call.state.model.schema_mut(kind);
    let number = schema.find(name).ok_or_else(|| no_property(kind, name))?;
    let property = schema.get_mut(number);
    if !property.is_custom {
        return Err(invalid(format!("{name} cannot be archived")));
    }
    property.is_archived = true;
    call.note("archive property", "properties", format!("{}/{name}", kind.plural()), Vec::new(), Vec::new());
    Ok(Answer::empty())
}

const LEAD_STAGES: &[(&str, &str, bool)] = &[
    ("new-stage-id", "New", false),
    ("attempting-stage-id", "Attempting", false),
    ("connected-stage-id", "Connected", false),
    ("qualified-stage-id", "Qualified", true),
    ("unqualified-stage-id", "Unqualified", true),
];
const DEAL_STAGES: &[(&str, &str, &str)] = &[
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
];

/// The one pipeline of leads and of deals. Source: section 10.6.
pub(super) fn pipelines(call: &Call<'_>, rest: &[&str]) -> Reply {
    let kind = rest.first().and_then(|text| Kind::parse(text)).ok_or_else(|| unknown_kind(rest))?;
    let times = || time_text(0);
    let stage = |id: &str, label: &str, order: usize, metadata: Value| {
        json!({"id": id, "label": label, "displayOrder": order, "archived": false, "metadata": metadata, "createdAt": times(),
               "updatedAt": times(), "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT"})
    };
    let (id, stages): (&str, Vec<Value>) = match kind {
        Kind::Lead => (
            "lead-pipeline-id",
            LEAD_STAGES.iter().enumerate().map(|(order, (id, label, _))| stage(id, label, order, json!({}))).collect(),
        ),
        Kind::Deal => {
            let closed = |chance: &str| if matches!(chance, "1.0" | "0.0") { "true" } else { "false" };
            let row = |(order, (id, label, chance)): (usize, &(&str, &str, &str))| {
                stage(id, label, order, json!({"isClosed": closed(chance), "probability": chance}))
            };
            ("default", DEAL_STAGES.iter().enumerate().map(row).collect())
        }
        _ => return Ok(Answer::json(200, &json!({"results": []}))),
    };
    let pipeline = json!({"id": id, "label": "Pipeline", "displayOrder": 0, "archived": false, "createdAt": times(), "updatedAt": times(), "stages": stages});
    match (call.method, &rest[1..]) {
        ("GET", []) => Ok(Answer::json(200, &json!({"results": [pipeline]}))),
        ("GET", [asked]) if *asked == id => Ok(Answer::json(200, &pipeline)),
        ("GET", [asked, "stages"]) if *asked == id => Ok(Answer::json(200, &json!({"results": pipeline["stages"]}))),
        ("GET", [asked, ..]) => Err(not_found(asked)),
        _ => Err(wrong_method()),
    }
}
