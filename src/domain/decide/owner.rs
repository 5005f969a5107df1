//! Who has the lead: asking for an owner, following a person who chose another, and completing a plan once somebody was
//! chosen.

use jiff::Timestamp;

use crate::domain::agreement::RouteTo;
use crate::domain::fight::Fought;
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::handoff::{Turn, TurnBy, TurnEnd, TurnEnded};
use crate::domain::id::{ConnectionId, PersonId, RemoteId, TeamId};
use crate::domain::instant::is_same_cut_second;
use crate::domain::plan::{Among, Case, Effect, Fate, Happening, Lane, NoticeKind, Plan, Policy, Wanted};
use crate::domain::record::{Author, OwnerEntry, PersonRecord};
use crate::domain::routing;
use crate::domain::sales;

use super::{Draft, lives, operation};

/// Somebody who was chosen for a turn, under the team's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Who.
    pub person: PersonId,
    /// Of which team.
    pub team: Option<TeamId>,
    /// As what.
    pub by: TurnBy,
    /// Why them: the rule and what was seen of the others.
    pub why: String,
    /// What a person should know about the choice.
    pub findings: Vec<Finding>,
}

/// Completes `plan`, which wants an owner, with the one who was `granted`: the turn, its events, writes and notices.
///
/// A plan that wants nobody comes back as it was.
#[must_use]
pub fn grant(now: Timestamp, plan: Plan, case: &Case, policy: &Policy, granted: &Granted) -> Plan {
    let Some(wanted) = plan.wants_owner.clone() else { return plan };
    let mut draft = Draft::new(now, case, policy);
    draft.lead = plan.lead;
    draft.handoff = plan.handoff.or_else(|| case.handoff.clone());
    draft.events = plan.events;
    draft.writes = plan.writes;
    draft.notices = plan.notices;
    draft.cancels = plan.cancels;
    draft.findings = plan.findings;
    // Everything that is due is worked out again below; only the look for want of an owner is not.
    draft.look_at = None;
    draft.evidence_at = draft.lead.evidence_at;
    draft.findings.extend(granted.findings.iter().cloned());
    draft.begin_turn(&wanted, granted);
    draft.run_clocks();
    draft.show_handoff();
    draft.finish()
}

impl<'a> Draft<'a> {
    /// Follows what the CRM says about the owner, and asks for one where there is none.
    pub(super) fn follow_owner(&mut self) {
        if !self.handoff.as_ref().is_some_and(super::Handoff::is_open) || self.wants_owner.is_some() {
            return;
        }
        if self.handoff.as_ref().is_some_and(|handoff| handoff.turns.is_empty()) && self.keep_persons_choice() {
            return;
        }
        self.follow_person();
        self.end_turn_of_departed();
        let has_turn = self.handoff.as_ref().is_some_and(|handoff| handoff.turn().is_some());
        if has_turn {
            self.tell_of_owner();
            self.watch_automation()
        } else {
            self.want_owner()
        }
        self.lead.owner = self.handoff.as_ref().and_then(|handoff| handoff.turn()).map(|turn| turn.owner.clone());
    }

    /// At the opening: a salesperson whom a person already made the owner of the journey keeps it.
    fn keep_persons_choice(&mut self) -> bool {
        let Some((record, entry, person, team)) = self.persons_choice() else { return false };
        let why = format!("already the owner in {}", record.of.connection);
        // A clock that is behind may have dated the choice too early, and nobody's promise begins before it was made.
        let since = self.policy.coverage.span(&record.of.connection, entry.at).1.min(self.now.max(entry.at));
        self.start_turn(person, Some(team), TurnBy::Person, why, self.promises(), Some(since));
        self.write_package();
        true
    }

    /// The salesperson whom a person made the owner where that salesperson's team works. Nobody has the lead yet, so each CRM
    /// of sales is looked at, the agreement's first.
    fn persons_choice(&self) -> Option<(&'a PersonRecord, &'a OwnerEntry, PersonId, TeamId)> {
        let (agreement, roster) = (&self.policy.agreement, &self.policy.roster);
        let named: Vec<&ConnectionId> = sales::connections(agreement, roster).collect();
        let places = if named.is_empty() { lives(self.case).into_iter().collect() } else { named };
        places.into_iter().find_map(|sales| {
            let record = self.journey(sales)?;
            let entry = record.owner().filter(|entry| entry.by.is_person())?;
            let person = self.person_of(record, entry)?;
            let team = self.sales_team(&person)?;
            let is_there = sales::works_in(agreement, roster, Some(&team)).is_none_or(|own| own == sales);
            is_there.then_some((record, entry, person, team))
        })
    }

