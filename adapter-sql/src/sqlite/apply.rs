//! Writing what others did into the tables.
//!
//! One transaction a batch: rows, status columns, reports and what is noted as shown move together or not at all. The queue
//! is drained first, and is empty under the lock that the rows are written under, so an unseen local change is never
//! overwritten. Batches are sized so that the application waits [`BATCH_MS`] for its lock, not for us.

use std::time::Instant;

use rusqlite::Connection;
use tracing::{debug, warn};
use treaty_engine::replica::{Batch, RowChange, Shown};

use crate::capture::ShownRow;
use crate::link::EngineLink;

use super::Application;
use super::connect::{begin_write, checkpoint_if_large};
use super::drain::Drained;
use super::error::{SqliteError, doing};
use super::news;
use super::queue;
use super::state::State;
use super::writer::{Fate, Quiet, Writer};

/// How long a batch should hold the write lock, in milliseconds.
const BATCH_MS: u64 = 15;
/// Rows of a batch, at least; a co-transaction is never cut, whatever its size.
const BATCH_ROWS_MIN: usize = 50;
/// Rows of a batch, at most.
const BATCH_ROWS_MAX: usize = 5_000;
/// Rows of the first batch.
pub(super) const BATCH_ROWS_FIRST: usize = 500;

/// What an apply did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Rows written or removed.
    pub row_count: u64,
    /// Entries that the tables show now and did not before.
    pub entry_count: u64,
    /// Operations reported as rolled back or reinstated.
    pub report_count: u64,
    /// What the tables show now.
    pub shown: Shown,
    /// Whether that is all that the engine holds.
    pub is_last: bool,
    /// What was drained before.
    pub drained: Drained,
}

impl Application {
    /// Drains the queue, then applies one batch of what the log holds and the tables do not show.
    ///
    /// Where the tables hold what the log does not know, that is imported first, by comparing all of them.
    ///
    /// # Errors
    /// [`SqliteError`]; the tables show what they showed before. [`SqliteError::Busy`] means to try again,
    /// [`SqliteError::Obstructed`] that nothing was found that could be imported.
    pub fn apply(&mut self, link: &mut dyn EngineLink) -> Result<Applied, SqliteError> {
        match self.apply_batch(link) {
            Err(SqliteError::Obstructed { table, row, what }) => {
                warn!(table, row = %row, what, "a row cannot be written: comparing all tables with the log");
                self.check_triggers()?;
                if self.audit(link)? == 0 {
                    return Err(SqliteError::Obstructed { table, row, what });
                }
                self.apply_batch(link)
            }
            applied => applied,
        }
    }

    fn apply_batch(&mut self, link: &mut dyn EngineLink) -> Result<Applied, SqliteError> {
        let mut drained = self.drain(link)?;
        let shown = self.shown()?;
        let batch = link.next_batch(&shown, self.batch_rows)?;
        if batch.to == shown {
            return Ok(Applied { row_count: 0, entry_count: 0, report_count: 0, shown, is_last: true, drained });
        }
        let started = Instant::now();
        let write = begin_write(&self.connection)?;
        let applied = self.apply_locked(&write, batch, link)?;
        write.commit().map_err(doing("committing a batch"))?;
        self.is_settled.set(true);
        let held_ms = started.elapsed().as_millis();
        self.batch_rows = next_batch_rows(self.batch_rows, applied.row_count, held_ms);
        debug!(row_count = applied.row_count, entry_count = applied.entry_count, "batch applied");
        checkpoint_if_large(&self.connection, &self.path)?;
        drained.add(applied.drained);
        Ok(Applied { drained, ..applied })
    }

    /// Applies a batch under the write lock, after draining what came before the lock was had.
    fn apply_locked(
        &self,
        connection: &Connection,
        batch: Batch,
        link: &mut dyn EngineLink,
    ) -> Result<Applied, SqliteError> {
        let (drained, batch) = if queue::is_empty(connection)? {
            (Drained::default(), batch)
        } else {
            let drained = self.drain_locked(link)?;
            (drained, link.next_batch(&State::shown(connection)?, self.batch_rows)?)
        };
        let Batch { to, changes, reports, entry_count, is_last } = batch;
        let (row_count, report_count) = (changes.len() as u64, reports.len() as u64);
        let quiet = Quiet::begin(connection)?;
        let statuses = news::tell(connection, &self.tables, reports, link)?;
        let mut fates: Vec<Fate> = changes.into_iter().map(fate).collect();
        for fate in &mut fates {
            fate.status = fate.row.as_ref().and_then(|row| statuses.get(&row.name)).copied();
        }
        Writer::new(connection, &self.tables).write(&fates)?;
        self.references.check(connection, &fates)?;
        State::set_shown(connection, &to)?;
        quiet.end(connection)?;
        Ok(Applied { row_count, entry_count, report_count, shown: to, is_last, drained })
    }
}

/// What a change means for its row.
pub(super) fn fate(change: RowChange) -> Fate {
    let RowChange { table, id, row } = change;
    Fate { key: ShownRow { table, id }, row, status: None }
}

/// Sizes the next batch so that it holds the lock for about [`BATCH_MS`].
fn next_batch_rows(rows_now: usize, row_count: u64, held_ms: u128) -> usize {
    let rows = usize::try_from(row_count).unwrap_or(BATCH_ROWS_MAX);
    if rows < rows_now / 2 {
        // Too small a batch says nothing about the speed.
        return rows_now;
    }
    let target = u128::from(BATCH_MS);
    let fitting = u128::try_from(rows).unwrap_or(u128::MAX).saturating_mul(target) / held_ms.max(1);
    // Halfway there: one slow commit is no trend.
    let next = (rows_now + usize::try_from(fitting).unwrap_or(BATCH_ROWS_MAX).min(BATCH_ROWS_MAX)) / 2;
    next.clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        assert!(next_batch_rows(500, 500, 2) > 500);
        assert!(next_batch_rows(500, 500, 100) < 500);
        assert_eq!(next_batch_rows(500, 3, 100), 500);
        assert_eq!(next_batch_rows(BATCH_ROWS_MIN, 50, 10_000), BATCH_ROWS_MIN);
        assert_eq!(next_batch_rows(BATCH_ROWS_MAX, 5_000, 0), BATCH_ROWS_MAX);
    }
}
