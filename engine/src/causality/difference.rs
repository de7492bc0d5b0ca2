//! The entries of one set that are not in another, in causal order, lazily.

use std::collections::{BTreeMap, VecDeque};

use crate::causality::past::Past;
use crate::fault::StoreError;
use crate::limits::DIFFERENCE_READ_AHEAD;
use crate::log::{LogStore, Pos, Stamp};

/// A walk through a difference, ascending by stamp. Holds no reference to the store: entries never change, so the
/// walk may go on while others are added. Memory is bounded by the number of chains and the read-ahead.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The next entry of each chain that has one, by stamp. Stamps ascend along a chain, so the least is next.
    next: BTreeMap<Stamp, Run>,
    /// Runs not looked at yet.
    unread: Vec<Run>,
    read_ahead: usize,
    left: u64,
}

/// What is left of one chain.
#[derive(Debug, Clone)]
struct Run {
    next: Pos,
    last: u64,
    read: VecDeque<Stamp>,
}

impl Difference {
    pub(super) fn new(to: &Past, from: &Past) -> Difference {
        let unread: Vec<Run> = to
            .tops()
            .iter()
            .filter_map(|top| {
                let next = Pos::new(top.chain(), from.last_of(top.chain()) + 1)?;
                (next <= *top).then(|| Run { next, last: top.sequence(), read: VecDeque::new() })
            })
            .collect();
        let left = unread.iter().map(|run| run.last + 1 - run.next.sequence()).sum();
        let read_ahead = (DIFFERENCE_READ_AHEAD / unread.len().max(1)).clamp(1, 256);
        Difference { next: BTreeMap::new(), unread, read_ahead, left }
    }

    /// Returns how many entries are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Returns the next entry; none at the end.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn next(&mut self, store: &impl LogStore) -> Result<Option<(Pos, Stamp)>, StoreError> {
        while let Some(run) = self.unread.pop() {
            self.advance(store, run)?;
        }
        let Some((stamp, mut run)) = self.next.pop_first() else { return Ok(None) };
        let pos = run.next;
        self.left -= 1;
        run.read.pop_front();
        if let Some(next) = Pos::new(pos.chain(), pos.sequence() + 1).filter(|next| next.sequence() <= run.last) {
            run.next = next;
            self.advance(store, run)?;
        }
        Ok(Some((pos, stamp)))
    }

    /// Reads the whole rest. For small differences and tests.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn collect(mut self, store: &impl LogStore) -> Result<Vec<Pos>, StoreError> {
        let mut positions = Vec::new();
        while let Some((pos, _)) = self.next(store)? {
            positions.push(pos);
        }
        Ok(positions)
    }

    /// Puts a run back under the stamp of its next entry.
    fn advance(&mut self, store: &impl LogStore, mut run: Run) -> Result<(), StoreError> {
        if run.read.is_empty() {
            run.read = store.stamps(run.next, run.last, self.read_ahead)?.into();
        }
        let stamp = *run.read.front().ok_or_else(|| StoreError::corrupt("a chain has a gap"))?;
        self.next.insert(stamp, run);
        Ok(())
    }
}
