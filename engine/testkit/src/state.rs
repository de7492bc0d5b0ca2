//! The state oracle: the rows of a set of operations, worked out by reading all of them each time. No index, no cache.

use std::collections::{BTreeMap, BTreeSet};

use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{OnDelete, Schema, Value};

use crate::history::{Content, Deed, Held, History, Position};

/// What all co-transactions of some entries, perhaps with the first few of one more, make of the tables.
#[derive(Debug)]
pub(crate) struct State<'s> {
    pub(crate) schema: &'s Schema,
    /// Every row inserted, deleted or not.
    pub(crate) rows: BTreeMap<RowName, Row>,
}

/// A row with all that happened to it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) table: usize,
    pub(crate) id: RowId,
    pub(crate) position: Position,
    pub(crate) author: Identity,
    pub(crate) inserted: BTreeMap<usize, Held>,
    /// Updates, in the order of the walk.
    pub(crate) updates: Vec<Update>,
    pub(crate) is_deleted: bool,
}

#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) position: Position,
    pub(crate) operation: u32,
    pub(crate) author: Identity,
    pub(crate) cells: BTreeMap<usize, Held>,
}

/// A live row as tables show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRow {
    /// Its name.
    pub name: RowName,
    /// Its cells.
    pub cells: Vec<Option<Value>>,
    /// Who wrote its last change.
    pub author: Identity,
    /// Index of a UNIQUE key that another live row claimed first, and the id shown of that row.
    pub withheld: Option<(usize, RowId)>,
}

impl History {
    /// Returns the rows of a version as tables show them, by table and id shown.
    pub fn shown(&self, heads: &[EntryId]) -> BTreeMap<(usize, RowId), ShownRow> {
        let state = State::of(self, &self.closure(heads), None);
        let live = state.rows.iter().filter(|(_, row)| !row.is_deleted);
        live.map(|(name, row)| ((row.table, state.shown_id(*name)), state.show(*name, row))).collect()
    }
}

impl<'s> State<'s> {
    /// Walks all operations of `entries`, and the first `transactions` of one more entry.
    pub(crate) fn of(history: &'s History, entries: &BTreeSet<EntryId>, more: Option<(EntryId, u32)>) -> State<'s> {
        let mut state = State { schema: &history.schema, rows: BTreeMap::new() };
        let whole = entries.iter().map(|entry| (*entry, u32::MAX));
        let walk: Vec<(EntryId, u32)> = whole.chain(more).collect();
        // Inserts first: a row is there before anything happens to it, in whatever order entries are walked.
        for is_insert in [true, false] {
            for (entry, limit) in &walk {
                let told = &history.entries[entry];
                for (transaction, deeds) in (0..*limit).zip(&told.transactions) {
                    for (operation, deed) in (0..).zip(deeds) {
                        if matches!(deed, Deed::Insert { .. }) == is_insert {
                            let name = RowName { entry: *entry, transaction, operation };
                            state.happen(name, history.position(*entry, transaction), told.author, deed);
                        }
                    }
                }
            }
        }
        state
    }

    fn happen(&mut self, at: RowName, position: Position, author: Identity, deed: &Deed) {
        match deed {
            Deed::Insert { table, id, cells } => {
                let row = Row {
                    table: *table,
                    id: *id,
                    position,
                    author,
                    inserted: cells.clone(),
                    updates: Vec::new(),
                    is_deleted: false,
                };
                self.rows.insert(at, row);
            }
            Deed::Update { row, cells, .. } => {
                let update = Update { position, operation: at.operation, author, cells: cells.clone() };
                self.rows.get_mut(row).expect("an updated row is there").updates.push(update);
            }
            Deed::Delete { row, .. } => {
                self.rows.get_mut(row).expect("a deleted row is there").is_deleted = true;
            }
        }
    }

    /// The live row shown under an id: of those with it, the one of smallest position.
    pub(crate) fn shown_row(&self, table: usize, id: RowId) -> Option<RowName> {
        let live = self.rows.iter().filter(|(_, row)| row.table == table && row.id == id && !row.is_deleted);
        live.min_by_key(|(name, row)| (row.position, name.operation)).map(|(name, _)| *name)
    }

    pub(crate) fn shown_id(&self, name: RowName) -> RowId {
        let row = &self.rows[&name];
        match self.shown_row(row.table, row.id) {
            Some(first) if first != name => name.derived_id(),
            Some(_) | None => row.id,
        }
    }

    /// The write that a column holds, and what it wrote: greatest position wins.
    pub(crate) fn held(&self, name: RowName, column: usize) -> (Position, u32, Held) {
        let row = &self.rows[&name];
        let inserted = (row.position, name.operation, row.inserted[&column].clone());
        let updates = row.updates.iter().filter(|update| update.cells.contains_key(&column));
        let last = updates.max_by_key(|update| update.position);
        last.map_or(inserted, |update| (update.position, update.operation, update.cells[&column].clone()))
    }

    /// What a row holds under a UNIQUE key, with the claim's place; none if a part is NULL or `id` is part of it.
    pub(crate) fn claim(&self, name: RowName, unique: usize) -> Option<(Vec<Content>, Position, u32)> {
        let table = &self.schema.tables()[self.rows[&name].table];
        let columns = &table.uniques[unique].columns;
        if columns.contains(&table.id_column) {
            return None;
        }
        let held: Vec<_> = columns.iter().map(|column| self.held(name, *column)).collect();
        let (position, operation, _) = held[0].clone();
        let key = held.into_iter().map(|(_, _, content)| content).collect::<Option<Vec<_>>>()?;
        Some((key, position, operation))
    }

    fn show(&self, name: RowName, row: &Row) -> ShownRow {
        let table = &self.schema.tables()[row.table];
        let mut cells = vec![None; table.columns.len()];
        let mut last = (row.position, row.author);
        for column in (0..table.columns.len()).filter(|column| *column != table.id_column) {
            let (position, _, held) = self.held(name, column);
            let writer = row.updates.iter().find(|update| update.position == position);
            last = last.max((position, writer.map_or(row.author, |update| update.author)));
            cells[column] = match held {
                None => None,
                Some(Content::Value(value)) => Some(value),
                Some(Content::Row(target)) => {
                    let key = table.foreign_key_of(column).expect("only a foreign key names a row");
                    let reads_null = key.on_delete == OnDelete::SetNull && self.rows[&target].is_deleted;
                    (!reads_null).then(|| self.shown_id(target).to_value())
                }
            };
        }
        cells[table.id_column] = Some(self.shown_id(name).to_value());
        ShownRow { name, cells, author: last.1, withheld: self.withheld(name, row) }
    }

    fn withheld(&self, name: RowName, row: &Row) -> Option<(usize, RowId)> {
        for unique in 0..self.schema.tables()[row.table].uniques.len() {
            let Some((key, position, operation)) = self.claim(name, unique) else { continue };
            let rivals = self.rows.iter().filter(|(_, rival)| rival.table == row.table && !rival.is_deleted);
            let first = rivals
                .filter_map(|(rival, _)| {
                    let (its, position, operation) = self.claim(*rival, unique)?;
                    (its == key).then_some(((position, operation), *rival))
                })
                .min_by_key(|(order, _)| *order);
            if let Some((order, holder)) = first
                && order < (position, operation)
            {
                return Some((unique, self.shown_id(holder)));
            }
        }
        None
    }
}
