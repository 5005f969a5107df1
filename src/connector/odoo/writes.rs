//! Effects on an Odoo: each looks before it writes, because JSON-2 has neither idempotency keys nor compare-and-set.
//!
//! - Creates go through `load` with an external id that names the operation: the database allows one record of it.
//! - Tasks and notes carry a marker with the operation's id, invisible to readers, which is searched for first.
//! - Owner, stage, tags and lost are set-style. After an owner write the tracking tells whether a person changed the owner
//!   between the look and the write; then the person's value is put back and stands (trap 8).
//! - Changing the owner may move the lead to a team of the new owner: Odoo's own rule (trap 6), left as it is.
//! - The person is not mailed by Odoo about what Baton does (`mail_auto_subscribe_no_notify`, `mail_activity_quick_update`):
//!   telling people is the notices' business.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value, json};

use super::api::Failure;
use super::catalogue::{Catalogue, ODOOBOT, find};
use super::settings::{Maps, STAGE, WON_STATUS};
use super::wire::{self, Row};
use super::{MODULE, Odoo, map, query};
use crate::connector::settings::ScorePart;
use crate::connector::{Addressed, Done, Outcome};
use crate::domain::field::{self, Field};
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{LeadId, Name, Object, OperationId, RecordRef};
use crate::domain::lead::Points;
use crate::domain::plan::{Effect, Lane, Write};
use crate::domain::stage::Stage;
use crate::http::limiter;

/// Baton acts, Odoo does not mail about it.
fn quiet() -> Value {
    json!({ "mail_auto_subscribe_no_notify": true, "mail_activity_quick_update": true, "mail_notify_author": false })
}

/// Why a write ends early.
enum Stop {
    Outcome(Outcome),
    /// The look before failed: nothing was written.
    Look(Failure),
    /// The write itself failed.
    Write(Failure),
}

impl From<Outcome> for Stop {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

type Step<T> = Result<T, Stop>;

impl Odoo {
    pub(super) async fn apply(&self, addressed: &Addressed) -> Outcome {
        let done = match &addressed.write.effect {
            Effect::Create { values, owner, is_new_journey } => {
                let owner = owner.as_ref().map(|owner| owner.as_str());
                self.create(&addressed.write, values, owner, *is_new_journey).await
            }
            other => match number(addressed) {
                Some(lead) => self.change(&addressed.write, lead, other).await,
                None => Err(refused("the write names no crm.lead")),
            },
        };
        match done {
            Ok(done) => Outcome::Done(done),
            Err(Stop::Outcome(outcome)) => outcome,
            Err(Stop::Look(failure)) => failure.before_writing(),
            Err(Stop::Write(failure)) => failure.writing(),
        }
    }

    async fn change(&self, write: &Write, lead: i64, effect: &Effect) -> Step<Done> {
        let row = self.look(lead).await.map_err(Stop::Look)?;
        let Some(row) = row else { return Err(refused("the lead does not exist any more")) };
        match effect {
            Effect::Create { .. } => Err(refused("a create names no record")),
            Effect::SetOwner { owner, expected } => {
                let expected = expected.as_ref().map(|expected| expected.as_str());
                self.set_owner(write, &row, lead, owner.as_str(), expected).await
            }
            Effect::SetStage { stage, .. } => self.set_stage(write, &row, lead, *stage).await,
            Effect::SetScore(points) => self.set_score(write, lead, *points).await,
            Effect::AddTask { title, body, due_at, owner } => {
                let owner = owner.as_ref().and_then(|owner| owner.as_str().parse().ok());
                self.add_task(write, lead, title, body, *due_at, owner).await
            }
            Effect::AddNote { body } => self.add_note(write, lead, body).await,
            Effect::JoinTrack(track) => self.set_tag(write, &row, lead, track, true).await,
            Effect::LeaveTrack(track) => self.set_tag(write, &row, lead, track, false).await,
            Effect::Reject(reason) => self.reject(write, &row, lead, reason).await,
        }
    }

