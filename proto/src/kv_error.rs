//! Refusals of the keyspace: gRPC code and exact text of etcd, which clients match literally.

/// Why the keyspace refused a request. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "the text of each is its meaning")]
pub enum KvError {
    Unspecified = 0,
    KeyNotProvided = 1,
    KeyNotFound = 2,
    ValueProvided = 3,
    LeaseProvided = 4,
    TooManyOperations = 5,
    DuplicateKey = 6,
    RequestTooLarge = 7,
    Compacted = 8,
    FutureRevision = 9,
    LeaseNotFound = 10,
    NoSpace = 11,
    ReservedKey = 12,
    MixedSpaces = 13,
    AnswerTooLarge = 14,
    NestedTooDeep = 15,
    WriteReadsTooMuch = 16,
}

impl KvError {
    /// The text that clients see; etcd's own where etcd has one.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Unspecified => "etcdserver: unspecified error",
            Self::KeyNotProvided => "etcdserver: key is not provided",
            Self::KeyNotFound => "etcdserver: key not found",
            Self::ValueProvided => "etcdserver: value is provided",
            Self::LeaseProvided => "etcdserver: lease is provided",
            Self::TooManyOperations => "etcdserver: too many operations in txn request",
            Self::DuplicateKey => "etcdserver: duplicate key given in txn request",
            Self::RequestTooLarge => "etcdserver: request is too large",
            Self::Compacted => "etcdserver: mvcc: required revision has been compacted",
            Self::FutureRevision => "etcdserver: mvcc: required revision is a future revision",
            Self::LeaseNotFound => "etcdserver: requested lease not found",
            Self::NoSpace => "etcdserver: mvcc: database space exceeded",
            Self::ReservedKey => {
                "quorate: keys under __meta/ are quorate's own records and cannot be written"
            }
            Self::MixedSpaces => "quorate: a transaction may not mix __meta/ with other keys",
            Self::AnswerTooLarge => {
                "quorate: the answer is too large to be given whole; ask with a limit, or read in pages"
            }
            Self::WriteReadsTooMuch => {
                "quorate: a transaction that writes may read 10,000 keys at most; read the others before it"
            }
            Self::NestedTooDeep => "quorate: transactions are nested more than 8 deep",
        }
    }

    /// One stable word for programs that do not speak gRPC.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyNotProvided => "key-not-provided",
            Self::KeyNotFound => "key-not-found",
            Self::ValueProvided => "value-provided",
            Self::LeaseProvided => "lease-provided",
            Self::TooManyOperations => "too-many-operations",
            Self::DuplicateKey => "duplicate-key",
            Self::RequestTooLarge => "request-too-large",
            Self::Compacted => "compacted",
            Self::FutureRevision => "future-revision",
            Self::LeaseNotFound => "lease-not-found",
            Self::NoSpace => "keyspace-full",
            Self::ReservedKey => "reserved-key",
            Self::MixedSpaces => "mixed-spaces",
            Self::AnswerTooLarge => "answer-too-large",
            Self::WriteReadsTooMuch => "write-reads-too-much",
            Self::NestedTooDeep => "nested-too-deep",
        }
    }

    /// The sentence for people. Our own is the same in both, but for the mark of whose it is.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unspecified => "the keyspace refused this without a reason; nothing was changed",
            Self::KeyNotProvided => "the key is empty: name one, or ask for a prefix",
            Self::KeyNotFound => "there is no such key; nothing was changed",
            Self::ValueProvided => {
                "a write that keeps the value must not bring one; nothing was changed"
            }
            Self::LeaseProvided => {
                "a write that keeps the lease must not name one; nothing was changed"
            }
            Self::TooManyOperations => "a transaction has too many operations; nothing was changed",
            Self::DuplicateKey => "a transaction writes one key twice; nothing was changed",
            Self::RequestTooLarge => "the request is larger than 1.5 MiB; nothing was changed",
            Self::Compacted => {
                "that revision is not kept any more; read at a newer one, or at the newest by naming none"
            }
            Self::FutureRevision => "there is no such revision yet",
            Self::LeaseNotFound => "there is no such lease; nothing was changed",
            Self::NoSpace => {
                "the keyspace is full; nothing was changed. `quorate why` says what to delete"
            }
            Self::ReservedKey
            | Self::MixedSpaces
            | Self::AnswerTooLarge
            | Self::WriteReadsTooMuch
            | Self::NestedTooDeep => self.text().trim_start_matches("quorate: "),
        }
    }

    /// The gRPC status code number.
    #[must_use]
    pub fn grpc_code(self) -> i32 {
        match self {
            Self::Unspecified => 2,
            Self::Compacted | Self::FutureRevision => 11,
            Self::LeaseNotFound => 5,
            Self::NoSpace | Self::AnswerTooLarge => 8,
            Self::ReservedKey => 7,
            _ => 3,
        }
    }
}
