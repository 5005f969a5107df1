//! The HTTP client against servers that behave badly (faults 38, 39, 71-74, 117, 123).

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton::http::address::{Addresses, Lookup};
use baton::http::{Client, Method, Request, Response, SendError, Settings};
use url::Url;

/// Serves every connection with `answer` on a thread of its own; counts connections.
fn server(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    (at, count)
}

/// Reads a request up to the end of its headers.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn answering(text: impl Into<Vec<u8>>) -> impl Fn(TcpStream) + Send + Sync {
    let text = text.into();
    move |mut stream| {
        head(&mut stream);
        drop(stream.write_all(&text));
    }
}

fn settings() -> Settings {
    Settings { body_bytes_max: 1 << 20, deadline: Duration::from_secs(20), ..Settings::default() }
}

fn to(at: SocketAddr) -> Request {
    Request::to(Method::Post, &Url::parse(&format!("http://{at}/")).expect("a URL"), &["leads"])
}

async fn send(settings: Settings, request: Request) -> Result<Response, SendError> {
    Client::with(settings).expect("a client").send(request).await
}

#[tokio::test]
async fn a_token_that_an_error_repeats_is_taken_out_of_it() {
    let app = axum::Router::new().fallback(async |headers: axum::http::HeaderMap| {
        let sent = headers["authorization"].to_str().unwrap().to_owned();
        (axum::http::StatusCode::UNAUTHORIZED, format!("no access for {sent}, {sent}"))
    });
    let mut servers = tokio::task::JoinSet::new();
    let address = super::harness::serve(&mut servers, app).await.parse().unwrap();
    let client = baton::http::Client::new().unwrap();
    let request = baton::http::Request::to(baton::http::Method::Get, &address, &[]).bearer(&"planted".into());
    let answer = client.send(request).await.unwrap();
    assert_eq!(String::from_utf8(answer.body).unwrap(), "no access for Bearer [token], Bearer [token]");
}

