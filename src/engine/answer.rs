//! One-click answers: what a link asks, and taking the owner's word.

use jiff::Timestamp;

use crate::domain::answer::{Answer, Ticket, Verdict};
use crate::domain::handoff::{Handoff, HandoffState, Turn};
use crate::domain::id::Name;
use crate::domain::plan::Happening;
use crate::store::Batch;

use super::judge::Said;
use super::{Engine, EngineError};

/// What a link stands for now.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// It is none of Baton's: forged, cut, or of another Baton.
    NotOurs,
    /// It was good until then.
    Expired(Timestamp),
    /// There is nothing to answer any more: what stands.
    Over(Happening),
    /// The turn went on to somebody else, or ended.
    PassedOn,
    /// Baton still reads everything for the first time, and decides nothing yet.
    NotYet,
    /// It can be answered.
    Open(Box<Asked>),
}

/// A question to the owner of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The lead's name, if known.
    pub who: Option<String>,
    /// The hand-off.
    pub handoff: Handoff,
    /// The turn.
    pub turn: Turn,
    /// The reasons that the agreement has for giving it back.
    pub reasons: Vec<Name>,
}

impl Engine {
    /// What the link `text` stands for. Changes nothing: link scanners and previews ask, too.
    ///
    /// # Errors
    /// [`EngineError`] if the store cannot be read.
    pub async fn question(&self, text: &str) -> Result<Question, EngineError> {
        let Some(brought) = Ticket::read(text) else { return Ok(Question::NotOurs) };
        let ticket = brought.ticket;
        let rules = self.rules.load_full();
        let handoffs = self.store.handoffs_of(ticket.handoff.lead).await?;
        let Some(handoff) = handoffs.into_iter().find(|handoff| handoff.id == ticket.handoff) else {
            return Ok(Question::NotOurs);
        };
        let Some(turn) = handoff.turns.iter().find(|turn| turn.number == ticket.turn).cloned() else {
            return Ok(Question::NotOurs);
        };
        if !brought.is_for(&rules.workspace, &turn.owner, &self.answer_key) {
            return Ok(Question::NotOurs);
        }
        if let Some(answer) = &turn.answer {
            let (turn, by, word) = (turn.number, answer.by.clone(), answer.word.clone());
            return Ok(Question::Over(Happening::Answered { turn, by, word }));
        }
        if let HandoffState::Closed { outcome, .. } = &handoff.state {
            return Ok(Question::Over(Happening::Closed(outcome.clone())));
        }
        if turn.ended.is_some() {
            return Ok(Question::PassedOn);
        }
        if self.clock.now() > ticket.until {
            return Ok(Question::Expired(ticket.until));
        }
        if !self.is_live() {
            return Ok(Question::NotYet);
        }
        let lead = self.store.lead_state(ticket.handoff.lead).await?;
        let who = lead.and_then(|lead| lead.name.or(lead.email)).map(|who| who.to_string());
        let reasons = rules.agreement.handoff.rejections.keys().cloned().collect();
        Ok(Question::Open(Box::new(Asked { who, handoff, turn, reasons })))
    }

    /// Takes the owner's `word` by the link `text`. Says what the link stood for: only [`Question::Open`] was answered, whatever
    /// else it is stays as it is.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails; then nothing was taken.
    pub async fn answer(&self, text: &str, word: Verdict) -> Result<Question, EngineError> {
        // Two clicks at once: the second sees what the first did.
        let _deciding = self.deciding.lock().await;
        let question = self.question(text).await?;
        let Question::Open(asked) = &question else { return Ok(question) };
        let answer = Answer { turn: asked.turn.number, by: asked.turn.owner.clone(), at: self.clock.now(), word };
        let lead = asked.handoff.id.lead;
        tracing::info!(lead.id = %lead, turn = answer.turn, "the owner answered by a link");
        let answer = (lead, answer);
        let said = Said { answer: Some(&answer), ..Said::default() };
        self.commit_told(Batch::default(), &[lead], said).await?;
        Ok(question)
    }
}
