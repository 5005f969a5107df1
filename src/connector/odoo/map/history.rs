//! The ledgers of a lead: stages, owners and sales' word, from its tracked changes and what it is now.

use jiff::Timestamp;

use super::super::catalogue::{Catalogue, Named, ODOOBOT};
use super::super::settings::{Maps, STAGE, TYPE, WON_STATUS};
use super::super::wire::Row;
use super::{Change, unmapped_reason, unmapped_stage};
use crate::domain::finding::Finding;
use crate::domain::id::{Name, RemoteId};
use crate::domain::record::{Author, Disposition, OwnerEntry, Word};
use crate::domain::stage::{Stage, StageEntry};

/// The stage ledger: the one it began with, then each tracked change, then the present one if the history lacks it.
pub(super) fn stages(
    row: &Row,
    changes: &[&Change],
    maps: &Maps,
    catalogue: &Catalogue,
    findings: &mut Vec<Finding>,
) -> Vec<StageEntry> {
    let modified = row.time("write_date").unwrap_or_default();
    let created = row.time("create_date").unwrap_or(modified);
    let mut entries: Vec<(i64, StageEntry)> = Vec::new();
    for property in [STAGE, TYPE] {
        let own: Vec<&&Change> = changes.iter().filter(|change| change.field == property).collect();
        let present = present(row, property);
        let mut add = |order: i64, value: &Named, at: Timestamp, by: Author| {
            let id = (property == STAGE).then_some(value.id);
            if let Some(stage) = maps.stage(property, id, &value.name) {
                entries.push((order, StageEntry { stage, at, by }));
            }
        };
        let Some(present) = present else { continue };
        if catalogue.tracked.is_none() {
            let at = row.time("date_last_stage_update").filter(|at| property == STAGE && *at <= modified);
            add(0, &present, at.unwrap_or(modified), Author::Unknown);
            continue;
        }
        let first = own.first().map_or(&present, |change| &change.old);
        add(0, first, created, author(row.link_id("create_uid"), catalogue));
        for change in &own {
            add(change.id, &change.new, change.at, author(Some(change.by), catalogue));
        }
        if let Some(last) = own.last().filter(|last| !same(property, &last.new, &present)) {
            let at = row.time("date_last_stage_update").unwrap_or(modified).max(last.at);
            add(i64::MAX, &present, at, Author::Unknown);
        }
    }
    entries.sort_by_key(|(order, entry)| (entry.at, *order));
    if let Some(link) = row.link(STAGE) {
        let is_first = catalogue.first_stage().is_some_and(|first| first.id == link.id);
        if !is_first && maps.stage(STAGE, Some(link.id), link.name).is_none() {
            findings.push(unmapped_stage(maps, link.name));
        }
    }
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn present(row: &Row, property: &str) -> Option<Named> {
    if property == STAGE {
        return row.link(STAGE).map(Named::from);
    }
    row.text(property).map(|text| Named { id: 0, name: text.to_owned() })
}

/// Selections are tracked by their label, in the language of whoever changed them.
fn same(property: &str, one: &Named, other: &Named) -> bool {
    if property == STAGE { one.id == other.id } else { one.name.eq_ignore_ascii_case(&other.name) }
}

pub(super) fn owners(row: &Row, changes: &[&Change], catalogue: &Catalogue) -> Vec<OwnerEntry> {
    let modified = row.time("write_date").unwrap_or_default();
    let created = row.time("create_date").unwrap_or(modified);
    let user = |id: i64| (id > 0).then(|| RemoteId::from(id.to_string()));
    let present = row.link_id("user_id").unwrap_or_default();
    if catalogue.tracked.is_none() {
        let at = row.time("date_open").filter(|at| *at <= modified && present > 0).unwrap_or(modified);
        return vec![OwnerEntry { owner: user(present), at, by: Author::Unknown }];
    }
    let own: Vec<&&Change> = changes.iter().filter(|change| change.field == "user_id").collect();
    let first = own.first().map_or(present, |change| change.old.id);
    let mut owners =
        vec![OwnerEntry { owner: user(first), at: created, by: author(row.link_id("create_uid"), catalogue) }];
    owners.extend(own.iter().map(|change| OwnerEntry {
        owner: user(change.new.id),
        at: change.at,
        by: author(Some(change.by), catalogue),
    }));
    if let Some(last) = own.last().filter(|last| last.new.id != present) {
        let at = row.time("date_open").unwrap_or(modified).max(last.at);
        owners.push(OwnerEntry { owner: user(present), at, by: Author::Unknown });
    }
    owners
}

/// Sales' newest word. Lost is "rejected" with the lost reason as it is now; entering a stage that is sales' own work is
/// "accepted", unless Baton wrote it or the record was made there.
pub(super) fn disposition(
    row: &Row,
    changes: &[&Change],
    stages: &[StageEntry],
    maps: &Maps,
    catalogue: &Catalogue,
    findings: &mut Vec<Finding>,
) -> Option<Disposition> {
    let modified = row.time("write_date").unwrap_or_default();
    if row.text(WON_STATUS) == Some("lost") {
        let said = row.link("lost_reason_id").map(|link| link.name.to_owned()).filter(|name| !name.is_empty());
        let reason = said.as_deref().and_then(|said| maps.reason(said)).cloned();
        if let (Some(said), None) = (&said, &reason) {
            findings.push(unmapped_reason(maps, said));
        }
        // The lead was lost with the change that archived it, or when its reason was given or changed afterwards.
        let tells = |change: &&&Change| matches!(change.field.as_str(), "active" | "lost_reason_id" | WON_STATUS);
        let told = changes.iter().rev().find(tells);
        let (at, by) = match told {
            Some(change) => (change.at, author(Some(change.by), catalogue)),
            None => (row.time("date_closed").unwrap_or(modified), Author::Unknown),
        };
        return Some(Disposition { word: Word::Rejected { reason, said: said.map(Name::from) }, at, by });
    }
    let taken = stages.iter().rev().take_while(|entry| entry.stage.is_with_sales()).last()?;
    let is_word = match taken.by {
        Author::Person(_) | Author::Unknown => true,
        Author::Automation(_) | Author::Baton => false,
    };
    is_word.then(|| Disposition { word: Word::Accepted, at: taken.at, by: taken.by.clone() })
}

/// A lead that was lost past `sql` is a lost deal too, not only one that was given back.
pub(super) fn lost_deal(stages: &[StageEntry], disposition: Option<&Disposition>) -> Option<StageEntry> {
    let lost = disposition.filter(|said| matches!(said.word, Word::Rejected { .. }))?;
    let last = stages.iter().rev().find(|entry| entry.at <= lost.at)?;
    let is_deal = matches!(last.stage, Stage::Sql | Stage::Proposal | Stage::Negotiation | Stage::Won);
    is_deal.then(|| StageEntry { stage: Stage::Lost, at: lost.at, by: lost.by.clone() })
}

fn author(user: Option<i64>, catalogue: &Catalogue) -> Author {
    match user {
        None => Author::Unknown,
        Some(id) if id == catalogue.own => Author::Baton,
        Some(ODOOBOT) => Author::Automation(Name::from("OdooBot")),
        Some(id) => Author::Person(Some(RemoteId::from(id.to_string()))),
    }
}
