//! Lists and their members. Source: section 10.5.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Answer, Reply, invalid, no_such_path, problem_with, time_text, wrong_method};
use super::kind::Kind;
use super::model::List;
use super::objects::unknown_kind;
use super::server::Call;

const PAGE_MAX: usize = 250;

pub(super) fn run(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    match (call.method, rest) {
        ("POST", []) => create(call),
        ("GET", []) => by_ids(call),
        ("POST", ["search"]) => search(call, false),
        ("POST", ["all"]) if call.version.lists_all() => search(call, true),
        ("GET", ["object-type-id", kind, "name", name]) => {
            let kind = Kind::parse(kind).ok_or_else(|| unknown_kind(&[kind]))?;
            let list = call.state.model.lists.values().find(|list| list.kind == kind && list.name == *name);
            list.map(|list| Answer::json(200, &json!({"list": list_json(list)}))).ok_or_else(|| no_list(name))
        }
        ("GET", ["records", kind, id, "memberships"]) => {
            let kind = Kind::parse(kind).ok_or_else(|| unknown_kind(&[kind]))?;
            let id = id
                .parse()
                .map(|id| call.state.model.current(kind, id))
                .map_err(|_| invalid(format!("Invalid record id: {id}")))?;
            let of_list = |list: &List| {
                let at = time_text(*list.members.get(&id)?);
                Some(
                    json!({"listId": list.id.to_string(), "listVersion": 1, "firstAddedTimestamp": at, "lastAddedTimestamp": at}),
                )
            };
            let rows: Vec<Value> =
                call.state.model.lists.values().filter(|list| list.kind == kind).filter_map(of_list).collect();
            Ok(Answer::json(200, &json!({"total": rows.len(), "results": rows})))
        }
        ("GET", [id]) => {
            let id = find(call, id)?;
            Ok(Answer::json(200, &json!({"list": list_json(&call.state.model.lists[&id])})))
        }
        ("DELETE", [id]) => {
            let id = find(call, id)?;
            call.state.model.lists.remove(&id);
            call.note("delete list", "lists", id, Vec::new(), Vec::new());
            Ok(Answer::empty())
        }
        ("PUT", [id, "update-list-name"]) => rename(call, id),
        ("GET", [id, "memberships"]) => members(call, id),
        ("PUT", [id, "memberships", "add"]) => {
            let ids = ids_of(&call.json()?)?;
            change(call, id, &ids, &[])
        }
        ("PUT", [id, "memberships", "remove"]) => {
            let ids = ids_of(&call.json()?)?;
            change(call, id, &[], &ids)
        }
        ("PUT", [id, "memberships", "add-and-remove"]) => {
            let body = call.json()?;
            let add = body.get("recordIdsToAdd").map(ids_of).transpose()?.unwrap_or_default();
            let remove = body.get("recordIdsToRemove").map(ids_of).transpose()?.unwrap_or_default();
            change(call, id, &add, &remove)
        }
        ("POST", ["all"]) => Err(no_such_path()),
        ("GET" | "POST" | "PUT", [_, _, ..]) => Err(no_such_path()),
        _ => Err(wrong_method()),
    }
}

fn no_list(asked: &str) -> Answer {
    problem_with(
        404,
        "OBJECT_NOT_FOUND",
        format!("List does not exist: {asked}"),
        &json!({"subCategory": "ILS.LIST_NOT_FOUND"}),
    )
}

fn find(call: &Call<'_>, id: &str) -> Result<u64, Answer> {
    id.parse().ok().filter(|id| call.state.model.lists.contains_key(id)).ok_or_else(|| no_list(id))
}

fn list_json(list: &List) -> Value {
    json!({
        "listId": list.id.to_string(), "listVersion": 1, "processingType": list.processing, "processingStatus": "COMPLETE",
        "objectTypeId": list.kind.type_id(), "name": list.name, "size": list.members.len(),
        "createdAt": time_text(list.created), "updatedAt": time_text(list.changed), "filtersUpdatedAt": time_text(list.created)
    })
}

fn create(call: &mut Call<'_>) -> Reply {
    let body = call.json()?;
    let text = |member: &str| {
        let value = body.get(member).and_then(Value::as_str).filter(|value| !value.is_empty());
        value.ok_or_else(|| invalid(format!("Invalid input JSON: some required fields were not set: [{member}]")))
    };
    let name = text("name")?;
    let processing = text("processingType")?;
    let kind = Kind::parse(text("objectTypeId")?).ok_or_else(|| invalid("Invalid objectTypeId"))?;
    if !matches!(processing, "MANUAL" | "SNAPSHOT" | "DYNAMIC") {
        return Err(invalid(format!("Invalid processingType: {processing}")));
    }
    if call.state.model.lists.values().any(|list| list.name == name) {
        return Err(invalid(format!("A list named '{name}' already exists.")));
    }
    let id = call.state.model.fresh_id() % 100_000 + 600;
    let now = call.state.now();
    let list = List {
        id,
        name: name.to_owned(),
        kind,
        processing: processing.to_owned(),
        members: BTreeMap::new(),
        created: now,
        changed: now,
    };
    let answer = Answer::json(200, &json!({"list": list_json(&list)}));
    call.state.model.lists.insert(id, list);
    call.note("create list", "lists", id, vec![("name".to_owned(), name.to_owned())], Vec::new());
    Ok(answer)
}

