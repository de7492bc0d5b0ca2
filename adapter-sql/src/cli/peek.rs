//! Reading the application's database from a command: its shown version, its queue, its reports.
//!
//! Read only, on a connection of its own; works beside a running sidecar. Writing is the business of
//! [`crate::sqlite`] alone.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;

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
    /// A cursor that no report had yet.
    #[error(
        "cursor {after} is ahead of the last report, {last}: it belongs to another database, or this one was restored \
         from a backup; read again from a cursor up to {last} and expect reports that you know"
    )]
    Ahead {
        /// The cursor.
        after: u64,
        /// The last one given.
        last: u64,
    },
    /// A bookkeeping table holds what Treaty never wrote.
    #[error("treaty_state.shown in {} is no version", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Treaty's tables are not there.
    #[error("{} does not have Treaty's tables; was `treaty uninstall` run, or is it another file?", path.display())]
    NotInstalled {
        /// The file.
        path: PathBuf,
    },
}

/// Where an application's database stands.
#[derive(Debug)]
pub(crate) struct DatabaseState {
    /// The version that the tables show.
    pub(crate) shown: Version,
    /// Rows that wait in the queue.
    pub(crate) queued: u64,
    /// Reports that stand: what they tell of is rolled back, and was not revived since.
    pub(crate) rollbacks: u64,
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

    /// Returns where the database stands.
    ///
    /// # Errors
    /// [`PeekError::Read`], [`PeekError::Damaged`].
    pub(crate) fn state(&self) -> Result<DatabaseState, PeekError> {
        let shown = self.connection.query_row("SELECT shown FROM treaty_state", [], |row| row.get(0)).optional();
        let shown: String = shown.map_err(self.reading())?.unwrap_or_default();
        let ids: Result<Vec<EntryId>, _> = shown.split_whitespace().map(EntryId::from_str).collect();
        let ids = ids.map_err(|_| PeekError::Damaged { path: self.path.clone() })?;
        let queued =
            "SELECT count(*) FROM (SELECT DISTINCT table_name, row_id FROM treaty_queue WHERE table_name IS NOT NULL)";
        Ok(DatabaseState {
            shown: Version::new(ids),
            queued: self.count(queued)?,
            rollbacks: self.count("SELECT count(*) FROM treaty_rollbacks WHERE reinstated IS NULL")?,
        })
    }

    /// Returns the next reports after a cursor, in the order in which they were committed.
    ///
    /// Cursors are given inside write transactions, of which SQLite has one at a time, and never twice: whoever goes on
    /// after the last cursor of a page misses none.
    ///
    /// # Errors
    /// [`PeekError::Ahead`] if no report ever had this cursor or a later one; [`PeekError::Read`].
    pub(crate) fn rollbacks(&self, after: u64, page: PageMax) -> Result<Vec<RollbackObject>, PeekError> {
        let sql = "SELECT cursor, entry, table_name, row_id, operation, author, lost, reason, message, culprit, noticed, \
                   reinstated FROM treaty_rollbacks WHERE cursor > ?1 ORDER BY cursor LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql).map_err(self.reading())?;
        let bounds = [after, page.reports].map(|bound| i64::try_from(bound).unwrap_or(i64::MAX));
        let mut rows = statement.query_map(bounds, report).map_err(self.reading())?;
        let (mut reports, mut bytes) = (Vec::new(), 0);
        while bytes < page.bytes {
            let Some(report) = rows.next() else { break };
            let report = report.map_err(self.reading())?;
            bytes += report.lost.get().len() + report.message.len() + report.row.len();
            reports.push(report);
        }
        if reports.is_empty() && after > 0 {
            let last = self.rollbacks_last()?;
            if after > last {
                return Err(PeekError::Ahead { after, last });
            }
        }
        Ok(reports)
    }

    /// Returns the greatest cursor ever given; 0 if there was none.
    fn rollbacks_last(&self) -> Result<u64, PeekError> {
        self.count("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'treaty_rollbacks'), 0)")
    }

    /// Returns how many reports after a cursor stand, by reason, and the cursor of the last of all.
    ///
    /// # Errors
    /// [`PeekError::Read`].
    pub(crate) fn rollbacks_by_reason(&self, after: u64) -> Result<(Vec<(String, u64)>, u64), PeekError> {
        let sql = "SELECT reason, sum(reinstated IS NULL), max(cursor) FROM treaty_rollbacks WHERE cursor > ?1 \
                   GROUP BY reason";
        let mut statement = self.connection.prepare_cached(sql).map_err(self.reading())?;
        let mut rows = statement.query([i64::try_from(after).unwrap_or(i64::MAX)]).map_err(self.reading())?;
        let (mut counts, mut last) = (Vec::new(), after);
        while let Some(row) = rows.next().map_err(self.reading())? {
            let read = || -> rusqlite::Result<(String, i64, i64)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
            let (reason, count, cursor) = read().map_err(self.reading())?;
            counts.push((reason, count.unsigned_abs()));
            last = last.max(cursor.unsigned_abs());
        }
        Ok((counts, last))
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

/// How many reports are read at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageMax {
    /// Reports, at most.
    pub(crate) reports: u64,
    /// Bytes from which no more are read; one report is never cut.
    pub(crate) bytes: usize,
}

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
