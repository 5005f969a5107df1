//! Rows <-> domain: how each value is written into a body column, and read back.
//!
//! Bodies are JSON with short keys: they are read by Baton alone, but a person with a database shell can still follow
//! them. Every enum is written by name, so that a later version may add to it. What cannot be read back is an error that
//! names the row, never a default.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use crate::domain::agreement::{Audience, Proof};
use crate::domain::deal::DealState;
use crate::domain::field::Field;
use crate::domain::fight::Fought;
use crate::domain::handoff::{TurnBy, TurnEnded};
use crate::domain::id::{
    CommitteeId, ConnectionId, HandoffId, LeadId, Name, Object, OperationId, PersonId, RecordRef, RemoteId, TeamId,
};
use crate::domain::lead::ScorePart;
use crate::domain::plan::{Lane, NoticeKind};
use crate::domain::record::KeyKind;
use crate::domain::stage::Stage;
use crate::domain::touch::{Channel, NotGenuine};

pub use case::{Input, encode_plan};
pub use json::Json;

/// What is wrong with a body, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

type Read<T> = Result<T, Unreadable>;

/// Says what kind of thing was found, never its value: bodies are about people.
fn wrong<T>(what: &str, found: &Json<'_>) -> Read<T> {
    Err(Unreadable(format!("expected {what}, found {}", found.kind())))
}

/// A value that can be written into a body and read back.
pub trait Body: Sized {
    /// Writes it.
    fn write(&self) -> Json<'_>;
    /// Reads it.
    ///
    /// # Errors
    /// What was expected and what was found.
    fn read(json: &Json<'_>) -> Read<Self>;
    /// What a field is whose key was left out: nothing, an empty list. Most fields must be there.
    fn absent() -> Option<Self> {
        None
    }
    /// Writes a list of them.
    fn write_list(list: &[Self]) -> Json<'_> {
        Json::List(list.iter().map(Self::write).collect())
    }
    /// Reads a list of them that was not taken apart.
    ///
    /// # Errors
    /// What was expected and what was found.
    fn read_raw(list: &str) -> Read<Vec<Self>> {
        let list: Vec<Json<'_>> = serde_json::from_str(list).map_err(no_json)?;
        list.iter().map(Self::read).collect()
    }
}

fn no_json(error: serde_json::Error) -> Unreadable {
    // A message of serde's may repeat a value.
    Unreadable(format!("no JSON of the right form at column {}", error.column()))
}

/// The body of `value` as text, on one line.
#[must_use]
pub fn encode<T: Body>(value: &T) -> String {
    let mut text = String::with_capacity(512);
    value.write().write_to(&mut text);
    text
}

/// Reads a body from its text.
///
/// # Errors
/// What was expected and what was found.
pub fn decode<T: Body>(text: &str) -> Read<T> {
    let json: Json<'_> = serde_json::from_str(text).map_err(|error| Unreadable(format!("no JSON: {error}")))?;
    T::read(&json)
}

macro_rules! named {
    ($($type:ty: $as_str:ident / $parse:expr;)*) => {$(
        impl Body for $type {
            fn write(&self) -> Json<'_> { Json::from(self.$as_str()) }
            fn read(json: &Json<'_>) -> Read<Self> {
                let parse: fn(&str) -> Option<$type> = $parse;
                json.as_str().and_then(parse).map_or_else(|| wrong(stringify!($type), json), Ok)
            }
        }
    )*};
}

named! {
    Stage: as_str / Stage::parse;
    Field: name / Field::parse;
    Object: as_str / Object::parse;
    KeyKind: as_str / KeyKind::parse;
    ScorePart: key / ScorePart::parse;
    DealState: as_str / DealState::parse;
    Proof: as_str / Proof::parse;
    Channel: as_str / Channel::parse;
    Audience: as_str / |text| Audience::ALL.into_iter().find(|known| known.as_str() == text);
    NoticeKind: as_str / |text| NoticeKind::ALL.into_iter().find(|known| known.as_str() == text);
}

macro_rules! units {
    ($($type:ty { $($variant:ident = $name:literal),* $(,)? })*) => {$(
        impl Body for $type {
            fn write(&self) -> Json<'_> { Json::from(match self { $(Self::$variant => $name,)* }) }
            fn read(json: &Json<'_>) -> Read<Self> {
                match json.as_str() { $(Some($name) => Ok(Self::$variant),)* _ => wrong(stringify!($type), json) }
            }
        }
    )*};
}

