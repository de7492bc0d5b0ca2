//! The second half of a drain: what was taken leaves the queue, its rows are marked, refused ones are put back.
//!
//! One short write transaction, together with what the tables show now. Rows that the application touched
//! again in between are left to the next drain, rows that it is about to touch are marked later.

use std::collections::{BTreeMap, BTreeSet};

use treaty_engine::cotx::Reason;
use treaty_engine::identity::Identity;
use treaty_engine::replica::{ImportOutcome, LocalOperation, Shown};
use treaty_schema::Schema;

use super::author::LocalRefusal;
use super::drain::add_to_views;
use super::{Draft, DraftRow, Intake, Operation, Report, Said, ShownRow, Upkeep, json_of_columns, json_of_some};
use crate::apply::{fate, write_rows};
use crate::database::{COMMITTED, Database, DatabaseError, Fate, Marks, Nameless, Others, REVERTED, StoredId};
use crate::link::EngineLink;

/// The reason code of local changes that never entered the log.
const REFUSED: &str = "refused";

/// How an intake is finished.
pub(crate) struct Finish<'f> {
    schema: &'f Schema,
    intake: &'f Intake,
    /// What became of each draft, in order.
    verdicts: Vec<Verdict>,
    /// What the tables show from now on, in the views of the intake.
    views: Vec<(i64, Shown)>,
    /// What rows show otherwise now that others are gone: a twin its own id, a reference NULL.
    ripples: Vec<Fate>,
}

/// What became of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It is in the log, or changed nothing.
    Taken,
    /// It is not, and never will be.
    Refused(LocalRefusal),
}

/// Joins what was found here with what the engine said about the drafts that it was handed.
fn verdicts(drafts: &[Draft], outcome: Option<&ImportOutcome>) -> Vec<Verdict> {
    let mut judged = outcome.map(|outcome| outcome.transactions.iter()).into_iter().flatten();
    drafts
        .iter()
        .map(|draft| match &draft.refusal {
            Some(refusal) => Verdict::Refused(refusal.clone()),
            None if draft.transaction.operations.is_empty() => Verdict::Taken,
            None => match judged.next() {
                Some(Err(refusal)) => Verdict::Refused(LocalRefusal {
                    code: refusal.reason.code(),
                    message: refusal.message.clone(),
                    operation: refusal.place.and_then(|place| usize::try_from(place.operation).ok()),
                }),
                Some(Ok(_)) | None => Verdict::Taken,
            },
        })
        .collect()
}

/// What becomes of the transactions that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Their rows show again what the log says; where that cannot be, they are put off.
    PutBack,
    /// They are judged again together with what is in their way.
    PutOff,
}

/// What was done about the transactions that cannot be taken, and about the rows of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Refusals {
    /// Put back and reported.
    pub(crate) refused_count: u64,
    /// Back in the queue, behind changes that came after the snapshot and that cannot stand beside what they cover.
    pub(crate) postponed_count: u64,
    /// Rows that are in the log and could not be marked: somebody else has them.
    pub(crate) unmarked: Vec<(ShownRow, Identity)>,
}

