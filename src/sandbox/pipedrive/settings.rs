//! What kind of company account the sandbox is: identity, tokens, plan, limits.

/// The account's settings. `Settings::default()` is a Growth plan with one administrator's API token.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `company_id`.
    pub company_id: i64,
    /// `company_domain` of `GET /v1/users/me`.
    pub company_domain: String,
    /// The API tokens that are let in.
    pub tokens: Vec<Token>,
    /// An OAuth app, if one is installed.
    pub oauth: Option<OauthApp>,
    /// Tokens of a day, shared by everybody. Source: section 6.
    pub daily_tokens: u64,
    /// Requests in two seconds by one API token. Source: section 6.
    pub burst_per_2s: u32,
    /// Searches in two seconds. Source: section 6.
    pub searches_per_2s: u32,
    /// Refusals within ten seconds after which Cloudflare answers instead. Source: section 1.5; the number is made up.
    pub refusals_max: u32,
    /// How long it does, in real milliseconds; made up, too.
    pub banned_ms: u64,
    /// How long a conversion of a lead takes, in milliseconds of the sandbox's time. Source: section 9.
    pub convert_ms: i64,
    /// Has the account the Campaigns product (`marketing_status`)? Source: section 4.
    pub has_campaigns: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            company_id: 54_235_233,
            company_domain: "acme".to_owned(),
            tokens: vec![Token {
                name: "sandbox".to_owned(),
                secret: "0123456789abcdef0123456789abcdef01234567".to_owned(),
                user: 1,
            }],
            oauth: None,
            daily_tokens: 30_000 * 2 * 10,
            burst_per_2s: 40,
            searches_per_2s: 10,
            refusals_max: 10,
            banned_ms: 30_000,
            convert_ms: 0,
            has_campaigns: true,
        }
    }
}

/// An API token: one user's.
#[derive(Clone, Debug)]
pub struct Token {
    /// How the ledger calls it.
    pub name: String,
    /// What the client sends.
    pub secret: String,
    /// The user whose rights it has.
    pub user: i64,
}

/// An OAuth app that somebody has let in. Source: section 2.
#[derive(Clone, Debug)]
pub struct OauthApp {
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: String,
    /// How long an access token lives, in real seconds.
    pub expires_in_s: u64,
    /// The user who let it in.
    pub user: i64,
}