    /// The lead as it is now.
    async fn look(&self, lead: i64) -> Result<Option<Row>, Failure> {
        let fields = ["user_id", "stage_id", "active", "won_status", "tag_ids", "is_blacklisted", "write_date"];
        let rows = self.api.rows("crm.lead", &query(&[json!(["id", "=", lead])], &fields, "id asc", 1)).await?;
        Ok(rows.into_iter().next())
    }

    async fn write(&self, write: &Write, lead: i64, vals: Map<String, Value>) -> Step<()> {
        let arguments = json!({ "ids": [lead], "vals": vals, "context": quiet() });
        self.api.write(lane(write.lane), "crm.lead", "write", &arguments).await.map_err(Stop::Write)?;
        Ok(())
    }

    async fn set_owner(&self, write: &Write, row: &Row, lead: i64, owner: &str, expected: Option<&str>) -> Step<Done> {
        let Ok(wanted) = owner.parse::<i64>() else { return Err(refused("the owner's id is no number")) };
        let before = row.link("user_id").map(|link| link.id);
        if before == Some(wanted) {
            return Ok(done(row.time("write_date")));
        }
        if before.map(|id| id.to_string()).as_deref() != expected {
            return Err(owned_by(before).into());
        }
        if is_lost(row) {
            return Err(superseded("the lead was lost or archived meanwhile").into());
        }
        self.write(write, lead, one("user_id", json!(wanted))).await?;
        let after = self.look(lead).await.map_err(Stop::Write)?;
        let Some(after) = after else { return Err(refused("the lead was deleted meanwhile")) };
        let now = after.link_id("user_id");
        if now != Some(wanted) {
            return Err(owned_by(now).into());
        }
        if let Some(person) = self.overwritten(lead, before, wanted).await.map_err(Stop::Write)? {
            self.write(write, lead, one("user_id", person.map_or(json!(false), |id| json!(id)))).await?;
            return Err(owned_by(person).into());
        }
        Ok(done(after.time("write_date")))
    }

    /// The owner whom a person set between Baton's look and Baton's write, if one did: the tracking of our write shows another
    /// "before" than the one we had read.
    async fn overwritten(&self, lead: i64, read: Option<i64>, written: i64) -> Result<Option<Option<i64>>, Failure> {
        let catalogue = self.catalogue().await?;
        let changes = self.changes(&[lead], &catalogue).await?;
        let owners: Vec<&map::Change> =
            changes.get(&lead).into_iter().flatten().filter(|change| change.field == "user_id").collect();
        let ours = owners.iter().rposition(|change| change.by == catalogue.own && change.new.id == written);
        let Some(ours) = ours else { return Ok(None) };
        let before = owners[ours].old.id;
        if before == read.unwrap_or_default() {
            return Ok(None);
        }
        let setter = owners[..ours].iter().rev().find(|change| change.new.id == before).map(|change| change.by);
        let is_person = setter.is_some_and(|user| user != ODOOBOT && user != catalogue.own);
        Ok(is_person.then_some((before > 0).then_some(before)))
    }

    async fn set_stage(&self, write: &Write, row: &Row, lead: i64, stage: Stage) -> Step<Done> {
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let vals = stage_values(&self.maps, &catalogue, stage).map_err(|message| refused(&message))?;
        if vals.get(STAGE).and_then(Value::as_i64).is_some_and(|wanted| row.link_id(STAGE) == Some(wanted)) {
            return Ok(done(row.time("write_date")));
        }
        if is_lost(row) {
            return Err(superseded("the lead was lost or archived meanwhile").into());
        }
        self.write(write, lead, vals).await?;
        let after = self.look(lead).await.map_err(Stop::Write)?;
        Ok(done(after.and_then(|row| row.time("write_date"))))
    }

    async fn set_score(&self, write: &Write, lead: i64, points: Points) -> Step<Done> {
        let vals = score_values(&self.maps, points);
        if vals.is_empty() {
            return Err(refused("no field is mapped for the score"));
        }
        self.write(write, lead, vals).await?;
        Ok(Done::default())
    }

