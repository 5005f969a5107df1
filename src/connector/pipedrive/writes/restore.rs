//! Takes earlier writes back where what was written still stands.

use serde_json::{Map, Value};

use super::super::Pipedrive;
use super::super::book::{Journey, JourneyId};
use super::fields::is_same;
use super::journey::present;
use super::{Order, Step, Stop, Target, done, superseded};
use crate::connector::Done;
use crate::domain::id::Name;
use crate::domain::plan::Was;
use crate::http::Method;

/// What a value that was replaced stands in.
enum Place {
    Person(String),
    Journey(JourneyId, String),
}

impl Place {
    fn of(name: &str) -> Option<Self> {
        let (record, field) = name.split_once('/')?;
        let field = field.to_owned();
        if record == "person" {
            return Some(Self::Person(field));
        }
        let id = match record.split_once(':')? {
            ("lead", id) => JourneyId::Lead(id.to_owned()),
            ("deal", id) => JourneyId::Deal(id.parse().ok()?),
            _ => return None,
        };
        Some(Self::Journey(id, field))
    }
}

impl Pipedrive {
    pub(super) async fn restore(&self, order: Order<'_>, target: &Target, values: &[Was]) -> Step<Done> {
        if self.is_back(target, values) {
            return Ok(done(None));
        }
        // What is back already was brought back by an earlier try that got no further.
        let stands = |was: &&Was| {
            let now = self.now_of(target, was.name.as_str());
            [&was.after, &was.before].into_iter().any(|known| is_same(now.as_ref(), parsed(known.as_ref()).as_ref()))
        };
        if let Some(was) = values.iter().find(|was| !stands(was)) {
            let found =
                self.now_of(target, was.name.as_str()).map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            return Err(superseded(&format!("{} = {found}", was.name)));
        }
        let mut person = Map::new();
        let mut custom = Map::new();
        let mut journey = Map::new();
        for was in values {
            let before = parsed(was.before.as_ref()).unwrap_or(Value::Null);
            match Place::of(was.name.as_str()) {
                Some(Place::Person(field)) if field.len() == HASH_CHARS => drop(custom.insert(field, before)),
                Some(Place::Person(field)) => drop(person.insert(field, before)),
                Some(Place::Journey(_, field)) => drop(journey.insert(field, before)),
                None => return Err(superseded(&format!("{} is no value of this CRM", was.name))),
            }
        }
        if !custom.is_empty() {
            person.insert("custom_fields".to_owned(), Value::Object(custom));
        }
        if !person.is_empty() {
            let path = ["v2", "persons", &target.person.to_string()];
            let body = Value::Object(person);
            self.api.write(order.lane(), Method::Patch, &path, &body).await.map_err(Stop::Write)?;
        }
        if let (Some(current), false) = (&target.journey, journey.is_empty()) {
            // Whether an archived lead comes back by the API is not known (section 12); if it does not, the CRM says so.
            self.patch(order, &current.id, &Value::Object(journey)).await?;
        }
        Ok(done(None))
    }

    /// Has the record again what it had before?
    pub(super) fn is_back(&self, target: &Target, values: &[Was]) -> bool {
        values.iter().all(|was| {
            let now = self.now_of(target, was.name.as_str());
            is_same(now.as_ref(), parsed(was.before.as_ref()).as_ref())
        })
    }

    fn now_of(&self, target: &Target, name: &str) -> Option<Value> {
        match Place::of(name)? {
            Place::Person(field) if field.len() == HASH_CHARS => target.row.custom(&field).cloned(),
            Place::Person(field) => target.row.value(&field).cloned(),
            Place::Journey(id, field) => {
                let is_it = |journey: &&Journey| journey.id == id;
                target.journey.as_ref().filter(is_it).and_then(|journey| present(journey, &field))
            }
        }
    }
}

/// Digits of a custom field's key. Source: section 4.
const HASH_CHARS: usize = 40;

fn parsed(text: Option<&Name>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(text.as_str()).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::place_of;
    use super::*;

    #[test]
    fn a_place_reads_back() {
        for id in [JourneyId::Lead("a-b".to_owned()), JourneyId::Deal(7)] {
            let name = format!("{}/owner_id", place_of(&id));
            assert!(matches!(Place::of(&name), Some(Place::Journey(read, field)) if read == id && field == "owner_id"));
        }
        assert!(matches!(Place::of("person/label_ids"), Some(Place::Person(field)) if field == "label_ids"));
        assert!(Place::of("owner_id").is_none() && Place::of("deal:x/y").is_none());
        assert_eq!(parsed(Some(&Name::from("[1,2]"))), Some(json!([1, 2])));
    }
}
