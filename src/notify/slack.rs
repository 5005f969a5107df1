//! Slack: incoming webhooks, and a bot that writes to people by themselves.
//!
//! Every value that came from a CRM stands in a `plain_text` object, where Slack reads neither mentions nor links; only
//! Baton's own words and member ids from the roster stand in `mrkdwn`.
//! Source: Slack's Block Kit reference, "Sending messages using incoming webhooks", and the reference of `chat.postMessage`
//! ("pass the user's ID as the value of channel to post to their direct messages"), read 2026-11.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::domain::counted::noun;
use crate::domain::id::PersonId;
use crate::domain::plan::NoticeKind;
use crate::http::{Method, Request};

use super::{BUNDLE_MAX, Letter, Sent, capped, count, id, kinds};

/// Characters of a header block.
const HEADER_CHARS_MAX: usize = 150;
/// Characters of a text object in a section.
const TEXT_CHARS_MAX: usize = 2_900;

/// Pieces of one text: a message has 50 blocks at most.
const PIECES_MAX: usize = 40;

/// A Slack workspace as Baton speaks to it.
#[derive(Clone, Debug)]
pub struct Slack {
    /// An incoming webhook: a place where everybody reads. Its address is a secret: whoever has it can post.
    pub url: Option<SecretString>,
    /// A bot, which reaches people by themselves.
    pub bot: Option<Bot>,
    /// The board's address, for the link of a bundle.
    pub board: String,
}

/// A Slack app's bot.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Its token: `xoxb-...`, with the scope `chat:write`.
    pub token: SecretString,
    /// The Web API: `https://slack.com/api`.
    pub api: Url,
    /// The channel that it posts to, if there is no webhook: `C024BE91L`.
    pub channel: Option<String>,
}

impl Slack {
    /// An incoming webhook alone.
    #[must_use]
    pub fn webhook(url: SecretString, board: String) -> Self {
        Self { url: Some(url), bot: None, board }
    }

    /// Is there a place where everybody reads?
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.url.is_some() || self.bot.as_ref().is_some_and(|bot| bot.channel.is_some())
    }

    /// The request that posts `letters` to the place, or to `person` by themselves.
    ///
    /// # Errors
    /// What is wrong with the address, without the address; or that there is no way.
    pub fn request(&self, letters: &[Letter], more: usize, person: Option<&PersonId>) -> Result<Request, String> {
        let member = person.and_then(|person| member_of(letters, person));
        let is_alone = member.is_some() && self.bot.is_some();
        let body = match letters {
            [letter] if more == 0 => story(letter, is_alone),
            letters => bundle(letters, more, &self.board, is_alone),
        };
        match (&self.bot, &self.url, member) {
            (Some(bot), _, Some(member)) => Ok(bot.request(body, member, letters)),
            (_, Some(url), _) => {
                let url = Url::parse(url.expose_secret()).map_err(|_| "the webhook's address is no URL".to_owned())?;
                Ok(Request::to(Method::Post, &url, &[]).json(body.to_string().into_bytes()))
            }
            (Some(bot), None, None) => {
                match &bot.channel {
                    Some(channel) => Ok(bot.request(body, channel, letters)),
                    None => Err("Slack knows no way there: the roster has no `slack` member id, and no channel is set"
                        .to_owned()),
                }
            }
            (None, None, _) => Err("neither a webhook nor a bot is set up".to_owned()),
        }
    }
}

impl Bot {
    fn request(&self, mut body: Value, channel: &str, letters: &[Letter]) -> Request {
        body["channel"] = json!(channel);
        // The id where machines look for it, too (fault 94).
        let ids: Vec<String> = letters.iter().take(BUNDLE_MAX).map(|letter| letter.notice.op.to_string()).collect();
        body["metadata"] = json!({ "event_type": "baton_notice", "event_payload": { "ids": ids.join(" ") } });
        Request::to(Method::Post, &self.api, &["chat.postMessage"])
            .bearer(&self.token)
            .json(body.to_string().into_bytes())
    }
}

/// The Slack member id that `person` had when the notices were decided.
fn member_of<'a>(letters: &'a [Letter], person: &PersonId) -> Option<&'a str> {
    let people = letters.iter().flat_map(|letter| &letter.notice.people);
    let id = people.filter(|(known, _)| known == person).find_map(|(_, slack)| slack.as_ref())?.as_str();
    is_member(id).then_some(id)
}

/// An id is checked before it is used: a roster is text too.
fn is_member(id: &str) -> bool {
    id.len() <= 20 && id.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}

