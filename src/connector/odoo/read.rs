//! Records of each model, mapped one by one: leads with their history and keys, messages with their recipients, activities, users.
//! One that cannot be read is kept by id, and the rest of its page goes on.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::Failure;
use super::catalogue::{Catalogue, Named};
use super::map::{self, Beside, Sent};
use super::wire::{Listed, Row};
use super::{CATALOGUE_AGE, MODULE, Odoo, Seen, merges, query, settings};
use crate::domain::counted::many;
use crate::domain::finding::{Checked, Finding, FindingKind};
use crate::domain::id::{Name, Object, RecordRef};
use crate::domain::observation::{Content, Observation};

/// Tracked changes asked for at once.
const CHANGES_ROWS: usize = 5_000;
/// Message types that may be a touch; the others are logs.
const MESSAGE_TYPES: &[&str] = &["comment", "email", "email_outgoing", "auto_comment", "out_of_office"];

impl Odoo {
    async fn users(&self, domain: Vec<Value>, order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut all = vec![json!(["share", "=", false])];
        all.extend(domain);
        let fields = ["name", "login", "email", "active", "write_date"];
        let (listed, began) = self.list("res.users", &query(&all, &fields, order, limit)).await?;
        let observations = self.each(&listed, Object::User, |row| Ok(map::user(row, self.connection())));
        Ok(Seen { findings: self.nameless(&listed, "res.users"), listed, observations, began })
    }

    /// Leads with their history and keys. A mapped field that the CRM lacks is left out and told.
    async fn leads(&self, domain: &[Value], order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut catalogue = self.catalogue().await?;
        let ask = |catalogue: &Catalogue| {
            let known: Vec<&str> =
                self.maps.properties().into_iter().filter(|name| catalogue.fields.contains_key(*name)).collect();
            let worth = catalogue.fields.contains_key(map::WORTH).then_some(map::WORTH);
            let known: Vec<&str> = known.into_iter().chain(worth).collect();
            query(domain, &known, order, limit)
        };
        let mut arguments = ask(&catalogue);
        let mut answer = self.list("crm.lead", &arguments).await;
        if matches!(answer, Err(Failure::Refused(_))) {
            // A field may have been removed since the catalogue was read: 500 with `builtins.ValueError` (seen).
            catalogue = self.refresh(CATALOGUE_AGE).await?;
            let again = ask(&catalogue);
            if again != arguments {
                arguments = again;
                answer = self.list("crm.lead", &arguments).await;
            }
        }
        let (listed, began) = answer?;
        let catalogue = self.catalogue_for(&listed.rows).await?;
        let beside = self.beside(&listed.rows, &catalogue).await?;
        let mut observations = self.each(&listed, Object::Person, |row| match map::misshapen(row, &catalogue.fields) {
            Some(why) => Err(why),
            None => Ok(map::lead(row, &beside, &self.maps, &catalogue)),
        });
        let people: HashMap<&str, &Observation> = observations.iter().map(|seen| (seen.of.id.as_str(), seen)).collect();
        let deals: Vec<Observation> = listed.rows.iter().filter_map(|row| map::deal(row, &people)).collect();
        observations.extend(deals);
        let mut findings = self.missing_fields(&catalogue);
        findings.extend(self.nameless(&listed, "crm.lead"));
        Ok(Seen { listed, observations, findings, began })
    }

    /// What a look at the database ends, where it does not raise it again.
    pub(super) fn described(&self) -> Vec<Checked> {
        let connection = self.connection();
        let parts = ["version", "access", "tracking", "external ids"];
        let mut checked = parts.map(|part| Checked::part(FindingKind::Connection, connection, part)).to_vec();
        checked.push(Checked::parts(FindingKind::MissingField, connection, ""));
        checked.extend(self.chosen());
        checked
    }

    /// What a look at stages and lost reasons ends, where it does not raise it again.
    pub(super) fn chosen(&self) -> [Checked; 2] {
        let values = [settings::STAGE, map::LOST_REASON].map(|name| format!("{name}="));
        values.map(|start| Checked::parts(FindingKind::Unmapped, self.connection(), &start))
    }

    /// Stages of the pipeline, past the one that it begins with, and lost reasons that no map knows.
    pub(super) fn unmapped(&self, stages: &[Named], reasons: &[Named]) -> Vec<Finding> {
        let pipeline = stages.iter().skip(1);
        let strange = pipeline.filter(|stage| self.maps.stage(settings::STAGE, Some(stage.id), &stage.name).is_none());
        let unknown = reasons.iter().filter(|reason| self.maps.reason(&reason.name).is_none());
        strange
            .map(|stage| map::unmapped_stage(&self.maps, &stage.name))
            .chain(unknown.map(|reason| map::unmapped_reason(&self.maps, &reason.name)))
            .collect()
    }

    pub(super) fn missing_fields(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let missing = self.maps.properties().into_iter().filter(|name| !catalogue.fields.contains_key(*name));
        missing
            .map(|name| {
                let text =
                    format!("crm.lead has no field {name}; map another under [connections.{}]", self.connection());
                map::finding(&self.maps, FindingKind::MissingField, name.to_owned(), text)
            })
            .collect()
    }

