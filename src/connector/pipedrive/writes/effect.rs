//! Looks: did a write take effect?

use super::super::Pipedrive;
use super::super::answer::Failure;
use super::super::book::State;
use super::journey::{present, stage_values};
use super::{done, fields, number};
use crate::connector::{Addressed, Done};
use crate::domain::id::Object;
use crate::domain::plan::Effect;

impl Pipedrive {
    /// Did this write take effect?
    pub(in crate::connector::pipedrive) async fn effect(&self, addressed: &Addressed) -> Result<Option<Done>, Failure> {
        let write = &addressed.write;
        if let Effect::Create { values, not, .. } = &write.effect {
            let person = self.made_by(write, values, not).await?;
            return Ok(person.map(|person| self.made(Object::Person, Some(person), None)));
        }
        let Some(person) = number(addressed) else { return Ok(None) };
        match &write.effect {
            Effect::AddTask { .. } => return self.task(person, write.op).await,
            Effect::Withdraw { task, .. } => {
                let is_there = self.is_open_task(task).await?;
                return Ok((!is_there).then(Done::default));
            }
            _ => {}
        }
        let catalogue = self.ready().await?;
        let Some(target) = self.target(person, &catalogue).await? else { return Ok(None) };
        let journey = target.journey.as_ref();
        let holds = match &write.effect {
            Effect::AddNote { .. } => return self.note_of(&target, write.op).await,
            Effect::SetOwner { owner, .. } => journey.is_some_and(|journey| {
                journey.is_open() && journey.owner.is_some_and(|id| id.to_string() == owner.as_str())
            }),
            Effect::SetStage { stage, .. } => journey.is_some_and(|journey| {
                let wanted = stage_values(&self.maps, &catalogue, journey, *stage);
                wanted.is_ok_and(|body| body.iter().all(|(name, value)| present(journey, name).as_ref() == Some(value)))
            }),
            Effect::SetScore(points) => self.shows(&target.row, &fields::score(&self.maps, *points), &catalogue),
            Effect::SetHandoff(shown) => self.shows(&target.row, &fields::handoff(&self.maps, shown), &catalogue),
            Effect::JoinTrack(track) => {
                self.label_of(track).is_some_and(|label| self.is_on(&target, &label, &catalogue))
            }
            Effect::LeaveTrack(track) => {
                self.label_of(track).is_some_and(|label| !self.is_on(&target, &label, &catalogue))
            }
            Effect::Reject(_) => {
                journey.is_some_and(|journey| matches!(journey.state, State::Archived | State::Lost | State::Deleted))
            }
            Effect::Restore { values, .. } => self.is_back(&target, values),
            Effect::Create { .. } | Effect::AddTask { .. } | Effect::Withdraw { .. } => false,
        };
        let at = journey.map(|journey| journey.updated);
        Ok(holds.then(|| done(at)))
    }
}
