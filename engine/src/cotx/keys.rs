//! Conditions over other rows: foreign keys, the cascades of deletes, UNIQUE keys.

use std::ops::ControlFlow;

use treaty_schema::OnDelete;

use super::effects::{OwnClaim, OwnOperation, OwnReference};
use super::judge::{Case, JudgeError};
use super::refusal::{Reason, Refusal};
use super::verdict::VerdictStore;
use crate::crdt::OperationKey;
use crate::fault::StoreError;
use crate::relation::{ClaimRecord, Content, IndexKey, ReferenceRecord, RowKey, Target, claim_key, guard_key};

impl<S: VerdictStore> Case<'_, '_, S> {
    /// Refuses references to rows that are not there, or that this co-transaction deletes.
    pub(super) fn check_references<'c>(
        &self,
        table: usize,
        cells: impl Iterator<Item = (usize, &'c Option<Content>)>,
    ) -> Result<(), JudgeError> {
        for (column, content) in cells {
            let (Some(index), Some(Content::Row(target))) = (self.layout().of(table).foreign_key_of[column], content)
            else {
                continue;
            };
            let foreign_key = &self.layout().table(table).foreign_keys[index];
            let label = || {
                let (of, to) = (self.layout().table(table), self.layout().table(foreign_key.target));
                format!("column {} of table {} refers to a row of table {}", of.columns[column].name, of.name, to.name)
            };
            let Some(found) = self.find(*target)?.filter(|found| found.table() == foreign_key.target) else {
                let message = format!("{} that is neither in its past nor its own", label());
                return Err(Refusal::new(Reason::UnknownRow, message).into());
            };
            if self.own.deleted.contains(target) {
                let message = format!("{} that the same transaction deletes, {}", label(), found.id());
                return Err(Refusal::new(Reason::ForeignKey, message).into());
            }
            if !self.is_present(*target, &found)? {
                let message = format!("{} that is not there any more, {}", label(), found.id());
                return Err(Refusal::new(Reason::ForeignKey, message).into());
            }
        }
        Ok(())
    }

