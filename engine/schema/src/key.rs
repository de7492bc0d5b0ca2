//! How large the UNIQUE keys of a row may be: what fits into an entry of an index of every database.
//!
//! Counted is what the values take where they take most, in PostgreSQL's index entries, and never less. The count is a
//! function of the values and their types alone. Spec: docs/spec/values.md VALUE-9.

use crate::{LogicalType, RowFault, Table, Unique, Value};

/// Most columns of a UNIQUE key: PostgreSQL's own limit on an index.
pub const UNIQUE_COLUMNS_MAX: usize = 32;

/// Most bytes that a UNIQUE key of a row counts. With what an entry of an index needs besides, it fits into one of PostgreSQL
/// (2,704 bytes); SQLite has no such limit.
pub const KEY_BYTES_MAX: usize = 2 << 10;

/// What a column of a key counts whose type bounds its values: the largest is an IDENTITY, 63 characters and their length.
pub const KEY_CELL_BYTES: usize = 64;

/// What a byte of canonical JSON counts besides: PostgreSQL keeps `1,` of an array in 12 bytes.
pub const KEY_JSON_FACTOR: usize = 6;

/// Largest entry of a B-tree of PostgreSQL, in bytes: three fit into a page of 8 KiB.
const INDEX_ENTRY_BYTES_MAX: usize = 2704;

/// What an entry needs besides its values: its header with the bits of NULLs (16), rounding (7).
const INDEX_ENTRY_BYTES_FIXED: usize = 16 + 7;

/// What a value in it needs besides itself: length (4) and alignment (3); of a number, alignment alone (7).
const INDEX_CELL_BYTES_FIXED: usize = 7;

const _: () = assert!(
    KEY_BYTES_MAX + UNIQUE_COLUMNS_MAX * INDEX_CELL_BYTES_FIXED + INDEX_ENTRY_BYTES_FIXED <= INDEX_ENTRY_BYTES_MAX,
    "what is admitted fits into an index of PostgreSQL"
);
const _: () = assert!(UNIQUE_COLUMNS_MAX * KEY_CELL_BYTES <= KEY_BYTES_MAX, "every key has values that fit");

impl Table {
    /// Checks the UNIQUE keys that hold a written column, those with NULLs in them as well: indexes have them, too.
    ///
    /// * `row` - as wide as the table; of a key that is written all columns are, because they are one column group.
    /// * `written` - indices of the written columns.
    ///
    /// # Errors
    /// [`RowFault::Key`], of the first that counts more than [`KEY_BYTES_MAX`].
    pub fn check_keys(&self, row: &[Option<Value>], written: &[usize]) -> Result<(), RowFault> {
        let concerned =
            self.uniques.iter().filter(|unique| unique.columns.iter().any(|column| written.contains(column)));
        for unique in concerned {
            let bytes = self.key_bytes(unique, row);
            if bytes > KEY_BYTES_MAX {
                let columns = unique.columns.iter().map(|column| self.columns[*column].name.as_str());
                let columns = columns.collect::<Vec<_>>().join(", ");
                return Err(RowFault::Key { key: unique.name.to_string(), columns, bytes });
            }
        }
        Ok(())
    }

    fn key_bytes(&self, unique: &Unique, row: &[Option<Value>]) -> usize {
        let count = |column: &usize| {
            let cell = row.get(*column).and_then(Option::as_ref);
            cell_bytes(self.columns[*column].logical_type, cell)
        };
        unique.columns.iter().map(count).sum()
    }
}

/// What a cell counts: texts and bytes their length and nothing for NULL, all others at least [`KEY_CELL_BYTES`].
fn cell_bytes(logical_type: LogicalType, cell: Option<&Value>) -> usize {
    match (logical_type, cell) {
        (LogicalType::Text | LogicalType::Varchar { .. } | LogicalType::Bytes, None) => 0,
        (_, Some(Value::Text(text))) => text.as_str().len(),
        (_, Some(Value::Bytes(bytes))) => bytes.as_slice().len(),
        (_, Some(Value::Json(json))) => KEY_CELL_BYTES + KEY_JSON_FACTOR * json.as_str().len(),
        (_, None | Some(_)) => KEY_CELL_BYTES,
    }
}
