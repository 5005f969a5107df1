//! What goes wrong with Pipedrive, and what follows: limits, tokens, pages of HTML, lost answers, removed fields, webhooks, setup.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::post;
use axum::{Router, http::HeaderMap};
use baton::connector::hook::Knock;
use baton::connector::pipedrive::Pipedrive as Connector;
use baton::connector::requirement::{Making, Requirement, State};
use baton::connector::settings::{Auth, Hook, OauthApp, ScorePart, Settings};
use baton::connector::{Addressed, Connector as _, ConnectorError, Cursor, Forget, Outcome, RECORD_BYTES_MAX};
use baton::domain::field::Field;
use baton::domain::finding::FindingKind;
use baton::domain::id::{Name, OperationId};
use baton::domain::observation::Content;
use baton::domain::plan::Effect;
use baton::domain::record::Author;
use baton::http::Client;
use baton::http::limiter::{Limiter, Rate};
use baton::sandbox::pipedrive::{Breakage, Fault, Kind, OauthApp as App, Place, Settings as Account, When};
use serde_json::json;

use super::connector_pipedrive::{Server, done, server, server_with, settings};

/// How a look at the persons fails.
async fn failed(server: &Server) -> ConnectorError {
    server.pull("persons", &Cursor::default()).await.unwrap_err()
}

#[tokio::test]
async fn a_429_is_told_apart_by_its_headers_and_nothing_is_sent_meanwhile_section_6() {
    for (remaining, retry_after, seconds) in
        [(Some(0), None, 2), (Some(17), None, 900), (None, Some(7), 7), (None, None, 60)]
    {
        let server = server().await;
        server.pipedrive.describe().await.unwrap();
        server.sandbox.faults().inject(Place::default(), When::times(1), Fault::RateLimit { remaining, retry_after });
        let error = failed(&server).await;
        let waits =
            matches!(&error, ConnectorError::RateLimited { retry_after, .. } if retry_after.as_secs() == seconds);
        assert!(waits, "{remaining:?} {retry_after:?}: {error}");
        let before = server.sandbox.requests().total;
        // A look that would wait longer than it may is not even begun.
        if seconds > 60 {
            assert!(matches!(failed(&server).await, ConnectorError::RateLimited { .. }));
            assert_eq!(server.sandbox.requests().total, before, "left alone");
        }
        let wait = server.pipedrive.budgets()[0].wait_seconds;
        assert!(wait.is_some_and(|wait| wait <= seconds + 1), "{wait:?}");
    }
}

#[tokio::test]
async fn the_tokens_of_the_day_are_counted_by_their_cost_and_end_with_it_sections_3_and_6() {
    let server = server_with(Account::default(), |settings| {
        settings.daily_tokens = Some(1_000);
        settings.budget_percent = 50;
    })
    .await;
    let tokens = |connector: &Connector| {
        let budgets = connector.budgets();
        let tokens = budgets.iter().find(|budget| budget.name == "daily tokens").unwrap();
        (tokens.left, tokens.limit)
    };
    assert_eq!(tokens(&server.pipedrive), (Some(500), Some(500)));
    server.pipedrive.describe().await.unwrap();
    let spent = server.sandbox.tokens_used();
    assert_eq!(spent, 67, "users/me, stages, labels, activity types and three lists of fields");
    assert_eq!(tokens(&server.pipedrive), (Some(433), Some(500)), "each at its own cost");
    let account = server.pipedrive.describe().await.unwrap().account;
    assert!(account.contains("tokens of today: v1/activityTypes"), "the dearest first: {account}");

    // The company's day is used up by others: reading stops, and one request at a time looks whether a new day has begun.
    server.sandbox.faults().set(Fault::DayUsed);
    let error = failed(&server).await;
    assert!(
        matches!(&error, ConnectorError::RateLimited { retry_after, .. } if *retry_after == Duration::from_secs(900)),
        "{error}"
    );
    assert_eq!(tokens(&server.pipedrive).0, Some(0));
}

