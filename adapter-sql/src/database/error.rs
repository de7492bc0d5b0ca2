//! What can go wrong with the application's database, sorted by what to do about it.

use treaty_engine::fault::Fault;
use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;

use crate::link::LinkError;

/// What a driver says of a failure.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why work on the application's database failed. The open transaction, if any, was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database failed.
    #[error("{doing} failed in the application's database")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// The database's own words.
        #[source]
        cause: Cause,
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
    #[error("opening {database}")]
    Open {
        /// The database, as messages name it.
        database: String,
        /// The database's own words.
        #[source]
        cause: Cause,
    },
    /// Treaty was never installed in the database, or was uninstalled.
    #[error(
        "{database} has no treaty tables: it was never part of a space, or `treaty uninstall` ran; run `treaty init` or `treaty join` in a new data directory"
    )]
    NotInstalled {
        /// The database, as messages name it.
        database: String,
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
        "the database is at {found}, it was at {expected}: if both run, two nodes share one identity; if it was moved and the old one is gone, say so with `treaty up --moved`; a copy needs a data directory of its own (`treaty uninstall`, then `treaty join`)"
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
    /// The database cannot be what Treaty needs: too old, without rights, behind a pooler that shares sessions, …
    #[error("{what}")]
    Unfit {
        /// What is wrong, and what to do.
        what: String,
    },
    /// A constraint of the database stands against what was written: work that is not in the log yet, mostly. Nothing was
    /// written; to be tried again after a drain.
    #[error(
        "{what} stands in the way of what the log has, so that was not written: the tables hold what no trigger noted, or have a constraint or trigger that the schema does not know; take that away (`treaty verify` lists rows that differ) and start again"
    )]
    InTheWay {
        /// The constraint, in the database's words.
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

impl DatabaseError {
    /// Somebody changed a row after it was last looked at, and before it was written.
    pub(crate) fn unseen_change() -> DatabaseError {
        DatabaseError::InTheWay { what: "a change that is not in the log yet".to_owned() }
    }

    /// Says whether something that the log does not know stands in the way of what was to be written.
    pub fn is_obstacle(&self) -> bool {
        matches!(self, DatabaseError::Obstructed { .. } | DatabaseError::InTheWay { .. })
    }

    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            DatabaseError::Sql { .. } | DatabaseError::Damaged { .. } => Fault::Storage,
            DatabaseError::Link(cause) => cause.fault(),
            DatabaseError::Busy { .. }
            | DatabaseError::Open { .. }
            | DatabaseError::NotInstalled { .. }
            | DatabaseError::AlreadyInstalled { .. }
            | DatabaseError::OtherSpace { .. }
            | DatabaseError::OtherNode { .. }
            | DatabaseError::OtherInstance
            | DatabaseError::OtherPlace { .. }
            | DatabaseError::OtherSchema { .. }
            | DatabaseError::UnknownVersion
            | DatabaseError::SchemaChanged { .. }
            | DatabaseError::Obstructed { .. }
            | DatabaseError::Unfit { .. }
            | DatabaseError::InTheWay { .. }
            | DatabaseError::Adoption { .. } => Fault::Local,
        }
    }
}
