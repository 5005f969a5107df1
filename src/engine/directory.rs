//! Whose account is which: the roster's word first, then equal e-mail addresses.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::id::{Name, PersonId, RecordRef};
use crate::domain::observation::UserSeen;
use crate::domain::roster::{Directory, Roster};
use crate::store::StoreError;

use super::Engine;

impl Engine {
    /// Works the directory out anew from the stored users.
    pub(super) async fn refresh_directory(&self) -> Result<(), StoreError> {
        let users = self.store.users().await?;
        self.directory.store(Arc::new(directory(&self.rules.load().roster, &users)));
        Ok(())
    }
}

/// Joins the roster's people to the users of the CRMs. A user whom the roster does not name is known by their address
/// alone; one who cannot own records any more has no account, but is still recognised by it.
fn directory(roster: &Roster, users: &[(RecordRef, UserSeen)]) -> Directory {
    let mut named: HashMap<(&str, String), &PersonId> = HashMap::new();
    for (person, known) in &roster.people {
        for (connection, account) in &known.accounts {
            named.insert((connection.as_str(), account.as_str().to_lowercase()), person);
        }
    }
    let mut directory = Directory::default();
    for (of, user) in users {
        let connection = of.connection.as_str();
        let by_roster =
            [Some(of.id.as_str()), user.login.as_ref().map(Name::as_str), user.email.as_ref().map(Name::as_str)]
                .into_iter()
                .flatten()
                .find_map(|account| named.get(&(connection, account.to_lowercase())).map(|person| (*person).clone()));
        let by_email = || user.email.as_ref().or(user.login.as_ref()).map(|email| PersonId::new(email.as_str()));
        let person = by_roster.or_else(by_email).unwrap_or_else(|| PersonId::from(of.to_string()));
        if user.is_active {
            directory.insert(of.connection.clone(), of.id.clone(), person);
        } else {
            directory.insert_departed(of.connection.clone(), of.id.clone(), person);
        }
    }
    directory
}
