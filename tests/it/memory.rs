//! The real binary with little memory: what it holds depends on its bounds, not on how much the CRM has.

use baton::sandbox::hubspot::Population;
use serde_json::Value;
use tokio::process::Command;

use super::online::Scene;

/// What the process may have of data and stacks, in KiB. The kernel refuses more, and an allocation that is refused ends the
/// process.
const LIMIT_KIB: u32 = 64 * 1024;
/// So many that all of them together would not fit.
const CONTACTS: u32 = 12_000;

/// `baton` with a limit on what it may allocate.
fn limited(scene: &Scene, arguments: &[&str], limit_kib: u32) -> Command {
    let plain = scene.command(arguments);
    let plain = plain.as_std();
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("ulimit -d {limit_kib} && exec \"$0\" \"$@\"")).arg(plain.get_program());
    command.args(plain.get_args()).current_dir(scene.folder.path()).kill_on_drop(true).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[tokio::test]
async fn a_first_sync_of_thousands_keeps_within_its_memory_fault_19() {
    let scene = Scene::new().await;
    scene.hub.populate(&Population {
        contacts: CONTACTS,
        companies: CONTACTS / 5,
        calls: CONTACTS / 10,
        ..Population::default()
    });
    let output = limited(&scene, &["sync", "--json"], LIMIT_KIB).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {told}", output.status);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["decided"], true, "{said}");
    let leads: u64 = said["leads_by_stage"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert!(leads >= u64::from(CONTACTS), "everybody was read: {said}");
}
