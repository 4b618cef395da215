//! placeholder head

pub mod event;
pub mod status;
