//! Search domains: Odoo's prefix notation, read and evaluated. Source: trap 2 for how times compare.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::failure::Failure;
use super::moment;
use super::schema::{Field, Model, Schema, Type};
use super::state::{State, is_empty};

const OPERATORS: &[&str] = &[
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "like",
    "ilike",
    "not like",
    "not ilike",
    "=like",
    "=ilike",
    "child_of",
    "parent_of",
];

/// A domain that has been read.
#[derive(Debug)]
pub(super) enum Node {
    Always(bool),
    All(Vec<Node>),
    Either(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Leaf { path: String, operator: String, value: Value },
}

impl Node {
    /// Whether any condition is on `field` of the searched model itself.
    pub(super) fn mentions(&self, field: &str) -> bool {
        match self {
            Self::Always(_) => false,
            Self::All(nodes) => nodes.iter().any(|node| node.mentions(field)),
            Self::Either(left, right) => left.mentions(field) || right.mentions(field),
            Self::Not(node) => node.mentions(field),
            Self::Leaf { path, .. } => path == field,
        }
    }
}

/// Reads a domain of `model`; unknown fields, operators and malformed nesting are value errors, as in Odoo.
pub(super) fn parse(schema: &Schema, model: &Model, domain: &Value) -> Result<Node, Failure> {
    let items = match domain {
        Value::Null | Value::Bool(false) => return Ok(Node::All(Vec::new())),
        Value::Array(items) => items,
        other => return Err(Failure::value(format!("Domain() invalid item in domain: {}", python(other)))),
    };
    let mut rest = items.iter();
    let mut nodes = Vec::new();
    while rest.len() > 0 {
        nodes.push(term(schema, model, &mut rest, domain)?);
    }
    Ok(Node::All(nodes))
}

fn term(
    schema: &Schema,
    model: &Model,
    rest: &mut std::slice::Iter<'_, Value>,
    whole: &Value,
) -> Result<Node, Failure> {
    let malformed = || Failure::value(format!("Domain() malformed domain {}", python(whole)));
    let item = rest.next().ok_or_else(malformed)?;
    match item {
        Value::String(word) if word == "&" => {
            let left = term(schema, model, rest, whole)?;
            Ok(Node::All(vec![left, term(schema, model, rest, whole)?]))
        }
        Value::String(word) if word == "|" => {
            let left = term(schema, model, rest, whole)?;
            Ok(Node::Either(Box::new(left), Box::new(term(schema, model, rest, whole)?)))
        }
        Value::String(word) if word == "!" => Ok(Node::Not(Box::new(term(schema, model, rest, whole)?))),
        Value::Array(parts) => match parts.as_slice() {
            [left, Value::String(operator), right] if left.is_number() && operator == "=" => {
                Ok(Node::Always(left == right))
            }
            [Value::String(path), Value::String(operator), value] => leaf(schema, model, path, operator, value),
            _ => Err(Failure::value(format!("Domain() invalid item in domain: {}", python(item)))),
        },
        other => Err(Failure::value(format!("Domain() invalid item in domain: {}", python(other)))),
    }
}

fn leaf(schema: &Schema, model: &Model, path: &str, operator: &str, value: &Value) -> Result<Node, Failure> {
    let condition = || format!("('{path}', '{operator}', {})", python(value));
    let mut owner = Some(model);
    let mut found: Option<&Field> = None;
    for name in path.split('.') {
        let at = owner.map_or("", |owner| owner.name);
        let field = owner.and_then(|owner| owner.field(name));
        let field =
            field.ok_or_else(|| Failure::value(format!("Invalid field {at}.{name} in condition {}", condition())))?;
        owner = schema.model(field.relation);
        found = Some(field);
    }
    if !OPERATORS.contains(&operator) {
        return Err(Failure::value(format!("Invalid operator in condition {}", condition())));
    }
    let kind = found.map_or(Type::Char, |field| field.kind);
    let value = match value {
        Value::Array(items) => Value::Array(items.iter().map(|item| compared(kind, item)).collect::<Result<_, _>>()?),
        one => compared(kind, one)?,
    };
    Ok(Node::Leaf { path: path.to_owned(), operator: operator.to_owned(), value })
}

/// The form a value is compared in: times lose what is below a second.
fn compared(kind: Type, value: &Value) -> Result<Value, Failure> {
    match (kind, value) {
        (_, Value::Null) => Ok(Value::Bool(false)),
        (Type::Datetime, Value::String(text)) => moment::compared_datetime(text).map(Value::String),
        (Type::Date, Value::String(text)) => moment::date(text).map(Value::String),
        (Type::Datetime, Value::Array(_) | Value::Object(_)) => Err(Failure::value("unsupported operand for datetime")),
        _ => Ok(value.clone()),
    }
}

/// Whether a record satisfies a domain.
pub(super) fn matches(state: &State, model: &Model, id: i64, node: &Node) -> bool {
    match node {
        Node::Always(answer) => *answer,
        Node::All(nodes) => nodes.iter().all(|node| matches(state, model, id, node)),
        Node::Either(left, right) => matches(state, model, id, left) || matches(state, model, id, right),
        Node::Not(node) => !matches(state, model, id, node),
        Node::Leaf { path, operator, value } => holds(state, model, id, path, operator, value),
    }
}

fn holds(state: &State, model: &Model, id: i64, path: &str, operator: &str, wanted: &Value) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(field) = model.field(name) else { return false };
    let found = state.value(model, id, field);
    if let (Some(rest), Some(other)) = (rest, state.schema.model(field.relation)) {
        let targets = match &found {
            Value::Array(ids) => ids.iter().filter_map(Value::as_i64).collect(),
            one => one.as_i64().into_iter().collect::<Vec<_>>(),
        };
        return targets.into_iter().any(|target| holds(state, other, target, rest, operator, wanted));
    }
    let is_relation = !field.relation.is_empty();
    if is_relation && (wanted.is_string() || operator.ends_with("like")) {
        let names = match &found {
            Value::Array(ids) => ids.iter().filter_map(Value::as_i64).collect(),
            one => one.as_i64().into_iter().collect::<Vec<_>>(),
        };
        let negated = operator.starts_with("not ") || operator == "!=";
        let positive = operator.trim_start_matches("not ").replace("!=", "=");
        let any = names.iter().any(|target| compare(&state.display_name(field.relation, *target), &positive, wanted));
        return any != negated;
    }
    match (&found, operator) {
        (Value::Array(items), "=" | "in" | "child_of") => listed(items, wanted),
        (Value::Array(items), "!=" | "not in") => !listed(items, wanted),
        (Value::String(kept), _) if field.kind == Type::Datetime => {
            compare(&json!(moment::shown(kept)), operator, wanted)
        }
        _ => compare(&found, operator, wanted),
    }
}