fn story(letter: &Letter, is_alone: bool) -> Value {
    let story = &letter.notice.story;
    let mut context = vec![format!("<{}|{}>", escape(&story.link), about(letter)), id(letter)];
    if let Some(answer) = &letter.answer {
        context.insert(0, format!("*<{}|Accept or give back>*", escape(answer)));
    }
    // Whoever is written to by themselves needs no mention.
    let mentions = if is_alone { String::new() } else { mentions(letter) };
    if !mentions.is_empty() {
        context.insert(0, mentions);
    }
    let mut blocks = vec![json!({ "type": "header", "text": plain(&capped(&story.headline, HEADER_CHARS_MAX)) })];
    let lines = story.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    if !lines.is_empty() {
        blocks.push(json!({ "type": "section", "text": plain(&capped(&lines, TEXT_CHARS_MAX)) }));
    }
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": context.join(" · ") }] }));
    if let Some(package) = letter.notice.package.as_ref().filter(|_| is_alone) {
        blocks.extend(pieces(package).iter().map(|piece| json!({ "type": "section", "text": plain(piece) })));
    }
    json!({
        "text": escape(&capped(&story.headline, HEADER_CHARS_MAX)),
        "blocks": blocks,
        "unfurl_links": false,
    })
}

/// A long text in pieces of whole lines that Slack takes, all of it.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let (mut piece, mut length) = (String::new(), 0);
    for line in text.lines().map(|line| capped(line, TEXT_CHARS_MAX)) {
        let more = line.chars().count() + 1;
        if length + more > TEXT_CHARS_MAX && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        piece.push_str(&line);
        piece.push('\n');
        length += more;
    }
    pieces.extend(Some(piece).filter(|piece| !piece.trim().is_empty()));
    pieces.truncate(PIECES_MAX);
    pieces
}

fn bundle(letters: &[Letter], more: usize, board: &str, is_alone: bool) -> Value {
    let total = letters.len() + more;
    let headline = format!("{} {}", count(total), noun(total, "notice", "notices"));
    let mut blocks = vec![json!({ "type": "header", "text": plain(&headline) })];
    if letters.len() > BUNDLE_MAX {
        let (kinds, hidden) = kinds(letters);
        let mut lines: Vec<String> =
            kinds.iter().map(|(about, times)| format!("{} × {about}", count(*times))).collect();
        if hidden > 0 {
            lines.push(format!("and {} {} more", count(hidden), noun(hidden, "kind", "kinds")));
        }
        blocks.push(json!({ "type": "section", "text": plain(&capped(&lines.join("\n"), TEXT_CHARS_MAX)) }));
    }
    for letter in letters.iter().take(BUNDLE_MAX) {
        let line = capped(&letter.notice.story.headline, TEXT_CHARS_MAX);
        let mentions = if is_alone { String::new() } else { mentions(letter) };
        let answer = letter.answer.as_ref().map(|answer| format!("<{}|Accept or give back> · ", escape(answer)));
        let link = format!(
            "{mentions} {}<{}|{}> · {}",
            answer.unwrap_or_default(),
            escape(&letter.notice.story.link),
            about(letter),
            id(letter)
        );
        blocks.push(json!({ "type": "section", "text": plain(&line) }));
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": link.trim() }] }));
    }
    let hidden = total.saturating_sub(letters.len().min(BUNDLE_MAX));
    if hidden > 0 {
        let text = format!("and {} more: <{}/|the board>", count(hidden), escape(board));
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text }] }));
    }
    json!({ "text": headline, "blocks": blocks, "unfurl_links": false })
}

