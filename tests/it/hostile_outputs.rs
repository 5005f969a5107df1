//! Hostile values in every field through every output (faults 119 and 121): the forms of the board, mails, Slack messages,
//! notes and tasks in both CRMs. None becomes markup, none runs in a real browser, none mentions anybody.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use baton::domain::id::Name;
use baton::domain::plan::Mode;
use baton::domain::reach::Links;
use baton::notify::email::Security;
use baton::sandbox::hubspot::{Author, Kind as Object};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::task::JoinSet;

use super::board::{Board, MARK, chromium, loaded, payloads, problems, read, title};
use super::harness::{AGREEMENT, ROSTER, World, serve};
use super::mail::email;
use super::smtp::Smtp;

const SCRIPT: &str = "\"><script>document.title='xplanted'</script>";

/// An agreement whose own words are hostile, too.
fn agreement(to: &str) -> String {
    let toml = serde_json::to_string(SCRIPT).unwrap();
    let text = AGREEMENT
        .replace("because = \"company size\"", &format!("because = {toml}"))
        .replace("name = \"everyone\"", &format!("name = {toml}"))
        .replace("to = \"odoo\"", &format!("to = \"{to}\""));
    assert!(text.matches(MARK).count() >= 2);
    text
}

/// Half of the team reads mail, the others the channel.
fn roster() -> String {
    ["Anna", "Ben", "Clara"].iter().fold(ROSTER.to_owned(), |text, name| {
        let told = text.replace(&format!("name = \"{name}"), &format!("tell = \"email\"\nname = \"{name}"));
        assert_ne!(told, text);
        told
    })
}

struct Hostile {
    world: World,
    mail: Smtp,
}

impl Hostile {
    /// People, firms, titles, numbers, sources, the rule, the reason of the score: each a payload. Two people in ten look like
    /// one; one in `qualify` is handed over.
    async fn with(payloads: &[String], to: &str, mode: Mode, qualify: usize) -> Self {
        let text = agreement(to);
        let mail = Smtp::plain();
        let mut world = World::with(&text, mode).await;
        let mut channels = world.parts.channels.clone();
        channels.by_name.push((Name::from("email.main"), email(&mail, Security::Plain)));
        let links = Some(Links { last: SignedDuration::from_hours(200), in_places: true });
        world.restart_telling(&text, &roster(), channels, links).await;
        world.odoo.reason(&format!("{SCRIPT} lost"));
        let mut contacts = Vec::new();
        for (at, payload) in payloads.iter().enumerate() {
            let letter = char::from(b'a' + u8::try_from(at / 2 % 26).unwrap());
            let dots = if at % 2 == 0 { "" } else { "." };
            let email =
                if at < 20 { format!("evil{dots}{letter}@acme.example") } else { format!("p{at}@acme.example") };
            let values = [
                ("email", email.as_str()),
                ("firstname", payload),
                ("lastname", payload),
                ("jobtitle", payload),
                ("phone", payload),
                ("hs_analytics_source", payload),
                ("lifecyclestage", "lead"),
            ];
            let id = world.hubspot.create_contact(Author::Form, &values);
            let firm = [
                ("name", payload.as_str()),
                ("domain", "acme.example"),
                ("numberofemployees", "300"),
                ("country", "Germany"),
            ];
            let company = world.hubspot.create(Object::Company, Author::Form, &firm);
            assert!(world.hubspot.associate((Object::Contact, &id), (Object::Company, &company), true));
            contacts.push(id);
        }
        world.beat().await;
        world.pass(2).await;
        // A few at a time: what comes all at once is told in bundles, without packages.
        let chosen: Vec<&String> = contacts.iter().step_by(qualify).collect();
        for some in chosen.chunks(5) {
            some.iter().for_each(|contact| world.qualify(contact));
            world.pass(1).await;
        }
        world.parts.engine.compare().await.unwrap();
        Self { world, mail }
    }

