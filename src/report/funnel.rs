//! What became of the hand-offs of late: how many were kept, how long it took, and where the others went.
//!
//! Worked out of the newest events. A bounded number of them is looked at, so the figures say since when they count.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::handoff::Outcome;
use crate::domain::id::{LeadId, Name};
use crate::domain::plan::{Event, Happening};

/// The hand-offs that opened within a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// How many opened.
    pub opened: usize,
    /// How many of them got an owner.
    pub owned: usize,
    /// Each promise that became due to be kept, in the order in which it is usually kept.
    pub promises: Vec<Promise>,
    /// How many sales confirmed, and how long that took.
    pub qualified: Share,
    /// Given back by sales, by reason, the commonest first.
    pub given_back: Vec<(Name, usize)>,
    /// Taken back by the ladder, by reason, the commonest first.
    pub taken_back: Vec<(Name, usize)>,
    /// Ended otherwise: merged, gone, not to be handed over.
    pub otherwise: usize,
    /// Still open.
    pub open: usize,
}

/// How one promise was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its name.
    pub name: Name,
    /// Hand-offs in which it was kept in time.
    pub in_time: usize,
    /// Hand-offs in which it was kept too late.
    pub late: usize,
    /// Hand-offs that ended, or went on to somebody else, without it.
    pub missed: usize,
    /// The median from the start of the clock to its being kept.
    pub median: Option<SignedDuration>,
}

/// A number of hand-offs, and the median time from their opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// The median time.
    pub median: Option<SignedDuration>,
}

#[derive(Default)]
struct Episode {
    opened_at: Option<Timestamp>,
    is_owned: bool,
    clock_from: BTreeMap<u32, Timestamp>,
    /// By promise: when, and whether in time. The first that was kept counts.
    kept: BTreeMap<Name, (Timestamp, u32, bool)>,
    breached: BTreeSet<Name>,
    ended: Option<(Timestamp, Outcome)>,
}

/// The funnel of hand-offs that opened at `since` or later; `events` in the order in which they were decided.
#[must_use]
pub fn funnel<'a>(since: Timestamp, events: impl IntoIterator<Item = (LeadId, &'a Event)>) -> Funnel {
    let mut episodes: BTreeMap<(LeadId, u32), Episode> = BTreeMap::new();
    for (lead, event) in events {
        if let Some(number) = event.handoff {
            episodes.entry((lead, number)).or_default().hear(event);
        }
    }
    let episodes: Vec<Episode> =
        episodes.into_values().filter(|episode| episode.opened_at.is_some_and(|at| at >= since)).collect();
    let mut found = Funnel { opened: episodes.len(), ..Funnel::default() };
    let (mut given_back, mut taken_back) = (BTreeMap::new(), BTreeMap::new());
    let mut times = Vec::new();
    for episode in &episodes {
        found.owned += usize::from(episode.is_owned);
        match &episode.ended {
            None => found.open += 1,
            Some((at, Outcome::Qualified)) => times.extend(episode.opened_at.map(|opened| at.duration_since(opened))),
            Some((_, Outcome::Rejected(reason))) => *given_back.entry(reason.clone()).or_default() += 1,
            Some((_, Outcome::Recycled(reason))) => *taken_back.entry(reason.clone()).or_default() += 1,
            Some((_, Outcome::Merged(_) | Outcome::Gone | Outcome::Skipped(_))) => found.otherwise += 1,
        }
    }
    found.qualified = Share { count: times.len(), median: median(times) };
    (found.given_back, found.taken_back) = (commonest(given_back), commonest(taken_back));
    found.promises = promises(&episodes);
    found
}

impl Episode {
    fn hear(&mut self, event: &Event) {
        match &event.what {
            Happening::Opened { .. } => self.opened_at = Some(event.at),
            Happening::Assigned { .. } | Happening::TakenOver { .. } => self.is_owned = true,
            Happening::ClockStarted { turn } => {
                self.clock_from.insert(*turn, event.at);
            }
            Happening::Kept { turn, commitment, in_time, .. } => {
                self.kept.entry(commitment.clone()).or_insert((event.at, *turn, *in_time));
            }
            Happening::StepFired { commitment, at_percent, .. } if *at_percent >= 100 => {
                self.breached.insert(commitment.clone());
            }
            Happening::StepWithdrawn { commitment, at_percent, .. } if *at_percent >= 100 => {
                self.breached.remove(commitment);
            }
            Happening::Closed(outcome) => self.ended = Some((event.at, outcome.clone())),
            Happening::Reopened => self.ended = None,
            Happening::StageChanged { .. }
            | Happening::Adopted
            | Happening::Incomplete(_)
            | Happening::Answered { .. }
            | Happening::StepFired { .. }
            | Happening::StepWithdrawn { .. }
            | Happening::TurnEnded { .. }
            | Happening::Contested(_)
            | Happening::Retimed { .. }
            | Happening::Joined { .. }
            | Happening::JoinedTo { .. }
            | Happening::Parted { .. }
            | Happening::PartedFrom { .. }
            | Happening::Returned { .. } => {}
        }
    }
}

