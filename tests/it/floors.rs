//! The dependency rule: a module names only floors below its own, and modules of one floor do not name each other.

use std::path::{Path, PathBuf};

/// Floor of each top module.
const FLOORS: [(&str, u8); 15] = [
    ("domain", 0),
    ("clock", 1),
    ("http", 1),
    ("document", 1),
    ("agreement", 2),
    ("connector", 2),
    ("notify", 2),
    ("store", 2),
    ("engine", 3),
    ("report", 4),
    ("api", 5),
    ("config", 5),
    ("daemon", 6),
    ("cli", 7),
    ("sandbox", 8),
];

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// Every `crate::module` in `text`, with its line.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for part in code.split("crate::").skip(1) {
            let inner = part.strip_prefix('{').unwrap_or(part);
            for piece in inner.split(['}', ';']).next().unwrap_or_default().split(',') {
                let name: String =
                    piece.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                found.push((number + 1, name));
                if !part.starts_with('{') {
                    break;
                }
            }
        }
    }
    found
}

fn violations(module: &str, text: &str) -> Vec<String> {
    let Some(own) = floor(module) else { return vec![format!("{module} stands on no floor: add it to FLOORS")] };
    let mut wrong = Vec::new();
    for (line, name) in named(text) {
        let Some(other) = floor(&name) else { continue };
        let is_allowed = match module {
            _ if name == module => true,
            "sandbox" => name == "clock",
            // The commands serve the sandbox; nobody else names it.
            "cli" => true,
            _ => name != "sandbox" && other < own,
        };
        if !is_allowed {
            wrong.push(format!("line {line}: {module} (floor {own}) names {name} (floor {other})"));
        }
    }
    wrong
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn no_module_names_a_floor_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let inner = path.strip_prefix(&src).unwrap();
        let first = inner.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        wrong.extend(violations(&module, &text).into_iter().map(|what| format!("{}: {what}", inner.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_upward_path_is_seen() {
    assert_eq!(violations("store", "use crate::engine::Engine;").len(), 1);
    assert_eq!(violations("store", "use crate::{domain::id, connector::Page};").len(), 1);
    assert!(violations("store", "use crate::domain::id::LeadId; // crate::engine").is_empty());
    assert_eq!(violations("engine", "use crate::sandbox::odoo::Odoo;").len(), 1);
    assert_eq!(violations("sandbox", "use crate::domain::id::LeadId;").len(), 1);
}

/// Numbers that may be one stand beside their noun by `domain::counted` alone: nobody is told of "1 leads".
#[test]
fn no_number_stands_before_a_noun_that_is_always_plural() {
    const NOUNS: [&str; 24] = [
        "leads",
        "shadows",
        "hours",
        "people",
        "records",
        "hand-offs",
        "effects",
        "writes",
        "touches",
        "sessions",
        "streams",
        "links",
        "events",
        "decisions",
        "rows",
        "pages",
        "objects",
        "changes",
        "notices",
        "pairs",
        "deals",
        "deadlines",
        "tries",
        "kinds",
    ];
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all.iter().filter(|path| !path.starts_with(src.join("sandbox"))) {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            // A placeholder of `format!`, or a value of a page, right before the noun.
            let is_told = NOUNS.iter().any(|noun| {
                let ends =
                    |rest: &str| !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
                [format!("}} {noun}"), format!(") \" {noun}")]
                    .iter()
                    .any(|found| line.split(found.as_str()).skip(1).any(ends))
            });
            if is_told {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    // A limit is never one; a line of the chain is not for people; the others stand where one is excluded, or within a share.
    const OTHERWISE: [&str; 6] = [
        "_MAX} ",
        "lines.say(format!(\"forgotten",
        "log of deleted {} records",
        "{} results for {} rows",
        "of the {count} rows of link",
        "one of {people} people known there",
    ];
    wrong.retain(|line| !OTHERWISE.iter().any(|part| line.contains(part)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The domain is pure: what would make its answers depend on anything but its arguments is not named there.
#[test]
fn the_domain_names_nothing_impure() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let mut all = Vec::new();
    files(&src, &mut all);
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let code: String =
            text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        for banned in
            ["serde", "tokio", "tracing::", "std::fs", "std::net", "Instant::now", "fastrand", "async fn", "println!"]
        {
            assert!(!code.contains(banned), "{} names {banned}", path.display());
        }
    }
}
