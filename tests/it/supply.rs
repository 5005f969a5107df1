//! What Baton is made of (fault 135): every dependency is locked with its checksum, comes from the one registry, has a licence
//! that `deny.toml` allows, and is none that it bans.

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
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    if !told.status.success() {
        eprintln!(
            "SKIPPED: cargo knows the packages' licences only where it has them all: {}",
            String::from_utf8_lossy(&told.stderr)
        );
        return;
    }
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    for package in told["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(
            is_allowed(licence, &allowed),
            "{} is under `{licence}`, which deny.toml does not allow",
            package["name"]
        );
    }
}