    /// A person who gives the lead to somebody else wins: the turn passes on with its running clock.
    fn follow_person(&mut self) {
        let Some(record) = self.sales_record() else { return };
        let Some(entry) = record.owner().cloned() else { return };
        let Some(turn) = self.handoff.as_ref().and_then(|handoff| handoff.turn()).cloned() else { return };
        // What the CRM does not say is taken as a person's: in doubt an owner is left alone.
        let is_persons = matches!(entry.by, Author::Person(_) | Author::Unknown);
        if !is_persons || entry.owner.is_none() || !self.is_after_grant(record, &entry, &turn) {
            return;
        }
        let Some(person) = self.person_of(record, &entry) else {
            let remote = entry.owner.as_ref().map_or("", RemoteId::as_str);
            let connection = &record.of.connection;
            self.find(
                FindingKind::UnknownOwner,
                format!("the owner in {connection} is user {remote}, whom neither the roster nor {connection}'s list of users knows"),
            );
            return;
        };
        if person == turn.owner {
            return;
        }
        let team = self.sales_team(&person).or_else(|| turn.team.clone());
        // A cut time may read as before the turn that it ends.
        let at = entry.at.max(turn.granted_at);
        let ended = TurnEnd { at, how: TurnEnded::TakenOver };
        let number = turn.number + 1;
        let mut next = turn;
        if let Some(old) = self.handoff.as_mut().and_then(|handoff| handoff.turn_mut()) {
            old.ended = Some(ended);
        }
        next.number = number;
        next.owner = person.clone();
        next.team = team;
        next.by = TurnBy::Person;
        next.why = format!("made the owner by a person in {}", record.of.connection);
        next.granted_at = at;
        next.answer = None;
        next.clock_from = next.clock_from.or(Some(at));
        if let Some(handoff) = self.handoff.as_mut() {
            handoff.turns.push(next);
        }
        self.happened(at, Happening::TakenOver { turn: number, owner: person });
        self.give_up_proposal();
    }

    /// Does sales' record name the owner of `turn` because a person chose the same one, before or after Baton did?
    pub(super) fn is_persons_choice_too(&self, turn: &Turn) -> bool {
        let Some(record) = self.sales_record() else { return false };
        let Some(opened_at) = self.handoff.as_ref().map(|handoff| handoff.opened_at) else { return false };
        let chosen = record.owner().filter(|entry| matches!(entry.by, Author::Person(_)) && entry.at >= opened_at);
        chosen.is_some_and(|entry| self.person_of(record, entry).as_ref() == Some(&turn.owner))
    }

    /// Is the owner's entry newer than Baton's choice for `turn`?
    ///
    /// A CRM that shows whole seconds leaves it open within the second of the choice. Then what Baton wrote says more
    /// than any clock: an entry behind ours in the CRM's own order came after it; and while ours is on its way, the look
    /// before it will tell, and a write that found somebody else's change is dead.
    fn is_after_grant(&self, record: &PersonRecord, entry: &OwnerEntry, turn: &Turn) -> bool {
        if !is_same_cut_second(entry.at, turn.granted_at) {
            return entry.at >= turn.granted_at;
        }
        let connection = &record.of.connection;
        let wrote = |owner: &PersonId| self.policy.directory.account(connection, owner) == entry.owner.as_ref();
        let turns = self.handoff.as_ref().map_or(&[][..], |handoff| &handoff.turns);
        if entry.by == Author::Unknown && turns.iter().any(|known| known.number < turn.number && wrote(&known.owner)) {
            // The late echo of what Baton wrote for an earlier turn.
            return false;
        }
        if self.is_behind_ours(record, turn) {
            return true;
        }
        let op = self.owner_op(connection, turn.number, "owner");
        match self.case.receipts.iter().find(|receipt| receipt.op == op).map(|receipt| receipt.fate) {
            Some(Fate::Pending) => false,
            // Nothing of ours is on its way yet.
            Some(Fate::Held | Fate::Superseded) => true,
            // With a history that lacks our write, the record was read before it: it took the place of the entry.
            Some(Fate::Done) => !record.has_history,
            Some(Fate::Dead) | None => true,
        }
    }

