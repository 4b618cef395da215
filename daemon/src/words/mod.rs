//! Words that belong to no room, because many write and read them alike.

pub(crate) mod time;
