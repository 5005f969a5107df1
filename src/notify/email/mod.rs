//! E-mail by SMTP: over TLS, or with STARTTLS required; in the clear only to this machine.
//!
//! The Message-ID is made of the notice's id, so that it is the same over all tries and a mail system can tell a repeat.
//! Addresses are typed, and no header is made of text that could end it. A mail that a server took and another bounced later
//! is not seen: Baton reads no mailbox.
//! Source: RFC 5321 (replies), RFC 5322 (headers), RFC 3834 (`Auto-Submitted`), RFC 3207 (STARTTLS).

mod letter;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::counted::noun;
use crate::domain::id::{OperationId, PersonId};
use crate::http;

use letter::{bundle_page, bundle_text, flat, story_page, story_text};

use super::{Letter, Sent, capped, count};

/// Characters of a subject.
const SUBJECT_CHARS_MAX: usize = 200;
/// How long name, connection, TLS and login may take together, and how long the message itself; both within a lease.
const STEP_MAX: Duration = Duration::from_secs(40);
/// A server that asks to come back later (greylisting) means minutes.
const LATER: Duration = Duration::from_secs(90);
/// Characters of a server's words.
const WORDS_MAX: usize = 200;

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte: `smtps://`.
    Tls,
    /// Plain until STARTTLS, without which nothing is sent: `smtp://`.
    StartTls,
    /// In the clear: to this machine alone.
    Plain,
}

/// A mail server and what is sent through it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// Who signs: `Baton <baton@example.com>`.
    pub from: Mailbox,
    /// A desk that gets what is for a channel; `None`: the people whom a notice is for.
    pub to: Option<Address>,
    /// User and password.
    pub login: Option<(String, SecretString)>,
    /// The board's address, for the link of a bundle.
    pub board: String,
    /// A certificate (PEM) trusted beside the system's: for a mail server in the house.
    pub extra_root_pem: Option<Vec<u8>>,
}

/// E-mail through one server. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Email {
    settings: Settings,
    /// Made at the first mail: it needs the runtime.
    transport: Arc<OnceLock<AsyncSmtpTransport<Tokio1Executor>>>,
}

