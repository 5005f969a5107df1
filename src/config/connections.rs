//! `[connections.NAME]`: one CRM account each. The connectors know what an untouched account means; what stands here is
//! laid over that.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::connector::country;
use crate::connector::moment::Form;
use crate::connector::requirement::FieldSpec;
use crate::connector::settings::{
    CampaignSignal, HandoffPart, Hook, Kind, ScorePart, Settings, SignalMap, SignalTest, StageMap,
};
use crate::document::{Node, Reader, Value, suggest};
use crate::domain::calendar::Span;
use crate::domain::field::{Field, FieldSource};
use crate::domain::id::{ConnectionId, Name, PersonId};
use crate::domain::stage::Stage;

use super::settings::{folder, identifier};
use super::{Args, auth, salesforce, secret};

/// HubSpot's own address. Source: the HubSpot sheet, section 1.
const HUBSPOT: &str = "https://api.hubapi.com";
/// Characters of a secret that stands in an address.
const SECRET_CHARS_MIN: usize = 20;
/// Pipedrive's own address. Source: the Pipedrive sheet, section 2.
const PIPEDRIVE: &str = "https://api.pipedrive.com";
/// How often Pipedrive is asked, which counts by tokens of a day. Source: its sheet, section 5, the poll plan.
const PIPEDRIVE_POLL: Duration = Duration::from_secs(300);

pub(super) fn read(root: &Reader<'_>, otherwise: &Path, args: &Args, public_url: &str) -> Vec<Settings> {
    let Some(table) = root.table("connections") else { return Vec::new() };
    let mut connections = Vec::new();
    for (name, node) in table.entries() {
        if let Err((message, help)) = identifier(name) {
            table.problems().error(node.key_place.clone(), &table.path(name), message, help);
        }
        let Some(reader) = table.table(name) else { continue };
        connections.extend(connection(name, &reader, &folder(node, otherwise), args, public_url));
        reader.finish();
    }
    connections
}

/// An address with https, or http to this machine.
pub(super) fn address(text: &str) -> Result<Url, (String, String)> {
    let help = "write \"https://...\"; plain http only to 127.0.0.1 or localhost".to_owned();
    let Ok(url) = Url::parse(text) else { return Err((format!("`{text}` is no address"), help)) };
    let is_loopback = match url.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("an address with a password in it".to_owned(), "take user and password out".to_owned()));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err((format!("`{text}` would be spoken to in the clear"), help)),
    }
}

