//! Owners: `id` assigns, `userId` does not; archived ones lose their `userId`. Source: sections 3 and 10.1.

use serde_json::{Value, json};

use super::answer::{Answer, Reply, invalid, no_such_path, not_found, time_text, wrong_method};
use super::model::Owner;
use super::server::Call;

const PAGE_MAX: usize = 500;

pub(super) fn run(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    match (call.method, rest) {
        ("GET", []) => list(call),
        ("GET", [id]) => one(call, id),
        (_, [] | [_]) => Err(wrong_method()),
        _ => Err(no_such_path()),
    }
}

fn list(call: &Call<'_>) -> Reply {
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
    let archived = call.query.is_true("archived");
    let email = call.query.one("email");
    let mut owners = call.state.model.owners.values().filter(|owner| {
        owner.id >= after
            && owner.is_archived == archived
            && email.is_none_or(|email| owner.email.eq_ignore_ascii_case(email))
    });
    let rows: Vec<Value> = owners.by_ref().take(limit).map(owner_json).collect();
    let mut body = json!({"results": rows});
    if let Some(next) = owners.next() {
        body["paging"] = json!({"next": {"after": next.id.to_string(), "link": format!("https://api.hubapi.com/crm/v3/owners/?after={}", next.id)}});
    }
    Ok(Answer::json(200, &body))
}

fn one(call: &Call<'_>, key: &str) -> Reply {
    let archived = call.query.is_true("archived");
    let by_user = match call.query.one("idProperty") {
        None | Some("id") => false,
        Some("userId") => true,
        Some(other) => return Err(invalid(format!("Invalid idProperty: {other}"))),
    };
    let is_asked =
        |owner: &&Owner| if by_user { owner.user_id.to_string() == key } else { owner.id.to_string() == key };
    let owner = call.state.model.owners.values().filter(|owner| owner.is_archived == archived).find(is_asked);
    owner.map(|owner| Answer::json(200, &owner_json(owner))).ok_or_else(|| not_found(key))
}

fn owner_json(owner: &Owner) -> Value {
    let mut body = json!({
        "id": owner.id.to_string(), "email": owner.email, "type": "PERSON", "firstName": owner.first_name, "lastName": owner.last_name,
        "userId": if owner.is_archived { Value::Null } else { owner.user_id.into() }, "userIdIncludingInactive": owner.user_id,
        "createdAt": time_text(owner.created), "updatedAt": time_text(owner.changed), "archived": owner.is_archived
    });
    if let Some((id, name)) = &owner.team {
        body["teams"] = json!([{"id": id, "name": name, "primary": true}]);
    }
    body
}
