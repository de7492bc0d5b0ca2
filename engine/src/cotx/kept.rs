//! The verdicts that the store keeps, as of now or of an earlier basis, read with little SQL.
//!
//! Void co-transactions are few, so what is asked is mostly whether there are any near by: they are read by blocks of
//! places, and the blocks read last are remembered. Nothing may be written meanwhile.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::verdict::VerdictStore;
use crate::fault::StoreError;
use crate::limits::{VOID_BLOCK_COUNT_MAX, VOID_BLOCK_ENTRIES, VOIDS_PER_BLOCK_MAX};
use crate::log::Pos;
use crate::relation::{CoTx, Verdicts};

/// Kept verdicts as of a basis.
pub struct KeptVerdicts<'k, S> {
    store: &'k S,
    as_of: AsOf,
    blocks: RefCell<BTreeMap<(u32, u64), Block>>,
}

/// The moment whose verdicts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After all flips that are kept.
    Now,
    /// After the flip of this number.
    Basis(u64),
}

/// The void co-transactions of some places of a chain.
enum Block {
    /// All of them, ascending.
    Read(Vec<CoTx>),
    /// More than are remembered.
    Crowded,
}

impl<'k, S: VerdictStore> KeptVerdicts<'k, S> {
    /// Reads verdicts from here on; nothing is read yet.
    pub fn new(store: &'k S, as_of: AsOf) -> KeptVerdicts<'k, S> {
        KeptVerdicts { store, as_of, blocks: RefCell::default() }
    }

    fn read(&self, (chain, block): (u32, u64)) -> Result<Block, StoreError> {
        let first = Pos::new(chain, (block * VOID_BLOCK_ENTRIES).max(1));
        let last = Pos::new(chain, (block + 1) * VOID_BLOCK_ENTRIES - 1);
        let (Some(first), Some(last)) = (first, last) else {
            return Err(StoreError::corrupt(format!("chain {chain} has no block {block}")));
        };
        let voids = self.store.voids_within((first, last), self.as_of, VOIDS_PER_BLOCK_MAX + 1)?;
        Ok(if voids.len() > VOIDS_PER_BLOCK_MAX { Block::Crowded } else { Block::Read(voids) })
    }
}

impl<S: VerdictStore> Verdicts for KeptVerdicts<'_, S> {
    fn is_void(&self, of: CoTx) -> Result<bool, StoreError> {
        let key = (of.pos.chain(), of.pos.sequence() / VOID_BLOCK_ENTRIES);
        let mut blocks = self.blocks.borrow_mut();
        if !blocks.contains_key(&key) {
            let block = self.read(key)?;
            if blocks.len() >= VOID_BLOCK_COUNT_MAX {
                blocks.clear();
            }
            blocks.insert(key, block);
        }
        match blocks.get(&key) {
            Some(Block::Read(voids)) => Ok(voids.binary_search(&of).is_ok()),
            Some(Block::Crowded) | None => match self.as_of {
                AsOf::Now => self.store.is_void(of),
                AsOf::Basis(basis) => Ok(self.store.void_as_of(of, basis)?.is_some()),
            },
        }
    }
}
