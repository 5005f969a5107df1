//! Sends HubSpot's requests: one place that knows the address, the token, the budgets, and which operations only read.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::OnceCell;
use url::Url;

use super::answer::{self, Failure};
use super::oauth::Login;
use super::wire::{self, Account};
use crate::connector::BudgetView;
use crate::connector::day::{Day, Spent};
use crate::connector::settings::{Auth, Settings};
use crate::connector::tokens::Vault;
use crate::http::limiter::{Budget, Lane, Limiter};
use crate::http::{Client, Method, Request, Response};

/// Every operation that only reads, as method and path (promise 8).
///
/// `*` stands for one segment, `**` at the end for any rest. Whatever is not here is a write and is never sent by a reading
/// road. Source: sections 4, 6 and 7.
pub const READS: &[(Method, &str)] = &[
    (Method::Get, "/**"),
    (Method::Post, "/crm/objects/*/*/search"),
    (Method::Post, "/crm/objects/*/*/batch/read"),
    (Method::Post, "/crm/associations/*/*/*/batch/read"),
];

/// Does this operation only read?
#[must_use]
pub fn is_reading(method: Method, path: &str) -> bool {
    READS.iter().any(|(known, shape)| *known == method && fits(path, shape))
}

fn fits(path: &str, shape: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in shape.split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            ("*", Some(found)) if !found.is_empty() => {}
            (wanted, Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// The portal behind the token.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) id: String,
    pub(super) zone_name: String,
    pub(super) kind: String,
    zone: Option<TimeZone>,
}

#[derive(Debug, Default)]
struct Seen {
    left: Option<u32>,
    limit: Option<u32>,
    day: Day,
}

/// What a request proves itself with.
#[derive(Debug)]
enum Proof {
    Token(SecretString),
    Login(Box<Login>),
}

/// The road to one portal.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    limiter: Arc<Limiter>,
    base: Url,
    proof: Proof,
    account: Option<String>,
    version: String,
    answer_within: Option<Duration>,
    portal: OnceCell<Portal>,
    date_ms: AtomicI64,
    seen: Mutex<Seen>,
    share_percent: u32,
}

impl Api {
    pub(super) fn new(
        settings: &Settings,
        version: &str,
        client: Client,
        limiter: Arc<Limiter>,
        vault: Option<Arc<dyn Vault>>,
    ) -> Self {
        let proof = match &settings.auth {
            Auth::Token(token) => Proof::Token(token.clone()),
            // The settings refuse these for HubSpot; an empty token is let in nowhere.
            Auth::Jwt(_) | Auth::Client(_) => Proof::Token(SecretString::from(String::new())),
            Auth::Oauth(app) => {
                let (base, account) = (&settings.base_url, settings.account.as_deref());
                Proof::Login(Box::new(Login::new(&settings.id, base, version, account, app.clone(), vault)))
            }
        };
        Self {
            client,
            limiter,
            base: settings.base_url.clone(),
            proof,
            account: settings.account.clone(),
            version: version.to_owned(),
            answer_within: settings.answer_within,
            portal: OnceCell::new(),
            date_ms: AtomicI64::new(i64::MIN),
            seen: Mutex::new(Seen::default()),
            share_percent: u32::from(settings.budget_percent),
        }
    }

