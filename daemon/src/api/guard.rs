//! Keeps web pages out: a browser sends `Origin` with every request that a page could profit from, and a page
//! that was bound to this address by a lying DNS server shows its own name in `Host`.
//!
//! On TCP the host must be an address, `localhost` or this node's name, said once and in letters. On the unix socket any host will do,
//! and none, for no browser gets there and clients put anything at all into it.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

use super::failure::refusal;

/// What a door lets in.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Names that `Host` may have beside addresses and `localhost`; none = any.
    pub(crate) names: Option<Arc<[String]>>,
}

impl Guard {
    /// Whether the request names a host of this door, in HTTP/2's `:authority`, the target or the one `Host` header. What is missing, said
    /// twice or no text leaves open whose page asks.
    fn allows(&self, request: &Request) -> bool {
        if self.names.is_none() {
            return true;
        }
        let target = request.uri().authority().map(|authority| Ok(authority.as_str()));
        let headers = request.headers().get_all(header::HOST).iter().map(HeaderValue::to_str);
        let headers: Vec<_> = headers.collect();
        let several = headers.len() > 1;
        let mut hosts = target.into_iter().chain(headers).peekable();
        !several
            && hosts.peek().is_some()
            && hosts.all(|host| host.is_ok_and(|host| self.allows_host(host)))
    }

    fn allows_host(&self, host: &str) -> bool {
        let Some(names) = &self.names else { return true };
        // An endpoint with its scheme, as `authority.rs` leaves it.
        let name = without_port(host.strip_prefix("http:--").unwrap_or(host));
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
    if !guard.allows(&request) {
        return refused(
            "one Host header is needed, and it must be an address, `localhost` or this node's name",
        );
    }
    next.run(request).await
}

fn refused(text: &str) -> Response {
    refusal(StatusCode::FORBIDDEN, "forbidden", text).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Guard, allows_site};
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::HeaderValue;

    fn asking(target: &str, hosts: &[&[u8]]) -> Request {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header("host", HeaderValue::from_bytes(host).expect("a value"));
        }
        request.body(Body::empty()).expect("a request")
    }

    #[test]
    fn a_host_that_is_missing_said_twice_or_no_text_is_refused_on_tcp() {
        let guard = Guard { names: Some(["db1".to_owned()].into()) };
        let allows = |target: &str, hosts: &[&[u8]]| guard.allows(&asking(target, hosts));
        assert!(allows("/livez", &[b"db1:4748"]));
        assert!(allows("http://localhost:4748/livez", &[]), "HTTP/2 says it in the target");
        assert!(allows("http://localhost/livez", &[b"localhost"]));
        assert!(guard.allows_host("http:--127.0.0.1:4748") && !guard.allows_host("http:--evil:1"));
        assert!(!allows("/livez", &[]), "missing");
        assert!(!allows("/livez", &[b"localhost", b"localhost"]), "said twice");
        assert!(!allows("/livez", &[b"local\xffhost"]), "no text");
        assert!(!allows("/livez", &[b"evil.example"]));
        assert!(!allows("http://localhost/livez", &[b"evil.example"]), "each of the two counts");
        assert!(Guard { names: None }.allows(&asking("/livez", &[])), "no browser gets there");
    }

    #[test]
    fn on_tcp_only_addresses_localhost_and_own_names_are_hosts() {
        let guard = Guard { names: Some(["db1".to_owned()].into()) };
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