impl Email {
    /// E-mail by these settings. Nothing is sent yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, transport: Arc::default() }
    }

    /// Is there a desk that gets what is for everybody?
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.settings.to.is_some()
    }

    /// Sends `letters` as one mail: to `person` alone, to the desk, or to the people whom they are for.
    pub(super) async fn send(&self, letters: &[Letter], more: usize, person: Option<&PersonId>) -> Sent {
        let message = match self.message(letters, more, person) {
            Ok(message) => message,
            Err(message) => return Sent::Dead { message },
        };
        let again = |message: String| Sent::Again { after: None, message };
        let transport = match self.transport() {
            Ok(transport) => transport,
            Err(message) => return again(message),
        };
        // Whatever goes wrong up to here sent nothing: connection, TLS and login are tried before the mail.
        match tokio::time::timeout(STEP_MAX, transport.test_connection()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return again("the mail server does not answer as one".to_owned()),
            Ok(Err(error)) => return again(told(&error)),
            Err(_) => return again(format!("the mail server did not answer within {} s", STEP_MAX.as_secs())),
        }
        match tokio::time::timeout(STEP_MAX, transport.send(message)).await {
            Ok(Ok(_)) => Sent::Done,
            Ok(Err(error)) => outcome(&error),
            Err(_) => Sent::Unknown { message: format!("no answer to the mail within {} s", STEP_MAX.as_secs()) },
        }
    }

    fn transport(&self) -> Result<&AsyncSmtpTransport<Tokio1Executor>, String> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let settings = &self.settings;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(self.tls()?)
            .timeout(Some(STEP_MAX))
            .pool_config(PoolConfig::new().max_size(2).idle_timeout(Duration::from_secs(60)));
        if let Some((user, password)) = &settings.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(self.transport.get_or_init(|| builder.build()))
    }

    fn tls(&self) -> Result<Tls, String> {
        let settings = &self.settings;
        let parameters = || {
            let mut builder = TlsParameters::builder(settings.host.clone());
            if let Some(pem) = &settings.extra_root_pem {
                let root = Certificate::from_pem(pem).map_err(|_| "the extra certificate is no PEM".to_owned())?;
                builder = builder.add_root_certificate(root);
            }
            builder.build_rustls().map_err(|error| told(&error))
        };
        Ok(match settings.security {
            Security::Tls => Tls::Wrapper(parameters()?),
            Security::StartTls => Tls::Required(parameters()?),
            Security::Plain => Tls::None,
        })
    }

    /// The mail, as it is on every try.
    fn message(&self, letters: &[Letter], more: usize, person: Option<&PersonId>) -> Result<Message, String> {
        let Some(first) = letters.first() else { return Err("nothing to send".to_owned()) };
        let mut builder = Message::builder().from(self.settings.from.clone());
        let recipients = self.recipients(letters, person)?;
        let is_alone = recipients.len() == 1 && (person.is_some() || self.settings.to.is_none());
        for address in recipients {
            builder = builder.to(Mailbox::new(None, address));
        }
        let total = letters.len() + more;
        let subject = if total == 1 {
            capped(&flat(&first.notice.story.headline), SUBJECT_CHARS_MAX)
        } else {
            format!("{} {}", count(total), noun(total, "notice", "notices"))
        };
        let op = op_of(letters);
        builder = builder
            .subject(subject)
            .message_id(Some(self.message_id(op)))
            .date(first.notice.at.into())
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Baton-Notice", &op.to_string()));
        if let Some(earlier) = first.notice.withdraws.filter(|_| total == 1) {
            builder = builder.in_reply_to(self.message_id(earlier)).references(self.message_id(earlier));
        }
        let (text, page) = match letters {
            [letter] if more == 0 => (story_text(letter, is_alone), story_page(letter, is_alone)),
            letters => {
                let board = &self.settings.board;
                (bundle_text(letters, total, board), bundle_page(letters, total, board))
            }
        };
        let parts = MultiPart::alternative()
            // Not thrown anew for each try.
            .boundary(format!("baton-{op}"))
            .singlepart(SinglePart::plain(text))
            .singlepart(SinglePart::html(page));
        builder.multipart(parts).map_err(|error| format!("the mail cannot be put together: {error}"))
    }

    fn recipients(&self, letters: &[Letter], person: Option<&PersonId>) -> Result<Vec<Address>, String> {
        let typed = |text: &str| text.parse::<Address>().map_err(|_| "a recipient is no e-mail address".to_owned());
        if let Some(person) = person {
            return Ok(vec![typed(person.as_str())?]);
        }
        if let Some(desk) = &self.settings.to {
            return Ok(vec![desk.clone()]);
        }
        let mut people: Vec<&PersonId> =
            letters.iter().flat_map(|letter| &letter.notice.people).map(|(person, _)| person).collect();
        people.sort();
        people.dedup();
        if people.is_empty() {
            return Err("the notice is for nobody in particular, and the channel has no `to`".to_owned());
        }
        people.into_iter().map(|person| typed(person.as_str())).collect()
    }

    fn message_id(&self, op: OperationId) -> String {
        format!("<{op}@{}>", self.settings.from.email.domain())
    }
}

