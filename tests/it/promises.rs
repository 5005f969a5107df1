//! `docs/promises.md` held to its word: every promise and every patch of `tests/mutations` is there, each patch still fits the
//! code, and every test exists. That each patch turns its tests red is shown by `tests/mutations/run.sh`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::coverage::{has_test, named, table};

/// A row of the table of safeguards.
struct Safeguard {
    promise: u32,
    patch: String,
    tests: Vec<(String, String)>,
    seen_on: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn safeguards(page: &str) -> Vec<Safeguard> {
    let rows = table(page, "The safeguards");
    let read = |cells: &Vec<&str>| {
        let [promise, _, _, patch, red, seen_on] = cells[..] else {
            unreachable!("a row has not six cells: {cells:?}")
        };
        let tests = named(red).into_iter().map(|(path, name)| (path.to_owned(), name.to_owned())).collect();
        Safeguard {
            promise: promise.parse().expect("the number of a promise"),
            patch: patch.trim_matches('`').to_owned(),
            tests,
            seen_on: seen_on.to_owned(),
        }
    };
    rows.iter().map(read).collect()
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/promises.md")).expect("the page is in the repository")
}

/// The lines of each hunk that stand in the file before the patch, by the file's path.
fn hunks(patch: &str) -> Vec<(PathBuf, String)> {
    let mut hunks: Vec<(PathBuf, String)> = Vec::new();
    let mut path = PathBuf::new();
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("--- a/") {
            path = PathBuf::from(name);
        } else if line.starts_with("@@") {
            hunks.push((path.clone(), String::new()));
        } else if let (Some((_, before)), Some(kept)) =
            (hunks.last_mut(), line.strip_prefix(' ').or_else(|| line.strip_prefix('-')))
        {
            before.push_str(kept);
            before.push('\n');
        }
    }
    hunks
}

/// What does not fit, given the sources by their paths.
fn misfits(patch: &str, source: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let hunks = hunks(patch);
    let mut wrong = Vec::new();
    if hunks.is_empty() || !patch.contains("crate::mutation::off(") {
        wrong.push("it changes nothing, or has no switch".to_owned());
    }
    for (path, before) in hunks {
        match source(&path) {
            None => wrong.push(format!("{} does not exist", path.display())),
            Some(text) if !text.contains(&before) => wrong.push(format!("{} has no more: {before}", path.display())),
            Some(_) => {}
        }
    }
    wrong
}

#[test]
fn every_promise_has_safeguards_whose_patches_fit_and_whose_tests_exist() {
    let read = |path: &Path| std::fs::read_to_string(root().join(path)).ok();
    let mut wrong = Vec::new();
    let page = page();
    let safeguards = safeguards(&page);
    for number in 1..=11 {
        if !safeguards.iter().any(|safeguard| safeguard.promise == number) {
            wrong.push(format!("promise {number} has no safeguard"));
        }
    }
    for Safeguard { patch, tests, seen_on, .. } in &safeguards {
        match read(&Path::new("tests/mutations").join(format!("{patch}.patch"))) {
            None => wrong.push(format!("there is no patch {patch}")),
            Some(text) => wrong.extend(misfits(&text, read).into_iter().map(|what| format!("{patch}: {what}"))),
        }
        if tests.is_empty() {
            wrong.push(format!("{patch} names no test"));
        }
        for (path, name) in tests {
            if !read(Path::new(path)).is_some_and(|source| has_test(&source, name)) {
                wrong.push(format!("{patch}: {path} has no test {name}"));
            }
        }
        // A commit, or the admission that nobody has seen it yet.
        let is_commit = seen_on.len() >= 7 && seen_on.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_commit && seen_on != "not seen" {
            wrong.push(format!("{patch} says neither on which commit it was seen nor that it was not: {seen_on}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_patch_stands_on_the_page_once() {
    let listed: Vec<String> = safeguards(&page()).into_iter().map(|safeguard| safeguard.patch).collect();
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a patch stands twice");
    let files = std::fs::read_dir(root().join("tests/mutations")).expect("the folder is in the repository");
    for file in files {
        let path = file.expect("it can be read").path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            assert!(once.contains(&name), "{name} stands in no row");
        }
    }
}

#[test]
fn a_patch_that_does_not_fit_any_more_is_seen() {
    let patch =
        "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+two || crate::mutation::off(\"x\")\n three\n";
    let check = |source: &str, patch: &str, count: usize| {
        let wrong = misfits(patch, |path| (path == Path::new("src/a.rs")).then(|| source.to_owned()));
        assert_eq!(wrong.len(), count, "{source:?}: {wrong:?}");
    };
    check("zero\none\ntwo\nthree\nfour\n", patch, 0);
    check("one\n two\nthree\n", patch, 1);
    check("one\ntwo\nthree\n", &patch.replace("src/a.rs", "src/b.rs"), 1);
    check("one\ntwo\nthree\n", &patch.replace("crate::mutation::off(\"x\")", "true"), 1);
    check("one\ntwo\nthree\n", "", 1);
}
