//! Payloads: what an entry's author wrote, as bytes. One payload has one byte string.
//!
//! [`Payload::decode`] is total on arbitrary bytes, keeps no values (only where each operation lies), and accepts
//! exactly what [`PayloadBuilder`] produces. Names of schema objects and of entries stand in dictionaries at the front
//! ([`Head`]), so one operation is read again from its own bytes and the head ([`Operation::decode`]). What the names
//! mean, and whether the operations are allowed, is not decided here.
//!
//! Spec: docs/spec/payload.md, whose vectors a test reads.

mod decode;
mod encode;
mod genesis;
mod head;
mod reader;

use treaty_schema::Value;

pub use decode::{Payload, Span};
pub use encode::{NamedCell, NamedOperation, NamedRow, NamedShape, PayloadBuilder, PayloadMark};
pub use genesis::GenesisPayload;
pub use head::{Head, ObjectRef, Shape};
pub use reader::{Mistake, PayloadError};

use super::RowId;

/// One operation, its names as indices into the [`Head`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Makes a row.
    Insert {
        /// Index of the shape: the table, and every column but `id`.
        shape: u32,
        /// What tables show.
        id: RowId,
        /// One cell per column of the shape; `None` is NULL.
        cells: Vec<Option<Cell>>,
    },
    /// Writes whole column groups of a row.
    Update {
        /// Index of the shape: the table and the columns written.
        shape: u32,
        /// The row.
        row: RowRef,
        /// One cell per column of the shape; `None` is NULL.
        cells: Vec<Option<Cell>>,
    },
    /// Ends a row.
    Delete {
        /// The table.
        table: ObjectRef,
        /// The row.
        row: RowRef,
    },
}

/// A cell that is not NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A value; in every column but foreign keys.
    Value(Value),
    /// The row referred to; in foreign-key columns, exactly there.
    Row(RowRef),
}

/// A row named in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowRef {
    /// Made by this entry.
    Own {
        /// Index of the co-transaction.
        transaction: u32,
        /// Index of the insert in it.
        operation: u32,
    },
    /// Made by an entry of the past.
    Past {
        /// Index into [`Head::entries`].
        entry: u32,
        /// Index of the co-transaction.
        transaction: u32,
        /// Index of the insert in it.
        operation: u32,
    },
}
