//! The digest of a version's state: equal wherever the same entries are held.
//!
//! Spec: docs/spec/relation.md, section on digests.

use treaty_engine::hash::EntryId;

use crate::history::History;
use crate::state::ShownRow;

/// Domain of the hash of a table.
const TABLE_CONTEXT: &str = "treaty 2026 state digest of a table v1";
/// Domain of the hash over tables.
const STATE_CONTEXT: &str = "treaty 2026 state digest v1";

impl History {
    /// Returns the digest of the state at a version, seen from it.
    pub fn digest(&self, at: &[EntryId]) -> [u8; 32] {
        let shown = self.shown(at);
        let mut tables: Vec<_> = self.schema().tables().iter().enumerate().collect();
        tables.sort_unstable_by_key(|(_, table)| table.id);
        let mut state = blake3::Hasher::new_derive_key(STATE_CONTEXT);
        for (index, table) in tables {
            let mut rows: Vec<&ShownRow> =
                shown.iter().filter(|((of, _), _)| *of == index).map(|(_, row)| row).collect();
            rows.sort_unstable_by_key(|row| row.name);
            let mut hasher = blake3::Hasher::new_derive_key(TABLE_CONTEXT);
            for row in &rows {
                hasher.update(&row.name.entry.0);
                hasher.update(&row.name.transaction.to_le_bytes());
                hasher.update(&row.name.operation.to_le_bytes());
                borsh::to_writer(&mut hasher, &row.cells).expect("hashing does not fail");
            }
            state.update(&table.id.version.0);
            state.update(&table.id.index.to_le_bytes());
            state.update(&(rows.len() as u64).to_le_bytes());
            state.update(hasher.finalize().as_bytes());
        }
        *state.finalize().as_bytes()
    }
}
