//! The layers of the settings: built-in defaults, a file, `local.toml` beside it, variables. The `config` crate lays them
//! over each other; where each value stands is kept beside, since it forgets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Config, Environment, Source as _, ValueKind};

use crate::document::{Node, Place, Problems, Source, Value, node};

use super::{Args, DEFAULTS, secret, text};

/// What the layers say together.
#[derive(Debug)]
pub(super) struct Merged {
    /// Every value with its place.
    pub(super) root: Node,
    /// The folder of the settings file.
    pub(super) folder: PathBuf,
}

/// Where key and value of a path stand. Path segments are joined by a character that no key has.
type Places = BTreeMap<String, (Place, Place)>;

const JOINT: char = '\u{1f}';
const PREFIX: &str = "BATON";
/// The name that problems of the built-in layer go by.
const BUILT_IN: &str = "(built in) baton.toml";

/// Reads the layers; `None` if there is no file to read.
pub(super) fn read(args: &Args, files: &mut Vec<PathBuf>, problems: &Problems) -> Option<Merged> {
    let file = args
        .file
        .clone()
        .or_else(|| ["baton.toml", "config/baton.toml"].iter().map(PathBuf::from).find(|path| path.is_file()));
    let Some(file) = file else {
        let help = "write one with `baton init`, or name it with `--config`";
        let message = "there is no settings file here, nor config/baton.toml";
        problems.error(Place::File("baton.toml".into()), "", message, help);
        return None;
    };
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let mut places = Places::new();
    let mut builder = Config::builder();
    let mut layer = |source: Arc<Source>| {
        let root = node::parse(&source, problems);
        secret::hide_all("", &root, problems);
        let value = convert(&root, String::new(), &mut places);
        builder = std::mem::take(&mut builder).add_source(Layer(value));
        root.place
    };
    layer(Source::new(BUILT_IN, DEFAULTS));
    let place = match text(&file) {
        Ok(text) => layer(Source::new(file.display().to_string(), text)),
        Err(why) => {
            let place = Place::File(file.display().to_string().into());
            problems.error(place, "", format!("cannot be read: {why}"), "name another file with `--config`");
            return None;
        }
    };
    files.push(file);
    let local = folder.join("local.toml");
    if local.exists() {
        match text(&local) {
            Ok(text) => drop(layer(Source::new(local.display().to_string(), text))),
            Err(why) => {
                let place = Place::File(local.display().to_string().into());
                problems.error(place, "", format!("cannot be read: {why}"), "mend or remove it");
            }
        }
        files.push(local);
    }
    let variables = args.variables.clone().into_iter().collect();
    let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").source(Some(variables));
    name_variables(&environment, args, &mut places);
    let merged = builder.add_source(environment).build();
    match merged {
        Ok(config) => {
            let root = rebuild(config.cache, "", &place, &places);
            Some(Merged { root, folder })
        }
        Err(error) => {
            problems.error(place, "", format!("the layers cannot be joined: {error}"), "");
            None
        }
    }
}

#[derive(Clone, Debug)]
struct Layer(config::Value);

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, config::Value>, config::ConfigError> {
        self.0.clone().into_table()
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}{JOINT}{key}") }
}

fn convert(node: &Node, path: String, places: &mut Places) -> config::Value {
    places.insert(path.clone(), (node.key_place.clone(), node.place.clone()));
    let kind = match &node.value {
        Value::Text(text) => ValueKind::String(text.clone()),
        Value::Integer(integer) => ValueKind::I64(*integer),
        Value::Float(float) => ValueKind::Float(*float),
        Value::Flag(flag) => ValueKind::Boolean(*flag),
        Value::Date(date) => ValueKind::String(date.to_string()),
        Value::List(list) => ValueKind::Array(
            list.iter().enumerate().map(|(at, node)| convert(node, join(&path, &at.to_string()), places)).collect(),
        ),
        Value::Table(entries) => ValueKind::Table(
            entries.iter().map(|(key, node)| (key.clone(), convert(node, join(&path, key), places))).collect(),
        ),
    };
    config::Value::new(None, kind)
}

/// Every variable by the path it sets. The crate folds names to lower case, so the spelling is looked up again.
fn name_variables(environment: &Environment, args: &Args, places: &mut Places) {
    let Ok(found) = environment.collect() else { return };
    for path in found.keys() {
        let wanted = format!("{PREFIX}__{}", path.replace('.', "__"));
        let name = args.variables.keys().find(|name| name.eq_ignore_ascii_case(&wanted)).cloned().unwrap_or(wanted);
        let place = Place::Variable(name.into());
        let mut above = String::new();
        for segment in path.split('.') {
            above = join(&above, segment);
            // A table that only variables speak of stands where they do.
            places.entry(above.clone()).or_insert_with(|| (place.clone(), place.clone()));
        }
        places.insert(above, (place.clone(), place));
    }
}

fn rebuild(value: config::Value, path: &str, otherwise: &Place, places: &Places) -> Node {
    let (key_place, place) = places.get(path).cloned().unwrap_or_else(|| (otherwise.clone(), otherwise.clone()));
    let value = match value.kind {
        ValueKind::Nil => Value::Text(String::new()),
        ValueKind::Boolean(flag) => Value::Flag(flag),
        ValueKind::I64(integer) => Value::Integer(integer),
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => Value::Float(f64::INFINITY),
        ValueKind::Float(float) => Value::Float(float),
        ValueKind::String(text) => Value::Text(text),
        ValueKind::Array(list) => Value::List(
            list.into_iter()
                .enumerate()
                .map(|(at, value)| rebuild(value, &join(path, &at.to_string()), &place, places))
                .collect(),
        ),
        ValueKind::Table(table) => {
            let mut entries: Vec<(String, Node)> = table
                .into_iter()
                .map(|(key, value)| {
                    let node = rebuild(value, &join(path, &key), &key_place, places);
                    (key, node)
                })
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Table(entries)
        }
    };
    Node { value, place, key_place }
}
