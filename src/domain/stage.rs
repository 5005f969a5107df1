//! The one stage model that every CRM's own values are mapped to.

use std::fmt;

use jiff::Timestamp;

use super::record::Author;

/// How far a lead is. The order of the first nine is the way a lead goes; `Lost`, `Nurture` and `Disqualified` stand beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Known, nothing more.
    Awareness,
    /// Reacts to marketing.
    Engagement,
    /// Qualified by marketing's criteria: past the bar.
    Mql,
    /// Accepted by sales.
    Sal,
    /// Reviewed and confirmed by sales.
    Sql,
    /// An offer is out.
    Proposal,
    /// Terms are discussed.
    Negotiation,
    /// Bought.
    Won,
    /// The deal was lost.
    Lost,
    /// Back with marketing, on a track.
    Nurture,
    /// Will not be pursued.
    Disqualified,
}

impl Stage {
    /// Every stage, in the order of the model.
    pub const ALL: [Self; 11] = [
        Self::Awareness,
        Self::Engagement,
        Self::Mql,
        Self::Sal,
        Self::Sql,
        Self::Proposal,
        Self::Negotiation,
        Self::Won,
        Self::Lost,
        Self::Nurture,
        Self::Disqualified,
    ];

    /// The stage's name in files, tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Awareness => "awareness",
            Self::Engagement => "engagement",
            Self::Mql => "mql",
            Self::Sal => "sal",
            Self::Sql => "sql",
            Self::Proposal => "proposal",
            Self::Negotiation => "negotiation",
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Nurture => "nurture",
            Self::Disqualified => "disqualified",
        }
    }

    /// The stage with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }

    /// Does the lead count among its company's engaged ones: at `engagement` or past it, and neither lost nor given up?
    #[must_use]
    pub fn is_engaged(self) -> bool {
        match self {
            Self::Engagement | Self::Mql | Self::Sal | Self::Sql | Self::Proposal | Self::Negotiation | Self::Won => {
                true
            }
            Self::Awareness | Self::Lost | Self::Nurture | Self::Disqualified => false,
        }
    }

    /// Is the lead on the way from awareness to a sale, neither ended nor resting with marketing?
    #[must_use]
    pub fn is_on_the_way(self) -> bool {
        match self {
            Self::Awareness
            | Self::Engagement
            | Self::Mql
            | Self::Sal
            | Self::Sql
            | Self::Proposal
            | Self::Negotiation => true,
            Self::Won | Self::Lost | Self::Nurture | Self::Disqualified => false,
        }
    }

    /// Has the lead reached the bar or gone past it?
    #[must_use]
    pub fn is_past_bar(self) -> bool {
        match self {
            Self::Mql | Self::Sal | Self::Sql | Self::Proposal | Self::Negotiation | Self::Won => true,
            Self::Awareness | Self::Engagement | Self::Lost | Self::Nurture | Self::Disqualified => false,
        }
    }

    /// Has sales taken the lead as its own work?
    #[must_use]
    pub fn is_with_sales(self) -> bool {
        match self {
            Self::Sal | Self::Sql | Self::Proposal | Self::Negotiation | Self::Won => true,
            Self::Awareness | Self::Engagement | Self::Mql | Self::Lost | Self::Nurture | Self::Disqualified => false,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of the stage ledger: a record was seen to enter a stage. Backward moves, skips and loops are kept as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageEntry {
    /// The stage entered.
    pub stage: Stage,
    /// When, by the CRM's own history where it has one, else when the change was first seen.
    pub at: Timestamp,
    /// Who moved it.
    pub by: Author,
}
