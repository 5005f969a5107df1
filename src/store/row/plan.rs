//! Bodies of what was planned: events of the journal, writes and notices of the outbox.

use super::{Body, Fields, Json, Read, get, only, variant, wrong};
use crate::domain::handoff_fields::{HandoffFields, HandoffWritten};
use crate::domain::plan::{Effect, Event, Happening, Notice, Story, Was, Write};
use crate::domain::reach::Ask;

structs! {
    Story { headline = "headline", lines = "lines", link = "link" }
    Notice {
        op = "op", lead = "lead", handoff = "handoff", at = "at", kind = "kind", channel = "channel", people = "people",
        audience = "audience", story = "story", withdraws = "withdraws", about = "about", ask = "ask", package = "package",
    }
    Write {
        op = "op", lead = "lead", handoff = "handoff", connection = "connection", record = "record", lane = "lane",
        effect = "effect", because = "because",
    }
    HandoffFields { reason = "reason", owner_due = "due" }
    HandoffWritten { record = "record", fields = "fields", number = "number" }
    Was { name = "name", before = "before", after = "after" }
    Ask { turn = "turn", person = "person", until = "until" }
    Event { at = "at", handoff = "handoff", what = "what" }
}

impl Body for Effect {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Create { values, owner, is_new_journey, not } => Json::tagged(
                "create",
                Json::object([
                    ("values", values.write()),
                    ("owner", owner.write()),
                    ("new", is_new_journey.write()),
                    ("not", not.write()),
                ]),
            ),
            Self::SetOwner { owner, expected } => Json::tagged("owner", Json::from([owner.write(), expected.write()])),
            Self::SetStage { stage, is_backward } => {
                Json::tagged("stage", Json::from([stage.write(), is_backward.write()]))
            }
            Self::SetScore(points) => Json::tagged("score", points.write()),
            Self::SetHandoff(fields) => Json::tagged("handoff", fields.write()),
            Self::AddTask { title, body, due_at, owner } => Json::tagged(
                "task",
                Json::object([
                    ("title", title.write()),
                    ("body", body.write()),
                    ("due", due_at.write()),
                    ("owner", owner.write()),
                ]),
            ),
            Self::AddNote { body } => Json::tagged("note", body.write()),
            Self::JoinTrack(track) => Json::tagged("join_track", track.write()),
            Self::LeaveTrack(track) => Json::tagged("leave_track", track.write()),
            Self::Reject(reason) => Json::tagged("reject", reason.write()),
            Self::Restore { of, values } => Json::tagged("restore", Json::from([of.write(), values.write()])),
            Self::Withdraw { of, task } => Json::tagged("withdraw", Json::from([of.write(), task.write()])),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
        Ok(match variant(json)? {
            ("create", body) => {
                only(body, &["values", "owner", "new", "not"])?;
                Self::Create {
                    values: get(body, "values")?,
                    owner: get(body, "owner")?,
                    is_new_journey: get(body, "new")?,
                    not: get(body, "not")?,
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
            ("handoff", fields) => Self::SetHandoff(Body::read(fields)?),
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
            ("restore", body) => {
                let (of, values) = Body::read(body)?;
                Self::Restore { of, values }
            }
            ("withdraw", body) => {
                let (of, task) = Body::read(body)?;
                Self::Withdraw { of, task }
            }
            _ => return wrong("an effect", json),
        })
    }
}

impl Body for Happening {
    fn write(&self) -> Json<'_> {
        match self {
            Self::StageChanged { from, to, by_baton } => Json::tagged(
                "stage",
                Json::object([("from", from.write()), ("to", to.write()), ("by_baton", by_baton.write())]),
            ),
            Self::Adopted => Json::from("adopted"),
            Self::Opened { below_bar } => Json::tagged("opened", below_bar.write()),
            Self::Incomplete(missing) => Json::tagged("incomplete", missing.write()),
            Self::Assigned { turn, owner, why } => Json::tagged(
                "assigned",
                Json::object([("turn", turn.write()), ("owner", owner.write()), ("why", why.write())]),
            ),
            Self::ClockStarted { turn } => Json::tagged("clock_started", turn.write()),
            Self::TakenOver { turn, owner } => Json::tagged("taken_over", Json::from([turn.write(), owner.write()])),
            Self::Answered { turn, by, word } => Json::tagged(
                "answered",
                Json::object([("turn", turn.write()), ("by", by.write()), ("word", word.write())]),
            ),
            Self::Kept { turn, commitment, in_time, evidence } => Json::tagged(
                "kept",
                Json::object([
                    ("turn", turn.write()),
                    ("commitment", commitment.write()),
                    ("in_time", in_time.write()),
                    ("evidence", evidence.write()),
                ]),
            ),
            Self::StepFired { turn, commitment, at_percent, due_at } => Json::tagged(
                "step",
                Json::object([
                    ("turn", turn.write()),
                    ("commitment", commitment.write()),
                    ("percent", at_percent.write()),
                    ("due", due_at.write()),
                ]),
            ),
            Self::StepWithdrawn { turn, commitment, at_percent } => Json::tagged(
                "withdrawn",
                Json::object([
                    ("turn", turn.write()),
                    ("commitment", commitment.write()),
                    ("percent", at_percent.write()),
                ]),
            ),
            Self::Retimed { turn, from, to, due_at } => Json::tagged(
                "retimed",
                Json::object([
                    ("turn", turn.write()),
                    ("from", from.write()),
                    ("to", to.write()),
                    ("due", due_at.write()),
                ]),
            ),
            Self::TurnEnded { turn, how } => Json::tagged("turn_ended", Json::from([turn.write(), how.write()])),
            Self::Contested(contested) => Json::tagged("contested", contested.write()),
            Self::Closed(outcome) => Json::tagged("closed", outcome.write()),
            Self::Reopened => Json::from("reopened"),
            Self::Joined { other, by } => Json::tagged("joined", Json::from([other.write(), by.write()])),
            Self::JoinedTo { into, by } => Json::tagged("joined_to", Json::from([into.write(), by.write()])),
            Self::Parted { other, by } => Json::tagged("parted", Json::from([other.write(), by.write()])),
            Self::PartedFrom { other, by } => Json::tagged("parted_from", Json::from([other.write(), by.write()])),
            Self::Returned { reason, track, cycle, rests_until } => Json::tagged(
                "returned",
                Json::object([
                    ("reason", reason.write()),
                    ("track", track.write()),
                    ("cycle", cycle.write()),
                    ("rests", rests_until.write()),
                ]),
            ),
        }
    }
    fn read(json: &Json<'_>) -> Read<Self> {
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
            ("answered", body) => {
                only(body, &["turn", "by", "word"])?;
                Self::Answered { turn: get(body, "turn")?, by: get(body, "by")?, word: get(body, "word")? }
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
            ("retimed", body) => {
                only(body, &["turn", "from", "to", "due"])?;
                Self::Retimed {
                    turn: get(body, "turn")?,
                    from: get(body, "from")?,
                    to: get(body, "to")?,
                    due_at: get(body, "due")?,
                }
            }
            ("turn_ended", body) => {
                let (turn, how) = Body::read(body)?;
                Self::TurnEnded { turn, how }
            }
            ("contested", contested) => Self::Contested(Body::read(contested)?),
            ("closed", outcome) => Self::Closed(Body::read(outcome)?),
            ("reopened", _) => Self::Reopened,
            ("joined", body) => {
                let (other, by) = Body::read(body)?;
                Self::Joined { other, by }
            }
            ("joined_to", body) => {
                let (into, by) = Body::read(body)?;
                Self::JoinedTo { into, by }
            }
            ("parted", body) => {
                let (other, by) = Body::read(body)?;
                Self::Parted { other, by }
            }
            ("parted_from", body) => {
                let (other, by) = Body::read(body)?;
                Self::PartedFrom { other, by }
            }
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
