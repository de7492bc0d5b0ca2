//! What relation keeps and looks up on disk: structure only, values stay in the payloads.
//!
//! Rows, writes, deletes, claims and references are kept for every admitted operation, whatever its verdict; nothing is
//! ever changed but [`Marks`], which only gain, and what is noted as released. The one SQLite implementation is in `store`.

use std::ops::{ControlFlow, Deref};

use super::payload::Span;
use super::{CoTx, RowId, RowKey};
use crate::crdt::{OperationKey, Rank};
use crate::fault::StoreError;
use crate::log::{LogStore, Pos};

/// What was ever true of a row at some version; lets readers skip looking for what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Marks(pub u8);

impl Marks {
    /// Some operation deletes it.
    pub const DELETED: Marks = Marks(1);
    /// Some operation updates it.
    pub const UPDATED: Marks = Marks(2);
    /// Another row was inserted under the same id.
    pub const TWIN: Marks = Marks(4);
    /// Its insert rests on nothing that makes senior.
    pub const UNGRANTED: Marks = Marks(8);

    /// Whether all of `marks` are set.
    pub fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 == marks.0
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, marks: Marks) -> Marks {
        Marks(self.0 | marks.0)
    }
}

/// A row as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRecord {
    /// Its insert.
    pub key: RowKey,
    /// Index of its table.
    pub table: usize,
    /// The id that its insert gave it.
    pub id: RowId,
    /// Where its insert lies in the payload.
    pub span: Span,
    /// What was ever true of it.
    pub marks: Marks,
}

/// An update of one column group of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteRecord {
    /// The update.
    pub key: OperationKey,
    /// What sorts it among the writes of its cell.
    pub rank: Rank,
    /// Where the update lies in the payload.
    pub span: Span,
}

/// A claim of a UNIQUE key by a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRecord {
    /// The row that claims.
    pub row: RowKey,
    /// The insert or update that claims.
    pub write: OperationKey,
}

/// A reference to a row by a write of a foreign-key column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceRecord {
    /// The row that refers.
    pub row: RowKey,
    /// Index of its table.
    pub table: usize,
    /// Index of the foreign key in that table.
    pub foreign_key: usize,
    /// The insert or update that refers.
    pub write: OperationKey,
}

/// The hash under which claims of one key, or guards of one lookup, are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexKey(pub [u8; 16]);

/// Continues or ends a walk.
pub type Walk = Result<ControlFlow<()>, StoreError>;

/// Reads what relation keeps. A row that is not what was once written is [`StoreError::Corrupt`].
pub trait RelationStore: LogStore {
    /// Returns a row by its key.
    fn row(&self, key: RowKey) -> Result<Option<RowRecord>, StoreError>;

    /// Returns the rows that an entry inserted, ascending by key.
    fn rows_of_entry(&self, pos: Pos) -> Result<Vec<RowRecord>, StoreError>;

    /// Returns the rows that were inserted into `table` under `id`, in no particular order.
    fn rows_with_id(&self, table: usize, id: RowId) -> Result<Vec<RowRecord>, StoreError>;

    /// Returns the row of `table` whose derived id is `id`, if it has twins.
    fn row_with_derived_id(&self, table: usize, id: RowId) -> Result<Option<RowKey>, StoreError>;

    /// Returns up to `count_max` rows of `table`, ascending by id and key, those after `after`.
    fn rows_of_table(
        &self,
        table: usize,
        after: Option<(RowId, RowKey)>,
        count_max: usize,
    ) -> Result<Vec<RowRecord>, StoreError>;

    /// Returns the row that a co-transaction, in the view of its past, is as senior as it is by; none if by none.
    fn granting_row(&self, of: CoTx) -> Result<Option<RowKey>, StoreError>;

    /// Returns the deletes of a row.
    fn deletes(&self, row: RowKey) -> Result<Vec<OperationKey>, StoreError>;

