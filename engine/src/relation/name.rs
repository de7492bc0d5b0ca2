//! What a row is called: by its insert for ever ([`RowName`]), by an id in tables ([`RowId`]), by a local
//! key ([`RowKey`], never replicated).
//!
//! Spec: docs/spec/relation.md, sections 1 and 4.

use std::fmt;

use treaty_schema::Value;

use crate::crdt::OperationKey;
use crate::hash::EntryId;

/// Domain of the derivation of ids for rows that may not be shown under their own.
const DERIVED_ID_CONTEXT: &str = "treaty 2026 derived row id v1";

/// An operation of the log, named for ever; of an insert it is the name of the row that it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowName {
    /// The entry.
    pub entry: EntryId,
    /// Index of the co-transaction in the entry.
    pub transaction: u32,
    /// Index of the operation in the co-transaction.
    pub operation: u32,
}

impl RowName {
    /// Returns the id under which the row is shown when a row of smaller rank is shown under its own: a UUID of version 8.
    pub fn derived_id(&self) -> RowId {
        let mut hasher = blake3::Hasher::new_derive_key(DERIVED_ID_CONTEXT);
        hasher.update(&self.entry.0);
        hasher.update(&self.transaction.to_le_bytes());
        hasher.update(&self.operation.to_le_bytes());
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        RowId(bytes)
    }
}

/// The id of a row, as tables show it: a UUID in network order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub [u8; 16]);

impl RowId {
    /// Whether this is a UUID of version 8: reserved for derived ids, refused in inserts.
    pub fn is_derived(&self) -> bool {
        self.0[6] >> 4 == 8
    }

    /// Stands for a row of an entry that has no name yet, where its own id would stand for another: version 8.
    pub fn of_own_row(transaction: u32, operation: u32) -> RowId {
        let mut bytes = *b"treatyown\0\0\0\0\0\0\0";
        bytes[6] = 0x80;
        bytes[8..12].copy_from_slice(&transaction.to_le_bytes());
        bytes[12..].copy_from_slice(&operation.to_le_bytes());
        RowId(bytes)
    }

    /// The own row that [`RowId::of_own_row`] made this of: indices of its co-transaction and operation.
    pub(crate) fn as_own_row(self) -> Option<(u32, u32)> {
        let number =
            |from: usize| u32::from_le_bytes([self.0[from], self.0[from + 1], self.0[from + 2], self.0[from + 3]]);
        let own = (number(8), number(12));
        (self == RowId::of_own_row(own.0, own.1)).then_some(own)
    }

    /// The id as a cell's value.
    pub fn to_value(self) -> Value {
        Value::Uuid(self.0)
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of a row: that of its insert.
pub type RowKey = OperationKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_a_version_8_uuid_and_depends_on_the_whole_name() {
        let name = RowName { entry: EntryId([7; 32]), transaction: 1, operation: 2 };
        let id = name.derived_id();
        assert!(id.is_derived());
        assert_eq!(id.0[8] >> 6, 0b10, "variant of RFC 9562");
        for other in [
            RowName { entry: EntryId([8; 32]), ..name },
            RowName { transaction: 2, ..name },
            RowName { operation: 1, ..name },
        ] {
            assert_ne!(other.derived_id(), id);
        }
    }

    #[test]
    fn an_id_prints_as_a_lower_case_hyphenated_uuid() {
        let id = RowId(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef");
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
    }
}
