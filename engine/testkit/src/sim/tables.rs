//! The tables of an application's database, as a map: what batches are folded into, and what every reader must find whole.

use std::collections::BTreeMap;

use treaty_engine::relation::RowId;
use treaty_engine::replica::{RowChange, RowImage};
use treaty_schema::{Schema, Table, Value};

/// Rows by table and the id shown.
pub(super) type Tables = BTreeMap<(usize, RowId), RowImage>;

/// Makes changes that belong together.
pub(super) fn fold(tables: &mut Tables, changes: Vec<RowChange>) {
    for change in changes {
        match change.row {
            Some(row) => tables.insert((change.table, change.id), row),
            None => tables.remove(&(change.table, change.id)),
        };
    }
}

/// Tells the first constraint of the schema that the tables break.
pub(super) fn broken_constraint(schema: &Schema, tables: &Tables) -> Option<String> {
    tables
        .iter()
        .find_map(|((index, id), row)| {
            let table = &schema.tables()[*index];
            let fault = broken_by_row(table, row).or_else(|| dangling(table, row, tables));
            fault.map(|fault| format!("row {id:?} of {} {fault}", table.name))
        })
        .or_else(|| (0..schema.tables().len()).find_map(|table| duplicate(schema, table, tables)))
}

fn broken_by_row(table: &Table, row: &RowImage) -> Option<String> {
    let null = (0..table.columns.len()).find(|column| table.columns[*column].not_null && row.cells[*column].is_none());
    if let Some(column) = null {
        return Some(format!("has NULL in column {}", table.columns[column].name));
    }
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let checked = table.check_row(&row.cells).and_then(|()| table.check_keys(&row.cells, &all));
    checked.err().map(|fault| format!("breaks a rule: {fault:?}"))
}

fn dangling(table: &Table, row: &RowImage, tables: &Tables) -> Option<String> {
    table.foreign_keys.iter().find_map(|key| match &row.cells[key.column] {
        Some(Value::Uuid(id)) if !tables.contains_key(&(key.target, RowId(*id))) => {
            Some(format!("refers by {} to a row that is not there", table.columns[key.column].name))
        }
        _ => None,
    })
}

fn duplicate(schema: &Schema, index: usize, tables: &Tables) -> Option<String> {
    let table = &schema.tables()[index];
    table.uniques.iter().find_map(|unique| {
        let mut holders: BTreeMap<Vec<u8>, RowId> = BTreeMap::new();
        rows_of(tables, index).find_map(|(id, row)| {
            let key: Vec<&Value> =
                unique.columns.iter().map(|column| row.cells[*column].as_ref()).collect::<Option<_>>()?;
            let key = borsh_of(&key);
            let other = holders.insert(key, id)?;
            Some(format!("rows {other:?} and {id:?} of {} share the key {}", table.name, unique.name))
        })
    })
}

fn borsh_of(key: &[&Value]) -> Vec<u8> {
    key.iter().flat_map(|value| format!("{value:?}|").into_bytes()).collect()
}

/// The rows of one table.
pub(super) fn rows_of(tables: &Tables, table: usize) -> impl Iterator<Item = (RowId, &RowImage)> {
    let range = (table, RowId([0; 16]))..=(table, RowId([0xff; 16]));
    tables.range(range).map(|((_, id), row)| (*id, row))
}

/// Tells how two sets of tables differ first.
pub(super) fn difference(schema: &Schema, found: &Tables, expected: &Tables) -> Option<String> {
    let keys = found.keys().chain(expected.keys());
    let first = keys.filter(|key| found.get(key) != expected.get(key)).min()?;
    let name = &schema.tables()[first.0].name;
    Some(format!(
        "row {:?} of {name}:\n  found    {:?}\n  expected {:?}",
        first.1,
        found.get(first),
        expected.get(first)
    ))
}