impl<'f> Finish<'f> {
    /// Works out what is to be done. Asks the engine, not the database.
    ///
    /// * `outcome` - of the import; none if there was nothing to sign.
    pub(crate) fn new(
        schema: &'f Schema,
        intake: &'f Intake,
        outcome: Option<&ImportOutcome>,
        link: &mut dyn EngineLink,
    ) -> Result<Finish<'f>, DatabaseError> {
        let views = match outcome {
            Some(outcome) => add_to_views(&intake.views, &outcome.shown, link)?,
            None => intake.views.clone(),
        };
        let verdicts = verdicts(&intake.drafts, outcome);
        let mut finish = Finish { schema, intake, verdicts, views, ripples: Vec::new() };
        let deleted = finish.deleted();
        if !deleted.is_empty() {
            let changes = link.ripples(intake.shown_before(), finish.shown(), &deleted)?;
            finish.ripples = changes.into_iter().map(fate).collect();
        }
        Ok(finish)
    }

    /// Returns the rows that are written, besides marking those that are in the log.
    pub(crate) fn rows_written(&self) -> Vec<ShownRow> {
        self.rows_refused().chain(self.ripples.iter().map(|fate| fate.key)).collect()
    }

    /// Returns all rows that are written, or marked.
    fn rows(&self) -> Vec<ShownRow> {
        let drafts = self.intake.drafts.iter().flat_map(|draft| draft.rows.iter().map(|row| row.key));
        drafts.chain(self.ripples.iter().map(|fate| fate.key)).collect()
    }

    /// Says what to try first with transactions that cannot be taken.
    ///
    /// Where references are checked at the end of a transaction, what it refers to may have been inserted by one that took its
    /// last number after it: that is met when it is judged again, once, behind the other.
    ///
    /// * `put_off` - rows of transactions that were.
    pub(crate) fn first_try(&self, put_off: &BTreeSet<ShownRow>) -> Refused {
        let is_early = |draft: &Draft| !draft.rows.iter().any(|row| put_off.contains(&row.key));
        let mut dangling = self.refused().filter(|(_, refusal)| refusal.code == Reason::ForeignKey.code());
        if dangling.any(|(draft, _)| is_early(draft)) { Refused::PutOff } else { Refused::PutBack }
    }

    /// Returns the rows of transactions that cannot be taken.
    pub(crate) fn rows_refused(&self) -> impl Iterator<Item = ShownRow> + '_ {
        self.refused().flat_map(|(draft, _)| draft.rows.iter().map(|row| row.key))
    }

    /// Says whether some transaction cannot be taken.
    pub(crate) fn refuses(&self) -> bool {
        self.refused().next().is_some()
    }

    /// Returns what is finished.
    pub(crate) fn intake(&self) -> &Intake {
        self.intake
    }

    /// Counts the transactions that entered the log, and their operations.
    pub(crate) fn taken_counts(&self) -> (u64, u64) {
        let counts = self.taken().map(|draft| draft.transaction.operations.len() as u64);
        counts.filter(|count| *count > 0).fold((0, 0), |(count, sum), operations| (count + 1, sum + operations))
    }

    /// What the tables show when all is done.
    fn shown(&self) -> &Shown {
        self.views.last().map_or(&self.intake.on, |(_, shown)| shown)
    }

    fn taken(&self) -> impl Iterator<Item = &'f Draft> + '_ {
        let drafts = self.intake.drafts.iter().zip(&self.verdicts);
        drafts.filter(|(_, verdict)| **verdict == Verdict::Taken).map(|(draft, _)| draft)
    }

    fn refused(&self) -> impl Iterator<Item = (&'f Draft, &LocalRefusal)> + '_ {
        self.intake.drafts.iter().zip(&self.verdicts).filter_map(|(draft, verdict)| match verdict {
            Verdict::Taken => None,
            Verdict::Refused(refusal) => Some((draft, refusal)),
        })
    }

    /// Rows that the application deleted, and that are deleted in the log.
    fn deleted(&self) -> Vec<ShownRow> {
        let operations = self.taken().flat_map(|draft| &draft.transaction.operations);
        operations
            .filter_map(|operation| match operation {
                LocalOperation::Delete { table, id } => Some(ShownRow { table: *table, id: *id }),
                LocalOperation::Insert(_) | LocalOperation::Update { .. } => None,
            })
            .collect()
    }

    /// Does it, in an open transaction that nobody else writes [`Finish::rows_written`] in.
    pub(crate) fn run(
        &self,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
        becomes: Refused,
    ) -> Result<Refusals, DatabaseError> {
        // First what nobody waits for: from the hold on somebody may.
        if !self.views.is_empty() {
            db.set_views(&self.views)?;
        }
        db.rest_triggers()?;
        let others = db.hold(&self.rows(), &self.intake.taken.seen)?;
        self.mark_taken(db, &others)?;
        let mut refusals = Refusals { unmarked: self.unmarked(&others), ..Refusals::default() };
        let refused: Vec<(&Draft, &LocalRefusal)> = self.refused().collect();
        let ripples: Vec<Fate> =
            self.ripples.iter().filter(|fate| !others.touched_again.contains(&fate.key)).cloned().collect();
        let mut written: BTreeSet<ShownRow> = ripples.iter().map(|fate| fate.key).collect();
        if becomes == Refused::PutBack && self.put_back(&refused, &others, db, link)? {
            for (draft, refusal) in &refused {
                self.report(draft, refusal, db)?;
            }
            refusals.refused_count = refused.len() as u64;
            written.extend(self.rows_refused());
        } else {
            self.rows_refused().for_each(|row| _ = written.remove(&row));
            postpone(&refused, &others, db)?;
            refusals.postponed_count = refused.len() as u64;
        }
        write_rows(db, self.schema, &ripples)?;
        self.check_unseen(&written, &others, db)?;
        for line in &self.intake.nameless {
            refusals.refused_count += self.drop_nameless(line, db)?;
        }
        db.remove_lines(&self.intake.taken.lines)?;
        db.wake_triggers()?;
        Ok(refusals)
    }

    /// A row that was not there could not be locked: says so if somebody inserted it before it was written.
    fn check_unseen(
        &self,
        written: &BTreeSet<ShownRow>,
        others: &Others,
        db: &mut dyn Database,
    ) -> Result<(), DatabaseError> {
        let written: Vec<ShownRow> = written.iter().copied().collect();
        if db.touched_outside(&written, &self.intake.taken.seen)?.is_subset(&others.touched_again) {
            return Ok(());
        }
        Err(DatabaseError::unseen_change())
    }

    /// Sets status and author of rows that are in the log.
    fn mark_taken(&self, db: &mut dyn Database, others: &Others) -> Result<(), DatabaseError> {
        let by_default = self.intake.author.to_string();
        let done = self.mark_at_once(db, others, &by_default)?;
        let mut marked: BTreeMap<(usize, Option<Identity>), Vec<StoredId>> = BTreeMap::new();
        let mut rewritten = Vec::new();
        for row in self.taken().flat_map(|draft| &draft.rows).filter(|row| !others.have(&row.key)) {
            let table = row.key.table;
            match &row.upkeep {
                Upkeep::Status if done.contains(&table) => {}
                Upkeep::Status => marked.entry((table, None)).or_default().push(row.stored_id.clone()),
                Upkeep::Unchanged(by) => marked.entry((table, Some(*by))).or_default().push(row.stored_id.clone()),
                Upkeep::Rewrite(cells, by) => rewritten.push((row, cells, by)),
                Upkeep::Gone | Upkeep::Bad(_) => {}
            }
        }
        let named = |by: &Option<Identity>| by.map_or_else(|| by_default.clone(), |by| by.to_string());
        for ((table, by), ids) in &marked {
            db.mark(*table, ids, Marks { status: Some(COMMITTED), author: &named(by) })?;
        }
        for (row, cells, by) in rewritten {
            let marks = Marks { status: Some(COMMITTED), author: &named(by) };
            db.overwrite(row.key.table, &row.stored_id, cells, marks)?;
        }
        Ok(())
    }

    /// The common case, table by table in one statement each; returns the tables.
    ///
    /// Lines of a row may be taken and the row left to a later drain, if the queue is not taken to its end.
    fn mark_at_once(
        &self,
        db: &mut dyn Database,
        others: &Others,
        author: &str,
    ) -> Result<BTreeSet<usize>, DatabaseError> {
        let taken = &self.intake.taken;
        let is_whole = taken.lines == taken.seen && others.busy.is_empty() && !self.refuses();
        if !is_whole {
            return Ok(BTreeSet::new());
        }
        let rows = self.intake.drafts.iter().flat_map(|draft| &draft.rows);
        let mut tables: BTreeSet<usize> = rows.map(|row| row.key.table).collect();
        let marks = Marks { status: Some(COMMITTED), author };
        let mut left = BTreeSet::new();
        for &table in &tables {
            if !db.mark_taken(table, &taken.lines, &taken.seen, marks)? {
                left.insert(table);
            }
        }
        tables.retain(|table| !left.contains(table));
        Ok(tables)
    }

    /// Rows that are in the log, with who changed them, and that somebody else has.
    fn unmarked(&self, others: &Others) -> Vec<(ShownRow, Identity)> {
        let rows = self.taken().flat_map(|draft| &draft.rows);
        let rows = rows.filter(|row| others.busy.contains(&row.key) && !others.touched_again.contains(&row.key));
        let by = |row: &DraftRow| match row.upkeep {
            Upkeep::Unchanged(by) | Upkeep::Rewrite(_, Some(by)) => by,
            Upkeep::Status | Upkeep::Rewrite(_, None) | Upkeep::Gone | Upkeep::Bad(_) => self.intake.author,
        };
        rows.map(|row| (row.key, by(row))).collect()
    }

    /// One line per operation that is lost, that at fault first.
    fn report(&self, draft: &Draft, refusal: &LocalRefusal, db: &mut dyn Database) -> Result<(), DatabaseError> {
        let report = |table: usize, row: String, operation: Operation, lost: String| Report {
            entry: None,
            step: None,
            table: self.schema.tables()[table].name.to_string(),
            row,
            operation,
            author: draft.author.clone(),
            lost,
            reason: REFUSED.to_owned(),
            message: format!("{}: {}", refusal.code, refusal.message),
            culprit: None,
        };
        let operations = &draft.transaction.operations;
        let at_fault = refusal.operation.filter(|at_fault| *at_fault < operations.len());
        let others = (0..operations.len()).filter(|index| Some(*index) != at_fault);
        for operation in at_fault.into_iter().chain(others).map(|index| &operations[index]) {
            let line = match operation {
                LocalOperation::Insert(row) => {
                    let table = &self.schema.tables()[row.table];
                    let lost = json_of_columns(table, &row.cells, 0..row.cells.len());
                    let id = row.cells[table.id_column].as_ref().map_or(String::new(), treaty_schema::Value::to_text);
                    report(row.table, id, Operation::Insert, lost)
                }
                LocalOperation::Update { table, id, cells } => {
                    let lost = json_of_some(&self.schema.tables()[*table], cells);
                    report(*table, id.to_string(), Operation::Update, lost)
                }
                LocalOperation::Delete { table, id } => {
                    report(*table, id.to_string(), Operation::Delete, "{}".to_owned())
                }
            };
            db.add_report(&line)?;
        }
        for row in &draft.rows {
            if let Upkeep::Bad(json) = &row.upkeep {
                let line = report(row.key.table, row.stored_id.print(), Operation::Update, json.clone());
                db.add_report(&line)?;
            }
        }
        Ok(())
    }

    /// Makes the rows of refused drafts show again what the log says.
    ///
    /// Says no, and changes nothing, where a change that is still in the queue has taken the unique value of such a row.
    fn put_back(
        &self,
        refused: &[(&Draft, &LocalRefusal)],
        others: &Others,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
    ) -> Result<bool, DatabaseError> {
        let rows = refused.iter().flat_map(|(draft, _)| draft.rows.iter());
        let rows: Vec<&DraftRow> = rows.filter(|row| !others.touched_again.contains(&row.key)).collect();
        if rows.is_empty() {
            return Ok(true);
        }
        let keys: Vec<ShownRow> = rows.iter().map(|row| row.key).collect();
        let images = link.rows_at(self.shown(), &keys)?;
        let fates: Vec<Fate> =
            keys.into_iter().zip(images).map(|(key, row)| Fate { key, row, status: Some(REVERTED) }).collect();
        db.savepoint()?;
        match self.put_back_rows(&rows, &fates, db) {
            Ok(()) => {
                db.release_savepoint()?;
                Ok(true)
            }
            Err(cause @ (DatabaseError::Obstructed { .. } | DatabaseError::InTheWay { .. })) => {
                db.rollback_to_savepoint()?;
                if self.has_other_lines(db)? { Ok(false) } else { Err(cause) }
            }
            Err(other) => Err(other),
        }
    }

    fn put_back_rows(&self, rows: &[&DraftRow], fates: &[Fate], db: &mut dyn Database) -> Result<(), DatabaseError> {
        for DraftRow { key, stored_id, .. } in rows {
            // Under another spelling of its id the row would stay beside the one that is written now.
            if *stored_id != StoredId::of(key.id) {
                db.delete_stored(key.table, stored_id)?;
            }
        }
        write_rows(db, self.schema, fates)
    }

    /// Says whether lines that name rows stay in the queue.
    fn has_other_lines(&self, db: &mut dyn Database) -> Result<bool, DatabaseError> {
        let (queue, taken) = (db.read_queue()?, &self.intake.taken.lines);
        let touching = queue.lines.iter().filter(|line| line.said != Said::Mark).map(|line| line.seq);
        let mut seqs = touching.chain(queue.nameless.iter().map(|line| line.seq));
        Ok(queue.is_cut || seqs.any(|seq| !taken.contains(seq)))
    }

    /// A row whose id is no UUID never enters the log: it leaves the table, and is reported. Returns how many that were.
    fn drop_nameless(&self, line: &Nameless, db: &mut dyn Database) -> Result<u64, DatabaseError> {
        let Some(table) = line.table else { return Ok(0) };
        let Some(lost) = db.read_raw_json(table, &line.stored_id)? else { return Ok(0) };
        db.delete_stored(table, &line.stored_id)?;
        db.add_report(&Report {
            entry: None,
            step: None,
            table: self.schema.tables()[table].name.to_string(),
            row: line.stored_id.print(),
            operation: Operation::Insert,
            author: self.intake.author.to_string(),
            lost,
            reason: REFUSED.to_owned(),
            message: "type: the id of the row is no UUID".to_owned(),
            culprit: None,
        })?;
        Ok(1)
    }
}

/// Puts the rows of drafts at the end of the queue: they are judged again together with what is in their way.
fn postpone(refused: &[(&Draft, &LocalRefusal)], others: &Others, db: &mut dyn Database) -> Result<(), DatabaseError> {
    for (draft, _) in refused {
        for row in draft.rows.iter().filter(|row| !others.touched_again.contains(&row.key)) {
            let (table, id) = (row.key.table, std::slice::from_ref(&row.stored_id));
            if draft.named.is_empty() {
                db.append_lines(table, id, None)?;
            }
            for author in &draft.named {
                db.append_lines(table, id, Some(author))?;
            }
        }
    }
    Ok(())
}