units! {
    TurnBy { Routing = "routing", Fallback = "fallback", Person = "person" }
    TurnEnded { Missed = "missed", TakenOver = "taken_over", OwnerGone = "owner_gone", Closed = "closed" }
    NotGenuine { Inbound = "inbound", NotDone = "not_done", Unsaid = "unsaid", Failed = "failed", Automated = "automated" }
    Fought { Owner = "owner", Stage = "stage", Score = "score" }
    Lane { Alert = "alert", Assign = "assign", Recycle = "recycle", Score = "score" }
}

macro_rules! texts {
    ($($type:ty),*) => {$(
        impl Body for $type {
            fn write(&self) -> Json<'_> { Json::from(self.as_str()) }
            fn read(json: &Json<'_>) -> Read<Self> { json.as_str().map_or_else(|| wrong(stringify!($type), json), |text| Ok(text.into())) }
        }
    )*};
}

texts!(CommitteeId, ConnectionId, RemoteId, PersonId, TeamId, Name, String);

impl Body for Timestamp {
    fn write(&self) -> Json<'_> {
        Json::from(self.as_millisecond())
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        let instant = if let Json::Whole(ms) = json { Self::from_millisecond(*ms).ok() } else { None };
        instant.map_or_else(|| wrong("an instant in ms", json), Ok)
    }
}

impl Body for SignedDuration {
    fn write(&self) -> Json<'_> {
        Json::from(i64::try_from(self.as_millis()).unwrap_or(i64::MAX))
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        if let Json::Whole(ms) = json { Ok(Self::from_millis(*ms)) } else { wrong("a duration in ms", json) }
    }
}

impl Body for bool {
    fn write(&self) -> Json<'_> {
        Json::from(*self)
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        if let Json::Flag(flag) = json { Ok(*flag) } else { wrong("true or false", json) }
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Body for $type {
            fn write(&self) -> Json<'_> { Json::from(i64::from(*self)) }
            fn read(json: &Json<'_>) -> Read<Self> {
                match json {
                    Json::Whole(number) => Self::try_from(*number).or_else(|_| wrong(stringify!($type), json)),
                    _ => wrong(stringify!($type), json),
                }
            }
        }
    )*};
}

numbers!(u32, i32, i64);

/// As text: what reads JSON numbers may be off by the last bit, and this is the shortest text that is not.
impl Body for f64 {
    fn write(&self) -> Json<'_> {
        Json::from(format!("{self:?}"))
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        let number = json.as_str().and_then(|text| text.parse().ok()).filter(|number: &f64| number.is_finite());
        number.map_or_else(|| wrong("a number", json), Ok)
    }
}

impl Body for std::sync::Arc<str> {
    fn write(&self) -> Json<'_> {
        Json::from(&**self)
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        json.as_str().map_or_else(|| wrong("a text", json), |text| Ok(text.into()))
    }
}

impl<T: Body> Body for Option<T> {
    fn write(&self) -> Json<'_> {
        self.as_ref().map_or(Json::Null, Body::write)
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        if *json == Json::Null { Ok(None) } else { T::read(json).map(Some) }
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Body> Body for Vec<T> {
    fn write(&self) -> Json<'_> {
        T::write_list(self)
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        if let Json::Raw(list) = json {
            return T::read_raw(list);
        }
        json.as_list().map_or_else(|| wrong("a list", json), |list| list.iter().map(T::read).collect())
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<A: Body, B: Body> Body for (A, B) {
    fn write(&self) -> Json<'_> {
        Json::from([self.0.write(), self.1.write()])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match json.as_list() {
            Some([a, b]) => Ok((A::read(a)?, B::read(b)?)),
            _ => wrong("a pair", json),
        }
    }
}

/// Reads one key of an object.
fn get<T: Body>(json: &Json<'_>, key: &str) -> Read<T> {
    let read = match json.get(key) {
        Some(value) => T::read(value),
        None => T::absent().map_or_else(|| T::read(&Json::Null), Ok),
    };
    read.map_err(|error| Unreadable(format!("{key}: {error}")))
}

/// Refuses an object with a field that is none of `known`: it was written by a Baton that meant something by it, and would
/// be lost when the row is written again.
fn only(json: &Json<'_>, known: &[&str]) -> Read<()> {
    let Some(pairs) = json.as_pairs() else { return wrong("an object", json) };
    match pairs.iter().find(|(key, _)| !known.contains(&key.as_ref())) {
        Some((key, _)) => Err(Unreadable(format!("{key}: this Baton knows no such field"))),
        None => Ok(()),
    }
}

/// The fields of an object, taken in the order in which they are written: the next one is at hand, and others are found.
struct Fields<'j, 'a> {
    pairs: &'j [(Cow<'a, str>, Json<'a>)],
    next: usize,
    taken: usize,
}

impl<'j, 'a> Fields<'j, 'a> {
    /// Reads an object of these `keys` and no others.
    fn read<T>(json: &'j Json<'a>, keys: &[&str], take: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let Some(pairs) = json.as_pairs() else { return wrong("an object", json) };
        let mut fields = Self { pairs, next: 0, taken: 0 };
        let read = take(&mut fields);
        if read.is_err() || fields.taken < pairs.len() {
            // A field that is not known says more than what is missed in its place.
            only(json, keys)?;
        }
        read
    }

