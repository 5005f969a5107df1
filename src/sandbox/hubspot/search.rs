//! Search: its many limits, its operators, and an index that lags behind the records. Source: section 4.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

use serde_json::Value;

use super::answer::{Answer, Reply, invalid};
use super::kind::Kind;
use super::model::{Model, Object};
use super::objects::unknown_kind;
use super::render::{Extra, Shape, write_object};
use super::schema::{Source, instant};
use super::server::Call;

const BODY_CHARS_MAX: usize = 3_000;
const GROUPS_MAX: usize = 5;
const FILTERS_IN_GROUP_MAX: usize = 6;
const FILTERS_MAX: usize = 18;
const ROWS_MAX: usize = 10_000;
const PAGE_MAX: usize = 200;
const QUERY_CHARS_MAX: usize = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    Between,
    In,
    NotIn,
    Has,
    HasNot,
    Token,
    NotToken,
}

/// How values of a property compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Instant,
    Number,
    Exact,
    Text,
}

enum Subject {
    /// Joined with a record of that type.
    Joined(Kind),
    /// The other objects' name for the last-modified time: no record has it, and nobody says so. Source: section 3.
    Nothing,
    Value(Source, Order),
}

struct Filter {
    subject: Subject,
    operator: Operator,
    values: Vec<String>,
    numbers: Vec<Option<i64>>,
}

struct Sort {
    source: Source,
    order: Order,
    is_descending: bool,
}

struct Request {
    groups: Vec<Vec<Filter>>,
    sort: Option<Sort>,
    words: Vec<String>,
    limit: usize,
    after: usize,
}

pub(super) fn run(call: &mut Call<'_>, kind: &str) -> Reply {
    let kind = Kind::parse(kind).ok_or_else(|| unknown_kind(&[kind]))?;
    let chars = String::from_utf8_lossy(call.body).chars().count();
    if chars > BODY_CHARS_MAX {
        return Err(invalid(format!("The request body is {chars} characters long; the maximum is {BODY_CHARS_MAX}.")));
    }
    let body = call.json()?;
    let request = parse(call, kind, &body)?;
    let properties: Vec<&str> = match body.get("properties") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) => return Err(invalid("Invalid input JSON: properties must be an array")),
    };
    let model = &call.state.model;
    let mut found: Vec<&Object> = Vec::new();
    let is_feed = request.groups.iter().any(|group| window(group).is_some());
    for object in candidates(model, kind, &request) {
        if object.archived.is_none()
            && !call.state.faults.hides(kind, object.id)
            && !(is_feed && call.state.faults.loses(kind, object.id, object.modified))
            && request.matches(model, kind, object)
        {
            found.push(object);
        }
    }
    arrange(&mut found, request.sort.as_ref());
    let total = found.len();
    let shape = Shape::new(model, kind, &properties, &[]);
    let mut out = Vec::with_capacity(request.limit * 400);
    out.extend_from_slice(format!("{{\"total\":{total},\"results\":[").as_bytes());
    let page = found.iter().skip(request.after).take(request.limit);
    for (at, object) in page.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_object(&mut out, model, kind, object, &shape, Extra::default());
    }
    out.push(b']');
    let next = request.after + request.limit;
    if next < total {
        out.extend_from_slice(format!(",\"paging\":{{\"next\":{{\"after\":\"{next}\"}}}}").as_bytes());
    }
    out.push(b'}');
    Ok(Answer::raw(200, out))
}

