//! Floor 2: the CRMs. One trait, one folder for each CRM with the same files.
//!
//! Connectors never retry, sleep or decide: they build requests and read answers (pure functions in each `map/`) and
//! send them through the one HTTP client, whose limiter paces reads and writes together. What they return is in the
//! words of [`crate::domain::observation`]; nobody above this floor sees a vendor's JSON.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use secrecy::SecretString;

use crate::domain::agreement::Proof;
use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name, Object, OperationId, RecordRef, RemoteId};
use crate::domain::observation::Observation;
use crate::domain::plan::{Ability, Earlier, Effect, Was, Write};

pub use before::{Before, Forget, NotKept};

mod before;
pub mod calendars;
pub mod country;
mod day;
mod doubt;
pub mod hook;
pub mod hubspot;
pub mod moment;
mod number;
pub mod odoo;
mod overtaken;
pub mod phone;
pub mod pipedrive;
pub mod requirement;
pub mod salesforce;
pub mod settings;
pub mod tokens;

/// The signals that a connection of this kind shows without a map of its own.
#[must_use]
pub fn signals_known(kind: settings::Kind) -> Vec<Name> {
    match kind {
        settings::Kind::HubSpot => hubspot::signals_known(),
        settings::Kind::Odoo | settings::Kind::Salesforce | settings::Kind::Pipedrive => Vec::new(),
    }
}

/// Do accounts of this kind keep working hours that a calendar can be taken from?
#[must_use]
pub fn keeps_calendars(kind: settings::Kind) -> bool {
    match kind {
        settings::Kind::Salesforce => true,
        settings::Kind::HubSpot | settings::Kind::Odoo | settings::Kind::Pipedrive => false,
    }
}

/// One record may take so many bytes of an answer: a larger one is left out with a finding, and its page goes on.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// One CRM account.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The connection's name in the settings.
    fn id(&self) -> &ConnectionId;

    /// What it can be asked to write, from its settings.
    fn ability(&self) -> Ability;

    /// The object types this CRM feeds, each with its own cursor, in the order in which a first pass reads them: what
    /// others refer to (users, companies) comes first.
    fn streams(&self) -> &[Stream];

    /// Does it tell of deals, by a stream of them or beside people?
    fn knows_deals(&self) -> bool {
        self.streams().iter().any(|stream| stream.object == Object::Deal)
    }

    /// Checks credentials, account, scopes, fields and picklists, cheaply; run at start.
    async fn describe(&self) -> Result<Description, ConnectorError>;

    /// One page of what changed after `after`, and how far that covers. Asking again with one cursor is harmless.
    /// `now` is only used to say how fresh a finished window is, never to move a cursor past what the CRM showed.
    async fn pull(&self, stream: &Stream, after: &Cursor, now: Timestamp) -> Result<Page, ConnectorError>;

    /// One page of everything that `stream` holds, in the order of ids from `from` on, whatever changed when: what the patrol
    /// walks, from what the others leave of the request budget. `None` if there is nothing to walk, because every poll reads
    /// the stream whole or because nothing of it is kept.
    async fn walk(
        &self,
        stream: &Stream,
        from: Option<&RemoteId>,
        now: Timestamp,
    ) -> Result<Option<Walked>, ConnectorError> {
        let _ = (stream, from, now);
        Ok(None)
    }

    /// Which records a webhook of the CRM asks to look at. Pure: nothing is sent, and no value of the payload is believed.
    ///
    /// # Errors
    /// [`hook::Refusal`] if it is not proved to come from the CRM, or cannot be read.
    fn hear(&self, knock: &hook::Knock) -> Result<Vec<hook::Event>, hook::Refusal> {
        let _ = knock;
        Err(hook::Refusal::NotSetUp)
    }

    /// The objects as they are now, with history where the CRM keeps one: for hints, patrol, and a look before writing.
    /// An object that does not exist answers with [`crate::domain::observation::Content::Gone`].
    async fn read(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError>;

    /// These people as they are now, with who changed them: where the CRM's history costs more than a look is worth, only this
    /// one asks for it.
    async fn read_authors(&self, people: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        self.read(people).await
    }

    /// Do pages leave out who made a change, where [`read_authors`](Connector::read_authors) says it? Then a record that shows another value
    /// than Baton wrote is read once more before anybody takes it for news.
    fn pages_lack_authors(&self) -> bool {
        false
    }

    /// The name under which the CRM's history shows Baton's own changes, where only the first write of all tells it.
    fn signs_as(&self) -> Option<String> {
        None
    }

    /// Baton's changes bear this name, as an earlier process learned. What a connection knows by itself stands.
    fn recognise(&self, name: &str) {
        let _ = name;
    }

    /// The touches and the company of these people as they are now: associations change without changing the person.
    async fn read_around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError>;

    /// The most writes of one batch: as many as the CRM takes in one request, so that a full batch is a full request.
    fn writes_at_once(&self) -> usize {
        100
    }

    /// Applies a batch; each write has its own outcome, `Unknown` among them. Writes for one record come in order. What they
    /// replace is kept by `before` before anything is sent.
    async fn push(&self, writes: &[Addressed], before: &dyn Before) -> Vec<(OperationId, Outcome)>;

    /// Did this write take effect? Asked before an unknown outcome is repeated.
    async fn find_effect(&self, write: &Addressed) -> Result<Option<Done>, ConnectorError>;

    /// How many requests have been sent, reading and writing: grows while a long pass gets on.
    fn requests(&self) -> u64 {
        0
    }

    /// What of the day's requests was spent, in the connector's own words, where the CRM has such a thing: a start anew may not spend
    /// the share twice.
    fn spent(&self) -> Option<String> {
        None
    }

    /// An earlier process spent this, as [`spent`](Connector::spent) said; it is `now` by real time. Told once, at the start.
    fn recall_spent(&self, earlier: &str, now: Timestamp) {
        let _ = (earlier, now);
    }

    /// How the request budgets stand, for the board.
    fn budgets(&self) -> Vec<BudgetView>;

    /// The values that stages and reasons can have now, and no map knows: in one request or two, so that it may be asked
    /// every minute. The rest of the description is empty.
    async fn choices(&self) -> Result<Description, ConnectorError>;

    /// Makes, or only names, a field, list or label that Baton writes to; `None` if this CRM has no use for it.
    async fn ensure(
        &self,
        requirement: &requirement::Requirement,
        making: requirement::Making,
    ) -> Result<Option<requirement::Ensured>, ConnectorError>;

    /// The working hours that the CRM keeps, with its days off from `from` to `to`; `None` if it keeps none.
    async fn calendars(&self, from: Date, to: Date) -> Result<Option<calendars::Calendars>, ConnectorError> {
        let _ = (from, to);
        Ok(None)
    }

    /// Exchanges the code that a person's permission gave for tokens, and keeps them.
    async fn log_in(&self, _code: &SecretString) -> Result<LoggedIn, ConnectorError> {
        Err(ConnectorError::Rejected {
            connection: self.id().clone(),
            what: "a login".to_owned(),
            message: "this connection proves itself with a token: there is nothing to log in to".to_owned(),
        })
    }
}