#[tokio::test]
async fn active_users_are_seats_and_give_the_budget_where_the_settings_are_silent_section_6() {
    let server = server_with(Account::default(), |settings| settings.daily_tokens = None).await;
    server.sandbox.deactivate_user(server.ben);
    server.drain("users", Cursor::default()).await;
    let limit = server.pipedrive.budgets()[2].limit;
    assert_eq!(limit, Some(60_000), "the administrator and Anna, on the smallest plan");
}

#[tokio::test]
async fn a_page_of_cloudflare_is_a_long_pause_and_no_credentials_problem_section_7() {
    let server = server().await;
    let jane = server.jane();
    server.pipedrive.describe().await.unwrap();
    server.sandbox.faults().inject(Place::default(), When::times(1), Fault::Cloudflare);
    let error = failed(&server).await;
    assert!(matches!(&error, ConnectorError::Unavailable { message, .. } if message.contains("Cloudflare")), "{error}");
    let before = server.sandbox.requests().total;
    assert!(matches!(failed(&server).await, ConnectorError::RateLimited { .. }), "no request for half an hour");
    let outcome = server.push(&server.write(Some(&jane), Effect::AddNote { body: "x".to_owned() })).await;
    assert!(matches!(&outcome, Outcome::Again { counts: false, .. }), "{outcome:?}");
    assert_eq!(server.sandbox.requests().total, before);
}

