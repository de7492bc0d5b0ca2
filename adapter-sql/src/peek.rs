//! Reading the application's database from a command or for HTTP: its shown version, its queue, its reports.
//!
//! Read only, on a connection of its own; works beside a running sidecar. One file per kind of database implements
//! [`Peek`]. Calls block: never to be made in an asynchronous task.

use treaty_engine::causality::Version;

use crate::cli::objects::RollbackObject;
use crate::config::DatabaseUrl;
use crate::database::Cause;
use crate::postgres::PostgresPeek;
use crate::sqlite::SqlitePeek;

/// A connection that only reads.
pub(crate) trait Peek: Send {
    /// Returns where the database stands.
    ///
    /// # Errors
    /// [`PeekError::Read`], [`PeekError::Damaged`].
    fn state(&mut self) -> Result<DatabaseState, PeekError>;

    /// Returns the next reports after a cursor, in the order in which they were committed.
    ///
    /// Cursors are given inside the sidecar's write transactions, one at a time, and never twice: whoever goes on after
    /// the last cursor of a page misses none.
    ///
    /// # Errors
    /// [`PeekError::Ahead`] if no report ever had this cursor or a later one; [`PeekError::Read`].
    fn rollbacks(&mut self, after: u64, page: PageMax) -> Result<Vec<RollbackObject>, PeekError>;

    /// Returns how many reports after a cursor stand, by reason, and the cursor of the last of all.
    ///
    /// # Errors
    /// [`PeekError::Read`].
    fn rollbacks_by_reason(&mut self, after: u64) -> Result<(Vec<(String, u64)>, u64), PeekError>;
}

/// Opens a database for reading.
///
/// # Errors
/// [`PeekError::Open`], [`PeekError::NotInstalled`].
pub(crate) fn open(database: &DatabaseUrl) -> Result<Box<dyn Peek>, PeekError> {
    open_if_installed(database)?.ok_or_else(|| PeekError::NotInstalled { database: database.to_string() })
}

/// Says whether Treaty's tables are in a database; not if it is a file that is not there.
///
/// # Errors
/// [`PeekError::Open`], [`PeekError::Read`].
pub(crate) fn is_installed(database: &DatabaseUrl) -> Result<bool, PeekError> {
    match database {
        DatabaseUrl::Sqlite(path) if !path.exists() => Ok(false),
        _ => Ok(open_if_installed(database)?.is_some()),
    }
}

fn open_if_installed(database: &DatabaseUrl) -> Result<Option<Box<dyn Peek>>, PeekError> {
    match database {
        DatabaseUrl::Sqlite(path) => Ok(SqlitePeek::open(path)?.map(|peek| -> Box<dyn Peek> { Box::new(peek) })),
        DatabaseUrl::Postgres(url) => Ok(PostgresPeek::open(url)?.map(|peek| -> Box<dyn Peek> { Box::new(peek) })),
    }
}

/// Why the database cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeekError {
    /// It is not there, is no database, or refuses us.
    #[error("opening database {database}")]
    Open {
        /// The database, without its password.
        database: String,
        /// Its words.
        #[source]
        cause: Cause,
    },
    /// A query failed.
    #[error("reading database {database}")]
    Read {
        /// The database.
        database: String,
        /// Its words.
        #[source]
        cause: Cause,
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
    #[error("the shown version in Treaty's tables in {database} is none")]
    Damaged {
        /// The database.
        database: String,
    },
    /// Treaty's tables are not there.
    #[error("{database} does not have Treaty's tables; was `treaty uninstall` run, or is it another database?")]
    NotInstalled {
        /// The database.
        database: String,
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

/// How many reports are read at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageMax {
    /// Reports, at most.
    pub(crate) reports: u64,
    /// Bytes from which no more are read; one report is never cut.
    pub(crate) bytes: usize,
}
