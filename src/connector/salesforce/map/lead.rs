//! A lead with its history. Source: the sheet, section 4, Lead and LeadHistory.
//!
//! `LastActivityDate` and `IsUnreadByOwner` say nothing here: the first is a due date, the second clears on any edit (section 1.6).

use std::collections::HashMap;

use jiff::Timestamp;

use super::super::catalogue::Catalogue;
use super::super::settings::{Kind, Maps, STATUS};
use super::super::soql::Id;
use super::super::wire::Row;
use super::contact::Around;
use super::{author, ended, last_editor, observation, person_owner, remote, unmapped_reason, unmapped_status, values};
use crate::domain::finding::Finding;
use crate::domain::id::{Name, Object};
use crate::domain::observation::{Content, Observation, PersonSeen};
use crate::domain::record::{Author, Disposition, OwnerEntry, Word};
use crate::domain::stage::{Stage, StageEntry};

/// What the history calls the owner.
const OWNER: &str = "Owner";

/// One tracked change of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::connector::salesforce) struct Change {
    pub(in crate::connector::salesforce) lead: Id,
    pub(in crate::connector::salesforce) field: String,
    pub(in crate::connector::salesforce) old: Option<String>,
    pub(in crate::connector::salesforce) new: Option<String>,
    pub(in crate::connector::salesforce) at: Timestamp,
    pub(in crate::connector::salesforce) by: Option<Id>,
}

impl Change {
    /// The owners before and after, if this is a change of owner by ids: each comes twice, once with names. Source: section 4, LeadHistory.
    pub(in crate::connector::salesforce) fn owners(&self) -> Option<(Option<Id>, Option<Id>)> {
        let id = |text: Option<&String>| {
            text.and_then(|text| Id::parse(text)).filter(|id| matches!(id.prefix(), "005" | "00G"))
        };
        let (old, new) = (id(self.old.as_ref()), id(self.new.as_ref()));
        (self.field == OWNER && (old.is_some() || new.is_some())).then_some((old, new))
    }
}

/// Reads a history row.
pub(in crate::connector::salesforce) fn change(row: &Row) -> Option<Change> {
    Some(Change {
        lead: row.id("LeadId")?,
        field: row.text("Field")?.to_owned(),
        old: row.plain("OldValue"),
        new: row.plain("NewValue"),
        at: row.time("CreatedDate")?,
        by: row.id("CreatedById"),
    })
}

/// What a lead's row says, with its history by lead. One that became a contact is told as merged into it; the contact carries on.
pub(in crate::connector::salesforce) fn lead(
    row: &Row,
    around: &Around,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Option<Observation> {
    if row.flag("IsDeleted") {
        return ended(&maps.connection, Object::Person, row);
    }
    if let Some(contact) = row.id("ConvertedContactId").filter(|_| row.flag("IsConverted")) {
        let content = Content::MergedInto(remote(&contact));
        return observation(&maps.connection, Object::Person, row, content, Vec::new());
    }
    let modified = row.stamp()?;
    let mut findings = Vec::new();
    let story = Story::of(row, &around.changes, modified, maps, catalogue, &mut findings)?;
    let values = values::values(row, modified, Kind::Lead, maps, &mut findings);
    let seen = PersonSeen {
        created: row.time("CreatedDate").unwrap_or(modified),
        keys: values::keys(row, &values, maps),
        values,
        merged: Vec::new(),
        company: None,
        stages: story.stages,
        owners: story.owners,
        // Custom fields are not tracked, so nobody could be named.
        scores: Vec::new(),
        disposition: story.disposition,
        signals: values::signals(row, modified, around.members.get(&row.id("Id")?), maps),
        has_history: catalogue.has_history(),
    };
    observation(&maps.connection, Object::Person, row, Content::Person(Box::new(seen)), findings)
}

/// The ledgers of a lead.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) stages: Vec<StageEntry>,
    pub(super) owners: Vec<OwnerEntry>,
    pub(super) disposition: Option<Disposition>,
}

impl Story {
    pub(super) fn of(
        row: &Row,
        changes: &HashMap<Id, Vec<Change>>,
        modified: Timestamp,
        maps: &Maps,
        catalogue: &Catalogue,
        findings: &mut Vec<Finding>,
    ) -> Option<Self> {
        let id = row.id("Id")?;
        // Changes newer than the row belong to a write that came between the two reads; the next pass brings them.
        let all = changes.get(&id).map_or(&[][..], Vec::as_slice);
        let changes: Vec<&Change> = all.iter().filter(|change| change.at <= modified).collect();
        let status = row.text(STATUS);
        let entries = statuses(row, &changes, modified, catalogue);
        let stages: Vec<StageEntry> = entries
            .iter()
            .filter_map(|entry| {
                Some(StageEntry { stage: maps.stage(STATUS, &entry.value)?, at: entry.at, by: entry.by.clone() })
            })
            // What is given back is sales' word, not a stage that somebody entered.
            .filter(|entry| entry.stage != Stage::Disqualified)
            .collect();
        if let Some(status) = status {
            let known = catalogue.statuses.iter().find(|known| known.name.eq_ignore_ascii_case(status));
            let is_plain = known.is_some_and(|known| known.is_default || known.is_converted);
            if !is_plain && maps.stage(STATUS, status).is_none() && maps.reason(status).is_none() {
                findings.push(unmapped_status(maps, status));
            }
        }
        let disposition = disposition(row, &entries, &stages, maps, findings);
        Some(Self { stages, owners: owners(row, &changes, modified, catalogue), disposition })
    }
}

