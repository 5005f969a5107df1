//! Sales' word on the lead, and the way back to marketing.

use jiff::Timestamp;

use crate::domain::finding::FindingKind;
use crate::domain::handoff::{Handoff, Outcome};
use crate::domain::id::Name;
use crate::domain::instant::is_since;
use crate::domain::plan::{Effect, Happening, Lane, NoticeKind};
use crate::domain::record::{Author, Disposition, PersonRecord, Word};
use crate::domain::recycle::{self, Home};
use crate::domain::stage::Stage;

use super::Draft;

impl Draft<'_> {
    /// Ends the hand-off when sales confirmed the lead or gave it back.
    pub(super) fn hear_disposition(&mut self) {
        let Some(handoff) = self.handoff.as_ref().filter(|handoff| handoff.is_open()) else { return };
        let opened_at = handoff.opened_at;
        let stage = self.lead.stage;
        if stage.is_with_sales() && stage != Stage::Sal && is_since(self.lead.stage_since, handoff.qualified_at) {
            self.run_clocks();
            self.close(self.lead.stage_since, Outcome::Qualified);
            return;
        }
        if let Some((reason, at)) = self.given_back() {
            self.run_clocks();
            if self.handoff.as_ref().is_some_and(Handoff::is_open) {
                self.close(at, Outcome::Rejected(reason.clone()));
                self.return_to_marketing(&reason, at, true);
            }
            return;
        }
        let Some((record, said)) = self.rejection(opened_at) else { return };
        let Word::Rejected { reason, said: words } = said.word.clone() else { return };
        let connection = record.of.connection.clone();
        let Some(reason) = reason.filter(|reason| self.policy.agreement.handoff.rejections.contains_key(reason)) else {
            let said = words.map_or_else(|| "no reason".to_owned(), |words| format!("the reason {words:?}"));
            let text = format!(
                "sales gave the lead back in {connection} with {said}, which is no reason of the agreement: \
                 add it under [connections.{connection}.reasons], or ask for another; until then the hand-off stays open"
            );
            self.find(FindingKind::Unmapped, text);
            return;
        };
        let at = said.at;
        // What sales did before it spoke still counts.
        self.run_clocks();
        if self.handoff.as_ref().is_none_or(|handoff| !handoff.is_open()) {
            return;
        }
        self.close(at, Outcome::Rejected(reason.clone()));
        self.return_to_marketing(&reason, at, false);
    }

    /// The newest rejection since the hand-off opened that is not Baton's own.
    fn rejection(&self, opened_at: Timestamp) -> Option<(&PersonRecord, &Disposition)> {
        self.case
            .records
            .iter()
            .filter_map(|record| Some((record, record.disposition.as_ref()?)))
            .filter(|(_, said)| matches!(said.word, Word::Rejected { .. }) && is_since(said.at, opened_at))
            .filter(|(_, said)| said.by != Author::Baton)
            .max_by_key(|(_, said)| said.at)
    }

    /// Gives the lead to whoever `reason` says: back to marketing on a track, to nobody, or to a person who looks.
    ///
    /// `by_baton`: sales did not mark its record as given back, so Baton does.
    pub(super) fn return_to_marketing(&mut self, reason: &Name, at: Timestamp, by_baton: bool) {
        let from = self.lead.stage;
        let back =
            recycle::after_rejection(at, Some(reason), self.lead.cycles, self.touches_made(), &self.policy.agreement);
        if let Some((kind, text)) = back.finding {
            self.find(kind, text);
        }
        self.lead.cycles = back.cycle;
        // The law, and promise 11: an opted-out person is put on no list.
        let track = self.permitted(back.track);
        match back.home {
            Home::Nurture => self.enter(Stage::Nurture, at),
            Home::Disqualified => self.enter(Stage::Disqualified, at),
            Home::MergeReview => {
                let text = "sales says that this is another record of somebody known: compare the two, and merge them in the CRM";
                self.find(FindingKind::DuplicateJourney, text.to_owned());
            }
        }
        self.lead.rests_until = Some(back.rests_until);
        self.lead.track.clone_from(&track);
        self.lead.owner = None;
        self.happened(
            at,
            Happening::Returned {
                reason: reason.clone(),
                track: track.clone(),
                cycle: self.lead.cycles,
                rests_until: back.rests_until,
            },
        );
        if by_baton {
            self.write_rejection(reason);
        }
        self.write_return(reason, track.as_ref(), from);
        self.tell(NoticeKind::Recycle, |draft| draft.return_notice(reason, back.home, back.rests_until));
    }

    pub(super) fn enter(&mut self, stage: Stage, at: Timestamp) {
        let from = self.lead.stage;
        if from == stage {
            return;
        }
        self.lead.stage = stage;
        self.lead.stage_since = at;
        self.happened(at, Happening::StageChanged { from, to: stage, by_baton: true });
    }

    /// Marks sales' record as given back, with the CRM's own value of the reason.
    fn write_rejection(&mut self, reason: &Name) {
        let Some(sales) = self.sales().cloned() else { return };
        let can = self
            .policy
            .connections
            .iter()
            .any(|ability| ability.connection == sales && ability.rejects && ability.reasons.contains(reason));
        if can {
            let op = self.op("return", 0, sales.as_str(), "reject");
            let because = format!("returned to marketing: {reason}");
            self.write(op, &sales, None, Lane::Recycle, Effect::Reject(reason.clone()), &because);
        }
    }

    /// Tells marketing's CRMs: the list of the track, the stage, and a note with the story.
    fn write_return(&mut self, reason: &Name, track: Option<&Name>, from: Stage) {
        let because = format!("returned to marketing: {reason}");
        self.write_stage(self.lead.stage, from, Lane::Recycle, &because);
        for ability in &self.policy.connections {
            if let Some(track) = track.filter(|track| ability.tracks.contains(track))
                && let Some(record) = self.tracked(&ability.connection)
            {
                let op = self.op("return", 0, ability.connection.as_str(), "join_track");
                let effect = Effect::JoinTrack(track.clone());
                self.write(op, &ability.connection, Some(&record.of), Lane::Recycle, effect, &because);
            }
            let Some(record) = self.journey(&ability.connection) else { continue };
            if !self.is_sales(&ability.connection) {
                let op = self.op("return", 0, ability.connection.as_str(), "note");
                let body = self.return_note(reason);
                self.write(
                    op,
                    &ability.connection,
                    Some(&record.of),
                    Lane::Recycle,
                    Effect::AddNote { body },
                    &because,
                );
            }
        }
    }
}
