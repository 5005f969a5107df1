//! One CRM of each kind: its sandbox, filled, and Baton's settings for it.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use baton::clock::Clock;
use baton::connector::settings::{Auth, Hook, JwtApp, Kind, Settings, SignalMap, SignalTest};
use baton::daemon::Parts;
use baton::daemon::assemble::{Assembly, assemble, sandbox_pace};
use baton::domain::id::Name;
use baton::domain::plan::Mode;
use baton::engine::Retention;
use baton::engine::deliver::Channels;
use baton::sandbox::hubspot::{self, Author, HubSpot};
use baton::sandbox::pipedrive::{self, Pipedrive};
use baton::sandbox::salesforce::{self, Salesforce};
use jiff::SignedDuration;
use serde_json::json;

use super::policy::rules;
use super::process::listen;

/// The kinds, the one that the others are held against first.
pub(crate) const KINDS: [&str; 3] = ["hubspot", "salesforce", "pipedrive"];
/// Two of the team, by login: owners go from the first to the second.
pub(crate) const REPS: [&str; 2] = ["a.lang", "b.may"];
/// What a webhook is proved with.
pub(crate) const SECRET: &str = "a long secret of the benchmark";
/// How long the sandbox may take to show a change; windows end so much before the present.
const SETTLE: Duration = Duration::from_secs(1);

/// A sandbox of some kind.
#[derive(Clone)]
pub(crate) enum Crm {
    HubSpot(HubSpot),
    Salesforce(Salesforce),
    Pipedrive(Pipedrive),
}

/// What the CRM permits; by default more than anybody asks for.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Requests in the short window: HubSpot's ten seconds, Pipedrive's two.
    pub(crate) burst: u32,
    /// Searches in theirs: HubSpot's second, Pipedrive's two.
    pub(crate) search: u32,
    /// Requests of a day; in Pipedrive its tokens.
    pub(crate) daily: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { burst: 1_000_000, search: 1_000_000, daily: 1_000_000_000 }
    }
}

impl Crm {
    /// An empty one with the team in it.
    pub(crate) fn new(kind: &str, limits: Limits) -> Self {
        let clock = Clock::system();
        let name = |login: &str| format!("{login}@example.com");
        match kind {
            "hubspot" => {
                let hub = HubSpot::new(
                    clock,
                    hubspot::Settings {
                        index_lag: SignedDuration::ZERO,
                        burst_per_10s: limits.burst,
                        associations_per_10s: limits.burst,
                        searches_per_s: limits.search,
                        daily: limits.daily.into(),
                        ..hubspot::Settings::default()
                    },
                );
                for login in REPS {
                    hub.add_owner(&name(login), login, "Rep");
                }
                Self::HubSpot(hub)
            }
            "salesforce" => {
                let settings =
                    salesforce::Settings { daily_limit: limits.daily.into(), ..salesforce::Settings::default() };
                let org = Salesforce::new(clock, settings);
                for login in REPS {
                    org.add_user(&format!("{login}@acme.example"), login, &name(login));
                }
                Self::Salesforce(org)
            }
            "pipedrive" => {
                let account = pipedrive::Settings {
                    burst_per_2s: limits.burst,
                    searches_per_2s: limits.search,
                    daily_tokens: limits.daily.into(),
                    ..pipedrive::Settings::default()
                };
                let company = Pipedrive::new(clock, account);
                for login in REPS {
                    company.add_user(login, &name(login));
                }
                Self::Pipedrive(company)
            }
            other => panic!("expected one of {KINDS:?}, found {other}"),
        }
    }

    /// Puts so many people in; in Pipedrive each with a lead, which is what has an owner there.
    pub(crate) fn fill(&self, people: usize, with_leads: bool) {
        match self {
            Self::HubSpot(hub) => {
                // The first use of a property makes it.
                hub.create_contact(Author::Form, &[("email", "first@nowhere.example"), ("baton_fit", "0")]);
                let contacts = u32::try_from(people).unwrap();
                hub.populate(&hubspot::Population { contacts, ..hubspot::Population::default() });
            }
            Self::Salesforce(org) => drop(org.import_leads(people)),
            Self::Pipedrive(company) => {
                for at in 0..people {
                    let person = json!({"name": format!("Import {at}"), "job_title": "Head of IT",
                        "emails": [{"value": format!("import{at}@example.com"), "primary": true, "label": "work"}]});
                    let person = company.create(1, pipedrive::Kind::Person, &person).unwrap();
                    if with_leads {
                        let number: i64 = person.parse().unwrap();
                        let lead = json!({"title": format!("Import {at}"), "person_id": number});
                        company.create(1, pipedrive::Kind::Lead, &lead).unwrap();
                    }
                }
            }
        }
    }

