//! Notices over HTTP against channels that refuse, vanish, or take a message without a word.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use baton::domain::id::Name;
use baton::engine::deliver::Channels;
use baton::http::{Method, Request};
use baton::notify::Channel;
use baton::notify::slack::Slack;
use baton::notify::webhook::Webhook;
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
            Channel::Slack(Slack { url: url.into(), board: "http://board.example".to_owned() })
        };
        (Name::from(format!("slack.{name}")), channel)
    };
    world.parts.channels = Channels {
        by_name: vec![channel("sales"), channel("marketing")],
        fallback: with_fallback.then(|| Name::from("slack.marketing")),
    };
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
