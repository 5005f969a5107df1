//! Bodies of records, touches, users, companies and leads.

use jiff::Timestamp;

use super::{Body, Fields, Json, Read, variant, wrong};
use crate::domain::committee::{Engaged, EngagedBy, Headcount, Membership};
use crate::domain::company::CompanyRecord;
use crate::domain::deal::DealRecord;
use crate::domain::field::Field;
use crate::domain::fight::Contested;
use crate::domain::handoff_fields::HandoffWritten;
use crate::domain::id::LeadId;
use crate::domain::lead::{Absorbed, LeadState, Memory, Points, ScoreWritten};
use crate::domain::observation::UserSeen;
use crate::domain::record::{
    Author, Disposition, Key, Link, LinkRule, OwnerEntry, PersonRecord, Presence, ScoreEntry, Word,
};
use crate::domain::signal::Signal;
use crate::domain::stage::StageEntry;
use crate::domain::touch::{Genuine, Touch};

structs! {
    StageEntry { stage = "stage", at = "at", by = "by" }
    OwnerEntry { owner = "owner", at = "at", by = "by" }
    ScoreEntry { shown = "shown", at = "at", by = "by" }
    Disposition { word = "word", at = "at", by = "by" }
    Link { lead = "lead", rule = "rule", at = "at" }
    UserSeen { email = "email", login = "login", name = "name", is_active = "active" }
    CompanyRecord { of = "of", modified = "modified", values = "values", owner = "owner", is_gone = "gone" }
    Touch { of = "of", person = "person", channel = "channel", at = "at", by = "by", genuine = "genuine" }
    PersonRecord {
        of = "of", link = "link", modified = "modified", created = "created", presence = "presence", values = "values",
        keys = "keys", company = "company", stages = "stages", owners = "owners", disposition = "disposition",
        signals = "signals", has_history = "history", scores = "scores", company_since = "employed",
    }
    Contested { connection = "connection", field = "field", by = "by", since = "since" }
    DealRecord {
        of = "of", modified = "modified", state = "state", stage = "stage", title = "title", amount = "amount",
        created = "created", closed = "closed", owner = "owner", company = "company", people = "people", is_gone = "gone",
    }
    ScoreWritten { points = "points", on = "on" }
    Memory {
        stage = "stage", stage_since = "since", cycles = "cycles", rests_until = "rests", track = "track",
        qualified_at = "qualified",
    }
    Absorbed { lead = "lead", before = "before", after = "after" }
    Membership { committee = "committee", roles = "roles", engaged = "engaged" }
    Engaged { at = "at", by = "by" }
    Headcount { people = "people", engaged = "engaged", roles = "roles" }
}

impl Body for Author {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Person(user) => Json::tagged("person", user.write()),
            Self::Automation(name) => Json::tagged("automation", name.write()),
            Self::Baton => Json::from("baton"),
            Self::Unknown => Json::from("unknown"),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("person", user) => Ok(Self::Person(Body::read(user)?)),
            ("automation", name) => Ok(Self::Automation(Body::read(name)?)),
            ("baton", _) => Ok(Self::Baton),
            ("unknown", _) => Ok(Self::Unknown),
            _ => wrong("an author", json),
        }
    }
}

impl Body for EngagedBy {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Signal(name) => Json::tagged("signal", name.write()),
            Self::Answer(channel) => Json::tagged("answer", channel.write()),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("signal", name) => Body::read(name).map(Self::Signal),
            ("answer", channel) => Body::read(channel).map(Self::Answer),
            _ => wrong("what engaged somebody", json),
        }
    }
}

impl Body for Word {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Accepted => Json::from("accepted"),
            Self::Rejected { reason, said } => Json::tagged("rejected", Json::from([reason.write(), said.write()])),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
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
    fn write(&self) -> Json<'_> {
        match self {
            Self::Live => Json::Null,
            Self::Gone(at) => Json::tagged("gone", at.write()),
            Self::Merged { into, at } => Json::tagged("merged", Json::from([into.write(), at.write()])),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        if *json == Json::Null {
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
    fn absent() -> Option<Self> {
        Some(Self::Live)
    }
}

impl Body for LinkRule {
    fn write(&self) -> Json<'_> {
        match self {
            Self::First => Json::from("first"),
            Self::Made => Json::from("made"),
            Self::Key(key) => Json::tagged("key", key.write()),
            Self::Merged(id) => Json::tagged("merged", id.write()),
            Self::Joined { by, from } => Json::tagged("joined", Json::from([by.write(), from.write()])),
            Self::Parted { by, from } => Json::tagged("parted", Json::from([by.write(), from.write()])),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("first", _) => Ok(Self::First),
            ("made", _) => Ok(Self::Made),
            ("key", key) => Ok(Self::Key(Body::read(key)?)),
            ("merged", id) => Ok(Self::Merged(Body::read(id)?)),
            ("joined", body) => {
                let (by, from) = Body::read(body)?;
                Ok(Self::Joined { by, from })
            }
            ("parted", body) => {
                let (by, from) = Body::read(body)?;
                Ok(Self::Parted { by, from })
            }
            _ => wrong("a link rule", json),
        }
    }
}

impl Body for Key {
    fn write(&self) -> Json<'_> {
        Json::from([self.kind.write(), self.value.write()])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        let (kind, value) = Body::read(json)?;
        Ok(Self { kind, value })
    }
}

