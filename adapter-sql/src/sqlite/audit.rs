//! The audit: do the tables hold what the log says they show?
//!
//! Behind the triggers stands a comparison of whole tables with the engine's rows, some at a time and in id order, in
//! memory that does not depend on their size. A difference is a change that no trigger noted (a table rebuilt by a
//! migration tool, triggers dropped, a file edited by other means): its row is put into the queue, so that the next drain
//! imports it as a local change. Only tables whose changes are all in the log are compared.

use std::cell::Cell;

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tracing::{error, info};
use treaty_engine::relation::RowId;
use treaty_engine::replica::{RowImage, Shown};

use crate::capture::{Image, ShownRow};
use crate::link::{EngineLink, Page};

use super::Application;
use super::connect::{begin_read, begin_write, pragma};
use super::error::{SqliteError, doing};
use super::intake::value_bytes;
use super::queue;
use super::state::State;
use super::table::{COMMITTED, REVERTED, TableSql, owned, read_id};
use super::writer::Quiet;

/// Rows of a table compared in one slice.
const SLICE_ROWS: u16 = 1_000;
/// Bytes of rows of the table after which a slice ends.
const SLICE_BYTES: usize = 4 << 20;

/// Where an audit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditPlace {
    table: usize,
    after: Option<RowId>,
}

impl AuditPlace {
    /// The start of a table.
    pub(super) fn start_of(table: usize) -> AuditPlace {
        AuditPlace { table, after: None }
    }

    /// After a row of a table.
    pub(super) fn after(table: usize, row: RowId) -> AuditPlace {
        AuditPlace { table, after: Some(row) }
    }
}

/// What is known of audits: an idle database is compared once.
#[derive(Debug, Default)]
pub(super) struct AuditState {
    /// `PRAGMA data_version` when the audit at hand began.
    version_begun: Cell<Option<i64>>,
    /// Whether it found nothing so far.
    is_clean: Cell<bool>,
    /// `PRAGMA data_version` when the last audit that found nothing began.
    version_audited: Cell<Option<i64>>,
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

/// The rows of one slice on both sides. A row under a derived id (one of several inserted under one id) is out of the
/// order of the others on the engine's side: it is looked up instead.
pub(super) struct Slice {
    /// Rows of the table, ascending by id.
    table_rows: Vec<TableRow>,
    /// Ids in the table that are not spelt as an id should be.
    odd: Vec<Stored>,
    /// Rows of the engine that are shown under their own id, ascending.
    engine_rows: Vec<(RowId, RowImage)>,
    /// Rows of either side that are shown under a derived id.
    pub(super) derived: Vec<RowId>,
    /// The last id compared; none at the end of the table.
    pub(super) bound: Option<RowId>,
}

/// A row as the table shows it.
struct TableRow {
    id: RowId,
    /// Its cells; none if some cell cannot be read.
    cells: Option<Image>,
    /// Our two columns.
    marks: (Option<String>, Option<String>),
}

/// What a slice found.
#[derive(Default)]
pub(super) struct Findings {
    /// Rows that are not the same on both sides.
    pub(super) differing: Vec<Stored>,
    /// Rows whose status or author is not what it should be, with the author.
    mismarked: Vec<(RowId, String)>,
}

impl Application {
    /// Compares some rows, from `place` on.
    ///
    /// # Errors
    /// [`SqliteError`]; the place stays good.
    pub fn audit_slice(&mut self, link: &mut dyn EngineLink, place: AuditPlace) -> Result<Audited, SqliteError> {
        self.settle(link)?;
        if place == AuditPlace::default() && self.is_audited()? {
            return Ok(Audited::Slice { next: None, difference_count: 0 });
        }
        let Some(table) = self.tables.get(place.table) else {
            return Ok(Audited::Slice { next: None, difference_count: 0 });
        };
        let snapshot = begin_read(&self.connection)?;
        if !queue::is_empty(&snapshot)? {
            return Ok(Audited::Postponed);
        }
        let shown = State::shown(&snapshot)?;
        let slice = read_slice(&snapshot, table, (place, &shown), link)?;
        let mut auditor = Auditor { connection: &snapshot, table, index: place.table, findings: Findings::default() };
        auditor.compare(&slice)?;
        auditor.compare_derived(&slice.derived, &shown, link)?;
        let findings = auditor.findings;
        drop(snapshot);
        self.act_on(table, &findings)?;
        self.audit.is_clean.set(self.audit.is_clean.get() && findings.differing.is_empty());
        let next = match slice.bound {
            Some(after) => Some(AuditPlace { table: place.table, after: Some(after) }),
            None => {
                Some(AuditPlace { table: place.table + 1, after: None }).filter(|next| next.table < self.tables.len())
            }
        };
        if next.is_none() {
            self.audit.version_audited.set(self.audit.version_begun.get().filter(|_| self.audit.is_clean.get()));
        }
        Ok(Audited::Slice { next, difference_count: findings.differing.len() as u64 })
    }

