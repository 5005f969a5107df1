//! Secrets: from a variable, a file, or systemd's credentials; never from the settings themselves. Problems name the
//! variable or path, never the value.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::document::{Node, Problems, Reader, Value};

use super::{Args, text};

const HOW: &str = "write `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ credential = \"name\" }`";

/// Reads the secret that `key` of `table` points at; `folder` is where relative paths begin.
pub(super) fn read(table: &Reader<'_>, key: &str, folder: &Path, args: &Args) -> Option<SecretString> {
    let Some(node) = table.get(key) else {
        table.missing(key, "{ env = \"NAME\" }");
        return None;
    };
    if !matches!(node.value, Value::Table(_)) {
        table.problems().hide(&node.place);
        let message = format!("`{key}` holds the secret itself; a settings file is no place for it");
        table.problems().error(node.key_place.clone(), &table.path(key), message, HOW);
        return None;
    }
    let reader = table.table(key)?;
    let secret = from_reader(node, &reader, &table.path(key), folder, args);
    reader.finish();
    secret
}

fn from_reader(node: &Node, reader: &Reader<'_>, key: &str, folder: &Path, args: &Args) -> Option<SecretString> {
    let problems = reader.problems();
    let variable = reader.text("env");
    let file = reader.text("file");
    let credential = reader.text("credential");
    let value = match (variable, file, credential) {
        (Some((name, _)), None, None) => match args.variables.get(name) {
            Some(value) => Ok(value.clone()),
            None => {
                Err((format!("the environment variable {name} is not set"), "set it where Baton is started".to_owned()))
            }
        },
        (None, Some((path, _)), None) => from_file(&folder.join(path), true),
        (None, None, Some((name, _))) => match args.variables.get("CREDENTIALS_DIRECTORY") {
            Some(directory) if !name.contains('/') => from_file(&PathBuf::from(directory).join(name), false),
            Some(_) => Err((format!("`{name}` is no credential's name"), "a credential's name has no `/`".to_owned())),
            None => {
                let help = "add `LoadCredential=` to the unit; outside systemd use `env` or `file`";
                Err((format!("there is no credential `{name}`: systemd gave none"), help.to_owned()))
            }
        },
        (None, None, None) => Err(("this points at no secret".to_owned(), HOW.to_owned())),
        _ => Err(("this points at more than one secret".to_owned(), HOW.to_owned())),
    };
    let source = [variable, file, credential].into_iter().flatten().map(|(name, _)| name).next().unwrap_or("");
    match value {
        Ok(value) if value.trim().is_empty() => {
            let message = format!("the secret in {source} is empty");
            problems.error(node.place.clone(), key, message, "put the secret there");
            None
        }
        Ok(value) => Some(SecretString::from(value.trim().to_owned())),
        Err((message, help)) => {
            problems.error(node.place.clone(), key, message, help);
            None
        }
    }
}

fn from_file(path: &Path, must_be_private: bool) -> Result<String, (String, String)> {
    let shown = path.display();
    #[cfg(unix)]
    if must_be_private && let Ok(metadata) = std::fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o004 != 0 {
            let message = format!("the secret file {shown} can be read by everybody on this machine");
            return Err((message, format!("run `chmod 600 {shown}`")));
        }
    }
    text(path).map_err(|why| (format!("the secret file {shown} cannot be read: {why}"), "write where it is".to_owned()))
}

/// Keeps every text that looks like a secret by its key out of what is shown, wherever it stands: problems quote lines.
pub(super) fn hide_all(key: &str, node: &Node, problems: &Problems) {
    const TELLING: [&str; 8] = ["token", "secret", "passw", "webhook", "auth", "api_key", "apikey", "credential"];
    match &node.value {
        Value::Text(text) => {
            let key = key.to_lowercase();
            let is_address_with_password = text.contains("://") && text.contains('@');
            if TELLING.iter().any(|telling| key.contains(telling)) || is_address_with_password {
                problems.hide(&node.place);
            }
        }
        Value::Table(entries) => {
            let is_auth = key == "auth";
            for (name, node) in entries {
                let is_text = matches!(node.value, Value::Text(_));
                hide_all(if is_auth && is_text { "auth" } else { name }, node, problems);
            }
        }
        Value::List(list) => list.iter().for_each(|node| hide_all(key, node, problems)),
        Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Date(_) => {}
    }
}
