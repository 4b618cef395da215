//! The seeds: inline or one a line in a file, written `host[:port]`, kept as `host:port` in lower case, so that hosts
//! whose files differ only in spelling found together.

use super::error::ConfigError;
use super::keys::{Keys, read_text};
use super::{PORT, is_loopback as ip_is_loopback};
use quorate_proto::limits::MAX_SEEDS;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

pub(super) fn read(keys: &Keys) -> Result<Vec<String>, ConfigError> {
    let written = match (keys.texts("seeds")?, keys.text("seeds_file")?) {
        (Some(seeds), None) => seeds,
        (None, Some(file)) => {
            if !file.starts_with('/') {
                let remedy = "begin it with `/`";
                return Err(keys.wrong("seeds_file", &file, "must be an absolute path", remedy));
            }
            read_lines(Path::new(&file))?
        }
        (Some(_), Some(file)) => {
            let rule = "`seeds` is there too, and only one of the two is read";
            return Err(keys.wrong("seeds_file", &file, rule, "remove one of the two"));
        }
        (None, None) => {
            return Err(ConfigError::Missing {
                file: keys.file.clone(),
                key: "seeds",
                rule: "the hosts that found the cluster, 1 to 7, the same list on every host",
                remedy: "add for example `seeds = [\"f1\", \"f2\", \"f3\"]`, or `seeds_file`",
            });
        }
    };
    check(keys, &written)
}

fn read_lines(file: &Path) -> Result<Vec<String>, ConfigError> {
    let text = read_text(file, |_| "create it with one seed a line, or write `seeds` instead")?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
    Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn check(keys: &Keys, written: &[String]) -> Result<Vec<String>, ConfigError> {
    let key = if keys.value("seeds_file").is_some() { "seeds_file" } else { "seeds" };
    let shown = || format!("[{}]", written.join(", "));
    if written.is_empty() {
        let remedy = "name 1 to 7 hosts, the same on every host";
        return Err(keys.wrong(key, "[]", "no seed is named", remedy));
    }
    if written.len() > MAX_SEEDS {
        let rule =
            format!("{} seeds are named, at most {MAX_SEEDS} may found a cluster", written.len());
        let remedy = "name 3 or 5 of them; any number of other hosts joins through these";
        return Err(keys.wrong(key, &shown(), &rule, remedy));
    }
    let mut seeds = Vec::with_capacity(written.len());
    for text in written {
        let Some(seed) = normalise(text) else {
            let rule = "a seed must be `host` or `host:port`";
            let remedy = "write for example `f1.example.org`, `10.0.0.1:4747` or `[2001:db8::1]`";
            return Err(keys.wrong(key, text, rule, remedy));
        };
        if is_no_host(&seed) {
            let rule = "is the address of no single host";
            let remedy = "name each host that founds by its own name or address";
            return Err(keys.wrong(key, text, rule, remedy));
        }
        if seeds.contains(&seed) {
            let rule = format!("`{seed}` is named twice, and each founder is one host");
            return Err(keys.wrong(key, &shown(), &rule, "remove one of the two"));
        }
        seeds.push(seed);
    }
    Ok(seeds)
}

/// `host:port` in lower case, IPv6 addresses in brackets; none when it is neither host nor address.
fn normalise(text: &str) -> Option<String> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some(SocketAddr::new(ip.to_canonical(), PORT).to_string());
    }
    let (host, port) = split(text)?;
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if let Some(inner) = host.strip_prefix('[') {
        let ip: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(SocketAddr::new(ip.to_canonical(), port).to_string());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(plain) && !label.starts_with('-')
    };
    let numbers_only = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let valid = if numbers_only {
        host.parse::<IpAddr>().is_ok()
    } else {
        host.len() <= 253 && host.split('.').all(label)
    };
    valid.then(|| format!("{host}:{port}"))
}

fn split(text: &str) -> Option<(&str, u16)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let port = port.parse().ok().filter(|port| *port != 0)?;
            Some((host, port))
        }
        _ => Some((text, PORT)),
    }
}

/// Whether it is an address that means any host, all of them or a group.
fn is_no_host(seed: &str) -> bool {
    seed.parse::<SocketAddr>().is_ok_and(|at| {
        let ip = at.ip();
        ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
    })
}

/// Whether a seed names this very host and nothing else.
pub(super) fn is_loopback(seed: &str) -> bool {
    let Some((host, _)) = seed.rsplit_once(':') else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(ip_is_loopback)
}
