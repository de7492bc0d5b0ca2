//! The digest of the current state: one BLAKE3 hash per table over its live rows, and one over these.
//!
//! Spec: docs/spec/relation.md, section 6, with a vector.

use super::Replica;
use super::error::ReplicaError;
use super::read::RowReader;
use crate::limits::TABLE_PAGE_ROWS;
use crate::log::LogStore;

/// Domain of the hash of a table.
const TABLE_CONTEXT: &str = "treaty 2026 state digest of a table v1";
/// Domain of the hash over tables.
const STATE_CONTEXT: &str = "treaty 2026 state digest v1";

/// Hashes the current state. Rows go in by name, so the order of arrival leaves no trace.
pub(super) fn digest(replica: &Replica) -> Result<[u8; 32], ReplicaError> {
    let _snapshot = replica.store.snapshot()?;
    let scene = replica.scene_of_all()?;
    let reader = RowReader::new(replica.view(&scene));
    let tables = replica.layout.schema().tables();
    let mut hashers = vec![(0_u64, blake3::Hasher::new_derive_key(TABLE_CONTEXT)); tables.len()];
    let mut after = None;
    loop {
        let prefixes = replica.store.prefixes(after, TABLE_PAGE_ROWS)?;
        let Some(last) = prefixes.last() else { break };
        after = Some(*last);
        for prefix in prefixes {
            let mut entries = Vec::new();
            for pos in replica.store.positions_by_prefix(prefix, usize::MAX)? {
                entries.push((replica.store.stamp(pos)?.id, pos));
            }
            entries.sort_unstable();
            for (_, pos) in entries {
                replica.visit_inserts(pos, &mut |row, insert| {
                    if reader.view.is_live(&row)? {
                        let (count, hasher) = &mut hashers[row.table];
                        *count += 1;
                        let name = reader.view.name(row.key)?;
                        hasher.update(&name.entry.0);
                        hasher.update(&name.transaction.to_le_bytes());
                        hasher.update(&name.operation.to_le_bytes());
                        let cells = reader.view.image(&row, insert)?.cells;
                        borsh::to_writer(hasher, &cells).expect("hashing does not fail");
                    }
                    Ok(())
                })?;
            }
        }
    }
    let mut named: Vec<_> = tables.iter().zip(hashers).map(|(table, hashed)| (table.id, hashed)).collect();
    named.sort_unstable_by_key(|(id, _)| *id);
    let mut state = blake3::Hasher::new_derive_key(STATE_CONTEXT);
    for (id, (count, hasher)) in named {
        state.update(&id.version.0);
        state.update(&id.index.to_le_bytes());
        state.update(&count.to_le_bytes());
        state.update(hasher.finalize().as_bytes());
    }
    Ok(*state.finalize().as_bytes())
}