    /// Notes and tasks as the CRMs hold them, as HTML.
    fn written(&self) -> Vec<String> {
        let mut found = Vec::new();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for lead in self.world.odoo.leads() {
            found.extend(self.world.odoo.messages(lead).iter().map(|message| text(&message["body"])));
            found.extend(self.world.odoo.activities(lead).iter().map(|task| text(&task["note"])));
        }
        for (kind, body) in [(Object::Note, "hs_note_body"), (Object::Task, "hs_task_body")] {
            for id in self.world.hubspot.ids(kind) {
                found.extend(self.world.hubspot.get(kind, &id).unwrap().get(body).cloned());
            }
        }
        found.retain(|body| body.contains(MARK));
        found
    }
}

/// What is wrong with HTML that others show: tags beyond `tags`, links elsewhere, values in attributes.
fn foreign(page: &str, tags: &[&str], attributes: &[&str]) -> Vec<String> {
    let page = match read(&page.replace("<br/>", "<br>").replace("<br />", "<br>")) {
        Ok(page) => page,
        Err(problem) => return vec![format!("{problem} in {page}")],
    };
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(page.tags.iter().filter(|tag| !tags.contains(&tag.as_str())).map(|tag| format!("a tag <{tag}>")));
    let other = page.attributes.iter().filter(|name| !attributes.contains(&name.as_str()));
    wrong.extend(other.map(|name| format!("an attribute {name}")));
    for (name, value) in &page.values {
        let is_own = name != "href" || value.starts_with("http://board.example/");
        if !is_own || value.contains(MARK) {
            wrong.push(format!("{name}=\"{value}\""));
        }
    }
    wrong
}