struct Entry {
    value: String,
    at: Timestamp,
    by: Author,
}

/// The status it began with, then each tracked change, then the present one if the history lacks it.
fn statuses(row: &Row, changes: &[&Change], modified: Timestamp, catalogue: &Catalogue) -> Vec<Entry> {
    let Some(present) = row.text(STATUS) else { return Vec::new() };
    let last = |at: Timestamp| Entry { value: present.to_owned(), at, by: last_editor(row, catalogue) };
    if !catalogue.tracks_status {
        return vec![last(modified)];
    }
    let created = row.time("CreatedDate").unwrap_or(modified);
    let own: Vec<&&Change> = changes.iter().filter(|change| change.field == STATUS).collect();
    let first = own.first().map_or(Some(present), |change| change.old.as_deref());
    let by = author(row.id("CreatedById").as_ref(), catalogue);
    let mut entries: Vec<Entry> =
        first.into_iter().map(|value| Entry { value: value.to_owned(), at: created, by: by.clone() }).collect();
    entries.extend(own.iter().filter_map(|change| {
        Some(Entry { value: change.new.clone()?, at: change.at, by: author(change.by.as_ref(), catalogue) })
    }));
    if own.last().is_some_and(|change| change.new.as_deref() != Some(present)) {
        entries.push(last(modified));
    }
    entries
}

/// Owner changes give two rows, of which the one with ids counts. Source: section 4, LeadHistory.
fn owners(row: &Row, changes: &[&Change], modified: Timestamp, catalogue: &Catalogue) -> Vec<OwnerEntry> {
    let present = person_owner(row);
    if !catalogue.tracks_owner {
        return vec![OwnerEntry { owner: present, at: modified, by: last_editor(row, catalogue) }];
    }
    let user = |id: Option<Id>| id.filter(|id| id.prefix() == "005").map(|id| remote(&id));
    let own: Vec<(&Change, Option<Id>, Option<Id>)> =
        changes.iter().filter_map(|change| change.owners().map(|(old, new)| (*change, old, new))).collect();
    let created = row.time("CreatedDate").unwrap_or(modified);
    let first = own.first().map_or_else(|| present.clone(), |(_, old, _)| user(old.clone()));
    let by = author(row.id("CreatedById").as_ref(), catalogue);
    let mut owners = vec![OwnerEntry { owner: first, at: created, by }];
    owners.extend(own.iter().map(|(change, _, new)| OwnerEntry {
        owner: user(new.clone()),
        at: change.at,
        by: author(change.by.as_ref(), catalogue),
    }));
    if own.last().is_some_and(|(_, _, new)| user(new.clone()) != present) {
        owners.push(OwnerEntry { owner: present, at: modified, by: last_editor(row, catalogue) });
    }
    owners
}

/// Sales' newest word. The status that a lead is given back with is "rejected"; entering a stage that is sales' own work is "accepted",
/// unless Baton wrote it or the record was made there.
fn disposition(
    row: &Row,
    entries: &[Entry],
    stages: &[StageEntry],
    maps: &Maps,
    findings: &mut Vec<Finding>,
) -> Option<Disposition> {
    let present = row.text(STATUS)?;
    let is_given_back = maps.stage(STATUS, present) == Some(Stage::Disqualified) || maps.reason(present).is_some();
    if is_given_back {
        let field = maps.reason_field.as_deref().and_then(|field| row.text(field));
        let said = field.unwrap_or(present);
        let reason = maps.reason(said).cloned();
        if reason.is_none() {
            findings.push(unmapped_reason(maps, said));
        }
        let told = entries.iter().rev().take_while(|entry| entry.value == present).last()?;
        let word = Word::Rejected { reason, said: Some(Name::from(said)) };
        return Some(Disposition { word, at: told.at, by: told.by.clone() });
    }
    accepted(stages)
}

pub(super) fn accepted(stages: &[StageEntry]) -> Option<Disposition> {
    let taken = stages.iter().rev().take_while(|entry| entry.stage.is_with_sales()).last()?;
    let is_word = match taken.by {
        Author::Person(_) | Author::Unknown => true,
        Author::Automation(_) | Author::Baton => false,
    };
    is_word.then(|| Disposition { word: Word::Accepted, at: taken.at, by: taken.by.clone() })
}

/// When, and by whom, a lead was converted: the date alone has no time. Source: section 4, `ConvertedDate`.
pub(super) fn converted_at(
    row: &Row,
    changes: &HashMap<Id, Vec<Change>>,
    catalogue: &Catalogue,
) -> Option<(Timestamp, Author)> {
    let told = changes
        .get(&row.id("Id")?)
        .and_then(|all| all.iter().rev().find(|change| change.field == "leadConverted" || change.field == STATUS));
    match told {
        Some(change) => Some((change.at, author(change.by.as_ref(), catalogue))),
        // A converted lead is read-only, so its last editor converted it. Source: section 1.7.
        None => Some((
            row.time("LastModifiedDate").or_else(|| row.stamp())?,
            author(row.id("LastModifiedById").as_ref(), catalogue),
        )),
    }
}
