//! Who is let in: tokens, scopes, request limits on the monotonic clock, the daily quota, read-only mode; and the counts of it all.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::State;
use super::account::OauthToken;
use super::answer::{Answer, problem, problem_with, time_text, uuid};
use super::faults::RetryAfter;
use super::route::{Area, Class, Route};
use super::settings::Token;

/// What was asked of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// All requests, the refused ones included.
    pub total: u64,
    /// By kind of endpoint: `list`, `search`, `batch_read`, `write` ...
    pub by_class: BTreeMap<String, u64>,
    /// By object type and kind of endpoint: `contacts list`.
    pub by_object: BTreeMap<String, u64>,
    /// By status of the answer.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests within the time that an earlier `Retry-After` asked to stay away; zero in a polite client.
    pub early: u64,
    /// Answers with 429 from the sandbox's own limits (not from faults).
    pub limited: u64,
    /// Writes refused in read-only mode; zero under `writes = "off"`.
    pub writes_refused: u64,
    /// Requests without a token that works.
    pub unauthorised: u64,
}

/// Limits in force.
#[derive(Default)]
pub(super) struct Gate {
    pub(super) counts: RequestCounts,
    burst: HashMap<String, VecDeque<Instant>>,
    associations: VecDeque<Instant>,
    searches: VecDeque<Instant>,
    closed_until: Option<Instant>,
    day_ends: i64,
    used_today: u64,
    pub(super) oauth_tokens: HashMap<String, OauthToken>,
}

