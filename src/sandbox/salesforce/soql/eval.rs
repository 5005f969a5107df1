//! Which rows fit a query, in which order, and how they are shown.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::id;
use super::super::moment;
use super::super::schema::{Field, Object, Type};
use super::super::state::{Row, State};
use super::parse::{Filter, Literal, Order, Query, Selected};

/// What a query may see.
#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox::salesforce) struct Scope {
    /// Deleted, merged-away and archived rows, too: `queryAll`.
    pub(in crate::sandbox::salesforce) all: bool,
    /// Now, by the org's clock.
    pub(in crate::sandbox::salesforce) now: i64,
}

/// What a query comes to.
#[derive(Clone, Debug)]
pub(in crate::sandbox::salesforce) struct Answered {
    pub(in crate::sandbox::salesforce) records: Vec<Value>,
    /// `COUNT()` counts and shows nothing.
    pub(in crate::sandbox::salesforce) count: Option<usize>,
    /// Two or more long texts cut the pages to 200. Source: section 5.
    pub(in crate::sandbox::salesforce) is_wide: bool,
}

/// Days after which activities are archived. Source: section 4, "Archiving".
const ARCHIVE_DAYS: i64 = 365;
const DAY_MS: i64 = 86_400_000;

pub(in crate::sandbox::salesforce) fn run(state: &State, query: &Query, scope: Scope) -> Result<Answered, Failure> {
    let object = state.schema.object(&query.from).ok_or_else(|| Failure::no_type(&query.from))?;
    let eval = Eval { state, query, scope, object };
    eval.check()?;
    let mut rows = eval.rows()?;
    if query.select.contains(&Selected::Count) {
        return Ok(Answered { records: Vec::new(), count: Some(rows.len()), is_wide: false });
    }
    rows.sort_by(|one, other| eval.compare(one, other));
    let rows = rows.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
    let records: Vec<Value> = rows.map(|row| eval.shown(row)).collect::<Result<_, _>>()?;
    let is_long = |selected: &&Selected| {
        let Selected::Field(path) = selected else { return false };
        path.len() == 1
            && object.field(&path[0]).is_some_and(|field| field.kind == Type::TextArea && field.length > 255)
    };
    Ok(Answered { records, count: None, is_wide: query.select.iter().filter(is_long).count() >= 2 })
}

/// A field, with the objects in between: `Owner.Name`.
pub(super) struct Reached<'a> {
    pub(super) hops: Vec<&'a Field>,
    pub(super) last: Option<&'a Field>,
    /// `Owner.Type`: which of several objects it is.
    is_type: bool,
}

pub(super) struct Eval<'a> {
    pub(super) state: &'a State,
    pub(super) query: &'a Query,
    pub(super) scope: Scope,
    pub(super) object: &'a Object,
}

