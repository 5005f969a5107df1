//! `baton agreement diff`: another agreement tried on the stored leads, by the real binary.

use tokio::process::Command;

use super::harness::{AGREEMENT, ROSTER, World};

const SETTINGS: &str = r#"
zone = "Europe/Berlin"
[connections.hubspot]
kind = "hubspot"
base_url = "http://127.0.0.1:9"
auth = { token = { env = "TOKEN" } }
[connections.odoo]
kind = "odoo"
base_url = "http://127.0.0.1:9"
account = "odoo19"
auth = { token = { env = "TOKEN" } }
"#;

async fn diff(world: &World, file: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
    command.args(["agreement", "diff", file, "--days", "3650"]).args(arguments);
    let output = command.env("TOKEN", "t").current_dir(world.folder.path()).output().await.unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_bar_is_tried_on_the_stored_leads_before_it_is_signed_fault_115() {
    let world = World::new().await;
    world.contact("Jane");
    world.contact("John");
    world.beat().await;
    world.pass(3).await;
    let bar = AGREEMENT.lines().find(|line| line.starts_with("mql = ")).expect("it has a bar");
    let lower = AGREEMENT.replace(bar, "mql = \"score.fit >= 1\"");
    for (name, text) in
        [("baton.toml", SETTINGS), ("agreement.toml", AGREEMENT), ("roster.toml", ROSTER), ("lower.toml", &lower)]
    {
        std::fs::write(world.folder.path().join(name), text).unwrap();
    }
    let told = diff(&world, "lower.toml", &[]).await;
    assert!(told.contains("+ mql = \"score.fit >= 1\"") && told.contains("2  more would pass the bar"), "{told}");
    assert!(told.contains("! it changes something for 2 of 2 leads"), "{told}");
    let told: serde_json::Value = serde_json::from_str(&diff(&world, "agreement.toml", &["--json"]).await).unwrap();
    assert_eq!((&told["different"], &told["leads"]), (&serde_json::json!(0), &serde_json::json!(2)));
    assert!(told["doubt"].as_str().unwrap().contains("is it the file that was meant?"), "{told}");
}
