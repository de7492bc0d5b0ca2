//! Entries made by hand, on any version, by any key: what a hostile author does, and what import does another way.

use std::collections::BTreeMap;

use treaty_engine::relation::RowId;
use treaty_engine::relation::payload::{NamedCell, NamedOperation, NamedRow, NamedShape, PayloadBuilder};
use treaty_engine::replica::{LocalOperation, LocalTransaction, RowImage};
use treaty_schema::{Schema, Table, Value};

use super::tables::Tables;

/// Names rows by the ids that a version shows, and by those that the entry itself inserts.
pub(super) struct Crafter<'c> {
    pub schema: &'c Schema,
    /// What the version shows.
    pub rows: &'c Tables,
    /// Rows of the entry itself so far.
    own: BTreeMap<(usize, RowId), NamedRow>,
    builder: PayloadBuilder,
}

impl<'c> Crafter<'c> {
    /// Starts a payload.
    pub(super) fn new(schema: &'c Schema, rows: &'c Tables) -> Crafter<'c> {
        Crafter { schema, rows, own: BTreeMap::new(), builder: PayloadBuilder::new() }
    }

    /// Adds a co-transaction, as far as its rows have names. False if nothing of it is left.
    pub(super) fn push(&mut self, transaction: &LocalTransaction) -> bool {
        let index = self.builder.transaction_count();
        let mut inserts = BTreeMap::new();
        let mut operation_count = 0;
        let mut kept = Vec::new();
        for operation in &transaction.operations {
            if let LocalOperation::Insert(row) = operation {
                let id = id_of(&self.schema.tables()[row.table], &row.cells);
                inserts.insert((row.table, id), NamedRow::Own { transaction: index, operation: operation_count });
            } else if self.name(operation).is_none() {
                continue;
            }
            operation_count += 1;
            kept.push(operation);
        }
        let named: Vec<NamedOperation> =
            kept.into_iter().filter_map(|operation| self.operation(&inserts, operation)).collect();
        self.own.append(&mut inserts);
        if !named.is_empty() {
            self.builder.push(&named);
        }
        !named.is_empty()
    }

    /// Returns the payload.
    pub(super) fn finish(self) -> Vec<u8> {
        self.builder.finish()
    }

    fn name(&self, operation: &LocalOperation) -> Option<NamedRow> {
        match operation {
            LocalOperation::Insert(_) => None,
            LocalOperation::Update { table, id, .. } | LocalOperation::Delete { table, id } => self.row(*table, *id),
        }
    }

    fn row(&self, table: usize, id: RowId) -> Option<NamedRow> {
        let past = || self.rows.get(&(table, id)).map(|row| NamedRow::Past(row.name));
        self.own.get(&(table, id)).copied().or_else(past)
    }

    fn operation(
        &self,
        inserts: &BTreeMap<(usize, RowId), NamedRow>,
        operation: &LocalOperation,
    ) -> Option<NamedOperation> {
        let cell = |table: &Table, column: usize, value: &Option<Value>| match (value, table.foreign_key_of(column)) {
            (Some(Value::Uuid(id)), Some(key)) => {
                let place = (key.target, RowId(*id));
                inserts.get(&place).copied().or_else(|| self.row(place.0, place.1)).map(NamedCell::Row)
            }
            (value, _) => value.clone().map(NamedCell::Value),
        };
        match operation {
            LocalOperation::Insert(row) => {
                let table = &self.schema.tables()[row.table];
                let columns: Vec<usize> =
                    (0..table.columns.len()).filter(|column| *column != table.id_column).collect();
                let cells = columns.iter().map(|column| cell(table, *column, &row.cells[*column])).collect();
                Some(NamedOperation::Insert { shape: shape(table, &columns), id: id_of(table, &row.cells), cells })
            }
            LocalOperation::Update { table: index, id, cells } => {
                let table = &self.schema.tables()[*index];
                let mut written: BTreeMap<usize, Option<Value>> = cells.iter().cloned().collect();
                for column in cells.iter().map(|(column, _)| *column) {
                    for member in table.group_of(column).map_or(&[][..], |group| &table.groups[group].columns) {
                        let held = || self.rows.get(&(*index, *id)).and_then(|row| row.cells[*member].clone());
                        written.entry(*member).or_insert_with(held);
                    }
                }
                let columns: Vec<usize> = written.keys().copied().collect();
                let cells = written.iter().map(|(column, value)| cell(table, *column, value)).collect();
                let row = self.row(*index, *id)?;
                Some(NamedOperation::Update { shape: shape(table, &columns), row, cells })
            }
            LocalOperation::Delete { table, id } => {
                Some(NamedOperation::Delete { table: self.schema.tables()[*table].id, row: self.row(*table, *id)? })
            }
        }
    }
}

/// A payload that writes one column of a row, and leaves the rest of its column group out.
pub(super) fn part_of_group(schema: &Schema, (index, row): (usize, &RowImage), column: usize) -> Vec<u8> {
    let table = &schema.tables()[index];
    let cell = match table.foreign_key_of(column) {
        Some(_) => None,
        None => row.cells[column].clone().map(NamedCell::Value),
    };
    let mut builder = PayloadBuilder::new();
    let row = NamedRow::Past(row.name);
    builder.push(&[NamedOperation::Update { shape: shape(table, &[column]), row, cells: vec![cell] }]);
    builder.finish()
}

fn id_of(table: &Table, cells: &[Option<Value>]) -> RowId {
    match cells[table.id_column] {
        Some(Value::Uuid(id)) => RowId(id),
        _ => RowId([0; 16]),
    }
}

fn shape(table: &Table, columns: &[usize]) -> NamedShape {
    NamedShape { table: table.id, columns: columns.iter().map(|column| table.columns[*column].id).collect() }
}
