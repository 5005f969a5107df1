//! `baton run`: the daemon.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::{Common, output, setup};
use crate::api::{self, Api};
use crate::daemon::rules::RulesOnDisk;
use crate::daemon::{self, assemble, telemetry};

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    telemetry::start(telemetry::Format::of_environment());
    tracing::info!("zone data: {}", telemetry::zone_data());
    let listen = loaded.settings.server.listen;
    let assembly = setup::assembly(&loaded);
    let modes = (assembly.rules.writes, assembly.rules.notices);
    let mut parts = assemble::assemble(assembly).await.map_err(|error| setup::explained(&loaded, error))?;
    parts.rules = Some(RulesOnDisk::new(setup::args(common), &loaded.files));
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    output::note(&format!(
        "Baton runs. Board: http://{}/  writes {}, notices {}. Ctrl-C stops it.",
        listener.local_addr()?,
        modes.0.as_str(),
        modes.1.as_str()
    ));
    let path = loaded.settings.store.display().to_string();
    let check = parts.engine.store().clone();
    let store = parts.engine.store().clone();
    let router = api::router(Api { engine: parts.engine.clone(), status: parts.status.clone() });
    parts.describe_connections().await;
    // A damaged file is found beside the work, not before the first decision; then the process ends with the reason.
    let damage = async move {
        match check.check_integrity().await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    tokio::select! {
        ended = daemon::run(parts, router, listener, daemon::stopped()) => ended?,
        error = damage => return Err(anyhow::Error::from(error).context(setup::damaged(&path))),
    }
    // Folds the write-ahead log back into the file.
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