    /// Reads the field at `key`.
    fn take<T: Body>(&mut self, key: &'static str) -> Read<T> {
        let is_key = |(known, _): &&(Cow<'a, str>, Json<'a>)| known == key;
        let found = match self.pairs.get(self.next).filter(is_key) {
            Some(next) => {
                self.next += 1;
                Some(next)
            }
            None => self.pairs.iter().find(is_key),
        };
        self.taken += usize::from(found.is_some());
        let read = match found {
            Some((_, value)) => T::read(value),
            None => T::absent().map_or_else(|| T::read(&Json::Null), Ok),
        };
        read.map_err(|error| Unreadable(format!("{key}: {error}")))
    }
}

impl Json<'_> {
    /// Reads one key of an object.
    ///
    /// # Errors
    /// What was expected at it and what was found.
    pub fn field<T: Body>(&self, key: &str) -> Result<T, Unreadable> {
        get(self, key)
    }

    /// Refuses an object with a field that is none of `known`.
    ///
    /// # Errors
    /// The field.
    pub fn only(&self, known: &[&str]) -> Result<(), Unreadable> {
        only(self, known)
    }
}

/// The name of a variant that is written as `{"name": body}` or `"name"`.
fn variant<'j, 'a>(json: &'j Json<'a>) -> Read<(&'j str, &'j Json<'a>)> {
    match json {
        Json::Text(name) => Ok((name, &Json::Null)),
        Json::Pairs(pairs) => match pairs.as_slice() {
            [(name, body)] => Ok((name, body)),
            _ => wrong("a variant", json),
        },
        _ => wrong("a variant", json),
    }
}

macro_rules! structs {
    ($($type:ident { $($field:ident = $key:literal),* $(,)? })*) => {$(
        impl Body for $type {
            fn write(&self) -> Json<'_> { Json::object([$(($key, self.$field.write()),)*]) }
            fn read(json: &Json<'_>) -> Read<Self> {
                Fields::read(json, &[$($key),*], |fields| Ok(Self { $($field: fields.take($key)?,)* }))
            }
        }
    )*};
}

impl Body for RecordRef {
    fn write(&self) -> Json<'_> {
        Json::from([self.connection.write(), self.object.write(), self.id.write()])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match json.as_list() {
            Some([connection, object, id]) => {
                Ok(Self { connection: Body::read(connection)?, object: Body::read(object)?, id: Body::read(id)? })
            }
            _ => wrong("a record", json),
        }
    }
}

impl Body for LeadId {
    fn write(&self) -> Json<'_> {
        Json::from(self.0)
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        i64::read(json).map(LeadId)
    }
}

impl Body for HandoffId {
    fn write(&self) -> Json<'_> {
        Json::from([self.lead.write(), self.number.write()])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        let (lead, number) = Body::read(json)?;
        Ok(Self { lead: LeadId(lead), number })
    }
}

impl Body for OperationId {
    fn write(&self) -> Json<'_> {
        Json::from(self.to_string())
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        json.as_str().and_then(Self::parse).map_or_else(|| wrong("an operation id", json), Ok)
    }
}

mod case;
mod handoff;
mod json;
mod known;
mod plan;
mod record;

pub(super) use record::LeadBody;