fn parse(call: &Call<'_>, kind: Kind, body: &Value) -> Result<Request, Answer> {
    let model = &call.state.model;
    let groups = array(body, "filterGroups")?;
    if groups.len() > GROUPS_MAX {
        return Err(invalid(format!("Too many filterGroups: {}. The maximum is {GROUPS_MAX}.", groups.len())));
    }
    let mut parsed = Vec::with_capacity(groups.len());
    let mut count = 0;
    for group in groups {
        let filters = array(group, "filters")?;
        count += filters.len();
        if filters.len() > FILTERS_IN_GROUP_MAX || count > FILTERS_MAX {
            return Err(invalid(format!(
                "Too many filters. The maximum is {FILTERS_IN_GROUP_MAX} in a group and {FILTERS_MAX} in all."
            )));
        }
        parsed.push(filters.iter().map(|filter| parse_filter(model, kind, filter)).collect::<Result<Vec<_>, _>>()?);
    }
    let sorts = array(body, "sorts")?;
    if sorts.len() > 1 {
        return Err(invalid("Only one sort is supported."));
    }
    let sort = sorts.first().map(|sort| parse_sort(model, kind, sort)).transpose()?;
    let limit = match body.get("limit") {
        None | Some(Value::Null) => 10,
        Some(limit) => limit
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (1..=PAGE_MAX).contains(limit))
            .ok_or_else(|| invalid(format!("Invalid limit {limit}. The limit must be between 1 and {PAGE_MAX}.")))?,
    };
    let after = match body.get("after") {
        None | Some(Value::Null) => 0,
        // An offset-like integer, sent as a string.
        Some(Value::String(text)) if text.is_empty() => 0,
        Some(Value::String(text)) => text.parse().map_err(|_| invalid(format!("Invalid after: {text}")))?,
        Some(other) => return Err(invalid(format!("Invalid after: {other} must be a string"))),
    };
    if after + limit > ROWS_MAX {
        return Err(invalid(format!(
            "There was a problem with the request: paging beyond {ROWS_MAX} results is not supported."
        )));
    }
    let query = body.get("query").and_then(Value::as_str).unwrap_or_default();
    if query.chars().count() > QUERY_CHARS_MAX {
        return Err(invalid("The query is too long."));
    }
    let words = query.split_whitespace().map(str::to_lowercase).collect();
    Ok(Request { groups: parsed, sort, words, limit, after })
}

fn array<'a>(value: &'a Value, member: &str) -> Result<&'a [Value], Answer> {
    match value.get(member) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(all)) => Ok(all),
        Some(_) => Err(invalid(format!("Invalid input JSON: {member} must be an array"))),
    }
}

fn parse_filter(model: &Model, kind: Kind, filter: &Value) -> Result<Filter, Answer> {
    let text = |member: &str| filter.get(member).and_then(Value::as_str);
    let name = text("propertyName")
        .ok_or_else(|| invalid("Invalid input JSON: some required fields were not set: [propertyName]"))?;
    let operator = match text("operator").unwrap_or_default() {
        "EQ" => Operator::Eq,
        "NEQ" => Operator::Neq,
        "LT" => Operator::Lt,
        "LTE" => Operator::Lte,
        "GT" => Operator::Gt,
        "GTE" => Operator::Gte,
        "BETWEEN" => Operator::Between,
        "IN" => Operator::In,
        "NOT_IN" => Operator::NotIn,
        "HAS_PROPERTY" => Operator::Has,
        "NOT_HAS_PROPERTY" => Operator::HasNot,
        "CONTAINS_TOKEN" => Operator::Token,
        "NOT_CONTAINS_TOKEN" => Operator::NotToken,
        other => return Err(invalid(format!("Invalid input JSON: unknown operator {other}"))),
    };
    let subject = subject(model, kind, name)?;
    let needed = |member: &str| {
        text(member).ok_or_else(|| invalid(format!("operator {operator:?} on {name} needs a string {member}")))
    };
    let values: Vec<String> = match operator {
        Operator::Has | Operator::HasNot => Vec::new(),
        Operator::In | Operator::NotIn => {
            let all = array(filter, "values")?;
            if all.is_empty() {
                return Err(invalid(format!("operator {operator:?} on {name} needs values")));
            }
            all.iter()
                .map(|value| value.as_str().map(str::to_owned).ok_or_else(|| invalid("values must be strings")))
                .collect::<Result<_, _>>()?
        }
        Operator::Between => vec![needed("value")?.to_owned(), needed("highValue")?.to_owned()],
        _ => vec![needed("value")?.to_owned()],
    };
    let order = if let Subject::Value(_, order) = &subject { *order } else { Order::Exact };
    let numbers: Vec<Option<i64>> = values
        .iter()
        .map(|value| match order {
            Order::Instant => instant(value),
            Order::Number => value.parse().ok(),
            Order::Exact | Order::Text => None,
        })
        .collect();
    if order == Order::Instant && numbers.contains(&None) {
        return Err(invalid(format!("{name} is a time: give epoch milliseconds or an ISO date")));
    }
    Ok(Filter { subject, operator, values, numbers })
}

