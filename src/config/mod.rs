//! Floor 5: the settings of a deployment, gathered from layers and checked; nothing below names this.
//!
//! [`load`] is the one door: it reads the settings ([`layers`], [`settings`]), the agreement and the roster, holds the
//! three against each other and returns either everything, or every problem of all files at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::agreement::{self, Mention, Mentioned};
use crate::document::{Place, Problems, SOURCE_BYTES_MAX, Source, nearest, suggest};
use crate::domain::agreement::Agreement;
use crate::domain::id::Name;
use crate::domain::roster::Roster;

mod connections;
mod layers;
mod secret;
mod settings;

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
    /// What is probably not meant, though nothing forbids it.
    pub warnings: Problems,
    /// The files that were read, to be watched.
    pub files: Vec<PathBuf>,
}

/// Reads settings, agreement and roster.
///
/// # Errors
/// Every problem of all files and variables, if one of them is an error; warnings are among them.
pub fn load(args: &Args) -> Result<Loaded, Problems> {
    let problems = Problems::new();
    let mut files = Vec::new();
    let Some(merged) = layers::read(args, &mut files, &problems) else { return Err(problems) };
    let (settings, paths) = settings::read(&merged, args, &problems);
    let agreement_path = args.agreement.clone().unwrap_or(paths.agreement.0);
    let agreement = source(&agreement_path, &paths.agreement.1, "agreement", &problems);
    let roster = source(&paths.roster.0, &paths.roster.1, "roster", &problems);
    files.extend([agreement_path, paths.roster.0.clone()]);
    let agreement = agreement.map(|source| agreement::read(&source, &settings.zone, &problems));
    let folder = paths.roster.0.parent().map(Path::to_owned).unwrap_or_default();
    let holiday_files = std::cell::RefCell::new(Vec::new());
    let open = |path: &str| {
        let path = folder.join(path);
        holiday_files.borrow_mut().push(path.clone());
        text(&path)
    };
    let roster = roster.map(|source| agreement::read_roster(&source, &open, &problems));
    files.extend(holiday_files.take());
    if let (Some(agreement), Some(roster)) = (&agreement, &roster) {
        agreement::check_together(agreement, roster, &problems);
        check_names(&settings, &agreement.mentions, &roster.mentions, &problems);
    }
    match (agreement, roster) {
        (Some(agreement), Some(roster)) if !problems.has_errors() => Ok(Loaded {
            settings,
            agreement: Arc::new(agreement.agreement),
            roster: Arc::new(roster.roster),
            warnings: problems,
            files,
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

/// Holds what agreement and roster name against the connections and channels that there are.
fn check_names(settings: &Settings, agreement: &[Mention], roster: &[Mention], problems: &Problems) {
    let connections: Vec<&str> = settings.connections.iter().map(|connection| connection.id.as_str()).collect();
    let channels: Vec<&str> = settings.channels.by_name.iter().map(|(name, _)| name.as_str()).collect();
    let shown: Vec<String> = settings
        .connections
        .iter()
        .flat_map(|one| {
            let own = one.signals.iter().map(|map| map.signal.to_string());
            own.chain(crate::connector::signals_known(one.kind).into_iter().map(|name| name.to_string()))
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
                let help = suggest(name, channels.iter().copied(), "add `[notify.slack.NAME]` to the settings");
                // A channel without notices hurts nobody yet.
                let is_error = settings.notices == crate::domain::plan::Mode::On;
                (format!("no channel is called `{name}`"), help, is_error)
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