    async fn beside(&self, rows: &[Row], catalogue: &Catalogue) -> Result<Beside, Failure> {
        let ids: Vec<i64> = rows.iter().filter_map(Row::id).collect();
        if ids.is_empty() {
            return Ok(Beside::default());
        }
        Ok(Beside { changes: self.changes(&ids, catalogue).await?, keys: self.keys(&ids, catalogue).await? })
    }

    pub(super) async fn changes(
        &self,
        ids: &[i64],
        catalogue: &Catalogue,
    ) -> Result<HashMap<i64, Vec<map::Change>>, Failure> {
        let Some(tracked) = &catalogue.tracked else { return Ok(HashMap::new()) };
        let fields: Vec<i64> = tracked.keys().copied().collect();
        let mut rows = Vec::new();
        loop {
            let after = rows.last().and_then(Row::id).unwrap_or_default();
            let domain = [
                json!(["mail_message_id.model", "=", "crm.lead"]),
                json!(["mail_message_id.res_id", "in", ids]),
                json!(["field_id", "in", fields]),
                json!(["id", ">", after]),
            ];
            let wanted = [
                "field_id",
                "old_value_integer",
                "old_value_char",
                "new_value_integer",
                "new_value_char",
                "mail_message_id",
                "create_uid",
                "create_date",
            ];
            let page = self.api.rows("mail.tracking.value", &query(&domain, &wanted, "id asc", CHANGES_ROWS)).await?;
            let is_last = page.len() < CHANGES_ROWS;
            rows.extend(page);
            if is_last {
                break;
            }
        }
        let messages: HashSet<i64> = rows.iter().filter_map(|row| row.link_id("mail_message_id")).collect();
        let messages: Vec<i64> = messages.into_iter().collect();
        let mut lead_of = HashMap::new();
        for some in messages.chunks(CHANGES_ROWS) {
            let domain = [json!(["id", "in", some])];
            let page = self.api.rows("mail.message", &query(&domain, &["res_id"], "id asc", CHANGES_ROWS)).await?;
            lead_of.extend(page.iter().filter_map(|row| Some((row.id()?, row.integer("res_id")?))));
        }
        let mut changes: HashMap<i64, Vec<map::Change>> = HashMap::new();
        for change in rows.iter().filter_map(|row| map::change(row, catalogue, &lead_of)) {
            changes.entry(change.lead).or_default().push(change);
        }
        changes.values_mut().for_each(|list| list.sort_by_key(|change| (change.at, change.id)));
        Ok(changes)
    }

    async fn keys(&self, ids: &[i64], catalogue: &Catalogue) -> Result<HashMap<i64, Vec<String>>, Failure> {
        let mut keys: HashMap<i64, Vec<String>> = HashMap::new();
        if catalogue.reads_keys {
            let domain =
                [json!(["module", "=", MODULE]), json!(["model", "=", "crm.lead"]), json!(["res_id", "in", ids])];
            for row in self.api.rows("ir.model.data", &query(&domain, &["name", "res_id"], "id asc", 10_000)).await? {
                if let (Some(lead), Some(name)) = (row.integer("res_id"), row.text("name")) {
                    keys.entry(lead).or_default().push(name.to_owned());
                }
            }
            return Ok(keys);
        }
        // One id a record, which may be somebody else's import; better than none for a key without that right.
        let found: HashMap<String, Value> =
            self.api.value("crm.lead", "get_external_id", &json!({ "ids": ids })).await?;
        for (lead, id) in &found {
            let name = id.as_str().and_then(|id| id.strip_prefix(MODULE)?.strip_prefix('.'));
            if let (Ok(lead), Some(name)) = (lead.parse(), name) {
                keys.entry(lead).or_default().push(name.to_owned());
            }
        }
        Ok(keys)
    }

    async fn messages(&self, domain: Vec<Value>, order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut all = vec![
            json!(["model", "=", "crm.lead"]),
            json!("|"),
            json!(["message_type", "in", MESSAGE_TYPES]),
            json!(["mail_activity_type_id", "!=", false]),
        ];
        all.extend(domain);
        let fields = [
            "date",
            "write_date",
            "res_id",
            "author_id",
            "create_uid",
            "subtype_id",
            "message_type",
            "is_internal",
            "mail_activity_type_id",
            "message_id",
        ];
        let (listed, began) = self.list("mail.message", &query(&all, &fields, order, limit)).await?;
        let catalogue = self.catalogue_for(&listed.rows).await?;
        let sent = self.sent(&listed.rows, &catalogue).await?;
        let none: &[Sent] = &[];
        let touches = listed.rows.iter().filter_map(|row| {
            let sent = row.id().and_then(|id| sent.get(&id)).map_or(none, Vec::as_slice);
            map::message(row, sent, &catalogue, self.connection())
        });
        let merged = listed.rows.iter().filter_map(|row| merges::told(row, self.connection()));
        let observations = merged.chain(touches).chain(self.broken(&listed, Object::Email)).collect();
        Ok(Seen { findings: self.nameless(&listed, "mail.message"), listed, observations, began })
    }

