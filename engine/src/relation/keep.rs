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

impl Keeper<'_> {
    /// Keeps one operation of the entry.
    ///
    /// * `key` - the operation; its entry is kept at that position.
    /// * `act` - the operation.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn keep(&self, tx: &impl RelationWriter, key: OperationKey, span: Span, act: &Act) -> Result<(), StoreError> {
        match act {
            Act::Insert { table, id, cells } => {
                let marks = self.meet_twins(tx, key, *table, *id)?;
                tx.insert_row(&RowRecord { key, table: *table, id: *id, span, marks })?;
                self.keep_claims(tx, key, key, *table, &|column| cells[column].as_ref(), None)?;
                self.keep_references(tx, key, key, *table, cells.iter().enumerate())?;
                self.keep_guards(tx, key, *table, cells)
            }
            Act::Update { table, row, columns, cells } => {
                let row = row.key(key.pos);
                tx.mark_row(row, Marks::UPDATED)?;
                let write = WriteRecord { key, rank: self.rank(), span };
                let groups = self.layout.of(*table).groups_of(columns);
                for group in &groups {
                    tx.insert_write(row, *group, &write)?;
                }
                let cell = |column: usize| {
                    columns.iter().position(|written| *written == column).and_then(|index| cells[index].as_ref())
                };
                self.keep_claims(tx, row, key, *table, &cell, Some(&groups))?;
                self.keep_references(tx, row, key, *table, columns.iter().copied().zip(cells))
            }
            Act::Delete { row, .. } => {
                let row = row.key(key.pos);
                tx.mark_row(row, Marks::DELETED)?;
                tx.insert_delete(row, key)
            }
        }
    }

    fn rank(&self) -> Rank {
        Rank { height: self.stamp.height, prefix: self.stamp.id.prefix() }
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
    /// * `groups` - the groups written; none if all are.
    fn keep_claims<'c>(
        &self,
        tx: &impl RelationWriter,
        row: RowKey,
        write: OperationKey,
        table: usize,
        claim: &dyn Fn(usize) -> Option<&'c Content>,
        groups: Option<&[usize]>,
    ) -> Result<(), StoreError> {
        for (unique, group) in self.layout.table(table).uniques.iter().zip(&self.layout.of(table).unique_groups) {
            let Some(group) = group else { continue };
            if groups.is_some_and(|written| !written.contains(group)) {
                continue;
            }
            let Some(key) =
                keys::claim_key(unique.id, Some(write.pos), unique.columns.iter().map(|column| claim(*column)))
            else {
                continue;
            };
            self.mark_contested(tx, key, row, write)?;
            tx.insert_claim(key, &ClaimRecord { row, write })?;
        }
        Ok(())
    }

    fn mark_contested(
        &self,
        tx: &impl RelationWriter,
        key: IndexKey,
        row: RowKey,
        write: OperationKey,
    ) -> Result<(), StoreError> {
        let mut rivals = Vec::new();
        tx.claims(key, &mut |claim| {
            let is_concurrent = claim.write.pos != write.pos && !self.past.contains(claim.write.pos);
            if claim.row != row && is_concurrent {
                rivals.push(claim.row);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if !rivals.is_empty() {
            tx.mark_row(row, Marks::CONTESTED)?;
        }
        rivals.into_iter().try_for_each(|rival| tx.mark_row(rival, Marks::CONTESTED))
    }

    fn keep_references<'c>(
        &self,
        tx: &impl RelationWriter,
        row: RowKey,
        write: OperationKey,
        table: usize,
        cells: impl Iterator<Item = (usize, &'c Option<Content>)>,
    ) -> Result<(), StoreError> {
        for (column, content) in cells {
            let (Some(foreign_key), Some(Content::Row(target))) =
                (self.layout.of(table).foreign_key_of[column], content)
            else {
                continue;
            };
            tx.insert_reference(target.key(write.pos), &ReferenceRecord { row, table, foreign_key, write })?;
        }
        Ok(())
    }

    fn keep_guards(
        &self,
        tx: &impl RelationWriter,
        row: RowKey,
        table: usize,
        cells: &[Option<Content>],
    ) -> Result<(), StoreError> {
        for lookup in &self.layout.of(table).lookups {
            let columns = lookup.iter().map(|column| (*column, cells[*column].as_ref()));
            if let Some(key) = keys::guard_key(table, Some(row.pos), columns) {
                tx.insert_guard(key, row)?;
            }
        }
        Ok(())
    }
}
