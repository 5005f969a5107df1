//! Tasks and notes, each with a marker by which a repetition finds it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::super::Pipedrive;
use super::super::answer::Failure;
use super::super::catalogue::ROWS;
use super::super::wire::Row;
use super::{Order, Step, Stop, Target, done, link, superseded};
use crate::connector::Done;
use crate::domain::id::{Object, OperationId, RecordRef};
use crate::http::Method;

impl Pipedrive {
    /// An activity of the type that proves nothing. Source: section 9.
    pub(super) async fn add_task(
        &self,
        order: Order<'_>,
        target: &Target,
        title: &str,
        body: &str,
        due_at: Timestamp,
        owner: Option<i64>,
    ) -> Step<Done> {
        if order.is_repeated
            && let Some(known) = self.task(target.person, order.write.op).await.map_err(Stop::Look)?
        {
            return Ok(known);
        }
        // Both are UTC. Source: section 9.
        let due = due_at.to_zoned(TimeZone::UTC);
        let mut activity = json!({
            "subject": title,
            "type": order.catalogue.task_type(),
            "due_date": due.strftime("%Y-%m-%d").to_string(),
            "due_time": due.strftime("%H:%M:%S").to_string(),
            // The person is set by who takes part, and the list replaced as a whole. Source: sections 1.9 and 4.
            "participants": [{ "person_id": target.person, "primary": true }],
            "note": marked(body, order.write.op),
            "done": false,
        });
        if let Some((name, id)) = link(target.journey.as_ref().filter(|journey| journey.is_open())) {
            activity[name] = id;
        }
        if let Some(owner) = owner {
            activity["owner_id"] = json!(owner);
        }
        order.keep(Vec::new()).await?;
        let row =
            self.api.write(order.lane(), Method::Post, &["v2", "activities"], &activity).await.map_err(Stop::Write)?;
        Ok(self.made(Object::Task, row.number(), row.time("add_time")))
    }

    pub(super) async fn add_note(&self, order: Order<'_>, target: &Target, body: &str) -> Step<Done> {
        if order.is_repeated
            && let Some(known) = self.note_of(target, order.write.op).await.map_err(Stop::Look)?
        {
            return Ok(known);
        }
        let mut note = json!({ "content": marked(body, order.write.op) });
        let (name, id) = link(target.journey.as_ref()).unwrap_or(("person_id", json!(target.person)));
        note[name] = id;
        order.keep(Vec::new()).await?;
        let row = self.api.write(order.lane(), Method::Post, &["v1", "notes"], &note).await.map_err(Stop::Write)?;
        Ok(self.made(Object::Note, row.number(), row.time("add_time")))
    }

    /// The activity that an operation made: among the newest ones of the person.
    pub(super) async fn task(&self, person: i64, op: OperationId) -> Result<Option<Done>, Failure> {
        let id = person.to_string();
        let query = [("person_id", id.as_str()), ("sort_by", "id"), ("sort_direction", "desc"), ("limit", ROWS)];
        let (listed, _) = self.api.list(&["v2", "activities"], &query).await?;
        let ours = listed.rows.iter().find(|row| bears(row, "note", op));
        Ok(ours.map(|row| self.made(Object::Task, row.number(), row.time("add_time"))))
    }

    /// The note that an operation made, wherever the lead went meanwhile: on the lead, its deal or the person.
    pub(super) async fn note_of(&self, target: &Target, op: OperationId) -> Result<Option<Done>, Failure> {
        let on_journey = link(target.journey.as_ref())
            .map(|(name, id)| (name, id.as_str().map_or_else(|| id.to_string(), str::to_owned)));
        for (name, id) in on_journey.into_iter().chain([("person_id", target.person.to_string())]) {
            let query = [(name, id.as_str()), ("sort", "update_time DESC"), ("limit", ROWS)];
            let (listed, _) = self.api.list(&["v1", "notes"], &query).await?;
            if let Some(row) = listed.rows.iter().find(|row| bears(row, "content", op)) {
                return Ok(Some(self.made(Object::Note, row.number(), row.time("add_time"))));
            }
        }
        Ok(None)
    }

    /// Deletes an activity that is open still.
    pub(super) async fn withdraw(&self, order: Order<'_>, task: &RecordRef) -> Step<Done> {
        if !self.is_open_task(task).await.map_err(Stop::Look)? {
            return Err(superseded("the activity was done or deleted meanwhile"));
        }
        let path = ["v2", "activities", task.id.as_str()];
        self.api.write(order.lane(), Method::Delete, &path, &json!({})).await.map_err(Stop::Write)?;
        Ok(done(None))
    }

    pub(super) async fn is_open_task(&self, task: &RecordRef) -> Result<bool, Failure> {
        let row = self.api.one(&["v2", "activities", task.id.as_str()], &[]).await?;
        Ok(row.is_some_and(|row| !row.flag("done") && !row.flag("is_deleted")))
    }
}

fn bears(row: &Row, name: &str, op: OperationId) -> bool {
    row.text(name).is_some_and(|text| text.contains(&marker(op)))
}

fn marker(op: OperationId) -> String {
    format!("baton:{op}")
}

/// Text as HTML, with the operation's marker in small letters at its end: what is hidden does not survive the CRM's cleaning.
/// Source: section 9.
fn marked(body: &str, op: OperationId) -> String {
    let mut html = String::with_capacity(body.len() + 100);
    html.push_str("<p>");
    for character in body.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>"),
            other => html.push(other),
        }
    }
    html.push_str("</p><p><small>");
    html.push_str(&marker(op));
    html.push_str("</small></p>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_the_marker_is_found_again() {
        let op = OperationId::of(&["x"]);
        let html = marked("a <b>&\n\"c\"", op);
        assert_eq!(html, format!("<p>a &lt;b&gt;&amp;<br>&quot;c&quot;</p><p><small>baton:{op}</small></p>"));
        let row: Row = serde_json::from_value(json!({ "note": html })).unwrap();
        assert!(bears(&row, "note", op) && !bears(&row, "note", OperationId::of(&["y"])));
    }
}
