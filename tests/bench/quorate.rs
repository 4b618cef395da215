//! quorate as it is shipped: its own defaults, but for the places of files and sockets.
//!
//! The keyspace is served on TCP, so that the same client reaches it in the same way as etcd's.

use crate::cluster::Node;
use crate::pages;
use crate::processes::{Recipe, free_port};
use crate::trouble::Trouble;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// More hosts than this are no seeds: they join.
const SEEDS: usize = 3;

/// So many nodes, of which the first three are seeds.
pub(crate) fn lay_out(
    program: &Path,
    directory: &Path,
    count: usize,
) -> Result<Vec<Node>, Trouble> {
    write(&directory.join("secret"), &secret(program)?)?;
    let mut places = Vec::new();
    for number in 1..=count {
        places.push((format!("q{number}"), free_port()?, free_port()?));
    }
    let seeds: Vec<String> =
        places.iter().take(SEEDS).map(|(_, peers, _)| format!("\"127.0.0.1:{peers}\"")).collect();
    let mut nodes = Vec::new();
    for (name, peers, clients) in places {
        let home = directory.join(&name);
        fs::create_dir(&home).map_err(Trouble::at(format!("creating {}", home.display())))?;
        let (all, own) = (directory.display(), home.display());
        let config = format!(
            "cluster = \"bench\"\nseeds = [{}]\nsecret_file = \"{all}/secret\"\n\
             data_dir = \"{own}/data\"\nbirth_dir = \"{own}/birth\"\nlisten = \"127.0.0.1:{peers}\"\n\
             [client]\nsocket = \"{own}/sock\"\ntcp = \"127.0.0.1:{clients}\"\nkeyspace_on_tcp = true\n",
            seeds.join(", "),
        );
        write(&home.join("quorate.toml"), &config)?;
        write(&home.join("host.toml"), &format!("name = \"{name}\"\n"))?;
        let arguments = ["run", "--config", &format!("{own}/quorate.toml"), "--host"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("{own}/host.toml")])
            .collect();
        let recipe = Recipe {
            name: name.clone(),
            program: program.to_owned(),
            arguments,
            output: directory.join(format!("{name}.log")),
        };
        nodes.push(Node { name, port: clients, recipe, process: None });
    }
    Ok(nodes)
}

pub(crate) fn secret(program: &Path) -> Result<String, Trouble> {
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

async fn status(node: &Node) -> Option<Value> {
    pages::page(node.port, "/v1/status").await
}

/// The node that all running ones call their leader.
pub(crate) async fn leader(nodes: &[Node]) -> Option<usize> {
    let mut named = None;
    for node in nodes.iter().filter(|node| node.process.is_some()) {
        let status = status(node).await?;
        if status["state"] != "quorate" {
            return None;
        }
        let leader = status["leader"].as_str()?.to_owned();
        if named.get_or_insert_with(|| leader.clone()) != &leader {
            return None;
        }
    }
    let named = named?;
    nodes.iter().position(|node| node.name == named && node.process.is_some())
}

/// Whether every node is quorate and has all members as alive.
pub(crate) async fn is_whole(nodes: &[Node]) -> bool {
    for node in nodes {
        let Some(status) = status(node).await else { return false };
        let alive = status["members"].as_array().map_or(0, |members| {
            members.iter().filter(|member| member["state"] == "alive").count()
        });
        if status["state"] != "quorate" || alive != nodes.len() {
            return false;
        }
    }
    true
}
