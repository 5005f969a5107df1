//! A look at every account that the settings name: what the files say, held against what the CRMs have. Writes nothing.
//!
//! `baton check --online` shows it with the places of the files, `baton setup` with what would be made.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::config::{Loaded, Places};
use crate::connector::requirement::{Ensured, Making, Requirement, State};
use crate::connector::settings::{Auth, Settings};
use crate::connector::tokens::Vault;
use crate::connector::{Connector, ConnectorError, Cursor};
use crate::document::{Place, Problems};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef};
use crate::domain::observation::{Content, UserSeen};
use crate::domain::roster::{Lack, lacking};
use crate::domain::{sales, skew};
use crate::engine::directory;
use crate::http::Client;
use crate::http::peer_clock::PeerClock;
use crate::store::{Store, StoreError};

use super::assemble;
use super::vault::StoreVault;

/// Pages of users that are read; more people than that are in no CRM that Baton is for.
const USER_PAGES_MAX: usize = 200;

/// What a look showed.
#[derive(Debug, Default)]
pub struct Looked {
    /// Each connection with its account, as far as it could be read.
    pub accounts: Vec<(ConnectionId, String)>,
    /// What does not fit.
    pub problems: Problems,
}

/// The connectors of the settings, each with the clock that its answers show.
///
/// # Errors
/// The store that keeps the tokens of logins cannot be opened.
pub async fn connectors(loaded: &Loaded) -> anyhow::Result<Vec<(Arc<dyn Connector>, PeerClock)>> {
    let client = Client::new().context("setting up the HTTP client")?;
    let settings = &loaded.settings;
    let has_login = |settings: &&Settings| matches!(settings.auth, Auth::Oauth(_));
    // Before the first login there is no store, and a look makes none.
    let needs_vault = settings.store.exists() && settings.connections.iter().any(|one| has_login(&one));
    let vault = if needs_vault { Some(vault(loaded).await?) } else { None };
    let connect = |one: &Settings| {
        let clock = PeerClock::default();
        (assemble::connector(one, client.noting(clock.clone()), None, vault.as_ref()), clock)
    };
    Ok(settings.connections.iter().map(connect).collect())
}

/// Where tokens are: in the store, which may belong to a running daemon.
async fn vault(loaded: &Loaded) -> anyhow::Result<Arc<dyn Vault>> {
    let settings = &loaded.settings;
    let (path, key) = (&settings.store, settings.store_key.as_ref());
    let opened = Store::open_resting(path, &settings.workspace, settings.rest).await;
    Ok(match opened {
        Ok(store) => Arc::new(StoreVault::new(store.sealed_with(assemble::seal(key)?))),
        Err(StoreError::Locked { .. }) => {
            let store = Store::open_read_only(path, &settings.workspace).await;
            let store = store.with_context(|| format!("opening the store {}", path.display()))?;
            Arc::new(StoreVault::borrowed(store.sealed_with(assemble::seal(key)?)))
        }
        Err(error) => return Err(error).with_context(|| format!("opening the store {}", path.display())),
    })
}

/// Looks at every account.
///
/// # Errors
/// As [`connectors`]; what an account shows is a problem among others.
pub async fn look(loaded: &Loaded) -> anyhow::Result<Looked> {
    let mut looked = Looked::default();
    for (connector, clock) in connectors(loaded).await? {
        let id = connector.id();
        let of = About { connection: id, places: &loaded.places, problems: &looked.problems };
        let began = (Clock::system().wall(), Instant::now());
        match connector.describe().await {
            Ok(description) => {
                description.findings.iter().for_each(|finding| of.tell(finding));
                looked.accounts.push((id.clone(), description.account));
            }
            Err(error) => {
                of.unreadable(&error);
                continue;
            }
        }
        if let Some(told) = clock.told() {
            let ours = |at: Instant| {
                began.0 + SignedDuration::try_from(at.duration_since(began.1)).unwrap_or(SignedDuration::ZERO)
            };
            let (sent, received) = (ours(told.sent), ours(told.received));
            let apart = skew::finding(id, told.date, received, skew::offset(told.date, sent, received));
            apart.iter().for_each(|finding| of.tell(finding));
        }
        of.words(loaded, &connector).await;
        of.calendars(loaded, &connector).await;
        let mut sales = sales::connections(&loaded.agreement, &loaded.roster).peekable();
        if sales.peek().is_none() || sales.any(|sales| sales == id) {
            match users(&connector).await {
                Ok(users) => of.accounts(loaded, &users),
                Err(error) => of.unreadable(&error),
            }
        }
    }
    Ok(looked)
}

