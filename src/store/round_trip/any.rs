//! Any value of each kind that the store keeps.
//!
//! The generators cannot fall behind the types: structs are made field by field, and the variants of each enum stand in
//! a `match` without an arm for the rest. A new field or variant does not compile until it is made here.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::domain::agreement::{Audience, Proof, Rung};
use crate::domain::answer::{Answer, Verdict};
use crate::domain::calendar::Span;
use crate::domain::committee::{Engaged, EngagedBy, Membership};
use crate::domain::company::CompanyRecord;
use crate::domain::deal::{DealRecord, DealState};
use crate::domain::field::{Field, FieldSet, Known, Value};
use crate::domain::fight::{Contested, Fought};
use crate::domain::handoff::{
    CommitmentClock, Handoff, HandoffState, Met, Outcome, Step, Turn, TurnBy, TurnEnd, TurnEnded,
};
use crate::domain::handoff_fields::{HandoffFields, HandoffWritten};
use crate::domain::id::{CommitteeId, HandoffId, LeadId, Object, OperationId, RecordRef};
use crate::domain::lead::{Absorbed, Grade, LeadState, Memory, Points, ScorePart, ScoreWritten};
use crate::domain::observation::UserSeen;
use crate::domain::plan::{Effect, Event, Happening, Lane, Notice, NoticeKind, Story, Was, Write};
use crate::domain::reach::Ask;
use crate::domain::record::{
    Author, Disposition, Key, KeyKind, Link, LinkRule, OwnerEntry, PersonRecord, Presence, ScoreEntry, Word,
};
use crate::domain::routing::{Share, TeamState};
use crate::domain::signal::Signal;
use crate::domain::stage::{Stage, StageEntry};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

use super::super::row::LeadBody;

/// Strategies for enums: each variant with how it is made.
macro_rules! variants {
    ($($name:ident: $type:ty { $($pattern:pat => $strategy:expr),* $(,)? })*) => {$(
        pub(super) fn $name() -> BoxedStrategy<$type> {
            // Never called: it keeps the list of patterns whole.
            let _whole = |value: &$type| match value { $($pattern => {})* };
            Union::new([$({
                let made: BoxedStrategy<$type> = $strategy.boxed();
                made.prop_map(|value| { assert!(matches!(value, $pattern), "{value:?}"); value }).boxed()
            }),*]).boxed()
        }
    )*};
}

/// Strategies for enums without values.
macro_rules! units {
    ($($name:ident: $type:ident { $($variant:ident),* $(,)? })*) => {
        variants! { $($name: $type { $($type::$variant => Just($type::$variant)),* })* }
    };
}

units! {
    stage: Stage {
        Awareness, Engagement, Mql, Sal, Sql, Proposal, Negotiation, Won, Lost, Nurture, Disqualified,
    }
    object: Object { Person, Company, Call, Email, Meeting, Task, Note, User, Deal }
    key_kind: KeyKind { Own, External, Email, Phone }
    fought: Fought { Owner, Stage, Score }
    score_part: ScorePart { Fit, Intent, Engagement, Grade }
    deal_state: DealState { Open, Won, Lost }
    proof: Proof { Call, Email, Meeting, Accepted, Rejected }
    channel: Channel { Call, Email, Meeting }
    audience: Audience { Owner, Manager, Marketing }
    notice_kind: NoticeKind { Assigned, Warning, Breach, Reassignment, Recycle, Withdrawal, Incomplete, Trouble, Test }
    turn_by: TurnBy { Routing, Fallback, Person }
    turn_ended: TurnEnded { Missed, TakenOver, OwnerGone, Closed }
    not_genuine: NotGenuine { Inbound, NotDone, Unsaid, Failed, Automated }
    lane: Lane { Alert, Assign, Recycle, Score }
}

