//! What the log asks of a store: rows of entries, payload segments, parked entries, refused ids.
//!
//! Reading is [`LogStore`], writing [`LogWriter`], which exists only inside a write transaction. Neither decides
//! anything: limits and order are the callers' (`log::park`, `causality::Index`).

use std::ops::Deref;

use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::identity::Identity;
use crate::log::{Entry, Pos, SignedHeader, Stamp};

/// How much is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParkedTotals {
    /// Entries.
    pub count: u64,
    /// Bytes of their headers and payloads.
    pub bytes: u64,
}

/// Reads what the log keeps. A row that is not what was once written is [`StoreError::Corrupt`].
pub trait LogStore {
    /// Returns where the entry of this id is kept, if it is.
    fn position_of(&self, id: &EntryId) -> Result<Option<Pos>, StoreError>;

    /// Returns at most `count_max` entries whose ids begin with these 8 bytes. Usually one or none.
    fn positions_by_prefix(&self, prefix: u64, count_max: usize) -> Result<Vec<Pos>, StoreError>;

    /// Returns at most `count_max` of the first 8 bytes of kept entries' ids, ascending, each once, those above `after`.
    fn prefixes(&self, after: Option<u64>, count_max: usize) -> Result<Vec<u64>, StoreError>;

    /// Returns a header, rebuilt from its row and checked against its id.
    fn header(&self, pos: Pos) -> Result<SignedHeader, StoreError>;

    /// Returns height and id of an entry.
    fn stamp(&self, pos: Pos) -> Result<Stamp, StoreError>;

    /// Returns who wrote an entry.
    fn author(&self, pos: Pos) -> Result<Identity, StoreError>;

    /// Returns the parents of an entry, in the order of its header.
    fn parents(&self, pos: Pos) -> Result<Vec<Pos>, StoreError>;

    /// Returns a whole payload.
    fn payload(&self, pos: Pos) -> Result<Vec<u8>, StoreError>;

    /// Returns the first bytes of a payload: its first segment, whole if it has no other.
    fn payload_start(&self, pos: Pos) -> Result<Vec<u8>, StoreError>;

    /// Returns `count` bytes of a payload from `offset`, reading only the segments that hold them.
    fn payload_slice(&self, pos: Pos, offset: u32, count: u32) -> Result<Vec<u8>, StoreError>;

    /// Returns the last entry of a chain; none if the chain does not exist.
    fn last_of_chain(&self, chain: u32) -> Result<Option<Pos>, StoreError>;

    /// Returns the stamps of consecutive entries of one chain: from `from` on, up to the sequence number `last` and
    /// at most `count_max`.
    fn stamps(&self, from: Pos, last: u64, count_max: usize) -> Result<Vec<Stamp>, StoreError>;

    /// Returns how much is parked, by one author or in all.
    fn parked_totals(&self, author: Option<&Identity>) -> Result<ParkedTotals, StoreError>;

    /// Says whether an entry is parked.
    fn is_parked(&self, id: &EntryId) -> Result<bool, StoreError>;

    /// Returns a parked entry, checked against its id.
    fn parked(&self, id: &EntryId) -> Result<Option<Entry>, StoreError>;

    /// Returns the parked entry that came first among those (of one author, or of all) that no other parked entry
    /// waits for.
    fn oldest_unneeded(&self, author: Option<&Identity>) -> Result<Option<EntryId>, StoreError>;

    /// Returns the parked entries that wait for `parent`, by id.
    fn waiting_for(&self, parent: &EntryId) -> Result<Vec<EntryId>, StoreError>;

    /// Returns at most `count_max` ids that parked entries wait for and that are not parked themselves, by id.
    fn missing(&self, count_max: usize) -> Result<Vec<EntryId>, StoreError>;

    /// Says whether an id is remembered as refused.
    fn is_refused(&self, id: &EntryId) -> Result<bool, StoreError>;
}

/// Writes what the log keeps, inside one write transaction; reads through its target, which shows the writes.
pub trait LogWriter: Deref<Target: LogStore> {
    /// Keeps an entry and its payload at a place.
    ///
    /// * `parents` - where the parents are kept, in the order of the header.
    fn insert_entry(&self, pos: Pos, entry: &Entry, parents: &[Pos]) -> Result<(), StoreError>;

    /// Parks an entry; `missing` are the parents it waits for, at least one.
    fn insert_parked(&self, entry: &Entry, missing: &[EntryId]) -> Result<(), StoreError>;

    /// Forgets a parked entry, if it is parked.
    fn delete_parked(&self, id: &EntryId) -> Result<(), StoreError>;

    /// Notes that `parent` is missing no more. Returns the parked entries that now wait for nothing, by id.
    fn stop_waiting(&self, parent: &EntryId) -> Result<Vec<EntryId>, StoreError>;

    /// Remembers an id as refused, and forgets the oldest beyond the limit.
    fn insert_refused(&self, id: &EntryId) -> Result<(), StoreError>;
}
