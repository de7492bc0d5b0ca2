//! Writing payloads: names go in whole, dictionaries come out in the order of first use.

use std::collections::BTreeMap;

use treaty_schema::{ObjectId, SchemaVersion, Value};

use crate::hash::EntryId;
use crate::limits::{OPERATIONS_MAX, PAYLOAD_BYTES_MAX};
use crate::relation::{RowId, RowName};

/// A row, named whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedRow {
    /// Made by the entry being written.
    Own {
        /// Index of the co-transaction.
        transaction: u32,
        /// Index of the insert in it.
        operation: u32,
    },
    /// Made before.
    Past(RowName),
}

/// A cell that is not NULL, named whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedCell {
    /// A value.
    Value(Value),
    /// The row referred to.
    Row(NamedRow),
}

/// A table and the columns written, named whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedShape {
    /// The table.
    pub table: ObjectId,
    /// The columns, in the order of the table.
    pub columns: Vec<ObjectId>,
}

/// An operation, named whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedOperation {
    /// Makes a row.
    Insert {
        /// The table, and every column but `id`.
        shape: NamedShape,
        /// What tables show.
        id: RowId,
        /// One cell per column of the shape.
        cells: Vec<Option<NamedCell>>,
    },
    /// Writes whole column groups.
    Update {
        /// The table and the columns written.
        shape: NamedShape,
        /// The row.
        row: NamedRow,
        /// One cell per column of the shape.
        cells: Vec<Option<NamedCell>>,
    },
    /// Ends a row.
    Delete {
        /// The table.
        table: ObjectId,
        /// The row.
        row: NamedRow,
    },
}

/// How far a [`PayloadBuilder`] was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadMark {
    version_count: usize,
    shape_count: usize,
    entry_count: usize,
    shape_bytes: usize,
    entry_bytes: usize,
    body_bytes: usize,
    transaction_count: u32,
    operation_count: usize,
}

/// Builds the one encoding of a list of co-transactions.
///
/// It checks nothing: what it is given must follow the rules of docs/spec/payload.md, or the result does not decode.
#[derive(Debug, Default)]
pub struct PayloadBuilder {
    versions: Vec<SchemaVersion>,
    shapes: BTreeMap<NamedShape, u32>,
    shape_bytes: Vec<u8>,
    entries: BTreeMap<EntryId, u32>,
    entry_bytes: Vec<u8>,
    transaction_count: u32,
    operation_count: usize,
    body: Vec<u8>,
}

impl PayloadBuilder {
    /// Starts a payload without co-transactions.
    pub fn new() -> PayloadBuilder {
        PayloadBuilder::default()
    }

    /// Adds a co-transaction, which must not be empty.
    pub fn push(&mut self, operations: &[NamedOperation]) {
        self.transaction_count += 1;
        self.operation_count += operations.len();
        put_count(&mut self.body, operations.len());
        for operation in operations {
            self.operation(operation);
        }
    }

    /// Notes how far the payload is, for [`PayloadBuilder::undo`].
    pub fn mark(&self) -> PayloadMark {
        PayloadMark {
            version_count: self.versions.len(),
            shape_count: self.shapes.len(),
            entry_count: self.entries.len(),
            shape_bytes: self.shape_bytes.len(),
            entry_bytes: self.entry_bytes.len(),
            body_bytes: self.body.len(),
            transaction_count: self.transaction_count,
            operation_count: self.operation_count,
        }
    }

    /// Takes back what was added since a mark.
    pub fn undo(&mut self, mark: &PayloadMark) {
        self.versions.truncate(mark.version_count);
        if self.shapes.len() > mark.shape_count {
            self.shapes.retain(|_, index| (*index as usize) < mark.shape_count);
        }
        if self.entries.len() > mark.entry_count {
            self.entries.retain(|_, index| (*index as usize) < mark.entry_count);
        }
        self.shape_bytes.truncate(mark.shape_bytes);
        self.entry_bytes.truncate(mark.entry_bytes);
        self.body.truncate(mark.body_bytes);
        self.transaction_count = mark.transaction_count;
        self.operation_count = mark.operation_count;
    }

    /// Whether an entry may have this payload: neither too long nor of too many operations.
    pub fn fits_entry(&self) -> bool {
        self.payload_bytes() <= PAYLOAD_BYTES_MAX as usize && self.operation_count <= OPERATIONS_MAX as usize
    }

