//! Writes: the one way in which a decision asks for an effect on a CRM.

use crate::domain::field::{Field, FieldSource, Value};
use crate::domain::fight::Fought;
use crate::domain::handoff::{CommitmentClock, Turn};
use crate::domain::handoff_fields::{HandoffFields, HandoffWritten};
use crate::domain::id::{ConnectionId, OperationId, RecordRef};
use crate::domain::lead::ScoreWritten;
use crate::domain::plan::{Effect, Lane, Mode, Write};
use crate::domain::record::PersonRecord;

use super::{Draft, facts, operation};

/// Points by which an axis must have moved before the score is written again, unless the grade changed.
const POINTS_WORTH_WRITING: i32 = 5;

impl Draft<'_> {
    pub(super) fn write(
        &mut self,
        op: OperationId,
        connection: &ConnectionId,
        record: Option<&RecordRef>,
        lane: Lane,
        effect: Effect,
        because: &str,
    ) {
        self.writes.push(Write {
            op,
            lead: self.lead.id,
            handoff: self.handoff.as_ref().map(|handoff| handoff.id.number),
            connection: connection.clone(),
            record: record.cloned(),
            lane,
            effect,
            because: because.to_owned(),
        });
    }

    /// What sales' CRM is told of a person it does not know yet.
    pub(super) fn values_to_create(&self) -> Vec<(Field, Value)> {
        let is_told = |field: Field| matches!(field.source(), FieldSource::Person | FieldSource::Company);
        let known = Field::ALL.iter().filter(|field| is_told(**field) && **field != Field::Reason);
        known.filter_map(|field| Some((*field, self.facts.get(*field)?.clone()))).collect()
    }

    /// A task for the turn's owner in sales' CRM: with the assignment (`clock` = `None`), or with a step that was missed.
    pub(super) fn write_task(&mut self, turn: &Turn, step: &str, number: u32, clock: Option<&CommitmentClock>) {
        let Some(sales) = self.sales().cloned() else { return };
        let Some(first) = clock.or_else(|| turn.clocks.first()) else { return };
        if !self.may_ask_for(first) {
            return;
        }
        let calendar = self.calendar_of(turn);
        let from = turn.clock_from.unwrap_or(self.now);
        let due_at = first.due_at.or_else(|| first.time.end(&calendar, from).ok()).unwrap_or(self.now);
        let account = self.policy.directory.account(&sales, &turn.owner).cloned();
        let is_late = clock.is_some();
        let title = if is_late {
            format!("Overdue: {} of {}", first.name, self.called())
        } else {
            format!("{}: {}", capital(first.name.as_str()), self.called())
        };
        let body = self.task_body(turn);
        let record = self.journey(&sales).map(|record| record.of.clone());
        let op = operation(self.policy, &self.handoff_name(), first.name.as_str(), number, step, "task");
        let lane = if is_late { Lane::Alert } else { Lane::Assign };
        let effect = Effect::AddTask { title, body, due_at, owner: account };
        let because = format!("{} of turn {number}", first.name);
        self.write(op, &sales, record.as_ref(), lane, effect, &because);
    }

    /// Writes the score back on a change of the grade or of five points, at most once a day.
    pub(super) fn write_score(&mut self) {
        let points = self.score.points;
        let today = facts::day(self.policy, self.now);
        let is_worth = match self.lead.score_written {
            None => points != crate::domain::lead::Points::default(),
            Some(ScoreWritten { points: last, on }) => {
                let moved = (points.fit - last.fit).abs().max((points.intent - last.intent).abs());
                let moved = moved.max((points.engagement - last.engagement).abs());
                on < today && (points.grade != last.grade || moved >= POINTS_WORTH_WRITING)
            }
        };
        if !is_worth || self.policy.writes == Mode::Off {
            return;
        }
        let mut is_written = false;
        for ability in self.policy.connections.iter().filter(|ability| ability.score) {
            if self.is_contested(&ability.connection, Fought::Score) {
                continue;
            }
            if let Some(record) = self.journey(&ability.connection).filter(|record| !self.is_persons_score(record)) {
                let op = self.score_op(&ability.connection, &today.to_string());
                self.writes.push(Write {
                    op,
                    lead: self.lead.id,
                    handoff: None,
                    connection: ability.connection.clone(),
                    record: Some(record.of.clone()),
                    lane: Lane::Score,
                    effect: Effect::SetScore(points),
                    because: "score".to_owned(),
                });
                is_written = true;
            }
        }
        if is_written {
            self.lead.score_written = Some(ScoreWritten { points, on: today });
        }
    }

    /// The operation id of a score that is written on `day`.
    pub(super) fn score_op(&self, connection: &ConnectionId, day: &str) -> OperationId {
        operation(self.policy, &self.lead.id.to_string(), "score", 0, day, connection.as_str())
    }

    /// Did a person set the score while sales has the lead? Then it holds until the hand-off ends.
    fn is_persons_score(&self, record: &PersonRecord) -> bool {
        let is_open = self.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed());
        is_open && record.scores.last().is_some_and(|entry| entry.by.is_person())
    }
}

