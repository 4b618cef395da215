//! How large a packet the network interfaces of this host take, to judge what passes on the way to a peer.
//!
//! Which interface a peer is reached by is the system's business: the narrowest one counts, so that no link is blamed for what an
//! interface cannot carry. Not known where the system does not say.

use std::path::Path;

/// Headers of IPv6 and UDP, which leave less than those of IPv4.
const HEADERS: u64 = 48;
/// What QUIC seeks at most: the payload of a usual Ethernet frame.
const MOST: u64 = 1452;
/// Interfaces that are looked at; a host of containers has thousands.
const LOOKED_AT: usize = 64;

/// The largest UDP payload that every interface takes but those of loopback; at most what QUIC seeks.
pub(crate) fn payload() -> Option<u16> {
    payload_of(Path::new("/sys/class/net"))
}

fn payload_of(directory: &Path) -> Option<u16> {
    let interfaces = std::fs::read_dir(directory).ok()?.take(LOOKED_AT);
    let places = interfaces.filter_map(|entry| Some(entry.ok()?.path()));
    let outside = places.filter(|place| place.file_name().is_some_and(|name| name != "lo"));
    let mtu = |place: std::path::PathBuf| {
        std::fs::read_to_string(place.join("mtu")).ok()?.trim().parse::<u64>().ok()
    };
    let least = outside.filter_map(mtu).min()?;
    u16::try_from(least.saturating_sub(HEADERS).min(MOST)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_interface_counts_and_loopback_does_not() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(payload_of(dir.path()), None);
        for (name, mtu) in [("lo", "576"), ("eth0", "9000"), ("odd", "no number")] {
            std::fs::create_dir(dir.path().join(name)).expect("an interface");
            std::fs::write(dir.path().join(name).join("mtu"), mtu).expect("its MTU");
        }
        assert_eq!(payload_of(dir.path()), Some(1452), "no more is sought");
        std::fs::create_dir(dir.path().join("wg0")).expect("an interface");
        std::fs::write(dir.path().join("wg0/mtu"), "1420\n").expect("its MTU");
        assert_eq!(payload_of(dir.path()), Some(1372));
        assert_eq!(payload_of(&dir.path().join("nowhere")), None);
    }
}
