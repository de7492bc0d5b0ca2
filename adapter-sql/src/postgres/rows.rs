//! Rows: reading them as the tables hold them, locking and marking them.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::session::{Failure, Session, column, doing, statement};
use super::table::{TableSql, cell_bytes};
use super::values::{bind_column, row_id, uuid, uuid_of};
use crate::capture::{Image, ShownRow};
use crate::database::{After, DatabaseError, Found, Marks, PageBounds, QueuedRow, StoredId, TablePage, TableRow};
use treaty_engine::relation::RowId;

/// How many rows are read with one statement: more while they are small, fewer while they are large.
#[derive(Debug)]
pub(super) struct ReadSize(usize);

impl ReadSize {
    const FIRST: usize = 250;
    const MAX: usize = 2_000;
    /// Bytes of values that one statement should return.
    const BYTES: usize = 4 << 20;

    pub(super) fn new() -> ReadSize {
        ReadSize(ReadSize::FIRST)
    }

    fn learn(&mut self, row_count: usize, bytes: usize) {
        if bytes > ReadSize::BYTES {
            let fitting = row_count.saturating_mul(ReadSize::BYTES) / bytes;
            self.0 = fitting.clamp(1, ReadSize::MAX);
        } else if bytes < ReadSize::BYTES / 4 && row_count >= self.0 {
            self.0 = (self.0 * 2).min(ReadSize::MAX);
        }
    }
}

fn image_bytes(cells: &Image) -> usize {
    cells.iter().map(|cell| cell_bytes(cell.as_ref())).sum()
}

/// The rows of each table, ascending.
pub(super) fn by_table(rows: impl IntoIterator<Item = ShownRow>) -> BTreeMap<usize, Vec<Uuid>> {
    let mut found: BTreeMap<usize, BTreeSet<Uuid>> = BTreeMap::new();
    for row in rows {
        found.entry(row.table).or_default().insert(uuid(row.id));
    }
    found.into_iter().map(|(table, ids)| (table, ids.into_iter().collect())).collect()
}

/// Reads what the tables hold for the first of `rows` and some after it, in order.
pub(super) fn read_queued(
    session: &mut Session,
    tables: &[TableSql],
    size: &mut ReadSize,
    rows: &[QueuedRow],
) -> Result<Vec<Found>, DatabaseError> {
    let failed = doing("reading queued rows");
    let rows = &rows[..rows.len().min(size.0)];
    let (mut stored, mut bytes) = (BTreeMap::new(), 0);
    for (index, ids) in by_table(rows.iter().map(|row| row.key)) {
        let table = &tables[index];
        for row in session.fetch(statement(&table.select).bind(ids)).map_err(&failed)? {
            let (id, found, size) = read_found(table, &row).map_err(&failed)?;
            bytes += size;
            stored.insert(ShownRow { table: index, id }, found);
        }
    }
    size.learn(rows.len(), bytes);
    let absent =
        |key: ShownRow| Found { stored_id: StoredId::of(key.id), status: None, author: None, after: After::Absent };
    Ok(rows.iter().map(|row| stored.remove(&row.key).unwrap_or_else(|| absent(row.key))).collect())
}

fn read_found(table: &TableSql, row: &PgRow) -> Result<(RowId, Found, usize), Failure> {
    let id = TableSql::id(row)?;
    let (status, author) = TableSql::marks(row)?;
    let (after, bytes) = match table.read(row)? {
        Ok((cells, form)) => {
            let bytes = image_bytes(&cells);
            (After::Row(cells, form), bytes)
        }
        Err(bad) => {
            let json = table.read_raw_json(row)?;
            let bytes = json.len();
            (After::Bad(bad, json), bytes)
        }
    };
    Ok((id, Found { stored_id: StoredId::of(id), status, author, after }, bytes))
}

