//! What a person's record shows of the lead's hand-off, for whoever works in the CRM and not on the board.

use jiff::{SignedDuration, Timestamp};

use super::handoff::{Handoff, HandoffState, Outcome};
use super::id::{Name, RecordRef};

/// Characters of a reason; CRMs cut or refuse longer texts in a line.
const REASON_CHARS_MAX: usize = 250;

/// What is shown: why whoever has the lead has it, and by when they answer; or why it came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandoffFields {
    /// While it runs: why its owner has it. Once sales gave it back, or Baton did: the reason.
    pub reason: Option<Name>,
    /// When the next promise of its owner is due, in whole seconds; nothing while no clock runs.
    pub owner_due: Option<Timestamp>,
}

/// What one record was last told to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffWritten {
    /// The record.
    pub record: RecordRef,
    /// What.
    pub fields: HandoffFields,
    /// How many times something was written to it: makes each write one of its own.
    pub number: u32,
}

impl HandoffFields {
    /// What a record shows of `handoff`.
    #[must_use]
    pub fn of(handoff: &Handoff) -> Self {
        match &handoff.state {
            HandoffState::Incomplete { .. } => Self::default(),
            HandoffState::Open => Self {
                reason: handoff.turn().map(|turn| cut(&turn.why)),
                owner_due: handoff.due_at().map(whole_second),
            },
            HandoffState::Closed { outcome, .. } => Self { reason: came_back(outcome), owner_due: None },
        }
    }

    /// Does it show nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn came_back(outcome: &Outcome) -> Option<Name> {
    match outcome {
        Outcome::Rejected(reason) => Some(cut(&format!("rejected: {reason}"))),
        Outcome::Recycled(reason) => Some(cut(&format!("returned: {reason}"))),
        Outcome::Qualified | Outcome::Merged(_) | Outcome::Gone | Outcome::Skipped(_) => None,
    }
}

fn cut(text: &str) -> Name {
    match text.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => Name::from(&text[..end]),
        None => Name::from(text),
    }
}

/// CRMs keep whole seconds: what is compared with them must not differ by less.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(at.as_second())).unwrap_or(at)
}
