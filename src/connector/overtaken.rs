//! What was written late, by a request that was not answered, over what a person had chosen meanwhile (fault 59): read off the history
//! that a CRM keeps of its fields.
//!
//! What a person set since the look before the earlier try, they set without our knowing. It stands, and what our late entry replaced
//! is put back. The earlier try is kept with the write (`Addressed::earlier`), so that a start anew changes nothing. HubSpot's histories
//! name no value before, and are read in a way of their own (`hubspot/write/overtaken.rs`).

use jiff::Timestamp;

use crate::domain::plan::Earlier;

/// Who made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Baton,
    Person,
    /// Another program, or nobody knows.
    Other,
}

/// One entry of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) field: String,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) at: Timestamp,
    pub(super) by: By,
    /// Changes that were made together share it.
    pub(super) batch: i64,
}

/// What a person chose while a request of ours was under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// This field holds what they chose, or ours is back already.
    Stands(String),
    /// Ours came over it, with these changes.
    Over(Vec<Change>),
}

impl Chosen {
    /// What the write that gave way found.
    pub(super) fn found(field: &str) -> String {
        format!("{field} was chosen by a person before a late answer")
    }
}

/// What of `changes`, oldest first, a person chose since the earlier try was looked before, where that sets `sets`: another value of
/// these fields, or any of those of `also`. `before` is what a field held then, where it is known. What somebody else set after the
/// person is not theirs any more.
pub(super) fn chosen(
    changes: &[Change],
    sets: &[(&str, String)],
    also: &[&str],
    earlier: &Earlier,
    before: impl Fn(&str) -> Option<String>,
) -> Option<Chosen> {
    let since = earlier.looked_at?;
    let is_wanted = |change: &Change| sets.iter().any(|(field, value)| *field == change.field && *value == change.new);
    let ours = changes.iter().rev().find(|change| change.by == By::Baton && change.at >= since && is_wanted(change));
    let is_ours = |change: &Change| change.by == By::Baton && ours.is_some_and(|ours| ours.batch == change.batch);
    let first = changes.iter().position(is_ours).unwrap_or(changes.len());
    let is_choice = |field: &str| {
        let last = changes[..first].iter().rev().find(|change| change.field == field)?;
        let is_news = last.at > since || before(field).is_some_and(|known| known != last.new);
        (last.by == By::Person && is_news && !is_wanted(last)).then(|| field.to_owned())
    };
    let mut fields = sets.iter().map(|(field, _)| *field).chain(also.iter().copied());
    let theirs = fields.find_map(is_choice)?;
    let (written, others): (Vec<&Change>, Vec<&Change>) = changes[first..].iter().partition(|change| is_ours(change));
    let is_passed = others.iter().any(|other| written.iter().any(|ours| ours.field == other.field));
    if written.is_empty() || is_passed {
        return Some(Chosen::Stands(theirs));
    }
    Some(Chosen::Over(written.into_iter().cloned().collect()))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn change(batch: i64, field: &str, from: &str, to: &str, second: i64, by: By) -> Change {
        let at = Timestamp::from_second(second).unwrap();
        Change { field: field.to_owned(), old: from.to_owned(), new: to.to_owned(), at, by, batch }
    }

    fn looked() -> Earlier {
        Earlier { ago: SignedDuration::ZERO, looked_at: Timestamp::from_second(100).ok(), was: Vec::new() }
    }

    #[test]
    fn a_persons_stage_is_told_from_what_was_known_and_from_what_others_set_fault_59() {
        use By::{Baton, Other, Person};
        let stage = |batch, from, to, second, by| change(batch, "stage", from, to, second, by);
        let check = |changes: &[Change], expected: Option<Chosen>| {
            let found = chosen(changes, &[("stage", "3".to_owned())], &[], &looked(), |_| Some("2".to_owned()));
            assert_eq!(found, expected, "{changes:?}");
        };
        let stands = || Some(Chosen::Stands("stage".to_owned()));
        check(&[], None);
        // Known then; ours came, over what it was to replace.
        check(&[stage(1, "1", "2", 90, Person)], None);
        check(&[stage(1, "1", "2", 90, Person), stage(2, "2", "3", 110, Baton)], None);
        // A person, and ours not or not yet; in a transaction that began before the look and ended after it, too.
        check(&[stage(1, "2", "4", 105, Person)], stands());
        check(&[stage(1, "2", "4", 99, Person)], stands());
        // Ours over theirs; and given back since, or set again.
        let over = stage(2, "4", "3", 110, Baton);
        check(&[stage(1, "2", "4", 105, Person), over.clone()], Some(Chosen::Over(vec![over.clone()])));
        check(&[stage(1, "2", "4", 105, Person), over.clone(), stage(3, "3", "4", 120, Baton)], stands());
        check(&[stage(1, "2", "4", 105, Person), over, stage(3, "3", "5", 120, Person)], stands());
        // What we wanted, or not theirs any more.
        check(&[stage(1, "2", "3", 105, Person)], None);
        check(&[stage(1, "2", "4", 105, Person), stage(2, "4", "6", 106, Other), stage(3, "6", "3", 110, Baton)], None);
        // An entry of ours from before the look says nothing of the late one.
        check(&[stage(1, "4", "3", 50, Baton), stage(2, "3", "2", 60, Person)], None);
        let unkept = Earlier { looked_at: None, ..looked() };
        let moved = [stage(1, "2", "4", 105, Person)];
        assert_eq!(chosen(&moved, &[("stage", "3".to_owned())], &[], &unkept, |_| None), None);
    }

    #[test]
    fn whoever_moves_a_lead_on_does_not_want_it_lost_fault_59() {
        use By::{Baton, Person};
        let sets = [("reason", "7".to_owned()), ("active", "0".to_owned())];
        let before = |field: &str| match field {
            "active" => Some("1".to_owned()),
            "reason" => Some("0".to_owned()),
            _ => None,
        };
        let check = |changes: &[Change], expected: Option<Chosen>| {
            assert_eq!(chosen(changes, &sets, &["stage"], &looked(), before), expected, "{changes:?}");
        };
        let ours = [change(8, "active", "1", "0", 110, Baton), change(8, "reason", "0", "7", 110, Baton)];
        check(&ours, None);
        let [active, reason] = ours.clone();
        check(&[change(1, "stage", "2", "4", 90, Person), active.clone(), reason.clone()], None);
        check(&[change(1, "stage", "2", "4", 105, Person), active, reason], Some(Chosen::Over(ours.to_vec())));
        // Lost for another reason: only the reason was written over.
        let [gone, why] = [change(1, "active", "1", "0", 105, Person), change(1, "reason", "0", "6", 105, Person)];
        let late = change(2, "reason", "6", "7", 110, Baton);
        check(&[gone.clone(), why.clone(), late.clone()], Some(Chosen::Over(vec![late])));
        check(&[gone, why], Some(Chosen::Stands("reason".to_owned())));
    }
}
