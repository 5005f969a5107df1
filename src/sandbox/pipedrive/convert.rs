//! Leads become deals and deals become leads: a job that is asked about. Source: sections 5 and 9.

use serde_json::{Value, json};

use super::State;
use super::answer::{Reply, entity_not_found, invalid, no_such_path, ok_with, uuid};
use super::kind::Kind;
use super::model::Conversion;
use super::server::Call;
use super::webhooks::Happened;
use super::write::By;

pub(super) fn run(call: &mut Call<'_>, kind: &str, id: &str, path: &[&str]) -> Reply {
    match (call.method, kind, path) {
        ("POST", "leads", ["deal"]) => {
            if call.state.model.live(Kind::Lead, id).is_none() {
                return Err(entity_not_found());
            }
            let body = call.json().unwrap_or(Value::Null);
            let (stage, pipeline) = (body["stage_id"].as_i64(), body["pipeline_id"].as_i64());
            if stage.is_some_and(|stage| call.state.model.stage(stage).is_none()) {
                return Err(invalid("stage_id names nothing that is there"));
            }
            let due = call.state.now() + call.state.settings.convert_ms;
            let conversion = Conversion {
                id: uuid(),
                lead: id.to_owned(),
                deal: None,
                due,
                stage,
                pipeline,
                by: call.by.user,
                is_api: true,
            };
            let shown = json!({"conversion_id": conversion.id});
            call.state.model.conversions.push(conversion);
            call.note("convert", Kind::Lead, id, body);
            Ok(ok_with(&shown, &Value::Null))
        }
        ("GET", "leads", ["status", conversion]) => {
            let known = call.state.model.conversions.iter().find(|known| known.id == *conversion && known.lead == id);
            let Some(known) = known else { return Err(entity_not_found()) };
            let mut shown = json!({"conversion_id": known.id, "status": if known.deal.is_some() { "completed" } else { "running" }});
            if let Some(deal) = known.deal {
                shown["deal_id"] = json!(deal);
            }
            Ok(ok_with(&shown, &Value::Null))
        }
        _ => Err(no_such_path()),
    }
}

impl State {
    /// Carries out the conversions whose time has come.
    pub(super) fn run_conversions(&mut self, now: i64) {
        while let Some(place) = self.model.conversions.iter().position(|one| one.deal.is_none() && one.due <= now) {
            let job = self.model.conversions[place].clone();
            let by = if job.is_api { By::api(job.by) } else { By::person(job.by) };
            let deal = self.convert_lead(&job.lead, job.stage, job.pipeline, by);
            match deal {
                Some(deal) => self.model.conversions[place].deal = Some(deal),
                None => drop(self.model.conversions.remove(place)),
            }
        }
    }

    /// The deal that comes of a lead: notes and activities move, the lead is marked as deleted.
    pub(super) fn convert_lead(
        &mut self,
        lead: &str,
        stage: Option<i64>,
        pipeline: Option<i64>,
        by: By,
    ) -> Option<i64> {
        let record = self.model.live(Kind::Lead, lead)?.clone();
        let mut values = json!({"title": record.values["title"], "owner_id": record.values["owner_id"]});
        for (from, to) in [("person_id", "person_id"), ("organization_id", "org_id")] {
            if let Some(id) = record.int(from) {
                values[to] = json!(id);
            }
        }
        if let Some(amount) = record.values.get("value").and_then(|value| value.get("amount")) {
            values["value"] = amount.clone();
        }
        for (name, id) in [("stage_id", stage), ("pipeline_id", pipeline)] {
            if let Some(id) = id {
                values[name] = json!(id);
            }
        }
        if !record.custom.is_empty() {
            values["custom_fields"] = Value::Object(record.custom.clone());
        }
        // An owner who left keeps what they have.
        if !record.int("owner_id").and_then(|id| self.model.user(id)).is_some_and(|user| user.is_active) {
            values["owner_id"] = json!(by.user);
        }
        let deal = self.create(Kind::Deal, &values, by).ok()?;
        let number: i64 = deal.parse().ok()?;
        if let Some(made) = self.model.any_mut(Kind::Deal, &deal) {
            made.values.insert("source_lead_id".to_owned(), json!(lead));
        }
        let now = self.now();
        for kind in [Kind::Activity, Kind::Note] {
            for record in self.model.records.get_mut(&kind).into_iter().flat_map(|all| all.values_mut()) {
                if record.text("lead_id") == Some(lead) {
                    record.values.insert("lead_id".to_owned(), Value::Null);
                    record.values.insert("deal_id".to_owned(), json!(number));
                    (record.updated, record.visible) = (now, now);
                }
            }
        }
        let before = self.shown(Kind::Lead, lead);
        self.vanish(Kind::Lead, lead);
        self.happened(Happened {
            kind: Kind::Lead,
            action: "delete",
            id: lead,
            data: Value::Null,
            previous: before,
            by,
            merged: None,
        });
        Some(number)
    }
}