#[tokio::test]
async fn an_answer_comes_with_its_date_and_without_cookies() {
    let seen = Arc::new(std::sync::Mutex::new(String::new()));
    let kept = seen.clone();
    let (at, _) = server(move |mut stream| {
        *kept.lock().expect("a lock") = head(&mut stream);
        drop(stream.write_all(
            b"HTTP/1.1 503 Down\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\nRetry-After: 7\r\nSet-Cookie: canary\r\n\
              Content-Length: 6\r\n\r\n<html>",
        ));
    });
    let request = to(at).json(b"{}".to_vec()).bearer(&"token".into()).header("X-One", "1");
    let answer = send(settings(), request).await.expect("every status is an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (503, &b"<html>"[..]));
    assert_eq!(answer.date.map(|date| date.to_string()).as_deref(), Some("2026-10-21T07:28:00Z"));
    assert_eq!(answer.retry_after(jiff::Timestamp::UNIX_EPOCH), Some(Duration::from_secs(7)));
    assert!(!format!("{answer:?}").contains("canary"));
    let seen = seen.lock().expect("a lock").to_ascii_lowercase();
    for part in ["post /leads http/1.1", "authorization: bearer token", "x-one: 1", "content-type: application/json"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    assert!(seen.contains("user-agent: baton/") && seen.contains("accept-encoding: gzip"), "{seen}");
}

/// Fault 73: a server that sends a byte now and then does not keep a request for ever.
#[tokio::test]
async fn dripping_bytes_do_not_outlast_the_deadline() {
    let (at, _) = server(|mut stream| {
        head(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"));
        while stream.write_all(b"x").is_ok() {
            #[expect(clippy::disallowed_methods, reason = "a thread of the test's own server")]
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let request = Request { deadline: Some(Duration::from_millis(300)), ..to(at) };
    assert!(matches!(send(settings(), request).await, Err(SendError::Unknown { .. })));
}

/// Fault 38.
#[tokio::test]
async fn a_body_longer_than_allowed_is_not_kept() {
    let (at, _) = server(|mut stream| {
        head(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"));
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let error = send(settings(), to(at)).await.expect_err("too large");
    assert!(matches!(error, SendError::TooLarge { body_bytes_max: 1_048_576 }), "{error:?}");
}

/// Deflate of `count` x 258 zero bytes with the fixed codes, as a gzip stream without its end.
fn bomb(count: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    let most_significant_first = |code: u32, length: u32| (0..length).rev().map(move |i| code >> i & 1 == 1);
    bits.extend(most_significant_first(0x30, 8));
    for _ in 0..count {
        bits.extend(most_significant_first(0xc5, 8));
        bits.extend(most_significant_first(0, 5));
    }
    let bytes = bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, bit)| u8::from(*bit) << i).sum::<u8>());
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(bytes).collect()
}

/// Fault 39: what counts is what a body grows to.
#[tokio::test]
async fn a_gzip_bomb_is_cut_at_the_limit() {
    for (count, too_large) in [(100_000, true), (3_000, false)] {
        let body = bomb(count);
        assert!(body.len() < 200_000);
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        let (at, _) = server(answering(answer));
        let error = send(settings(), to(at)).await.expect_err("cut or incomplete");
        // The small one ends early, which is no answer either.
        assert_eq!(matches!(error, SendError::TooLarge { .. }), too_large, "{error:?}");
    }
}

/// Faults 58, 71: once bytes may have left, nobody knows; before that, everybody does.
#[tokio::test]
async fn what_was_not_sent_is_told_from_what_may_have_been() {
    let (closes, _) = server(|mut stream| {
        head(&mut stream);
    });
    let (cuts, _) = server(answering("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"));
    let (garbles, _) = server(answering("220 smtp.example ESMTP\r\n"));
    for at in [closes, cuts, garbles] {
        let error = send(settings(), to(at)).await.expect_err("no answer");
        assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (plain, _) = server(answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    let tls_to_plain = Url::parse(&format!("https://{plain}/?hapikey=canary")).expect("a URL");
    for request in [
        to(nobody),
        Request::to(Method::Get, &tls_to_plain, &["x"]),
        Request::to(Method::Get, &Url::parse("https://no-such-host.invalid/").expect("a URL"), &["x"]),
        to(plain).header("X-Bad", "a\r\nInjected: b"),
        to(plain).header("bad name", "a"),
        to(plain).bearer(&"canary\n".into()),
    ] {
        let error = send(settings(), request).await.expect_err("not sent");
        assert!(matches!(error, SendError::NotSent { .. }), "{error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// Fault 74: neither followed nor given the token.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, visits) = server(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
        let (at, _) = server(answering(answer));
        let error = send(settings(), to(at).bearer(&"token".into())).await.expect_err("redirected");
        assert!(matches!(error, SendError::Redirected { status: found } if found == status), "{error:?}");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

/// Fault 123, and no token in plain http.
#[tokio::test]
async fn refused_addresses_see_no_connection() {
    let (at, visits) = server(answering("HTTP/1.1 204 Empty\r\n\r\n"));
    let public = |allow: &[&str]| {
        let allow = allow.iter().map(|text| text.parse().expect("an exception")).collect();
        Settings { addresses: Addresses::Public { allow: Arc::new(allow) }, ..settings() }
    };
    let by_name = Url::parse(&format!("http://localhost:{}/", at.port())).expect("a URL");
    let error = send(public(&[]), to(at)).await.expect_err("a literal address");
    assert!(matches!(&error, SendError::NotSent { message } if message.contains("127.0.0.1")), "{error:?}");
    let error = send(public(&[]), Request::to(Method::Get, &by_name, &["x"])).await.expect_err("a name");
    assert!(matches!(&error, SendError::NotSent { message } if message.contains("not public")), "{error:?}");
    let outside = Url::parse("http://crm.example/").expect("a URL");
    let error = send(settings(), Request::to(Method::Get, &outside, &["x"])).await.expect_err("plain http");
    assert!(matches!(&error, SendError::NotSent { message } if message.contains("https")), "{error:?}");
    assert_eq!(visits.load(Ordering::SeqCst), 0);

    assert_eq!(send(public(&["127.0.0.0/8"]), to(at)).await.expect("allowed").status, 204);
    let named = send(public(&["localhost"]), Request::to(Method::Get, &by_name, &["x"])).await;
    assert_eq!(named.expect("allowed by name").status, 204);
}

/// Two machines under one port: one that may be connected to (127.0.0.1), and one inside (127.0.0.2) that may not.
fn outside_and_inside() -> (SocketAddr, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let close = "HTTP/1.1 204 Empty\r\nConnection: close\r\n\r\n";
    let (at, outside) = server(answering(close));
    let inside = TcpListener::bind(("127.0.0.2", at.port())).expect("all of 127/8 is loopback here");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in inside.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream.write_all(close.as_bytes()));
        }
    });
    (at, outside, count)
}

/// Fault 123: the name's second answer is another one than the first, which was checked.
#[tokio::test]
async fn a_resolver_that_changes_its_answer_reaches_nothing_inside_fault_123() {
    let (at, outside, inside) = outside_and_inside();
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    let answers: [&[&str]; 3] = [&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.2", "127.0.0.1"]];
    let lookup = move |_: &str| -> Vec<IpAddr> {
        let turn = counted.fetch_add(1, Ordering::SeqCst);
        answers[turn.min(2)].iter().map(|ip| ip.parse().expect("an address")).collect()
    };
    let settings = Settings {
        addresses: Addresses::Public { allow: Arc::new(vec!["127.0.0.1".parse().expect("a network")]) },
        lookup: Lookup::Given(Arc::new(lookup)),
        ..settings()
    };
    let client = Client::with(settings).expect("a client");
    let request = || {
        let url = Url::parse(&format!("http://localhost:{}/", at.port())).expect("a URL");
        Request::to(Method::Post, &url, &["hook"]).bearer(&"canary".into())
    };
    let counts = || [&lookups, &outside, &inside].map(|count| count.load(Ordering::SeqCst));

    assert_eq!(client.send(request()).await.expect("the first answer is allowed").status, 204);
    assert_eq!(counts(), [1, 1, 0], "what was checked is what is connected to: the name is looked up once");
    let error = client.send(request()).await.expect_err("the second answer is inside");
    assert!(matches!(&error, SendError::NotSent { message } if message.contains("127.0.0.2")), "{error:?}");
    assert_eq!(counts(), [2, 1, 0]);
    assert_eq!(client.send(request()).await.expect("one of both is allowed").status, 204);
    assert_eq!(counts(), [3, 2, 0], "only that one is connected to");
}
