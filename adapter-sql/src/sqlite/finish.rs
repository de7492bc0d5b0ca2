//! The second half of a drain: what was taken leaves the queue, its rows are marked, refused ones are put back.
//!
//! One short write transaction, together with what the tables show now. Rows that the application touched
//! again in between are left to the next drain.

use std::collections::BTreeSet;

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension, params};
use treaty_engine::replica::{ImportOutcome, LocalOperation, Shown};

use crate::capture::{Operation, Report, ShownRow, json_of_columns, json_of_some};
use crate::link::EngineLink;

use super::apply::fate;
use super::error::{SqliteError, doing};
use super::intake::{Draft, DraftRow, Intake, LocalRefusal, Upkeep};
use super::queue::Nameless;
use super::rollbacks;
use super::table::{COMMITTED, Marks, REVERTED, TableSql};
use super::writer::{Fate, Quiet, Writer, print_id};

/// The reason code of local changes that never entered the log.
const REFUSED: &str = "refused";

/// Finishes an intake in an open write transaction.
pub(super) struct Finish<'f> {
    pub(super) connection: &'f Connection,
    pub(super) tables: &'f [TableSql],
    pub(super) intake: &'f Intake,
    /// What became of each draft, in order; none if it had nothing to sign.
    pub(super) verdicts: &'f [Verdict],
    /// What the tables show from now on.
    pub(super) shown: &'f Shown,
}

/// What became of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the log, or changed nothing.
    Taken,
    /// It is not, and never will be.
    Refused(LocalRefusal),
}

/// Joins what was found here with what the engine said about the drafts that it was handed.
pub(super) fn verdicts(drafts: &[Draft], outcome: Option<&ImportOutcome>) -> Vec<Verdict> {
    let mut judged = outcome.map(|outcome| outcome.transactions.iter()).into_iter().flatten();
    drafts
        .iter()
        .map(|draft| match &draft.refusal {
            Some(refusal) => Verdict::Refused(refusal.clone()),
            None if draft.transaction.operations.is_empty() => Verdict::Taken,
            None => match judged.next() {
                Some(Err(refusal)) => {
                    Verdict::Refused(LocalRefusal { code: refusal.reason.code(), message: refusal.message.clone() })
                }
                Some(Ok(_)) | None => Verdict::Taken,
            },
        })
        .collect()
}

/// What was done about the transactions that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusals {
    /// Put back and reported.
    pub(super) refused_count: u64,
    /// Back in the queue, behind changes that came after the snapshot and that cannot stand beside what they cover.
    pub(super) postponed_count: u64,
}

