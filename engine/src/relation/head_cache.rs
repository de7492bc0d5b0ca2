//! The dictionaries of the payloads read last, decoded and looked up in the schema.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Layout;
use super::act::Names;
use super::payload::{GenesisPayload, Head, PayloadError};
use super::store::RelationStore;
use crate::fault::StoreError;
use crate::limits::{HEAD_CACHE_BYTES_MAX, HEAD_CACHE_COUNT_MAX, SEGMENT_BYTES};
use crate::log::Pos;

/// Keeps the heads used last, within a bound on their number and size. One larger than the bound is not kept.
#[derive(Debug, Default)]
pub struct HeadCache {
    /// Most recently used last.
    kept: VecDeque<(Pos, Arc<Names>)>,
    kept_bytes: usize,
}

impl HeadCache {
    /// Returns the dictionaries of a kept entry.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read, or are damaged.
    pub fn names(&mut self, store: &impl RelationStore, layout: &Layout, pos: Pos) -> Result<Arc<Names>, StoreError> {
        if let Some(index) = self.kept.iter().rposition(|(known, _)| *known == pos) {
            let found = self.kept.remove(index).expect("the index was just found");
            let names = Arc::clone(&found.1);
            self.kept.push_back(found);
            return Ok(names);
        }
        let names = Arc::new(Names::new(read_head(store, pos)?, layout));
        self.put(pos, Arc::clone(&names));
        Ok(names)
    }

    fn put(&mut self, pos: Pos, names: Arc<Names>) {
        self.kept_bytes += names.head().memory_bytes();
        self.kept.push_back((pos, names));
        while self.kept.len() > HEAD_CACHE_COUNT_MAX || self.kept_bytes > HEAD_CACHE_BYTES_MAX {
            let Some((_, dropped)) = self.kept.pop_front() else { return };
            self.kept_bytes -= dropped.head().memory_bytes();
        }
    }
}

/// Reads the head from the first segment, and from more of the payload if it is longer.
fn read_head(store: &impl RelationStore, pos: Pos) -> Result<Head, StoreError> {
    if let Ok(head) = decode_head(pos, &store.payload_start(pos)?) {
        return Ok(head);
    }
    let payload_bytes = store.header(pos)?.payload_bytes;
    let mut count = SEGMENT_BYTES;
    loop {
        count = count.saturating_mul(4).min(payload_bytes);
        match decode_head(pos, &store.payload_slice(pos, 0, count)?) {
            Ok(head) => return Ok(head),
            Err(cause) if count == payload_bytes => {
                return Err(StoreError::corrupt(format!("the payload of entry {pos:?}: {cause}")));
            }
            Err(_) => {}
        }
    }
}

fn decode_head(pos: Pos, bytes: &[u8]) -> Result<Head, PayloadError> {
    let start = if pos == Pos::GENESIS { GenesisPayload::body_offset(bytes)? } else { 0 };
    Head::decode(&bytes[start..])
}
