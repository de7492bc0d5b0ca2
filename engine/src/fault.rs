//! Who is at fault: every error of the engine maps to one [`Fault`]; and [`StoreError`], the one error of storage.
//!
//! A caller acts on the fault (drop the peer, tell the user, stop and report the disk, report a bug) and prints the
//! error. `StoreError` lives here, below all rooms, because every room's trait speaks of it.

/// Who is at fault when something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What came from another replica breaks the rules.
    Peer,
    /// What the local user, application or operator asked for cannot be done.
    Local,
    /// The disk, or what is on it, is broken or full.
    Storage,
    /// Treaty itself is wrong.
    Bug,
}

/// Why the store could not do something. Whatever it was, nothing of the open write transaction is kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite failed: disk full, I/O error, locked, or a broken file.
    #[error("{doing} failed in the store")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's own words.
        #[source]
        cause: rusqlite::Error,
    },
    /// A stored row is not what was once written.
    #[error("the store is corrupt: {what}")]
    Corrupt {
        /// What is wrong, and where.
        what: String,
    },
    /// The file was written by a newer Treaty.
    #[error("the store has format {found}, this program knows formats up to {supported}; use a newer Treaty")]
    NewerFormat {
        /// The format of the file.
        found: u32,
        /// The newest format this program reads.
        supported: u32,
    },
    /// The file was written by a Treaty older than verdicts.
    #[error("the store has format {found}, this program reads format {supported}; begin a new space, or join again")]
    OlderFormat {
        /// The format of the file.
        found: u32,
        /// The format that this program reads.
        supported: u32,
    },
    /// The file is a SQLite database, but not a store of Treaty.
    #[error("the file is not a Treaty store")]
    NotAStore,
    /// The write gate refused (failure injection in tests).
    #[error("write {step} was refused by the write gate")]
    Gate {
        /// Which write.
        step: String,
    },
    /// A commit was asked for after a write of the same transaction had failed.
    #[error("an earlier write of this transaction failed")]
    Aborted,
}

impl StoreError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            StoreError::Sqlite { .. } | StoreError::Corrupt { .. } | StoreError::Gate { .. } => Fault::Storage,
            StoreError::NewerFormat { .. } | StoreError::OlderFormat { .. } | StoreError::NotAStore => Fault::Local,
            StoreError::Aborted => Fault::Bug,
        }
    }

    /// Says that a stored row is not what was once written.
    pub fn corrupt(what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { what: what.into() }
    }
}
