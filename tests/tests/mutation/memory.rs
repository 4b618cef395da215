//! How much memory a piece of code may take, and the check that it took no more.
//!
//! Counts what this thread allocates while the code runs, at its highest; a reallocation counts both blocks.

/// What an input of some length may cost at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Bytes of memory for each byte of input.
    pub(crate) per_byte: u64,
    /// Bytes of memory for any input.
    pub(crate) constant: u64,
}

/// Runs the code. Fails when it holds more memory at any time than an input of `length` bytes may cost.
pub(crate) fn within<R>(bound: Bound, length: usize, code: impl FnOnce() -> R) -> R {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(code()));
    let allowed = bound.constant + bound.per_byte * length as u64;
    assert!(
        taken.bytes_max <= allowed,
        "{} bytes of memory for an input of {length}, at most {allowed} are allowed",
        taken.bytes_max
    );
    result.expect("the code has run")
}
