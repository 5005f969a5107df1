//! The gate: what must be known before a lead is passed, and the opening of a hand-off.

use jiff::Timestamp;

use crate::domain::agreement::{Agreement, Commitment};
use crate::domain::calendar::Calendar;
use crate::domain::expr::Verdict;
use crate::domain::field::Field;
use crate::domain::finding::FindingKind;
use crate::domain::handoff::{CommitmentClock, Handoff, HandoffState, Outcome, Step};
use crate::domain::id::{HandoffId, Name};
use crate::domain::instant::is_since;
use crate::domain::plan::{Happening, Mode, NoticeKind};
use crate::domain::record::Presence;
use crate::domain::sales;

use super::Draft;
use super::stage::Rise;

impl Draft<'_> {
    /// Opens a hand-off for `rise`, unless one is open, or the lead must not be handed over.
    pub(super) fn open_handoff(&mut self, rise: Option<Rise>) {
        let Some(rise) = rise else { return };
        let agreement = &self.policy.agreement;
        let is_too_early = self.now < agreement.effective || rise.qualified_at <= agreement.effective;
        let is_open = self.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed());
        // What came before the last hand-off ended was part of it, even if this decision alone ended it.
        let is_old = match self.handoff.as_ref().map(|handoff| &handoff.state) {
            Some(HandoffState::Closed { at, .. }) => rise.qualified_at <= *at,
            Some(HandoffState::Incomplete { .. } | HandoffState::Open) | None => false,
        };
        if is_open || is_too_early || is_old || self.skipped().is_some() || self.is_in_a_deal() {
            return;
        }
        self.lead.handoffs += 1;
        self.lead.qualified_at = Some(rise.qualified_at);
        self.lead.adopted = false;
        self.lead.contested.clear();
        self.lead.rests_until = None;
        self.leave_track("qualified again");
        self.handoff = Some(Handoff {
            id: HandoffId { lead: self.lead.id, number: self.lead.handoffs },
            qualified_at: rise.qualified_at,
            opened_at: self.now,
            below_bar: rise.below_bar,
            is_shadow: self.policy.writes == Mode::Off,
            proposed_at: None,
            state: HandoffState::Open,
            turns: Vec::new(),
        });
        self.happened(self.now, Happening::Opened { below_bar: rise.below_bar });
        let missing = self.missing();
        if missing.is_empty() {
            self.follow_owner();
            self.run_clocks();
        } else {
            self.ask_for(missing);
        }
    }

    /// Which of the required facts nobody knows: the lists of which no field has a value.
    pub(super) fn missing(&self) -> Vec<Vec<Field>> {
        let requires = &self.policy.agreement.handoff.requires;
        requires.iter().filter(|any| any.iter().all(|field| self.facts.get(*field).is_none())).cloned().collect()
    }

    fn ask_for(&mut self, missing: Vec<Vec<Field>>) {
        let due_at = self.policy.agreement.handoff.incomplete.as_ref().and_then(|incomplete| {
            let calendar = self.marketing_calendar();
            incomplete.within.end(&calendar, self.now).ok()
        });
        self.happened(self.now, Happening::Incomplete(missing.clone()));
        if let Some(handoff) = self.handoff.as_mut() {
            handoff.state = HandoffState::Incomplete { missing: missing.clone(), since: self.now, due_at };
        }
        self.find(
            FindingKind::Incomplete,
            format!("the lead is qualified, but cannot be passed: {} missing", words(&missing)),
        );
        if self.policy.agreement.handoff.incomplete.is_some() {
            self.tell(NoticeKind::Incomplete, |draft| draft.incomplete_notice(&missing));
        }
    }

    /// An incomplete hand-off opens once everything required is known.
    pub(super) fn complete_gate(&mut self) {
        let Some(handoff) = &self.handoff else { return };
        let HandoffState::Incomplete { missing: known_missing, since, due_at } = handoff.state.clone() else { return };
        let missing = self.missing();
        if missing.is_empty() {
            if let Some(handoff) = self.handoff.as_mut() {
                handoff.state = HandoffState::Open;
            }
            return;
        }
        self.find(
            FindingKind::Incomplete,
            format!("the lead is qualified, but cannot be passed: {} missing", words(&missing)),
        );
        if missing != known_missing
            && let Some(handoff) = self.handoff.as_mut()
        {
            handoff.state = HandoffState::Incomplete { missing, since, due_at };
        }
    }

    /// The promises of a new turn, each with the time of the first tier that holds for this lead.
    pub(super) fn promises(&self) -> Vec<CommitmentClock> {
        let agreement: &Agreement = &self.policy.agreement;
        agreement.handoff.commitments.iter().filter_map(|commitment| self.promise(commitment)).collect()
    }

    fn promise(&self, commitment: &Commitment) -> Option<CommitmentClock> {
        let applies = |rule: &crate::domain::expr::Rule| rule.eval(&self.facts) == Verdict::Yes;
        let tier = commitment.within.iter().find(|tier| tier.when.as_ref().is_none_or(applies))?;
        Some(CommitmentClock {
            name: commitment.name.clone(),
            done_by: commitment.done_by.clone(),
            time: tier.time,
            ladder: commitment.ladder.clone(),
            due_at: None,
            met: None,
            steps: vec![Step::Waiting; commitment.ladder.len()],
        })
    }

    /// The hours of the team `marketing`, else of the first team, else every hour.
    pub(super) fn marketing_calendar(&self) -> Calendar {
        let roster = &self.policy.roster;
        let marketing = roster.teams.iter().find(|(id, _)| id.as_str() == "marketing");
        let team = marketing.or_else(|| roster.teams.iter().next()).map(|(_, team)| team);
        let known = team.and_then(|team| roster.calendars.get(&team.calendar));
        known.map_or_else(Calendar::always_open, |calendar| Calendar::clone(calendar))
    }

    /// Ends the hand-off if the record that sales works on is gone.
    pub(super) fn end_if_gone(&mut self) {
        let Some(handoff) = self.handoff.as_ref().filter(|handoff| !handoff.is_closed()) else { return };
        let opened_at = handoff.opened_at;
        let on_sales = |connection| move |of: &crate::domain::id::RecordRef| Some(&of.connection) == connection;
        let is_sales = on_sales(sales::of_handoff(&self.policy.agreement, &self.policy.roster, self.handoff.as_ref()));
        let gone = |at: Timestamp| is_since(at, opened_at);
        let has_live = self.case.records.iter().any(|record| record.is_live());
        let has_live_sales = self.case.records.iter().any(|record| record.is_live() && is_sales(&record.of));
        let lost = self.case.records.iter().filter_map(|record| match &record.presence {
            Presence::Gone(at) if gone(*at) && (is_sales(&record.of) || !has_live) => Some(*at),
            Presence::Live | Presence::Gone(_) | Presence::Merged { .. } => None,
        });
        let lost = lost.max();
        if !has_live_sales && let Some(at) = lost {
            self.close(at, Outcome::Gone);
        }
    }

    /// Ends the hand-off if the lead must not be handed over any more.
    pub(super) fn end_if_skipped(&mut self) {
        let is_open = self.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed());
        // A deal or a purchase that sales made of it is success, which the disposition hears.
        if is_open
            && !self.lead.stage.is_with_sales()
            && let Some(skip) = self.skipped()
        {
            self.close(self.now, Outcome::Skipped(Name::from(skip)));
        }
    }
}

/// `email`, `phone or linkedin`: what is missing, in words.
pub(super) fn words(missing: &[Vec<Field>]) -> String {
    let one = |any: &Vec<Field>| {
        let names: Vec<_> = any.iter().map(|field| field.name().trim_start_matches("lead.")).collect();
        names.join(" or ")
    };
    missing.iter().map(one).collect::<Vec<_>>().join(", ")
}
