//! Operations with their names found: tables and columns as indices of the schema, rows as keys of this store.
//!
//! An [`Act`] is what admission judges and what is written to the store, whether it came from a payload ([`resolve`])
//! or from the local application.

use treaty_schema::{ObjectId, Value};

use super::payload::{Cell, Head, NamedCell, NamedOperation, NamedRow, NamedShape, ObjectRef, Operation, RowRef};
use super::{Layout, RowId, RowKey, RowName};
use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::limits::{CHAIN_BITS, SEQUENCE_BITS};
use crate::log::Pos;

/// A row that an operation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Inserted by the entry itself.
    Own {
        /// Index of the co-transaction.
        transaction: u32,
        /// Index of the insert in it.
        operation: u32,
    },
    /// Inserted by an entry of the store, or by one that is not here. Whether it is in the past is not said.
    Stored(RowKey),
}

impl Target {
    /// Returns the key of the row once its entry is kept at `pos`.
    pub fn key(self, pos: Pos) -> RowKey {
        match self {
            Target::Own { transaction, operation } => RowKey { pos, transaction, operation },
            Target::Stored(key) => key,
        }
    }
}

/// What a cell holds that is not NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A value.
    Value(Value),
    /// The row that a foreign key refers to.
    Row(Target),
}

impl Content {
    fn row_mut(&mut self) -> Option<&mut Target> {
        match self {
            Content::Row(target) => Some(target),
            Content::Value(_) => None,
        }
    }
}

/// An operation over indices and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Makes a row.
    Insert {
        /// The table.
        table: usize,
        /// What tables show.
        id: RowId,
        /// One cell per column of the table; that of `id` is unused.
        cells: Vec<Option<Content>>,
    },
    /// Writes columns of a row.
    Update {
        /// The table.
        table: usize,
        /// The row.
        row: Target,
        /// The columns written, as the author listed them.
        columns: Vec<usize>,
        /// One cell per column written.
        cells: Vec<Option<Content>>,
    },
    /// Ends a row.
    Delete {
        /// The table.
        table: usize,
        /// The row.
        row: Target,
    },
}

impl Act {
    /// Returns the table.
    pub fn table(&self) -> usize {
        match self {
            Act::Insert { table, .. } | Act::Update { table, .. } | Act::Delete { table, .. } => *table,
        }
    }

    /// Names rows of the act's own entry by their keys, once the entry is kept at `pos`.
    #[must_use]
    pub fn settled(mut self, pos: Pos) -> Act {
        let (row, cells) = match &mut self {
            Act::Insert { cells, .. } => (None, cells.as_mut_slice()),
            Act::Update { row, cells, .. } => (Some(row), cells.as_mut_slice()),
            Act::Delete { row, .. } => (Some(row), [].as_mut_slice()),
        };
        for target in row.into_iter().chain(cells.iter_mut().flatten().filter_map(Content::row_mut)) {
            *target = Target::Stored(target.key(pos));
        }
        self
    }
}

