//! What can go wrong with the application's database, sorted by what to do about it.

use std::path::PathBuf;

use treaty_engine::fault::Fault;
use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;

use crate::link::LinkError;

/// Why work on the application's SQLite database failed. The open transaction, if any, was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// SQLite failed.
    #[error("{doing} failed in the application's database")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// SQLite's own words.
        #[source]
        cause: rusqlite::Error,
    },
    /// The application held the write lock for too long. Trying again later is right.
    #[error("{doing}: the application's database is busy")]
    Busy {
        /// What was being done.
        doing: &'static str,
    },
    /// The engine failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The database cannot be opened.
    #[error("opening {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's own words.
        #[source]
        cause: rusqlite::Error,
    },
    /// Treaty was never installed in the database, or was uninstalled.
    #[error("{} has no treaty tables: it was never part of a space, or `treaty uninstall` ran; run `treaty init` or `treaty join` in a new data directory", path.display())]
    NotInstalled {
        /// The file.
        path: PathBuf,
    },
    /// Treaty is already installed.
    #[error("the database is part of space {space} already; run `treaty up` there, or `treaty uninstall` first")]
    AlreadyInstalled {
        /// The space.
        space: String,
    },
    /// The database is part of another space than the data directory.
    #[error(
        "the database is part of space {found}, this data directory of space {expected}; use the data directory that belongs to it"
    )]
    OtherSpace {
        /// The database's.
        found: String,
        /// The data directory's.
        expected: String,
    },
    /// The database belongs to another node.
    #[error(
        "the database was installed by node {found}, this is node {expected}; a copied database joins with a data directory of its own: `treaty uninstall`, then `treaty join`"
    )]
    OtherNode {
        /// Who installed it.
        found: String,
        /// Who this is.
        expected: Identity,
    },
    /// The database and the data directory were not made together.
    #[error(
        "this data directory was made for another copy of the database; two nodes must not share one identity: give the copy a data directory of its own (`treaty uninstall`, then `treaty join`)"
    )]
    OtherInstance,
    /// The database is not where it was: it may be a copy.
    #[error(
        "the database is at {found}, it was at {expected}: if both files run, two nodes share one identity; if it was moved and the old one is gone, say so with `treaty up --moved`; a copy needs a data directory of its own (`treaty uninstall`, then `treaty join`)"
    )]
    OtherPlace {
        /// Where it is.
        found: String,
        /// Where it was.
        expected: String,
    },
    /// The triggers are made for another schema version than the log has.
    #[error(
        "the database was prepared for schema version {found}, the log is at {expected}: one of them was restored from a backup alone; restore the one that belongs to the other"
    )]
    OtherSchema {
        /// The database's.
        found: String,
        /// The log's.
        expected: treaty_schema::SchemaVersion,
    },
    /// The database shows what the log does not hold.
    #[error(
        "the database shows a version that the log does not hold: the data directory is older than the database, or was replaced; restore the data directory that belongs to it, or start over (`treaty uninstall`, then `treaty join`)"
    )]
    UnknownVersion,
    /// A table of the schema does not fit the schema any more.
    #[error("table {table} does not fit the schema: {what}; put it back as the schema has it, or change the schema")]
    SchemaChanged {
        /// The table.
        table: String,
        /// What is different.
        what: String,
    },
    /// A row cannot be written as the log has it.
    #[error(
        "row {row} of table {table} cannot be written as the log has it ({what}), so nothing was: the table holds what no trigger noted, or has a constraint or trigger that the schema does not know; take that away (`treaty verify` lists rows that differ) and start again"
    )]
    Obstructed {
        /// The table.
        table: String,
        /// The row.
        row: RowId,
        /// What stands against it.
        what: String,
    },
    /// Existing rows cannot become part of the space.
    #[error("the existing tables cannot be adopted: {}", reasons.join("; "))]
    Adoption {
        /// Why, one reason for each row or column.
        reasons: Vec<String>,
    },
    /// A bookkeeping table holds what Treaty never wrote.
    #[error("the bookkeeping of the database is damaged: {what}")]
    Damaged {
        /// What and where.
        what: String,
    },
}

impl SqliteError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            SqliteError::Sql { .. } | SqliteError::Damaged { .. } => Fault::Storage,
            SqliteError::Link(cause) => cause.fault(),
            SqliteError::Busy { .. }
            | SqliteError::Open { .. }
            | SqliteError::NotInstalled { .. }
            | SqliteError::AlreadyInstalled { .. }
            | SqliteError::OtherSpace { .. }
            | SqliteError::OtherNode { .. }
            | SqliteError::OtherInstance
            | SqliteError::OtherPlace { .. }
            | SqliteError::OtherSchema { .. }
            | SqliteError::UnknownVersion
            | SqliteError::SchemaChanged { .. }
            | SqliteError::Obstructed { .. }
            | SqliteError::Adoption { .. } => Fault::Local,
        }
    }
}

/// Names what failed; a lock that could not be had is [`SqliteError::Busy`].
pub(super) fn doing(doing: &'static str) -> impl Fn(rusqlite::Error) -> SqliteError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    move |cause| match cause.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => SqliteError::Busy { doing },
        _ => SqliteError::Sql { doing, cause },
    }
}