fn connection(name: &str, reader: &Reader<'_>, folder: &Path, args: &Args, public_url: &str) -> Option<Settings> {
    if reader.get("kind").is_none() {
        reader.missing("kind", "\"hubspot\"");
    }
    let kind = reader.one_of("kind", &Kind::ALL.map(|kind| (kind.as_str(), kind)));
    let base_url = match (kind, reader.get("base_url")) {
        (Some(Kind::HubSpot), None) => Url::parse(HUBSPOT).ok(),
        (Some(Kind::Salesforce), None) => Url::parse(auth::SALESFORCE).ok(),
        (Some(Kind::Pipedrive), None) => Url::parse(PIPEDRIVE).ok(),
        (Some(Kind::Odoo), None) => {
            reader.missing("base_url", "\"https://odoo.example.com\"");
            None
        }
        _ => reader.parsed("base_url", address),
    };
    let auth = auth::read(reader, kind, base_url.as_ref(), folder, args);
    // What cannot be used is told, which keeps Baton from starting; it is read on with stand-ins, so that the rest of its
    // problems is told too, and nobody is told that the connection does not exist.
    let stand_in = base_url.or_else(|| Url::parse(HUBSPOT).ok())?;
    let nothing = SecretString::from(String::new());
    let mut settings = Settings::new(ConnectionId::from(name), kind.unwrap_or(Kind::HubSpot), stand_in, nothing);
    settings.auth = auth.unwrap_or(settings.auth);
    settings.account = account(reader);
    if kind == Some(Kind::Pipedrive) {
        settings.poll = PIPEDRIVE_POLL;
    }
    if let Some(poll) = reader.parsed("poll", |text| duration(text, 1, 86_400)) {
        settings.poll = poll;
    }
    if let Some(settle) = reader.parsed("settle", |text| duration(text, 0, 600)) {
        settings.settle = settle;
    }
    if let Some(late) = reader.parsed("late", |text| duration(text, 1, 3_600)) {
        settings.late = late;
    }
    settings.answer_within = reader.parsed("answer_within", |text| duration(text, 1, 600)).or(settings.answer_within);
    if let Some(overlap) = reader.parsed("overlap", |text| duration(text, 0, 86_400)) {
        settings.overlap = overlap;
    }
    if let Some(percent) = reader.count("vanish_max_percent", 1..=100) {
        settings.vanish_max_percent = u8::try_from(percent).unwrap_or(settings.vanish_max_percent);
    }
    if let Some(patrol) = reader.parsed("patrol", |text| duration(text, 3_600, 30 * 86_400)) {
        settings.patrol = patrol;
    }
    settings.hook = hook(name, reader, folder, args, kind, public_url);
    settings.budget_percent = reader.parsed("budget", budget).unwrap_or(settings.budget_percent);
    let version = if kind == Some(Kind::Salesforce) { release } else { version };
    settings.daily_tokens = reader.count("daily_tokens", 1..=1_000_000_000).map(u64::from);
    settings.api_version = reader.parsed("api_version", version);
    settings.country = reader.parsed("country", |text| match country::iso2(text) {
        Some(code) => Ok(Name::from(code)),
        None => Err((format!("`{text}` is no country"), "write its two letters, as \"DE\"".to_owned())),
    });
    settings.key_property = reader.text("key_property").map(|(text, _)| text.to_owned());
    settings.own_login = reader.text("own_login").map(|(text, _)| PersonId::from(text));
    let back = if kind == Some(Kind::HubSpot) || kind.is_none() { "lifecycle_back" } else { "stage_back" };
    settings.stage_back = reader.flag(back).unwrap_or(false);
    settings.fields = fields(reader);
    settings.stages = stages(reader);
    (settings.signals, settings.campaigns) = signals(reader, kind);
    settings.times = times(reader);
    settings.reasons = named_texts(reader, "reasons");
    (settings.tracks, settings.queues) = tracks(reader, kind);
    settings.events_are_held = salesforce::events(reader, kind);
    settings.score_properties = parts(reader, "score", &ScorePart::ALL, ScorePart::spec);
    settings.handoff_properties = parts(reader, "handoff", &HandoffPart::ALL, HandoffPart::spec);
    reader.later("handoff_on", "HubSpot's lead object is not used", "contacts are what is handed over");
    Some(settings)
}

/// Who may send webhooks to this connection.
fn hook(
    name: &str,
    reader: &Reader<'_>,
    folder: &Path,
    args: &Args,
    kind: Option<Kind>,
    public_url: &str,
) -> Option<Hook> {
    if kind == Some(Kind::Salesforce) && reader.get("webhook").is_some() {
        let help =
            "take it out: Salesforce is asked for what changed, which no push channel of its own makes unnecessary";
        reader.error("webhook", "Salesforce sends no webhooks that Baton could read", help);
        return None;
    }
    let table = reader.table("webhook")?;
    let secret = secret::read(&table, "secret", folder, args);
    let mut hook = Hook {
        secret: secret.unwrap_or_default(),
        address: format!("{public_url}/hooks/{name}"),
        old_signature: false,
    };
    if kind == Some(Kind::Pipedrive) {
        let chars = hook.secret.expose_secret().chars().count();
        if chars > 0 && chars < SECRET_CHARS_MIN {
            table.error(
                "secret",
                "Pipedrive signs nothing, so the secret is the password of user `baton`, and this one is too short",
                format!("use at least {SECRET_CHARS_MIN} characters, such as `openssl rand -hex 24` gives"),
            );
        }
    } else if kind == Some(Kind::Odoo) {
        // The secret is a part of the address: long enough not to be guessed, and of letters that need no escape.
        let fits = |text: &str| {
            (SECRET_CHARS_MIN..=200).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !hook.secret.expose_secret().is_empty() && !fits(hook.secret.expose_secret()) {
            table.error(
                "secret",
                "Odoo signs nothing, so the secret is the last part of the address, and this one does not do",
                format!(
                    "use {SECRET_CHARS_MIN} to 200 letters, digits, `-` and `_`, such as `openssl rand -hex 24` gives"
                ),
            );
        }
    } else {
        let signature = table.one_of("signature", &[("v3", false), ("v1", true)]);
        hook.old_signature = signature.unwrap_or(false);
        if let Some(address) = table.parsed("address", address) {
            hook.address = address.to_string();
        }
    }
    table.finish();
    Some(hook)
}

/// A dated version: the paths of `v1` to `v4` have another shape, and end. Source: the HubSpot sheet, section 2.
fn version(text: &str) -> Result<String, (String, String)> {
    let is_dated = text.split_once('-').is_some_and(|(year, month)| {
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        digits(year, 4) && digits(month, 2) && ("01"..="12").contains(&month)
    });
    if is_dated {
        return Ok(text.to_owned());
    }
    Err((format!("`{text}` is no dated version"), "write \"2026-09\", or leave it out".to_owned()))
}

/// A version of Salesforce's API that is still answered. Source: the Salesforce sheet, section 3.
fn release(text: &str) -> Result<String, (String, String)> {
    let number = text.trim_start_matches('v').strip_suffix(".0").and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(number) if (41..=199).contains(&number) => Ok(format!("{number}.0")),
        _ => Err((format!("`{text}` is no version of its API"), "write \"67.0\", or leave it out".to_owned())),
    }
}

