//! Tasks and notes. A note is a closed task of Baton's own, which is no evidence of anything (`map/touches.rs`). Source: the sheet, section 11.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::super::Salesforce;
use super::super::failure::Failure;
use super::super::soql::{Condition, Id, Literal, Query, Sign};
use super::super::wire::{self, Saved};
use super::{Order, Person, Step, Stop, done, lane, refused, superseded};
use crate::connector::Done;
use crate::domain::id::{Object, OperationId, RecordRef, RemoteId};
use crate::domain::plan::Write;
use crate::http::Method;

/// Characters of a subject. Source: section 4, Task.
const SUBJECT_CHARS_MAX: usize = 255;
/// What a status of done is called where the org does not say.
const DONE: &str = "Completed";
/// Tasks of a person that are looked through for a mark.
const MARKED_ROWS: usize = 500;

impl Salesforce {
    pub(super) async fn add_task(
        &self,
        order: Order<'_>,
        person: &Person,
        title: &str,
        body: &str,
        due_at: Timestamp,
        owner: Option<&RemoteId>,
    ) -> Step<Done> {
        let due = self.due_on(due_at, owner).await.map_err(Stop::Look)?;
        let mut values = Map::new();
        values.insert("Subject".to_owned(), json!(cut(title)));
        values.insert("ActivityDate".to_owned(), json!(due.to_string()));
        values.insert("Priority".to_owned(), json!("High"));
        // Settable on create alone, and what makes its completion a call. Source: section 4, Task.
        values.insert("TaskSubtype".to_owned(), json!("Call"));
        if let Some(owner) = owner {
            values.insert("OwnerId".to_owned(), json!(owner.as_str()));
        }
        self.add(order, person, values, body, Object::Task).await
    }

    pub(super) async fn add_note(&self, order: Order<'_>, person: &Person, body: &str) -> Step<Done> {
        let status = self.done_status().await.map_err(Stop::Look)?;
        let mut values = Map::new();
        values.insert("Subject".to_owned(), json!(cut(&format!("Baton: {}", body.lines().next().unwrap_or_default()))));
        values.insert("Status".to_owned(), json!(status));
        self.add(order, person, values, body, Object::Note).await
    }

    async fn add(
        &self,
        order: Order<'_>,
        person: &Person,
        mut values: Map<String, Value>,
        body: &str,
        object: Object,
    ) -> Step<Done> {
        let write = order.write;
        if let Some(known) = self.task(person, write.op).await.map_err(Stop::Look)? {
            return Ok(self.made(object, known.as_str(), None));
        }
        values.insert("WhoId".to_owned(), json!(person.id.as_str()));
        values.insert("Description".to_owned(), json!(format!("{body}\n\n{}", mark(write.op))));
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        order.keep(Vec::new()).await?;
        let answer = if catalogue.is_key("Task", &self.maps.key) {
            // What the key already names is changed, not made again.
            let path = ["sobjects", "Task", &self.maps.key, &write.op.to_string()];
            self.api.write(lane(write.lane), Method::Patch, &path, &values, None).await
        } else {
            self.api.write(lane(write.lane), Method::Post, &["sobjects", "Task"], &values, None).await
        };
        let answer = answer.map_err(Stop::Write)?;
        let saved: Saved = wire::whole(&answer.response.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        match saved.id.filter(|_| saved.success) {
            Some(id) => Ok(self.made(object, &id, answer.began)),
            None => Err(Stop::Write(Failure::Unclear("the task was not made, and no reason is given".to_owned()))),
        }
    }

    /// The task that `op` made: by its key, else by its mark among the person's newest. The description cannot be searched (section 4), so it
    /// is read.
    pub(super) async fn task(&self, person: &Person, op: OperationId) -> Result<Option<Id>, Failure> {
        let catalogue = self.catalogue().await?;
        if catalogue.is_key("Task", &self.maps.key) {
            return self.by_key("Task", &op.to_string()).await;
        }
        let mut query = Query::of("Task", &["Id", "Description"])
            .filter(Condition::ids("WhoId", std::slice::from_ref(&person.id)))
            .order("CreatedDate DESC, Id DESC")
            .limit(MARKED_ROWS);
        if let Some(own) = &catalogue.own {
            query = query.filter(Condition::Is("CreatedById", Sign::Equal, Literal::Id(own.clone())));
        }
        let rows = self.api.rows(&query, false).await?;
        let mark = mark(op);
        let marked = rows.iter().find(|row| row.text("Description").is_some_and(|text| text.contains(&mark)));
        Ok(marked.and_then(|row| row.id("Id")))
    }

    /// Deletes a task that is open still: what was done is not taken away.
    pub(super) async fn withdraw(&self, write: &Write, task: &RecordRef) -> Step<Done> {
        let Some(id) = Id::parse(task.id.as_str()).filter(|id| id.prefix() == "00T") else {
            return Err(refused("the task's id is none of a task"));
        };
        match self.is_open_task(&id).await.map_err(Stop::Look)? {
            Some(true) => {}
            Some(false) | None => return Err(superseded("the task was done or deleted meanwhile").into()),
        }
        self.api.delete(lane(write.lane), &["sobjects", "Task", id.as_str()]).await.map_err(Stop::Write)?;
        Ok(done(None))
    }

    /// `None`: there is no such task any more.
    pub(super) async fn is_open_task(&self, id: &Id) -> Result<Option<bool>, Failure> {
        let query = Query::of("Task", &["Id", "IsClosed"]).filter(Condition::ids("Id", std::slice::from_ref(id)));
        Ok(self.api.rows(&query, false).await?.first().map(|row| !row.flag("IsClosed")))
    }

    async fn done_status(&self) -> Result<String, Failure> {
        let catalogue = self.catalogue().await?;
        let usual = catalogue.done.iter().find(|status| *status == DONE);
        Ok(usual.or_else(|| catalogue.done.first()).cloned().unwrap_or_else(|| DONE.to_owned()))
    }

    /// A task is due on a day: the day that it is for its owner at `due_at`. Source: section 4, `ActivityDate`.
    async fn due_on(&self, due_at: Timestamp, owner: Option<&RemoteId>) -> Result<Date, Failure> {
        let owner = owner.and_then(|owner| Id::parse(owner.as_str()));
        let zone = match owner {
            None => None,
            Some(owner) => {
                let query = Query::of("User", &["Id", "TimeZoneSidKey"]).filter(Condition::ids("Id", [&owner]));
                let rows = self.api.rows(&query, false).await?;
                rows.first().and_then(|row| TimeZone::get(row.text("TimeZoneSidKey")?).ok())
            }
        };
        Ok(due_at.to_zoned(zone.unwrap_or(TimeZone::UTC)).date())
    }
}

/// By which a repetition finds what it made.
fn mark(op: OperationId) -> String {
    format!("baton:{op}")
}

fn cut(text: &str) -> String {
    text.chars().take(SUBJECT_CHARS_MAX).collect()
}
