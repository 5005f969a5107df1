//! What the settings may hold, for editors.

use crate::connector::moment::Form;
use crate::connector::requirement::FieldSpec;
use crate::connector::settings::{HandoffPart, Kind, ScorePart};
use crate::document::shape::{Key, Shape, key, list, named, needed};
use crate::domain::access::Role;
use crate::domain::field::{Field, FieldSource};
use crate::domain::stage::Stage;

const TIME: Shape = Shape::Text("30 seconds");

/// `baton.toml`.
#[must_use]
pub fn settings() -> Shape {
    let store = vec![
        key("url", "the database", Shape::Text("sqlite://baton.db")),
        key("key", "what the tokens of logins are sealed with; default: kept clear", secret()),
        key("network", "true: even on a network file system, where SQLite is not safe", Shape::Flag),
        key("rest", "what was being sent when Baton ended is looked for after this", TIME),
    ];
    let server = vec![
        key("listen", "address of board and API", Shape::Text("127.0.0.1:8686")),
        key("public_url", "what links begin with", Shape::Text("https://baton.example.com")),
        key("behind_proxy", "does a proxy with TLS stand before it?", Shape::Flag),
        key("login_lasts", "how long a login lasts at most; default 12 hours", Shape::Text("12 hours")),
        key("login_idle", "how long a login lasts unused; default 1 hour", Shape::Text("1 hour")),
    ];
    let kept = |example| Shape::Either([vec![Shape::Text(example)], ways_to_a_secret()].concat());
    let user = vec![
        needed("role", "what they may do", Shape::Choice(Role::ALL.map(Role::as_str).to_vec())),
        key("password", "the hash that `baton user NAME` prints, or where it is", kept("$argon2id$v=19$...")),
        key("token", "the hash that `baton user NAME --token` prints, or where it is", kept("sha256:...")),
    ];
    let slack = vec![
        key("webhook", "address of an incoming webhook", secret()),
        key("token", "a bot's token: it writes to people in person", secret()),
        key("channel", "where the bot writes what is for everybody", Shape::Text("C0123456789")),
        key("api", "another address than Slack's own", Shape::Text("https://slack.example.com/api")),
    ];
    let email = vec![
        needed("url", "the mail server; `smtp://` demands STARTTLS", Shape::Text("smtps://mail.example.com")),
        needed("from", "the sender", Shape::Text("Baton <baton@example.com>")),
        key("user", "who logs in at the server", Shape::Text("baton")),
        key("password", "with which password", secret()),
        key("to", "where goes what is for everybody", Shape::Text("sales-ops@example.com")),
        key("ca", "a file with the server's own authority", Shape::Text("ca.pem")),
    ];
    let webhook = vec![
        needed("url", "where it goes", Shape::Text("https://ops.example.com/baton")),
        needed("secret", "what it is signed with", secret()),
    ];
    let notify = vec![
        key("slack", "channels `slack.NAME`", named("dach", Shape::Table(slack))),
        key("webhook", "channels `webhook.NAME`, signed", named("ops", Shape::Table(webhook))),
        key("email", "channels `email.NAME`", named("main", Shape::Table(email))),
        key("operators", "who runs Baton; default: `fallback`", Shape::Text("slack.ops")),
        key("messages_per_minute", "to one destination at most; default 20", Shape::Integer(1, 10_000)),
        key("self_test", "how often each channel is tried by itself", Shape::Text("1 day")),
        key(
            "fallback",
            "where notices go whose own channel is gone, and those that are about no lead; default: the only channel",
            Shape::Text("slack.dach"),
        ),
    ];
    let kept = |name, about| key(name, about, Shape::Text("90 days"));
    let retention = vec![
        kept("events", "how long what happened is kept; or \"for ever\""),
        kept("effects", "how long bodies of settled effects are kept"),
        kept("decisions", "how long what decisions saw is kept"),
        kept("touches", "how long calls, e-mails and meetings are kept; at least 120 days"),
        kept("findings", "how long findings are kept that are over"),
        kept("gone", "how long records are kept that their CRM has not any more"),
        key("forgotten_return", "true: whom `baton forget` erased may come back", Shape::Flag),
    ];
    let caps = vec![
        key("writes_per_hour", "to one connection; more waits for a person", Shape::Integer(1, 1_000_000)),
        key("owners_percent", "of a connection's people who may get another owner in an hour", Shape::Integer(1, 100)),
    ];
    let answers = vec![
        key("links", "where owners get links to answer by", Shape::Choice(vec!["in_person", "everywhere", "off"])),
        key("last", "how long a link is good for", Shape::Text("14 days")),
    ];
    Shape::Table(vec![
        key("agreement", "what both teams signed", Shape::Text("agreement.toml")),
        key("roster", "who there is", Shape::Text("roster.toml")),
        key("workspace", "name of this installation's data", Shape::Text("default")),
        key("zone", "its midnight ages scores", Shape::Text("Europe/Berlin")),
        key(
            "writes",
            "may CRMs be written to? `plan`: when a person lets it",
            Shape::Choice(vec!["off", "plan", "on"]),
        ),
        key("notices", "may people be told?", Shape::Choice(vec!["off", "on"])),
        key("store", "the database", Shape::Table(store)),
        key("server", "board and API", Shape::Table(server)),
        key("users", "who may use the board; none: whoever reaches it", named("anna", Shape::Table(user))),
        key("retention", "what is forgotten when", Shape::Table(retention)),
        key("caps", "what goes by itself", Shape::Table(caps)),
        key("answers", "how owners answer by a link", Shape::Table(answers)),
        key("connections", "the CRMs", named("hubspot", Shape::Table(connection()))),
        key("notify", "where notices go", Shape::Table(notify)),
    ])
}