#[tokio::test]
async fn who_hammers_on_meets_cloudflare_and_the_connector_does_not_section_1() {
    let account = Account { daily_tokens: 200, refusals_max: 3, ..Account::default() };
    let server = server_with(account, |_| {}).await;
    for _ in 0..20 {
        drop(server.pull("persons", &Cursor::default()).await);
    }
    let requests = server.sandbox.requests();
    assert_eq!((requests.limited, requests.banned), (1, 0), "{requests:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_never_an_empty_page_section_7() {
    for (fault, part) in [
        (Fault::Html, "HTML"),
        (Fault::Truncate, "cut"),
        (Fault::Null, "null"),
        (Fault::Status { status: 503 }, "503"),
        (Fault::Status { status: 402 }, "not open"),
        (Fault::Status { status: 401 }, "Personal preferences"),
        (Fault::Redirect { to: "https://evil.example/".to_owned() }, "redirected"),
        (Fault::BeforeEffect { breakage: Breakage::Reset }, "cannot be read now"),
    ] {
        let server = server().await;
        server.jane();
        server.pipedrive.describe().await.unwrap();
        server.sandbox.faults().inject(Place::path("/v2/persons"), When::times(1), fault.clone());
        let error = failed(&server).await.to_string();
        assert!(error.contains(part), "{fault:?}: {error}");
        let secret = server.sandbox.settings().tokens[0].secret.clone();
        assert!(!error.contains(&secret), "{error}");
        let page = server.pull("persons", &Cursor::default()).await.unwrap();
        assert_eq!(page.observations.len(), 1, "{fault:?} passes");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_looked_for_and_not_repeated_section_7() {
    let server = server().await;
    let jane = server.jane();
    let lead = server.lead(&jane);
    server.pipedrive.describe().await.unwrap();
    for (path, effect) in [
        (
            "/v2/activities",
            Effect::AddTask { title: "Call".to_owned(), body: "x".to_owned(), due_at: server.clock.now(), owner: None },
        ),
        ("/v1/notes", Effect::AddNote { body: "x".to_owned() }),
        ("/v1/leads/*", server.owner(server.ben, Some(server.anna))),
    ] {
        let one = server.write(Some(&jane), effect);
        for method in ["POST", "PATCH"] {
            let lost = Fault::AfterEffect { breakage: Breakage::Reset };
            server.sandbox.faults().inject(Place::method(method, path), When::times(1), lost);
        }
        let outcome = server.push(&one).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{path}: {outcome:?}");
        assert!(server.pipedrive.find_effect(&one).await.unwrap().is_some(), "{path}");
        done(server.push(&Addressed { attempt: 2, ..one }).await);
        server.sandbox.faults().clear();
    }
    assert_eq!(server.sandbox.ids(Kind::Activity).len() + server.sandbox.ids(Kind::Note).len(), 2, "each once");
    assert_eq!(server.sandbox.get(Kind::Lead, &lead).unwrap()["owner_id"], json!(server.ben));
}

#[tokio::test]
async fn a_create_that_may_still_come_is_waited_for_and_not_made_twice() {
    let server = server_with(Account::default(), |settings| {
        settings.answer_within = Some(Duration::from_millis(300));
        settings.late = Duration::from_millis(1_500);
    })
    .await;
    server.pipedrive.describe().await.unwrap();
    let create = server.write(None, server.create(false));
    server.sandbox.faults().inject(Place::method("POST", "/v2/persons"), When::times(1), Fault::LateEffect { ms: 900 });
    let outcome = server.push(&create).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let again = Addressed { attempt: 2, ..create };
    let outcome = server.push(&again).await;
    assert!(matches!(&outcome, Outcome::Again { counts: false, .. }), "waits: {outcome:?}");
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    done(server.push(&again).await);
    assert_eq!((server.sandbox.ids(Kind::Person).len(), server.sandbox.ids(Kind::Lead).len()), (1, 1));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_spoils_neither_page_nor_cursor() {
    let server = server().await;
    for name in 0..3 {
        server.sandbox.create(1, Kind::Person, &json!({"name": format!("Person {name}")})).unwrap();
    }
    server.pipedrive.describe().await.unwrap();
    let persons = || Place::path("/v2/persons");
    server.sandbox.faults().inject(persons(), When::times(1), Fault::BadRecord);
    server.sandbox.faults().inject(persons(), When::times(1), Fault::Huge { bytes: RECORD_BYTES_MAX + 1 });
    server.sandbox.faults().inject(persons(), When::times(1), Fault::ExtraFields);
    let page = server.pull("persons", &Cursor::default()).await.unwrap();
    let unread: Vec<&str> = page
        .observations
        .iter()
        .filter_map(|seen| match &seen.content {
            Content::Undecodable(why) => Some(why.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(page.observations.len(), 3);
    assert!(
        unread.len() == 2
            && unread.iter().any(|why| why.contains("update_time"))
            && unread.iter().any(|why| why.contains("bytes")),
        "{unread:?}"
    );
    assert!(page.covered_until.is_some());
}

#[tokio::test]
async fn custom_fields_are_named_by_name_or_key_and_a_removed_one_is_told_by_its_name_section_4() {
    let server = server_with(Account::default(), |settings| {
        settings.fields = vec![
            (Field::Seniority, "Seniority".to_owned()),
            (Field::Product, "deal: Product line".to_owned()),
            (Field::Budget, "no such field".to_owned()),
        ];
        settings.score_properties = vec![(ScorePart::Fit, "Baton: fit".to_owned())];
    })
    .await;
    let hash = server.sandbox.add_field(Kind::Person, "Seniority", "enum", &["Junior", "Head"]);
    let product = server.sandbox.add_field(Kind::Deal, "Product line", "varchar", &[]);
    let fields = server.pipedrive.describe().await.unwrap().findings;
    let told: Vec<&str> = fields
        .iter()
        .filter(|found| found.kind == FindingKind::MissingField)
        .map(|found| found.text.as_str())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().any(|text| text.contains("no such field")) && told.iter().any(|text| text.contains("Baton: fit")),
        "{told:?}"
    );

    let jane = server.jane();
    let options = json!({"custom_fields": {hash.as_str(): 101}});
    server.sandbox.update(1, Kind::Person, &jane, &options).unwrap();
    let lead = server.lead(&jane);
    server.sandbox.update(1, Kind::Lead, &lead, &json!({product.as_str(): "Cranes"})).unwrap();
    let value = |person: &baton::domain::observation::PersonSeen, field: Field| {
        person.values.iter().find(|known| known.field == field).map(|known| known.value.to_string())
    };
    let person = server.person(&jane).await;
    assert_eq!(value(&person, Field::Seniority).as_deref(), Some("Head"), "an option by its label");
    assert_eq!(value(&person, Field::Product).as_deref(), Some("Cranes"), "of the lead, at its root");
    let deal = server.sandbox.convert(1, &lead).unwrap();
    server.drain("deals", Cursor::default()).await;
    let person = server.person(&jane).await;
    assert_eq!(value(&person, Field::Product).as_deref(), Some("Cranes"), "of the deal {deal}, under custom_fields");

    assert!(server.sandbox.remove_field(&hash));
    let findings = server.pipedrive.describe().await.unwrap().findings;
    let gone = findings.iter().find(|found| found.text.contains("\"Seniority\"")).expect("it is told");
    assert!(gone.text.starts_with("persons have no field") && !gone.text.contains(&hash), "{gone:?}");
}

#[tokio::test]
async fn a_new_stage_is_told_before_a_deal_shows_it_and_with_the_line_to_add() {
    let server = server().await;
    server.sandbox.add_stage("Legal review");
    let findings = server.pipedrive.describe().await.unwrap().findings;
    let told = findings.iter().find(|found| found.kind == FindingKind::Unmapped).expect("it is told");
    assert!(told.text.contains("stage = [\"Legal review\"]"), "{told:?}");
}

#[tokio::test]
async fn setup_names_then_makes_what_is_missing_and_makes_nothing_the_second_time() {
    let server = server().await;
    let wanted = [
        Requirement::Score(ScorePart::Fit),
        Requirement::Track(Name::from("next-quarter")),
        Requirement::Reason(Name::from("too_dear")),
    ];
    for (making, state) in [(Making::Show, State::Missing), (Making::Make, State::Made), (Making::Make, State::There)] {
        for one in &wanted {
            let ensured = server.pipedrive.ensure(one, making).await.unwrap().unwrap();
            assert_eq!(ensured.state, state, "{ensured:?}");
        }
        if making == Making::Show {
            assert!(server.sandbox.ledger().is_empty());
        }
    }
    let score = server.pipedrive.ensure(&wanted[0], Making::Show).await.unwrap().unwrap();
    assert_eq!(score.line, Some(("[connections.pipedrive.score]".to_owned(), "fit = \"Baton: fit\"".to_owned())));
}

#[tokio::test]
async fn another_companys_token_reads_and_writes_nothing() {
    let server = server_with(Account::default(), |settings| settings.account = Some("other".to_owned())).await;
    let error = failed(&server).await;
    assert!(
        matches!(&error, ConnectorError::Unauthorized { message, .. } if message.contains("company acme")),
        "{error}"
    );
    let outcome = server.push(&server.write(None, server.create(false))).await;
    assert!(matches!(outcome, Outcome::Again { counts: false, .. }), "{outcome:?}");
    assert!(server.sandbox.ledger().is_empty());
}

#[tokio::test]
async fn reading_sends_reading_operations_only_promise_8() {
    let server = server().await;
    let jane = server.jane();
    server.lead(&jane);
    server.sandbox.faults().set(Fault::ReadOnly);
    server.pipedrive.describe().await.unwrap();
    for stream in server.pipedrive.streams() {
        server.drain(stream.name.as_str(), Cursor::default()).await;
        drop(server.pipedrive.walk(stream, None, server.clock.now()).await.unwrap());
    }
    server.person(&jane).await;
    server.pipedrive.ensure(&Requirement::Score(ScorePart::Fit), Making::Show).await.unwrap();
    assert_eq!(server.sandbox.requests().writes_refused, 0);
}

#[tokio::test]
async fn a_permission_that_shrank_is_no_error_and_calls_people_gone_for_the_engine_to_doubt() {
    let server = server().await;
    let jane = server.jane();
    server.sandbox.faults().set(Fault::Shrink { object: Kind::Person, percent: 0 });
    let seen = server.pipedrive.read(&[server.of(&jane)]).await.unwrap();
    assert!(matches!(seen[0].content, Content::Gone), "{seen:?}");
}

#[tokio::test]
async fn a_login_is_refreshed_by_form_with_basic_and_kept_before_it_is_used_section_2() {
    let app = App { client_id: "app".to_owned(), client_secret: "sesame".to_owned(), expires_in_s: 3_600, user: 1 };
    let account = Account { oauth: Some(app), ..Account::default() };
    let login = |settings: &mut Settings| {
        settings.auth = Auth::Oauth(OauthApp {
            client_id: "app".to_owned(),
            client_secret: "sesame".into(),
            redirect_uri: "http://localhost:8687/oauth/callback".parse().unwrap(),
        });
    };
    let server = server_with(account, login).await;
    let error = failed(&server).await.to_string();
    assert!(error.contains("baton login pipedrive"), "{error}");
    let page = format!("{}/oauth/authorize?client_id=app&redirect_uri=http://localhost/x&state=s", server.url);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.get(page).send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let logged = server.pipedrive.log_in(&code.clone().into()).await.unwrap();
    assert_eq!((logged.account.as_str(), logged.missing.len()), ("Pipedrive company acme", 0));
    server.jane();
    let page = server.pull("persons", &Cursor::default()).await.unwrap();
    assert_eq!(page.observations.len(), 1);
    let twice = server.pipedrive.log_in(&code.into()).await.unwrap_err().to_string();
    assert!(twice.contains("good once"), "{twice}");
}

#[tokio::test]
async fn a_token_that_ends_in_a_run_is_renewed_once_for_all_and_nothing_is_done_twice_fault_50() {
    let app = App { client_id: "app".to_owned(), client_secret: "sesame".to_owned(), expires_in_s: 3_600, user: 1 };
    let account = Account { oauth: Some(app), ..Account::default() };
    let server = server_with(account, |settings| {
        settings.auth = Auth::Oauth(OauthApp {
            client_id: "app".to_owned(),
            client_secret: "sesame".into(),
            redirect_uri: "http://localhost:8687/oauth/callback".parse().unwrap(),
        });
    })
    .await;
    let page = format!("{}/oauth/authorize?client_id=app&redirect_uri=http://localhost/x&state=s", server.url);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.get(page).send().await.unwrap();
    let code = answer.headers()["location"].to_str().unwrap().split("code=").nth(1).unwrap().to_owned();
    let code = code.split('&').next().unwrap().to_owned();
    server.pipedrive.log_in(&code.into()).await.unwrap();
    let jane = server.jane();
    let lead = server.lead(&jane);
    server.drain("leads", Cursor::default()).await;
    assert_eq!(server.sandbox.tokens_given(), 1);

    server.sandbox.end_sessions(false);
    let of = [server.of(&jane)];
    let read = || server.pipedrive.read(&of);
    let (one, two, three, four) = tokio::join!(read(), read(), read(), read());
    for seen in [one, two, three, four] {
        assert!(!seen.unwrap().is_empty());
    }
    assert_eq!(server.sandbox.tokens_given(), 2, "one refresh for all who were refused");

    // A write that met the end of its token goes out once more, and takes effect once.
    let written =
        || server.sandbox.ledger().iter().filter(|effect| effect.id == lead && effect.what == "update").count();
    server.sandbox.end_sessions(false);
    let owner =
        Effect::SetOwner { owner: server.ben.to_string().into(), expected: Some(server.anna.to_string().into()) };
    let outcome = server.push(&server.write(Some(&jane), owner)).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(written(), 1);
    assert_eq!(server.sandbox.get(Kind::Lead, &lead).unwrap()["owner_id"], server.ben);
    assert_eq!(server.sandbox.tokens_given(), 3);

    server.sandbox.end_sessions(true);
    let error = failed(&server).await.to_string();
    assert!(error.contains("log in again: `baton login pipedrive`"), "{error}");
    let requests = server.sandbox.requests();
    let again = failed(&server).await.to_string();
    assert!(again.contains("baton login pipedrive"), "{again}");
    assert_eq!(server.sandbox.tokens_given(), 3, "no storm of logins: {requests:?}");
}

#[tokio::test]
async fn who_changed_the_owner_of_a_deal_is_read_where_it_is_asked_for_and_costs_twenty_tokens_section_3() {
    let server = server().await;
    let jane = server.jane();
    let number: i64 = jane.parse().unwrap();
    let deal = json!({"title": "A sale", "person_id": number, "owner_id": server.anna});
    let deal = server.sandbox.create(1, Kind::Deal, &deal).unwrap();
    server.drain("deals", Cursor::default()).await;
    let of = [server.of(&jane)];
    let owners = async || {
        let seen = server.pipedrive.read_authors(&of).await.unwrap();
        let person = seen.iter().find_map(|seen| seen.person()).unwrap().clone();
        let named = |entry: &baton::domain::record::OwnerEntry| {
            (entry.owner.as_ref().unwrap().as_str().parse::<i64>().unwrap(), entry.by.clone())
        };
        (person.owners.iter().map(named).collect::<Vec<_>>(), person.has_history)
    };
    let (anna, ben) = (server.anna, server.ben);
    assert_eq!(owners().await, (vec![(anna, Author::Unknown)], false), "it never changed");

    server.clock.advance(jiff::SignedDuration::from_mins(5));
    let outcome = server.push(&server.write(Some(&jane), server.owner(ben, Some(anna)))).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    server.clock.advance(jiff::SignedDuration::from_mins(5));
    server.sandbox.update(ben, Kind::Deal, &deal, &json!({ "owner_id": anna })).unwrap();
    let by_ben = Author::Person(Some(ben.to_string().into()));
    let ledger = vec![(anna, Author::Unknown), (ben, Author::Baton), (anna, by_ben)];
    assert_eq!(owners().await, (ledger, true));

    // A program with Anna's token sets it back.
    let token = server.sandbox.add_token("integration", anna);
    let url = format!("{}/api/v2/deals/{deal}", server.url);
    server.clock.advance(jiff::SignedDuration::from_mins(5));
    let body = json!({ "owner_id": ben }).to_string();
    let asked =
        reqwest::Client::new().patch(url).header("x-api-token", token).header("content-type", "application/json");
    assert!(asked.body(body).send().await.unwrap().status().is_success());
    let (ledger, _) = owners().await;
    assert_eq!(ledger.last(), Some(&(ben, Author::Automation(Name::from(format!("api, user {anna}"))))));

    let spent = |before: u64| server.sandbox.tokens_used() - before;
    let before = server.sandbox.tokens_used();
    server.pipedrive.read(&of).await.unwrap();
    let plain = spent(before);
    let before = server.sandbox.tokens_used();
    owners().await;
    assert_eq!(spent(before), plain + 20);
}

/// A listener that a webhook is delivered to, with the headers and bodies that came.
async fn listener() -> (String, Arc<std::sync::Mutex<Vec<(HeaderMap, Vec<u8>)>>>) {
    type Heard = Arc<std::sync::Mutex<Vec<(HeaderMap, Vec<u8>)>>>;
    async fn take(
        axum::extract::State(heard): axum::extract::State<Heard>,
        headers: HeaderMap,
        body: axum::body::Bytes,
    ) {
        heard.lock().unwrap().push((headers, body.to_vec()));
    }
    let heard = Heard::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/pipedrive", listener.local_addr().unwrap());
    let router = Router::new().route("/hooks/pipedrive", post(take)).with_state(Arc::clone(&heard));
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, heard)
}

#[tokio::test]
async fn a_webhook_names_a_record_and_the_look_tells_what_is_true_of_it_section_8() {
    let secret = "f0c9b1d2e3a4958677ab";
    let hook = |settings: &mut Settings| {
        settings.hook = Some(Hook { secret: secret.into(), address: String::new(), old_signature: false });
    };
    let server = server_with(Account::default(), hook).await;
    let (url, heard) = listener().await;
    let token = server.sandbox.settings().tokens[0].secret.clone();
    for object in ["lead", "person", "deal", "activity"] {
        let body = json!({"subscription_url": url, "event_action": "*", "event_object": object, "name": "baton", "user_id": 1,
            "http_auth_user": "baton", "http_auth_password": secret, "version": "2.0"});
        let asked =
            reqwest::Client::new().post(format!("{}/api/v1/webhooks", server.url)).header("x-api-token", &token);
        let answer = asked.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 201);
    }
    let jane = server.jane();
    let lead = server.lead(&jane);
    server.drain("leads", Cursor::default()).await;
    server.sandbox.deliver_webhooks().await;
    heard.lock().unwrap().clear();
    // Archived, which no feed shows: the webhook does, at once.
    server.sandbox.update(server.anna, Kind::Lead, &lead, &json!({"is_archived": true})).unwrap();
    assert_eq!(server.sandbox.deliver_webhooks().await, 1);
    let (headers, body) = heard.lock().unwrap().remove(0);
    let named = |headers: &HeaderMap, body: Vec<u8>| {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        server.pipedrive.hear(&Knock { headers, body, now: server.clock.now(), ..Knock::default() }).unwrap()
    };
    let events = named(&headers, body);
    let seen = server.pipedrive.read(&[events[0].of.clone()]).await.unwrap();
    let person =
        seen.iter().find(|seen| seen.of.id.as_str() == jane).and_then(|seen| seen.person()).expect("the lead's person");
    assert!(person.disposition.is_some());

    // A merge: both sides are told of, and the loser's names the winner.
    let june = server.jane();
    server.sandbox.deliver_webhooks().await;
    heard.lock().unwrap().clear();
    assert!(server.sandbox.merge_persons(1, &jane, &june));
    server.sandbox.deliver_webhooks().await;
    let told: Vec<_> = heard.lock().unwrap().drain(..).collect();
    let refs: Vec<_> =
        told.into_iter().flat_map(|(headers, body)| named(&headers, body)).map(|event| event.of).collect();
    let seen = server.pipedrive.read(&refs).await.unwrap();
    assert!(
        seen.iter().any(|seen| matches!(&seen.content, Content::MergedInto(into) if into.as_str() == jane)),
        "{refs:?}"
    );
}

#[tokio::test]
async fn urgent_writes_and_polls_share_one_pace_and_the_burst_is_never_passed_section_6() {
    let account = Account { burst_per_2s: 20, searches_per_2s: 10, ..Account::default() };
    let server = super::connector_pipedrive::server_exactly(account, |_| {}).await;
    let mut own = settings(&server.url, &server.sandbox);
    own.budget_percent = 100;
    let pace = baton::http::limiter::Settings { burst: Rate::new(20, Duration::from_secs(2)), ..Connector::pace(&own) };
    let paced = Connector::new(own, Client::new().unwrap(), Arc::new(Limiter::new(pace)), None);
    let jane = server.jane();
    paced.describe().await.unwrap();
    let notes: Vec<Addressed> = (0..15)
        .map(|number| {
            let mut one = server.write(Some(&jane), Effect::AddNote { body: format!("note {number}") });
            one.write.op = OperationId::of(&["note", &number.to_string()]);
            one
        })
        .collect();
    let outcomes = paced.push(&notes, &Forget).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    assert_eq!(server.sandbox.requests().limited, 0);
}

#[tokio::test]
async fn what_was_spent_of_the_days_tokens_is_spent_after_a_start_anew_section_6() {
    let server = server().await;
    let left = |connector: &Connector| {
        connector.budgets().into_iter().find(|budget| budget.name == "daily tokens").unwrap().left.unwrap()
    };
    server.pipedrive.describe().await.unwrap();
    server.pull("persons", &Cursor::default()).await.unwrap();
    let (before, kept) = (left(&server.pipedrive), server.pipedrive.spent().unwrap());
    let (anew, forgetful) = (server.again(), server.again());
    anew.recall_spent(&kept, server.clock.now());
    assert_eq!(left(&anew), before, "also before the first answer");
    for connector in [&anew, &forgetful] {
        connector.choices().await.unwrap();
    }
    assert!(left(&anew) < before, "{} of {before}", left(&anew));
    assert!(left(&forgetful) > before, "the test would not see it: {} of {before}", left(&forgetful));
}