    async fn add_task(
        &self,
        write: &Write,
        lead: i64,
        title: &str,
        body: &str,
        due_at: Timestamp,
        owner: Option<i64>,
    ) -> Step<Done> {
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
        let answer = self.api.write(lane(write.lane), "crm.lead", "activity_schedule", &arguments).await;
        let answer = answer.map_err(Stop::Write)?;
        let ids: Vec<i64> = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        Ok(self.made(Object::Task, ids.first().copied(), answer.began))
    }

    async fn add_note(&self, write: &Write, lead: i64, body: &str) -> Step<Done> {
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
        let answer = self.api.write(lane(write.lane), "crm.lead", "message_post", &arguments).await;
        let answer = answer.map_err(Stop::Write)?;
        let ids: Vec<i64> = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        Ok(self.made(Object::Note, ids.first().copied(), answer.began))
    }

    async fn set_tag(&self, write: &Write, row: &Row, lead: i64, track: &Name, joins: bool) -> Step<Done> {
        let Some((_, tag)) = self.maps.tracks.iter().find(|(known, _)| known == track) else {
            return Err(refused(&format!("track {track} has no tag in [connections.{}.tracks]", self.maps.connection)));
        };
        if joins && row.flag("is_blacklisted") {
            return Err(refused("the person has opted out of e-mail"));
        }
        let known = self.tag(tag).await.map_err(Stop::Look)?;
        let has = known.is_some_and(|tag| row.ids("tag_ids").contains(&tag));
        if has == joins {
            return Ok(done(row.time("write_date")));
        }
        let tag = match known {
            Some(tag) => tag,
            None => self.make_tag(write, tag).await?,
        };
        // 4 links and 3 unlinks one tag; the others stay as they are.
        let command = if joins { json!([[4, tag]]) } else { json!([[3, tag]]) };
        self.write(write, lead, one("tag_ids", command)).await?;
        Ok(Done::default())
    }

    async fn tag(&self, name: &str) -> Result<Option<i64>, Failure> {
        let domain = [json!(["name", "=", name])];
        Ok(self.api.rows("crm.tag", &query(&domain, &["name"], "id asc", 1)).await?.first().and_then(Row::id))
    }

    /// Tag names are unique in Odoo, so that two at once cannot make two.
    async fn make_tag(&self, write: &Write, name: &str) -> Step<i64> {
        let arguments = json!({ "vals_list": [{ "name": name }] });
        let answer = self.api.write(lane(write.lane), "crm.tag", "create", &arguments).await.map_err(Stop::Write)?;
        let ids: Vec<i64> = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        ids.first().copied().ok_or_else(|| Stop::Write(Failure::Unclear("no tag was made".to_owned())))
    }

    async fn reject(&self, write: &Write, row: &Row, lead: i64, reason: &Name) -> Step<Done> {
        if row.text(WON_STATUS) == Some("lost") {
            return Ok(done(row.time("write_date")));
        }
        if row.text(WON_STATUS) == Some("won") {
            return Err(superseded("the lead was won meanwhile").into());
        }
        let said = self.maps.reasons.iter().find(|(name, _)| name == reason).and_then(|(_, values)| values.first());
        let said = said.map_or(reason.as_str(), String::as_str);
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let Some(found) = find(&catalogue.reasons, said) else {
            let connection = &self.maps.connection;
            return Err(refused(&format!(
                "reason {reason} has no lost reason; add to [connections.{connection}.reasons]: {reason} = [\"…\"]"
            )));
        };
        let arguments = json!({ "ids": [lead], "lost_reason_id": found.id, "context": quiet() });
        self.api.write(lane(write.lane), "crm.lead", "action_set_lost", &arguments).await.map_err(Stop::Write)?;
        let after = self.look(lead).await.map_err(Stop::Write)?;
        Ok(done(after.and_then(|row| row.time("write_date"))))
    }

