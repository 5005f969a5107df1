//! Bodies of hand-offs, and of the teams' shares that owners are chosen by.

use super::{Body, Fields, Json, Read, get, only, variant, wrong};
use crate::domain::agreement::Rung;
use crate::domain::answer::{Answer, Verdict};
use crate::domain::calendar::Span;
use crate::domain::handoff::{CommitmentClock, Handoff, HandoffState, Met, Outcome, Step, Turn, TurnEnd};
use crate::domain::routing::{Share, TeamState};

structs! {
    Rung { at_percent = "percent", tell = "tell", task = "task", reassign = "reassign", recycle = "recycle" }
    Met { at = "at", proof = "proof", evidence = "evidence" }
    CommitmentClock {
        name = "name", done_by = "done_by", time = "time", ladder = "ladder", due_at = "due", met = "met", steps = "steps",
    }
    Turn {
        number = "number", owner = "owner", team = "team", why = "why", by = "by", granted_at = "granted",
        clock_from = "from", agreement = "agreement", clocks = "clocks", answer = "answer", ended = "ended",
    }
    Answer { turn = "turn", by = "by", at = "at", word = "word" }
    Handoff {
        id = "id", qualified_at = "qualified", opened_at = "opened", below_bar = "below_bar", is_shadow = "shadow",
        proposed_at = "proposed", state = "state", turns = "turns",
    }
    TeamState { team = "team", version = "version", shares = "shares" }
    Share {
        person = "person", given = "given", given_at = "at", given_today = "today", day = "day", credit = "credit",
    }
}

impl Body for Span {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Business(open) => Json::tagged("business", open.write()),
            Self::BusinessDays(days) => Json::tagged("business_days", days.write()),
            Self::Elapsed(elapsed) => Json::tagged("elapsed", elapsed.write()),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("business", open) => Ok(Self::Business(Body::read(open)?)),
            ("business_days", days) => Ok(Self::BusinessDays(Body::read(days)?)),
            ("elapsed", elapsed) => Ok(Self::Elapsed(Body::read(elapsed)?)),
            _ => wrong("a length of time", json),
        }
    }
}

impl Body for Verdict {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Accepted => Json::from("accepted"),
            Self::Rejected(reason) => Json::tagged("rejected", reason.write()),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        match variant(json)? {
            ("accepted", _) => Ok(Self::Accepted),
            ("rejected", reason) => Ok(Self::Rejected(Body::read(reason)?)),
            _ => wrong("an answer", json),
        }
    }
}

impl Body for Step {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Waiting => Json::from("waiting"),
            Self::Fired { due_at, at } => Json::tagged("fired", Json::from([due_at.write(), at.write()])),
            Self::Withdrawn { at } => Json::tagged("withdrawn", at.write()),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
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
    fn write(&self) -> Json<'_> {
        match self {
            Self::Qualified => Json::from("qualified"),
            Self::Gone => Json::from("gone"),
            Self::Rejected(reason) => Json::tagged("rejected", reason.write()),
            Self::Recycled(reason) => Json::tagged("recycled", reason.write()),
            Self::Merged(lead) => Json::tagged("merged", lead.write()),
            Self::Skipped(why) => Json::tagged("skipped", why.write()),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
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
    fn write(&self) -> Json<'_> {
        match self {
            Self::Incomplete { missing, since, due_at } => Json::tagged(
                "incomplete",
                Json::object([("missing", missing.write()), ("since", since.write()), ("due", due_at.write())]),
            ),
            Self::Open => Json::from("open"),
            Self::Closed { outcome, at } => Json::tagged("closed", Json::from([outcome.write(), at.write()])),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
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
    fn write(&self) -> Json<'_> {
        Json::from([self.at.write(), self.how.write()])
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        let (at, how) = Body::read(json)?;
        Ok(Self { at, how })
    }
}
