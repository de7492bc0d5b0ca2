//! Genesis rows: the rows that a schema file inserts, checked against its tables.

use std::collections::BTreeSet;

use sqlparser::tokenizer::Location;
use treaty_schema::{
    Change, Env, Identity, LogicalType, NewColumn, NewDefault, NewTable, Patch, Schema, Table, Timestamp, Value,
    is_not_false,
};

use super::insert::{InsertText, RowText, ValueText};
use crate::diagnostic::Mistake;

/// A row that the genesis entry inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisRow {
    /// Index into `Schema::tables`.
    pub table: usize,
    /// One per column, in declared order, `id` included.
    pub cells: Vec<GenesisCell>,
}

/// A value of a genesis row; what only the founder's machine knows is left open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GenesisCell {
    /// A constant; `None` is NULL.
    Value(Option<Value>),
    /// `author()`: the founder's identity.
    Author,
    /// A random UUID.
    RandomUuid,
    /// The time, as a value of this type.
    Now(LogicalType),
}

impl GenesisRow {
    /// Returns the row's values, in declared order, `id` included.
    ///
    /// * `author` - the founder.
    /// * `now` - the time, in UTC.
    /// * `random_uuid` - gives a fresh version 4 UUID each time.
    pub fn resolve(
        &self,
        author: &Identity,
        now: Timestamp,
        random_uuid: &mut impl FnMut() -> [u8; 16],
    ) -> Vec<Option<Value>> {
        let resolve = |cell: &GenesisCell| match cell {
            GenesisCell::Value(value) => value.clone(),
            GenesisCell::Author => Some(Value::Identity(*author)),
            GenesisCell::RandomUuid => Some(Value::Uuid(random_uuid())),
            GenesisCell::Now(logical_type) => Some(time_value(*logical_type, now)),
        };
        self.cells.iter().map(resolve).collect()
    }
}

/// The time as a value of a type that has a default of `now()`.
fn time_value(logical_type: LogicalType, now: Timestamp) -> Value {
    let (date, time) = now.to_date_time();
    match logical_type {
        LogicalType::Date => Value::Date(date),
        LogicalType::Time => Value::Time(time),
        LogicalType::Timestamp => Value::Timestamp(now),
        _ => Value::TimestampTz(now),
    }
}

/// Checks the rows of `inserts` against the tables of `patch`, before the schema as a whole is known to be valid.
///
/// * returns - the rows, in the order of the text, those with mistakes left out.
pub(super) fn rows(patch: &Patch, inserts: &[InsertText], mistakes: &mut Vec<Mistake>) -> Vec<(GenesisRow, Location)> {
    let tables: Vec<&NewTable> = patch.changes.iter().filter_map(table_of).collect();
    let mut rows = Vec::new();
    for insert in inserts {
        let found = tables.iter().position(|table| table.name == insert.table.name);
        let Some((index, table)) = found.and_then(|index| Some((index, *tables.get(index)?))) else {
            let message = format!("there is no table {}", insert.table.name);
            mistakes.push(Mistake::new(insert.table.at, message).help("genesis rows go into tables of the same file"));
            continue;
        };
        let Some(order) = columns(table, insert, mistakes) else { continue };
        for row in &insert.rows {
            let before = mistakes.len();
            let cells = cells(table, &order, row, mistakes);
            if mistakes.len() == before {
                rows.push((GenesisRow { table: index, cells }, row.at));
            }
        }
    }
    rows
}

fn table_of(change: &Change) -> Option<&NewTable> {
    match change {
        Change::CreateTable(table) => Some(table),
        Change::CreatePolicy(_) | Change::RevokeUpdate { .. } => None,
    }
}

/// For each column of the table, which value of a row is its own.
fn columns(table: &NewTable, insert: &InsertText, mistakes: &mut Vec<Mistake>) -> Option<Vec<Option<usize>>> {
    let mut order = vec![None; table.columns.len()];
    let before = mistakes.len();
    for (value_index, named) in insert.columns.iter().enumerate() {
        let Some(index) = table.columns.iter().position(|column| column.name == named.name) else {
            mistakes.push(Mistake::new(named.at, format!("{} has no column {}", table.name, named.name)));
            continue;
        };
        if order[index].is_some() {
            mistakes.push(Mistake::new(named.at, format!("the column {} is named twice", named.name)));
        }
        order[index] = Some(value_index);
    }
    (mistakes.len() == before).then_some(order)
}

/// Makes the cells of one row, in declared order.
fn cells(table: &NewTable, order: &[Option<usize>], row: &RowText, mistakes: &mut Vec<Mistake>) -> Vec<GenesisCell> {
    let mut cells = Vec::new();
    for (column, value_index) in table.columns.iter().zip(order) {
        let (value, at) = match value_index.and_then(|index| row.values.get(index)) {
            Some((value, at)) => (value.clone(), *at),
            None => (ValueText::Default, row.at),
        };
        match cell(column, &value) {
            Ok(GenesisCell::Value(None)) if column.not_null || column.name.as_str() == "id" => {
                let message = format!("{} of {} is NOT NULL and the row gives it no value", column.name, table.name);
                mistakes.push(Mistake::new(at, message));
            }
            Ok(cell) => cells.push(cell),
            Err(message) => mistakes.push(Mistake::new(at, message)),
        }
    }
    cells
}

