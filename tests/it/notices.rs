//! Notices over HTTP against channels that refuse, vanish, or take a message without a word.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use baton::domain::id::Name;
use baton::domain::plan::Mode;
use baton::engine::deliver::Channels;
use baton::http::{Method, Request};
use baton::notify::Channel;
use baton::notify::slack::{Bot, Slack};
use baton::notify::webhook::Webhook;
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, ROSTER, World, serve};

/// How the channel takes the next message.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Status(u16, &'static str),
    /// The message is taken, and the connection ends without an answer.
    Silence,
}

const OK: Answer = Answer::Status(200, "ok");

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrived {
    path: String,
    id: Option<String>,
    body: String,
}

/// A channel that answers as told, and `ok` when nothing more was told.
#[derive(Clone, Default)]
struct Wall {
    answers: Arc<Mutex<VecDeque<(&'static str, Answer)>>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Wall {
    async fn start(&self, servers: &mut JoinSet<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let wall = self.clone();
        servers.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                wall.take(stream).await;
            }
        });
        address
    }

    /// The next message on `path` is answered so.
    fn tell(&self, path: &'static str, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers.iter().map(|answer| (path, *answer)));
    }

    async fn take(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let (head, body_at, length) = loop {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).await.unwrap();
            if read == 0 {
                return;
            }
            bytes.extend_from_slice(&part[..read]);
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let header = |name: &str| {
                    let lines = head.lines().filter_map(|line| line.split_once(':'));
                    lines
                        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.trim().to_owned())
                        .next()
                };
                let length: usize = header("content-length").unwrap().parse().unwrap();
                break ((head.clone(), header("webhook-id")), end + 4, length);
            }
        };
        while bytes.len() < body_at + length {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).await.unwrap();
            bytes.extend_from_slice(&part[..read]);
        }
        let path = head.0.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let body = String::from_utf8(bytes[body_at..].to_vec()).unwrap();
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            let next = answers.iter().position(|(known, _)| *known == path);
            next.and_then(|at| answers.remove(at)).map_or(OK, |(_, answer)| answer)
        };
        self.arrived.lock().unwrap().push(Arrived { path, id: head.1, body });
        if let Answer::Status(status, words) = answer {
            let text =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}", words.len());
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    }

    fn on(&self, path: &str) -> Vec<Arrived> {
        self.arrived.lock().unwrap().iter().filter(|arrived| arrived.path == path).cloned().collect()
    }
}

/// A world whose channels are the wall's; `slack.marketing` is the fallback if `with_fallback`.
async fn world(servers: &mut JoinSet<()>, with_fallback: bool, signed: bool) -> (World, Wall) {
    let mut world = World::new().await;
    let wall = Wall::default();
    let at = wall.start(servers).await;
    let channel = |name: &str| {
        let url = format!("{at}/{name}");
        let channel = if signed {
            Channel::Webhook(Webhook { url: url.parse().unwrap(), secret: "a secret of the test".into() })
        } else {
            Channel::Slack(Slack::webhook(url.into(), "http://board.example".to_owned()))
        };
        (Name::from(format!("slack.{name}")), channel)
    };
    let channels = Channels {
        by_name: vec![channel("sales"), channel("marketing")],
        fallback: with_fallback.then(|| Name::from("slack.marketing")),
        ..Channels::default()
    };
    world.restart_telling(AGREEMENT, ROSTER, channels, None).await;
    (world, wall)
}

/// Sends what waits, and what would wait longer, `times` over.
async fn deliver(world: &World, times: usize) {
    for _ in 0..times {
        world.parts.engine.store().hurry().await.unwrap();
        world.parts.engine.deliver_notices(&world.parts.client, &world.parts.channels).await.unwrap();
    }
}

async fn undeliverable(world: &World) -> Vec<String> {
    let findings = world.parts.engine.store().findings(50).await.unwrap();
    findings.into_iter().filter(|row| row.kind == "undeliverable").map(|row| row.text).collect()
}