fn subject(model: &Model, kind: Kind, name: &str) -> Result<Subject, Answer> {
    if let Some(other) = name.strip_prefix("associations.") {
        let other = Kind::parse(other).ok_or_else(|| invalid(format!("Unknown association {name}")))?;
        return Ok(Subject::Joined(other));
    }
    if name != kind.modified() && matches!(name, "lastmodifieddate" | "hs_lastmodifieddate") {
        return Ok(Subject::Nothing);
    }
    let schema = model.schema(kind);
    let source = schema
        .source(kind, name)
        .ok_or_else(|| invalid(format!("There was a problem with the request: property {name} does not exist")))?;
    let order = match (source, schema.find(name).map(|number| schema.get(number).data_type.as_str())) {
        (Source::Created | Source::Modified, _) | (_, Some("datetime" | "date")) => Order::Instant,
        (Source::Id, _) | (_, Some("number")) => Order::Number,
        (_, Some("enumeration" | "bool")) => Order::Exact,
        _ => Order::Text,
    };
    Ok(Subject::Value(source, order))
}

fn parse_sort(model: &Model, kind: Kind, sort: &Value) -> Result<Sort, Answer> {
    let name = match sort {
        Value::String(name) => name.trim_start_matches('-'),
        _ => sort.get("propertyName").and_then(Value::as_str).ok_or_else(|| invalid("a sort needs a propertyName"))?,
    };
    let is_descending = sort.as_str().is_some_and(|name| name.starts_with('-'))
        || match sort.get("direction").and_then(Value::as_str) {
            None | Some("ASCENDING") => false,
            Some("DESCENDING") => true,
            Some(other) => return Err(invalid(format!("unknown sort direction {other}"))),
        };
    match subject(model, kind, name)? {
        Subject::Value(source, order) => Ok(Sort { source, order, is_descending }),
        Subject::Joined(_) | Subject::Nothing => Ok(Sort { source: Source::Id, order: Order::Number, is_descending }),
    }
}

/// What may match: by last-modified time or association where every group says so, else everything from the lowest id on.
/// Records with an older version in the index are looked at as that version.
fn candidates<'a>(model: &'a Model, kind: Kind, request: &Request) -> Vec<&'a Object> {
    let is_fresh = |id: u64| model.stale.is_empty() || !model.stale.contains_key(&(kind, id));
    let mut all: Vec<&Object> = model
        .stale
        .iter()
        .filter(|((of, _), _)| *of == kind)
        .filter_map(|(_, versions)| versions.front().and_then(|(_, version)| version.as_ref()))
        .collect();
    let groups = &request.groups;
    let objects = model.all(kind);
    let by_group = |of: &dyn Fn(&Filter) -> Option<BTreeSet<u64>>| -> Option<BTreeSet<u64>> {
        if groups.is_empty() {
            return None;
        }
        groups.iter().map(|group| group.iter().find_map(of)).try_fold(BTreeSet::new(), |mut ids, group| {
            ids.extend(group?);
            Some(ids)
        })
    };
    let joined = by_group(&|filter| match (&filter.subject, filter.operator) {
        (Subject::Joined(other), Operator::Eq | Operator::In) => {
            let keys = filter.values.iter().filter_map(|value| value.parse().ok());
            Some(
                keys.flat_map(|id| model.associated_to((*other, model.current(*other, id)), kind).map(|(id, _)| id))
                    .collect(),
            )
        }
        (Subject::Value(Source::Id, _), Operator::Eq | Operator::In) => {
            Some(filter.values.iter().filter_map(|value| value.parse().ok()).collect())
        }
        _ => None,
    });
    if let Some(ids) = joined {
        all.extend(ids.into_iter().filter(|id| is_fresh(*id)).filter_map(|id| objects.get(&id)));
        return all;
    }
    let windows: Option<Vec<(i64, i64)>> = groups.iter().map(|group| window(group)).collect();
    if let Some(windows) = windows.filter(|windows| !windows.is_empty()) {
        let low = windows.iter().map(|(low, _)| *low).min().unwrap_or(i64::MIN);
        let high = windows.iter().map(|(_, high)| *high).max().unwrap_or(i64::MAX);
        if low <= high {
            let found = model.by_modified[&kind].range((low, 0)..=(high, u64::MAX)).map(|(_, id)| *id);
            all.extend(found.filter(|id| is_fresh(*id)).filter_map(|id| objects.get(&id)));
        }
        return all;
    }
    all.extend(
        objects
            .range((Bound::Included(0), Bound::Unbounded))
            .map(|(_, object)| object)
            .filter(|object| is_fresh(object.id)),
    );
    all
}

