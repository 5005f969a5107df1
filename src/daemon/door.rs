//! The listener of the board and the webhooks: so many callers at once, and so much time for each to say what they want.
//!
//! A caller who drips a request byte by byte (a slow loris) is cut off, whether in the head or in the body, as is one who does
//! not take the answer; who is beyond the number waits in the system's queue. Failures to accept, as when files run out, pause the accepting instead of spinning:
//! `axum` does that by itself.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::api::Peer;

/// Callers at once.
const CALLERS_MAX: usize = 256;
/// How long a caller may take to say a whole request, and to ask the next one.
const SAY_WITHIN: Duration = Duration::from_secs(30);

/// The listener.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    say_within: Duration,
}

impl Door {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::with(listener, CALLERS_MAX, SAY_WITHIN)
    }

    fn with(listener: TcpListener, callers_max: usize, say_within: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(callers_max)), say_within }
    }
}

impl Listener for Door {
    type Io = Caller;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Caller, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let patience = Box::pin(sleep_until(Instant::now() + self.say_within));
        (Caller { stream, patience, stuck: None, say_within: self.say_within, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// One caller, with the time left to them.
#[derive(Debug)]
pub(super) struct Caller {
    stream: TcpStream,
    /// Ends a request that is not said in time. It begins anew with each answer.
    patience: Pin<Box<Sleep>>,
    /// Ends an answer that is not taken in time. It begins with the first byte that does not go out.
    stuck: Option<Pin<Box<Sleep>>>,
    say_within: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Caller {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.patience.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Caller {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let next = Instant::now() + self.say_within;
        self.patience.as_mut().reset(next);
        let written = Pin::new(&mut self.stream).poll_write(context, buffer);
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        if self.stuck.get_or_insert_with(|| Box::pin(sleep_until(next))).as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinSet;

    use super::*;

    /// A server behind a door, and its address.
    async fn behind(callers_max: usize, say_within: Duration) -> (JoinSet<()>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::with(listener, callers_max, say_within);
        let router = Router::new().route("/", post(async |body: String| body));
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        let mut servers = JoinSet::new();
        servers.spawn(async move { axum::serve(door, router).await.unwrap() });
        (servers, address)
    }

    /// Says `quick` at once, then drips `text` byte by byte until the server hangs up; how many bytes of it the server took.
    async fn drip(address: SocketAddr, quick: &str, text: &str) -> usize {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(quick.as_bytes()).await.unwrap();
        let text = text.as_bytes();
        for (at, byte) in text.iter().enumerate() {
            if stream.write_all(&[*byte]).await.is_err() {
                return at;
            }
            let mut answer = [0; 64];
            match tokio::time::timeout(Duration::from_millis(20), stream.read(&mut answer)).await {
                Ok(Ok(0) | Err(_)) => return at,
                Ok(Ok(_)) if answer.starts_with(b"HTTP/1.1 200") => return text.len(),
                Ok(Ok(_)) => return at,
                Err(_) => {}
            }
        }
        text.len()
    }

    #[tokio::test]
    async fn who_drips_a_request_is_cut_off_in_head_and_body_fault_129() {
        let (_servers, address) = behind(8, Duration::from_millis(200)).await;
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\n{}", "a: b\r\n".repeat(200));
        let taken = drip(address, "", &head).await;
        assert!((1..head.len()).contains(&taken), "the head: {taken}");
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n";
        let taken = drip(address, head, &"x".repeat(900)).await;
        assert!((1..900).contains(&taken), "the body: {taken}");
    }

    #[tokio::test]
    async fn who_does_not_take_the_answer_gives_the_place_back_fault_129() {
        let (_servers, address) = behind(1, Duration::from_millis(300)).await;
        // A body of more than both ends' buffers hold comes back, and is not read.
        let size = 16 << 20;
        let mut greedy = TcpStream::connect(address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n");
        greedy.write_all(head.as_bytes()).await.unwrap();
        greedy.write_all(&vec![b'x'; size]).await.unwrap();
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
        let mut answer = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(20), next.read_exact(&mut answer)).await;
        assert!(answered.is_ok_and(|read| read.is_ok()), "the only place is never given back");
        assert_eq!(&answer, b"HTTP/1.1 200");
        drop(greedy);
    }

    #[tokio::test]
    async fn more_headers_than_anybody_needs_are_refused_fault_130() {
        let (_servers, address) = behind(8, Duration::from_secs(60)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
    }

    #[tokio::test]
    async fn callers_beyond_the_number_wait_until_one_leaves_fault_129() {
        let (_servers, address) = behind(2, Duration::from_secs(60)).await;
        let mut idle = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
            idle.push(stream);
        }
        let mut third = TcpStream::connect(address).await.unwrap();
        third.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
        let mut answer = [0; 12];
        let waits = tokio::time::timeout(Duration::from_millis(100), third.read_exact(&mut answer)).await;
        assert!(waits.is_err(), "both places are taken");
        drop(idle);
        third.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}
