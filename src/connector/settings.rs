//! What every connection's settings have in common: address, credentials, budget, and the maps between the CRM's values
//! and the one model. Already checked: a value of these types cannot hold nonsense.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::moment::Form;
use crate::domain::field::Field;
use crate::domain::id::{ConnectionId, Name, PersonId};
pub use crate::domain::lead::ScorePart;
use crate::domain::stage::Stage;
use crate::domain::vanish::PERCENT_MAX;

/// HubSpot's edge gives its servers 100 s (section 9 of its sheet, 524); rounded up.
const LATE: Duration = Duration::from_secs(120);

/// Everything is read again within a day.
const PATROL: Duration = Duration::from_secs(24 * 3600);

/// How a CRM proves that a webhook is its own.
#[derive(Clone, Debug)]
pub struct Hook {
    /// HubSpot: the client secret of the app. Odoo, which signs nothing: the last part of the address. Pipedrive: the password of
    /// user `baton`.
    pub secret: SecretString,
    /// The address that the CRM calls, as it calls it: HubSpot signs it.
    pub address: String,
    /// Is HubSpot's first signature taken, too? It proves neither the address nor the time.
    pub old_signature: bool,
}

/// The settings of one connection, common part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The connection's name.
    pub id: ConnectionId,
    /// Which CRM.
    pub kind: Kind,
    /// Scheme, host and port; https, or http to loopback.
    pub base_url: Url,
    /// The account that must answer: HubSpot's portal id, Odoo's database, Pipedrive's company domain. `None`: any.
    pub account: Option<String>,
    /// How Baton proves who it is.
    pub auth: Auth,
    /// How often each stream is asked for changes.
    pub poll: Duration,
    /// Share of the CRM's request limit that Baton may use, in percent, 1 to 100.
    pub budget_percent: u8,
    /// Which property of the CRM holds which field. Stands over the connector's own defaults, field by field.
    pub fields: Vec<(Field, String)>,
    /// Which values of the CRM mean which stage. Stands over the connector's own defaults, stage by stage.
    pub stages: Vec<StageMap>,
    /// Where signals show.
    pub signals: Vec<SignalMap>,
    /// Salesforce: signals that membership in a campaign shows.
    pub campaigns: Vec<CampaignSignal>,
    /// In which form properties without a type of their own hold a time.
    pub times: Vec<(String, Form)>,
    /// Which reasons of the CRM mean which reason of the agreement.
    pub reasons: Vec<(Name, Vec<String>)>,
    /// Which list (or tag) is which nurture track.
    pub tracks: Vec<(Name, String)>,
    /// Salesforce: which queue owns the leads of a nurture track.
    pub queues: Vec<(Name, String)>,
    /// Salesforce: does an event that lies in the past count as a meeting that was held? The CRM does not say whether it was.
    pub events_are_held: bool,
    /// May a recycle take the CRM's stage back?
    pub stage_back: bool,
    /// Property that keeps Baton's own key, if the CRM has one for it.
    pub key_property: Option<String>,
    /// Properties that the score is written to: fit, intent, engagement, grade; each may be missing.
    pub score_properties: Vec<(ScorePart, String)>,
    /// Properties that a hand-off is shown in: why somebody has the lead, by when they answer; each may be missing.
    pub handoff_properties: Vec<(HandoffPart, String)>,
    /// The country, as ISO 3166-1 alpha-2, of telephone numbers without their country's code where the person's own is
    /// not known.
    pub country: Option<Name>,
    /// Pipedrive: the tokens of a day that the company has; `None`: those of the smallest plan for each active user.
    pub daily_tokens: Option<u64>,
    /// The API version in paths, where the CRM has one.
    pub api_version: Option<String>,
    /// How long the CRM may take until a change shows in its search; windows end so much before the present.
    pub settle: Duration,
    /// How far a window reaches back over the one before.
    pub overlap: Duration,
    /// The share of this connection's people that may be called gone at once, in percent, 1 to 100; more is not believed.
    pub vanish_max_percent: u8,
    /// How long an answer is waited for; `None`: the client's own deadline.
    pub answer_within: Option<Duration>,
    /// How long after it was sent a request without an answer may still have its effect; longer than the CRM's own limit.
    /// What it may still write is not written again before.
    pub late: Duration,
    /// How long the patrol may take to read everything again.
    pub patrol: Duration,
    /// Who may send webhooks, if anybody.
    pub hook: Option<Hook>,
    /// Owner accounts of roster people are looked up by this; kept here so that a connector can tell its own user.
    pub own_login: Option<PersonId>,
}

/// Which CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// HubSpot.
    HubSpot,
    /// Odoo 19.
    Odoo,
    /// Salesforce.
    Salesforce,
    /// Pipedrive.
    Pipedrive,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::HubSpot, Self::Odoo, Self::Salesforce, Self::Pipedrive];

    /// The kind's name in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HubSpot => "hubspot",
            Self::Odoo => "odoo",
            Self::Salesforce => "salesforce",
            Self::Pipedrive => "pipedrive",
        }
    }
}

