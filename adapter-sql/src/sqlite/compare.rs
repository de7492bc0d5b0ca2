//! Comparing tables with a log without changing anything: what `treaty verify` does with the database.
//!
//! The [audit](super::audit) mends what it finds; this only says so. All tables are read in one snapshot, beside a running
//! sidecar. Rows that wait in the queue are left out: they differ for a reason.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use treaty_engine::replica::Shown;
use treaty_schema::Schema;

use crate::link::EngineLink;

use super::audit::{AuditPlace, Auditor, Findings, read_slice};
use super::connect::{Missing, connect};
use super::error::{SqliteError, doing};
use super::state::State;
use super::table::{TableSql, tables};

/// A database as it was at one instant.
#[derive(Debug)]
pub struct Snapshot {
    connection: Connection,
    shown: Shown,
}

/// A row that a table and the log do not agree about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The row's id, as the table spells it.
    pub row: String,
}

impl Snapshot {
    /// Takes a snapshot of the database at `path`.
    ///
    /// # Errors
    /// [`SqliteError::Open`], [`SqliteError::NotInstalled`], [`SqliteError::Sql`].
    pub fn open(path: &Path) -> Result<Snapshot, SqliteError> {
        let connection = connect(path, Missing::Refused)?;
        connection.execute_batch("BEGIN").map_err(doing("beginning to read"))?;
        let Some(State { shown, .. }) = State::read(&connection)? else {
            return Err(SqliteError::NotInstalled { path: path.to_owned() });
        };
        Ok(Snapshot { connection, shown })
    }

    /// Returns what the tables show.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Compares all tables with what a log says they show; returns rows that differ, `count_max` at most.
    ///
    /// * `link` - to a log that holds [`Snapshot::shown`].
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn compare(
        &self,
        schema: &Schema,
        link: &mut dyn EngineLink,
        count_max: usize,
    ) -> Result<Vec<Difference>, SqliteError> {
        let mut differences = Vec::new();
        for (index, table) in tables(schema).iter().enumerate() {
            let queued = self.queued(table)?;
            let mut place = Some(AuditPlace::start_of(index));
            while let Some(from) = place.filter(|_| differences.len() < count_max) {
                let slice = read_slice(&self.connection, table, (from, &self.shown), link)?;
                let mut auditor = Auditor { connection: &self.connection, table, index, findings: Findings::default() };
                auditor.compare(&slice)?;
                auditor.compare_derived(&slice.derived, &self.shown, link)?;
                let differing = auditor.findings.differing.iter().map(spelt).filter(|row| !queued.contains(row));
                differences.extend(differing.map(|row| Difference { table: table.name().to_owned(), row }));
                place = slice.bound.map(|after| AuditPlace::after(index, after));
            }
        }
        differences.truncate(count_max);
        Ok(differences)
    }

    fn queued(&self, table: &TableSql) -> Result<BTreeSet<String>, SqliteError> {
        let failed = doing("reading the queue");
        let sql = "SELECT DISTINCT row_id FROM treaty_queue WHERE table_name = ?1";
        let mut statement = self.connection.prepare(sql).map_err(&failed)?;
        let rows = statement.query_map([table.name()], |row| row.get::<_, Stored>(0)).map_err(&failed)?;
        rows.map(|row| row.map(|stored| spelt(&stored))).collect::<Result<_, _>>().map_err(failed)
    }
}

fn spelt(stored: &Stored) -> String {
    match stored {
        Stored::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}
