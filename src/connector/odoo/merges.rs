//! Which lead a deleted one went on in. Odoo deletes whoever is merged, and moves its messages to the one that stays; but a
//! message keeps the id it was sent under, which names the lead it was written on: `<...-openerp-12-crm.lead@host>`.
//!
//! Source: `crm.lead._merge_dependences_history`, `mail.message._get_message_id` of Odoo 19.0, and messages of a running one.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::Failure;
use super::wire::Row;
use super::{Odoo, map, query};
use crate::domain::id::{ConnectionId, Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};

/// Deleted leads asked for at once.
const GONE_ROWS: usize = 50;

/// The lead that a message was written on, by its id.
fn written_on(message_id: &str) -> Option<i64> {
    let (_, rest) = message_id.rsplit_once("-openerp-")?;
    rest.split_once("-crm.lead@")?.0.parse().ok()
}

/// What a message says of a merge: it was written on another lead than the one it hangs on now.
pub(super) fn told(row: &Row, connection: &ConnectionId) -> Option<Observation> {
    let (was, is) = (written_on(row.text("message_id")?)?, row.integer("res_id")?);
    (was != is).then(|| merged(connection, was, is, row.time("write_date").unwrap_or_default()))
}

fn merged(connection: &ConnectionId, was: i64, is: i64, at: Timestamp) -> Observation {
    Observation {
        of: map::person(connection, was),
        modified: at,
        content: Content::MergedInto(RemoteId::from(is.to_string())),
        findings: Vec::new(),
    }
}

impl Odoo {
    /// What became of leads that are deleted: merged into another, or gone.
    pub(super) async fn ended(&self, gone: &[i64], at: Timestamp) -> Result<Vec<Observation>, Failure> {
        let mut into: HashMap<i64, i64> = HashMap::new();
        for some in gone.chunks(GONE_ROWS) {
            let mut domain: Vec<Value> = vec![json!(["model", "=", "crm.lead"])];
            domain.extend(some.iter().skip(1).map(|_| json!("|")));
            domain.extend(some.iter().map(|id| json!(["message_id", "like", format!("-openerp-{id}-crm.lead@")])));
            let rows =
                self.api.rows("mail.message", &query(&domain, &["message_id", "res_id"], "id desc", 1_000)).await?;
            for row in &rows {
                if let (Some(was), Some(is)) = (row.text("message_id").and_then(written_on), row.integer("res_id"))
                    && was != is
                {
                    into.entry(was).or_insert(is);
                }
            }
        }
        let connection = self.connection();
        Ok(gone
            .iter()
            .flat_map(|id| {
                let of = |object: Object| RecordRef::new(connection, object, id.to_string());
                let gone =
                    |of: RecordRef| Observation { of, modified: at, content: Content::Gone, findings: Vec::new() };
                let person = match into.get(id) {
                    Some(survivor) => merged(connection, *id, *survivor, at),
                    None => gone(of(Object::Person)),
                };
                [person, gone(of(Object::Deal))]
            })
            .collect())
    }

    /// What became of those of these leads that are not there any more; nothing of the others.
    pub(super) async fn vanished(&self, ids: &[i64], at: Timestamp) -> Result<Vec<Observation>, Failure> {
        let gone = self.gone("crm.lead", ids).await?;
        self.ended(&gone, at).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_lead_it_was_written_on() {
        for (text, lead) in [
            ("<261211904419568.1795920331.519710302352905-openerp-1087-crm.lead@vm>", Some(1087)),
            ("<0242.1795920331.28-openerp-message-notify@vm>", None),
            ("<1.2-openerp-7-res.partner@vm>", None),
            ("<CAF=abc@mail.example.com>", None),
            ("", None),
        ] {
            assert_eq!(written_on(text), lead, "{text}");
        }
    }
}
