//! Asks who set back what Baton wrote, where a CRM's pages do not say it: the records that show another value than was written
//! are read once more, with their history. Nobody else's are, so an ordinary page costs nothing more.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use crate::connector::{Connector, ConnectorError};
use crate::domain::id::{ConnectionId, RecordRef};
use crate::domain::observation::{Observation, PersonSeen};
use crate::domain::plan::Effect;
use crate::store::StoreError;

use super::{Engine, EngineError};

impl Engine {
    /// Reads those of `observations` again that show another owner, stage or score than Baton wrote last.
    ///
    /// # Errors
    /// [`EngineError`] if the CRM cannot be read now or the store fails: the page is asked for again.
    pub(super) async fn with_authors(
        &self,
        connector: &Arc<dyn Connector>,
        observations: &mut Vec<Observation>,
    ) -> Result<(), EngineError> {
        if !(self.is_live() || self.has_decided) || !connector.pages_lack_authors() {
            return Ok(());
        }
        let people: Vec<RecordRef> =
            observations.iter().filter(|seen| lacks_authors(seen).is_some()).map(|seen| seen.of.clone()).collect();
        if people.is_empty() {
            return Ok(());
        }
        let written = self.store.written_to(&people).await?;
        let is_changed = |seen: &&Observation| {
            let Some(person) = lacks_authors(seen) else { return false };
            written.iter().any(|(of, effect)| *of == seen.of && !shows(person, effect))
        };
        let changed: BTreeSet<RecordRef> = observations.iter().filter(is_changed).map(|seen| seen.of.clone()).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let asked: Vec<RecordRef> = changed.iter().cloned().collect();
        let read = match connector.read_authors(&asked).await {
            Ok(read) => read,
            // What the page says stands: it is no worse than what is known of everybody else.
            Err(error @ (ConnectorError::Rejected { .. } | ConnectorError::Malformed { .. })) => {
                tracing::warn!(connection.id = %connector.id(), records = asked.len(), "no history of what was set back: {error}");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let is_read = |of: &RecordRef| changed.contains(of) && read.iter().any(|seen| seen.of == *of);
        observations.retain(|seen| !(is_read(&seen.of) && lacks_authors(seen).is_some()));
        observations.extend(read);
        Ok(())
    }
}

impl Engine {
    /// Tells the connections by what name an earlier process was known to them: what Baton wrote before a restart would look
    /// like another automation's else.
    pub(super) async fn recall_names(&self) -> Result<(), StoreError> {
        for connector in &self.connectors {
            if let Some(name) = self.store.meta(&signature(connector.id())).await? {
                connector.recognise(&name);
            }
        }
        Ok(())
    }

    /// Keeps the name that a connection has learned. Asked after each delivery, and so compared in memory.
    pub(super) async fn keep_name(&self, connector: &Arc<dyn Connector>) -> Result<(), StoreError> {
        let Some(name) = connector.signs_as() else { return Ok(()) };
        let known =
            self.signs_as.lock().unwrap_or_else(PoisonError::into_inner).insert(connector.id().clone(), name.clone());
        if known.as_ref() == Some(&name) {
            return Ok(());
        }
        self.store.set_meta(&signature(connector.id()), &name).await
    }
}

/// What the store calls the name of Baton in a connection.
fn signature(connection: &ConnectionId) -> String {
    format!("signs_as:{connection}")
}

/// The person, if the observation shows one without history.
fn lacks_authors(seen: &Observation) -> Option<&PersonSeen> {
    seen.person().filter(|person| !person.has_history)
}

/// Does the record show what `effect` sets?
fn shows(person: &PersonSeen, effect: &Effect) -> bool {
    match effect {
        Effect::SetOwner { owner, .. } => person.owners.last().is_some_and(|entry| entry.owner.as_ref() == Some(owner)),
        Effect::SetStage { stage, .. } => person.stages.last().is_some_and(|entry| entry.stage == *stage),
        Effect::SetScore(points) => person.scores.last().is_some_and(|entry| entry.shows(points)),
        Effect::Create { .. }
        | Effect::Reject(_)
        | Effect::JoinTrack(_)
        | Effect::LeaveTrack(_)
        | Effect::SetHandoff(_)
        | Effect::Restore { .. }
        | Effect::Withdraw { .. }
        | Effect::AddTask { .. }
        | Effect::AddNote { .. } => true,
    }
}
