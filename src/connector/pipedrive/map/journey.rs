//! Stage, owner and sales' word, from the lead or deal that carries a person's journey.
//!
//! The CRM keeps no history that a reader may have of leads, and names nobody who changed them (section 4, "no history
//! endpoint"): every entry is the present one, and its author is unknown, which decisions take for a person in doubt. Of a
//! deal's owner `authors` knows more, where it is asked for.

use jiff::Timestamp;

use super::super::book::{Journey, State};
use super::super::settings::{ARCHIVED, DELETED, LABEL, Maps, STAGE, STATUS};
use super::super::wire::Row;
use super::{Context, finding};
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::id::{Name, RemoteId};
use crate::domain::record::{Author, Disposition, OwnerEntry, Word};
use crate::domain::stage::{Stage, StageEntry};

/// What a journey says of the person.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) stage: Option<StageEntry>,
    pub(super) disposition: Option<Disposition>,
}

pub(super) fn told(current: Option<&Journey>, context: Context<'_>, findings: &mut Vec<Finding>) -> Told {
    let Some(journey) = current else { return Told::default() };
    let by = || Author::Unknown;
    let stage = stage(journey, context, findings).map(|stage| StageEntry { stage, at: journey.since, by: by() });
    let stage = stage.or_else(|| resting(journey));
    let word = match journey.state {
        // Making a deal of somebody is sales' own act. Source: section 4, evidence of follow-up.
        State::Open if !journey.is_lead() => Some((Word::Accepted, journey.added)),
        State::Open => None,
        State::Won => Some((Word::Accepted, journey.added)),
        State::Archived | State::Deleted | State::Lost => Some((rejected(journey, context, findings), journey.since)),
    };
    Told { stage, disposition: word.map(|(word, at)| Disposition { word, at, by: by() }) }
}

/// An open lead says no stage, but that an earlier end is over. The entry counts as Baton's own, which is no news to decisions.
fn resting(journey: &Journey) -> Option<StageEntry> {
    let is_lead = journey.is_lead() && journey.is_open();
    is_lead.then_some(StageEntry { stage: Stage::Engagement, at: journey.since, by: Author::Baton })
}

/// The stage that the journey's own values mean: how it ended, its label, its place in the pipeline.
fn stage(journey: &Journey, context: Context<'_>, findings: &mut Vec<Finding>) -> Option<Stage> {
    let Context { maps, catalogue, .. } = context;
    if journey.is_lead() {
        let labels = journey.labels.iter().filter(|_| journey.is_open());
        return labels.filter_map(|id| maps.stage(LABEL, &[id, catalogue.label_name(id).unwrap_or_default()])).max();
    }
    let status = match journey.state {
        State::Won => "won",
        State::Lost => "lost",
        State::Open | State::Archived | State::Deleted => "open",
    };
    if let Some(stage) = maps.stage(STATUS, &[status]) {
        return Some(stage);
    }
    if journey.state != State::Open {
        return None;
    }
    let id = journey.stage?;
    let name = catalogue.stage_name(id).unwrap_or_default();
    let stage = maps.stage(STAGE, &[&id.to_string(), name]);
    if stage.is_none() && !name.is_empty() {
        findings.push(unmapped_stage(maps, name));
    }
    stage
}

/// The owner of the journey; of a person without one, the person's own.
pub(super) fn owner(current: Option<&Journey>, row: &Row, modified: Timestamp) -> OwnerEntry {
    let (owner, at) = match current.filter(|journey| journey.state != State::Deleted) {
        Some(journey) => (journey.owner, journey.updated),
        None => (row.integer("owner_id"), modified),
    };
    OwnerEntry { owner: owner.map(|id| RemoteId::from(id.to_string())), at, by: Author::Unknown }
}

/// Sales gives the person back: a lost deal says why in words, a lead by a label.
fn rejected(journey: &Journey, context: Context<'_>, findings: &mut Vec<Finding>) -> Word {
    let Context { maps, catalogue, .. } = context;
    let labels = journey.labels.iter().filter_map(|id| catalogue.label_name(id));
    let (said, otherwise) = match journey.state {
        State::Lost => (journey.lost_reason.as_deref(), None),
        State::Deleted => (None, Some(DELETED)),
        State::Archived | State::Open | State::Won => {
            (labels.into_iter().find(|name| maps.reason(name).is_some()), Some(ARCHIVED))
        }
    };
    let said = said.or(otherwise);
    let reason = said.and_then(|said| maps.reason(said)).cloned();
    if let (Some(said), None, State::Lost) = (said, &reason, journey.state) {
        findings.push(unmapped_reason(maps, said));
    }
    Word::Rejected { reason, said: said.map(Name::from) }
}

/// The finding of a stage that no map knows, with the line that maps it.
pub(in crate::connector::pipedrive) fn unmapped_stage(maps: &Maps, name: &str) -> Finding {
    let connection = &maps.connection;
    let text = format!(
        "stage {name:?} means nothing to Baton; if it should, add to [connections.{connection}.stages]: \
         negotiation = {{ read = {{ {STAGE} = [{name:?}] }} }}"
    );
    finding(maps, FindingKind::Unmapped, format!("{STAGE}={name}"), text)
}

/// The finding of a lost reason that no map knows, with the line that maps it.
fn unmapped_reason(maps: &Maps, said: &str) -> Finding {
    let connection = &maps.connection;
    let words = said.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let like = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    let like = if like.is_empty() { "bad_timing".to_owned() } else { like };
    let text = format!(
        "lost reason {said:?} is not mapped, so a deal lost with it is rejected without a reason of the agreement; \
         add to [connections.{connection}.reasons] the reason it means: {like} = [{said:?}]"
    );
    finding(maps, FindingKind::Unmapped, format!("lost_reason={said}"), text)
}
