//! Some rows of a table on both sides, and the difference between them.

use treaty_engine::relation::RowId;
use treaty_engine::replica::{RowImage, Shown};
use treaty_schema::Table;

use crate::capture::ShownRow;
use crate::database::{COMMITTED, Database, DatabaseError, PageBounds, REVERTED, StoredId, TableRow};
use crate::link::{EngineLink, Page};

/// Rows of a table compared in one slice.
const SLICE_ROWS: usize = 1_000;
/// Bytes of rows of the table after which a slice ends.
const SLICE_BYTES: usize = 4 << 20;

/// Where an audit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditPlace {
    pub(super) table: usize,
    pub(super) after: Option<RowId>,
}

/// The rows of one slice on both sides. A row under a derived id (one of several inserted under one id) is out of the
/// order of the others on the engine's side: it is looked up instead.
pub(super) struct Slice {
    /// Rows of the table, ascending by id.
    table_rows: Vec<TableRow>,
    /// Ids in the table that are not spelt as an id should be.
    odd: Vec<StoredId>,
    /// Rows of the engine that are shown under their own id, ascending.
    engine_rows: Vec<(RowId, RowImage)>,
    /// Rows of either side that are shown under a derived id.
    derived: Vec<RowId>,
    /// The last id compared; none at the end of the table.
    pub(super) bound: Option<RowId>,
}

/// What a slice found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Rows that are not the same on both sides.
    pub(super) differing: Vec<StoredId>,
    /// Rows whose status or author is not what it should be, with the author.
    pub(super) mismarked: Vec<(RowId, String)>,
}

impl Slice {
    /// Reads the slice at a place, of tables that show `shown`.
    pub(super) fn read(
        db: &mut dyn Database,
        table: &Table,
        (place, shown): (AuditPlace, &Shown),
        link: &mut dyn EngineLink,
    ) -> Result<Slice, DatabaseError> {
        let bounds = PageBounds { rows_max: SLICE_ROWS, bytes_max: SLICE_BYTES };
        let page = db.read_page(place.table, place.after, bounds)?;
        let (mut table_rows, odd, has_more) = (page.rows, page.odd, page.has_more);
        let rows_max = if has_more && !table_rows.is_empty() { table_rows.len() } else { SLICE_ROWS };
        let mut engine_rows = link.page_at(shown, Page { table: place.table, after: place.after, rows_max })?;
        let table_end = table_rows.last().map(|row| row.id).filter(|_| has_more);
        let engine_end = engine_rows.last().map(|(id, _)| *id).filter(|_| engine_rows.len() >= rows_max);
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

    /// Compares both sides.
    ///
    /// * `table` - its index.
    pub(super) fn compare(
        &self,
        db: &mut dyn Database,
        (table, shown): (usize, &Shown),
        link: &mut dyn EngineLink,
    ) -> Result<Findings, DatabaseError> {
        let mut findings = Findings { differing: self.odd.clone(), mismarked: Vec::new() };
        let mut engine_rows = self.engine_rows.iter().peekable();
        for row in &self.table_rows {
            while let Some((id, missing)) = engine_rows.next_if(|(other, _)| *other < row.id) {
                findings.compare(*id, None, Some(missing));
            }
            let same = engine_rows.next_if(|(other, _)| *other == row.id);
            findings.compare(row.id, Some(row), same.map(|(_, row)| row));
        }
        for (id, missing) in engine_rows {
            findings.compare(*id, None, Some(missing));
        }
        for id in &self.derived {
            let key = ShownRow { table, id: *id };
            let row = db.read_row(key)?;
            let image = link.rows_at(shown, &[key])?.pop().flatten();
            findings.compare(*id, row.as_ref(), image.as_ref());
        }
        Ok(findings)
    }
}

fn shown_id(table: &Table, row: &RowImage) -> Option<RowId> {
    match row.cells[table.id_column] {
        Some(treaty_schema::Value::Uuid(bytes)) => Some(RowId(bytes)),
        _ => None,
    }
}

impl Findings {
    fn compare(&mut self, id: RowId, row: Option<&TableRow>, image: Option<&RowImage>) {
        let is_same = match (row, image) {
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
            (Some(row), Some(image)) => row.cells.as_ref() == Some(&image.cells),
        };
        if !is_same {
            self.differing.push(StoredId::of(id));
            return;
        }
        if let (Some(row), Some(image)) = (row, image) {
            let author = image.author.to_string();
            let is_marked = matches!(row.status.as_deref(), Some(COMMITTED | REVERTED));
            if !is_marked || row.author.as_deref() != Some(author.as_str()) {
                self.mismarked.push((id, author));
            }
        }
    }
}
