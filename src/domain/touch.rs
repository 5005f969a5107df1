//! What sales did to reach a lead: a call, an e-mail written by a person, a meeting.

use jiff::Timestamp;

use super::id::{RecordRef, RemoteId};

/// By which way a person was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A telephone call.
    Call,
    /// An e-mail.
    Email,
    /// A meeting.
    Meeting,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Call, Self::Email, Self::Meeting];

    /// The channel's name in files, tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Email => "email",
            Self::Meeting => "meeting",
        }
    }

    /// The channel with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}

/// Does a touch count as sales having reached out? The connector says, by its CRM's own facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Genuine {
    /// A person of ours acted, outward, and it took place: it stops a clock.
    Yes,
    /// Planned, failed or bounced, inbound, or sent by a machine: shown, but stops nothing.
    No(NotGenuine),
}

/// Why a touch stops no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotGenuine {
    /// It came from the lead.
    Inbound,
    /// It has not taken place yet, or was cancelled.
    NotDone,
    /// It was planned for a time that has passed, and nothing says that it took place.
    Unsaid,
    /// It did not reach anybody: bounced, failed, wrong number, busy line.
    Failed,
    /// A machine sent it: a sequence, a campaign, a template run.
    Automated,
}

/// One touch on one person's record. A call with two people on it is two touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The call, e-mail or meeting in its CRM.
    pub of: RecordRef,
    /// The person's record it hangs on.
    pub person: RecordRef,
    /// By which way.
    pub channel: Channel,
    /// When it took place, by the CRM's time.
    pub at: Timestamp,
    /// Who made it: the CRM's user id, where it says.
    pub by: Option<RemoteId>,
    /// Does it stop a clock?
    pub genuine: Genuine,
}
