//! The index: what is kept in memory about the chains, and the questions it answers.
//!
//! Memory holds the last entry of each chain, the heads, and a bounded cache of clocks; everything else is read from
//! the store when asked. After a write transaction was rolled back, load the index again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::causality::cache::ClockCache;
use crate::causality::clock::{read_clock, read_component};
use crate::causality::difference::Difference;
use crate::causality::past::Past;
use crate::causality::store::ClockStore;
use crate::causality::version::{Version, VersionError};
use crate::fault::StoreError;
use crate::hash::{EntryId, SpaceId};
use crate::identity::Identity;
use crate::log::{Pos, Stamp};

/// How two entries lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// They are one.
    Same,
    /// The first is in the past of the second.
    Before,
    /// The second is in the past of the first.
    After,
    /// Neither is.
    Concurrent,
}

/// The causality index of one log.
#[derive(Debug)]
pub struct Index {
    pub(super) tips: Vec<Tip>,
    pub(super) tip_by_id: BTreeMap<EntryId, Pos>,
    pub(super) heads: BTreeMap<Pos, EntryId>,
    pub(super) space: Option<SpaceId>,
    cache: RefCell<ClockCache>,
}

/// The last entry of a chain.
#[derive(Debug, Clone)]
pub(super) struct Tip {
    pub(super) pos: Pos,
    pub(super) stamp: Stamp,
    pub(super) author: Identity,
}

impl Index {
    /// Builds the index of what the store keeps. Costs a few reads per chain, whatever the length of the log.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or is corrupt.
    pub fn load(store: &impl ClockStore) -> Result<Index, StoreError> {
        let mut index = Index {
            tips: Vec::new(),
            tip_by_id: BTreeMap::new(),
            heads: BTreeMap::new(),
            space: None,
            cache: RefCell::default(),
        };
        for chain in 0.. {
            let Some(pos) = store.last_of_chain(chain)? else { break };
            let tip = Tip { pos, stamp: store.stamp(pos)?, author: store.author(pos)? };
            index.tip_by_id.insert(tip.stamp.id, pos);
            index.tips.push(tip);
        }
        if !index.tips.is_empty() {
            index.space = Some(SpaceId(store.stamp(Pos::GENESIS)?.id));
        }
        for pos in index.frontier(store, &index.whole())? {
            index.heads.insert(pos, index.tips[pos.chain() as usize].stamp.id);
        }
        Ok(index)
    }

    /// Returns the space: the id of the genesis entry; none before it is there.
    pub fn space(&self) -> Option<SpaceId> {
        self.space
    }

    /// Returns how many entries the log has.
    pub fn entry_count(&self) -> u64 {
        self.tips.iter().map(|tip| tip.pos.sequence()).sum()
    }

    /// Returns how many chains the log has here.
    pub fn chain_count(&self) -> usize {
        self.tips.len()
    }

    /// Returns the entries that no other entry builds on, by id.
    pub fn heads(&self) -> impl ExactSizeIterator<Item = (EntryId, Pos)> {
        let mut heads: Vec<(EntryId, Pos)> = self.heads.iter().map(|(pos, id)| (*id, *pos)).collect();
        heads.sort_unstable();
        heads.into_iter()
    }

    /// Returns the version of the whole log.
    pub fn version(&self) -> Version {
        Version::new(self.heads.values().copied().collect())
    }

    /// Returns the set of all entries.
    pub fn whole(&self) -> Past {
        Past::from_tops(self.tips.iter().map(|tip| tip.pos).collect())
    }

    /// Returns the clock of an entry: itself and its past.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] if there is no such entry.
    pub fn clock(&self, store: &impl ClockStore, pos: Pos) -> Result<Arc<Past>, StoreError> {
        if let Some(clock) = self.cache.borrow_mut().take(pos) {
            return Ok(clock);
        }
        let clock = Arc::new(read_clock(store, pos)?);
        // What a transaction has written but not settled may be rolled back, and its place given to another entry.
        if self.is_settled(pos) {
            self.remember(pos, &clock);
        }
        Ok(clock)
    }

