//! The checked agreement: what both teams signed, as values that cannot hold nonsense.
//!
//! The text is read in `crate`'s agreement module (floor 2), which alone knows TOML and CEL; here stand its results.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::calendar::Span;
use super::committee::CommitteePolicy;
use super::expr::Rule;
use super::field::{Field, FieldSet};
use super::id::{ConnectionId, Name, PersonId, TeamId};
use super::stage::Stage;
use super::touch::Channel;

/// The agreement.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Its version, as signed: `2026.4`.
    pub version: Name,
    /// From when on it acts. A person at or past `mql` by then is adopted.
    pub effective: Timestamp,
    /// When both teams look at it again.
    pub review_by: Option<Date>,
    /// Who signed.
    pub signed: Vec<Signature>,
    /// The ideal customer.
    pub icp: Icp,
    /// How leads are scored.
    pub score: ScoreModel,
    /// Entry rules of stages that Baton sets by itself; `mql` is the bar.
    pub stages: Vec<StageRule>,
    /// The hand-off.
    pub handoff: HandoffPolicy,
    /// What happens to leads that keep coming back.
    pub recycle: RecyclePolicy,
    /// Who gets a lead; the first match wins.
    pub routing: Vec<RoutingRule>,
    /// The people of one company, and their roles; `None`: nobody looks.
    pub committee: Option<CommitteePolicy>,
    /// Every field that any rule uses: a change elsewhere asks for no new decision.
    pub uses: FieldSet,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `marketing` or `sales`.
    pub team: Name,
    /// Who.
    pub by: Name,
    /// When.
    pub on: Date,
}

/// The ideal customer: one for score, routing and gate.
#[derive(Clone, Debug)]
pub struct Icp {
    /// Matches the ideal customer.
    pub fits: Option<Rule>,
    /// Is never passed on: competitors, students.
    pub never: Option<Rule>,
}

/// How leads are scored: two axes, and engagement that can never cross the bar alone.
#[derive(Clone, Debug, Default)]
pub struct ScoreModel {
    /// Points for who they are.
    pub fit: Vec<FitRule>,
    /// Points for what they did that shows they mean to buy.
    pub intent: Vec<SignalRule>,
    /// Points for what they did that shows interest.
    pub engagement: Vec<SignalRule>,
    /// Models that stand in for parts of this one; the first whose condition holds is taken.
    pub segments: Vec<Segment>,
    /// Where the letters and digits of the grade begin.
    pub grades: Grades,
}

/// A model for a part of the market. A list that it has stands in for the general one.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its name.
    pub name: Name,
    /// Whom it is for.
    pub when: Rule,
    /// Instead of the general `fit`.
    pub fit: Option<Vec<FitRule>>,
    /// Instead of the general `intent`.
    pub intent: Option<Vec<SignalRule>>,
    /// Instead of the general `engagement`.
    pub engagement: Option<Vec<SignalRule>>,
}

/// Points for a fact.
#[derive(Clone, Debug)]
pub struct FitRule {
    /// The fact.
    pub when: Rule,
    /// The points; negative ones take away.
    pub points: i32,
    /// What a person reads as the reason.
    pub because: Name,
}

/// Points for a signal.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRule {
    /// Which signal.
    pub signal: Name,
    /// Points for one occurrence, or, with `at_least`, for reaching the count.
    pub points: i32,
    /// Only if it happened at least so often within the window; 1 counts each occurrence by itself.
    pub at_least: u32,
    /// Only occurrences of the last so many days count; `None` = all.
    pub within_days: Option<u32>,
    /// Days after which points are worth half; `None` = they do not decay.
    pub half_life_days: Option<u32>,
    /// At most so many points from this rule; `None` = no limit.
    pub cap: Option<i32>,
}

/// Lower bounds of the grades, in points: fit gives the letter, intent the digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grades {
    /// A, B and C begin here; below C is D.
    pub fit: [i32; 3],
    /// 1, 2 and 3 begin here; below 3 is 4.
    pub intent: [i32; 3],
}

impl Default for Grades {
    fn default() -> Self {
        Self { fit: [40, 25, 10], intent: [60, 30, 10] }
    }
}