/// A request that is let in: by whom, and what to add to its answer.
pub(super) struct Admitted {
    pub(super) token: Token,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl State {
    /// Counts a request and whether it came too early.
    pub(super) fn count(&mut self, route: Option<&Route>) {
        let gate = &mut self.gate;
        gate.counts.total += 1;
        if let Some(route) = route {
            *gate.counts.by_class.entry(route.class.name().to_owned()).or_default() += 1;
            if matches!(route.area, Area::Objects | Area::Associations | Area::Properties) {
                let object = route.rest.first().map(String::as_str).unwrap_or_default();
                *gate.counts.by_object.entry(format!("{object} {}", route.class.name())).or_default() += 1;
            }
        }
        if gate.closed_until.is_some_and(|until| Instant::now() < until) {
            gate.counts.early += 1;
        }
    }

    /// Notes that clients were asked to stay away; answers with the header.
    pub(super) fn close_for(&mut self, retry_after: RetryAfter) -> String {
        self.gate.closed_until = Some(Instant::now() + Duration::from_secs(u64::from(retry_after.seconds())));
        match retry_after {
            RetryAfter::Seconds(seconds) => seconds.to_string(),
            RetryAfter::Date(seconds) => http_date(self.now() + i64::from(seconds) * 1000),
        }
    }

    /// Checks token, scopes, limits and read-only mode, in this order.
    pub(super) fn admit(&mut self, route: &Route, authorization: Option<&str>) -> Result<Admitted, Answer> {
        let token = match self.token(authorization) {
            Ok(token) => token,
            Err(answer) => {
                self.gate.counts.unauthorised += 1;
                return Err(answer);
            }
        };
        self.check_scopes(route, &token)?;
        let headers = self.take(route, &token)?;
        if self.faults.is_read_only && !route.is_reading {
            self.gate.counts.writes_refused += 1;
            return Err(problem(403, "READ_ONLY", "The sandbox is in read-only mode: this operation writes."));
        }
        Ok(Admitted { token, headers })
    }

    fn token(&self, authorization: Option<&str>) -> Result<Token, Answer> {
        let missing = || {
            problem(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details \
                 at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            )
        };
        let secret = authorization.and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(missing)?;
        let token = match self.gate.oauth_tokens.get(secret) {
            Some(OauthToken { until, scopes }) => {
                let name = "oauth".to_owned();
                let now = Instant::now();
                if now >= *until {
                    return Err(self.expired((now - *until).as_secs()));
                }
                Token { secret: secret.to_owned(), name, app_id: 1, scopes: scopes.clone(), is_oauth: true }
            }
            None => self.settings.tokens.iter().find(|token| token.secret == secret).cloned().ok_or_else(missing)?,
        };
        if self.faults.revoked.contains(&token.name) {
            return Err(missing());
        }
        if self.faults.expired.contains(&token.name) {
            return Err(self.expired(75));
        }
        Ok(token)
    }

    /// Source: section 9 (c).
    fn expired(&self, seconds_ago: u64) -> Answer {
        let at = self.now() - i64::try_from(seconds_ago).unwrap_or(0) * 1000;
        problem_with(
            401,
            "EXPIRED_AUTHENTICATION",
            format!("The OAuth token used to make this call expired {seconds_ago} second(s) ago."),
            &json!({"context": {"expire time": [time_text(at)]}}),
        )
    }

    /// Source: section 9 (d).
    fn check_scopes(&self, route: &Route, token: &Token) -> Result<(), Answer> {
        let is_lead =
            |part: Option<&String>| part.is_some_and(|part| part == "leads" || part == "0-136" || part == "lead");
        let names_lead = match route.area {
            Area::Objects => is_lead(route.rest.first()) || is_lead(route.rest.get(3)) || is_lead(route.rest.get(4)),
            Area::Associations => is_lead(route.rest.first()) || is_lead(route.rest.get(1)),
            Area::Properties | Area::Pipelines => is_lead(route.rest.first()),
            Area::Owners | Area::Lists | Area::Account | Area::Oauth => false,
        };
        if token.scopes.is_none() && self.faults.lost_scopes.is_empty() && (self.settings.has_leads || !names_lead) {
            return Ok(());
        }
        let needed = route.scopes();
        let lacks = |scope: &String| {
            self.faults.lost_scopes.contains(scope)
                || token.scopes.as_ref().is_some_and(|granted| !granted.contains(scope))
        };
        if (!names_lead || self.settings.has_leads) && !needed.iter().any(lacks) {
            return Ok(());
        }
        Err(problem_with(
            403,
            "MISSING_SCOPES",
            "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: \
             https://developers.hubspot.com/scopes.",
            &json!({
                "errors": [{"message": "One or more of the following scopes are required.", "context": {"requiredGranularScopes": needed}}],
                "links": {"scopes": "https://developers.hubspot.com/scopes"}
            }),
        ))
    }

    /// Takes a request out of its budgets. Source: section 8.
    fn take(&mut self, route: &Route, token: &Token) -> Result<Vec<(&'static str, String)>, Answer> {
        let now = Instant::now();
        let millisecond = self.now();
        if millisecond >= self.gate.day_ends {
            self.gate.used_today = 0;
            self.gate.day_ends = next_midnight(millisecond, &self.settings.time_zone);
        }
        if self.gate.used_today >= self.settings.daily {
            self.gate.counts.limited += 1;
            return Err(rate_limit("DAILY", self.settings.portal_id));
        }
        let settings = &self.settings;
        let ten = Duration::from_secs(10);
        let (bucket, span, max) = match route.class {
            Class::Search => (&mut self.gate.searches, Duration::from_secs(1), settings.searches_per_s),
            Class::AssociationBatchRead
            | Class::AssociationBatchWrite
            | Class::AssociationRead
            | Class::AssociationWrite => (&mut self.gate.associations, ten, settings.associations_per_10s),
            _ => (self.gate.burst.entry(token.name.clone()).or_default(), ten, settings.burst_per_10s),
        };
        while bucket.front().is_some_and(|at| now.duration_since(*at) >= span) {
            bucket.pop_front();
        }
        let max_len = usize::try_from(max).unwrap_or(usize::MAX);
        if bucket.len() >= max_len {
            self.gate.counts.limited += 1;
            let policy = if route.class == Class::Search { "SECONDLY" } else { "TEN_SECONDLY_ROLLING" };
            return Err(rate_limit(policy, settings.portal_id));
        }
        bucket.push_back(now);
        let remaining = max_len - bucket.len();
        self.gate.used_today += 1;
        if route.class == Class::Search {
            return Ok(Vec::new());
        }
        let mut headers = vec![
            ("X-HubSpot-RateLimit-Max", max.to_string()),
            ("X-HubSpot-RateLimit-Remaining", remaining.to_string()),
            ("X-HubSpot-RateLimit-Interval-Milliseconds", "10000".to_owned()),
        ];
        if !token.is_oauth {
            headers.push(("X-HubSpot-RateLimit-Daily", settings.daily.to_string()));
            headers.push(("X-HubSpot-RateLimit-Daily-Remaining", (settings.daily - self.gate.used_today).to_string()));
        }
        Ok(headers)
    }
}

/// The three bodies of section 8; any policy but the two named ones is the secondly message.
pub(super) fn rate_limit(policy: &str, portal: i64) -> Answer {
    let mut body = json!({"status": "error", "errorType": "RATE_LIMIT", "correlationId": uuid()});
    match policy {
        "DAILY" => {
            body["message"] = "You have reached your daily limit.".into();
            body["policyName"] = "DAILY".into();
            body["requestId"] = uuid().into();
        }
        "TEN_SECONDLY_ROLLING" => {
            body["message"] = "You have reached your ten_secondly_rolling limit.".into();
            body["policyName"] = "TEN_SECONDLY_ROLLING".into();
            body["groupName"] = format!("publicapi:private_app-api-calls-ten-secondly:{portal}").into();
        }
        _ => body["message"] = "You have reached your secondly limit.".into(),
    }
    Answer::json(429, &body)
}

fn next_midnight(millisecond: i64, zone: &str) -> i64 {
    let next = || {
        let at = jiff::Timestamp::from_millisecond(millisecond).ok()?.in_tz(zone).ok()?;
        Some(at.tomorrow().ok()?.start_of_day().ok()?.timestamp().as_millisecond())
    };
    next().unwrap_or(millisecond + 86_400_000)
}

/// `Tue, 24 Nov 2026 00:12:02 GMT`.
pub(super) fn http_date(millisecond: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millisecond).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
