//! Parked entries, what they wait for, and refused ids.

use rusqlite::params;

use crate::codec::Reader;
use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::identity::Identity;
use crate::limits::REFUSED_COUNT_MAX;
use crate::log::{Entry, LogStore, ParkedTotals, UnverifiedHeader};
use crate::store::log::entry::identity_bytes;
use crate::store::sqlite::Sqlite;
use crate::store::tx::WriteTx;

pub(super) fn totals(store: &Sqlite, author: Option<&Identity>) -> Result<ParkedTotals, StoreError> {
    let doing = "counting parked entries";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(ParkedTotals { count: row.get::<_, i64>(0)?.cast_unsigned(), bytes: row.get::<_, i64>(1)?.cast_unsigned() })
    };
    let totals = match author {
        None => store.one(doing, "SELECT count(*), ifnull(sum(size), 0) FROM parked", [], read)?,
        Some(author) => {
            let sql = "SELECT count(*), ifnull(sum(size), 0) FROM parked WHERE author = ?1";
            store.one(doing, sql, params![identity_bytes(author)], read)?
        }
    };
    Ok(totals.unwrap_or_default())
}

pub(super) fn parked(store: &Sqlite, id: &EntryId) -> Result<Option<Entry>, StoreError> {
    let sql = "SELECT header, payload FROM parked WHERE id = ?1";
    let row = store.one("reading a parked entry", sql, params![id.0], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let Some((header, payload)) = row else { return Ok(None) };
    let entry = UnverifiedHeader::read(&mut Reader::new(&header))
        .ok()
        .and_then(|header| header.trust_stored(id))
        .and_then(|header| Entry::new(header, payload).ok());
    entry.map(Some).ok_or_else(|| StoreError::corrupt(format!("parked entry {id} does not match its id")))
}

pub(super) fn oldest_unneeded(store: &Sqlite, author: Option<&Identity>) -> Result<Option<EntryId>, StoreError> {
    let doing = "choosing a parked entry";
    let read = |row: &rusqlite::Row<'_>| Ok(EntryId(row.get(0)?));
    match author {
        // Waiting goes from child to parent without cycles, so somebody is always unneeded.
        None => {
            let sql = "SELECT id FROM parked WHERE id NOT IN (SELECT parent FROM parked_wait) ORDER BY no LIMIT 1";
            store.one(doing, sql, [], read)
        }
        // All entries of one author may be needed by others': then the last one goes.
        Some(author) => {
            let sql = "SELECT id FROM parked WHERE author = ?1
                       ORDER BY EXISTS (SELECT 1 FROM parked_wait WHERE parent = id), no LIMIT 1";
            store.one(doing, sql, params![identity_bytes(author)], read)
        }
    }
}

pub(super) fn waiting_for(store: &Sqlite, parent: &EntryId) -> Result<Vec<EntryId>, StoreError> {
    let sql = "SELECT child FROM parked_wait WHERE parent = ?1 ORDER BY child";
    store.all("reading who waits", sql, params![parent.0], |row| Ok(EntryId(row.get(0)?)))
}

pub(super) fn missing(store: &Sqlite, count_max: usize) -> Result<Vec<EntryId>, StoreError> {
    let sql = "SELECT DISTINCT parent FROM parked_wait WHERE parent NOT IN (SELECT id FROM parked)
               ORDER BY parent LIMIT ?1";
    let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
    store.all("reading what is missing", sql, params![count_max], |row| Ok(EntryId(row.get(0)?)))
}

pub(super) fn insert(tx: &WriteTx<'_>, entry: &Entry, missing: &[EntryId]) -> Result<(), StoreError> {
    assert!(!missing.is_empty(), "an entry that waits for nothing is not parked");
    let header = entry.header().encode_signed();
    let size = i64::try_from(header.len() + entry.payload().len()).expect("limits keep entries small");
    let sql = "INSERT INTO parked(id, author, size, header, payload) VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = params![entry.id().0, identity_bytes(entry.author()), size, header, entry.payload()];
    tx.write("parking an entry", sql, row)?;
    for parent in missing {
        let sql = "INSERT INTO parked_wait(parent, child) VALUES (?1, ?2)";
        tx.write("parking an entry", sql, params![parent.0, entry.id().0])?;
    }
    Ok(())
}

pub(super) fn delete(tx: &WriteTx<'_>, id: &EntryId) -> Result<(), StoreError> {
    tx.write("forgetting a parked entry", "DELETE FROM parked_wait WHERE child = ?1", params![id.0])?;
    tx.write("forgetting a parked entry", "DELETE FROM parked WHERE id = ?1", params![id.0])?;
    Ok(())
}

pub(super) fn stop_waiting(tx: &WriteTx<'_>, parent: &EntryId) -> Result<Vec<EntryId>, StoreError> {
    let mut children = tx.waiting_for(parent)?;
    if children.is_empty() {
        return Ok(children);
    }
    tx.write("releasing parked entries", "DELETE FROM parked_wait WHERE parent = ?1", params![parent.0])?;
    let sql = "SELECT 1 FROM parked_wait WHERE child = ?1 LIMIT 1";
    let mut failure = None;
    children.retain(|child| match tx.one("releasing parked entries", sql, params![child.0], |_| Ok(())) {
        Ok(waits) => waits.is_none(),
        Err(e) => {
            failure = Some(e);
            false
        }
    });
    failure.map_or(Ok(children), Err)
}

pub(super) fn insert_refused(tx: &WriteTx<'_>, id: &EntryId) -> Result<(), StoreError> {
    let doing = "remembering a refused id";
    tx.write(doing, "INSERT OR IGNORE INTO refused(id) VALUES (?1)", params![id.0])?;
    let limit = i64::try_from(REFUSED_COUNT_MAX).expect("the limit is small");
    let sql = "DELETE FROM refused WHERE no <= (SELECT max(no) FROM refused) - ?1";
    tx.write(doing, sql, params![limit])?;
    Ok(())
}