impl<'a> Eval<'a> {
    pub(super) fn reach(&self, path: &[String]) -> Result<Reached<'a>, Failure> {
        let mut path = path;
        if path.len() > 1 && path[0].eq_ignore_ascii_case(&self.object.name) {
            path = &path[1..];
        }
        let mut object = self.object;
        let mut hops: Vec<&'a Field> = Vec::new();
        let Some((name, parents)) = path.split_last() else { return Err(Failure::malformed_query("an empty field")) };
        for parent in parents {
            let field = object.related(parent).ok_or_else(|| {
                let words = format!("\n{}\nDidn't understand relationship '{parent}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name.", self.query.text);
                Failure::new(400, "INVALID_FIELD", words)
            })?;
            if self.state.schema.visible(object, &field.name).is_none() {
                return Err(Failure::no_column(&self.query.text, &field.name, &object.name));
            }
            hops.push(field);
            let target = field.targets.first().and_then(|name| self.state.schema.object(name));
            object = target.ok_or_else(|| Failure::no_column(&self.query.text, parent, &object.name))?;
        }
        let is_polymorphic = hops.last().is_some_and(|hop| hop.targets.len() > 1);
        if is_polymorphic && name.eq_ignore_ascii_case("Type") {
            return Ok(Reached { hops, last: None, is_type: true });
        }
        let field = self.state.schema.visible(object, name);
        let field = field.ok_or_else(|| Failure::no_column(&self.query.text, name, &object.name))?;
        Ok(Reached { hops, last: Some(field), is_type: false })
    }

    pub(super) fn rows(&self) -> Result<Vec<&'a Row>, Failure> {
        let mut found = Vec::new();
        for row in self.state.rows(&self.object.name).filter(|row| self.is_in_scope(row)) {
            if self.state.faults.loses(&self.object.name, row) && self.asks_by_time() {
                continue;
            }
            let fits = match &self.query.filter {
                Some(filter) => self.fits(filter, row)?,
                None => true,
            };
            if fits {
                found.push(row);
            }
        }
        Ok(found)
    }

    fn asks_by_time(&self) -> bool {
        self.query.filter.is_some() && self.query.text.contains("SystemModstamp")
    }

    fn is_in_scope(&self, row: &Row) -> bool {
        if self.scope.all {
            return true;
        }
        let flag = |name: &str| row.get(name) == Some(&Value::Bool(true));
        !flag("IsDeleted") && !self.is_archived(row)
    }

    /// Closed tasks and events of a year ago. Source: section 4, "Archiving".
    fn is_archived(&self, row: &Row) -> bool {
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        let is_old = |at: Option<i64>| at.is_some_and(|at| self.scope.now - at >= ARCHIVE_DAYS * DAY_MS);
        let day = |name: &str| text(name).and_then(|day| moment::millisecond(&format!("{day}T00:00:00")));
        match self.object.name.as_str() {
            "Task" if row.get("IsClosed") == Some(&Value::Bool(true)) => {
                is_old(day("ActivityDate").or_else(|| text("CreatedDate").and_then(moment::millisecond)))
            }
            "Event" => is_old(text("EndDateTime").and_then(moment::millisecond)),
            _ => false,
        }
    }

    fn fits(&self, filter: &Filter, row: &Row) -> Result<bool, Failure> {
        Ok(match filter {
            Filter::And(all) => {
                for one in all {
                    if !self.fits(one, row)? {
                        return Ok(false);
                    }
                }
                true
            }
            Filter::Or(all) => {
                for one in all {
                    if self.fits(one, row)? {
                        return Ok(true);
                    }
                }
                false
            }
            Filter::Not(inner) => !self.fits(inner, row)?,
            Filter::Compare { path, sign, value } => {
                let reached = self.reach(path)?;
                let kind = reached.last.map_or(Type::Text, |field| field.kind);
                self.holds(&self.value(&reached, row), kind, sign, value)
            }
            Filter::Like { path, pattern } => {
                let value = self.value(&self.reach(path)?, row);
                value.as_str().is_some_and(|text| like(&text.to_lowercase(), &pattern.to_lowercase()))
            }
            Filter::In { path, values, is_not } => {
                let reached = self.reach(path)?;
                let kind = reached.last.map_or(Type::Text, |field| field.kind);
                let found = self.value(&reached, row);
                values.iter().any(|value| self.holds(&found, kind, "=", value)) != *is_not
            }
            Filter::InQuery { path, query, is_not } => {
                let found = self.value(&self.reach(path)?, row);
                let Some(Selected::Field(column)) = query.select.first() else {
                    return Err(Failure::malformed_query("a nested query must select one field"));
                };
                let object = self.state.schema.object(&query.from).ok_or_else(|| Failure::no_type(&query.from))?;
                let inner = Eval { state: self.state, query, scope: self.scope, object };
                inner.check()?;
                let reached = inner.reach(column)?;
                let values: HashSet<String> = inner
                    .rows()?
                    .into_iter()
                    .filter_map(|row| inner.value(&reached, row).as_str().map(str::to_owned))
                    .collect();
                found.as_str().is_some_and(|id| values.contains(id)) != *is_not
            }
        })
    }

    pub(super) fn value(&self, reached: &Reached<'_>, row: &Row) -> Value {
        let mut row = row;
        for hop in &reached.hops {
            let Some(id) = row.get(&hop.name).and_then(Value::as_str) else { return Value::Null };
            let Some((object, next)) = self.state.find(id) else { return Value::Null };
            if reached.is_type {
                return json!(if object == "Group" { "Queue" } else { object });
            }
            row = next;
        }
        let name = reached.last.map_or("", |field| field.name.as_str());
        row.get(name).cloned().unwrap_or(Value::Null)
    }

    fn holds(&self, found: &Value, kind: Type, sign: &str, wanted: &Literal) -> bool {
        let ordering = match (found, wanted) {
            (Value::Null, Literal::Null) => Some(Ordering::Equal),
            (Value::Null, _) | (_, Literal::Null) => None,
            (Value::Bool(found), Literal::Flag(wanted)) => Some(found.cmp(wanted)),
            (Value::Number(found), Literal::Bare(text)) => {
                found.as_f64().and_then(|found| found.partial_cmp(&text.parse().ok()?))
            }
            (Value::String(found), Literal::Text(text)) if kind.is_id() => {
                id::full(text).map(|wanted| found.as_str().cmp(&wanted))
            }
            (Value::String(found), Literal::Text(text)) => Some(found.to_lowercase().cmp(&text.to_lowercase())),
            (Value::String(found), Literal::Bare(text)) if kind == Type::Datetime => {
                moment::read(text).map(|wanted| found.as_str().cmp(&wanted))
            }
            (Value::String(found), Literal::Bare(text)) => Some(found.as_str().cmp(text)),
            (Value::String(found), Literal::Named(name, days)) => {
                let (from, to) = self.named(name, *days);
                let day = moment::day(found);
                Some(if day < from.as_str() {
                    Ordering::Less
                } else if day > to.as_str() {
                    Ordering::Greater
                } else {
                    Ordering::Equal
                })
            }
            _ => None,
        };
        match sign {
            "=" => ordering == Some(Ordering::Equal),
            "!=" => ordering != Some(Ordering::Equal),
            "<" => ordering == Some(Ordering::Less),
            "<=" => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            ">" => ordering == Some(Ordering::Greater),
            _ => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// First and last day of a date literal; the user's zone is UTC.
    fn named(&self, name: &str, days: i64) -> (String, String) {
        let day = |offset: i64| moment::day(&moment::shown(self.scope.now + offset.saturating_mul(DAY_MS))).to_owned();
        match name {
            "YESTERDAY" => (day(-1), day(-1)),
            "TOMORROW" => (day(1), day(1)),
            "LAST_N_DAYS" => (day(-days), day(0)),
            "NEXT_N_DAYS" => (day(1), day(days)),
            _ => (day(0), day(0)),
        }
    }

    pub(super) fn compare(&self, one: &Row, other: &Row) -> Ordering {
        for Order { path, is_descending, nulls_last } in &self.query.order {
            let Ok(reached) = self.reach(path) else { continue };
            let (left, right) = (self.value(&reached, one), self.value(&reached, other));
            let is_id = reached.last.is_some_and(|field| field.kind.is_id());
            let ordering = match (&left, &right) {
                (Value::Null, Value::Null) => continue,
                (Value::Null, _) => return if *nulls_last { Ordering::Greater } else { Ordering::Less },
                (_, Value::Null) => return if *nulls_last { Ordering::Less } else { Ordering::Greater },
                (Value::Number(left), Value::Number(right)) => {
                    left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal)
                }
                (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
                (Value::String(left), Value::String(right)) if is_id => left.cmp(right),
                (Value::String(left), Value::String(right)) => left.to_lowercase().cmp(&right.to_lowercase()),
                _ => Ordering::Equal,
            };
            let ordering = if *is_descending { ordering.reverse() } else { ordering };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

/// `%` is anything, `_` one letter; a backslash takes the meaning from the next.
fn like(text: &str, pattern: &str) -> bool {
    fn fits(text: &[char], pattern: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|at| fits(&text[at..], rest)),
            ['\\', one, rest @ ..] => text.split_first().is_some_and(|(first, text)| first == one && fits(text, rest)),
            ['_', rest @ ..] => text.split_first().is_some_and(|(_, text)| fits(text, rest)),
            [one, rest @ ..] => text.split_first().is_some_and(|(first, text)| first == one && fits(text, rest)),
        }
    }
    fits(&text.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_matched_as_in_like() {
        for (text, pattern, fits) in [
            ("jane roe", "jane%", true),
            ("jane roe", "%roe", true),
            ("jane", "j_ne", true),
            ("jane", "jane_", false),
            ("100%", "100\\%", true),
            ("1000", "100\\%", false),
        ] {
            assert_eq!(like(text, pattern), fits, "{text} {pattern}");
        }
    }
}
