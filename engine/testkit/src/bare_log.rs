//! A log without admission: a store and its index, appended to as they are.

use treaty_engine::causality::{Index, PlaceError, Pos};
use treaty_engine::fault::StoreError;
use treaty_engine::log::Entry;
use treaty_engine::store::Sqlite;

/// A store with the index of its entries.
#[derive(Debug)]
pub struct BareLog {
    /// Where the entries are.
    pub store: Sqlite,
    /// Their index.
    pub index: Index,
}

impl BareLog {
    /// Makes an empty log in memory.
    pub fn in_memory() -> BareLog {
        BareLog::over(Sqlite::in_memory().expect("memory is enough")).expect("a new store can be read")
    }

    /// Takes a store.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn over(store: Sqlite) -> Result<BareLog, StoreError> {
        let index = Index::load(&store)?;
        Ok(BareLog { store, index })
    }

    /// Appends an entry whose parents are here, in a transaction of its own.
    ///
    /// # Errors
    /// [`PlaceError`] if it has no place; the log is then as before.
    pub fn append(&mut self, entry: &Entry) -> Result<Pos, PlaceError> {
        let placement = self.index.place(&self.store, entry.header())?;
        let pos = placement.pos();
        let tx = self.store.begin()?;
        self.index.write(&tx, entry, &placement)?;
        tx.commit()?;
        self.index.settle(placement);
        Ok(pos)
    }

    /// Appends entries of which parents come first, in one transaction. Returns their places.
    pub fn append_all<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) -> Vec<Pos> {
        let tx = self.store.begin().expect("a test's store can be written");
        let mut positions = Vec::new();
        for entry in entries {
            let placement = self.index.place(&*tx, entry.header()).expect("the entry has a place");
            self.index.write(&tx, entry, &placement).expect("a test's store can be written");
            positions.push(placement.pos());
            self.index.settle(placement);
        }
        tx.commit().expect("a test's store can be written");
        positions
    }

    /// Forgets what is in memory and reads it again, as after a restart.
    pub fn reload(&mut self) {
        self.index = Index::load(&self.store).expect("a test's store can be read");
    }
}
