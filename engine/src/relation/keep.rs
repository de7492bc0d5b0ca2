//! Keeping an admitted operation: the row, write, delete, claims, references and guards that it makes.
//!
//! The insertion of a plain row costs two writes; each UNIQUE key, foreign key and guard lookup one more. What is released or
//! deleted is noted where it is looked up, so that looking costs what is there, not what ever was.

use std::collections::BTreeSet;

use super::act::{Act, Content};
use super::payload::Span;
use super::store::{ClaimRecord, Marks, ReferenceRecord, RelationStore, RelationWriter, RowRecord, WriteRecord};
use super::view::{View, Written};
use super::{RowId, RowKey, RowName, keys};
use crate::crdt::{OperationKey, Rank};
use crate::fault::StoreError;
use crate::log::{LogStore, Pos, Stamp};

/// The entry whose operations are kept.
pub struct Keeper<'k, S> {
    /// Its past.
    pub view: View<'k, S>,
    /// Where it is kept.
    pub pos: Pos,
    /// Its height and id.
    pub stamp: Stamp,
}

/// A write being kept: which row, by which operation.
#[derive(Debug, Clone, Copy)]
struct Kept {
    table: usize,
    row: RowKey,
    write: OperationKey,
}

impl<S: RelationStore> Keeper<'_, S> {
    /// Keeps one operation of the entry.
    ///
    /// * `key` - the operation; its entry is kept at that place.
    /// * `act` - the operation.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn keep(&self, tx: &impl RelationWriter, key: OperationKey, span: Span, act: &Act) -> Result<(), StoreError> {
        match act {
            Act::Insert { table, id, cells } => {
                let kept = Kept { table: *table, row: key, write: key };
                let marks = self.meet_twins(tx, key, *table, *id)?;
                tx.insert_row(&RowRecord { key, table: *table, id: *id, span, marks })?;
                self.keep_claims(tx, kept, &|column| Some(cells[column].as_ref()))?;
                self.keep_references(tx, kept, cells.iter().enumerate())?;
                self.keep_guards(tx, kept, cells)
            }
            Act::Update { table, row, columns, cells } => {
                let kept = Kept { table: *table, row: row.key(key.pos), write: key };
                let rank = Rank { height: self.stamp.height, prefix: self.stamp.id.prefix() };
                self.close_claims_before(tx, kept, columns)?;
                tx.mark_row(kept.row, Marks::UPDATED)?;
                for group in self.view.layout().of(*table).groups_of(columns) {
                    tx.insert_write(kept.row, group, &WriteRecord { key, rank, span })?;
                }
                let cell = |column: usize| {
                    columns.iter().position(|written| *written == column).map(|index| cells[index].as_ref())
                };
                self.keep_claims(tx, kept, &cell)?;
                self.keep_references(tx, kept, columns.iter().copied().zip(cells))
            }
            Act::Delete { table, row } => {
                let row = row.key(key.pos);
                self.close_row(tx, *table, row)?;
                tx.mark_row(row, Marks::DELETED)?;
                tx.insert_delete(row, key)
            }
        }
    }

    /// Marks rows inserted under the id of a new row as its twins, and keeps the derived ids of them all.
    fn meet_twins(&self, tx: &impl RelationWriter, key: RowKey, table: usize, id: RowId) -> Result<Marks, StoreError> {
        let twins = tx.rows_with_id(table, id)?;
        if twins.is_empty() {
            return Ok(Marks::default());
        }
        let derived = |key: RowKey, stamp: Stamp| {
            RowName { entry: stamp.id, transaction: key.transaction, operation: key.operation }.derived_id()
        };
        for twin in twins.iter().filter(|twin| !twin.marks.has(Marks::TWIN)) {
            tx.mark_row(twin.key, Marks::TWIN)?;
            tx.insert_derived_id(table, derived(twin.key, tx.stamp(twin.key.pos)?), twin.key)?;
        }
        tx.insert_derived_id(table, derived(key, self.stamp), key)?;
        Ok(Marks::TWIN)
    }

    /// Closes the claims of the writes that a row's groups held so far, as the past sees it: whoever sees this one sees both.
    fn close_claims_before(&self, tx: &impl RelationWriter, kept: Kept, columns: &[usize]) -> Result<(), StoreError> {
        let layout = self.view.layout();
        for group in layout.of(kept.table).groups_of(columns) {
            if layout.of(kept.table).unique_groups.contains(&Some(group)) {
                self.close_held(tx, kept.row, group)?;
            }
        }
        Ok(())
    }

    /// Closes the claims of the write that a group of a row holds in the past, if the row is of it.
    fn close_held(&self, tx: &impl RelationWriter, row: RowKey, group: usize) -> Result<(), StoreError> {
        let row = self.row(tx, row)?;
        let held =
            if row.key.pos == self.pos { self.view.held_of_all(&row, group)? } else { self.view.held(&row, group)? };
        self.close_claims(tx, &row, group, held)
    }

    /// Closes what a row that is deleted claims, and the lookups that find it.
    fn close_row(&self, tx: &impl RelationWriter, table: usize, row: RowKey) -> Result<(), StoreError> {
        let layout = self.view.layout().of(table);
        let groups: BTreeSet<usize> = layout.unique_groups.iter().flatten().copied().collect();
        if groups.is_empty() && layout.lookups.is_empty() {
            return Ok(());
        }
        for group in groups {
            self.close_held(tx, row, group)?;
        }
        let row = self.row(tx, row)?;
        if !layout.lookups.is_empty() {
            let cells = self.view.inserted_contents(&row)?;
            for lookup in &layout.lookups {
                let columns = lookup.iter().map(|column| (*column, cells[*column].as_ref()));
                if let Some(key) = keys::guard_key(table, None, columns) {
                    tx.close_guard(key, row.key, self.stamp.height)?;
                }
            }
        }
        Ok(())
    }

    /// Closes the claims of a write of a group.
    fn close_claims(
        &self,
        tx: &impl RelationWriter,
        row: &RowRecord,
        group: usize,
        held: Written,
    ) -> Result<(), StoreError> {
        let (table, layout) = (self.view.layout().table(row.table), self.view.layout().of(row.table));
        let cells = self.view.cells(row, group, held)?;
        let cell = |column: &usize| {
            let index = table.groups[group].columns.iter().position(|known| known == column)?;
            cells[index].as_ref()
        };
        for (unique, _) in table.uniques.iter().zip(&layout.unique_groups).filter(|(_, of)| **of == Some(group)) {
            if let Some(key) = keys::claim_key(unique.id, None, unique.columns.iter().map(cell)) {
                tx.close_claim(key, &ClaimRecord { row: row.key, write: held.key }, self.stamp.height)?;
            }
        }
        Ok(())
    }

    fn row(&self, tx: &impl RelationWriter, key: RowKey) -> Result<RowRecord, StoreError> {
        tx.row(key)?.ok_or_else(|| StoreError::corrupt(format!("row {key:?} is named, but not kept")))
    }

    /// Keeps the claims of a write.
    ///
    /// * `cell` - of a column, what is written into it; none if it is not written.
    fn keep_claims<'c>(
        &self,
        tx: &impl RelationWriter,
        kept: Kept,
        cell: &dyn Fn(usize) -> Option<Option<&'c Content>>,
    ) -> Result<(), StoreError> {
        let Kept { table, row, write } = kept;
        for (unique, group) in
            self.view.layout().table(table).uniques.iter().zip(&self.view.layout().of(table).unique_groups)
        {
            // A key with `id` in it is claimed by one row only; the columns of others are written together.
            if group.is_none() || cell(unique.columns[0]).is_none() {
                continue;
            }
            let cells = unique.columns.iter().map(|column| cell(*column).flatten());
            let Some(key) = keys::claim_key(unique.id, Some(write.pos), cells) else { continue };
            tx.insert_claim(key, &ClaimRecord { row, write })?;
        }
        Ok(())
    }

    fn keep_references<'c>(
        &self,
        tx: &impl RelationWriter,
        Kept { table, row, write }: Kept,
        cells: impl Iterator<Item = (usize, &'c Option<Content>)>,
    ) -> Result<(), StoreError> {
        for (column, content) in cells {
            let foreign_key = self.view.layout().of(table).foreign_key_of[column];
            if let (Some(foreign_key), Some(Content::Row(target))) = (foreign_key, content) {
                let reference = ReferenceRecord { row, table, foreign_key, write };
                tx.insert_reference(target.key(write.pos), &reference)?;
            }
        }
        Ok(())
    }

    fn keep_guards(&self, tx: &impl RelationWriter, kept: Kept, cells: &[Option<Content>]) -> Result<(), StoreError> {
        let rank = Rank { height: self.stamp.height, prefix: self.stamp.id.prefix() };
        for lookup in &self.view.layout().of(kept.table).lookups {
            let columns = lookup.iter().map(|column| (*column, cells[*column].as_ref()));
            if let Some(key) = keys::guard_key(kept.table, Some(kept.write.pos), columns) {
                tx.insert_guard(key, kept.row, rank)?;
            }
        }
        Ok(())
    }
}
