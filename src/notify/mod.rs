//! Floor 2: a notice becomes a message, and a channel's answer becomes what deliver does next.
//!
//! Slack's incoming webhooks have no idempotency key, so a message whose answer was lost may come twice; both carry the
//! notice's id. A signed webhook carries the id as `webhook-id`, by which its receiver can tell.

pub mod slack;
pub mod webhook;

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::plan::Notice;
use crate::http::{Client, Request, SendError};

/// Notices that one message carries at most; the rest is counted in it, with a link.
pub const BUNDLE_MAX: usize = 10;

/// A notice on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The notice, as it was frozen when it was decided.
    pub notice: Notice,
    /// It may have gone out before.
    pub may_repeat: bool,
}

/// A place where notices go.
#[derive(Clone, Debug)]
pub enum Channel {
    /// A Slack incoming webhook.
    Slack(slack::Slack),
    /// A signed webhook.
    Webhook(webhook::Webhook),
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
    /// Sends `letters` as one message: one story, or a bundle of headlines. `more` = further notices that wait.
    pub async fn send(&self, client: &Client, letters: &[Letter], more: usize, now: Timestamp) -> Sent {
        let request = match self {
            Self::Slack(slack) => slack.request(letters, more),
            Self::Webhook(webhook) => webhook.request(letters, more, now),
        };
        match request {
            Ok(request) => self.post(client, request).await,
            Err(message) => Sent::Dead { message },
        }
    }

    async fn post(&self, client: &Client, request: Request) -> Sent {
        match client.send(request).await {
            Ok(answer) => {
                let wait = answer.header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
                match self {
                    Self::Slack(_) => slack::outcome(answer.status, &answer.body, wait.map(Duration::from_secs)),
                    Self::Webhook(_) => webhook::outcome(answer.status, wait.map(Duration::from_secs)),
                }
            }
            Err(SendError::NotSent { message }) => Sent::Again { after: None, message },
            Err(error @ SendError::Redirected { .. }) => Sent::Dead { message: error.to_string() },
            Err(error) => Sent::Unknown { message: error.to_string() },
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