    /// Walks the updates of a group of a row, of heights up to `height_max`, descending by rank.
    fn writes(
        &self,
        row: RowKey,
        group: usize,
        height_max: u64,
        visit: &mut dyn FnMut(WriteRecord) -> Walk,
    ) -> Result<(), StoreError>;

    /// Walks the claims of a UNIQUE key that are open, or were closed at height `from` or above.
    fn claims(&self, key: IndexKey, from: u64, visit: &mut dyn FnMut(ClaimRecord) -> Walk) -> Result<(), StoreError>;

    /// Walks the references to a row.
    fn references(&self, target: RowKey, visit: &mut dyn FnMut(ReferenceRecord) -> Walk) -> Result<(), StoreError>;

    /// Walks the references to a row that some entries wrote.
    ///
    /// * `entries` - the first and the last place that is asked for.
    fn references_by(
        &self,
        target: RowKey,
        entries: (Pos, Pos),
        visit: &mut dyn FnMut(ReferenceRecord) -> Walk,
    ) -> Result<(), StoreError>;

    /// Walks the rows that a guard lookup finds, those that are there, or were deleted at height `from` or above.
    fn guards(&self, key: IndexKey, from: u64, visit: &mut dyn FnMut(RowKey) -> Walk) -> Result<(), StoreError>;

    /// Returns the rows that a guard lookup finds and that were deleted at height `from` or above, in no particular order.
    fn closed_guards(&self, key: IndexKey, from: u64) -> Result<Vec<(Rank, RowKey)>, StoreError>;

    /// Returns up to `count_max` rows that a guard lookup finds and that are there, ascending by rank and key, those after `after`.
    fn open_guards(
        &self,
        key: IndexKey,
        after: Option<(Rank, RowKey)>,
        count_max: usize,
    ) -> Result<Vec<(Rank, RowKey)>, StoreError>;
}

/// Writes what relation keeps, inside one write transaction; reads through its target, which shows the writes.
pub trait RelationWriter: Deref<Target: RelationStore> {
    /// Keeps a row.
    fn insert_row(&self, row: &RowRecord) -> Result<(), StoreError>;

    /// Sets marks of a row, keeping those it has.
    fn mark_row(&self, row: RowKey, marks: Marks) -> Result<(), StoreError>;

    /// Keeps the derived id of a row that has twins.
    fn insert_derived_id(&self, table: usize, id: RowId, row: RowKey) -> Result<(), StoreError>;

    /// Keeps an update of a group.
    fn insert_write(&self, row: RowKey, group: usize, write: &WriteRecord) -> Result<(), StoreError>;

    /// Keeps a delete.
    fn insert_delete(&self, row: RowKey, delete: OperationKey) -> Result<(), StoreError>;

    /// Keeps a claim.
    fn insert_claim(&self, key: IndexKey, claim: &ClaimRecord) -> Result<(), StoreError>;

    /// Notes the height of an entry that releases a claim, if the claim is open.
    fn close_claim(&self, key: IndexKey, claim: &ClaimRecord, height: u64) -> Result<(), StoreError>;

    /// Forgets that a claim is closed.
    fn open_claim(&self, key: IndexKey, claim: &ClaimRecord) -> Result<(), StoreError>;

    /// Keeps a reference.
    fn insert_reference(&self, target: RowKey, reference: &ReferenceRecord) -> Result<(), StoreError>;

    /// Keeps a row under a guard lookup.
    ///
    /// * `rank` - of its entry.
    fn insert_guard(&self, key: IndexKey, row: RowKey, rank: Rank) -> Result<(), StoreError>;

    /// Forgets that a row of a guard lookup was deleted.
    fn open_guard(&self, key: IndexKey, row: RowKey) -> Result<(), StoreError>;

    /// Notes the height of an entry that deletes a row of a guard lookup, if none is noted.
    fn close_guard(&self, key: IndexKey, row: RowKey, height: u64) -> Result<(), StoreError>;
}