    async fn create(
        &self,
        write: &Write,
        values: &[(Field, field::Value)],
        owner: Option<&str>,
        is_new_journey: bool,
    ) -> Step<Done> {
        let catalogue = self.catalogue().await.map_err(Stop::Look)?;
        let id = external_id(write.lead, write.op);
        if let Some(known) = self.by_external_id(&id, &catalogue).await.map_err(Stop::Look)? {
            return Ok(self.made(Object::Person, Some(known), None));
        }
        let email = values.iter().find(|(field, _)| *field == Field::Email).and_then(|(_, value)| value.as_text());
        if !is_new_journey {
            let open = self.open_record(write.lead, email, &catalogue).await.map_err(Stop::Look)?;
            if let Some(row) = open {
                return self.link(write, &row, owner, &id, &catalogue).await;
            }
        }
        let (columns, cells) = self.columns(values, owner, &id, &catalogue).await.map_err(Stop::Look)?;
        let arguments = json!({ "fields": columns, "data": [cells], "context": quiet() });
        let answer = self.api.write(lane(write.lane), "crm.lead", "load", &arguments).await.map_err(Stop::Write)?;
        let row: Row = wire::whole(&answer.body).map_err(|at| Stop::Write(Failure::Unclear(at)))?;
        match row.ids("ids").first() {
            Some(made) => Ok(self.made(Object::Person, Some(*made), answer.began)),
            None => Err(refused(&load_words(&row))),
        }
    }

    /// The newest open record of the lead: by Baton's key, then by e-mail address. One that is won, lost or archived has had
    /// its journey; the lead gets a new one.
    async fn open_record(
        &self,
        lead: LeadId,
        email: Option<&str>,
        catalogue: &Catalogue,
    ) -> Result<Option<Row>, Failure> {
        let mut domains: Vec<Vec<Value>> = Vec::new();
        if catalogue.reads_keys {
            let start = format!("lead_{}_", lead.0);
            let domain = [
                json!(["module", "=", MODULE]),
                json!(["model", "=", "crm.lead"]),
                json!(["name", "=like", format!("lead\\_{}\\_%", lead.0)]),
            ];
            let rows = self.api.rows("ir.model.data", &query(&domain, &["name", "res_id"], "id desc", 100)).await?;
            let own = rows.iter().filter(|row| row.text("name").is_some_and(|name| name.starts_with(&start)));
            let ids: Vec<i64> = own.filter_map(|row| row.integer("res_id")).collect();
            if !ids.is_empty() {
                domains.push(vec![json!(["id", "in", ids])]);
            }
        }
        if let Some(email) = email {
            domains.push(vec![json!(["email_normalized", "=", email])]);
        }
        for domain in domains {
            let fields = ["user_id", "active", "won_status", "write_date"];
            let rows = self.api.rows("crm.lead", &query(&domain, &fields, "id desc", 100)).await?;
            let open = rows.into_iter().find(|row| row.flag("active") && row.text(WON_STATUS) == Some("pending"));
            if open.is_some() {
                return Ok(open);
            }
        }
        Ok(None)
    }

    /// Marks a record that sales already had with Baton's key, and gives it the owner if it has none: an owner that is
    /// there was somebody's choice.
    async fn link(&self, write: &Write, row: &Row, owner: Option<&str>, id: &str, catalogue: &Catalogue) -> Step<Done> {
        let Some(lead) = row.id() else { return Err(refused("the record found has no id")) };
        let wanted = owner.and_then(|owner| owner.parse::<i64>().ok());
        if let (Some(wanted), None) = (wanted, row.link("user_id")) {
            self.write(write, lead, one("user_id", json!(wanted))).await?;
        }
        if catalogue.reads_keys {
            let vals = json!({ "module": MODULE, "name": id, "model": "crm.lead", "res_id": lead, "noupdate": true });
            let arguments = json!({ "vals_list": [vals] });
            let marked = self.api.write(lane(write.lane), "ir.model.data", "create", &arguments).await;
            match marked {
                // Already there: somebody else of us was as quick. Or the key may read ids but not write them.
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(other) => return Err(Stop::Write(other)),
            }
        }
        Ok(self.made(Object::Person, Some(lead), None))
    }

