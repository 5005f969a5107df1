//! `baton demo`: sandbox CRMs with a company that lives in them, the daemon on an embedded store, and the board.
//!
//! It takes the road of any install: settings, agreement and roster are written into a folder and read from there, the
//! CRMs are asked over HTTP, and notices are posted to a Slack that is only a listener here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Path as UrlPath, State};
use axum::routing::post;
use axum::{Json, Router};
use clap::Args;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Common, output, setup};
use crate::api::{self, Api};
use crate::clock::Clock;
use crate::daemon::{self, assemble, telemetry};
use crate::domain::counted::many;
use crate::engine::Engine;
use crate::report::words;
use crate::sandbox::hubspot::HubSpot;
use crate::sandbox::life::{Company, Desks};
use crate::sandbox::odoo::Odoo;
use crate::sandbox::pipedrive::Pipedrive;
use crate::sandbox::salesforce::Salesforce;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Try this agreement instead of the demo's
    #[arg(long, value_name = "FILE")]
    agreement: Option<PathBuf>,
    /// How many times as fast as real time the demo runs
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=3600))]
    speed: u32,
    /// The board's address
    #[arg(long, default_value = "127.0.0.1:8686")]
    listen: std::net::SocketAddr,
    /// End by itself after this many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Other numbers live other lives
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Contacts that are there before the story begins.
const POPULATION: u32 = 120;

/// What the made-up Pipedrive account may spend in a day, which takes minutes here.
const DAILY_TOKENS: u64 = 100_000_000;

/// How long after the company was made up the agreement begins to act: Odoo's times are whole seconds, so what was made in
/// the second before would count as news.
const SETTLING: SignedDuration = SignedDuration::from_mins(1);

