//! Reading a PostgreSQL database from a command or for HTTP.
//!
//! Cursors of reports are given by a sequence, which knows nothing of commits: it is the sidecar's lock on the database that
//! puts them in the order of commits, since one session writes reports, in one transaction at a time, and another has the
//! lock only after the first is gone. A sequence never goes back: what its last value was tells a cursor from elsewhere.

use sqlx::postgres::PgRow;

use super::session::{Failure, Purpose, Session, column, doing, statement};
use crate::cli::objects::RollbackObject;
use crate::cli::rows::raw_json;
use crate::config::PostgresUrl;
use crate::database::{Cause, DatabaseError, parse_version};
use crate::peek::{DatabaseState, PageMax, Peek, PeekError};

/// A connection that only reads.
pub(crate) struct PostgresPeek {
    /// There until it is dropped.
    session: Option<Session>,
    database: String,
}

impl PostgresPeek {
    /// Connects; none if Treaty's tables are not in the database.
    ///
    /// # Errors
    /// [`PeekError::Open`], [`PeekError::Read`].
    pub(crate) fn open(url: &PostgresUrl) -> Result<Option<PostgresPeek>, PeekError> {
        let database = url.to_string();
        let opening = |cause: Cause| PeekError::Open { database: database.clone(), cause };
        let options = url.options().map_err(|cause| opening(Box::new(cause)))?;
        let session = Session::open(&options, Purpose::Reading).map_err(|error| match error {
            DatabaseError::Open { cause, .. } => opening(cause),
            other => opening(Box::new(other)),
        })?;
        let mut peek = PostgresPeek { session: Some(session), database };
        let found = peek.read(|session| session.fetch_value(statement(INSTALLED)))?;
        Ok(if found { Some(peek) } else { None })
    }

    fn read<R>(&mut self, work: impl FnOnce(&mut Session) -> Result<R, Failure>) -> Result<R, PeekError> {
        let reading = |cause| PeekError::Read { database: self.database.clone(), cause };
        let Some(session) = &mut self.session else { return Err(reading("it is closed".into())) };
        work(session).map_err(|failure| reading(Box::new(doing("a query")(failure))))
    }
}

impl Peek for PostgresPeek {
    fn state(&mut self) -> Result<DatabaseState, PeekError> {
        let row = self.read(|session| {
            let row = session.fetch_optional(statement(STATE))?;
            row.map(|row| Ok((column::<String>(&row, 0)?, column::<i64>(&row, 1)?, column::<i64>(&row, 2)?)))
                .transpose()
        })?;
        let damaged = || PeekError::Damaged { database: self.database.clone() };
        let (shown, queued, rollbacks) = row.ok_or_else(damaged)?;
        Ok(DatabaseState {
            shown: parse_version(&shown).map_err(|_| damaged())?,
            queued: queued.unsigned_abs(),
            rollbacks: rollbacks.unsigned_abs(),
        })
    }

    fn rollbacks(&mut self, after: u64, page: PageMax) -> Result<Vec<RollbackObject>, PeekError> {
        let (cursor, bytes) = (number(after), number(page.bytes as u64));
        let reports = self.read(|session| {
            let query = statement(REPORTS).bind(cursor).bind(number(page.reports)).bind(bytes);
            session.fetch(query)?.iter().map(report).collect::<Result<Vec<_>, Failure>>()
        })?;
        if reports.is_empty() && after > 0 {
            let last: i64 = self.read(|session| session.fetch_value(statement(LAST)))?;
            let last = last.unsigned_abs();
            if after > last {
                return Err(PeekError::Ahead { after, last });
            }
        }
        Ok(reports)
    }

    fn rollbacks_by_reason(&mut self, after: u64) -> Result<(Vec<(String, u64)>, u64), PeekError> {
        let read = |row: &PgRow| Ok((column::<String>(row, 0)?, column::<i64>(row, 1)?, column::<i64>(row, 2)?));
        let counts = self.read(|session| {
            session.fetch(statement(REASONS).bind(number(after)))?.iter().map(read).collect::<Result<Vec<_>, Failure>>()
        })?;
        let last = counts.iter().map(|(_, _, cursor)| cursor.unsigned_abs()).fold(after, u64::max);
        Ok((counts.into_iter().map(|(reason, count, _)| (reason, count.unsigned_abs())).collect(), last))
    }
}

impl Drop for PostgresPeek {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if tokio::runtime::Handle::try_current().is_err() {
            return drop(session);
        }
        // A session blocks when it ends, which an asynchronous task must not. Without a thread it is the server's to end.
        let _ = std::thread::Builder::new().name("closing".into()).spawn(move || drop(session));
    }
}

/// Whether Treaty is installed.
const INSTALLED: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'treaty' AND c.relname = 'state')";

/// Where the database stands, in one snapshot.
const STATE: &str = "SELECT s.shown, \
    (SELECT count(*) FROM (SELECT DISTINCT q.table_name, q.row_id FROM treaty.queue q) rows), \
    (SELECT count(*) FROM treaty.rollbacks r WHERE r.reinstated IS NULL) FROM treaty.state s";

/// Reports after $1, at most $2, the first with $3 bytes or more being the last.
const REPORTS: &str = "
SELECT cursor, entry, table_name, row_id, operation, author, lost, reason, message, culprit, noticed, reinstated
FROM (
  SELECT p.*, sum(octet_length(p.lost) + octet_length(p.message)) OVER (ORDER BY p.cursor ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    AS bytes_before
  FROM (
    SELECT r.cursor, r.entry, r.table_name, r.row_id::text AS row_id, r.operation, r.author, r.lost::text AS lost, r.reason, r.message,
      r.culprit, to_char(r.noticed AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS noticed,
      to_char(r.reinstated AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS reinstated
    FROM treaty.rollbacks r WHERE r.cursor > $1 ORDER BY r.cursor LIMIT $2
  ) p
) page
WHERE coalesce(bytes_before, 0) < $3 ORDER BY cursor";

/// The greatest cursor ever given; 0 if there was none.
const LAST: &str = "SELECT coalesce(pg_catalog.pg_sequence_last_value(pg_catalog.pg_get_serial_sequence('treaty.rollbacks', 'cursor')::regclass), 0)";

/// Reports after $1 by reason.
const REASONS: &str = "SELECT r.reason, count(*) FILTER (WHERE r.reinstated IS NULL), max(r.cursor) FROM treaty.rollbacks r \
    WHERE r.cursor > $1 GROUP BY r.reason";

fn number(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

fn report(row: &PgRow) -> Result<RollbackObject, Failure> {
    let lost: String = column(row, 6)?;
    Ok(RollbackObject {
        cursor: column::<i64>(row, 0)?.unsigned_abs(),
        entry: column(row, 1)?,
        table: column(row, 2)?,
        row: column(row, 3)?,
        operation: column(row, 4)?,
        author: column(row, 5)?,
        lost: raw_json(&lost),
        reason: column(row, 7)?,
        message: column(row, 8)?,
        culprit: column(row, 9)?,
        noticed: column(row, 10)?,
        reinstated: column(row, 11)?,
    })
}
