//! Prometheus text. Ids and names of loops and connections only: never of people.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::error::ApiError;
use super::{Api, view};

type Labels = Vec<(&'static str, String)>;

pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, ApiError> {
    let status = view::status(&api.engine, &api.status).await?;
    let mut registry = Registry::with_prefix("baton");
    let live = gauge(&mut registry, "live", "Whether every stream was read once and decisions are taken");
    live.get_or_create(&Vec::new()).set(i64::from(status.is_live));
    let open = gauge(&mut registry, "handoffs_open", "Open hand-offs");
    open.get_or_create(&Vec::new()).set(status.handoffs_open);
    let leads = gauge(&mut registry, "leads", "Leads by stage");
    for (stage, count) in &status.leads_by_stage {
        leads.get_or_create(&vec![("stage", stage.clone())]).set(*count);
    }
    let effects = gauge(&mut registry, "outbox", "Effects by state");
    for (state, count) in &status.effects_by_state {
        effects.get_or_create(&vec![("state", state.clone())]).set(*count);
    }
    let repeated = Counter::<u64>::default();
    repeated.inc_by(u64::try_from(status.notices_possibly_repeated).unwrap_or(0));
    registry.register("notices_possibly_repeated", "Notices that may have arrived more than once", repeated);
    let held = gauge(&mut registry, "notices_held", "Notices that wait for the end of quiet hours");
    held.get_or_create(&Vec::new()).set(status.notices_held);
    let help = "Seconds since the last self-test arrived at a channel; -1 if none ever did";
    let tested = gauge(&mut registry, "channel_seconds_since_test", help);
    for channel in &status.channels {
        let since = channel.seconds_since_test.unwrap_or(-1);
        tested.get_or_create(&vec![("channel", channel.name.clone())]).set(since);
    }
    let lag = gauge(
        &mut registry,
        "stream_lag_seconds",
        "Seconds between now and what a stream covers; -1 before the first pass ended",
    );
    for stream in status.connections.iter().flat_map(|connection| &connection.streams) {
        lag.get_or_create(&vec![("stream", stream.name.clone())]).set(stream.lag_seconds.unwrap_or(-1));
    }
    let covered = gauge(
        &mut registry,
        "stream_covered_seconds",
        "Up to when a stream has been read, in seconds since 1970; 0 before the first pass ended",
    );
    for stream in status.connections.iter().flat_map(|connection| &connection.streams) {
        let until = stream.covered_until.as_ref().map_or(0, |until| until.at.as_second());
        covered.get_or_create(&vec![("stream", stream.name.clone())]).set(until);
    }
    feeds(&mut registry, &status);
    let logins = counter(&mut registry, "logins", "Tries to log in to the board by what became of them");
    let counted = api.engine.sessions().log_ons();
    for (outcome, count) in [("good", counted.good), ("wrong", counted.wrong), ("refused", counted.refused)] {
        logins.get_or_create(&vec![("outcome", outcome.to_owned())]).inc_by(count);
    }
    let panics = counter(&mut registry, "loop_panics", "How often a loop broke and was started anew");
    for (name, known) in &status.loops {
        panics.get_or_create(&vec![("loop", name.clone())]).inc_by(u64::from(known.panics));
    }
    let failures = gauge(&mut registry, "loop_failures", "Failed passes in a row");
    for (name, known) in &status.loops {
        failures.get_or_create(&vec![("loop", name.clone())]).set(i64::from(known.failures));
    }
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        tracing::error!("the metrics could not be written: {error}");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// What the patrol repaired, what webhooks asked for, and which connections are left alone.
fn feeds(registry: &mut Registry, status: &view::StatusView) {
    let repairs =
        counter(registry, "patrol_repairs", "Records that the patrol had to repair because the feed missed them");
    let ages = gauge(
        registry,
        "patrol_repair_age_seconds",
        "How far behind the feed's claim the worst repair of the last day lay",
    );
    let whole = gauge(
        registry,
        "patrol_whole_seconds",
        "When the last whole round of the patrol ended, in seconds since 1970; 0 before the first",
    );
    let waiting = gauge(registry, "hints_waiting", "Records that webhooks asked for and that have not been looked at");
    let hooks = counter(registry, "hooks", "Webhooks by what became of them");
    let open = gauge(registry, "connection_left_alone", "Whether a connection is left alone after failures in a row");
    for connection in &status.connections {
        let name = || ("connection", connection.name.clone());
        for repair in &connection.repairs {
            let labels = vec![name(), ("cause", repair.cause.to_owned())];
            repairs.get_or_create(&labels).inc_by(repair.total);
            ages.get_or_create(&labels).set(repair.age_seconds);
        }
        for patrol in &connection.patrol {
            let at = patrol.whole_at.as_ref().map_or(0, |at| at.at.as_second());
            whole.get_or_create(&vec![name(), ("stream", patrol.stream.clone())]).set(at);
        }
        waiting.get_or_create(&vec![name()]).set(i64::try_from(connection.hints_waiting).unwrap_or(i64::MAX));
        for (outcome, count) in &connection.hooks {
            hooks.get_or_create(&vec![name(), ("outcome", (*outcome).to_owned())]).inc_by(*count);
        }
        open.get_or_create(&vec![name()]).set(i64::from(connection.breaker != "closed"));
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Counter> {
    let family = Family::<Labels, Counter>::default();
    registry.register(name, help, family.clone());
    family
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    registry.register(name, help, family.clone());
    family
}