/// The days off that are asked for: from today to the end of the next year.
#[must_use]
pub fn days_off_asked() -> (Date, Date) {
    let today = Clock::system().wall().to_zoned(TimeZone::UTC).date();
    (today, Date::new(today.year().saturating_add(1), 12, 31).unwrap_or(Date::MAX))
}

/// Everybody who has an account.
async fn users(connector: &Arc<dyn Connector>) -> Result<Vec<(RecordRef, UserSeen)>, ConnectorError> {
    let mut users = Vec::new();
    let Some(stream) = connector.streams().iter().find(|stream| stream.object == Object::User) else {
        return Ok(users);
    };
    let mut cursor = Cursor::default();
    for _ in 0..USER_PAGES_MAX {
        let page = connector.pull(stream, &cursor, Clock::system().wall()).await?;
        for seen in page.observations {
            if let Content::User(user) = seen.content {
                users.push((seen.of, user));
            }
        }
        if !page.has_more {
            break;
        }
        cursor = page.next;
    }
    Ok(users)
}

/// Turns what one account shows into problems of the files.
struct About<'a> {
    connection: &'a ConnectionId,
    places: &'a Places,
    problems: &'a Problems,
}

impl About<'_> {
    fn unreadable(&self, error: &ConnectorError) {
        let part = if matches!(error, ConnectorError::Unauthorized { .. }) { "auth" } else { "base_url" };
        let (message, help) = parted(&error.to_string());
        self.problems.error(self.place(part), &self.key(part), message, help);
    }

    /// A finding says what was found and, after a semicolon, what to do.
    fn tell(&self, finding: &Finding) {
        let (message, help) = parted(&finding.text);
        let Subject::Connection(_, part) = &finding.subject else { return };
        let section = match finding.kind {
            FindingKind::Unmapped if part.as_str().starts_with("lost_reason_id") => "reasons",
            FindingKind::Unmapped => "stages",
            FindingKind::MissingField => "fields",
            FindingKind::EndsSoon => part.as_str(),
            _ => "kind",
        };
        let named = if finding.kind == FindingKind::MissingField { self.named(part.as_str(), &message) } else { None };
        let (place, key) = named.unwrap_or_else(|| (self.place(section), self.key(section)));
        self.problems.warning(place, &key, message, help);
    }

    /// Where the settings name what a finding is about: the value that it quotes below `section.key`, or that key itself; else
    /// whatever is called like a part of its subject.
    fn named(&self, part: &str, message: &str) -> Option<(Place, String)> {
        let own = ["connections", self.connection.as_str()];
        if let Some((section, key)) = part.split_once('.') {
            let path = [own[0], own[1], section, key];
            if self.places.has(&path) {
                let quoted = message.split('"').skip(1).step_by(2).find_map(|value| self.places.naming(&path, value));
                return Some(quoted.unwrap_or_else(|| (self.places.of(&path), path.join("."))));
            }
        }
        let words = part.split_once('.').map(|(_, rest)| rest).into_iter().chain(part.split(['=', '.', '/']));
        words.filter(|word| !word.is_empty()).find_map(|word| self.places.naming(&own, word))
    }

    fn accounts(&self, loaded: &Loaded, users: &[(RecordRef, UserSeen)]) {
        let connection = self.connection;
        let directory = directory(&loaded.roster, users);
        for (person, lack) in lacking(&loaded.roster, &loaded.agreement, &directory, connection) {
            let place = self.places.of_person(&person).cloned().unwrap_or_else(|| self.place("kind"));
            let (message, help) = match lack {
                Lack::NoAccount => (
                    format!("{person} may be given leads, but nobody in {connection} is known by that address"),
                    format!("add `{connection} = \"...\"`, their login or id there, to [people.\"{person}\"]"),
                ),
                Lack::Deactivated => (
                    format!("the account of {person} in {connection} is deactivated: no lead can be given to them"),
                    "take them out of the team, or let the account be activated".to_owned(),
                ),
            };
            self.problems.warning(place, &format!("people.{person}"), message, help);
        }
    }

    /// Are the lists, labels and words there that the settings name for the agreement's tracks and reasons?
    async fn words(&self, loaded: &Loaded, connector: &Arc<dyn Connector>) {
        let Some(own) = loaded.settings.connections.iter().find(|one| one.id == *self.connection) else { return };
        let known = &loaded.agreement.handoff.rejections;
        let reasons = own.reasons.iter().map(|(name, _)| name).filter(|name| known.contains_key(*name));
        let tracks = loaded.agreement.tracks();
        let tracks = own.tracks.iter().map(|(name, _)| name).filter(|name| tracks.contains(*name));
        let all = reasons
            .map(|name| ("reasons", name, Requirement::Reason(name.clone())))
            .chain(tracks.map(|name| ("tracks", name, Requirement::Track(name.clone()))));
        for (section, name, requirement) in all {
            let path = ["connections", self.connection.as_str(), section, name.as_str()];
            let (message, help) = match connector.ensure(&requirement, Making::Show).await {
                Ok(Some(Ensured { what, state: State::Missing, .. })) => {
                    (format!("{what} is not there"), format!("`baton setup {} --apply` makes it", self.connection))
                }
                Ok(Some(Ensured { what, state: State::ByHand(how), .. })) => (format!("{what} is not there"), how),
                Ok(Some(Ensured { state: State::There | State::Made, .. }) | None) => continue,
                Err(error) => parted(&error.to_string()),
            };
            self.problems.warning(self.places.of(&path), &path.join("."), message, help);
        }
    }

    /// Holds the calendars that were taken from this CRM against what it has now.
    async fn calendars(&self, loaded: &Loaded, connector: &Arc<dyn Connector>) {
        let taken: Vec<_> =
            loaded.roster.sources.iter().filter(|(_, source)| source.connection == *self.connection).collect();
        if taken.is_empty() {
            return;
        }
        let (from, to) = days_off_asked();
        let tell = |name: &Name, key: &[&str], message: String, help: &str| {
            let path: Vec<&str> = ["calendars", name.as_str()].into_iter().chain(key.iter().copied()).collect();
            self.problems.warning(self.places.of_roster(&path), &path.join("."), message, help);
        };
        let own = self.connection;
        let kept = connector.calendars(from, to).await;
        for (name, source) in taken {
            let Some(calendar) = loaded.roster.calendars.get(name) else { continue };
            match &kept {
                Ok(Some(kept)) => {
                    let help = format!("`baton setup {own}` prints the calendar as it is there");
                    for one in kept.differences(source, calendar) {
                        let message = format!("its source in {own} says something else: {}", one.text);
                        tell(name, one.key, message, &help);
                    }
                    for unread in &kept.unread {
                        tell(name, &["source"], format!("its source in {own} cannot be read whole: {unread}"), "");
                    }
                }
                // That this kind keeps none is told without asking it.
                Ok(None) => {}
                Err(error) => {
                    let (message, help) = parted(&error.to_string());
                    tell(name, &["source"], format!("its source could not be looked at: {message}"), &help);
                }
            }
        }
    }

    fn key(&self, part: &str) -> String {
        format!("connections.{}.{part}", self.connection)
    }

    fn place(&self, part: &str) -> Place {
        self.places.of(&["connections", self.connection.as_str(), part])
    }
}

/// What was found, and what to do.
fn parted(text: &str) -> (String, String) {
    match text.split_once("; ") {
        Some((found, remedy)) => (found.to_owned(), remedy.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}
