//! What follows from a case: changes, events, effects. Values only; `commit` makes them true, `deliver` makes them felt.

mod case;
mod event;
mod notice;
mod write;

use crate::domain::finding::Finding;
use crate::domain::handoff::{CommitmentClock, Handoff};
use crate::domain::id::{Name, PersonId, TeamId};
use crate::domain::lead::LeadState;
use crate::domain::roster::Roster;

pub use case::{
    Ability, Case, CompanySummary, Fate, History, Hold, Mode, Paused, Policy, Receipt, TOUCHES_TOLD_MAX, Told,
};
pub use event::{Event, Happening};
pub use notice::{Notice, NoticeKind, Story};
pub use write::{Earlier, Effect, Lane, Leaving, Was, Write};

/// What follows for one lead.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lead afterwards; its `version` is still the one the plan was made from.
    pub lead: LeadState,
    /// The hand-off afterwards, if it was opened or changed.
    pub handoff: Option<Handoff>,
    /// What happened, for the journal and the board.
    pub events: Vec<Event>,
    /// What to write to CRMs.
    pub writes: Vec<Write>,
    /// Whom to tell.
    pub notices: Vec<Notice>,
    /// Why the writes (of a paused team the notices, too) wait for a person.
    pub hold: Option<Hold>,
    /// Queued effects of this lead's hand-off that must not be sent any more, with the reason.
    pub cancels: Option<Name>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// A turn that wants an owner: `assign` completes the plan.
    pub wants_owner: Option<Wanted>,
}

impl Plan {
    /// Has another turn begun, so that owners of earlier ones, which wait to be written, are nobody's wish any more?
    #[must_use]
    pub fn outdates_owners(&self) -> bool {
        let later = |event: &Event| match event.what {
            Happening::Assigned { turn, .. } | Happening::TakenOver { turn, .. } => turn > 1,
            _ => false,
        };
        self.events.iter().any(later)
    }
}

/// A hand-off that wants an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The rule that chose.
    pub rule: Name,
    /// Among whom.
    pub among: Among,
    /// Who had it before and is not asked again.
    pub not: Vec<PersonId>,
    /// Why this rule: what `explain` shows before the choice among the team.
    pub why: String,
    /// The promises of the turn that begins, with the times chosen for this lead.
    pub clocks: Vec<CommitmentClock>,
}

/// Among whom an owner is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Among {
    /// This person, who is available.
    Person(PersonId),
    /// A team's members, in the team's fair order.
    Team(TeamId, crate::domain::agreement::Fairness),
    /// The fallback of a team at once: all turns are used.
    Fallback(TeamId),
}

impl Among {
    /// The team that the lead goes to.
    #[must_use]
    pub fn team<'a>(&'a self, roster: &'a Roster) -> Option<&'a TeamId> {
        match self {
            Self::Team(team, _) | Self::Fallback(team) => Some(team),
            Self::Person(person) => roster.team_of(person).map(|(team, _)| team),
        }
    }
}
