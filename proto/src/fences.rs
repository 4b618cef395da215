//! What is said when the use of a grant was ended from outside: by a fence, or by an operator.
//!
//! Whoever says so means that nothing is used under that number at the resource any more, nor under an earlier one, and that nothing will
//! be: whatever the holder's application believes. Knows nothing of how that was brought about.

/// What a host may use of a budget was ended: its grant is free.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FreeGrant {
    /// Of which budget.
    #[prost(string, tag = "1")]
    pub budget: String,
    /// The holder, by the name that it had when it was granted, or by its disk life.
    #[prost(string, tag = "2")]
    pub holder: String,
    /// Void unless this is the number of its grant.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// Wall clock of the leader, milliseconds since 1970; for display only. Whoever asks leaves it out.
    #[prost(uint64, tag = "4")]
    pub at_unix_ms: u64,
    /// Void unless the holder's host has been away since this epoch: what was ended before it was back may be in use again, under the same
    /// number. 0: whoever asks answers for that.
    #[prost(uint64, tag = "5")]
    pub away_since_epoch: u64,
}

/// What a host did with an item was ended: the item is free.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FreeItem {
    /// Of which assignment.
    #[prost(string, tag = "1")]
    pub assignment: String,
    /// Its name.
    #[prost(string, tag = "2")]
    pub item: String,
    /// Void unless this is the number of its grant.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// Wall clock of the leader, milliseconds since 1970; for display only. Whoever asks leaves it out.
    #[prost(uint64, tag = "4")]
    pub at_unix_ms: u64,
    /// Void unless the holder's host has been away since this epoch: what was ended before it was back may be in use again, under the same
    /// number. 0: whoever asks answers for that.
    #[prost(uint64, tag = "5")]
    pub away_since_epoch: u64,
}
