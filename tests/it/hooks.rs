//! Webhooks over real HTTP, against the router that the daemon serves: proved, kept before they are answered, followed by
//! reading the record.

use std::sync::Arc;

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use baton::api::{self, Api};
use baton::connector::hook::Knock;
use baton::connector::settings::{Hook, Settings};
use baton::domain::id::{ConnectionId, Object as Kind, RecordRef};
use baton::domain::plan::Mode;
use baton::engine::{HINTS_MAX, HookOutcome, Knocked};
use baton::http::{Client, Method, Request, Response};
use baton::sandbox::hubspot::{Author, Fault, Kind as Object};
use jiff::SignedDuration;
use ring::hmac;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, World, serve};

const SECRET: &str = "the client secret of an app";
const PATH_SECRET: &str = "f0c9b1d2e3a4958677aabbcc";
const ADDRESS: &str = "https://baton.example.com/hooks/hubspot";

struct Door {
    world: World,
    at: String,
    client: Client,
    _servers: JoinSet<()>,
}

/// Both CRMs, each with a proof for its webhooks.
async fn hooked() -> World {
    World::with_settings(AGREEMENT, Mode::On, |settings: &mut Settings| {
        let (secret, address) = if settings.id.as_str() == "hubspot" { (SECRET, ADDRESS) } else { (PATH_SECRET, "") };
        settings.hook = Some(Hook { secret: secret.into(), address: address.to_owned(), old_signature: false });
    })
    .await
}

impl Door {
    async fn new() -> Self {
        let world = hooked().await;
        let mut servers = JoinSet::new();
        let at = serve(&mut servers, router(&world)).await;
        Self { world, at, client: Client::new().unwrap(), _servers: servers }
    }

    async fn post(&self, path: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Response {
        let url = format!("{}{path}", self.at).parse().unwrap();
        let request = Request::to(Method::Post, &url, &[]).json(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value.clone()));
        self.client.send(request).await.unwrap()
    }

    /// As HubSpot sends it, so long after it signed it.
    async fn hubspot(&self, body: &Value, age: SignedDuration) -> Response {
        let body = body.to_string();
        let stamp = (self.world.clock.wall() - age).as_millisecond().to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signed = hmac::sign(&key, format!("POST{ADDRESS}{body}{stamp}").as_bytes());
        let headers =
            [("x-hubspot-signature-v3", BASE64.encode(signed.as_ref())), ("x-hubspot-request-timestamp", stamp)];
        self.post("/hooks/hubspot", &headers, body.into_bytes()).await
    }

    async fn follow(&self, connection: &str) -> usize {
        let connection = ConnectionId::from(connection);
        let mut records = 0;
        loop {
            let followed = self.world.parts.engine.follow_hints(&connection).await.unwrap();
            records += followed.records;
            if !followed.has_more {
                return records;
            }
        }
    }

    fn count(&self, outcome: HookOutcome) -> u64 {
        let hooks = self.world.parts.engine.hooks(&ConnectionId::from("hubspot"));
        hooks.into_iter().find(|(one, _)| *one == outcome).unwrap().1
    }

    async fn waiting(&self, connection: &str) -> u64 {
        self.world.parts.engine.store().hints_waiting(&ConnectionId::from(connection)).await.unwrap()
    }
}

fn router(world: &World) -> Router {
    api::router(Api { engine: Arc::clone(&world.parts.engine), status: Arc::clone(&world.parts.status) })
}

fn event(contact: &str, number: u64) -> Value {
    json!({
        "eventId": number, "subscriptionId": 25, "portalId": 1, "occurredAt": 1_790_000_000_000_u64 + number,
        "subscriptionType": "contact.propertyChange", "attemptNumber": 0, "objectId": contact.parse::<u64>().unwrap(),
        "propertyName": "lifecyclestage", "propertyValue": "subscriber",
    })
}

