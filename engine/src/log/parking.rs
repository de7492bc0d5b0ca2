//! Entries that came before their parents: kept within limits, released in order, refused with what they build on.
//!
//! Parking is no admission: a parked entry is in no version, and which entries are parked differs between replicas.
//! When a limit is passed, the oldest entries go first, but not those that other parked entries wait for, as long as
//! there are others: they will be asked for again when they are needed.

use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::identity::Identity;
use crate::limits::{PARKED_AUTHOR_BYTES_MAX, PARKED_AUTHOR_COUNT_MAX, PARKED_BYTES_MAX, PARKED_COUNT_MAX};
use crate::log::{Entry, LogStore, LogWriter, ParkedTotals, Pos, SignedHeader};

/// What the log knows about an entry before anything is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is kept already.
    Kept(Pos),
    /// It is parked already.
    Parked,
    /// It, or one of its parents, was refused before; so it is, too.
    Refused,
    /// Parents are missing: it is to be parked.
    Early {
        /// Which, ascending.
        missing: Vec<EntryId>,
    },
    /// All its parents are kept: it is to be judged.
    Ready,
}

/// Looks up what the log knows about an entry.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn standing(store: &impl LogStore, header: &SignedHeader) -> Result<Standing, StoreError> {
    if let Some(pos) = store.position_of(header.id())? {
        return Ok(Standing::Kept(pos));
    }
    if store.is_refused(header.id())? {
        return Ok(Standing::Refused);
    }
    if store.is_parked(header.id())? {
        return Ok(Standing::Parked);
    }
    let mut missing = Vec::new();
    for parent in &header.parents {
        if store.position_of(parent)?.is_none() {
            missing.push(*parent);
        }
    }
    for parent in &missing {
        if store.is_refused(parent)? {
            return Ok(Standing::Refused);
        }
    }
    Ok(if missing.is_empty() { Standing::Ready } else { Standing::Early { missing } })
}

/// Parks an entry until its missing parents come. Returns what was forgotten to make room, perhaps the entry itself.
///
/// * `missing` - the parents that are not kept; at least one.
///
/// # Errors
/// [`StoreError`] if the store cannot be written.
pub fn park(tx: &impl LogWriter, entry: &Entry, missing: &[EntryId]) -> Result<Vec<EntryId>, StoreError> {
    tx.insert_parked(entry, missing)?;
    let mut evicted = Vec::new();
    let author_limit = ParkedTotals { count: PARKED_AUTHOR_COUNT_MAX, bytes: PARKED_AUTHOR_BYTES_MAX };
    evict(tx, Some(entry.author()), author_limit, &mut evicted)?;
    evict(tx, None, ParkedTotals { count: PARKED_COUNT_MAX, bytes: PARKED_BYTES_MAX }, &mut evicted)?;
    Ok(evicted)
}

/// Notes that an entry is now kept. Returns the parked entries that have all their parents now, by id; each is to be
/// taken with [`unpark`].
///
/// # Errors
/// [`StoreError`] if the store cannot be written.
pub fn release(tx: &impl LogWriter, parent: &EntryId) -> Result<Vec<EntryId>, StoreError> {
    tx.stop_waiting(parent)
}

/// Takes an entry out of the parking place; none if it is not there (any more).
///
/// # Errors
/// [`StoreError`] if the store cannot be written.
pub fn unpark(tx: &impl LogWriter, id: &EntryId) -> Result<Option<Entry>, StoreError> {
    let entry = tx.parked(id)?;
    if entry.is_some() {
        tx.delete_parked(id)?;
    }
    Ok(entry)
}

/// Remembers an entry as refused, with all parked entries that build on it. Returns these, without the entry itself.
///
/// Only what the entry and its past decide for ever may be remembered: never a bad signature or payload (another
/// peer may send better ones under the same id), and no failure of the store.
///
/// # Errors
/// [`StoreError`] if the store cannot be written.
pub fn refuse(tx: &impl LogWriter, header: &SignedHeader) -> Result<Vec<EntryId>, StoreError> {
    tx.insert_refused(header.id())?;
    let mut descendants = Vec::new();
    let mut unvisited = tx.waiting_for(header.id())?;
    while let Some(id) = unvisited.pop() {
        if tx.is_parked(&id)? {
            tx.delete_parked(&id)?;
            tx.insert_refused(&id)?;
            unvisited.extend(tx.waiting_for(&id)?);
            descendants.push(id);
        }
    }
    Ok(descendants)
}

fn evict(
    tx: &impl LogWriter,
    author: Option<&Identity>,
    limit: ParkedTotals,
    evicted: &mut Vec<EntryId>,
) -> Result<(), StoreError> {
    loop {
        let totals = tx.parked_totals(author)?;
        if totals.count <= limit.count && totals.bytes <= limit.bytes {
            return Ok(());
        }
        let victim = tx
            .oldest_unneeded(author)?
            .ok_or_else(|| StoreError::corrupt("parked entries exceed the limit, but none is there"))?;
        tx.delete_parked(&victim)?;
        evicted.push(victim);
    }
}
