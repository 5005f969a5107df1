//! What people look at: open hand-offs, recent events, findings, a lead's whole story. Reading only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use crate::domain::handoff::Handoff;
use crate::domain::id::{HandoffId, LeadId, RecordRef};
use crate::domain::lead::LeadState;
use crate::domain::plan::Event;

use super::read::{bodies, body, count, instant};
use super::row::LeadBody;
use super::sqlite::{Bound, Store, int, maybe_int, maybe_text, text};
use super::{StoreError, sql};

/// So often is a lead followed to the one it was joined to; nobody joins more often, and a circle must end.
const JOINS_MAX: usize = 32;

/// An open hand-off with what a list shows of its lead.
#[derive(Clone, Debug)]
pub struct HandoffRow {
    /// The hand-off.
    pub handoff: Handoff,
    /// The lead's name, if known.
    pub name: Option<String>,
    /// The lead's address, if known.
    pub email: Option<String>,
    /// The lead's stage.
    pub stage: String,
    /// The lead's score.
    pub score: crate::domain::lead::Points,
    /// The lead's company, if it has one.
    pub company: Option<RecordRef>,
}

/// An event of the journal.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Its place in the journal.
    pub seq: i64,
    /// Whose.
    pub lead: LeadId,
    /// The lead's name, if known.
    pub name: Option<String>,
    /// What happened.
    pub event: Event,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// An effect and its fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectRow {
    /// The operation id.
    pub op: String,
    /// For which lead.
    pub lead: Option<LeadId>,
    /// The connection or channel.
    pub to: String,
    /// What.
    pub effect: String,
    /// pending, sending, unknown, done, dead or cancelled.
    pub state: String,
    /// How often it was tried.
    pub attempt: i64,
    /// When it was decided.
    pub created_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// Why it is as it is, if it is not simply done.
    pub message: Option<String>,
    /// Is it a message to people?
    pub is_notice: bool,
    /// May it have arrived more than once, or have taken effect without an answer?
    pub is_doubtful: bool,
    /// A notice that waits for the end of quiet hours.
    pub held_until: Option<Timestamp>,
    /// Why it waits for a person, if it does: `plan`, `cap`, `rules`, `paused:TEAM`.
    pub hold: Option<String>,
}

/// A finding that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRow {
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// What a person reads.
    pub text: String,
    /// Since when.
    pub first_at: Option<Timestamp>,
    /// When it was last seen.
    pub last_at: Option<Timestamp>,
    /// How many other subjects the same is said of.
    pub others: i64,
}

impl FindingRow {
    /// What it is about, others with it: "L-7 and 11 others".
    #[must_use]
    pub fn subjects(&self) -> String {
        match self.others {
            ..=0 => self.subject.clone(),
            1 => format!("{} and another", self.subject),
            others => format!("{} and {others} others", self.subject),
        }
    }
}

/// Counts for the head of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Open hand-offs, shadows among them.
    pub open: i64,
    /// Shadows among them.
    pub shadows: i64,
    /// Leads by stage.
    pub stages: BTreeMap<String, i64>,
    /// Effects by state.
    pub effects: BTreeMap<String, i64>,
    /// Notices that may have arrived more than once.
    pub possible_repeats: i64,
}

