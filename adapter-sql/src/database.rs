//! An application's database, as capture, apply and audit need it: one trait, implemented once for each kind of database.
//!
//! What is decided (what belongs together, what changed, what is signed, put back, reported) is common and stands in
//! [`crate::capture`] and its neighbours. What is spelt (SQL, types, locks, catalogues) is a dialect's: [`crate::sqlite`],
//! `postgres`. Whoever adds another database implements [`Database`] in a folder of its own.
//!
//! A database is used by one thread, and has at most one transaction open at a time: from `begin_read` or `begin_write` to
//! `commit` or `rollback`. Every function runs inside it where one is open. After an error the transaction is over.

mod error;
mod queue;
mod row;
mod state;
mod transaction;

use std::collections::BTreeSet;

use treaty_engine::relation::RowId;
use treaty_engine::replica::Shown;
use treaty_schema::Schema;

pub use error::{Cause, DatabaseError};
pub use queue::{Nameless, Queue, QueuedRow, SeqRanges};
pub use row::{
    After, COMMITTED, Fate, Form, Found, Marks, Others, PENDING, REVERTED, Rollback, StoredId, TablePage, TableRow,
};
pub use state::{Existing, Node, State, Tables, Uninstalled, parse_version, print_version};
pub use transaction::{in_read, in_write, in_write_of};

use crate::capture::{Image, Report, ShownRow, Step};

/// What a write transaction is about to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteScope<'s> {
    /// Bookkeeping, and rows that are [held](Database::hold) one by one.
    Bookkeeping,
    /// These rows: nobody else writes them until the transaction ends. Locked in a stable order, waiting for whoever has them.
    Rows(&'s [ShownRow]),
    /// Any row of any replicated table: nobody else writes any until the transaction ends, and all that was committed before
    /// is seen in one snapshot.
    Everything,
}

/// What nobody else can write while a write transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What was asked for.
    Asked,
    /// Anything: [`WriteScope::Everything`] was asked for, or the database has one writer at a time.
    Everything,
}

/// What to make of a database that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// An error.
    Refused,
    /// It is made, where that is ours to do.
    Created,
}

/// How much of a table is read at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageBounds {
    /// Rows, at most.
    pub rows_max: usize,
    /// Bytes of values after which no further row is read.
    pub bytes_max: usize,
}

/// What a look at the database found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nobody else committed since the last look.
    Unchanged,
    /// Somebody may have.
    Changed,
}

/// What a check of triggers and columns found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// Everything is in place.
    InOrder,
    /// Triggers or columns were missing and are there again; changes may have gone unnoticed: audit.
    Mended {
        /// The tables, by name.
        tables: Vec<String>,
    },
}

/// An application's database of one kind.
///
/// # Errors
/// Every function: [`DatabaseError`]. [`DatabaseError::Busy`] means that trying again later is right.
pub trait Database: Send {
    /// Returns how messages name the database; never with a password.
    fn name(&self) -> String;

    /// Says which tables there are: right after opening, before anything but [`Database::state`], [`Database::uninstall`] and
    /// what only looks. Tables are named by index into these from then on.
    fn use_schema(&mut self, schema: &Schema);

    /// Counts how often the connection was lost: what was committed last may be lost with it, where another server took over.
    fn losses(&self) -> u64 {
        0
    }

    // Transactions.

    /// Begins a transaction that only reads: one snapshot, however many statements follow.
    fn begin_read(&mut self) -> Result<(), DatabaseError>;