    async fn by_external_id(&self, id: &str, catalogue: &Catalogue) -> Result<Option<i64>, Failure> {
        if !catalogue.reads_keys {
            return Ok(None);
        }
        let domain = [json!(["module", "=", MODULE]), json!(["name", "=", id])];
        let rows = self.api.rows("ir.model.data", &query(&domain, &["res_id"], "id asc", 1)).await?;
        let Some(lead) = rows.first().and_then(|row| row.integer("res_id")) else { return Ok(None) };
        // The id of a deleted record may outlive it for a moment.
        Ok(self.look(lead).await?.map(|_| lead))
    }

    /// Columns and cells for `load`.
    async fn columns(
        &self,
        values: &[(Field, field::Value)],
        owner: Option<&str>,
        id: &str,
        catalogue: &Catalogue,
    ) -> Result<(Vec<String>, Vec<String>), Failure> {
        let mut cells = fixed_cells(values, owner, id, &self.maps, catalogue);
        for (field, model) in [(Field::Source, "utm.source"), (Field::Campaign, "utm.campaign")] {
            let text = values.iter().find(|(known, _)| *known == field).and_then(|(_, value)| value.as_text());
            let property = self.maps.fields.iter().find(|(known, _)| *known == field).map(|(_, property)| property);
            let (Some(text), Some(property)) = (text, property.filter(|name| name.ends_with("_id"))) else { continue };
            // Only names that exist: a campaign that Baton invents would stand in marketing's figures.
            let rows = self.api.rows(model, &query(&[json!(["name", "=ilike", text])], &["name"], "id asc", 1)).await?;
            cells.extend(rows.first().and_then(Row::id).map(|id| (format!("{property}/.id"), id.to_string())));
        }
        Ok(cells.into_iter().unzip())
    }

    async fn task(&self, lead: i64, op: OperationId) -> Result<Option<Done>, Failure> {
        let domain =
            [json!(["res_model", "=", "crm.lead"]), json!(["res_id", "=", lead]), json!(["note", "like", marker(op)])];
        let rows = self.api.rows("mail.activity", &query(&domain, &["create_date"], "id asc", 1)).await?;
        Ok(rows.first().map(|row| self.made(Object::Task, row.id(), row.time("create_date"))))
    }

    async fn note(&self, lead: i64, op: OperationId) -> Result<Option<Done>, Failure> {
        let domain =
            [json!(["model", "=", "crm.lead"]), json!(["res_id", "=", lead]), json!(["body", "like", marker(op)])];
        let rows = self.api.rows("mail.message", &query(&domain, &["date"], "id asc", 1)).await?;
        Ok(rows.first().map(|row| self.made(Object::Note, row.id(), row.time("date"))))
    }

    /// Did this write take effect?
    pub(super) async fn effect(&self, addressed: &Addressed) -> Result<Option<Done>, Failure> {
        let write = &addressed.write;
        if let Effect::Create { .. } = write.effect {
            let catalogue = self.catalogue().await?;
            let found = self.by_external_id(&external_id(write.lead, write.op), &catalogue).await?;
            return Ok(found.map(|lead| self.made(Object::Person, Some(lead), None)));
        }
        let Some(lead) = number(addressed) else { return Ok(None) };
        match &write.effect {
            Effect::AddTask { .. } => return self.task(lead, write.op).await,
            Effect::AddNote { .. } => return self.note(lead, write.op).await,
            _ => {}
        }
        let Some(row) = self.look(lead).await? else { return Ok(None) };
        let holds = match &write.effect {
            Effect::SetOwner { owner, .. } => {
                row.link_id("user_id").is_some_and(|user| user.to_string() == owner.as_str())
            }
            Effect::SetStage { stage, .. } => {
                let catalogue = self.catalogue().await?;
                let wanted = stage_values(&self.maps, &catalogue, *stage).ok();
                wanted.is_some_and(|vals| vals.get(STAGE).and_then(Value::as_i64) == row.link_id(STAGE))
            }
            Effect::SetScore(points) => self.has_score(lead, *points).await?,
            Effect::JoinTrack(track) => self.has_tag(&row, track).await?,
            Effect::LeaveTrack(track) => !self.has_tag(&row, track).await?,
            Effect::Reject(_) => row.text(WON_STATUS) == Some("lost"),
            Effect::Create { .. } | Effect::AddTask { .. } | Effect::AddNote { .. } => false,
        };
        Ok(holds.then(|| done(row.time("write_date"))))
    }

