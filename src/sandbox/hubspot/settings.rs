//! What kind of portal the sandbox is: identity, tokens, limits, lag.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::kind::{Kind, Version};

/// The portal's settings. `Settings::default()` is a Professional portal with one all-powerful token.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `portalId` of account-info.
    pub portal_id: i64,
    /// The tokens that are let in.
    pub tokens: Vec<Token>,
    /// The OAuth app, if one is installed.
    pub oauth: Option<OauthApp>,
    /// How long search does not see a change, in the sandbox's time; zero is allowed. Source: section 4, "a few moments".
    pub index_lag: SignedDuration,
    /// Requests per rolling ten seconds and token, without search and association batches. Source: section 8.
    pub burst_per_10s: u32,
    /// Association requests per rolling ten seconds. Source: section 8.
    pub associations_per_10s: u32,
    /// Searches per rolling second, all types and tokens together. Source: section 8.
    pub searches_per_s: u32,
    /// Requests per day of the portal's time zone. Source: section 8.
    pub daily: u64,
    /// The path versions answered; others are 404.
    pub versions: BTreeSet<Version>,
    /// The portal's zone: the daily quota starts again at its midnight. Source: section 1.
    pub time_zone: String,
    /// Whether the portal has the leads object (Sales Hub Professional). Source: section 3.
    pub has_leads: bool,
    /// Rules on required properties, obeyed by 2026-09 writes only. Source: sections 2 and 9 (b).
    pub required: Vec<Required>,
    /// The longest path and query in bytes; more is 414. Source: section 9, seen between 8 and 16 kB.
    pub url_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            portal_id: 123_456,
            tokens: vec![Token::full("pat-na1-sandbox")],
            oauth: None,
            index_lag: SignedDuration::from_secs(5),
            burst_per_10s: 190,
            associations_per_10s: 150,
            searches_per_s: 5,
            daily: 650_000,
            versions: Version::ALL.into_iter().collect(),
            time_zone: "Europe/Berlin".to_owned(),
            has_leads: false,
            required: Vec::new(),
            url_bytes_max: 8_192,
        }
    }
}

/// A bearer token.
#[derive(Clone, Debug)]
pub struct Token {
    /// What the client sends.
    pub secret: String,
    /// How the ledger calls it.
    pub name: String,
    /// The app behind it, the `sourceId` of its writes.
    pub app_id: i64,
    /// What it may do; `None` = everything.
    pub scopes: Option<BTreeSet<String>>,
    /// OAuth tokens see no daily limit headers. Source: section 8.
    pub is_oauth: bool,
}

impl Token {
    /// A static token that may do everything, named `sandbox`.
    #[must_use]
    pub fn full(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            name: "sandbox".to_owned(),
            app_id: 26_892_217,
            scopes: None,
            is_oauth: false,
        }
    }
}

/// An OAuth app with one refresh token at a time. Source: section 11.
#[derive(Clone, Debug)]
pub struct OauthApp {
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: String,
    /// The refresh token that works from the beginning, as if somebody had let the app in; empty: nobody has.
    pub refresh_token: String,
    /// How long an access token lives, in real seconds; HubSpot's is 1800.
    pub expires_in_s: u64,
    /// Does each refresh end the refresh token that it was asked with? HubSpot's is usually unchanged.
    pub rotates: bool,
    /// What the person lets the app do; `None` = everything that it asks for.
    pub grants: Option<BTreeSet<String>>,
}

impl OauthApp {
    /// An app that nobody has let in yet, which gets whatever it asks for.
    #[must_use]
    pub fn new(client_id: &str, client_secret: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            refresh_token: String::new(),
            expires_in_s: 1800,
            rotates: false,
            grants: None,
        }
    }
}

/// One rule: `property` must have a value, always or only where another property has a certain one.
#[derive(Clone, Debug)]
pub struct Required {
    /// The object type.
    pub kind: Kind,
    /// The property that must not be empty.
    pub property: String,
    /// Only where this property has this value; `None` = on creation.
    pub when: Option<(String, String)>,
}
