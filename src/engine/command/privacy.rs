//! Forgetting a person, and letting a held store send again.

use crate::domain::counted::many;
use crate::domain::id::LeadId;
use crate::domain::record::{PersonRecord, Presence};
use crate::store::Batch;

use super::super::journal::kept;
use super::super::judge::Said;
use super::super::{Engine, EngineError};
use super::{Answer, CommandError};

impl Engine {
    /// Shows what is known of a person, or erases it.
    pub(super) async fn forget(&self, who: &str, is_sure: bool) -> Result<Answer, CommandError> {
        let deciding = self.deciding.lock().await;
        let Some(lead) = self.store.find_lead(who).await? else {
            return Err(CommandError::Refused(
                "nobody is known by that: write a lead's number (L-42), an e-mail address, or connection:id; whoever was \
                 forgotten already is not known any more"
                    .to_owned(),
            ));
        };
        let mut leads = vec![lead];
        let mut looked = 0;
        while let Some(one) = leads.get(looked).copied() {
            let merged = self.store.merged_into(one).await?;
            let fresh: Vec<LeadId> = merged.into_iter().filter(|other| !leads.contains(other)).collect();
            leads.extend(fresh);
            looked += 1;
        }
        leads.sort_unstable();
        let records = self.store.records_of(&leads).await?;
        let there: Vec<String> = records.iter().map(named).collect();
        let names: Vec<String> = leads.iter().map(ToString::to_string).collect();
        if !is_sure {
            let lines = vec![
                format!(
                    "{} would be erased here: {}, with keys, touches and findings, the texts of effects, and what decisions saw.",
                    names.join(", "),
                    many(there.len(), "record", "records")
                ),
                "Give --yes to do it. It cannot be undone; stages, hand-offs and times stay, without a name."
                    .to_owned(),
                elsewhere(&records),
            ];
            let data = serde_json::json!({ "leads": names, "records": there, "erased": false });
            return Ok(Answer { lines, data });
        }
        self.end_what_is_open(&leads, &records).await?;
        let erased = self.store.forget(&leads, kept(self.clock.now())).await?;
        self.refresh_marks().await.map_err(EngineError::from)?;
        drop(deciding);
        // Beside the passes, which wait for the writer at most: nothing is decided by what was erased.
        self.store.scrub().await?;
        let lines = vec![
            format!(
                "{} is erased: {}; the texts of {}, of which {} not sent any more.",
                names.join(", "),
                many(erased.records, "record", "records"),
                many(erased.effects, "effect", "effects"),
                many(erased.cancelled, "was", "were")
            ),
            elsewhere(&records),
            "Backups that were made before still hold the person.".to_owned(),
        ];
        let data = serde_json::json!({
            "leads": names, "records": there, "erased": true, "effects_emptied": erased.effects,
            "effects_cancelled": erased.cancelled,
        });
        Ok(Answer { lines, data })
    }

    /// Ends the hand-offs of people who are about to be forgotten as if their records were gone, so that no clock runs on.
    async fn end_what_is_open(&self, leads: &[LeadId], records: &[PersonRecord]) -> Result<(), EngineError> {
        let now = kept(self.clock.now());
        let gone = |record: &PersonRecord| PersonRecord { presence: Presence::Gone(now), ..record.clone() };
        let people = records.iter().filter(|record| record.is_live()).map(gone).collect();
        let mut batch = Batch { people, now: Some(now), ..Batch::default() };
        // Whether decisions are taken yet or not: nobody is forgotten by halves.
        let planned = self.plan(&batch, leads, Said::default(), now).await?;
        (batch.plans, batch.teams, batch.decisions) = (planned.plans, planned.teams, planned.decisions);
        batch.colleagues = planned.colleagues;
        batch.committees = planned.committees;
        self.store.commit(&batch).await?;
        Ok(())
    }

    /// Lets a held store send again, once every stream was read since it was held.
    pub(super) async fn release(&self, by: &str, is_forced: bool) -> Result<Answer, CommandError> {
        let _deciding = self.deciding.lock().await;
        let Some(reason) = self.store.held().await? else {
            return Err(CommandError::Refused("nothing is held: effects are sent as the settings say".to_owned()));
        };
        let unread = self.store.streams_unread().await?;
        if unread > 0 && !is_forced {
            return Err(CommandError::Refused(format!(
                "{} not read since ({reason}): what happened meanwhile is not known; let `baton run` or \
                 `baton sync` read on, then ask again",
                many(unread, "stream was", "streams were")
            )));
        }
        let doubted = self.store.release(by, self.clock.now()).await?;
        let lines = vec![format!(
            "Effects are sent again. {doubted} that waited may have been sent before: each is looked for in its CRM first, and \
             notices are marked as possible repeats."
        )];
        Ok(Answer { lines, data: serde_json::json!({ "released": true, "was": reason, "effects_doubted": doubted }) })
    }
}

/// A record as other commands take it.
fn named(record: &PersonRecord) -> String {
    format!("{}:{}", record.of.connection, record.of.id)
}

/// What is left to do, where Baton may not.
fn elsewhere(records: &[PersonRecord]) -> String {
    if records.is_empty() {
        return "No record in a CRM is known.".to_owned();
    }
    let list: Vec<String> = records.iter().map(named).collect();
    format!(
        "Baton deletes nothing in a CRM. There it is for you to do, for each of {}: in HubSpot open the contact, Actions, Delete, \
         GDPR delete; in Odoo delete the lead, and the contact if there is one. Until then Baton passes the person over.",
        list.join(", ")
    )
}