/// Where a secret is: never the secret itself.
fn secret() -> Shape {
    Shape::Either(ways_to_a_secret())
}

fn ways_to_a_secret() -> Vec<Shape> {
    let one = |name, about| Shape::Table(vec![needed(name, about, Shape::Text("NAME"))]);
    vec![
        one("env", "an environment variable"),
        one("file", "a file that only its owner may read"),
        one("credential", "one of systemd's credentials"),
    ]
}

fn connection() -> Vec<Key> {
    let oauth = vec![
        needed("client_id", "the app's client id", Shape::Text("1a2b3c")),
        needed("client_secret", "the app's client secret", secret()),
        key(
            "redirect_uri",
            "where the CRM sends who let the app in",
            Shape::Text("http://localhost:8687/oauth/callback"),
        ),
    ];
    let jwt = vec![
        needed("client_id", "the app's consumer key", Shape::Text("3MVG9...")),
        needed("username", "the user's name", Shape::Text("baton@example.com")),
        needed("key", "the private key (PEM) whose certificate stands in the app", secret()),
        key(
            "audience",
            "the login host; default: by base_url",
            Shape::Choice(vec!["https://login.salesforce.com", "https://test.salesforce.com"]),
        ),
    ];
    let client = vec![
        needed("client_id", "the app's consumer key", Shape::Text("3MVG9...")),
        needed("client_secret", "the app's consumer secret", secret()),
    ];
    let auth = Shape::Either(vec![
        Shape::Table(vec![needed("token", "a static token or API key", secret())]),
        Shape::Table(vec![needed("oauth", "an app that `baton login` lets in", Shape::Table(oauth))]),
        Shape::Table(vec![needed("jwt", "Salesforce: a user whom Baton signs for", Shape::Table(jwt))]),
        Shape::Table(vec![needed("client", "Salesforce: an app with a Run As user", Shape::Table(client))]),
    ]);
    let stage = || {
        Shape::Table(vec![
            key("read", "property = values that mean the stage", named("lifecyclestage", texts())),
            key("write", "property = the value that enters it", named("lifecyclestage", Shape::Text("lead"))),
        ])
    };
    let signal = vec![
        needed("property", "the property that shows it", Shape::Text("recent_conversion_event_name")),
        key("contains", "it holds this", Shape::Text("Demo")),
        key("is", "it is one of these", texts()),
        key("at", "the property that holds its time", Shape::Text("recent_conversion_date")),
    ];
    let member = vec![
        needed("campaign", "Salesforce: the campaign whose members show it", Shape::Text("Webinar March")),
        key("status", "by these statuses; default: every response", texts()),
    ];
    let signal = Shape::Either(vec![Shape::Table(signal), Shape::Table(member)]);
    let hook = vec![
        needed(
            "secret",
            "HubSpot: the app's client secret; Odoo: the last part of the address; Pipedrive: the password of user `baton`",
            secret(),
        ),
        key("signature", "HubSpot's version of it; default `v3`", Shape::Choice(vec!["v3", "v1"])),
        key(
            "address",
            "where HubSpot sends to, if a proxy changes it",
            Shape::Text("https://hooks.example.com/hubspot"),
        ),
    ];
    let track = Shape::Either(vec![
        Shape::Text("Nurture: next quarter"),
        Shape::Table(vec![needed("list", "the static list", Shape::Text("Nurture: next quarter"))]),
        Shape::Table(vec![needed("tag", "the tag", Shape::Text("Nurture"))]),
        Shape::Table(vec![
            needed("campaign", "the campaign", Shape::Text("Nurture: next quarter")),
            key("queue", "the queue that owns who is on it", Shape::Text("Nurture")),
        ]),
    ]);
    let property = |part: FieldSpec| key(part.key, "the property that it is written to", Shape::Text("baton_property"));
    let score = ScorePart::ALL.map(|part| property(part.spec()));
    let handoff = HandoffPart::ALL.map(|part| property(part.spec()));
    let fields = Field::ALL.iter().filter(|field| field.source() != FieldSource::Derived);
    let fields = fields.map(|field| key(field.name(), field.about(), Shape::Text("some_property")));
    let stages = Stage::ALL.map(|name| key(name.as_str(), "what means this stage", stage()));
    vec![
        needed("kind", "which CRM", Shape::Choice(Kind::ALL.map(Kind::as_str).to_vec())),
        needed("auth", "how Baton proves who it is", auth),
        key(
            "base_url",
            "where it is; HubSpot's and Salesforce's login are known",
            Shape::Text("https://odoo.example.com"),
        ),
        key(
            "account",
            "HubSpot's portal, Odoo's database, Salesforce's org, Pipedrive's company domain",
            Shape::Either(vec![Shape::Text("123456"), Shape::Integer(1, i64::MAX)]),
        ),
        key("poll", "how often each stream is asked", TIME),
        key("settle", "how long a change may take to show in the CRM's search", TIME),
        key("late", "how long a request that was not answered may still have its effect", TIME),
        key("answer_within", "how long the answer to a request is waited for", TIME),
        key("overlap", "how far a look reaches back over the one before", TIME),
        key("vanish_max_percent", "more people gone within a day are not believed", Shape::Integer(1, 100)),
        key("patrol", "everything is read again within this; default 1 day", TIME),
        key("webhook", "who may say that something changed", Shape::Table(hook)),
        key("budget", "share of the CRM's request limit", Shape::Text("60%")),
        key("daily_tokens", "Pipedrive: tokens of a day that the company has", Shape::Integer(1, 1_000_000_000)),
        key("api_version", "HubSpot's dated paths, Salesforce's release", Shape::Text("2026-09")),
        key("country", "where telephone numbers without a country code are from", Shape::Text("DE")),
        key("key_property", "a property for Baton's own key", Shape::Text("baton_lead")),
        key("own_login", "the app or user that Baton writes as", Shape::Text("4711")),
        key("lifecycle_back", "may a recycle take HubSpot's stage back?", Shape::Flag),
        key("stage_back", "may a recycle take the stage back? (all but HubSpot)", Shape::Flag),
        key(
            "events",
            "Salesforce: `held` takes an event in the past for a meeting that was held; default `booked`",
            Shape::Choice(vec!["booked", "held"]),
        ),
        key("fields", "field = property", Shape::Table(fields.collect())),
        key("stages", "stage = what is read as it, what is written", Shape::Table(stages.to_vec())),
        key("signals", "signal = where it shows", named("demo_request", signal)),
        key(
            "times",
            "property = the form in which it holds a time, where its type does not say so",
            named("demo_at", Shape::Choice(Form::ALL.map(Form::as_str).to_vec())),
        ),
        key("reasons", "the agreement's reason = values in the CRM", named("bad_timing", texts())),
        key("tracks", "the agreement's track = list, tag or campaign", named("re-engage", track)),
        key("score", "where the score is written", Shape::Table(score.to_vec())),
        key("handoff", "where a hand-off shows on the record: reason and due time", Shape::Table(handoff.to_vec())),
    ]
}

/// One text, or a list of them.
fn texts() -> Shape {
    Shape::Either(vec![list(Shape::Text("Not now")), Shape::Text("Not now")])
}
