//! Sends Pipedrive's requests: one place that knows the address, the token, the budgets, and which operations only read.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::answer::{self, Failure};
use super::cost::{PER_SEAT, Purse, cost};
use super::oauth::Login;
use super::wire::{self, Listed, Row};
use crate::connector::BudgetView;
use crate::connector::settings::{Auth, Settings};
use crate::connector::tokens::Vault;
use crate::http::limiter::{self, Budget, Lane, Limiter};
use crate::http::{Client, Method, Request, Response};

/// Does this operation only read? Every `GET` does, and nothing else (promise 8). Source: section 3.
#[must_use]
pub fn is_reading(method: Method) -> bool {
    method == Method::Get
}

/// What a request proves itself with.
#[derive(Debug)]
enum Proof {
    Token(SecretString),
    Login(Box<Login>),
}

/// An answer with the server's time.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// The server's clock when it answered.
    pub(super) date: Option<Timestamp>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    limiter: Arc<Limiter>,
    base: Url,
    proof: Proof,
    answer_within: Option<Duration>,
    purse: Mutex<Purse>,
    /// Was it said how many tokens the company has?
    is_said: bool,
    seen: Mutex<(Option<u32>, Option<u32>)>,
    date_ms: AtomicI64,
}

/// The road to one company.
#[derive(Clone, Debug)]
pub(super) struct Api {
    inner: Arc<Inner>,
    /// How urgent reading is.
    reading: Lane,
}

