//! `[notify]` and `[answers]`: where notices go, and how people answer them.

use std::num::NonZeroU32;
use std::path::Path;

use jiff::SignedDuration;
use secrecy::SecretString;
use url::Url;

use crate::document::{Reader, choice};
use crate::domain::id::Name;
use crate::domain::reach::Links;
use crate::engine::deliver::Channels;
use crate::notify::Channel;
use crate::notify::email::{self, Email, Security};
use crate::notify::slack::{Bot, Slack};
use crate::notify::webhook::Webhook;

use super::settings::{folder, identifier};
use super::{Args, connections, secret};

/// Slack's own Web API. Source: Slack, "Web API", read 2026-11.
const SLACK: &str = "https://slack.com/api";
/// Messages that one destination gets in a minute at most, unless the settings say otherwise.
const PER_MINUTE: u32 = 20;

pub(super) fn read(root: &Reader<'_>, otherwise: &Path, args: &Args, board: &str) -> Channels {
    let mut channels = Channels { per_minute: NonZeroU32::new(PER_MINUTE), ..Channels::default() };
    let Some(table) = root.table("notify") else { return channels };
    let mut kind = |key: &str, read: &dyn Fn(&Reader<'_>, &Path) -> Option<Channel>| {
        let Some(kinds) = table.table(key) else { return };
        for (name, node) in kinds.entries() {
            if let Err((message, help)) = identifier(name) {
                kinds.problems().error(node.key_place.clone(), &kinds.path(name), message, help);
            }
            let Some(reader) = kinds.table(name) else { continue };
            let channel = read(&reader, &folder(node, otherwise));
            reader.finish();
            channels.by_name.extend(channel.map(|channel| (Name::from(format!("{key}.{name}")), channel)));
        }
    };
    kind("slack", &|reader, folder| Some(slack(reader, folder, args, board)));
    kind("webhook", &|reader, folder| webhook(reader, folder, args, board));
    kind("email", &|reader, folder| email(reader, folder, args, board));
    if let Some(most) = table.count("messages_per_minute", 1..=10_000) {
        channels.per_minute = NonZeroU32::new(most);
    }
    let every = table.parsed("self_test", |text| connections::duration(text, 3_600, 90 * 86_400));
    channels.self_test = every.and_then(|every| SignedDuration::try_from(every).ok());
    let names: Vec<&str> = channels.by_name.iter().map(|(name, _)| name.as_str()).collect();
    let channel = |text: &str| {
        if names.contains(&text) {
            Ok(Name::from(text))
        } else {
            Err((format!("no channel is called `{text}`"), choice(&names)))
        }
    };
    let named = table.parsed("fallback", channel);
    channels.operators = table.parsed("operators", channel);
    channels.fallback =
        named.or_else(|| if let [(only, _)] = &channels.by_name[..] { Some(only.clone()) } else { None });
    table.finish();
    channels
}

/// Links by which owners answer: good for two weeks, and only where nobody reads along, unless the settings say otherwise.
pub(super) fn links(root: &Reader<'_>) -> Option<Links> {
    let usual = Links { last: SignedDuration::from_hours(14 * 24), in_places: false };
    let Some(table) = root.table("answers") else { return Some(usual) };
    let links = table.one_of("links", &[("in_person", Some(false)), ("everywhere", Some(true)), ("off", None)]);
    let last = table.parsed("last", |text| connections::duration(text, 3_600, 90 * 86_400));
    table.finish();
    let last = last.and_then(|last| SignedDuration::try_from(last).ok()).unwrap_or(usual.last);
    links.unwrap_or(Some(usual.in_places)).map(|in_places| Links { last, in_places })
}

/// A secret that is missing keeps Baton from starting; the channel exists all the same.
fn stand_in() -> SecretString {
    SecretString::from(String::new())
}

fn slack(reader: &Reader<'_>, folder: &Path, args: &Args, board: &str) -> Channel {
    let has_bot = reader.get("token").is_some();
    let url = (reader.get("webhook").is_some() || !has_bot)
        .then(|| secret::read(reader, "webhook", folder, args).unwrap_or_else(stand_in));
    let bot = has_bot.then(|| {
        Some(Bot {
            token: secret::read(reader, "token", folder, args).unwrap_or_else(stand_in),
            api: reader.parsed("api", connections::address).or_else(|| Url::parse(SLACK).ok())?,
            channel: reader.text("channel").map(|(channel, _)| channel.to_owned()),
        })
    });
    if !has_bot {
        for key in ["api", "channel"] {
            if reader.get(key).is_some() {
                reader.error(key, format!("`{key}` is for a bot"), "add `token = { env = \"NAME\" }`, or take it out");
            }
        }
    }
    Channel::Slack(Slack { url, bot: bot.flatten(), board: board.to_owned() })
}

