//! Bulk API 2.0 query jobs: made, asked after, read by locators as CSV. Source: section 6, "Bulk API 2.0 query".

use serde_json::{Value, json};

use super::answer::Answer;
use super::failure::Failure;
use super::moment;
use super::route::Call;
use super::soql::{self, Scope};
use super::state::{Actor, State};

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    operation: String,
    query: String,
    object: String,
    user: String,
    made_at: i64,
    /// The version that made it: another one is refused.
    version: String,
    state: &'static str,
    /// How often it was asked after; it is done after `Settings::job_polls` times.
    polls: u32,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    failed: Option<String>,
}

impl Job {
    fn shown(&self, id: &str) -> Value {
        let mut value = json!({
            "id": id, "operation": self.operation, "object": self.object, "createdById": self.user,
            "createdDate": moment::shown(self.made_at), "systemModstamp": moment::shown(self.made_at), "state": self.state,
            "concurrencyMode": "Parallel", "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA",
            "apiVersion": self.version.trim_start_matches('v').parse::<f64>().unwrap_or(0.0),
        });
        if let Some(message) = &self.failed {
            value["errorMessage"] = json!(message);
        }
        if self.state == "JobComplete" {
            value["numberRecordsProcessed"] = json!(self.rows.len());
            value["retries"] = json!(0);
            value["totalProcessingTime"] = json!(20);
        }
        value
    }
}

impl State {
    pub(super) fn job(&mut self, call: &Call, rest: &[&str], actor: &Actor) -> Result<Answer, Failure> {
        match (call.method.as_str(), rest) {
            ("POST", []) => self.new_job(&call.json()?, actor),
            ("GET", []) => {
                let all: Vec<Value> = self.jobs.iter().map(|(id, job)| job.shown(id)).collect();
                Ok(Answer::json(200, &json!({"done": true, "records": all, "nextRecordsUrl": null})))
            }
            ("GET", [id]) => {
                let polls = self.settings.job_polls;
                let job = self.jobs.get_mut(*id).ok_or_else(Failure::not_found)?;
                job.polls += 1;
                if !matches!(job.state, "Failed" | "Aborted") {
                    job.state = if job.polls > polls { "JobComplete" } else { "InProgress" };
                }
                Ok(Answer::json(200, &job.shown(id)))
            }
            ("GET", [id, "results"]) => self.results(id, call),
            ("PATCH", [id]) => {
                let job = self.jobs.get_mut(*id).ok_or_else(Failure::not_found)?;
                job.state = "Aborted";
                Ok(Answer::json(200, &job.shown(id)))
            }
            ("DELETE", [id]) => {
                self.jobs.remove(*id).ok_or_else(Failure::not_found)?;
                Ok(Answer::empty(204))
            }
            _ => Err(Failure::not_found()),
        }
    }

    fn new_job(&mut self, body: &Value, actor: &Actor) -> Result<Answer, Failure> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (operation, query) = (text("operation"), text("query"));
        if operation != "query" && operation != "queryAll" {
            return Err(Failure::new(400, "INVALIDJOB", format!("operation {operation} is not supported")));
        }
        let parsed = soql::parse(&query)?;
        let header = soql::columns(&parsed)
            .ok_or_else(|| Failure::new(400, "INVALIDJOB", "nested queries, COUNT() and OFFSET are not supported"))?;
        let answered = soql::run(self, &parsed, Scope { all: operation == "queryAll", now: self.now() })?;
        let cell = |record: &Value, column: &String| {
            let path = format!("/{}", column.replace('.', "/"));
            match record.pointer(&path) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            }
        };
        let rows =
            answered.records.iter().map(|record| header.iter().map(|column| cell(record, column)).collect()).collect();
        let id = super::id::make("750", self.jobs.len() as u64 + 1);
        let job = Job {
            operation,
            query,
            object: parsed.from.clone(),
            user: actor.user.clone(),
            made_at: self.now(),
            version: self.version.clone(),
            state: "UploadComplete",
            polls: 0,
            header,
            rows,
            failed: None,
        };
        let shown = job.shown(&id);
        self.jobs.insert(id, job);
        Ok(Answer::json(200, &shown))
    }

    fn results(&self, id: &str, call: &Call) -> Result<Answer, Failure> {
        let job = self.jobs.get(id).ok_or_else(Failure::not_found)?;
        if job.version != self.version {
            return Err(Failure::new(409, "INVALIDJOBSTATE", "the job was made by another version of the API"));
        }
        if job.state != "JobComplete" {
            return Err(Failure::new(400, "INVALIDJOBSTATE", format!("Job is not finished: {}", job.state)));
        }
        let from: usize = call
            .one("locator")
            .map_or(Some(0), |text| text.strip_prefix("MT")?.parse().ok())
            .ok_or_else(|| Failure::new(400, "INVALIDLOCATOR", "the locator is not valid"))?;
        let most: usize = call.one("maxRecords").and_then(|text| text.parse().ok()).unwrap_or(50_000);
        let most = self.settings.job_rows.map_or(most, |rows| most.min(rows)).max(1);
        let to = (from + most).min(job.rows.len());
        let mut text = String::new();
        for row in std::iter::once(&job.header).chain(job.rows.get(from..to).unwrap_or_default()) {
            let cells: Vec<String> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        let locator = if to < job.rows.len() { format!("MT{to}") } else { "null".to_owned() };
        Ok(Answer::csv(text)
            .header("sforce-locator", locator)
            .header("sforce-numberofrecords", (to - from).to_string()))
    }

    /// The job fails, as one does that runs too long.
    pub(super) fn fail_jobs(&mut self, message: &str) {
        for job in self.jobs.values_mut() {
            job.state = "Failed";
            job.failed = Some(message.to_owned());
        }
    }

    /// The queries of all jobs, in the order of their making.
    pub(super) fn job_queries(&self) -> Vec<String> {
        self.jobs.values().map(|job| job.query.clone()).collect()
    }
}
