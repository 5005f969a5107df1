//! The settings as types that cannot hold nonsense.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use url::Url;

use crate::connector;
use crate::document::{Node, Place, Reader, choice};
use crate::domain::access::Access;
use crate::domain::caps::Caps;
use crate::domain::id::WorkspaceId;
use crate::domain::plan::Mode;
use crate::domain::reach::{Links, Telling};
use crate::engine::Retention;
use crate::engine::deliver::Channels;
use crate::store::seal::{KEY_CHARS_MIN, Seal};

use super::layers::Merged;
use super::{Args, channels, connections, secret, users};

/// The settings of a deployment.
#[derive(Debug)]
pub struct Settings {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// Its zone.
    pub zone: TimeZone,
    /// May CRMs be written to?
    pub writes: Mode,
    /// May people be told?
    pub notices: Mode,
    /// The database file.
    pub store: PathBuf,
    /// What secrets in the database are sealed with.
    pub store_key: Option<SecretString>,
    /// How long what was being sent when Baton ended rests before it is looked for.
    pub rest: SignedDuration,
    /// Where board and API are.
    pub server: Server,
    /// The CRMs, by name.
    pub connections: Vec<connector::settings::Settings>,
    /// Where notices go.
    pub channels: Channels,
    /// Links by which owners answer.
    pub links: Option<Links>,
    /// What is forgotten when.
    pub retention: Retention,
    /// How much is written by itself.
    pub caps: Caps,
    /// Who may use the board.
    pub access: Access,
}

impl Settings {
    /// How people are told.
    #[must_use]
    pub fn telling(&self) -> Telling {
        Telling { reach: self.channels.reach(), links: self.links }
    }
}

/// Where board and API are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; loopback, unless a proxy stands before it.
    pub listen: SocketAddr,
    /// What links begin with, without a slash at its end.
    pub public_url: Arc<str>,
    /// Does a proxy with TLS stand before it?
    pub behind_proxy: bool,
}

/// The other files, each with the place that names it.
pub(super) struct Paths {
    pub(super) agreement: (PathBuf, Place),
    pub(super) roster: (PathBuf, Place),
}

pub(super) fn read(merged: &Merged, args: &Args, problems: &crate::document::Problems) -> (Settings, Paths) {
    let mut settings = Settings {
        workspace: WorkspaceId::from("default"),
        zone: TimeZone::UTC,
        writes: Mode::Off,
        notices: Mode::Off,
        store: PathBuf::from("baton.db"),
        store_key: None,
        rest: crate::store::REST,
        server: Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8686)),
            public_url: Arc::from(""),
            behind_proxy: false,
        },
        connections: Vec::new(),
        channels: Channels::default(),
        links: None,
        retention: Retention::default(),
        caps: Caps::default(),
        access: Access::default(),
    };
    let place = merged.root.place.clone();
    let mut paths = Paths { agreement: (PathBuf::new(), place.clone()), roster: (PathBuf::new(), place) };
    let Some(root) = Reader::of(&merged.root, "", problems) else { return (settings, paths) };
    for (key, path) in [("agreement", &mut paths.agreement), ("roster", &mut paths.roster)] {
        if let Some((named, node)) = root.needed(key, &format!("\"{key}.toml\"")) {
            *path = (folder(node, &merged.folder).join(named), node.place.clone());
        }
    }
    if let Some(name) = root.parsed("workspace", identifier) {
        settings.workspace = WorkspaceId::from(name);
    }
    settings.zone = root.parsed("zone", zone).unwrap_or(TimeZone::UTC);
    settings.writes = mode(&root, "writes", &["off", "plan", "on"]).unwrap_or(Mode::Off);
    settings.notices = mode(&root, "notices", &["off", "on"]).unwrap_or(Mode::Off);
    if let Some(table) = root.table("store") {
        if let Some((url, node)) = table.needed("url", "\"sqlite://baton.db\"") {
            match url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
                Some(path) => settings.store = folder(node, &merged.folder).join(path),
                None if url.starts_with("postgres") => {
                    table.error("url", "PostgreSQL is not acted on yet", "write `url = \"sqlite://baton.db\"`");
                }
                None => table.error("url", "this is no store", "write `url = \"sqlite://baton.db\"`"),
            }
        }
        let is_forced = table.flag("network").unwrap_or(false);
        if let (Some(kind), false) = (crate::store::network_file_system(&settings.store), is_forced) {
            table.error(
                "url",
                format!("the database would stand on a network file system ({kind}), where locks and flushes cannot be trusted"),
                "put it on a disk of this machine, or take the risk with `network = true`",
            );
        }
        if let Some(node) = table.get("key") {
            settings.store_key = store_key(&table, &folder(node, &merged.folder), args);
        }
        if let Some(rest) = table.parsed("rest", |text| connections::duration(text, 0, 600)) {
            settings.rest = SignedDuration::try_from(rest).unwrap_or(settings.rest);
        }
        table.finish();
    }
    if let Some(table) = root.table("server") {
        settings.server = server(&table, settings.server);
        users::lasting(&table, &mut settings.access);
        settings.access.behind_proxy = settings.server.behind_proxy;
        table.finish();
    }
    if let Some(table) = root.table("retention") {
        let kept = &mut settings.retention;
        for (key, least_days, keep) in [
            ("events", 30, &mut kept.events),
            ("effects", 1, &mut kept.effects),
            ("decisions", 1, &mut kept.decisions),
            // Hand-offs are judged by touches of so long ago.
            ("touches", 120, &mut kept.touches),
            ("findings", 1, &mut kept.findings),
            ("gone", 1, &mut kept.gone),
        ] {
            if let Some(length) = table.parsed(key, |text| keeping(text, least_days)) {
                *keep = length;
            }
        }
        kept.forgotten_return = table.flag("forgotten_return").unwrap_or(false);
        table.finish();
    }
    if let Some(table) = root.table("caps") {
        settings.caps = caps(&table);
        table.finish();
    }
    settings.access.users = users::read(&root, &merged.folder, args);
    settings.connections = connections::read(&root, &merged.folder, args, &settings.server.public_url);
    settings.channels = channels::read(&root, &merged.folder, args, &settings.server.public_url);
    settings.links = channels::links(&root);
    let on = |mode| mode != Mode::Off;
    if on(settings.writes) && settings.connections.is_empty() {
        root.warning("writes", "nothing can be written: there is no connection", "add `[connections.NAME]`");
    }
    if on(settings.notices) && settings.channels.by_name.is_empty() {
        root.error(
            "notices",
            "people cannot be told: there is no channel",
            "add `[notify.slack.NAME]`, or `notices = \"off\"`",
        );
    }
    root.later(
        "schedule",
        "reports on a schedule are not sent",
        "until a later version sends them, let cron or a systemd timer run `baton status`",
    );
    root.finish();
    (settings, paths)
}

