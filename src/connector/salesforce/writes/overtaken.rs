//! What was written late, after a person had chosen something else (`connector/overtaken.rs`): the status of a lead, as far as its field
//! history tells. Where the status is not tracked, and of fields of the org's own (the reason, the score), nobody can say who set it.

use serde_json::{Map, Value, json};

use super::super::Salesforce;
use super::super::catalogue::Catalogue;
use super::super::failure::Failure;
use super::super::map;
use super::super::read::Source;
use super::super::settings::STATUS;
use super::{Person, superseded, target};
use crate::connector::overtaken::{By, Change, Chosen, chosen};
use crate::connector::{Addressed, Outcome};
use crate::domain::plan::{Earlier, Effect};

impl Salesforce {
    /// What becomes of a status whose earlier try was overtaken by a person: theirs stands, and is put back where ours came over it.
    pub(super) async fn heed_chosen(&self, addressed: &Addressed) -> Result<Option<Outcome>, Failure> {
        let (Some(person), Some(earlier)) = (target(addressed), &addressed.earlier) else { return Ok(None) };
        let ours = match self.chosen_since(addressed, &person).await? {
            None => return Ok(None),
            // Ours may come over it yet.
            Some(Chosen::Stands(_)) if self.doubts.waits(addressed.write.op).is_some() => return Ok(None),
            Some(Chosen::Stands(field)) => return Ok(Some(superseded(&Chosen::found(&field)))),
            Some(Chosen::Over(ours)) => ours,
        };
        let Some(late) = ours.last() else { return Ok(None) };
        let mut values = Map::from_iter([(STATUS.to_owned(), json!(late.old))]);
        // A reason that was written with it goes with it.
        let beside = earlier.was.iter().filter(|was| was.name.as_str() != STATUS);
        values.extend(beside.map(|was| {
            let value = was.before.as_ref().and_then(|text| serde_json::from_str(text.as_str()).ok());
            (was.name.to_string(), value.unwrap_or(Value::Null))
        }));
        // Whoever changes the record in this moment keeps what they set; then the next try looks anew.
        Ok(Some(match self.patch(&addressed.write, &person, &values, Some(late.at)).await {
            Ok(()) => superseded(&Chosen::found(STATUS)),
            Err(failure) => failure.writing(),
        }))
    }

    /// What a person chose while the earlier try of a status was under way.
    pub(super) async fn chosen_since(&self, addressed: &Addressed, person: &Person) -> Result<Option<Chosen>, Failure> {
        let Some(earlier) = &addressed.earlier else { return Ok(None) };
        let wanted = match &addressed.write.effect {
            Effect::SetStage { stage, .. } => {
                let writes = self.maps.writes(*stage).and_then(|all| all.iter().find(|(name, _)| name == STATUS));
                writes.map(|(_, value)| value.clone())
            }
            Effect::Reject(reason) => {
                let values = self.rejection(reason).ok();
                values.and_then(|values| values.get(STATUS)?.as_str().map(str::to_owned))
            }
            _ => None,
        };
        let Some(wanted) = wanted.filter(|_| person.source == Source::Leads) else { return Ok(None) };
        let catalogue = self.catalogue().await?;
        if !catalogue.tracks_status || catalogue.own.is_none() {
            return Ok(None);
        }
        let changes = self.changes(std::slice::from_ref(&person.id)).await?;
        let changes = changes.get(&person.id).map_or(&[][..], Vec::as_slice);
        let changes: Vec<Change> =
            changes.iter().filter(|change| change.field == STATUS).map(|change| told(change, &catalogue)).collect();
        Ok(chosen(&changes, &[(STATUS, wanted)], &[], earlier, |_| before(earlier)))
    }
}

fn told(change: &map::Change, catalogue: &Catalogue) -> Change {
    let by = match &change.by {
        user if *user == catalogue.own => By::Baton,
        Some(user) if catalogue.robots.contains_key(user) => By::Other,
        // Somebody whom the history does not name, or not any more.
        Some(_) | None => By::Person,
    };
    Change {
        field: change.field.clone(),
        old: change.old.clone().unwrap_or_default(),
        new: change.new.clone().unwrap_or_default(),
        at: change.at,
        by,
        batch: change.at.as_millisecond(),
    }
}

/// The status that the look before the earlier try showed, where that replaced it.
fn before(earlier: &Earlier) -> Option<String> {
    let was = earlier.was.iter().find(|was| was.name.as_str() == STATUS)?;
    serde_json::from_str(was.before.as_ref()?.as_str()).ok()
}
