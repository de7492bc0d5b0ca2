//! Whom an operation reaches: who may be hit by a new entry, who depends on a verdict, what a void one had closed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use treaty_schema::OnDelete;

use super::derive::Derived;
use super::evaluator::{Evaluator, Ground};
use super::verdict::VerdictWriter;
use crate::causality::Past;
use crate::fault::StoreError;
use crate::limits::{CHAIN_BITS, SEQUENCE_BITS};
use crate::log::Pos;
use crate::relation::{Act, ClaimRecord, CoTx, Content, IndexKey, RowKey, claim_key, guard_key};

impl<S: Ground> Evaluator<'_, S> {
    /// The entries concurrent with a new one whose conditions it may break: uses of rows that it deletes, claims of greater rank
    /// on keys that it claims, deletes that its references forbid.
    pub(super) fn hits(&self, derived: &Derived, pos: Pos, clock: &Past) -> Result<BTreeSet<Pos>, StoreError> {
        let mut hits = BTreeSet::new();
        for (transaction, conditions) in (0..).zip(&derived.transactions) {
            for (operation, act) in (0..).zip(&conditions.acts) {
                let write = RowKey { pos, transaction, operation };
                match act {
                    Act::Delete { table, row } => self.hits_of_delete((*table, row.key(pos)), clock, &mut hits)?,
                    Act::Insert { table, cells, .. } => {
                        let cells: Vec<_> =
                            cells.iter().enumerate().map(|(column, cell)| (column, cell.as_ref())).collect();
                        self.hits_of_write((*table, write, write), &cells, clock, &mut hits)?;
                    }
                    Act::Update { table, row, columns, cells } => {
                        let cells: Vec<_> = columns.iter().copied().zip(cells.iter().map(Option::as_ref)).collect();
                        self.hits_of_write((*table, row.key(pos), write), &cells, clock, &mut hits)?;
                    }
                }
            }
        }
        Ok(hits)
    }

    fn hits_of_delete(
        &self,
        (table, row): (usize, RowKey),
        clock: &Past,
        hits: &mut BTreeSet<Pos>,
    ) -> Result<(), StoreError> {
        let loses = |table: usize, key: usize| {
            let on_delete = self.layout().table(table).foreign_keys[key].on_delete;
            matches!(on_delete, OnDelete::Cascade | OnDelete::NoAction)
        };
        let is_referred_to = self.layout().of(table).referrers.iter().any(|(table, key)| loses(*table, *key));
        for tip in self.index.whole().tops() {
            let next = Pos::new(tip.chain(), clock.last_of(tip.chain()) + 1).filter(|next| next <= tip);
            let Some(next) = next else { continue };
            self.store.readers(row, (next, *tip), &mut |reader| {
                hits.insert(reader);
                Ok(ControlFlow::Continue(()))
            })?;
            if !is_referred_to {
                continue;
            }
            self.store.references_by(row, (next, *tip), &mut |reference| {
                if loses(reference.table, reference.foreign_key) {
                    hits.insert(reference.write.pos);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(())
    }

    fn hits_of_write(
        &self,
        (table, row, write): (usize, RowKey, RowKey),
        cells: &[(usize, Option<&Content>)],
        clock: &Past,
        hits: &mut BTreeSet<Pos>,
    ) -> Result<(), StoreError> {
        let (of, layout) = (self.layout().table(table), self.layout().of(table));
        for (column, content) in cells {
            if let (Some(key), Some(Content::Row(target))) = (layout.foreign_key_of[*column], content)
                && of.foreign_keys[key].on_delete == OnDelete::Restrict
            {
                let deletes = self.deletes(target.key(write.pos))?;
                hits.extend(deletes.iter().map(|delete| delete.pos).filter(|pos| !clock.contains(*pos)));
            }
        }
        let keys = self.keys_claimed(table, write.pos, cells);
        // What lower entries released is not claimed by anything concurrent.
        let settled_below = if keys.is_empty() { 0 } else { self.settled_below(clock)? };
        for key in keys {
            let own = self.rank(write)?;
            for claim in self.claims(key, settled_below)?.into_iter().filter(|claim| claim.row != row) {
                if !clock.contains(claim.write.pos) && self.rank(claim.write)? > own {
                    hits.insert(claim.write.pos);
                }
            }
        }
        Ok(())
    }

    /// The least height of what is kept and not in a past: all that is lower is in it.
    pub(super) fn settled_below(&self, past: &Past) -> Result<u64, StoreError> {
        let mut settled_below = u64::MAX;
        for tip in self.index.whole().tops() {
            let next = Pos::new(tip.chain(), past.last_of(tip.chain()) + 1).filter(|next| next <= tip);
            if let Some(next) = next {
                settled_below = settled_below.min(self.stamp(next)?.height);
            }
        }
        Ok(settled_below)
    }

    /// The entries whose conditions may name a co-transaction.
    pub(super) fn reached(&self, of: CoTx) -> Result<BTreeSet<Pos>, StoreError> {
        let mut found = BTreeSet::new();
        let derived = self.derived(of.pos)?;
        let Some(conditions) = derived.transactions.get(of.transaction as usize) else { return Ok(found) };
        for (operation, act) in (0..).zip(&conditions.acts) {
            match act {
                Act::Insert { .. } => {
                    let row = RowKey { pos: of.pos, transaction: of.transaction, operation };
                    self.reached_by_presence(row, &mut found)?;
                    self.reached_by_writes(row, &mut found)?;
                }
                Act::Update { row, .. } => self.reached_by_writes(row.key(of.pos), &mut found)?,
                Act::Delete { row, .. } => {
                    self.reached_by_presence(row.key(of.pos), &mut found)?;
                    self.reached_by_writes(row.key(of.pos), &mut found)?;
                }
            }
        }
        // What is in the past of a co-transaction does not depend on it.
        let clock = self.index.clock(self.store, of.pos)?;
        found.retain(|pos| *pos == of.pos || !clock.contains(*pos));
        Ok(found)
    }

    /// Who relies on a row, or refers to it.
    fn reached_by_presence(&self, row: RowKey, found: &mut BTreeSet<Pos>) -> Result<(), StoreError> {
        let last = Pos::new((1 << CHAIN_BITS) - 1, (1 << SEQUENCE_BITS) - 1).unwrap_or(row.pos);
        self.store.readers(row, (Pos::GENESIS, last), &mut |reader| {
            found.insert(reader);
            Ok(ControlFlow::Continue(()))
        })?;
        // Rows of one entry have no readers noted in it.
        found.insert(row.pos);
        self.store.references(row, &mut |reference| {
            found.insert(reference.write.pos);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Who minds whether the writes of a row count: its deletes as cascades, deletes of what it refers to, claims of its keys.
    fn reached_by_writes(&self, row: RowKey, found: &mut BTreeSet<Pos>) -> Result<(), StoreError> {
        let kept = self.kept_row(row)?;
        let (of, layout) = (self.layout().table(kept.record.table), self.layout().of(kept.record.table));
        for key in of.foreign_keys.iter().filter(|key| key.on_delete != OnDelete::SetNull) {
            let group = layout.group_of[key.column].ok_or_else(super::derive::ungrouped)?;
            if key.on_delete == OnDelete::Cascade {
                found.extend(self.deletes(row)?.iter().map(|delete| delete.pos));
            }
            for (_, content) in self.writes_of(row, group, key.column)? {
                if let Some(Content::Row(target)) = content {
                    found.extend(self.deletes(target.key(row.pos))?.iter().map(|delete| delete.pos));
                }
            }
        }
        for key in self.keys_of_row(row)? {
            found.extend(
                self.claims(key.1, 0)?.into_iter().filter(|claim| claim.row != row).map(|claim| claim.write.pos),
            );
        }
        Ok(())
    }

    /// Every UNIQUE key that a row ever claimed, with the write.
    fn keys_of_row(&self, row: RowKey) -> Result<Vec<(RowKey, IndexKey)>, StoreError> {
        let kept = self.kept_row(row)?;
        let table = kept.record.table;
        let groups: BTreeSet<usize> = self.layout().of(table).unique_groups.iter().flatten().copied().collect();
        let mut keys = Vec::new();
        for group in groups {
            let columns = &self.layout().table(table).groups[group].columns;
            let inserted: Vec<_> = columns.iter().map(|column| (*column, kept.inserted[*column].as_ref())).collect();
            keys.extend(self.keys_claimed(table, row.pos, &inserted).into_iter().map(|key| (row, key)));
            let mut updates = Vec::new();
            self.store.writes(row, group, u64::MAX, &mut |write| {
                updates.push(write);
                Ok(ControlFlow::Continue(()))
            })?;
            for update in updates {
                let Act::Update { columns: written, cells, .. } = self.view().act(update.key, update.span)? else {
                    continue;
                };
                let cells: Vec<_> = written.iter().copied().zip(cells.iter().map(Option::as_ref)).collect();
                let of_group: Vec<_> = cells.into_iter().filter(|(column, _)| columns.contains(column)).collect();
                let claimed = self.keys_claimed(table, update.key.pos, &of_group);
                keys.extend(claimed.into_iter().map(|key| (update.key, key)));
            }
        }
        Ok(keys)
    }

    /// The UNIQUE keys that a write claims.
    fn keys_claimed(&self, table: usize, pos: Pos, cells: &[(usize, Option<&Content>)]) -> Vec<IndexKey> {
        let (of, layout) = (self.layout().table(table), self.layout().of(table));
        let cell = |column: &usize| cells.iter().find(|(known, _)| known == column).map(|(_, cell)| *cell);
        let mut keys = Vec::new();
        for (unique, group) in of.uniques.iter().zip(&layout.unique_groups) {
            if group.is_some() && cell(&unique.columns[0]).is_some() {
                keys.extend(claim_key(
                    unique.id,
                    Some(pos),
                    unique.columns.iter().map(|column| cell(column).flatten()),
                ));
            }
        }
        keys
    }

    /// The claims of a key that are open, or were closed at height `from` or above.
    pub(super) fn claims(&self, key: IndexKey, from: u64) -> Result<Vec<ClaimRecord>, StoreError> {
        let mut claims = Vec::new();
        self.store.claims(key, from, &mut |claim| {
            claims.push(claim);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(claims)
    }
}

/// Opens what a co-transaction that is void now had closed: claims and lookups count again until somebody live closes them.
pub(super) fn reopen<S: Ground>(
    tx: &impl VerdictWriter<Target = S>,
    evaluator: &Evaluator<'_, S>,
    of: CoTx,
) -> Result<(), StoreError> {
    let derived = evaluator.derived(of.pos)?;
    let Some(conditions) = derived.transactions.get(of.transaction as usize) else { return Ok(()) };
    for act in &conditions.acts {
        let (row, is_deleted) = match act {
            Act::Insert { .. } => continue,
            Act::Update { row, .. } => (row.key(of.pos), false),
            Act::Delete { row, .. } => (row.key(of.pos), true),
        };
        for (write, key) in evaluator.keys_of_row(row)? {
            tx.open_claim(key, &ClaimRecord { row, write })?;
        }
        if is_deleted {
            let kept = evaluator.kept_row(row)?;
            for lookup in &evaluator.layout().of(kept.record.table).lookups {
                let columns = lookup.iter().map(|column| (*column, kept.inserted[*column].as_ref()));
                if let Some(key) = guard_key(kept.record.table, None, columns) {
                    tx.open_guard(key, row)?;
                }
            }
        }
    }
    Ok(())
}
