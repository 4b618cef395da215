//! The applications of this host in `/metrics`. Those of other hosts are told by those hosts. Pure.

use super::text::{escape, head};
use quorate_node::Status;
use quorate_proto::{Application, ApplicationState};
use std::fmt::Write as _;

/// Appends the series.
pub(super) fn render(out: &mut String, status: &Status) {
    let mine = |one: &&Application| one.instance == status.instance;
    let mine: Vec<&Application> = status.view.applications.iter().filter(mine).collect();
    let name = "quorate_application_up";
    let help = "1 for an application of this host that is committed as up, 0 for one that is not.";
    head(out, name, help, "gauge");
    for one in mine {
        let value = u64::from(one.state() == ApplicationState::Up);
        let _ = writeln!(out, "{name}{{application=\"{}\"}} {value}", escape(&one.told.name));
    }
}
