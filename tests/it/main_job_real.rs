//! The main job with a real Odoo as sales' CRM and the sandbox HubSpot as marketing's: run by `tests/odoo/run.sh`, which
//! says loudly when no Odoo can be had. It takes two minutes, because a real server's clock cannot be moved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton::clock::Clock;
use baton::connector::settings::{Kind, Settings};
use baton::daemon::Parts;
use baton::daemon::assemble::{Assembly, assemble, sandbox_pace};
use baton::domain::id::Name;
use baton::domain::plan::Mode;
use baton::engine::deliver::Channels;
use baton::http::{Client, Method, Request};
use baton::sandbox::hubspot::{Author, HubSpot, Kind as Object};
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::harness::{rules, serve};

const ROSTER: &str = r#"
[teams.sales]
manager = "admin@example.com"
fallback = "admin@example.com"
calendar = "always"
tell = "slack.sales"
members = [{ person = "rita@example.com" }, { person = "marc@example.com" }]
[teams.marketing]
calendar = "always"
tell = "slack.marketing"
members = []
[people."marc@example.com"]
odoo = "demo"
[calendars.always]
zone = "Europe/Berlin"
open = { mon-sun = ["00:00-24:00"] }
"#;

struct Real {
    vars: HashMap<String, String>,
    client: Client,
}

impl Real {
    async fn call(&self, key: &str, model: &str, method: &str, arguments: Value) -> Value {
        let request = Request::to(Method::Post, &self.vars["ODOO_URL"].parse().unwrap(), &["json", "2", model, method])
            .header("x-odoo-database", self.vars["ODOO_DB"].as_str())
            .bearer(&SecretString::from(self.vars[key].clone()))
            .json(arguments.to_string().into_bytes());
        let answer = self.client.send(request).await.unwrap();
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{model}/{method}: {}", body.chars().take(300).collect::<String>());
        serde_json::from_str(&body).unwrap()
    }

    /// The open leads of this person in Odoo: number and owner.
    async fn leads(&self, email: &str) -> Vec<(i64, i64)> {
        let domain = json!([["email_from", "=", email]]);
        let found = self
            .call(
                "ODOO_KEY",
                "crm.lead",
                "search_read",
                json!({
                    "domain": domain, "fields": ["user_id"], "context": { "active_test": false }
                }),
            )
            .await;
        let row = |row: &Value| (row["id"].as_i64().unwrap(), row["user_id"][0].as_i64().unwrap_or(0));
        found.as_array().unwrap().iter().map(row).collect()
    }
}

async fn beat(parts: &Parts) {
    for (connection, _) in &parts.polls {
        parts.engine.poll(connection).await.unwrap();
    }
    parts.engine.sweep().await.unwrap();
    for (connection, _) in &parts.polls {
        parts.engine.deliver(connection).await.unwrap();
    }
    parts.engine.sweep().await.unwrap();
}

