//! Whose account is which: the roster's word first, then equal e-mail addresses.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::id::{Name, PersonId, RecordRef};
use crate::domain::observation::UserSeen;
use crate::domain::roster::{Directory, Roster};
use crate::store::{Store, StoreError};

use super::Engine;

impl Engine {
    /// Works the directory out anew from the stored users.
    pub(super) async fn refresh_directory(&self) -> Result<(), StoreError> {
        let mut users = self.store.users().await?;
        // Of two accounts of one person the last one is theirs: always the same, whatever order they were read in.
        users.sort_by(|a, b| a.0.cmp(&b.0));
        self.users.store(Arc::new(super::journal::users_part(&users)));
        self.directory.store(Arc::new(directory(&self.rules.load().roster, &users)));
        Ok(())
    }
}

/// Whose account is which, by the users that `store` has.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn directory_of(store: &Store, roster: &Roster) -> Result<Directory, StoreError> {
    let mut users = store.users().await?;
    users.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(directory(roster, &users))
}

/// Joins the roster's people to the users of the CRMs.
///
/// A user whom the roster does not name is known by their address
/// alone; one who cannot own records any more has no account, but is still recognised by it.
#[must_use]
pub fn directory(roster: &Roster, users: &[(RecordRef, UserSeen)]) -> Directory {
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
