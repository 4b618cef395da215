//! Where a test runs: the shipped binary, a directory of its own, and addresses that no other test uses.
//!
//! All of 127.0.0.0/8 is this machine, so every test process takes a loopback address made from its process id, and
//! ports count up from there: nothing that runs at the same time can take them, not even between two starts of a host.

use rustix::time::{ClockId, clock_gettime};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The longest that anything here may take. What takes longer is broken: no test asserts how fast something is.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Between two questions, where there is no event to wait for.
const ASK: Duration = Duration::from_millis(50);
/// Below the range from which the kernel takes the ports of clients.
const FIRST_PORT: u16 = 4800;

static NEXT_PORT: AtomicU16 = AtomicU16::new(FIRST_PORT);
static NEXT_WIDE_PORT: AtomicU16 = AtomicU16::new(0);

/// An address that is free for UDP and TCP.
pub(crate) fn free_address() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // The kernel's process ids have at most 22 bits, and all but the ends of 127.0.0.0/8 are addresses.
    let ip = Ipv4Addr::new(127, 64 | high, middle, low);
    SocketAddr::new(IpAddr::V4(ip), NEXT_PORT.fetch_add(1, Ordering::Relaxed))
}

/// An address whose port is free on every address of this machine, for a daemon that is bound to all of them. Its ports are
/// none that `free_address` counts up to, and none that the kernel gives to clients.
pub(crate) fn wide_address() -> SocketAddr {
    let [.., low] = std::process::id().to_be_bytes();
    let first = 8_000 + u16::from(low) * 64;
    let port = NEXT_WIDE_PORT.fetch_add(1, Ordering::Relaxed);
    let mut ports = (first..30_000).skip(usize::from(port) * 8);
    let port = ports.find(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok());
    SocketAddr::new(free_address().ip(), port.expect("some port is free"))
}

/// The binary that is shipped: `QUORATE_BIN`, or the one that was built beside the tests.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("QUORATE_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("a test knows where it is");
    let built = own.parent().and_then(|deps| deps.parent()).map(|dir| dir.join("quorate"));
    match built.filter(|path| path.is_file()) {
        Some(path) => path,
        None => panic!(
            "no binary beside {}: run `cargo build --release` first, or name one with QUORATE_BIN",
            own.display()
        ),
    }
}

/// Asks again and again until there is an answer; fails after a minute with `what` was waited for.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(instead) if began.elapsed() > LIMIT => {
                panic!("waited {} s for: {what}; instead: {instead}", LIMIT.as_secs())
            }
            Err(_) => std::thread::sleep(ASK),
        }
    }
}

/// What `CLOCK_BOOTTIME` shows, in milliseconds: deadlines are told by it.
pub(crate) fn boottime_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let millis = time.tv_sec * 1_000 + time.tv_nsec / 1_000_000;
    u64::try_from(millis).expect("the clock is past its zero")
}

/// Some mounts and `unshare` need root; a test that cannot run is a failure, not a pass.
pub(crate) fn need_root() {
    let root = rustix::process::geteuid().is_root();
    assert!(
        root,
        "this test mounts file systems of its own and needs root: run the tests with sudo"
    );
}
