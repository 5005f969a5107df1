//! The owner's word by a link: it counts as if they had said it in sales' CRM, and is written there.

use jiff::Timestamp;

use crate::domain::answer::{Answer, Verdict};
use crate::domain::handoff::{Handoff, Turn};
use crate::domain::id::Name;
use crate::domain::plan::{Effect, Happening, Lane};
use crate::domain::reach::Ask;
use crate::domain::stage::Stage;

use super::Draft;

impl Draft<'_> {
    /// Takes the word that has just come, if it is about the running turn, its owner's, and the first.
    pub(super) fn hear_answer(&mut self) {
        let Some(answer) = self.case.answer.clone() else { return };
        let is_open = self.handoff.as_ref().is_some_and(Handoff::is_open);
        let Some(turn) = self.handoff.as_mut().and_then(Handoff::turn_mut).filter(|_| is_open) else { return };
        if turn.number != answer.turn || turn.owner != answer.by || turn.answer.is_some() {
            return;
        }
        turn.answer = Some(answer.clone());
        let Answer { turn, by, at, word } = answer;
        let is_accepted = word == Verdict::Accepted;
        self.happened(at, Happening::Answered { turn, by, word });
        if is_accepted {
            self.accept(turn, at);
        }
    }

    /// Sales takes the lead: its stage says so everywhere, sales' CRM included, where nobody said it.
    fn accept(&mut self, turn: u32, at: Timestamp) {
        if self.lead.stage.is_with_sales() {
            return;
        }
        self.enter(Stage::Sal, at);
        let sales = self.sales().cloned();
        for ability in &self.policy.connections {
            if !ability.stages.contains(&Stage::Sal) {
                continue;
            }
            let record = self.journey(&ability.connection).map(|record| record.of.clone());
            // Sales' record may be on its way still; the others have one or have none.
            if record.is_none() && Some(&ability.connection) != sales.as_ref() {
                continue;
            }
            let op = self.op("answer", turn, ability.connection.as_str(), "accepted");
            let effect = Effect::SetStage { stage: Stage::Sal, is_backward: false };
            self.write(op, &ability.connection, record.as_ref(), Lane::Assign, effect, "accepted by the owner's link");
        }
    }

    /// Why the owner of the running turn gave the lead back by a link, and when.
    pub(super) fn given_back(&self) -> Option<(Name, Timestamp)> {
        let answer = self.handoff.as_ref()?.turn()?.answer.as_ref()?;
        match &answer.word {
            Verdict::Rejected(reason) if self.policy.agreement.handoff.rejections.contains_key(reason) => {
                Some((reason.clone(), answer.at))
            }
            Verdict::Rejected(_) | Verdict::Accepted => None,
        }
    }

    /// What the owner of `turn` is asked, if they can answer by a link.
    pub(super) fn ask(&self, turn: &Turn) -> Option<Ask> {
        let links = self.policy.telling.links?;
        if turn.answer.is_some() {
            return None;
        }
        let until = self.now.checked_add(links.last).ok()?;
        Some(Ask { turn: turn.number, person: turn.owner.clone(), until })
    }
}