/// The bounds on the last-modified time, if the group has a lower one.
fn window(group: &[Filter]) -> Option<(i64, i64)> {
    let mut low = None;
    let mut high = i64::MAX;
    for filter in group {
        let Subject::Value(Source::Modified, _) = filter.subject else { continue };
        let first = filter.numbers.first().copied().flatten();
        match filter.operator {
            Operator::Gt | Operator::Gte | Operator::Eq => low = low.max(first),
            Operator::Lt | Operator::Lte => high = high.min(first.unwrap_or(i64::MAX)),
            Operator::Between => {
                low = low.max(first);
                high = high.min(filter.numbers.get(1).copied().flatten().unwrap_or(i64::MAX));
            }
            _ => {}
        }
    }
    low.map(|low| (low, high))
}

fn arrange(found: &mut [&Object], sort: Option<&Sort>) {
    found.sort_unstable_by_key(|object| object.id);
    let Some(sort) = sort else { return };
    if sort.source != Source::Id {
        found.sort_by(|one, other| compare(&key(one, sort), &key(other, sort)));
    }
    if sort.is_descending {
        found.reverse();
    }
}

enum Key {
    Empty,
    Number(f64),
    Text(String),
}

fn key(object: &Object, sort: &Sort) -> Key {
    match (sort.source, sort.order) {
        (Source::Modified, _) => Key::Number(wide(object.modified)),
        (Source::Created, _) => Key::Number(wide(object.created)),
        (source, order) => match (object.value(source), order) {
            (None, _) => Key::Empty,
            (Some(value), Order::Instant) => instant(&value).map_or(Key::Empty, |at| Key::Number(wide(at))),
            (Some(value), Order::Number) => value.parse().map_or(Key::Empty, Key::Number),
            (Some(value), Order::Exact | Order::Text) => Key::Text(value.to_lowercase()),
        },
    }
}

/// Milliseconds of any year in use fit a double exactly.
fn wide(millisecond: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "times stay below 2^53 milliseconds")]
    {
        millisecond as f64
    }
}

fn compare(one: &Key, other: &Key) -> Ordering {
    match (one, other) {
        (Key::Number(one), Key::Number(other)) => one.total_cmp(other),
        (Key::Text(one), Key::Text(other)) => one.cmp(other),
        (Key::Empty, Key::Empty) => Ordering::Equal,
        (Key::Empty, _) | (Key::Number(_), Key::Text(_)) => Ordering::Less,
        (_, Key::Empty) | (Key::Text(_), Key::Number(_)) => Ordering::Greater,
    }
}

impl Request {
    /// Groups are alternatives, filters in a group hold together.
    fn matches(&self, model: &Model, kind: Kind, object: &Object) -> bool {
        let in_group = |group: &Vec<Filter>| group.iter().all(|filter| filter.matches(model, kind, object));
        (self.groups.is_empty() || self.groups.iter().any(in_group))
            && (self.words.is_empty() || self.has_words(model, kind, object))
    }

    fn has_words(&self, model: &Model, kind: Kind, object: &Object) -> bool {
        let schema = model.schema(kind);
        let searched = [
            "email",
            "firstname",
            "lastname",
            "phone",
            "company",
            "name",
            "domain",
            "website",
            "dealname",
            "hs_lead_name",
            "hs_task_subject",
            "hs_note_body",
        ];
        let texts: Vec<String> = searched
            .iter()
            .filter_map(|name| object.value(schema.source(kind, name)?).map(|value| value.to_lowercase()))
            .collect();
        self.words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }
}

impl Filter {
    fn matches(&self, model: &Model, kind: Kind, object: &Object) -> bool {
        match self.subject {
            Subject::Nothing => false,
            Subject::Joined(other) => self.matches_joined(model, (kind, object.id), other),
            Subject::Value(Source::Modified, _) => self.matches_number(Some(object.modified)),
            Subject::Value(Source::Created, _) => self.matches_number(Some(object.created)),
            Subject::Value(Source::Id, _) => self.matches_number(i64::try_from(object.id).ok()),
            Subject::Value(source, order) => match (object.value(source), order) {
                (value, Order::Instant) => self.matches_number(value.and_then(|value| instant(&value))),
                (value, Order::Number) => self.matches_decimal(value.as_deref()),
                (value, Order::Exact) => self.matches_text(value.as_deref(), true),
                (value, Order::Text) => self.matches_text(value.as_deref(), false),
            },
        }
    }

    fn matches_joined(&self, model: &Model, end: (Kind, u64), other: Kind) -> bool {
        let joined = |value: &String| {
            value
                .parse()
                .is_ok_and(|id: u64| model.associations.contains_key(&(end, (other, model.current(other, id)))))
        };
        let has_any = || model.associated_to(end, other).next().is_some();
        match self.operator {
            Operator::Eq | Operator::In => self.values.iter().any(joined),
            Operator::Neq | Operator::NotIn => !self.values.iter().any(joined),
            Operator::Has => has_any(),
            Operator::HasNot => !has_any(),
            _ => false,
        }
    }