    /// Does the record's ledger show Baton's write of `turn`, and another owner behind it?
    pub(super) fn is_behind_ours(&self, record: &PersonRecord, turn: &Turn) -> bool {
        let Some(ours) = self.policy.directory.account(&record.of.connection, &turn.owner) else { return false };
        let Some((last, earlier)) = record.owners.split_last() else { return false };
        let is_ours = |entry: &OwnerEntry| {
            let is_by_baton = matches!(entry.by, Author::Baton | Author::Unknown);
            is_by_baton && entry.owner.as_ref() == Some(ours) && entry.at.as_second() >= turn.granted_at.as_second()
        };
        last.owner.as_ref() != Some(ours) && earlier.iter().any(is_ours)
    }

    /// An owner who cannot own records any more cannot keep a promise either: the lead goes to the next.
    fn end_turn_of_departed(&mut self) {
        let Some(sales) = self.sales().cloned() else { return };
        let Some(turn) = self.handoff.as_ref().and_then(|handoff| handoff.turn()) else { return };
        let number = turn.number;
        let has_account = |person: &PersonId| self.policy.directory.account(&sales, person).is_some();
        // A fallback without an account keeps it while nobody with one could stand in: else they would get it anew, and
        // anew, with each decision.
        let is_kept = match turn.by {
            TurnBy::Person => true,
            TurnBy::Fallback => routing::stand_in(turn.team.as_ref(), &self.policy.roster, has_account).is_none(),
            TurnBy::Routing => false,
        };
        if is_kept || has_account(&turn.owner) {
            return;
        }
        if let Some(turn) = self.handoff.as_mut().and_then(|handoff| handoff.turn_mut()) {
            turn.ended = Some(TurnEnd { at: self.now, how: TurnEnded::OwnerGone });
        }
        self.happened(self.now, Happening::TurnEnded { turn: number, how: TurnEnded::OwnerGone });
    }

    /// What a person should know of the owner as long as they have the lead: a decision that is silent about it would take
    /// it for resolved.
    fn tell_of_owner(&mut self) {
        let Some(handoff) = &self.handoff else { return };
        let Some(turn) = handoff.turn() else { return };
        let routed = handoff.turns.iter().filter(|known| known.number < turn.number && known.by != TurnBy::Person);
        let are_turns_used = routed.count() >= self.policy.agreement.handoff.turns_max as usize;
        let has_account = |sales: &ConnectionId| self.policy.directory.account(sales, &turn.owner).is_some();
        if turn.by == TurnBy::Fallback && !self.sales().is_none_or(has_account) {
            let text =
                format!("{}, who has no account in sales' CRM: add one to the roster, or another fallback", turn.why);
            self.find(FindingKind::NobodyEligible, text);
        } else if turn.by == TurnBy::Fallback && !are_turns_used {
            let text = turn.why.clone();
            self.find(FindingKind::NobodyEligible, text);
        } else if turn.by == TurnBy::Person && self.policy.roster.team_of(&turn.owner).is_none() {
            let text = format!("{} was made the owner by a person, but is in no team of the roster", turn.owner);
            self.find(FindingKind::UnknownOwner, text);
        }
    }

