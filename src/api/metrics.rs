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
    let lag = gauge(
        &mut registry,
        "stream_lag_seconds",
        "Seconds between now and what a stream covers; -1 before the first pass ended",
    );
    for stream in status.connections.iter().flat_map(|connection| &connection.streams) {
        lag.get_or_create(&vec![("stream", stream.name.clone())]).set(stream.lag_seconds.unwrap_or(-1));
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

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    registry.register(name, help, family.clone());
    family
}
