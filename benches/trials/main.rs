//! The long trials of the tests, in a build that is fast enough for them: a thousand lives, and twenty thousand writes whose answers lie.
//!
//! ```sh
//! BATON_SIM_SEEDS=0..1000 cargo test --release --bench trials -- simulation:: --nocapture
//! cargo test --release --bench trials -- lost_answers:: --include-ignored --nocapture
//! ```
//!
//! They are the same files that `cargo test` runs, some seeds and some hundred writes at a time; all of the tests in one optimised
//! binary would take longer to build than these take to run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do")]
#![expect(dead_code, reason = "the helpers serve more tests than these")]

#[path = "../../tests/it/beats.rs"]
mod beats;
#[path = "../../tests/it/harness.rs"]
mod harness;
#[path = "../../tests/it/lost_answers.rs"]
mod lost_answers;
#[path = "../../tests/it/simulation/mod.rs"]
mod simulation;
