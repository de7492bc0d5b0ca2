//! Reading for a while from one state of the file, without asking for a lock at every statement.

use crate::fault::StoreError;
use crate::store::sqlite::{Sqlite, failed};

/// Keeps what is read through its store at one state. Dropped, it lets go.
#[derive(Debug)]
pub struct Snapshot<'s> {
    store: &'s Sqlite,
    /// A transaction was open already: whoever opened it ends it.
    is_nested: bool,
}

impl Sqlite {
    /// Reads from the state of now until the snapshot is dropped. Inside a write transaction it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if the file cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        let is_nested = !self.connection.is_autocommit();
        if !is_nested {
            self.run("beginning to read", "BEGIN")?;
        }
        Ok(Snapshot { store: self, is_nested })
    }
}

impl Sqlite {
    /// Of a store opened for reading beside its writer: reads from the state of now for as long as it is open, so that what
    /// is read of it once stays true. Of others it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if the file cannot be read.
    pub fn hold_if_read_only(&self) -> Result<(), StoreError> {
        let is_read_only = self.connection.is_readonly("main").map_err(failed("asking how the file is open"))?;
        if is_read_only && self.connection.is_autocommit() {
            self.run("beginning to read", "BEGIN")?;
        }
        Ok(())
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if !self.is_nested && !self.store.connection.is_autocommit() {
            // Nothing was written. A failure here ends the transaction in SQLite, too.
            let _ = self.store.run("ending to read", "COMMIT");
        }
    }
}