    fn want_owner(&mut self) {
        let Some(handoff) = &self.handoff else { return };
        let previous: Vec<PersonId> = handoff.turns.iter().map(|turn| turn.owner.clone()).collect();
        let used = handoff.turns.iter().filter(|turn| turn.by != TurnBy::Person).count();
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        let last_team = handoff.turns.iter().rev().find_map(|turn| turn.team.clone());
        let clocks = self.promises();
        let owner = self.case.company.as_ref().and_then(|company| company.owner.as_ref());
        let agreement = &self.policy.agreement;
        let mut wanted =
            routing::route(self.now, &self.facts, owner, &agreement.routing, &self.policy.roster, &previous);
        wanted.clocks = clocks;
        // The record that the owners before had stays the one that is worked on.
        let roster = &self.policy.roster;
        let works_in = |team| sales::works_in(agreement, roster, team);
        let stays = last_team.as_ref().filter(|last| works_in(wanted.among.team(roster)) != works_in(Some(last)));
        if let Some(last) = stays {
            let fairness = agreement.routing.iter().find_map(|rule| match &rule.to {
                RouteTo::Team(team, fairness) if team == last => Some(*fairness),
                RouteTo::Team(..) | RouteTo::Person(_) | RouteTo::CompanyOwner => None,
            });
            wanted.why = format!("stays in the CRM of {last}, whose turn it was: {}", wanted.why);
            wanted.among =
                fairness.map_or_else(|| Among::Fallback(last.clone()), |fairness| Among::Team(last.clone(), fairness));
        }
        if used >= agreement.handoff.turns_max {
            let team = last_team.or_else(|| self.policy.roster.teams.keys().next().cloned());
            if let Some(team) = team {
                wanted.why = format!("all {used} turns are used");
                wanted.among = Among::Fallback(team);
            }
        }
        self.wants_owner = Some(wanted);
    }

    fn begin_turn(&mut self, wanted: &Wanted, granted: &Granted) {
        let why = if granted.why.is_empty() { wanted.why.clone() } else { format!("{}: {}", wanted.rule, granted.why) };
        self.start_turn(granted.person.clone(), granted.team.clone(), granted.by, why, wanted.clocks.clone(), None);
        self.write_owner();
        self.propose();
        let is_first = self.handoff.as_ref().is_some_and(|handoff| handoff.turns.len() == 1);
        if is_first {
            self.write_package();
        }
        let kind = if is_first { NoticeKind::Assigned } else { NoticeKind::Reassignment };
        self.tell(kind, |draft| draft.turn_notice(kind));
    }

    fn start_turn(
        &mut self,
        owner: PersonId,
        team: Option<TeamId>,
        by: TurnBy,
        why: String,
        clocks: Vec<super::clock::CommitmentClock>,
        since: Option<Timestamp>,
    ) {
        let is_shadow = self.handoff.as_ref().is_some_and(|handoff| handoff.is_shadow);
        let opened_at = self.handoff.as_ref().map_or(self.now, |handoff| handoff.opened_at);
        let number = self.handoff.as_ref().map_or(0, |handoff| handoff.turns.len());
        let number = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        // A shadow's owner is never written, so its clock runs from the choice: what would have been.
        let clock_from = since.map(|at| at.max(opened_at)).or_else(|| is_shadow.then_some(self.now));
        let turn = Turn {
            number,
            owner: owner.clone(),
            team,
            why: why.clone(),
            by,
            granted_at: self.now,
            clock_from,
            agreement: self.policy.agreement.version.clone(),
            clocks,
            answer: None,
            ended: None,
        };
        if let Some(handoff) = self.handoff.as_mut() {
            handoff.turns.push(turn);
        }
        self.lead.owner = Some(owner.clone());
        self.wants_owner = None;
        self.happened(self.now, Happening::Assigned { turn: number, owner, why });
        if let Some(at) = clock_from {
            self.happened(at, Happening::ClockStarted { turn: number });
        }
    }

    /// Writes the owner to sales' CRM, making the record if there is none, with the task; and to the other records of
    /// the lead, so that marketing sees who has it.
    pub(super) fn write_owner(&mut self) {
        let Some(turn) = self.handoff.as_ref().and_then(|handoff| handoff.turn()).cloned() else { return };
        let Some(sales) = self.sales().cloned() else { return };
        let because = format!("turn {} of hand-off {}", turn.number, self.handoff_name());
        self.write_owner_on(&sales, &turn, &because, true);
        self.write_task(&turn, "assigned", turn.number, None);
        let others: Vec<ConnectionId> =
            self.policy.connections.iter().map(|ability| ability.connection.clone()).collect();
        for connection in others.iter().filter(|connection| **connection != sales) {
            self.write_owner_on(connection, &turn, &because, false);
        }
    }