fn cell(column: &NewColumn, value: &ValueText) -> Result<GenesisCell, String> {
    match value {
        ValueText::Author if column.logical_type == LogicalType::Identity => Ok(GenesisCell::Author),
        ValueText::Author => Err(format!("author() is an IDENTITY, {} is not", column.name)),
        ValueText::Value(value) => constant(column, value),
        ValueText::Default => match &column.default {
            Some(default) => constant(column, default),
            // The generated SQL gives every id this default.
            None if column.name.as_str() == "id" => Ok(GenesisCell::RandomUuid),
            None => Ok(GenesisCell::Value(None)),
        },
    }
}

fn constant(column: &NewColumn, value: &NewDefault) -> Result<GenesisCell, String> {
    match value {
        NewDefault::RandomUuid if column.logical_type == LogicalType::Uuid => Ok(GenesisCell::RandomUuid),
        NewDefault::RandomUuid => Err(format!("gen_random_uuid() is a UUID, {} is not", column.name)),
        NewDefault::Now => match column.logical_type {
            LogicalType::Date | LogicalType::Time | LogicalType::Timestamp | LogicalType::TimestampTz => {
                Ok(GenesisCell::Now(column.logical_type))
            }
            _ => Err(format!("now() is a time, {} is not", column.name)),
        },
        NewDefault::Literal { negative, literal } => column
            .logical_type
            .literal(*negative, literal)
            .map(GenesisCell::Value)
            .map_err(|error| format!("{}: {error}", column.name)),
    }
}

/// Checks what needs the valid schema: CHECKs, ids, keys and references among the rows.
pub(super) fn judge(schema: &Schema, rows: &[(GenesisRow, Location)], mistakes: &mut Vec<Mistake>) {
    let tables = || rows.iter().filter_map(|(row, at)| Some((schema.tables().get(row.table)?, row, *at)));
    let id_of =
        |(table, row, _): (&Table, &GenesisRow, Location)| Some((row.table, row.cells.get(table.id_column)?.clone()));
    let ids: BTreeSet<(usize, GenesisCell)> = tables().filter_map(id_of).collect();
    let mut claims = BTreeSet::new();
    for (table, row, at) in tables() {
        judge_checks(table, row, at, mistakes);
        let keys = table.uniques.iter().map(|unique| (unique.name.as_str(), unique.columns.as_slice()));
        for (name, columns) in keys.chain([("id", &[table.id_column][..])]) {
            let key = key(row, columns);
            if key.is_some_and(|key| !claims.insert((row.table, name, key))) {
                mistakes.push(Mistake::new(at, format!("an earlier row of {} has the same {name}", table.name)));
            }
        }
        for key in &table.foreign_keys {
            let found = match row.cells.get(key.column) {
                None | Some(GenesisCell::Value(None)) => true,
                Some(cell) => matches!(cell, GenesisCell::Value(_)) && ids.contains(&(key.target, cell.clone())),
            };
            if !found {
                let (column, target) = (&table.columns[key.column].name, &schema.tables()[key.target].name);
                let message = format!("{column} refers to no row of {target} in this file");
                let help = "give the row referred to an id of its own and name it here";
                mistakes.push(Mistake::new(at, message).help(help));
            }
        }
    }
}

/// The key that a row claims; nothing if a part of it is NULL, or not known before the space is founded.
fn key(row: &GenesisRow, columns: &[usize]) -> Option<Vec<GenesisCell>> {
    let part = |column: &usize| match row.cells.get(*column) {
        Some(cell @ (GenesisCell::Author | GenesisCell::Value(Some(_)))) => Some(cell.clone()),
        _ => None,
    };
    columns.iter().map(part).collect()
}

/// Measures the keys, and evaluates the CHECKs that read constants only; the engine judges the others when the space is founded.
fn judge_checks(table: &Table, row: &GenesisRow, at: Location, mistakes: &mut Vec<Mistake>) {
    let constant = |cell: &GenesisCell| match cell {
        GenesisCell::Value(value) => value.clone(),
        GenesisCell::Author | GenesisCell::RandomUuid | GenesisCell::Now(_) => None,
    };
    let values: Vec<Option<Value>> = row.cells.iter().map(constant).collect();
    let all: Vec<usize> = (0..values.len()).collect();
    if let Err(fault) = table.check_keys(&values, &all) {
        mistakes.push(Mistake::new(at, format!("{}: {fault}", table.name)));
    }
    let env = Env { rows: &[&values], author: None };
    for check in &table.checks {
        let known = check.columns.iter().all(|column| matches!(row.cells.get(*column), Some(GenesisCell::Value(_))));
        if known && !is_not_false(&check.expr, env).unwrap_or(false) {
            mistakes.push(Mistake::new(at, format!("the row breaks the CHECK {} of {}", check.name, table.name)));
        }
    }
}
