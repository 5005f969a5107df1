//! Who is let in: tokens, the day's tokens of the company with the cost of each request, the two-second limits, and Cloudflare.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::State;
use super::answer::{Answer, cloudflare, unauthorized};

/// The window of the burst limit. Source: section 6.
const WINDOW: Duration = Duration::from_secs(2);
/// How long refusals are held against a client; made up.
const REFUSALS_WITHIN: Duration = Duration::from_secs(10);
const DAY_MS: i64 = 86_400_000;

/// What was asked of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// All requests, the refused ones included.
    pub total: u64,
    /// By method and path, with `*` for ids: `GET /api/v2/persons`.
    pub by_path: BTreeMap<String, u64>,
    /// By status of the answer.
    pub by_status: BTreeMap<u16, u64>,
    /// What they cost together. Source: section 3.
    pub tokens: u64,
    /// Answers with 429 from the sandbox's own limits (not from faults).
    pub limited: u64,
    /// Answers of Cloudflare.
    pub banned: u64,
    /// Requests within the time that an earlier `Retry-After` asked to stay away.
    pub early: u64,
    /// Requests without a token that works.
    pub unauthorised: u64,
    /// Writes refused in read-only mode.
    pub writes_refused: u64,
}

/// Limits in force.
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) counts: RequestCounts,
    burst: HashMap<String, VecDeque<Instant>>,
    searches: VecDeque<Instant>,
    refusals: VecDeque<Instant>,
    banned_until: Option<Instant>,
    pub(super) closed_until: Option<Instant>,
    day: i64,
    pub(super) used_today: u64,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) user: i64,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// What a request costs, by `x-token-cost` of the specifications; `None` if there is no such operation. Source: section 3.
pub(super) fn cost(version: u8, method: &str, path: &[&str]) -> Option<u64> {
    Some(match (version, method, path) {
        (1, "GET", ["users", "me"] | ["users" | "leads" | "notes", _] | ["leadSources"])
            if path != ["leads", "archived"] =>
        {
            2
        }
        (1, "GET", ["deals", _, "changelog"]) => 20,
        (1, "GET", ["leads", "archived"]) => 40,
        (1, "GET", ["users" | "leads" | "leadFields" | "activityTypes" | "notes"]) => 20,
        (1, "POST", ["leads"]) | (1, "PATCH", ["leads", _]) => 10,
        (1, "DELETE", ["leads", _]) => 6,
        (1, "GET" | "POST", ["leadLabels"]) => 10,
        (1, "POST", ["notes"]) | (1, "PUT", ["notes", _]) => 10,
        (1, "DELETE", ["notes", _]) => 6,
        (1, "PUT", ["persons", _, "merge"]) => 40,
        (1, "GET" | "POST", ["webhooks"]) => 10,
        (1, "DELETE", ["webhooks", _]) => 6,
        (2, "GET", ["leads" | "persons" | "organizations" | "deals", "search"]) => 20,
        (2, "POST", ["personFields", _, "options"]) => 5,
        (2, "GET", ["deals", "archived"]) => 20,
        (2, "POST", ["leads", _, "convert", "deal"] | ["deals", _, "convert", "lead"]) => 40,
        (2, "GET", ["leads" | "deals", _, "convert", "status", _]) => 1,
        (2, "GET", ["persons" | "organizations" | "deals" | "activities"]) => 10,
        (2, "GET", ["persons" | "organizations" | "deals" | "activities", _]) => 1,
        (2, "POST", ["persons" | "organizations" | "deals" | "activities"]) => 5,
        (2, "PATCH", ["persons" | "organizations" | "deals" | "activities", _]) => 5,
        (2, "DELETE", ["persons" | "organizations" | "deals" | "activities", _]) => 3,
        (2, "GET", ["pipelines" | "stages"]) => 5,
        (2, "GET", ["dealFields" | "personFields" | "organizationFields" | "activityFields"]) => 10,
        (2, "POST", ["dealFields" | "personFields" | "organizationFields"]) => 5,
        _ => return None,
    })
}

impl State {
    /// Lets a request in, or says why not.
    pub(super) fn admit(
        &mut self,
        cost: u64,
        is_search: bool,
        token: Option<&str>,
        bearer: Option<&str>,
    ) -> Result<Caller, Answer> {
        let now = Instant::now();
        if self.gate.banned_until.is_some_and(|until| now < until) {
            self.gate.counts.banned += 1;
            return Err(cloudflare());
        }
        let (name, user, is_oauth) = match self.caller(token, bearer) {
            Some(known) => known,
            None => {
                self.gate.counts.unauthorised += 1;
                return Err(unauthorized());
            }
        };
        let day = self.now().div_euclid(DAY_MS);
        let gate = &mut self.gate;
        if day != gate.day {
            (gate.day, gate.used_today) = (day, 0);
        }
        // OAuth has four times the burst. Source: section 6.
        let limit = if is_oauth { self.settings.burst_per_2s * 4 } else { self.settings.burst_per_2s };
        let (bucket, limit) = if is_search {
            (&mut gate.searches, self.settings.searches_per_2s)
        } else {
            (gate.burst.entry(name).or_default(), limit)
        };
        while bucket.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            bucket.pop_front();
        }
        let used = u32::try_from(bucket.len()).unwrap_or(u32::MAX);
        let is_burst = used >= limit;
        if !is_burst {
            bucket.push_back(now);
        }
        let reset = bucket.front().map_or(WINDOW, |at| WINDOW.saturating_sub(now.duration_since(*at)));
        let left = limit.saturating_sub(used.saturating_add(1));
        let headers = vec![
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", if is_burst { 0 } else { left }.to_string()),
            ("x-ratelimit-reset", reset.as_secs().max(1).to_string()),
        ];
        let is_daily = gate.used_today.saturating_add(cost) > self.settings.daily_tokens;
        if is_burst || is_daily {
            gate.counts.limited += 1;
            gate.refusals.push_back(now);
            while gate.refusals.front().is_some_and(|at| now.duration_since(*at) >= REFUSALS_WITHIN) {
                gate.refusals.pop_front();
            }
            if u32::try_from(gate.refusals.len()).unwrap_or(u32::MAX) > self.settings.refusals_max {
                gate.banned_until = Some(now + Duration::from_millis(self.settings.banned_ms));
            }
            let mut answer = too_many();
            answer.headers.extend(headers);
            return Err(answer);
        }
        gate.used_today += cost;
        gate.counts.tokens += cost;
        Ok(Caller { user, headers })
    }

    fn caller(&self, token: Option<&str>, bearer: Option<&str>) -> Option<(String, i64, bool)> {
        if let Some(secret) = token {
            let known = self.settings.tokens.iter().find(|token| token.secret == secret)?;
            let is_revoked = self.faults.revoked.contains(&known.name);
            return (!is_revoked).then(|| (known.name.clone(), known.user, false));
        }
        let user = self.oauth.user_of(bearer?.strip_prefix("Bearer ")?)?;
        Some(("oauth".to_owned(), user, true))
    }
}

/// 429. Its body is undocumented; these words are the OAuth status page's. Source: section 6.
pub(super) fn too_many() -> Answer {
    Answer::json(429, &json!({"success": false, "error": "Request over limit", "errorCode": 429}))
}
