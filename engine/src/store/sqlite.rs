//! The SQLite file: opening, its settings, its format, and how rows are read.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row};

use crate::fault::StoreError;
use crate::limits::{STORE_CACHE_KIB, STORE_STATEMENTS_MAX, STORE_WAL_PAGES};
use crate::store::gate::{WriteGate, WriteStep};

/// The format of the store file, kept in its `user_version`. Grows with every change of a table.
pub const FORMAT: u32 = 2;

/// What tells a store from other SQLite files: `TRTY`, kept in its `application_id`.
const APPLICATION_ID: i32 = 0x5452_5459;

/// The tables, a file per room.
const TABLES: [&str; 5] = [
    include_str!("log.sql"),
    include_str!("causality.sql"),
    include_str!("relation.sql"),
    include_str!("cotx.sql"),
    include_str!("note.sql"),
];

/// When a committed transaction is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the commit returns. For whatever takes local work: it exists nowhere else.
    Full,
    /// Soon after; a power failure may lose the last commits, never mix them. For entries that peers have, too.
    Normal,
}

/// One store file, with one connection.
pub struct Sqlite {
    pub(super) connection: Connection,
    gate: Option<Box<dyn WriteGate>>,
}

impl Sqlite {
    /// Opens a store for writing, and makes it if the file is missing or empty.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`], [`StoreError::NewerFormat`], [`StoreError::OlderFormat`], or [`StoreError::Sqlite`] if the file cannot be used.
    pub fn open(path: &Path, durability: Durability) -> Result<Sqlite, StoreError> {
        let connection = Connection::open(path).map_err(failed("opening the file"))?;
        let store = Sqlite { connection, gate: None };
        store.check_format_or_create()?;
        store.set_pragma("journal_mode", "wal")?;
        store.set_pragma(
            "synchronous",
            match durability {
                Durability::Full => "full",
                Durability::Normal => "normal",
            },
        )?;
        store.set_pragma("wal_autocheckpoint", STORE_WAL_PAGES)?;
        store.set_pragma("journal_size_limit", STORE_WAL_PAGES * 4096)?;
        store.configure()
    }

    /// Opens a store for reading beside the process that writes it.
    ///
    /// # Errors
    /// As [`Sqlite::open`]; a missing file is [`StoreError::Sqlite`].
    pub fn open_read_only(path: &Path) -> Result<Sqlite, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed("opening the file to read"))?;
        let store = Sqlite { connection, gate: None };
        if store.is_new()? {
            return Err(StoreError::NotAStore);
        }
        store.check_format()?;
        store.configure()
    }

    /// Makes a store in memory.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if memory is short.
    pub fn in_memory() -> Result<Sqlite, StoreError> {
        let connection = Connection::open_in_memory().map_err(failed("opening in memory"))?;
        let store = Sqlite { connection, gate: None };
        store.check_format_or_create()?;
        store.configure()
    }

    /// Lets every further write pass a gate first.
    #[must_use]
    pub fn guarded_by(self, gate: Box<dyn WriteGate>) -> Sqlite {
        Sqlite { gate: Some(gate), ..self }
    }

    /// Gives the memory of cached pages back: for a replica with nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if SQLite refuses.
    pub fn release_memory(&self) -> Result<(), StoreError> {
        self.connection.release_memory().map_err(failed("releasing memory"))
    }

    /// Asks the gate, if there is one.
    pub(super) fn pass(&self, step: WriteStep) -> Result<(), StoreError> {
        match &self.gate {
            None => Ok(()),
            Some(gate) => gate.pass(step).map_err(|_| StoreError::Gate { step: step.to_string() }),
        }
    }

    /// Reads at most one row.
    pub(super) fn one<T>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(doing))?;
        let mut rows = statement.query(params).map_err(failed(doing))?;
        let row = rows.next().map_err(failed(doing))?;
        row.map(read).transpose().map_err(failed(doing))
    }

    /// Reads all rows; the query bounds how many there can be.
    pub(super) fn all<T>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(doing))?;
        let rows = statement.query_map(params, read).map_err(failed(doing))?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }

    /// Runs a statement without rows, ungated: transaction control and opening only.
    pub(super) fn run(&self, doing: &'static str, sql: &str) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(doing))?;
        statement.execute([]).map(|_| ()).map_err(failed(doing))
    }

    fn check_format_or_create(&self) -> Result<(), StoreError> {
        if self.is_new()? {
            let doing = "making the tables";
            // Two processes may open a new file at once: the second finds it made.
            self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed(doing))?;
            let made = if self.is_new()? { self.create() } else { Ok(()) };
            let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
            self.connection.execute_batch(end).map_err(failed(doing))?;
            made?;
        }
        self.check_format()
    }

    fn create(&self) -> Result<(), StoreError> {
        for tables in TABLES {
            self.connection.execute_batch(tables).map_err(failed("making the tables"))?;
        }
        self.set_pragma("application_id", APPLICATION_ID)?;
        self.set_pragma("user_version", FORMAT)
    }

    fn is_new(&self) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM sqlite_schema";
        let tables = self.one("looking at the file", sql, [], |row| row.get::<_, i64>(0))?;
        Ok(tables == Some(0) && self.pragma("user_version")? == 0 && self.pragma("application_id")? == 0)
    }

    fn check_format(&self) -> Result<(), StoreError> {
        if self.pragma("application_id")? != i64::from(APPLICATION_ID) {
            return Err(StoreError::NotAStore);
        }
        let found = u32::try_from(self.pragma("user_version")?).map_err(|_| StoreError::NotAStore)?;
        if found < FORMAT {
            return Err(StoreError::OlderFormat { found, supported: FORMAT });
        }
        if found > FORMAT {
            return Err(StoreError::NewerFormat { found, supported: FORMAT });
        }
        Ok(())
    }

    fn configure(self) -> Result<Sqlite, StoreError> {
        let doing = "configuring the connection";
        self.connection.set_prepared_statement_cache_capacity(STORE_STATEMENTS_MAX);
        self.connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed(doing))?;
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed(doing))?;
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(failed(doing))?;
        // Without the planner's guarantee SQLite plans a cached statement anew whenever other values are bound to it.
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed(doing))?;
        self.set_pragma("foreign_keys", false)?;
        self.set_pragma("temp_store", "memory")?;
        self.set_pragma("cache_size", -STORE_CACHE_KIB)?;
        Ok(self)
    }

    fn pragma(&self, name: &str) -> Result<i64, StoreError> {
        self.connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed("reading a setting"))
    }

    fn set_pragma(&self, name: &str, value: impl rusqlite::ToSql) -> Result<(), StoreError> {
        self.connection.pragma_update(None, name, value).map_err(failed("setting a setting"))
    }
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.connection.path()).finish_non_exhaustive()
    }
}

/// Makes an error of the store out of SQLite's.
pub(super) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |cause| match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotAStore,
        _ => StoreError::Sqlite { doing, cause },
    }
}