/// What a login gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// The account.
    pub account: String,
    /// Permissions that were not given, each with what does not work without it.
    pub missing: Vec<(String, String)>,
}

/// One object type of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its name within the connection: `contacts`.
    pub name: Name,
    /// What it brings.
    pub object: Object,
    /// The commitments that its objects can fulfil.
    pub proves: Vec<Proof>,
}

/// How far a stream has been read, in the connector's own words (JSON). Empty = from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One page of a stream.
#[derive(Clone, Debug)]
pub struct Page {
    /// What was said.
    pub observations: Vec<Observation>,
    /// Where to go on.
    pub next: Cursor,
    /// Is there more to read right now?
    pub has_more: bool,
    /// Everything up to here, by the CRM's time, has been read once this page is stored; `None` while a first pass is
    /// under way.
    pub covered_until: Option<Timestamp>,
    /// What a person should know about the stream.
    pub findings: Vec<Finding>,
}

/// What hangs on people, as far as it could be read.
#[derive(Debug, Default)]
pub struct Around {
    /// What was said.
    pub observations: Vec<Observation>,
    /// The streams whose objects the CRM does not show, and why; what the others bring stands.
    pub refused: Vec<(Name, ConnectorError)>,
}

impl Around {
    /// Adds what became of the objects of one stream: what was read, or that it is refused.
    ///
    /// # Errors
    /// Whatever would meet the other streams as well.
    pub fn add(&mut self, stream: &Name, read: Result<Vec<Observation>, ConnectorError>) -> Result<(), ConnectorError> {
        match read {
            Ok(observations) => self.observations.extend(observations),
            Err(error @ ConnectorError::Rejected { .. }) => self.refused.push((stream.clone(), error)),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// One page of a walk.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// What was shown.
    pub observations: Vec<Observation>,
    /// What a person should know about it.
    pub findings: Vec<Finding>,
    /// The kinds of objects that the page shows all of, from the id asked for up to, but not including, `next`. Of two ids the
    /// shorter comes first, and of two as long as each other the one whose bytes do.
    pub objects: &'static [Object],
    /// The ids that the stream's objects can have, from the first up to, but not including, the second, where others of the
    /// same kind have a stream of their own.
    pub span: Option<(RemoteId, RemoteId)>,
    /// Where to go on; `None` = that was the end.
    pub next: Option<RemoteId>,
}

/// What a look at a CRM account showed.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The account: `HubSpot portal 123456 (US/Eastern)`.
    pub account: String,
    /// The id of the CRM user or app that Baton's credentials belong to, where the CRM says.
    pub own_user: Option<RemoteId>,
    /// What does not fit: fields that do not exist, values that no map knows, missing permissions.
    pub findings: Vec<Finding>,
    /// What was looked at: findings about it that are not among `findings` are over.
    pub checked: Vec<Checked>,
}

/// A write with the record it goes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Addressed {
    /// What to write.
    pub write: Write,
    /// The lead's record on the connection; `None` only for [`crate::domain::plan::Effect::Create`].
    pub record: Option<RecordRef>,
    /// How often it has been tried, this time included; 1 for the first.
    pub attempt: u32,
    /// The try that was the last to leave, as it was kept then, unless it provably had no effect.
    pub earlier: Option<Earlier>,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect, or the CRM already was as wanted.
    Done(Done),
    /// Somebody changed the value meanwhile, so it was left alone: a person's change wins.
    Superseded {
        /// What was found, for a person to read.
        found: String,
    },
    /// The CRM refused it; trying again changes nothing until the record or the rules change.
    Refused {
        /// The CRM's words, without values of people.
        message: String,
    },
    /// This try provably had no effect; try again, not before `after`.
    Again {
        /// The wait the CRM asked for, if it did.
        after: Option<std::time::Duration>,
        /// Does this try count against the number of tries? Not if the CRM only asked to wait.
        counts: bool,
        /// Why.
        message: String,
    },
    /// It may have taken effect: look before repeating.
    Unknown {
        /// Why.
        message: String,
    },
}

