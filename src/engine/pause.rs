//! The kill switch: what a person has stopped. It is kept in the store, so that a restart starts nothing again.

use std::sync::Arc;

use crate::domain::id::{ConnectionId, PersonId, TeamId};
use crate::domain::plan::{Hold, Mode, Paused};
use crate::store::StoreError;

use super::Engine;

/// Where the store keeps it.
const NAME: &str = "paused";

/// What a person stops or lets go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Everything: nothing is sent, no step fires.
    All,
    /// Writes to one connection.
    Connection(ConnectionId),
    /// One team: its steps, and the effects of its leads.
    Team(TeamId),
}

impl Engine {
    /// What is stopped.
    #[must_use]
    pub fn paused(&self) -> Arc<Paused> {
        self.paused.load_full()
    }

    /// What `name` means: a connection, a team, or everything if there is none. `None` if it is neither.
    #[must_use]
    pub fn stop_named(&self, name: Option<&str>) -> Option<Stop> {
        let Some(name) = name else { return Some(Stop::All) };
        if let Some(connector) = self.connectors.iter().find(|connector| connector.id().as_str() == name) {
            return Some(Stop::Connection(connector.id().clone()));
        }
        let rules = self.rules.load();
        rules.roster.teams.keys().find(|team| team.as_str() == name).cloned().map(Stop::Team)
    }

    /// Stops it. What is on its way to a CRM is finished; nothing new leaves.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; then nothing is stopped.
    pub async fn pause(&self, stop: &Stop) -> Result<(), StoreError> {
        let _deciding = self.deciding.lock().await;
        let mut paused = Paused::clone(&self.paused.load());
        match stop {
            Stop::All => paused.all = true,
            Stop::Connection(connection) if !paused.connections.contains(connection) => {
                paused.connections.push(connection.clone());
            }
            Stop::Team(team) if !paused.teams.contains(team) => paused.teams.push(team.clone()),
            Stop::Connection(_) | Stop::Team(_) => {}
        }
        self.keep_paused(paused).await?;
        if let Stop::Team(team) = stop {
            self.store.hold_team(team, &self.people_of(team)).await?;
        }
        tracing::warn!("paused by a person: {stop:?}");
        Ok(())
    }

    /// Lets it go on. `All` lets everything go on, whatever was stopped by itself. What fell due meanwhile is decided at once.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn resume(&self, stop: &Stop) -> Result<(), StoreError> {
        let _deciding = self.deciding.lock().await;
        let mut paused = Paused::clone(&self.paused.load());
        let teams = match stop {
            Stop::All => std::mem::take(&mut paused).teams,
            Stop::Connection(connection) => {
                paused.connections.retain(|known| known != connection);
                Vec::new()
            }
            Stop::Team(team) => {
                paused.teams.retain(|known| known != team);
                vec![team.clone()]
            }
        };
        self.keep_paused(paused).await?;
        let otherwise = (self.rules.load().writes == Mode::Plan).then_some(Hold::Plan);
        for team in teams {
            self.store.unhold_team(&team, otherwise.as_ref()).await?;
        }
        self.store.recheck_open(self.clock.now()).await?;
        tracing::warn!("resumed by a person: {stop:?}");
        Ok(())
    }

    async fn keep_paused(&self, paused: Paused) -> Result<(), StoreError> {
        self.store.set_meta(NAME, &written(&paused)).await?;
        self.paused.store(Arc::new(paused));
        Ok(())
    }

    fn people_of(&self, team: &TeamId) -> Vec<PersonId> {
        let rules = self.rules.load();
        let Some(team) = rules.roster.teams.get(team) else { return Vec::new() };
        let members = team.members.iter().map(|member| member.person.clone());
        members.chain(team.manager.clone()).chain(team.fallback.clone()).collect()
    }
}

/// What `store` says is stopped.
pub(super) async fn kept(store: &crate::store::Store) -> Result<Paused, StoreError> {
    Ok(store.meta(NAME).await?.map(|text| read(&text)).unwrap_or_default())
}

/// What is stopped according to the store's own words, for whoever reads beside a running daemon.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn paused_in(store: &crate::store::Store) -> Result<Paused, StoreError> {
    kept(store).await
}

fn written(paused: &Paused) -> String {
    let all = paused.all.then(|| "all".to_owned());
    let connections = paused.connections.iter().map(|connection| format!("connection {connection}"));
    let teams = paused.teams.iter().map(|team| format!("team {team}"));
    all.into_iter().chain(connections).chain(teams).collect::<Vec<_>>().join("\n")
}

fn read(text: &str) -> Paused {
    let mut paused = Paused::default();
    for line in text.lines() {
        match line.split_once(' ') {
            None => paused.all |= line == "all",
            Some(("connection", name)) => paused.connections.push(ConnectionId::from(name)),
            Some(("team", name)) => paused.teams.push(TeamId::from(name)),
            Some(_) => {}
        }
    }
    paused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopped_reads_back() {
        let paused = Paused {
            all: true,
            connections: vec![ConnectionId::from("hubspot")],
            teams: vec![TeamId::from("dach"), TeamId::from("a team")],
        };
        assert_eq!(read(&written(&paused)), paused);
        assert_eq!(read(""), Paused::default());
    }
}
