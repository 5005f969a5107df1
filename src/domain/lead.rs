//! One person, projected from the records that are linked to them; and what Baton itself remembers of them.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};

use super::committee::Membership;
use super::field::{Field, FieldSet, Value};
use super::fight::Contested;
use super::handoff_fields::HandoffWritten;
use super::id::{LeadId, Name, PersonId, RecordRef};
use super::record::PersonRecord;
use super::stage::Stage;

/// What Baton remembers of a lead besides its records. Written by every decision.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadState {
    /// Which lead.
    pub id: LeadId,
    /// Counts the commits; a plan made from an older one is refused and made again. 0 = not stored yet.
    pub version: i64,
    /// Name to show, from the records.
    pub name: Option<Arc<str>>,
    /// E-mail address to find the lead by, from the records.
    pub email: Option<Arc<str>>,
    /// The company's record, from the records.
    pub company: Option<RecordRef>,
    /// Where it sits among the people of its company, if the agreement looks at them.
    pub committee: Option<Membership>,
    /// The stage of the one stage model.
    pub stage: Stage,
    /// Since when.
    pub stage_since: Timestamp,
    /// At or past the bar before the agreement acted: shown and scored, but without hand-off.
    pub adopted: bool,
    /// Fit, intent and engagement in points, and the grade.
    pub score: Points,
    /// What was last written back.
    pub score_written: Option<ScoreWritten>,
    /// What its records were last told to show of its hand-off.
    pub handoff_written: Vec<HandoffWritten>,
    /// How many hand-offs the lead has had.
    pub handoffs: u32,
    /// How often it was returned to marketing.
    pub cycles: u32,
    /// No new hand-off before this.
    pub rests_until: Option<Timestamp>,
    /// The nurture track it is on.
    pub track: Option<Name>,
    /// Who owns it now, as far as the roster knows.
    pub owner: Option<PersonId>,
    /// The fields its last decision asked for: only their changes ask for another.
    pub used: FieldSet,
    /// When to decide again though nothing changed.
    pub look_again_at: Option<Timestamp>,
    /// A step that accuses or takes away is due at this instant: decide again once the streams that could prove a touch
    /// have been read past it.
    pub evidence_at: Option<Timestamp>,
    /// The signal or stage entry that the newest hand-off was opened for: an older one opens no other.
    pub qualified_at: Option<Timestamp>,
    /// A person asked for a hand-off of an adopted lead: it opens at this time.
    pub adopt_at: Option<Timestamp>,
    /// Fields that another automation fights for: left alone until the hand-off ends.
    pub contested: Vec<Contested>,
    /// The lead that its records were joined to: it is nobody of its own any more, and only its past is kept.
    pub merged_into: Option<LeadId>,
    /// What it remembered before other leads were joined to it, so that a split can give it back.
    pub absorbed: Vec<Absorbed>,
}

/// What a lead remembers that its records do not say: how far Baton itself brought it, and how often it came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The stage.
    pub stage: Stage,
    /// Since when.
    pub stage_since: Timestamp,
    /// How often it was returned to marketing.
    pub cycles: u32,
    /// No new hand-off before this.
    pub rests_until: Option<Timestamp>,
    /// The nurture track it is on.
    pub track: Option<Name>,
    /// The fact that its newest hand-off was opened for.
    pub qualified_at: Option<Timestamp>,
}

/// What joining another lead changed of a lead's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absorbed {
    /// The lead that was joined.
    pub lead: LeadId,
    /// The memory before.
    pub before: Memory,
    /// The memory right after.
    pub after: Memory,
}

impl LeadState {
    /// What the lead remembers.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            stage: self.stage,
            stage_since: self.stage_since,
            cycles: self.cycles,
            rests_until: self.rests_until,
            track: self.track.clone(),
            qualified_at: self.qualified_at,
        }
    }

    /// Takes `memory` for its own.
    pub fn recall(&mut self, memory: Memory) {
        self.stage = memory.stage;
        self.stage_since = memory.stage_since;
        self.cycles = memory.cycles;
        self.rests_until = memory.rests_until;
        self.track = memory.track;
        self.qualified_at = memory.qualified_at;
    }

    /// A lead that has just been met.
    #[must_use]
    pub fn new(id: LeadId, since: Timestamp) -> Self {
        Self {
            id,
            version: 0,
            name: None,
            email: None,
            company: None,
            committee: None,
            stage: Stage::Awareness,
            stage_since: since,
            adopted: false,
            score: Points::default(),
            score_written: None,
            handoff_written: Vec::new(),
            handoffs: 0,
            cycles: 0,
            rests_until: None,
            track: None,
            owner: None,
            used: FieldSet::default(),
            look_again_at: None,
            evidence_at: None,
            qualified_at: None,
            adopt_at: None,
            contested: Vec::new(),
            merged_into: None,
            absorbed: Vec::new(),
        }
    }
}

