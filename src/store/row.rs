//! Rows <-> domain: how each value is written into a body column, and read back.
//!
//! Bodies are JSON with short keys: they are read by Baton alone, but a person with a database shell can still follow
//! them. Every enum is written by name, so that a later version may add to it. What cannot be read back is an error that
//! names the row, never a default.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use crate::domain::agreement::{Audience, Proof, Rung};
use crate::domain::calendar::Span;
use crate::domain::company::CompanyRecord;
use crate::domain::field::{Field, Known, Value};
use crate::domain::handoff::{
    CommitmentClock, Handoff, HandoffState, Met, Outcome, Step, Turn, TurnBy, TurnEnd, TurnEnded,
};
use crate::domain::id::{
    ConnectionId, HandoffId, LeadId, Name, Object, OperationId, PersonId, RecordRef, RemoteId, TeamId,
};
use crate::domain::lead::{LeadState, Points, ScoreWritten};
use crate::domain::observation::UserSeen;
use crate::domain::plan::{Effect, Event, Happening, Lane, Notice, NoticeKind, Story, Write};
use crate::domain::record::{
    Author, Disposition, Key, KeyKind, Link, LinkRule, OwnerEntry, PersonRecord, Presence, Word,
};
use crate::domain::routing::{Share, TeamState};
use crate::domain::signal::Signal;
use crate::domain::stage::{Stage, StageEntry};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

/// What is wrong with a body, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

type Read<T> = Result<T, Unreadable>;

/// Says what kind of thing was found, never its words: they may be a person's, and errors are logged.
fn wrong<T>(what: &str, found: &Json) -> Read<T> {
    let found = match found {
        Json::Null => "nothing",
        Json::Bool(_) => "a flag",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    };
    Err(Unreadable(format!("expected {what}, found {found}")))
}

/// A value that can be written into a body and read back.
pub trait Body: Sized {
    /// Writes it.
    fn write(&self) -> Json;
    /// Reads it.
    ///
    /// # Errors
    /// What was expected and what was found.
    fn read(json: &Json) -> Read<Self>;
}

/// The body of `value` as text.
#[must_use]
pub fn encode<T: Body>(value: &T) -> String {
    value.write().to_string()
}

/// Reads a body from its text.
///
/// # Errors
/// What was expected and what was found.
pub fn decode<T: Body>(text: &str) -> Read<T> {
    let json: Json = serde_json::from_str(text).map_err(|error| Unreadable(format!("no JSON: {error}")))?;
    T::read(&json)
}