fn by_ids(call: &Call<'_>) -> Reply {
    let asked = call.query.many("listIds");
    let lists = asked.iter().filter_map(|id| call.state.model.lists.get(&id.parse().ok()?));
    Ok(Answer::json(200, &json!({"lists": lists.map(list_json).collect::<Vec<_>>()})))
}

fn search(call: &Call<'_>, all: bool) -> Reply {
    let body = if call.body.is_empty() { json!({}) } else { call.json()? };
    let query = body.get("query").and_then(Value::as_str).filter(|_| !all).unwrap_or_default().to_lowercase();
    let number = |member: &str, default: usize| {
        body.get(member).and_then(Value::as_u64).and_then(|value| usize::try_from(value).ok()).unwrap_or(default)
    };
    let (offset, count) = (number("offset", 0), number("count", 20).min(500));
    let types: Vec<&str> =
        body.get("processingTypes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let found: Vec<&List> = call
        .state
        .model
        .lists
        .values()
        .filter(|list| {
            list.name.to_lowercase().contains(&query) && (types.is_empty() || types.contains(&list.processing.as_str()))
        })
        .collect();
    let rows: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(count)
        .map(|list| {
            let mut row = list_json(list);
            row["additionalProperties"] = json!({"hs_list_size": list.members.len().to_string()});
            row
        })
        .collect();
    let next = offset + rows.len();
    Ok(Answer::json(200, &json!({"total": found.len(), "offset": next, "hasMore": next < found.len(), "lists": rows})))
}

fn rename(call: &mut Call<'_>, id: &str) -> Reply {
    let id = find(call, id)?;
    let name = call.query.one("listName").ok_or_else(|| invalid("listName is required"))?.to_owned();
    let now = call.state.now();
    let list = call.state.model.lists.get_mut(&id).ok_or_else(|| no_list("?"))?;
    list.name.clone_from(&name);
    list.changed = now;
    let answer = Answer::json(200, &json!({"updatedList": list_json(list)}));
    call.note("rename list", "lists", id, vec![("name".to_owned(), name)], Vec::new());
    Ok(answer)
}

fn members(call: &Call<'_>, id: &str) -> Reply {
    let id = find(call, id)?;
    let limit = call
        .query
        .one("limit")
        .map_or(Some(100), |text| text.parse().ok())
        .filter(|limit| (1..=PAGE_MAX).contains(limit));
    let limit = limit.ok_or_else(|| invalid(format!("The limit must be between 1 and {PAGE_MAX}.")))?;
    let after: u64 = call
        .query
        .one("after")
        .map_or(Ok(0), |text| text.parse().map_err(|_| invalid(format!("Invalid after: {text}"))))?;
    let list = &call.state.model.lists[&id];
    let mut rows = list.members.range(after..);
    let page: Vec<Value> = rows
        .by_ref()
        .take(limit)
        .map(|(id, at)| json!({"recordId": id.to_string(), "membershipTimestamp": time_text(*at)}))
        .collect();
    let mut body = json!({"results": page});
    if let Some((next, _)) = rows.next() {
        body["paging"] = json!({"next": {"after": next.to_string(), "link": format!("{}?after={next}", call.path)}});
    }
    Ok(Answer::json(200, &body))
}

/// Record ids as strings; an e-mail address is refused.
fn ids_of(body: &Value) -> Result<Vec<u64>, Answer> {
    let all = body.as_array().ok_or_else(|| invalid("Invalid input JSON: the body must be an array of record ids"))?;
    all.iter()
        .map(|id| {
            id.as_str()
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| invalid(format!("Invalid input JSON: {id} is not a record id")))
        })
        .collect()
}

/// Members that are there already and ids nobody has are passed over, so repeating is harmless.
fn change(call: &mut Call<'_>, id: &str, add: &[u64], remove: &[u64]) -> Reply {
    let id = find(call, id)?;
    let now = call.state.now();
    let list = &call.state.model.lists[&id];
    let (kind, processing) = (list.kind, list.processing.clone());
    if processing == "DYNAMIC" {
        return Err(invalid(format!("Cannot change the members of list {id}: its processing type is DYNAMIC")));
    }
    let (mut added, mut removed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for asked in add {
        let model = &mut call.state.model;
        let Some(record) =
            model.object(kind, *asked).filter(|object| object.archived.is_none()).map(|object| object.id)
        else {
            missing.push(asked.to_string());
            continue;
        };
        if let Some(list) = model.lists.get_mut(&id)
            && list.members.insert(record, now).is_none()
        {
            added.push(record.to_string());
        }
    }
    for asked in remove {
        let record = call.state.model.current(kind, *asked);
        if call.state.model.lists.get_mut(&id).is_some_and(|list| list.members.remove(&record).is_some()) {
            removed.push(record.to_string());
        }
    }
    for (what, records) in [("list add", &added), ("list remove", &removed)] {
        for record in records {
            call.note(what, kind.plural(), record, vec![("list".to_owned(), id.to_string())], Vec::new());
        }
    }
    // The spelling `recordsIdsAdded` is HubSpot's.
    Ok(Answer::json(200, &json!({"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing})))
}