async fn beat_until<T>(parts: &Parts, what: &str, limit: Duration, mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        beat(parts).await;
        if let Some(found) = ready().await {
            return found;
        }
        assert!(started.elapsed() < limit, "{what} did not come about: {}", story(parts).await);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

async fn story(parts: &Parts) -> String {
    let roster = parts.engine.rules();
    let rows = parts.engine.store().recent_events(0, 200).await.unwrap();
    let mut lines: Vec<String> = rows
        .iter()
        .rev()
        .map(|row| {
            format!(
                "{} {} {}",
                row.event.at,
                row.lead,
                baton::report::words::happening(&row.event.what, &roster.roster)
            )
        })
        .collect();
    for finding in parts.engine.store().findings(20).await.unwrap() {
        lines.push(format!("! {}: {}", finding.subject, finding.text));
    }
    for dead in parts.engine.store().effects_dead(20).await.unwrap() {
        lines.push(format!("dead {} to {}: {:?}", dead.effect, dead.to, dead.message));
    }
    format!("\n{}", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Odoo: tests/odoo/run.sh"]
async fn the_main_job_runs_on_a_real_odoo() {
    let path = std::env::var("BATON_ODOO_ENV").expect("BATON_ODOO_ENV names no file: start with tests/odoo/run.sh");
    let text = std::fs::read_to_string(path).unwrap();
    let vars = text.lines().filter_map(|line| line.trim().trim_start_matches("export ").split_once('='));
    let vars: HashMap<String, String> =
        vars.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect();
    let real = Real { vars, client: Client::new().unwrap() };
    let rita: i64 = real.vars["ODOO_REP_ID"].parse().unwrap();

    let clock = Clock::system();
    let run = clock.now().as_second();
    let hubspot = HubSpot::new(
        clock.clone(),
        baton::sandbox::hubspot::Settings {
            index_lag: SignedDuration::ZERO,
            burst_per_10s: 100_000,
            searches_per_s: 10_000,
            ..baton::sandbox::hubspot::Settings::default()
        },
    );
    hubspot.create_list("Nurture: next quarter");
    let mut servers = JoinSet::new();
    let hubspot_at = serve(&mut servers, hubspot.router()).await;
    let mut marketing = Settings::new(
        "hubspot",
        Kind::HubSpot,
        hubspot_at.parse().unwrap(),
        hubspot.settings().tokens[0].secret.clone().into(),
    );
    marketing.tracks = vec![(Name::from("next-quarter"), "Nurture: next quarter".to_owned())];
    let mut sales =
        Settings::new("odoo", Kind::Odoo, real.vars["ODOO_URL"].parse().unwrap(), real.vars["ODOO_KEY"].clone().into());
    sales.account = Some(real.vars["ODOO_DB"].clone());
    sales.reasons = vec![(Name::from("bad_timing"), vec!["Too expensive".to_owned()])];
    for settings in [&mut marketing, &mut sales] {
        settings.settle = Duration::from_secs(1);
    }
    let agreement = super::harness::AGREEMENT
        .replace("effective = 2026-11-24", &format!("effective = {}", clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")))
        .replace("time = \"1 business hour\"", "time = \"1 minute\"")
        .replace("o.stein@example.com", "rita@example.com");
    let folder = tempfile::tempdir().unwrap();
    let parts = assemble(Assembly {
        rules: rules(&agreement, ROSTER, Mode::On),
        connections: vec![marketing, sales],
        channels: Channels::default(),
        store: folder.path().join("baton.db"),
        store_key: None,
        rest: baton::store::REST,
        retention: baton::engine::Retention::default(),
        caps: baton::domain::caps::Caps::none(),
        access: baton::domain::access::Access::default(),
        clock: clock.clone(),
        pace: Some(sandbox_pace()),
    })
    .await
    .unwrap();
    beat_until(&parts, "the first pass", Duration::from_secs(60), async || parts.engine.is_live().then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;

    // Four people become MQLs; rita and marc take turns.
    let mut people = Vec::new();
    for name in ["anna", "bert", "cora", "dora", "emil"] {
        let email = format!("{name}.{run}@acme.example");
        let contact = hubspot.create_contact(
            Author::Form,
            &[
                ("email", &email),
                ("firstname", name),
                ("lastname", "Roe"),
                ("phone", "+49 30 1"),
                ("lifecyclestage", "lead"),
            ],
        );
        let marketer = Author::User(9);
        assert!(hubspot.update(Object::Contact, &contact, marketer, &[("lifecyclestage", "marketingqualifiedlead")]));
        let lead = beat_until(&parts, "the lead in Odoo", Duration::from_secs(40), async || {
            real.leads(&email).await.first().copied().filter(|(_, owner)| *owner != 0)
        })
        .await;
        people.push((contact, email, lead.0, lead.1));
    }
    for (_, email, _, _) in &people {
        assert_eq!(real.leads(email).await.len(), 1, "one lead each");
    }
    let of = |owner_is_rita: bool, nth: usize| {
        people.iter().filter(|(_, _, _, owner)| (*owner == rita) == owner_is_rita).nth(nth).expect("they take turns")
    };
    let (called, handed, lost, silent) = (of(true, 0), of(true, 1), of(true, 2), of(false, 0));

    // The activity stands in Odoo.
    let activities = real
        .call(
            "ODOO_KEY",
            "mail.activity",
            "search_count",
            json!({ "domain": [["res_model", "=", "crm.lead"], ["res_id", "=", called.2]] }),
        )
        .await;
    beat(&parts).await;
    assert!(activities.as_i64().unwrap_or(0) <= 1);

    // One call in time; one change of the owner by hand; one lost with a reason.
    let schedule =
        json!({ "ids": [called.2], "act_type_xmlid": "mail.mail_activity_data_call", "date_deadline": "2030-01-01" });
    let ids = real.call("ODOO_REP_KEY", "crm.lead", "activity_schedule", schedule).await;
    real.call("ODOO_REP_KEY", "mail.activity", "action_feedback", json!({ "ids": ids })).await;
    real.call("ODOO_REP_KEY", "crm.lead", "write", json!({ "ids": [handed.2], "vals": { "user_id": silent.3 } })).await;
    let reasons = real
        .call(
            "ODOO_KEY",
            "crm.lost.reason",
            "search_read",
            json!({ "domain": [["name", "=", "Too expensive"]], "fields": ["name"] }),
        )
        .await;
    real.call(
        "ODOO_REP_KEY",
        "crm.lead",
        "action_set_lost",
        json!({ "ids": [lost.2], "lost_reason_id": reasons[0]["id"] }),
    )
    .await;

    beat_until(&parts, "the call as a touch", Duration::from_secs(40), async || {
        story(&parts).await.contains("first touch kept in time").then_some(())
    })
    .await;
    beat_until(&parts, "the return to marketing", Duration::from_secs(60), async || {
        (hubspot.list_members("Nurture: next quarter") == [lost.0.clone()]).then_some(())
    })
    .await;
    // One silence: warning, breach, the next rep.
    beat_until(&parts, "the reassignment", Duration::from_secs(150), async || {
        real.leads(&silent.1).await.first().copied().filter(|(_, owner)| *owner == rita)
    })
    .await;
    let told = story(&parts).await;
    for part in ["warning: first touch at 80 %", "BREACH: first touch at 100 %", "turn 1 missed", "a person gave it to"]
    {
        assert!(told.contains(part), "{part} is missing: {told}");
    }
    assert_eq!(real.leads(&handed.1).await[0].1, silent.3, "the person who changed the owner wins: {told}");
    let joins = hubspot.ledger().iter().filter(|effect| effect.path.contains("memberships")).count();
    assert_eq!(joins, 1, "on the list once: {told}");
    drop(Arc::new(servers));
}
