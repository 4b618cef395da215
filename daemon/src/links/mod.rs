//! The links to the other nodes, as this host tells of them: from the transport's report to lines, what is wrong in words, and how the
//! page, the metrics and the command line show it.
//!
//! Invariant: what is wrong with a link is judged in one place, on the lines; page, metrics and command line only show them. Knows nothing
//! of how bytes travel.

mod diagnosis;
pub(crate) mod figures;
pub(crate) mod interfaces;
pub(crate) mod line;
pub(crate) mod metrics;
pub(crate) mod ping;
pub(crate) mod report;
pub(crate) mod table;
