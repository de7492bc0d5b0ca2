//! Draining the queue into the log, exactly once.
//!
//! 1. In one snapshot, the queue and the rows that it names are read and compared with what the log says they were.
//! 2. The engine signs and stores the transactions, durably, with a receipt of the lines taken.
//! 3. A short write transaction empties these lines and moves the version that the tables show ([`finish`](super::finish)).
//!
//! A crash between 2 and 3 leaves a queue that the receipt recognises: [`Application::settle`] then only moves the shown
//! version, and the same lines drained again have no difference any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use tracing::{info, warn};
use treaty_engine::hash::EntryId;
use treaty_engine::relation::RowName;
use treaty_engine::replica::{ImportOutcome, Shown};

use crate::capture::{Pauses, Said, ShownRow};
use crate::link::{EngineLink, Work};

use super::Application;
use super::apply::fate;
use super::connect::{begin_read, begin_write};
use super::error::{SqliteError, doing};
use super::finish::{Finish, Refusals, verdicts};
use super::intake::{Intake, Source};
use super::queue::read_queue;
use super::receipt::{Found, Receipt, Split};
use super::state::State;
use super::writer::{Fate, Quiet, Writer};

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
    pub(super) fn add(&mut self, other: Drained) {
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
    fn after(&mut self, step: &Step) -> Result<bool, SqliteError> {
        self.0 = if step.is_postponing { self.0 + 1 } else { 0 };
        if self.0 > POSTPONED_MAX {
            let what = "refused changes in treaty_queue hold unique values of each other's rows".to_owned();
            return Err(SqliteError::Damaged { what });
        }
        Ok(step.has_more || step.is_postponing)
    }
}

