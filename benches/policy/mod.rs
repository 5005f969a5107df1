//! An agreement, with the demo's roster, as rules for benchmarks.

use std::sync::Arc;

use baton::agreement;
use baton::document::{Problems, Source};
use baton::domain::id::WorkspaceId;
use baton::domain::plan::Mode;
use baton::engine::Rules;
use jiff::tz::TimeZone;

/// This agreement with the demo's roster.
pub(crate) fn rules(agreement: String, writes: Mode, notices: Mode) -> Rules {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let problems = Problems::new();
    let draft = agreement::read(&Source::new("agreement.toml", agreement), &zone, &problems);
    let roster = agreement::read_roster(
        &Source::new("roster.toml", include_str!("../../config/demo/roster.toml")),
        &|path| Err(format!("{path} is not there")),
        &problems,
    );
    assert!(!problems.has_errors(), "{}", problems.render(false));
    Rules {
        workspace: WorkspaceId::from("default"),
        agreement: Arc::new(draft.agreement),
        roster: Arc::new(roster.roster),
        texts: Arc::default(),
        zone,
        writes,
        notices,
        public_url: Arc::from("http://board.example"),
        telling: Arc::default(),
    }
}