/// What the link of a notice is called: its lead, or the board.
fn about(letter: &Letter) -> String {
    if letter.notice.kind == NoticeKind::Trouble { "board".to_owned() } else { letter.notice.lead.to_string() }
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// The people whom the roster knows a Slack member id of.
fn mentions(letter: &Letter) -> String {
    let known = letter.notice.people.iter().filter_map(|(_, slack)| slack.as_ref()).filter(|id| is_member(id.as_str()));
    known.map(|id| format!("<@{id}>")).collect::<Vec<_>>().join(" ")
}

/// Slack reads `&`, `<` and `>` as control characters in `mrkdwn` and in `text`.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What an answer means. A webhook answers 200 `ok`, and 403 or 404 with a word when it or its channel is gone; the Web API
/// answers 200 with `{"ok": false, "error": "word"}`.
pub(super) fn outcome(status: u16, body: &[u8], wait: Option<Duration>) -> Sent {
    let asked = wait.or(Some(Duration::from_secs(30)));
    match status {
        200..=299 => match serde_json::from_slice::<Value>(body) {
            Ok(answer) if answer["ok"] == json!(false) => of_word(&word(answer["error"].as_str().unwrap_or("")), asked),
            _ => Sent::Done,
        },
        429 => Sent::Again { after: asked, message: "Slack asks to wait".to_owned() },
        400 | 401 | 403 | 404 | 410 => {
            Sent::Dead { message: format!("Slack answered {status} {}", word(&String::from_utf8_lossy(body))) }
        }
        _ => Sent::Unknown { message: format!("Slack answered {status}") },
    }
}

/// Source: the errors of `chat.postMessage`, read 2026-11.
fn of_word(error: &str, wait: Option<Duration>) -> Sent {
    let message = format!("Slack answered {error}");
    match error {
        "ratelimited" | "rate_limited" => Sent::Again { after: wait, message },
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => Sent::Unknown { message },
        _ => Sent::Dead { message },
    }
}

fn word(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(40).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::id::{LeadId, Name, OperationId};
    use crate::domain::plan::{Notice, NoticeKind, Story};

    pub(crate) fn letter(headline: &str, line: &str) -> Letter {
        let story = Story {
            headline: headline.to_owned(),
            lines: vec![line.to_owned()],
            link: "https://baton.example.com/leads/L-1".to_owned(),
        };
        let notice = Notice {
            op: OperationId::of(&[headline]),
            lead: LeadId(1),
            handoff: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind: NoticeKind::Breach,
            channel: Name::from("slack.dach"),
            people: vec![(PersonId::from("a@example.com"), Some(Name::from("U024BE7LH")))],
            audience: Vec::new(),
            story,
            withdraws: None,
            about: None,
            ask: None,
            package: None,
        };
        Letter { notice, may_repeat: false, answer: None }
    }
    use crate::domain::id::PersonId;

    fn body(letters: &[Letter], more: usize) -> Value {
        let slack = Slack::webhook("https://hooks.example.com/T/B/x".into(), "https://baton.example.com".to_owned());
        serde_json::from_slice(&slack.request(letters, more, None).unwrap().body.unwrap()).unwrap()
    }

    /// Every text that Slack would read for mentions and links.
    fn live_texts(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                if object.get("type") == Some(&json!("mrkdwn")) {
                    out.push(object["text"].as_str().unwrap().to_owned());
                }
                object.values().for_each(|inner| live_texts(inner, out));
            }
            Value::Array(list) => list.iter().for_each(|inner| live_texts(inner, out)),
            _ => {}
        }
    }

    #[test]
    fn values_of_leads_mention_nobody_and_link_nowhere() {
        for hostile in ["<!channel>", "<@U999>", "<https://evil.example|click>", "<!subteam^S1>", "& <b>"] {
            for (letters, more) in
                [(vec![letter(hostile, hostile)], 0), (vec![letter(hostile, hostile), letter("b", "c")], 3)]
            {
                let body = body(&letters, more);
                let mut live = Vec::new();
                live_texts(&body, &mut live);
                live.push(body["text"].as_str().unwrap().to_owned());
                for text in live {
                    assert!(!text.contains(hostile), "{text} reads {hostile}");
                }
            }
        }
    }

    #[test]
    fn the_person_is_mentioned_by_the_id_of_the_roster() {
        assert!(body(&[letter("a", "b")], 0).to_string().contains("<@U024BE7LH>"));
        let mut forged = letter("a", "b");
        forged.notice.people[0].1 = Some(Name::from("U1> <!here"));
        assert!(!body(&[forged], 0).to_string().contains("<!here"));
    }

    #[test]
    fn a_bundle_says_how_many_are_left() {
        let many: Vec<Letter> = (0..BUNDLE_MAX).map(|n| letter(&format!("n{n}"), "")).collect();
        assert!(body(&many, 4_213).to_string().contains("and 4,213 more"));
    }

    #[test]
    fn a_digest_counts_and_drops_nothing_in_silence_fault_96() {
        let mut many: Vec<Letter> = (0..4_223).map(|n| letter(&format!("n{n}"), "")).collect();
        many.iter_mut().for_each(|one| one.notice.about = Some(Name::from("first touch at 100 %, <!channel>")));
        let body = body(&many, 0);
        let text = body.to_string();
        for part in
            ["4,223 notices", "4,223 × first touch at 100 %", "and 4,213 more: <https://baton.example.com/|the board>"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(body["blocks"].as_array().unwrap().len() <= 50, "Slack takes at most 50 blocks");
        let mut live = Vec::new();
        live_texts(&body, &mut live);
        assert!(live.iter().all(|text| !text.contains("<!channel>")), "{live:?}");
    }

    #[test]
    fn a_bot_writes_to_the_person_and_to_nobody_whom_the_roster_does_not_know() {
        let bot = |channel: Option<&str>| Bot {
            token: "xoxb-canary".into(),
            api: Url::parse("https://slack.example/api").unwrap(),
            channel: channel.map(str::to_owned),
        };
        let slack = |url: Option<&str>, channel| Slack {
            url: url.map(SecretString::from),
            bot: Some(bot(channel)),
            board: String::new(),
        };
        let anna = PersonId::from("a@example.com");
        let mut one = letter("a", "b");
        one.answer = Some("https://baton.example.com/answer/x".to_owned());
        one.notice.package = Some("Came from: fair".to_owned());
        let sent = |slack: &Slack, letter: &Letter, person| {
            let request = slack.request(std::slice::from_ref(letter), 0, person)?;
            let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
            Ok::<_, String>((request.url.to_string(), body))
        };
        let (url, body) = sent(&slack(None, None), &one, Some(&anna)).unwrap();
        assert_eq!(
            (url.as_str(), &body["channel"]),
            ("https://slack.example/api/chat.postMessage", &json!("U024BE7LH"))
        );
        assert!(body["metadata"]["event_payload"]["ids"].as_str().unwrap().contains(&one.notice.op.to_string()));
        let text = body.to_string();
        assert!(text.contains("answer/x") && text.contains("Came from: fair") && !text.contains("<@U024"), "{text}");
        // In a place where everybody reads: a mention, and nothing of the package.
        let hook = "https://hooks.example.com/T/B/x";
        let (url, body) = sent(&slack(Some(hook), None), &one, None).unwrap();
        assert!(url == hook && body.to_string().contains("<@U024") && !body.to_string().contains("fair"), "{body}");
        assert_eq!(sent(&slack(None, Some("C1")), &one, None).unwrap().1["channel"], json!("C1"));
        let mut forged = one.clone();
        forged.notice.people[0].1 = Some(Name::from("U1\",\"x"));
        assert!(sent(&slack(None, None), &forged, Some(&anna)).is_err());
    }

    #[test]
    fn whoever_is_written_to_alone_gets_the_whole_package_in_pieces_that_slack_takes() {
        let line = |number: usize| format!("- {number} {}\n", "ä".repeat(280));
        let whole: String = (0..68).map(line).collect();
        let mut one = letter("a", "b");
        one.notice.package = Some(whole.clone());
        let blocks = story(&one, true)["blocks"].as_array().unwrap().clone();
        let texts: Vec<&str> = blocks.iter().skip(3).map(|block| block["text"]["text"].as_str().unwrap()).collect();
        assert_eq!(texts.concat(), whole);
        assert!(texts.len() > 6 && blocks.len() <= 50, "{}", blocks.len());
        assert!(texts.iter().all(|text| text.chars().count() <= TEXT_CHARS_MAX));
        assert!(blocks.iter().skip(3).all(|block| block["text"]["type"] == "plain_text"));
        assert_eq!(story(&one, false)["blocks"].as_array().unwrap().len(), 3, "in a shared place nothing of it");
    }

    #[test]
    fn the_web_apis_answers_are_told_apart_fault_93() {
        let check = |error: &str| outcome(200, format!(r#"{{"ok":false,"error":"{error}"}}"#).as_bytes(), None);
        assert_eq!(outcome(200, br#"{"ok":true,"ts":"1.2"}"#, None), Sent::Done);
        assert!(matches!(check("ratelimited"), Sent::Again { .. }));
        assert!(matches!(check("internal_error"), Sent::Unknown { .. }));
        for gone in ["channel_not_found", "is_archived", "token_revoked", "account_inactive", "missing_scope"] {
            assert!(matches!(check(gone), Sent::Dead { message } if message.contains(gone)));
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let again = |status, wait| outcome(status, b"", wait);
        assert_eq!(again(200, None), Sent::Done);
        assert!(
            matches!(again(429, Some(Duration::from_secs(7))), Sent::Again { after: Some(wait), .. } if wait.as_secs() == 7)
        );
        assert!(
            matches!(outcome(404, b"channel_is_archived", None), Sent::Dead { message } if message.contains("archived"))
        );
        assert!(matches!(again(503, None), Sent::Unknown { .. }));
    }

    #[test]
    fn long_headlines_are_cut_where_slack_would_refuse_them() {
        let body = body(&[letter(&"ä".repeat(500), "b")], 0);
        assert_eq!(body["blocks"][0]["text"]["text"].as_str().unwrap().chars().count(), HEADER_CHARS_MAX);
    }
}