impl Outcome {
    /// The record is gone. What would only have shown something there is of no concern any more, and nobody is told.
    #[must_use]
    pub fn gone(effect: &Effect) -> Self {
        let found = "the record is gone".to_owned();
        match effect {
            Effect::SetScore(_) | Effect::SetHandoff(_) => Self::Superseded { found },
            Effect::Create { .. }
            | Effect::SetOwner { .. }
            | Effect::SetStage { .. }
            | Effect::AddTask { .. }
            | Effect::AddNote { .. }
            | Effect::JoinTrack(_)
            | Effect::LeaveTrack(_)
            | Effect::Reject(_)
            | Effect::Restore { .. }
            | Effect::Withdraw { .. } => Self::Refused { message: found },
        }
    }
}

/// A write that took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What was made, if something was: the record of `Create`, the task, the note.
    pub made: Option<RecordRef>,
    /// When, by the CRM's clock, where it says.
    pub at: Option<Timestamp>,
    /// What it replaced, as the look before it showed: what taking it back needs. Empty if nothing was replaced, or if only
    /// what was kept before knows.
    pub was: Vec<Was>,
}

/// How one request budget stands.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetView {
    /// `burst`, `search`, `daily`.
    pub name: &'static str,
    /// Requests that Baton may still send in the window.
    pub left: Option<u32>,
    /// Requests a window allows Baton.
    pub limit: Option<u32>,
    /// No request before this instant, after the CRM asked to wait; in seconds from now.
    pub wait_seconds: Option<u64>,
}

/// Why a CRM could not be read, divided by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// Stop the connection and tell a person.
    #[error("{connection} does not accept the credentials: {message}")]
    Unauthorized {
        /// Which connection.
        connection: ConnectionId,
        /// The CRM's words and what to do.
        message: String,
    },
    /// Come back after this time.
    #[error("{connection} asks to wait {} s", retry_after.as_secs())]
    RateLimited {
        /// Which connection.
        connection: ConnectionId,
        /// The wait.
        retry_after: std::time::Duration,
    },
    /// Come back later.
    #[error("{connection} cannot be read now: {message}")]
    Unavailable {
        /// Which connection.
        connection: ConnectionId,
        /// What happened.
        message: String,
    },
    /// Never again like this: show it.
    #[error("{connection} refused {what}: {message}")]
    Rejected {
        /// Which connection.
        connection: ConnectionId,
        /// What was asked: method and path shape.
        what: String,
        /// The CRM's words.
        message: String,
    },
    /// Our reading of their contract is wrong, or the answer was cut or replaced on the way. Never an empty page.
    #[error("{connection} answered {what} with something unexpected at {at}")]
    Malformed {
        /// Which connection.
        connection: ConnectionId,
        /// What was asked.
        what: String,
        /// Where in the answer, and what was found there; redacted.
        at: String,
    },
}

