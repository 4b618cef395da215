//! What etcd's clients speak: its KV service and the first calls of its clients over gRPC, with what must be forgiven them before the
//! HTTP/2 library sees their bytes. Another of etcd's services is another file beside these, and its lines in `paths.rs`.
//!
//! Invariant: names, numbers and refusals are etcd's own, word for word; what is not served is refused by name.

mod authority;
pub(super) mod first_calls;
pub(super) mod kv;
pub(super) mod lenient;
pub(super) mod words;
