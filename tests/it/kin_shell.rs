//! Who is one person, as an ops person says it: the real binary asks the real daemon over its control socket.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use baton::sandbox::hubspot::Author;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::kill::Scene;

const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that has read three people: two who look like one, and one who is nobody's double.
struct Shop {
    scene: Scene,
    daemon: Child,
    jane: String,
    near: String,
    max: String,
}

impl Shop {
    async fn open() -> Self {
        let scene = Scene::new().await;
        let contact = |first: &str, email: &str| {
            let values = [("email", email), ("firstname", first), ("lastname", "Poe"), ("lifecyclestage", "lead")];
            format!("hubspot:{}", scene.hubspot.create_contact(Author::Form, &values))
        };
        let jane = contact("Jane", "jane.poe@acme.example");
        let near = contact("Jane", "jane.poe2@acme.example");
        let max = contact("Max", "max.poe@acme.example");
        let daemon = scene.start();
        let shop = Self { scene, daemon, jane, near, max };
        let started = Instant::now();
        while shop.lead(&shop.max).await.is_none() {
            assert!(started.elapsed() < PATIENCE, "nobody is known: {}", shop.scene.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        shop
    }

    async fn baton(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(arguments).arg("--config").arg(self.scene.folder.path().join("baton.toml"));
        command.env_remove("SUDO_USER").env("USER", "olga").current_dir(self.scene.folder.path());
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap()
    }

    /// What a command says, which must end with `code`.
    async fn says(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.baton(arguments).await;
        let words = [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
        words
    }

    async fn answers(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.baton(&[arguments, &["--json"]].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The lead of a record, once it is decided about.
    async fn lead(&self, record: &str) -> Option<String> {
        let output = self.baton(&["explain", record, "--json"]).await;
        let told: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(told["lead"].as_str()?.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_unlink_and_review_work_from_a_shell_beside_the_daemon() {
    let mut shop = Shop::open().await;
    let (jane, near, max) = (
        shop.lead(&shop.jane).await.unwrap(),
        shop.lead(&shop.near).await.unwrap(),
        shop.lead(&shop.max).await.unwrap(),
    );
    assert_eq!(shop.answers(0, &["status"]).await["running"], true);

    let joined = shop.answers(0, &["link", &near, "jane.poe@acme.example"]).await;
    super::explain::has_the_documented_keys(&joined, "`baton link");
    assert_eq!(
        (&joined["lead"], &joined["other"], &joined["records"]),
        (&jane.clone().into(), &near.clone().into(), &serde_json::json!([shop.near]))
    );
    assert_eq!(shop.lead(&shop.near).await, Some(jane.clone()), "one lead, by either record");
    assert_eq!(shop.lead(&near).await, Some(jane.clone()), "and by the number it had");
    let again = shop.says(1, &["link", &near, &jane]).await;
    assert!(again.contains("are one lead already") && again.contains("baton unlink"), "{again}");
    let refused = shop.answers(1, &["link", "nobody@acme.example", &jane]).await;
    assert!(refused["error"].as_str().unwrap().contains("nobody@acme.example"), "{refused}");
    let whole = shop.says(1, &["unlink", &jane]).await;
    assert!(whole.contains(&shop.jane) && whole.contains(&shop.near), "it names what can be said instead: {whole}");

    // The record that was there first is named: the join is taken back all the same, and Jane keeps her number.
    let parted = shop.says(0, &["unlink", &shop.jane]).await;
    assert!(parted.contains("as it was before") && parted.contains("where it was first"), "{parted}");
    assert_eq!((shop.lead(&shop.jane).await, shop.lead(&shop.near).await), (Some(jane.clone()), Some(near.clone())));
    let alone = shop.says(1, &["unlink", &shop.max]).await;
    assert!(alone.contains("nobody to take it apart from"), "{alone}");

    let accepted = shop.answers(0, &["review", "accept", &jane, &near]).await;
    assert_eq!(accepted["lead"], jane.as_str());
    let rejected = shop.answers(0, &["review", "reject", &jane, &max]).await;
    assert_eq!((&rejected["lead"], &rejected["other"]), (&jane.clone().into(), &max.clone().into()));
    assert_eq!(shop.answers(0, &["review", "list"]).await, serde_json::json!([]));
    let told = shop.says(0, &["explain", &jane]).await;
    assert!(
        told.contains("olga said that it is the same person")
            && told.contains(&format!("is not the person of {}", shop.max.replace(':', ":person:"))),
        "{told}"
    );
    for (code, arguments) in [(2, &["link", "L-1"][..]), (2, &["review"]), (2, &["review", "accept", "L-1"])] {
        shop.says(code, arguments).await;
    }

    // Without a daemon the same commands do the same, and say what waits for its start.
    shop.daemon.kill().await.unwrap();
    assert_eq!(shop.answers(0, &["status"]).await["running"], false);
    assert!(shop.says(0, &["status"]).await.starts_with("No Baton runs"));
    let parted = shop.says(0, &["unlink", &shop.near]).await;
    assert!(parted.contains("no Baton runs here now"), "{parted}");
    assert_eq!(shop.lead(&shop.near).await, Some(near));
}
