//! What a peer is sent that may not sync any more.

use std::collections::BTreeSet;

use super::Replica;
use super::error::ReplicaError;
use crate::causality::{Past, Version};
use crate::cotx::{VerdictStore, past_witnesses};
use crate::identity::Identity;
use crate::relation::{CoTx, RelationStore};

impl Replica {
    pub(super) fn farewell_to(&self, peer: &Identity) -> Result<Option<Version>, ReplicaError> {
        let scene = self.scene_of_all()?;
        let view = self.view(&scene);
        let mut ends = BTreeSet::new();
        for row in past_witnesses(&view, peer)? {
            // Access also ends with a grant that is void: by whatever made it so.
            if let Some(void) = self.store.void(CoTx::of(row))? {
                ends.extend(void.culprit.map(|culprit| culprit.pos));
            }
            for delete in self.store.deletes(row)? {
                if view.sees(delete)? {
                    ends.insert(delete.pos);
                }
            }
        }
        if ends.is_empty() {
            return Ok(None);
        }
        let ends: Vec<_> = ends.into_iter().collect();
        let past: Past = self.index.past_of_positions(&self.store, &ends)?;
        Ok(Some(self.index.version_of(&self.store, &past)?))
    }
}
