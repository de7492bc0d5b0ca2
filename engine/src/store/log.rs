//! Entries in SQLite.

mod entry;
mod parked;
mod payload;

use rusqlite::params;

use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::identity::Identity;
use crate::log::{Entry, LogStore, LogWriter, ParkedTotals, Pos, SignedHeader, Stamp};
use crate::store::sqlite::Sqlite;
use crate::store::tx::WriteTx;

impl LogStore for Sqlite {
    fn position_of(&self, id: &EntryId) -> Result<Option<Pos>, StoreError> {
        entry::position_of(self, id)
    }

    fn positions_by_prefix(&self, prefix: u64, count_max: usize) -> Result<Vec<Pos>, StoreError> {
        entry::positions_by_prefix(self, prefix, count_max)
    }

    fn prefixes(&self, after: Option<u64>, count_max: usize) -> Result<Vec<u64>, StoreError> {
        entry::prefixes(self, after, count_max)
    }

    fn header(&self, pos: Pos) -> Result<SignedHeader, StoreError> {
        entry::header(self, pos)
    }

    fn stamp(&self, pos: Pos) -> Result<Stamp, StoreError> {
        entry::stamp(self, pos)
    }

    fn author(&self, pos: Pos) -> Result<Identity, StoreError> {
        entry::author(self, pos)
    }

    fn parents(&self, pos: Pos) -> Result<Vec<Pos>, StoreError> {
        entry::parents(self, pos)
    }

    fn payload(&self, pos: Pos) -> Result<Vec<u8>, StoreError> {
        payload::payload(self, pos)
    }

    fn payload_start(&self, pos: Pos) -> Result<Vec<u8>, StoreError> {
        payload::payload_start(self, pos)
    }

    fn payload_slice(&self, pos: Pos, offset: u32, count: u32) -> Result<Vec<u8>, StoreError> {
        payload::payload_slice(self, pos, offset, count)
    }

    fn last_of_chain(&self, chain: u32) -> Result<Option<Pos>, StoreError> {
        entry::last_of_chain(self, chain)
    }

    fn stamps(&self, from: Pos, last: u64, count_max: usize) -> Result<Vec<Stamp>, StoreError> {
        entry::stamps(self, from, last, count_max)
    }

    fn parked_totals(&self, author: Option<&Identity>) -> Result<ParkedTotals, StoreError> {
        parked::totals(self, author)
    }

    fn is_parked(&self, id: &EntryId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM parked WHERE id = ?1";
        Ok(self.one("looking for a parked entry", sql, params![id.0], |_| Ok(()))?.is_some())
    }

    fn parked(&self, id: &EntryId) -> Result<Option<Entry>, StoreError> {
        parked::parked(self, id)
    }

    fn oldest_unneeded(&self, author: Option<&Identity>) -> Result<Option<EntryId>, StoreError> {
        parked::oldest_unneeded(self, author)
    }

    fn waiting_for(&self, parent: &EntryId) -> Result<Vec<EntryId>, StoreError> {
        parked::waiting_for(self, parent)
    }

    fn missing(&self, count_max: usize) -> Result<Vec<EntryId>, StoreError> {
        parked::missing(self, count_max)
    }

    fn is_refused(&self, id: &EntryId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM refused WHERE id = ?1";
        Ok(self.one("looking for a refused id", sql, params![id.0], |_| Ok(()))?.is_some())
    }
}

impl LogWriter for WriteTx<'_> {
    fn insert_entry(&self, pos: Pos, entry: &Entry, parents: &[Pos]) -> Result<(), StoreError> {
        entry::insert(self, pos, entry.header(), parents)?;
        payload::insert(self, pos, entry.payload())
    }

    fn insert_parked(&self, entry: &Entry, missing: &[EntryId]) -> Result<(), StoreError> {
        parked::insert(self, entry, missing)
    }

    fn delete_parked(&self, id: &EntryId) -> Result<(), StoreError> {
        parked::delete(self, id)
    }

    fn stop_waiting(&self, parent: &EntryId) -> Result<Vec<EntryId>, StoreError> {
        parked::stop_waiting(self, parent)
    }

    fn insert_refused(&self, id: &EntryId) -> Result<(), StoreError> {
        parked::insert_refused(self, id)
    }
}