impl Finish<'_> {
    /// Does it.
    pub(super) fn run(&self, link: &mut dyn EngineLink) -> Result<Refusals, SqliteError> {
        let touched_again = self.touched_again()?;
        let quiet = Quiet::begin(self.connection)?;
        self.mark_taken(&touched_again)?;
        let refused: Vec<(&Draft, &LocalRefusal)> = self
            .intake
            .drafts
            .iter()
            .zip(self.verdicts)
            .filter_map(|(draft, verdict)| match verdict {
                Verdict::Taken => None,
                Verdict::Refused(refusal) => Some((draft, refusal)),
            })
            .collect();
        let mut refusals = Refusals { refused_count: 0, postponed_count: 0 };
        if self.put_back(&refused, &touched_again, link)? {
            for (draft, refusal) in &refused {
                self.report(draft, refusal)?;
            }
            refusals.refused_count = refused.len() as u64;
        } else {
            self.postpone(&refused, &touched_again)?;
            refusals.postponed_count = refused.len() as u64;
        }
        self.follow_deletes(&touched_again, link)?;
        for line in &self.intake.nameless {
            refusals.refused_count += self.drop_nameless(line)?;
        }
        let bounds = &self.intake.bounds;
        super::queue::remove_range(self.connection, bounds.seq_first, bounds.seq_last)?;
        super::state::State::set_shown(self.connection, self.shown)?;
        quiet.end(self.connection)?;
        Ok(refusals)
    }

    /// Rows that have a line which the snapshot did not show.
    fn touched_again(&self) -> Result<BTreeSet<ShownRow>, SqliteError> {
        let failed = doing("reading treaty_queue");
        let sql = "SELECT table_name, row_id FROM treaty_queue WHERE seq > ?1 AND table_name IS NOT NULL";
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let mut rows = statement.query([self.intake.bounds.seq_seen]).map_err(&failed)?;
        let mut found = BTreeSet::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let name: String = row.get(0).map_err(&failed)?;
            let table = self.tables.iter().position(|table| table.name() == name);
            let id = super::table::read_id(row.get_ref(1).map_err(&failed)?);
            if let (Some(table), Some(id)) = (table, id) {
                found.insert(ShownRow { table, id });
            }
        }
        Ok(found)
    }

    /// Sets status and author of rows that are in the log.
    fn mark_taken(&self, touched_again: &BTreeSet<ShownRow>) -> Result<(), SqliteError> {
        let author = self.intake.author.to_string();
        let marks = Marks { status: Some(COMMITTED), author: &author };
        // Lines of a row may be taken and the row left to a later drain, if the queue is not taken to its end.
        let bounds = &self.intake.bounds;
        let is_range =
            bounds.seq_last == bounds.seq_seen && self.verdicts.iter().all(|verdict| *verdict == Verdict::Taken);
        if is_range {
            self.mark_range(marks)?;
        }
        for (draft, verdict) in self.intake.drafts.iter().zip(self.verdicts) {
            if *verdict != Verdict::Taken {
                continue;
            }
            for row in draft.rows.iter().filter(|row| !touched_again.contains(&row.key)) {
                let table = &self.tables[row.key.table];
                match &row.upkeep {
                    Upkeep::Status if is_range => {}
                    Upkeep::Status => self.set_status(table, &row.stored_id, marks)?,
                    Upkeep::Unchanged(by) => {
                        self.set_status(table, &row.stored_id, Marks { author: &by.to_string(), ..marks })?;
                    }
                    Upkeep::Rewrite(cells, by) => {
                        let by = by.unwrap_or(self.intake.author).to_string();
                        table
                            .overwrite(self.connection, &row.stored_id, cells, Marks { author: &by, ..marks })
                            .map_err(doing("rewriting a row canonically"))?;
                    }
                    Upkeep::Gone | Upkeep::Bad(_) => {}
                }
            }
        }
        Ok(())
    }

    /// The common case in one statement for each table.
    fn mark_range(&self, marks: Marks<'_>) -> Result<(), SqliteError> {
        let bounds = &self.intake.bounds;
        let mut indices: Vec<usize> =
            self.intake.drafts.iter().flat_map(|draft| draft.rows.iter().map(|row| row.key.table)).collect();
        indices.sort_unstable();
        indices.dedup();
        for table in indices.into_iter().map(|index| &self.tables[index]) {
            let values =
                params![marks.status, marks.author, table.name(), bounds.seq_first, bounds.seq_last, bounds.seq_seen];
            self.connection
                .prepare_cached(&table.set_status_range)
                .and_then(|mut statement| statement.execute(values))
                .map_err(doing("marking rows as committed"))?;
        }
        Ok(())
    }

    fn set_status(&self, table: &TableSql, stored_id: &Stored, marks: Marks<'_>) -> Result<(), SqliteError> {
        self.connection
            .prepare_cached(&table.set_status)
            .and_then(|mut statement| statement.execute(params![marks.status, marks.author, stored_id]))
            .map_err(doing("marking rows as committed"))?;
        Ok(())
    }

    /// One line per operation that is lost.
    fn report(&self, draft: &Draft, refusal: &LocalRefusal) -> Result<(), SqliteError> {
        let report = |table: usize, row: String, operation: Operation, lost: String| Report {
            entry: None,
            step: None,
            table: self.tables[table].name().to_owned(),
            row,
            operation,
            author: draft.author.clone(),
            lost,
            reason: REFUSED.to_owned(),
            message: format!("{}: {}", refusal.code, refusal.message),
            culprit: None,
        };
        for operation in &draft.transaction.operations {
            let line = match operation {
                LocalOperation::Insert(row) => {
                    let table = &self.tables[row.table].table;
                    let lost = json_of_columns(table, &row.cells, 0..row.cells.len());
                    let id = row.cells[table.id_column].as_ref().map_or(String::new(), treaty_schema::Value::to_text);
                    report(row.table, id, Operation::Insert, lost)
                }
                LocalOperation::Update { table, id, cells } => {
                    let lost = json_of_some(&self.tables[*table].table, cells);
                    report(*table, id.to_string(), Operation::Update, lost)
                }
                LocalOperation::Delete { table, id } => {
                    report(*table, id.to_string(), Operation::Delete, "{}".to_owned())
                }
            };
            rollbacks::add(self.connection, &line)?;
        }
        for row in &draft.rows {
            if let Upkeep::Bad(json) = &row.upkeep {
                let line = report(row.key.table, print_id(&row.stored_id), Operation::Update, json.clone());
                rollbacks::add(self.connection, &line)?;
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
        touched_again: &BTreeSet<ShownRow>,
        link: &mut dyn EngineLink,
    ) -> Result<bool, SqliteError> {
        let rows = refused.iter().flat_map(|(draft, _)| draft.rows.iter());
        let rows: Vec<&DraftRow> = rows.filter(|row| !touched_again.contains(&row.key)).collect();
        if rows.is_empty() {
            return Ok(true);
        }
        let keys: Vec<ShownRow> = rows.iter().map(|row| row.key).collect();
        let images = link.rows_at(self.shown, &keys)?;
        let fates: Vec<Fate> =
            keys.into_iter().zip(images).map(|(key, row)| Fate { key, row, status: Some(REVERTED) }).collect();
        let failed = doing("putting refused rows back");
        self.connection.execute_batch("SAVEPOINT treaty_put_back").map_err(&failed)?;
        match self.put_back_rows(&rows, &fates) {
            Err(SqliteError::Obstructed { .. }) if self.has_later_lines()? => {
                let back = "ROLLBACK TO treaty_put_back; RELEASE treaty_put_back";
                self.connection.execute_batch(back).map_err(failed)?;
                Ok(false)
            }
            Err(other) => Err(other),
            Ok(()) => {
                self.connection.execute_batch("RELEASE treaty_put_back").map_err(failed)?;
                Ok(true)
            }
        }
    }

    fn put_back_rows(&self, rows: &[&DraftRow], fates: &[Fate]) -> Result<(), SqliteError> {
        for DraftRow { key, stored_id, .. } in rows {
            // Under another spelling of its id the row would stay beside the one that is written now.
            if *stored_id != Stored::Text(key.id.to_string()) {
                let table = &self.tables[key.table];
                TableSql::run_on_id(self.connection, &table.delete, stored_id)
                    .map_err(doing("deleting a refused row"))?;
            }
        }
        Writer::new(self.connection, self.tables).write(fates)
    }

    fn has_later_lines(&self) -> Result<bool, SqliteError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM treaty_queue WHERE seq > ?1 AND table_name IS NOT NULL)";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([self.intake.bounds.seq_last], |row| row.get(0)))
            .map_err(doing("reading treaty_queue"))
    }

    /// Puts the rows of drafts at the end of the queue: they are judged again together with what is in their way.
    fn postpone(
        &self,
        refused: &[(&Draft, &LocalRefusal)],
        touched_again: &BTreeSet<ShownRow>,
    ) -> Result<(), SqliteError> {
        for row in refused.iter().flat_map(|(draft, _)| draft.rows.iter()) {
            if !touched_again.contains(&row.key) {
                let table = &self.tables[row.key.table];
                super::queue::append(self.connection, table, std::slice::from_ref(&row.stored_id))?;
            }
        }
        Ok(())
    }

    /// Writes what rows show otherwise now that others are gone: a twin its own id, a reference NULL.
    fn follow_deletes(&self, touched_again: &BTreeSet<ShownRow>, link: &mut dyn EngineLink) -> Result<(), SqliteError> {
        let taken = self.intake.drafts.iter().zip(self.verdicts).filter(|(_, verdict)| **verdict == Verdict::Taken);
        let operations = taken.flat_map(|(draft, _)| &draft.transaction.operations);
        let deleted: Vec<ShownRow> = operations
            .filter_map(|operation| match operation {
                LocalOperation::Delete { table, id } => Some(ShownRow { table: *table, id: *id }),
                LocalOperation::Insert(_) | LocalOperation::Update { .. } => None,
            })
            .collect();
        if deleted.is_empty() {
            return Ok(());
        }
        let changes = link.ripples(&self.intake.on, self.shown, &deleted)?;
        let fates: Vec<Fate> =
            changes.into_iter().map(fate).filter(|fate| !touched_again.contains(&fate.key)).collect();
        Writer::new(self.connection, self.tables).write(&fates)
    }

    /// A row whose id is no UUID never enters the log: it leaves the table, and is reported. Returns how many that were.
    fn drop_nameless(&self, line: &Nameless) -> Result<u64, SqliteError> {
        let Some(index) = line.table else { return Ok(0) };
        let table = &self.tables[index];
        let failed = doing("deleting a refused row");
        let lost = self
            .connection
            .prepare_cached(&table.select_one)
            .and_then(|mut one| one.query_row([&line.stored_id], |row| table.read_raw_json(row, 0)).optional())
            .map_err(&failed)?;
        let Some(lost) = lost else { return Ok(0) };
        TableSql::run_on_id(self.connection, &table.delete, &line.stored_id).map_err(failed)?;
        let report = Report {
            entry: None,
            step: None,
            table: table.name().to_owned(),
            row: print_id(&line.stored_id),
            operation: Operation::Insert,
            author: self.intake.author.to_string(),
            lost,
            reason: REFUSED.to_owned(),
            message: "type: the id of the row is no UUID".to_owned(),
            culprit: None,
        };
        rollbacks::add(self.connection, &report)?;
        Ok(1)
    }
}