    /// Says whether nobody else committed since an audit that found nothing; else begins a new one.
    fn is_audited(&self) -> Result<bool, SqliteError> {
        let version = pragma(&self.connection, "data_version").map_err(doing("looking for commits"))?;
        self.audit.is_clean.set(true);
        self.audit.version_begun.set(Some(version));
        Ok(self.audit.version_audited.get() == Some(version))
    }

    /// Queues rows that differ, and corrects marks.
    fn act_on(&self, table: &TableSql, findings: &Findings) -> Result<(), SqliteError> {
        let Findings { differing, mismarked } = findings;
        if differing.is_empty() && mismarked.is_empty() {
            return Ok(());
        }
        let write = begin_write(&self.connection)?;
        // Marks are right only while nothing was written since; what differs is looked at again in any case.
        if queue::is_empty(&write)? {
            let quiet = Quiet::begin(&write)?;
            for (id, author) in mismarked {
                write
                    .prepare_cached(&table.set_status)
                    .and_then(|mut statement| statement.execute(params![COMMITTED, author, id.to_string()]))
                    .map_err(doing("correcting the status of a row"))?;
            }
            quiet.end(&write)?;
        }
        queue::append(&write, table, differing)?;
        write.commit().map_err(doing("committing the findings of an audit"))?;
        if !differing.is_empty() {
            error!(
                table = table.name(),
                row_count = differing.len(),
                "rows changed without a trigger noticing: imported as local changes; look for a migration tool that \
                 rebuilt the table, or for dropped triggers"
            );
        }
        Ok(())
    }

    /// Compares all tables, importing what was missed; returns how many rows that were.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn audit(&mut self, link: &mut dyn EngineLink) -> Result<u64, SqliteError> {
        let (mut place, mut total) = (AuditPlace::default(), 0);
        loop {
            self.drain(link)?;
            match self.audit_slice(link, place)? {
                Audited::Postponed => {}
                Audited::Slice { next, difference_count } => {
                    total += difference_count;
                    let Some(next) = next else { break };
                    place = next;
                }
            }
        }
        self.drain(link)?;
        info!(difference_count = total, "tables compared with the log");
        Ok(total)
    }
}

pub(super) fn read_slice(
    connection: &Connection,
    table: &TableSql,
    (place, shown): (AuditPlace, &Shown),
    link: &mut dyn EngineLink,
) -> Result<Slice, SqliteError> {
    let failed = doing("reading a table for the audit");
    let after = place.after.map_or(String::new(), |id| id.to_string());
    let mut statement = connection.prepare_cached(&table.select_page).map_err(&failed)?;
    let mut rows = statement.query(params![after, SLICE_ROWS]).map_err(&failed)?;
    let (mut table_rows, mut odd, mut bytes) = (Vec::new(), Vec::new(), 0);
    while let Some(row) = rows.next().map_err(&failed)? {
        let stored = row.get_ref(2 + table.table.id_column).map_err(&failed)?;
        match read_id(stored).filter(|id| stored.as_str().is_ok_and(|text| text == id.to_string())) {
            Some(id) => {
                let row = TableRow::read(table, id, row).map_err(&failed)?;
                bytes += row.cells.iter().flatten().flatten().map(value_bytes).sum::<usize>();
                table_rows.push(row);
            }
            None => odd.push(owned(stored)),
        }
        if bytes > SLICE_BYTES {
            break;
        }
    }
    let is_cut = bytes > SLICE_BYTES;
    let slice_rows = if is_cut { table_rows.len() } else { usize::from(SLICE_ROWS) };
    let mut engine_rows = link.page_at(shown, Page { table: place.table, after: place.after, rows_max: slice_rows })?;
    let table_end =
        table_rows.last().map(|row| row.id).filter(|_| is_cut || table_rows.len() + odd.len() == slice_rows);
    let engine_end = engine_rows.last().map(|(id, _)| *id).filter(|_| engine_rows.len() >= slice_rows);
    let bound = [table_end, engine_end].into_iter().flatten().min();
    if let Some(bound) = bound {
        table_rows.retain(|row| row.id <= bound);
        engine_rows.retain(|(id, _)| *id <= bound);
    }
    let mut derived: Vec<RowId> = table_rows.iter().map(|row| row.id).filter(RowId::is_derived).collect();
    table_rows.retain(|row| !row.id.is_derived());
    derived.extend(engine_rows.iter().filter_map(|(id, row)| shown_id(table, row).filter(|shown| shown != id)));
    engine_rows.retain(|(id, row)| shown_id(table, row) == Some(*id));
    Ok(Slice { table_rows, odd, engine_rows, derived, bound })
}