pub(super) async fn demo(common: &Common, args: DemoArgs) -> anyhow::Result<ExitCode> {
    telemetry::start(telemetry::Format::Quiet);
    let clock = Clock::scaled(Company::first_morning(), args.speed);
    // An hour takes seconds here, so the sandbox is asked far more often than a portal would allow.
    let portal = crate::sandbox::hubspot::Settings {
        burst_per_10s: 100_000,
        searches_per_s: 10_000,
        ..crate::sandbox::hubspot::Settings::default()
    };
    let hubspot = HubSpot::new(clock.clone(), portal);
    let odoo = Odoo::new(clock.clone(), crate::sandbox::odoo::Settings::default());
    let org = crate::sandbox::salesforce::Settings { daily_limit: 10_000_000, ..Default::default() };
    let salesforce = Salesforce::new(clock.clone(), org);
    let account = crate::sandbox::pipedrive::Settings {
        daily_tokens: DAILY_TOKENS,
        burst_per_2s: 100_000,
        searches_per_2s: 10_000,
        ..Default::default()
    };
    let pipedrive = Pipedrive::new(clock.clone(), account);
    let desks = Desks::new(odoo.clone(), salesforce.clone(), pipedrive.clone());
    let company = Company::new(clock.clone(), args.seed, hubspot.clone(), desks);
    company.seed_population(POPULATION);

    let mut tasks = JoinSet::new();
    let hubspot_at = serve(&mut tasks, hubspot.router()).await?;
    let odoo_at = serve(&mut tasks, odoo.router()).await?;
    let salesforce_at = serve(&mut tasks, salesforce.router()).await?;
    let pipedrive_at = serve(&mut tasks, pipedrive.router()).await?;
    let (told, mut inbox) = mpsc::unbounded_channel();
    let slack_at = serve(&mut tasks, slack(told)).await?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listening on {}", args.listen))?;
    let board = listener.local_addr()?;

    let folder = tempfolder()?;
    let org = salesforce.settings();
    let filled = [
        ("@LISTEN@", board.to_string()),
        ("@HUBSPOT@", hubspot_at),
        ("@ODOO@", odoo_at),
        ("@SALESFORCE@", salesforce_at),
        ("@APP@", org.consumer_key.clone()),
        ("@PIPEDRIVE@", pipedrive_at),
        ("@TOKENS@", DAILY_TOKENS.to_string()),
    ];
    let first = |token: Option<String>| token.unwrap_or_default();
    let secrets = [
        ("hubspot.token", first(hubspot.settings().tokens.first().map(|token| token.secret.clone()))),
        ("odoo.token", odoo.settings().api_key),
        ("salesforce.secret", org.consumer_secret),
        ("pipedrive.token", first(pipedrive.settings().tokens.first().map(|token| token.secret.clone()))),
        ("slack-sales.url", format!("{slack_at}/sales")),
        ("slack-partners.url", format!("{slack_at}/partners")),
        ("slack-marketing.url", format!("{slack_at}/marketing")),
    ];
    lay_out(&folder.0, &args, clock.now() + SETTLING, &filled, &secrets)?;
    let settings = Common { config: Some(folder.0.join("baton.toml")), json: common.json };
    let loaded = match setup::load(&settings) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let mut assembly = setup::assembly(&loaded);
    assembly.clock = clock.clone();
    assembly.pace = Some(assemble::sandbox_pace());
    let parts = assemble::assemble(assembly).await?;
    let engine = Arc::clone(&parts.engine);
    let router = api::router(Api { engine: Arc::clone(&engine), status: Arc::clone(&parts.status) });
    parts.describe_connections().await;
    say(common, &format!("Board: http://{board}/"));
    say(
        common,
        &format!(
            "Time runs {} times as fast as real time: an hour takes {} s. Ctrl-C ends it.",
            args.speed,
            3600 / args.speed
        ),
    );

    tasks.spawn(async move {
        loop {
            company.step();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let lines = {
        let engine = Arc::clone(&engine);
        let common = common.clone();
        async move {
            let mut seen = 0;
            loop {
                while let Ok(notice) = inbox.try_recv() {
                    say(&common, &notice);
                }
                seen = tell(&common, &engine, seen).await;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    };
    let end = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => daemon::stopped().await,
        }
    };
    tokio::select! {
        ended = daemon::run(parts, router, listener, end) => ended?,
        () = lines => {}
    }
    tasks.shutdown().await;
    summary(common, &engine, &clock).await?;
    engine.store().close().await;
    Ok(ExitCode::SUCCESS)
}

/// Serves `router` on a free port of loopback; answers its address.
async fn serve(tasks: &mut JoinSet<()>, router: Router) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listening on loopback")?;
    let address = listener.local_addr()?;
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("a sandbox server ended: {error}");
        }
    });
    Ok(format!("http://{address}"))
}

/// A Slack that only listens: each message becomes a line.
fn slack(told: mpsc::UnboundedSender<String>) -> Router {
    async fn post_message(
        State(told): State<mpsc::UnboundedSender<String>>,
        UrlPath(channel): UrlPath<String>,
        Json(message): Json<serde_json::Value>,
    ) -> &'static str {
        let text = message.get("text").and_then(serde_json::Value::as_str).unwrap_or("(no text)");
        // Nobody listens any more once the demo ends.
        drop(told.send(format!("                 -> #{channel}: {}", output::safe(text))));
        "ok"
    }
    Router::new().route("/{channel}", post(post_message)).with_state(told)
}

/// A folder of the demo's own, gone when it ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn tempfolder() -> anyhow::Result<Folder> {
    let path = std::env::temp_dir().join(format!("baton-demo-{}-{:08x}", std::process::id(), fastrand::u32(..)));
    std::fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(Folder(path))
}