/// Enters a stage when a rule holds. Never takes a stage back.
#[derive(Clone, Debug)]
pub struct StageRule {
    /// The stage.
    pub stage: Stage,
    /// The condition.
    pub when: Rule,
}

/// The four elements of the hand-off; an agreement that lacks one is refused.
#[derive(Clone, Debug)]
pub struct HandoffPolicy {
    /// Sales' CRM: the record is made there if the person is unknown. `None`: where the lead already lives.
    pub to: Option<ConnectionId>,
    /// Who is never handed over.
    pub skip: Vec<Skip>,
    /// 1: what must be known; one of each inner list.
    pub requires: Vec<Vec<Field>>,
    /// Whom to ask for what is missing.
    pub incomplete: Option<Incomplete>,
    /// 2: what sales does, by when.
    pub commitments: Vec<Commitment>,
    /// 3 and 4: where each rejected lead goes.
    pub rejections: BTreeMap<Name, Rejection>,
    /// At most so many turns, then the fallback.
    pub turns_max: u32,
}

/// Who is never handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// Has bought.
    Customer,
    /// Has a deal that is open.
    OpenDeal,
    /// Has unsubscribed from all e-mail.
    OptedOut,
    /// Works for us: an address of one of our own domains.
    OwnStaff,
}

impl Skip {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Customer, Self::OpenDeal, Self::OptedOut, Self::OwnStaff];

    /// The name in the agreement.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::OpenDeal => "open_deal",
            Self::OptedOut => "opted_out",
            Self::OwnStaff => "own_staff",
        }
    }
}

/// Whom to ask for what is missing, and by when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// E-mail address of the person or desk.
    pub ask: PersonId,
    /// By when, in the workspace's default calendar.
    pub within: Span,
}

/// A promise with a clock.
#[derive(Clone, Debug)]
pub struct Commitment {
    /// `first touch`.
    pub name: Name,
    /// Any of these keeps it.
    pub done_by: Vec<Proof>,
    /// By when: the first tier whose condition holds; the last has none.
    pub within: Vec<Tier>,
    /// What happens while it is not kept, by ascending instant.
    pub ladder: Vec<Rung>,
}

/// The time a commitment gives, for whom.
#[derive(Clone, Debug)]
pub struct Tier {
    /// For whom; `None` = for everybody else.
    pub when: Option<Rule>,
    /// The time.
    pub time: Span,
}

/// What keeps a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proof {
    /// A genuine call.
    Call,
    /// A genuine e-mail written by a person.
    Email,
    /// A meeting that took place.
    Meeting,
    /// Sales accepted the lead.
    Accepted,
    /// Sales rejected the lead.
    Rejected,
}

impl Proof {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Call, Self::Email, Self::Meeting, Self::Accepted, Self::Rejected];

    /// The name in the agreement.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Email => "email",
            Self::Meeting => "meeting",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == text)
    }

    /// The proof that a touch by this channel is.
    #[must_use]
    pub fn of(channel: Channel) -> Self {
        match channel {
            Channel::Call => Self::Call,
            Channel::Email => Self::Email,
            Channel::Meeting => Self::Meeting,
        }
    }
}

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// When: percent of the open time between start and due; past 100 it goes on at that scale.
    pub at_percent: u32,
    /// Whom to tell.
    pub tell: Vec<Audience>,
    /// Make a task in the CRM.
    pub task: bool,
    /// End the turn as missed and give the lead to the next.
    pub reassign: bool,
    /// Return the lead to marketing for this reason.
    pub recycle: Option<Name>,
}

impl Rung {
    /// Does the step accuse or take away? Then it waits for evidence; a warning does not.
    #[must_use]
    pub fn needs_evidence(&self) -> bool {
        self.at_percent >= 100 || self.reassign || self.recycle.is_some() || self.tell.contains(&Audience::Manager)
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audience {
    /// The turn's owner.
    Owner,
    /// The manager of the owner's team.
    Manager,
    /// Marketing's channel.
    Marketing,
}

impl Audience {
    /// Every audience.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Manager, Self::Marketing];

    /// The name in the agreement.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Marketing => "marketing",
        }
    }
}

