//! The way of tables from what they show to everything held, in batches.
//!
//! A batch takes entries in the order of their stamps, so that it ends at a version, and the co-transactions shown before
//! whose verdict is another one now. It reads each row that they touch once, at that version. A row inserted and never touched again is read from the entry at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use treaty_schema::OnDelete;

use super::Replica;
use super::admit::sight_of;
use super::error::ReplicaError;
use super::history::acts_of;
use super::read::RowReader;
use super::report::{News, row_of};
use super::source::PayloadSource;
use super::types::{Batch, RowChange, Shown};
use crate::causality::{Past, Pos};
use crate::cotx::{Source, VerdictStore};
use crate::fault::StoreError;
use crate::limits::{BATCH_BYTES_MAX, BATCH_DEPENDENCIES_MAX, BATCH_ENTRIES_MAX};
use crate::log::{LogStore, Stamp};
use crate::relation::payload::{GenesisPayload, Payload};
use crate::relation::{Act, CoTx, Content, Marks, RelationStore, RowId, RowKey, RowRecord};

/// What a batch touches.
#[derive(Default)]
struct Touched {
    /// With what the insert said, if it is of this batch and small enough to hold.
    rows: BTreeMap<RowKey, (RowRecord, Option<Inserted>)>,
    /// About how large they are: what their inserts took.
    bytes: u64,
    /// What there is to tell besides.
    news: Vec<News>,
}

/// How far a batch leads.
#[derive(Clone)]
struct Reach {
    past: Past,
    height_max: u64,
}

/// What an insert said, by column.
type Inserted = Vec<Option<Content>>;

/// Is handed a row and what its insert said, where that is at hand.
pub(super) type VisitInsert<'v> = dyn FnMut(RowRecord, Option<Inserted>) -> Result<(), StoreError> + 'v;

impl Replica {
    pub(super) fn changes(&self, from: &Shown, rows_max: usize) -> Result<Batch, ReplicaError> {
        let _snapshot = self.store.snapshot()?;
        let (before, basis) = (self.scene(from)?, self.basis()?);
        let mut touched = Touched::default();
        self.touch_flipped(&mut touched, (from.basis, basis), &before.sight.past)?;
        let start = Reach { past: before.sight.past.clone(), height_max: before.sight.height_max };
        let entry_count = start.past.entry_count();
        let Reach { past, height_max } = self.touch_entries(&mut touched, start, rows_max)?;
        let entry_count = past.entry_count() - entry_count;
        let is_last = past.entry_count() == self.index.entry_count();
        let after = self.scene_now(sight_of(&self.store, &self.index, past, height_max)?)?;
        let ends = (RowReader::new(self.view(&before)), RowReader::new(self.view(&after)));
        self.touch_neighbours(&mut touched)?;
        let reports = self.reports(std::mem::take(&mut touched.news), (&ends.0.view, &ends.1.view))?;
        let changes = changes(touched, &ends)?;
        let version = if entry_count == 0 {
            from.version.clone()
        } else {
            self.index.version_of(&self.store, &after.sight.past)?
        };
        Ok(Batch { to: Shown { version, basis }, changes, reports, entry_count, is_last })
    }

