//! `docs/coverage.md` held to its word: every test it names exists, no line is without one or an admission, none is missing.

use std::collections::BTreeSet;
use std::path::Path;

/// The faults that Baton is held to, as ranges of their numbers. The others are of several replicas and of PostgreSQL.
const FAULTS: [(u32, u32); 3] = [(1, 20), (23, 98), (108, 136)];

/// The lines of the table under the heading that begins with `heading`, each as its cells.
pub(crate) fn table<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let after = page.lines().skip_while(|line| line.strip_prefix("## ").is_none_or(|text| !text.starts_with(heading)));
    let lines = after.skip(1).take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| "));
    // The first two lines are the header and the rule below it.
    lines.skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Every `path.rs::name` between backticks.
pub(crate) fn named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|one| one.split_once("::")).filter(|(path, _)| path.ends_with(".rs")).collect()
}

/// Is there a test function `name` in `source`? An attribute `#[test]` or `#[tokio::test]` stands above it; or it is a case of the
/// contract, which is a test for each CRM, or the compiler would call it unused.
pub(crate) fn has_test(source: &str, name: &str) -> bool {
    if source.contains(&format!("pub(super) async fn {name}(crm: &dyn Crm)")) {
        return true;
    }
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let opens = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let place = lines.iter().position(|line| opens(line));
    place.is_some_and(|place| {
        let above = lines[..place].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

/// What is wrong with a page, given the sources by their paths.
fn problems(page: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, name) in named(page) {
        match source(path) {
            None => wrong.push(format!("{path} does not exist")),
            Some(text) if !has_test(&text, name) => wrong.push(format!("{path} has no test {name}")),
            Some(_) => {}
        }
    }
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [key, _, shown, ..] = cells.as_slice() else {
            wrong.push(format!("a line with too few cells: {line}"));
            continue;
        };
        let is_head = key.starts_with("---") || *shown == "shown by";
        if !is_head && named(shown).is_empty() == (*shown != "*not yet*") {
            wrong.push(format!("line {key} names no test and does not say *not yet*, or says both: {shown}"));
        }
    }
    wrong
}

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coverage.md"))
        .expect("the page is in the repository")
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wrong = problems(&page(), |path| std::fs::read_to_string(root.join(path)).ok());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_line_is_missing() {
    let page = page();
    let check = |heading: &str, wanted: Vec<String>| {
        let rows = table(&page, heading);
        let found: Vec<&str> = rows.iter().filter_map(|cells| cells.first().copied()).collect();
        let listed: BTreeSet<&str> = found.iter().copied().collect();
        assert_eq!(listed.len(), found.len(), "{heading}: a line stands twice");
        let missing: Vec<&String> = wanted.iter().filter(|line| !listed.contains(line.as_str())).collect();
        assert!(missing.is_empty(), "{heading}: {missing:?}");
    };
    check("Faults", FAULTS.iter().flat_map(|(from, to)| *from..=*to).map(|number| number.to_string()).collect());
    check("Promises", (1..=11).map(|number| number.to_string()).collect());
    let recipes = (1..=7).map(|number| format!("10.{number}"));
    let sections = (1..=13).filter(|number| *number != 10).map(|number| number.to_string());
    check("HubSpot", sections.chain(recipes).collect());
    check("Salesforce, by the sections", (1..=12).map(|number| number.to_string()).collect());
    check("Pipedrive", (1..=13).map(|number| number.to_string()).collect());
    check("Odoo, by the ten traps", (1..=10).map(|number| number.to_string()).collect());
}

#[test]
fn a_page_that_promises_too_much_is_seen() {
    let source = "#[test]\nfn real() {}\nfn helper() {}\n#[tokio::test(start_paused = true)]\nasync fn timed() {}\n";
    let check = |shown: &str, count: usize| {
        let page =
            format!("| fault | in short | shown by | still open |\n| --- | --- | --- | --- |\n| 1 | x | {shown} | |");
        let wrong = problems(&page, |path| (path == "src/a.rs").then(|| source.to_owned()));
        assert_eq!(wrong.len(), count, "{shown}: {wrong:?}");
    };
    check("`src/a.rs::real`, `src/a.rs::timed`", 0);
    check("*not yet*", 0);
    check("`src/a.rs::helper`", 1);
    check("`src/a.rs::rea`", 1);
    check("`src/b.rs::real`", 1);
    check("", 1);
    check("soon", 1);
}
