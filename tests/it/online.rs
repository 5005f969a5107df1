//! `baton check --online` and `baton setup` against the sandboxes, by the real binary; and choices that appear while it runs.

use std::process::Stdio;

use baton::clock::Clock;
use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{self, Fault, HubSpot, Kind};
use baton::sandbox::odoo::{self, Odoo};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, REPS, ROSTER, World, serve};

/// Files for both sandboxes, and the sandboxes.
pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) hub: HubSpot,
    pub(crate) odoo: Odoo,
    _servers: JoinSet<()>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let portal = hubspot::Settings { index_lag: SignedDuration::ZERO, ..hubspot::Settings::default() };
        let hub = HubSpot::new(Clock::system(), portal);
        let odoo = Odoo::new(Clock::system(), odoo::Settings::default());
        for (login, first, last) in REPS.into_iter().chain([("m.huber", "Maria", "Huber")]) {
            let email = format!("{login}@example.com");
            hub.add_owner(&email, first, last);
            odoo.add_user(login, &format!("{first} {last}"), &email);
        }
        let mut servers = JoinSet::new();
        let (hub_at, odoo_at) = (serve(&mut servers, hub.router()).await, serve(&mut servers, odoo.router()).await);
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\n[connections.hubspot]\nkind = \"hubspot\"\nbase_url = \"{hub_at}\"\n\
             auth = {{ token = {{ env = \"HUBSPOT_TOKEN\" }} }}\npoll = \"1 second\"\n\n[connections.odoo]\nkind = \"odoo\"\n\
             base_url = \"{odoo_at}\"\naccount = \"{}\"\nauth = {{ token = {{ env = \"ODOO_KEY\" }} }}\npoll = \"1 second\"\n",
            odoo.settings().database
        );
        for (name, text) in [("baton.toml", settings.as_str()), ("agreement.toml", AGREEMENT), ("roster.toml", ROSTER)]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder, hub, odoo, _servers: servers }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn add(&self, text: &str) {
        let path = self.path("baton.toml");
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{before}\n{text}\n")).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env_clear().env("HUBSPOT_TOKEN", "pat-na1-sandbox").env("ODOO_KEY", self.odoo.settings().api_key);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().await.unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!told.contains("pat-na1-sandbox"), "{told}");
        (output.status.code(), told)
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[arguments, &["--json"]].concat()).output().await.unwrap();
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// How much was written to either CRM through its API.
    fn written(&self) -> usize {
        self.hub.ledger().len() + self.odoo.ledger().iter().filter(|effect| effect.is_api).count()
    }
}

