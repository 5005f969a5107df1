//! Floor 5: the settings of a deployment, gathered from layers and checked; nothing below names this.
//!
//! [`load`] is the one door: it reads the settings ([`layers`], [`settings`]), the agreement and the roster, holds the
//! three against each other and returns either everything, or every problem of all files at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::agreement::{self, Mention, Mentioned};
use crate::connector::keeps_calendars;
use crate::document::{Node, Place, Problems, SOURCE_BYTES_MAX, Source, Value, nearest, suggest};
use crate::domain::agreement::Agreement;
use crate::domain::id::{Name, PersonId};
use crate::domain::reach::Reach;
use crate::domain::roster::Roster;
use crate::engine::Texts;

mod auth;
mod channels;
mod connections;
mod layers;
mod salesforce;
mod secret;
mod settings;
pub mod shape;
mod users;

pub use settings::{Server, Settings};

/// The settings that are built in, which are their manual too.
pub const DEFAULTS: &str = include_str!("../../config/baton.toml");

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The settings file; `None`: `baton.toml`, else `config/baton.toml`, in the working directory.
    pub file: Option<PathBuf>,
    /// An agreement to read instead of the one that the settings name.
    pub agreement: Option<PathBuf>,
    /// The environment: secrets by name, and layers named `BATON__...`.
    pub variables: BTreeMap<String, String>,
}

impl Args {
    /// The settings `file`, with the environment of this process.
    #[must_use]
    pub fn from_environment(file: Option<PathBuf>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { file, agreement: None, variables: std::env::vars_os().filter_map(text).collect() }
    }
}

/// Everything a deployment is made of.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What was signed.
    pub agreement: Arc<Agreement>,
    /// Who there is.
    pub roster: Arc<Roster>,
    /// The texts of both, for the journal.
    pub texts: Arc<Texts>,
    /// What is probably not meant, though nothing forbids it.
    pub warnings: Problems,
    /// The files that were read, to be watched.
    pub files: Vec<PathBuf>,
    /// Where things stand, for what shows only later.
    pub places: Places,
}

/// Where the values of settings and roster stand, and the roster's people.
#[derive(Clone, Debug)]
pub struct Places {
    settings: Node,
    roster: Node,
    people: BTreeMap<PersonId, Place>,
}

impl Places {
    /// Where the value at `path` of the settings stands, or the nearest above it that stands somewhere.
    #[must_use]
    pub fn of(&self, path: &[&str]) -> Place {
        nearest_place(&self.settings, path)
    }

    /// The same of the roster.
    #[must_use]
    pub fn of_roster(&self, path: &[&str]) -> Place {
        nearest_place(&self.roster, path)
    }

    /// Where below `path` something is called `name`, as a key or as a value: its place, and its key with all above it.
    #[must_use]
    pub fn naming(&self, path: &[&str], name: &str) -> Option<(Place, String)> {
        let (place, key) = naming(below(&self.settings, path)?, name)?;
        let steps = path.iter().copied().chain(key.iter().map(String::as_str));
        Some((place, steps.collect::<Vec<_>>().join(".")))
    }

    /// Is there anything at `path` of the settings?
    #[must_use]
    pub fn has(&self, path: &[&str]) -> bool {
        below(&self.settings, path).is_some()
    }

    /// Where a person stands in the roster.
    #[must_use]
    pub fn of_person(&self, person: &PersonId) -> Option<&Place> {
        self.people.get(person)
    }
}

fn nearest_place(mut node: &Node, path: &[&str]) -> Place {
    for step in path {
        let Some(there) = below(node, &[step]) else { break };
        node = there;
    }
    node.key_place.clone()
}

fn below<'a>(mut node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    for step in path {
        let Value::Table(entries) = &node.value else { return None };
        node = entries.iter().find(|(known, _)| known == step).map(|(_, below)| below)?;
    }
    Some(node)
}

/// The place of what is called `name`, and the keys that lead to it.
fn naming(node: &Node, name: &str) -> Option<(Place, Vec<String>)> {
    match &node.value {
        Value::Text(text) => (text == name).then(|| (node.place.clone(), Vec::new())),
        Value::List(list) => list.iter().find_map(|node| naming(node, name)),
        Value::Table(entries) => entries.iter().find_map(|(key, node)| {
            if key == name {
                return Some((node.key_place.clone(), vec![key.clone()]));
            }
            let (place, mut keys) = naming(node, name)?;
            keys.insert(0, key.clone());
            Some((place, keys))
        }),
        Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Date(_) => None,
    }
}

