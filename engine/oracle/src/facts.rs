//! What happened in a view: rows, deletes and writes by row, references and claims; nothing of it depends on verdicts.

use std::collections::BTreeMap;

use treaty_engine::relation::{RowId, RowName};
use treaty_schema::Table;

use crate::history::{Cells, Content, Deed, History};
use crate::names::CoTxName;
use crate::view::View;

/// Everything that the co-transactions of a view did.
#[derive(Debug)]
pub(crate) struct Facts<'h> {
    /// Every row inserted, deleted or not.
    pub(crate) rows: BTreeMap<RowName, Row<'h>>,
    /// The deletes of each row.
    pub(crate) deletes: BTreeMap<RowName, Vec<CoTxName>>,
    /// The writes of each row, its insert among them.
    pub(crate) writes: BTreeMap<RowName, Vec<Write<'h>>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'h> {
    pub(crate) table: usize,
    pub(crate) id: RowId,
    pub(crate) inserted: &'h Cells,
}

/// An insert or an update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'h> {
    pub(crate) by: CoTxName,
    pub(crate) operation: u32,
    pub(crate) table: usize,
    pub(crate) row: RowName,
    pub(crate) cells: &'h Cells,
}

impl History {
    /// Reads all operations of a view.
    pub(crate) fn facts(&self, view: &View) -> Facts<'_> {
        let mut facts = Facts { rows: BTreeMap::new(), deletes: BTreeMap::new(), writes: BTreeMap::new() };
        for by in self.cotxs(view) {
            for (operation, deed) in (0..).zip(self.deeds(by)) {
                let (table, row, cells) = match deed {
                    Deed::Insert { table, id, cells } => {
                        let row = Row { table: *table, id: *id, inserted: cells };
                        facts.rows.insert(by.operation(operation), row);
                        (*table, by.operation(operation), cells)
                    }
                    Deed::Update { table, row, cells } => (*table, *row, cells),
                    Deed::Delete { row, .. } => {
                        facts.deletes.entry(*row).or_default().push(by);
                        continue;
                    }
                };
                let write = Write { by, operation, table, row, cells };
                facts.writes.entry(row).or_default().push(write);
            }
        }
        facts
    }
}

impl<'h> Facts<'h> {
    pub(crate) fn deletes_of(&self, row: RowName) -> impl Iterator<Item = CoTxName> {
        self.deletes.get(&row).into_iter().flatten().copied()
    }

    pub(crate) fn writes_of(&self, row: RowName) -> impl Iterator<Item = &Write<'h>> {
        self.writes.get(&row).into_iter().flatten()
    }

    pub(crate) fn all_writes(&self) -> impl Iterator<Item = &Write<'h>> {
        self.writes.values().flatten()
    }
}

/// The key that cells claim under UNIQUE constraint `index` of their table.
///
/// None if they do not write it, a part is NULL, or `id` is part of it: then any rows satisfy it. A foreign key enters
/// as the row that it names.
pub(crate) fn claimed(table: &Table, index: usize, cells: &Cells) -> Option<Vec<Content>> {
    let columns = &table.uniques[index].columns;
    if columns.contains(&table.id_column) {
        return None;
    }
    columns.iter().map(|column| cells.get(column).cloned().flatten()).collect()
}
