//! The rows that a plan names: what the table shows, what the log says, and the difference.

use std::collections::{BTreeSet, VecDeque};

use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{RowImage, Shown};
use treaty_schema::{ForeignKey, OnDelete, Schema, Table, Value};

use super::{Effect, GroupRow, Image, Line, ShownRow, effect};
use crate::database::{After, Database, DatabaseError, Form, Found, PENDING, QueuedRow, StoredId};
use crate::link::EngineLink;

/// Rows read at a time.
const ROWS_AT_ONCE: usize = 2_000;
/// Rows compared at a time: the engine's side of them is held meanwhile, and may be large where the table's is gone.
const COMPARED_AT_ONCE: usize = 128;

/// A row that the application touched.
#[derive(Debug)]
pub(crate) struct Touched {
    /// The row.
    pub(crate) key: ShownRow,
    /// Where in the queue, and in its group.
    pub(crate) place: GroupRow,
    /// Its id as it is stored.
    pub(crate) stored_id: StoredId,
    /// Who changed it last, if the log has it.
    pub(crate) author_before: Option<Identity>,
    /// What the table shows.
    pub(crate) after: After,
    /// The author that the application named in this change.
    pub(crate) author: Option<String>,
    /// The difference; [`Effect::Nothing`] for a row that cannot be read.
    pub(crate) effect: Effect,
    /// Columns whose reference under SET NULL is gone, and what they referred to.
    pub(crate) unset: Vec<(usize, ShownRow)>,
}

impl Touched {
    /// Forgets that references read NULL whose targets are deleted by the same transaction: databases write so by themselves,
    /// and the log, where no operation says it, reads so too.
    pub(crate) fn forget_unset(rows: &mut [Touched]) {
        if rows.iter().all(|touched| touched.unset.is_empty()) {
            return;
        }
        let deleted = rows.iter().filter(|touched| matches!(touched.effect, Effect::Delete | Effect::Replace));
        let deleted: BTreeSet<ShownRow> = deleted.map(|touched| touched.key).collect();
        for touched in rows {
            let Touched { effect: Effect::Update(columns), unset, .. } = touched else { continue };
            columns
                .retain(|changed| !unset.iter().any(|(column, target)| column == changed && deleted.contains(target)));
            if columns.is_empty() {
                touched.effect = Effect::Nothing;
            }
        }
    }
}

/// Reads the rows that a plan names, in its order, some at a time.
pub(crate) struct RowReader<'r> {
    schema: &'r Schema,
    lines: &'r [Line],
    /// What the tables showed.
    base: &'r Shown,
    rows: &'r [GroupRow],
    next: usize,
    buffer: VecDeque<Touched>,
}

impl<'r> RowReader<'r> {
    /// Starts before the first of `rows`.
    pub(crate) fn new(schema: &'r Schema, lines: &'r [Line], base: &'r Shown, rows: &'r [GroupRow]) -> RowReader<'r> {
        RowReader { schema, lines, base, rows, next: 0, buffer: VecDeque::new() }
    }

    /// Reads the next row; none after the last.
    pub(crate) fn next(
        &mut self,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
    ) -> Result<Option<Touched>, DatabaseError> {
        if self.buffer.is_empty() {
            self.fill(db, link)?;
        }
        Ok(self.buffer.pop_front())
    }

    fn fill(&mut self, db: &mut dyn Database, link: &mut dyn EngineLink) -> Result<(), DatabaseError> {
        let end = (self.next + ROWS_AT_ONCE).min(self.rows.len());
        let chunk = &self.rows[self.next..end];
        if chunk.is_empty() {
            return Ok(());
        }
        let queued = |row: &GroupRow| QueuedRow { seq: self.lines[row.line_first].seq, key: row.key };
        let queued: Vec<QueuedRow> = chunk.iter().map(queued).collect();
        let found = db.read_queued(&queued)?;
        let chunk = chunk.get(..found.len()).filter(|chunk| !chunk.is_empty()).ok_or_else(|| {
            DatabaseError::Damaged { what: format!("{} of {} queued rows were found", found.len(), queued.len()) }
        })?;
        self.next += chunk.len();
        let mut found = found.into_iter();
        for some in chunk.chunks(COMPARED_AT_ONCE) {
            let keys: Vec<ShownRow> = some.iter().map(|row| row.key).collect();
            let before = link.rows_at(self.base, &keys)?;
            for ((place, before), found) in some.iter().zip(before).zip(&mut found) {
                let table = &self.schema.tables()[place.key.table];
                self.buffer.push_back(compare(found, *place, before.as_ref(), table));
            }
        }
        Ok(())
    }
}

fn compare(found: Found, place: GroupRow, before: Option<&RowImage>, table: &Table) -> Touched {
    let Found { stored_id, status, author, after } = found;
    let cells = before.map(|row| &row.cells);
    let effect = match &after {
        After::Absent => effect(table, cells, None),
        After::Row(after, _) => effect(table, cells, Some(after)),
        After::Bad(..) => Effect::Nothing,
    };
    // Triggers set 'pending' and forget the author of earlier changes; where none ran, the author is stale.
    let author = author.filter(|_| status.as_deref() == Some(PENDING));
    let author_before = before.map(|row| row.author);
    let unset = unset(table, cells, &after, &effect);
    let after = without_unchanged(after, &effect);
    Touched { key: place.key, place, stored_id, author_before, after, author, effect, unset }
}

/// References under SET NULL that the row held, and holds no more.
fn unset(table: &Table, before: Option<&Image>, after: &After, effect: &Effect) -> Vec<(usize, ShownRow)> {
    let (Some(before), After::Row(after, _), Effect::Update(columns)) = (before, after, effect) else {
        return Vec::new();
    };
    let keys = table.foreign_keys.iter().filter(|key| key.on_delete == OnDelete::SetNull);
    let keys = keys.filter(|key| columns.contains(&key.column) && after[key.column].is_none());
    let target = |key: &ForeignKey| match before[key.column] {
        Some(Value::Uuid(id)) => Some((key.column, ShownRow { table: key.target, id: RowId(id) })),
        _ => None,
    };
    keys.filter_map(target).collect()
}

/// Forgets cells that nobody will ask for: a transaction may touch many rows.
fn without_unchanged(mut after: After, effect: &Effect) -> After {
    if let (After::Row(cells, Form::Canonical), Effect::Update(changed)) = (&mut after, effect) {
        for (column, cell) in cells.iter_mut().enumerate() {
            if changed.binary_search(&column).is_err() {
                *cell = None;
            }
        }
    }
    after
}
