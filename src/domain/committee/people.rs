//! A committee with its people, as screens show it.

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::agreement::Agreement;
use crate::domain::decide::{appraise, gather};
use crate::domain::id::{CommitteeId, LeadId, Name};
use crate::domain::lead::Projection;
use crate::domain::plan::Case;
use crate::domain::stage::Stage;

use super::{Engaged, Headcount, membership};

/// The people of one company over all connections.
#[derive(Clone, Debug)]
pub struct Committee {
    /// Which.
    pub id: CommitteeId,
    /// Its people: those who were engaged last first, then those with most roles.
    pub people: Vec<Member>,
}

/// One person of a committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which lead.
    pub lead: LeadId,
    /// Their roles, each with the rule that says so.
    pub roles: Vec<(Name, String)>,
    /// What engaged them last.
    pub engaged: Option<Engaged>,
}

impl Committee {
    /// The committee `id` as the cases of its people show it at `now`. A case that does not belong there is left out: it was
    /// asked for by what was known at its last decision.
    #[must_use]
    pub fn of(now: Timestamp, id: &CommitteeId, cases: &[Case], agreement: &Agreement, zone: &TimeZone) -> Self {
        let mut people: Vec<Member> = Vec::new();
        for case in cases {
            let projection = Projection::of(&case.records);
            let mut facts = gather(case, &projection);
            drop(appraise(now, case, agreement, zone, &mut facts));
            let Some(seat) = membership(now, case, &facts, agreement).filter(|seat| seat.committee == *id) else {
                continue;
            };
            let rules = agreement.committee.iter().flat_map(|policy| &policy.roles);
            let held = rules.filter(|rule| seat.roles.contains(&rule.name));
            people.push(Member {
                lead: case.lead.id,
                roles: held.map(|rule| (rule.name.clone(), rule.when.text.to_string())).collect(),
                engaged: seat.engaged,
            });
        }
        let when = |member: &Member| member.engaged.as_ref().map(|engaged| engaged.at);
        people.sort_by(|one, other| {
            let by_roles = || other.roles.len().cmp(&one.roles.len());
            when(other).cmp(&when(one)).then_with(by_roles).then(one.lead.cmp(&other.lead))
        });
        Self { id: id.clone(), people }
    }

    /// How many they are, and in which roles.
    #[must_use]
    pub fn headcount(&self) -> Headcount {
        let mut headcount = Headcount::default();
        for member in &self.people {
            let roles: Vec<Name> = member.roles.iter().map(|(name, _)| name.clone()).collect();
            headcount.add(&roles, 1, u32::from(member.engaged.is_some()));
        }
        headcount
    }
}

/// How far a sale to somebody is: the stage of the lead; a deal that is open is at `sql` at least. `None` if none is on the way.
#[must_use]
pub fn reached(stage: Stage, in_deal: bool) -> Option<Stage> {
    match (stage.is_on_the_way(), in_deal) {
        (true, true) => Some(stage.max(Stage::Sql)),
        (true, false) => Some(stage),
        // Who bought once, or was lost, may be in another deal now.
        (false, true) => Some(Stage::Sql),
        (false, false) => None,
    }
}

/// How far the furthest sale to any of a company's people is, by their stages and whether a deal is open with one of them.
#[must_use]
pub fn furthest(stages: &[Stage], in_deal: bool) -> Option<Stage> {
    let of_leads = stages.iter().filter_map(|stage| reached(*stage, false)).max();
    of_leads.max(in_deal.then_some(Stage::Sql))
}