/// The CRM's own words within a message of ours. They may name a person, so they are for the board and `explain`, where
/// people are named anyway; logs and health go [without](unquoted) them.
fn quoted(words: &str) -> String {
    let words: String = words.chars().filter(|letter| !matches!(letter, '“' | '”') && !letter.is_control()).collect();
    format!("“{words}”")
}

/// What happened, and the CRM's own words on it: `401: “its words”`. Where there are none, what happened alone.
fn saying(what: &str, words: &str) -> String {
    let said = quoted(words.trim());
    match (what, said.as_str()) {
        (what, "“”") => what.to_owned(),
        ("", said) => said.to_owned(),
        (what, said) => format!("{what}: {said}"),
    }
}

/// `message` without the CRM's own words, and without the colon that led to them.
fn unquoted(message: &str) -> String {
    let mut kept = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('“') {
        kept.push_str(before.trim_end_matches([' ', ':']));
        rest = after.split_once('”').map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.trim_end_matches([' ', ':']).to_owned()
}

/// A code of a CRM, such as the name of an exception: what is no code is left out, since it could be anything.
fn code(text: &str) -> &str {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if text.len() <= 80 && text.bytes().all(fits) { text } else { "" }
}

/// The part of a connection that findings about its credentials name.
pub const CREDENTIALS: &str = "credentials";

impl ConnectorError {
    /// Is it worth asking again by itself, without a person?
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Malformed { .. })
    }

    /// What a person must repair before `stream` can be read again; `None` if it may pass by itself. Credentials are one
    /// finding for the whole connection, whichever stream met it.
    #[must_use]
    pub fn finding(&self, stream: &Stream) -> Option<Finding> {
        let (connection, about) = match self {
            Self::Unauthorized { connection, .. } => (connection, Name::from(CREDENTIALS)),
            Self::Rejected { connection, .. } => (connection, stream.name.clone()),
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Malformed { .. } => return None,
        };
        let subject = Subject::Connection(connection.clone(), about);
        Some(Finding { kind: FindingKind::Connection, subject, text: self.to_string() })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does punctuation lead to nothing in `text`?
#[cfg(test)]
fn dangles(text: &str) -> bool {
    let ends = [":", ";", ",", " "].iter().any(|end| text.ends_with(end));
    ends || [": ;", ":;", ": :", ": (", "“”", "  ", "( ", "()"].iter().any(|part| text.contains(part))
}

/// What a failure says when reading, and what it says when writing, ends where words end.
#[cfg(test)]
#[track_caller]
fn assert_nothing_dangles(reading: &str, writing: &Outcome) {
    let message = match writing {
        Outcome::Again { message, .. } | Outcome::Unknown { message } | Outcome::Refused { message } => message,
        Outcome::Done(_) | Outcome::Superseded { .. } => panic!("{reading}: no failure comes to {writing:?}"),
    };
    assert!(!dangles(reading) && !dangles(message), "{reading} | {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crms_own_words_can_be_left_out_whatever_they_hold() {
        for words in ["Jane Roe is taken", "“Jane”", "a ” b “ c", ""] {
            let message = format!("400 VALIDATION_ERROR: {} (correlation 1)", quoted(words));
            assert_eq!(unquoted(&message), "400 VALIDATION_ERROR (correlation 1)", "{words}");
        }
        assert_eq!(unquoted(&format!("AccessError: {}", quoted("Jane"))), "AccessError");
        assert_eq!(unquoted("500: “Jane and so on"), "500", "cut in the middle");
        assert_eq!(unquoted("401: “Jane”; log in again"), "401; log in again");
        assert_eq!(code("odoo.exceptions.AccessError"), "odoo.exceptions.AccessError");
        assert_eq!(code("Jane Roe"), "");
    }

    #[test]
    fn where_a_crm_says_nothing_no_punctuation_dangles() {
        for words in ["", "  ", "“”", "\u{7}"] {
            assert_eq!(saying("401", words), "401", "{words:?}");
            assert_eq!(saying("", words), "", "{words:?}");
        }
        assert_eq!(saying("401", "no such key"), "401: “no such key”");
        assert_eq!(saying("", "no such key"), "“no such key”");
    }
}
