//! What a session reads of the log, and how it is read off a store and its causality index.

use std::sync::Arc;

use crate::causality::{ClockStore, Difference, Index, Past, Pos, Stamp};
use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::log::SignedHeader;

/// The log as a session sees it. Every method fails only if the store cannot be read.
pub trait View {
    /// Returns the ids of the whole log's frontier, ascending; none before genesis.
    fn heads(&self) -> Vec<EntryId>;

    /// Returns the set of all entries.
    fn whole(&self) -> Past;

    /// Returns where an entry is kept, if it is.
    fn position_of(&self, id: &EntryId) -> Result<Option<Pos>, StoreError>;

    /// Returns at most `count_max` entries whose ids have this prefix ([`EntryId::prefix`]).
    fn positions_by_prefix(&self, prefix: u64, count_max: usize) -> Result<Vec<Pos>, StoreError>;

    /// Says whether an entry is remembered as refused.
    fn is_refused(&self, id: &EntryId) -> Result<bool, StoreError>;

    /// Returns height and id of an entry.
    fn stamp(&self, pos: Pos) -> Result<Stamp, StoreError>;

    /// Returns a header.
    fn header(&self, pos: Pos) -> Result<SignedHeader, StoreError>;

    /// Returns `count` bytes of a payload from `offset`.
    fn payload_slice(&self, pos: Pos, offset: u32, count: u32) -> Result<Vec<u8>, StoreError>;

    /// Returns an entry and its past.
    fn clock(&self, pos: Pos) -> Result<Arc<Past>, StoreError>;

    /// Returns a walk through the entries of `to` that are not in `from`, parents before children.
    fn difference(&self, to: &Past, from: &Past) -> Difference;

    /// Takes the next step of a walk.
    fn next_of(&self, walk: &mut Difference) -> Result<Option<Pos>, StoreError>;
}

/// Who fetches which payload, where several sessions are offered the same entry.
pub trait Fetching {
    /// Says whether this session may ask for the payload of an entry; if so, others may not until it has come.
    fn claim(&mut self, id: &EntryId) -> bool;
}

/// A session that is the only one.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Fetching for Alone {
    fn claim(&mut self, _: &EntryId) -> bool {
        true
    }
}

/// A [`View`] of a store and the index over it.
#[derive(Debug)]
pub struct LogView<'a, S> {
    /// The store.
    pub store: &'a S,
    /// Its index.
    pub index: &'a Index,
}

impl<S: ClockStore> View for LogView<'_, S> {
    fn heads(&self) -> Vec<EntryId> {
        self.index.heads().map(|(id, _)| id).collect()
    }

    fn whole(&self) -> Past {
        self.index.whole()
    }

    fn position_of(&self, id: &EntryId) -> Result<Option<Pos>, StoreError> {
        self.index.position_of(self.store, id)
    }

    fn positions_by_prefix(&self, prefix: u64, count_max: usize) -> Result<Vec<Pos>, StoreError> {
        self.store.positions_by_prefix(prefix, count_max)
    }

    fn is_refused(&self, id: &EntryId) -> Result<bool, StoreError> {
        self.store.is_refused(id)
    }

    fn stamp(&self, pos: Pos) -> Result<Stamp, StoreError> {
        self.store.stamp(pos)
    }

    fn header(&self, pos: Pos) -> Result<SignedHeader, StoreError> {
        self.store.header(pos)
    }

    fn payload_slice(&self, pos: Pos, offset: u32, count: u32) -> Result<Vec<u8>, StoreError> {
        self.store.payload_slice(pos, offset, count)
    }

    fn clock(&self, pos: Pos) -> Result<Arc<Past>, StoreError> {
        self.index.clock(self.store, pos)
    }

    fn difference(&self, to: &Past, from: &Past) -> Difference {
        self.index.difference(to, from)
    }

    fn next_of(&self, walk: &mut Difference) -> Result<Option<Pos>, StoreError> {
        Ok(walk.next(self.store)?.map(|(pos, _)| pos))
    }
}
