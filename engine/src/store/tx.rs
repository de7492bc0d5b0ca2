//! The write transaction: all of it or nothing, with a savepoint for each entry.

use std::cell::Cell;
use std::ops::Deref;

use rusqlite::Params;

use crate::fault::StoreError;
use crate::store::gate::WriteStep;
use crate::store::sqlite::{Sqlite, failed};

/// The one open write transaction of a store. Reads through it see its writes. Dropped without
/// [`WriteTx::commit`], it leaves nothing.
#[derive(Debug)]
pub struct WriteTx<'s> {
    store: &'s Sqlite,
    /// A write failed: what is written is incomplete and must not be kept, whatever the caller thinks.
    is_broken: Cell<bool>,
}

impl Sqlite {
    /// Begins the write transaction.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if another process writes, or the store was opened for reading.
    pub fn begin(&mut self) -> Result<WriteTx<'_>, StoreError> {
        self.pass(WriteStep::Begin)?;
        self.run("beginning a transaction", "BEGIN IMMEDIATE")?;
        Ok(WriteTx { store: self, is_broken: Cell::new(false) })
    }
}

impl WriteTx<'_> {
    /// Makes the transaction durable.
    ///
    /// # Errors
    /// [`StoreError::Aborted`] if a write failed before; [`StoreError::Sqlite`] if the disk fails. Nothing is kept
    /// then, unless the disk kept it in spite of its answer: open the store anew to know.
    pub fn commit(self) -> Result<(), StoreError> {
        if self.is_broken.get() {
            return Err(StoreError::Aborted);
        }
        self.store.pass(WriteStep::Commit)?;
        self.store.run("committing", "COMMIT")?;
        self.store.pass(WriteStep::Committed)
    }

    /// Leaves nothing of the transaction.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if the disk fails; nothing is kept then, either.
    pub fn rollback(self) -> Result<(), StoreError> {
        self.end()
    }

    /// Does something of which either all or nothing stays in the transaction: an error undoes its writes.
    ///
    /// # Errors
    /// Whatever `work` answers, and [`StoreError`] if the savepoint fails.
    pub fn attempt<T, E: From<StoreError>>(&self, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        self.control("beginning a savepoint", "SAVEPOINT attempt")?;
        match work(self) {
            Ok(done) => {
                self.control("keeping a savepoint", "RELEASE attempt")?;
                Ok(done)
            }
            Err(refusal) => {
                self.control("undoing a savepoint", "ROLLBACK TO attempt")?;
                self.control("leaving a savepoint", "RELEASE attempt")?;
                Err(refusal)
            }
        }
    }

    /// Writes rows: the one way to do so. Returns how many.
    pub(super) fn write(&self, doing: &'static str, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        let written = self.store.pass(WriteStep::Row).and_then(|()| {
            let mut statement = self.store.connection.prepare_cached(sql).map_err(failed(doing))?;
            statement.execute(params).map_err(failed(doing))
        });
        self.is_broken.set(self.is_broken.get() || written.is_err());
        written
    }

    fn control(&self, doing: &'static str, sql: &str) -> Result<(), StoreError> {
        let done = self.store.run(doing, sql);
        self.is_broken.set(self.is_broken.get() || done.is_err());
        done
    }

    fn end(&self) -> Result<(), StoreError> {
        // Some failures end the transaction in SQLite already.
        if self.store.connection.is_autocommit() {
            return Ok(());
        }
        self.store.run("rolling back", "ROLLBACK")
    }
}

impl Deref for WriteTx<'_> {
    type Target = Sqlite;

    fn deref(&self) -> &Sqlite {
        self.store
    }
}

impl Drop for WriteTx<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a failure here: SQLite rolls back when the file is opened next.
        let _ = self.end();
    }
}