/// Reads rows of a table in the order of their ids.
pub(super) fn read_page(
    session: &mut Session,
    table: &TableSql,
    size: &mut ReadSize,
    after: Option<RowId>,
    bounds: PageBounds,
) -> Result<TablePage, DatabaseError> {
    let failed = doing("reading a table");
    let (mut page, mut bytes, mut after) = (TablePage { has_more: true, ..TablePage::default() }, 0, after);
    while page.has_more
        && page.rows.len() < bounds.rows_max.max(1)
        && (bytes < bounds.bytes_max || page.rows.is_empty())
    {
        let limit = size.0.min(bounds.rows_max.max(1) - page.rows.len());
        let asking = statement(&table.select_page).bind(after.map(uuid)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = session.fetch(asking).map_err(&failed)?;
        page.has_more = rows.len() == limit;
        let mut bytes_here = 0;
        for row in &rows {
            let row = table.read_row(row).map_err(&failed)?;
            bytes_here += row.cells.as_ref().map_or(0, image_bytes);
            after = Some(row.id);
            page.rows.push(row);
        }
        size.learn(rows.len(), bytes_here);
        bytes += bytes_here;
    }
    Ok(page)
}

/// Reads one row.
pub(super) fn read_row(session: &mut Session, table: &TableSql, id: RowId) -> Result<Option<TableRow>, DatabaseError> {
    let failed = doing("reading a row");
    let row = session.fetch_optional(statement(&table.select).bind(vec![uuid(id)])).map_err(&failed)?;
    row.map(|row| table.read_row(&row)).transpose().map_err(failed)
}

/// Prints a row as JSON, as it is stored.
pub(super) fn read_raw_json(
    session: &mut Session,
    table: &TableSql,
    id: &StoredId,
) -> Result<Option<String>, DatabaseError> {
    let failed = doing("reading a row");
    let Some(id) = uuid_of(id) else { return Ok(None) };
    let row = session.fetch_optional(statement(&table.select).bind(vec![id])).map_err(&failed)?;
    row.map(|row| table.read_raw_json(&row)).transpose().map_err(failed)
}

/// Locks rows in the order of tables and ids, waiting for whoever has them.
pub(super) fn lock(session: &mut Session, tables: &[TableSql], rows: &[ShownRow]) -> Result<(), DatabaseError> {
    for (index, ids) in by_table(rows.iter().copied()) {
        let locking = statement(&tables[index].lock).bind(ids);
        session.fetch(locking).map_err(doing("locking rows"))?;
    }
    Ok(())
}

/// Locks the rows that nobody else has, until the transaction ends; returns the others that are there.
pub(super) fn hold(
    session: &mut Session,
    tables: &[TableSql],
    rows: &[ShownRow],
) -> Result<BTreeSet<ShownRow>, DatabaseError> {
    let failed = doing("locking rows");
    let mut others = BTreeSet::new();
    for (index, ids) in by_table(rows.iter().copied()) {
        let table = &tables[index];
        let held = ids_of(session, &table.hold, ids.clone()).map_err(&failed)?;
        let rest: Vec<Uuid> = ids.into_iter().filter(|id| !held.contains(id)).collect();
        if rest.is_empty() {
            continue;
        }
        let present = ids_of(session, &table.present, rest).map_err(&failed)?;
        others.extend(present.into_iter().map(|id| ShownRow { table: index, id: row_id(id) }));
    }
    Ok(others)
}

/// Runs a statement whose parameter and result are ids.
pub(super) fn ids_of(session: &mut Session, sql: &str, ids: Vec<Uuid>) -> Result<BTreeSet<Uuid>, Failure> {
    session.fetch(statement(sql).bind(ids))?.iter().map(|row| column(row, 0)).collect()
}

/// Sets status and author of rows where they differ.
pub(super) fn mark(
    session: &mut Session,
    table: &TableSql,
    ids: &[StoredId],
    marks: Marks<'_>,
) -> Result<(), DatabaseError> {
    let ids: Vec<Uuid> = ids.iter().filter_map(uuid_of).collect();
    let marking = statement(&table.mark).bind(ids).bind(marks.status).bind(marks.author);
    session.execute(marking).map_err(doing("marking rows as committed"))?;
    Ok(())
}

/// Overwrites a row. Its id is stored in one way.
pub(super) fn overwrite(
    session: &mut Session,
    table: &TableSql,
    cells: &Image,
    marks: Marks<'_>,
) -> Result<(), DatabaseError> {
    let mut writing = statement(&table.update);
    for (column, cell) in table.table.columns.iter().zip(cells) {
        writing = bind_column(writing, column.logical_type, std::iter::once(cell.as_ref()));
    }
    let writing = writing.bind(vec![marks.status]).bind(vec![marks.author]);
    session.fetch(writing).map_err(doing("rewriting a row canonically"))?;
    Ok(())
}

/// Deletes a row.
pub(super) fn delete(session: &mut Session, table: &TableSql, id: &StoredId) -> Result<(), DatabaseError> {
    let Some(id) = uuid_of(id) else { return Ok(()) };
    session.execute(statement(&table.delete).bind(vec![id])).map_err(doing("deleting a row"))?;
    Ok(())
}
