//! Webhooks v2: subscriptions, what is told of each change, deliveries with their retries, bans and ends. Source: section 8.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::{Answer, Reply, lead_time, no_such_path, uuid};
use super::kind::Kind;
use super::server::Call;
use super::write::By;
use super::{Pipedrive, State};

/// Subscriptions of one user. Source: section 7, 422.
const HOOKS_MAX: usize = 40;
/// How long an answer is waited for. Source: section 8.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// After so many milliseconds it is tried again. Source: section 8.
const RETRIES_MS: [i64; 3] = [3_000, 30_000, 150_000];
/// First attempts that fail in a row until a ban, and how long that lasts. Source: section 8.
const FAILURES_MAX: u32 = 10;
const BAN_MS: i64 = 30 * 60_000;
/// Without success for so long, a subscription is deleted. Source: section 8.
const DEAD_MS: i64 = 3 * 86_400_000;

#[derive(Clone, Debug)]
struct Hook {
    id: i64,
    user: i64,
    action: String,
    object: String,
    url: String,
    name: String,
    auth: Option<(String, String)>,
    added: i64,
    failures: u32,
    banned_until: i64,
    last_good: i64,
    last_status: Option<u16>,
}

/// One event on its way to one subscription.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where it goes.
    pub url: String,
    /// User and password, sent as HTTP Basic.
    pub auth: Option<(String, String)>,
    /// The body.
    pub body: Value,
    hook: i64,
    attempt: u32,
    due: i64,
}

/// Subscriptions and what waits to be delivered.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    all: Vec<Hook>,
    waiting: Vec<Delivery>,
    next: i64,
}

/// Something that happened to a record.
pub(super) struct Happened<'a> {
    pub(super) kind: Kind,
    /// `create`, `change` or `delete`.
    pub(super) action: &'static str,
    pub(super) id: &'a str,
    pub(super) data: Value,
    pub(super) previous: Value,
    pub(super) by: By,
    /// `merged_to_id` or `merged_from_id`, with the other one.
    pub(super) merged: Option<(&'static str, &'a str)>,
}

impl State {
    /// Tells every subscription that asked for it.
    pub(super) fn happened(&mut self, what: Happened<'_>) {
        let now = self.now();
        let company = self.settings.company_id.to_string();
        let Happened { kind, action, id, mut data, mut previous, by, merged } = what;
        for shown in [&mut data, &mut previous] {
            told_as(kind, shown);
        }
        let mut deliveries = Vec::new();
        for hook in &self.hooks.all {
            let is_wanted = |wanted: &str, is: &str| wanted == "*" || wanted == is;
            if !is_wanted(&hook.action, action) || !is_wanted(&hook.object, kind.as_str()) || hook.banned_until > now {
                continue;
            }
            // Ids in `meta` are text.
            let mut meta = json!({
                "action": action,
                "entity": kind.as_str(),
                "company_id": company,
                "correlation_id": uuid(),
                "entity_id": id,
                "id": uuid(),
                "is_bulk_edit": false,
                "timestamp": lead_time(now),
                "type": "general",
                "user_id": by.user.to_string(),
                "version": "2.0",
                "webhook_id": hook.id.to_string(),
                "webhook_owner_id": hook.user.to_string(),
                "change_source": if by.is_api { "api" } else { "app" },
                "permitted_user_ids": [by.user.to_string()],
                "attempt": 1,
                "host": format!("{}.pipedrive.com", self.settings.company_domain),
            });
            if let Some((name, other)) = merged {
                meta[name] = json!(other);
            }
            let previous = if action == "create" { Value::Null } else { previous.clone() };
            let body = json!({ "meta": meta, "data": data, "previous": previous });
            let (url, auth) = (hook.url.clone(), hook.auth.clone());
            deliveries.push(Delivery { url, auth, body, hook: hook.id, attempt: 1, due: now });
        }
        self.hooks.waiting.extend(deliveries);
    }

    fn settle(&mut self, mut delivery: Delivery, status: Option<u16>) {
        let now = self.now();
        let Some(hook) = self.hooks.all.iter_mut().find(|hook| hook.id == delivery.hook) else { return };
        hook.last_status = status;
        if status.is_some_and(|status| (200..300).contains(&status)) {
            hook.failures = 0;
            hook.last_good = now;
            return;
        }
        if delivery.attempt == 1 {
            hook.failures += 1;
            if hook.failures >= FAILURES_MAX {
                hook.failures = 0;
                hook.banned_until = now + BAN_MS;
            }
        }
        if now - hook.last_good >= DEAD_MS {
            self.hooks.all.retain(|hook| hook.id != delivery.hook);
            return;
        }
        let retry = usize::try_from(delivery.attempt).ok().and_then(|attempt| RETRIES_MS.get(attempt - 1));
        if let Some(wait) = retry {
            delivery.attempt += 1;
            delivery.due = now + wait;
            delivery.body["meta"]["attempt"] = json!(delivery.attempt);
            self.hooks.waiting.push(delivery);
        }
    }
}

