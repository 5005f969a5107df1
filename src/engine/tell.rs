//! Tells people: notices that wait go out by their channels, singly, bundled, or, when they are very many, as one digest.
//!
//! What falls into quiet hours is held and comes together at their end. Nothing is dropped in silence: a digest counts what it
//! does not show, and each notice it stands for says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};

use crate::domain::answer::Ticket;
use crate::domain::counted::many;
use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::Name;
use crate::domain::plan::{Mode, Notice};
use crate::domain::reach::{Destination, Reach};
use crate::domain::retry::{self, Jitter, Next, Verdict};
use crate::http::Client;
use crate::notify::{BUNDLE_MAX, Channel, Letter, Sent};
use crate::store::{Batch, Claim, Outgoing, Settlement};

use super::deliver::{Delivered, LEASE, LOOK_AFTER, domain_time};
use super::{Engine, EngineError};

/// Notices that go out one by one; when more wait for one destination, they are bundled.
const SINGLE_MAX: usize = 3;

/// Notices that one digest stands for at most; the rest is in the next.
const DIGEST_MAX: usize = 5_000;

/// Notices that are claimed with one statement.
const CLAIM_MAX: usize = 500;

/// Over how long messages are counted for the rate cap.
const RATE_WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// Channels by the names that the roster uses: `slack.dach`.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    /// Each channel under its name.
    pub by_name: Vec<(Name, Channel)>,
    /// Where a notice goes whose own channel is gone.
    pub fallback: Option<Name>,
    /// Where the people who run Baton are told.
    pub operators: Option<Name>,
    /// Messages that one destination gets in a minute at most; what is more waits and comes in a digest. `None` = no limit.
    pub per_minute: Option<NonZeroU32>,
    /// How often each channel is tested by itself; `None` = only when somebody asks.
    pub self_test: Option<SignedDuration>,
}

impl Channels {
    /// The channel of this name.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&Channel> {
        self.by_name.iter().find(|(known, _)| known == name).map(|(_, channel)| channel)
    }

    /// Whom each channel can reach.
    #[must_use]
    pub fn reach(&self) -> Vec<Reach> {
        self.by_name.iter().map(|(name, channel)| channel.reach(name)).collect()
    }
}

/// When messages went out lately, by destination. In memory alone: after a restart the count begins anew.
#[derive(Debug, Default)]
pub(super) struct Pace(std::sync::Mutex<BTreeMap<Name, VecDeque<Timestamp>>>);

impl Pace {
    /// May another message go to `name` at `now`, which is real time?
    fn allows(&self, name: &Name, per_minute: Option<NonZeroU32>, now: Timestamp) -> bool {
        let Some(most) = per_minute else { return true };
        let mut sent = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(times) = sent.get_mut(name) else { return true };
        while times.front().is_some_and(|at| now.duration_since(*at) >= RATE_WINDOW) {
            times.pop_front();
        }
        if times.is_empty() {
            sent.remove(name);
            return true;
        }
        times.len() < most.get() as usize
    }

    fn note(&self, name: &Name, now: Timestamp) {
        let mut sent = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sent.entry(name.clone()).or_default().push_back(now);
    }
}

/// What a message stands for.
struct Message<'a> {
    name: &'a Name,
    to: &'a Destination,
    claims: &'a [Claim],
    /// Notices that wait besides.
    more: usize,
}

