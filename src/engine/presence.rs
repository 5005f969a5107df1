//! Where a write goes whose record is not there any more.

use std::collections::HashMap;

use crate::connector::{Addressed, Outcome};
use crate::domain::id::RecordRef;
use crate::domain::plan::Effect;
use crate::domain::record::Presence;

use super::{Engine, EngineError};

impl Engine {
    /// Nothing is written to a record that was read as gone since the write was decided; what was merged is written to the survivor.
    ///
    /// What only shows something to people of the CRM is left to the look before it: there are many of those, and nothing follows
    /// from one too many. What is taken back is taken back where it was done.
    pub(super) async fn with_presence(&self, addressed: &mut [Result<Addressed, Outcome>]) -> Result<(), EngineError> {
        let refs: Vec<RecordRef> = addressed.iter().flatten().filter_map(heeded).cloned().collect();
        if refs.is_empty() {
            return Ok(());
        }
        let people = self.store.people(&refs).await?;
        let known: HashMap<&RecordRef, &Presence> = people.iter().map(|one| (&one.of, &one.presence)).collect();
        for place in addressed.iter_mut() {
            let Ok(one) = place else { continue };
            let Some(of) = heeded(one) else { continue };
            match known.get(of) {
                Some(Presence::Gone(_)) => *place = Err(Outcome::gone(&one.write.effect)),
                Some(Presence::Merged { into, .. }) => {
                    one.record = Some(RecordRef { id: into.clone(), ..of.clone() });
                }
                Some(Presence::Live) | None => {}
            }
        }
        Ok(())
    }
}

fn heeded(addressed: &Addressed) -> Option<&RecordRef> {
    let effect = &addressed.write.effect;
    let is_shown = matches!(effect, Effect::SetScore(_) | Effect::SetHandoff(_));
    addressed.record.as_ref().filter(|_| !is_shown && !effect.undoes())
}