    /// The version segment of paths.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The CRM's newest known time.
    pub(super) fn crm_now(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.date_ms.load(Ordering::SeqCst)).ok()
    }

    /// A request with a JSON body; `segments` are escaped one by one.
    pub(super) fn request<T: Serialize + ?Sized>(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<&T>,
    ) -> Result<Request, Failure> {
        let request = Request::to(method, &self.base, segments);
        Ok(match body {
            None => request,
            Some(body) => request.json(
                serde_json::to_vec(body).map_err(|error| Failure::Refused(format!("body not written: {error}")))?,
            ),
        })
    }

    pub(super) fn get(&self, segments: &[&str]) -> Request {
        Request::to(Method::Get, &self.base, segments)
    }

    /// Asks, on the account that the settings name and on no other.
    pub(super) async fn read(&self, budget: Budget, lane: Lane, request: Request) -> Result<Response, Failure> {
        if !is_reading(request.method, request.url.path().trim_start_matches(self.base.path().trim_end_matches('/'))) {
            return Err(Failure::Refused("not a reading operation: not sent".to_owned()));
        }
        self.portal().await?;
        self.send(budget, lane, request).await
    }

    /// Writes, on the account that the settings name and on no other.
    pub(super) async fn write(&self, lane: Lane, request: Request) -> Result<Response, Failure> {
        self.portal().await?;
        self.send(Budget::Burst, lane, request).await
    }

    /// The portal, asked once: writing into another account than the configured one would be beyond repair.
    pub(super) async fn portal(&self) -> Result<&Portal, Failure> {
        self.portal
            .get_or_try_init(|| async {
                let request = self.get(&["account-info", &self.version, "details"]);
                let response = self.send(Budget::Burst, Lane::Read, request).await?;
                let account: Account<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
                let id = account.portal_id.as_str();
                if self.account.as_deref().is_some_and(|wanted| wanted != id) {
                    let wanted = self.account.as_deref().unwrap_or("");
                    return Err(Failure::Unauthorized(format!(
                        "the token belongs to portal {id}, but account = \"{wanted}\" is configured; nothing is read or written"
                    )));
                }
                let text = |value: Option<wire::Text<'_>>| value.map_or(String::new(), |text| text.as_str().to_owned());
                let id = id.to_owned();
                let kind = text(account.account_type);
                let zone_name = text(account.time_zone);
                let zone = TimeZone::get(&zone_name).ok();
                Ok(Portal { id, zone_name, kind, zone })
            })
            .await
    }

    /// The login of the connection, where it has one, and what its requests go out by.
    pub(super) fn login(&self) -> Option<(&Login, &Client)> {
        match &self.proof {
            Proof::Token(_) => None,
            Proof::Login(login) => Some((login, &self.client)),
        }
    }

    async fn send(&self, budget: Budget, lane: Lane, request: Request) -> Result<Response, Failure> {
        let mut is_repeated = false;
        loop {
            self.limiter
                .acquire_soon(budget, lane)
                .await
                .map_err(|wait| Failure::Wait { wait, message: "no request is left for this now".to_owned() })?;
            let token = match &self.proof {
                Proof::Token(token) => token.clone(),
                Proof::Login(login) => login.bearer(&self.client).await?,
            };
            let request = Request { deadline: self.answer_within, ..request.clone().bearer(&token) };
            self.seen().day.count();
            let response = self.client.send(request).await?;
            if let Some(date) = answer::date(&response) {
                self.date_ms.fetch_max(date.as_millisecond(), Ordering::SeqCst);
            }
            self.observe(budget, &response);
            // A token that ended on the way was let in nowhere: the same request goes out again with the next, once.
            if let Proof::Login(login) = &self.proof
                && !is_repeated
                && answer::has_expired(&response)
                && login.expired(&token).await
            {
                is_repeated = true;
                continue;
            }
            return self.judged(budget, response);
        }
    }

    fn judged(&self, budget: Budget, response: Response) -> Result<Response, Failure> {
        let zone = self.portal.get().and_then(|portal| portal.zone.as_ref());
        let is_refused = response.status == 429;
        let is_silent = is_refused && response.header("retry-after").is_none();
        let judged = answer::judge(response, zone);
        if let Err(Failure::Wait { wait, .. }) = &judged {
            self.limiter.hold(*wait);
            if is_refused {
                self.limiter.turned_away(budget);
            }
            if is_silent {
                self.limiter.refused(budget);
            }
        }
        judged.map_err(|failure| match (failure, &self.proof) {
            (Failure::Unauthorized(said), Proof::Token(_)) => Failure::Unauthorized(format!(
                "{said}; make the token valid again, or put a working one where auth.token points and start Baton anew"
            )),
            (Failure::Unauthorized(said), Proof::Login(login)) => Failure::Unauthorized(login.remedy(&said)),
            (other, _) => other,
        })
    }

    /// Feeds the limiter from the headers; search answers carry none. Source: section 8.
    fn observe(&self, budget: Budget, response: &Response) {
        let number = |name: &str| response.header(name).and_then(|text| text.trim().parse::<u32>().ok());
        let left = number("x-hubspot-ratelimit-remaining");
        let limit = number("x-hubspot-ratelimit-max");
        let window = number("x-hubspot-ratelimit-interval-milliseconds").map(|ms| Duration::from_millis(u64::from(ms)));
        let left_today = number("x-hubspot-ratelimit-daily-remaining");
        if left.is_none() && left_today.is_none() {
            return;
        }
        let mut seen = self.seen();
        seen.left = left;
        seen.limit = limit;
        let of_day = left_today.zip(number("x-hubspot-ratelimit-daily"));
        seen.day.used = of_day.map(|(left, limit)| (limit.saturating_sub(left), limit)).or(seen.day.used);
        let left_today = seen.day.left(self.share_percent).or(left_today);
        drop(seen);
        self.limiter.observe(budget, left, limit, window, left_today);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was spent of the day.
    pub(super) fn spent(&self) -> String {
        self.seen().day.spent().text()
    }

    /// An earlier process spent this; it is `now` by real time.
    pub(super) fn recall_spent(&self, earlier: &str, now: Timestamp) {
        self.seen().day.recall(Spent::parse(earlier), now);
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.limiter.snapshot().passed_count
    }

    pub(super) fn budgets(&self) -> Vec<BudgetView> {
        let seen = self.seen();
        let now = self.limiter.snapshot();
        let wait_seconds = now.held_for.map(|wait| wait.as_secs()).filter(|seconds| *seconds > 0);
        let search = Some(now.search.rate.limit.get());
        vec![
            BudgetView { name: "burst", left: seen.left, limit: seen.limit, wait_seconds },
            BudgetView { name: "search", left: None, limit: search, wait_seconds },
            BudgetView {
                name: "daily",
                left: now.left_today,
                limit: seen.day.used.map(|(_, limit)| limit),
                wait_seconds,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_operations_count_as_reading() {
        for (method, path, reads) in [
            (Method::Get, "/crm/objects/2026-09/contacts", true),
            (Method::Get, "/account-info/2026-09/details", true),
            (Method::Post, "/crm/objects/2026-09/contacts/search", true),
            (Method::Post, "/crm/objects/2026-09/contacts/batch/read", true),
            (Method::Post, "/crm/associations/2026-09/calls/contacts/batch/read", true),
            (Method::Post, "/crm/objects/2026-09/contacts/batch/update", false),
            (Method::Post, "/crm/objects/2026-09/contacts", false),
            (Method::Post, "/crm/objects/2026-09/contacts/gdpr-delete", false),
            (Method::Post, "/crm/objects/2026-09/contacts/x/search", false),
            (Method::Patch, "/crm/objects/2026-09/contacts/1", false),
            (Method::Put, "/crm/lists/2026-09/611/memberships/add", false),
            (Method::Delete, "/crm/objects/2026-09/contacts/1", false),
        ] {
            assert_eq!(is_reading(method, path), reads, "{method:?} {path}");
        }
    }
}
