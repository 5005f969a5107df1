//! Writes that come through the API: checks, the lifecycle rule, unique values, and what workflows make of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::{Answer, invalid, problem, problem_with};
use super::kind::Kind;
use super::schema::{Checked, Refusal, Source, check, refuse};
use super::server::Call;
use super::{association, associations};

/// Checked values, ready to be set.
pub(super) struct Checkedin {
    values: Vec<(u16, Arc<str>)>,
    pub(super) sent: Vec<(String, String)>,
    pub(super) dropped: Vec<String>,
    pub(super) warnings: Vec<Value>,
}

/// The `properties` of a body or input: an object of strings. Numbers and null are refused: the spec says strings. Source: section 3.
pub(super) fn properties_of(input: &Value) -> Result<&Map<String, Value>, Answer> {
    let properties = input
        .get("properties")
        .and_then(Value::as_object)
        .ok_or_else(|| invalid("Invalid input JSON: some required fields were not set: [properties]"))?;
    match properties.iter().find(|(_, value)| !value.is_string()) {
        Some((name, value)) => {
            Err(invalid(format!("Invalid input JSON: properties.{name} must be a string, not {value}")))
        }
        None => Ok(properties),
    }
}

/// Checks `properties` for a record (`None` = a new one). Nothing is changed yet.
pub(super) fn check_in(
    call: &Call<'_>,
    kind: Kind,
    id: Option<u64>,
    properties: &Map<String, Value>,
) -> Result<Checkedin, Answer> {
    let model = &call.state.model;
    let schema = model.schema(kind);
    let before = id.and_then(|id| model.object(kind, id));
    let mut checked = Checkedin { values: Vec::new(), sent: Vec::new(), dropped: Vec::new(), warnings: Vec::new() };
    let mut refusals = Vec::new();
    for (name, value) in properties {
        let value = value.as_str().unwrap_or_default();
        checked.sent.push((name.clone(), value.to_owned()));
        let Some(number) = schema.find(name) else {
            refusals.push(Refusal {
                property: name.clone(),
                code: "PROPERTY_DOESNT_EXIST",
                message: format!("Property \"{name}\" does not exist"),
            });
            continue;
        };
        let property = schema.get(number);
        let is_computed = !matches!(schema.source(kind, name), Some(Source::Stored(_)));
        if property.is_read_only || is_computed {
            refusals.push(Refusal {
                property: name.clone(),
                code: "READ_ONLY_VALUE",
                message: format!("\"{name}\" is a read only property; its value cannot be set."),
            });
            continue;
        }
        let value = appended(value, before.and_then(|object| object.stored(number)).map(|entry| &*entry.value));
        if property.field_type == "owner" && !value.is_empty() {
            let owner = value.parse().ok().and_then(|id: u64| model.owners.get(&id)).filter(|owner| !owner.is_archived);
            if owner.is_none() {
                // The code for a bad owner is not in the sheet (section 10.1, unverified); the envelope is.
                let message = format!("{value} is not a valid owner id or the owner is deactivated");
                refusals.push(Refusal { property: name.clone(), code: "INVALID_OWNER_ID", message });
                continue;
            }
        }
        let text: Arc<str> = match check(property, &value, call.version.normalises_dates()) {
            Err(refusal) => {
                refusals.push(refusal);
                continue;
            }
            Ok(Checked::Same) => value.as_str().into(),
            Ok(Checked::As(text)) => text.into(),
            Ok(Checked::Normalised(text)) => {
                checked.warnings.push(json!({
                    "category": "PROPERTY_VALUE_NORMALIZED", "message": format!("The value of {name} was normalized"),
                    "context": {"propertyName": [name], "rawValue": [value], "normalizedValue": [text]}
                }));
                text.into()
            }
        };
        if property.is_unique
            && !text.is_empty()
            && let Some(holder) = model.by_unique(kind, number, &text)
            && Some(holder) != before.map(|object| object.id)
        {
            return Err(conflict(kind, holder));
        }
        if name == "email" && model.blocked_emails.contains(&text.to_lowercase()) {
            refusals.push(Refusal {
                property: name.clone(),
                code: "INVALID_EMAIL",
                message: "This email address has been permanently deleted and cannot be added again".to_owned(),
            });
            continue;
        }
        if name == "lifecyclestage"
            && let Some(present) =
                before.and_then(|object| object.stored(number)).filter(|entry| !entry.value.is_empty())
            && schema.stage_order(&text) < schema.stage_order(&present.value)
            && !text.is_empty()
        {
            // A direct backward write is dropped with a 2xx. Source: section 10.2.
            checked.dropped.push(name.clone());
            continue;
        }
        checked.values.push((number, text));
    }
    if !refusals.is_empty() {
        return Err(refuse(&refusals, call.state.settings.portal_id));
    }
    check_required(call, kind, before.is_none(), &checked, before)?;
    Ok(checked)
}

/// A leading `;` appends to a multi-checkbox. Source: section 6.
fn appended(value: &str, present: Option<&str>) -> String {
    let Some(added) = value.strip_prefix(';') else { return value.to_owned() };
    let mut all: Vec<&str> = present.unwrap_or_default().split(';').filter(|part| !part.is_empty()).collect();
    for part in added.split(';') {
        if !part.is_empty() && !all.contains(&part) {
            all.push(part);
        }
    }
    all.join(";")
}

