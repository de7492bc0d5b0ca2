//! Opening the application's database, and what our connection may and may not do there.
//!
//! One connection, kept for ever, outside of any transaction between calls: it keeps the `-wal` file alive. The journal
//! mode is the application's choice (a file that did not exist gets WAL). Our connection
//! * never enforces foreign keys, CHECKs or policies: the engine has judged. SQLite's own enforcement would run ON DELETE
//!   actions a second time, on rows that nobody looked at, and, deferred, scan the child table for each parent inserted
//!   while any reference dangles (500 rows beside 200,000: 3 s);
//! * never checkpoints by itself (`wal_autocheckpoint=0`): libraries before 3.51.3 can corrupt a WAL that two processes
//!   write and checkpoint at once, so that is left to the application, except where the WAL has grown to
//!   [`WAL_BYTES_MAX`] because the application does not ([`checkpoint_if_large`]);
//! * syncs at checkpoints only where the journal is a WAL: the log is the durable copy, and a database that lost its last
//!   transactions is brought up like a restored backup.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::doing;
use crate::database::{DatabaseError, Missing};

/// How long a statement waits for the application's lock, in milliseconds.
pub(super) const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Size of the `-wal` file from which our connection checkpoints, in bytes: far above the 4 MB at which applications do.
pub(super) const WAL_BYTES_MAX: u64 = 64 << 20;
/// Prepared statements kept: about eight for each of a hundred tables.
const STATEMENTS_MAX: usize = 1_000;
/// Page cache of our connection, in KiB.
const CACHE_KIB: i64 = 8 << 10;

pub(super) fn connect(path: &Path, missing: Missing) -> Result<Connection, DatabaseError> {
    let failed = |cause| DatabaseError::Open { database: path.display().to_string(), cause: Box::new(cause) };
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if missing == Missing::Created {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let is_new = pragma(&connection, "page_count").map_err(failed)? == 0;
    if is_new && missing == Missing::Created {
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    }
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failed)?;
    let synchronous = if journal.eq_ignore_ascii_case("wal") { "normal" } else { "full" };
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
    for (name, value) in [
        ("foreign_keys", false),
        ("recursive_triggers", false),
        ("ignore_check_constraints", true),
        ("wal_autocheckpoint", false),
    ] {
        connection.pragma_update(None, name, value).map_err(failed)?;
    }
    Ok(connection)
}

/// Reads a pragma that is a number.
pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Begins a transaction that holds the write lock from the start.
pub(super) fn begin_write(connection: &Connection) -> Result<Transaction<'_>, DatabaseError> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(doing("beginning to write"))
}

/// Moves the WAL into the database if nobody else does; readers and writers are not waited for.
pub(super) fn checkpoint_if_large(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    // `metadata` does not open the file: closing one would drop the process's locks.
    if std::fs::metadata(wal).map_or(0, |metadata| metadata.len()) < WAL_BYTES_MAX {
        return Ok(());
    }
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(doing("checkpointing"))
}
