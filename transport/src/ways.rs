//! Whether a packet can leave this host towards an address, found out without sending one: the address family of the socket, and
//! the routes of the system.
//!
//! Knows nothing of peers. What the other side does with a packet is no question here.

use quorate_proto::CannotSend;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::ErrorKind;
use std::net::SocketAddr;

/// Whether this kernel makes IPv6 sockets, which serve IPv4 too.
#[must_use]
pub fn has_ipv6() -> bool {
    Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))
        .and_then(|socket| socket.set_only_v6(false))
        .is_ok()
}

/// Asks the system for a way from a socket at `listen` to an address.
///
/// # Errors
/// When there is none. What keeps the system from answering (no descriptor is left) is no answer.
pub(crate) fn check(listen: SocketAddr, to: SocketAddr) -> Result<(), CannotSend> {
    CannotSend::check_family(listen, to)?;
    let canonical =
        |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (from, to) = (canonical(listen), canonical(to));
    let Ok(socket) = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP)) else {
        return Ok(());
    };
    // Where packets may come from decides about routes. The port is not ours to take.
    let bound = match from.ip().is_unspecified() {
        true => Ok(()),
        false => socket.bind(&SocketAddr::new(from.ip(), 0).into()),
    };
    match bound.and_then(|()| socket.connect(&to.into())) {
        Err(error) if says_no_way(error.kind()) => {
            Err(CannotSend::NoRoute { error: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// Connecting a UDP socket sends nothing and needs a route and a source address.
fn says_no_way(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::InvalidInput
            | ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("valid")
    }

    #[test]
    fn a_socket_sends_to_its_own_family_and_the_wildcard_of_ipv6_to_both() {
        let (v4, v6) = (at("192.0.2.1:1"), at("[2001:db8::1]:1"));
        for (listen, to_v4, to_v6) in [
            ("0.0.0.0:4747", true, false),
            ("10.0.0.1:4747", true, false),
            ("[::]:4747", true, true),
            ("[2001:db8::2]:4747", false, true),
            ("[::ffff:10.0.0.1]:4747", true, false),
            ("[::ffff:0.0.0.0]:4747", true, false),
        ] {
            let can = |to| CannotSend::check_family(at(listen), to).is_ok();
            assert_eq!((can(v4), can(v6)), (to_v4, to_v6), "{listen}");
            let mapped = at("[::ffff:192.0.2.1]:1");
            assert_eq!(can(mapped), to_v4, "{listen}: an IPv4 address in other letters");
        }
    }

    #[test]
    fn loopback_leads_to_loopback_and_to_nowhere_else() {
        assert_eq!(check(at("127.0.0.1:1"), at("127.0.0.2:4747")), Ok(()));
        assert_eq!(check(at("0.0.0.0:1"), at("127.0.0.2:4747")), Ok(()));
        let nowhere = check(at("127.0.0.1:1"), at("192.0.2.1:4747"));
        assert!(matches!(nowhere, Err(CannotSend::NoRoute { .. })), "{nowhere:?}");
        let everybody = check(at("0.0.0.0:1"), at("255.255.255.255:4747"));
        assert!(matches!(everybody, Err(CannotSend::NoRoute { .. })), "{everybody:?}");
    }
}
