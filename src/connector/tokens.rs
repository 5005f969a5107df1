//! OAuth tokens of a connection, and the place that keeps them.
//!
//! A CRM may give a new refresh token with each access token and forget the old one. So a pair is kept before it is used:
//! were the process killed between the two, the pair that the CRM expects is the one that is found again.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::domain::id::ConnectionId;

/// What a CRM gave for one login.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Sent with each request.
    pub access: SecretString,
    /// What the next pair is asked for with.
    pub refresh: SecretString,
    /// When this pair was given, in wall time.
    pub given_at: Timestamp,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The account that they are for.
    pub account: String,
    /// What they may do, as the CRM said.
    pub scopes: Vec<String>,
}

/// Keeps tokens over restarts.
#[async_trait]
pub trait Vault: Send + Sync + fmt::Debug {
    /// The tokens of a connection, if somebody has logged in.
    async fn tokens(&self, connection: &ConnectionId) -> Result<Option<Tokens>, VaultError>;

    /// Keeps `tokens` in place of the ones before. Once this answers, a crash does not lose them.
    async fn keep(&self, connection: &ConnectionId, tokens: &Tokens) -> Result<(), VaultError>;

    /// May tokens be refreshed here? Not by who only looks beside the process that owns them: a pair that it asked for
    /// would take the owner's away.
    fn may_refresh(&self) -> bool {
        true
    }
}

/// Why tokens cannot be kept or read back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct VaultError(pub String);

/// Tokens as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    access: String,
    refresh: String,
    given_at: Timestamp,
    expires_at: Timestamp,
    account: String,
    scopes: Vec<String>,
}

impl Tokens {
    /// When the next pair is asked for: after three quarters of the life of this one. Source: HubSpot's sheet, section 11.
    #[must_use]
    pub fn refresh_at(&self) -> Timestamp {
        let life = self.expires_at.duration_since(self.given_at);
        self.given_at.saturating_add(life * 3 / 4).unwrap_or(self.expires_at)
    }

    /// As text to keep.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let kept = Kept {
            access: self.access.expose_secret().to_owned(),
            refresh: self.refresh.expose_secret().to_owned(),
            given_at: self.given_at,
            expires_at: self.expires_at,
            account: self.account.clone(),
            scopes: self.scopes.clone(),
        };
        // Plain values can always be written as JSON.
        SecretString::from(serde_json::to_string(&kept).unwrap_or_default())
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    #[must_use]
    pub fn of_text(text: &SecretString) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text.expose_secret()).ok()?;
        Some(Self {
            access: kept.access.into(),
            refresh: kept.refresh.into(),
            given_at: kept.given_at,
            expires_at: kept.expires_at,
            account: kept.account,
            scopes: kept.scopes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_as_they_were_and_are_asked_for_anew_at_three_quarters_of_their_life() {
        let given_at: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let tokens = Tokens {
            access: "canary-access".into(),
            refresh: "canary-refresh".into(),
            given_at,
            expires_at: given_at + jiff::SignedDuration::from_mins(30),
            account: "123456".to_owned(),
            scopes: vec!["oauth".to_owned()],
        };
        assert_eq!(tokens.refresh_at().to_string(), "2026-11-24T08:22:30Z");
        let again = Tokens::of_text(&tokens.to_text()).unwrap();
        assert_eq!(again.access.expose_secret(), "canary-access");
        assert_eq!(again.refresh.expose_secret(), "canary-refresh");
        assert_eq!((again.given_at, again.expires_at), (tokens.given_at, tokens.expires_at));
        assert_eq!((again.account, again.scopes), (tokens.account.clone(), tokens.scopes.clone()));
        assert!(!format!("{tokens:?}").contains("canary"));
    }
}