    /// Number of co-transactions so far: the index of the next.
    pub fn transaction_count(&self) -> u32 {
        self.transaction_count
    }

    /// Bytes that [`PayloadBuilder::finish`] would return now.
    pub fn payload_bytes(&self) -> usize {
        16 + self.versions.len() * 32 + self.shape_bytes.len() + self.entry_bytes.len() + self.body.len()
    }

    /// Returns the payload.
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload_bytes());
        self.append_to(&mut bytes);
        bytes
    }

    /// Appends the payload to `bytes`.
    pub(super) fn append_to(self, bytes: &mut Vec<u8>) {
        put_count(bytes, self.versions.len());
        for version in &self.versions {
            bytes.extend_from_slice(&version.0);
        }
        put_count(bytes, self.shapes.len());
        bytes.extend_from_slice(&self.shape_bytes);
        put_count(bytes, self.entries.len());
        bytes.extend_from_slice(&self.entry_bytes);
        bytes.extend_from_slice(&self.transaction_count.to_le_bytes());
        bytes.extend_from_slice(&self.body);
    }

    fn operation(&mut self, operation: &NamedOperation) {
        match operation {
            NamedOperation::Insert { shape, id, cells } => {
                self.body.push(0);
                self.shape(shape);
                self.body.extend_from_slice(&id.0);
                self.cells(cells);
            }
            NamedOperation::Update { shape, row, cells } => {
                self.body.push(1);
                self.shape(shape);
                self.row(*row, 0);
                self.cells(cells);
            }
            NamedOperation::Delete { table, row } => {
                self.body.push(2);
                let table = object_bytes(&mut self.versions, *table);
                self.body.extend_from_slice(&table);
                self.row(*row, 0);
            }
        }
    }

    fn shape(&mut self, shape: &NamedShape) {
        let index = if let Some(index) = self.shapes.get(shape) {
            *index
        } else {
            let table = object_bytes(&mut self.versions, shape.table);
            self.shape_bytes.extend_from_slice(&table);
            put_count(&mut self.shape_bytes, shape.columns.len());
            for column in &shape.columns {
                let column = object_bytes(&mut self.versions, *column);
                self.shape_bytes.extend_from_slice(&column);
            }
            let index = count_u32(self.shapes.len());
            self.shapes.insert(shape.clone(), index);
            index
        };
        self.body.extend_from_slice(&index.to_le_bytes());
    }

    /// Writes a row; `tag` is the tag byte of an own row, the next one that of a past row.
    fn row(&mut self, row: NamedRow, tag: u8) {
        match row {
            NamedRow::Own { transaction, operation } => {
                self.body.push(tag);
                self.body.extend_from_slice(&transaction.to_le_bytes());
                self.body.extend_from_slice(&operation.to_le_bytes());
            }
            NamedRow::Past(name) => {
                self.body.push(tag + 1);
                let next = count_u32(self.entries.len());
                let entry_bytes = &mut self.entry_bytes;
                let index = *self.entries.entry(name.entry).or_insert_with(|| {
                    entry_bytes.extend_from_slice(&name.entry.0);
                    next
                });
                self.body.extend_from_slice(&index.to_le_bytes());
                self.body.extend_from_slice(&name.transaction.to_le_bytes());
                self.body.extend_from_slice(&name.operation.to_le_bytes());
            }
        }
    }

    fn cells(&mut self, cells: &[Option<NamedCell>]) {
        for cell in cells {
            match cell {
                None => self.body.push(0),
                Some(NamedCell::Value(value)) => {
                    self.body.push(1);
                    borsh::to_writer(&mut self.body, value).expect("writing to a Vec does not fail");
                }
                Some(NamedCell::Row(row)) => self.row(*row, 2),
            }
        }
    }
}

/// The encoded reference to a schema object; its version enters the dictionary on first use.
fn object_bytes(versions: &mut Vec<SchemaVersion>, object: ObjectId) -> [u8; 5] {
    let version = versions.iter().position(|known| *known == object.version).unwrap_or_else(|| {
        versions.push(object.version);
        versions.len() - 1
    });
    let [a, b, c, d] = object.index.to_le_bytes();
    [u8::try_from(version).expect("a schema in force has at most 256 versions of objects"), a, b, c, d]
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&count_u32(count).to_le_bytes());
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).expect("payloads are bounded far below 2^32 items")
}
