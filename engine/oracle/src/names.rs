//! What co-transactions are called, and the order that all replicas agree on.

use treaty_engine::hash::EntryId;
use treaty_engine::relation::RowName;

/// A co-transaction, named for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoTxName {
    /// The entry that carries it.
    pub entry: EntryId,
    /// Its index in the entry.
    pub transaction: u32,
}

impl CoTxName {
    /// The co-transaction of an operation; of a row's name, the one that inserted the row.
    pub fn of(name: RowName) -> CoTxName {
        CoTxName { entry: name.entry, transaction: name.transaction }
    }

    /// One of its operations.
    pub(crate) fn operation(self, operation: u32) -> RowName {
        RowName { entry: self.entry, transaction: self.transaction, operation }
    }
}

/// The place of a co-transaction in a total order of all that extends before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Height of its entry.
    pub height: u64,
    /// Its entry.
    pub entry: EntryId,
    /// Its index in the entry.
    pub transaction: u32,
}
