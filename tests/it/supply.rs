//! What Baton is made of (fault 135): every dependency is locked with its checksum, comes from the one registry, has a licence
//! that `deny.toml` allows, is none that it bans, and fetches nothing while it is built; no page fetches anything from elsewhere;
//! and `.ci/sbom` names all of it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

fn file(name: &str) -> toml::Table {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// May a package under the licence `expression` be used? One side of each `OR`, and both of each `AND`, must be allowed.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // `WITH` binds closest, then `AND`, then `OR`; packages write parentheses only around alternatives.
    let text = expression.replace('/', " OR ");
    let mut open = Vec::new();
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => {
                depth += 1;
                open.push(at);
            }
            ')' => {
                depth -= 1;
                let from = open.pop().unwrap();
                if depth == 0 {
                    let inner = is_allowed(&text[from + 1..at], allowed);
                    let known = if inner { "MIT" } else { "refused" };
                    return is_allowed(&format!("{}{known}{}", &text[..from], &text[at + 1..]), allowed);
                }
            }
            _ => {}
        }
    }
    let all = |part: &str| part.split(" AND ").all(|one| allowed.contains(one.trim()));
    text.split(" OR ").any(all)
}

#[test]
fn a_licence_is_read_as_its_expression_says() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR AGPL-3.0) AND ISC", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

/// What cargo knows of every package, if it has them all.
#[expect(clippy::print_stderr, reason = "a test that was skipped says so loudly")]
fn metadata() -> Option<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    if told.status.success() {
        return Some(serde_json::from_slice(&told.stdout).unwrap());
    }
    eprintln!("SKIPPED: cargo has not every package here: {}", String::from_utf8_lossy(&told.stderr));
    None
}

#[test]
fn every_dependency_is_locked_known_and_allowed_fault_135() {
    let rules = file("deny.toml");
    let allowed: BTreeSet<String> =
        rules["licenses"]["allow"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    let banned: BTreeSet<&str> =
        rules["bans"]["deny"].as_array().unwrap().iter().map(|one| one["crate"].as_str().unwrap()).collect();
    let lock = file("Cargo.lock");
    let locked = lock["package"].as_array().unwrap();
    assert!(locked.len() > 100 && !banned.is_empty());
    let mut registries = std::collections::BTreeSet::new();
    for package in locked {
        let name = package["name"].as_str().unwrap();
        assert!(!banned.contains(name), "{name} is banned by deny.toml");
        if name == "batond" {
            continue;
        }
        let source = package.get("source").and_then(toml::Value::as_str).unwrap_or_default();
        assert!(source.starts_with("registry+https://"), "{name} comes from no registry");
        registries.insert(source);
        assert!(package.get("checksum").is_some(), "{name} has no checksum");
    }
    assert_eq!(registries.len(), 1, "packages come from more than one registry: {registries:?}");
    let Some(told) = metadata() else { return };
    for package in told["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(
            is_allowed(licence, &allowed),
            "{} is under `{licence}`, which deny.toml does not allow",
            package["name"]
        );
    }
}

/// What a program that fetches something names.
const FETCHES: [&str; 9] =
    ["TcpStream", "\"curl\"", "\"wget\"", "ureq::", "reqwest::", "hyper::", "curl::", "attohttpc::", "git2::"];
/// Libraries that fetch.
const FETCHERS: [&str; 9] = ["ureq", "reqwest", "hyper", "curl", "attohttpc", "minreq", "isahc", "git2", "downloader"];

fn fetches(source: &str) -> Vec<&'static str> {
    let code = |line: &str| line.split("// ").next().is_some_and(|code| !code.trim().is_empty());
    let lines: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//") && code(line)).collect();
    FETCHES.into_iter().filter(|word| lines.iter().any(|line| line.contains(word))).collect()
}

#[test]
fn a_build_script_that_fetches_is_seen() {
    assert_eq!(fetches("fn main() { let page = ureq::get(\"https://x.example\"); }"), ["ureq::"]);
    assert_eq!(fetches("Command::new(\"curl\").arg(url)"), ["\"curl\""]);
    assert_eq!(fetches("// ureq::get would be wrong here\nfn main() {}"), Vec::<&str>::new());
}

#[test]
fn no_build_script_fetches_anything_fault_135() {
    let Some(told) = metadata() else { return };
    let (mut scripts, mut wrong) = (0, Vec::new());
    for package in told["packages"].as_array().unwrap() {
        let targets = package["targets"].as_array().unwrap();
        let kind = |target: &Value| target["kind"].as_array().unwrap().contains(&"custom-build".into());
        let Some(script) = targets.iter().find(|target| kind(target)) else { continue };
        let path = script["src_path"].as_str().unwrap();
        let source = std::fs::read_to_string(path).unwrap_or_else(|error| unreachable!("{path}: {error}"));
        scripts += 1;
        let found = fetches(&source);
        if !found.is_empty() {
            wrong.push(format!("the build script of {} names {found:?}", package["name"]));
        }
        for needed in package["dependencies"].as_array().unwrap() {
            let is_fetcher = needed["kind"] == "build" && FETCHERS.contains(&needed["name"].as_str().unwrap());
            if is_fetcher {
                wrong.push(format!("the build script of {} uses {}", package["name"], needed["name"]));
            }
        }
    }
    assert!(scripts > 20, "{scripts} build scripts were seen");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_page_takes_anything_from_another_host_fault_135() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut files = vec![folder];
    let mut seen = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        seen += 1;
        // Every style stands in the one file that is compiled in; the policy of the pages allows no other source.
        for foreign in ["url(", "@import", "src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
            assert!(!text.contains(foreign), "{} has {foreign}", path.display());
        }
    }
    assert!(seen > 10, "{seen} files were seen");
}

#[test]
fn the_bill_of_materials_has_every_package_with_licence_and_checksum_fault_135() {
    let told = Command::new("python3").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/sbom")).output();
    let told = match told {
        Ok(told) if told.status.success() => told,
        Ok(told) if !String::from_utf8_lossy(&told.stderr).contains("tomllib") && metadata().is_some() => {
            unreachable!(".ci/sbom fails: {}", String::from_utf8_lossy(&told.stderr))
        }
        other => {
            eprintln!("SKIPPED: no Python 3.11 here that could write the bill of materials ({other:?})");
            return;
        }
    };
    let bill: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((bill["bomFormat"].as_str(), bill["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    let components = bill["components"].as_array().unwrap();
    for component in components {
        let name = &component["name"];
        assert!(component["licenses"][0]["expression"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert_eq!(component["hashes"][0]["content"].as_str().map(str::len), Some(64), "{name}");
    }
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    let manifest = file("Cargo.toml");
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        assert!(has(name), "{name} is missing");
    }
    // What is in a package of ours through others, and what only the tests use.
    assert!(has("libsqlite3-sys") && has("rustls-webpki") && !has("proptest") && !has("workclock"));
}