variants! {
    value: Value {
        Value::Text(_) => text().prop_map(|text| Value::Text(Arc::from(text))),
        Value::Number(_) => number().prop_map(Value::Number),
        Value::Flag(_) => any::<bool>().prop_map(Value::Flag),
    }
    author: Author {
        Author::Person(_) => option::of(id()).prop_map(Author::Person),
        Author::Automation(_) => id().prop_map(Author::Automation),
        Author::Baton => Just(Author::Baton),
        Author::Unknown => Just(Author::Unknown),
    }
    word: Word {
        Word::Accepted => Just(Word::Accepted),
        Word::Rejected { .. } => (option::of(id()), option::of(id()))
            .prop_map(|(reason, said)| Word::Rejected { reason, said }),
    }
    presence: Presence {
        Presence::Live => Just(Presence::Live),
        Presence::Gone(_) => time().prop_map(Presence::Gone),
        Presence::Merged { .. } => (id(), time()).prop_map(|(into, at)| Presence::Merged { into, at }),
    }
    link_rule: LinkRule {
        LinkRule::First => Just(LinkRule::First),
        LinkRule::Key(_) => key().prop_map(LinkRule::Key),
        LinkRule::Made => Just(LinkRule::Made),
        LinkRule::Merged(_) => id().prop_map(LinkRule::Merged),
        LinkRule::Joined { .. } => (id(), lead_id()).prop_map(|(by, from)| LinkRule::Joined { by, from }),
        LinkRule::Parted { .. } => (id(), lead_id()).prop_map(|(by, from)| LinkRule::Parted { by, from }),
    }
    span: Span {
        Span::Business(_) => length().prop_map(Span::Business),
        Span::BusinessDays(_) => any::<u32>().prop_map(Span::BusinessDays),
        Span::Elapsed(_) => length().prop_map(Span::Elapsed),
    }
    step: Step {
        Step::Waiting => Just(Step::Waiting),
        Step::Fired { .. } => (time(), time()).prop_map(|(due_at, at)| Step::Fired { due_at, at }),
        Step::Withdrawn { .. } => time().prop_map(|at| Step::Withdrawn { at }),
    }
    verdict: Verdict {
        Verdict::Accepted => Just(Verdict::Accepted),
        Verdict::Rejected(_) => id().prop_map(Verdict::Rejected),
    }
    outcome: Outcome {
        Outcome::Qualified => Just(Outcome::Qualified),
        Outcome::Rejected(_) => id().prop_map(Outcome::Rejected),
        Outcome::Recycled(_) => id().prop_map(Outcome::Recycled),
        Outcome::Merged(_) => lead_id().prop_map(Outcome::Merged),
        Outcome::Gone => Just(Outcome::Gone),
        Outcome::Skipped(_) => id().prop_map(Outcome::Skipped),
    }
    handoff_state: HandoffState {
        HandoffState::Incomplete { .. } => (missing(), time(), option::of(time()))
            .prop_map(|(missing, since, due_at)| HandoffState::Incomplete { missing, since, due_at }),
        HandoffState::Open => Just(HandoffState::Open),
        HandoffState::Closed { .. } => (outcome(), time())
            .prop_map(|(outcome, at)| HandoffState::Closed { outcome, at }),
    }
    engaged_by: EngagedBy {
        EngagedBy::Signal(_) => id().prop_map(EngagedBy::Signal),
        EngagedBy::Answer(_) => channel().prop_map(EngagedBy::Answer),
    }
    genuine: Genuine {
        Genuine::Yes => Just(Genuine::Yes),
        Genuine::No(_) => not_genuine().prop_map(Genuine::No),
    }
    effect: Effect {
        Effect::Create { .. } => (vec((field(), value()), 0..3), option::of(id()), any::<bool>(), vec(id(), 0..3))
            .prop_map(|(values, owner, is_new_journey, not)| Effect::Create { values, owner, is_new_journey, not }),
        Effect::SetOwner { .. } => (id(), option::of(id()))
            .prop_map(|(owner, expected)| Effect::SetOwner { owner, expected }),
        Effect::SetStage { .. } => (stage(), any::<bool>())
            .prop_map(|(stage, is_backward)| Effect::SetStage { stage, is_backward }),
        Effect::SetScore(_) => points().prop_map(Effect::SetScore),
        Effect::SetHandoff(_) => handoff_fields().prop_map(Effect::SetHandoff),
        Effect::AddTask { .. } => (text(), text(), time(), option::of(id()))
            .prop_map(|(title, body, due_at, owner)| Effect::AddTask { title, body, due_at, owner }),
        Effect::AddNote { .. } => text().prop_map(|body| Effect::AddNote { body }),
        Effect::JoinTrack(_) => id().prop_map(Effect::JoinTrack),
        Effect::LeaveTrack(_) => id().prop_map(Effect::LeaveTrack),
        Effect::Reject(_) => id().prop_map(Effect::Reject),
        Effect::Restore { .. } => (operation(), vec(was(), 0..3)).prop_map(|(of, values)| Effect::Restore { of, values }),
        Effect::Withdraw { .. } => (operation(), reference()).prop_map(|(of, task)| Effect::Withdraw { of, task }),
    }
    happening: Happening {
        Happening::StageChanged { .. } => (stage(), stage(), any::<bool>())
            .prop_map(|(from, to, by_baton)| Happening::StageChanged { from, to, by_baton }),
        Happening::Adopted => Just(Happening::Adopted),
        Happening::Opened { .. } => any::<bool>().prop_map(|below_bar| Happening::Opened { below_bar }),
        Happening::Incomplete(_) => missing().prop_map(Happening::Incomplete),
        Happening::Assigned { .. } => (any::<u32>(), id(), text())
            .prop_map(|(turn, owner, why)| Happening::Assigned { turn, owner, why }),
        Happening::ClockStarted { .. } => any::<u32>().prop_map(|turn| Happening::ClockStarted { turn }),
        Happening::TakenOver { .. } => (any::<u32>(), id())
            .prop_map(|(turn, owner)| Happening::TakenOver { turn, owner }),
        Happening::Answered { .. } => (any::<u32>(), id(), verdict())
            .prop_map(|(turn, by, word)| Happening::Answered { turn, by, word }),
        Happening::Kept { .. } => (any::<u32>(), id(), any::<bool>(), reference())
            .prop_map(|(turn, commitment, in_time, evidence)| Happening::Kept { turn, commitment, in_time, evidence }),
        Happening::StepFired { .. } => (any::<u32>(), id(), any::<u32>(), time())
            .prop_map(|(turn, commitment, at_percent, due_at)| Happening::StepFired { turn, commitment, at_percent, due_at }),
        Happening::StepWithdrawn { .. } => (any::<u32>(), id(), any::<u32>())
            .prop_map(|(turn, commitment, at_percent)| Happening::StepWithdrawn { turn, commitment, at_percent }),
        Happening::Retimed { .. } => (any::<u32>(), id(), id(), option::of(time()))
            .prop_map(|(turn, from, to, due_at)| Happening::Retimed { turn, from, to, due_at }),
        Happening::TurnEnded { .. } => (any::<u32>(), turn_ended())
            .prop_map(|(turn, how)| Happening::TurnEnded { turn, how }),
        Happening::Contested(_) => contested().prop_map(Happening::Contested),
        Happening::Closed(_) => outcome().prop_map(Happening::Closed),
        Happening::Reopened => Just(Happening::Reopened),
        Happening::Joined { .. } => (lead_id(), option::of(id())).prop_map(|(other, by)| Happening::Joined { other, by }),
        Happening::JoinedTo { .. } => (lead_id(), option::of(id()))
            .prop_map(|(into, by)| Happening::JoinedTo { into, by }),
        Happening::Parted { .. } => (lead_id(), id()).prop_map(|(other, by)| Happening::Parted { other, by }),
        Happening::PartedFrom { .. } => (lead_id(), id()).prop_map(|(other, by)| Happening::PartedFrom { other, by }),
        Happening::Returned { .. } => (id(), option::of(id()), any::<u32>(), time())
            .prop_map(|(reason, track, cycle, rests_until)| Happening::Returned { reason, track, cycle, rests_until }),
    }
}