const NOW: SignedDuration = SignedDuration::ZERO;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_brings_a_change_at_once_and_its_values_are_ignored_faults_45_and_46() {
    let door = Door::new().await;
    let contact = door.world.contact("Jane");
    door.world.beat().await;
    door.world.pass(2).await;
    // The feed does not show it, so only the hint can.
    door.world.hubspot.faults().set(Fault::FeedLoss { object: Object::Contact, percent: 100 });
    door.world.qualify(&contact);
    door.world.clock.advance(SignedDuration::from_mins(1));
    door.world.beat().await;
    assert_eq!(door.world.odoo.leads().len(), 0, "the feed has lost it");
    // The payload says `subscriber`; the record says otherwise.
    let body = json!([event(&contact, 1), event(&contact, 2), event(&contact, 1)]);
    let answer = door.hubspot(&body, NOW).await;
    assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).contains("\"news\":2")), (200, true));
    assert_eq!(door.waiting("hubspot").await, 1, "one record, however often it is named");
    door.world.hubspot.reset_requests();
    assert_eq!(door.follow("hubspot").await, 1);
    assert_eq!(door.world.hubspot.requests().by_object["contacts batch_read"], 1);
    door.world.pass(2).await;
    assert_eq!(door.world.odoo.leads().len(), 1, "it is handed over: {}", door.world.story().await);
    // Delivered again, it is nothing new.
    let again = door.hubspot(&body, NOW).await;
    assert_eq!(again.status, 200);
    assert_eq!((door.waiting("hubspot").await, door.count(HookOutcome::Known)), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_or_replayed_webhook_is_refused_and_counted_fault_48() {
    let door = Door::new().await;
    let contact = door.world.contact("Jane");
    door.world.beat().await;
    let body = json!([event(&contact, 1)]);
    let old = door.hubspot(&body, SignedDuration::from_secs(301)).await;
    let ahead = door.hubspot(&body, SignedDuration::from_secs(-90)).await;
    let unsigned = door.post("/hooks/hubspot", &[], body.to_string().into_bytes()).await;
    let odoo = json!({ "_model": "crm.lead", "_id": 1 }).to_string().into_bytes();
    let guessed = door.post("/hooks/odoo/f0c9b1d2e3a4958677aabbcd", &[], odoo.clone()).await;
    let bare = door.post("/hooks/odoo", &[], odoo.clone()).await;
    for (name, answer) in
        [("old", &old), ("ahead", &ahead), ("unsigned", &unsigned), ("guessed", &guessed), ("bare", &bare)]
    {
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 401, "{name}: {told}");
        assert!(told.contains("not_proved") && !told.contains(PATH_SECRET), "{told}");
    }
    assert_eq!(door.count(HookOutcome::Forged), 3);
    assert_eq!((door.waiting("hubspot").await, door.waiting("odoo").await), (0, 0));
    assert_eq!(door.post("/hooks/nobody", &[], b"[]".to_vec()).await.status, 404);
    // Proved, but no list of events.
    let stamp = door.world.clock.wall().as_millisecond().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = BASE64.encode(hmac::sign(&key, format!("POST{ADDRESS}no JSON{stamp}").as_bytes()).as_ref());
    let headers = [("x-hubspot-signature-v3", signed), ("x-hubspot-request-timestamp", stamp)];
    assert_eq!(door.post("/hooks/hubspot", &headers, b"no JSON".to_vec()).await.status, 400);
    assert_eq!(door.count(HookOutcome::Unreadable), 1);
    // What is refused is on /metrics, by connection and outcome.
    let url = format!("{}/metrics", door.at).parse().unwrap();
    let metrics = door.client.send(Request::to(Method::Get, &url, &[])).await.unwrap();
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("baton_hooks_total{connection=\"hubspot\",outcome=\"forged\"} 3"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_kill_and_is_followed_after_the_start() {
    let mut world = hooked().await;
    let (_, lead, _) = world.handed_over("Jane").await;
    let odoo = ConnectionId::from("odoo");
    let body = json!({ "_model": "crm.lead", "_id": lead }).to_string().into_bytes();
    let knock = Knock { tail: Some(PATH_SECRET.to_owned()), body, ..Knock::default() };
    assert_eq!(world.parts.engine.knock(&odoo, knock).await.unwrap(), Knocked::Taken(1));
    world.restart(AGREEMENT).await;
    let waiting = async |world: &World| world.parts.engine.store().hints_waiting(&odoo).await.unwrap();
    assert_eq!(waiting(&world).await, 1);
    assert_eq!(world.parts.engine.follow_hints(&odoo).await.unwrap().records, 0, "first everything is refreshed");
    world.beat().await;
    assert_eq!(world.parts.engine.follow_hints(&odoo).await.unwrap().records, 1);
    assert_eq!(waiting(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_coalesced_and_beyond_the_bound_asked_to_come_again_fault_49() {
    let door = Door::new().await;
    let contact = door.world.contact("Jane");
    door.world.beat().await;
    // A thousand events about one record are one look.
    for part in 0..10 {
        let events: Vec<Value> = (0..100).map(|number| event(&contact, part * 100 + number)).collect();
        assert_eq!(door.hubspot(&json!(events), NOW).await.status, 200);
    }
    assert_eq!(door.waiting("hubspot").await, 1);
    // Fill the queue to its bound; the store's own road is quicker than a hundred requests.
    let hubspot = ConnectionId::from("hubspot");
    let store = door.world.parts.engine.store();
    let heard: Vec<baton::store::Heard> = (1..HINTS_MAX)
        .map(|number| baton::store::Heard {
            event: format!("fill {number}"),
            of: RecordRef::new(&hubspot, Kind::Person, format!("9{number:07}")),
            around: false,
        })
        .collect();
    store.hear(&hubspot, &heard, door.world.clock.wall(), HINTS_MAX).await.unwrap();
    assert_eq!(door.waiting("hubspot").await, HINTS_MAX as u64);
    let one_more = json!([event("777777777", 5_000)]);
    let full = door.hubspot(&one_more, NOW).await;
    assert_eq!((full.status, full.header("retry-after")), (429, Some("60")));
    assert_eq!(door.waiting("hubspot").await, HINTS_MAX as u64, "nothing of it was kept");
    assert_eq!(
        door.hubspot(&json!([event(&contact, 6_000)]), NOW).await.status,
        200,
        "what waits already needs no room"
    );
    assert_eq!(door.count(HookOutcome::Full), 1);
    door.follow("hubspot").await;
    assert_eq!(door.waiting("hubspot").await, 0);
    assert_eq!(door.hubspot(&one_more, NOW).await.status, 200, "it comes again and is no repeat");
    assert_eq!(door.waiting("hubspot").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoos_nine_identical_webhooks_are_one_look_at_the_lead_and_what_hangs_on_it() {
    let door = Door::new().await;
    let (_, lead, login) = door.world.handed_over("Jane").await;
    door.world.rep(login).log_call(lead, "reached").unwrap();
    let path = format!("/hooks/odoo/{PATH_SECRET}");
    let body =
        json!({ "_action": "Baton(#12)", "_id": lead, "_model": "crm.lead", "id": lead, "name": "x" }).to_string();
    for _ in 0..9 {
        assert_eq!(door.post(&path, &[], body.clone().into_bytes()).await.status, 200);
    }
    assert_eq!(door.follow("odoo").await, 1);
    let story = door.world.story().await;
    assert!(story.contains("first touch kept"), "the call is known without a poll: {story}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_days_without_webhooks_are_caught_up_with_and_nobody_is_accused_on_old_data_fault_47() {
    let mut world = hooked().await;
    let (_, lead, login) = world.handed_over("Jane").await;
    let told = world.told().len();
    // Baton is away for three days; the rep calls in time, and someone else is qualified.
    let other = world.contact("June");
    world.clock.advance(SignedDuration::from_mins(30));
    world.rep(login).log_call(lead, "reached").unwrap();
    world.qualify(&other);
    world.clock.advance(SignedDuration::from_hours(72));
    world.restart(AGREEMENT).await;
    // What is due is looked at before anything was read anew, as the daemon's loops may.
    world.parts.engine.sweep().await.unwrap();
    let hubspot = ConnectionId::from("hubspot");
    world.parts.engine.poll(&hubspot).await.unwrap();
    world.parts.engine.sweep().await.unwrap();
    assert!(!world.parts.engine.is_live(), "Odoo has not been asked yet");
    world.beat().await;
    world.parts.engine.deliver_notices(&world.parts.client, &world.parts.channels).await.unwrap();
    let story = world.story().await;
    let jane: Vec<String> = world.told().split_off(told);
    assert!(!jane.iter().any(|line| line.contains("first touch") && line.contains("Jane")), "{jane:?} {story}");
    assert!(story.contains("first touch kept"), "{story}");
    assert_eq!(world.odoo.leads().len(), 2, "who was qualified meanwhile is handed over: {story}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_or_packed_body_is_refused_before_it_is_looked_at_fault_130() {
    let door = Door::new().await;
    let huge = vec![b' '; 300 * 1024];
    assert_eq!(door.post("/hooks/hubspot", &[], huge).await.status, 413);
    // A small body that would grow to a gigabyte: nothing here unpacks.
    let packed = [("content-encoding", "gzip".to_owned())];
    assert_eq!(door.post("/hooks/hubspot", &packed, vec![0x1f, 0x8b, 8, 0]).await.status, 415);
    assert_eq!(door.waiting("hubspot").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_does_not_hold_up_the_others() {
    let door = Door::new().await;
    let contact = door.world.contact("Jane");
    door.world.beat().await;
    assert!(door.world.hubspot.update(Object::Contact, &contact, Author::Form, &[("jobtitle", "CFO")]));
    let place = baton::sandbox::hubspot::Place::path("/contacts/batch/read");
    let refused = Fault::Status { status: 400, retry_after: None };
    // The whole batch is refused, then the first of its two records by itself.
    door.world.hubspot.faults().inject(place, baton::sandbox::hubspot::When::times(2), refused);
    let body = json!([event("1", 1), event(&contact, 2)]);
    assert_eq!(door.hubspot(&body, NOW).await.status, 200);
    let followed = door.world.parts.engine.follow_hints(&ConnectionId::from("hubspot")).await.unwrap();
    assert_eq!((followed.records, door.waiting("hubspot").await), (1, 1), "one rests, the other is done");
}
