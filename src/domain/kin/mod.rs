//! Joining leads that are one person, and taking them apart: which one goes on, which records move, what is remembered.
//!
//! Records are never lost and never copied: they only change the lead that they are linked to, and the leads are
//! projected again. A hand-off never moves either. It stays with its number, which its effects are known by, and so the
//! lead that has it keeps the records that belong to it.

use jiff::Timestamp;

use super::handoff::Handoff;
use super::id::{LeadId, Name, RecordRef};
use super::lead::{Absorbed, LeadState, Memory};
use super::plan::Case;
use super::record::{Link, LinkRule, PersonRecord};

/// The one of two leads that goes on if they are one person: the one whose open hand-off is the older; a hand-off that
/// people know of goes before a shadow. Without any the one that was `named`.
#[must_use]
pub fn goes_on(named: &Case, other: &Case) -> LeadId {
    let claim = |case: &Case| open(case).map(|handoff| (handoff.is_shadow, handoff.opened_at));
    match (claim(named), claim(other)) {
        (Some(ours), Some(theirs)) if theirs < ours => other.lead.id,
        (None, Some(_)) => other.lead.id,
        (Some(_), _) | (None, None) => named.lead.id,
    }
}

fn open(case: &Case) -> Option<&Handoff> {
    case.handoff.as_ref().filter(|handoff| !handoff.is_closed())
}

/// The records of a lead that goes into `into`, with their new link.
#[must_use]
pub fn moved(records: &[PersonRecord], into: LeadId, by: &Name, at: Timestamp) -> Vec<PersonRecord> {
    let moved = |record: &PersonRecord| {
        let rule = LinkRule::Joined { by: by.clone(), from: record.link.lead };
        PersonRecord { link: Link { lead: into, rule, at }, ..record.clone() }
    };
    records.iter().map(moved).collect()
}

/// What taking a record out of its lead means.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The records that leave the lead.
    pub leave: Vec<RecordRef>,
    /// The records that stay.
    pub stay: Vec<RecordRef>,
    /// The lead that they had come from, if they go back there: a merge is taken back. `None`: a new lead.
    pub back_to: Option<LeadId>,
    /// What a new lead goes on from.
    pub memory: Option<Memory>,
}

/// Takes the record `of` out of the lead of `case`; `None` if nothing would be left of the one or of the other.
///
/// What came by one join goes by one split: the records that a person joined together with `of` leave with it, back to
/// their own lead, if that was not joined elsewhere meanwhile (`is_empty` says whether a lead is joined to this one). The
/// same is meant if `of` was there first and all others came by one join: then they leave, and `of` stays. Otherwise the
/// record leaves alone for a new lead.
///
/// The open hand-off stays with the record that its owner was written to, `sales`: if that is among those that would
/// leave, the others leave instead. But a hand-off that is older than the join was there before, and stays.
#[must_use]
pub fn split(
    case: &Case,
    of: &RecordRef,
    sales: Option<&RecordRef>,
    is_empty: impl Fn(LeadId) -> bool,
) -> Option<Split> {
    let record = case.records.iter().find(|record| &record.of == of)?;
    let joined = |record: &PersonRecord| joined_from(record).filter(|from| *from != case.lead.id && is_empty(*from));
    let from = joined(record);
    let leaves = |other: &PersonRecord| &other.of == of || (from.is_some() && other.link == record.link);
    let (leave, stay): (Vec<&PersonRecord>, Vec<&PersonRecord>) = case.records.iter().partition(|one| leaves(one));
    let first_of_rest = stay.first()?;
    let came_together = from.is_none() && stay.iter().all(|one| one.link == first_of_rest.link);
    let others_from = joined(first_of_rest).filter(|_| came_together);
    let refs = |records: &[&PersonRecord]| records.iter().map(|record| record.of.clone()).collect::<Vec<_>>();
    let (leave, stay, joined_at) = (refs(&leave), refs(&stay), first_of_rest.link.at);
    let handoff = open(case);
    let was_there = |join: Timestamp| handoff.is_some_and(|handoff| handoff.opened_at < join);
    let has_sales = |part: &[RecordRef]| handoff.is_some() && sales.is_some_and(|sales| part.contains(sales));
    if others_from.is_some() && (was_there(joined_at) || !has_sales(&stay)) {
        return Some(Split { leave: stay, stay: leave, back_to: others_from, memory: None });
    }
    let follows = has_sales(&leave) && !(from.is_some() && was_there(record.link.at));
    // With an open hand-off the facts that qualified it are not known to be the other part's: it begins anew.
    let memory = (handoff.is_none() && from.is_none()).then(|| case.lead.memory());
    Some(if follows {
        Split { leave: stay, stay: leave, back_to: None, memory }
    } else {
        Split { leave, stay, back_to: from, memory }
    })
}

/// The lead that a person joined the record to its present one from.
fn joined_from(record: &PersonRecord) -> Option<LeadId> {
    match &record.link.rule {
        LinkRule::Joined { from, .. } => Some(*from),
        LinkRule::Parted { .. } | LinkRule::First | LinkRule::Key(_) | LinkRule::Made | LinkRule::Merged(_) => None,
    }
}

/// Lets `lead` remember what `other`, which was joined to it, did.
///
/// How often it came back counts for the person, and what one of them qualified by opens nothing for the other. The stage
/// is the newer one's, unless a hand-off is open.
pub fn absorb(lead: &mut LeadState, other: &LeadState, has_open_handoff: bool) {
    let before = lead.memory();
    lead.cycles = lead.cycles.max(other.cycles);
    lead.rests_until = lead.rests_until.max(other.rests_until);
    lead.qualified_at = lead.qualified_at.max(other.qualified_at);
    if lead.track.is_none() {
        lead.track.clone_from(&other.track);
    }
    if !has_open_handoff && other.version > 0 && other.stage_since > lead.stage_since {
        lead.stage = other.stage;
        lead.stage_since = other.stage_since;
    }
    let after = lead.memory();
    lead.absorbed.retain(|known| known.lead != other.id);
    lead.absorbed.push(Absorbed { lead: other.id, before, after });
}

/// Takes back what joining `other` changed, unless something happened since.
pub fn give_back(lead: &mut LeadState, other: LeadId) {
    let Some(at) = lead.absorbed.iter().position(|known| known.lead == other) else { return };
    let known = lead.absorbed.remove(at);
    if lead.memory() == known.after {
        lead.recall(known.before);
    }
}

#[cfg(test)]
mod tests;
