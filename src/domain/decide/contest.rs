//! What another automation fights for: one retry, then the field is left alone until the hand-off ends.

use jiff::{SignedDuration, Timestamp};

use crate::domain::fight::{self, Contested, Fought, Setback};
use crate::domain::finding::FindingKind;
use crate::domain::id::{ConnectionId, Name};
use crate::domain::lead::ScoreWritten;
use crate::domain::plan::{Effect, Fate, Happening, Lane};
use crate::domain::record::Author;

use super::{Draft, facts};

/// How long a score that is fought for is left alone where no hand-off ends it.
const SCORE_RESTS: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Draft<'_> {
    /// Is this field of the lead's record left alone?
    pub(super) fn is_contested(&self, connection: &ConnectionId, field: Fought) -> bool {
        self.lead.contested.iter().any(|known| &known.connection == connection && known.field == field)
    }

    /// Leaves the field alone from now on.
    fn contest(&mut self, connection: &ConnectionId, field: Fought, by: &Name) {
        let contested = Contested { connection: connection.clone(), field, by: by.clone(), since: self.now };
        self.happened(self.now, Happening::Contested(contested.clone()));
        self.lead.contested.push(contested);
    }

    /// What is contested is said with each decision: one that is silent would take it for resolved.
    pub(super) fn tell_of_contests(&mut self) {
        if self.lead.contested.is_empty() {
            return;
        }
        let one = |contested: &Contested| {
            let Contested { connection, field, by, .. } = contested;
            format!("{by} overwrites the {} that Baton sets in {connection}", field.as_str())
        };
        let all: Vec<String> = self.lead.contested.iter().map(one).collect();
        let what = if all.len() == 1 { "the field is" } else { "these fields are" };
        let text = format!(
            "{}: {what} left alone until the hand-off ends; keep {} from it, or take the rule out of the agreement",
            all.join("; "),
            if all.len() == 1 { "that automation" } else { "those automations" }
        );
        self.find(FindingKind::Contested, text);
    }

    /// Another automation that overwrote our owner, in sales' CRM or where marketing sees it.
    pub(super) fn watch_automation(&mut self) {
        let connections: Vec<ConnectionId> =
            self.policy.connections.iter().map(|ability| ability.connection.clone()).collect();
        connections.iter().for_each(|connection| self.watch_owner_on(connection));
    }

    fn watch_owner_on(&mut self, connection: &ConnectionId) {
        if self.is_contested(connection, Fought::Owner) {
            return;
        }
        let Some(record) = self.journey(connection) else { return };
        let Some(entry) = record.owner() else { return };
        let Some(turn) = self.handoff.as_ref().and_then(|handoff| handoff.turn()) else { return };
        let Author::Automation(other) = &entry.by else { return };
        let Some(ours) = self.policy.directory.account(connection, &turn.owner).cloned() else { return };
        let first = self.owner_op(connection, turn.number, "owner");
        let retry = self.owner_op(connection, turn.number, "owner-retry");
        let written = |op| self.case.receipts.iter().find(|receipt| receipt.op == op);
        let Some(done) = written(first).filter(|receipt| receipt.fate == Fate::Done) else { return };
        // Our write took effect before its receipt came, by up to the time that an answer takes.
        let is_after = entry.at >= done.at
            || self.is_behind_ours(record, turn)
            || (!record.has_history && crate::domain::instant::is_same_cut_second(entry.at, done.at));
        if entry.owner.as_ref() == Some(&ours) || !is_after {
            return;
        }
        let is_flapping = fight::is_flapping(&fight::owner_setbacks(record), self.now);
        match written(retry).map(|receipt| receipt.fate) {
            None if !is_flapping => {
                let (of, expected) = (record.of.clone(), entry.owner.clone());
                let effect = Effect::SetOwner { owner: ours, expected };
                let because = format!("{other} overwrote the owner");
                self.write(retry, connection, Some(&of), Lane::Assign, effect, &because);
            }
            Some(Fate::Held | Fate::Superseded | Fate::Pending) => {}
            None | Some(Fate::Done | Fate::Dead) => self.contest(connection, Fought::Owner, other),
        }
    }

    /// Another automation that replaces the score that Baton wrote. Whoever has no hand-off open is tried again after a month.
    pub(super) fn watch_score(&mut self) {
        let is_open = self.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed());
        let rested = self.now.saturating_sub(SCORE_RESTS).unwrap_or(Timestamp::MIN);
        self.lead.contested.retain(|known| is_open || known.field != Fought::Score || known.since > rested);
        let Some(ScoreWritten { points, on }) = self.lead.score_written else { return };
        let writes = self.policy.connections.iter().filter(|ability| ability.score);
        let connections: Vec<ConnectionId> = writes.map(|ability| ability.connection.clone()).collect();
        for connection in connections {
            let Some(record) = self.journey(&connection) else { continue };
            if !fight::is_score_set_back(record) || self.is_contested(&connection, Fought::Score) {
                continue;
            }
            let setbacks = fight::score_setbacks(record);
            let Some(Setback { by, .. }) = setbacks.last().cloned() else { continue };
            let times = fight::count_since(&setbacks, facts::midnight(self.policy, on));
            if times > 1 || fight::is_flapping(&setbacks, self.now) {
                self.contest(&connection, Fought::Score, &by);
                continue;
            }
            let op = self.score_op(&connection, &format!("{on}:retry"));
            if self.case.receipts.iter().any(|receipt| receipt.op == op) {
                continue;
            }
            let of = record.of.clone();
            let because = format!("{by} overwrote the score");
            self.write(op, &connection, Some(&of), Lane::Score, Effect::SetScore(points), &because);
        }
    }

    /// Another automation that takes a stage of ours back where Baton wrote it. What it did is no news of the lead.
    pub(super) fn watch_stage(&mut self) {
        let stage = self.lead.stage;
        let writes = self.policy.connections.iter().filter(|ability| ability.stages.contains(&stage));
        let connections: Vec<ConnectionId> =
            writes.map(|ability| ability.connection.clone()).filter(|connection| !self.is_sales(connection)).collect();
        for connection in connections {
            let Some(record) = self.journey(&connection) else { continue };
            if fight::set_back_from(record) != Some(stage) || self.is_contested(&connection, Fought::Stage) {
                continue;
            }
            let setbacks = fight::stage_setbacks(record);
            let Some(Setback { by, .. }) = setbacks.last().cloned() else { continue };
            let times = fight::count_since(&setbacks, self.lead.stage_since);
            if times > 1 || fight::is_flapping(&setbacks, self.now) {
                self.contest(&connection, Fought::Stage, &by);
                continue;
            }
            let step = format!("{}:retry", self.lead.stage_since);
            let op = self.op("stage", 0, &step, &format!("{connection}:{stage}"));
            if self.case.receipts.iter().any(|receipt| receipt.op == op) {
                continue;
            }
            let from = record.stage().map_or(stage, |entry| entry.stage);
            let is_backward = from.is_past_bar() && !stage.is_past_bar();
            let of = record.of.clone();
            let because = format!("{by} took the stage back");
            self.write(op, &connection, Some(&of), Lane::Recycle, Effect::SetStage { stage, is_backward }, &because);
        }
    }
}
