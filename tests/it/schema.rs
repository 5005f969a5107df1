//! The schemas that editors get, held against the readers: neither knows a key that the other does not.

use std::collections::BTreeSet;
use std::process::Stdio;

use baton::agreement;
use baton::config::{self, Args};
use baton::document::shape::Shape;
use baton::document::{Problems, Source};
use jiff::tz::TimeZone;

/// More than any shape has alternatives in one place.
const PICKS: usize = 5;

/// What a reader asked for in samples of `shape`, held against what the shape has.
fn check(what: &str, shape: &Shape, read: impl Fn(&str) -> BTreeSet<String>) {
    let mut asked = BTreeSet::new();
    let mut declared = BTreeSet::new();
    for pick in 0..PICKS {
        asked.extend(read(&shape.sample(pick)));
        declared.extend(shape.keys(pick));
    }
    assert!(!asked.is_empty(), "{what}: the reader was heard");
    let unknown: Vec<&String> = asked.iter().filter(|path| !shape.has(path)).collect();
    assert!(
        unknown.is_empty(),
        "{what}: the reader knows keys that the shape lacks: add them to the shape: {unknown:?}"
    );
    let unread: Vec<&String> = declared.difference(&asked).collect();
    assert!(unread.is_empty(), "{what}: the shape has keys that no reader asks for: {unread:?}");
}

fn read_agreement(text: &str) -> BTreeSet<String> {
    let problems = Problems::noting_keys();
    let _draft = agreement::read(&Source::new("agreement.toml", text), &TimeZone::UTC, &problems);
    problems.asked()
}

fn read_roster(text: &str) -> BTreeSet<String> {
    let problems = Problems::noting_keys();
    let _draft = agreement::read_roster(&Source::new("roster.toml", text), &|_| Err("none".to_owned()), &problems);
    problems.asked()
}

/// Without agreement and roster, so that only the settings' keys are heard.
fn read_settings(text: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baton.toml");
    std::fs::write(&file, text).unwrap();
    let args = Args { file: Some(file), ..Args::default() };
    match config::load_into(&args, Problems::noting_keys()) {
        Ok(loaded) => loaded.warnings.asked(),
        Err(problems) => problems.asked(),
    }
}

#[test]
fn the_schema_of_the_agreement_has_the_keys_that_its_reader_knows_and_no_others() {
    check("agreement", &agreement::shape::agreement(), read_agreement);
}

#[test]
fn the_schema_of_the_roster_has_the_keys_that_its_reader_knows_and_no_others() {
    check("roster", &agreement::shape::roster(), read_roster);
}

#[test]
fn the_schema_of_the_settings_has_the_keys_that_their_reader_knows_and_no_others() {
    check("settings", &config::shape::settings(), read_settings);
}

#[tokio::test]
async fn schema_and_completions_are_printed_for_editors_and_shells() {
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_baton"));
        let output = command.args(arguments).env_clear().stdin(Stdio::null()).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for (file, key) in [("agreement", "handoff"), ("roster", "teams"), ("baton", "connections")] {
        let (status, text) = run(&["schema", file]).await;
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status, Some(0));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{file}");
        assert!(schema["properties"][key]["description"].is_string(), "{file}: {text}");
    }
    assert_eq!(run(&["schema", "other"]).await.0, Some(2));
    for shell in ["bash", "zsh", "fish"] {
        let (status, text) = run(&["completions", shell]).await;
        assert_eq!(status, Some(0), "{shell}");
        assert!(text.contains("baton") && text.contains("explain"), "{shell}: {text}");
    }
}