/// Breached counts as not in time, whoever kept it in the end: the first owner's promise was broken.
fn promises(episodes: &[Episode]) -> Vec<Promise> {
    let names: BTreeSet<&Name> = episodes.iter().flat_map(|one| one.kept.keys().chain(&one.breached)).collect();
    let mut all: Vec<Promise> = names
        .into_iter()
        .map(|name| {
            let (mut in_time, mut late, mut missed, mut times) = (0, 0, 0, Vec::new());
            for episode in episodes {
                match (episode.kept.get(name), episode.breached.contains(name)) {
                    (Some((at, turn, was_in_time)), breached) => {
                        if *was_in_time && !breached {
                            in_time += 1
                        } else {
                            late += 1
                        }
                        // Who was reached before the clock began had not to wait.
                        let took = |from: &Timestamp| at.duration_since(*from).max(SignedDuration::ZERO);
                        times.extend(episode.clock_from.get(turn).map(took));
                    }
                    (None, true) => missed += 1,
                    (None, false) => {}
                }
            }
            Promise { name: name.clone(), in_time, late, missed, median: median(times) }
        })
        .collect();
    all.sort_by(|one, other| {
        (one.median.is_none(), one.median, &one.name).cmp(&(other.median.is_none(), other.median, &other.name))
    });
    all
}

fn commonest(counts: BTreeMap<Name, usize>) -> Vec<(Name, usize)> {
    let mut counts: Vec<(Name, usize)> = counts.into_iter().collect();
    counts.sort_by(|(one, ones), (other, others)| others.cmp(ones).then_with(|| one.cmp(other)));
    counts
}

/// The lower of the two in the middle, so that it is a time that somebody took.
fn median(mut times: Vec<SignedDuration>) -> Option<SignedDuration> {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ConnectionId, Object, PersonId, RecordRef};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_510_800).unwrap() + SignedDuration::from_mins(minute)
    }

    fn owner() -> PersonId {
        PersonId::from("a.lang@example.com")
    }

    fn kept(turn: u32, name: &str, in_time: bool) -> Happening {
        let evidence = RecordRef::new(&ConnectionId::from("odoo"), Object::Call, "1");
        Happening::Kept { turn, commitment: Name::from(name), in_time, evidence }
    }

    fn fired(percent: u32) -> Happening {
        let commitment = Name::from("first touch");
        Happening::StepFired { turn: 1, commitment, at_percent: percent, due_at: at(0) }
    }

    #[test]
    fn each_handoff_is_counted_once_and_the_reasons_stand_by_their_number() {
        let opened = || Happening::Opened { below_bar: false };
        let assigned = || Happening::Assigned { turn: 1, owner: owner(), why: String::new() };
        let started = || Happening::ClockStarted { turn: 1 };
        let rejected = |reason: &str| Happening::Closed(Outcome::Rejected(Name::from(reason)));
        let lives: &[(i64, &[(i64, Happening)])] = &[
            (
                1,
                &[
                    (0, opened()),
                    (0, assigned()),
                    (1, started()),
                    (31, kept(1, "first touch", true)),
                    (90, Happening::Closed(Outcome::Qualified)),
                ],
            ),
            (
                2,
                &[
                    (0, opened()),
                    (0, assigned()),
                    (1, started()),
                    (11, kept(1, "first touch", true)),
                    (50, rejected("bad_fit")),
                ],
            ),
            (
                3,
                &[
                    (0, opened()),
                    (0, assigned()),
                    (1, started()),
                    (48, fired(80)),
                    (61, fired(100)),
                    (71, kept(1, "first touch", false)),
                    (80, rejected("bad_timing")),
                ],
            ),
            (
                4,
                &[
                    (0, opened()),
                    (0, assigned()),
                    (1, started()),
                    (61, fired(100)),
                    (200, Happening::Closed(Outcome::Recycled(Name::from("no_response")))),
                ],
            ),
            (5, &[(0, opened()), (9, rejected("bad_fit"))]),
            (6, &[(0, opened())]),
            (7, &[(-100, opened()), (5, Happening::Closed(Outcome::Qualified))]),
            (8, &[(0, opened()), (3, Happening::Closed(Outcome::Merged(LeadId(1)))), (9, Happening::Reopened)]),
            (9, &[(5, Happening::Closed(Outcome::Gone))]),
        ];
        let events: Vec<(LeadId, Event)> = lives
            .iter()
            .flat_map(|(lead, told)| {
                told.iter().map(|(minute, what)| {
                    (LeadId(*lead), Event { at: at(*minute), handoff: Some(1), what: what.clone() })
                })
            })
            .collect();
        let found = funnel(at(-10), events.iter().map(|(lead, event)| (*lead, event)));
        let minutes = |count: i64| Some(SignedDuration::from_mins(count));
        assert_eq!((found.opened, found.owned, found.open, found.otherwise), (7, 4, 2, 0), "{found:?}");
        assert_eq!(found.qualified, Share { count: 1, median: minutes(90) }, "what opened before does not count");
        assert_eq!(found.given_back, [(Name::from("bad_fit"), 2), (Name::from("bad_timing"), 1)]);
        assert_eq!(found.taken_back, [(Name::from("no_response"), 1)]);
        let touch = Promise { name: Name::from("first touch"), in_time: 2, late: 1, missed: 1, median: minutes(30) };
        assert_eq!(found.promises, [touch]);
        let ended = found.qualified.count + 3 + 1 + found.otherwise;
        assert_eq!(ended + found.open, found.opened, "every one is somewhere");
    }

    #[test]
    fn nothing_gives_no_figures() {
        assert_eq!(funnel(at(0), []), Funnel::default());
        assert_eq!(median(vec![]), None);
    }
}