/// The account, as text; a bare number is understood.
fn account(reader: &Reader<'_>) -> Option<String> {
    let node = reader.get("account")?;
    match &node.value {
        Value::Integer(number) => Some(number.to_string()),
        _ => reader.text("account").map(|(text, _)| text.to_owned()),
    }
}

pub(super) fn duration(text: &str, least_seconds: u64, most_seconds: u64) -> Result<Duration, (String, String)> {
    let range = format!("write {least_seconds} to {most_seconds} seconds, such as \"30 seconds\" or \"10 minutes\"");
    // A promise of no time makes no sense, so a span is never 0; a wait of no time does.
    let is_zero = text.trim().strip_prefix("0 ").is_some_and(|unit| format!("1 {unit}").parse::<Span>().is_ok());
    if is_zero && least_seconds == 0 {
        return Ok(Duration::ZERO);
    }
    match text.parse::<Span>() {
        Ok(Span::Elapsed(length)) => Duration::try_from(length)
            .ok()
            .filter(|length| (least_seconds..=most_seconds).contains(&length.as_secs()))
            .ok_or_else(|| (format!("\"{text}\" is out of range"), range)),
        Ok(Span::Business(_) | Span::BusinessDays(_)) => {
            Err((format!("\"{text}\" counts working time; machines do not rest"), range))
        }
        Err(error) if is_zero => Err((format!("\"{}\" is out of range", error.found), range)),
        Err(error) => Err((format!("`{}` is no length of time", error.found), error.hint)),
    }
}

fn budget(text: &str) -> Result<u8, (String, String)> {
    let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<u8>().ok());
    percent.filter(|percent| (1..=100).contains(percent)).ok_or_else(|| {
        (format!("`{text}` is no share of a budget"), "write a whole percentage from \"1%\" to \"100%\"".to_owned())
    })
}

fn fields(reader: &Reader<'_>) -> Vec<(Field, String)> {
    let Some(table) = reader.table("fields") else { return Vec::new() };
    let mut fields = Vec::new();
    for (name, node) in table.entries() {
        match Field::parse(name).filter(|field| field.source() != FieldSource::Derived) {
            Some(field) => fields.extend(table.text(name).map(|(property, _)| (field, property.to_owned()))),
            None => {
                let known = Field::ALL.iter().filter(|field| field.source() != FieldSource::Derived);
                let help = suggest(name, known.map(|field| field.name()), "docs/fields.md lists every field");
                let message = match Field::parse(name) {
                    Some(_) => format!("`{name}` is worked out by Baton, not read"),
                    None => format!("no field is called `{name}`"),
                };
                let place = node.key_place.clone();
                table.problems().error(place, &table.path(name), message, help);
            }
        }
    }
    fields
}

fn stages(reader: &Reader<'_>) -> Vec<StageMap> {
    let Some(table) = reader.table("stages") else { return Vec::new() };
    let mut stages = Vec::new();
    for (name, node) in table.entries() {
        let Some(stage) = Stage::parse(name) else {
            let help = suggest(name, Stage::ALL.map(Stage::as_str), "");
            let message = format!("no stage is called `{name}`");
            table.problems().error(node.key_place.clone(), &table.path(name), message, help);
            continue;
        };
        let Some(map) = table.table(name) else { continue };
        let read = named_texts(&map, "read").into_iter().map(|(name, values)| (name.to_string(), values)).collect();
        let write = map.table("write").map_or_else(Vec::new, |write| {
            let pairs = write.entries().filter_map(|(property, _)| {
                write.text(property).map(|(value, _)| (property.to_owned(), value.to_owned()))
            });
            pairs.collect()
        });
        if map.get("read").is_none() && map.get("write").is_none() {
            table.error(name, "a stage that is neither read nor written", "add `read = { property = [\"value\"] }`");
        }
        map.finish();
        stages.push(StageMap { stage, read, write });
    }
    stages
}

