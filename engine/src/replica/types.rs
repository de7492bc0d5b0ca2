//! What goes into a replica and comes out of it, in the words of tables: ids as shown, values as cells.
//!
//! Tables and columns are indices into [`Schema::tables`](treaty_schema::Schema::tables) and
//! [`Table::columns`](treaty_schema::Table::columns) of the replica's schema. A foreign-key cell is a UUID, the id shown
//! of the row that it refers to.

use borsh::{BorshDeserialize, BorshSerialize};
use treaty_schema::{Patch, Value};

use crate::causality::Version;
use crate::codec::{CodecError, decode_canonical, encode};
use crate::cotx::{Refusal, VoidReason};
use crate::hash::EntryId;
use crate::identity::Identity;
use crate::relation::{RowId, RowName};

/// What tables of a database show: a version, and the verdicts on it as they stood at some moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, BorshSerialize, BorshDeserialize)]
pub struct Shown {
    /// The version.
    pub version: Version,
    /// The number of the last change of a verdict that counts. Grows with every change; local, never sent.
    pub basis: u64,
}

impl Shown {
    /// Empty tables.
    pub const NOTHING: Shown = Shown { version: Version::EMPTY, basis: 0 };

    /// Returns its one byte string.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads the bytes of [`Shown::to_bytes`].
    ///
    /// # Errors
    /// [`CodecError`] if they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Shown, CodecError> {
        decode_canonical(bytes)
    }
}

/// The beginning of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisDraft {
    /// Makes the first schema out of nothing.
    pub patch: Patch,
    /// The rows that the space starts with, in order; `author()` replaced by the founder.
    pub rows: Vec<LocalRow>,
    /// Random; makes two spaces of one founder and one schema different.
    pub nonce: [u8; 16],
}

/// A row to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRow {
    /// Index of the table.
    pub table: usize,
    /// One cell per column of the table, in its order, `id` included.
    pub cells: Vec<Option<Value>>,
}

/// A co-transaction of the local application: the net effect of one SQL transaction, each row touched once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalTransaction {
    /// In the order in which the application first touched the rows. A row that a policy relies on comes before its use.
    pub operations: Vec<LocalOperation>,
}

/// An operation of the local application. Ids are those shown at the version that it was written on.
///
/// Deleting a row and inserting another under its id are two operations on two rows, and may stand in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalOperation {
    /// Makes a row.
    Insert(LocalRow),
    /// Changes cells of a row.
    Update {
        /// Index of the table.
        table: usize,
        /// The row.
        id: RowId,
        /// Columns and their new cells: those that changed, each once. The replica completes column groups.
        cells: Vec<(usize, Option<Value>)>,
    },
    /// Ends a row.
    Delete {
        /// Index of the table.
        table: usize,
        /// The row.
        id: RowId,
    },
}

/// Local co-transactions to import.
#[derive(Debug, Clone, Copy)]
pub struct LocalWork<'w> {
    /// What the tables showed when the transactions ran.
    pub on: &'w Shown,
    /// In the order in which they ran.
    pub transactions: &'w [LocalTransaction],
    /// Kept with them, whether or not they stand; so is [`ImportOutcome::shown`] ([`Replica::note_shown`](super::Replica::note_shown)).
    pub note: Option<Note<'w>>,
    /// The local clock, in milliseconds since 1970. Advisory.
    pub time_ms: u64,
}

/// Bytes that a caller keeps in the replica's store, under a key, in the same write transaction as what they go with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note<'n> {
    /// Names the note; a later one of the same key replaces it.
    pub key: &'n str,
    /// Whatever the caller wants to find again.
    pub bytes: &'n [u8],
}

/// What became of local co-transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOutcome {
    /// The entries written, in order, each on top of the one before; none if everything was refused.
    pub entries: Vec<EntryId>,
    /// What the local tables show now, once refused co-transactions are reverted: `on` and the entries.
    pub shown: Shown,
    /// By co-transaction, in order: where it is in the log, or why not.
    pub transactions: Vec<Result<TransactionName, Refusal>>,
}

/// The name of a co-transaction of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionName {
    /// Its entry.
    pub entry: EntryId,
    /// Its index there.
    pub transaction: u32,
}

