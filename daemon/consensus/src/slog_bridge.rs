//! raft-rs speaks slog; everything else here speaks tracing.
//!
//! One level lower than raft-rs asks for, since it calls every election news. Knows nothing of what is said.

use slog::{Drain, KV, Level, Logger, Never, OwnedKVList, Record, Serializer};
use std::fmt::{Arguments, Write};

struct ToTracing;

/// The logger that raft-rs is given.
pub(crate) fn logger() -> Logger {
    Logger::root(ToTracing, slog::o!())
}

impl Drain for ToTracing {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        match record.level() {
            Level::Critical | Level::Error => tracing::error!("{}", line(record, values)),
            Level::Warning => tracing::warn!("{}", line(record, values)),
            Level::Info if tracing::enabled!(tracing::Level::DEBUG) => {
                tracing::debug!("{}", line(record, values));
            }
            Level::Debug | Level::Trace if tracing::enabled!(tracing::Level::TRACE) => {
                tracing::trace!("{}", line(record, values));
            }
            Level::Info | Level::Debug | Level::Trace => {}
        }
        Ok(())
    }
}

fn line(record: &Record<'_>, values: &OwnedKVList) -> String {
    let mut pairs = Pairs(record.msg().to_string());
    // Writing into a string cannot fail, and a pair that fails to format is only left out.
    let _ = record.kv().serialize(record, &mut pairs);
    let _ = values.serialize(record, &mut pairs);
    pairs.0
}

struct Pairs(String);

impl Serializer for Pairs {
    fn emit_arguments(&mut self, key: slog::Key, value: &Arguments<'_>) -> slog::Result {
        write!(self.0, " {key}={value}").map_err(slog::Error::from)
    }
}
