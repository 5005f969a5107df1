//! Logs: JSON lines for machines, plain lines for people. Ids only: never names, addresses, tokens or bodies.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line: control characters in values cannot forge a line.
    Json,
    /// For a terminal.
    Plain,
    /// Nothing but warnings, for commands whose output is the point.
    Quiet,
}

impl Format {
    /// JSON, unless somebody watches.
    #[must_use]
    pub fn of_environment() -> Self {
        if std::io::stderr().is_terminal() { Self::Plain } else { Self::Json }
    }
}

/// Starts logging to standard error. `BATON_LOG` filters: `info`, `baton=debug`. A second start changes nothing.
pub fn start(format: Format) {
    let default = if format == Format::Quiet { "error" } else { "info,sqlx=warn,tokio_cron_scheduler=warn" };
    let filter = EnvFilter::try_from_env("BATON_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the first subscriber of a process counts; tests and the demo start several daemons.
    let started = match format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Plain | Format::Quiet => builder.with_target(false).try_init(),
    };
    drop(started);
}