/// What became of entries from elsewhere. Each entry offered, and each parked one that they released, is in one list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestOutcome {
    /// Now in the log, parents before children.
    pub admitted: Vec<EntryId>,
    /// Waiting for parents.
    pub parked: Vec<EntryId>,
    /// In the log, or waiting, before.
    pub known: Vec<EntryId>,
    /// Never to be in the log, with everything that builds on them; each with why.
    pub refused: Vec<(EntryId, Refusal)>,
    /// Forgotten again for want of room: they came before their parents, and too many did.
    pub evicted: Vec<EntryId>,
}

impl IngestOutcome {
    /// Adds what became of later entries.
    pub(super) fn append(&mut self, mut later: IngestOutcome) {
        self.admitted.append(&mut later.admitted);
        self.parked.append(&mut later.parked);
        self.known.append(&mut later.known);
        self.refused.append(&mut later.refused);
        self.evicted.append(&mut later.evicted);
    }
}

/// The changes from what tables show to what they show later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What tables show that showed `from`, once the changes are made.
    pub to: Shown,
    /// By table and id shown, ascending; each id once. To be made together.
    pub changes: Vec<RowChange>,
    /// What was rolled back or reinstated between the two, by position and operation.
    pub reports: Vec<Report>,
    /// How many entries are in the version of `to` and not in that of `from`.
    pub entry_count: u64,
    /// Whether `to` is all that the replica holds.
    pub is_last: bool,
}

/// What applications are told of an operation whose verdict changed, or that is void when tables first show its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its entry.
    pub entry: EntryId,
    /// Index of its co-transaction in the entry.
    pub transaction: u32,
    /// Its index in the co-transaction.
    pub operation: u32,
    /// Index of the table.
    pub table: usize,
    /// The id under which the row was shown before, or is now.
    pub row: RowId,
    /// The permanent name of the row.
    pub name: RowName,
    /// What it does.
    pub verb: Verb,
    /// Who wrote it.
    pub author: Identity,
    /// What it wrote, by column: of an insert all cells, of a delete none. Lost, or there again.
    pub lost: Vec<(usize, Option<Value>)>,
    /// Live: reinstated.
    pub verdict: Verdict,
}

/// What holds of a co-transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stands.
    Live,
    /// It has no effect.
    Void {
        /// Which kind of condition is false.
        reason: VoidReason,
        /// A sentence for a person, in lower case without a full stop.
        message: String,
        /// The co-transaction that caused it, if there is one.
        culprit: Option<TransactionName>,
    },
}

/// What becomes of one id of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// Index of the table.
    pub table: usize,
    /// The id shown.
    pub id: RowId,
    /// The row shown under it from now on; none if there is none any more.
    pub row: Option<RowImage>,
}

/// A live row at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowImage {
    /// Its permanent name.
    pub name: RowName,
    /// One cell per column of the table, in its order, `id` included.
    pub cells: Vec<Option<Value>>,
    /// Who changed it last: the author of the write of greatest position among those that it shows.
    pub author: Identity,
}

/// A stretch of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// By height, then id, descending.
    pub items: Vec<LogItem>,
    /// The version that the next page starts from; none at the end of the log.
    pub next: Option<Version>,
}

/// An entry of the log with what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogItem {
    /// Its id.
    pub id: EntryId,
    /// Its height.
    pub height: u64,
    /// Who wrote it.
    pub author: Identity,
    /// When its author says it was written, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its parents.
    pub parents: Vec<EntryId>,
    /// Its co-transactions, in order.
    pub transactions: Vec<LogTransaction>,
}

/// A co-transaction of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTransaction {
    /// What it does.
    pub operations: Vec<LogOperation>,
    /// Whether it stands, by everything held.
    pub verdict: Verdict,
}

/// An operation of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOperation {
    /// What it does.
    pub verb: Verb,
    /// Index of the table.
    pub table: usize,
    /// The row.
    pub row: RowName,
    /// The id that the row's insert gave it.
    pub id: RowId,
    /// Columns written, with their cells; foreign keys as the ids that the inserts of their rows gave. None of a delete.
    pub cells: Vec<(usize, Option<Value>)>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Makes a row.
    Insert,
    /// Writes columns of a row.
    Update,
    /// Ends a row.
    Delete,
}