    async fn sent(&self, rows: &[Row], catalogue: &Catalogue) -> Result<HashMap<i64, Vec<Sent>>, Failure> {
        let wanted = rows.iter().filter(|row| map::wants_recipients(row, catalogue));
        let ids: Vec<i64> = wanted.filter_map(Row::id).collect();
        let mut sent: HashMap<i64, Vec<Sent>> = HashMap::new();
        if ids.is_empty() {
            return Ok(sent);
        }
        let domain = [json!(["mail_message_id", "in", ids]), json!(["notification_type", "=", "email"])];
        let fields = ["mail_message_id", "res_partner_id", "notification_status"];
        for row in self.api.rows("mail.notification", &query(&domain, &fields, "id asc", 20_000)).await? {
            let Some(message) = row.link_id("mail_message_id") else { continue };
            let status = row.text("notification_status").unwrap_or_default().to_owned();
            let one = Sent { message, partner: row.link_id("res_partner_id"), status };
            sent.entry(message).or_default().push(one);
        }
        Ok(sent)
    }

    async fn activities(&self, domain: Vec<Value>, order: &str, limit: usize) -> Result<Seen, Failure> {
        let mut all = vec![json!(["res_model", "=", "crm.lead"])];
        all.extend(domain);
        let (listed, began) =
            self.list("mail.activity", &query(&all, &["res_id", "active", "write_date"], order, limit)).await?;
        let observations = self.each(&listed, Object::Task, |row| Ok(map::activity(row, self.connection())));
        Ok(Seen { findings: self.nameless(&listed, "mail.activity"), listed, observations, began })
    }

    /// Maps each record by itself: one that cannot be read is kept by id, the rest of the page goes on.
    fn each(
        &self,
        listed: &Listed,
        object: Object,
        map: impl Fn(&Row) -> Result<Option<Observation>, String>,
    ) -> Vec<Observation> {
        let read = |row: &Row| {
            let missing = || Err("write_date, id or name is missing".to_owned());
            let why = match map(row).and_then(|seen| seen.map_or_else(missing, Ok)) {
                Ok(seen) => return Some(seen),
                Err(why) => why,
            };
            Some(self.undecodable(object, row.id()?, row.time("write_date"), &why))
        };
        listed.rows.iter().filter_map(read).chain(self.broken(listed, object)).collect()
    }

    fn broken(&self, listed: &Listed, object: Object) -> impl Iterator<Item = Observation> {
        listed.broken.iter().map(move |broken| self.undecodable(object, broken.id, broken.at, &broken.why))
    }

    fn undecodable(&self, object: Object, id: i64, at: Option<Timestamp>, why: &str) -> Observation {
        Observation {
            of: RecordRef::new(self.connection(), object, id.to_string()),
            modified: at.unwrap_or_default(),
            content: Content::Undecodable(Name::from(why)),
            findings: Vec::new(),
        }
    }

    fn nameless(&self, listed: &Listed, model: &str) -> Vec<Finding> {
        if listed.nameless == 0 {
            return Vec::new();
        }
        let text = format!(
            "without a readable id, and so left out: {} of {model}",
            many(listed.nameless, "record", "records")
        );
        vec![map::finding(&self.maps, FindingKind::Undecodable, model.to_owned(), text)]
    }

    pub(super) async fn seen(
        &self,
        object: Object,
        domain: Vec<Value>,
        order: &str,
        limit: usize,
    ) -> Result<Seen, Failure> {
        match object {
            Object::User => self.users(domain, order, limit).await,
            Object::Person => self.leads(&domain, order, limit).await,
            Object::Email | Object::Call | Object::Meeting => self.messages(domain, order, limit).await,
            Object::Task => self.activities(domain, order, limit).await,
            Object::Company | Object::Note | Object::Deal => {
                Ok(Seen { listed: Listed::default(), observations: Vec::new(), findings: Vec::new(), began: None })
            }
        }
    }

    /// Which of these ids a search did not show because they are deleted, not because the key may not see them: `read` gives
    /// nothing for a deleted record and 403 for a hidden one (seen).
    pub(super) async fn gone(&self, model: &str, ids: &[i64]) -> Result<Vec<i64>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let left = async |ids: &[i64]| {
            // Asked for the id alone, Odoo does not look: it repeats the ids it was given (seen).
            let arguments = json!({ "ids": ids, "fields": ["write_date"] });
            let rows: Vec<Row> = self.api.value(model, "read", &arguments).await?;
            Ok::<_, Failure>(rows.iter().filter_map(Row::id).collect::<HashSet<i64>>())
        };
        match left(ids).await {
            Ok(left) => Ok(ids.iter().copied().filter(|id| !left.contains(id)).collect()),
            Err(Failure::Refused(_)) => {
                let mut gone = Vec::new();
                for id in ids {
                    match left(&[*id]).await {
                        Ok(left) if left.is_empty() => gone.push(*id),
                        Ok(_) | Err(Failure::Refused(_)) => {}
                        Err(Failure::Missing(_)) => gone.push(*id),
                        Err(other) => return Err(other),
                    }
                }
                Ok(gone)
            }
            Err(other) => Err(other),
        }
    }
}