pub(super) fn text() -> BoxedStrategy<String> {
    prop_oneof!["[a-z0-9 ]{0,8}", any::<String>(), Just("\"quoted\" \\ \u{1F600} \n".to_owned())].boxed()
}

fn id<T: From<String> + Debug>() -> impl Strategy<Value = T> {
    text().prop_map(T::from)
}

/// Instants and lengths are kept to the millisecond: no CRM says more.
pub(super) fn time() -> impl Strategy<Value = Timestamp> {
    (-62_000_000_000_000_i64..253_000_000_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

pub(super) fn length() -> impl Strategy<Value = SignedDuration> {
    (0..10_000_000_000_i64).prop_map(SignedDuration::from_millis)
}

pub(super) fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("values are finite", |number| number.is_finite()),
        any::<i32>().prop_map(f64::from)
    ]
}

pub(super) fn date() -> impl Strategy<Value = Date> {
    time().prop_map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

pub(super) fn lead_id() -> impl Strategy<Value = LeadId> {
    any::<i64>().prop_map(LeadId)
}

pub(super) fn operation() -> impl Strategy<Value = OperationId> {
    text().prop_map(|text| OperationId::of(&[&text]))
}

pub(super) fn field() -> impl Strategy<Value = Field> {
    select(Field::ALL)
}

pub(super) fn missing() -> impl Strategy<Value = Vec<Vec<Field>>> {
    vec(vec(field(), 0..3), 0..3)
}

pub(super) fn reference() -> impl Strategy<Value = RecordRef> {
    (id(), object(), id()).prop_map(|(connection, object, id)| RecordRef { connection, object, id })
}

pub(super) fn known() -> impl Strategy<Value = Known> {
    (field(), value(), time()).prop_map(|(field, value, at)| Known { field, value, at })
}

pub(super) fn key() -> impl Strategy<Value = Key> {
    (key_kind(), id()).prop_map(|(kind, value)| Key { kind, value })
}

pub(super) fn points() -> impl Strategy<Value = Points> {
    (any::<i32>(), any::<i32>(), any::<i32>(), b'A'..=b'D', 1..=4_u8).prop_map(
        |(fit, intent, engagement, letter, digit)| Points {
            fit,
            intent,
            engagement,
            grade: Grade { fit: letter, intent: digit },
        },
    )
}

pub(super) fn person() -> impl Strategy<Value = PersonRecord> {
    let link = (lead_id(), link_rule(), time()).prop_map(|(lead, rule, at)| Link { lead, rule, at });
    let stages = (stage(), time(), author()).prop_map(|(stage, at, by)| StageEntry { stage, at, by });
    let owners = (option::of(id()), time(), author()).prop_map(|(owner, at, by)| OwnerEntry { owner, at, by });
    let disposition = (word(), time(), author()).prop_map(|(word, at, by)| Disposition { word, at, by });
    let signals = (id(), time()).prop_map(|(name, at)| Signal { name, at });
    let head = (reference(), link, time(), time(), presence());
    let company = (option::of(reference()), option::of(time()));
    let facts = (vec(known(), 0..3), vec(key(), 0..3), company, any::<bool>());
    let scores =
        (vec((score_part(), id()), 0..3), time(), author()).prop_map(|(shown, at, by)| ScoreEntry { shown, at, by });
    let ledgers =
        (vec(stages, 0..3), vec(owners, 0..3), vec(scores, 0..3), option::of(disposition), vec(signals, 0..3));
    (head, facts, ledgers).prop_map(|(head, facts, ledgers)| {
        let (of, link, modified, created, presence) = head;
        let (values, keys, (company, company_since), has_history) = facts;
        let (stages, owners, scores, disposition, signals) = ledgers;
        PersonRecord {
            of,
            link,
            modified,
            created,
            presence,
            values,
            keys,
            company,
            company_since,
            stages,
            owners,
            scores,
            disposition,
            signals,
            has_history,
        }
    })
}

pub(super) fn deal() -> impl Strategy<Value = DealRecord> {
    let what = (deal_state(), option::of(id()), option::of(text()), option::of(number()));
    let when = (time(), time(), option::of(time()));
    let whose = (option::of(id()), option::of(reference()), vec(reference(), 0..3));
    (reference(), what, when, whose, any::<bool>()).prop_map(|(of, what, when, whose, is_gone)| {
        let (state, stage, title, amount) = what;
        let (modified, created, closed) = when;
        let (owner, company, people) = whose;
        let title = title.map(Arc::from);
        DealRecord { of, modified, state, stage, title, amount, created, closed, owner, company, people, is_gone }
    })
}

pub(super) fn company() -> impl Strategy<Value = CompanyRecord> {
    (reference(), time(), vec(known(), 0..3), option::of(id()), any::<bool>())
        .prop_map(|(of, modified, values, owner, is_gone)| CompanyRecord { of, modified, values, owner, is_gone })
}

pub(super) fn touch() -> impl Strategy<Value = Touch> {
    (reference(), reference(), channel(), time(), option::of(id()), genuine())
        .prop_map(|(of, person, channel, at, by, genuine)| Touch { of, person, channel, at, by, genuine })
}

pub(super) fn user() -> impl Strategy<Value = UserSeen> {
    (option::of(id()), option::of(id()), id(), any::<bool>()).prop_map(|(email, login, name, is_active)| UserSeen {
        email,
        login,
        name,
        is_active,
    })
}

pub(super) fn clock() -> impl Strategy<Value = CommitmentClock> {
    let rung = (any::<u32>(), vec(audience(), 0..3), any::<bool>(), any::<bool>(), option::of(id()))
        .prop_map(|(at_percent, tell, task, reassign, recycle)| Rung { at_percent, tell, task, reassign, recycle });
    let met = (time(), proof(), reference()).prop_map(|(at, proof, evidence)| Met { at, proof, evidence });
    (id(), vec(proof(), 0..4), span(), vec(rung, 0..3), option::of(time()), option::of(met), vec(step(), 0..3))
        .prop_map(|(name, done_by, time, ladder, due_at, met, steps)| CommitmentClock {
            name,
            done_by,
            time,
            ladder,
            due_at,
            met,
            steps,
        })
}

pub(super) fn turn() -> impl Strategy<Value = Turn> {
    let ended = (time(), turn_ended()).prop_map(|(at, how)| TurnEnd { at, how });
    let who = (any::<u32>(), id(), option::of(id()), text(), turn_by());
    let answer = (any::<u32>(), id(), time(), verdict()).prop_map(|(turn, by, at, word)| Answer { turn, by, at, word });
    let when = (time(), option::of(time()), id(), vec(clock(), 0..2), option::of(answer), option::of(ended));
    (who, when).prop_map(|(who, when)| {
        let (number, owner, team, why, by) = who;
        let (granted_at, clock_from, agreement, clocks, answer, ended) = when;
        Turn { number, owner, team, why, by, granted_at, clock_from, agreement, clocks, answer, ended }
    })
}

pub(super) fn was() -> impl Strategy<Value = Was> {
    (id(), option::of(id()), option::of(id())).prop_map(|(name, before, after)| Was { name, before, after })
}

pub(super) fn contested() -> impl Strategy<Value = Contested> {
    (id(), fought(), id(), time()).prop_map(|(connection, field, by, since)| Contested { connection, field, by, since })
}

pub(super) fn handoff_id() -> impl Strategy<Value = HandoffId> {
    (lead_id(), any::<u32>()).prop_map(|(lead, number)| HandoffId { lead, number })
}

pub(super) fn handoff() -> impl Strategy<Value = Handoff> {
    let flags = (any::<bool>(), any::<bool>(), option::of(time()));
    (handoff_id(), time(), time(), flags, handoff_state(), vec(turn(), 0..3)).prop_map(
        |(id, qualified_at, opened_at, (below_bar, is_shadow, proposed_at), state, turns)| Handoff {
            id,
            qualified_at,
            opened_at,
            below_bar,
            is_shadow,
            proposed_at,
            state,
            turns,
        },
    )
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    (time(), option::of(any::<u32>()), happening()).prop_map(|(at, handoff, what)| Event { at, handoff, what })
}

pub(super) fn write() -> impl Strategy<Value = Write> {
    (operation(), lead_id(), option::of(any::<u32>()), id(), option::of(reference()), lane(), effect(), text())
        .prop_map(|(op, lead, handoff, connection, record, lane, effect, because)| Write {
            op,
            lead,
            handoff,
            connection,
            record,
            lane,
            effect,
            because,
        })
}

pub(super) fn notice() -> impl Strategy<Value = Notice> {
    let story = (text(), vec(text(), 0..5), text()).prop_map(|(headline, lines, link)| Story { headline, lines, link });
    let what = (operation(), lead_id(), option::of(handoff_id()), time(), notice_kind(), id());
    let to = (vec((id(), option::of(id())), 0..3), vec(audience(), 0..3), story, option::of(operation()));
    let ask = (any::<u32>(), id(), time()).prop_map(|(turn, person, until)| Ask { turn, person, until });
    let more = (option::of(id()), option::of(ask), option::of(text()));
    (what, to, more).prop_map(|(what, to, more)| {
        let (op, lead, handoff, at, kind, channel) = what;
        let (people, audience, story, withdraws) = to;
        let (about, ask, package) = more;
        Notice { op, lead, handoff, at, kind, channel, people, audience, story, withdraws, about, ask, package }
    })
}

pub(super) fn team() -> impl Strategy<Value = TeamState> {
    let share = (id(), any::<i64>(), option::of(time()), any::<u32>(), option::of(date()), any::<i64>()).prop_map(
        |(person, given, given_at, given_today, day, credit)| Share {
            person,
            given,
            given_at,
            given_today,
            day,
            credit,
        },
    );
    (id(), any::<i64>(), vec(share, 0..3)).prop_map(|(team, version, shares)| TeamState { team, version, shares })
}

fn handoff_fields() -> impl Strategy<Value = HandoffFields> {
    (option::of(id()), option::of(time())).prop_map(|(reason, owner_due)| HandoffFields { reason, owner_due })
}

/// What has a column of its own stays as it is read from the body alone; `tests/it/store_contract` reads the whole row.
pub(super) fn lead() -> impl Strategy<Value = LeadBody> {
    let written = (points(), date()).prop_map(|(points, on)| ScoreWritten { points, on });
    let score = ((option::of(reference()), option::of(membership())), any::<bool>(), points(), option::of(written));
    let past = (any::<u32>(), any::<u32>(), option::of(time()), option::of(id()), option::of(time()));
    let stopped = (option::of(time()), vec(contested(), 0..3));
    let memory = || {
        (stage(), time(), any::<u32>(), option::of(time()), option::of(id()), option::of(time())).prop_map(
            |(stage, stage_since, cycles, rests_until, track, qualified_at)| Memory {
                stage,
                stage_since,
                cycles,
                rests_until,
                track,
                qualified_at,
            },
        )
    };
    let absorbed = (lead_id(), memory(), memory()).prop_map(|(lead, before, after)| Absorbed { lead, before, after });
    let kin = (option::of(lead_id()), vec(absorbed, 0..2));
    let shown = (reference(), handoff_fields(), any::<u32>()).prop_map(|(record, fields, number)| HandoffWritten {
        record,
        fields,
        number,
    });
    let kin = (kin, vec(shown, 0..3));
    (score, past, stopped, vec(field(), 0..9), kin).prop_map(
        |(score, past, (adopt_at, contested), fields, ((merged_into, absorbed), handoff_written))| {
            let ((company, committee), adopted, score, score_written) = score;
            let (handoffs, cycles, rests_until, track, qualified_at) = past;
            let mut used = FieldSet::default();
            fields.into_iter().for_each(|field| used.insert(field));
            let blank = LeadState::new(LeadId(0), Timestamp::UNIX_EPOCH);
            let LeadState { id, version, name, email, stage, stage_since, owner, look_again_at, evidence_at, .. } =
                blank;
            LeadBody(LeadState {
                id,
                version,
                name,
                email,
                company,
                committee,
                stage,
                stage_since,
                adopted,
                score,
                score_written,
                handoff_written,
                handoffs,
                cycles,
                rests_until,
                track,
                owner,
                used,
                look_again_at,
                evidence_at,
                qualified_at,
                adopt_at,
                contested,
                merged_into,
                absorbed,
            })
        },
    )
}

fn membership() -> impl Strategy<Value = Membership> {
    let engaged = (time(), engaged_by()).prop_map(|(at, by)| Engaged { at, by });
    (id::<CommitteeId>(), vec(id(), 0..3), option::of(engaged)).prop_map(|(committee, roles, engaged)| Membership {
        committee,
        roles,
        engaged,
    })
}