    async fn has_score(&self, lead: i64, points: Points) -> Result<bool, Failure> {
        let vals = score_values(&self.maps, points);
        let fields: Vec<&str> = vals.keys().map(String::as_str).collect();
        let rows = self.api.rows("crm.lead", &query(&[json!(["id", "=", lead])], &fields, "id asc", 1)).await?;
        let same = |name: &String, wanted: &Value| {
            rows.first().and_then(|row| row.0.get(name)).is_some_and(|found| match (found.as_f64(), wanted.as_f64()) {
                (Some(found), Some(wanted)) => (found - wanted).abs() < 0.5,
                _ => found == wanted,
            })
        };
        Ok(vals.iter().all(|(name, wanted)| same(name, wanted)))
    }

    async fn has_tag(&self, row: &Row, track: &Name) -> Result<bool, Failure> {
        let Some((_, tag)) = self.maps.tracks.iter().find(|(known, _)| known == track) else { return Ok(false) };
        Ok(self.tag(tag).await?.is_some_and(|tag| row.ids("tag_ids").contains(&tag)))
    }

    /// Values that the settings want to write and this Odoo lacks.
    pub(super) fn unwritable(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut tell = |part: String, text: String| {
            findings.push(map::finding(&self.maps, FindingKind::MissingField, part, text));
        };
        for map in &self.maps.stages {
            if let Err(message) = stage_values(&self.maps, catalogue, map.stage).filter_unwritten(map.write.is_empty())
            {
                tell(format!("stages.{}", map.stage), message);
            }
        }
        for (reason, values) in &self.maps.reasons {
            for value in values.iter().filter(|value| find(&catalogue.reasons, value).is_none()) {
                tell(format!("reasons.{reason}"), format!("there is no lost reason {value:?}"));
            }
        }
        for (_, property) in self.maps.score.iter().filter(|(_, name)| !catalogue.fields.contains_key(name)) {
            tell(property.clone(), format!("crm.lead has no field {property} for the score"));
        }
        findings
    }

