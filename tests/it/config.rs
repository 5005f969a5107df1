//! Settings from layers: what is loaded, and what is told.

use std::fs;
use std::path::PathBuf;

use baton::config::{Args, Loaded, load};
use baton::connector::settings::Kind;
use baton::document::Problems;
use baton::domain::plan::Mode;
use tempfile::TempDir;

pub(crate) const SETTINGS: &str = r#"
[connections.hubspot]
kind = "hubspot"
auth = { token = { env = "HUBSPOT_TOKEN" } }
[connections.hubspot.signals]
demo_request = { property = "recent_conversion_event_name", contains = "Demo" }
[connections.hubspot.tracks]
re-engage = { list = "Nurture: re-engage" }
[notify.slack.dach]
webhook = { env = "SLACK_DACH" }
"#;

pub(crate) const ROSTER: &str = r#"
own_domains = ["example.com"]
[teams.sales]
manager = "m@example.com"
fallback = "m@example.com"
tell = "slack.dach"
members = [{ person = "a@example.com" }]
[teams.marketing]
[people."a@example.com"]
hubspot = "4711"
[calendars.berlin]
zone = "Europe/Berlin"
open = { mon-fri = ["09:00-17:00"] }
"#;

/// A folder with settings, the starter agreement and a roster.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(settings: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let starter = concat!(env!("CARGO_MANIFEST_DIR"), "/config/starter.toml");
        folder.put("baton.toml", settings);
        folder.put("roster.toml", ROSTER);
        folder.put("agreement.toml", &fs::read_to_string(starter).unwrap());
        folder
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn load(&self, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let usual = [("HUBSPOT_TOKEN", "pat-secret"), ("SLACK_DACH", "https://hooks.slack.example/secret")];
        load(&Args {
            file: Some(self.0.path().join("baton.toml")),
            agreement: None,
            variables: usual.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        })
    }

    /// The problems, without the folder's name.
    pub(crate) fn told(&self, variables: &[(&str, &str)]) -> String {
        let problems = match self.load(variables) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        let told = problems.render(false).replace(&format!("{}/", self.0.path().display()), "");
        told.replace(env!("CARGO_PKG_VERSION"), "VERSION")
    }
}

#[test]
fn three_lines_make_a_connection() {
    let folder = Folder::new(SETTINGS);
    let loaded = folder.load(&[]).map_err(|problems| problems.render(false)).unwrap();
    let settings = loaded.settings;
    assert_eq!((settings.writes, settings.notices), (Mode::Off, Mode::Off));
    assert_eq!(settings.store, folder.0.path().join("baton.db"));
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8686");
    assert_eq!(&*settings.server.public_url, "http://127.0.0.1:8686");
    let [hubspot] = &settings.connections[..] else { panic!("one connection") };
    assert_eq!(hubspot.kind, Kind::HubSpot);
    assert_eq!(hubspot.base_url.as_str(), "https://api.hubapi.com/");
    assert_eq!((hubspot.budget_percent, hubspot.vanish_max_percent), (60, 20));
    assert_eq!(settings.channels.by_name[0].0.as_str(), "slack.dach");
    assert_eq!(settings.channels.fallback.as_ref().map(|name| name.as_str()), Some("slack.dach"));
    assert_eq!(loaded.agreement.routing.len(), 1);
    assert_eq!(loaded.files.len(), 3);
    let warnings: Vec<String> = loaded.warnings.list().into_iter().map(|problem| problem.message).collect();
    assert_eq!(warnings, ["neither marketing nor sales has signed"]);
    assert!(!format!("{:?}", settings.connections).contains("pat-secret"));
}

