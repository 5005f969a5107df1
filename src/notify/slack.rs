//! Slack incoming webhooks.
//!
//! Every value that came from a CRM stands in a `plain_text` object, where Slack reads neither mentions nor links; only
//! Baton's own words and member ids from the roster stand in `mrkdwn`.
//! Source: Slack's Block Kit reference and "Sending messages using incoming webhooks", read 2026-11.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::http::{Method, Request};

use super::{BUNDLE_MAX, Letter, Sent, capped};

/// Characters of a header block.
const HEADER_CHARS_MAX: usize = 150;
/// Characters of a text object in a section.
const TEXT_CHARS_MAX: usize = 2_900;

/// A Slack incoming webhook. Its address is a secret: whoever has it can post.
#[derive(Clone, Debug)]
pub struct Slack {
    /// The webhook's address.
    pub url: SecretString,
    /// The board's address, for the link of a bundle.
    pub board: String,
}

impl Slack {
    /// The request that posts `letters`.
    ///
    /// # Errors
    /// What is wrong with the address, without the address.
    pub fn request(&self, letters: &[Letter], more: usize) -> Result<Request, String> {
        let url = Url::parse(self.url.expose_secret()).map_err(|_| "the webhook's address is no URL".to_owned())?;
        let body = match letters {
            [letter] if more == 0 => story(letter),
            letters => bundle(letters, more, &self.board),
        };
        Ok(Request::to(Method::Post, &url, &[]).json(body.to_string().into_bytes()))
    }
}

fn story(letter: &Letter) -> Value {
    let story = &letter.notice.story;
    let lines = story.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let mut context = vec![format!("<{}|{}>", escape(&story.link), letter.notice.lead), id(letter)];
    let mentions = mentions(letter);
    if !mentions.is_empty() {
        context.insert(0, mentions);
    }
    json!({
        "text": escape(&capped(&story.headline, HEADER_CHARS_MAX)),
        "blocks": [
            { "type": "header", "text": plain(&capped(&story.headline, HEADER_CHARS_MAX)) },
            { "type": "section", "text": plain(&capped(&lines, TEXT_CHARS_MAX)) },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": context.join(" · ") }] },
        ],
        "unfurl_links": false,
    })
}

fn bundle(letters: &[Letter], more: usize, board: &str) -> Value {
    let count = letters.len() + more;
    let headline = format!("{count} notices");
    let mut blocks = vec![json!({ "type": "header", "text": plain(&headline) })];
    for letter in letters.iter().take(BUNDLE_MAX) {
        let line = capped(&letter.notice.story.headline, TEXT_CHARS_MAX);
        let link = format!(
            "{} <{}|{}> · {}",
            mentions(letter),
            escape(&letter.notice.story.link),
            letter.notice.lead,
            id(letter)
        );
        blocks.push(json!({ "type": "section", "text": plain(&line) }));
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": link.trim() }] }));
    }
    let hidden = count.saturating_sub(letters.len().min(BUNDLE_MAX));
    if hidden > 0 {
        let text = format!("and {hidden} more: <{}/|the board>", escape(board));
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text }] }));
    }
    json!({ "text": headline, "blocks": blocks, "unfurl_links": false })
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// The people whom the roster knows a Slack member id of. An id is checked before it is used: a roster is text too.
fn mentions(letter: &Letter) -> String {
    let is_member =
        |id: &str| id.len() <= 20 && id.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
    let known = letter.notice.people.iter().filter_map(|(_, slack)| slack.as_ref()).filter(|id| is_member(id.as_str()));
    known.map(|id| format!("<@{id}>")).collect::<Vec<_>>().join(" ")
}

fn id(letter: &Letter) -> String {
    let repeat = if letter.may_repeat { " (possibly repeated)" } else { "" };
    let id: String = letter.notice.op.to_string().chars().take(8).collect();
    format!("id {id}{repeat}")
}

/// Slack reads `&`, `<` and `>` as control characters in `mrkdwn` and in `text`.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What an answer means. Slack answers 200 `ok`; 403 and 404 with a word when the webhook or its channel is gone.
pub(super) fn outcome(status: u16, body: &[u8], wait: Option<Duration>) -> Sent {
    let word: String =
        String::from_utf8_lossy(body).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
    match status {
        200..=299 => Sent::Done,
        429 => Sent::Again { after: wait.or(Some(Duration::from_secs(30))), message: "Slack asks to wait".to_owned() },
        400 | 401 | 403 | 404 | 410 => Sent::Dead { message: format!("Slack answered {status} {word}") },
        _ => Sent::Unknown { message: format!("Slack answered {status}") },
    }
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
        };
        Letter { notice, may_repeat: false }
    }
    use crate::domain::id::PersonId;

    fn body(letters: &[Letter], more: usize) -> Value {
        let slack =
            Slack { url: "https://hooks.example.com/T/B/x".into(), board: "https://baton.example.com".to_owned() };
        serde_json::from_slice(&slack.request(letters, more).unwrap().body.unwrap()).unwrap()
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
        assert!(body(&many, 4_213).to_string().contains("and 4213 more"));
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
