//! The real binary as a person or a unit meets it: what it says, and how it ends.

use std::path::Path;
use std::process::{Output, Stdio};

use baton::sandbox::hubspot::{Author, Fault, HubSpot, Settings, Token};
use tempfile::TempDir;
use tokio::process::Command;

/// A folder with the files that `baton init` writes, and what is changed in them.
fn folder(changes: &[(&str, &str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["agreement.toml", "roster.toml", "baton.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/starter").join(name);
        let mut text = std::fs::read_to_string(path).unwrap();
        for (_, from, to) in changes.iter().filter(|(file, _, _)| *file == name) {
            assert!(text.contains(from), "{name} has no {from}");
            text = text.replace(from, to);
        }
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

async fn baton(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command.env_clear().env("HUBSPOT_TOKEN", "pat-planted");
    command.output().await.unwrap()
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn the_sandbox_serves_all_four_crms_and_goes_on() {
    let free = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
    command.args(["sandbox", "--json", "--population", "5"]).current_dir(free.path()).kill_on_drop(true);
    for crm in ["hubspot", "odoo", "salesforce", "pipedrive"] {
        command.args([&format!("--{crm}"), "127.0.0.1:0"]);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = serde_json::Value::Null;
    let mut text = Vec::new();
    let out = child.stdout.as_mut().unwrap();
    while said.is_null() {
        let mut some = [0; 4096];
        let read = tokio::io::AsyncReadExt::read(out, &mut some).await.unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&text));
        text.extend(&some[..read]);
        said = serde_json::from_slice(&text).unwrap_or_default();
    }
    // Its people act, and its webhooks are looked after, several times.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for crm in ["hubspot", "odoo", "salesforce", "pipedrive"] {
        let address = said[crm]["base_url"].as_str().unwrap().trim_start_matches("http://").to_owned();
        assert!(tokio::net::TcpStream::connect(&address).await.is_ok(), "{crm} at {address}");
    }
    assert_eq!(child.try_wait().unwrap(), None, "it goes on");
    child.kill().await.unwrap();
}

/// `baton user` with a password as a script hands it over.
async fn user(folder: &Path, arguments: &[&str], password: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
    command.arg("user").args(arguments).current_dir(folder).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, password.as_bytes()).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn the_lines_that_a_user_takes_are_made_by_a_command_and_understood_by_the_settings() {
    let folder = folder(&[]);
    let made = user(folder.path(), &["anna", "--role", "operator"], "correct horse battery\n").await;
    let lines = String::from_utf8(made.stdout.clone()).unwrap();
    assert!(
        made.status.success() && lines.starts_with("[users.\"anna\"]\nrole = \"operator\"\npassword = \"$argon2id$"),
        "{lines}"
    );
    assert!(!words(&made).contains("correct horse"), "the password is not shown");
    let again = user(folder.path(), &["anna", "--role", "operator"], "correct horse battery\n").await;
    assert_ne!(made.stdout, again.stdout, "each hash has a salt of its own");
    let token = user(folder.path(), &["m.huber", "--token"], "").await;
    let token_lines = String::from_utf8(token.stdout.clone()).unwrap();
    assert!(
        token_lines.contains("token = \"sha256:") && words(&token).contains("Authorization: Bearer baton_"),
        "{token_lines}"
    );
    let path = folder.path().join("baton.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n{lines}\n{token_lines}")).unwrap();
    let checked = baton(folder.path(), &["check"]).await;
    assert!(checked.status.success(), "{}", words(&checked));
    for (arguments, password, why) in [
        (&["anna"][..], "short\n", "at least 12 letters"),
        (&["Anna"], "correct horse battery\n", "no user's name"),
        (&["a b", "--token"], "", "no user's name"),
    ] {
        let refused = user(folder.path(), arguments, password).await;
        assert!(!refused.status.success() && words(&refused).contains(why), "{arguments:?}: {}", words(&refused));
    }
    let nothing = baton(folder.path(), &["logout"]).await;
    assert!(nothing.status.code() == Some(2) && words(&nothing).contains("--all"), "{}", words(&nothing));
}

#[tokio::test]
async fn a_wrong_file_ends_every_command_with_78_before_anything_starts_fault_108() {
    let wrong = folder(&[("agreement.toml", "icp.fits && score.intent >= 30", "icp.fits && score.intnt >= 30")]);
    for arguments in [&["run"][..], &["sync"], &["check"], &["status"], &["explain", "L-1"]] {
        let output = baton(wrong.path(), arguments).await;
        let told = words(&output);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {told}");
        for part in ["agreement.toml:11:", "score.intnt", "^^^^^^^^^^^", "did you mean `score.intent`?"] {
            assert!(told.contains(part), "{arguments:?}: {part} is missing in {told}");
        }
        assert!(!told.contains("Board:"), "{told}");
        assert!(!wrong.path().join("baton.db").exists(), "{arguments:?} made a store");
    }
}

#[tokio::test]
async fn check_answers_machines_too_and_strict_means_warnings() {
    let right = folder(&[]);
    let output = baton(right.path(), &["check", "--json"]).await;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &told["ok"]), (Some(0), &true.into()), "{told}");
    let problem = &told["problems"][0];
    for key in ["severity", "file", "line", "column", "key", "message", "help"] {
        assert!(!problem[key].is_null(), "{key}: {told}");
    }
    let output = baton(right.path(), &["check", "--strict", "--json"]).await;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &told["ok"]), (Some(78), &false.into()), "{told}");
    let output = baton(right.path(), &["chek"]).await;
    assert_eq!(output.status.code(), Some(2));
    let output = baton(right.path(), &["status"]).await;
    assert_eq!(output.status.code(), Some(1), "there is no store yet: {}", words(&output));
}

