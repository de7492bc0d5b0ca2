//! The audit: do the tables hold what the log says they show? Common to all databases.
//!
//! Behind the triggers stands a comparison of whole tables with the engine's rows, some at a time and in id order, in
//! memory that does not depend on their size. A difference is a change that no trigger noted (a table rebuilt by a
//! migration tool, triggers dropped, a file edited by other means): its row is put into the queue, so that the next drain
//! imports it as a local change. Only tables whose changes are all in the log are compared.
//!
//! * [`mod@slice`] - some rows on both sides; [`compare`] - the same without mending.

mod compare;
mod slice;

use tracing::error;
use treaty_schema::Schema;

use crate::capture::ShownRow;
use crate::database::{COMMITTED, Database, DatabaseError, Marks, SeqRanges, StoredId, WriteScope, in_read, in_write};
use crate::link::EngineLink;

pub use compare::{Difference, Snapshot};
pub use slice::AuditPlace;

use slice::{Findings, Slice};

/// What is known of audits: an idle database is compared once.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// [`Database::change_mark`] when the audit at hand began.
    mark_begun: Option<i64>,
    /// Whether it found nothing so far.
    is_clean: bool,
    /// The mark when the last audit that found nothing began.
    mark_audited: Option<i64>,
}

/// What a slice of an audit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {
    /// Nothing was compared: there are changes to drain first.
    Postponed,
    /// Some rows were compared.
    Slice {
        /// Where to go on; none at the end of the last table.
        next: Option<AuditPlace>,
        /// Rows that differed: now in the queue.
        difference_count: u64,
    },
}

impl Audit {
    /// Compares some rows, from `place` on, of a database whose queue is settled.
    ///
    /// # Errors
    /// [`DatabaseError`]; the place stays good.
    pub(crate) fn slice(
        &mut self,
        schema: &Schema,
        place: AuditPlace,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
    ) -> Result<Audited, DatabaseError> {
        const DONE: Audited = Audited::Slice { next: None, difference_count: 0 };
        if place == AuditPlace::default() && self.is_audited(db)? {
            return Ok(DONE);
        }
        let Some(table) = schema.tables().get(place.table) else { return Ok(DONE) };
        let compared = in_read(db, |db| {
            if !db.is_queue_empty()? {
                return Ok(None);
            }
            let shown = db.shown()?;
            let slice = Slice::read(db, table, (place, &shown), &mut *link)?;
            let findings = slice.compare(db, (place.table, &shown), &mut *link)?;
            Ok(Some((findings, slice.bound)))
        })?;
        let Some((findings, bound)) = compared else { return Ok(Audited::Postponed) };
        act_on(place.table, &findings, db)?;
        if !findings.differing.is_empty() {
            error!(
                table = table.name.as_str(),
                row_count = findings.differing.len(),
                "rows changed without a trigger noticing: imported as local changes; look for a migration tool that \
                 rebuilt the table, or for dropped triggers"
            );
        }
        self.is_clean &= findings.differing.is_empty();
        let next = match bound {
            Some(after) => Some(AuditPlace { table: place.table, after: Some(after) }),
            None => {
                let next = AuditPlace { table: place.table + 1, after: None };
                Some(next).filter(|next| next.table < schema.tables().len())
            }
        };
        if next.is_none() {
            self.mark_audited = self.mark_begun.filter(|_| self.is_clean);
        }
        Ok(Audited::Slice { next, difference_count: findings.differing.len() as u64 })
    }

    /// Says whether nobody else committed since an audit that found nothing; else begins a new one.
    fn is_audited(&mut self, db: &mut dyn Database) -> Result<bool, DatabaseError> {
        let mark = db.change_mark()?;
        self.is_clean = true;
        self.mark_begun = mark;
        Ok(mark.is_some() && self.mark_audited == mark)
    }
}

/// Queues rows that differ, and corrects marks.
fn act_on(table: usize, findings: &Findings, db: &mut dyn Database) -> Result<(), DatabaseError> {
    let Findings { differing, mismarked } = findings;
    if differing.is_empty() && mismarked.is_empty() {
        return Ok(());
    }
    in_write(db, WriteScope::Bookkeeping, "committing the findings of an audit", |db, _| {
        let rows: Vec<ShownRow> = mismarked.iter().map(|(id, _)| ShownRow { table, id: *id }).collect();
        db.rest_triggers()?;
        // A mark is right only while its row was not written since; what differs is looked at again in any case.
        let others = db.hold(&rows, &SeqRanges::default())?;
        for (row, (id, author)) in rows.iter().zip(mismarked) {
            if !others.have(row) {
                db.mark(table, &[StoredId::of(*id)], Marks { status: Some(COMMITTED), author })?;
            }
        }
        db.wake_triggers()?;
        db.append_lines(table, differing, None)
    })
}