fn signals(reader: &Reader<'_>, kind: Option<Kind>) -> (Vec<SignalMap>, Vec<CampaignSignal>) {
    let Some(table) = reader.table("signals") else { return (Vec::new(), Vec::new()) };
    let (mut signals, mut campaigns) = (Vec::new(), Vec::new());
    for (name, _) in table.entries() {
        let Some(map) = table.table(name) else { continue };
        if map.get("campaign").is_some() {
            campaigns.extend(salesforce::campaign_signal(name, &map, kind));
            map.finish();
            continue;
        }
        let property = map.needed("property", "\"recent_conversion_event_name\"").map(|(text, _)| text.to_owned());
        let contains = map.text("contains").map(|(text, _)| text.to_owned());
        let is = map.get("is").map(|node| texts(&map, "is", node));
        if contains.is_some() && is.is_some() {
            map.error("is", "a signal is told by `is` or by `contains`, not both", "leave one of them out");
        }
        let test = match (is, contains) {
            (Some(values), _) => SignalTest::Is(values),
            (None, Some(part)) => SignalTest::Contains(part),
            (None, None) => SignalTest::Present,
        };
        let at = map.text("at").map(|(text, _)| text.to_owned());
        map.finish();
        signals.extend(property.map(|property| SignalMap { signal: Name::from(name), property, test, at }));
    }
    (signals, campaigns)
}

fn times(reader: &Reader<'_>) -> Vec<(String, Form)> {
    let Some(table) = reader.table("times") else { return Vec::new() };
    let forms = Form::ALL.map(|form| (form.as_str(), form));
    table.entries().filter_map(|(property, _)| Some((property.to_owned(), table.one_of(property, &forms)?))).collect()
}

/// One text, or a list of them.
pub(super) fn texts(reader: &Reader<'_>, key: &str, node: &Node) -> Vec<String> {
    match &node.value {
        Value::Text(_) => reader.text(key).into_iter().map(|(text, _)| text.to_owned()).collect(),
        _ => reader.texts(key).unwrap_or_default().into_iter().map(|(text, _)| text.to_owned()).collect(),
    }
}

fn named_texts(reader: &Reader<'_>, key: &str) -> Vec<(Name, Vec<String>)> {
    let Some(table) = reader.table(key) else { return Vec::new() };
    table.entries().map(|(name, node)| (Name::from(name), texts(&table, name, node))).collect()
}

/// The lists of tracks, and the queues of those that have one.
#[expect(clippy::type_complexity, reason = "two lists of one kind")]
fn tracks(reader: &Reader<'_>, kind: Option<Kind>) -> (Vec<(Name, String)>, Vec<(Name, String)>) {
    let Some(table) = reader.table("tracks") else { return (Vec::new(), Vec::new()) };
    let (mut tracks, mut queues) = (Vec::new(), Vec::new());
    for (name, node) in table.entries() {
        let list = match &node.value {
            Value::Text(_) => table.text(name).map(|(list, _)| list.to_owned()),
            _ => table.table(name).and_then(|track| {
                let queue = track.get("queue").is_some();
                // What the kind calls its list, if nothing is named that is one.
                let own = match kind {
                    Some(Kind::Salesforce) => "campaign",
                    Some(Kind::Odoo | Kind::Pipedrive) => "tag",
                    Some(Kind::HubSpot) | None => {
                        if queue {
                            "campaign"
                        } else {
                            "list"
                        }
                    }
                };
                let key = ["list", "tag", "campaign"].into_iter().find(|key| track.get(key).is_some()).unwrap_or(own);
                let list = track.needed(key, "\"Nurture: next quarter\"").map(|(list, _)| list.to_owned());
                queues.extend(salesforce::queue(&track, key, kind).map(|queue| (Name::from(name), queue)));
                track.finish();
                list
            }),
        };
        tracks.extend(list.map(|list| (Name::from(name), list)));
    }
    (tracks, queues)
}

/// Which property of the table `section` holds which part.
fn parts<P: Copy>(reader: &Reader<'_>, section: &str, all: &[P], spec: impl Fn(P) -> FieldSpec) -> Vec<(P, String)> {
    let Some(table) = reader.table(section) else { return Vec::new() };
    let read = |part: &P| table.text(spec(*part).key).map(|(property, _)| (*part, property.to_owned()));
    let parts = all.iter().filter_map(read).collect();
    table.finish();
    parts
}
