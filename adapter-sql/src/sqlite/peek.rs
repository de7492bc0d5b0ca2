//! Reading a SQLite database from a command or for HTTP.
//!
//! Cursors of reports are given inside write transactions, of which SQLite has one at a time: their order is that of the
//! commits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::cli::objects::RollbackObject;
use crate::cli::rows::raw_json;
use crate::database::parse_version;
use crate::peek::{DatabaseState, PageMax, Peek, PeekError};

/// A connection that only reads.
pub(crate) struct SqlitePeek {
    connection: Connection,
    path: PathBuf,
}

/// How long a read waits for a writer.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

impl SqlitePeek {
    /// Opens the database at `path`; none if Treaty's tables are not in it.
    ///
    /// # Errors
    /// [`PeekError::Open`], [`PeekError::Read`].
    pub(crate) fn open(path: &Path) -> Result<Option<SqlitePeek>, PeekError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|cause| PeekError::Open { database: path.display().to_string(), cause: Box::new(cause) })?;
        let peek = SqlitePeek { connection, path: path.to_owned() };
        peek.connection.busy_timeout(BUSY_PATIENCE).map_err(peek.reading())?;
        let found = peek.count("SELECT count(*) FROM sqlite_schema WHERE name = 'treaty_state'")?;
        Ok((found > 0).then_some(peek))
    }

    /// Returns the greatest cursor ever given; 0 if there was none.
    fn rollbacks_last(&self) -> Result<u64, PeekError> {
        self.count("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'treaty_rollbacks'), 0)")
    }

    fn count(&self, sql: &str) -> Result<u64, PeekError> {
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0)).map_err(self.reading())?;
        Ok(count.unsigned_abs())
    }

    fn reading(&self) -> impl Fn(rusqlite::Error) -> PeekError {
        let database = self.path.display().to_string();
        move |cause| PeekError::Read { database: database.clone(), cause: Box::new(cause) }
    }
}

impl Peek for SqlitePeek {
    fn state(&mut self) -> Result<DatabaseState, PeekError> {
        let shown = self.connection.query_row("SELECT shown FROM treaty_state", [], |row| row.get(0)).optional();
        let shown: String = shown.map_err(self.reading())?.unwrap_or_default();
        let queued =
            "SELECT count(*) FROM (SELECT DISTINCT table_name, row_id FROM treaty_queue WHERE table_name IS NOT NULL)";
        Ok(DatabaseState {
            shown: parse_version(&shown)
                .map_err(|_| PeekError::Damaged { database: self.path.display().to_string() })?,
            queued: self.count(queued)?,
            rollbacks: self.count("SELECT count(*) FROM treaty_rollbacks WHERE reinstated IS NULL")?,
        })
    }

    fn rollbacks(&mut self, after: u64, page: PageMax) -> Result<Vec<RollbackObject>, PeekError> {
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

    fn rollbacks_by_reason(&mut self, after: u64) -> Result<(Vec<(String, u64)>, u64), PeekError> {
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