impl Body for Signal {
    fn write(&self) -> Json<'_> {
        Json::from([self.name.write(), self.at.write()])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        let (name, at) = Body::read(json)?;
        Ok(Self { name, at })
    }
}

impl Body for Genuine {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Yes => Json::from("yes"),
            Self::No(why) => why.write(),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        if json.as_str() == Some("yes") { Ok(Self::Yes) } else { Body::read(json).map(Self::No) }
    }
}

impl Body for jiff::civil::Date {
    fn write(&self) -> Json<'_> {
        Json::from(self.to_string())
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        json.as_str().and_then(|text| text.parse().ok()).map_or_else(|| wrong("a date", json), Ok)
    }
}

impl Body for Points {
    fn write(&self) -> Json<'_> {
        Json::from([self.fit.write(), self.intent.write(), self.engagement.write(), Json::from(self.grade.to_string())])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match json.as_list() {
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

/// The keys of a lead's body.
const LEAD_KEYS: [&str; 16] = [
    "company",
    "seat",
    "adopted",
    "score",
    "written",
    "shown",
    "handoffs",
    "cycles",
    "rests",
    "track",
    "qualified",
    "adopt",
    "contested",
    "into",
    "absorbed",
    "used",
];

/// The part of a lead's state that has no column of its own.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct LeadBody(pub(in crate::store) LeadState);
impl Body for LeadBody {
    fn write(&self) -> Json<'_> {
        let lead = &self.0;
        let used = lead.used.iter();
        Json::object([
            ("company", lead.company.write()),
            ("seat", lead.committee.write()),
            ("adopted", if lead.adopted { Json::from(true) } else { Json::Null }),
            ("score", lead.score.write()),
            ("written", lead.score_written.write()),
            ("shown", if lead.handoff_written.is_empty() { Json::Null } else { lead.handoff_written.write() }),
            ("handoffs", lead.handoffs.write()),
            ("cycles", lead.cycles.write()),
            ("rests", lead.rests_until.write()),
            ("track", lead.track.write()),
            ("qualified", lead.qualified_at.write()),
            ("adopt", lead.adopt_at.write()),
            ("contested", if lead.contested.is_empty() { Json::Null } else { lead.contested.write() }),
            ("into", lead.merged_into.write()),
            ("absorbed", if lead.absorbed.is_empty() { Json::Null } else { lead.absorbed.write() }),
            (
                "used",
                Json::List(used.map(|field| Json::from(i64::try_from(field.index()).unwrap_or(i64::MAX))).collect()),
            ),
        ])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        Fields::read(json, &LEAD_KEYS, |fields| {
            let mut lead = LeadState::new(LeadId(0), Timestamp::UNIX_EPOCH);
            lead.company = fields.take("company")?;
            lead.committee = fields.take("seat")?;
            lead.adopted = fields.take::<Option<bool>>("adopted")?.unwrap_or(false);
            lead.score = fields.take("score")?;
            lead.score_written = fields.take("written")?;
            lead.handoff_written = fields.take::<Option<Vec<HandoffWritten>>>("shown")?.unwrap_or_default();
            lead.handoffs = fields.take("handoffs")?;
            lead.cycles = fields.take("cycles")?;
            lead.rests_until = fields.take("rests")?;
            lead.track = fields.take("track")?;
            lead.qualified_at = fields.take("qualified")?;
            lead.adopt_at = fields.take("adopt")?;
            lead.contested = fields.take::<Option<Vec<Contested>>>("contested")?.unwrap_or_default();
            lead.merged_into = fields.take("into")?;
            lead.absorbed = fields.take::<Option<Vec<Absorbed>>>("absorbed")?.unwrap_or_default();
            for index in fields.take::<Vec<i64>>("used")? {
                let field = usize::try_from(index).ok().and_then(|index| Field::ALL.get(index));
                match field {
                    Some(field) => lead.used.insert(*field),
                    None => return wrong("a field", json),
                }
            }
            Ok(Self(lead))
        })
    }
}