    /// Refuses a delete that leaves a reference to its row: it must carry its cascades.
    pub(super) fn check_cascades(&self, table: usize, row: Target) -> Result<(), JudgeError> {
        let layout = self.layout();
        let matters =
            |of: usize, foreign_key: usize| layout.table(of).foreign_keys[foreign_key].on_delete != OnDelete::SetNull;
        if layout.of(table).referrers.iter().all(|(of, foreign_key)| !matters(*of, *foreign_key)) {
            return Ok(());
        }
        let own = self.judge.earlier.references.get(&row).into_iter().flatten();
        for reference in own.filter(|reference| matters(reference.table, reference.foreign_key)) {
            let group = self.group_of_key(reference.table, reference.foreign_key)?;
            if !self.is_released(reference.row, group, reference.write)? {
                return Err(self.left_behind(table, reference.table, reference.foreign_key));
            }
        }
        let Target::Stored(key) = row else { return Ok(()) };
        let mut left = None;
        self.judge.view.store().references(key, &mut |reference| {
            if matters(reference.table, reference.foreign_key) && self.counts(&reference)? {
                left = Some(reference);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match left {
            None => Ok(()),
            Some(reference) => Err(self.left_behind(table, reference.table, reference.foreign_key)),
        }
    }

    /// Whether a kept reference is of the past and released neither there nor by this entry.
    fn counts(&self, reference: &ReferenceRecord) -> Result<bool, StoreError> {
        let group = self.group_of_key(reference.table, reference.foreign_key)?;
        self.is_held(reference.row, reference.write, group)
    }

    /// Whether a write of an earlier co-transaction of the entry is released: its row gone, or its cell written again.
    fn is_released(&self, row: Target, group: usize, write: OwnOperation) -> Result<bool, StoreError> {
        if self.judge.earlier.releases(row, group, Some(write)) || self.own.releases(row, group, None) {
            return Ok(true);
        }
        // Rows that were gone before the entry may be written to, to no effect.
        let Target::Stored(key) = row else { return Ok(false) };
        let Some(record) = self.judge.view.inserted(key)? else { return Ok(true) };
        Ok(!self.judge.view.is_live(&record)?)
    }

    /// Whether a write of the past is what its cell still holds, for this co-transaction, in a row that is there.
    fn is_held(&self, row: RowKey, write: OperationKey, group: usize) -> Result<bool, StoreError> {
        let (view, target) = (&self.judge.view, Target::Stored(row));
        if !view.sees(write)?
            || self.judge.earlier.releases(target, group, None)
            || self.own.releases(target, group, None)
        {
            return Ok(false);
        }
        let Some(record) = view.inserted(row)? else { return Ok(false) };
        Ok(view.is_live(&record)? && view.held(&record, group)?.key == write)
    }

    fn left_behind(&self, table: usize, of: usize, foreign_key: usize) -> JudgeError {
        let (target, of) = (self.layout().table(table), self.layout().table(of));
        let column = &of.columns[of.foreign_keys[foreign_key].column].name;
        let message = format!(
            "it deletes a row of table {} to which column {column} of a row of table {} still refers",
            target.name, of.name
        );
        Refusal::new(Reason::ForeignKey, message).into()
    }

    /// Refuses a claim of a UNIQUE key that another row has; notes the claims of the operation.
    ///
    /// * `cell` - of a column, what is written into it; none if the operation does not write it.
    pub(super) fn check_claims<'c>(
        &mut self,
        table: usize,
        row: Target,
        operation: u32,
        cell: &dyn Fn(usize) -> Option<Option<&'c Content>>,
    ) -> Result<(), JudgeError> {
        let layout = self.layout();
        for (unique, group) in layout.table(table).uniques.iter().zip(&layout.of(table).unique_groups) {
            let Some(group) = *group else { continue };
            if cell(unique.columns[0]).is_none() {
                continue;
            }
            let Some(key) = claim_key(unique.id, None, unique.columns.iter().map(|column| cell(*column).flatten()))
            else {
                continue;
            };
            if self.is_claimed(key, row, group)? {
                let columns: Vec<_> =
                    unique.columns.iter().map(|column| layout.table(table).columns[*column].name.as_str()).collect();
                let message = format!(
                    "another row of table {} has the same {} ({})",
                    layout.table(table).name,
                    columns.join(", "),
                    unique.name
                );
                return Err(Refusal::new(Reason::Unique, message).into());
            }
            let claim = OwnClaim { row, group, write: (self.transaction, operation) };
            self.own.claims.entry(key).or_default().push(claim);
        }
        Ok(())
    }

    /// Whether another row has a key: in this co-transaction, in earlier ones of the entry, or in the past.
    fn is_claimed(&self, key: IndexKey, row: Target, group: usize) -> Result<bool, StoreError> {
        if self.own.claims.contains_key(&key) {
            return Ok(true);
        }
        let earlier = self.judge.earlier.claims.get(&key).into_iter().flatten();
        for claim in earlier.filter(|claim| claim.row != row) {
            if !self.is_released(claim.row, claim.group, claim.write)? {
                return Ok(true);
            }
        }
        let mut is_claimed = false;
        self.judge.view.store().claims(key, self.judge.view.settled_below(), &mut |claim: ClaimRecord| {
            is_claimed = Target::Stored(claim.row) != row && self.is_held(claim.row, claim.write, group)?;
            Ok(if is_claimed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(is_claimed)
    }

    /// Notes the references of an operation, for later co-transactions of the entry.
    pub(super) fn note_references<'c>(
        &mut self,
        table: usize,
        row: Target,
        operation: u32,
        cells: impl Iterator<Item = (usize, &'c Option<Content>)>,
    ) {
        let write = (self.transaction, operation);
        for (column, content) in cells {
            let foreign_key = self.layout().of(table).foreign_key_of[column];
            if let (Some(foreign_key), Some(Content::Row(target))) = (foreign_key, content) {
                let reference = OwnReference { row, table, foreign_key, write };
                self.own.references.entry(*target).or_default().push(reference);
            }
        }
    }

    /// Notes under which guard lookups a row inserted is found, for later operations.
    pub(super) fn note_guards(&mut self, table: usize, operation: u32, cells: &[Option<Content>]) {
        if self.layout().of(table).is_read_by_policies {
            self.own.by_table.entry(table).or_default().push((self.transaction, operation));
        }
        for lookup in &self.layout().of(table).lookups {
            let key = guard_key(table, None, lookup.iter().map(|column| (*column, cells[*column].as_ref())));
            if let Some(key) = key {
                self.own.guards.entry(key).or_default().push((self.transaction, operation));
            }
        }
    }

    fn group_of_key(&self, table: usize, foreign_key: usize) -> Result<usize, StoreError> {
        let column = self.layout().table(table).foreign_keys[foreign_key].column;
        let group = self.layout().of(table).group_of[column];
        group.ok_or_else(|| StoreError::corrupt("a foreign key is in no column group"))
    }
}