/// Where a rejected lead goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Where.
    pub to: Destination,
    /// The lead rests so long before a new hand-off may open.
    pub cool_off: SignedDuration,
    /// Only after so many genuine touches of sales; fewer = a finding on the rejection.
    pub needs_touches: u32,
}

/// Where a rejected lead goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Back to marketing, on this track.
    Nurture(Name),
    /// Nobody pursues it.
    Disqualified,
    /// A person looks whether it is another record of somebody known.
    MergeReview,
}

/// What happens to leads that keep coming back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecyclePolicy {
    /// At most so many returns.
    pub cycles_max: u32,
    /// Where it goes then.
    pub then: Destination,
}

/// Who gets a lead.
#[derive(Clone, Debug)]
pub struct RoutingRule {
    /// Its name, which `explain` shows.
    pub name: Name,
    /// Which leads; `None` = all.
    pub when: Option<Rule>,
    /// Who.
    pub to: RouteTo,
}

/// Who gets a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTo {
    /// The owner of the lead's company.
    CompanyOwner,
    /// One person.
    Person(PersonId),
    /// Somebody of a team.
    Team(TeamId, Fairness),
}

/// How a team shares leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fairness {
    /// In turn.
    RoundRobin,
    /// In turn, by weight.
    Weighted,
    /// Whoever has the least open hand-offs for their weight.
    LeastLoaded,
}

impl Fairness {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::RoundRobin, Self::Weighted, Self::LeastLoaded];

    /// The name in the agreement.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Weighted => "weighted",
            Self::LeastLoaded => "least_loaded",
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nurture(track) => write!(f, "nurture on track {track}"),
            Self::Disqualified => f.write_str("disqualified"),
            Self::MergeReview => f.write_str("merge review"),
        }
    }
}

impl Agreement {
    /// The nurture tracks that leads can be sent to, by name, each once.
    #[must_use]
    pub fn tracks(&self) -> BTreeSet<Name> {
        let ends = self.handoff.rejections.values().map(|rejection| &rejection.to).chain([&self.recycle.then]);
        ends.filter_map(|to| if let Destination::Nurture(track) = to { Some(track.clone()) } else { None }).collect()
    }

    /// The rule a lead must fulfil to become an MQL: the only place where the bar stands.
    #[must_use]
    pub fn bar(&self) -> Option<&Rule> {
        self.stages.iter().find(|rule| rule.stage == Stage::Mql).map(|rule| &rule.when)
    }

    /// Every rule of the agreement.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let fits = self.score.segments.iter().flat_map(|segment| segment.fit.iter().flatten());
        let segments = self.score.segments.iter().map(|segment| &segment.when);
        let tiers = self.handoff.commitments.iter().flat_map(|commitment| &commitment.within);
        (self.icp.fits.iter().chain(&self.icp.never))
            .chain(self.score.fit.iter().chain(fits).map(|rule| &rule.when))
            .chain(segments)
            .chain(self.stages.iter().map(|rule| &rule.when))
            .chain(tiers.filter_map(|tier| tier.when.as_ref()))
            .chain(self.routing.iter().filter_map(|rule| rule.when.as_ref()))
            .chain(self.committee.iter().flat_map(|policy| &policy.roles).map(|role| &role.when))
    }

    /// Does this signal count as intent or engagement?
    #[must_use]
    pub fn scores(&self, signal: &Name) -> bool {
        let model = &self.score;
        let segments = model.segments.iter().flat_map(|one| one.intent.iter().chain(&one.engagement).flatten());
        model.intent.iter().chain(&model.engagement).chain(segments).any(|rule| rule.signal == *signal)
    }

    /// The names of all signals that any rule asks for.
    #[must_use]
    pub fn signals(&self) -> Vec<Name> {
        let models = [(&self.score.intent, &self.score.engagement)];
        let mut names: Vec<Name> = models
            .iter()
            .flat_map(|(intent, engagement)| intent.iter().chain(engagement.iter()))
            .chain(
                self.score
                    .segments
                    .iter()
                    .flat_map(|segment| segment.intent.iter().chain(&segment.engagement).flatten()),
            )
            .map(|rule| rule.signal.clone())
            .chain(self.rules().flat_map(Rule::signals))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}