/// Every text that Slack reads for mentions and links.
fn live_texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if object.get("type").is_some_and(|kind| kind == "mrkdwn") {
                out.push(object["text"].as_str().unwrap().to_owned());
            }
            object.values().for_each(|inner| live_texts(inner, out));
        }
        Value::Array(list) => list.iter().for_each(|inner| live_texts(inner, out)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_value_becomes_markup_or_a_mention_in_any_output_faults_119_and_121() {
    let payloads = payloads();
    assert!(payloads.len() >= 200);
    let hostile = Hostile::with(&payloads, "odoo", Mode::On, 5).await;
    let board = Board::of(&hostile.world).await;
    let mut wrong: Vec<String> = Vec::new();
    let review = board.page(&["review"]).await;
    assert!(review.matches("<form").count() >= 10 && review.contains(MARK), "{review}");
    wrong.extend(problems(&review).into_iter().map(|problem| format!("review: {problem}")));

    hostile.world.pass(70).await;
    let rep = hostile.world.odoo.owner(hostile.world.odoo.leads()[0]).expect("an owner");
    hostile.world.odoo.as_user(rep).mark_lost(hostile.world.odoo.leads()[0], "Bad timing").unwrap();
    hostile.world.pass(3).await;
    let mails = hostile.mail.taken();
    assert!(mails.len() >= 12, "{}", mails.len());
    let tags = ["html", "head", "meta", "body", "div", "h1", "p", "ul", "li", "b", "bdi", "br", "a", "small", "pre"];
    let attributes = ["lang", "charset", "name", "content", "style", "href"];
    let mut answers = 0;
    for mail in &mails {
        assert!(mail.to.iter().all(|to| to.ends_with("@example.com")), "{:?}", mail.to);
        let head = mail.text.split("\r\n\r\n").next().unwrap();
        assert_eq!(head.matches("\r\nTo: ").count() + usize::from(head.starts_with("To: ")), 1, "{head}");
        wrong.extend(foreign(&mail.page(), &tags, &attributes).into_iter().map(|problem| format!("mail: {problem}")));
        let plain = mail.plain();
        if let (Some(at), true) = (plain.find("http://board.example/answer/"), answers < 10) {
            answers += 1;
            let link = plain[at..].split_whitespace().next().unwrap();
            let token = link.trim_start_matches("http://board.example/answer/");
            let page = board.page(&["answer", token]).await;
            wrong.extend(problems(&page).into_iter().map(|problem| format!("answer: {problem}")));
        }
    }
    assert!(answers > 3 && mails.iter().any(|mail| mail.page().contains("What is known of them")), "{answers}");

    let posted = hostile.world.inbox.lock().unwrap().clone();
    assert!(posted.len() > 10, "{}", posted.len());
    for (_, message) in &posted {
        let mut live = Vec::new();
        live_texts(message, &mut live);
        for text in &live {
            let is_ours = |part: &str| {
                ["http://board.example/", "@U0ANNA>", "@U0DIRK>", "@U0MARIA>"].iter().any(|own| part.starts_with(own))
            };
            wrong.extend(text.split('<').skip(1).filter(|part| !is_ours(part)).map(|part| format!("Slack: <{part}")));
        }
        let text = message["text"].as_str().unwrap();
        wrong.extend(Some(format!("Slack's text: {text}")).filter(|_| text.contains(['<', '>'])));
    }

    let written = hostile.written();
    assert!(written.len() >= 40, "{}", written.len());
    for body in &written {
        wrong.extend(
            foreign(body, &["p", "br", "div", "span"], &["style"])
                .into_iter()
                .map(|problem| format!("Odoo: {problem}")),
        );
    }
    assert!(wrong.is_empty(), "{} problems:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_value_becomes_markup_in_the_plan_or_in_hubspots_notes_and_tasks_fault_119() {
    let payloads = payloads();
    let hostile = Hostile::with(&payloads, "hubspot", Mode::Plan, 2).await;
    let board = Board::of(&hostile.world).await;
    let plan = board.page(&["plan"]).await;
    assert!(plan.contains("<form") && plan.matches(MARK).count() > 100, "{}", plan.len());
    assert_eq!(problems(&plan), Vec::<String>::new());

    let hostile = Hostile::with(&payloads, "hubspot", Mode::On, 2).await;
    hostile.world.pass(70).await;
    let written = hostile.written();
    assert!(written.len() >= 100, "{}", written.len());
    let wrong: Vec<String> = written.iter().flat_map(|body| foreign(body, &["p", "br", "div", "span"], &[])).collect();
    assert!(wrong.is_empty(), "{} problems:\n{}", wrong.len(), wrong.join("\n"));
}

/// Others show what Baton wrote without the board's policy, so it must be harmless by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_planted_runs_in_a_browser_wherever_it_is_shown_fault_119() {
    let Some(browser) = chromium() else { return };
    let payloads = payloads();
    let hostile = Hostile::with(&payloads, "odoo", Mode::On, 5).await;
    let board = Board::of(&hostile.world).await;
    hostile.world.pass(65).await;
    let mails: Vec<String> = hostile.mail.taken().iter().map(super::smtp::Mail::page).collect();
    let notes = hostile.written();
    assert!(mails.len() > 10 && notes.len() > 10);
    let live = "<p><img src=x onerror=\"document.title='xplanted'\"></p>".to_owned();
    let raw = |bodies: &[String]| format!("<title>harmless</title>{}", bodies.join("<hr>"));
    let (mail, note, raw_one) = (raw(&mails), raw(&notes), raw(&[live]));
    let plain = Router::new()
        .route("/mails", get(async move || Html(mail)))
        .route("/notes", get(async move || Html(note)))
        .route("/live", get(async move || Html(raw_one)));
    let mut servers = JoinSet::new();
    let at = serve(&mut servers, plain).await;
    assert_eq!(title(&loaded(browser, &format!("{at}/live")).await), MARK, "what is not escaped does run");
    for page in ["mails", "notes"] {
        let shown = loaded(browser, &format!("{at}/{page}")).await;
        assert_eq!(title(&shown), "harmless", "{page}");
        assert!(shown.contains(MARK) && !shown.to_lowercase().contains("<script"), "{page}");
    }
    let link = hostile.mail.taken().iter().find_map(|mail| {
        let plain = mail.plain();
        let at = plain.find("/answer/")?;
        plain[at..].split_whitespace().next().map(str::to_owned)
    });
    for (path, expected) in [
        ("review", "Who is one person"),
        ("plan", "Plan"),
        (link.expect("a link").trim_start_matches('/'), "Accept or give back"),
    ] {
        let shown = loaded(browser, &format!("{}{path}", board.address)).await;
        assert_eq!(title(&shown), expected);
        assert!(!shown.to_lowercase().contains("<script"), "{path}");
    }
}