/// Source: section 9 (f).
fn conflict(kind: Kind, holder: u64) -> Answer {
    let name = kind.singular();
    let title = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    problem(409, "CONFLICT", format!("{title} already exists. Existing ID: {holder}"))
}

fn check_required(
    call: &Call<'_>,
    kind: Kind,
    is_new: bool,
    checked: &Checkedin,
    before: Option<&super::model::Object>,
) -> Result<(), Answer> {
    let schema = call.state.model.schema(kind);
    let now: BTreeMap<&str, &str> = before
        .into_iter()
        .flat_map(|object| object.values.iter().map(|(number, entry)| (*number, &entry.value)))
        .chain(checked.values.iter().map(|(number, value)| (*number, value)))
        .map(|(number, value)| (&*schema.get(number).name, &**value))
        .collect();
    let has = |name: &str| now.get(name).is_some_and(|value| !value.is_empty());
    let always: &[&str] = match kind {
        Kind::Task | Kind::Note | Kind::Call | Kind::Email => &["hs_timestamp"],
        Kind::Meeting if !has("hs_meeting_start_time") => &["hs_timestamp"],
        Kind::Lead => &["hs_lead_name"],
        Kind::Contact | Kind::Company | Kind::Deal | Kind::Meeting => &[],
    };
    let missing: Vec<&str> = always.iter().copied().filter(|name| is_new && !has(name)).collect();
    if !missing.is_empty() {
        return Err(problem_with(
            400,
            "VALIDATION_ERROR",
            format!("Error creating {}. Some required properties were not set.", kind.singular().to_uppercase()),
            &json!({"context": {"properties": missing}}),
        ));
    }
    if !call.version.enforces_required() {
        return Ok(());
    }
    let errors: Vec<Value> = call
        .state
        .settings
        .required
        .iter()
        .filter(|rule| rule.kind == kind && !has(&rule.property))
        .filter_map(|rule| {
            let code = match &rule.when {
                None if is_new => "MISSING_REQUIRED_PROPERTY",
                Some((name, value)) if now.get(name.as_str()) == Some(&value.as_str()) => {
                    "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
                }
                None | Some(_) => return None,
            };
            Some(json!({"code": code, "message": format!("A value for {} must be provided", rule.property),
                        "context": {"propertyName": [rule.property]}}))
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(problem_with(400, "VALIDATION_ERROR", "The property values provided are invalid", &json!({"errors": errors})))
}

/// Makes the record; associations were checked before.
pub(super) fn create(call: &mut Call<'_>, kind: Kind, checked: Checkedin, joins: Vec<associations::Join>) -> u64 {
    let now = call.state.now();
    let id = call.state.model.insert(kind, now);
    let author = call.author;
    let mut values = checked.values;
    if kind == Kind::Meeting {
        default_meeting_time(call, &mut values);
    }
    call.state.model.set(kind, id, author, now, &values);
    let mut sent = checked.sent;
    for join in joins {
        sent.push((format!("associations.{}", join.to.0.plural()), join.to.1.to_string()));
        associations::join(&mut call.state.model, (kind, id), join.to, join.types, true);
    }
    start_workflows(call, kind, id, &values, now);
    call.note("create", kind.plural(), id, sent, Vec::new());
    id
}

/// `hs_timestamp` of a meeting defaults to its start. Source: section 3.
fn default_meeting_time(call: &Call<'_>, values: &mut Vec<(u16, Arc<str>)>) {
    let schema = call.state.model.schema(Kind::Meeting);
    let (Some(at), Some(start)) = (schema.find("hs_timestamp"), schema.find("hs_meeting_start_time")) else { return };
    if values.iter().any(|(number, _)| *number == at) {
        return;
    }
    if let Some(start) = values.iter().find(|(number, _)| *number == start).map(|(_, value)| value.clone()) {
        values.push((at, start));
    }
}

/// Changes the record.
pub(super) fn update(call: &mut Call<'_>, kind: Kind, id: u64, checked: Checkedin) {
    let now = call.state.now();
    let id = call.state.model.current(kind, id);
    let author = call.author;
    if call.state.model.set(kind, id, author, now, &checked.values) {
        start_workflows(call, kind, id, &checked.values, now);
    }
    call.note("update", kind.plural(), id, checked.sent, checked.dropped);
}

fn start_workflows(call: &mut Call<'_>, kind: Kind, id: u64, values: &[(u16, Arc<str>)], now: i64) {
    let names: Vec<Arc<str>> =
        values.iter().map(|(number, _)| call.state.model.schema(kind).get(*number).name.clone()).collect();
    for name in names {
        call.state.faults.start_workflows(now, kind, id, &name);
    }
}

/// A lead needs a contact: the primary type 578 to one that exists. Source: sections 3 and 10.6.
pub(super) fn check_lead(kind: Kind, joins: &[associations::Join]) -> Result<(), Answer> {
    let primary = association::primary(Kind::Lead, Kind::Contact).unwrap_or_default();
    if kind != Kind::Lead || joins.iter().any(|join| join.to.0 == Kind::Contact && join.types.contains(primary)) {
        return Ok(());
    }
    Err(invalid("A lead must be associated with a contact by its primary association"))
}
