//! The state as bytes: written from a clone, and read back without believing them.

pub(crate) mod fields;
pub(crate) mod frame;
#[cfg(test)]
mod fuzz;
pub(crate) mod record;
mod restore;
mod write;
