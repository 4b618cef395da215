//! `quorate hooks`: programs that are run, and files that are written, when the view of health or a share of this host changes.
//!
//! All of it is a client of the daemon, in a process and a unit of its own: the daemon has no rights that a hook could need, and what hooks
//! do costs no vote. The runner (`runner`) follows the daemon (`follow`), decides when each hook is due (`one`, and the rules in `view` and
//! `schedule`), and has a keeper (`keeper`, started by `launch`) around each run. Files are runs of this program itself (`render`).

mod fence;
mod fencer;
mod follow;
mod in_the_way;
mod keeper;
mod launch;
mod one;
mod render;
mod report;
mod runner;
mod schedule;
mod settings;
mod show;
pub(crate) mod state;
mod view;

use crate::cli::{Client, Failure, Format, HooksCommand, output};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes of a view that is read.
const VIEW: u64 = 16 * 1024 * 1024;

/// Does what is asked of hooks.
pub(crate) fn hooks(
    command: HooksCommand,
    socket: PathBuf,
    format: Format,
) -> Result<ExitCode, Failure> {
    match command {
        HooksCommand::Run { places, state } => runner::run(&places.dir, &state.state, socket),
        HooksCommand::Status { state } => {
            let page = state::look(&state.state).map_err(Failure::other)?;
            match format {
                Format::Json => output::json(&page)?,
                Format::Table => output::text(&show::draw(&page))?,
            }
            show::judge(&page)
        }
        HooksCommand::Check { places } => show::check(&places.dir, format),
        HooksCommand::Try { name, places } => {
            show::attempt(&places.dir, &name, &Client::new(socket), format)
        }
        HooksCommand::Keep { parent, timeout, command } => keeper::keep(parent, timeout, &command),
        HooksCommand::Render { file } => render(&file),
    }
}

/// Writes a file of `files.d` from the view on standard input.
fn render(file: &Path) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::other(format!("cannot read the view: {error}"));
    render::bound_memory().map_err(failed)?;
    let (written, _) = settings::written(file).map_err(|no| Failure::other(no.to_string()))?;
    let mut text = Vec::new();
    std::io::stdin().lock().take(VIEW).read_to_end(&mut text).map_err(failed)?;
    let view: Value = serde_json::from_slice(&text).map_err(|error| {
        Failure::other(format!("the view on standard input is no JSON: {error}"))
    })?;
    match render::write(&written, &view).map_err(Failure::other)? {
        render::Done::Written => output::text(&format!("wrote {}\n", written.target.display()))?,
        render::Done::Nothing => {}
    }
    Ok(ExitCode::SUCCESS)
}
