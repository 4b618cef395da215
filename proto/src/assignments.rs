//! Assignments: named items, each held by exactly one live host, or by none for a moment, never by two.
//!
//! The number of a grant is the fencing token of its item: it grows with each holder, and with each start of one that takes its items over.
//! Knows nothing of who gives.

use crate::{Generation, Instance, Label, limits, scope};

/// Which items that are held move by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Rebalance {
    /// Those of a host that has more than one above its share.
    Lazy = 0,
    /// Those of a host that has more than its share.
    Eager = 1,
    /// None, as long as their host may hold them.
    Never = 2,
}

impl Rebalance {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lazy => "lazy",
            Self::Eager => "eager",
            Self::Never => "never",
        }
    }
}

/// An assignment, as an operator defines it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Assignment {
    /// Its name: 1 to `limits::BUDGET_NAME` of `a-z`, `0-9`, `.`, `_` and `-`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// So many items, whose names are 0, 1 and so on; 0: they have names of their own.
    #[prost(uint32, tag = "2")]
    pub count: u32,
    /// Their names, of the same letters, where they are not counted.
    #[prost(string, repeated, tag = "3")]
    pub names: Vec<String>,
    /// Hosts with all of these labels may hold them; none: all hosts may. At most `limits::BUDGET_SCOPE`.
    #[prost(message, repeated, tag = "4")]
    pub scope: Vec<Label>,
    /// For so long an item may be held behind the renewal that brought it, in milliseconds.
    #[prost(uint64, tag = "5")]
    pub ttl_ms: u64,
    /// Which items that are held move by themselves.
    #[prost(enumeration = "Rebalance", tag = "6")]
    pub rebalance: i32,
}

impl Assignment {
    /// That there is none of a name, in words.
    #[must_use]
    pub fn unknown(name: &str) -> String {
        format!("no assignment is named `{name}`; `quorate assign list` shows those that there are")
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Self { name, count, names, scope, ttl_ms, rebalance } = self;
        let most = limits::ITEMS;
        if let Some(fault) = scope::name_fault("an assignment", name, limits::BUDGET_NAME) {
            return Some(fault);
        }
        if (*count == 0) == names.is_empty() {
            return Some("items are counted, or have names: one of the two".to_owned());
        }
        if self.items() > most {
            return Some(format!("there are {} items, and may be {most}", self.items()));
        }
        let fault = |name: &String| scope::name_fault("an item", name, limits::ITEM_NAME);
        if let Some(fault) = names.iter().find_map(fault) {
            return Some(fault);
        }
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        if let Some(twice) = sorted.windows(2).find(|two| two[0] == two[1]) {
            return Some(format!("the item {} is named twice", twice[0]));
        }
        if let Some(fault) = scope::ttl_fault(*ttl_ms).or_else(|| scope::fault(scope)) {
            return Some(fault);
        }
        let known = Rebalance::try_from(*rebalance).is_ok();
        (!known).then(|| "rebalance is lazy, eager or never".to_owned())
    }

    /// How many items there are.
    #[must_use]
    pub fn items(&self) -> usize {
        if self.names.is_empty() { self.count as usize } else { self.names.len() }
    }

    /// The name of an item.
    #[must_use]
    pub fn item(&self, at: u32) -> String {
        self.names.get(at as usize).cloned().unwrap_or_else(|| at.to_string())
    }

    /// Whether another definition has the same items at the same places, and perhaps more behind them.
    #[must_use]
    pub fn goes_on_in(&self, other: &Self) -> bool {
        match self.names.is_empty() {
            true => other.names.is_empty() && other.count >= self.count,
            false => other.names.starts_with(&self.names),
        }
    }

    /// Whether a host with these labels may hold items of it.
    #[must_use]
    pub fn is_for(&self, labels: &[Label]) -> bool {
        scope::holds(&self.scope, labels)
    }
}

/// How far an item is with its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ItemState {
    /// It was given to a host that has not said yet that its application was told.
    Given = 0,
    /// Its holder's application was told.
    Held = 1,
    /// Its holder was asked to let go: it is free once it has, or once what was told before has lapsed.
    Leaving = 2,
}

impl ItemState {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Held => "held",
            Self::Leaving => "leaving",
        }
    }
}

/// An item with its holder.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ItemGrant {
    /// Which, by its place in the definition.
    #[prost(uint32, tag = "1")]
    pub item: u32,
    /// The holder's disk life, ...
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
    /// ... which of its starts, ...
    #[prost(message, required, tag = "3")]
    pub generation: Generation,
    /// ... its name, ...
    #[prost(string, tag = "4")]
    pub host: String,
    /// ... and where other nodes reach it, when it was given.
    #[prost(string, tag = "5")]
    pub address: String,
    /// How far it is.
    #[prost(enumeration = "ItemState", tag = "6")]
    pub state: i32,
    /// The fencing token: a resource that remembers the newest can refuse an older one.
    #[prost(uint64, tag = "7")]
    pub number: u64,
    /// Grows with each change that the holder has to hear of.
    #[prost(uint64, tag = "8")]
    pub changed: u64,
}

