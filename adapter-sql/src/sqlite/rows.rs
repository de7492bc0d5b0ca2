//! Rows of a table in and out, one or a page at a time.

use rusqlite::{Connection, OptionalExtension, Row, params};
use treaty_engine::relation::RowId;

use super::error::doing;
use super::table::{TableSql, owned, read_id};
use crate::capture::value_bytes;
use crate::database::{DatabaseError, PageBounds, StoredId, TablePage, TableRow};

/// Reads rows of a table in id order, after `after`.
pub(super) fn page(
    connection: &Connection,
    table: &TableSql,
    after: Option<RowId>,
    bounds: PageBounds,
) -> Result<TablePage, DatabaseError> {
    let failed = doing("reading a table");
    let PageBounds { rows_max, bytes_max } = bounds;
    let after = after.map_or(String::new(), |id| table.spelt(id));
    let mut statement = connection.prepare_cached(&table.select_page).map_err(&failed)?;
    let mut rows = statement.query(params![after, i64::try_from(rows_max).unwrap_or(i64::MAX)]).map_err(&failed)?;
    let (mut page, mut bytes) = (TablePage::default(), 0);
    while let Some(row) = rows.next().map_err(&failed)? {
        let stored = row.get_ref(2 + table.table.id_column).map_err(&failed)?;
        match read_id(stored).filter(|id| stored.as_str().is_ok_and(|text| text == table.spelt(*id))) {
            Some(id) => {
                let row = read(table, id, row).map_err(&failed)?;
                bytes += row.cells.iter().flatten().flatten().map(value_bytes).sum::<usize>();
                page.rows.push(row);
            }
            None => page.odd.push(table.turn(owned(stored))),
        }
        if bytes > bytes_max {
            break;
        }
    }
    page.has_more = bytes > bytes_max || page.rows.len() + page.odd.len() >= rows_max;
    Ok(page)
}

/// Reads one row.
pub(super) fn one(connection: &Connection, table: &TableSql, id: RowId) -> Result<Option<TableRow>, DatabaseError> {
    connection
        .prepare_cached(&table.select_marked)
        .and_then(|mut one| one.query_row([table.spelt(id)], |row| read(table, id, row)).optional())
        .map_err(doing("reading a row"))
}

fn read(table: &TableSql, id: RowId, row: &Row<'_>) -> rusqlite::Result<TableRow> {
    let text = |index| row.get_ref(index).map(|stored| stored.as_str().ok().map(str::to_owned));
    let cells = table.read(row, 2)?.ok().map(|(cells, _)| cells);
    Ok(TableRow { id, cells, status: text(0)?, author: text(1)? })
}

/// Prints the row whose id is stored exactly so as JSON, as it is stored.
pub(super) fn raw_json(
    connection: &Connection,
    table: &TableSql,
    id: &StoredId,
) -> Result<Option<String>, DatabaseError> {
    connection
        .prepare_cached(&table.select_one)
        .and_then(|mut one| one.query_row([table.turn(id.clone())], |row| table.read_raw_json(row, 0)).optional())
        .map_err(doing("reading a row"))
}
