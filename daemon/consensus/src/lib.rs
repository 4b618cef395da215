//! placeholder head: written by its owner

pub mod log_codec;
pub mod log_record;
pub use log_record::LogRecord;
