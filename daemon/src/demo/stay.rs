//! `demo --stay`: the cluster stays up to play with. What is killed is started again, as systemd would.

use super::place::HOSTS;
use super::stage::{End, Stage};
use crate::cli::format::Paint;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a daemon that ended stays away: time to look at the others meanwhile.
const AWAY: Duration = Duration::from_secs(10);
/// How long to wait for what is heard before looking again.
const LOOK: Duration = Duration::from_millis(200);

/// Says how to play, and keeps it up until the demonstration is ended.
pub(super) async fn stay(stage: &mut Stage) -> Result<(), End> {
    for line in instructions(stage) {
        stage.screen.say(&line);
    }
    stage.lenient = true;
    let mut away: [Option<Instant>; HOSTS] = [None; HOSTS];
    loop {
        stage.next(Instant::now() + LOOK).await?;
        for (host, since) in away.iter_mut().enumerate() {
            if stage.daemons[host].process().is_some() {
                *since = None;
            } else if since.get_or_insert_with(Instant::now).elapsed() > AWAY {
                stage.daemons[host].start().map_err(End::Failed)?;
            }
        }
    }
}

fn instructions(stage: &Stage) -> Vec<String> {
    let program = program();
    let socket = |host: usize| stage.daemons[host].files.socket.display().to_string();
    let pen = stage.screen.pen();
    let command = |text: String| format!("  {}", pen.paint(Paint::Bold, &text));
    let process = stage.daemons[0].process().unwrap_or(0);
    vec![
        String::new(),
        "The cluster stays up. In another terminal:".to_owned(),
        String::new(),
        command(format!("{program} --socket {} status", socket(0))),
        command(format!("{program} --socket {} put colour green", socket(1))),
        command(format!("{program} --socket {} get colour", socket(2))),
        command(format!("{program} --socket {} health --watch", socket(1))),
        command(format!("ETCDCTL_API=3 etcdctl --endpoints=unix://{} get colour", socket(0))),
        command(format!("kill -9 {process}")),
        String::new(),
        format!(
            "What you kill is started again after {} s. The logs: {}/*/log",
            AWAY.as_secs(),
            stage.place.root().display()
        ),
        "Ctrl-C ends it all and leaves nothing behind.".to_owned(),
    ]
}

/// This program as one would type it here.
fn program() -> String {
    let Ok(path) = std::env::current_exe() else { return "quorate".to_owned() };
    let here: Option<PathBuf> = std::env::current_dir().ok();
    let short = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    match short {
        Some(short) if short.components().count() > 1 => short.display().to_string(),
        _ => Path::new(&path).display().to_string(),
    }
}
