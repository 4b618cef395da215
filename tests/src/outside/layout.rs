//! quorate as it is shipped: its own defaults, but for the places of files and sockets.
//!
//! The keyspace is served on TCP, so that the same client reaches it in the same way as etcd's.

use super::processes::Recipe;
use super::trouble::Trouble;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Where one node is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name, which is also that of its directory.
    pub name: String,
    /// Where other nodes reach it, over UDP.
    pub peers: SocketAddr,
    /// Where clients reach it, over TCP.
    pub clients: SocketAddr,
}

/// Writes a secret and the files of all nodes below `directory`; the first `seeds` of them are seeds. `voters`: how many are wanted,
/// where it is not for the nodes to say. Each is started by its recipe, in the order of the places.
pub fn lay_out(
    program: &Path,
    directory: &Path,
    places: &[Place],
    seeds: usize,
    voters: Option<usize>,
) -> Result<Vec<Recipe>, Trouble> {
    write(&directory.join("secret"), &secret(program)?)?;
    let seeds: Vec<String> =
        places.iter().take(seeds).map(|place| format!("\"{}\"", place.peers)).collect();
    let wanted = voters.map_or_else(String::new, |voters| format!("voters = {voters}\n"));
    let cluster = format!("seeds = [{}]\n{wanted}", seeds.join(", "));
    places.iter().map(|place| lay_out_one(program, directory, place, &cluster)).collect()
}

fn lay_out_one(
    program: &Path,
    directory: &Path,
    place: &Place,
    cluster: &str,
) -> Result<Recipe, Trouble> {
    let Place { name, peers, clients } = place;
    let home = directory.join(name);
    fs::create_dir(&home).map_err(Trouble::at(format!("creating {}", home.display())))?;
    let (all, own) = (directory.display(), home.display());
    let config = format!(
        "cluster = \"outside\"\n{cluster}secret_file = \"{all}/secret\"\n\
         data_dir = \"{own}/data\"\nbirth_dir = \"{own}/birth\"\nlisten = \"{peers}\"\n\
         [client]\nsocket = \"{own}/sock\"\ntcp = \"{clients}\"\nkeyspace_on_tcp = true\n",
    );
    write(&home.join("quorate.toml"), &config)?;
    write(&home.join("host.toml"), &format!("name = \"{name}\"\n"))?;
    let arguments = ["run", "--config", &format!("{own}/quorate.toml"), "--host"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("{own}/host.toml")])
        .collect();
    Ok(Recipe {
        name: name.clone(),
        program: program.to_owned(),
        arguments,
        output: directory.join(format!("{name}.log")),
    })
}

/// A new secret, as the program makes it.
pub fn secret(program: &Path) -> Result<String, Trouble> {
    let command = format!("{} secret new", program.display());
    let made = Command::new(program)
        .args(["secret", "new"])
        .output()
        .map_err(Trouble::at(command.clone()))?;
    match String::from_utf8(made.stdout) {
        Ok(text) if made.status.success() => Ok(text),
        _ => Err(Trouble::Command {
            command,
            text: String::from_utf8_lossy(&made.stderr).into_owned(),
        }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    let doing = || Trouble::at(format!("writing {}", path.display()));
    fs::write(path, text).map_err(doing())?;
    // The secret must not be readable by others; for the rest it does no harm.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(doing())
}
