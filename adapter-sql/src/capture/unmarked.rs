//! Rows whose changes are in the log and that nobody could mark yet: somebody else had them.
//!
//! Kept in memory alone: what is forgotten in a crash, or for want of room, the audit finds.

use std::collections::BTreeMap;

use treaty_engine::identity::Identity;

use super::ShownRow;
use crate::database::{COMMITTED, Database, DatabaseError, Marks, PENDING, SeqRanges, StoredId, WriteScope, in_write};

/// Rows remembered, at most.
const UNMARKED_MAX: usize = 100_000;

/// Rows to be marked, and who changed them.
#[derive(Debug, Default)]
pub(crate) struct Unmarked(BTreeMap<ShownRow, Identity>);

impl Unmarked {
    /// Remembers rows, as many as there is room for.
    pub(crate) fn remember(&mut self, rows: impl IntoIterator<Item = (ShownRow, Identity)>) {
        for (row, author) in rows {
            if self.0.len() < UNMARKED_MAX || self.0.contains_key(&row) {
                self.0.insert(row, author);
            }
        }
    }

    /// Marks the rows that nobody else has any more; a row that was written again meanwhile is left to its next drain.
    ///
    /// # Errors
    /// [`DatabaseError`]; the rows are tried again.
    pub(crate) fn mark(&mut self, db: &mut dyn Database) -> Result<(), DatabaseError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let rows: Vec<ShownRow> = self.0.keys().copied().collect();
        let busy = in_write(db, WriteScope::Bookkeeping, "marking rows as committed", |db, _| {
            db.rest_triggers()?;
            let others = db.hold(&rows, &SeqRanges::default())?;
            for (row, author) in self.0.iter().filter(|(row, _)| !others.have(row)) {
                let found = db.read_row(*row)?;
                if found.is_some_and(|found| found.status.as_deref() == Some(PENDING)) {
                    let marks = Marks { status: Some(COMMITTED), author: &author.to_string() };
                    db.mark(row.table, &[StoredId::of(row.id)], marks)?;
                }
            }
            db.wake_triggers()?;
            Ok(others.busy)
        })?;
        self.0.retain(|row, _| busy.contains(row));
        Ok(())
    }
}
