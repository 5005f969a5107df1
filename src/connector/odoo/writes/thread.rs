//! Tasks and notes, each with a marker by which a repetition finds it.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::Date};
use serde_json::json;

use super::super::api::Failure;
use super::super::catalogue::Catalogue;
use super::super::wire;
use super::super::{Odoo, query};
use super::{Order, Step, Stop, lane, quiet};
use crate::connector::Done;
use crate::domain::id::{Object, OperationId};

impl Odoo {
    pub(super) async fn add_task(
        &self,
        order: Order<'_>,
        lead: i64,
        title: &str,
        body: &str,
        due_at: Timestamp,
        owner: Option<i64>,
    ) -> Step<Done> {
        let write = order.write;
        if let Some(known) = self.task(lead, write.op).await.map_err(Stop::Look)? {
            return Ok(known);
        }
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let mut arguments = json!({
            "ids": [lead],
            "act_type_xmlid": "mail.mail_activity_data_todo",
            "date_deadline": due_on(due_at, owner, &catalogue).to_string(),
            "summary": title,
            "note": marked(body, write.op),
            "context": quiet(),
        });
        if let Some(owner) = owner {
            arguments["user_id"] = json!(owner);
        }
        order.keep(Vec::new()).await?;
        let answer = self.api.write(lane(write.lane), "crm.lead", "activity_schedule", &arguments).await;
        let answer = answer.map_err(Stop::Write)?;
        let ids: Vec<i64> = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        Ok(self.made(Object::Task, ids.first().copied(), answer.began))
    }

    pub(super) async fn add_note(&self, order: Order<'_>, lead: i64, body: &str) -> Step<Done> {
        let write = order.write;
        if let Some(known) = self.note(lead, write.op).await.map_err(Stop::Look)? {
            return Ok(known);
        }
        let arguments = json!({
            "ids": [lead],
            "body": marked(body, write.op),
            "body_is_html": true,
            "subtype_xmlid": "mail.mt_note",
            "context": quiet(),
        });
        order.keep(Vec::new()).await?;
        let answer = self.api.write(lane(write.lane), "crm.lead", "message_post", &arguments).await;
        let answer = answer.map_err(Stop::Write)?;
        let ids: Vec<i64> = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        Ok(self.made(Object::Note, ids.first().copied(), answer.began))
    }

    pub(super) async fn task(&self, lead: i64, op: OperationId) -> Result<Option<Done>, Failure> {
        let domain =
            [json!(["res_model", "=", "crm.lead"]), json!(["res_id", "=", lead]), json!(["note", "like", marker(op)])];
        let rows = self.api.rows("mail.activity", &query(&domain, &["create_date"], "id asc", 1)).await?;
        Ok(rows.first().map(|row| self.made(Object::Task, row.id(), row.time("create_date"))))
    }

    pub(super) async fn note(&self, lead: i64, op: OperationId) -> Result<Option<Done>, Failure> {
        let domain =
            [json!(["model", "=", "crm.lead"]), json!(["res_id", "=", lead]), json!(["body", "like", marker(op)])];
        let rows = self.api.rows("mail.message", &query(&domain, &["date"], "id asc", 1)).await?;
        Ok(rows.first().map(|row| self.made(Object::Note, row.id(), row.time("date"))))
    }
}

fn marker(op: OperationId) -> String {
    format!("baton:{op}")
}

/// Text as HTML, with the operation's marker where readers do not see it. Odoo keeps the style (seen).
fn marked(body: &str, op: OperationId) -> String {
    let mut html = String::with_capacity(body.len() + 100);
    html.push_str("<p>");
    for character in body.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br/>"),
            other => html.push(other),
        }
    }
    html.push_str("</p><p style=\"display:none\">");
    html.push_str(&marker(op));
    html.push_str("</p>");
    html
}

/// Odoo's activities are due on a day: the day that it is for their owner at `due_at`.
fn due_on(due_at: Timestamp, owner: Option<i64>, catalogue: &Catalogue) -> Date {
    let zone = owner.and_then(|owner| catalogue.zones.get(&owner)).and_then(|name| TimeZone::get(name).ok());
    due_at.to_zoned(zone.unwrap_or(TimeZone::UTC)).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_hidden_and_text_stays_text() {
        let op = OperationId::of(&["x"]);
        let html = marked("a <b>&\n\"c\"", op);
        assert_eq!(html, format!("<p>a &lt;b&gt;&amp;<br/>&quot;c&quot;</p><p style=\"display:none\">baton:{op}</p>"));
    }
}