    fn write_owner_on(&mut self, connection: &ConnectionId, turn: &Turn, because: &str, may_create: bool) {
        if self.is_contested(connection, Fought::Owner) {
            return;
        }
        let Some(account) = self.policy.directory.account(connection, &turn.owner).cloned() else { return };
        let op = self.owner_op(connection, turn.number, "owner");
        let record =
            self.journey(connection).map(|record| (record.of.clone(), self.expected_owner(record, turn.number)));
        match record {
            Some((of, expected)) => {
                let effect = Effect::SetOwner { owner: account, expected };
                self.write(op, connection, Some(&of), Lane::Assign, effect, because);
            }
            // An earlier turn's write makes the record; this one finds it there when it is sent.
            None if may_create && turn.number > 1 && !self.was_refused(connection, turn.number - 1) => {
                let effect = Effect::SetOwner { owner: account, expected: self.last_account(connection, turn.number) };
                self.write(op, connection, None, Lane::Assign, effect, because);
            }
            None if may_create => {
                let is_new_journey = self.case.records.iter().any(|record| &record.of.connection == connection);
                let values = self.values_to_create();
                let others = self.case.apart.iter().filter(|of| &of.connection == connection);
                let not = others.map(|of| of.id.clone()).collect();
                let effect = Effect::Create { values, owner: Some(account), is_new_journey, not };
                self.write(op, connection, None, Lane::Assign, effect, because);
            }
            None => {}
        }
    }

    /// Whom the CRM must still name for our write to go on: the last turn's owner if our write of them took effect but
    /// was not read back yet, else whoever was read last.
    fn expected_owner(&self, record: &PersonRecord, turn: u32) -> Option<RemoteId> {
        let read = record.owner();
        let previous = self.last_account(&record.of.connection, turn);
        let written = turn.checked_sub(1).map(|number| self.owner_op(&record.of.connection, number, "owner"));
        let receipt = written.and_then(|op| self.case.receipts.iter().find(|receipt| receipt.op == op));
        match receipt {
            Some(receipt) if receipt.fate == Fate::Done && read.is_none_or(|entry| entry.at < receipt.at) => previous,
            Some(_) | None => read.and_then(|entry| entry.owner.clone()),
        }
    }

    /// Is the write of this turn's owner dead, so that no record comes of it?
    fn was_refused(&self, connection: &ConnectionId, turn: u32) -> bool {
        let op = self.owner_op(connection, turn, "owner");
        self.case.receipts.iter().any(|receipt| receipt.op == op && receipt.fate == Fate::Dead)
    }

    fn last_account(&self, connection: &ConnectionId, turn: u32) -> Option<RemoteId> {
        let turns = &self.handoff.as_ref()?.turns;
        let previous = turns.iter().rev().find(|known| known.number < turn)?;
        self.policy.directory.account(connection, &previous.owner).cloned()
    }

    pub(super) fn owner_op(&self, connection: &ConnectionId, turn: u32, effect: &str) -> super::OperationId {
        operation(self.policy, &self.handoff_name(), "", turn, connection.as_str(), effect)
    }

    /// The receipt of the write that makes the owner of `turn` known in sales' CRM, if it took effect.
    pub(super) fn owner_known_at(&self, turn: u32) -> Option<Timestamp> {
        let op = self.owner_op(self.sales()?, turn, "owner");
        let receipt = self.case.receipts.iter().find(|receipt| receipt.op == op)?;
        (receipt.fate == Fate::Done).then_some(receipt.at)
    }

    pub(super) fn handoff_name(&self) -> String {
        self.handoff.as_ref().map_or_else(|| self.lead.id.to_string(), |handoff| handoff.id.to_string())
    }

    fn person_of(&self, record: &PersonRecord, entry: &OwnerEntry) -> Option<PersonId> {
        self.policy.directory.person(&record.of.connection, entry.owner.as_ref()?).cloned()
    }

    /// The team in which `person` takes leads.
    fn sales_team(&self, person: &PersonId) -> Option<TeamId> {
        let (id, team) = self.policy.roster.team_of(person)?;
        let takes_leads = team.members.iter().any(|member| &member.person == person);
        (takes_leads && id.as_str() != "marketing").then(|| id.clone())
    }
}