fn listed(items: &[Value], wanted: &Value) -> bool {
    match wanted {
        Value::Bool(false) => items.is_empty(),
        Value::Bool(true) => !items.is_empty(),
        Value::Array(wanted) => wanted.iter().any(|one| listed(items, one)),
        one => items.contains(one),
    }
}

fn compare(found: &Value, operator: &str, wanted: &Value) -> bool {
    let pattern = || wanted.as_str().unwrap_or_default();
    match operator {
        "=" => match wanted {
            Value::Array(_) => compare(found, "in", wanted),
            _ => equal(found, wanted),
        },
        "!=" => !compare(found, "=", wanted),
        "in" | "child_of" | "parent_of" => match wanted {
            Value::Array(items) => items.iter().any(|item| equal(found, item)),
            one => equal(found, one),
        },
        "not in" => !compare(found, "in", wanted),
        "<" => order(found, wanted) == Some(Ordering::Less),
        "<=" => matches!(order(found, wanted), Some(Ordering::Less | Ordering::Equal)),
        ">" => order(found, wanted) == Some(Ordering::Greater),
        ">=" => matches!(order(found, wanted), Some(Ordering::Greater | Ordering::Equal)),
        "like" | "ilike" => like(found, &format!("%{}%", pattern()), operator == "ilike"),
        "not like" => !compare(found, "like", wanted),
        "not ilike" => !compare(found, "ilike", wanted),
        "=like" | "=ilike" => like(found, pattern(), operator == "=ilike"),
        _ => false,
    }
}

