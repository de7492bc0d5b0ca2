//! Draining the queue into the log, exactly once.
//!
//! 1. In one snapshot, the queue and the rows that it names are read and compared with what the log says they were.
//! 2. The engine signs and stores the transactions, durably, with a receipt of the lines taken.
//! 3. A short write transaction empties these lines and moves the version that the tables show ([`finish`](super::finish)).
//!
//! A crash between 2 and 3 leaves a queue that the receipt recognises ([`settle`](super::settle)).

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::warn;
use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::replica::{ImportOutcome, Shown};
use treaty_schema::Schema;

use super::finish::{Finish, Refusals, Refused};
use super::unmarked::Unmarked;
use super::{Intake, Pauses, Receipt, ShownRow, Source};
use crate::database::{Database, DatabaseError, WriteScope, in_read, in_write, in_write_of};
use crate::link::{EngineLink, LinkError, Work};

/// What a drain did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// Lines that left the queue.
    pub line_count: u64,
    /// Transactions that entered the log.
    pub transaction_count: u64,
    /// Operations in them.
    pub operation_count: u64,
    /// Transactions that were refused, put back and reported.
    pub refused_count: u64,
    /// Transactions that were cut because an entry could not hold them.
    pub cut_count: u64,
    /// The entries made, in order.
    pub entries: Vec<EntryId>,
}

impl Drained {
    pub(crate) fn add(&mut self, other: Drained) {
        self.line_count += other.line_count;
        self.transaction_count += other.transaction_count;
        self.operation_count += other.operation_count;
        self.refused_count += other.refused_count;
        self.cut_count += other.cut_count;
        self.entries.extend(other.entries);
    }
}

/// What one step of a drain did, and whether another one is due.
struct Step {
    drained: Drained,
    has_more: bool,
    is_postponing: bool,
}

/// Steps in a row that may put something off: each takes something else out of the queue, so that a few are enough.
const POSTPONED_MAX: u32 = 100;

/// Counts the steps in a row that put something off.
#[derive(Default)]
struct Patience(u32);

impl Patience {
    /// Adds what a step did; returns whether another one is due.
    fn after(&mut self, step: &Step) -> Result<bool, DatabaseError> {
        self.0 = if step.is_postponing { self.0 + 1 } else { 0 };
        if self.0 > POSTPONED_MAX {
            let what = "refused changes in the queue hold unique values of each other's rows".to_owned();
            return Err(DatabaseError::Damaged { what });
        }
        Ok(step.has_more || step.is_postponing)
    }
}

/// What captures an application's changes.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The schema of the tables.
    pub(crate) schema: Schema,
    /// The node's own identity: signs what names no author.
    pub(crate) identity: Identity,
    /// Where the queue is cut in the next drain: at pauses too, in the first one.
    pub(crate) pauses: Pauses,
    /// Whether queue and log are known to be in step: not before the first look, nor after a failure.
    pub(crate) is_settled: bool,
    /// [`Database::losses`] when they were last known to be: a server that takes over may lack what was committed last.
    pub(crate) losses: u64,
    /// Rows whose changes are in the log, and that somebody else had when they were to be marked.
    pub(crate) unmarked: Unmarked,
    /// Rows whose transaction was put off in this drain for what it refers to: it is not put off again.
    pub(crate) put_off: BTreeSet<ShownRow>,
}

impl Capture {
    /// Takes everything out of the queue into the log.
    ///
    /// No lock is held while the engine works.
    ///
    /// # Errors
    /// [`DatabaseError`]; what was signed is not signed again by the next call.
    pub(crate) fn drain(&mut self, db: &mut dyn Database, link: &mut dyn EngineLink) -> Result<Drained, DatabaseError> {
        self.settle(db, link)?;
        self.unmarked.mark(db)?;
        self.put_off.clear();
        let (mut drained, mut patience) = (Drained::default(), Patience::default());
        loop {
            let source = self.source();
            let intake = in_read(db, |db| source.take(db, &mut *link))?;
            let Some(mut intake) = intake else { break };
            self.is_settled = false;
            let outcome = sign(&mut intake, link)?;
            let finish = Finish::new(&self.schema, &intake, outcome.as_ref(), link)?;
            let first = finish.first_try(&self.put_off);
            let refusals = finish_alone(&finish, first, db, link)?;
            if first == Refused::PutOff {
                self.put_off.extend(finish.rows_refused());
            }
            let mut step = note(&finish, &refusals, outcome.as_ref());
            if first == Refused::PutOff {
                // Each only once: no patience is needed for that.
                step = Step { has_more: true, is_postponing: false, ..step };
            }
            self.unmarked.remember(refusals.unmarked);
            self.is_settled = true;
            let is_done = !patience.after(&step)?;
            drained.add(step.drained);
            if is_done {
                break;
            }
        }
        // What was written from now on is no backlog: the sidecar is here to see it as it comes.
        self.pauses = Pauses::Ignored;
        Ok(drained)
    }

