//! A lead's journeys: each pass from entering the funnel to an end. Worked out of the ledger, never stored.
//!
//! The ledger is what Baton noted since it met the lead, what its records' own histories say of the time before, and how
//! its deals ended. Stages to `sal` belong to the journey; from `sql` on it ends as its deal does. Who comes back after an
//! end begins another journey, so that the second is never taken for the first.

use jiff::Timestamp;

use super::deal::{DealRecord, DealState};
use super::handoff::Outcome;
use super::id::{LeadId, Name, RecordRef};
use super::plan::{Event, Happening};
use super::record::PersonRecord;
use super::stage::Stage;

/// One pass of a lead through the funnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// The lead's first is 1.
    pub number: u32,
    /// When it began.
    pub began_at: Timestamp,
    /// The stage it began at.
    pub began: Stage,
    /// The furthest stage it reached.
    pub furthest: Stage,
    /// When it first reached that.
    pub furthest_at: Timestamp,
    /// The numbers of its hand-offs.
    pub handoffs: Vec<u32>,
    /// The deals that were made while it ran.
    pub deals: Vec<RecordRef>,
    /// How it ended; `None` while it goes on.
    pub end: Option<End>,
}

/// The end of a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: Ended,
}

/// How a journey ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Sold.
    Won,
    /// Not sold.
    Lost,
    /// Back with marketing.
    Recycled {
        /// Why, if anybody said so.
        reason: Option<Name>,
        /// On which track, if any.
        track: Option<Name>,
    },
    /// Will not be pursued.
    Disqualified {
        /// Why, if anybody said so.
        reason: Option<Name>,
    },
    /// The lead turned out to be another's person.
    Merged(LeadId),
    /// Its records are gone.
    Gone,
}

