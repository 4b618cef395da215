//! Where the demonstration lives: one temporary directory with a secret and, for each daemon, its two configuration
//! files, its data, its socket and its log. The directory goes when the [`Place`] goes.

use crate::cli::complain;
use quorate_transport::Secret;
use std::fmt::Write as _;
use std::io;
use std::net::UdpSocket;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The daemons, in the order of the seeds.
pub(super) const NAMES: [&str; HOSTS] = ["n1", "n2", "n3"];
/// Three: the smallest cluster that survives a loss.
pub(super) const HOSTS: usize = 3;
/// Longest path of a unix socket, from `sockaddr_un` without the final zero.
const SOCKET_PATH: usize = 107;
/// Times a removal is tried while something still closes its files.
const REMOVALS: usize = 5;

/// The temporary directory.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
}

/// What one daemon is given.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// Its name.
    pub(super) name: &'static str,
    /// `quorate.toml`.
    pub(super) config: PathBuf,
    /// `host.toml`.
    pub(super) host: PathBuf,
    /// Its door.
    pub(super) socket: PathBuf,
    /// What it writes to its standard output and error.
    pub(super) log: PathBuf,
    /// Where other daemons find it.
    pub(super) port: u16,
}

impl Place {
    /// Makes the directory under `$TMPDIR`, or under `/tmp` where that would make the sockets' paths too long.
    pub(super) fn new() -> Result<Self, String> {
        let mut random = [0; 3];
        getrandom::fill(&mut random).map_err(|error| format!("no randomness: {error}"))?;
        let mut name = "quorate-demo-".to_owned();
        for byte in random {
            let _ = write!(name, "{byte:02x}");
        }
        let mut root = std::env::temp_dir().join(&name);
        if root.join("n1/quorate.sock").as_os_str().len() > SOCKET_PATH || !root.is_absolute() {
            root = Path::new("/tmp").join(&name);
        }
        private_dir(&root).map_err(|error| {
            format!("cannot make {}: {error}; name another directory with TMPDIR", root.display())
        })?;
        Ok(Self { root })
    }

    /// The directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Chooses free ports and writes everything that the daemons are given.
    pub(super) fn furnish(&self) -> Result<[Files; HOSTS], String> {
        let ports = free_ports().map_err(|error| format!("no free UDP port: {error}"))?;
        self.write(ports).map_err(|error| {
            format!("cannot write into {}: {error}; is the disk full?", self.root.display())
        })
    }

    fn write(&self, ports: [u16; HOSTS]) -> io::Result<[Files; HOSTS]> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let secret = self.root.join("secret");
        write_private(&secret, &format!("{}\n", Secret::generate(random).to_text()))?;
        let seeds = ports.map(|port| format!("\"127.0.0.1:{port}\"")).join(", ");
        let mut all = Vec::with_capacity(HOSTS);
        for (name, port) in NAMES.into_iter().zip(ports) {
            let directory = self.root.join(name);
            private_dir(&directory)?;
            let files = Files {
                name,
                config: directory.join("quorate.toml"),
                host: directory.join("host.toml"),
                socket: directory.join("quorate.sock"),
                log: directory.join("log"),
                port,
            };
            write_private(&files.config, &config_text(&files, &directory, &secret, &seeds))?;
            write_private(&files.host, &format!("name = \"{name}\"\n"))?;
            all.push(files);
        }
        Ok(all.try_into().expect("one for each name"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            match std::fs::remove_dir_all(&self.root) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Ok(()) => return,
                Err(_) => break,
            }
        }
        if self.root.exists() {
            let root = self.root.display();
            complain(&format!("quorate demo: cannot remove {root}; remove it by hand"));
        }
    }
}

fn config_text(files: &Files, directory: &Path, secret: &Path, seeds: &str) -> String {
    let path = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    format!(
        "cluster = \"demo\"\nseeds = [{seeds}]\nlisten = \"127.0.0.1:{}\"\nsecret_file = {}\ndata_dir = {}\n\
         birth_dir = {}\napps_dir = {}\nbudgets_dir = {}\nassignments_dir = {}\n\n[client]\nsocket = {}\ntcp = \"off\"\n",
        files.port,
        path(secret),
        path(&directory.join("data")),
        path(&directory.join("birth")),
        path(&directory.join("apps.d")),
        path(&directory.join("budgets.d")),
        path(&directory.join("assignments.d")),
        path(&files.socket),
    )
}

/// All sockets stay open until all ports are known, so that the ports differ.
fn free_ports() -> io::Result<[u16; HOSTS]> {
    let mut sockets = Vec::with_capacity(HOSTS);
    let mut ports = [0; HOSTS];
    for port in &mut ports {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        *port = socket.local_addr()?.port();
        sockets.push(socket);
    }
    Ok(ports)
}

fn private_dir(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}
