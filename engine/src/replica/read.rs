//! Reading tables at a version, for people and for tables of a database.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Replica;
use super::error::ReplicaError;
use super::types::{RowImage, Shown, Withheld};
use crate::causality::Version;
use crate::crdt::OperationKey;
use crate::fault::StoreError;
use crate::identity::Identity;
use crate::limits::TABLE_PAGE_ROWS;
use crate::log::{LogStore, Pos, Stamp};
use crate::relation::{Content, IndexKey, Marks, RelationStore, RowId, RowKey, RowRecord, View, claim_key};
use crate::store::Sqlite;

/// Authors remembered while reading.
const AUTHORS_MAX: usize = 4096;

/// Reads whole rows: images with author and withholding.
pub(super) struct RowReader<'r> {
    pub(super) view: View<'r, Sqlite>,
    authors: RefCell<BTreeMap<Pos, Identity>>,
}

/// Where a claim stands among others of its key: by position, then operation.
type ClaimOrder = (Stamp, u32, u32);

impl Replica {
    pub(super) fn read_row(
        &self,
        (table, id): (usize, RowId),
        at: &Version,
        from: &Version,
    ) -> Result<Option<RowImage>, ReplicaError> {
        self.check_table(table)?;
        let _snapshot = self.store.snapshot()?;
        let scene = self.scene_from(at, from)?;
        let reader = RowReader::new(self.view(&scene));
        let row = reader.view.shown_row(table, id)?;
        Ok(row.map(|row| reader.image(&row, None)).transpose()?)
    }

    pub(super) fn read_rows<E: From<ReplicaError>>(
        &self,
        table: usize,
        at: &Version,
        from: &Version,
        visit: &mut dyn FnMut(RowId, RowImage) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_table(table)?;
        let _snapshot = self.store.snapshot().map_err(ReplicaError::from)?;
        let scene = self.scene_from(at, from)?;
        let reader = RowReader::new(self.view(&scene));
        let mut after = None;
        loop {
            let rows = self.store.rows_of_table(table, after, TABLE_PAGE_ROWS).map_err(ReplicaError::from)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some((last.id, last.key));
            for row in rows {
                if reader.view.is_live(&row).map_err(ReplicaError::from)? {
                    let image = reader.image(&row, None).map_err(ReplicaError::from)?;
                    visit(reader.view.shown_id(&row).map_err(ReplicaError::from)?, image)?;
                }
            }
        }
    }

    pub(super) fn read_rows_by_id(
        &self,
        rows: &[(usize, RowId)],
        shown: &Shown,
    ) -> Result<Vec<Option<RowImage>>, ReplicaError> {
        let _snapshot = self.store.snapshot()?;
        let scene = self.scene(shown)?;
        let reader = RowReader::new(self.view(&scene));
        let mut images = Vec::with_capacity(rows.len());
        for (table, id) in rows {
            self.check_table(*table)?;
            let row = reader.view.shown_row(*table, *id)?;
            images.push(row.map(|row| reader.image(&row, None)).transpose()?);
        }
        Ok(images)
    }

    pub(super) fn read_page(
        &self,
        table: usize,
        shown: &Shown,
        after: Option<RowId>,
        rows_max: usize,
    ) -> Result<Vec<(RowId, RowImage)>, ReplicaError> {
        self.check_table(table)?;
        let _snapshot = self.store.snapshot()?;
        let scene = self.scene(shown)?;
        let reader = RowReader::new(self.view(&scene));
        let first = RowKey { pos: Pos::GENESIS, transaction: 0, operation: 0 };
        let mut place = after.map(|id| (id, first));
        let mut page: Vec<(RowId, RowImage)> = Vec::new();
        loop {
            let rows = self.store.rows_of_table(table, place, TABLE_PAGE_ROWS)?;
            let Some(last) = rows.last() else { return Ok(page) };
            place = Some((last.id, last.key));
            for row in rows {
                if page.len() >= rows_max && page.last().is_some_and(|(id, _)| *id != row.id) {
                    return Ok(page);
                }
                // The place begins at the first row of the last id: its other rows come again.
                if Some(row.id) > after && reader.view.is_live(&row)? {
                    page.push((row.id, reader.image(&row, None)?));
                }
            }
        }
    }

    pub(super) fn check_table(&self, table: usize) -> Result<(), ReplicaError> {
        if table < self.layout.schema().tables().len() { Ok(()) } else { Err(ReplicaError::UnknownTable { table }) }
    }
}