/// The id of a mail: the notice's own, or one of all that a bundle carries.
fn op_of(letters: &[Letter]) -> OperationId {
    match letters {
        [letter] => letter.notice.op,
        letters => {
            let ops: Vec<String> = letters.iter().map(|letter| letter.notice.op.to_string()).collect();
            let ops: Vec<&str> = ops.iter().map(String::as_str).collect();
            OperationId::of(&ops)
        }
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// What an answer to the mail itself means.
fn outcome(error: &smtp::Error) -> Sent {
    let message = told(error);
    if error.is_transient() {
        Sent::Again { after: Some(LATER), message }
    } else if error.is_permanent() {
        Sent::Dead { message }
    } else if error.is_client() || error.is_tls() {
        Sent::Again { after: None, message }
    } else {
        Sent::Unknown { message }
    }
}

/// What went wrong, for a person: the server's words are quoted and cut.
fn told(error: &smtp::Error) -> String {
    if let Some(text) = http::tls_told(error) {
        return text;
    }
    let words = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let words = capped(&flat(&words), WORDS_MAX);
    match error.status() {
        Some(code) if matches!(u16::from(code), 530 | 534 | 535 | 538) => {
            format!("the mail server does not accept the login: {code} {words}")
        }
        Some(code) => format!("the mail server answered {code} {words}"),
        None => format!("the mail server cannot be used: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::slack::tests::letter;

    fn email(to: Option<&str>) -> Email {
        Email::new(Settings {
            host: "mail.example.com".to_owned(),
            port: 465,
            security: Security::Tls,
            from: "Baton <baton@us.example>".parse().unwrap(),
            to: to.map(|to| to.parse().unwrap()),
            login: Some(("baton".to_owned(), "canary-password".into())),
            board: "https://baton.example.com".to_owned(),
            extra_root_pem: None,
        })
    }

    fn mail(letters: &[Letter], person: Option<&str>) -> Result<String, String> {
        let person = person.map(PersonId::from);
        let message = email(None).message(letters, 0, person.as_ref())?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn the_message_id_is_the_notices_own_and_a_retry_is_the_same_mail_fault_95() {
        let mut one = letter("late", "b");
        let first = mail(std::slice::from_ref(&one), None).unwrap();
        assert_eq!(first, mail(std::slice::from_ref(&one), None).unwrap());
        assert!(first.contains(&format!("Message-ID: <{}@us.example>", one.notice.op)), "{first}");
        one.may_repeat = true;
        let marked = mail(std::slice::from_ref(&one), None).unwrap();
        assert!(marked.contains("(possibly repeated)"));
        let unmarked = marked.replace("=\r\n", "").replace(" (possibly repeated)", "");
        assert_eq!(unmarked, first.replace("=\r\n", ""), "but for the mark it is the same");
        let two = [letter("late", "b"), letter("later", "c")];
        let bundle = mail(&two, None).unwrap();
        assert!(!bundle.contains(&format!("<{}@", two[0].notice.op)), "a bundle is another mail: {bundle}");
    }

    #[test]
    fn no_value_makes_a_header_or_another_recipient_fault_122() {
        for hostile in [
            "late\r\nBcc: evil@evil.example",
            "late\nBcc: evil@evil.example",
            "late\rBcc: evil@evil.example",
            "late\r\n\r\nBcc: evil@evil.example",
            "=?utf-8?q?=0D=0ABcc:_evil@evil.example?=",
            "ä\r\nBcc: evil@evil.example",
            "late\u{2028}Bcc: evil@evil.example",
        ] {
            let text = mail(&[letter(hostile, hostile)], None).unwrap();
            let head = text.split("\r\n\r\n").next().unwrap();
            let names: Vec<&str> = head
                .lines()
                .filter(|line| !line.starts_with([' ', '\t']))
                .filter_map(|line| line.split(':').next())
                .collect();
            let known = [
                "From",
                "To",
                "Subject",
                "Message-ID",
                "Date",
                "Auto-Submitted",
                "X-Baton-Notice",
                "MIME-Version",
                "Content-Type",
            ];
            assert!(names.iter().all(|name| known.contains(name)), "{hostile:?} makes {names:?}");
        }
        for hostile in ["a@b.example\r\nBcc: evil@evil.example", "a@b.example, evil@evil.example", "a", "a@b.example>"]
        {
            let mut one = letter("late", "b");
            one.notice.people = vec![(PersonId::from(hostile), None)];
            assert!(mail(std::slice::from_ref(&one), None).is_err(), "{hostile:?}");
            assert!(mail(&[letter("late", "b")], Some(hostile)).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", email(None)).contains("canary-password"));
    }

    #[test]
    fn a_desk_gets_what_is_for_a_channel_and_a_person_what_is_theirs() {
        let to = |email: &Email, person: Option<&str>| {
            let person = person.map(PersonId::from);
            let message = email.message(&[letter("late", "b")], 0, person.as_ref()).unwrap();
            message.envelope().to().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(to(&email(None), None), ["a@example.com"]);
        assert_eq!(to(&email(Some("desk@us.example")), None), ["desk@us.example"]);
        assert_eq!(to(&email(Some("desk@us.example")), Some("b@example.com")), ["b@example.com"]);
    }
}
