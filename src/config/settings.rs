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
use crate::domain::id::{Name, WorkspaceId};
use crate::domain::plan::Mode;
use crate::engine::Retention;
use crate::engine::deliver::Channels;
use crate::notify::Channel;
use crate::notify::slack::Slack;
use crate::notify::webhook::Webhook;

use super::layers::Merged;
use super::{Args, connections, secret};

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
    /// How long what was being sent when Baton ended rests before it is looked for.
    pub rest: SignedDuration,
    /// Board and API.
    pub server: Server,
    /// The CRMs, by name.
    pub connections: Vec<connector::settings::Settings>,
    /// Where notices go.
    pub channels: Channels,
    /// What is forgotten when.
    pub retention: Retention,
}

/// Board and API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; loopback, unless a proxy stands before it.
    pub listen: SocketAddr,
    /// What links begin with, without a slash at its end.
    pub public_url: Arc<str>,
    /// Does a proxy with TLS and login stand before it?
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
        rest: crate::store::REST,
        server: Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8686)),
            public_url: Arc::from(""),
            behind_proxy: false,
        },
        connections: Vec::new(),
        channels: Channels::default(),
        retention: Retention::default(),
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
    settings.writes = mode(&root, "writes").unwrap_or(Mode::Off);
    settings.notices = mode(&root, "notices").unwrap_or(Mode::Off);
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
        if let Some(rest) = table.parsed("rest", |text| connections::duration(text, 0, 600)) {
            settings.rest = SignedDuration::try_from(rest).unwrap_or(settings.rest);
        }
        table.finish();
    }
    if let Some(table) = root.table("server") {
        settings.server = server(&table, settings.server);
        table.finish();
    }
    if let Some(table) = root.table("retention") {
        if let Some(effects) = table.parsed("effects", |text| connections::duration(text, 86_400, 3_650 * 86_400)) {
            settings.retention.effects = SignedDuration::try_from(effects).unwrap_or(settings.retention.effects);
        }
        table.finish();
    }
    settings.connections = connections::read(&root, &merged.folder, args);
    settings.channels = channels(&root, &merged.folder, args, &settings.server.public_url);
    let on = |mode| mode == Mode::On;
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

fn zone(text: &str) -> Result<TimeZone, (String, String)> {
    TimeZone::get(text).map_err(|_| {
        let help = "zones are named as in the IANA data: \"Europe/Berlin\", \"UTC\"";
        (format!("no zone is called `{text}`"), help.to_owned())
    })
}

fn mode(root: &Reader<'_>, key: &str) -> Option<Mode> {
    root.parsed(key, |text| match text {
        "off" => Ok(Mode::Off),
        "on" => Ok(Mode::On),
        "plan" => {
            let help = "write \"off\" to look without acting, \"on\" to act";
            Err((format!("`{key} = \"plan\"` is not acted on yet"), help.to_owned()))
        }
        other => Err((format!("`{other}` is no value of `{key}`"), choice(&["off", "on"]))),
    })
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
        let help = "listen on 127.0.0.1, or set `behind_proxy = true` once a proxy with TLS and login stands before it";
        table.error("listen", format!("{listen} can be reached by others, and the board has no login"), help);
    }
    let public_url = table.parsed("public_url", |text| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err((format!("`{text}` is no address of a page"), "write \"https://baton.example.com\"".to_owned())),
    });
    Server { listen, public_url: public_url.map_or(usual.public_url, Arc::from), behind_proxy }
}

fn channels(root: &Reader<'_>, folder: &Path, args: &Args, board: &str) -> Channels {
    let mut channels = Channels::default();
    let Some(table) = root.table("notify") else { return channels };
    if let Some(slack) = table.table("slack") {
        for (name, node) in slack.entries() {
            let Some(reader) = slack.table(name) else { continue };
            let url = secret::read(&reader, "webhook", &self::folder(node, folder), args);
            reader.finish();
            // A secret that is missing keeps Baton from starting; the channel exists all the same.
            let url = url.unwrap_or_else(|| SecretString::from(String::new()));
            let channel = Channel::Slack(Slack { url, board: board.to_owned() });
            channels.by_name.push((Name::from(format!("slack.{name}")), channel));
        }
    }
    if let Some(webhook) = table.table("webhook") {
        for (name, node) in webhook.entries() {
            let Some(reader) = webhook.table(name) else { continue };
            if reader.get("url").is_none() {
                reader.missing("url", "\"https://ops.example.com/baton\"");
            }
            let url = reader.parsed("url", connections::address);
            let secret = secret::read(&reader, "secret", &self::folder(node, folder), args);
            reader.finish();
            let secret = secret.unwrap_or_else(|| SecretString::from(String::new()));
            // An address that is missing keeps Baton from starting, too.
            let Some(url) = url.or_else(|| Url::parse(board).ok()) else { continue };
            let channel = Channel::Webhook(Webhook { url, secret });
            channels.by_name.push((Name::from(format!("webhook.{name}")), channel));
        }
    }
    table.later(
        "email",
        "e-mail is not sent",
        "notices go out by `[notify.slack.NAME]` or a signed `[notify.webhook.NAME]`",
    );
    let names: Vec<&str> = channels.by_name.iter().map(|(name, _)| name.as_str()).collect();
    let named = table.parsed("fallback", |text| {
        if names.contains(&text) {
            Ok(Name::from(text))
        } else {
            Err((format!("no channel is called `{text}`"), choice(&names)))
        }
    });
    channels.fallback =
        named.or_else(|| if let [(only, _)] = &channels.by_name[..] { Some(only.clone()) } else { None });
    table.finish();
    channels
}
