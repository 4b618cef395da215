//! What the exit codes mean of what is done without a daemon to ask: running one, and what needs none.

pub(super) const RUNNING: &str = "Exit codes:
  0   stopped as asked
  1   an error that may be gone at the next start: systemd starts it again
  10  an operator is needed; the text says for what: systemd leaves it failed
  11  this version cannot run the cluster's feature level: systemd leaves it failed";

/// Of commands that need no daemon.
pub(super) const LOCAL: &str = "Exit codes:
  0  done
  1  an error; the text says which";

pub(super) const CHECKING: &str = "Exit codes:
  0  the daemon would start; there may be warnings
  1  it would not; the text says why";

pub(super) const SHOWING: &str = "Exit codes:
  0           all of it was shown
  1           a part of it failed; the text says which
  130 or 143  ended by a signal";
