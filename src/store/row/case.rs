//! Bodies of what a decision saw and of all that followed from it: what the journal keeps, so that it can be made again.

use jiff::{SignedDuration, Timestamp};

use super::{Body, Fields, Json, LeadBody, Read, decode, encode, get, only, variant, wrong};
use crate::domain::agreement::Fairness;
use crate::domain::coverage::{Coverage, StreamCoverage};
use crate::domain::decide::Granted;
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::LeadId;
use crate::domain::lead::LeadState;
use crate::domain::plan::{
    Ability, Among, Case, CompanySummary, Fate, History, Mode, Paused, Plan, Receipt, Told, Wanted,
};
use crate::domain::reach::{Links, Reach, Telling};
use crate::domain::skew::Skew;

/// What a decision saw, with the digests of the versions that it was made by.
#[derive(Clone, Debug)]
pub struct Input {
    /// When it was made.
    pub now: Timestamp,
    /// The lead and what hangs on it.
    pub case: Case,
    /// Who was granted the lead, in turn.
    pub granted: Vec<Granted>,
    /// What was found where nobody could be given it.
    pub nobody: Vec<Finding>,
    /// How far the streams had been read.
    pub coverage: Coverage,
    /// Was the present time believed?
    pub is_time_sure: bool,
    /// Digests of agreement, roster, users and settings.
    pub versions: [String; 4],
}

impl Body for Input {
    fn write(&self) -> Json<'_> {
        Json::object([
            ("now", self.now.write()),
            ("case", self.case.write()),
            ("granted", self.granted.write()),
            ("nobody", self.nobody.write()),
            ("coverage", self.coverage.streams.write()),
            ("clocks", self.coverage.clocks.write()),
            ("sure", self.is_time_sure.write()),
            ("versions", Json::List(self.versions.iter().map(Body::write).collect())),
        ])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        only(json, &["now", "case", "granted", "nobody", "coverage", "clocks", "sure", "versions"])?;
        let versions: Vec<String> = get(json, "versions")?;
        Ok(Self {
            now: get(json, "now")?,
            case: get(json, "case")?,
            granted: get(json, "granted")?,
            nobody: get(json, "nobody")?,
            coverage: Coverage { streams: get(json, "coverage")?, clocks: get(json, "clocks")? },
            is_time_sure: get(json, "sure")?,
            versions: versions.try_into().or_else(|_| wrong("four versions", json))?,
        })
    }
}

structs! {
    Case {
        lead = "lead", records = "records", company = "company", handoff = "handoff", touches = "touches",
        receipts = "receipts", history = "history", answer = "answer", open_deals = "deals", apart = "apart",
        told = "told", colleagues = "colleagues",
    }
    History { handoffs = "handoffs", touches = "touches", touches_more = "more" }
    Reach { channel = "channel", people = "people", place = "place" }
    Telling { reach = "reach", links = "links" }
    Paused { all = "all", connections = "connections", teams = "teams" }
    CompanySummary { record = "record", owner = "owner", open_deals = "deals", engaged = "engaged" }
    Receipt { op = "op", fate = "fate", at = "at" }
    Skew { connection = "connection", ahead = "ahead", behind = "behind" }
    StreamCoverage { stream = "stream", proves = "proves", covered_until = "until" }
    Granted { person = "person", team = "team", by = "by", why = "why", findings = "findings" }
    Finding { kind = "kind", subject = "subject", text = "text" }
    Wanted { rule = "rule", among = "among", not = "not", why = "why", clocks = "clocks" }
}

impl Body for Ability {
    fn write(&self) -> Json<'_> {
        Json::object([
            ("connection", self.connection.write()),
            ("stages", self.stages.write()),
            ("score", self.score.write()),
            ("handoff", if self.handoff { Json::from(true) } else { Json::Null }),
            ("tracks", self.tracks.write()),
            ("reasons", self.reasons.write()),
            ("rejects", self.rejects.write()),
            ("back", self.stage_back.write()),
        ])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        only(json, &["connection", "stages", "score", "handoff", "tracks", "reasons", "rejects", "back"])?;
        Ok(Self {
            connection: get(json, "connection")?,
            stages: get(json, "stages")?,
            score: get(json, "score")?,
            // Decisions from before there was such a thing have none.
            handoff: get::<Option<bool>>(json, "handoff")?.unwrap_or(false),
            tracks: get(json, "tracks")?,
            reasons: get(json, "reasons")?,
            rejects: get(json, "rejects")?,
            stage_back: get(json, "back")?,
        })
    }
}

named! {
    FindingKind: as_str / FindingKind::parse;
    Fairness: as_str / |text| Fairness::ALL.into_iter().find(|known| known.as_str() == text);
}

units! {
    Fate { Held = "held", Superseded = "superseded", Pending = "pending", Done = "done", Dead = "dead" }
    Mode { Off = "off", Plan = "plan", On = "on" }
}

