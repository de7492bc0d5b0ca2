//! Reading the application's database from a command: its shown version, its queue, its reports.
//!
//! Read only, on a connection of its own; works beside a running sidecar. Writing is the business of
//! [`crate::sqlite`] alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::objects::RollbackObject;
use super::rows::raw_json;

/// A connection that only reads.
pub(crate) struct Peek {
    connection: Connection,
    path: PathBuf,
}

/// Why the database cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeekError {
    /// It is not there, or is no database.
    #[error("opening database {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        #[source]
        cause: rusqlite::Error,
    },
    /// A query failed.
    #[error("reading database {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        #[source]
        cause: rusqlite::Error,
    },
    /// Treaty's tables are not there.
    #[error("{} does not have Treaty's tables; was `treaty uninstall` run, or is it another file?", path.display())]
    NotInstalled {
        /// The file.
        path: PathBuf,
    },
}

/// How long a read waits for a writer.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

impl Peek {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// [`PeekError::Open`], [`PeekError::NotInstalled`].
    pub(crate) fn open(path: &Path) -> Result<Peek, PeekError> {
        match Peek::open_if_installed(path)? {
            Some(peek) => Ok(peek),
            None => Err(PeekError::NotInstalled { path: path.to_owned() }),
        }
    }

    /// Says whether Treaty's tables are in the database at `path`; not if there is no such file.
    ///
    /// # Errors
    /// [`PeekError::Open`], [`PeekError::Read`].
    pub(crate) fn is_installed(path: &Path) -> Result<bool, PeekError> {
        Ok(path.exists() && Peek::open_if_installed(path)?.is_some())
    }

    fn open_if_installed(path: &Path) -> Result<Option<Peek>, PeekError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|cause| PeekError::Open { path: path.to_owned(), cause })?;
        let peek = Peek { connection, path: path.to_owned() };
        peek.connection.busy_timeout(BUSY_PATIENCE).map_err(peek.reading())?;
        let found = peek.count("SELECT count(*) FROM sqlite_schema WHERE name = 'treaty_state'")?;
        Ok((found > 0).then_some(peek))
    }

    /// Returns the version that the tables show, as the database spells it: entry ids separated by spaces.
    ///
    /// # Errors
    /// [`PeekError::Read`].
    pub(crate) fn shown(&self) -> Result<String, PeekError> {
        let shown = self.connection.query_row("SELECT shown FROM treaty_state", [], |row| row.get(0)).optional();
        Ok(shown.map_err(self.reading())?.unwrap_or_default())
    }

    /// Returns how many rows wait in the queue.
    ///
    /// # Errors
    /// [`PeekError::Read`].
    pub(crate) fn queued(&self) -> Result<u64, PeekError> {
        self.count(
            "SELECT count(*) FROM (SELECT DISTINCT table_name, row_id FROM treaty_queue WHERE table_name IS NOT NULL)",
        )
    }

    /// Returns how many reports stand: what they tell of is rolled back, and was not revived since.
    ///
    /// # Errors
    /// [`PeekError::Read`].
    pub(crate) fn rollback_count(&self) -> Result<u64, PeekError> {
        self.count("SELECT count(*) FROM treaty_rollbacks WHERE reinstated IS NULL")
    }

    /// Returns up to [`REPORTS_MAX`] reports after a cursor, in order.
    ///
    /// # Errors
    /// [`PeekError::Read`].
    pub(crate) fn rollbacks(&self, after: u64) -> Result<Vec<RollbackObject>, PeekError> {
        let sql = "SELECT cursor, entry, table_name, row_id, operation, author, lost, reason, message, culprit, noticed, \
                   reinstated FROM treaty_rollbacks WHERE cursor > ?1 ORDER BY cursor LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql).map_err(self.reading())?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let reports = statement.query_map((after, REPORTS_MAX), report).map_err(self.reading())?;
        reports.collect::<Result<_, _>>().map_err(self.reading())
    }

    fn count(&self, sql: &str) -> Result<u64, PeekError> {
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0)).map_err(self.reading())?;
        Ok(count.unsigned_abs())
    }

    fn reading(&self) -> impl Fn(rusqlite::Error) -> PeekError {
        let path = self.path.clone();
        move |cause| PeekError::Read { path: path.clone(), cause }
    }
}

/// Reports read at a time.
pub(crate) const REPORTS_MAX: i64 = 500;

fn report(row: &rusqlite::Row<'_>) -> rusqlite::Result<RollbackObject> {
    let lost: String = row.get("lost")?;
    Ok(RollbackObject {
        cursor: row.get::<_, i64>("cursor")?.unsigned_abs(),
        entry: row.get("entry")?,
        table: row.get("table_name")?,
        row: row.get("row_id")?,
        operation: row.get("operation")?,
        author: row.get("author")?,
        lost: raw_json(&lost),
        reason: row.get("reason")?,
        message: row.get("message")?,
        culprit: row.get("culprit")?,
        noticed: row.get("noticed")?,
        reinstated: row.get("reinstated")?,
    })
}