fn lay_out(
    folder: &Path,
    args: &DemoArgs,
    effective: jiff::Timestamp,
    filled: &[(&str, String)],
    secrets: &[(&str, String)],
) -> anyhow::Result<()> {
    let mut settings = include_str!("../../config/demo/baton.toml").to_owned();
    for (mark, value) in filled {
        settings = settings.replace(mark, value);
    }
    let agreement = match &args.agreement {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?,
        // It acts from here on: whoever was qualified while the company was being made up is only watched.
        None => include_str!("../../config/demo/agreement.toml")
            .replace("effective = 2026-11-24", &format!("effective = {}", effective.strftime("%Y-%m-%dT%H:%M:%SZ"))),
    };
    let files = [
        ("baton.toml", settings.as_str()),
        ("agreement.toml", agreement.as_str()),
        ("roster.toml", include_str!("../../config/demo/roster.toml")),
    ];
    for (name, text) in files.into_iter().chain(secrets.iter().map(|(name, text)| (*name, text.as_str()))) {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        private(&path)?;
    }
    Ok(())
}

fn private(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("protecting {}", path.display()))
}

/// Prints the events after `seen`; answers the newest.
async fn tell(common: &Common, engine: &Engine, seen: i64) -> i64 {
    let rules = engine.rules();
    let Ok(mut rows) = engine.store().recent_events(seen, 200).await else { return seen };
    rows.reverse();
    for row in &rows {
        let who = row.name.clone().unwrap_or_else(|| row.lead.to_string());
        let text = words::happening(&row.event.what, &rules.roster);
        if matches!(row.event.what, crate::domain::plan::Happening::Adopted) {
            continue;
        }
        let line = format!(
            "{}  {:<6} {:<22} {text}",
            words::instant(row.event.at, &rules.zone),
            row.lead.to_string(),
            output::safe(&who)
        );
        if common.json {
            let event = serde_json::json!({ "at": row.event.at.to_string(), "lead": row.lead.to_string(), "who": who, "text": text });
            output::line(&event.to_string());
        } else {
            output::line(&line);
        }
    }
    rows.last().map_or(seen, |row| row.seq)
}

fn say(common: &Common, text: &str) {
    if common.json { output::note(text) } else { output::line(text) }
}

async fn summary(common: &Common, engine: &Engine, clock: &Clock) -> anyhow::Result<()> {
    use crate::domain::handoff::Outcome;
    use crate::domain::plan::Happening;
    let mut counts = [0_u32; 8];
    for row in engine.store().recent_events(0, 100_000).await? {
        let place = match &row.event.what {
            Happening::Opened { .. } => 0,
            Happening::Kept { in_time: true, commitment, .. } if commitment.as_str() == "first touch" => 1,
            Happening::StepFired { at_percent, .. } if *at_percent < 100 => 2,
            Happening::StepFired { at_percent, commitment, .. }
                if *at_percent == 100 && commitment.as_str() == "first touch" =>
            {
                3
            }
            Happening::TurnEnded { how: crate::domain::handoff::TurnEnded::Missed, .. } => 4,
            Happening::TakenOver { .. } => 5,
            Happening::Returned { .. } => 6,
            Happening::Closed(Outcome::Qualified) => 7,
            _ => continue,
        };
        counts[place] += 1;
    }
    let overview = engine.store().overview().await?;
    let ran = clock.now().duration_since(Company::first_morning());
    let names = [
        "hand-offs",
        "touched in time",
        "warnings",
        "breaches",
        "reassigned",
        "taken over by a person",
        "returned to marketing",
        "confirmed by sales",
    ];
    if common.json {
        let pairs: serde_json::Map<String, serde_json::Value> =
            names.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), count.into())).collect();
        output::json(&pairs)?;
        return Ok(());
    }
    output::line(&format!("\nThe company lived for {}.", words::span(SignedDuration::from_secs(ran.as_secs()))));
    for (name, count) in names.iter().zip(counts) {
        output::line(&format!("  {count:>4}  {name}"));
    }
    let effects: Vec<String> = overview.effects.iter().map(|(state, count)| format!("{count} {state}")).collect();
    output::line(&format!(
        "  Effects: {}. Still open: {}.",
        effects.join(", "),
        many(overview.open, "hand-off", "hand-offs")
    ));
    Ok(())
}