/// An assignment as it is committed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AssignmentRecord {
    /// What an operator defined.
    #[prost(message, required, tag = "1")]
    pub assignment: Assignment,
    /// Which change of it this is; no two changes have the same.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// It is to go: nothing is given any more, and it is forgotten once all is freed.
    #[prost(bool, tag = "3")]
    pub removing: bool,
    /// The cluster was founded anew since: what was given behind this state may be in use for one full lapse.
    #[prost(bool, tag = "4")]
    pub waits: bool,
    /// In the order of items; one that nobody holds is not here.
    #[prost(message, repeated, tag = "5")]
    pub grants: Vec<ItemGrant>,
    /// How many changes of grants there were.
    #[prost(uint64, tag = "6")]
    pub changes: u64,
}

impl AssignmentRecord {
    /// The grant of an item.
    #[must_use]
    pub fn grant(&self, item: u32) -> Option<&ItemGrant> {
        let place = self.grants.binary_search_by_key(&item, |grant| grant.item).ok()?;
        self.grants.get(place)
    }
}

/// Defines an assignment, or defines it otherwise.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DefineAssignment {
    /// As it is to be.
    #[prost(message, required, tag = "1")]
    pub assignment: Assignment,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// Has an assignment go, once all of its items are freed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RemoveAssignment {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// Changes holders of items of an assignment, all or none.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChangeItems {
    /// Of which.
    #[prost(string, tag = "1")]
    pub assignment: String,
    /// Void unless this is its version.
    #[prost(uint64, tag = "2")]
    pub if_version: u64,
    /// In this order: an item is freed before it is given again.
    #[prost(message, repeated, tag = "3")]
    pub changes: Vec<ItemChange>,
    /// The leader has waited for one full lapse since it led.
    #[prost(bool, tag = "4")]
    pub waited: bool,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "5")]
    pub at_unix_ms: u64,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ItemChange {
    /// Of which item.
    #[prost(uint32, tag = "1")]
    pub item: u32,
    /// Void unless this is the number of its grant; 0: it must be free.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    /// What happens to it.
    #[prost(enumeration = "ItemStep", tag = "3")]
    pub step: i32,
    /// To whom it is given, or by which start it is taken over.
    #[prost(message, optional, tag = "4")]
    pub to: Option<ItemHolder>,
}

/// What happens to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ItemStep {
    /// Nothing that is known here.
    Unknown = 0,
    /// It was free, and is given to a host.
    Give = 1,
    /// Its holder's application was told.
    Hold = 2,
    /// Its holder is asked to let go.
    Leave = 3,
    /// It is free: its holder let go.
    Release = 4,
    /// It is free: its holder may use it no more, by any clock.
    Lapse = 5,
    /// The next start of its holder takes it over.
    TakeOver = 6,
    /// It is free: what its holder did with it was ended from outside. No leader decides that.
    Fenced = 7,
}

impl ItemStep {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Give => "give",
            Self::Hold => "hold",
            Self::Leave => "leave",
            Self::Release => "release",
            Self::Lapse => "lapse",
            Self::TakeOver => "take-over",
            Self::Fenced => "fenced",
        }
    }
}

/// One who is to hold an item.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ItemHolder {
    /// Its disk life.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Which of its starts.
    #[prost(message, required, tag = "2")]
    pub generation: Generation,
    /// Its name.
    #[prost(string, tag = "3")]
    pub host: String,
    /// Where other nodes reach it.
    #[prost(string, tag = "4")]
    pub address: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Assignment {
        Assignment { name: "p".to_owned(), count: 6, ttl_ms: 3_000, ..Assignment::default() }
    }

    fn named(names: &[&str]) -> Assignment {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Assignment { count: 0, names, ..counted() }
    }

    #[test]
    fn an_assignment_out_of_its_bounds_is_told_which() {
        assert_eq!(counted().fault(), None);
        assert_eq!(named(&["vip", "cron"]).fault(), None);
        let most = u32::try_from(limits::ITEMS).expect("a few");
        let wrong = [
            (Assignment { name: "a/b".to_owned(), ..counted() }, "name"),
            (Assignment { count: 0, ..counted() }, "one of the two"),
            (Assignment { count: 1, ..named(&["a"]) }, "one of the two"),
            (Assignment { count: most + 1, ..counted() }, "may be"),
            (named(&["a/b"]), "an item"),
            (named(&[&"a".repeat(limits::ITEM_NAME + 1)]), "an item"),
            (named(&["b", "a", "b"]), "twice"),
            (Assignment { ttl_ms: 999, ..counted() }, "ttl"),
            (Assignment { scope: vec![Label::default()], ..counted() }, "scope"),
            (Assignment { rebalance: 7, ..counted() }, "rebalance"),
        ];
        for (assignment, what) in wrong {
            let fault = assignment.fault().expect("it is out of its bounds");
            assert!(fault.contains(what), "{fault}");
        }
    }

    #[test]
    fn items_may_be_added_behind_those_that_there_are_and_none_taken_away() {
        assert!(counted().goes_on_in(&Assignment { count: 7, ..counted() }));
        assert!(!counted().goes_on_in(&Assignment { count: 5, ..counted() }));
        assert!(!counted().goes_on_in(&named(&["0", "1", "2", "3", "4", "5"])));
        assert!(named(&["a"]).goes_on_in(&named(&["a", "b"])));
        assert!(!named(&["a"]).goes_on_in(&named(&["b", "a"])));
        assert_eq!(
            (counted().item(4), named(&["vip"]).item(0)),
            ("4".to_owned(), "vip".to_owned())
        );
    }
}