/// How Baton proves who it is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A static bearer token: HubSpot's service key or private app token, Odoo's API key.
    Token(SecretString),
    /// An app that a person lets in; the tokens that this gives are kept in the store.
    Oauth(OauthApp),
    /// An assertion that Baton signs for a user who is let in beforehand: Salesforce's JWT bearer flow.
    Jwt(JwtApp),
    /// An app with a secret that acts as the user whom the CRM names for it: Salesforce's client credentials flow.
    Client(ClientApp),
}

/// An app that takes signed assertions.
#[derive(Clone, Debug)]
pub struct JwtApp {
    /// The consumer key.
    pub client_id: String,
    /// Whom Baton acts as, by their user name.
    pub username: String,
    /// The private key (PEM, PKCS #8) whose certificate stands in the app.
    pub key: SecretString,
    /// For whom the assertion is: the login host of production or of sandboxes.
    pub audience: String,
}

/// An app that acts for itself.
#[derive(Clone, Debug)]
pub struct ClientApp {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: SecretString,
}

/// An OAuth app, as its CRM knows it.
#[derive(Clone, Debug)]
pub struct OauthApp {
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: SecretString,
    /// Where the CRM sends a person who let the app in; one of those that the app names.
    pub redirect_uri: Url,
}

/// Which values of the CRM mean a stage: many are read, one is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageMap {
    /// The stage.
    pub stage: Stage,
    /// Property and the values of it that mean the stage.
    pub read: Vec<(String, Vec<String>)>,
    /// Property and the value that enters the stage; empty = this connection never writes it.
    pub write: Vec<(String, String)>,
}

impl StageMap {
    /// The line of `[connections.<name>.stages]` that says this.
    #[must_use]
    pub fn line(&self) -> String {
        let read: Vec<String> = self.read.iter().map(|(property, values)| format!("{property} = {values:?}")).collect();
        let write: Vec<String> = self.write.iter().map(|(property, value)| format!("{property} = {value:?}")).collect();
        let mut parts = Vec::new();
        if !read.is_empty() {
            parts.push(format!("read = {{ {} }}", read.join(", ")));
        }
        if !write.is_empty() {
            parts.push(format!("write = {{ {} }}", write.join(", ")));
        }
        format!("{} = {{ {} }}", self.stage, parts.join(", "))
    }

    /// The same map, which writes `value` into `property` if it writes that property.
    #[must_use]
    pub fn writing(mut self, property: &str, value: &str) -> Self {
        self.write.iter_mut().filter(|(known, _)| known == property).for_each(|(_, old)| value.clone_into(old));
        self
    }
}

/// Where a signal shows in a person's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalMap {
    /// The signal.
    pub signal: Name,
    /// The property that shows it.
    pub property: String,
    /// What the property's value must be or hold for it to be this signal.
    pub test: SignalTest,
    /// The property that holds its time; `None` = the time of the record's change.
    pub at: Option<String>,
}

/// A signal that membership in a campaign shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignSignal {
    /// The signal.
    pub signal: Name,
    /// The campaign's name.
    pub campaign: String,
    /// The statuses of members that show it; none: every one that the campaign counts as a response.
    pub statuses: Vec<String>,
}

/// What a property's value must be for a signal to have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalTest {
    /// Has any value.
    Present,
    /// Is one of these, without regard to case.
    Is(Vec<String>),
    /// Holds this text, without regard to case.
    Contains(String),
}

impl SignalTest {
    /// Does `value` fulfil the test?
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        let value = value.trim();
        match self {
            Self::Present => !value.is_empty(),
            Self::Is(wanted) => wanted.iter().any(|one| one.eq_ignore_ascii_case(value)),
            Self::Contains(part) => value.to_lowercase().contains(&part.to_lowercase()),
        }
    }
}

/// A part of a hand-off that can be shown in a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandoffPart {
    /// Why its owner has it, or why it came back.
    Reason,
    /// When the next promise of its owner is due.
    OwnerDue,
}

impl Settings {
    /// Settings of connection `id` with nothing mapped and the usual timing.
    #[must_use]
    pub fn new(id: impl Into<ConnectionId>, kind: Kind, base_url: Url, token: SecretString) -> Self {
        Self {
            id: id.into(),
            kind,
            base_url,
            account: None,
            auth: Auth::Token(token),
            poll: Duration::from_secs(30),
            budget_percent: 60,
            fields: Vec::new(),
            stages: Vec::new(),
            signals: Vec::new(),
            campaigns: Vec::new(),
            times: Vec::new(),
            reasons: Vec::new(),
            tracks: Vec::new(),
            queues: Vec::new(),
            events_are_held: false,
            stage_back: false,
            key_property: None,
            score_properties: Vec::new(),
            handoff_properties: Vec::new(),
            country: None,
            daily_tokens: None,
            api_version: None,
            settle: Duration::from_secs(10),
            overlap: Duration::from_secs(600),
            vanish_max_percent: PERCENT_MAX,
            answer_within: None,
            late: LATE,
            patrol: PATROL,
            hook: None,
            own_login: None,
        }
    }
}
