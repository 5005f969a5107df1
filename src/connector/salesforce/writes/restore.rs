//! Takes earlier writes back: values where what was written still stands.

use serde_json::{Map, Value};

use super::super::Salesforce;
use super::super::failure::Failure;
use super::super::soql::{Column, Condition, Query};
use super::record::is_same;
use super::{Person, Step, Stop, done, superseded};
use crate::connector::Done;
use crate::domain::id::Name;
use crate::domain::plan::{Was, Write};

impl Salesforce {
    pub(super) async fn restore(&self, write: &Write, person: &Person, values: &[Was]) -> Step<Done> {
        let now = self.values(person, values).await.map_err(Stop::Look)?;
        let Some(now) = now else { return Err(superseded("the record was deleted meanwhile").into()) };
        if is_back(&now, values) {
            return Ok(done(None));
        }
        // What is back already was brought back by an earlier try that got no further.
        let stands = |was: &&Was| {
            let now = now.get(was.name.as_str());
            [&was.after, &was.before].into_iter().any(|known| is_same(now, parsed(known.as_ref()).as_ref()))
        };
        if let Some(was) = values.iter().find(|was| !stands(was)) {
            let found = now.get(was.name.as_str()).filter(|value| !value.is_null());
            let found = found.map_or_else(|| "nothing".to_owned(), ToString::to_string);
            return Err(superseded(&format!("{} = {found}", was.name)).into());
        }
        let back: Map<String, Value> = values
            .iter()
            .map(|was| (was.name.as_str().to_owned(), parsed(was.before.as_ref()).unwrap_or(Value::Null)))
            .collect();
        self.patch(write, person, &back, None).await.map_err(Stop::Write)?;
        Ok(done(None))
    }

    /// Has the record again what it had before?
    pub(super) async fn is_restored(&self, person: &Person, values: &[Was]) -> Result<bool, Failure> {
        Ok(self.values(person, values).await?.is_some_and(|now| is_back(&now, values)))
    }

    /// These fields of a record.
    async fn values(&self, person: &Person, values: &[Was]) -> Result<Option<Map<String, Value>>, Failure> {
        let mut query = Query::of(person.object(), &["Id"]).filter(Condition::ids("Id", [&person.id]));
        query.columns.extend(values.iter().filter_map(|was| Column::parse(was.name.as_str())));
        Ok(self.api.rows(&query, false).await?.into_iter().next().map(|row| row.0))
    }
}

fn is_back(now: &Map<String, Value>, values: &[Was]) -> bool {
    values.iter().all(|was| is_same(now.get(was.name.as_str()), parsed(was.before.as_ref()).as_ref()))
}

fn parsed(text: Option<&Name>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(text.as_str()).ok())
}