#[tokio::test]
async fn check_online_says_at_the_line_of_the_file_what_the_crms_do_not_have() {
    let scene = Scene::new().await;
    scene.odoo.deactivate_user(scene.odoo.user("f.roth").unwrap());
    scene.hub.add_option(Kind::Contact, "lifecyclestage", "51439524", "Our stage");
    scene.add("[connections.hubspot.fields]\n\"lead.campaign\" = \"no_such_property\"\n[connections.hubspot.handoff]\nowner_due = \"no_such_time\"\n[connections.odoo.handoff]\nreason = \"x_no_such_reason\"\n[connections.hubspot.tracks]\nnext-quarter = { list = \"Nobody made it\" }");
    let roster = ROSTER.replace("a.lang@example.com", "a.other@example.com");
    std::fs::write(scene.path("roster.toml"), roster).unwrap();
    let (status, told) = scene.run(&["check", "--online"]).await;
    assert_eq!(status, Some(0), "warnings alone: {told}");
    for part in [
        "hubspot: HubSpot portal 123456 (Europe/Berlin, STANDARD)",
        "odoo: Odoo 19.0",
        "no_such_property",
        "contacts have no property no_such_time",
        "crm.lead has no field x_no_such_reason for the hand-off",
        "baton.toml:18:",
        "baton.toml:24:25",
        "Nobody made it",
        "lifecyclestage = \"51439524\"",
        "[connections.hubspot.stages]",
        "a.other@example.com may be given leads, but nobody in odoo is known by that address",
        "the account of f.roth@example.com in odoo is deactivated",
        "roster.toml:",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert_eq!(scene.written(), 0, "nothing was written");
    assert!(!scene.path("baton.db").exists(), "nor a store made");
    assert_eq!(scene.run(&["check", "--online", "--strict"]).await.0, Some(78));
    let told = scene.json(&["check", "--online"]).await;
    assert_eq!(told["ok"], true, "{told}");
    assert!(told["accounts"]["hubspot"].as_str().unwrap().contains("123456"), "{told}");
    let problems = told["problems"].as_array().unwrap();
    assert!(
        problems.iter().any(|one| one["line"] == 18 && one["key"] == "connections.hubspot.fields.lead.campaign"),
        "{told}"
    );
    let track = problems.iter().filter(|one| one["message"].as_str().unwrap().contains("Nobody made it"));
    let track: Vec<_> = track.map(|one| (&one["line"], &one["column"], &one["key"])).collect();
    let key = Value::from("connections.hubspot.tracks.next-quarter.list");
    assert!(track.contains(&(&24.into(), &25.into(), &key)), "{track:?}");
}

#[tokio::test]
async fn check_online_says_what_keeps_baton_from_an_account() {
    let scene = Scene::new().await;
    scene.hub.faults().set(Fault::ScopeRemoved { scope: "sales-email-read".to_owned() });
    scene.hub.faults().set(Fault::ClockSkew { ms: 600_000 });
    let (status, told) = scene.run(&["check", "--online"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("give it one of") && told.contains("sales-email-read"), "{told}");
    assert!(told.contains("e-mails that sales wrote are not seen: they prove no touch"), "{told}");
    assert!(told.contains("the clock of hubspot reads"), "{told}");
    scene.hub.faults().set(Fault::TokenRevoked { token: "sandbox".to_owned() });
    let (status, told) = scene.run(&["check", "--online"]).await;
    assert_eq!(status, Some(78), "{told}");
    assert!(told.contains("baton.toml:7:") && told.contains("INVALID_AUTHENTICATION"), "{told}");
    assert!(told.contains("odoo: Odoo 19.0"), "one account does not hide the other: {told}");
}

#[tokio::test]
async fn setup_names_then_makes_what_is_missing_and_makes_nothing_the_second_time() {
    let scene = Scene::new().await;
    let (status, told) = scene.run(&["setup", "hubspot"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("missing  property baton_score_fit of contacts"), "{told}");
    assert!(told.contains("missing  property baton_reason of contacts"), "{told}");
    assert!(told.contains("missing  property baton_owner_due of contacts"), "{told}");
    assert!(told.contains("missing  static list \"Baton: re-engage\""), "{told}");
    assert!(told.contains("Nothing was written. To make what is missing: baton setup hubspot --apply"), "{told}");
    assert_eq!(scene.written(), 0);

    let (status, told) = scene.run(&["setup", "hubspot", "--apply"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("made     property baton_grade of contacts"), "{told}");
    let made: Vec<String> = scene.hub.ledger().into_iter().map(|effect| effect.what).collect();
    assert_eq!(made.iter().filter(|what| *what == "create property").count(), 6, "{made:?}");
    assert_eq!(made.iter().filter(|what| *what == "create list").count(), 2, "{made:?}");
    assert_eq!(made.iter().filter(|what| *what == "create group").count(), 1, "{made:?}");

    let again = scene.json(&["setup", "hubspot", "--apply"]).await;
    assert_eq!(scene.written(), made.len(), "nothing the second time: {again}");
    assert!(again["requirements"].as_array().unwrap().iter().all(|one| one["state"] == "there"), "{again}");
    let mut lines = String::new();
    for (section, list) in again["add"].as_object().unwrap() {
        lines.push_str(&format!("{section}\n"));
        list.as_array().unwrap().iter().for_each(|line| lines.push_str(&format!("{}\n", line.as_str().unwrap())));
    }
    assert!(
        lines.contains("[connections.hubspot.handoff]\nreason = \"baton_reason\"\nowner_due = \"baton_owner_due\""),
        "{lines}"
    );
    assert!(lines.contains("re-engage = { list = \"Baton: re-engage\" }"), "{lines}");
    scene.add(&lines);
    let (status, told) = scene.run(&["check", "--online"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert!(!told.contains("baton_") && !told.contains("Baton: re-engage"), "the lines fit what was made: {told}");
    let added = scene.json(&["setup", "hubspot"]).await;
    assert_eq!(added["add"], serde_json::json!({}), "{added}");
}

#[tokio::test]
async fn setup_makes_tags_lost_reasons_and_fields_in_odoo_once() {
    let scene = Scene::new().await;
    let told = scene.json(&["setup", "odoo", "--apply"]).await;
    let state = |what: &str| {
        let all = told["requirements"].as_array().unwrap();
        all.iter().find(|one| one["what"] == what).unwrap_or_else(|| panic!("{what}: {told}"))["state"].clone()
    };
    assert_eq!(state("tag \"Baton: re-engage\""), "made");
    assert_eq!(state("lost reason \"Bad timing\""), "made");
    for field in ["fit", "reason", "owner_due"] {
        assert_eq!(state(&format!("field x_baton_{field} of crm.lead")), "made");
    }
    let written = scene.written();
    let (status, again) = scene.run(&["setup", "odoo", "--apply"]).await;
    assert_eq!(status, Some(0), "{again}");
    assert!(again.contains("there    lost reason \"Bad timing\""), "{again}");
    assert!(again.contains("there    field x_baton_fit of crm.lead"), "{again}");
    assert_eq!(scene.written(), written, "{again}");
    let (status, told) = scene.run(&["setup", "other"]).await;
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("no connection is called other: there is `hubspot` or `odoo`"), "{told}");
}

#[tokio::test]
async fn what_a_key_may_not_make_in_odoo_is_left_to_a_person_with_the_place_and_the_name() {
    let scene = Scene::new().await;
    scene.odoo.add_key(scene.odoo.user("a.lang").unwrap(), "key-of-a-seller");
    let mut command = scene.command(&["setup", "odoo"]);
    let output = command.env("ODOO_KEY", "key-of-a-seller").output().await.unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("by hand  field x_baton_fit of crm.lead: in developer mode, Settings > Technical > Fields"),
        "{told}"
    );
    assert_eq!(scene.written(), 0, "{told}");
}

#[tokio::test]
async fn a_choice_that_appears_is_a_finding_before_any_record_shows_it() {
    let world = World::with(AGREEMENT, Mode::On).await;
    world.beat().await;
    world.parts.describe_connections().await;
    let unmapped = async || -> Vec<String> {
        let findings = world.parts.engine.store().findings(200).await.unwrap();
        findings.into_iter().filter(|row| row.kind == "unmapped").map(|row| row.subject).collect()
    };
    let before = unmapped().await;
    world.hubspot.add_option(Kind::Contact, "lifecyclestage", "51439524", "Our stage");
    world.odoo.reason("Not our region");
    world.hubspot.reset_requests();
    world.parts.engine.watch_choices().await.unwrap();
    assert_eq!(world.hubspot.requests().total, 1, "cheap enough for every minute");
    let fresh: Vec<String> = unmapped().await.into_iter().filter(|one| !before.contains(one)).collect();
    assert!(fresh.iter().any(|one| one == "hubspot: lifecyclestage=51439524"), "{fresh:?}");
    assert!(fresh.iter().any(|one| one == "odoo: lost_reason_id=Not our region"), "{fresh:?}");
}

#[tokio::test]
async fn a_text_that_is_to_hold_a_time_asks_for_its_form_fault_43() {
    let scene = Scene::new().await;
    scene
        .hub
        .create_contact(hubspot::Author::Form, &[("email", "a@x.example"), ("demo_at", "03/04/2026"), ("demo", "yes")]);
    scene.add("[connections.hubspot.signals]\ndemo_request = { property = \"demo\", at = \"demo_at\" }");
    let (_, told) = scene.run(&["check", "--online"]).await;
    assert!(told.contains("demo_at is to hold the time of a signal, but is a string"), "{told}");
    assert!(told.contains("[connections.hubspot.times]"), "{told}");
    scene.add("[connections.hubspot.times]\ndemo_at = \"day_month_yaer\"");
    let (status, told) = scene.run(&["check", "--online"]).await;
    assert_eq!(status, Some(78), "{told}");
    assert!(told.contains("did you mean `day_month_year`?"), "{told}");
    let path = scene.path("baton.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("yaer", "year");
    std::fs::write(&path, text).unwrap();
    let (status, told) = scene.run(&["check", "--online"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert!(!told.contains("demo_at is to hold"), "{told}");
}

#[tokio::test]
async fn a_second_process_on_one_store_ends_with_a_code_of_its_own_fault_12() {
    let scene = Scene::new().await;
    let held =
        baton::store::Store::open(&scene.path("baton.db"), &baton::domain::id::WorkspaceId::from("default")).await;
    let held = held.unwrap();
    let (status, told) = scene.run(&["run"]).await;
    assert_eq!(status, Some(75), "{told}");
    drop(held);
    let (status, told) = scene.run(&["backup", "no/such/folder/copy.db"]).await;
    assert_eq!(status, Some(1), "another failure is not taken for it: {told}");
}
