//! Many records at once: owners, scores and hand-offs as one collection of up to 200, each row with its own outcome. Source: section 7, "sObject
//! Collections".

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::Salesforce;
use super::super::api;
use super::super::failure::{self, Failure};
use super::super::soql::Id;
use super::super::wire::{self, Row, Saved};
use super::owner::{Looked, Told, owner_values};
use super::record::replaced;
use super::{Person, done, lane, superseded, target};
use crate::connector::{Addressed, Before, Done, Outcome};
use crate::domain::id::OperationId;
use crate::domain::plan::{Effect, Lane, Leaving, Was};
use crate::http::Method;

/// Rows of one collection. Source: section 7.
pub(in crate::connector::salesforce) const ROWS: usize = 200;
/// Fewer than this go one by one: an owner alone is written under a condition, which a collection does not know.
const LEAST: usize = 2;

/// One row of a collection.
struct Planned<'a> {
    write: &'a Addressed,
    person: Person,
    values: Map<String, Value>,
    was: Vec<Was>,
    looked: Looked,
}

impl Planned<'_> {
    /// Whom the row gives the lead to, if that is what it does.
    fn owner(&self) -> Option<Id> {
        match &self.write.write.effect {
            Effect::SetOwner { owner, .. } => Id::parse(owner.as_str()),
            _ => None,
        }
    }
}

impl Salesforce {
    /// Writes what can go in collections; what is not in the answer is for the others. Only the first write of each record in the batch is
    /// taken, so that writes for one record stay in order.
    pub(super) async fn push_rows(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut first: Vec<(&Addressed, Person)> = Vec::new();
        for write in writes {
            let (Some(person), Some(record)) = (target(write), &write.record) else { continue };
            if !seen.insert(record.id.as_str()) || write.attempt > 1 {
                continue;
            }
            let fits = match write.write.effect {
                // What cannot be asked fails by itself, one by one.
                Effect::SetOwner { .. } => self.tells_owners(&person).await.unwrap_or(false),
                Effect::SetScore(_) | Effect::SetHandoff(_) => true,
                _ => false,
            };
            if fits {
                first.push((write, person));
            }
        }
        if first.len() < LEAST {
            return Vec::new();
        }
        let mut outcomes = Vec::new();
        for some in first.chunks(ROWS) {
            outcomes.extend(self.push_some(some, before).await);
        }
        outcomes
    }

