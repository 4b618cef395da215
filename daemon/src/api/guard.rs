//! Keeps web pages out: a browser sends `Origin` with every request that a page could profit from, and a page
//! that was bound to this address by a lying DNS server shows its own name in `Host`.
//!
//! On TCP the host must be an address, `localhost` or this node's name. On the unix socket any host will do, for
//! no browser gets there and clients put anything at all into it.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

use super::routes::refusal;

/// What a door lets in.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Names that `Host` may have beside addresses and `localhost`; none = any.
    pub(crate) names: Option<Vec<String>>,
}

impl Guard {
    fn allows_host(&self, host: &str) -> bool {
        let Some(names) = &self.names else { return true };
        let name = without_port(host);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            if name.contains(':') && !name.starts_with('[') {
                host
            } else {
                name
            }
        }
        _ => host,
    }
}

/// A browser says with each request whose page asks: `none` is a person who typed the address, all else is a page. A page that asks
/// without wanting to read the answer sends no Origin. Programs that are no browsers do not send this at all.
fn allows_site(site: Option<&HeaderValue>) -> bool {
    site.is_none_or(|site| site == "none" || site == "same-origin")
}

/// The middleware.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return refused("requests of web pages (with an Origin header) are refused");
    }
    if !allows_site(request.headers().get("sec-fetch-site")) {
        return refused("requests that a web page of another site makes are refused");
    }
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    if !host.is_none_or(|host| guard.allows_host(host)) {
        return refused("the Host header must be an address, `localhost` or this node's name");
    }
    next.run(request).await
}

fn refused(text: &str) -> Response {
    refusal(StatusCode::FORBIDDEN, "forbidden", text).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Guard, allows_site};
    use axum::http::HeaderValue;

    #[test]
    fn on_tcp_only_addresses_localhost_and_own_names_are_hosts() {
        let guard = Guard { names: Some(vec!["db1".to_owned()]) };
        for host in [
            "127.0.0.1",
            "127.0.0.1:4748",
            "[::1]:4748",
            "::1",
            "localhost:1",
            "LOCALHOST",
            "db1:9",
        ] {
            assert!(guard.allows_host(host), "{host}");
        }
        for host in ["evil.example", "evil.example:4748", "db12", "", "127.0.0.1.evil.example"] {
            assert!(!guard.allows_host(host), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused_also_when_it_does_not_read_the_answer() {
        let says = |site| allows_site(Some(&HeaderValue::from_static(site)));
        assert!(allows_site(None) && says("none") && says("same-origin"));
        assert!(!says("cross-site") && !says("same-site") && !says(""));
    }

    #[test]
    fn on_the_unix_socket_any_host_will_do() {
        let guard = Guard { names: None };
        assert!(guard.allows_host("/run/quorate/quorate.sock"));
    }
}