/// Leads tell their custom fields under `custom_fields`, unlike their API.
fn told_as(kind: Kind, shown: &mut Value) {
    let Some(record) = shown.as_object_mut().filter(|_| kind == Kind::Lead) else { return };
    let hashes: Vec<String> = record
        .keys()
        .filter(|name| name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .cloned()
        .collect();
    let custom = hashes.into_iter().filter_map(|hash| record.remove(&hash).map(|value| (hash, value))).collect();
    record.insert("custom_fields".to_owned(), Value::Object(custom));
}

impl Pipedrive {
    /// What is to be delivered now: tests that call nobody take it from here.
    #[must_use]
    pub fn take_deliveries(&self) -> Vec<Delivery> {
        let mut state = self.lock();
        let now = state.now();
        let (due, later) =
            std::mem::take(&mut state.hooks.waiting).into_iter().partition(|one: &Delivery| one.due <= now);
        state.hooks.waiting = later;
        due
    }

    /// Delivers what is due over HTTP, and notes how it went; answers with how many came through. No redirect is followed.
    pub async fn deliver_webhooks(&self) -> usize {
        let due = self.take_deliveries();
        if due.is_empty() {
            return 0;
        }
        // Fails only if a provider is there already, which is as good; without one no client can be built.
        drop(rustls::crypto::ring::default_provider().install_default());
        let Ok(client) =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ANSWER_WITHIN).build()
        else {
            return 0;
        };
        let mut through = 0;
        for delivery in due {
            let mut request =
                client.post(&delivery.url).header("content-type", "application/json").body(delivery.body.to_string());
            if let Some((user, password)) = &delivery.auth {
                let basic = STANDARD.encode(format!("{user}:{password}"));
                request = request.header("authorization", format!("Basic {basic}"));
            }
            let status = request.send().await.ok().map(|answer| answer.status().as_u16());
            through += usize::from(status.is_some_and(|status| (200..300).contains(&status)));
            self.lock().settle(delivery, status);
        }
        through
    }
}

pub(super) fn run(call: &mut Call<'_>, path: &[&str]) -> Reply {
    match (call.method, path) {
        ("GET", []) => {
            let shown: Vec<Value> = call.state.hooks.all.iter().map(|hook| render(call.state, hook)).collect();
            Ok(Answer::json(200, &json!({"status": "ok", "success": true, "data": shown})))
        }
        ("POST", []) => add(call),
        ("DELETE", [id]) => {
            let known = call.state.hooks.all.len();
            call.state.hooks.all.retain(|hook| hook.id.to_string() != *id);
            if call.state.hooks.all.len() == known {
                return Err(Answer::json(
                    404,
                    &json!({"status": "error", "success": false, "errors": {"id": ["not found"]}}),
                ));
            }
            Ok(Answer::json(200, &json!({"status": "ok", "success": true})))
        }
        _ => Err(no_such_path()),
    }
}

fn add(call: &mut Call<'_>) -> Reply {
    let body = call.json()?;
    let refused = |field: &str, why: &str| {
        Answer::json(400, &json!({"status": "error", "success": false, "errors": {field: [why]}}))
    };
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let needed = |name: &str| text(name).ok_or_else(|| refused(name, "is required"));
    let (url, action, object, name) =
        (needed("subscription_url")?, needed("event_action")?, needed("event_object")?, needed("name")?);
    if url::Url::parse(&url).is_err() {
        return Err(refused("subscription_url", "invalid or non-reachable URL"));
    }
    if !matches!(action.as_str(), "create" | "change" | "delete" | "*") {
        return Err(refused("event_action", "is not valid"));
    }
    let objects =
        ["activity", "deal", "lead", "note", "organization", "person", "pipeline", "product", "stage", "user", "*"];
    if !objects.contains(&object.as_str()) {
        return Err(refused("event_object", "is not valid"));
    }
    // Without it some accounts refused for a while. Source: section 10.
    let Some(user) = body["user_id"].as_i64() else { return Err(refused("user_id", "is required")) };
    if call.state.hooks.all.iter().filter(|hook| hook.user == user).count() >= HOOKS_MAX {
        return Err(Answer::json(422, &json!({"status": "error", "success": false, "errors": {"limit": ["reached"]}})));
    }
    let now = call.state.now();
    call.state.hooks.next += 1;
    let hook = Hook {
        id: call.state.hooks.next,
        user,
        action,
        object,
        url,
        name,
        auth: text("http_auth_user").zip(text("http_auth_password")),
        added: now,
        failures: 0,
        banned_until: 0,
        last_good: now,
        last_status: None,
    };
    let shown = render(call.state, &hook);
    call.state.hooks.all.push(hook);
    Ok(Answer::json(201, &json!({"status": "ok", "success": true, "data": shown})))
}

fn render(state: &State, hook: &Hook) -> Value {
    json!({
        "id": hook.id,
        "company_id": state.settings.company_id,
        "owner_id": hook.user,
        "user_id": hook.user,
        "event_action": hook.action,
        "event_object": hook.object,
        "subscription_url": hook.url,
        "version": "2.0",
        "is_active": 1,
        "add_time": lead_time(hook.added),
        "remove_time": null,
        "type": "general",
        "http_auth_user": hook.auth.as_ref().map(|(user, _)| user.clone()),
        "http_auth_password": null,
        "remove_reason": null,
        "last_delivery_time": null,
        "last_http_status": hook.last_status,
        "admin_id": hook.user,
        "name": hook.name,
    })
}