fn store_key(table: &Reader<'_>, folder: &Path, args: &Args) -> Option<SecretString> {
    let key = secret::read(table, "key", folder, args)?;
    if let Err(error) = Seal::of(&key) {
        let help = format!("`openssl rand -base64 32` makes one of at least {KEY_CHARS_MIN} characters");
        table.error("key", error.to_string(), help);
        return None;
    }
    Some(key)
}

/// The folder that a path in `node` begins at: that of its file; variables count from the settings file's.
pub(super) fn folder(node: &Node, otherwise: &Path) -> PathBuf {
    match &node.place {
        Place::Text(source, _) if !source.path.starts_with('(') => {
            Path::new(&source.path).parent().map(Path::to_owned).unwrap_or_default()
        }
        Place::Text(..) | Place::Variable(_) | Place::File(_) => otherwise.to_owned(),
    }
}

/// A name of small letters, digits, `-` and `_`.
pub(super) fn identifier(text: &str) -> Result<String, (String, String)> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if !text.is_empty() && text.len() <= 60 && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err((format!("`{text}` is no name"), "use at most 60 small letters, digits, `-` and `_`".to_owned()))
}

/// How long something is kept: a length of time, or for ever.
fn keeping(text: &str, least_days: u64) -> Result<Option<SignedDuration>, (String, String)> {
    if text == "for ever" {
        return Ok(None);
    }
    match connections::duration(text, least_days * 86_400, 36_500 * 86_400) {
        Ok(length) => Ok(SignedDuration::try_from(length).ok()),
        Err((problem, _)) => Err((
            problem,
            format!("write \"for ever\", or days, at least {least_days}: \"{} days\"", least_days.max(90)),
        )),
    }
}

fn zone(text: &str) -> Result<TimeZone, (String, String)> {
    TimeZone::get(text).map_err(|_| {
        let help = "zones are named as in the IANA data: \"Europe/Berlin\", \"UTC\"";
        (format!("no zone is called `{text}`"), help.to_owned())
    })
}

fn mode(root: &Reader<'_>, key: &str, known: &[&str]) -> Option<Mode> {
    let modes = [Mode::Off, Mode::Plan, Mode::On];
    root.parsed(key, |text| match modes.into_iter().find(|mode| mode.as_str() == text && known.contains(&text)) {
        Some(mode) => Ok(mode),
        None if text == Mode::Plan.as_str() => {
            let help = "people are told at once or not at all: write \"on\" or \"off\"";
            Err((format!("`{key} = \"plan\"` is no value: only `writes` waits for approval"), help.to_owned()))
        }
        None => Err((format!("`{text}` is no value of `{key}`"), choice(known))),
    })
}

fn caps(table: &Reader<'_>) -> Caps {
    let mut caps = Caps::default();
    if let Some(writes) = table.count("writes_per_hour", 1..=10_000_000) {
        caps.writes = Some(writes);
    }
    if let Some(percent) = table.count("owners_percent", 1..=100) {
        caps.owners_percent = u8::try_from(percent).unwrap_or(100);
    }
    caps
}

fn server(table: &Reader<'_>, usual: Server) -> Server {
    let listen = table.parsed("listen", |text| {
        text.parse::<SocketAddr>().map_err(|_| {
            (format!("`{text}` is no address to listen on"), "write address and port: \"127.0.0.1:8686\"".to_owned())
        })
    });
    let listen = listen.unwrap_or(usual.listen);
    let behind_proxy = table.flag("behind_proxy").unwrap_or(false);
    if !listen.ip().is_loopback() && !behind_proxy {
        let help = "listen on 127.0.0.1, or set `behind_proxy = true` once a proxy with TLS stands before it, which logs people \
                    in unless `[users]` does";
        let message = format!("{listen} can be reached by others, and the board itself speaks in the clear");
        table.error("listen", message, help);
    }
    let public_url = table.parsed("public_url", |text| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err((format!("`{text}` is no address of a page"), "write \"https://baton.example.com\"".to_owned())),
    });
    Server { listen, public_url: public_url.map_or(usual.public_url, Arc::from), behind_proxy }
}
