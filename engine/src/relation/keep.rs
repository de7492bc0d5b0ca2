//! Keeping an admitted operation: the row, write, delete, claims, references and guards that it makes.
//!
//! The insertion of a plain row costs two writes; each UNIQUE key, foreign key and guard lookup one more.

use std::ops::ControlFlow;

use super::act::{Act, Content};
use super::payload::Span;
use super::store::{
    ClaimRecord, IndexKey, Marks, ReferenceRecord, RelationStore, RelationWriter, RowRecord, WriteRecord,
};
use super::{Layout, RowId, RowKey, RowName, keys};
use crate::causality::Past;
use crate::crdt::{OperationKey, Rank};
use crate::fault::StoreError;
use crate::log::{LogStore, Stamp};

/// The entry whose operations are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeper<'k> {
    /// The schema.
    pub layout: &'k Layout,
    /// Height and id of the entry.
    pub stamp: Stamp,
    /// The past of the entry.
    pub past: &'k Past,
}

/// A write being kept: which row, by which operation.
#[derive(Debug, Clone, Copy)]
struct Kept {
    table: usize,
    row: RowKey,
    write: OperationKey,
}

impl Keeper<'_> {
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
                tx.mark_row(kept.row, Marks::UPDATED)?;
                let rank = Rank { height: self.stamp.height, prefix: self.stamp.id.prefix() };
                for group in self.layout.of(*table).groups_of(columns) {
                    tx.insert_write(kept.row, group, &WriteRecord { key, rank, span })?;
                }
                self.keep_claims(tx, kept, &|column| {
                    columns.iter().position(|written| *written == column).map(|index| cells[index].as_ref())
                })?;
                self.keep_references(tx, kept, columns.iter().copied().zip(cells))
            }
            Act::Delete { row, .. } => {
                let row = row.key(key.pos);
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

    /// Keeps the claims of a write, and marks rows that claim the same key concurrently.
    ///
    /// * `cell` - of a column, what is written into it; none if it is not written.
    fn keep_claims<'c>(
        &self,
        tx: &impl RelationWriter,
        kept: Kept,
        cell: &dyn Fn(usize) -> Option<Option<&'c Content>>,
    ) -> Result<(), StoreError> {
        let Kept { table, row, write } = kept;
        for (unique, group) in self.layout.table(table).uniques.iter().zip(&self.layout.of(table).unique_groups) {
            // A key with `id` in it is claimed by one row only; the columns of others are written together.
            if group.is_none() || cell(unique.columns[0]).is_none() {
                continue;
            }
            let cells = unique.columns.iter().map(|column| cell(*column).flatten());
            let Some(key) = keys::claim_key(unique.id, Some(write.pos), cells) else { continue };
            self.mark_contested(tx, key, kept)?;
            tx.insert_claim(key, &ClaimRecord { row, write })?;
        }
        Ok(())
    }

    fn mark_contested(&self, tx: &impl RelationWriter, key: IndexKey, kept: Kept) -> Result<(), StoreError> {
        let mut rivals = Vec::new();
        tx.claims(key, &mut |claim| {
            let is_concurrent = claim.write.pos != kept.write.pos && !self.past.contains(claim.write.pos);
            if claim.row != kept.row && is_concurrent {
                rivals.push(claim.row);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if !rivals.is_empty() {
            tx.mark_row(kept.row, Marks::CONTESTED)?;
        }
        rivals.into_iter().try_for_each(|rival| tx.mark_row(rival, Marks::CONTESTED))
    }

    fn keep_references<'c>(
        &self,
        tx: &impl RelationWriter,
        Kept { table, row, write }: Kept,
        cells: impl Iterator<Item = (usize, &'c Option<Content>)>,
    ) -> Result<(), StoreError> {
        for (column, content) in cells {
            let foreign_key = self.layout.of(table).foreign_key_of[column];
            if let (Some(foreign_key), Some(Content::Row(target))) = (foreign_key, content) {
                let reference = ReferenceRecord { row, table, foreign_key, write };
                tx.insert_reference(target.key(write.pos), &reference)?;
            }
        }
        Ok(())
    }

    fn keep_guards(&self, tx: &impl RelationWriter, kept: Kept, cells: &[Option<Content>]) -> Result<(), StoreError> {
        for lookup in &self.layout.of(kept.table).lookups {
            let columns = lookup.iter().map(|column| (*column, cells[*column].as_ref()));
            if let Some(key) = keys::guard_key(kept.table, Some(kept.write.pos), columns) {
                tx.insert_guard(key, kept.row)?;
            }
        }
        Ok(())
    }
}
