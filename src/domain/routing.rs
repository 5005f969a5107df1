//! Who gets a lead: rules choose among whom, fair shares choose who.

use jiff::{Timestamp, civil::Date};

use super::id::{PersonId, TeamId};

/// What a team's fair order depends on: read, used and written in commit order, under its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamState {
    /// Which team.
    pub team: TeamId,
    /// Counts the commits.
    pub version: i64,
    /// How much each member was given; a member without a line was given nothing.
    pub shares: Vec<Share>,
}

/// How much one member was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who.
    pub person: PersonId,
    /// Leads given, ever.
    pub given: i64,
    /// When the last one.
    pub given_at: Option<Timestamp>,
    /// Leads given on `day`.
    pub given_today: u32,
    /// Which day of the team's calendar `given_today` counts.
    pub day: Option<Date>,
    /// What the member is owed by the turns so far, in millionths of a lead; negative if they are ahead. The credits of
    /// a team sum to 0. A member who could not be chosen neither gains nor loses: nobody is flooded on their return.
    pub credit: i64,
}
