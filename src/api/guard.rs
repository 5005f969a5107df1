//! Forms are taken from the board's own pages alone: another page in the same browser must not act for who is logged in, or, on
//! a board without users, for whoever reaches it (fault 126). The login's cookie says the same to browsers (`SameSite`), but not
//! of other applications of the same domain.

use axum::http::{HeaderMap, header};

/// Does the browser say that the form stands on a page of ours? What says neither is refused: no browser of today, and a
/// command does the same from a shell.
pub(super) fn is_own(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A foreign name that was made to point at this machine is the same origin to a browser.
    if !text(header::HOST).is_some_and(|host| is_our_name(host, public_url)) {
        return false;
    }
    // A browser sets this one itself, and no page can change it.
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let is_host = text(header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority));
    is_host || origin.eq_ignore_ascii_case(&origin_of(public_url))
}

/// An address in figures, this machine, or the name that the settings give the board: nobody else can bind these to a page.
fn is_our_name(host: &str, public_url: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let is_public = origin_of(public_url).split_once("://").is_some_and(|(_, ours)| ours.eq_ignore_ascii_case(host));
    is_public || name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// `https://baton.example.com` of `https://baton.example.com/board`.
fn origin_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_the_board_may_send_a_form_fault_126() {
        let check = |name: &str, pairs: &[(&'static str, &str)], expected: bool| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_own(&headers, "https://baton.example.com/"), expected, "{name}");
        };
        let host = ("host", "127.0.0.1:8686");
        check("our own page", &[host, ("sec-fetch-site", "same-origin")], true);
        check("another site", &[host, ("sec-fetch-site", "cross-site")], false);
        check("another application of the same domain", &[host, ("sec-fetch-site", "same-site")], false);
        check(
            "another site that also shows our origin",
            &[host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8686")],
            false,
        );
        check("an older browser, our origin", &[host, ("origin", "http://127.0.0.1:8686")], true);
        check("an older browser behind the proxy", &[host, ("origin", "https://baton.example.com")], true);
        check("an older browser, another origin", &[host, ("origin", "https://evil.example")], false);
        check(
            "a name that only begins like ours",
            &[host, ("origin", "https://baton.example.com.evil.example")],
            false,
        );
        check("a page without an origin", &[host, ("origin", "null")], false);
        check("neither", &[host], false);
        let rebound = ("host", "evil.example:8686");
        check("a foreign name that points here", &[rebound, ("sec-fetch-site", "same-origin")], false);
        check("our public name", &[("host", "baton.example.com"), ("sec-fetch-site", "same-origin")], true);
        check("this machine by name", &[("host", "localhost:8686"), ("sec-fetch-site", "same-origin")], true);
        check("in figures, longer", &[("host", "[::1]:8686"), ("sec-fetch-site", "same-origin")], true);
    }
}
