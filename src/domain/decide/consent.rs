//! Consent: who has opted out is put on no list, is taken off the one they are on, and nobody is asked to write to them.
//!
//! It is asked twice: here, when something is decided, and once more right before it is sent, since people opt out in
//! between (`engine`'s deliver).

use crate::domain::agreement::Proof;
use crate::domain::field::Field;
use crate::domain::finding::FindingKind;
use crate::domain::handoff::CommitmentClock;
use crate::domain::id::Name;
use crate::domain::plan::{Effect, Lane};
use crate::domain::stage::Stage;

use super::{Draft, operation};

/// What a task says first about somebody who has opted out.
pub const DO_NOT_WRITE: &str = "Has opted out of e-mail: do not write; call or meet instead.";

impl Draft<'_> {
    /// Has the person unsubscribed, in any CRM?
    pub(super) fn is_opted_out(&self) -> bool {
        self.facts.get(Field::OptedOut).and_then(crate::domain::field::Value::as_flag) == Some(true)
    }

    /// Takes the lead off a nurture track that it does not belong on any more: the person opted out, or went on from nurture by
    /// another way than a new hand-off.
    pub(super) fn keep_track(&mut self) {
        if self.lead.track.is_none() {
            return;
        }
        if self.is_opted_out() {
            self.leave_track("the person has opted out");
        } else if self.lead.stage != Stage::Nurture {
            self.leave_track("not in nurture any more");
        }
    }

    /// Takes the lead off the track it is on, wherever that has a list: each of its records, since the one that carries the
    /// journey now need not be the one that was put there.
    pub(super) fn leave_track(&mut self, because: &str) {
        let Some(track) = self.lead.track.take() else { return };
        let handoff = format!("{}/{}", self.lead.id, self.lead.handoffs);
        for ability in self.policy.connections.iter().filter(|ability| ability.tracks.contains(&track)) {
            let live = self.case.records.iter().filter(|record| record.is_live());
            for record in live.filter(|record| record.of.connection == ability.connection) {
                let op = operation(self.policy, &handoff, "return", 0, &record.of.to_string(), "leave_track");
                let effect = Effect::LeaveTrack(track.clone());
                self.write(op, &ability.connection, Some(&record.of), Lane::Recycle, effect, because);
            }
        }
    }

    /// The track that a lead may go on; nobody who has opted out goes on any.
    pub(super) fn permitted(&mut self, track: Option<Name>) -> Option<Name> {
        let track = track?;
        if !self.is_opted_out() {
            return Some(track);
        }
        self.find(FindingKind::Refused, format!("the lead has opted out: not put on track {track}"));
        None
    }

    /// May a task ask for what keeps `clock`? Not if nothing but an e-mail does and the person has opted out.
    pub(super) fn may_ask_for(&mut self, clock: &CommitmentClock) -> bool {
        let is_only_by_mail = clock.done_by.iter().all(|proof| *proof == Proof::Email);
        if !is_only_by_mail || !self.is_opted_out() {
            return true;
        }
        let name = &clock.name;
        let text = format!("the lead has opted out, and only an e-mail keeps {name}: no task asks for one");
        self.find(FindingKind::Refused, text);
        false
    }
}
