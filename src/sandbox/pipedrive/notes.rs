//! Notes, which only v1 has. Source: sections 4, 5 and 9.

use serde_json::{Value, json};

use super::answer::{Reply, entity_not_found, no_such_path, ok, ok_with};
use super::kind::Kind;
use super::model::Record;
use super::page::by_offset;
use super::render;
use super::server::Call;

pub(super) fn run(call: &mut Call<'_>, path: &[&str]) -> Reply {
    match (call.method, path) {
        ("GET", []) => list(call),
        ("GET", [id]) => shown(call, id),
        ("POST", []) => {
            let body = call.json()?;
            let kept = sanitised(&body);
            let id = call.state.create(Kind::Note, &kept, call.by)?;
            call.note("create", Kind::Note, &id, body);
            shown(call, &id)
        }
        ("PUT", [id]) => {
            let body = call.json()?;
            let kept = sanitised(&body);
            call.state.update(Kind::Note, id, &kept, call.by)?;
            call.note("update", Kind::Note, id, body);
            shown(call, id)
        }
        ("DELETE", [id]) => {
            call.state.delete(Kind::Note, id, call.by)?;
            call.note("delete", Kind::Note, id, Value::Null);
            Ok(ok(&json!(true)))
        }
        _ => Err(no_such_path()),
    }
}

/// HTML is sanitised: comments, scripts and attributes do not stay. Source: section 9; how much goes is made up, the strict way.
fn sanitised(body: &Value) -> Value {
    let mut kept = body.clone();
    if let Some(content) = body["content"].as_str() {
        let mut text = String::with_capacity(content.len());
        let mut rest = content;
        while let Some((before, tag)) = rest.split_once('<') {
            text.push_str(before);
            let (inner, after) = tag.split_once('>').unwrap_or((tag, ""));
            let name: String =
                inner.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '/').collect();
            if !name.is_empty() && name != "script" && name != "/script" {
                text.push('<');
                text.push_str(&name);
                text.push('>');
            }
            rest = after;
        }
        text.push_str(rest);
        kept["content"] = text.into();
    }
    kept
}

fn shown(call: &Call<'_>, id: &str) -> Reply {
    let Some(record) = call.state.model.live(Kind::Note, id) else { return Err(entity_not_found()) };
    Ok(ok(&render::record(&call.state.model, Kind::Note, record, &[])))
}

fn list(call: &Call<'_>) -> Reply {
    let query = &call.query;
    let since = query.time("updated_since")?;
    let numbers: Vec<(&str, Option<i64>)> = ["deal_id", "person_id", "org_id", "user_id"]
        .into_iter()
        .map(|name| Ok((name, query.number(name)?)))
        .collect::<Result<_, super::answer::Answer>>()?;
    let fits = |record: &&Record| {
        record.is_live()
            && since.is_none_or(|since| record.updated >= since)
            && query.one("lead_id").is_none_or(|lead| record.text("lead_id") == Some(lead))
            && numbers.iter().all(|(name, wanted)| wanted.is_none_or(|wanted| record.int(name) == Some(wanted)))
    };
    let mut rows: Vec<&Record> = call.state.model.all(Kind::Note).filter(fits).collect();
    if query.one("sort").is_some_and(|sort| sort.starts_with("update_time")) {
        rows.sort_by_key(|record| record.updated);
    }
    let (rows, paging) = by_offset(query, rows)?;
    let shown: Vec<Value> =
        rows.into_iter().map(|record| render::record(&call.state.model, Kind::Note, record, &[])).collect();
    // Nested here, unlike leads. Source: section 5.
    Ok(ok_with(&json!(shown), &json!({ "pagination": paging })))
}
