//! The application's SQLite database: what was written there goes into the log, what the log holds goes into its tables.
//!
//! * [`Application`] - the database, opened; every operation on it. One thread owns it, calls block.
//! * [`drain`] - queue to log, exactly once; [`apply`] - log to tables; [`audit`], [`compare`] - do they agree.
//! * [`install`], [`uninstall`] - triggers, bookkeeping, adoption of existing tables; [`guard`] - are they still there;
//!   [`strict`] - do the tables take what the schema allows.
//! * [`watch`] - noticing other processes' writes.
//!
//! Traps of SQLite and the remedy for each: docs/sqlite.md.

mod apply;
mod audit;
mod compare;
mod connect;
mod drain;
mod error;
mod finish;
mod guard;
mod install;
mod intake;
mod news;
mod peek;
mod queue;
mod receipt;
mod references;
mod rollbacks;
mod start;
mod state;
mod strict;
mod table;
mod uninstall;
mod values;
mod watch;
mod writer;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use treaty_engine::identity::Identity;
use treaty_schema::Schema;

use crate::capture::Pauses;

pub use apply::Applied;
pub use audit::{AuditPlace, Audited};
pub use compare::{Difference, Snapshot};
pub use drain::Drained;
pub use error::SqliteError;
pub use guard::Checked;
pub use install::{Existing, Installed, Node};
pub(crate) use peek::SqlitePeek;
pub use rollbacks::Rollback;
pub use start::Place;
pub use uninstall::{Uninstalled, uninstall};
pub use watch::{Look, Pace, WatchError, Watcher};

use references::References;
use table::TableSql;

/// An application's database, opened by the one process and thread that may.
#[derive(Debug)]
pub struct Application {
    connection: Connection,
    path: PathBuf,
    schema: Schema,
    tables: Vec<TableSql>,
    references: References,
    identity: Identity,
    /// Where the queue is cut in the next drain: at pauses too, in the first one.
    pauses: Pauses,
    /// Whether queue and log are known to be in step: not before the first look, nor after a failure.
    is_settled: Cell<bool>,
    /// Rows that the next batch should have.
    batch_rows: usize,
    /// `PRAGMA schema_version` when the triggers were last found in order.
    schema_cookie: Option<i64>,
    /// `PRAGMA data_version` at the last look.
    data_version: Option<i64>,
    /// How far audits are.
    audit: audit::AuditState,
}

impl Application {
    fn new(connection: Connection, path: &Path, schema: &Schema, identity: Identity, gap_ms: i64) -> Application {
        Application {
            connection,
            path: path.to_owned(),
            schema: schema.clone(),
            tables: table::tables(schema),
            references: References::new(schema),
            identity,
            pauses: Pauses::CutAt { gap_ms },
            is_settled: Cell::new(false),
            batch_rows: apply::BATCH_ROWS_FIRST,
            schema_cookie: None,
            data_version: None,
            audit: audit::AuditState::default(),
        }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether another connection committed since the last look. Costs about 10 µs.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn look(&mut self) -> Result<Look, SqliteError> {
        let version = connect::pragma(&self.connection, "data_version").map_err(error::doing("looking for commits"))?;
        let is_same = self.data_version.replace(version) == Some(version);
        Ok(if is_same { Look::Unchanged } else { Look::Changed })
    }

    /// Returns the cursor of the last report of `treaty_rollbacks`; 0 if there is none.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn rollbacks_end(&self) -> Result<i64, SqliteError> {
        rollbacks::end(&self.connection)
    }

    /// Reads reports of `treaty_rollbacks` after a cursor, in order.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn rollbacks(&self, after: i64, count_max: u32) -> Result<Vec<Rollback>, SqliteError> {
        rollbacks::after(&self.connection, after, count_max)
    }
}