fn equal(found: &Value, wanted: &Value) -> bool {
    if is_empty(wanted) {
        return is_empty(found);
    }
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => found.total_cmp(&wanted) == Ordering::Equal,
        _ => found == wanted,
    }
}

fn order(found: &Value, wanted: &Value) -> Option<Ordering> {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => Some(found.cmp(wanted)),
        (Value::Number(found), Value::Number(wanted)) => Some(found.as_f64()?.total_cmp(&wanted.as_f64()?)),
        _ => None,
    }
}

/// SQL's LIKE: `%` any run, `_` any letter.
fn like(found: &Value, pattern: &str, ignores_case: bool) -> bool {
    let Value::String(text) = found else { return false };
    let fold = |text: &str| if ignores_case { text.to_lowercase() } else { text.to_owned() };
    let (text, pattern) = (fold(text).chars().collect::<Vec<_>>(), fold(pattern).chars().collect::<Vec<_>>());
    let (mut at, mut next, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(next) {
            Some('%') => {
                star = Some((next, at));
                next += 1;
            }
            Some(letter) if *letter == '_' || *letter == text[at] => {
                at += 1;
                next += 1;
            }
            _ => match star {
                Some((percent, from)) => {
                    star = Some((percent, from + 1));
                    at = from + 1;
                    next = percent + 1;
                }
                None => return false,
            },
        }
    }
    pattern[next..].iter().all(|letter| *letter == '%')
}

/// A value as Python would print it in a message.
pub(super) fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// One key of an order: the field, and whether it descends.
pub(super) fn parse_order<'m>(model: &'m Model, order: &str) -> Result<Vec<(&'m Field, bool)>, Failure> {
    let is_plain = order.chars().all(|letter| letter.is_ascii_alphanumeric() || " _,.".contains(letter));
    let parts = order.split(',').map(|part| part.split_whitespace().collect::<Vec<_>>());
    let mut keys = Vec::new();
    for part in parts {
        let (name, is_descending) = match part.as_slice() {
            [name] if is_plain => (*name, false),
            [name, way] if is_plain && way.eq_ignore_ascii_case("asc") => (*name, false),
            [name, way] if is_plain && way.eq_ignore_ascii_case("desc") => (*name, true),
            _ => {
                return Err(Failure::user(format!(
                    "Invalid \"order\" specified ({order}). A valid \"order\" specification is a comma-separated list of \
                     valid field names (optionally followed by asc/desc for the direction)"
                )));
            }
        };
        let field = model.field(name);
        let field = field.ok_or_else(|| Failure::value(format!("Invalid field '{name}' on model '{}'", model.name)))?;
        keys.push((field, is_descending));
    }
    Ok(keys)
}

/// What a record sorts by under one key. An empty value comes last when ascending, first when descending, as in PostgreSQL.
pub(super) fn sort_key(state: &State, model: &Model, id: i64, field: &Field) -> SortKey {
    let value = state.value(model, id, field);
    match value {
        Value::Number(number) if field.kind == Type::Many2one => {
            let target = number.as_i64().unwrap_or(0);
            match state.stored(field.relation, target, "sequence").as_f64() {
                Some(sequence) => SortKey::Number(sequence),
                None => {
                    SortKey::Text(state.display_name(field.relation, target).as_str().unwrap_or_default().to_owned())
                }
            }
        }
        Value::Number(number) => SortKey::Number(number.as_f64().unwrap_or(0.0)),
        Value::String(text) => SortKey::Text(text),
        Value::Bool(flag) if field.kind == Type::Boolean => SortKey::Number(f64::from(u8::from(flag))),
        _ => SortKey::Empty,
    }
}

/// See [`sort_key`].
#[derive(PartialEq)]
pub(super) enum SortKey {
    Number(f64),
    Text(String),
    Empty,
}

impl SortKey {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.total_cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::Empty => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (text, pattern, expected) in [
            ("Jacques", "%cq%", true),
            ("Jacques", "j%", false),
            ("Jacques", "J_cques", true),
            ("Jacques", "J%s%x", false),
            ("", "%", true),
        ] {
            assert_eq!(like(&json!(text), pattern, false), expected, "{text} {pattern}");
        }
        assert!(like(&json!("Jacques"), "j%S", true));
    }
}