impl Application {
    /// Takes everything out of the queue into the log.
    ///
    /// The write lock is held only to empty the queue, never while the engine works.
    ///
    /// # Errors
    /// [`SqliteError`]; what was signed is not signed again by the next call.
    pub fn drain(&mut self, link: &mut dyn EngineLink) -> Result<Drained, SqliteError> {
        self.settle(link)?;
        let (mut drained, mut patience) = (Drained::default(), Patience::default());
        loop {
            let snapshot = begin_read(&self.connection)?;
            let intake = self.source(&snapshot)?.take(link)?;
            drop(snapshot);
            let Some(mut intake) = intake else { break };
            self.is_settled.set(false);
            let outcome = self.sign(&mut intake, link)?;
            let write = begin_write(&self.connection)?;
            let step = self.finish(&write, &intake, outcome.as_ref(), link)?;
            write.commit().map_err(doing("committing a drain"))?;
            self.is_settled.set(true);
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

    /// The same in a write transaction that is open already: nobody can write meanwhile, so the queue ends empty.
    pub(super) fn drain_locked(&self, link: &mut dyn EngineLink) -> Result<Drained, SqliteError> {
        let (mut drained, mut patience) = (Drained::default(), Patience::default());
        while let Some(mut intake) = self.source(&self.connection)?.take(link)? {
            self.is_settled.set(false);
            let outcome = self.sign(&mut intake, link)?;
            let step = self.finish(&self.connection, &intake, outcome.as_ref(), link)?;
            patience.after(&step)?;
            drained.add(step.drained);
        }
        Ok(drained)
    }

    fn source<'s>(&'s self, connection: &'s Connection) -> Result<Source<'s>, SqliteError> {
        Ok(Source {
            connection,
            tables: &self.tables,
            identity: self.identity,
            pauses: self.pauses,
            shown: State::shown(connection)?,
        })
    }

    /// Hands an intake to the engine; none if there is nothing to sign.
    fn sign(&self, intake: &mut Intake, link: &mut dyn EngineLink) -> Result<Option<ImportOutcome>, SqliteError> {
        let signed: Vec<usize> = (0..intake.drafts.len()).filter(|&index| intake.drafts[index].is_signed()).collect();
        if signed.is_empty() {
            return Ok(None);
        }
        let before = Receipt::read(link)?.map(|(receipt, _)| receipt);
        let receipt = Receipt::new(&intake.on, &intake.bounds, before.as_ref()).encode();
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

    fn finish(
        &self,
        connection: &Connection,
        intake: &Intake,
        outcome: Option<&ImportOutcome>,
        link: &mut dyn EngineLink,
    ) -> Result<Step, SqliteError> {
        let verdicts = verdicts(&intake.drafts, outcome);
        let shown = outcome.map_or(&intake.on, |outcome| &outcome.shown);
        let finish = Finish { connection, tables: &self.tables, intake, verdicts: &verdicts, shown };
        let Refusals { refused_count, postponed_count } = finish.run(link)?;
        let taken = intake.drafts.iter().zip(&verdicts).filter(|(draft, verdict)| {
            **verdict == super::finish::Verdict::Taken && !draft.transaction.operations.is_empty()
        });
        let (transaction_count, operation_count) =
            taken.fold((0, 0), |(count, sum), (draft, _)| (count + 1, sum + draft.transaction.operations.len() as u64));
        if intake.cut_count > 0 {
            warn!(cut_count = intake.cut_count, "transactions were cut: an entry could not hold them");
        }
        if refused_count > 0 {
            warn!(refused_count, "local transactions were refused, put back and reported in treaty_rollbacks");
        }
        let drained = Drained {
            line_count: intake.bounds.line_count as u64,
            transaction_count,
            operation_count,
            refused_count,
            cut_count: intake.cut_count,
            entries: outcome.map_or(Vec::new(), |outcome| outcome.entries.clone()),
        };
        Ok(Step { drained, has_more: intake.has_more, is_postponing: postponed_count > 0 })
    }

    /// Brings queue and log together after a crash, a failure or a restored backup, once.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub(super) fn settle(&self, link: &mut dyn EngineLink) -> Result<(), SqliteError> {
        if self.is_settled.get() {
            return Ok(());
        }
        if let Some((receipt, shown_after)) = Receipt::read(link)? {
            let write = begin_write(&self.connection)?;
            let shown = State::shown(&write)?;
            let queue = read_queue(&write, &self.tables)?;
            if shown != shown_after {
                match receipt.find(&shown, &queue.lines) {
                    Found::Taken => {
                        info!("the last drain was interrupted: its changes are in the log, the queue follows");
                        self.catch_up(&write, (&shown, &shown_after), &receipt.split(&queue.lines), link)?;
                    }
                    Found::Other => forget_covered(&write, &receipt, &queue.lines)?,
                }
            }
            write.commit().map_err(doing("committing a repair of the queue"))?;
        }
        self.is_settled.set(true);
        Ok(())
    }

    /// Makes the tables show the version after an interrupted drain: what changed for the sake of its deletes is written,
    /// its lines stay and have no difference any more, but for those that were refused.
    fn catch_up(
        &self,
        connection: &Connection,
        (from, to): (&Shown, &Shown),
        lines: &Split,
        link: &mut dyn EngineLink,
    ) -> Result<(), SqliteError> {
        let Split { taken, later } = lines;
        let before: BTreeMap<ShownRow, Option<RowName>> = taken
            .iter()
            .copied()
            .zip(link.rows_at(from, taken)?.into_iter().map(|row| row.map(|row| row.name)))
            .collect();
        let mut fates: Vec<Fate> = link.ripples(from, to, taken)?.into_iter().map(fate).collect();
        fates.retain(|fate| match before.get(&fate.key) {
            _ if later.contains(&fate.key) => false,
            None => true,
            // The application wrote it itself; another row may have its id since.
            Some(name) => fate.row.as_ref().is_some_and(|row| name.is_some_and(|name| name != row.name)),
        });
        let quiet = Quiet::begin(connection)?;
        Writer::new(connection, &self.tables).write(&fates)?;
        State::set_shown(connection, to)?;
        quiet.end(connection)
    }

    /// Returns what the tables show.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn shown(&self) -> Result<Shown, SqliteError> {
        State::shown(&self.connection)
    }

    /// Counts changes that are not in the log yet.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn waiting(&self) -> Result<u64, SqliteError> {
        let sql = "SELECT count(DISTINCT row_id) FROM treaty_queue WHERE table_name IS NOT NULL";
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0)).map_err(doing("reading treaty_queue"))?;
        Ok(count.unsigned_abs())
    }
}

/// Empties a restored queue of what is in the log already; the rows get their values by applying.
fn forget_covered(
    connection: &Connection,
    receipt: &Receipt,
    lines: &[crate::capture::Line],
) -> Result<(), SqliteError> {
    let covered: Vec<i64> = lines.iter().filter(|line| receipt.covers(line)).map(|line| line.seq).collect();
    if covered.is_empty() {
        return Ok(());
    }
    let row_count = lines.iter().filter(|line| receipt.covers(line) && line.said != Said::Mark).count();
    // The mark that ends every drain is covered too; only rows are news.
    if row_count > 0 {
        warn!(
            row_count,
            "the database was restored from a backup: queued changes that are in the log already are dropped"
        );
    }
    super::queue::remove(connection, &covered)
}
