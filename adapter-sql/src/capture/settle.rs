//! Bringing queue and log together after a crash, a failure or a restored backup.
//!
//! A queue that holds the lines of the last receipt, in a database that shows what it showed when they were taken, is one of
//! an interrupted drain: the version that the tables show is moved, and the same lines drained again have no difference any
//! more. A database that shows neither that nor what came of it was restored from a backup.

use std::collections::BTreeMap;

use tracing::{info, warn};
use treaty_engine::relation::RowName;
use treaty_engine::replica::Shown;

use super::drain::add_to_views;
use super::{Capture, Line, Receipt, Said, ShownRow};
use crate::apply::{fate, write_rows};
use crate::database::{Database, DatabaseError, Fate, SeqRanges, WriteScope, in_read, in_write, in_write_of};
use crate::link::EngineLink;

/// What is done here.
const DOING: &str = "committing a repair of the queue";

impl Capture {
    /// Brings queue and log together, once.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) fn settle(&mut self, db: &mut dyn Database, link: &mut dyn EngineLink) -> Result<(), DatabaseError> {
        if self.is_settled && self.losses == db.losses() {
            return Ok(());
        }
        self.is_settled = false;
        self.losses = db.losses();
        if let Some((receipt, after)) = Receipt::read(link)? {
            let shown = db.shown()?;
            if link.join(&shown, &after)?.version != shown.version {
                self.repair(db, link, (&receipt, &after))?;
            }
        }
        self.is_settled = true;
        Ok(())
    }

    /// Mends a queue, of a database that does not show what was imported last.
    fn repair(
        &self,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
        (receipt, after): (&Receipt, &Shown),
    ) -> Result<(), DatabaseError> {
        let (views, queue) = in_read(db, |db| Ok((db.views(0)?, db.read_queue()?)))?;
        match receipt.find(&views, &queue.lines) {
            Some(view) => {
                info!("the last drain was interrupted: its changes are in the log, the queue follows");
                self.catch_up(db, link, (&views[view..], after), (&receipt.rows(&queue.lines), receipt.lines()))
            }
            None => forget_covered(db, receipt, &queue.lines),
        }
    }

    /// Makes the tables show the version after an interrupted drain: what changed for the sake of its deletes is written,
    /// its lines stay and have no difference any more, but for those that were refused.
    fn catch_up(
        &self,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
        (views, after): (&[(i64, Shown)], &Shown),
        (taken, lines): (&[ShownRow], &SeqRanges),
    ) -> Result<(), DatabaseError> {
        let views_after = add_to_views(views, after, link)?;
        let (Some((_, from)), Some((_, to))) = (views.last(), views_after.last()) else { return Ok(()) };
        let before: BTreeMap<ShownRow, Option<RowName>> = taken
            .iter()
            .copied()
            .zip(link.rows_at(from, taken)?.into_iter().map(|row| row.map(|row| row.name)))
            .collect();
        let mut fates: Vec<Fate> = link.ripples(from, to, taken)?.into_iter().map(fate).collect();
        fates.retain(|fate| match before.get(&fate.key) {
            None => true,
            // The application wrote it itself; another row may have its id since.
            Some(name) => fate.row.as_ref().is_some_and(|row| name.is_some_and(|name| name != row.name)),
        });
        let rows: Vec<ShownRow> = fates.iter().map(|fate| fate.key).collect();
        in_write_of(db, &rows, DOING, |db| {
            let later = db.touched_outside(&rows, lines)?;
            let fates: Vec<Fate> = fates.iter().filter(|fate| !later.contains(&fate.key)).cloned().collect();
            db.rest_triggers()?;
            write_rows(db, &self.schema, &fates)?;
            db.set_views(&views_after)?;
            db.wake_triggers()
        })
    }
}

/// Empties a restored queue of what is in the log already; the rows get their values by applying.
fn forget_covered(db: &mut dyn Database, receipt: &Receipt, lines: &[Line]) -> Result<(), DatabaseError> {
    let covered: Vec<&Line> = lines.iter().filter(|line| receipt.covers(line)).collect();
    if covered.is_empty() {
        return Ok(());
    }
    let row_count = covered.iter().filter(|line| line.said != Said::Mark).count();
    // The mark that ends every drain is covered too; only rows are news.
    if row_count > 0 {
        warn!(
            row_count,
            "the database was restored from a backup: queued changes that are in the log already are dropped"
        );
    }
    let covered = SeqRanges::of(covered.iter().map(|line| line.seq));
    in_write(db, WriteScope::Bookkeeping, DOING, |db, _| db.remove_lines(&covered))
}
