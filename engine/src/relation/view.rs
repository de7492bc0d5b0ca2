//! Rows as they are at a version: which are there, under which id, with which values.
//!
//! A view sees the operations of a past. Whether a row is there is computed from its insert and deletes that are seen,
//! what a cell holds from the greatest write that is seen; nothing is materialised per version. Reading a row that
//! nothing ever touched costs its record and its insert.
//!
//! Spec: docs/spec/relation.md, sections 3 to 5. Oracle in tests: `treaty-oracle`.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use treaty_schema::{OnDelete, Value};

use super::act::{Act, Content, Names, ResolveError};
use super::head_cache::HeadCache;
use super::payload::{Operation, Span};
use super::store::{Marks, RelationStore, RowRecord};
use super::{CoTx, Layout, RowId, RowKey, RowName, Verdicts};
use crate::causality::Past;
use crate::crdt::{OperationKey, Rank, Winner};
use crate::fault::StoreError;
use crate::log::{Pos, Stamp};

/// What a view sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The entries of the version.
    pub past: Past,
    /// No entry of it is higher.
    pub height_max: u64,
    /// It holds every kept entry that is lower: what such an entry released need not be looked at.
    pub settled_below: u64,
}

/// The tables at a version.
pub struct View<'v, S> {
    store: &'v S,
    layout: &'v Layout,
    sight: &'v Sight,
    heads: &'v RefCell<HeadCache>,
    verdicts: &'v dyn Verdicts,
}

impl<S> Clone for View<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for View<'_, S> {}

/// The write that a cell holds at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The insert or update.
    pub key: OperationKey,
    /// Where it lies in its payload.
    pub span: Span,
}

/// A row with its values at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// One cell per column of the table, in its order: `id` as shown, foreign keys as the ids shown of their targets.
    pub cells: Vec<Option<Value>>,
    /// The write of greatest position among those that the row holds: who changed it last.
    pub last_write: OperationKey,
}

