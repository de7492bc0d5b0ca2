//! The dictionaries at the front of a payload: schema versions, shapes, entries.

use std::collections::BTreeSet;

use treaty_schema::SchemaVersion;

use super::reader::{Mistake, PayloadError, Reader};
use crate::hash::EntryId;

/// A schema object: the version that introduced it, as an index into [`Head::versions`], and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Index into [`Head::versions`].
    pub version: u8,
    /// Index of the object in its version.
    pub index: u32,
}

/// Bytes of an encoded [`ObjectRef`].
pub(super) const OBJECT_REF_BYTES: usize = 5;

/// A table and the columns that an operation writes, in the order of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// The table.
    pub table: ObjectRef,
    /// The columns, strictly ascending by their place in the table.
    pub columns: Vec<ObjectRef>,
}

/// The dictionaries of a payload, each in the order of first use, distinct, all used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Schema versions that introduced the objects used.
    pub versions: Vec<SchemaVersion>,
    /// Shapes of the inserts and updates.
    pub shapes: Vec<Shape>,
    /// Entries whose rows are named.
    pub entries: Vec<EntryId>,
}

impl Head {
    /// Reads the dictionaries of a payload that was accepted before, from its first bytes.
    ///
    /// * `bytes` - the payload from its start (of a genesis: from its body's start), at least as long as the head.
    ///
    /// # Errors
    /// [`Mistake::Truncated`] if the head does not end within `bytes`: read more and try again.
    pub fn decode(bytes: &[u8]) -> Result<Head, PayloadError> {
        Head::read(&mut Reader::new(bytes))
    }

    /// Bytes that this head takes in memory, roughly; what a cache counts.
    pub fn memory_bytes(&self) -> usize {
        let columns: usize = self.shapes.iter().map(|shape| shape.columns.len()).sum();
        self.versions.len() * 32 + self.shapes.len() * 48 + columns * 8 + self.entries.len() * 32
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Head, PayloadError> {
        let version_count = reader.count(32)?;
        if version_count > usize::from(u8::MAX) + 1 {
            return Err(reader.error(Mistake::DictionaryLength));
        }
        let mut versions = Vec::with_capacity(version_count);
        for _ in 0..version_count {
            versions.push(SchemaVersion(reader.array()?));
        }
        let shape_count = reader.count(OBJECT_REF_BYTES + 4)?;
        let mut shapes = Vec::with_capacity(shape_count);
        for _ in 0..shape_count {
            shapes.push(read_shape(reader)?);
        }
        let entry_count = reader.count(32)?;
        let mut entries = Vec::with_capacity(entry_count);
        for _ in 0..entry_count {
            entries.push(EntryId(reader.array()?));
        }
        Ok(Head { versions, shapes, entries })
    }

    /// Checks that no dictionary holds an entry twice.
    pub(super) fn check_distinct(&self) -> Result<(), Mistake> {
        let is_distinct = self.versions.iter().collect::<BTreeSet<_>>().len() == self.versions.len()
            && self.shapes.iter().collect::<BTreeSet<_>>().len() == self.shapes.len()
            && self.entries.iter().collect::<BTreeSet<_>>().len() == self.entries.len();
        if is_distinct { Ok(()) } else { Err(Mistake::DictionaryDuplicate) }
    }
}

pub(super) fn read_object(reader: &mut Reader<'_>) -> Result<ObjectRef, PayloadError> {
    Ok(ObjectRef { version: reader.u8()?, index: reader.u32()? })
}

fn read_shape(reader: &mut Reader<'_>) -> Result<Shape, PayloadError> {
    let table = read_object(reader)?;
    let column_count = reader.count(OBJECT_REF_BYTES)?;
    let mut columns = Vec::with_capacity(column_count);
    for _ in 0..column_count {
        columns.push(read_object(reader)?);
    }
    Ok(Shape { table, columns })
}
