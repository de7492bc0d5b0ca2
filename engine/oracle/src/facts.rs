//! What happened in a view: rows, deletes and writes by row, references and claims; nothing of it depends on verdicts.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{Condition, ForeignKey, Schema, SchemaCondition, Table};

use crate::history::{Cells, Content, Deed, History};
use crate::names::CoTxName;
use crate::view::View;

/// Everything that the co-transactions of a view did.
#[derive(Debug, Default)]
pub(crate) struct Facts<'h> {
    /// Every row inserted, deleted or not.
    pub(crate) rows: BTreeMap<RowName, Row<'h>>,
    /// The deletes of each row.
    pub(crate) deletes: BTreeMap<RowName, Vec<CoTxName>>,
    /// The writes of each row, its insert among them.
    pub(crate) writes: BTreeMap<RowName, Vec<Write<'h>>>,
    claims: OnceCell<Claims<'h>>,
    references: OnceCell<BTreeMap<RowName, Vec<Reference<'h>>>>,
}

/// The writes that claim a key, by table, UNIQUE constraint, and key.
type Claims<'h> = BTreeMap<(usize, usize, Vec<Content>), Vec<Write<'h>>>;

/// A write, and which foreign key of its table it refers by.
pub(crate) type Reference<'h> = (Write<'h>, usize);

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
        let mut facts = Facts::default();
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

    /// Every claim of a key.
    pub(crate) fn claims_of(&self, schema: &Schema, of: &(usize, usize, Vec<Content>)) -> &[Write<'h>] {
        self.claims(schema).get(of).map_or(&[], Vec::as_slice)
    }

    /// Every reference to a row.
    pub(crate) fn references_to(&self, schema: &Schema, target: RowName) -> &[Reference<'h>] {
        let references = self.references.get_or_init(|| {
            let mut references: BTreeMap<RowName, Vec<Reference<'h>>> = BTreeMap::new();
            for write in self.writes.values().flatten() {
                for (index, key) in schema.tables()[write.table].foreign_keys.iter().enumerate() {
                    if let Some(target) = write.refers(key) {
                        references.entry(target).or_default().push((*write, index));
                    }
                }
            }
            references
        });
        references.get(&target).map_or(&[], Vec::as_slice)
    }

    fn claims(&self, schema: &Schema) -> &Claims<'h> {
        self.claims.get_or_init(|| {
            let mut claims = Claims::new();
            for write in self.writes.values().flatten() {
                let table = &schema.tables()[write.table];
                for index in 0..table.uniques.len() {
                    if let Some(key) = claimed(table, index, write.cells) {
                        claims.entry((write.table, index, key)).or_default().push(*write);
                    }
                }
            }
            claims
        })
    }

    /// The co-transactions whose seniority somebody may ask for: those that claim a key that others claim as well, insert a
    /// row that has a twin, or insert into a table that policies read.
    pub(crate) fn ranked(&self, schema: &Schema) -> BTreeSet<CoTxName> {
        let contested = self.claims(schema).values().filter(|claims| claims.len() > 1).flatten().map(|write| write.by);
        let mut ids: BTreeMap<(usize, RowId), Vec<RowName>> = BTreeMap::new();
        for (name, row) in &self.rows {
            ids.entry((row.table, row.id)).or_default().push(*name);
        }
        let twins = ids.values().filter(|twins| twins.len() > 1).flatten();
        let read = read_by_policies(schema);
        let granting = self.rows.iter().filter(|(_, row)| read.contains(&row.table)).map(|(name, _)| name);
        contested.chain(twins.chain(granting).map(|name| CoTxName::of(*name))).collect()
    }
}

impl Write<'_> {
    /// The row that it refers to by a foreign key.
    pub(crate) fn refers(&self, key: &ForeignKey) -> Option<RowName> {
        match self.cells.get(&key.column) {
            Some(Some(Content::Row(target))) => Some(*target),
            _ => None,
        }
    }
}

/// The tables whose rows make policies true.
fn read_by_policies(schema: &Schema) -> BTreeSet<usize> {
    let mut pending: Vec<&SchemaCondition> =
        schema.tables().iter().flat_map(|table| &table.policies).map(|policy| &policy.condition).collect();
    let mut read = BTreeSet::new();
    while let Some(condition) = pending.pop() {
        match condition {
            Condition::And(parts) | Condition::Or(parts) => pending.extend(parts),
            Condition::Exists(exists) => read.extend(exists.from.iter().map(|table| usize::from(*table))),
            Condition::Scalar(_) => {}
        }
    }
    read
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