    /// Says whether `a` is `b` or in its past.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn le(&self, store: &impl ClockStore, a: Pos, b: Pos) -> Result<bool, StoreError> {
        Ok(self.component(store, b, a.chain())? >= a.sequence())
    }

    /// Says how two entries lie to each other.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn compare(&self, store: &impl ClockStore, a: Pos, b: Pos) -> Result<Order, StoreError> {
        Ok(if a == b {
            Order::Same
        } else if self.le(store, a, b)? {
            Order::Before
        } else if self.le(store, b, a)? {
            Order::After
        } else {
            Order::Concurrent
        })
    }

    /// Returns the set that a version stands for.
    ///
    /// # Errors
    /// [`VersionError::Unknown`] if an entry of the version is not here.
    pub fn past_of(&self, store: &impl ClockStore, version: &Version) -> Result<Past, VersionError> {
        let mut positions = Vec::with_capacity(version.ids().len());
        for id in version.ids() {
            positions.push(self.position_of(store, id)?.ok_or(VersionError::Unknown { id: *id })?);
        }
        Ok(self.past_of_positions(store, &positions)?)
    }

    /// Returns the set that some entries and their pasts make.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn past_of_positions(&self, store: &impl ClockStore, positions: &[Pos]) -> Result<Past, StoreError> {
        let Some((first, others)) = positions.split_first() else { return Ok(Past::EMPTY) };
        let mut past = Past::clone(&*self.clock(store, *first)?);
        for pos in others {
            if !past.contains(*pos) {
                past = past.join(&*self.clock(store, *pos)?);
            }
        }
        Ok(past)
    }

    /// Returns the maximal entries of a set, by place: no other member follows them.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn frontier(&self, store: &impl ClockStore, past: &Past) -> Result<Vec<Pos>, StoreError> {
        self.minimal_cover(store, past.tops())
    }

    /// Returns the version that stands for a set.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn version_of(&self, store: &impl ClockStore, past: &Past) -> Result<Version, StoreError> {
        let frontier = self.frontier(store, past)?;
        let ids = frontier.iter().map(|pos| Ok(store.stamp(*pos)?.id)).collect::<Result<_, StoreError>>()?;
        Ok(Version::new(ids))
    }

    /// Returns the fewest of some entries whose pasts, with themselves, hold all of them; by place.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn minimal_cover(&self, store: &impl ClockStore, positions: &[Pos]) -> Result<Vec<Pos>, StoreError> {
        // Of one chain only the last can count; then whoever is in the clock of another does not.
        let mut cover = positions.to_vec();
        cover.sort_unstable_by(|a, b| b.cmp(a));
        cover.dedup_by_key(|pos| pos.chain());
        cover.reverse();
        let mut is_covered = vec![false; cover.len()];
        for index in 0..cover.len() {
            // What a covered entry covers, its coverer covers.
            if is_covered[index] {
                continue;
            }
            let clock = self.clock(store, cover[index])?;
            for (other, top) in by_chain(&cover, clock.tops()) {
                is_covered[other] |= other != index && top >= cover[other];
            }
        }
        let mut is_covered = is_covered.into_iter();
        cover.retain(|_| !is_covered.next().unwrap_or_default());
        Ok(cover)
    }

    /// Returns the entries of `to` that are not in `from`, lazily, ascending by stamp: parents come before children.
    pub fn difference(&self, to: &Past, from: &Past) -> Difference {
        Difference::new(to, from)
    }

    /// Returns the sequence numbers of a chain's entries that are concurrent with an entry. Costs a binary search.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn concurrent_in(&self, store: &impl ClockStore, pos: Pos, chain: u32) -> Result<Range<u64>, StoreError> {
        let end = self.tips.get(chain as usize).map_or(0, |tip| tip.pos.sequence()) + 1;
        if chain == pos.chain() {
            return Ok(end..end);
        }
        let before = self.component(store, pos, chain)?;
        // Within a chain, "knows the entry" is false, then true: find the first true.
        let (mut low, mut high) = (before + 1, end);
        while low < high {
            let middle = low + (high - low) / 2;
            let probe = Pos::new(chain, middle).ok_or_else(|| StoreError::corrupt("a chain exceeds its bits"))?;
            if self.component(store, probe, pos.chain())? >= pos.sequence() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(before + 1..low)
    }

    /// Returns the entries concurrent with one entry, as ranges of places, chains ascending; inclusive ends.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn concurrent(&self, store: &impl ClockStore, pos: Pos) -> Result<Vec<(Pos, Pos)>, StoreError> {
        let mut ranges = Vec::new();
        for tip in &self.tips {
            let chain = tip.pos.chain();
            let range = self.concurrent_in(store, pos, chain)?;
            if !range.is_empty() {
                ranges.extend(Pos::new(chain, range.start).zip(Pos::new(chain, range.end - 1)));
            }
        }
        Ok(ranges)
    }

    /// Forgets the clocks that are kept decoded: for a replica with nothing to do.
    pub fn release_memory(&self) {
        self.cache.take();
    }

    /// Returns where an entry is kept; asks the store only if it is not the last of its chain.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn position_of(&self, store: &impl ClockStore, id: &EntryId) -> Result<Option<Pos>, StoreError> {
        match self.tip_by_id.get(id) {
            Some(pos) => Ok(Some(*pos)),
            None => store.position_of(id),
        }
    }

    pub(super) fn remember(&self, pos: Pos, clock: &Arc<Past>) {
        self.cache.borrow_mut().put(pos, Arc::clone(clock));
    }

    fn component(&self, store: &impl ClockStore, pos: Pos, chain: u32) -> Result<u64, StoreError> {
        if pos.chain() == chain {
            return Ok(pos.sequence());
        }
        if let Some(clock) = self.cache.borrow_mut().take(pos) {
            return Ok(clock.last_of(chain));
        }
        read_component(store, pos, chain)
    }

    fn is_settled(&self, pos: Pos) -> bool {
        self.tips.get(pos.chain() as usize).is_some_and(|tip| tip.pos >= pos)
    }
}

/// Pairs places, by their index, with those of other places in the same chain; both have chains ascending.
fn by_chain(positions: &[Pos], others: &[Pos]) -> impl Iterator<Item = (usize, Pos)> {
    let mut others = others.iter().copied().peekable();
    positions.iter().enumerate().filter_map(move |(index, pos)| {
        while others.next_if(|other| other.chain() < pos.chain()).is_some() {}
        others.next_if(|other| other.chain() == pos.chain()).map(|other| (index, other))
    })
}
