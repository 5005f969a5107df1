//! Who may use the board: `[users.NAME]`.

use std::path::Path;

use jiff::SignedDuration;
use secrecy::ExposeSecret as _;

use crate::document::{Reader, Value};
use crate::domain::access::{Access, PasswordHash, Role, TokenHash, User, is_user_name};
use crate::domain::id::Name;

use super::{Args, connections, secret, settings};

/// Seconds that a login may last, at least and at most.
const LASTS_SECONDS: (u64, u64) = (300, 30 * 86_400);

/// Reads how long a login lasts from `[server]`.
pub(super) fn lasting(server: &Reader<'_>, access: &mut Access) {
    for (key, lasting) in [("login_lasts", &mut access.lasts), ("login_idle", &mut access.idle)] {
        let (least, most) = LASTS_SECONDS;
        if let Some(length) = server.parsed(key, |text| connections::duration(text, least, most)) {
            *lasting = SignedDuration::try_from(length).unwrap_or(*lasting);
        }
    }
}

/// Reads the users.
pub(super) fn read(root: &Reader<'_>, folder: &Path, args: &Args) -> Vec<User> {
    let Some(table) = root.table("users") else { return Vec::new() };
    let mut users = Vec::new();
    for (name, node) in table.entries() {
        let path = table.path(name);
        if !is_user_name(name) {
            let help = "use small letters, digits, `-`, `_` and `.`";
            table.problems().error(node.key_place.clone(), &path, format!("`{name}` is no user's name"), help);
        }
        let Some(user) = Reader::of(node, &path, table.problems()) else { continue };
        users.extend(one(name, &user, &settings::folder(node, folder), args));
        user.finish();
    }
    if !users.is_empty() && users.iter().all(|user| user.role < Role::Operator) {
        root.warning(
            "users",
            "nobody may act on the board: no user is an operator",
            "write `role = \"operator\"` for one",
        );
    }
    users
}

fn one(name: &str, table: &Reader<'_>, folder: &Path, args: &Args) -> Option<User> {
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    if table.get("role").is_none() {
        table.missing("role", "\"viewer\"");
    }
    let role = table.one_of("role", &roles);
    let made = |how: &str| format!("`baton user {name}{how}` makes one and prints what to write");
    let password = kept(table, "password", folder, args).and_then(|text| match PasswordHash::read(&text) {
        Ok(hash) => Some(hash),
        Err(error) => {
            table.error("password", format!("{error}; a password itself has no place here"), made(""));
            None
        }
    });
    let token = kept(table, "token", folder, args).and_then(|text| {
        let read = TokenHash::read(&text);
        if read.is_none() {
            table.error("token", "this is no hash of a token; a token itself has no place here", made(" --token"));
        }
        read
    });
    if table.get("password").is_none() && table.get("token").is_none() {
        table.missing("password", "\"$argon2id$...\"");
        return None;
    }
    Some(User { name: Name::from(name), role: role?, password, token })
}

/// The hash that `key` holds or points at. It is kept out of what is shown, in case that it is the secret itself.
fn kept(table: &Reader<'_>, key: &str, folder: &Path, args: &Args) -> Option<String> {
    let node = table.get(key)?;
    if let Value::Text(text) = &node.value {
        table.problems().hide(&node.place);
        return Some(text.trim().to_owned());
    }
    secret::read(table, key, folder, args).map(|text| text.expose_secret().to_owned())
}