async fn repeats(world: &World) -> i64 {
    world.parts.engine.store().overview().await.unwrap().possible_repeats
}

async fn dead(world: &World) -> usize {
    world.parts.engine.store().effects_dead(50).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_is_sent_as_it_was_decided_whatever_changed_since_fault_98() {
    for signed in [false, true] {
        let mut servers = JoinSet::new();
        let (mut world, wall) = world(&mut servers, false, signed).await;
        wall.tell("sales", &[Answer::Status(429, "")]);
        let (contact, _, _) = world.handed_over("Jane").await;
        let first = wall.on("sales");
        assert_eq!(first.len(), 1, "{}", world.story().await);
        // Other names, other Slack members, another agreement, another name of the lead.
        world.hubspot.update(
            baton::sandbox::hubspot::Kind::Contact,
            &contact,
            baton::sandbox::hubspot::Author::Form,
            &[("firstname", "Joan"), ("jobtitle", "CFO")],
        );
        let roster = ROSTER.replace("slack = \"U", "slack = \"W").replace("name = \"", "name = \"Dr. ");
        assert_ne!(roster, ROSTER);
        let channels = world.parts.channels.clone();
        world.restart_with(&AGREEMENT.replace("first touch", "first call"), &roster).await;
        world.parts.channels = channels;
        world.beat().await;
        deliver(&world, 2).await;
        let both = wall.on("sales");
        assert_eq!(both.len(), 2, "{}", world.story().await);
        assert_eq!(both[0], both[1]);
        assert_eq!(both[0].id.is_some(), signed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_channel_refuses_the_fallback_has_and_one_finding_says_so_fault_93() {
    let mut servers = JoinSet::new();
    let (world, wall) = world(&mut servers, true, false).await;
    wall.tell("sales", &[Answer::Status(404, "channel_not_found"), Answer::Status(404, "channel_not_found")]);
    world.handed_over("Jane").await;
    world.handed_over("John").await;
    let (refused, taken) = (wall.on("sales"), wall.on("marketing"));
    assert_eq!((refused.len(), taken.len()), (2, 2), "{}", world.story().await);
    let bodies = |messages: Vec<Arrived>| messages.into_iter().map(|arrived| arrived.body).collect::<Vec<_>>();
    let taken_bodies = bodies(taken);
    assert_eq!(bodies(refused), taken_bodies, "word for word");
    assert!(!taken_bodies[0].contains("possibly repeated"), "what was refused did not arrive");
    let said = undeliverable(&world).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("channel_not_found") && said[0].contains("slack.marketing"), "{said:?}");
    assert_eq!((dead(&world).await, repeats(&world).await), (0, 0));
    // The channel is there again: what it takes by itself ends the finding.
    world.handed_over("Jim").await;
    assert_eq!((wall.on("sales").len(), undeliverable(&world).await.len()), (3, 0), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_asks_to_wait_for_ever_gives_way_to_the_fallback_fault_93() {
    let mut servers = JoinSet::new();
    let (world, wall) = world(&mut servers, true, false).await;
    wall.tell("sales", &[Answer::Status(429, ""); 40]);
    world.handed_over("Jane").await;
    deliver(&world, 40).await;
    assert_eq!(wall.on("marketing").len(), 1, "{}", world.story().await);
    let asked = wall.on("sales").len();
    assert!((3..40).contains(&asked), "{asked} tries");
    assert_eq!((undeliverable(&world).await.len(), dead(&world).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_repeated_once_under_the_same_id_and_counted_fault_94() {
    for signed in [false, true] {
        let mut servers = JoinSet::new();
        let (world, wall) = world(&mut servers, false, signed).await;
        wall.tell("sales", &[Answer::Silence]);
        world.handed_over("Jane").await;
        deliver(&world, 3).await;
        let arrived = wall.on("sales");
        assert_eq!(arrived.len(), 2, "{}", world.story().await);
        assert_eq!(arrived[0].id, arrived[1].id);
        let marks: Vec<bool> = arrived
            .iter()
            .map(|one| one.body.contains("(possibly repeated)") || one.body.contains("\"possibly_repeated\":true"))
            .collect();
        assert_eq!(marks, [false, true]);
        let unmarked = arrived[1].body.replace(" (possibly repeated)", "").replace("d\":true", "d\":false");
        assert_eq!(arrived[0].body, unmarked, "but for the mark it is the same");
        assert_eq!(repeats(&world).await, 1);
        let (engine, status) = (Arc::clone(&world.parts.engine), Arc::clone(&world.parts.status));
        let board = serve(&mut servers, baton::api::router(baton::api::Api { engine, status })).await;
        let request = Request::to(Method::Get, &format!("{board}/metrics").parse().unwrap(), &[]);
        let metrics = String::from_utf8(world.parts.client.send(request).await.unwrap().body).unwrap();
        assert!(metrics.contains("baton_notices_possibly_repeated_total 1\n"), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_a_third_fault_94() {
    for with_fallback in [false, true] {
        let mut servers = JoinSet::new();
        let (world, wall) = world(&mut servers, with_fallback, false).await;
        wall.tell("sales", &[Answer::Silence; 9]);
        world.handed_over("Jane").await;
        deliver(&world, 5).await;
        assert_eq!(wall.on("sales").len(), 2, "{}", world.story().await);
        let instead = wall.on("marketing");
        assert_eq!(instead.len(), usize::from(with_fallback));
        assert!(instead.iter().all(|one| one.body.contains("possibly repeated")));
        assert_eq!(dead(&world).await, usize::from(!with_fallback), "visible, with its reason");
        assert_eq!((undeliverable(&world).await.len(), repeats(&world).await), (1, 1));
    }
}

async fn metrics(world: &World, servers: &mut JoinSet<()>) -> String {
    let (engine, status) = (Arc::clone(&world.parts.engine), Arc::clone(&world.parts.status));
    let board = serve(servers, baton::api::router(baton::api::Api { engine, status })).await;
    let request = Request::to(Method::Get, &format!("{board}/metrics").parse().unwrap(), &[]);
    String::from_utf8(world.parts.client.send(request).await.unwrap().body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_self_test_that_arrives_sets_the_dead_mans_clock_and_one_that_fails_does_not_fault_97() {
    let mut servers = JoinSet::new();
    let (world, wall) = world(&mut servers, true, false).await;
    let since = |text: &str, channel: &str| {
        let name = format!("baton_channel_seconds_since_test{{channel=\"{channel}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    let before = metrics(&world, &mut servers).await;
    assert_eq!((since(&before, "slack.sales"), since(&before, "slack.marketing")), ("-1".to_owned(), "-1".to_owned()));
    // The one that fails is not the fallback, to which its notice could go.
    wall.tell("sales", &[Answer::Status(404, "channel_is_archived")]);
    let engine = &world.parts.engine;
    let targets = engine.test_targets(None).unwrap();
    let tested = engine.test_notices(&targets).await.unwrap();
    deliver(&world, 2).await;
    assert_eq!(
        (wall.on("sales").len(), wall.on("marketing").len()),
        (1, 1),
        "none goes to the fallback, none is repeated"
    );
    assert!(wall.on("marketing")[0].body.contains("This is a test of Baton"), "{:?}", wall.on("marketing"));
    let mut fates = Vec::new();
    for test in &tested {
        let row = engine.store().effect(test.op).await.unwrap().unwrap();
        fates.push((row.to, row.state));
    }
    let fate = |to: &str, state: &str| (to.to_owned(), state.to_owned());
    assert_eq!(fates, [fate("test:slack.sales", "dead"), fate("test:slack.marketing", "done")]);
    assert!(undeliverable(&world).await[0].contains("channel_is_archived"));
    world.clock.advance(jiff::SignedDuration::from_secs(100));
    let after = metrics(&world, &mut servers).await;
    assert_eq!((since(&after, "slack.sales"), since(&after, "slack.marketing")), ("-1".to_owned(), "100".to_owned()));
    // By itself it is tested again when its time has come, not before, whatever became of the last.
    let hour = jiff::SignedDuration::from_hours(1);
    engine.test_when_due(hour).await.unwrap();
    deliver(&world, 1).await;
    assert_eq!(wall.on("sales").len(), 1);
    world.clock.advance(hour);
    engine.test_when_due(hour).await.unwrap();
    engine.test_when_due(hour).await.unwrap();
    deliver(&world, 2).await;
    assert_eq!((wall.on("sales").len(), wall.on("marketing").len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_goes_where_it_is_asked_to_and_says_what_it_does_not_know() {
    let mut servers = JoinSet::new();
    let (world, _) = world(&mut servers, false, false).await;
    let asked = |target: &str| {
        let targets = world.parts.engine.test_targets(Some(target));
        targets.map(|targets| targets.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(asked("slack.sales"), Ok(vec!["slack.sales".to_owned()]));
    assert_eq!(asked("A.Lang@example.com"), Ok(vec!["slack.sales".to_owned()]), "told by a mention there");
    for wrong in ["slack.slaes", "nobody@example.com", "slack.sales/a.lang@example.com", "slack.sales/x@example.com"] {
        let said = asked(wrong).unwrap_err();
        assert!(said.contains("slack.sales") || said.contains("does not know"), "{wrong}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_writes_to_whoever_wants_it_by_themselves() {
    let mut servers = JoinSet::new();
    let mut world = World::new().await;
    let wall = Wall::default();
    let at = wall.start(&mut servers).await;
    let bot = Bot { token: "xoxb-canary".into(), api: format!("{at}/api").parse().unwrap(), channel: None };
    let mut channels = world.parts.channels.clone();
    let slack = Slack { url: None, bot: Some(bot), board: "http://board.example".to_owned() };
    channels.by_name.push((Name::from("slack.bot"), Channel::Slack(slack)));
    let roster = ROSTER.replace("name = \"Anna Lang\"", "name = \"Anna Lang\"\ntell = \"slack\"");
    world.restart_telling(AGREEMENT, &roster, channels, None).await;
    wall.tell("api/chat.postMessage", &[Answer::Status(200, "{\"ok\":false,\"error\":\"ratelimited\"}")]);
    let (_, _, owner) = world.handed_over("Jane").await;
    deliver(&world, 2).await;
    assert_eq!(owner, "a.lang");
    let arrived = wall.on("api/chat.postMessage");
    assert_eq!(arrived.len(), 2, "it is tried again: {}", world.story().await);
    let body: serde_json::Value = serde_json::from_str(&arrived[1].body).unwrap();
    assert_eq!(body["channel"], "U0ANNA");
    assert!(body["text"].as_str().unwrap().contains("Jane Roe") && !arrived[1].body.contains("canary"), "{body}");
    assert_eq!(world.told(), Vec::<String>::new(), "and nobody else");
}

#[tokio::test]
async fn what_was_queued_before_notices_were_turned_off_stays_where_it_is() {
    let mut world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.clock.advance(SignedDuration::from_mins(1));
    for (connection, _) in &world.parts.polls {
        world.parts.engine.poll(connection).await.unwrap();
    }
    let waiting = async |world: &World| {
        let pending = world.parts.engine.store().effects_in(&["pending"], 100).await.unwrap();
        pending.into_iter().filter(|row| row.to.starts_with("slack.")).count()
    };
    let queued = waiting(&world).await;
    assert!(queued > 0, "{}", world.story().await);
    let mut again = world.assembly_with(AGREEMENT, ROSTER);
    again.rules.notices = Mode::Off;
    world.restart_as(again, async |_| {}).await;
    world.pass(5).await;
    assert_eq!((world.told(), waiting(&world).await), (Vec::new(), queued), "{}", world.story().await);
}
