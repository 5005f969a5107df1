//! The shapes of answers, made by hand: the one road from the store to a screen.
//!
//! [`status`] is how Baton is, [`list`] the rows of the board, [`lead`] one lead's whole story,
//! [`committee`] its company's people, [`story`] its hand-offs, [`journey`] its journeys, and [`funnel`] what became of the hand-offs of late.

use std::fmt;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

use crate::report::words;

mod committee;
mod funnel;
mod journey;
mod lead;
mod list;
mod pair;
mod status;
mod story;

pub use committee::{CommitteeView, CompanyRow, MemberView, MissingView, RoleCount, RoleView, companies, company};
pub use funnel::{FunnelView, funnel_of_late as funnel};
pub use journey::JourneyView;
pub use lead::{
    CompanyView, DealView, EffectView, FactView, LeadView, ReadView, RecordView, RouteView, ShortfallView, WhyNotView,
    lead,
};
pub use list::{EventView, FindingView, HandoffView, events, findings, handoffs};
pub use pair::{PairFact, PairView, pairs};
pub use status::{
    BudgetView, ChannelView, ConnectionView, LoopView, PatrolView, RepairView, StatusView, StreamView, WaitingView,
    coverage, loops, status, waiting,
};
pub use story::{ClockView, HandoffStory, StretchView, TurnView};

/// An instant: RFC 3339 in UTC for machines, in the workspace's zone and to the minute for people.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The instant.
    pub at: Timestamp,
    shown: String,
}

impl Moment {
    /// `at`, shown in `zone`.
    #[must_use]
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        Self { at, shown: words::instant(at, zone) }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.at)
    }
}