impl Draft<'_> {
    /// Tells records what to show of the hand-off, where that has changed: why somebody has the lead and by when they answer, or
    /// why it came back. Nothing is told of a hand-off that ended before anybody asked for it, nor of one that nobody knows of.
    pub(super) fn show_handoff(&mut self) {
        let Some(handoff) = self.handoff.as_ref().filter(|handoff| !handoff.is_shadow) else { return };
        // A turn that wants an owner is told of once it has one.
        if self.policy.writes == Mode::Off || self.wants_owner.is_some() {
            return;
        }
        let (fields, is_running) = (HandoffFields::of(handoff), !handoff.is_closed());
        for ability in self.policy.connections.iter().filter(|ability| ability.handoff) {
            let connection = &ability.connection;
            let told: Vec<RecordRef> = self.told_of_handoff(connection);
            let present = self.journey(connection).map(|record| record.of.clone());
            // The record of a journey that has ended is told why, if it was told of its beginning.
            let present = present.filter(|of| is_running || told.contains(of)).or_else(|| told.last().cloned());
            for of in told.iter().filter(|of| Some(*of) != present.as_ref()) {
                self.show_on(of, HandoffFields::default());
            }
            if let Some(of) = present {
                self.show_on(&of, fields.clone());
            }
        }
    }

    /// The records of `connection` that were told something and are there still, in the order of their beginning.
    fn told_of_handoff(&self, connection: &ConnectionId) -> Vec<RecordRef> {
        let is_there = |of: &RecordRef| self.case.records.iter().any(|record| record.is_live() && &record.of == of);
        let told = self.lead.handoff_written.iter().map(|told| &told.record);
        told.filter(|of| &of.connection == connection && is_there(of)).cloned().collect()
    }

    fn show_on(&mut self, of: &RecordRef, fields: HandoffFields) {
        let known = self.lead.handoff_written.iter().position(|told| &told.record == of);
        let number = match known.map(|place| &self.lead.handoff_written[place]) {
            Some(told) if told.fields == fields => return,
            None if fields.is_empty() => return,
            Some(told) => told.number + 1,
            None => 1,
        };
        let written = HandoffWritten { record: of.clone(), fields: fields.clone(), number };
        match known {
            Some(place) => self.lead.handoff_written[place] = written,
            None => self.lead.handoff_written.push(written),
        }
        let op = operation(self.policy, &self.lead.id.to_string(), "handoff", number, &of.to_string(), "handoff");
        self.writes.push(Write {
            op,
            lead: self.lead.id,
            // Of the lead and not of the hand-off: what takes it off again outlives that.
            handoff: None,
            connection: of.connection.clone(),
            record: Some(of.clone()),
            lane: Lane::Score,
            effect: Effect::SetHandoff(fields),
            because: "what the record shows of its hand-off".to_owned(),
        });
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
