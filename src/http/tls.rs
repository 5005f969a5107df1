//! Why TLS failed, in words for the person who can mend it. Pure.
//!
//! The HTTP library wraps the cause several times; its own words ("client error (Connect)") tell nobody that a certificate
//! expired. There is no switch to go on without a good certificate.

use std::error::Error;
use std::io;

use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// What a person is told, if `error` comes from TLS: what is wrong with the certificate, and what to do.
pub(super) fn told(error: &(dyn Error + 'static)) -> Option<String> {
    let what = match cause(error)? {
        rustls::Error::InvalidCertificate(certificate) => of_certificate(certificate),
        other => format!("TLS with the server failed: {other}"),
    };
    Some(what)
}

/// The TLS library's own error; `io::Error` keeps what it wraps out of its chain of sources.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.and_then(|inner| cause(inner)).or_else(|| error.source().and_then(cause))
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "the server's certificate has expired: it must be renewed there".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired at {}: it must be renewed there", at(*not_after))
        }
        CertificateError::NotValidYet => {
            "the server's certificate is not valid yet: is this machine's clock right?".to_owned()
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid before {}: is this machine's clock right?",
            at(*not_before)
        ),
        CertificateError::UnknownIssuer => "the server's certificate is signed by nobody whom this machine trusts (by \
                                            itself, or by a company's own authority): add that authority to the system's \
                                            certificates"
            .to_owned(),
        CertificateError::NotValidForName => {
            "the server's certificate is for another name: is the address right?".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            format!("the server's certificate is for {names}, not for {}: is the address right?", expected.to_str())
        }
        CertificateError::Revoked => "the server's certificate was revoked: it must be replaced there".to_owned(),
        other => format!("the server's certificate cannot be accepted: {other}"),
    }
}

/// `DnsName("crm.example")` -> `crm.example`.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn at(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).to_string()
}
