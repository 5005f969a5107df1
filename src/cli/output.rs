//! Printing: the one place that writes to the terminal.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::store::StoreError;

/// The exit code for bad configuration (`EX_CONFIG`).
pub(super) const BAD_CONFIGURATION: u8 = 78;

/// The exit code where another process has the store (`EX_TEMPFAIL`): the same again works once that one has ended.
const STORE_IN_USE: u8 = 75;

/// Prints a line. A reader that went away (`baton status | head`) is no failure.
pub(super) fn line(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Prints a line where it does not get into a pipe.
pub(super) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Prints `value` as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints an error with its causes, once; a machine that asked for JSON gets it as such, too.
pub(super) fn failed(error: &anyhow::Error, is_json: bool) -> ExitCode {
    note(&format!("baton: {error:#}"));
    if is_json {
        line(&serde_json::json!({ "error": format!("{error:#}") }).to_string());
    }
    let is_in_use = error.chain().any(|cause| matches!(cause.downcast_ref(), Some(StoreError::Locked { .. })));
    ExitCode::from(if is_in_use { STORE_IN_USE } else { 1 })
}

/// Text of a CRM for a terminal: control characters, which could move the cursor or set colours, are shown as `·`.
pub(super) fn safe(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '·' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(super::safe("Jo\u{1b}[31m\nX\r"), "Jo·[31m·X·");
    }
}