    /// Begins a transaction that writes.
    fn begin_write(&mut self, scope: WriteScope<'_>) -> Result<Reach, DatabaseError>;

    /// Commits; `doing` names what failed if it fails. Deferred constraints are checked here: [`DatabaseError::InTheWay`].
    fn commit(&mut self, doing: &'static str) -> Result<(), DatabaseError>;

    /// Rolls back, if a transaction is open. What cannot be rolled back any more is gone anyway.
    fn rollback(&mut self);

    /// Sets the one savepoint.
    fn savepoint(&mut self) -> Result<(), DatabaseError>;

    /// Goes back to the savepoint and forgets it.
    fn rollback_to_savepoint(&mut self) -> Result<(), DatabaseError>;

    /// Forgets the savepoint.
    fn release_savepoint(&mut self) -> Result<(), DatabaseError>;

    // The queue.

    /// Says whether lines tell their transaction. If not, a backlog is cut at pauses.
    fn knows_transactions(&self) -> bool;

    /// Reads the queue in planning order: lines of one transaction together, transactions so that whatever depends on
    /// another comes later.
    fn read_queue(&mut self) -> Result<Queue, DatabaseError>;

    /// Says whether no row waits in the queue.
    fn is_queue_empty(&mut self) -> Result<bool, DatabaseError>;

    /// Reads what the tables hold for rows that lines name: for the first of `rows` and as many after it as fit in memory,
    /// in order. One at least if `rows` is not empty.
    fn read_queued(&mut self, rows: &[QueuedRow]) -> Result<Vec<Found>, DatabaseError>;

    /// Returns those of `rows` that a line outside of `seen` names: touched since a snapshot that showed exactly those lines.
    fn touched_outside(&mut self, rows: &[ShownRow], seen: &SeqRanges) -> Result<BTreeSet<ShownRow>, DatabaseError>;

    /// Says whether a line names one of these rows.
    fn has_lines(&mut self, rows: &[ShownRow]) -> Result<bool, DatabaseError> {
        Ok(!self.touched_outside(rows, &SeqRanges::default())?.is_empty())
    }

    /// Takes lines out of the queue, exactly these. Their numbers are never used again.
    fn remove_lines(&mut self, taken: &SeqRanges) -> Result<(), DatabaseError>;

    /// Adds lines for rows that no trigger noted.
    ///
    /// * `author` - whom the lines name; only where the database's lines can name one.
    fn append_lines(&mut self, table: usize, ids: &[StoredId], author: Option<&str>) -> Result<(), DatabaseError>;

    /// Adds a line for every row of a table; returns how many.
    fn append_all(&mut self, table: usize) -> Result<u64, DatabaseError>;

    /// Returns the ids that lines of a table name, as text.
    fn queued_ids(&mut self, table: usize) -> Result<BTreeSet<String>, DatabaseError>;

    /// Counts rows that wait in the queue.
    fn waiting(&mut self) -> Result<u64, DatabaseError>;

    // Rows.

    /// Keeps our triggers still until [`Database::wake_triggers`] or the end of the transaction.
    fn rest_triggers(&mut self) -> Result<(), DatabaseError>;

    /// Ends [`Database::rest_triggers`].
    fn wake_triggers(&mut self) -> Result<(), DatabaseError>;

    /// Keeps others from writing rows until the transaction ends, without waiting; returns those that others changed since a
    /// snapshot that showed exactly the lines `seen`, or have. What is in neither set never becomes so.
    fn hold(&mut self, rows: &[ShownRow], seen: &SeqRanges) -> Result<Others, DatabaseError>;

    /// Sets status and author of rows of a table.
    fn mark(&mut self, table: usize, ids: &[StoredId], marks: Marks<'_>) -> Result<(), DatabaseError>;

    /// Sets status and author of all rows of a table that `taken` lines name and no line outside of `seen` does, if that is
    /// cheaper than [`Database::mark`] row by row and safe; says whether it was done.
    fn mark_taken(
        &mut self,
        table: usize,
        taken: &SeqRanges,
        seen: &SeqRanges,
        marks: Marks<'_>,
    ) -> Result<bool, DatabaseError>;

    /// Writes rows as the engine decided, whatever unique values they pass among each other; what the tables hold in between
    /// need not be consistent. Rows under other spellings of their ids are not looked for.
    ///
    /// [`DatabaseError::Obstructed`], [`DatabaseError::InTheWay`]: something that the log does not know stands in the way.
    fn write(&mut self, fates: &[Fate]) -> Result<(), DatabaseError>;

    /// Checks references that rows just written hold, and that nothing refers to rows just removed.
    fn check_references(&mut self, fates: &[Fate]) -> Result<(), DatabaseError>;

    /// Overwrites a row that may be spelt otherwise.
    fn overwrite(&mut self, table: usize, id: &StoredId, cells: &Image, marks: Marks<'_>) -> Result<(), DatabaseError>;

    /// Deletes the row whose id is stored exactly so, if it is there.
    fn delete_stored(&mut self, table: usize, id: &StoredId) -> Result<(), DatabaseError>;

    /// Prints the row whose id is stored exactly so as JSON, as it is stored; none if it is not there.
    fn read_raw_json(&mut self, table: usize, id: &StoredId) -> Result<Option<String>, DatabaseError>;

    /// Reads rows of a table in id order, after `after`.
    ///
    /// * `bounds` - where the page ends; one row at least if there is one.
    fn read_page(&mut self, table: usize, after: Option<RowId>, bounds: PageBounds)
    -> Result<TablePage, DatabaseError>;

    /// Reads one row.
    fn read_row(&mut self, row: ShownRow) -> Result<Option<TableRow>, DatabaseError>;

    // What the tables show.

    /// Reads the state; none if Treaty is not installed.
    fn state(&mut self) -> Result<Option<State>, DatabaseError>;

    /// Reads what the tables show.
    fn shown(&mut self) -> Result<Shown, DatabaseError>;

    /// Returns what the tables showed in each view from `from` on (or from the oldest kept, if that is later), ascending;
    /// the last is what they show. Where all work is done on what the tables show, that is the only view: 0.
    fn views(&mut self, from: i64) -> Result<Vec<(i64, Shown)>, DatabaseError>;

    /// Says what the tables show in these views, which are all from the first on: local work was added to them. Views before
    /// the first are forgotten.
    fn set_views(&mut self, views: &[(i64, Shown)]) -> Result<(), DatabaseError>;

    /// Says what the tables show from now on: a batch was applied.
    fn add_view(&mut self, shown: &Shown) -> Result<(), DatabaseError>;

    // Reports.

    /// Adds a report; returns its cursor.
    fn add_report(&mut self, report: &Report) -> Result<i64, DatabaseError>;

    /// Says whether a report of this reason about a row still stands.
    fn report_stands(&mut self, table: &str, row: RowId, reason: &str) -> Result<bool, DatabaseError>;

    /// Takes back what reports of this reason say about a row: they are marked as reinstated, and told again under new
    /// cursors.
    fn reinstate_row(&mut self, table: &str, row: RowId, reason: &str) -> Result<(), DatabaseError>;

    /// Takes back the report that an operation was rolled back, as [`Database::reinstate_row`] does; says whether there was
    /// one.
    fn reinstate_step(&mut self, entry: &str, step: Step) -> Result<bool, DatabaseError>;

    /// Marks a report as one that is not so any more.
    fn mark_reinstated(&mut self, cursor: i64) -> Result<(), DatabaseError>;

    /// Returns the cursor of the last report; 0 if there is none.
    fn rollbacks_end(&mut self) -> Result<i64, DatabaseError>;

    /// Reads reports after a cursor, in order.
    fn rollbacks(&mut self, after: i64, count_max: u32) -> Result<Vec<Rollback>, DatabaseError>;

    // Installing, and keeping installed.

    /// Runs the migrations that came after the installation. Nothing if Treaty is not installed. Outside of a transaction.
    fn migrate(&mut self) -> Result<(), DatabaseError>;

    /// Makes bookkeeping, the tables that are missing, and triggers; fits the tables that are there.
    /// In a transaction of [`WriteScope::Everything`], or before there are tables to lock.
    fn install(&mut self, existing: Existing) -> Result<Tables, DatabaseError>;

    /// Writes the state for the first time, in the transaction of [`Database::install`].
    fn create_state(&mut self, state: &State) -> Result<(), DatabaseError>;

    /// Finds out whether all that will be written can be.
    fn check_writable(&mut self) -> Result<(), DatabaseError>;

    /// Checks triggers and columns if anybody changed the database's schema since the last check, and mends them, in a
    /// transaction of its own.
    fn check_triggers(&mut self) -> Result<Checked, DatabaseError>;

    /// Takes Treaty out, in a transaction of its own; tables and rows stay.
    fn uninstall(&mut self) -> Result<Uninstalled, DatabaseError>;

    /// Describes where the database is, so that a copy is told from it.
    fn describe_place(&mut self) -> Result<String, DatabaseError>;

    // The rhythm of a sidecar.

    /// Looks whether somebody else committed since the last look. Cheap.
    fn look(&mut self) -> Result<Look, DatabaseError>;

    /// Returns a number that stays the same while nobody else commits; none if the database has none.
    fn change_mark(&mut self) -> Result<Option<i64>, DatabaseError>;

    /// Does what is to be done after a batch, outside of transactions.
    fn tidy(&mut self) -> Result<(), DatabaseError>;

    /// Calls `on_event`, from a thread of its own, when somebody may have written, until what is returned is dropped. None
    /// if the database gives no events: then looking must do.
    fn watch(&mut self, on_event: Box<dyn Fn() + Send>) -> Option<Box<dyn Watch>>;

    /// Returns how often to look until the next look.
    fn rhythm(&self) -> Rhythm;
}

/// Events go on while it lives.
pub trait Watch {}

/// Pauses between looks: each is longer than the one before, until something is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// First pause after something was found, in milliseconds; at least 1.
    pub pause_ms_min: u64,
    /// By which part of itself a pause is longer than the one before, and by a millisecond at least: 1 doubles it. Where there
    /// are no events, a write comes late by such a part of the time since the last one.
    pub growth_part: u64,
    /// Longest pause, in milliseconds: how late a write is noticed at most where there are no events.
    pub pause_ms_max: u64,
}
