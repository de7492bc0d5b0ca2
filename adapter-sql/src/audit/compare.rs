//! Comparing tables with a log without changing anything: what `treaty verify` does with the database.
//!
//! The [audit](super) mends what it finds; this only says so. All tables are read in one snapshot, beside a running
//! sidecar. Rows that wait in the queue are left out: they differ for a reason.

use treaty_engine::replica::Shown;
use treaty_schema::Schema;

use super::slice::{AuditPlace, Slice};
use crate::database::{Database, DatabaseError, StoredId};
use crate::link::EngineLink;

/// A database as it was at one instant.
pub struct Snapshot {
    database: Box<dyn Database>,
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
    /// Takes a snapshot of a database, which is this snapshot's alone.
    ///
    /// # Errors
    /// [`DatabaseError::NotInstalled`], [`DatabaseError::Sql`].
    pub fn take(mut database: Box<dyn Database>) -> Result<Snapshot, DatabaseError> {
        database.begin_read()?;
        match database.state()? {
            Some(state) => Ok(Snapshot { database, shown: state.shown }),
            None => Err(DatabaseError::NotInstalled { database: database.name() }),
        }
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
    /// [`DatabaseError`].
    pub fn compare(
        &mut self,
        schema: &Schema,
        link: &mut dyn EngineLink,
        count_max: usize,
    ) -> Result<Vec<Difference>, DatabaseError> {
        let (db, shown) = (&mut *self.database, &self.shown);
        db.use_schema(schema);
        let mut differences = Vec::new();
        for (index, table) in schema.tables().iter().enumerate() {
            let queued = db.queued_ids(index)?;
            let mut place = Some(AuditPlace { table: index, after: None });
            while let Some(from) = place.filter(|_| differences.len() < count_max) {
                let slice = Slice::read(db, table, (from, shown), link)?;
                let differing = slice.compare(db, (index, shown), link)?.differing;
                let rows = differing.iter().map(StoredId::print).filter(|row| !queued.contains(row));
                differences.extend(rows.map(|row| Difference { table: table.name.to_string(), row }));
                place = slice.bound.map(|after| AuditPlace { table: index, after: Some(after) });
            }
        }
        differences.truncate(count_max);
        Ok(differences)
    }
}