/// Reads settings, agreement and roster.
///
/// # Errors
/// Every problem of all files and variables, if one of them is an error; warnings are among them.
pub fn load(args: &Args) -> Result<Loaded, Problems> {
    load_into(args, Problems::new())
}

/// As [`load`], with a place for problems that is brought along.
///
/// # Errors
/// As [`load`].
pub fn load_into(args: &Args, problems: Problems) -> Result<Loaded, Problems> {
    let mut files = Vec::new();
    let Some(merged) = layers::read(args, &mut files, &problems) else { return Err(problems) };
    let (settings, paths) = settings::read(&merged, args, &problems);
    let agreement_path = args.agreement.clone().unwrap_or(paths.agreement.0);
    let agreement = source(&agreement_path, &paths.agreement.1, "agreement", &problems);
    let roster = source(&paths.roster.0, &paths.roster.1, "roster", &problems);
    let texts = [&agreement, &roster].map(|file| file.as_ref().map(|source| source.text.clone()).unwrap_or_default());
    files.extend([agreement_path, paths.roster.0.clone()]);
    let agreement = agreement.map(|source| agreement::read(&source, &settings.zone, &problems));
    let folder = paths.roster.0.parent().map(Path::to_owned).unwrap_or_default();
    let holiday_files = std::cell::RefCell::new(Vec::new());
    let holidays = std::cell::RefCell::new(Vec::new());
    let open = |name: &str| {
        let path = folder.join(name);
        holiday_files.borrow_mut().push(path.clone());
        let read = text(&path)?;
        holidays.borrow_mut().push((name.to_owned(), read.clone()));
        Ok(read)
    };
    let roster = roster.map(|source| agreement::read_roster(&source, &open, &problems));
    files.extend(holiday_files.take());
    if let (Some(agreement), Some(roster)) = (&agreement, &roster) {
        agreement::check_together(agreement, roster, &problems);
        check_names(&settings, &agreement.mentions, &roster.mentions, &problems);
        check_maps(&settings, &agreement.agreement, &merged.root, &problems);
        check_sources(&settings, &roster.roster, &roster.root, &problems);
    }
    match (agreement, roster) {
        (Some(agreement), Some(roster)) if !problems.has_errors() => Ok(Loaded {
            settings,
            agreement: Arc::new(agreement.agreement),
            roster: Arc::new(roster.roster),
            texts: Arc::new(Texts::new(&texts[0], &texts[1], &holidays.take())),
            warnings: problems,
            files,
            places: Places { settings: merged.root, roster: roster.root, people: roster.people_places },
        }),
        _ => Err(problems),
    }
}

