//! A mail server on loopback that answers as told and keeps what it takes: for the tests of e-mail.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How the server answers where it is told to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// To the next recipient.
    Recipient(&'static str),
    /// To the next whole mail.
    Mail(&'static str),
    /// The next mail is taken, and the connection ends without a word.
    Silence,
    /// To the next login.
    Login(&'static str),
}

/// A mail as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
    pub(crate) over_tls: bool,
    /// Did the server say that it took it?
    pub(crate) is_taken: bool,
}

impl Mail {
    /// The value of a header, unfolded.
    pub(crate) fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        line.expect("the mail has this header")
    }

    /// The HTML part.
    pub(crate) fn page(&self) -> String {
        let plain = self.plain();
        let at = plain.find("<!DOCTYPE html>").expect("the mail has an HTML part");
        let end = plain.rfind("</html>").expect("it ends") + "</html>".len();
        plain[at..end].replace("\r\n", "\n")
    }

    /// The text with the soft breaks and signs of quoted-printable undone, as far as the tests' letters need it.
    pub(crate) fn plain(&self) -> String {
        let mut bytes = Vec::new();
        let joined = self.text.replace("=\r\n", "");
        let mut rest = joined.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok()).filter(|_| *first == b'=');
            match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                None => {
                    bytes.push(*first);
                    rest = after;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[derive(Clone, Default)]
struct State {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// Every command in the clear, with what came with it.
    heard: Arc<Mutex<Vec<String>>>,
    tls: Option<Arc<ServerConfig>>,
}

pub(crate) struct Smtp {
    pub(crate) at: SocketAddr,
    state: State,
}

pub(crate) fn house() -> Vec<u8> {
    std::fs::read(folder().join("house.pem")).expect("the authority")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/certs")
}

impl Smtp {
    /// A server without TLS.
    pub(crate) fn plain() -> Self {
        Self::start(None)
    }

    /// A server that offers STARTTLS with the certificate that the house signed.
    pub(crate) fn with_tls() -> Self {
        let chain = CertificateDer::from_pem_file(folder().join("good.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(folder().join("good.key.pem")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![chain], key))
            .expect("a configuration");
        Self::start(Some(Arc::new(config)))
    }

    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let state = State { tls, ..State::default() };
        let served = state.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let state = served.clone();
                std::thread::spawn(move || serve(socket, &state));
            }
        });
        Self { at, state }
    }

    /// The next of each kind is answered so.
    pub(crate) fn tell(&self, replies: &[Reply]) {
        self.state.replies.lock().unwrap().extend(replies);
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// The mails that the server said it took.
    pub(crate) fn taken(&self) -> Vec<Mail> {
        self.mails().into_iter().filter(|mail| mail.is_taken).collect()
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.state.heard.lock().unwrap().clone()
    }
}

fn serve(mut socket: TcpStream, state: &State) {
    if socket.write_all(b"220 mail.test ready\r\n").is_err() {
        return;
    }
    if talk(&mut socket, state, false) {
        let config = state.tls.clone().expect("STARTTLS was offered");
        let mut stream = StreamOwned::new(ServerConnection::new(config).expect("a connection"), socket);
        talk(&mut stream, state, true);
    }
}

/// Talks until the other end goes; says whether it wants TLS.
fn talk<S: Read + Write>(stream: &mut S, state: &State, is_tls: bool) -> bool {
    let mut to = Vec::new();
    while let Some(line) = line(stream) {
        if !is_tls {
            state.heard.lock().unwrap().push(line.clone());
        }
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" | "HELO" => {
                let starttls = if state.tls.is_some() && !is_tls { "250-STARTTLS\r\n" } else { "" };
                format!("250-mail.test\r\n{starttls}250-AUTH PLAIN LOGIN\r\n250 8BITMIME")
            }
            "STARTTLS" if state.tls.is_some() => {
                let _sent = stream.write_all(b"220 go on\r\n");
                return true;
            }
            "AUTH" => {
                let told = next(state, |reply| match reply {
                    Reply::Login(answer) => Some(*answer),
                    Reply::Recipient(_) | Reply::Mail(_) | Reply::Silence => None,
                });
                told.unwrap_or("235 welcome").to_owned()
            }
            "RCPT" => {
                let told = next(state, |reply| match reply {
                    Reply::Recipient(answer) => Some(*answer),
                    Reply::Login(_) | Reply::Mail(_) | Reply::Silence => None,
                });
                if told.is_none() {
                    to.push(line.trim_start_matches("RCPT TO:").trim_matches(['<', '>']).to_owned());
                }
                told.unwrap_or("250 ok").to_owned()
            }
            "DATA" => {
                if stream.write_all(b"354 go on\r\n").is_err() {
                    return false;
                }
                let Some(text) = data(stream) else { return false };
                let told = next(state, |reply| match reply {
                    Reply::Mail(answer) => Some(Some(*answer)),
                    Reply::Silence => Some(None),
                    Reply::Recipient(_) | Reply::Login(_) => None,
                });
                let is_taken = matches!(told, None | Some(None));
                let mail = Mail { to: std::mem::take(&mut to), text, over_tls: is_tls, is_taken };
                state.mails.lock().unwrap().push(mail);
                match told {
                    Some(None) => return false,
                    Some(Some(answer)) => answer.to_owned(),
                    None => "250 queued".to_owned(),
                }
            }
            "QUIT" => {
                let _sent = stream.write_all(b"221 bye\r\n");
                return false;
            }
            "MAIL" => {
                to.clear();
                "250 ok".to_owned()
            }
            "NOOP" | "RSET" => "250 ok".to_owned(),
            _ => "502 what?".to_owned(),
        };
        if stream.write_all(format!("{answer}\r\n").as_bytes()).and_then(|()| stream.flush()).is_err() {
            return false;
        }
    }
    false
}

fn next<T>(state: &State, fits: impl Fn(&Reply) -> Option<T>) -> Option<T> {
    let mut replies = state.replies.lock().unwrap();
    let (place, found) = replies.iter().enumerate().find_map(|(place, reply)| Some((place, fits(reply)?)))?;
    replies.remove(place);
    Some(found)
}

fn line<S: Read>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut one = [0];
        if stream.read(&mut one).ok()? == 0 {
            return None;
        }
        bytes.push(one[0]);
        if bytes.ends_with(b"\r\n") {
            bytes.truncate(bytes.len() - 2);
            return String::from_utf8(bytes).ok();
        }
    }
}

fn data<S: Read>(stream: &mut S) -> Option<String> {
    let mut text = String::new();
    loop {
        let line = line(stream)?;
        if line == "." {
            return Some(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push_str("\r\n");
    }
}
