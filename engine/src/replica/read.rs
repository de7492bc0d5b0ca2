//! Reading tables at a version, for people and for tables of a database.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Replica;
use super::error::ReplicaError;
use super::types::{RowImage, Shown};
use crate::causality::Version;
use crate::fault::StoreError;
use crate::identity::Identity;
use crate::limits::TABLE_PAGE_ROWS;
use crate::log::{LogStore, Pos};
use crate::relation::{Content, RelationStore, RowId, RowKey, RowRecord, View};
use crate::store::Sqlite;

/// Authors remembered while reading.
const AUTHORS_MAX: usize = 4096;

/// Reads whole rows: images with their author.
pub(super) struct RowReader<'r> {
    pub(super) view: View<'r, Sqlite>,
    authors: RefCell<BTreeMap<Pos, Identity>>,
}

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
        Ok(RowImage { name: self.view.name(row.key)?, cells: image.cells, author: self.author(image.last_write.pos)? })
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
}
