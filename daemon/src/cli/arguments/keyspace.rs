//! What can be typed of keys: `quorate put`, `get`, `delete`.

use super::parse_time;
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct PutOptions {
    pub(crate) key: OsString,
    /// The value, byte for byte; `-` reads it from standard input, `KEY -- -` writes a dash
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: OsString,
    /// Give up after this long; until then a daemon that is away is waited for
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct GetOptions {
    pub(crate) key: OsString,
    /// All keys that begin so, as they were at one revision
    #[arg(long)]
    pub(crate) prefix: bool,
    /// Only those behind this one
    #[arg(long, value_name = "KEY", requires = "prefix")]
    pub(crate) after: Option<OsString>,
    /// The value alone, without a newline behind it
    #[arg(long, conflicts_with = "prefix")]
    pub(crate) raw: bool,
    /// As it was at this revision
    #[arg(long, value_name = "REVISION")]
    pub(crate) rev: Option<i64>,
    /// From this node's own copy, which may be old but needs no leader
    #[arg(long)]
    pub(crate) serializable: bool,
    /// Most keys to show; what is left out is said, with the command that goes on
    #[arg(long, value_name = "COUNT", default_value = "0", hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) limit: i64,
    /// Give up after this long, with --prefix for each 1000 keys; until then a daemon that is away is waited for
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteOptions {
    pub(crate) key: OsString,
    /// All keys that begin so; with an empty one all that there are, which it asks about first
    #[arg(long)]
    pub(crate) prefix: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Give up after this long; until then a daemon that is away is waited for
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}