#[test]
fn later_layers_win() {
    let folder = Folder::new(&format!("writes = \"on\"\nzone = \"Europe/Berlin\"\n{SETTINGS}"));
    folder.put("local.toml", "writes = \"off\"\n[connections.hubspot]\nbudget = \"20%\"\npoll = \"5 minutes\"\n");
    let variables = [
        ("BATON__CONNECTIONS__HUBSPOT__BUDGET", "30%"),
        ("BATON__CONNECTIONS__HUBSPOT__VANISH_MAX_PERCENT", "100"),
        ("BATON__SERVER__BEHIND_PROXY", "true"),
    ];
    let settings = folder.load(&variables).map_err(|problems| problems.render(false)).unwrap().settings;
    assert_eq!(settings.writes, Mode::Off);
    assert_eq!(settings.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!((settings.connections[0].budget_percent, settings.connections[0].vanish_max_percent), (30, 100));
    assert_eq!(settings.connections[0].poll.as_secs(), 300);
    assert!(settings.server.behind_proxy);
}

#[test]
fn writes_may_wait_for_approval_and_notices_may_not() {
    let folder =
        Folder::new(&format!("writes = \"plan\"\n[caps]\nwrites_per_hour = 50\nowners_percent = 5\n{SETTINGS}"));
    let settings = folder.load(&[]).map_err(|problems| problems.render(false)).unwrap().settings;
    assert_eq!(settings.writes, Mode::Plan);
    assert_eq!((settings.caps.writes, settings.caps.owners_percent), (Some(50), 5));
    let told = Folder::new(&format!("notices = \"plan\"\n[caps]\nowners_percent = 101\n{SETTINGS}")).told(&[]);
    for part in ["only `writes` waits for approval", "owners_percent"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn every_problem_of_all_files_is_told_at_once() {
    let folder = Folder::new(
        r#"
writes = "maybe"
notcies = "on"
workspace = "My Company"
[store]
url = "postgres://db/baton"
[server]
listen = "0.0.0.0:8686"
[connections.hubspot]
kind = "hubspott"
auth = { token = "pat-na1-secret" }
budget = "120%"
[connections.hubspot.fields]
"lead.sorce" = "hs_analytics_source"
"score.fit" = "hs_score"
[connections.hubspot.stages]
mqls = { read = { lifecyclestage = ["x"] } }
[connections.odoo]
kind = "odoo"
auth = { token = { env = "ODOO_KEY" } }
[connections.sf]
kind = "zoho"
[notify.slack.dach]
webhook = { env = "SLACK_EMPTY" }
[[schedule]]
cron = "0 7 * * Mon"
"#,
    );
    folder.put("local.toml", "[connections.hubspot]\npoll = \"2 business hours\"\n");
    folder.put("roster.toml", &ROSTER.replace("hubspot = \"4711\"", "hubspott = \"4711\"").replace("Berlin", "Berln"));
    let variables = [("SLACK_EMPTY", ""), ("BATON__NOTICES", "loud"), ("BATON__SERVER__LISTN", "x")];
    let told = folder.told(&variables);
    assert!(!told.contains("pat-na1"), "a secret is never shown: {told}");
    insta::assert_snapshot!(told);
}

#[test]
fn a_secret_in_the_file_is_never_shown() {
    let check = |wrong: &str| {
        let told = Folder::new(&SETTINGS.replace("auth = { token = { env = \"HUBSPOT_TOKEN\" } }", wrong)).told(&[]);
        assert!(told.contains("error") && !told.contains("pat-na1"), "{wrong}: {told}");
    };
    check("auth = \"pat-na1\"");
    check("auth = { token = \"pat-na1\" }");
    check("auth = { tokn = \"pat-na1\" }");
    check("token = \"pat-na1\"");
    check("auth = { token = \"pat-na1\", typo = 1 }");
    check("base_url = \"https://me:pat-na1@crm.example.com\"");
}

#[test]
fn secrets_come_from_files_and_credentials() {
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;

    let with = |secret: &str| Folder::new(&SETTINGS.replace("{ env = \"HUBSPOT_TOKEN\" }", secret));
    let token = |loaded: Loaded| {
        let baton::connector::settings::Auth::Token(token) = &loaded.settings.connections[0].auth else {
            panic!("a token")
        };
        token.expose_secret().to_owned()
    };
    let folder = with("{ file = \"token\" }");
    let path = folder.put("token", "from-file\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let told = folder.told(&[]);
    assert!(told.contains("token can be read by everybody") && !told.contains("from-file"), "{told}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(token(folder.load(&[]).unwrap()), "from-file");

    let folder = with("{ credential = \"hubspot\" }");
    folder.put("hubspot", "from-systemd");
    let directory = folder.0.path().display().to_string();
    assert_eq!(token(folder.load(&[("CREDENTIALS_DIRECTORY", &directory)]).unwrap()), "from-systemd");
    assert!(folder.told(&[]).contains("there is no credential `hubspot`"));

    let folder = with("{ env = \"NOT_SET\" }");
    assert!(folder.told(&[]).contains("the environment variable NOT_SET is not set"));
}

#[test]
fn a_secret_that_is_missing_empty_or_open_to_all_is_named_and_never_shown_fault_114() {
    use std::os::unix::fs::PermissionsExt as _;

    let check = |secret: &str, file: Option<(&str, u32)>, variables: &[(&str, &str)], expected: &str| {
        let folder = Folder::new(&SETTINGS.replace("{ env = \"HUBSPOT_TOKEN\" }", secret));
        if let Some((text, mode)) = file {
            let path = folder.put("hubspot", text);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let directory = folder.0.path().display().to_string();
        let named: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, if *value == "HERE" { &*directory } else { *value }))
            .collect();
        assert!(folder.load(&named).is_err(), "{secret} is refused");
        let told = folder.told(&named);
        assert!(told.contains(expected), "{secret}: {told}");
        assert!(told.contains("baton.toml:4:18"), "with its place: {told}");
        assert!(!told.contains("planted"), "{secret}: the value is shown: {told}");
        assert!(!told.contains("no connection is called"), "nothing false follows from it: {told}");
        let problems = folder.load(&named).unwrap_err();
        assert_eq!(problems.error_count(), 1, "{secret}: {told}");
    };
    let credentials = [("CREDENTIALS_DIRECTORY", "HERE")];
    check("{ env = \"NONE\" }", None, &[], "the environment variable NONE is not set");
    check("{ env = \"EMPTY\" }", None, &[("EMPTY", "")], "the secret in EMPTY is empty");
    check("{ env = \"BLANK\" }", None, &[("BLANK", " \n")], "the secret in BLANK is empty");
    check("{ file = \"hubspot\" }", None, &[], "hubspot cannot be read");
    check("{ file = \"hubspot\" }", Some(("\n", 0o600)), &[], "the secret in hubspot is empty");
    check("{ file = \"hubspot\" }", Some(("planted", 0o644)), &[], "hubspot can be read by everybody");
    check("{ file = \"hubspot\" }", Some(("planted", 0o604)), &[], "chmod 600");
    check("{ credential = \"hubspot\" }", Some(("planted", 0o600)), &[], "there is no credential `hubspot`");
    check("{ credential = \"none\" }", Some(("planted", 0o600)), &credentials, "none cannot be read");
    check("{ credential = \"hubspot\" }", Some(("", 0o600)), &credentials, "the secret in hubspot is empty");
    check("{ credential = \"../hubspot\" }", Some(("planted", 0o600)), &credentials, "is no credential's name");
}

#[test]
fn no_time_is_a_length_of_time_where_waiting_is_optional() {
    let with =
        |line: &str| Folder::new(&SETTINGS.replacen("kind = \"hubspot\"", &format!("kind = \"hubspot\"\n{line}"), 1));
    let settings = with("settle = \"0 seconds\"\noverlap = \"0 minutes\"").load(&[]).unwrap().settings;
    assert!(settings.connections[0].settle.is_zero() && settings.connections[0].overlap.is_zero());
    let told = with("poll = \"0 seconds\"").told(&[]);
    assert!(told.contains("\"0 seconds\" is out of range") && told.contains("write 1 to 86400 seconds"), "{told}");
    assert!(with("settle = \"0 bananas\"").told(&[]).contains("is no length of time"));
}

#[test]
fn what_a_connector_knows_by_itself_is_no_unknown_signal() {
    let starter = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/starter.toml")).unwrap();
    let check = |signal: &str, expected: Option<&str>| {
        let folder = Folder::new(SETTINGS);
        folder.put("agreement.toml", &starter.replace("demo_request", signal));
        let told = folder.told(&[]);
        match expected {
            Some(expected) => assert!(told.contains(expected), "{signal}: {told}"),
            None => assert!(!told.contains("no connection shows"), "{signal}: {told}"),
        }
    };
    check("demo_request", None);
    check("pricing_page", None);
    check("demo_requst", Some("did you mean `demo_request`?"));
    check("webinar", Some("no connection shows the signal `webinar`"));
}

#[test]
fn an_address_in_the_open_needs_a_proxy() {
    let check = |server: &str, accepted: bool| {
        let folder = Folder::new(&format!("[server]\n{server}\n{SETTINGS}"));
        assert_eq!(folder.load(&[]).is_ok(), accepted, "{server}: {}", folder.told(&[]));
    };
    check("listen = \"127.0.0.1:0\"", true);
    check("listen = \"[::1]:8686\"", true);
    check("listen = \"0.0.0.0:8686\"", false);
    check("listen = \"192.0.2.1:8686\"", false);
    check("listen = \"0.0.0.0:8686\"\nbehind_proxy = true", true);
}

#[test]
fn users_are_read_and_what_is_no_hash_is_told_with_its_place_and_never_shown() {
    let hash = baton::domain::access::PasswordHash::of("correct horse battery", [7; 16]).unwrap().to_string();
    let token = baton::domain::access::TokenHash::of("baton_x").to_string();
    let good = format!(
        "[server]\nlogin_idle = \"10 minutes\"\n[users.anna]\nrole = \"operator\"\npassword = \"{hash}\"\n\
         [users.\"m.huber\"]\nrole = \"viewer\"\npassword = {{ env = \"HUBER\" }}\ntoken = \"{token}\"\n{SETTINGS}"
    );
    let folder = Folder::new(&good);
    let loaded = folder.load(&[("HUBER", &hash)]).unwrap();
    let access = &loaded.settings.access;
    let shown: Vec<(&str, &str, bool, bool)> = access
        .users
        .iter()
        .map(|user| (user.name.as_str(), user.role.as_str(), user.password.is_some(), user.token.is_some()))
        .collect();
    assert_eq!(shown, [("anna", "operator", true, false), ("m.huber", "viewer", true, true)]);
    assert_eq!((access.idle.as_mins(), access.lasts.as_hours()), (10, 12));
    assert!(!format!("{:?}", loaded.settings).contains("argon2id"), "hashes are in no log");

    for (user, expected) in [
        ("[users.anna]\nrole = \"operator\"\npassword = \"correct horse\"", "this is no hash of a password"),
        ("[users.anna]\nrole = \"operator\"\ntoken = \"baton_correct horse\"", "this is no hash of a token"),
        ("[users.anna]\nrole = \"operator\"\npassword = \"correct horse\"", "--> baton.toml:3:12"),
        ("[users.anna]\nrole = \"operator\"\ntoken = \"baton_correct horse\"", "--> baton.toml:3:9"),
        ("[users.anna]\nrole = \"admin\"\ntoken = \"sha256:AAAA\"", "`admin` is no value of `role`"),
        ("[users.anna]\nrole = \"viewer\"", "`users.anna` lacks `password`"),
        ("[users.Anna]\nrole = \"viewer\"\ntoken = \"TOKEN\"", "`Anna` is no user's name"),
        ("[users.anna]\nrole = \"viewer\"\npasswort = \"x\"\ntoken = \"TOKEN\"", "unknown key `passwort`"),
        ("[users.anna]\nrole = \"viewer\"\ntoken = \"TOKEN\"", "nobody may act on the board"),
        ("[server]\nlogin_lasts = \"1 second\"", "is out of range"),
    ] {
        let folder = Folder::new(&format!("{}\n{SETTINGS}", user.replace("TOKEN", &token)));
        let told = folder.told(&[]);
        assert!(told.contains(expected), "{user}: {told}");
        assert!(!told.contains("correct horse"), "{user}: {told}");
    }
}

#[test]
fn crms_are_not_spoken_to_in_the_clear() {
    let check = |url: &str, accepted: bool| {
        let settings = SETTINGS.replacen("kind = \"hubspot\"", &format!("kind = \"hubspot\"\nbase_url = \"{url}\""), 1);
        let folder = Folder::new(&settings);
        assert_eq!(folder.load(&[]).is_ok(), accepted, "{url}: {}", folder.told(&[]));
    };
    check("https://crm.example.com", true);
    check("http://127.0.0.1:8069", true);
    check("http://crm.example.com", false);
    check("https://user:password@crm.example.com", false);
    check("ftp://crm.example.com", false);
}

#[test]
fn each_kind_of_thing_is_kept_as_long_as_the_settings_say() {
    let days = |days: i64| Some(jiff::SignedDuration::from_hours(days * 24));
    let usual = Folder::new(SETTINGS).load(&[]).unwrap().settings.retention;
    assert_eq!((usual.events, usual.effects, usual.gone), (None, days(90), days(30)));
    assert!(!usual.forgotten_return);
    let text =
        format!("{SETTINGS}[retention]\nevents = \"400 days\"\ndecisions = \"for ever\"\nforgotten_return = true\n");
    let kept = Folder::new(&text).load(&[]).unwrap().settings.retention;
    assert_eq!((kept.events, kept.decisions, kept.effects), (days(400), None, days(90)));
    assert!(kept.forgotten_return);
    for (key, value) in [("touches", "30 days"), ("events", "never"), ("gone", "1 hour")] {
        let text = format!("{SETTINGS}[retention]\n{key} = \"{value}\"\n");
        let told = Folder::new(&text).load(&[]).unwrap_err().render(false);
        assert!(told.contains("write \"for ever\"") && told.contains("baton.toml:12"), "{told}");
    }
}

const MAIL: &str = r#"
[notify.email.main]
url = "smtp://mail.example.com"
from = "Baton <baton@example.com>"
user = "baton"
password = { env = "SMTP" }
[answers]
last = "2 days"
"#;

#[test]
fn mail_wishes_quiet_hours_and_links_are_read() {
    use baton::domain::id::{Name, PersonId, TeamId};
    use baton::domain::plan::NoticeKind;
    use baton::notify::Channel;
    use baton::notify::email::Security;

    let folder = Folder::new(&format!("{SETTINGS}{MAIL}"));
    let roster =
        ROSTER.replace("hubspot = \"4711\"", "hubspot = \"4711\"\ntell = \"email\"\nquiet = \"12:00-13:00\"").replace(
            "tell = \"slack.dach\"",
            "tell = \"slack.dach\"\nquiet = \"19:00-08:00\"\nquiet_except = [\"breach\"]",
        );
    folder.put("roster.toml", &roster);
    let loaded = folder.load(&[("SMTP", "canary")]).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let channel = loaded.settings.channels.get(&Name::from("email.main")).expect("the channel");
    assert!(matches!(channel, Channel::Email(_)));
    assert!(!format!("{channel:?}").contains("canary"));
    assert!(format!("{channel:?}").contains(&format!("{:?}", Security::StartTls)), "{channel:?}");
    let person = &loaded.roster.people[&PersonId::from("a@example.com")];
    assert_eq!(person.tell.as_ref().map(Name::as_str), Some("email"));
    assert_eq!(person.quiet.as_ref().map(|quiet| quiet.hours.to_string()).as_deref(), Some("12:00-13:00"));
    let quiet = loaded.roster.teams[&TeamId::from("sales")].quiet.clone().unwrap();
    assert_eq!((quiet.hours.to_string().as_str(), &quiet.except[..]), ("19:00-08:00", &[NoticeKind::Breach][..]));
    let telling = loaded.settings.telling();
    assert_eq!(telling.links.map(|links| (links.last.as_hours(), links.in_places)), Some((48, false)));
    assert_eq!(
        telling.in_person(&PersonId::from("a@example.com"), &loaded.roster).map(Name::as_str),
        Some("email.main")
    );
    // Without a word about links there are some, and `off` means off.
    let usual = Folder::new(SETTINGS).load(&[]).unwrap().settings.links;
    assert_eq!(usual.map(|links| links.last.as_hours()), Some(14 * 24));
    assert_eq!(
        Folder::new(&format!("{SETTINGS}\n[answers]\nlinks = \"off\"\n")).load(&[]).unwrap().settings.links,
        None
    );
}

#[test]
fn mistakes_about_people_and_mail_are_told_with_what_to_write() {
    let settings = |from: &str, to: &str| (format!("{SETTINGS}{}", MAIL.replacen(from, to, 1)), ROSTER.to_owned());
    let roster = |line: &str| {
        let roster = ROSTER.replace("hubspot = \"4711\"", &format!("hubspot = \"4711\"\n{line}"));
        (format!("{SETTINGS}{MAIL}"), roster)
    };
    let check = |(settings, roster): (String, String), words: &[&str]| {
        let folder = Folder::new(&settings);
        folder.put("roster.toml", &roster);
        let told = folder.told(&[("SMTP", "canary")]);
        assert!(!told.contains("canary"), "{told}");
        for word in words {
            assert!(told.contains(word), "{word} is missing in {told}");
        }
    };
    check(settings("smtp://mail.example.com", "mail.example.com"), &["is no mail server", "smtps://"]);
    check(settings("smtp://", "smtp://me:canary@"), &["a password in it", "keys of their own"]);
    check(settings("Baton <baton@example.com>", "Baton"), &["`Baton` is no sender"]);
    check(settings("user = \"baton\"\n", ""), &["`password` without `user`"]);
    check(settings("user = \"baton\"", "user = \"baton\"\nto = \"a, b\""), &["is no e-mail address"]);
    check(settings("user = \"baton\"", "user = \"baton\"\nca = \"none.pem\""), &["none.pem cannot be read"]);
    check(settings("last = \"2 days\"", "last = \"2 minutes\""), &["out of range"]);
    check(settings("last = \"2 days\"", "links = \"always\""), &["everywhere"]);
    check(
        (SETTINGS.replace("webhook =", "api = \"https://x.example\"\nwebhook ="), ROSTER.to_owned()),
        &["`api` is for a bot"],
    );
    check(roster("quiet = \"00:00-24:00\""), &["the whole day"]);
    check(roster("quiet = \"7pm\""), &["`7pm` is no window of quiet hours", "19:00-08:00"]);
    check(roster("quiet = \"19:00-19:00\""), &["`19:00-19:00` has no length"]);
    check(roster("quiet_except = [\"breach\"]"), &["without quiet hours"]);
    check(roster("quiet = \"19:00-08:00\"\nquiet_except = [\"breaches\"]"), &["breach"]);
    check(roster("tell = \"slack\""), &["by their member id"]);
    check(roster("tell = \"pigeon\""), &["no channel reaches people in person by `pigeon`", "tell = \"email\""]);
}