impl Body for LeadState {
    fn write(&self) -> Json<'_> {
        Json::object([
            ("id", self.id.write()),
            ("version", self.version.write()),
            ("name", self.name.as_deref().map_or(Json::Null, Json::from)),
            ("email", self.email.as_deref().map_or(Json::Null, Json::from)),
            ("stage", self.stage.write()),
            ("since", self.stage_since.write()),
            ("owner", self.owner.write()),
            ("look", self.look_again_at.write()),
            ("evidence", self.evidence_at.write()),
            // As the row's own column holds it, so that a field that is added there is kept here, too.
            ("body", Json::from(encode(&LeadBody(self.clone())))),
        ])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        only(json, &["id", "version", "name", "email", "stage", "since", "owner", "look", "evidence", "body"])?;
        let LeadBody(mut lead) = decode(&get::<String>(json, "body")?)?;
        lead.id = get(json, "id")?;
        lead.version = get(json, "version")?;
        lead.name = get::<Option<String>>(json, "name")?.map(Into::into);
        lead.email = get::<Option<String>>(json, "email")?.map(Into::into);
        lead.stage = get(json, "stage")?;
        lead.stage_since = get(json, "since")?;
        lead.owner = get(json, "owner")?;
        lead.look_again_at = get(json, "look")?;
        lead.evidence_at = get(json, "evidence")?;
        Ok(lead)
    }
}

impl Body for Links {
    fn write(&self) -> Json<'_> {
        Json::object([("last_seconds", Json::from(self.last.as_secs())), ("in_places", self.in_places.write())])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        only(json, &["last_seconds", "in_places"])?;
        Ok(Self { last: SignedDuration::from_secs(get(json, "last_seconds")?), in_places: get(json, "in_places")? })
    }
}

impl Body for Told {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Joined { other, by } => {
                Json::tagged("joined", Json::object([("other", other.as_ref().write()), ("by", by.write())]))
            }
            Self::JoinedTo { into, by } => {
                Json::tagged("joined_to", Json::object([("into", into.write()), ("by", by.write())]))
            }
            Self::Parted { other, by } => {
                Json::tagged("parted", Json::object([("other", other.write()), ("by", by.write())]))
            }
            Self::PartedFrom { other, by, memory } => Json::tagged(
                "parted_from",
                Json::object([("other", other.write()), ("by", by.write()), ("memory", memory.write())]),
            ),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("joined", body) => Ok(Self::Joined { other: Box::new(get(body, "other")?), by: get(body, "by")? }),
            ("joined_to", body) => Ok(Self::JoinedTo { into: get(body, "into")?, by: get(body, "by")? }),
            ("parted", body) => Ok(Self::Parted { other: get(body, "other")?, by: get(body, "by")? }),
            ("parted_from", body) => {
                Ok(Self::PartedFrom { other: get(body, "other")?, by: get(body, "by")?, memory: get(body, "memory")? })
            }
            _ => wrong("what was said of a lead", json),
        }
    }
}

impl Body for Subject {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Lead(lead) => Json::tagged("lead", lead.write()),
            Self::Connection(connection, part) => {
                Json::tagged("connection", Json::from([connection.write(), part.write()]))
            }
            Self::Policy(part) => Json::tagged("policy", part.write()),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("lead", lead) => LeadId::read(lead).map(Self::Lead),
            ("connection", body) => {
                let (connection, part) = Body::read(body)?;
                Ok(Self::Connection(connection, part))
            }
            ("policy", part) => Body::read(part).map(Self::Policy),
            _ => wrong("a subject", json),
        }
    }
}

impl Body for Among {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Person(person) => Json::tagged("person", person.write()),
            Self::Team(team, by) => Json::tagged("team", Json::from([team.write(), by.write()])),
            Self::Fallback(team) => Json::tagged("fallback", team.write()),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("person", person) => Body::read(person).map(Self::Person),
            ("team", body) => {
                let (team, by) = Body::read(body)?;
                Ok(Self::Team(team, by))
            }
            ("fallback", team) => Body::read(team).map(Self::Fallback),
            _ => wrong("whom to choose from", json),
        }
    }
}

/// All that follows from a decision, as text that is the same whenever it follows again.
#[must_use]
pub fn encode_plan(plan: &Plan) -> String {
    let Plan { lead, handoff, events, writes, notices, hold, cancels, findings, wants_owner } = plan;
    // Whether it waits follows from the decision; for which limit, only from everything else that was decided then.
    let waits = hold.is_some();
    let json = Json::object([
        ("lead", lead.write()),
        ("handoff", handoff.write()),
        ("events", events.write()),
        ("writes", writes.write()),
        ("notices", notices.write()),
        ("waits", waits.write()),
        ("cancels", cancels.write()),
        ("findings", findings.write()),
        ("wants_owner", wants_owner.write()),
    ]);
    let mut text = String::with_capacity(1_024);
    json.write_to(&mut text);
    text
}
