//! A contact, with the leads that became it and the opportunities it is in. Source: the sheet, sections 4 and 6, "Conversions".
//!
//! A contact says nothing of its stage. What it has is that of the leads it was converted from, then the conversion itself, then what
//! became of its opportunities: so a hand-off that began on a lead goes on, and ends, on the contact.

use std::collections::HashMap;

use jiff::Timestamp;

use super::super::catalogue::Catalogue;
use super::super::settings::{Kind, Maps, STAGE};
use super::super::soql::Id;
use super::super::wire::Row;
use super::lead::{Change, Story, accepted, converted_at};
use super::{ended, last_editor, newest, observation, person_owner, remote, unmapped_stage, values};
use crate::domain::finding::Finding;
use crate::domain::id::{Object, RecordRef};
use crate::domain::observation::{Content, Observation, PersonSeen};
use crate::domain::record::{Author, Disposition, OwnerEntry, Word};
use crate::domain::stage::{Stage, StageEntry};

/// What contacts are read with.
#[derive(Debug, Default)]
pub(in crate::connector::salesforce) struct Around {
    /// Converted leads by contact.
    pub(in crate::connector::salesforce) leads: HashMap<Id, Vec<Row>>,
    /// History by lead.
    pub(in crate::connector::salesforce) changes: HashMap<Id, Vec<Change>>,
    /// Memberships in campaigns that show signals, by lead or contact.
    pub(in crate::connector::salesforce) members: HashMap<Id, Vec<Row>>,
    /// Roles with their opportunities, by contact.
    pub(in crate::connector::salesforce) roles: HashMap<Id, Vec<Row>>,
}

/// What a contact's row says.
pub(in crate::connector::salesforce) fn contact(
    row: &Row,
    around: &Around,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Option<Observation> {
    if row.flag("IsDeleted") {
        return ended(&maps.connection, Object::Person, row);
    }
    let id = row.id("Id")?;
    let own = row.stamp()?;
    let none: &[Row] = &[];
    let leads = around.leads.get(&id).map_or(none, Vec::as_slice);
    let roles = around.roles.get(&id).map_or(none, Vec::as_slice);
    let mut findings = Vec::new();
    let mut stages: Vec<StageEntry> = Vec::new();
    let mut conversion: Option<Disposition> = None;
    for lead in leads {
        let stamp = lead.stamp().unwrap_or(own);
        let mut unsaid = Vec::new();
        if let Some(story) = Story::of(lead, &around.changes, stamp, maps, catalogue, &mut unsaid) {
            stages.extend(story.stages);
        }
        let Some((at, by)) = converted_at(lead, &around.changes, catalogue) else { continue };
        stages.push(StageEntry { stage: Stage::Sql, at, by: by.clone() });
        if by != Author::Baton && conversion.as_ref().is_none_or(|known| known.at < at) {
            conversion = Some(Disposition { word: Word::Accepted, at, by });
        }
    }
    stages.extend(roles.iter().filter_map(|role| opportunity_stage(role, maps, &mut findings)));
    stages.sort_by_key(|entry| entry.at);
    let disposition = conversion.or_else(|| accepted(&stages));
    let beside = leads.iter().filter_map(Row::stamp);
    let beside =
        beside.chain(roles.iter().flat_map(|role| {
            [role.time("SystemModstamp"), role.time("Opportunity.SystemModstamp")].into_iter().flatten()
        }));
    let modified = newest(beside, own);
    let values = values::values(row, own, Kind::Contact, maps, &mut findings);
    let company =
        row.id("AccountId").map(|account| RecordRef::new(&maps.connection, Object::Company, account.as_str()));
    let seen = PersonSeen {
        created: row.time("CreatedDate").unwrap_or(own),
        keys: values::keys(row, &values, maps),
        values,
        merged: leads.iter().filter_map(|lead| lead.id("Id")).map(|lead| remote(&lead)).collect(),
        company: Some(company),
        stages,
        owners: vec![OwnerEntry { owner: person_owner(row), at: own, by: last_editor(row, catalogue) }],
        scores: Vec::new(),
        disposition,
        signals: values::signals(row, own, around.members.get(&id), maps),
        has_history: false,
    };
    let content = Content::Person(Box::new(seen));
    observation(&maps.connection, Object::Person, row, content, findings).map(|seen| Observation { modified, ..seen })
}

/// How far an opportunity is, for the people in it. One whose stage no map knows is at least a confirmed one.
fn opportunity_stage(role: &Row, maps: &Maps, findings: &mut Vec<Finding>) -> Option<StageEntry> {
    let name = role.text("Opportunity.StageName")?;
    let stage = stage_of(name, role.flag("Opportunity.IsClosed"), role.flag("Opportunity.IsWon"), maps);
    if maps.stage(STAGE, name).is_none() {
        findings.push(unmapped_stage(maps, name));
    }
    let times = ["Opportunity.LastStageChangeDate", "Opportunity.CreatedDate", "Opportunity.SystemModstamp"];
    let at: Timestamp = times.iter().find_map(|path| role.time(path))?;
    Some(StageEntry { stage, at, by: Author::Unknown })
}

/// The stage that a stage of opportunities means; what is closed is won or lost whatever it is called.
pub(super) fn stage_of(name: &str, is_closed: bool, is_won: bool, maps: &Maps) -> Stage {
    match (is_closed, is_won) {
        (true, true) => Stage::Won,
        (true, false) => Stage::Lost,
        (false, _) => maps.stage(STAGE, name).unwrap_or(Stage::Sql),
    }
}
