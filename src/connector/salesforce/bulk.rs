//! A large first load by a Bulk API 2.0 query job: one request for tens of thousands of rows instead of one for a thousand. Source: section 6.
//!
//! The cursor names the job and the page of its results, so that a restart goes on where it was. A job that fails, was aborted or is gone is
//! no loss: the load begins anew by pages.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Salesforce;
use super::catalogue::Catalogue;
use super::failure::Failure;
use super::read::{Ask, Source};
use super::streams::{Job, Place};
use super::wire::{self, Listed, Row};
use crate::connector::Page;
use crate::http::Method;

/// So many rows and more are read by a job. Source: section 6.
const ROWS_LEAST: u64 = 50_000;
/// Rows of one page of results: each page becomes observations and is stored at once.
const RESULT_ROWS: &str = "2000";

#[derive(Deserialize)]
struct Told {
    id: String,
    state: String,
}

impl Salesforce {
    /// A page of a first load by a job; `None` if this place is not read by one.
    pub(super) async fn pull_bulk(
        &self,
        source: Source,
        place: &Place,
        now: Timestamp,
    ) -> Result<Option<Page>, Failure> {
        if let Some(job) = &place.job {
            return self.go_on(source, place, job, now).await.map(Some);
        }
        // Users are few, and what hangs on opportunities is read with them.
        if !place.is_beginning()
            || !matches!(source, Source::Accounts | Source::Leads | Source::Contacts | Source::Tasks | Source::Events)
        {
            return Ok(None);
        }
        let catalogue = self.catalogue().await?;
        let count = self.query(source, &catalogue, &Ask::default()).count();
        let answer = self.api.get(&["queryAll"], &[("q", &count)]).await?;
        let counted = wire::listed(&answer.response.body).map_err(Failure::Malformed)?;
        if counted.total < ROWS_LEAST {
            return Ok(None);
        }
        let query = self.query(source, &catalogue, &Ask::default()).text();
        let body = json!({ "operation": "queryAll", "query": query });
        let answer = self.api.job(Method::Post, &["jobs", "query"], Some(&body)).await?;
        let told: Told = wire::whole(&answer.response.body).map_err(Failure::Malformed)?;
        let job = Job { id: told.id, locator: None };
        let server = answer.began.unwrap_or(now);
        Ok(Some(waiting(&place.with_job(job, server))))
    }

    async fn go_on(&self, source: Source, place: &Place, job: &Job, now: Timestamp) -> Result<Page, Failure> {
        let anew = Place::by_pages();
        if job.locator.is_none() {
            let told = match self.api.get(&["jobs", "query", &job.id], &[]).await {
                Ok(answer) => wire::whole::<Told>(&answer.response.body).map_err(Failure::Malformed)?,
                Err(Failure::Missing(_)) => return Ok(begun_anew(&anew)),
                Err(other) => return Err(other),
            };
            match told.state.as_str() {
                "JobComplete" => {}
                "Failed" | "Aborted" => return Ok(begun_anew(&anew)),
                _ => return Ok(waiting(place)),
            }
        }
        let mut query = vec![("maxRecords", RESULT_ROWS)];
        query.extend(job.locator.as_deref().map(|locator| ("locator", locator)));
        let answer = match self.api.get(&["jobs", "query", &job.id, "results"], &query).await {
            Ok(answer) => answer,
            // Results stay seven days.
            Err(Failure::Missing(_) | Failure::Refused { .. }) => return Ok(begun_anew(&anew)),
            Err(other) => return Err(other),
        };
        // A page without it is a broken answer, not the end. Source: section 6.
        let locator = answer.response.header("sforce-locator").map(str::to_owned);
        let Some(locator) = locator else {
            return Err(Failure::Malformed("results of a job without Sforce-Locator".to_owned()));
        };
        let catalogue = self.catalogue().await?;
        let rows = rows(&answer.response.body, source.object(), &catalogue).map_err(Failure::Malformed)?;
        let listed = Listed { rows, done: true, ..Listed::default() };
        let seen = self.mapped(source, listed, answer.began.or(Some(now))).await?;
        let next = if locator == "null" {
            // Nothing more is to be had of it; should the request fail, the org removes it after seven days.
            drop(self.api.job::<Value>(Method::Delete, &["jobs", "query", &job.id], None).await);
            place.loaded(self.reach())
        } else {
            place.with_job(Job { id: job.id.clone(), locator: Some(locator) }, now)
        };
        Ok(Page {
            observations: seen.observations,
            next: next.cursor(),
            has_more: true,
            covered_until: None,
            findings: seen.findings,
        })
    }
}

/// Nothing can be read yet; the next poll asks again.
fn waiting(place: &Place) -> Page {
    Page { observations: Vec::new(), next: place.cursor(), has_more: false, covered_until: None, findings: Vec::new() }
}

fn begun_anew(place: &Place) -> Page {
    Page { has_more: true, ..waiting(place) }
}

/// The rows of a page of results. All values are texts there, an empty one is nothing, and quoted ones hold line ends. Source: section 6.
fn rows(body: &[u8], object: &str, catalogue: &Catalogue) -> Result<Vec<Row>, String> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') {
        return Err("a page of HTML in place of results".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new().from_reader(body);
    let header = reader.headers().map_err(|error| told(&error))?.clone();
    if header.is_empty() {
        return Err("results without a header".to_owned());
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| told(&error))?;
        let mut row = Map::new();
        for (name, cell) in header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()) {
            let kind = catalogue.field(object, name).map_or("string", |field| field.kind.as_str());
            let value = match kind {
                "boolean" => Value::Bool(cell == "true"),
                "int" | "double" | "currency" | "percent" => serde_json::from_str(cell).unwrap_or_else(|_| json!(cell)),
                _ => json!(cell),
            };
            row.insert(name.to_owned(), value);
        }
        rows.push(Row(row));
    }
    Ok(rows)
}

/// Where it stopped, without a value.
fn told(error: &csv::Error) -> String {
    error.position().map_or_else(|| "results that are no CSV".to_owned(), |at| format!("results, line {}", at.line()))
}
