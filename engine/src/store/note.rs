//! Notes: opaque bytes under a key, committed with the writes that they go with.

use rusqlite::params;

use crate::fault::StoreError;
use crate::store::sqlite::Sqlite;
use crate::store::tx::WriteTx;

impl Sqlite {
    /// Returns the note under a key.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn note(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one("reading a note", "SELECT bytes FROM note WHERE key = ?1", params![key], |row| row.get(0))
    }
}

impl WriteTx<'_> {
    /// Puts a note under a key, in place of the one that was there.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn set_note(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO note(key, bytes) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET bytes = excluded.bytes";
        self.write("writing a note", sql, params![key, bytes]).map(|_| ())
    }

    /// Removes the note under a key, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn delete_note(&self, key: &str) -> Result<(), StoreError> {
        self.write("removing a note", "DELETE FROM note WHERE key = ?1", params![key]).map(|_| ())
    }
}
