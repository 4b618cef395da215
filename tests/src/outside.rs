//! The shipped program from outside: its files laid out, its processes, its clients and pages, and figures about them.
//!
//! What the bench and the chaos runner have in common. Knows nothing of the simulator, which shares this library.

pub mod kv;
pub mod layout;
pub mod pages;
pub mod processes;
pub mod series;
pub mod surroundings;
pub mod trouble;