    fn matches_number(&self, value: Option<i64>) -> bool {
        let Some(value) = value else { return matches!(self.operator, Operator::HasNot | Operator::NotIn) };
        let first = self.numbers.first().copied().flatten();
        let is_any = || self.numbers.contains(&Some(value));
        match self.operator {
            Operator::Has => true,
            Operator::HasNot => false,
            Operator::Eq | Operator::In | Operator::Token => is_any(),
            Operator::Neq | Operator::NotIn | Operator::NotToken => !is_any(),
            Operator::Lt => first.is_some_and(|first| value < first),
            Operator::Lte => first.is_some_and(|first| value <= first),
            Operator::Gt => first.is_some_and(|first| value > first),
            Operator::Gte => first.is_some_and(|first| value >= first),
            Operator::Between => {
                let second = self.numbers.get(1).copied().flatten();
                first.zip(second).is_some_and(|(low, high)| low <= value && value <= high)
            }
        }
    }

    fn matches_decimal(&self, value: Option<&str>) -> bool {
        let Some(value) = value.and_then(|value| value.parse::<f64>().ok()) else {
            return matches!(self.operator, Operator::HasNot | Operator::NotIn);
        };
        let orders: Vec<Option<Ordering>> =
            self.values.iter().map(|other| other.parse::<f64>().ok().map(|other| value.total_cmp(&other))).collect();
        let first = orders.first().copied().flatten();
        match self.operator {
            Operator::Has => true,
            Operator::HasNot => false,
            Operator::Eq | Operator::In | Operator::Token => orders.contains(&Some(Ordering::Equal)),
            Operator::Neq | Operator::NotIn | Operator::NotToken => !orders.contains(&Some(Ordering::Equal)),
            Operator::Lt => first == Some(Ordering::Less),
            Operator::Lte => first.is_some_and(Ordering::is_le),
            Operator::Gt => first == Some(Ordering::Greater),
            Operator::Gte => first.is_some_and(Ordering::is_ge),
            Operator::Between => {
                first.is_some_and(Ordering::is_ge) && orders.get(1).copied().flatten().is_some_and(Ordering::is_le)
            }
        }
    }

    /// Enumerations compare by case; text does not, except that the values of `IN` must be lowercase. Source: sections 3 and 4.
    fn matches_text(&self, value: Option<&str>, is_exact: bool) -> bool {
        let Some(value) = value else {
            return matches!(self.operator, Operator::HasNot | Operator::NotIn | Operator::NotToken);
        };
        let held = if is_exact { value.to_owned() } else { value.to_lowercase() };
        let asked = |at: usize| {
            let text = self.values.get(at).map(String::as_str).unwrap_or_default();
            if is_exact { text.to_owned() } else { text.to_lowercase() }
        };
        let is_in = || {
            self.values.contains(&held)
                || (is_exact && held.split(';').any(|part| self.values.iter().any(|value| value == part)))
        };
        match self.operator {
            Operator::Has => true,
            Operator::HasNot => false,
            Operator::Eq => held == asked(0),
            Operator::Neq => held != asked(0),
            Operator::Lt => held < asked(0),
            Operator::Lte => held <= asked(0),
            Operator::Gt => held > asked(0),
            Operator::Gte => held >= asked(0),
            Operator::Between => held >= asked(0) && held <= asked(1),
            Operator::In => is_in(),
            Operator::NotIn => !is_in(),
            Operator::Token => has_token(&held, &asked(0)),
            Operator::NotToken => !has_token(&held, &asked(0)),
        }
    }
}

/// Words separated by anything but letters and digits; `*` at either end widens.
fn has_token(text: &str, token: &str) -> bool {
    let (front, back) = (token.starts_with('*'), token.ends_with('*'));
    let word = token.trim_matches('*');
    let tokens = |text: &str| -> Vec<String> {
        text.split(|each: char| !each.is_alphanumeric())
            .filter(|each| !each.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    if word.is_empty() {
        return !text.is_empty();
    }
    if front || back {
        return tokens(text).iter().any(|each| match (front, back) {
            (true, true) => each.contains(word),
            (true, false) => each.ends_with(word),
            (false, _) => each.starts_with(word),
        });
    }
    let wanted = tokens(word);
    let held = tokens(text);
    !wanted.is_empty() && held.windows(wanted.len()).any(|window| window == wanted)
}