    /// Notes the rows of co-transactions whose verdict was another one, all of them: their flips belong together.
    ///
    /// * `bases` - before and after.
    /// * `past` - what tables show; flips of others are none to them.
    fn touch_flipped(&self, touched: &mut Touched, bases: (u64, u64), past: &Past) -> Result<(), ReplicaError> {
        let mut flipped: BTreeMap<Pos, BTreeSet<u32>> = BTreeMap::new();
        self.store.flips(bases.0, bases.1, &mut |flip| {
            if past.contains(flip.of.pos) {
                flipped.entry(flip.of.pos).or_default().insert(flip.of.transaction);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (pos, transactions) in flipped {
            let mut turned = Vec::new();
            for transaction in transactions {
                let of = CoTx { pos, transaction };
                let (was, is) = (self.store.void_as_of(of, bases.0)?, self.store.void(of)?);
                if was.is_some() != is.is_some() {
                    turned.push((of, is));
                }
            }
            if turned.is_empty() {
                continue;
            }
            let payload = self.decode_kept(pos)?;
            let source = PayloadSource::new(&self.store, &self.layout, &payload)?;
            for (of, void) in turned {
                let acts = acts_of(&source, of)?;
                for (act, operation) in acts.iter().zip(0..) {
                    touched.add(&self.store, row_of(act, of, operation))?;
                }
                touched.news.push(News { stamp: self.store.stamp(pos)?, of, void, acts });
            }
        }
        Ok(())
    }

    /// Notes the rows of the next entries. Returns how far that leads.
    fn touch_entries(&self, touched: &mut Touched, from: Reach, rows_max: usize) -> Result<Reach, ReplicaError> {
        let mut difference = self.index.difference(&self.index.whole(), &from.past);
        let Reach { mut past, mut height_max } = from;
        let (mut entry_count, mut lasts) = (0, BTreeMap::new());
        let has_room = |touched: &Touched| touched.rows.len() < rows_max.max(1) && touched.bytes < BATCH_BYTES_MAX;
        while has_room(touched) && entry_count < BATCH_ENTRIES_MAX {
            let Some((pos, Stamp { height, .. })) = difference.next(&self.store)? else { break };
            self.touch_entry(touched, pos)?;
            lasts.insert(pos.chain(), pos);
            entry_count += 1;
            height_max = height_max.max(height);
        }
        for pos in lasts.into_values() {
            past = past.join(&*self.index.clock(&self.store, pos)?);
        }
        let reach = Reach { past, height_max };
        if entry_count == 0 || difference.left() == 0 {
            return Ok(reach);
        }
        let Some(closed) = self.closed(&reach)? else { return Ok(reach) };
        let mut difference = self.index.difference(&closed.past, &reach.past);
        while let Some((pos, _)) = difference.next(&self.store)? {
            self.touch_entry(touched, pos)?;
        }
        Ok(closed)
    }

    /// Adds the entries on which verdicts of some depend, and those that theirs depend on, and so on: by what they hold
    /// alone, verdicts are the same as by everything held. None if that is too many.
    fn closed(&self, reach: &Reach) -> Result<Option<Reach>, StoreError> {
        let Reach { mut past, mut height_max } = reach.clone();
        let entry_count_max = past.entry_count() + BATCH_DEPENDENCIES_MAX;
        let mut is_closed = false;
        while !is_closed {
            is_closed = true;
            let mut after = None;
            while let Some((source, target)) = self.store.edge_chains(after)? {
                after = Some((source, target));
                let Some(top) = Pos::new(source, past.last_of(source)) else { continue };
                let last = self.store.edge_target(top, target)?;
                let Some(last) = Pos::new(target, last).filter(|last| !past.contains(*last)) else { continue };
                past = past.join(&*self.index.clock(&self.store, last)?);
                height_max = height_max.max(self.store.stamp(last)?.height);
                is_closed = false;
            }
            if past.entry_count() > entry_count_max {
                return Ok(None);
            }
        }
        Ok(Some(Reach { past, height_max }))
    }

    /// Works out what becomes of rows that went, and of those that are shown otherwise for it.
    pub(super) fn ripples_of(
        &self,
        from: &Shown,
        to: &Shown,
        rows: &[(usize, RowId)],
    ) -> Result<Vec<RowChange>, ReplicaError> {
        let (before, after) = (self.scene(from)?, self.scene(to)?);
        let ends = (RowReader::new(self.view(&before)), RowReader::new(self.view(&after)));
        let mut touched = Touched::default();
        for (table, id) in rows {
            self.check_table(*table)?;
            if let Some(row) = ends.0.view.shown_row(*table, *id)? {
                touched.rows.insert(row.key, (row, None));
            }
        }
        self.touch_neighbours(&mut touched)?;
        Ok(changes(touched, &ends)?)
    }

    /// Notes the rows that an entry inserts, updates or deletes.
    fn touch_entry(&self, touched: &mut Touched, pos: Pos) -> Result<(), ReplicaError> {
        let payload = self.decode_kept(pos)?;
        let source = PayloadSource::new(&self.store, &self.layout, &payload)?;
        self.visit_inserts_of(pos, &source, &mut |row, insert| {
            touched.rows.insert(row.key, (row, insert));
            touched.bytes += u64::from(row.span.bytes);
            Ok(())
        })?;
        for (transaction, void) in self.store.voids_of_entry(pos)? {
            let of = CoTx { pos, transaction };
            let acts = acts_of(&source, of)?;
            touched.news.push(News { stamp: self.store.stamp(pos)?, of, void: Some(void), acts });
        }
        for transaction in 0..payload.transaction_count() {
            for operation in 0..payload.operation_count(transaction) {
                let row = match &*source.act(transaction, operation)? {
                    Act::Insert { .. } => continue,
                    Act::Update { row, .. } | Act::Delete { row, .. } => row.key(pos),
                };
                touched.add(&self.store, row)?;
            }
        }
        Ok(())
    }

    /// Visits the rows that an entry inserted, each with what its insert said if the entry is small enough to be held.
    pub(super) fn visit_inserts(&self, pos: Pos, visit: &mut VisitInsert<'_>) -> Result<(), ReplicaError> {
        let payload = self.decode_kept(pos)?;
        self.visit_inserts_of(pos, &PayloadSource::new(&self.store, &self.layout, &payload)?, visit)
    }

    fn visit_inserts_of(
        &self,
        pos: Pos,
        source: &PayloadSource<'_>,
        visit: &mut VisitInsert<'_>,
    ) -> Result<(), ReplicaError> {
        for row in self.store.rows_of_entry(pos)? {
            let insert = match source.held(row.key.transaction, row.key.operation) {
                Some(act) => match act.clone().settled(pos) {
                    Act::Insert { cells, .. } => Some(cells),
                    Act::Update { .. } | Act::Delete { .. } => None,
                },
                None => None,
            };
            visit(row, insert)?;
        }
        Ok(())
    }

    /// Decodes the payload of a kept entry.
    pub(super) fn decode_kept(&self, pos: Pos) -> Result<Payload, StoreError> {
        let bytes = self.store.payload(pos)?;
        let decoded = match pos {
            Pos::GENESIS => GenesisPayload::decode(bytes).map(|genesis| genesis.rows),
            _ => Payload::decode(bytes),
        };
        decoded.map_err(|cause| StoreError::corrupt(format!("the payload of entry {pos:?}: {cause}")))
    }

    /// Notes the rows whose id or references change with what was touched.
    fn touch_neighbours(&self, touched: &mut Touched) -> Result<(), StoreError> {
        for row in touched.records() {
            if row.marks.has(Marks::TWIN) {
                for twin in self.store.rows_with_id(row.table, row.id)? {
                    touched.rows.entry(twin.key).or_insert((twin, None));
                    self.touch_referrers(touched, &twin, false)?;
                }
            }
            if row.marks.has(Marks::DELETED) {
                self.touch_referrers(touched, &row, true)?;
            }
        }
        Ok(())
    }

    /// Notes the rows that refer to a row.
    ///
    /// * `is_null_only` - only by foreign keys that read NULL when the row goes.
    fn touch_referrers(&self, touched: &mut Touched, row: &RowRecord, is_null_only: bool) -> Result<(), StoreError> {
        let layout = &self.layout;
        let on_delete = |table: usize, key: usize| layout.table(table).foreign_keys[key].on_delete;
        let matters = |table: usize, key: usize| !is_null_only || on_delete(table, key) == OnDelete::SetNull;
        if !layout.of(row.table).referrers.iter().any(|(table, key)| matters(*table, *key)) {
            return Ok(());
        }
        let mut referrers = Vec::new();
        self.store.references(row.key, &mut |reference| {
            if matters(reference.table, reference.foreign_key) {
                referrers.push(reference.row);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        referrers.into_iter().try_for_each(|referrer| touched.add(&self.store, referrer))
    }
}

impl Touched {
    fn records(&self) -> Vec<RowRecord> {
        self.rows.values().map(|(row, _)| *row).collect()
    }

    fn add(&mut self, store: &impl RelationStore, key: RowKey) -> Result<(), StoreError> {
        if let std::collections::btree_map::Entry::Vacant(place) = self.rows.entry(key) {
            let row = store.row(key)?;
            let row = row.ok_or_else(|| StoreError::corrupt(format!("row {key:?} is named, but not kept")))?;
            self.bytes += u64::from(row.span.bytes);
            place.insert((row, None));
        }
        Ok(())
    }
}

/// Works out what becomes of each id that a touched row had or has.
fn changes(touched: Touched, (from, to): &(RowReader<'_>, RowReader<'_>)) -> Result<Vec<RowChange>, StoreError> {
    let mut changes = BTreeMap::new();
    for (_, (row, insert)) in touched.rows {
        if from.view.is_live(&row)? {
            changes.entry((row.table, from.view.shown_id(&row)?)).or_insert(None);
        }
        if to.view.is_live(&row)? {
            let image = to.image(&row, insert)?;
            changes.insert((row.table, to.view.shown_id(&row)?), Some(image));
        }
    }
    Ok(changes.into_iter().map(|((table, id), row)| RowChange { table, id, row }).collect())
}
