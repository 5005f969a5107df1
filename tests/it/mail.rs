//! E-mail over SMTP against a server that greylists, refuses, hangs up, or will not encrypt.

use baton::domain::id::{LeadId, Name};
use baton::engine::deliver::Channels;
use baton::notify::Channel;
use baton::notify::email::{Email, Security, Settings};

use super::harness::{AGREEMENT, ROSTER, World};
use super::smtp::{Reply, Smtp, house};

/// Everybody of the roster is told by mail.
pub(crate) fn by_mail(roster: &str) -> String {
    let told = roster.replace("name = \"", "tell = \"email\"\nname = \"");
    assert_ne!(told, roster);
    told
}

pub(crate) fn email(server: &Smtp, security: Security) -> Channel {
    Channel::Email(Box::new(Email::new(Settings {
        host: "127.0.0.1".to_owned(),
        port: server.at.port(),
        security,
        from: "Baton <baton@us.example>".parse().unwrap(),
        to: None,
        login: (security != Security::Plain).then(|| ("baton".to_owned(), "canary-password".into())),
        board: "http://board.example".to_owned(),
        extra_root_pem: Some(house()),
    })))
}

/// A world whose people are told by mail through `server`.
async fn world(server: &Smtp, security: Security) -> World {
    let mut world = World::new().await;
    let mut channels = world.parts.channels.clone();
    channels.by_name.push((Name::from("email.main"), email(server, security)));
    world.restart_telling(AGREEMENT, &by_mail(ROSTER), channels, None).await;
    world
}

async fn deliver(world: &World, times: usize) {
    for _ in 0..times {
        world.parts.engine.store().hurry().await.unwrap();
        world.parts.engine.deliver_notices(&world.parts.client, &world.parts.channels).await.unwrap();
    }
}

