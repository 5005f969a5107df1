//! Asks, before what a CRM shows is believed, whether it calls too many people gone: at once, or with those of the last day.
//!
//! Every connector's pages pass here, and what webhooks and the patrol read. A look may have many pages, each committed by
//! itself: the first that calls anybody gone is therefore read ahead of, so that a mass is seen before any of it is stored. The
//! cursor stays, and so the next look asks again.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::connector::{Connector, Page, Stream};
use crate::domain::id::{ConnectionId, Object, RecordRef};
use crate::domain::observation::{Content, Observation};
use crate::domain::vanish::{PERCENT_MAX, Vanished, WINDOW};
use crate::store::StoreError;

use super::poll::PAGES_MAX;
use super::{Engine, EngineError};

/// By which road Baton learns that people are gone. Each is halted, and let go on, by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Road {
    /// The polls.
    Feed,
    /// Records that webhooks name.
    Hints,
    /// The patrol.
    Patrol,
}

impl Road {
    /// What the store calls the time since which nobody is believed to be gone by this road.
    fn halt_name(self, connection: &ConnectionId) -> String {
        let road = match self {
            Self::Feed => "feed",
            Self::Hints => "hints",
            Self::Patrol => "patrol",
        };
        format!("vanish_halt:{road}:{connection}")
    }
}

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
            // Those of pages that were let through are counted with the day's.
            self.judge_vanishing(connector.id(), Road::Feed, look.gone.len() - look.passed, 0).await?;
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

    /// Lets `gone` more people of `connection` go, unless they are a mass together with those who went within the last day, or
    /// with the `least` that this road has met by itself.
    ///
    /// What is not believed once is not believed a day later either, only because the others are forgotten by then: while it
    /// is so, the day is counted back from when it began.
    ///
    /// # Errors
    /// [`EngineError::Vanished`] if they are.
    pub(super) async fn judge_vanishing(
        &self,
        connection: &ConnectionId,
        road: Road,
        gone: usize,
        least: usize,
    ) -> Result<(), EngineError> {
        if gone == 0 {
            return Ok(self.believe_again(connection, road).await?);
        }
        let (now, name) = (self.clock.now(), road.halt_name(connection));
        let halted: Option<Timestamp> = self.store.meta(&name).await?.and_then(|text| text.parse().ok());
        let since = halted.unwrap_or(now).min(now).saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let before = self.store.vanished_since(connection, since).await?.max(least);
        let gone = before.saturating_add(gone);
        let percent_max = self.vanish_max.get(connection).copied().unwrap_or(PERCENT_MAX);
        let most = Vanished::live_enough(gone, percent_max);
        let live = self.store.people_live(connection, most).await? + before;
        let vanished = Vanished { connection: connection.clone(), gone, live, percent_max };
        if !vanished.is_mass() {
            return Ok(self.believe_again(connection, road).await?);
        }
        if halted.is_none() {
            self.store.set_meta(&name, &now.to_string()).await?;
        }
        Err(EngineError::Vanished(vanished))
    }

    /// What this road shows is believed again.
    pub(super) async fn believe_again(&self, connection: &ConnectionId, road: Road) -> Result<(), StoreError> {
        let name = road.halt_name(connection);
        if self.store.meta(&name).await?.is_some_and(|since| !since.is_empty()) {
            self.store.set_meta(&name, "").await?;
        }
        Ok(())
    }

    /// The same for what was read of single records.
    ///
    /// # Errors
    /// [`EngineError::Vanished`] if too many of them are gone.
    pub(super) async fn check_gone(
        &self,
        connection: &ConnectionId,
        observations: &[Observation],
    ) -> Result<(), EngineError> {
        let gone: HashSet<RecordRef> = self.vanishing(observations).await?.into_iter().collect();
        self.judge_vanishing(connection, Road::Hints, gone.len(), 0).await
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