impl<'v, S: RelationStore> View<'v, S> {
    /// Views the tables at a version.
    ///
    /// * `verdicts` - on the co-transactions that `sight` holds.
    pub fn new(
        store: &'v S,
        layout: &'v Layout,
        sight: &'v Sight,
        heads: &'v RefCell<HeadCache>,
        verdicts: &'v dyn Verdicts,
    ) -> View<'v, S> {
        View { store, layout, sight, heads, verdicts }
    }

    /// The store.
    pub fn store(&self) -> &'v S {
        self.store
    }

    /// The schema.
    pub fn layout(&self) -> &'v Layout {
        self.layout
    }

    /// Every kept entry that is lower is seen.
    pub fn settled_below(&self) -> u64 {
        self.sight.settled_below
    }

    /// Whether an operation counts here: its entry is in the version, and its co-transaction is live.
    ///
    /// # Errors
    /// [`StoreError`], as every function here.
    pub fn sees(&self, key: OperationKey) -> Result<bool, StoreError> {
        Ok(self.holds(key.pos) && !self.verdicts.is_void(CoTx::of(key))?)
    }

    /// Whether an entry is in the version, whatever the verdicts on it.
    pub fn holds(&self, pos: Pos) -> bool {
        self.sight.past.contains(pos)
    }

    /// Returns a row of the version, live or not: whatever the verdict on its insert, deleted or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inserted(&self, key: RowKey) -> Result<Option<RowRecord>, StoreError> {
        if self.holds(key.pos) { self.store.row(key) } else { Ok(None) }
    }

    /// Whether a row is live: its insert is seen, and no delete of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_live(&self, row: &RowRecord) -> Result<bool, StoreError> {
        if !self.sees(row.key)? {
            return Ok(false);
        }
        if !row.marks.has(Marks::DELETED) {
            return Ok(true);
        }
        for delete in self.store.deletes(row.key)? {
            if self.sees(delete)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the live row that is shown under `id`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shown_row(&self, table: usize, id: RowId) -> Result<Option<RowRecord>, StoreError> {
        if id.is_derived() {
            let Some(key) = self.store.row_with_derived_id(table, id)? else { return Ok(None) };
            let row = self.kept(key)?;
            return Ok((self.is_live(&row)? && self.shown_id(&row)? == id).then_some(row));
        }
        self.first_live(self.store.rows_with_id(table, id)?)
    }

    /// Returns the id under which tables show a row: its own, unless a live row of smaller rank is shown under that.
    ///
    /// A row that is not live has its own only if no live row is shown under it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shown_id(&self, row: &RowRecord) -> Result<RowId, StoreError> {
        if !row.marks.has(Marks::TWIN) {
            return Ok(row.id);
        }
        match self.first_live(self.store.rows_with_id(row.table, row.id)?)? {
            Some(first) if first.key != row.key => Ok(self.name(row.key)?.derived_id()),
            Some(_) | None => Ok(row.id),
        }
    }

    /// Returns the permanent name of a row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn name(&self, key: RowKey) -> Result<RowName, StoreError> {
        let Stamp { id, .. } = self.store.stamp(key.pos)?;
        Ok(RowName { entry: id, transaction: key.transaction, operation: key.operation })
    }

    /// Returns the write that a column group of a row holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn held(&self, row: &RowRecord, group: usize) -> Result<Written, StoreError> {
        self.greatest(row, group, self.sight.height_max, &|write| self.sees(write))
    }

    /// Returns the write that a column group of a row would hold for whoever saw all that is kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn held_of_all(&self, row: &RowRecord, group: usize) -> Result<Written, StoreError> {
        self.greatest(row, group, u64::MAX, &|_| Ok(true))
    }

    /// Returns what the columns of one group of a row hold, in the order of the group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group(&self, row: &RowRecord, group: usize) -> Result<Vec<Option<Content>>, StoreError> {
        self.cells(row, group, self.held(row, group)?)
    }

    /// Returns what a write put into the columns of a group, in the order of the group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cells(&self, row: &RowRecord, group: usize, written: Written) -> Result<Vec<Option<Content>>, StoreError> {
        let act = self.act(written.key, written.span)?;
        let columns = &self.layout.table(row.table).groups[group].columns;
        columns.iter().map(|column| cell_of(&act, *column).cloned()).collect()
    }

    /// Of a row's insert and its updates of a group that count, the one of greatest position.
    fn greatest(
        &self,
        row: &RowRecord,
        group: usize,
        height_max: u64,
        counts: &dyn Fn(OperationKey) -> Result<bool, StoreError>,
    ) -> Result<Written, StoreError> {
        let inserted = Written { key: row.key, span: row.span };
        if !row.marks.has(Marks::UPDATED) {
            return Ok(inserted);
        }
        let mut winner = Winner::new();
        self.store.writes(row.key, group, height_max, &mut |write| {
            if winner.is_decided(write.rank) {
                return Ok(ControlFlow::Break(()));
            }
            if counts(write.key)? {
                let written = Written { key: write.key, span: write.span };
                winner.offer(write.rank, write.key, written, |pos| Ok(self.store.stamp(pos)?.id))?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(winner.into_write().unwrap_or(inserted))
    }

    /// Returns what all columns of a row hold; that of `id` is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contents(&self, row: &RowRecord) -> Result<Vec<Option<Content>>, StoreError> {
        Ok(self.contents_and_last(row, None)?.0)
    }

    /// Returns what the insert of a row said; that of `id` is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inserted_contents(&self, row: &RowRecord) -> Result<Vec<Option<Content>>, StoreError> {
        match self.act(row.key, row.span)? {
            Act::Insert { cells, .. } => Ok(cells),
            Act::Update { .. } | Act::Delete { .. } => Err(misplaced(row.key)),
        }
    }

    /// Returns the values of a row, as tables show them.
    ///
    /// * `insert` - what the row's insert said, settled, where the caller has it at hand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn image(&self, row: &RowRecord, insert: Option<Vec<Option<Content>>>) -> Result<Image, StoreError> {
        let (contents, last_write) = self.contents_and_last(row, insert)?;
        let table = self.layout.table(row.table);
        let mut cells = Vec::with_capacity(contents.len());
        for (column, content) in contents.into_iter().enumerate() {
            cells.push(match content {
                None => None,
                Some(Content::Value(value)) => Some(value),
                Some(Content::Row(target)) => {
                    let key = self.layout.of(row.table).foreign_key_of[column].ok_or_else(|| misplaced(row.key))?;
                    self.reference(target.key(row.key.pos), table.foreign_keys[key].on_delete)?.map(RowId::to_value)
                }
            });
        }
        cells[table.id_column] = Some(self.shown_id(row)?.to_value());
        Ok(Image { cells, last_write })
    }

    /// Decodes a kept operation; rows of its own entry are named by their keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn act(&self, key: OperationKey, span: Span) -> Result<Act, StoreError> {
        let names = self.names(key.pos)?;
        let bytes = self.store.payload_slice(key.pos, span.offset, span.bytes)?;
        let operation = Operation::decode(&bytes, names.head())
            .map_err(|cause| StoreError::corrupt(format!("an operation of entry {:?}: {cause}", key.pos)))?;
        let act = names.resolve(self.layout, operation, &|id| self.store.position_of(id));
        act.map(|act| act.settled(key.pos)).map_err(|cause| match cause {
            ResolveError::Store(cause) => cause,
            other => StoreError::corrupt(format!("an operation of entry {:?}: {other}", key.pos)),
        })
    }

    /// The dictionaries of a kept entry.
    fn names(&self, pos: Pos) -> Result<Arc<Names>, StoreError> {
        self.heads.borrow_mut().names(self.store, self.layout, pos)
    }

    fn contents_and_last(
        &self,
        row: &RowRecord,
        insert: Option<Vec<Option<Content>>>,
    ) -> Result<(Vec<Option<Content>>, OperationKey), StoreError> {
        let mut cells = match insert {
            Some(cells) => cells,
            None => self.inserted_contents(row)?,
        };
        if !row.marks.has(Marks::UPDATED) {
            return Ok((cells, row.key));
        }
        let mut last = Winner::new();
        for (group_index, group) in self.layout.table(row.table).groups.iter().enumerate() {
            let held = self.held(row, group_index)?;
            if held.key == row.key {
                continue;
            }
            let act = self.act(held.key, held.span)?;
            for column in &group.columns {
                cells[*column] = cell_of(&act, *column)?.clone();
            }
            let Stamp { height, id } = self.store.stamp(held.key.pos)?;
            let rank = Rank { height, prefix: id.prefix() };
            last.offer(rank, held.key, held.key, |pos| Ok(self.store.stamp(pos)?.id))?;
        }
        Ok((cells, last.into_write().unwrap_or(row.key)))
    }

    /// The id that a reference shows, none where it reads NULL.
    fn reference(&self, target: RowKey, on_delete: OnDelete) -> Result<Option<RowId>, StoreError> {
        let row = self.kept(target)?;
        if on_delete == OnDelete::SetNull && !self.is_live(&row)? {
            return Ok(None);
        }
        Ok(Some(self.shown_id(&row)?))
    }

    /// A row that something kept names: it must be kept itself.
    fn kept(&self, key: RowKey) -> Result<RowRecord, StoreError> {
        self.store.row(key)?.ok_or_else(|| StoreError::corrupt(format!("row {key:?} is named, but not kept")))
    }

    /// Of the live rows among `rows`, the one of smallest rank.
    fn first_live(&self, rows: Vec<RowRecord>) -> Result<Option<RowRecord>, StoreError> {
        let mut live = Vec::with_capacity(rows.len());
        for row in rows {
            if self.is_live(&row)? {
                live.push(row);
            }
        }
        let mut first: Option<(RowRank, RowRecord)> = None;
        let is_single = live.len() == 1;
        for row in live {
            if is_single {
                return Ok(Some(row));
            }
            let rank = self.rank(row.key)?;
            if first.as_ref().is_none_or(|(best, _)| rank < *best) {
                first = Some((rank, row));
            }
        }
        Ok(first.map(|(_, row)| row))
    }

    /// What orders rows that were inserted under one id: the same in all views, as admission to the log settles it.
    fn rank(&self, row: RowKey) -> Result<RowRank, StoreError> {
        let place = |key: RowKey| Ok::<_, StoreError>((self.store.stamp(key.pos)?, key.transaction, key.operation));
        let seniority = match row.pos {
            Pos::GENESIS => Seniority::Genesis,
            _ => match self.store.granting_row(CoTx::of(row))? {
                Some(granting) => Seniority::Row(place(granting)?),
                None => Seniority::Nothing,
            },
        };
        Ok((seniority, place(row)?))
    }
}

/// Where an operation stands among all: by position, then operation.
type Place = (Stamp, u32, u32);

/// The rank of a row: the seniority of the co-transaction that inserted it, then its place.
type RowRank = (Seniority, Place);

/// How senior a co-transaction is in the view of its past; the more senior, the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seniority {
    Genesis,
    /// By the row inserted there.
    Row(Place),
    Nothing,
}

/// What an insert or update wrote into a column.
fn cell_of(act: &Act, column: usize) -> Result<&Option<Content>, StoreError> {
    let cell = match act {
        Act::Insert { cells, .. } => cells.get(column),
        Act::Update { columns, cells, .. } => {
            columns.iter().position(|written| *written == column).and_then(|index| cells.get(index))
        }
        Act::Delete { .. } => None,
    };
    cell.ok_or_else(|| StoreError::corrupt("a kept write does not write its column"))
}

fn misplaced(key: OperationKey) -> StoreError {
    StoreError::corrupt(format!("operation {key:?} is not where or what it is said to be"))
}