    /// The same in a transaction of [`WriteScope::Everything`] that is open already: nobody can write meanwhile, so the queue
    /// ends empty.
    pub(crate) fn drain_locked(
        &mut self,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
    ) -> Result<Drained, DatabaseError> {
        let (mut drained, mut patience) = (Drained::default(), Patience::default());
        while let Some(mut intake) = self.source().take(db, link)? {
            self.is_settled = false;
            let outcome = sign(&mut intake, link)?;
            let finish = Finish::new(&self.schema, &intake, outcome.as_ref(), link)?;
            let refusals = finish.run(db, link, Refused::PutBack)?;
            let step = note(&finish, &refusals, outcome.as_ref());
            self.unmarked.remember(refusals.unmarked);
            patience.after(&step)?;
            drained.add(step.drained);
        }
        Ok(drained)
    }

    fn source(&self) -> Source<'_> {
        Source { schema: &self.schema, identity: self.identity, pauses: self.pauses }
    }
}

/// Returns what the tables show in each view once local work done on the first of them, which then shows `after`, is added.
pub(crate) fn add_to_views(
    views: &[(i64, Shown)],
    after: &Shown,
    link: &mut dyn EngineLink,
) -> Result<Vec<(i64, Shown)>, LinkError> {
    let mut added = Vec::with_capacity(views.len());
    for (index, (view, shown)) in views.iter().enumerate() {
        added.push((*view, if index == 0 { after.clone() } else { link.join(shown, after)? }));
    }
    Ok(added)
}

/// Finishes in a transaction of its own.
fn finish_alone(
    finish: &Finish<'_>,
    first: Refused,
    db: &mut dyn Database,
    link: &mut dyn EngineLink,
) -> Result<Refusals, DatabaseError> {
    const DOING: &str = "committing a drain";
    match in_write_of(db, &finish.rows_written(), DOING, |db| finish.run(db, &mut *link, first)) {
        // What was put back does not stand beside what is still in the queue, and that was found at the end.
        Err(DatabaseError::InTheWay { .. }) if finish.refuses() => {
            in_write(db, WriteScope::Everything, DOING, |db, _| finish.run(db, link, Refused::PutOff))
        }
        done => done,
    }
}

/// Takes note of what a step did.
fn note(finish: &Finish<'_>, refusals: &Refusals, outcome: Option<&ImportOutcome>) -> Step {
    let intake = finish.intake();
    let Refusals { refused_count, postponed_count, .. } = *refusals;
    let (transaction_count, operation_count) = finish.taken_counts();
    if intake.cut_count > 0 {
        warn!(cut_count = intake.cut_count, "transactions were cut: an entry could not hold them");
    }
    if refused_count > 0 {
        warn!(refused_count, "local transactions were refused, put back and reported in treaty_rollbacks");
    }
    let drained = Drained {
        line_count: intake.taken.line_count as u64,
        transaction_count,
        operation_count,
        refused_count,
        cut_count: intake.cut_count,
        entries: outcome.map_or(Vec::new(), |outcome| outcome.entries.clone()),
    };
    Step { drained, has_more: intake.has_more, is_postponing: postponed_count > 0 }
}

/// Hands an intake to the engine; none if there is nothing to sign.
fn sign(intake: &mut Intake, link: &mut dyn EngineLink) -> Result<Option<ImportOutcome>, DatabaseError> {
    let signed: Vec<usize> = (0..intake.drafts.len()).filter(|&index| intake.drafts[index].is_signed()).collect();
    if signed.is_empty() {
        return Ok(None);
    }
    let before = Receipt::read(link)?.map(|(receipt, _)| receipt);
    let receipt = Receipt::new(&intake.on, &intake.taken, before.as_ref()).encode();
    // Lent to the engine, not copied: a large transaction is in memory often enough as it is.
    let lent = signed.iter().map(|&index| std::mem::take(&mut intake.drafts[index].transaction));
    let work = Work { author: intake.author, on: intake.on.clone(), transactions: lent.collect(), receipt };
    let work = Arc::new(work);
    let outcome = link.import(Arc::clone(&work))?;
    for (index, transaction) in signed.into_iter().zip(Arc::unwrap_or_clone(work).transactions) {
        intake.drafts[index].transaction = transaction;
    }
    Ok(Some(outcome))
}