macro_rules! named {
    ($($type:ty: $as_str:ident / $parse:expr;)*) => {$(
        impl Body for $type {
            fn write(&self) -> Json { Json::from(self.$as_str()) }
            fn read(json: &Json) -> Read<Self> {
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
    Proof: as_str / Proof::parse;
    Channel: as_str / Channel::parse;
    Audience: as_str / |text| Audience::ALL.into_iter().find(|known| known.as_str() == text);
    NoticeKind: as_str / |text| NoticeKind::ALL.into_iter().find(|known| known.as_str() == text);
}

macro_rules! units {
    ($($type:ty { $($variant:ident = $name:literal),* $(,)? })*) => {$(
        impl Body for $type {
            fn write(&self) -> Json { Json::from(match self { $(Self::$variant => $name,)* }) }
            fn read(json: &Json) -> Read<Self> {
                match json.as_str() { $(Some($name) => Ok(Self::$variant),)* _ => wrong(stringify!($type), json) }
            }
        }
    )*};
}

units! {
    TurnBy { Routing = "routing", Fallback = "fallback", Person = "person" }
    TurnEnded { Missed = "missed", TakenOver = "taken_over", OwnerGone = "owner_gone", Closed = "closed" }
    NotGenuine { Inbound = "inbound", NotDone = "not_done", Failed = "failed", Automated = "automated" }
    Lane { Alert = "alert", Assign = "assign", Recycle = "recycle", Score = "score" }
}

macro_rules! texts {
    ($($type:ty),*) => {$(
        impl Body for $type {
            fn write(&self) -> Json { Json::from(self.as_str()) }
            fn read(json: &Json) -> Read<Self> { json.as_str().map_or_else(|| wrong(stringify!($type), json), |text| Ok(text.into())) }
        }
    )*};
}

texts!(ConnectionId, RemoteId, PersonId, TeamId, Name, String);

impl Body for Timestamp {
    fn write(&self) -> Json {
        Json::from(self.as_millisecond())
    }
    fn read(json: &Json) -> Read<Self> {
        let instant = json.as_i64().and_then(|ms| Self::from_millisecond(ms).ok());
        instant.map_or_else(|| wrong("an instant in ms", json), Ok)
    }
}

impl Body for SignedDuration {
    fn write(&self) -> Json {
        Json::from(i64::try_from(self.as_millis()).unwrap_or(i64::MAX))
    }
    fn read(json: &Json) -> Read<Self> {
        json.as_i64().map_or_else(|| wrong("a duration in ms", json), |ms| Ok(Self::from_millis(ms)))
    }
}

impl Body for bool {
    fn write(&self) -> Json {
        Json::from(*self)
    }
    fn read(json: &Json) -> Read<Self> {
        json.as_bool().map_or_else(|| wrong("true or false", json), Ok)
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Body for $type {
            fn write(&self) -> Json { Json::from(*self) }
            fn read(json: &Json) -> Read<Self> {
                json.as_i64().and_then(|number| Self::try_from(number).ok()).map_or_else(|| wrong(stringify!($type), json), Ok)
            }
        }
    )*};
}

numbers!(u32, i32, i64);

impl<T: Body> Body for Option<T> {
    fn write(&self) -> Json {
        self.as_ref().map_or(Json::Null, Body::write)
    }
    fn read(json: &Json) -> Read<Self> {
        if json.is_null() { Ok(None) } else { T::read(json).map(Some) }
    }
}

impl<T: Body> Body for Vec<T> {
    fn write(&self) -> Json {
        Json::Array(self.iter().map(Body::write).collect())
    }
    fn read(json: &Json) -> Read<Self> {
        json.as_array().map_or_else(|| wrong("a list", json), |list| list.iter().map(T::read).collect())
    }
}

impl<A: Body, B: Body> Body for (A, B) {
    fn write(&self) -> Json {
        Json::Array(vec![self.0.write(), self.1.write()])
    }
    fn read(json: &Json) -> Read<Self> {
        match json.as_array().map(Vec::as_slice) {
            Some([a, b]) => Ok((A::read(a)?, B::read(b)?)),
            _ => wrong("a pair", json),
        }
    }
}

/// Reads one key of an object; a missing key reads as null.
fn get<T: Body>(json: &Json, key: &str) -> Read<T> {
    T::read(json.get(key).unwrap_or(&Json::Null)).map_err(|error| Unreadable(format!("{key}: {error}")))
}

/// Refuses an object with a field that is none of `known`: it was written by a Baton that meant something by it, and would
/// be lost when the row is written again.
fn only(json: &Json, known: &[&str]) -> Read<()> {
    let Some(pairs) = json.as_object() else { return wrong("an object", json) };
    match pairs.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Unreadable(format!("{key}: this Baton knows no such field"))),
        None => Ok(()),
    }
}

/// An object of the pairs that are neither null nor an empty list: most of a record is not there most of the time.
fn object<const N: usize>(pairs: [(&str, Json); N]) -> Json {
    let is_there = |value: &Json| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    Json::Object(
        pairs
            .into_iter()
            .filter(|(_, value)| is_there(value))
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

/// Reads a list whose key is left out when it is empty.
fn list<T: Body>(json: &Json, key: &str) -> Read<Vec<T>> {
    Ok(get::<Option<Vec<T>>>(json, key)?.unwrap_or_default())
}

/// The name of a variant that is written as `{"name": body}` or `"name"`.
fn variant(json: &Json) -> Read<(&str, &Json)> {
    match json {
        Json::String(name) => Ok((name, &Json::Null)),
        Json::Object(pairs) if pairs.len() == 1 => {
            pairs.iter().next().map_or_else(|| wrong("a variant", json), |(name, body)| Ok((name.as_str(), body)))
        }
        _ => wrong("a variant", json),
    }
}

macro_rules! structs {
    ($($type:ident { $($field:ident = $key:literal),* $(,)? })*) => {$(
        impl Body for $type {
            fn write(&self) -> Json { object([$(($key, self.$field.write()),)*]) }
            fn read(json: &Json) -> Read<Self> {
                only(json, &[$($key),*])?;
                Ok(Self { $($field: structs!(@read json, $key),)* })
            }
        }
    )*};
    (@read $json:ident, $key:literal) => { Missing::get($json, $key)? };
}

/// How a field reads when its key was left out: an empty list for lists, null for the rest.
trait Missing: Sized {
    fn get(json: &Json, key: &str) -> Read<Self>;
}

impl<T: Body> Missing for T {
    fn get(json: &Json, key: &str) -> Read<Self> {
        match json.get(key) {
            Some(value) => T::read(value),
            // A list is the only body that reads from `[]` and the only one that is left out when it is empty.
            None => T::read(&Json::Null).or_else(|missing| T::read(&Json::Array(Vec::new())).map_err(|_| missing)),
        }
        .map_err(|error| Unreadable(format!("{key}: {error}")))
    }
}

impl Body for RecordRef {
    fn write(&self) -> Json {
        Json::Array(vec![self.connection.write(), self.object.write(), self.id.write()])
    }
    fn read(json: &Json) -> Read<Self> {
        match json.as_array().map(Vec::as_slice) {
            Some([connection, object, id]) => {
                Ok(Self { connection: Body::read(connection)?, object: Body::read(object)?, id: Body::read(id)? })
            }
            _ => wrong("a record", json),
        }
    }
}

impl Body for LeadId {
    fn write(&self) -> Json {
        Json::from(self.0)
    }
    fn read(json: &Json) -> Read<Self> {
        i64::read(json).map(LeadId)
    }
}

impl Body for HandoffId {
    fn write(&self) -> Json {
        (self.lead.0, self.number).write()
    }
    fn read(json: &Json) -> Read<Self> {
        let (lead, number) = Body::read(json)?;
        Ok(Self { lead: LeadId(lead), number })
    }
}

impl Body for OperationId {
    fn write(&self) -> Json {
        Json::from(self.to_string())
    }
    fn read(json: &Json) -> Read<Self> {
        json.as_str().and_then(Self::parse).map_or_else(|| wrong("an operation id", json), Ok)
    }
}

impl Body for Value {
    fn write(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(&**text),
            // As text: what reads JSON numbers may be off by the last bit, and this is the shortest text that is not.
            Self::Number(number) => json!({ "n": format!("{number:?}") }),
            Self::Flag(flag) => Json::from(*flag),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match json {
            Json::String(text) => Ok(Self::Text(text.as_str().into())),
            Json::Bool(flag) => Ok(Self::Flag(*flag)),
            other => match variant(other) {
                Ok(("n", Json::String(text))) => {
                    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                    number.map_or_else(|| wrong("a number", json), |number| Ok(Self::Number(number)))
                }
                _ => wrong("a value", json),
            },
        }
    }
}

impl Body for Known {
    fn write(&self) -> Json {
        Json::Array(vec![self.field.write(), self.value.write(), self.at.write()])
    }
    fn read(json: &Json) -> Read<Self> {
        match json.as_array().map(Vec::as_slice) {
            Some([field, value, at]) => {
                Ok(Self { field: Body::read(field)?, value: Body::read(value)?, at: Body::read(at)? })
            }
            _ => wrong("a known value", json),
        }
    }
}

impl Body for Author {
    fn write(&self) -> Json {
        match self {
            Self::Person(user) => json!({ "person": user.write() }),
            Self::Automation(name) => json!({ "automation": name.write() }),
            Self::Baton => Json::from("baton"),
            Self::Unknown => Json::from("unknown"),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match variant(json)? {
            ("person", user) => Ok(Self::Person(Body::read(user)?)),
            ("automation", name) => Ok(Self::Automation(Body::read(name)?)),
            ("baton", _) => Ok(Self::Baton),
            ("unknown", _) => Ok(Self::Unknown),
            _ => wrong("an author", json),
        }
    }
}

impl Body for Word {
    fn write(&self) -> Json {
        match self {
            Self::Accepted => Json::from("accepted"),
            Self::Rejected { reason, said } => json!({ "rejected": [reason.write(), said.write()] }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match variant(json)? {
            ("accepted", _) => Ok(Self::Accepted),
            ("rejected", body) => {
                let (reason, said) = Body::read(body)?;
                Ok(Self::Rejected { reason, said })
            }
            _ => wrong("a disposition", json),
        }
    }
}

impl Body for Presence {
    fn write(&self) -> Json {
        match self {
            Self::Live => Json::Null,
            Self::Gone(at) => json!({ "gone": at.write() }),
            Self::Merged { into, at } => json!({ "merged": [into.write(), at.write()] }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        if json.is_null() {
            return Ok(Self::Live);
        }
        match variant(json)? {
            ("gone", at) => Ok(Self::Gone(Body::read(at)?)),
            ("merged", body) => {
                let (into, at) = Body::read(body)?;
                Ok(Self::Merged { into, at })
            }
            _ => wrong("a presence", json),
        }
    }
}

impl Body for LinkRule {
    fn write(&self) -> Json {
        match self {
            Self::First => Json::from("first"),
            Self::Made => Json::from("made"),
            Self::Key(key) => json!({ "key": key.write() }),
            Self::Merged(id) => json!({ "merged": id.write() }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match variant(json)? {
            ("first", _) => Ok(Self::First),
            ("made", _) => Ok(Self::Made),
            ("key", key) => Ok(Self::Key(Body::read(key)?)),
            ("merged", id) => Ok(Self::Merged(Body::read(id)?)),
            _ => wrong("a link rule", json),
        }
    }
}

impl Body for Key {
    fn write(&self) -> Json {
        (self.kind, self.value.clone()).write()
    }
    fn read(json: &Json) -> Read<Self> {
        let (kind, value) = Body::read(json)?;
        Ok(Self { kind, value })
    }
}

impl Body for Signal {
    fn write(&self) -> Json {
        (self.name.clone(), self.at).write()
    }
    fn read(json: &Json) -> Read<Self> {
        let (name, at) = Body::read(json)?;
        Ok(Self { name, at })
    }
}

impl Body for Span {
    fn write(&self) -> Json {
        match self {
            Self::Business(open) => json!({ "business": open.write() }),
            Self::BusinessDays(days) => json!({ "business_days": days }),
            Self::Elapsed(elapsed) => json!({ "elapsed": elapsed.write() }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match variant(json)? {
            ("business", open) => Ok(Self::Business(Body::read(open)?)),
            ("business_days", days) => Ok(Self::BusinessDays(Body::read(days)?)),
            ("elapsed", elapsed) => Ok(Self::Elapsed(Body::read(elapsed)?)),
            _ => wrong("a length of time", json),
        }
    }
}

impl Body for Step {
    fn write(&self) -> Json {
        match self {
            Self::Waiting => Json::from("waiting"),
            Self::Fired { due_at, at } => json!({ "fired": [due_at.write(), at.write()] }),
            Self::Withdrawn { at } => json!({ "withdrawn": at.write() }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match variant(json)? {
            ("waiting", _) => Ok(Self::Waiting),
            ("fired", body) => {
                let (due_at, at) = Body::read(body)?;
                Ok(Self::Fired { due_at, at })
            }
            ("withdrawn", at) => Ok(Self::Withdrawn { at: Body::read(at)? }),
            _ => wrong("a step", json),
        }
    }
}

impl Body for Outcome {
    fn write(&self) -> Json {
        match self {
            Self::Qualified => Json::from("qualified"),
            Self::Gone => Json::from("gone"),
            Self::Rejected(reason) => json!({ "rejected": reason.write() }),
            Self::Recycled(reason) => json!({ "recycled": reason.write() }),
            Self::Merged(lead) => json!({ "merged": lead.write() }),
            Self::Skipped(why) => json!({ "skipped": why.write() }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match variant(json)? {
            ("qualified", _) => Ok(Self::Qualified),
            ("gone", _) => Ok(Self::Gone),
            ("rejected", reason) => Ok(Self::Rejected(Body::read(reason)?)),
            ("recycled", reason) => Ok(Self::Recycled(Body::read(reason)?)),
            ("merged", lead) => Ok(Self::Merged(Body::read(lead)?)),
            ("skipped", why) => Ok(Self::Skipped(Body::read(why)?)),
            _ => wrong("an outcome", json),
        }
    }
}

impl Body for HandoffState {
    fn write(&self) -> Json {
        match self {
            Self::Incomplete { missing, since, due_at } => {
                json!({ "incomplete": { "missing": missing.write(), "since": since.write(), "due": due_at.write() } })
            }
            Self::Open => Json::from("open"),
            Self::Closed { outcome, at } => json!({ "closed": [outcome.write(), at.write()] }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        match variant(json)? {
            ("incomplete", body) => {
                only(body, &["missing", "since", "due"])?;
                Ok(Self::Incomplete {
                    missing: get(body, "missing")?,
                    since: get(body, "since")?,
                    due_at: get(body, "due")?,
                })
            }
            ("open", _) => Ok(Self::Open),
            ("closed", body) => {
                let (outcome, at) = Body::read(body)?;
                Ok(Self::Closed { outcome, at })
            }
            _ => wrong("a hand-off's state", json),
        }
    }
}

impl Body for TurnEnd {
    fn write(&self) -> Json {
        (self.at, self.how).write()
    }
    fn read(json: &Json) -> Read<Self> {
        let (at, how) = Body::read(json)?;
        Ok(Self { at, how })
    }
}

impl Body for Genuine {
    fn write(&self) -> Json {
        match self {
            Self::Yes => Json::from("yes"),
            Self::No(why) => why.write(),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        if json.as_str() == Some("yes") { Ok(Self::Yes) } else { Body::read(json).map(Self::No) }
    }
}

structs! {
    StageEntry { stage = "stage", at = "at", by = "by" }
    OwnerEntry { owner = "owner", at = "at", by = "by" }
    Disposition { word = "word", at = "at", by = "by" }
    Link { lead = "lead", rule = "rule", at = "at" }
    Rung { at_percent = "percent", tell = "tell", task = "task", reassign = "reassign", recycle = "recycle" }
    Met { at = "at", proof = "proof", evidence = "evidence" }
    CommitmentClock {
        name = "name", done_by = "done_by", time = "time", ladder = "ladder", due_at = "due", met = "met", steps = "steps",
    }
    Turn {
        number = "number", owner = "owner", team = "team", why = "why", by = "by", granted_at = "granted",
        clock_from = "from", agreement = "agreement", clocks = "clocks", ended = "ended",
    }
    Handoff {
        id = "id", qualified_at = "qualified", opened_at = "opened", below_bar = "below_bar", is_shadow = "shadow",
        state = "state", turns = "turns",
    }
    Story { headline = "headline", lines = "lines", link = "link" }
    Notice {
        op = "op", lead = "lead", handoff = "handoff", at = "at", kind = "kind", channel = "channel", people = "people",
        audience = "audience", story = "story", withdraws = "withdraws",
    }
    Write {
        op = "op", lead = "lead", handoff = "handoff", connection = "connection", record = "record", lane = "lane",
        effect = "effect", because = "because",
    }
    UserSeen { email = "email", login = "login", name = "name", is_active = "active" }
    CompanyRecord { of = "of", modified = "modified", values = "values", owner = "owner", is_gone = "gone" }
    Touch { of = "of", person = "person", channel = "channel", at = "at", by = "by", genuine = "genuine" }
    PersonRecord {
        of = "of", link = "link", modified = "modified", created = "created", presence = "presence", values = "values",
        keys = "keys", company = "company", stages = "stages", owners = "owners", disposition = "disposition",
        signals = "signals", has_history = "history",
    }
    Event { at = "at", handoff = "handoff", what = "what" }
    TeamState { team = "team", version = "version", shares = "shares" }
    Share {
        person = "person", given = "given", given_at = "at", given_today = "today", day = "day", credit = "credit",
    }
    ScoreWritten { points = "points", on = "on" }
}

impl Body for jiff::civil::Date {
    fn write(&self) -> Json {
        Json::from(self.to_string())
    }
    fn read(json: &Json) -> Read<Self> {
        json.as_str().and_then(|text| text.parse().ok()).map_or_else(|| wrong("a date", json), Ok)
    }
}

impl Body for Points {
    fn write(&self) -> Json {
        json!([self.fit, self.intent, self.engagement, self.grade.to_string()])
    }
    fn read(json: &Json) -> Read<Self> {
        match json.as_array().map(Vec::as_slice) {
            Some([fit, intent, engagement, grade]) => Ok(Self {
                fit: Body::read(fit)?,
                intent: Body::read(intent)?,
                engagement: Body::read(engagement)?,
                grade: grade.as_str().and_then(|text| text.parse().ok()).map_or_else(|| wrong("a grade", grade), Ok)?,
            }),
            _ => wrong("points", json),
        }
    }
}

/// The part of a lead's state that has no column of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LeadBody(pub(super) LeadState);

impl Body for LeadBody {
    fn write(&self) -> Json {
        let lead = &self.0;
        let used: Vec<Field> = lead.used.iter().collect();
        object([
            ("company", lead.company.write()),
            ("adopted", lead.adopted.then_some(true).write()),
            ("score", lead.score.write()),
            ("written", lead.score_written.write()),
            ("handoffs", i64::from(lead.handoffs).write()),
            ("cycles", i64::from(lead.cycles).write()),
            ("rests", lead.rests_until.write()),
            ("track", lead.track.write()),
            ("qualified", lead.qualified_at.write()),
            ("used", used.iter().map(|field| i64::try_from(field.index()).unwrap_or(0)).collect::<Vec<_>>().write()),
        ])
    }
    fn read(json: &Json) -> Read<Self> {
        only(
            json,
            &["company", "adopted", "score", "written", "handoffs", "cycles", "rests", "track", "qualified", "used"],
        )?;
        let mut lead = LeadState::new(LeadId(0), Timestamp::UNIX_EPOCH);
        lead.company = get(json, "company")?;
        lead.adopted = get::<Option<bool>>(json, "adopted")?.unwrap_or(false);
        lead.score = get(json, "score")?;
        lead.score_written = get(json, "written")?;
        lead.handoffs = get(json, "handoffs")?;
        lead.cycles = get(json, "cycles")?;
        lead.rests_until = get(json, "rests")?;
        lead.track = get(json, "track")?;
        lead.qualified_at = get(json, "qualified")?;
        for index in list::<i64>(json, "used")? {
            let field = usize::try_from(index).ok().and_then(|index| Field::ALL.get(index));
            match field {
                Some(field) => lead.used.insert(*field),
                None => return wrong("a field", json),
            }
        }
        Ok(Self(lead))
    }
}

impl Body for Effect {
    fn write(&self) -> Json {
        match self {
            Self::Create { values, owner, is_new_journey } => {
                json!({ "create": { "values": values.write(), "owner": owner.write(), "new": is_new_journey } })
            }
            Self::SetOwner { owner, expected } => json!({ "owner": [owner.write(), expected.write()] }),
            Self::SetStage { stage, is_backward } => json!({ "stage": [stage.write(), is_backward] }),
            Self::SetScore(points) => json!({ "score": points.write() }),
            Self::AddTask { title, body, due_at, owner } => {
                json!({ "task": { "title": title, "body": body, "due": due_at.write(), "owner": owner.write() } })
            }
            Self::AddNote { body } => json!({ "note": body }),
            Self::JoinTrack(track) => json!({ "join_track": track.write() }),
            Self::LeaveTrack(track) => json!({ "leave_track": track.write() }),
            Self::Reject(reason) => json!({ "reject": reason.write() }),
        }
    }
    fn read(json: &Json) -> Read<Self> {
        Ok(match variant(json)? {
            ("create", body) => {
                only(body, &["values", "owner", "new"])?;
                Self::Create {
                    values: get(body, "values")?,
                    owner: get(body, "owner")?,
                    is_new_journey: get(body, "new")?,
                }
            }
            ("owner", body) => {
                let (owner, expected) = Body::read(body)?;
                Self::SetOwner { owner, expected }
            }
            ("stage", body) => {
                let (stage, is_backward) = Body::read(body)?;
                Self::SetStage { stage, is_backward }
            }
            ("score", points) => Self::SetScore(Body::read(points)?),
            ("task", body) => {
                only(body, &["title", "body", "due", "owner"])?;
                Self::AddTask {
                    title: get(body, "title")?,
                    body: get(body, "body")?,
                    due_at: get(body, "due")?,
                    owner: get(body, "owner")?,
                }
            }
            ("note", body) => Self::AddNote { body: Body::read(body)? },
            ("join_track", track) => Self::JoinTrack(Body::read(track)?),
            ("leave_track", track) => Self::LeaveTrack(Body::read(track)?),
            ("reject", reason) => Self::Reject(Body::read(reason)?),
            _ => return wrong("an effect", json),
        })
    }
}

impl Body for Happening {
    fn write(&self) -> Json {
        match self {
            Self::StageChanged { from, to, by_baton } => {
                json!({ "stage": { "from": from.write(), "to": to.write(), "by_baton": by_baton } })
            }
            Self::Adopted => Json::from("adopted"),
            Self::Opened { below_bar } => json!({ "opened": below_bar }),
            Self::Incomplete(missing) => json!({ "incomplete": missing.write() }),
            Self::Assigned { turn, owner, why } => {
                json!({ "assigned": { "turn": turn, "owner": owner.write(), "why": why } })
            }
            Self::ClockStarted { turn } => json!({ "clock_started": turn }),
            Self::TakenOver { turn, owner } => json!({ "taken_over": [turn, owner.write()] }),
            Self::Kept { turn, commitment, in_time, evidence } => {
                json!({ "kept": { "turn": turn, "commitment": commitment.write(), "in_time": in_time, "evidence": evidence.write() } })
            }
            Self::StepFired { turn, commitment, at_percent, due_at } => {
                json!({ "step": { "turn": turn, "commitment": commitment.write(), "percent": at_percent, "due": due_at.write() } })
            }
            Self::StepWithdrawn { turn, commitment, at_percent } => {
                json!({ "withdrawn": { "turn": turn, "commitment": commitment.write(), "percent": at_percent } })
            }
            Self::TurnEnded { turn, how } => json!({ "turn_ended": [turn, how.write()] }),
            Self::Closed(outcome) => json!({ "closed": outcome.write() }),
            Self::Returned { reason, track, cycle, rests_until } => {
                json!({ "returned": { "reason": reason.write(), "track": track.write(), "cycle": cycle, "rests": rests_until.write() } })
            }
        }
    }
    fn read(json: &Json) -> Read<Self> {
        Ok(match variant(json)? {
            ("stage", body) => {
                only(body, &["from", "to", "by_baton"])?;
                Self::StageChanged { from: get(body, "from")?, to: get(body, "to")?, by_baton: get(body, "by_baton")? }
            }
            ("adopted", _) => Self::Adopted,
            ("opened", below_bar) => Self::Opened { below_bar: Body::read(below_bar)? },
            ("incomplete", missing) => Self::Incomplete(Body::read(missing)?),
            ("assigned", body) => {
                only(body, &["turn", "owner", "why"])?;
                Self::Assigned { turn: get(body, "turn")?, owner: get(body, "owner")?, why: get(body, "why")? }
            }
            ("clock_started", turn) => Self::ClockStarted { turn: Body::read(turn)? },
            ("taken_over", body) => {
                let (turn, owner) = Body::read(body)?;
                Self::TakenOver { turn, owner }
            }
            ("kept", body) => {
                only(body, &["turn", "commitment", "in_time", "evidence"])?;
                Self::Kept {
                    turn: get(body, "turn")?,
                    commitment: get(body, "commitment")?,
                    in_time: get(body, "in_time")?,
                    evidence: get(body, "evidence")?,
                }
            }
            ("step", body) => {
                only(body, &["turn", "commitment", "percent", "due"])?;
                Self::StepFired {
                    turn: get(body, "turn")?,
                    commitment: get(body, "commitment")?,
                    at_percent: get(body, "percent")?,
                    due_at: get(body, "due")?,
                }
            }
            ("withdrawn", body) => {
                only(body, &["turn", "commitment", "percent"])?;
                Self::StepWithdrawn {
                    turn: get(body, "turn")?,
                    commitment: get(body, "commitment")?,
                    at_percent: get(body, "percent")?,
                }
            }
            ("turn_ended", body) => {
                let (turn, how) = Body::read(body)?;
                Self::TurnEnded { turn, how }
            }
            ("closed", outcome) => Self::Closed(Body::read(outcome)?),
            ("returned", body) => {
                only(body, &["reason", "track", "cycle", "rests"])?;
                Self::Returned {
                    reason: get(body, "reason")?,
                    track: get(body, "track")?,
                    cycle: get(body, "cycle")?,
                    rests_until: get(body, "rests")?,
                }
            }
            _ => return wrong("an event", json),
        })
    }
}
