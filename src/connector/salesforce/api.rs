//! Sends Salesforce's requests: one place that knows the org, the session, the day's budget, and which operations only read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use url::Url;

use super::failure::{Failure, has_expired, judge};
use super::login::{Login, Session};
use super::pages::Pages;
use super::soql::{Id, Query};
use super::wire::{self, Listed, Row};
use crate::connector::BudgetView;
use crate::connector::day::{Day, Spent};
use crate::connector::settings::Settings;
use crate::connector::tokens::Vault;
use crate::http::limiter::{Budget, Lane, Limiter};
use crate::http::{Client, Method, Request, Response};

/// The version of paths unless the settings say otherwise: Summer '26. Source: section 3.
pub(super) const VERSION: &str = "67.0";

/// Every operation that only reads, as method and path behind the version (promise 8).
///
/// `*` stands for one segment, `**` at the end for any rest. A query job is made and removed, and changes no record. Whatever is not here
/// is a write and is never sent by a reading road. Source: sections 5 and 6.
pub const READS: &[(Method, &str)] =
    &[(Method::Get, "**"), (Method::Post, "jobs/query"), (Method::Delete, "jobs/query/*")];

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

/// The org ends a request after ten minutes; a write that takes longer than this is looked for. Source: section 8.
const WRITE_DEADLINE: Duration = Duration::from_secs(120);
/// Pages that one question may take.
const PAGES_MAX: usize = 500;
/// Ids in one question: the address must stay below 16 KiB. Source: section 5.
pub(super) const IDS: usize = 200;

/// The road to one org.
#[derive(Clone, Debug)]
pub(super) struct Api {
    inner: Arc<Inner>,
    /// How urgent reading is.
    reading: Lane,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    limiter: Arc<Limiter>,
    login: Login,
    version: String,
    share_percent: u32,
    answer_within: Option<Duration>,
    pages: Pages,
    sent: AtomicU64,
    day: Mutex<Day>,
}

/// An answer with the server's time.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    /// The server's clock when it began to answer, at the latest: its `Date` less the time the call took.
    pub(super) began: Option<Timestamp>,
}

impl Api {
    pub(super) fn new(
        settings: &Settings,
        client: Client,
        limiter: Arc<Limiter>,
        vault: Option<Arc<dyn Vault>>,
    ) -> Self {
        let version = settings.api_version.as_deref().unwrap_or(VERSION).trim_start_matches('v').to_owned();
        let inner = Inner {
            client,
            limiter,
            login: Login::new(settings, vault),
            version,
            share_percent: u32::from(settings.budget_percent),
            answer_within: settings.answer_within,
            pages: Pages::default(),
            sent: AtomicU64::new(0),
            day: Mutex::default(),
        };
        Self { inner: Arc::new(inner), reading: Lane::Read }
    }