    pub(crate) fn router(&self) -> Router {
        match self {
            Self::HubSpot(hub) => hub.router(),
            Self::Salesforce(org) => org.router(),
            Self::Pipedrive(company) => company.router(),
        }
    }

    /// The requests since the last time, and what they were.
    fn requests(&self) -> String {
        let (total, parts) = match self {
            Self::HubSpot(hub) => {
                let counts = hub.requests();
                hub.reset_requests();
                (counts.total, counts.by_object.into_iter().collect::<Vec<_>>())
            }
            Self::Salesforce(org) => {
                let counts = org.requests();
                org.reset_requests();
                (counts.total, counts.by_call.into_iter().collect())
            }
            Self::Pipedrive(company) => {
                let counts = company.requests();
                company.reset_requests();
                (counts.total, counts.by_path.into_iter().collect())
            }
        };
        let parts: Vec<String> = parts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        format!("{total} ({})", parts.join(", "))
    }
}

/// The sandbox as a process: prints its address, then answers how often it was asked.
pub(crate) async fn serve(kind: &str, people: &str) {
    let crm = Crm::new(kind, Limits::default());
    let (people, with_leads) = people.strip_suffix("+leads").map_or((people, false), |people| (people, true));
    crm.fill(people.parse().unwrap(), with_leads);
    let (at, _servers) = open(crm.router()).await;
    println!("{at}");
    while tokio::task::spawn_blocking(listen).await.unwrap().is_some() {
        println!("{}", crm.requests());
    }
}

/// Serves it on loopback as long as the set lives.
pub(crate) async fn open(router: Router) -> (String, tokio::task::JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (at, server)
}

/// Baton's settings for the sandbox of `kind` at this address: its defaults, but for the pace and a signal.
pub(crate) fn settings(kind: &str, at: &str) -> Settings {
    let at = at.parse().unwrap();
    let mut settings = match kind {
        "hubspot" => {
            let token = hubspot::Settings::default().tokens[0].secret.clone();
            let mut settings = Settings::new(kind, Kind::HubSpot, at, token.into());
            settings.signals = vec![SignalMap {
                signal: Name::from("demo_request"),
                property: "recent_conversion_event_name".to_owned(),
                test: SignalTest::Contains("demo".to_owned()),
                at: Some("recent_conversion_date".to_owned()),
            }];
            settings
        }
        "salesforce" => {
            let app = salesforce::Settings::default();
            let mut settings = Settings::new(kind, Kind::Salesforce, at, String::new().into());
            settings.auth = Auth::Jwt(JwtApp {
                client_id: app.consumer_key,
                username: app.username,
                key: Salesforce::new(Clock::system(), salesforce::Settings::default()).private_key().to_owned().into(),
                audience: "https://login.salesforce.com".to_owned(),
            });
            settings
        }
        _ => {
            let token = pipedrive::Settings::default().tokens[0].secret.clone();
            let mut settings = Settings::new(kind, Kind::Pipedrive, at, token.into());
            settings.daily_tokens = Some(1_000_000_000);
            settings
        }
    };
    settings.budget_percent = 100;
    settings.settle = SETTLE;
    settings.overlap = Duration::ZERO;
    settings.hook = Some(Hook {
        secret: SECRET.into(),
        address: "https://baton.example.com/hooks".to_owned(),
        old_signature: false,
    });
    settings
}

/// Baton beside that one CRM.
pub(crate) async fn baton(kind: &str, at: &str, store: &Path, writes: Mode) -> Parts {
    let demo = include_str!("../../config/demo/agreement.toml")
        .replace("to = \"odoo\"", &format!("to = \"{kind}\""))
        .replace("effective = 2026-11-24", "effective = 2020-01-01");
    assemble(Assembly {
        rules: rules(demo, writes, Mode::Off),
        connections: vec![settings(kind, at)],
        channels: Channels::default(),
        store: store.to_owned(),
        store_key: None,
        rest: baton::store::REST,
        retention: Retention::default(),
        caps: baton::domain::caps::Caps { writes: Some(1_000_000), owners_percent: 100 },
        access: baton::domain::access::Access::default(),
        clock: Clock::system(),
        pace: Some(sandbox_pace()),
    })
    .await
    .unwrap()
}
