//! Takes tasks back that Baton made: they are done with, unless somebody has worked on them since. Source: section 10.3.

use super::Push;
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::hydrate::{BatchRead, Id};
use crate::connector::hubspot::wire;
use crate::connector::{Done, Outcome};
use crate::domain::id::RemoteId;
use crate::http::Method;
use crate::http::limiter::{Budget, Lane};

const STATUS: &str = "hs_task_status";
const UNTOUCHED: &str = "NOT_STARTED";
const DONE: &str = "COMPLETED";

impl Push<'_> {
    /// Completes one task that nobody has begun.
    pub(super) async fn withdraw(&mut self, place: usize, task: &RemoteId, lane: Lane) {
        if self.halts([place]) {
            return;
        }
        match self.hub.task_status(task, lane).await {
            Err(failure) => self.fail_unsent([place], failure),
            // Deleted: there is nothing left of it.
            Ok(None) => self.settle(place, Outcome::Done(Done::default())),
            Ok(Some(status)) if status != UNTOUCHED => {
                self.settle(place, Outcome::Superseded { found: format!("the task is {status}") });
            }
            Ok(Some(_)) => {
                let values = vec![(STATUS.to_owned(), DONE.to_owned())];
                match self.hub.patch_one("tasks", task.as_str(), &values, lane).await {
                    Ok(outcome) => self.settle(place, outcome),
                    Err(failure) => self.fail([place], failure),
                }
            }
        }
    }
}

impl HubSpot {
    /// Is the task done with, or gone?
    pub(super) async fn find_withdrawn(&self, task: &RemoteId) -> Result<Option<Done>, Failure> {
        let status = self.task_status(task, Lane::Assign).await?;
        Ok(status.is_none_or(|status| status == DONE).then(Done::default))
    }

    /// The status of a task; `None` if it is gone.
    async fn task_status(&self, task: &RemoteId, lane: Lane) -> Result<Option<String>, Failure> {
        let properties = [STATUS.to_owned()];
        let inputs = vec![Id { id: task.as_str() }];
        let body = BatchRead { properties: &properties, with_history: &[], id_property: None, inputs };
        let path = ["crm", "objects", self.api.version(), "tasks", "batch", "read"];
        let request = self.api.request(Method::Post, &path, Some(&body))?;
        let response = self.api.read(Budget::Burst, lane, request).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let record = decoded.records.iter().find(|record| record.was(task.as_str()) && record.archived != Some(true));
        Ok(record.map(|record| record.value(STATUS).unwrap_or(UNTOUCHED).to_owned()))
    }
}
