//! TLS that fails (fault 72): each way is told apart to a person, and nothing of the request leaves.
//!
//! `certs/README.md` says what the certificates are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton::connector::odoo::Odoo;
use baton::connector::settings::{Kind, Settings as Connection};
use baton::connector::{Connector as _, ConnectorError};
use baton::http::limiter::Limiter;
use baton::http::{Client, Method, Request, SendError, Settings};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use url::Url;

/// A server that shows one certificate.
struct Server {
    at: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Requests of which it read anything.
    requests: Arc<AtomicUsize>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/certs")
}

fn server(certificate: &str) -> Server {
    let chain = CertificateDer::from_pem_file(folder().join(format!("{certificate}.pem"))).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder().join(format!("{certificate}.key.pem"))).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![chain], key))
        .map(Arc::new)
        .expect("a configuration");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, heard) = (Arc::clone(&connections), Arc::clone(&requests));
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = Stream::new(&mut tls, &mut socket);
            let mut head = [0; 4096];
            if stream.read(&mut head).is_ok_and(|read| read > 0) {
                heard.fetch_add(1, Ordering::SeqCst);
                drop(stream.write_all(b"HTTP/1.1 204 Empty\r\nConnection: close\r\n\r\n"));
            }
        }
    });
    Server { at, connections, requests }
}

impl Server {
    fn url(&self) -> Url {
        Url::parse(&format!("https://{}/", self.at)).expect("a URL")
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

fn client() -> Client {
    let house = std::fs::read(folder().join("house.pem")).expect("the authority");
    let deadline = Duration::from_secs(20);
    Client::with(Settings { extra_roots_pem: Some(house), deadline, ..Settings::default() }).expect("a client")
}

#[tokio::test]
async fn each_way_in_which_a_certificate_fails_is_told_and_nothing_is_sent_fault_72() {
    let good = server("good");
    let request = |server: &Server| Request::to(Method::Get, &server.url(), &["x"]).bearer(&"canary".into());
    assert_eq!(client().send(request(&good)).await.expect("a good certificate").status, 204);
    assert_eq!(good.counts(), (1, 1));

    for (certificate, words) in [
        ("expired", &["expired at 2021-01-01T00:00:00Z", "renewed"][..]),
        ("early", &["not valid before 2110-01-01T00:00:00Z", "clock"]),
        ("elsewhere", &["for crm.elsewhere.example, not for 127.0.0.1", "address"]),
        ("foreign", &["signed by nobody whom this machine trusts"]),
        ("alone", &["signed by nobody whom this machine trusts", "by itself"]),
    ] {
        let server = server(certificate);
        let error = client().send(request(&server)).await.expect_err(certificate);
        let SendError::NotSent { message } = &error else { panic!("{certificate}: {error:?}") };
        for word in words {
            assert!(message.contains(word), "{certificate}: {word} in {message}");
        }
        assert!(!message.contains("canary"), "{message}");
        assert_eq!(server.counts(), (1, 0), "{certificate}: one try, and not a byte of the request");
    }
}

#[tokio::test]
async fn a_connection_with_a_bad_certificate_says_so_and_waits_fault_72() {
    let server = server("expired");
    let settings = Connection::new("odoo", Kind::Odoo, server.url(), "canary".to_owned().into());
    let odoo = Odoo::new(settings, client(), Arc::new(Limiter::default()));
    let error = odoo.describe().await.expect_err("no look without TLS");
    assert!(matches!(&error, ConnectorError::Unavailable { .. }), "to be tried again later: {error:?}");
    assert!(error.to_string().contains("odoo cannot be read now: the server's certificate expired at"), "{error}");
    assert_eq!(server.counts(), (1, 0));
}
