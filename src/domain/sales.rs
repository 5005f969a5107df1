//! In which CRM sales works on a lead: its team's own, else the agreement's. Several teams may keep one agreement in CRMs of
//! their own.

use super::agreement::Agreement;
use super::handoff::Handoff;
use super::id::{ConnectionId, TeamId};
use super::roster::Roster;

/// The CRM in which `team` works; `None` if neither roster nor agreement names one: then it is the one where the lead lives.
#[must_use]
pub fn works_in<'a>(agreement: &'a Agreement, roster: &'a Roster, team: Option<&TeamId>) -> Option<&'a ConnectionId> {
    let own = team.and_then(|team| roster.teams.get(team)).and_then(|team| team.works_in.as_ref());
    own.or(agreement.handoff.to.as_ref())
}

/// The CRM in which `handoff` is worked on: that of the last team that had it.
#[must_use]
pub fn of_handoff<'a>(
    agreement: &'a Agreement,
    roster: &'a Roster,
    handoff: Option<&Handoff>,
) -> Option<&'a ConnectionId> {
    let team = handoff.and_then(|handoff| handoff.turns.iter().rev().find_map(|turn| turn.team.as_ref()));
    works_in(agreement, roster, team)
}

/// Every CRM in which sales works, the agreement's first.
pub fn connections<'a>(agreement: &'a Agreement, roster: &'a Roster) -> impl Iterator<Item = &'a ConnectionId> {
    let to = agreement.handoff.to.as_ref();
    let mut own: Vec<&ConnectionId> = roster.teams.values().filter_map(|team| team.works_in.as_ref()).collect();
    own.sort();
    own.dedup();
    to.into_iter().chain(own.into_iter().filter(move |own| Some(*own) != to))
}

/// Does sales work in `connection`? Then what stands there is sales' word, and Baton writes no stage into it.
#[must_use]
pub fn is_sales(agreement: &Agreement, roster: &Roster, connection: &ConnectionId) -> bool {
    connections(agreement, roster).any(|sales| sales == connection)
}
