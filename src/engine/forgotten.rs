//! People who were forgotten do not come back because a CRM still shows them.

use jiff::Timestamp;

use crate::domain::observation::{Content, Observation};
use crate::store::StoreError;

use super::Engine;

impl Engine {
    /// The same engine, in which people who were forgotten may come back.
    #[must_use]
    pub fn with_forgotten_returning(mut self, may_return: bool) -> Self {
        self.forgotten_may_return = may_return;
        self
    }

    /// Reads anew who was forgotten.
    pub(super) async fn refresh_marks(&self) -> Result<(), StoreError> {
        self.marks.store(self.store.marks().await?);
        Ok(())
    }

    /// What is left of `observations` without those of people who were forgotten. Calls and meetings stay with whoever else
    /// took part.
    pub(super) async fn pass_over_forgotten(
        &self,
        observations: Vec<Observation>,
        now: Timestamp,
    ) -> Result<Vec<Observation>, StoreError> {
        let marks = self.marks.load();
        if marks.is_empty() || self.forgotten_may_return {
            return Ok(observations);
        }
        let mut seen = Vec::new();
        let mut left = Vec::with_capacity(observations.len());
        for mut observation in observations {
            let keys = match &mut observation.content {
                Content::Person(person) => person.keys.as_slice(),
                Content::Touch(touches) => {
                    touches.retain(|touch| marks.of(&touch.person, &[]).is_none());
                    &[]
                }
                Content::Deal(deal) => {
                    let people = deal.people.as_mut();
                    let is_whole = people.is_none_or(|people| {
                        let all = people.len();
                        people.retain(|person| marks.of(person, &[]).is_none());
                        people.len() == all
                    });
                    // Of a deal that is marked itself, the CRM has forgotten who was in it, but not what it is called.
                    if !is_whole || marks.of(&observation.of, &[]).is_some() {
                        deal.title = None;
                    }
                    left.push(observation);
                    continue;
                }
                _ => &[],
            };
            match marks.of(&observation.of, keys) {
                Some(mark) => seen.push(mark),
                None => left.push(observation),
            }
        }
        if !seen.is_empty() {
            seen.sort();
            seen.dedup();
            self.store.note_marks_seen(&seen, now).await?;
        }
        Ok(left)
    }
}