impl Engine {
    /// Sends the notices that wait, destination by destination.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn deliver_notices(&self, client: &Client, channels: &Channels) -> Result<Delivered, EngineError> {
        let mut delivered = Delivered::default();
        // A test was asked for by a person, whatever the others wait for.
        let only_tests = self.rules.load().notices == Mode::Off || self.paused.load().all;
        let mut stalled: BTreeSet<Name> = BTreeSet::new();
        for (name, _) in self.store.channels_waiting(self.clock.steady(), self.clock.now()).await? {
            // A server that does not answer one person does not answer the next: the other channels are not kept waiting.
            let Destination { channel, is_test, .. } = Destination::parse(name.as_str());
            if stalled.contains(&channel) || (only_tests && !is_test) {
                continue;
            }
            let one = self.deliver_to(client, channels, &name).await?;
            delivered.claimed += one.claimed;
            delivered.done += one.done;
            if one.claimed > 0 && one.done == 0 {
                stalled.insert(channel);
            }
        }
        Ok(delivered)
    }

    /// Sends what waits for one destination: singly, bundled, or as a digest.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn deliver_to(
        &self,
        client: &Client,
        channels: &Channels,
        name: &Name,
    ) -> Result<Delivered, EngineError> {
        let to = Destination::parse(name.as_str());
        let now = self.clock.now();
        if let Some((until, except)) = self.rules.load().roster.quiet_at(&to, now) {
            self.store.hold_quiet(name, until, except).await?;
        }
        if !to.is_test && !self.pace.allows(name, channels.per_minute, self.clock.steady()) {
            return Ok(Delivered::default());
        }
        let mut claims = self.claim_notices(name, BUNDLE_MAX).await?;
        let mut delivered = Delivered { claimed: claims.len(), done: 0 };
        if claims.is_empty() {
            return Ok(delivered);
        }
        let mut more = self.waiting_for(name).await?;
        if more > 0 && channels.get(&to.channel).is_some_and(Channel::counts) {
            while claims.len() < DIGEST_MAX && more > 0 {
                let next = self.claim_notices(name, CLAIM_MAX.min(DIGEST_MAX - claims.len())).await?;
                if next.is_empty() {
                    break;
                }
                more = more.saturating_sub(next.len());
                claims.extend(next);
            }
            delivered.claimed = claims.len();
            // What is left comes in a message of its own, and is counted there.
            more = 0;
        }
        let size = if claims.len() + more > SINGLE_MAX { claims.len() } else { 1 };
        // What may have arrived before goes by itself: its fate is another.
        claims.sort_by_key(|claim| claim.doubts);
        for alike in claims.chunk_by(|one, other| one.doubts == other.doubts) {
            for bundle in alike.chunks(size) {
                let more = if size == 1 { 0 } else { more };
                let message = Message { name, to: &to, claims: bundle, more };
                delivered.done += self.send_message(client, channels, &message).await?;
            }
        }
        Ok(delivered)
    }

    async fn claim_notices(&self, name: &Name, most: usize) -> Result<Vec<Claim>, EngineError> {
        Ok(self.store.claim_notices(name, self.clock.steady(), self.clock.now(), LEASE, most).await?)
    }

    async fn waiting_for(&self, name: &Name) -> Result<usize, EngineError> {
        let waiting = self.store.channels_waiting(self.clock.steady(), self.clock.now()).await?;
        Ok(waiting.into_iter().find(|(known, _)| known == name).map_or(0, |(_, count)| count))
    }

    /// Sends claims of one destination that are equally in doubt as one message, and settles them.
    ///
    /// What may have arrived twice is not sent there again: nobody gets a third. It goes to the fallback, as does what the
    /// channel refuses or has not taken after all tries; a self-test does not, since it asks about that one channel.
    async fn send_message(
        &self,
        client: &Client,
        channels: &Channels,
        message: &Message<'_>,
    ) -> Result<usize, EngineError> {
        let Message { name, to, claims, more } = *message;
        let doubts = claims.first().map_or(0, |claim| claim.doubts);
        let person = to.person.as_ref();
        let sent = match channels.get(&to.channel) {
            _ if doubts > 1 => Sent::Dead { message: UNANSWERED_TWICE.to_owned() },
            Some(channel) => {
                channel.send(client, &self.letters(claims, doubts > 0), more, person, self.clock.wall()).await
            }
            None => Sent::Dead { message: format!("no channel {} is set up under [notify]", to.channel) },
        };
        if channels.per_minute.is_some() && matches!(sent, Sent::Done | Sent::Unknown { .. }) {
            self.pace.note(name, self.clock.steady());
        }
        let refusal = match &sent {
            Sent::Dead { message } => Some(message.clone()),
            Sent::Unknown { message } if doubts > 0 => Some(format!("{UNANSWERED_TWICE}: {message}")),
            Sent::Again { message, .. } if to.is_test => Some(message.clone()),
            Sent::Again { message, .. } if claims.iter().any(|claim| self.is_used_up(claim)) => {
                Some(format!("given up after all tries: {message}"))
            }
            Sent::Done | Sent::Again { .. } | Sent::Unknown { .. } => None,
        };
        // A second message without an answer is one more that may have arrived, wherever the notice goes now.
        let doubts_now = doubts + u32::from(refusal.is_some() && matches!(sent, Sent::Unknown { .. }));
        let now = self.clock.now();
        let mut batch = Batch { now: Some(now), ..Batch::default() };
        // A test speaks of the place that it tries.
        let place = Destination { is_test: false, ..to.clone() };
        let subject = Subject::Policy(place.name());
        if matches!(sent, Sent::Done) {
            batch.checked.push(Checked::One(FindingKind::Undeliverable, subject.clone()));
        }
        let mut how = (claims.len() > BUNDLE_MAX)
            .then(|| format!("told in a digest of {}", many(claims.len(), "notice", "notices")));
        let outcome = match refusal {
            None => sent,
            Some(message) => {
                let other = channels.fallback.as_ref().filter(|other| **other != to.channel && !to.is_test);
                let other = other.and_then(|other| Some((other, channels.get(other)?)));
                let instead = other.map_or_else(String::new, |(other, _)| format!("; they go to {other} instead"));
                batch.findings.push(Finding {
                    kind: FindingKind::Undeliverable,
                    subject,
                    text: format!("notices for {place} do not arrive: {message}{instead}"),
                });
                match other {
                    None => Sent::Dead { message },
                    Some((other, channel)) => {
                        how = Some(format!("by {other} instead: {message}"));
                        // Whoever reads there is not the one who may answer.
                        let mut letters = self.letters(claims, doubts_now > 0);
                        letters.iter_mut().for_each(|letter| letter.answer = None);
                        match channel.send(client, &letters, more, None, self.clock.wall()).await {
                            // The fallback was in doubt before, too.
                            Sent::Unknown { message } if doubts > 1 => Sent::Dead { message },
                            sent => sent,
                        }
                    }
                }
            }
        };
        let wait = Jitter::new(fastrand::f64());
        let settled: Vec<(Claim, Settlement)> = claims
            .iter()
            .map(|claim| {
                let settlement = match (self.settlement(claim, &outcome, wait, now), &how) {
                    (Settlement::Done { at, .. }, Some(how)) => Settlement::Told { at, how: how.clone() },
                    (settlement, _) => settlement,
                };
                (Claim { doubts: doubts_now, ..claim.clone() }, settlement)
            })
            .collect();
        let lapsed = self.store.settle(&settled, &batch).await?;
        for op in lapsed {
            tracing::warn!(%op, "the lease ended before the channel answered; the notice will come again");
        }
        Ok(settled.iter().filter(|(_, settlement)| settlement.as_str() == "done").count())
    }

    /// What becomes of one claim of a message; all of a bundle wait equally long.
    fn settlement(&self, claim: &Claim, sent: &Sent, wait: Jitter, now: Timestamp) -> Settlement {
        match sent {
            Sent::Done => Settlement::Done { at: now, made: None, was: Vec::new() },
            Sent::Dead { message } => Settlement::Dead { at: now, message: message.clone() },
            // It may have arrived: repeated once, under the same id and marked.
            Sent::Unknown { message } => {
                Settlement::Unknown { not_before: self.clock.steady() + LOOK_AFTER, message: message.clone() }
            }
            Sent::Again { after, message } => match self.next_try(claim, after.map(domain_time), wait) {
                Next::At { at, .. } => Settlement::Again { not_before: at, counts: true, message: message.clone() },
                Next::Dead { .. } => Settlement::Dead { at: now, message: message.clone() },
            },
        }
    }

    fn next_try(&self, claim: &Claim, after: Option<SignedDuration>, wait: Jitter) -> Next {
        let verdict = Verdict::Again { after, counts: true };
        retry::next_attempt(self.clock.steady(), claim.tries.saturating_sub(1), verdict, wait)
    }

    fn is_used_up(&self, claim: &Claim) -> bool {
        matches!(self.next_try(claim, None, Jitter::new(0.0)), Next::Dead { .. })
    }

    /// The claims' notices as they were frozen, marked if they may have arrived before. The link by which one can be answered
    /// is made here: the store keeps no capability.
    fn letters(&self, claims: &[Claim], may_repeat: bool) -> Vec<Letter> {
        let notices = claims.iter().filter_map(|claim| match &claim.what {
            Outgoing::Notice(notice) => Some(notice),
            Outgoing::Write(_) => None,
        });
        notices.map(|notice| Letter { notice: notice.clone(), may_repeat, answer: self.answer_link(notice) }).collect()
    }

    /// The page on which the reader of `notice` can answer it.
    fn answer_link(&self, notice: &Notice) -> Option<String> {
        let (ask, handoff) = (notice.ask.as_ref()?, notice.handoff?);
        let ticket = Ticket { handoff, turn: ask.turn, until: ask.until };
        let rules = self.rules.load();
        let text = ticket.sign(&rules.workspace, &ask.person, &self.answer_key);
        Some(format!("{}/answer/{text}", rules.public_url))
    }
}

/// What is said of a notice that may have arrived twice.
const UNANSWERED_TWICE: &str = "sent twice without an answer, so it may have arrived twice";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_gets_no_more_messages_in_a_minute_than_it_may_fault_96() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let (pace, name, other) = (Pace::default(), Name::from("slack.dach"), Name::from("slack.other"));
        let most = NonZeroU32::new(2);
        for second in [0, 30] {
            assert!(pace.allows(&name, most, at(second)));
            pace.note(&name, at(second));
        }
        assert!(!pace.allows(&name, most, at(59)));
        assert!(pace.allows(&other, most, at(59)));
        assert!(pace.allows(&name, None, at(59)));
        assert!(pace.allows(&name, most, at(60)));
        pace.note(&name, at(60));
        assert!(!pace.allows(&name, most, at(89)));
    }
}
