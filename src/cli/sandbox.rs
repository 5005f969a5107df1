//! `baton sandbox`: the made-up CRMs alone.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use super::{Common, output};
use crate::clock::Clock;
use crate::daemon;
use crate::sandbox::hubspot::{HubSpot, OauthApp};
use crate::sandbox::life::{Company, Desks};
use crate::sandbox::odoo::Odoo;
use crate::sandbox::pipedrive::Pipedrive;
use crate::sandbox::salesforce::Salesforce;

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Where HubSpot answers
    #[arg(long, default_value = "127.0.0.1:8701")]
    hubspot: std::net::SocketAddr,
    /// Where Odoo answers
    #[arg(long, default_value = "127.0.0.1:8702")]
    odoo: std::net::SocketAddr,
    /// Where Salesforce answers
    #[arg(long, default_value = "127.0.0.1:8703")]
    salesforce: std::net::SocketAddr,
    /// Where Pipedrive answers
    #[arg(long, default_value = "127.0.0.1:8704")]
    pipedrive: std::net::SocketAddr,
    /// People to begin with; 0 = empty CRMs in which nobody lives
    #[arg(long, default_value_t = 120)]
    population: u32,
    /// How many times as fast as real time the company lives
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
    speed: u32,
    /// Other numbers live other lives
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

pub(super) async fn sandbox(common: &Common, args: SandboxArgs) -> anyhow::Result<ExitCode> {
    let clock = if args.speed == 1 { Clock::system() } else { Clock::scaled(Clock::system().now(), args.speed) };
    let app = OauthApp::new("sandbox-app", "sandbox-secret");
    let portal = crate::sandbox::hubspot::Settings { oauth: Some(app.clone()), ..Default::default() };
    let hubspot = HubSpot::new(clock.clone(), portal);
    let odoo = Odoo::new(clock.clone(), crate::sandbox::odoo::Settings::default());
    let salesforce = Salesforce::new(clock.clone(), crate::sandbox::salesforce::Settings::default());
    let pipedrive = Pipedrive::new(clock.clone(), crate::sandbox::pipedrive::Settings::default());
    let pipedrive_listener =
        TcpListener::bind(args.pipedrive).await.with_context(|| format!("listening on {}", args.pipedrive))?;
    let hubspot_listener =
        TcpListener::bind(args.hubspot).await.with_context(|| format!("listening on {}", args.hubspot))?;
    let odoo_listener = TcpListener::bind(args.odoo).await.with_context(|| format!("listening on {}", args.odoo))?;
    let salesforce_listener =
        TcpListener::bind(args.salesforce).await.with_context(|| format!("listening on {}", args.salesforce))?;
    let salesforce_at = salesforce_listener.local_addr()?;
    let org = salesforce.settings();
    let (hubspot_at, odoo_at) = (hubspot_listener.local_addr()?, odoo_listener.local_addr()?);
    let pipedrive_at = pipedrive_listener.local_addr()?;
    let pipedrive_token = pipedrive.settings().tokens.first().map(|token| token.secret.clone()).unwrap_or_default();
    let token = hubspot.settings().tokens.first().map(|token| token.secret.clone()).unwrap_or_default();
    let odoo_settings = odoo.settings();
    if common.json {
        output::json(&serde_json::json!({
            "hubspot": {
                "base_url": format!("http://{hubspot_at}"), "token": token,
                "oauth": { "client_id": app.client_id, "client_secret": app.client_secret },
            },
            "odoo": { "base_url": format!("http://{odoo_at}"), "token": odoo_settings.api_key, "account": odoo_settings.database },
            "salesforce": {
                "base_url": format!("http://{salesforce_at}"), "account": salesforce.organization(),
                "client": { "client_id": org.consumer_key, "client_secret": org.consumer_secret },
                "jwt": { "client_id": org.consumer_key, "username": org.username, "key": salesforce.private_key() },
            },
            "pipedrive": { "base_url": format!("http://{pipedrive_at}"), "token": pipedrive_token },
        }))?;
    } else {
        output::line(&format!(
            "HubSpot     http://{hubspot_at}  token {token}, or OAuth app {} with secret {}",
            app.client_id, app.client_secret
        ));
        output::line(&format!(
            "Odoo        http://{odoo_at}  token {}  database {}",
            odoo_settings.api_key, odoo_settings.database
        ));
        output::line(&format!(
            "Salesforce  http://{salesforce_at}  client {} with secret {}, or user {} by an assertion",
            org.consumer_key, org.consumer_secret, org.username
        ));
        output::line(&format!("Pipedrive   http://{pipedrive_at}  token {pipedrive_token}"));
        output::line("Faults on demand, ledger and request counts: /_sandbox/ on each. Ctrl-C ends it.");
    }
    let desks = Desks::new(odoo.clone(), salesforce.clone(), pipedrive.clone());
    let live = async {
        if args.population == 0 {
            return std::future::pending::<()>().await;
        }
        let company = Company::new(clock.clone(), args.seed, hubspot.clone(), desks);
        company.seed_population(args.population);
        loop {
            company.step();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let webhooks = async {
        loop {
            pipedrive.deliver_webhooks().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        ended = axum::serve(hubspot_listener, hubspot.router()).into_future() => ended.context("serving HubSpot")?,
        ended = axum::serve(odoo_listener, odoo.router()).into_future() => ended.context("serving Odoo")?,
        ended = axum::serve(salesforce_listener, salesforce.router()).into_future() => ended.context("serving Salesforce")?,
        ended = axum::serve(pipedrive_listener, pipedrive.router()).into_future() => ended.context("serving Pipedrive")?,
        () = webhooks => {}
        () = live => {}
        () = daemon::stopped() => {}
    }
    Ok(ExitCode::SUCCESS)
}