impl TableRow {
    fn read(table: &TableSql, id: RowId, row: &Row<'_>) -> rusqlite::Result<TableRow> {
        let text = |index| row.get_ref(index).map(|stored| stored.as_str().ok().map(str::to_owned));
        let cells = table.read(row, 2)?.ok().map(|(cells, _)| cells);
        Ok(TableRow { id, cells, marks: (text(0)?, text(1)?) })
    }
}

fn shown_id(table: &TableSql, row: &RowImage) -> Option<RowId> {
    match row.cells[table.table.id_column] {
        Some(treaty_schema::Value::Uuid(bytes)) => Some(RowId(bytes)),
        _ => None,
    }
}

/// Compares a slice.
pub(super) struct Auditor<'a> {
    pub(super) connection: &'a Connection,
    pub(super) table: &'a TableSql,
    pub(super) index: usize,
    pub(super) findings: Findings,
}

impl Auditor<'_> {
    pub(super) fn compare(&mut self, slice: &Slice) -> Result<(), SqliteError> {
        self.findings.differing.extend(slice.odd.iter().cloned());
        let mut engine_rows = slice.engine_rows.iter().peekable();
        for row in &slice.table_rows {
            while let Some((id, missing)) = engine_rows.next_if(|(other, _)| *other < row.id) {
                self.compare_row(*id, None, Some(missing))?;
            }
            let same = engine_rows.next_if(|(other, _)| *other == row.id);
            self.compare_row(row.id, Some(row), same.map(|(_, row)| row))?;
        }
        for (id, missing) in engine_rows {
            self.compare_row(*id, None, Some(missing))?;
        }
        Ok(())
    }

    pub(super) fn compare_derived(
        &mut self,
        ids: &[RowId],
        shown: &Shown,
        link: &mut dyn EngineLink,
    ) -> Result<(), SqliteError> {
        let failed = doing("reading a row for the audit");
        for id in ids {
            let key = ShownRow { table: self.index, id: *id };
            let row = self
                .connection
                .prepare_cached(&self.table.select_marked)
                .and_then(|mut one| {
                    one.query_row([id.to_string()], |row| TableRow::read(self.table, *id, row)).optional()
                })
                .map_err(&failed)?;
            let image = link.rows_at(shown, &[key])?.pop().flatten();
            self.compare_row(*id, row.as_ref(), image.as_ref())?;
        }
        Ok(())
    }

    fn compare_row(&mut self, id: RowId, row: Option<&TableRow>, image: Option<&RowImage>) -> Result<(), SqliteError> {
        let is_same = match (row, image) {
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
            (Some(row), Some(image)) => row.cells.as_ref() == Some(&image.cells),
        };
        if !is_same {
            self.findings.differing.push(Stored::Text(id.to_string()));
            return Ok(());
        }
        if let (Some(row), Some(image)) = (row, image) {
            let author = image.author.to_string();
            let is_marked = matches!(row.marks.0.as_deref(), Some(COMMITTED | REVERTED));
            if !is_marked || row.marks.1.as_deref() != Some(author.as_str()) {
                self.findings.mismarked.push((id, author));
            }
        }
        Ok(())
    }
}