    /// The same road for what may wait.
    pub(super) fn on_patrol(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), reading: Lane::Patrol }
    }

    pub(super) fn login(&self) -> (&Login, &Client) {
        (&self.inner.login, &self.inner.client)
    }

    pub(super) fn version(&self) -> &str {
        &self.inner.version
    }

    /// The session in use, for whose it is.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Failure> {
        self.inner.login.session(&self.inner.client).await
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.inner.sent.load(Ordering::SeqCst)
    }

    /// How large pages are.
    pub(super) fn pages(&self) -> &Pages {
        &self.inner.pages
    }

    /// Reads what is below the version's path.
    pub(super) async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.send(self.reading, Method::Get, segments, query, &[], None, false).await
    }

    /// The versions that the org lists. Source: section 3.
    pub(super) async fn versions(&self) -> Result<Vec<String>, Failure> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: String,
        }
        let session = self.session().await?;
        let request = Request::to(Method::Get, &base(&session.instance), &["services", "data"]);
        let response = judge(self.inner.client.send(request).await?, false).map_err(|failure| self.told(failure))?;
        let all: Vec<Version> =
            wire::whole(&response.body).map_err(|at| Failure::Malformed(format!("versions: {at}")))?;
        Ok(all.into_iter().map(|one| one.version).collect())
    }

    /// One page of a query, deleted, merged-away and archived rows included if `all`. Source: section 1.5.
    pub(super) async fn page(&self, query: &Query, all: bool) -> Result<(Listed, Option<Timestamp>), Failure> {
        let text = query.text();
        let name = if all { "queryAll" } else { "query" };
        let hint = [("sforce-query-options", "batchSize=2000".to_owned())];
        let answer = self.send(self.reading, Method::Get, &[name], &[("q", &text)], &hint, None, false).await?;
        let listed =
            wire::listed(&answer.response.body).map_err(|at| Failure::Malformed(format!("{}: {at}", query.from)))?;
        Ok((listed, answer.began))
    }

    /// All rows of a query, page after page.
    pub(super) async fn rows(&self, query: &Query, all: bool) -> Result<Vec<Row>, Failure> {
        let (mut listed, _) = self.page(query, all).await?;
        let mut rows = std::mem::take(&mut listed.rows);
        let mut pages = 1;
        while !listed.done {
            pages += 1;
            if pages > PAGES_MAX {
                return Err(Failure::Malformed(format!("{}: more than {PAGES_MAX} pages", query.from)));
            }
            listed = self.more(listed.next.as_deref().unwrap_or_default(), query.from).await?;
            rows.append(&mut listed.rows);
        }
        Ok(rows)
    }

    /// The next page. The path is relative to the org; one that names a host is not followed, since the session would go there.
    async fn more(&self, next: &str, what: &str) -> Result<Listed, Failure> {
        let start = format!("/services/data/v{}/", self.inner.version);
        let locator = next.strip_prefix(&start).and_then(|rest| rest.split_once('/'));
        let fits = |locator: &str| locator.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let Some((name @ ("query" | "queryAll"), locator)) = locator.filter(|(_, locator)| fits(locator)) else {
            return Err(Failure::Malformed(format!("{what}: nextRecordsUrl is no path of this org")));
        };
        let answer = self.send(self.reading, Method::Get, &[name, locator], &[], &[], None, false).await?;
        wire::listed(&answer.response.body).map_err(|at| Failure::Malformed(format!("{what}: {at}")))
    }

    /// Rows by their ids, in as many questions as it takes.
    pub(super) async fn by_ids(
        &self,
        query: impl Fn(&[Id]) -> Query,
        ids: &[Id],
        all: bool,
    ) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for some in ids.chunks(IDS) {
            rows.extend(self.rows(&query(some), all).await?);
        }
        Ok(rows)
    }

    /// Makes or removes a query job, which changes no record.
    pub(super) async fn job<T: Serialize>(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<&T>,
    ) -> Result<Answer, Failure> {
        let body = body.map(bytes).transpose()?;
        self.send(self.reading, method, segments, &[], &[], body, false).await
    }

    /// Writes. Assignment rules never run on a write of ours: the header's absence would let them. Source: sections 1.1 and 7.
    pub(super) async fn write<T: Serialize>(
        &self,
        lane: Lane,
        method: Method,
        segments: &[&str],
        body: &T,
        unmodified_since: Option<Timestamp>,
    ) -> Result<Answer, Failure> {
        let mut headers = vec![
            ("sforce-auto-assign", "FALSE".to_owned()),
            ("sforce-mru", "updateMru=false".to_owned()),
            ("sforce-call-options", "client=baton".to_owned()),
            ("sforce-duplicate-rule-header", "allowSave=true".to_owned()),
        ];
        headers.extend(
            unmodified_since.map(|at| ("if-unmodified-since", at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())),
        );
        self.send(lane, method, segments, &[], &headers, Some(bytes(body)?), true).await
    }

    /// Removes a record.
    pub(super) async fn delete(&self, lane: Lane, segments: &[&str]) -> Result<Answer, Failure> {
        let headers = [("sforce-auto-assign", "FALSE".to_owned()), ("sforce-call-options", "client=baton".to_owned())];
        self.send(lane, Method::Delete, segments, &[], &headers, None, true).await
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a request is put together")]
    async fn send(
        &self,
        lane: Lane,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        headers: &[(&'static str, String)],
        body: Option<Vec<u8>>,
        is_write: bool,
    ) -> Result<Answer, Failure> {
        if !is_write && !is_reading(method, &segments.join("/")) {
            return Err(Failure::refused("not a reading operation: not sent"));
        }
        let inner = &self.inner;
        let mut is_repeated = false;
        loop {
            let acquired = inner.limiter.acquire_soon(Budget::Burst, lane).await;
            acquired.map_err(|wait| Failure::Wait { wait, why: "no request is left for this now".to_owned() })?;
            let session = inner.login.session(&inner.client).await?;
            let request = self.request(&session, method, segments, query, headers, body.as_ref(), is_write);
            let started = Instant::now();
            inner.sent.fetch_add(1, Ordering::SeqCst);
            let response = inner.client.send(request).await?;
            let took = SignedDuration::try_from(started.elapsed()).unwrap_or_default();
            let began = response.date.and_then(|date| date.checked_sub(took).ok());
            self.observe(&response);
            // A session that ended was let in nowhere: the same request goes out again with the next, once. Source: section 2.
            if !is_repeated && has_expired(&response) && inner.login.expired(&session).await {
                is_repeated = true;
                continue;
            }
            return match judge(response, is_write) {
                Ok(response) => Ok(Answer { response, began }),
                Err(failure) => Err(self.told(failure)),
            };
        }
    }

    #[expect(clippy::too_many_arguments, reason = "see `send`")]
    fn request(
        &self,
        session: &Session,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        headers: &[(&'static str, String)],
        body: Option<&Vec<u8>>,
        is_write: bool,
    ) -> Request {
        let version = format!("v{}", self.inner.version);
        let path: Vec<&str> = ["services", "data", &version].into_iter().chain(segments.iter().copied()).collect();
        let mut request = Request::to(method, &base(&session.instance), &path).bearer(&session.access);
        for (name, value) in query {
            request = request.query(name, value);
        }
        for (name, value) in headers {
            request = request.header(name, value.clone());
        }
        if let Some(body) = body {
            request = request.json(body.clone());
        }
        request.deadline = self.inner.answer_within.or_else(|| is_write.then_some(WRITE_DEADLINE));
        request
    }

    fn told(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Unauthorized(said) => Failure::Unauthorized(self.inner.login.remedy(&said)),
            Failure::Wait { wait, why } => {
                self.inner.limiter.hold(wait);
                Failure::Wait { wait, why }
            }
            other => other,
        }
    }

    /// What was spent of the day.
    pub(super) fn spent(&self) -> String {
        self.day().spent().text()
    }

    /// An earlier process spent this; it is `now` by real time.
    pub(super) fn recall_spent(&self, earlier: &str, now: Timestamp) {
        self.day().recall(Spent::parse(earlier), now);
    }

    fn day(&self) -> std::sync::MutexGuard<'_, Day> {
        self.inner.day.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds the limiter from `Sforce-Limit-Info`. Source: section 8.
    fn observe(&self, response: &Response) {
        let mut day = self.day();
        day.count();
        if let Some(used) = response.header("sforce-limit-info").and_then(wire::usage) {
            day.used = Some(used);
        }
        let left = day.left(self.inner.share_percent);
        drop(day);
        self.inner.limiter.observe(Budget::Burst, None, None, None, left);
    }

    pub(super) fn budgets(&self) -> Vec<BudgetView> {
        let day = self.day();
        let wait_seconds =
            self.inner.limiter.snapshot().held_for.map(|wait| wait.as_secs()).filter(|seconds| *seconds > 0);
        let limit = day.used.map(|(_, limit)| limit);
        vec![BudgetView { name: "daily", left: day.left(self.inner.share_percent), limit, wait_seconds }]
    }
}

/// The address of the org without a path.
fn base(instance: &Url) -> Url {
    let mut base = instance.clone();
    base.set_path("/");
    base.set_query(None);
    base
}

fn bytes<T: Serialize>(body: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::refused(&format!("the body cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_operations_count_as_reading() {
        for (method, path, reads) in [
            (Method::Get, "query", true),
            (Method::Get, "sobjects/Lead/describe", true),
            (Method::Post, "jobs/query", true),
            (Method::Delete, "jobs/query/750", true),
            (Method::Post, "sobjects/Lead", false),
            (Method::Patch, "sobjects/Lead/00Q", false),
            (Method::Patch, "composite/sobjects", false),
            (Method::Post, "composite", false),
            (Method::Post, "jobs/ingest", false),
            (Method::Delete, "sobjects/Task/00T", false),
        ] {
            assert_eq!(is_reading(method, path), reads, "{method:?} {path}");
        }
    }
}
