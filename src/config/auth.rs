//! `auth` of a connection: what Baton proves itself with. One mistake is told once, with the whole line to write.

use std::path::Path;

use secrecy::SecretString;
use url::Url;

use crate::connector::settings::{Auth, ClientApp, JwtApp, Kind, OauthApp};
use crate::document::{Reader, Value};

use super::connections::address;
use super::{Args, secret};

/// Where Salesforce gives tokens, unless My Domain is named. Source: the Salesforce sheet, section 2.
pub(super) const SALESFORCE: &str = "https://login.salesforce.com";
/// The same for sandboxes.
const SALESFORCE_TEST: &str = "https://test.salesforce.com";
/// Where the CRM sends a person who let the app in, unless the settings say otherwise: to `baton login`, which listens there.
const REDIRECT: &str = "http://localhost:8687/oauth/callback";

/// A way to prove oneself.
struct Way {
    name: &'static str,
    /// Its keys that must be there, each with what to write.
    keys: &'static [(&'static str, &'static str)],
}

const CLIENT_ID: (&str, &str) = ("client_id", "\"the app's consumer key\"");
const CLIENT_SECRET: (&str, &str) = ("client_secret", "{ env = \"NAME\" }");
const TOKEN: Way = Way { name: "token", keys: &[] };
const OAUTH: Way = Way { name: "oauth", keys: &[CLIENT_ID, CLIENT_SECRET] };
/// A user who is let in beforehand, for whom Baton signs. Source: the Salesforce sheet, section 2.
const JWT: Way = Way {
    name: "jwt",
    keys: &[CLIENT_ID, ("username", "\"baton@example.com\""), ("key", "{ file = \"salesforce.pem\" }")],
};
/// An app that acts as its Run As user (the client credentials flow). Source: the Salesforce sheet, section 2.
const CLIENT: Way = Way { name: "client", keys: &[CLIENT_ID, CLIENT_SECRET] };

impl Way {
    const ALL: [Self; 4] = [TOKEN, OAUTH, JWT, CLIENT];

    /// Those that a kind knows, the usual one first.
    fn of(kind: Option<Kind>) -> &'static [Self] {
        match kind {
            Some(Kind::Odoo) => &[TOKEN],
            Some(Kind::Salesforce) => &[CLIENT, JWT, OAUTH],
            Some(Kind::HubSpot | Kind::Pipedrive) | None => &[TOKEN, OAUTH],
        }
    }

    /// How it is written, whole.
    fn line(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(key, example)| format!("{key} = {example}")).collect();
        let value =
            if keys.is_empty() { "{ env = \"NAME\" }".to_owned() } else { format!("{{ {} }}", keys.join(", ")) };
        format!("{{ {} = {value} }}", self.name)
    }
}

/// What to write: the usual way of the kind, and which others it knows.
fn help(kind: Option<Kind>) -> String {
    let [usual, others @ ..] = Way::of(kind) else { return String::new() };
    let others: Vec<String> = others.iter().map(|way| format!("`{}`", way.name)).collect();
    let also = if others.is_empty() { String::new() } else { format!("; {} is another way", others.join(" or ")) };
    format!("write `auth = {}`{also}", usual.line())
}

/// What the connection proves itself with.
pub(super) fn read(
    reader: &Reader<'_>,
    kind: Option<Kind>,
    base_url: Option<&Url>,
    folder: &Path,
    args: &Args,
) -> Option<Auth> {
    let Some(node) = reader.get("auth") else {
        reader.missing("auth", &Way::of(kind).first().map(Way::line).unwrap_or_default());
        return None;
    };
    if matches!(node.value, Value::Text(_)) {
        let message = "`auth` holds the secret itself; a settings file is no place for it";
        reader.problems().error(node.key_place.clone(), &reader.path("auth"), message, help(kind));
        return None;
    }
    let auth = reader.table("auth")?;
    let way = way(&auth, kind)?;
    let proof = match way.name {
        "oauth" => oauth(&auth, folder, args).map(Auth::Oauth),
        "jwt" => jwt(&auth, base_url, folder, args).map(Auth::Jwt),
        "client" => client(&auth, folder, args).map(Auth::Client),
        _ => secret::read(&auth, "token", folder, args).map(Auth::Token),
    };
    auth.finish();
    proof
}

