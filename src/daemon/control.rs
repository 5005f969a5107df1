//! The control socket: commands of people on this machine, one a connection, one at a time.
//!
//! A Unix socket beside the database that only its owner may open. A request is one line of JSON ([`Asked`]), the answer
//! another ([`Reply`]). Whoever holds the store's lock may replace a socket that was left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::engine::command::{Answer, Asked, CommandError};

use super::Parts;
use super::task::chain;

/// Bytes of a request.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of an answer: a whole plan.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long the other end may take to say what it wants, and to take the answer.
const TALK_WITHIN: Duration = Duration::from_secs(5);

/// What comes back over the socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Done(Answer),
    /// Not done, with what to ask instead.
    Refused(String),
    /// Not done: something failed.
    Failed(String),
}

/// Where the control socket of the store at `store` stands: `baton.db.sock` beside `baton.db`.
#[must_use]
pub fn socket_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}

/// Opens the socket at `path` for the owner of this process alone.
///
/// # Errors
/// Why it cannot be opened: no permission, or a path that is too long for a socket.
pub(super) fn listen(path: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers commands until `stop`.
pub(super) async fn control(
    parts: Arc<Parts>,
    listener: UnixListener,
    outbox: Arc<Notify>,
    stop: CancellationToken,
) -> &'static str {
    loop {
        let stream = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let answered = match stream {
            Ok((stream, _)) => answer(&parts, stream).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(()) => outbox.notify_waiters(),
            Err(error) => {
                tracing::debug!("a command did not come through: {error}");
                // Without a pause, an error of the listener itself would be asked for as fast as it comes.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    if let Err(error) =
        listener.local_addr().and_then(|address| address.as_pathname().map_or(Ok(()), std::fs::remove_file))
    {
        tracing::debug!("the control socket stays behind: {error}");
    }
    "control"
}

async fn answer(parts: &Parts, mut stream: UnixStream) -> std::io::Result<()> {
    // The socket's permissions say the same, but only from the moment after it was made.
    if !is_own(&stream)? {
        return Err(std::io::Error::other("another user asked"));
    }
    let line = tokio::time::timeout(TALK_WITHIN, read_line(&mut stream, LINE_BYTES_MAX)).await??;
    if line.is_empty() {
        // Somebody only wanted to know whether anybody is here.
        return Ok(());
    }
    let reply = match serde_json::from_str::<Asked>(&line) {
        Err(error) => {
            Reply::Failed(format!("the command is not understood ({error}): is the daemon of the same version?"))
        }
        Ok(asked) => match parts.engine.execute(&asked).await {
            Ok(answer) => Reply::Done(answer),
            Err(CommandError::Refused(message)) => Reply::Refused(message),
            Err(CommandError::Engine(error)) => Reply::Failed(chain(&error)),
        },
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    tokio::time::timeout(TALK_WITHIN, stream.write_all(&text)).await?
}

/// Does the other end run as the owner of the socket, or as root?
fn is_own(stream: &UnixStream) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let asks = stream.peer_cred()?.uid();
    let own = stream.local_addr()?.as_pathname().map(std::fs::metadata).transpose()?.map(|file| file.uid());
    Ok(asks == 0 || Some(asks) == own)
}

async fn read_line(stream: &mut UnixStream, bytes_max: u64) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(bytes_max)).read_line(&mut line).await?;
    Ok(line)
}

/// Does a daemon listen at `path`? `None` if another user's socket keeps that to itself.
pub async fn is_running(path: &Path) -> Option<bool> {
    use std::io::ErrorKind;
    match UnixStream::connect(path).await {
        Ok(_) => Some(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Some(false),
        Err(_) => None,
    }
}

/// Asks the daemon at `path`; `None` if no daemon listens there.
///
/// # Errors
/// What went wrong on the way; the command may have been carried out all the same.
pub async fn ask(path: &Path, asked: &Asked) -> std::io::Result<Option<Reply>> {
    use std::io::ErrorKind;
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = serde_json::to_vec(asked)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let line = read_line(&mut stream, ANSWER_BYTES_MAX).await?;
    if line.is_empty() {
        return Err(std::io::Error::new(ErrorKind::UnexpectedEof, "the daemon ended without an answer"));
    }
    Ok(Some(serde_json::from_str(&line)?))
}