/// The text of a file of at most [`SOURCE_BYTES_MAX`] bytes, or why not.
fn text(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > SOURCE_BYTES_MAX as u64 {
        return Err(format!("{length} bytes are more than the {SOURCE_BYTES_MAX} that are read"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn source(path: &Path, named_at: &Place, key: &str, problems: &Problems) -> Option<Arc<Source>> {
    match text(path) {
        Ok(text) => Some(Source::new(path.display().to_string(), text)),
        Err(why) => {
            let message = format!("the {key} {} cannot be read: {why}", path.display());
            problems.error(named_at.clone(), key, message, format!("write where it is: `{key} = \"...\"`"));
            None
        }
    }
}

/// Holds the reasons and tracks that connections have words for against those of the agreement: a word for another is never used.
fn check_maps(settings: &Settings, agreement: &Agreement, root: &Node, problems: &Problems) {
    let reasons: BTreeSet<Name> = agreement.handoff.rejections.keys().cloned().collect();
    let tracks = agreement.tracks();
    for one in &settings.connections {
        let mapped = one.reasons.iter().map(|(name, _)| ("reasons", name, &reasons, "reason", "[handoff.rejections]"));
        let listed = one.tracks.iter().map(|(name, _)| ("tracks", name, &tracks, "track", "[handoff.rejections]"));
        for (section, name, known, what, there) in
            mapped.chain(listed).filter(|(_, name, known, ..)| !known.contains(*name))
        {
            let path = ["connections", one.id.as_str(), section];
            let place = below(root, &path).and_then(|node| naming(node, name.as_str())).map(|(place, _)| place);
            let add = format!("take it out, or add it to `{there}` of the agreement");
            let help = suggest(name.as_str(), known.iter().map(Name::as_str), &add);
            let message = format!("the agreement has no {what} `{name}`, so this is never used");
            problems.warning(place.unwrap_or_else(|| root.key_place.clone()), &path.join("."), message, help);
        }
    }
}

/// Holds the sources of calendars against the kinds of their connections.
fn check_sources(settings: &Settings, roster: &Roster, root: &Node, problems: &Problems) {
    for (name, source) in &roster.sources {
        let connection = settings.connections.iter().find(|one| one.id == source.connection);
        if connection.is_none_or(|one| keeps_calendars(one.kind)) {
            continue;
        }
        let path = ["calendars", name.as_str(), "source", "connection"];
        let message = format!("{} keeps no working hours that this could be taken from", source.connection);
        problems.warning(nearest_place(root, &path), &path.join("."), message, "take `source` out");
    }
}

/// Holds what agreement and roster name against the connections and channels that there are.
fn check_names(settings: &Settings, agreement: &[Mention], roster: &[Mention], problems: &Problems) {
    let connections: Vec<&str> = settings.connections.iter().map(|connection| connection.id.as_str()).collect();
    let channels: Vec<&str> = settings.channels.by_name.iter().map(|(name, _)| name.as_str()).collect();
    let ways: Vec<Reach> = settings.channels.reach().into_iter().filter(|way| way.people).collect();
    let shown: Vec<String> = settings
        .connections
        .iter()
        .flat_map(|one| {
            let own = one.signals.iter().map(|map| map.signal.to_string());
            let members = one.campaigns.iter().map(|map| map.signal.to_string());
            own.chain(members).chain(crate::connector::signals_known(one.kind).into_iter().map(|name| name.to_string()))
        })
        .collect();
    let mapped = |name: &Name| settings.connections.iter().any(|one| one.tracks.iter().any(|(track, _)| track == name));
    let mut told: Vec<(Mentioned, &Name)> = Vec::new();
    for mention in agreement.iter().chain(roster) {
        let name = mention.name.as_str();
        let (message, help, is_error) = match mention.what {
            Mentioned::Connection if !connections.contains(&name) => {
                let help = suggest(name, connections.iter().copied(), "add `[connections.NAME]` to the settings");
                (format!("no connection is called `{name}`"), help, true)
            }
            Mentioned::Channel if !channels.contains(&name) => {
                let kind = name.split('.').next().filter(|kind| ["email", "webhook"].contains(kind)).unwrap_or("slack");
                let add = format!("add `[notify.{kind}.NAME]` to the settings");
                let help = suggest(name, channels.iter().copied(), &add);
                // A channel without notices hurts nobody yet.
                let is_error = settings.notices == crate::domain::plan::Mode::On;
                (format!("no channel is called `{name}`"), help, is_error)
            }
            Mentioned::Way if !ways.iter().any(|way| way.kind() == name || way.channel.as_str() == name) => {
                let help = match ways.iter().map(|way| way.kind()).next() {
                    Some(kind) => format!("`tell = \"{kind}\"` works"),
                    None => "add `[notify.email.NAME]`, or a bot's `token` to `[notify.slack.NAME]`".to_owned(),
                };
                let is_error = settings.notices == crate::domain::plan::Mode::On;
                (format!("no channel reaches people in person by `{name}`"), help, is_error)
            }
            Mentioned::Track if !connections.is_empty() && !mapped(&mention.name) => {
                let help = format!("add `{name} = {{ list = \"...\" }}` to `[connections.NAME.tracks]`");
                (format!("no connection has a list for the track `{name}`"), help, false)
            }
            Mentioned::Signal if !connections.is_empty() && !shown.iter().any(|one| one == name) => {
                let help = match nearest(name, shown.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "map it in `[connections.NAME.signals]`: `property`, `contains`, `at`".to_owned(),
                };
                (format!("no connection shows the signal `{name}`, so it never gives points"), help, false)
            }
            Mentioned::Connection
            | Mentioned::Channel
            | Mentioned::Track
            | Mentioned::Signal
            | Mentioned::Way
            | Mentioned::Team
            | Mentioned::Person => continue,
        };
        if told.contains(&(mention.what, &mention.name)) {
            continue;
        }
        told.push((mention.what, &mention.name));
        if is_error {
            problems.error(mention.place.clone(), &mention.key, message, help);
        } else {
            problems.warning(mention.place.clone(), &mention.key, message, help);
        }
    }
}