/// The one way that is named, if this kind knows it. What else stands in a table that names none is no second mistake.
fn way(auth: &Reader<'_>, kind: Option<Kind>) -> Option<Way> {
    let mut named: Vec<Way> = Way::ALL.into_iter().filter(|way| auth.get(way.name).is_some()).collect();
    if named.len() > 1 {
        let names: Vec<String> = named.iter().map(|way| format!("`{}`", way.name)).collect();
        let message = format!("a connection proves itself in one way, not by {}", names.join(" and "));
        auth.error(named[0].name, message, "leave one of them out");
        return named.pop().filter(|way| is_whole(auth, way));
    }
    let Some(way) = named.pop() else {
        let path = auth.path("");
        let path = path.trim_end_matches('.');
        match auth.entries().next() {
            Some((key, node)) => {
                let message = format!("`{key}` is no way to log in that is known here");
                auth.problems().error(node.key_place.clone(), &auth.path(key), message, help(kind));
            }
            None => auth.problems().error(auth.place().clone(), path, format!("`{path}` is empty"), help(kind)),
        }
        return None;
    };
    if kind.is_none() || Way::of(kind).iter().any(|known| known.name == way.name) {
        return Some(way);
    }
    let message = match (kind, way.name) {
        (Some(Kind::Odoo), _) => "Odoo knows API keys only",
        (_, "token") => "Salesforce's session ids end within hours, so none is taken",
        _ => "only Salesforce knows this way",
    };
    auth.error(way.name, message, help(kind));
    // What is whole is read on, so that its own mistakes are told, too.
    (way.name != TOKEN.name && is_whole(auth, &way)).then_some(way)
}

/// Does the table of a way have every key that it needs?
fn is_whole(auth: &Reader<'_>, way: &Way) -> bool {
    let Some(Value::Table(entries)) = auth.get(way.name).map(|node| &node.value) else { return false };
    way.keys.iter().all(|(key, _)| entries.iter().any(|(own, _)| own == key))
}

/// The table of a way, if nothing is missing in it.
fn whole<'a>(auth: &Reader<'a>, way: &Way) -> Option<Reader<'a>> {
    let table = auth.table(way.name)?;
    let missing: Vec<&(&str, &str)> = way.keys.iter().filter(|(key, _)| table.get(key).is_none()).collect();
    let Some((first, _)) = missing.first() else { return Some(table) };
    let names: Vec<String> = missing.iter().map(|(key, _)| format!("`{key}`")).collect();
    let strange: Vec<String> = table
        .entries()
        .filter(|(key, _)| *key != "audience" && *key != "redirect_uri" && way.keys.iter().all(|(own, _)| own != key))
        .map(|(key, _)| format!("`{key}`"))
        .collect();
    let beside = match strange.len() {
        0 => String::new(),
        1 => format!(", and knows no {}", strange.join("")),
        _ => format!(", and knows none of {}", strange.join(", ")),
    };
    let message = format!("`{}` lacks {}{beside}", auth.path(way.name), names.join(" and "));
    table.problems().error(
        table.place().clone(),
        &table.path(first),
        message,
        format!("write `auth = {}`", way.line()),
    );
    None
}

fn jwt(auth: &Reader<'_>, base_url: Option<&Url>, folder: &Path, args: &Args) -> Option<JwtApp> {
    let table = whole(auth, &JWT)?;
    let client_id = table.text("client_id").map(|(text, _)| text.to_owned());
    let username = table.text("username").map(|(text, _)| text.to_owned());
    let key = secret::read(&table, "key", folder, args);
    // Sandboxes have a login host of their own, and their own mark in My Domain.
    let is_test = base_url
        .and_then(Url::host_str)
        .is_some_and(|host| host == "test.salesforce.com" || host.contains(".sandbox."));
    let usual = if is_test { SALESFORCE_TEST } else { SALESFORCE };
    let audience = table.one_of("audience", &[(SALESFORCE, SALESFORCE), (SALESFORCE_TEST, SALESFORCE_TEST)]);
    table.finish();
    let audience = audience.unwrap_or(usual).to_owned();
    Some(JwtApp { client_id: client_id?, username: username?, key: key?, audience })
}

fn client(auth: &Reader<'_>, folder: &Path, args: &Args) -> Option<ClientApp> {
    let table = whole(auth, &CLIENT)?;
    let (client_id, client_secret) = app(&table, folder, args);
    table.finish();
    Some(ClientApp { client_id: client_id?, client_secret: client_secret? })
}

fn oauth(auth: &Reader<'_>, folder: &Path, args: &Args) -> Option<OauthApp> {
    let table = whole(auth, &OAUTH)?;
    let (client_id, client_secret) = app(&table, folder, args);
    let redirect_uri = match table.get("redirect_uri") {
        Some(_) => table.parsed("redirect_uri", address),
        None => Url::parse(REDIRECT).ok(),
    };
    table.finish();
    Some(OauthApp { client_id: client_id?, client_secret: client_secret?, redirect_uri: redirect_uri? })
}

fn app(table: &Reader<'_>, folder: &Path, args: &Args) -> (Option<String>, Option<SecretString>) {
    let client_id = table.text("client_id").map(|(text, _)| text.to_owned());
    (client_id, secret::read(table, "client_secret", folder, args))
}