/// What the ledger says at one time.
#[derive(Clone, Debug)]
enum Step<'a> {
    Moved(Stage),
    DealMade(&'a DealRecord),
    DealClosed(&'a DealRecord),
    Noted(&'a Event),
}

/// The journeys of a lead, the oldest first. `events` are those of its ledger, oldest first; `stage` is what it is at now.
#[must_use]
pub fn journeys(records: &[PersonRecord], events: &[Event], deals: &[DealRecord], stage: Stage) -> Vec<Journey> {
    let mut found = Found { journeys: Vec::new(), deals };
    for (at, step) in ledger(records, events, deals, stage) {
        match step {
            Step::Moved(to) => found.moved(to, at),
            Step::DealMade(deal) => found.deal_made(deal),
            Step::DealClosed(deal) => found.deal_closed(deal, at),
            Step::Noted(event) => found.noted(event),
        }
    }
    found.journeys
}

fn ledger<'a>(
    records: &'a [PersonRecord],
    events: &'a [Event],
    deals: &'a [DealRecord],
    stage: Stage,
) -> Vec<(Timestamp, Step<'a>)> {
    let mut steps: Vec<(Timestamp, Step<'a>)> = Vec::new();
    // What was before Baton met the lead only the records tell. Of what came after, the events are the reconciled story.
    let met_at = records.iter().map(|record| record.link.at).min();
    let known = events.iter().map(|event| event.at).min();
    let until = met_at.into_iter().chain(known).min();
    let past = records.iter().flat_map(|record| &record.stages);
    let mut past: Vec<(Timestamp, Stage)> =
        past.map(|entry| (entry.at, entry.stage)).filter(|(at, _)| until.is_none_or(|until| *at < until)).collect();
    past.sort();
    past.dedup_by_key(|(_, stage)| *stage);
    let first_move = events
        .iter()
        .find_map(|event| if let Happening::StageChanged { from, .. } = &event.what { Some(*from) } else { None });
    let at_first_sight = first_move.unwrap_or(stage);
    if past.last().is_none_or(|(_, last)| *last != at_first_sight) {
        let created = records.iter().map(|record| record.created).min();
        let seen_at = if past.is_empty() { created.or(until) } else { until };
        past.extend(seen_at.map(|at| (at, at_first_sight)));
    }
    steps.extend(past.into_iter().map(|(at, stage)| (at, Step::Moved(stage))));
    for deal in deals.iter().filter(|deal| !deal.is_gone) {
        steps.push((deal.created, Step::DealMade(deal)));
        steps.extend(deal.closed.map(|at| (at, Step::DealClosed(deal))));
    }
    steps.extend(events.iter().map(|event| (event.at, Step::Noted(event))));
    // Stable: what stands first at one time stays first.
    steps.sort_by_key(|(at, _)| *at);
    steps
}

struct Found<'a> {
    journeys: Vec<Journey>,
    deals: &'a [DealRecord],
}

impl Found<'_> {
    fn open(&mut self) -> Option<&mut Journey> {
        self.journeys.last_mut().filter(|journey| journey.end.is_none())
    }

    fn begin(&mut self, stage: Stage, at: Timestamp) -> &mut Journey {
        if self.open().is_none() {
            let number = u32::try_from(self.journeys.len()).unwrap_or(u32::MAX).saturating_add(1);
            self.journeys.push(Journey {
                number,
                began_at: at,
                began: stage,
                furthest: stage,
                furthest_at: at,
                handoffs: Vec::new(),
                deals: Vec::new(),
                end: None,
            });
        }
        let last = self.journeys.len() - 1;
        &mut self.journeys[last]
    }

    fn end(&mut self, at: Timestamp, how: Ended) {
        if let Some(journey) = self.open() {
            journey.end = Some(End { at, how });
        }
    }

    fn moved(&mut self, to: Stage, at: Timestamp) {
        match to {
            Stage::Awareness
            | Stage::Engagement
            | Stage::Mql
            | Stage::Sal
            | Stage::Sql
            | Stage::Proposal
            | Stage::Negotiation => self.reach(to, at),
            Stage::Won => {
                let is_told = self.journeys.last().is_some_and(|last| is_ended(last, &Ended::Won));
                if !is_told {
                    self.reach(to, at);
                    self.end(at, Ended::Won);
                }
            }
            Stage::Lost => self.leave(at, Ended::Lost),
            Stage::Nurture => self.leave(at, Ended::Recycled { reason: None, track: None }),
            Stage::Disqualified => self.leave(at, Ended::Disqualified { reason: None }),
        }
    }

    fn reach(&mut self, stage: Stage, at: Timestamp) {
        let journey = self.begin(stage, at);
        if stage > journey.furthest {
            journey.furthest = stage;
            journey.furthest_at = at;
        }
    }

    /// Ends the journey; one that was never seen to run was one all the same.
    fn leave(&mut self, at: Timestamp, how: Ended) {
        if self.journeys.is_empty() {
            self.begin(Stage::Awareness, at);
        }
        self.end(at, how);
    }

    fn deal_made(&mut self, deal: &DealRecord) {
        if let Some(journey) = self.open() {
            journey.deals.push(deal.of.clone());
        }
    }

    /// From `sql` on a journey ends with the last of its deals.
    fn deal_closed(&mut self, deal: &DealRecord, at: Timestamp) {
        let deals = self.deals;
        let Some(journey) = self.open() else { return };
        let goes_on = |of: &RecordRef| {
            let is_this = |other: &&DealRecord| other.of == *of;
            deals.iter().find(is_this).is_some_and(|other| other.closed.is_none_or(|closed| closed > at))
        };
        let is_ours = journey.deals.contains(&deal.of) && journey.furthest >= Stage::Sql;
        if !is_ours || journey.deals.iter().any(goes_on) {
            return;
        }
        let how = match deal.state {
            DealState::Won => Ended::Won,
            DealState::Lost => Ended::Lost,
            DealState::Open => return,
        };
        if how == Ended::Won {
            self.reach(Stage::Won, at);
        }
        self.end(at, how);
    }

    fn noted(&mut self, event: &Event) {
        match &event.what {
            Happening::StageChanged { to, .. } => self.moved(*to, event.at),
            Happening::Opened { .. } | Happening::Incomplete(_) => {
                if let Some(number) = event.handoff {
                    let journey = self.begin(Stage::Mql, event.at);
                    if !journey.handoffs.contains(&number) {
                        journey.handoffs.push(number);
                    }
                }
            }
            Happening::Closed(Outcome::Gone) => self.end(event.at, Ended::Gone),
            Happening::JoinedTo { into, .. } => self.end(event.at, Ended::Merged(*into)),
            Happening::PartedFrom { other, .. } => self.go_on(*other),
            Happening::Returned { reason, track, .. } => self.returned(reason, track.as_ref(), event.at),
            Happening::Adopted
            | Happening::Assigned { .. }
            | Happening::ClockStarted { .. }
            | Happening::TakenOver { .. }
            | Happening::Answered { .. }
            | Happening::Kept { .. }
            | Happening::StepFired { .. }
            | Happening::StepWithdrawn { .. }
            | Happening::TurnEnded { .. }
            | Happening::Contested(_)
            | Happening::Retimed { .. }
            | Happening::Closed(_)
            | Happening::Reopened
            | Happening::Joined { .. }
            | Happening::Parted { .. } => {}
        }
    }

    /// The merge that had ended the last journey was taken back.
    fn go_on(&mut self, other: LeadId) {
        if let Some(last) = self.journeys.last_mut()
            && is_ended(last, &Ended::Merged(other))
        {
            last.end = None;
        }
    }

    /// Why a lead returned is said right after the stage that ended its journey.
    fn returned(&mut self, reason: &Name, track: Option<&Name>, at: Timestamp) {
        let recycled = Ended::Recycled { reason: Some(reason.clone()), track: track.cloned() };
        let Some(last) = self.journeys.last_mut() else { return };
        let how = match last.end.as_ref().map(|end| &end.how) {
            None | Some(Ended::Recycled { reason: None, .. }) => recycled,
            Some(Ended::Disqualified { reason: None }) => Ended::Disqualified { reason: Some(reason.clone()) },
            Some(
                Ended::Won
                | Ended::Lost
                | Ended::Recycled { .. }
                | Ended::Disqualified { .. }
                | Ended::Merged(_)
                | Ended::Gone,
            ) => return,
        };
        let at = last.end.as_ref().map_or(at, |end| end.at);
        last.end = Some(End { at, how });
    }
}

fn is_ended(journey: &Journey, how: &Ended) -> bool {
    journey.end.as_ref().is_some_and(|end| end.how == *how)
}

#[cfg(test)]
mod tests;
