//! Asks, before a page is believed, whether the look it belongs to calls too many people gone.
//!
//! Every connector's pages pass here. A look may have many pages, each committed by itself: the first that calls anybody gone is
//! therefore read ahead of, so that a mass is seen before any of it is stored. The cursor stays, and so the next look asks again.

use std::collections::HashSet;
use std::sync::Arc;

use crate::connector::{Connector, Page, Stream};
use crate::domain::id::{Object, RecordRef};
use crate::domain::observation::{Content, Observation};
use crate::domain::vanish::{GONE_LEAST, PERCENT_MAX, Vanished};
use crate::store::StoreError;

use super::poll::PAGES_MAX;
use super::{Engine, EngineError};

/// What one look at a stream has called gone so far.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// People who were live when the look began.
    gone: HashSet<RecordRef>,
    /// How many of them are on pages that have been let through.
    passed: usize,
    /// The look has been read ahead to its end.
    is_whole: bool,
}

impl Look {
    /// Has it called anybody gone?
    pub(super) fn calls_gone(&self) -> bool {
        !self.gone.is_empty()
    }
}

impl Engine {
    /// Lets `page` through unless the look it belongs to calls a mass of people gone.
    ///
    /// # Errors
    /// [`EngineError::Vanished`] if it does; [`EngineError::Connector`] if the rest of the look cannot be read.
    pub(super) async fn check_vanishing(
        &self,
        connector: &Arc<dyn Connector>,
        stream: &Stream,
        page: &Page,
        look: &mut Look,
    ) -> Result<(), EngineError> {
        let here = self.vanishing(&page.observations).await?;
        let known = look.gone.len();
        look.gone.extend(here.iter().cloned());
        if look.gone.len() > known {
            if page.has_more && !look.is_whole {
                self.read_ahead(connector, stream, page, look).await?;
            }
            self.judge_vanishing(connector, look).await?;
        }
        look.passed += here.len();
        Ok(())
    }

    async fn read_ahead(
        &self,
        connector: &Arc<dyn Connector>,
        stream: &Stream,
        page: &Page,
        look: &mut Look,
    ) -> Result<(), EngineError> {
        let mut next = page.next.clone();
        for _ in 0..PAGES_MAX {
            let ahead = connector.pull(stream, &next, self.clock.now()).await?;
            look.gone.extend(self.vanishing(&ahead.observations).await?);
            if !ahead.has_more {
                break;
            }
            next = ahead.next;
        }
        look.is_whole = true;
        Ok(())
    }

    async fn judge_vanishing(&self, connector: &Arc<dyn Connector>, look: &Look) -> Result<(), EngineError> {
        let gone = look.gone.len();
        if gone < GONE_LEAST {
            return Ok(());
        }
        let connection = connector.id();
        let percent_max = self.vanish_max.get(connection).copied().unwrap_or(PERCENT_MAX);
        let most = Vanished::live_enough(gone, percent_max);
        let live = self.store.people_live(connection, most).await? + look.passed;
        let vanished = Vanished { connection: connection.clone(), gone, live, percent_max };
        if vanished.is_mass() { Err(EngineError::Vanished(vanished)) } else { Ok(()) }
    }

    /// The people among `observations` that are known and live, and would be taken as gone.
    async fn vanishing(&self, observations: &[Observation]) -> Result<Vec<RecordRef>, StoreError> {
        let gone: Vec<&Observation> = observations
            .iter()
            .filter(|seen| seen.of.object == Object::Person && matches!(seen.content, Content::Gone | Content::Erased))
            .collect();
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let refs: Vec<RecordRef> = gone.iter().map(|seen| seen.of.clone()).collect();
        let live = self.store.people(&refs).await?.into_iter().filter(|record| record.is_live());
        Ok(live.map(|record| record.of).collect())
    }
}