impl<'r> RowReader<'r> {
    pub(super) fn new(view: View<'r, Sqlite>) -> RowReader<'r> {
        RowReader { view, authors: RefCell::default() }
    }

    /// Reads a live row.
    ///
    /// * `insert` - what its insert said, where it is at hand.
    pub(super) fn image(&self, row: &RowRecord, insert: Option<Vec<Option<Content>>>) -> Result<RowImage, StoreError> {
        let image = self.view.image(row, insert)?;
        Ok(RowImage {
            name: self.view.name(row.key)?,
            cells: image.cells,
            author: self.author(image.last_write.pos)?,
            withheld: self.withheld(row)?,
        })
    }

    /// Returns the rows that claim, or claimed, a key that a row holds here.
    pub(super) fn rivals(&self, row: &RowRecord) -> Result<Vec<RowRecord>, StoreError> {
        let mut rivals = Vec::new();
        for unique in 0..self.view.layout().table(row.table).uniques.len() {
            let Some(key) = self.key_held(row, unique)? else { continue };
            let mut keys = Vec::new();
            self.view.store().claims(key, self.view.settled_below(), &mut |claim| {
                keys.push(claim.row);
                Ok(ControlFlow::Continue(()))
            })?;
            for rival in keys.into_iter().filter(|rival| *rival != row.key) {
                rivals.extend(self.view.store().row(rival)?);
            }
        }
        Ok(rivals)
    }

    fn author(&self, pos: Pos) -> Result<Identity, StoreError> {
        let known = self.authors.borrow().get(&pos).copied();
        if let Some(author) = known {
            return Ok(author);
        }
        let author = self.view.store().author(pos)?;
        let mut authors = self.authors.borrow_mut();
        if authors.len() >= AUTHORS_MAX {
            authors.clear();
        }
        authors.insert(pos, author);
        Ok(author)
    }

    /// Of a live row, the first of its UNIQUE keys that another live row claimed first.
    fn withheld(&self, row: &RowRecord) -> Result<Option<Withheld>, StoreError> {
        if !row.marks.has(Marks::CONTESTED) {
            return Ok(None);
        }
        for unique in 0..self.view.layout().table(row.table).uniques.len() {
            let Some(key) = self.key_held(row, unique)? else { continue };
            let Some(own) = self.claim_order(row, unique)? else { continue };
            let mut holder: Option<(ClaimOrder, RowRecord)> = None;
            for (rival, order) in self.claims_held(key, unique)? {
                if order < holder.as_ref().map_or(own, |(order, _)| *order) {
                    holder = Some((order, rival));
                }
            }
            if let Some((_, holder)) = holder {
                return Ok(Some(Withheld { unique, holder: self.view.shown_id(&holder)? }));
            }
        }
        Ok(None)
    }

    /// The live rows that hold a key, each with the order of its claim.
    fn claims_held(&self, key: IndexKey, unique: usize) -> Result<Vec<(RowRecord, ClaimOrder)>, StoreError> {
        let mut claims = Vec::new();
        self.view.store().claims(key, self.view.settled_below(), &mut |claim| {
            claims.push(claim);
            Ok(ControlFlow::Continue(()))
        })?;
        let mut held = Vec::new();
        for claim in claims {
            let Some(row) = self.view.inserted(claim.row)? else { continue };
            let Some(group) = self.view.layout().of(row.table).unique_groups[unique] else { continue };
            if self.view.is_live(&row)? && self.view.held(&row, group)?.key == claim.write {
                held.push((row, self.order(claim.write)?));
            }
        }
        Ok(held)
    }

    fn claim_order(&self, row: &RowRecord, unique: usize) -> Result<Option<ClaimOrder>, StoreError> {
        let Some(group) = self.view.layout().of(row.table).unique_groups[unique] else { return Ok(None) };
        Ok(Some(self.order(self.view.held(row, group)?.key)?))
    }

    fn order(&self, write: OperationKey) -> Result<ClaimOrder, StoreError> {
        Ok((self.view.store().stamp(write.pos)?, write.transaction, write.operation))
    }

    /// The key that a row holds under a UNIQUE constraint.
    fn key_held(&self, row: &RowRecord, unique: usize) -> Result<Option<IndexKey>, StoreError> {
        let layout = self.view.layout();
        let Some(group) = layout.of(row.table).unique_groups[unique] else { return Ok(None) };
        let contents = self.view.group(row, group)?;
        let columns = &layout.table(row.table).groups[group].columns;
        let unique = &layout.table(row.table).uniques[unique];
        let cell = |column: &usize| {
            let index = columns.iter().position(|known| known == column)?;
            contents[index].as_ref()
        };
        Ok(claim_key(unique.id, None, unique.columns.iter().map(cell)))
    }
}
