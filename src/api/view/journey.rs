//! A lead's journeys, for screens.

use serde::Serialize;

use crate::domain::deal::DealRecord;
use crate::domain::id::LeadId;
use crate::domain::journey::{Ended, Journey};
use crate::domain::plan::Case;
use crate::engine::Rules;
use crate::store::EventRow;

use super::Moment;

/// One pass of a lead from entering the funnel to an end.
#[derive(Clone, Debug, Serialize)]
pub struct JourneyView {
    /// The first is 1.
    pub number: u32,
    /// The stage it began at.
    pub began: &'static str,
    /// When.
    pub began_at: Moment,
    /// The furthest stage it reached.
    pub furthest: &'static str,
    /// When.
    pub furthest_at: Moment,
    /// Its hand-offs: `L-42/1`.
    pub handoffs: Vec<String>,
    /// Its deals: `hubspot:deal:9`.
    pub deals: Vec<String>,
    /// won, lost, recycled, disqualified, merged or gone; missing while it goes on.
    pub ended: Option<&'static str>,
    /// Why, or where to.
    pub why: Option<String>,
    /// When it ended.
    pub ended_at: Option<Moment>,
}

impl JourneyView {
    /// The journey on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("journey {}: {} {}", self.number, self.began, self.began_at);
        if self.furthest != self.began {
            line.push_str(&format!(", as far as {} {}", self.furthest, self.furthest_at));
        }
        for (one, many, of) in [("hand-off", "hand-offs", &self.handoffs), ("deal", "deals", &self.deals)] {
            match of.as_slice() {
                [] => {}
                [only] => line.push_str(&format!("; {one} {only}")),
                all => line.push_str(&format!("; {many} {}", all.join(", "))),
            }
        }
        match (self.ended, &self.ended_at) {
            (Some(ended), Some(at)) => {
                let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                line.push_str(&format!("; {ended}{why} {at}"));
            }
            _ => line.push_str("; goes on"),
        }
        line
    }
}

pub(super) fn views(case: &Case, events: &[EventRow], deals: &[DealRecord], rules: &Rules) -> Vec<JourneyView> {
    let events: Vec<_> = events.iter().map(|row| row.event.clone()).collect();
    let journeys = crate::domain::journey::journeys(&case.records, &events, deals, case.lead.stage);
    journeys.into_iter().map(|journey| view(journey, case.lead.id, rules)).collect()
}

fn view(journey: Journey, lead: LeadId, rules: &Rules) -> JourneyView {
    let shown = |at| Moment::new(at, &rules.zone);
    let how = journey.end.as_ref().map(|end| words(&end.how));
    let (ended, why) = how.map_or((None, None), |(ended, why)| (Some(ended), why));
    JourneyView {
        number: journey.number,
        began: journey.began.as_str(),
        began_at: shown(journey.began_at),
        furthest: journey.furthest.as_str(),
        furthest_at: shown(journey.furthest_at),
        handoffs: journey.handoffs.iter().map(|number| format!("{lead}/{number}")).collect(),
        deals: journey.deals.iter().map(ToString::to_string).collect(),
        ended,
        why,
        ended_at: journey.end.map(|end| shown(end.at)),
    }
}

fn words(how: &Ended) -> (&'static str, Option<String>) {
    match how {
        Ended::Won => ("won", None),
        Ended::Lost => ("lost", None),
        Ended::Recycled { reason, track } => {
            let track = track.as_ref().map(|track| format!("track {track}"));
            let parts: Vec<String> = reason.iter().map(ToString::to_string).chain(track).collect();
            ("recycled", Some(parts.join(", ")).filter(|why| !why.is_empty()))
        }
        Ended::Disqualified { reason } => ("disqualified", reason.as_ref().map(ToString::to_string)),
        Ended::Merged(into) => ("merged", Some(format!("into {into}"))),
        Ended::Gone => ("gone", None),
    }
}
