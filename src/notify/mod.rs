//! Floor 2: a notice becomes a message, and a channel's answer becomes what the engine does next.
//!
//! Slack and e-mail have no idempotency key, so a message whose answer was lost may come twice; both carry the notice's id
//! (an e-mail as its Message-ID, by which mail systems can tell). A signed webhook carries it as `webhook-id`.

pub mod email;
pub mod slack;
pub mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::id::PersonId;
use crate::domain::plan::Notice;
use crate::domain::reach::Reach;
use crate::http::{Client, Request, Response, SendError};

/// Notices that one message tells one by one; of more, it counts the rest, with a link.
pub const BUNDLE_MAX: usize = 10;

/// Kinds of notice that a digest counts.
const KINDS_MAX: usize = 12;

/// A notice on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The notice, as it was frozen when it was decided.
    pub notice: Notice,
    /// It may have gone out before.
    pub may_repeat: bool,
    /// The page on which its reader can answer it.
    pub answer: Option<String>,
}

/// A place where notices go.
#[derive(Clone, Debug)]
pub enum Channel {
    /// Slack: an incoming webhook, a bot, or both.
    Slack(slack::Slack),
    /// A signed webhook.
    Webhook(webhook::Webhook),
    /// E-mail.
    Email(Box<email::Email>),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It arrived.
    Done,
    /// It provably did not arrive; try again, not before the wait the channel asked for.
    Again {
        /// The wait, if one was asked for.
        after: Option<Duration>,
        /// Why.
        message: String,
    },
    /// It may have arrived.
    Unknown {
        /// Why.
        message: String,
    },
    /// It never will: the channel is archived, the address revoked.
    Dead {
        /// The channel's words.
        message: String,
    },
}

impl Channel {
    /// Whom it can reach.
    #[must_use]
    pub fn reach(&self, name: &crate::domain::id::Name) -> Reach {
        let (people, place) = match self {
            Self::Slack(slack) => (slack.bot.is_some(), slack.has_place()),
            Self::Webhook(_) => (false, true),
            Self::Email(email) => (true, email.has_place()),
        };
        Reach { channel: name.clone(), people, place }
    }

    /// Is what is too much for one message counted in it? A machine at the other end wants every notice.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Webhook(_))
    }

    /// Sends `letters` as one message: one story, a bundle of headlines, or a digest of very many. `more` = further notices that
    /// wait. It goes to `person` alone, or to the channel's place.
    pub async fn send(
        &self,
        client: &Client,
        letters: &[Letter],
        more: usize,
        person: Option<&PersonId>,
        now: Timestamp,
    ) -> Sent {
        let request = match self {
            Self::Slack(slack) => slack.request(letters, more, person),
            Self::Webhook(webhook) => webhook.request(letters, more, now),
            Self::Email(email) => return email.send(letters, more, person).await,
        };
        match request {
            Ok(request) => self.post(client, request).await,
            Err(message) => Sent::Dead { message },
        }
    }

    async fn post(&self, client: &Client, request: Request) -> Sent {
        match client.send(request).await {
            Ok(answer) => self.outcome(&answer),
            Err(SendError::NotSent { message }) => Sent::Again { after: None, message },
            Err(error @ SendError::Redirected { .. }) => Sent::Dead { message: error.to_string() },
            Err(error) => Sent::Unknown { message: error.to_string() },
        }
    }

    fn outcome(&self, answer: &Response) -> Sent {
        let wait = answer.header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        let wait = wait.map(Duration::from_secs);
        match self {
            Self::Slack(_) => slack::outcome(answer.status, &answer.body, wait),
            Self::Webhook(_) => webhook::outcome(answer.status, wait),
            Self::Email(_) => Sent::Done,
        }
    }
}

/// `text` cut to at most `max` characters, with a mark where it was cut.
fn capped(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// The notice's id as people see it, with the mark of a possible repeat.
fn id(letter: &Letter) -> String {
    let repeat = if letter.may_repeat { " (possibly repeated)" } else { "" };
    let id: String = letter.notice.op.to_string().chars().take(8).collect();
    format!("id {id}{repeat}")
}

/// What many notices are about, by rule and owner: the commonest first, and how many kinds there are besides.
fn kinds(letters: &[Letter]) -> (Vec<(String, usize)>, usize) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in letters {
        let about = letter.notice.about.as_ref().map_or(letter.notice.kind.as_str(), |about| about.as_str());
        *counts.entry(about).or_default() += 1;
    }
    let mut kinds: Vec<(String, usize)> = counts.into_iter().map(|(about, count)| (about.to_owned(), count)).collect();
    kinds.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let hidden = kinds.len().saturating_sub(KINDS_MAX);
    kinds.truncate(KINDS_MAX);
    (kinds, hidden)
}

/// A count as people write it: `4,213`.
fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::slack::tests::letter;
    use super::*;
    use crate::domain::id::Name;

    #[test]
    fn many_notices_are_counted_by_rule_and_owner_fault_96() {
        let mut letters: Vec<Letter> = (0..40).map(|n| letter(&format!("n{n}"), "")).collect();
        for (place, letter) in letters.iter_mut().enumerate() {
            let about = if place < 25 { "first touch at 100 %, Anna" } else { "first touch at 100 %, Ben" };
            letter.notice.about = Some(Name::from(about));
        }
        let expected = [("first touch at 100 %, Anna".to_owned(), 25), ("first touch at 100 %, Ben".to_owned(), 15)];
        assert_eq!(kinds(&letters), (expected.to_vec(), 0));
        for (place, letter) in letters.iter_mut().enumerate() {
            letter.notice.about = Some(Name::from(place.to_string()));
        }
        let (shown, hidden) = kinds(&letters);
        assert_eq!((shown.len(), hidden), (KINDS_MAX, 40 - KINDS_MAX));
    }

    #[test]
    fn counts_are_written_as_people_do() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (4_213, "4,213"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }
}
