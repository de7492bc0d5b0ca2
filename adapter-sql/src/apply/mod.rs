//! Writing what others did into the tables. Common to all databases.
//!
//! One transaction a batch: rows, status columns, reports and what is noted as shown move together or not at all. The queue
//! is drained first, and under the locks that the rows are written under no line names one of them, so an unseen local
//! change is never overwritten. Batches are sized so that the application waits [`BATCH_MS`] for its locks, not for us.
//!
//! * [`news`] - what was rolled back or reinstated.
//! * [`rows`] - what becomes of rows.

mod news;
mod rows;

use std::time::Instant;

use tracing::debug;
use treaty_engine::replica::{Batch, Shown};

use crate::capture::{Capture, Drained, ShownRow};
use crate::database::{Database, DatabaseError, Fate, Reach, WriteScope, in_write};
use crate::link::EngineLink;

pub(crate) use rows::{fate, write_rows};

/// How long a batch should hold its locks, in milliseconds.
const BATCH_MS: u64 = 15;
/// Rows of a batch, at least; a co-transaction is never cut, whatever its size.
const BATCH_ROWS_MIN: usize = 50;
/// Rows of a batch, at most.
const BATCH_ROWS_MAX: usize = 5_000;
/// Rows of the first batch.
const BATCH_ROWS_FIRST: usize = 500;
/// Attempts with the rows of a batch alone locked, before everything is.
const ROUNDS_MAX: u32 = 3;

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

/// Applies batches, and learns how large they should be.
#[derive(Debug)]
pub(crate) struct Applier {
    /// Rows that the next batch should have.
    batch_rows: usize,
}

impl Applier {
    pub(crate) fn new() -> Applier {
        Applier { batch_rows: BATCH_ROWS_FIRST }
    }

    /// Drains the queue, then applies one batch of what the log holds and the tables do not show.
    ///
    /// Where something stands in the way that may be work which is not in the log yet, that is drained and the batch tried
    /// again: at last with nobody else writing.
    ///
    /// # Errors
    /// [`DatabaseError`]; the tables show what they showed before, and what was drained.
    pub(crate) fn apply_batch(
        &mut self,
        capture: &mut Capture,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
    ) -> Result<Applied, DatabaseError> {
        let (mut drained, mut round) = (Drained::default(), 0);
        loop {
            drained.add(capture.drain(db, link)?);
            let shown = db.shown()?;
            let batch = link.next_batch(&shown, self.batch_rows)?;
            if batch.to == shown {
                return Ok(Applied { row_count: 0, entry_count: 0, report_count: 0, shown, is_last: true, drained });
            }
            let keys: Vec<ShownRow> =
                batch.changes.iter().map(|change| ShownRow { table: change.table, id: change.id }).collect();
            let scope = if round < ROUNDS_MAX { WriteScope::Rows(&keys) } else { WriteScope::Everything };
            let (started, mut reached) = (Instant::now(), Reach::Everything);
            let attempt = in_write(db, scope, "committing a batch", |db, reach| {
                reached = reach;
                let batch = self.catch_up(capture, (db, &mut *link), (batch, &keys), reach)?;
                let applied = write_batch(capture, db, link, batch)?;
                // A row that was not there could not be locked: somebody may have inserted it before it was written.
                if reach == Reach::Asked && db.has_lines(&keys)? {
                    Err(DatabaseError::unseen_change())
                } else {
                    Ok(applied)
                }
            });
            match attempt {
                Err(cause) if cause.is_obstacle() && reached == Reach::Asked => round += 1,
                Err(other) => return Err(other),
                Ok(applied) => {
                    capture.is_settled = true;
                    self.batch_rows =
                        next_batch_rows(self.batch_rows, applied.row_count, started.elapsed().as_millis());
                    debug!(row_count = applied.row_count, entry_count = applied.entry_count, "batch applied");
                    db.tidy()?;
                    drained.add(applied.drained);
                    return Ok(Applied { drained, ..applied });
                }
            }
        }
    }

    /// Drains what came before the locks were had; where only the rows of the batch are locked, refuses if that is about
    /// one of them. Returns the batch that is to be written, with what was drained.
    fn catch_up(
        &self,
        capture: &mut Capture,
        (db, link): (&mut dyn Database, &mut dyn EngineLink),
        (batch, keys): (Batch, &[ShownRow]),
        reach: Reach,
    ) -> Result<(Batch, Drained), DatabaseError> {
        match reach {
            Reach::Asked if db.has_lines(keys)? => Err(DatabaseError::unseen_change()),
            Reach::Asked => Ok((batch, Drained::default())),
            Reach::Everything if db.is_queue_empty()? => Ok((batch, Drained::default())),
            Reach::Everything => {
                let drained = capture.drain_locked(db, link)?;
                Ok((link.next_batch(&db.shown()?, self.batch_rows)?, drained))
            }
        }
    }
}

/// Writes a batch in the open transaction.
fn write_batch(
    capture: &Capture,
    db: &mut dyn Database,
    link: &mut dyn EngineLink,
    (batch, drained): (Batch, Drained),
) -> Result<Applied, DatabaseError> {
    let Batch { to, changes, reports, entry_count, is_last } = batch;
    let (row_count, report_count) = (changes.len() as u64, reports.len() as u64);
    db.rest_triggers()?;
    let statuses = news::tell(db, &capture.schema, reports, link)?;
    let mut fates: Vec<Fate> = changes.into_iter().map(fate).collect();
    for fate in &mut fates {
        fate.status = fate.row.as_ref().and_then(|row| statuses.get(&row.name)).copied();
    }
    write_rows(db, &capture.schema, &fates)?;
    db.check_references(&fates)?;
    db.add_view(&to)?;
    db.wake_triggers()?;
    Ok(Applied { row_count, entry_count, report_count, shown: to, is_last, drained })
}

/// Sizes the next batch so that it holds its locks for about [`BATCH_MS`].
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
