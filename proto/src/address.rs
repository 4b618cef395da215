//! A UDP address on the wire. Addresses are hints: a member may move, and an address never proves anything.

use std::net::{IpAddr, SocketAddr};

/// IP address and port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
#[prost(skip_debug)]
pub struct Address {
    /// 4 or 16 bytes of IP address.
    #[prost(bytes = "vec", tag = "1")]
    ip: Vec<u8>,
    #[prost(uint32, tag = "2")]
    port: u32,
}

impl Address {
    /// The address as the standard library's type; none when the peer sent nonsense. An IPv4 address is one, also when it was
    /// sent as an IPv6 one (`::ffff:10.0.0.1`).
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        let port = u16::try_from(self.port).ok().filter(|port| *port != 0)?;
        let ip: IpAddr = match self.ip.len() {
            4 => <[u8; 4]>::try_from(self.ip.as_slice()).ok()?.into(),
            16 => <[u8; 16]>::try_from(self.ip.as_slice()).ok()?.into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip.to_canonical(), port))
    }
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Self {
        let ip = match socket.ip().to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        Self { ip, port: u32::from(socket.port()) }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.socket() {
            Some(socket) => write!(f, "{socket}"),
            None => f.write_str("no address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_in_the_letters_of_ipv6_is_an_ipv4_address() {
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:4747".parse().expect("valid");
        let plain: SocketAddr = "10.0.0.1:4747".parse().expect("valid");
        assert_eq!(Address::from(mapped), Address::from(plain));
        let IpAddr::V6(ip) = mapped.ip() else { panic!("it is written as one of IPv6") };
        let sent = Address { ip: ip.octets().to_vec(), port: 4747 };
        assert_eq!(sent.socket(), Some(plain), "also when a peer sends it so");
    }
}
