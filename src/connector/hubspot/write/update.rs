//! Sets values: a hundred records a request, each row settled by itself, and what a batch cannot say is asked for alone.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::wanted::is_same;
use super::{Push, Values, is_done, is_final};
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::{self, Failure, row_words};
use crate::connector::hubspot::map;
use crate::connector::hubspot::settings::Type;
use crate::connector::hubspot::streams::LIST;
use crate::connector::hubspot::wire::{self, Record};
use crate::connector::{Done, Outcome};
use crate::http::Method;
use crate::http::limiter::Lane;

/// A set of values for one record, as part of a batch.
#[derive(Clone, Debug)]
pub(super) struct Update {
    pub(super) place: usize,
    pub(super) id: String,
    pub(super) trace: String,
    pub(super) values: Values,
}

/// Values that can only be set after these properties were cleared. Source: section 10.2.
#[derive(Clone, Debug)]
pub(super) struct Back {
    pub(super) update: Update,
    pub(super) clear: Vec<String>,
}

/// What a batch says of one of its rows.
enum Row {
    Settled(Outcome),
    /// Nothing, or nothing final: the record is asked about alone.
    Open,
}

impl Push<'_> {
    /// Batch updates. A batch that is refused as a whole is halved until the row that spoils it stands alone.
    pub(super) async fn update(&mut self, updates: &[Update], lane: Lane) {
        let mut queue: Vec<&[Update]> = updates.chunks(LIST).rev().collect();
        let mut alone: Vec<&Update> = Vec::new();
        while let Some(part) = queue.pop() {
            if self.halts(part.iter().map(|update| update.place)) {
                continue;
            }
            if let [one] = part {
                alone.push(one);
                continue;
            }
            let sent_at = Instant::now();
            match self.hub.update_many(part, lane).await {
                Ok(rows) => {
                    for (update, row) in part.iter().zip(rows) {
                        match row {
                            Row::Settled(outcome) => self.settle(update.place, outcome),
                            Row::Open => alone.push(update),
                        }
                    }
                }
                Err(failure) if failure.is_refusal() => {
                    let (first, second) = part.split_at(part.len() / 2);
                    queue.extend([second, first]);
                }
                Err(failure) => {
                    let places: Vec<usize> = part.iter().map(|update| update.place).collect();
                    self.fail_sent(&places, failure, sent_at);
                }
            }
        }
        for update in alone {
            if self.halts([update.place]) {
                continue;
            }
            let sent_at = Instant::now();
            match self.hub.patch(&update.id, &update.values, lane).await {
                Ok(outcome) => self.settle(update.place, outcome),
                Err(failure) => self.fail_sent(&[update.place], failure, sent_at),
            }
        }
    }

    /// Clears, then sets, in two requests: in one batch nothing would keep their order. After a crash between them the look
    /// finds the value empty, and only the second is left.
    pub(super) async fn move_back(&mut self, backs: &[Back], lane: Lane) {
        let clearing: Vec<Update> = backs
            .iter()
            .filter(|back| !back.clear.is_empty())
            .map(|back| Update {
                values: back.clear.iter().map(|name| (name.clone(), String::new())).collect(),
                ..back.update.clone()
            })
            .collect();
        self.update(&clearing, lane).await;
        let is_clear = |back: &&Back| back.clear.is_empty() || is_done(self.outcomes[back.update.place].as_ref());
        let setting: Vec<Update> = backs.iter().filter(is_clear).map(|back| back.update.clone()).collect();
        self.update(&setting, lane).await;
        for update in &setting {
            // It was cleared before, so nothing but a repetition may follow.
            if let Some(Outcome::Superseded { found }) = &self.outcomes[update.place] {
                let message = format!("cleared, then found {found}");
                self.settle(update.place, Outcome::Unknown { message });
            }
        }
    }
}

impl HubSpot {
    /// One row for each of `updates`, in their order.
    async fn update_many(&self, updates: &[Update], lane: Lane) -> Result<Vec<Row>, Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            inputs: Vec<Input<'a>>,
        }
        #[derive(Serialize)]
        struct Input<'a> {
            id: &'a str,
            #[serde(rename = "objectWriteTraceId")]
            trace: &'a str,
            properties: HashMap<&'a str, &'a str>,
        }
        let inputs = updates
            .iter()
            .map(|update| Input { id: &update.id, trace: &update.trace, properties: as_map(&update.values) })
            .collect();
        let path = ["crm", "objects", self.api.version(), "contacts", "batch", "update"];
        let request = self.api.request(Method::Post, &path, Some(&Body { inputs }))?;
        let response = self.api.write(lane, request).await?;
        let at = answer::date(&response);
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let row = |update: &Update| {
            let found = decoded.records.iter().find(|record| record.id.as_str() == update.id);
            let error = decoded.errors.iter().find(|error| error.names(&update.trace) || error.names(&update.id));
            match (found, error) {
                (_, Some(error)) if is_final(error) => Row::Settled(Outcome::Refused { message: row_words(error) }),
                (Some(record), None) => Row::Settled(compared(record, &update.values, at)),
                // A merged id is left out of a batch without a word, and works alone. Source: section 5.
                (None, None) | (_, Some(_)) => Row::Open,
            }
        };
        Ok(updates.iter().map(row).collect())
    }

    /// Sets values of one record.
    pub(super) async fn patch(&self, id: &str, values: &Values, lane: Lane) -> Result<Outcome, Failure> {
        self.patch_one(Type::Contacts.as_str(), id, values, lane).await
    }

    /// Sets values of one object of this kind.
    pub(super) async fn patch_one(
        &self,
        kind: &str,
        id: &str,
        values: &Values,
        lane: Lane,
    ) -> Result<Outcome, Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            properties: HashMap<&'a str, &'a str>,
        }
        let path = ["crm", "objects", self.api.version(), kind, id];
        let request = self.api.request(Method::Patch, &path, Some(&Body { properties: as_map(values) }))?;
        let response = self.api.write(lane, request).await?;
        let record: Record<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        Ok(compared(&record, values, answer::date(&response)))
    }
}

/// A 2xx is no proof: a lifecycle set backward is dropped with one. Source: section 10.2.
fn compared(record: &Record<'_>, values: &Values, at: Option<Timestamp>) -> Outcome {
    let differs = values.iter().find(|(name, wanted)| {
        // An answer that does not show the property says nothing against it.
        record.properties.get(name).is_some() && !is_same(record.value(name).unwrap_or(""), wanted)
    });
    match differs {
        Some((name, _)) => {
            Outcome::Superseded { found: format!("{name} = {}", record.value(name).unwrap_or("nothing")) }
        }
        None => {
            let at = record.updated_at.as_ref().and_then(|text| map::instant(text.as_str())).or(at);
            Outcome::Done(Done { at, ..Done::default() })
        }
    }
}

fn as_map(values: &Values) -> HashMap<&str, &str> {
    values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