    fn made(&self, object: Object, id: Option<i64>, at: Option<Timestamp>) -> Done {
        Done { made: id.map(|id| RecordRef::new(&self.maps.connection, object, id.to_string())), at }
    }
}

trait FilterUnwritten {
    /// A stage that is never written cannot lack a value.
    fn filter_unwritten(self, is_unwritten: bool) -> Result<(), String>;
}

impl FilterUnwritten for Result<Map<String, Value>, String> {
    fn filter_unwritten(self, is_unwritten: bool) -> Result<(), String> {
        if is_unwritten { Ok(()) } else { self.map(drop) }
    }
}

fn done(at: Option<Timestamp>) -> Done {
    Done { made: None, at }
}

fn refused(message: &str) -> Stop {
    Stop::Outcome(Outcome::Refused { message: message.to_owned() })
}

fn superseded(found: &str) -> Outcome {
    Outcome::Superseded { found: found.to_owned() }
}

fn owned_by(user: Option<i64>) -> Outcome {
    let found = user.map_or("nobody owns it now".to_owned(), |user| format!("user {user} owns it now"));
    Outcome::Superseded { found }
}

fn is_lost(row: &Row) -> bool {
    !row.flag("active") || row.text(WON_STATUS) == Some("lost")
}

fn number(addressed: &Addressed) -> Option<i64> {
    addressed.record.as_ref().filter(|of| of.object == Object::Person)?.id.as_str().parse().ok()
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

fn lane(lane: Lane) -> limiter::Lane {
    match lane {
        Lane::Alert => limiter::Lane::Alert,
        Lane::Assign => limiter::Lane::Assign,
        Lane::Recycle => limiter::Lane::Recycle,
        Lane::Score => limiter::Lane::Score,
    }
}

/// The name of the external id of a record that operation `op` makes for `lead`.
fn external_id(lead: LeadId, op: OperationId) -> String {
    format!("lead_{}_{op}", lead.0)
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

fn stage_values(maps: &Maps, catalogue: &Catalogue, stage: Stage) -> Result<Map<String, Value>, String> {
    let Some(writes) = maps.writes(stage) else { return Err(format!("stage {stage} has no value to write")) };
    let mut vals = Map::new();
    for (property, value) in writes {
        if property == STAGE {
            let Some(found) = find(&catalogue.stages, value) else {
                return Err(format!("there is no stage {value:?} in this Odoo"));
            };
            vals.insert(property.clone(), json!(found.id));
        } else {
            vals.insert(property.clone(), json!(value));
        }
    }
    Ok(vals)
}

fn score_values(maps: &Maps, points: Points) -> Map<String, Value> {
    let value = |part: &ScorePart| match part {
        ScorePart::Fit => json!(points.fit),
        ScorePart::Intent => json!(points.intent),
        ScorePart::Engagement => json!(points.engagement),
        ScorePart::Grade => json!(points.grade.to_string()),
    };
    maps.score.iter().map(|(part, property)| (property.clone(), value(part))).collect()
}

/// The cells that need no look into the CRM. The e-mail address goes to `email_from`, from which Odoo makes the normal form.
fn fixed_cells(
    values: &[(Field, field::Value)],
    owner: Option<&str>,
    id: &str,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Vec<(String, String)> {
    let text = |field: Field| values.iter().find(|(known, _)| *known == field).and_then(|(_, value)| value.as_text());
    let names: Vec<&str> = [text(Field::FirstName), text(Field::LastName)].into_iter().flatten().collect();
    let person = names.join(" ");
    let titles: Vec<&str> = [person.as_str(), text(Field::CompanyName).unwrap_or_default()].to_vec();
    let titles: Vec<&str> = titles.into_iter().filter(|part| !part.is_empty()).collect();
    let title = if titles.is_empty() { text(Field::Email).unwrap_or("New lead").to_owned() } else { titles.join(", ") };
    let mut cells = vec![
        ("id".to_owned(), format!("{MODULE}.{id}")),
        ("name".to_owned(), title),
        ("type".to_owned(), "opportunity".to_owned()),
    ];
    cells.extend(owner.map(|owner| ("user_id/.id".to_owned(), owner.to_owned())));
    if !person.is_empty() {
        cells.push(("contact_name".to_owned(), person));
    }
    for (field, property) in &maps.fields {
        let Some((_, value)) = values.iter().find(|(known, _)| known == field) else { continue };
        let shape = catalogue.fields.get(property).map(String::as_str);
        match (property.as_str(), shape) {
            ("email_normalized", _) => cells.push(("email_from".to_owned(), value.to_string())),
            ("country_id", _) => {
                let code = value.to_string();
                let found = catalogue.countries.iter().find(|(_, known)| known.eq_ignore_ascii_case(&code));
                cells.extend(found.map(|(id, _)| ("country_id/.id".to_owned(), id.to_string())));
            }
            // Worked out by Odoo, or not for a program to say.
            ("contact_name" | "lang_code" | "is_blacklisted" | "email_domain_criterion", _) => {}
            (_, Some("char" | "text" | "float" | "monetary" | "integer" | "selection")) => {
                cells.push((property.clone(), value.to_string()));
            }
            _ => {}
        }
    }
    if let Some(property) = &maps.key_property {
        let lead = id.split('_').nth(1).unwrap_or_default();
        cells.push((property.clone(), format!("L-{lead}")));
    }
    cells.sort_by(|one, other| one.0.cmp(&other.0));
    cells.dedup_by(|later, earlier| later.0 == earlier.0);
    cells
}

/// What `load` says when it made nothing; it answers 200. Values of people are left out.
fn load_words(row: &Row) -> String {
    let messages = row.0.get("messages").and_then(Value::as_array);
    let first = messages.and_then(|list| list.first());
    let field = first.and_then(|message| message.get("field")).and_then(Value::as_str).unwrap_or("a value");
    let words = first.and_then(|message| message.get("message")).and_then(Value::as_str).unwrap_or("no reason given");
    wire::Fault { name: format!("load, {field}"), message: words.to_owned() }.words()
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