/// A score in whole points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Who they are.
    pub fit: i32,
    /// What shows that they mean to buy.
    pub intent: i32,
    /// What shows interest.
    pub engagement: i32,
    /// Letter and digit.
    pub grade: Grade,
}

/// Fit as a letter from A to D, intent as a digit from 1 to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grade {
    /// `b'A'` to `b'D'`.
    pub fit: u8,
    /// 1 to 4.
    pub intent: u8,
}

impl Default for Grade {
    fn default() -> Self {
        Self { fit: b'D', intent: 4 }
    }
}

impl std::fmt::Display for Grade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", char::from(self.fit), self.intent)
    }
}

impl std::str::FromStr for Grade {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.as_bytes() {
            [fit @ b'A'..=b'D', intent @ b'1'..=b'4'] => Ok(Self { fit: *fit, intent: intent - b'0' }),
            _ => Err(()),
        }
    }
}

/// A part of the score that can be written to a field of a CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScorePart {
    /// Fit in points.
    Fit,
    /// Intent in points.
    Intent,
    /// Engagement in points.
    Engagement,
    /// Letter and digit.
    Grade,
}

impl ScorePart {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Fit, Self::Intent, Self::Engagement, Self::Grade];

    /// The part's key in the settings.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Intent => "intent",
            Self::Engagement => "engagement",
            Self::Grade => "grade",
        }
    }

    /// The part with this key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.key() == text)
    }
}

impl Points {
    /// A part as text, as a field of a CRM holds it.
    #[must_use]
    pub fn text(&self, part: ScorePart) -> String {
        match part {
            ScorePart::Fit => self.fit.to_string(),
            ScorePart::Intent => self.intent.to_string(),
            ScorePart::Engagement => self.engagement.to_string(),
            ScorePart::Grade => self.grade.to_string(),
        }
    }
}

/// What was last written back of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreWritten {
    /// The points.
    pub points: Points,
    /// The day, in the workspace's zone.
    pub on: Date,
}

/// What the linked records say together of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Which field.
    pub field: Field,
    /// The value chosen.
    pub value: Value,
    /// Since when.
    pub at: Timestamp,
    /// The record it comes from.
    pub from: RecordRef,
    /// Records that say otherwise, with what they say.
    pub conflicts: Vec<(RecordRef, Value)>,
}

/// Everything the linked records say together.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    /// One for each field that some live record has, in the order of the catalogue.
    pub values: Vec<Chosen>,
}

impl Projection {
    /// Chooses for each field among the live records: the newest value, but the oldest of `lead.source` and
    /// `lead.campaign`, which say where the person came from *first*. Equal times: the order of `records` decides.
    #[must_use]
    pub fn of(records: &[PersonRecord]) -> Self {
        let mut values: Vec<Chosen> = Vec::new();
        for record in records.iter().filter(|record| record.is_live()) {
            for known in &record.values {
                match values.binary_search_by_key(&known.field, |chosen| chosen.field) {
                    Err(at) => values.insert(
                        at,
                        Chosen {
                            field: known.field,
                            value: known.value.clone(),
                            at: known.at,
                            from: record.of.clone(),
                            conflicts: Vec::new(),
                        },
                    ),
                    Ok(at) => values[at].weigh(record, known.at, &known.value),
                }
            }
        }
        Self { values }
    }

    /// The value chosen for `field`.
    #[must_use]
    pub fn value(&self, field: Field) -> Option<&Value> {
        self.values.binary_search_by_key(&field, |chosen| chosen.field).ok().map(|at| &self.values[at].value)
    }

    /// The text chosen for `field`.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&str> {
        self.value(field).and_then(Value::as_text)
    }
}

impl Chosen {
    fn weigh(&mut self, record: &PersonRecord, at: Timestamp, value: &Value) {
        if &self.value == value {
            return;
        }
        let prefers_oldest = matches!(self.field, Field::Source | Field::Campaign);
        // Opting out anywhere is opting out: the law asks for the strictest reading, not for the newest.
        let is_better = if self.field == Field::OptedOut {
            *value == Value::Flag(true)
        } else if prefers_oldest {
            at < self.at
        } else {
            at > self.at
        };
        if is_better {
            let loser = std::mem::replace(&mut self.value, value.clone());
            let from = std::mem::replace(&mut self.from, record.of.clone());
            self.at = at;
            self.conflicts.push((from, loser));
        } else {
            self.conflicts.push((record.of.clone(), value.clone()));
        }
    }
}