/// Why the names of an operation cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The schema has no such table.
    #[error("it names a table that the schema does not have (object {} of version {})", .0.index, hex(.0))]
    UnknownTable(ObjectId),
    /// The table has no such column.
    #[error("it names a column that its table does not have (object {} of version {})", .0.index, hex(.0))]
    UnknownColumn(ObjectId),
    /// An insert does not write every column but `id`, each once, in the order of the table.
    #[error("the insert does not write every column of its table, in order")]
    IncompleteInsert {
        /// The table.
        table: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The dictionaries of a payload, found in a schema.
#[derive(Debug, Clone)]
pub struct Names {
    head: Head,
    shapes: Vec<Result<FoundShape, ObjectRef>>,
}

#[derive(Debug, Clone)]
struct FoundShape {
    table: usize,
    /// Of each column its index, or its name if the table has none of that name.
    columns: Vec<Result<usize, ObjectRef>>,
}

impl Names {
    /// Looks the shapes of `head` up.
    pub fn new(head: Head, layout: &Layout) -> Names {
        let shapes: Vec<_> = head
            .shapes
            .iter()
            .map(|shape| {
                let table = layout.table_named(object_id(&head, shape.table)).ok_or(shape.table)?;
                let columns = shape
                    .columns
                    .iter()
                    .map(|column| layout.column_named(table, object_id(&head, *column)).ok_or(*column));
                Ok(FoundShape { table, columns: columns.collect() })
            })
            .collect();
        Names { shapes, head }
    }

    /// The dictionaries.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Finds the names of one operation.
    ///
    /// * `position_of` - finds an entry in the log.
    ///
    /// # Errors
    /// [`ResolveError`] names the first thing that cannot be found, or the store's failure.
    pub fn resolve(
        &self,
        layout: &Layout,
        operation: Operation,
        position_of: &dyn Fn(&EntryId) -> Result<Option<Pos>, StoreError>,
    ) -> Result<Act, ResolveError> {
        match operation {
            Operation::Insert { shape, id, cells } => {
                let (table, columns) = self.shape(shape)?;
                if columns != layout.of(table).inserted {
                    return Err(ResolveError::IncompleteInsert { table });
                }
                let mut row = vec![None; layout.table(table).columns.len()];
                for (column, cell) in columns.iter().zip(cells) {
                    row[*column] = self.content(cell, position_of)?;
                }
                Ok(Act::Insert { table, id, cells: row })
            }
            Operation::Update { shape, row, cells } => {
                let (table, columns) = self.shape(shape)?;
                let row = self.target(row, position_of)?;
                let cells = cells.into_iter().map(|cell| self.content(cell, position_of)).collect::<Result<_, _>>()?;
                Ok(Act::Update { table, row, columns, cells })
            }
            Operation::Delete { table, row } => {
                let name = object_id(&self.head, table);
                let table = layout.table_named(name).ok_or(ResolveError::UnknownTable(name))?;
                Ok(Act::Delete { table, row: self.target(row, position_of)? })
            }
        }
    }

    fn shape(&self, shape: u32) -> Result<(usize, Vec<usize>), ResolveError> {
        let shape = self.shapes[shape as usize].as_ref();
        let shape = shape.map_err(|table| ResolveError::UnknownTable(object_id(&self.head, *table)))?;
        let mut columns = Vec::with_capacity(shape.columns.len());
        for column in &shape.columns {
            columns.push(column.map_err(|column| ResolveError::UnknownColumn(object_id(&self.head, column)))?);
        }
        Ok((shape.table, columns))
    }

    fn content(
        &self,
        cell: Option<Cell>,
        position_of: &dyn Fn(&EntryId) -> Result<Option<Pos>, StoreError>,
    ) -> Result<Option<Content>, ResolveError> {
        Ok(match cell {
            None => None,
            Some(Cell::Value(value)) => Some(Content::Value(value)),
            Some(Cell::Row(row)) => Some(Content::Row(self.target(row, position_of)?)),
        })
    }

    fn target(
        &self,
        row: RowRef,
        position_of: &dyn Fn(&EntryId) -> Result<Option<Pos>, StoreError>,
    ) -> Result<Target, ResolveError> {
        match row {
            RowRef::Own { transaction, operation } => Ok(Target::Own { transaction, operation }),
            RowRef::Past { entry, transaction, operation } => {
                let id = self.head.entries[entry as usize];
                let pos = position_of(&id)?.unwrap_or_else(nowhere);
                Ok(Target::Stored(RowKey { pos, transaction, operation }))
            }
        }
    }
}

/// Names an act whole, for encoding.
///
/// * `name_of` - the permanent name of a stored row.
///
/// # Errors
/// Those of `name_of`.
pub fn name(
    layout: &Layout,
    act: &Act,
    name_of: &dyn Fn(RowKey) -> Result<RowName, StoreError>,
) -> Result<NamedOperation, StoreError> {
    let row = |target: &Target| {
        Ok::<_, StoreError>(match target {
            Target::Own { transaction, operation } => {
                NamedRow::Own { transaction: *transaction, operation: *operation }
            }
            Target::Stored(key) => NamedRow::Past(name_of(*key)?),
        })
    };
    let cell = |content: &Option<Content>| {
        Ok::<_, StoreError>(match content {
            None => None,
            Some(Content::Value(value)) => Some(NamedCell::Value(value.clone())),
            Some(Content::Row(target)) => Some(NamedCell::Row(row(target)?)),
        })
    };
    let shape = |table: usize, columns: &[usize]| {
        let table = layout.table(table);
        NamedShape { table: table.id, columns: columns.iter().map(|column| table.columns[*column].id).collect() }
    };
    Ok(match act {
        Act::Insert { table, id, cells } => {
            let columns = &layout.of(*table).inserted;
            let cells = columns.iter().map(|column| cell(&cells[*column])).collect::<Result<_, _>>()?;
            NamedOperation::Insert { shape: shape(*table, columns), id: *id, cells }
        }
        Act::Update { table, row: target, columns, cells } => {
            let cells = cells.iter().map(cell).collect::<Result<_, _>>()?;
            NamedOperation::Update { shape: shape(*table, columns), row: row(target)?, cells }
        }
        Act::Delete { table, row: target } => {
            NamedOperation::Delete { table: layout.table(*table).id, row: row(target)? }
        }
    })
}

/// The beginning of the name of an object's version.
fn hex(object: &ObjectId) -> String {
    object.version.0[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where no entry is kept: a row of an entry that is not here is in nobody's past.
fn nowhere() -> Pos {
    Pos::new((1 << CHAIN_BITS) - 1, (1 << SEQUENCE_BITS) - 1).expect("the last position has its bits")
}

fn object_id(head: &Head, object: ObjectRef) -> ObjectId {
    ObjectId { version: head.versions[usize::from(object.version)], index: object.index }
}