/// How a path begins and goes on: `["v2", "persons", "7"]`.
pub(super) type Path<'a> = &'a [&'a str];

impl Api {
    pub(super) fn new(
        settings: &Settings,
        client: Client,
        limiter: Arc<Limiter>,
        vault: Option<Arc<dyn Vault>>,
    ) -> Self {
        let proof = match &settings.auth {
            Auth::Token(token) => Proof::Token(token.clone()),
            // The settings refuse these for Pipedrive; an empty token is let in nowhere.
            Auth::Jwt(_) | Auth::Client(_) => Proof::Token(SecretString::from(String::new())),
            Auth::Oauth(app) => {
                Proof::Login(Box::new(Login::new(&settings.id, &settings.base_url, app.clone(), vault)))
            }
        };
        let purse = Purse::new(settings.daily_tokens.unwrap_or(PER_SEAT), settings.budget_percent);
        let inner = Inner {
            client,
            limiter,
            base: settings.base_url.clone(),
            proof,
            answer_within: settings.answer_within,
            purse: Mutex::new(purse),
            is_said: settings.daily_tokens.is_some(),
            seen: Mutex::default(),
            date_ms: AtomicI64::new(i64::MIN),
        };
        Self { inner: Arc::new(inner), reading: Lane::Read }
    }

    /// The same road for what may wait.
    pub(super) fn on_patrol(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), reading: Lane::Patrol }
    }

    /// The company has so many users, each of whom has a seat: what it may spend in a day follows, on the smallest plan.
    /// Source: section 6; the plan is in no answer.
    pub(super) fn has_seats(&self, seats: usize) {
        if !self.inner.is_said {
            let seats = u64::try_from(seats).unwrap_or(1).max(1);
            self.purse().has_daily(PER_SEAT * seats);
        }
    }

    /// The login of the connection, where it has one, and what its requests go out by.
    pub(super) fn login(&self) -> Option<(&Login, &Client)> {
        match &self.inner.proof {
            Proof::Token(_) => None,
            Proof::Login(login) => Some((login, &self.inner.client)),
        }
    }

    /// The CRM's newest known time.
    pub(super) fn crm_now(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.inner.date_ms.load(Ordering::SeqCst)).ok()
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.inner.limiter.snapshot().passed_count
    }

    /// Asks; query values are escaped one by one.
    pub(super) async fn ask(&self, path: Path<'_>, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.send(self.reading, Method::Get, path, query, None).await
    }

    /// Reads a page of records, each by itself.
    pub(super) async fn list(
        &self,
        path: Path<'_>,
        query: &[(&str, &str)],
    ) -> Result<(Listed, Option<Timestamp>), Failure> {
        let answer = self.ask(path, query).await?;
        let listed =
            wire::listed(&answer.body).map_err(|at| Failure::Malformed(format!("{}: {at}", path.join("/"))))?;
        Ok((listed, answer.date))
    }

    /// Reads one record; `None` if there is none.
    pub(super) async fn one(&self, path: Path<'_>, query: &[(&str, &str)]) -> Result<Option<Row>, Failure> {
        match self.ask(path, query).await {
            Ok(answer) => Ok(Some(self.row(&answer, path)?)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Writes, and reads the record that comes back. A failure after which the write may stand says so.
    pub(super) async fn write(&self, lane: Lane, method: Method, path: Path<'_>, body: &Value) -> Result<Row, Failure> {
        let answer = self.send(lane, method, path, &[], Some(body)).await?;
        self.row(&answer, path)
    }

    /// Writes, and reads the records that come back.
    pub(super) async fn write_list(&self, lane: Lane, path: Path<'_>, body: &Value) -> Result<Vec<Row>, Failure> {
        let answer = self.send(lane, Method::Post, path, &[], Some(body)).await?;
        let listed =
            wire::listed(&answer.body).map_err(|at| Failure::Malformed(format!("{}: {at}", path.join("/"))))?;
        Ok(listed.rows)
    }

    fn row(&self, answer: &Answer, path: Path<'_>) -> Result<Row, Failure> {
        wire::one(&answer.body)
            .map_err(|at| Failure::Malformed(format!("{}: {at}", path.first().copied().unwrap_or_default())))
    }

    async fn send(
        &self,
        lane: Lane,
        method: Method,
        path: Path<'_>,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let (tokens, is_search) = (cost(method, path), path.last() == Some(&"search"));
        let budget = if is_search { Budget::Search } else { Budget::Burst };
        let mut segments = vec!["api"];
        segments.extend(path);
        let mut is_repeated = false;
        loop {
            self.admit(budget, lane, path, tokens).await?;
            let mut request = Request::to(method, &self.inner.base, &segments);
            for (name, value) in query {
                request = request.query(name, value);
            }
            if let Some(body) = body {
                request = request.json(body.to_string().into_bytes());
            }
            request.deadline = self.inner.answer_within;
            let (request, bearer) = self.proved(request).await?;
            let response = self.inner.client.send(request).await.map_err(Failure::from)?;
            self.observe(budget, &response);
            // A token that ended on the way was let in nowhere: the same request goes out again with the next, once.
            if let (Proof::Login(login), Some(bearer), 401, false) =
                (&self.inner.proof, bearer, response.status, is_repeated)
                && login.expired(&bearer).await
            {
                is_repeated = true;
                continue;
            }
            return self.judged(budget, response);
        }
    }

    /// Waits for the limiter, by requests and by tokens, and spends the tokens.
    async fn admit(&self, budget: Budget, lane: Lane, path: Path<'_>, tokens: u64) -> Result<(), Failure> {
        let limiter = &self.inner.limiter;
        let left = self.purse().left(self.now());
        limiter.observe(budget, None, None, None, Some(count(left)));
        limiter.acquire_soon(budget, lane).await.map_err(|wait| Failure::Wait(wait, answer::Budget::Unsaid))?;
        let mut purse = self.purse();
        purse.spend(self.now(), path, tokens);
        tracing::trace!(tokens, left = purse.left(self.now()), "a request to Pipedrive costs {tokens} tokens");
        Ok(())
    }

    async fn proved(&self, request: Request) -> Result<(Request, Option<SecretString>), Failure> {
        match &self.inner.proof {
            // The query form is in no specification any more. Source: section 2.
            Proof::Token(token) => Ok((request.header("x-api-token", token.expose_secret().to_owned()), None)),
            Proof::Login(login) => {
                let bearer = login.bearer(&self.inner.client).await?;
                Ok((request.bearer(&bearer), Some(bearer)))
            }
        }
    }

    fn judged(&self, budget: Budget, mut response: Response) -> Result<Answer, Failure> {
        let date = response.date;
        if let (Proof::Token(token), false) = (&self.inner.proof, (200..300).contains(&response.status)) {
            hide(&mut response.body, token.expose_secret());
        }
        let judged = answer::judge(response, self.now()).inspect_err(|failure| match failure {
            Failure::Wait(wait, of) => {
                self.inner.limiter.hold(*wait);
                match of {
                    answer::Budget::Daily => self.purse().is_empty(self.now()),
                    answer::Budget::Burst | answer::Budget::Unsaid => self.inner.limiter.refused(budget),
                }
            }
            Failure::Banned => self.inner.limiter.hold(answer::BANNED),
            _ => {}
        });
        let judged = judged.map_err(|failure| match (failure, &self.inner.proof) {
            (Failure::Unauthorized(said), Proof::Token(_)) => Failure::Unauthorized(format!(
                "{said}; take a working API token from Pipedrive (Personal preferences, API) and put it where auth.token points"
            )),
            (Failure::Unauthorized(said), Proof::Login(login)) => Failure::Unauthorized(login.remedy(&said)),
            (other, _) => other,
        })?;
        Ok(Answer { body: judged.body, date })
    }

    /// Feeds the limiter from the headers. Source: section 6.
    fn observe(&self, budget: Budget, response: &Response) {
        if let Some(date) = response.date {
            self.inner.date_ms.fetch_max(date.as_millisecond(), Ordering::SeqCst);
        }
        let number = |name: &str| response.header(name).and_then(|text| text.trim().parse::<u32>().ok());
        let (left, limit) = (number("x-ratelimit-remaining"), number("x-ratelimit-limit"));
        if left.is_none() && limit.is_none() {
            return;
        }
        let tokens = self.purse().left(self.now());
        self.inner.limiter.observe(budget, left, limit, Some(WINDOW), Some(count(tokens)));
        if budget == Budget::Burst {
            *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner) = (left, limit);
        }
    }

    pub(super) fn budgets(&self) -> Vec<BudgetView> {
        let (left, limit) = *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.inner.limiter.snapshot();
        let wait_seconds = now.held_for.map(|wait| wait.as_secs()).filter(|seconds| *seconds > 0);
        let search = Some(now.search.rate.limit.get());
        let mut purse = self.purse();
        let tokens_left = Some(count(purse.left(self.now())));
        let tokens = Some(count(purse.allowed()));
        vec![
            BudgetView { name: "burst", left, limit, wait_seconds },
            BudgetView { name: "search", left: None, limit: search, wait_seconds },
            BudgetView { name: "daily tokens", left: tokens_left, limit: tokens, wait_seconds },
        ]
    }

    /// What today's tokens went to, the dearest first: `v1/leads 240`.
    pub(super) fn spent(&self) -> String {
        let purse = self.purse();
        let spent: Vec<String> =
            purse.spent().iter().take(3).map(|(area, tokens)| format!("{area} {tokens}")).collect();
        if spent.is_empty() { "nothing yet".to_owned() } else { spent.join(", ") }
    }

    /// What was spent today, for the next process.
    pub(super) fn kept(&self) -> String {
        self.purse().text()
    }

    /// An earlier process spent this.
    pub(super) fn recall_spent(&self, earlier: &str) {
        self.purse().recall(earlier);
    }

    /// The CRM's time where it is known: the day of the budget is the CRM's.
    fn now(&self) -> Timestamp {
        self.crm_now().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.inner.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The window of the burst limit. Source: section 6.
const WINDOW: Duration = Duration::from_secs(2);

/// How the limiter of a connection begins: the least that Pipedrive gives any account; the headers raise the first. Source:
/// section 6.
#[must_use]
pub(super) fn pace(settings: &Settings) -> limiter::Settings {
    limiter::Settings {
        share_percent: u32::from(settings.budget_percent),
        burst: limiter::Rate::new(20, WINDOW),
        search: limiter::Rate::new(10, WINDOW),
    }
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A server that repeats what it was sent must not bring the token into an error message.
fn hide(body: &mut Vec<u8>, token: &str) {
    if !token.is_empty()
        && let Ok(text) = std::str::from_utf8(body)
        && text.contains(token)
    {
        *body = text.replace(token, "[token]").into_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_get_counts_as_reading() {
        for (method, reads) in [
            (Method::Get, true),
            (Method::Post, false),
            (Method::Patch, false),
            (Method::Put, false),
            (Method::Delete, false),
        ] {
            assert_eq!(is_reading(method), reads, "{method:?}");
        }
    }

    #[test]
    fn a_token_that_is_repeated_does_not_come_back() {
        let mut body = b"bad token canary-1!".to_vec();
        hide(&mut body, "canary-1");
        assert_eq!(body, b"bad token [token]!");
    }
}