#[tokio::test]
async fn what_init_writes_is_in_order_and_acts_from_today_on() {
    let empty = tempfile::tempdir().unwrap();
    let output = baton(empty.path(), &["init", "--sellers", "a@example.com", "--hours", "2"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("`baton check`"), "{}", words(&output));
    let output = baton(empty.path(), &["check"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let agreement = std::fs::read_to_string(empty.path().join("config/agreement.toml")).unwrap();
    let today = baton::clock::Clock::system().now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let is_near = |date: jiff::civil::Date| agreement.contains(&format!("effective = {date}"));
    assert!(is_near(today) || is_near(today.yesterday().unwrap()), "{agreement}");
    let again = baton(empty.path(), &["init"]).await;
    assert_eq!(again.status.code(), Some(1), "files that are there are left alone");
}

#[tokio::test]
async fn status_and_sync_answer_with_the_keys_that_are_documented() {
    // A CRM that is not there: the look fails, and the store is made all the same.
    let right =
        folder(&[("baton.toml", "kind = \"hubspot\"", "kind = \"hubspot\"\nbase_url = \"http://127.0.0.1:1\"")]);
    let output = baton(right.path(), &["sync", "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let output = baton(right.path(), &["status", "--json"]).await;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    super::explain::has_the_documented_keys(&told, "`baton status");
    let output = baton(right.path(), &["check", "--json"]).await;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    super::explain::has_the_documented_keys(&told, "`baton check");
}

/// What nothing waits for is said, and is no failure; what the agreement needs is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_succeeds_without_the_deals_scope_and_fails_without_one_that_is_needed() {
    let portal = Settings { tokens: vec![Token::full("pat-planted")], ..Settings::default() };
    let hubspot = HubSpot::new(baton::clock::Clock::system(), portal);
    hubspot.create_contact(Author::Form, &[("email", "jane@acme.example"), ("lifecyclestage", "lead")]);
    let mut servers = tokio::task::JoinSet::new();
    let at = super::harness::serve(&mut servers, hubspot.router()).await;
    let there = format!("kind = \"hubspot\"\nbase_url = \"{at}\"\nsettle = \"0 seconds\"");
    let right = folder(&[("baton.toml", "kind = \"hubspot\"", &there)]);
    let sync = async || {
        let output = baton(right.path(), &["sync", "--json"]).await;
        let told: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words(&output)));
        super::explain::has_the_documented_keys(&told, "`baton sync");
        (output.status.code(), told, words(&output))
    };
    let (code, told, all) = sync().await;
    assert_eq!((code, told["unread"].as_array().map(Vec::len)), (Some(0), Some(0)), "{all}");

    hubspot.faults().set(Fault::ScopeRemoved { scope: "crm.objects.deals.read".to_owned() });
    let (code, told, all) = sync().await;
    assert_eq!(code, Some(0), "{all}");
    let unread = told["unread"].as_array().unwrap();
    assert_eq!(unread.len(), 1, "{all}");
    assert_eq!((&unread[0]["stream"], &unread[0]["needed"]), (&"hubspot.deals".into(), &false.into()), "{all}");
    assert!(unread[0]["why"].as_str().is_some_and(|why| why.contains("crm.objects.deals.read")), "{all}");
    assert_eq!(told["decided"], true, "nothing else is held back: {all}");
    let spoken = words(&baton(right.path(), &["sync"]).await);
    assert!(spoken.contains("! hubspot.deals cannot be read"), "{spoken}");
    assert!(spoken.contains("Nothing waits for it"), "{spoken}");

    hubspot.faults().set(Fault::ScopeRemoved { scope: "sales-email-read".to_owned() });
    let (code, told, all) = sync().await;
    assert_eq!(code, Some(1), "{all}");
    let needed: Vec<&serde_json::Value> = told["unread"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["needed"] == true)
        .map(|one| &one["stream"])
        .collect();
    assert_eq!(needed, ["hubspot.emails"], "{all}");
}

#[test]
fn image_and_unit_name_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    for line in text("Dockerfile").lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let names: Vec<&str> = line.split_whitespace().skip(1).collect();
        for name in &names[..names.len() - 1] {
            assert!(root.join(name).exists(), "the image is built from {name}, which is not there");
        }
    }
    let unit = text("systemd/baton.service");
    let ends = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
    assert!(ends.split(' ').any(|code| code == "78"), "bad configuration is not tried again");
    // The settings' folder is read-only there, so both say where the store is.
    for name in ["Dockerfile", "systemd/baton.service"] {
        assert!(text(name).contains("BATON__STORE__URL=sqlite:///var/lib/baton/baton.db"), "{name}");
    }
}
