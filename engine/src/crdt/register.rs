//! The last-writer-wins register: of the writes that are seen, the one of greatest position is read.
//!
//! Position is (height, entry id, index of the co-transaction): a total order that extends causality, so the register
//! is a maximum, and neither the order of arrival nor later removal of a write matters.

use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::log::Pos;

/// An operation as this store calls it: the local position of its entry, and its indices there.
///
/// Ordering is local and means nothing to another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationKey {
    /// The entry.
    pub pos: Pos,
    /// Index of the co-transaction in the entry.
    pub transaction: u32,
    /// Index of the operation in the co-transaction.
    pub operation: u32,
}

/// What a store sorts the writes of a cell by: the position, its entry id cut to 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Height of the entry.
    pub height: u64,
    /// [`EntryId::prefix`] of the entry.
    pub prefix: u64,
}

/// Finds the greatest of the writes offered to it, in descending order of [`Rank`].
#[derive(Debug)]
pub struct Winner<W> {
    best: Option<Candidate<W>>,
}

#[derive(Debug)]
struct Candidate<W> {
    rank: Rank,
    key: OperationKey,
    write: W,
}

impl<W> Winner<W> {
    /// Starts without a write.
    pub fn new() -> Winner<W> {
        Winner { best: None }
    }

    /// Whether a write of this rank can no longer win, nor any after it.
    pub fn is_decided(&self, next: Rank) -> bool {
        self.best.as_ref().is_some_and(|best| best.rank > next)
    }

    /// Offers a write that is seen.
    ///
    /// * `id_of` - the whole id of an entry; asked only where two entries share rank.
    ///
    /// # Errors
    /// Those of `id_of`.
    pub fn offer(
        &mut self,
        rank: Rank,
        key: OperationKey,
        write: W,
        id_of: impl Fn(Pos) -> Result<EntryId, StoreError>,
    ) -> Result<(), StoreError> {
        let is_greater = match &self.best {
            None => true,
            Some(best) if best.rank != rank => rank > best.rank,
            Some(best) if best.key.pos == key.pos => key.transaction > best.key.transaction,
            Some(best) => id_of(key.pos)? > id_of(best.key.pos)?,
        };
        if is_greater {
            self.best = Some(Candidate { rank, key, write });
        }
        Ok(())
    }

    /// Returns the write that is read, if any was offered.
    pub fn into_write(self) -> Option<W> {
        self.best.map(|best| best.write)
    }
}

impl<W> Default for Winner<W> {
    fn default() -> Winner<W> {
        Winner::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(chain: u32, transaction: u32) -> OperationKey {
        OperationKey { pos: Pos::new(chain, 1).unwrap(), transaction, operation: 0 }
    }

    /// Chains 1 and 2 have ids that differ after their first 8 bytes only.
    fn id_of(pos: Pos) -> Result<EntryId, StoreError> {
        let mut id = [7; 32];
        id[31] = u8::try_from(pos.chain()).unwrap();
        Ok(EntryId(id))
    }

    fn check(writes: &[(u64, u64, OperationKey)], expected: usize) {
        for rotation in 0..writes.len() {
            let mut winner = Winner::new();
            for step in 0..writes.len() {
                let index = (rotation + step) % writes.len();
                let (height, prefix, key) = writes[index];
                winner.offer(Rank { height, prefix }, key, index, id_of).unwrap();
            }
            assert_eq!(winner.into_write(), Some(expected), "from write {rotation} on");
        }
    }

    #[test]
    fn the_greater_height_wins_then_the_greater_id_then_the_later_transaction() {
        check(&[(1, 9, key(1, 0)), (2, 1, key(2, 0))], 1);
        check(&[(2, 9, key(1, 0)), (2, 1, key(2, 0))], 0);
        check(&[(2, 1, key(1, 3)), (2, 1, key(1, 2))], 0);
    }

    #[test]
    fn entries_that_share_8_bytes_of_id_are_told_apart_by_the_rest() {
        check(&[(2, 1, key(1, 5)), (2, 1, key(2, 0))], 1);
    }

    #[test]
    fn a_lower_rank_ends_the_search_only_once_something_is_seen() {
        let mut winner = Winner::new();
        let low = Rank { height: 1, prefix: 0 };
        assert!(!winner.is_decided(low));
        winner.offer(Rank { height: 2, prefix: 0 }, key(1, 0), (), id_of).unwrap();
        assert!(winner.is_decided(low));
        assert!(!winner.is_decided(Rank { height: 2, prefix: 0 }));
    }
}