/// What became of the notices of the only lead, as `explain` tells it.
async fn fates(world: &World) -> Vec<(String, String)> {
    let engine = &world.parts.engine;
    let lead =
        baton::api::view::lead(engine.store(), &engine.rules(), engine.clock().now(), &LeadId(1).to_string()).await;
    let effects = lead.unwrap().expect("the lead is known").effects;
    let notices = effects.into_iter().filter(|effect| effect.to.contains('.'));
    notices.map(|effect| (effect.to.clone(), effect.fate())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_mail_gets_mail_and_is_not_mentioned_in_the_channel() {
    let server = Smtp::plain();
    let world = world(&server, Security::Plain).await;
    let (_, _, owner) = world.handed_over("Jane").await;
    let mails = server.taken();
    assert_eq!(mails.len(), 1, "{}", world.story().await);
    let mail = &mails[0];
    assert_eq!(mail.to, [format!("{owner}@example.com")]);
    assert!(mail.header("Subject").starts_with("Jane Roe (Acme GmbH) is with"), "{}", mail.header("Subject"));
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    let plain = mail.plain();
    for part in
        ["The whole story: http://board.example/leads/L-1", "Score ", "What is known of them", "title: Head of IT"]
    {
        assert!(plain.contains(part), "{part} is missing in {plain}");
    }
    assert_eq!(world.told(), Vec::<String>::new(), "nobody else needs to read it");
    // A breach goes to owner and manager, each by themselves.
    world.pass(70).await;
    let breach: Vec<_> = server.taken().into_iter().filter(|mail| mail.header("Subject").contains("was due")).collect();
    let to: Vec<&str> = breach.iter().flat_map(|mail| &mail.to).map(String::as_str).collect();
    assert_eq!(to.len(), 2, "{to:?} {}", world.story().await);
    assert!(to.contains(&"m.huber@example.com"), "{to:?}");
    assert_ne!(breach[0].header("Message-ID"), breach[1].header("Message-ID"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greylisting_is_waited_for_and_every_try_has_one_message_id_fault_95() {
    let server = Smtp::plain();
    server.tell(&[Reply::Recipient("450 4.2.0 greylisted, come back later"), Reply::Mail("451 4.3.0 not now")]);
    let world = world(&server, Security::Plain).await;
    world.handed_over("Jane").await;
    assert_eq!(server.taken().len(), 0);
    let waits = fates(&world).await;
    assert!(waits[0].1.starts_with("pending: the mail server answered 450"), "{waits:?}");
    world.parts.engine.deliver_notices(&world.parts.client, &world.parts.channels).await.unwrap();
    assert_eq!(server.mails().len(), 0, "it is not asked again at once");
    deliver(&world, 2).await;
    let mails = server.mails();
    assert_eq!((mails.len(), server.taken().len()), (2, 1), "{}", world.story().await);
    assert_eq!(mails[0].text, mails[1].text, "to the letter, Message-ID and all");
    assert_eq!(fates(&world).await[0].1, "done: tried 3 times");
    assert_eq!(world.parts.engine.store().overview().await.unwrap().possible_repeats, 0, "none of them arrived before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_refused_is_dead_and_visible_fault_95() {
    let server = Smtp::plain();
    server.tell(&[Reply::Recipient("550 5.1.1 no such user")]);
    let world = world(&server, Security::Plain).await;
    let (_, _, owner) = world.handed_over("Jane").await;
    deliver(&world, 2).await;
    assert_eq!(server.mails().len(), 0, "it is not tried again");
    let dead = world.parts.engine.store().effects_dead(10).await.unwrap();
    assert_eq!(dead.len(), 1, "{}", world.story().await);
    assert_eq!(dead[0].to, format!("email.main/{owner}@example.com"));
    assert!(dead[0].message.as_ref().unwrap().contains("550"), "{dead:?}");
    let findings = world.parts.engine.store().findings(50).await.unwrap();
    let said = findings.iter().find(|finding| finding.kind == "undeliverable").expect("a person is told");
    assert!(said.text.contains("no such user"), "{}", said.text);
    // With a fallback it reaches somebody.
    let server = Smtp::plain();
    server.tell(&[Reply::Recipient("550 5.1.1 no such user")]);
    let mut world = self::world(&server, Security::Plain).await;
    world.parts.channels = Channels { fallback: Some(Name::from("slack.sales")), ..world.parts.channels.clone() };
    world.handed_over("Jane").await;
    assert_eq!(world.told().len(), 1, "{}", world.story().await);
    let fates = fates(&world).await;
    assert!(fates[0].1.starts_with("done: by slack.sales instead: the mail server answered 550"), "{fates:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_mail_is_repeated_once_marked_under_the_same_message_id_fault_94() {
    let server = Smtp::plain();
    server.tell(&[Reply::Silence]);
    let world = world(&server, Security::Plain).await;
    world.handed_over("Jane").await;
    deliver(&world, 4).await;
    let mails = server.taken();
    assert_eq!(mails.len(), 2, "{}", world.story().await);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert!(!mails[0].plain().contains("possibly repeated") && mails[1].plain().contains("possibly repeated"));
    let fates = fates(&world).await;
    assert_eq!(fates[0].1, "done: tried 2 times; possibly repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_starttls_not_a_word_of_it_goes_out_in_the_clear() {
    let server = Smtp::plain();
    let world = world(&server, Security::StartTls).await;
    world.handed_over("Jane").await;
    deliver(&world, 2).await;
    assert_eq!(server.mails().len(), 0);
    let heard = server.heard();
    assert!(!heard.is_empty(), "it was asked");
    let harmless = |line: &String| ["EHLO", "QUIT", "STARTTLS"].iter().any(|verb| line.starts_with(verb));
    assert!(heard.iter().all(harmless), "{heard:?}");
    let fates = fates(&world).await;
    assert!(fates[0].1.contains("STARTTLS is not supported on this server"), "it waits, visibly: {fates:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_and_mail_go_over_starttls() {
    let server = Smtp::with_tls();
    server.tell(&[Reply::Login("535 5.7.8 who are you")]);
    let world = world(&server, Security::StartTls).await;
    world.handed_over("Jane").await;
    let waits = fates(&world).await;
    assert!(waits[0].1.contains("does not accept the login: 535"), "{waits:?}");
    deliver(&world, 1).await;
    let mails = server.taken();
    assert_eq!(mails.len(), 1, "{}", world.story().await);
    assert!(mails[0].over_tls);
    assert!(server.heard().iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{:?}", server.heard());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_nobody_stops_the_mail() {
    let server = Smtp::with_tls();
    let mut world = world(&server, Security::StartTls).await;
    let mut channels = world.parts.channels.clone();
    let strange = Email::new(Settings {
        host: "127.0.0.1".to_owned(),
        port: server.at.port(),
        security: Security::StartTls,
        from: "baton@us.example".parse().unwrap(),
        to: None,
        login: Some(("baton".to_owned(), "canary-password".into())),
        board: String::new(),
        extra_root_pem: None,
    });
    channels.by_name.retain(|(name, _)| name.as_str() != "email.main");
    channels.by_name.push((Name::from("email.main"), Channel::Email(Box::new(strange))));
    world.parts.channels = channels;
    world.handed_over("Jane").await;
    assert_eq!(server.mails().len(), 0);
    let fates = fates(&world).await;
    assert!(fates[0].1.contains("signed by nobody whom this machine trusts"), "{fates:?}");
    assert!(!server.heard().iter().any(|line| line.starts_with("AUTH")), "{:?}", server.heard());
}

/// A folder with settings of a mail server alone, and how to run the real binary there.
struct Ops(tempfile::TempDir);

impl Ops {
    fn new(server: &Smtp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "zone = \"Europe/Berlin\"\n[server]\nlisten = \"127.0.0.1:0\"\n[notify.email.main]\nurl = \"smtp://127.0.0.1:{}\"\n\
             from = \"Baton <baton@us.example>\"\nto = \"desk@us.example\"\n",
            server.at.port()
        );
        let roster = "[teams.sales]\nfallback = \"m@example.com\"\nmanager = \"m@example.com\"\ntell = \"email.main\"\n\
                      members = [{ person = \"a@example.com\" }]\n[people.\"a@example.com\"]\ntell = \"email\"\n\
                      [calendars.berlin]\nzone = \"Europe/Berlin\"\nopen = { mon-fri = [\"09:00-17:00\"] }\n";
        let agreement = include_str!("../../config/starter.toml");
        for (name, text) in [("baton.toml", settings.as_str()), ("roster.toml", roster), ("agreement.toml", agreement)]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(arguments).current_dir(self.0.path()).env_clear().kill_on_drop(true);
        command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        command
    }

    /// The exit code, and everything that was said.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().await.unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), told)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notify_test_says_what_became_of_it_with_and_without_a_daemon() {
    let server = Smtp::plain();
    let ops = Ops::new(&server);
    let (code, told) = ops.run(&["notify", "test"]).await;
    assert!(code == Some(0) && told.starts_with("email.main: arrived (id "), "{told}");
    assert_eq!(server.taken()[0].to, ["desk@us.example"]);
    assert_eq!(server.taken()[0].header("Subject"), "This is a test of Baton");
    server.tell(&[Reply::Recipient("550 5.1.1 no such user")]);
    let (code, told) = ops.run(&["notify", "test", "a@example.com"]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("email.main/a@example.com: did not arrive: the mail server answered 550"), "{told}");
    let (code, told) = ops.run(&["notify", "test", "email.mian"]).await;
    assert!(code == Some(1) && told.contains("name a channel (email.main)"), "{told}");
    // The same beside a running daemon, which sends it.
    let mut daemon = ops.command(&["run"]).spawn().unwrap();
    let socket = ops.0.path().join("baton.db.sock");
    while !socket.exists() {
        assert!(daemon.try_wait().unwrap().is_none(), "the daemon runs");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (code, told) = ops.run(&["notify", "test", "a@example.com", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"));
    assert_eq!((code, &json["tests"][0]["state"]), (Some(0), &"done".into()), "{told}");
    assert_eq!(json["tests"][0]["to"], "email.main/a@example.com");
    assert_eq!(server.taken().last().unwrap().to, ["a@example.com"]);
    daemon.kill().await.unwrap();
}
