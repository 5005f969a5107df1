//! One possible sale: of a company, with people. A person may have won one in 2024 and have one open now.

use std::sync::Arc;

use jiff::Timestamp;

use super::id::{Name, RecordRef, RemoteId};
use super::observation::{Content, Observation};

/// How a deal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DealState {
    /// Being sold.
    Open,
    /// Sold.
    Won,
    /// Not sold.
    Lost,
}

impl DealState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Open, Self::Won, Self::Lost];

    /// The state's name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A deal as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct DealSeen {
    /// How it stands.
    pub state: DealState,
    /// The CRM's own name of its stage.
    pub stage: Option<Name>,
    /// What it is called.
    pub title: Option<Arc<str>>,
    /// What it is worth, in the currency of the CRM.
    pub amount: Option<f64>,
    /// When the CRM made it.
    pub created: Timestamp,
    /// When it was won or lost, where the CRM says.
    pub closed: Option<Timestamp>,
    /// The CRM's user who owns it.
    pub owner: Option<RemoteId>,
    /// The company in the same CRM. `None` = not read this time; `Some(None)` = read, and there is none.
    pub company: Option<Option<RecordRef>>,
    /// The people in the same CRM; `None` = not read this time.
    pub people: Option<Vec<RecordRef>>,
}

/// What one connection knows of one deal.
#[derive(Clone, Debug, PartialEq)]
pub struct DealRecord {
    /// Which record.
    pub of: RecordRef,
    /// The CRM's time of the newest change that was read.
    pub modified: Timestamp,
    /// How it stands.
    pub state: DealState,
    /// The CRM's own name of its stage.
    pub stage: Option<Name>,
    /// What it is called.
    pub title: Option<Arc<str>>,
    /// What it is worth, in the currency of the CRM.
    pub amount: Option<f64>,
    /// When the CRM made it.
    pub created: Timestamp,
    /// When it was won or lost, where the CRM says.
    pub closed: Option<Timestamp>,
    /// The CRM's user who owns it.
    pub owner: Option<RemoteId>,
    /// The company in the same CRM.
    pub company: Option<RecordRef>,
    /// The people in the same CRM.
    pub people: Vec<RecordRef>,
    /// Deleted in its CRM?
    pub is_gone: bool,
}

impl DealRecord {
    /// Is it being sold?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == DealState::Open && !self.is_gone
    }
}

/// A deal's record after `observation`; `None` if that says nothing of one, or nothing new.
///
/// An observation of an older state never overwrites a newer one, and gone stays gone until a newer state shows it again.
#[must_use]
pub fn absorb(before: Option<&DealRecord>, observation: &Observation) -> Option<DealRecord> {
    let at = observation.modified;
    let is_older = before.is_some_and(|known| at < known.modified || (at == known.modified && known.is_gone));
    if is_older {
        return None;
    }
    let after = match &observation.content {
        Content::Deal(seen) => DealRecord {
            of: observation.of.clone(),
            modified: at,
            state: seen.state,
            stage: seen.stage.clone(),
            title: seen.title.clone(),
            amount: seen.amount,
            created: seen.created,
            closed: seen.closed,
            owner: seen.owner.clone(),
            company: seen.company.clone().unwrap_or_else(|| before.and_then(|known| known.company.clone())),
            people: seen.people.clone().unwrap_or_else(|| before.map_or_else(Vec::new, |known| known.people.clone())),
            is_gone: false,
        },
        Content::Gone | Content::MergedInto(_) | Content::Erased => {
            DealRecord { is_gone: true, modified: at, ..before?.clone() }
        }
        Content::Person(_)
        | Content::Company(_)
        | Content::Touch(_)
        | Content::User(_)
        | Content::Task(_)
        | Content::CompanyOf(_)
        | Content::Undecodable(_) => return None,
    };
    (before != Some(&after)).then_some(after)
}

/// Does the change matter to decisions: who has an open deal?
#[must_use]
pub fn matters(before: Option<&DealRecord>, after: &DealRecord) -> bool {
    let view = |deal: &DealRecord| (deal.is_open(), deal.company.clone(), deal.people.clone());
    before
        .map_or_else(|| after.is_open(), |before| view(before) != view(after) && (before.is_open() || after.is_open()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ConnectionId, Object};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(second: i64, state: DealState, people: Option<&[&str]>) -> Observation {
        let crm = ConnectionId::from("crm");
        let person = |id: &&str| RecordRef::new(&crm, Object::Person, *id);
        Observation {
            of: RecordRef::new(&crm, Object::Deal, "1"),
            modified: at(second),
            content: Content::Deal(DealSeen {
                state,
                stage: None,
                title: None,
                amount: Some(10.0),
                created: at(0),
                closed: None,
                owner: None,
                company: None,
                people: people.map(|people| people.iter().map(person).collect()),
            }),
            findings: Vec::new(),
        }
    }

    #[test]
    fn the_newest_state_of_a_deal_stands_and_what_was_not_read_stays() {
        let open = absorb(None, &seen(10, DealState::Open, Some(&["7"]))).unwrap();
        assert!(matters(None, &open) && open.is_open());
        assert_eq!(absorb(Some(&open), &seen(10, DealState::Open, Some(&["7"]))), None, "the same again is no news");
        assert_eq!(absorb(Some(&open), &seen(9, DealState::Lost, None)), None, "older than what is known");
        let won = absorb(Some(&open), &seen(20, DealState::Won, None)).unwrap();
        assert_eq!((won.people.len(), won.state), (1, DealState::Won));
        assert!(matters(Some(&open), &won) && !won.is_open());
        let gone = Observation { content: Content::Gone, ..seen(30, DealState::Open, None) };
        let gone = absorb(Some(&won), &gone).unwrap();
        assert!(gone.is_gone && !matters(Some(&won), &gone), "an ended deal that is deleted changes nothing");
        assert_eq!(absorb(Some(&gone), &seen(30, DealState::Open, None)), None, "gone stays gone");
        assert!(absorb(Some(&gone), &seen(31, DealState::Open, None)).unwrap().is_open(), "until it is shown again");
    }
}