    async fn push_some(&self, some: &[(&Addressed, Person)], before: &dyn Before) -> Vec<(OperationId, Outcome)> {
        self.doubts.first_try(some.iter().map(|(write, _)| write.write.op));
        let all = |outcome: &Outcome| some.iter().map(|(write, _)| (write.write.op, outcome.clone())).collect();
        let rows = match self.rows_of(some).await {
            Ok(rows) => rows,
            Err(failure) => return all(&failure.before_writing()),
        };
        let mut outcomes: Vec<(OperationId, Outcome)> = Vec::new();
        let mut planned: Vec<Planned<'_>> = Vec::new();
        for (write, person) in some {
            match self.plan(write, person, rows.get(&person.id)).await {
                Ok(row) => planned.push(row),
                Err(outcome) => outcomes.push((write.write.op, outcome)),
            }
        }
        let leaving = |row: &Planned<'_>| Leaving {
            op: row.write.write.op,
            was: row.was.clone(),
            looked_at: row.looked.modified,
        };
        let leaving: Vec<Leaving> = planned.iter().map(leaving).collect();
        if planned.is_empty() {
            return outcomes;
        }
        if let Err(error) = before.keep(leaving).await {
            outcomes.extend(planned.iter().map(|row| (row.write.write.op, error.into())));
            return outcomes;
        }
        // Rows of one object next to each other: a collection takes ten changes of object. Source: section 7.
        planned.sort_by_key(|row| row.person.object());
        let mut sent = self.send_rows(&planned).await;
        self.yield_to_people(&planned, &mut sent).await;
        outcomes.extend(sent);
        outcomes
    }

    /// One look at the history of all owners that were written: where a person had chosen another meanwhile, theirs is put back.
    async fn yield_to_people(&self, planned: &[Planned<'_>], sent: &mut [(OperationId, Outcome)]) {
        let is_done = |op: OperationId| sent.iter().any(|(of, out)| *of == op && matches!(out, Outcome::Done(_)));
        let written: Vec<(Id, Looked, Id)> = planned
            .iter()
            .filter(|row| is_done(row.write.write.op))
            .filter_map(|row| Some((row.person.id.clone(), row.looked.clone(), row.owner()?)))
            .collect();
        if written.is_empty() {
            return;
        }
        let told = self.told_of(&written).await;
        if told.as_ref().is_ok_and(|all| all.values().all(|told| *told == Told::Silent)) {
            let connection = self.connection();
            tracing::warn!(connection.id = %connection, "{connection} keeps no history of owners any more: they go one by one from now on");
            self.unlearn_owners().await;
        }
        for row in planned.iter().filter(|row| row.owner().is_some()) {
            let op = row.write.write.op;
            let Some((_, outcome)) = sent.iter_mut().find(|(of, _)| *of == op) else { continue };
            let Outcome::Done(done) = outcome else { continue };
            match told.as_ref().map(|all| all.get(&row.person.id)) {
                Ok(Some(Told::Stands(at))) => done.at = Some(*at),
                Ok(Some(told @ (Told::Over { .. } | Told::Passed(_)))) => {
                    *outcome = self.given_way(&row.write.write, &row.person, told).await;
                }
                Ok(Some(Told::Silent) | None) => {}
                // It was written; over whom is looked at before it is tried again.
                Err(failure) => *outcome = failure.clone().after_writing(),
            }
        }
    }

    async fn rows_of(&self, some: &[(&Addressed, Person)]) -> Result<HashMap<Id, Row>, Failure> {
        let mut rows = HashMap::new();
        for source in [super::Source::Leads, super::Source::Contacts] {
            let ids: Vec<Id> = some
                .iter()
                .filter(|(_, person)| person.source == source)
                .map(|(_, person)| person.id.clone())
                .collect();
            for chunk in ids.chunks(api::IDS) {
                let found = self.look_at(source, chunk).await?;
                rows.extend(found.into_iter().filter_map(|row| Some((row.id("Id")?, row))));
            }
        }
        Ok(rows)
    }

    /// What becomes of one row; the error is the outcome of one that is not sent.
    async fn plan<'a>(&self, write: &'a Addressed, person: &Person, row: Option<&Row>) -> Result<Planned<'a>, Outcome> {
        let Some(row) = row.filter(|row| !row.flag("IsDeleted")) else {
            return Err(Outcome::gone(&write.write.effect));
        };
        if row.flag("IsConverted") {
            return Err(superseded("the lead was converted meanwhile: it goes on as a contact"));
        }
        let unchanged = || Outcome::Done(done(row.time("LastModifiedDate")));
        let values = match &write.write.effect {
            Effect::SetOwner { owner, expected } => {
                owner_values(row, owner, expected.as_ref())?.ok_or_else(unchanged)?
            }
            Effect::SetScore(points) => self.score_values(*points),
            Effect::SetHandoff(fields) => self.handoff_values(fields),
            _ => return Err(Outcome::Refused { message: "this write does not go in a collection".to_owned() }),
        };
        let catalogue = self.catalogue().await.map_err(Failure::before_writing)?;
        let values: Map<String, Value> =
            values.into_iter().filter(|(name, _)| catalogue.field(person.object(), name).is_some()).collect();
        if values.is_empty() {
            return Err(Outcome::Refused {
                message: format!("{} has no field for {}", person.object(), write.write.effect.as_str()),
            });
        }
        let was = replaced(row, &values);
        if was.is_empty() {
            return Err(unchanged());
        }
        Ok(Planned { write, person: person.clone(), values, was, looked: Looked::of(row) })
    }

    async fn send_rows(&self, planned: &[Planned<'_>]) -> Vec<(OperationId, Outcome)> {
        let records: Vec<Value> = planned
            .iter()
            .map(|row| {
                let mut record = row.values.clone();
                record.insert("attributes".to_owned(), json!({ "type": row.person.object() }));
                record.insert("id".to_owned(), json!(row.person.id.as_str()));
                Value::Object(record)
            })
            .collect();
        let most_urgent = planned.iter().map(|row| row.write.write.lane).min().unwrap_or(Lane::Score);
        let body = json!({ "allOrNone": false, "records": records });
        let sent_at = Instant::now();
        let sent = self.api.write(lane(most_urgent), Method::Patch, &["composite", "sobjects"], &body, None).await;
        let ops = || planned.iter().map(|row| row.write.write.op);
        let all = |failure: &Failure| -> Vec<(OperationId, Outcome)> {
            ops().map(|op| (op, failure.clone().writing())).collect()
        };
        let answer = match sent {
            Ok(answer) => answer,
            Err(failure) => {
                if matches!(failure, Failure::Pending(_)) {
                    self.doubts.note(ops(), sent_at);
                }
                return all(&failure);
            }
        };
        let saved: Vec<Saved> = match wire::whole(&answer.response.body) {
            Ok(saved) => saved,
            Err(at) => return all(&Failure::Unclear(format!("the answer to a collection: {at}"))),
        };
        // Rows are told by their place. Source: section 7.
        if saved.len() != planned.len() {
            return all(&Failure::Unclear(format!("{} results for {} rows", saved.len(), planned.len())));
        }
        let at = answer.response.date;
        planned
            .iter()
            .zip(saved)
            .map(|(row, saved)| {
                let outcome = match (saved.success, saved.errors.first()) {
                    (true, _) => Outcome::Done(Done { at, was: row.was.clone(), ..Done::default() }),
                    (false, Some(fault)) => failure::refusal(fault).writing(),
                    (false, None) => Outcome::Refused { message: "refused without a reason".to_owned() },
                };
                (row.write.write.op, outcome)
            })
            .collect()
    }
}