impl Store {
    /// Open hand-offs by time left, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn open_handoffs(&self, limit: usize) -> Result<Vec<HandoffRow>, StoreError> {
        let rows = self.glance(sql::OPEN_HANDOFFS, vec![self.ws(), Bound::Int(count(limit))]).await?;
        rows.iter().map(handoff_row).collect()
    }

    /// Every hand-off behind that of `after` in the order of leads and numbers, open and ended, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn handoffs_after(&self, after: HandoffId, limit: usize) -> Result<Vec<HandoffRow>, StoreError> {
        let bound =
            vec![self.ws(), Bound::Int(after.lead.0), Bound::Int(i64::from(after.number)), Bound::Int(count(limit))];
        self.glance(sql::HANDOFFS_AFTER, bound).await?.iter().map(handoff_row).collect()
    }

    /// Events after `seq`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn recent_events(&self, after: i64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        let rows =
            self.glance(sql::EVENTS_RECENT, vec![self.ws(), Bound::Int(after), Bound::Int(count(limit))]).await?;
        rows.iter()
            .map(|row| {
                Ok(EventRow {
                    seq: int(row, 0)?,
                    lead: LeadId(int(row, 1)?),
                    event: body("event", row, 2)?,
                    name: maybe_text(row, 3)?,
                    decided_at: instant(Some(int(row, 4)?))?.unwrap_or(Timestamp::UNIX_EPOCH),
                })
            })
            .collect()
    }

    /// Everything that happened to `lead`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn events_of(&self, lead: LeadId) -> Result<Vec<EventRow>, StoreError> {
        let rows = self.glance(sql::EVENTS_OF_LEAD, vec![self.ws(), Bound::Int(lead.0)]).await?;
        rows.iter()
            .map(|row| {
                Ok(EventRow {
                    seq: int(row, 0)?,
                    lead,
                    name: None,
                    event: body("event", row, 1)?,
                    decided_at: instant(Some(int(row, 2)?))?.unwrap_or(Timestamp::UNIX_EPOCH),
                })
            })
            .collect()
    }

    /// Every effect that was decided for `lead`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn effects_of(&self, lead: LeadId) -> Result<Vec<EffectRow>, StoreError> {
        effects(&self.glance(sql::EFFECTS_OF_LEAD, vec![self.ws(), Bound::Int(lead.0)]).await?)
    }

    /// Effects that will not be sent again by themselves, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn effects_dead(&self, limit: usize) -> Result<Vec<EffectRow>, StoreError> {
        effects(&self.glance(sql::EFFECTS_DEAD, vec![self.ws(), Bound::Int(count(limit))]).await?)
    }

    /// Findings that stand, at most `limit`, what is said alike of many leads as one: first what is about no lead, then the newest.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn findings(&self, limit: usize) -> Result<Vec<FindingRow>, StoreError> {
        findings(&self.glance(sql::FINDINGS_OPEN, vec![self.ws(), Bound::Int(count(limit))]).await?)
    }

    /// Findings about `lead` that stand.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn findings_of(&self, lead: LeadId) -> Result<Vec<FindingRow>, StoreError> {
        findings(&self.glance(sql::FINDINGS_OF_LEAD, vec![self.ws(), Bound::Int(lead.0)]).await?)
    }

    /// Counts of everything.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        let mut overview = Overview::default();
        if let Some(row) = self.glance(sql::OPEN_COUNT, vec![self.ws()]).await?.first() {
            overview.open = int(row, 0)?;
            overview.shadows = int(row, 1)?;
        }
        if let Some(row) = self.glance(sql::POSSIBLE_REPEATS, vec![self.ws()]).await?.first() {
            overview.possible_repeats = int(row, 0)?;
        }
        for (statement, counts) in
            [(sql::STAGE_COUNTS, &mut overview.stages), (sql::EFFECT_STATES, &mut overview.effects)]
        {
            for row in self.glance(statement, vec![self.ws()]).await? {
                counts.insert(text(&row, 0)?, int(&row, 1)?);
            }
        }
        Ok(overview)
    }

    /// The lead that `words` name: a number (`L-42`), an e-mail address, or a record (`hubspot:501`).
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn find_lead(&self, words: &str) -> Result<Option<LeadId>, StoreError> {
        let words = words.trim();
        if let Ok(lead) = words.parse::<LeadId>() {
            return self.alive(lead).await;
        }
        let rows = if let Some((connection, id)) = words.split_once(':') {
            // As answers write it: `hubspot:person:501`.
            let id = id.strip_prefix("person:").unwrap_or(id);
            self.glance(sql::LEAD_BY_REMOTE, vec![self.ws(), connection.into(), id.into()]).await?
        } else {
            self.glance(sql::LEAD_BY_EMAIL, vec![self.ws(), words.to_lowercase().into()]).await?
        };
        rows.first().map(|row| int(row, 0).map(LeadId)).transpose()
    }

    /// The lead that `lead` is now: itself, or the one that it was joined to; `None` if there is no such lead.
    async fn alive(&self, lead: LeadId) -> Result<Option<LeadId>, StoreError> {
        let mut now = lead;
        for _ in 0..JOINS_MAX {
            match self.lead_state(now).await? {
                Some(LeadState { merged_into: Some(into), .. }) => now = into,
                state => return Ok(state.map(|state| state.id)),
            }
        }
        Ok(None)
    }

    /// What Baton remembers of `lead`, if it was ever decided about.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row cannot be read back.
    pub async fn lead_state(&self, lead: LeadId) -> Result<Option<LeadState>, StoreError> {
        let rows = self.rows_in(sql::LEADS, &[self.ws()], vec![Bound::Int(lead.0)]).await?;
        rows.first().map(super::read::lead).transpose()
    }

    /// Every hand-off of `lead`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn handoffs_of(&self, lead: LeadId) -> Result<Vec<Handoff>, StoreError> {
        let rows = self.rows_in(sql::HANDOFFS, &[self.ws()], vec![Bound::Int(lead.0)]).await?;
        bodies("handoff", &rows)
    }
}

fn handoff_row(row: &SqliteRow) -> Result<HandoffRow, StoreError> {
    let LeadBody(lead) = body("lead", row, 4)?;
    Ok(HandoffRow {
        handoff: body("handoff", row, 0)?,
        name: maybe_text(row, 1)?,
        email: maybe_text(row, 2)?,
        stage: text(row, 3)?,
        score: lead.score,
        company: lead.company,
    })
}

pub(super) fn effects(rows: &[SqliteRow]) -> Result<Vec<EffectRow>, StoreError> {
    rows.iter()
        .map(|row| {
            let (connection, channel) = (text(row, 1)?, text(row, 2)?);
            Ok(EffectRow {
                op: text(row, 0)?,
                // A test notice is about nobody.
                lead: maybe_int(row, 9)?.filter(|lead| *lead > 0).map(LeadId),
                is_notice: connection.is_empty(),
                to: if connection.is_empty() { channel } else { connection },
                effect: text(row, 3)?,
                state: text(row, 4)?,
                attempt: int(row, 5)?,
                created_at: instant(maybe_int(row, 6)?)?,
                settled_at: instant(maybe_int(row, 7)?)?,
                message: maybe_text(row, 8)?,
                is_doubtful: int(row, 10)? > 0,
                held_until: instant(Some(int(row, 11)?).filter(|at| *at > 0))?,
                hold: maybe_text(row, 12)?,
            })
        })
        .collect()
}

fn findings(rows: &[SqliteRow]) -> Result<Vec<FindingRow>, StoreError> {
    rows.iter()
        .map(|row| {
            Ok(FindingRow {
                kind: text(row, 0)?,
                subject: text(row, 1)?,
                text: text(row, 2)?,
                first_at: instant(maybe_int(row, 3)?)?,
                last_at: instant(maybe_int(row, 4)?)?,
                others: int(row, 5)?,
            })
        })
        .collect()
}