fn webhook(reader: &Reader<'_>, folder: &Path, args: &Args, board: &str) -> Option<Channel> {
    if reader.get("url").is_none() {
        reader.missing("url", "\"https://ops.example.com/baton\"");
    }
    let url = reader.parsed("url", connections::address);
    let secret = secret::read(reader, "secret", folder, args).unwrap_or_else(stand_in);
    // An address that is missing keeps Baton from starting, too.
    let url = url.or_else(|| Url::parse(board).ok())?;
    Some(Channel::Webhook(Webhook { url, secret }))
}

fn email(reader: &Reader<'_>, folder: &Path, args: &Args, board: &str) -> Option<Channel> {
    if reader.get("url").is_none() {
        reader.missing("url", "\"smtps://mail.example.com\"");
    }
    if reader.get("from").is_none() {
        reader.missing("from", "\"Baton <baton@example.com>\"");
    }
    let server = reader.parsed("url", server);
    let from = reader.parsed("from", |text| {
        text.parse().map_err(|_| {
            (
                format!("`{text}` is no sender"),
                "write \"Baton <baton@example.com>\" or \"baton@example.com\"".to_owned(),
            )
        })
    });
    let to = reader.parsed("to", |text| {
        text.parse()
            .map_err(|_| (format!("`{text}` is no e-mail address"), "write one: \"sales-desk@example.com\"".to_owned()))
    });
    let user = reader.text("user").map(|(user, _)| user.to_owned());
    let password =
        reader.get("password").map(|_| secret::read(reader, "password", folder, args).unwrap_or_else(stand_in));
    if user.is_some() != password.is_some() {
        let (there, lacks, example) =
            if user.is_some() { ("user", "password", "{ env = \"NAME\" }") } else { ("password", "user", "\"baton\"") };
        reader.error(there, format!("`{there}` without `{lacks}`"), format!("add `{lacks} = {example}`"));
    }
    let extra_root_pem = reader.text("ca").and_then(|(path, _)| {
        let read = super::text(&folder.join(path));
        if let Err(why) = &read {
            reader.error(
                "ca",
                format!("the certificate {path} cannot be read: {why}"),
                "write where it is: a PEM file",
            );
        }
        read.ok().map(String::into_bytes)
    });
    let (host, port, security) = server?;
    let settings = email::Settings {
        host,
        port,
        security,
        from: from?,
        to,
        login: user.zip(password),
        board: board.to_owned(),
        extra_root_pem,
    };
    Some(Channel::Email(Box::new(Email::new(settings))))
}

/// `smtps://host` or `smtp://host`, with a port if it is not the usual one.
fn server(text: &str) -> Result<(String, u16, Security), (String, String)> {
    let help = "write \"smtps://mail.example.com\" (TLS, port 465) or \"smtp://mail.example.com\" (STARTTLS, port 587)";
    let wrong = |message: String| Err((message, help.to_owned()));
    let Ok(url) = Url::parse(text) else { return wrong(format!("`{text}` is no mail server")) };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return wrong(format!("`{text}` names no mail server"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("an address with a password in it: `user` and `password` have keys of their own".to_owned());
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return wrong(format!("`{text}` has more to it than a server and a port"));
    }
    // An address in brackets is that of IPv6.
    let host = host.trim_matches(['[', ']']).to_owned();
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "smtps" => Ok((host, url.port().unwrap_or(465), Security::Tls)),
        // Nobody listens in on the way to this machine, and mail servers there seldom have a certificate.
        "smtp" if is_here => Ok((host, url.port().unwrap_or(25), Security::Plain)),
        "smtp" => Ok((host, url.port().unwrap_or(587), Security::StartTls)),
        other => wrong(format!("`{other}` is not how mail servers are spoken to")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        let check = |text: &str, expected: Option<(&str, u16, Security)>| {
            let expected = expected.map(|(host, port, security)| (host.to_owned(), port, security));
            assert_eq!(server(text).ok(), expected, "{text}");
        };
        check("smtps://mail.example.com", Some(("mail.example.com", 465, Security::Tls)));
        check("smtp://mail.example.com", Some(("mail.example.com", 587, Security::StartTls)));
        check("smtp://mail.example.com:2525", Some(("mail.example.com", 2525, Security::StartTls)));
        check("smtp://localhost:1025", Some(("localhost", 1025, Security::Plain)));
        check("smtp://127.0.0.1", Some(("127.0.0.1", 25, Security::Plain)));
        check("smtp://[::1]:1025", Some(("::1", 1025, Security::Plain)));
        check("smtps://127.0.0.1", Some(("127.0.0.1", 465, Security::Tls)));
        check("smtp://192.168.1.9", Some(("192.168.1.9", 587, Security::StartTls)));
        for wrong in
            ["mail.example.com", "http://mail.example.com", "smtp://", "smtps://u:p@x.example", "smtp://x.example/y"]
        {
            check(wrong, None);
        }
    }
}
