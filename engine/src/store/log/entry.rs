//! Headers as rows: written once, rebuilt and checked when read.

use rusqlite::params;

use crate::fault::StoreError;
use crate::hash::{EntryId, PayloadHash, SpaceId};
use crate::identity::{Identity, Signature, Suite, Unverified};
use crate::limits::SEQUENCE_BITS;
use crate::log::{Header, HeaderFields, Kind, Pos, SignedHeader, Stamp};
use crate::store::sqlite::Sqlite;
use crate::store::tx::WriteTx;

pub(super) fn position_of(store: &Sqlite, id: &EntryId) -> Result<Option<Pos>, StoreError> {
    let sql = "SELECT pos FROM entry_by_prefix JOIN entry USING(pos) WHERE prefix = ?1 AND id = ?2";
    let found = store.one("looking for an entry", sql, params![id.prefix().cast_signed(), id.0], |row| row.get(0))?;
    found.map(position).transpose()
}

pub(super) fn positions_by_prefix(store: &Sqlite, prefix: u64, count_max: usize) -> Result<Vec<Pos>, StoreError> {
    let sql = "SELECT pos FROM entry_by_prefix WHERE prefix = ?1 ORDER BY pos LIMIT ?2";
    let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
    let found =
        store.all("looking for a prefix", sql, params![prefix.cast_signed(), count_max], |row| row.get::<_, i64>(0))?;
    found.into_iter().map(position).collect()
}

pub(super) fn prefixes(store: &Sqlite, after: Option<u64>, count_max: usize) -> Result<Vec<u64>, StoreError> {
    // Stored as signed numbers, whose upper half comes first: two stretches.
    let sql =
        "SELECT DISTINCT prefix FROM entry_by_prefix WHERE prefix >= ?1 AND prefix <= ?2 ORDER BY prefix LIMIT ?3";
    let first = match after {
        None => 0,
        Some(u64::MAX) => return Ok(Vec::new()),
        Some(after) => after + 1,
    };
    let stretches = [(first, u64::MAX / 2), (first.max(u64::MAX / 2 + 1), u64::MAX)];
    let mut found = Vec::new();
    for (from, to) in stretches.into_iter().filter(|(from, to)| from <= to) {
        let left = i64::try_from(count_max - found.len()).unwrap_or(i64::MAX);
        let params = params![from.cast_signed(), to.cast_signed(), left];
        found.extend(store.all("reading prefixes", sql, params, |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))?);
    }
    Ok(found)
}

pub(super) fn header(store: &Sqlite, pos: Pos) -> Result<SignedHeader, StoreError> {
    struct Stored {
        id: EntryId,
        height: i64,
        author: [u8; 33],
        time_ms: i64,
        parents: Vec<u8>,
        payload_hash: PayloadHash,
        payload_bytes: u32,
        signature: Signature,
    }
    let sql = "SELECT id, height, key, time_ms, parents, payload_hash, payload_bytes, signature
               FROM entry JOIN author ON author.no = entry.author WHERE pos = ?1";
    let stored = store.one("reading a header", sql, params![pos.to_i64()], |row| {
        Ok(Stored {
            id: EntryId(row.get(0)?),
            height: row.get(1)?,
            author: row.get(2)?,
            time_ms: row.get(3)?,
            parents: row.get(4)?,
            payload_hash: PayloadHash(row.get(5)?),
            payload_bytes: row.get(6)?,
            signature: Signature(row.get(7)?),
        })
    })?;
    let stored = stored.ok_or_else(|| absent(pos))?;
    let mut parents = Vec::new();
    for parent in positions(&stored.parents)? {
        parents.push(stamp(store, parent)?.id);
    }
    let is_genesis = pos == Pos::GENESIS;
    let fields = HeaderFields {
        kind: if is_genesis { Kind::Genesis } else { Kind::Data },
        space: if is_genesis { SpaceId::NONE } else { SpaceId(stamp(store, Pos::GENESIS)?.id) },
        author: identity(&stored.author)?,
        parents,
        height: stored.height.cast_unsigned(),
        time_ms: stored.time_ms.cast_unsigned(),
        payload_hash: stored.payload_hash,
        payload_bytes: stored.payload_bytes,
    };
    let damaged = || StoreError::corrupt(format!("the header of entry {} does not match its id", stored.id));
    let value = Header::new(fields).map_err(|_| damaged())?;
    Unverified { value, signature: stored.signature }.trust_stored(&stored.id).ok_or_else(damaged)
}

pub(super) fn stamp(store: &Sqlite, pos: Pos) -> Result<Stamp, StoreError> {
    let sql = "SELECT height, id FROM entry WHERE pos = ?1";
    store.one("reading a stamp", sql, params![pos.to_i64()], read_stamp)?.ok_or_else(|| absent(pos))
}

pub(super) fn author(store: &Sqlite, pos: Pos) -> Result<Identity, StoreError> {
    let sql = "SELECT key FROM entry JOIN author ON author.no = entry.author WHERE pos = ?1";
    let key = store.one("reading an author", sql, params![pos.to_i64()], |row| row.get(0))?;
    identity(&key.ok_or_else(|| absent(pos))?)
}

pub(super) fn parents(store: &Sqlite, pos: Pos) -> Result<Vec<Pos>, StoreError> {
    let sql = "SELECT parents FROM entry WHERE pos = ?1";
    let bytes: Option<Vec<u8>> = store.one("reading parents", sql, params![pos.to_i64()], |row| row.get(0))?;
    positions(&bytes.ok_or_else(|| absent(pos))?)
}

pub(super) fn last_of_chain(store: &Sqlite, chain: u32) -> Result<Option<Pos>, StoreError> {
    let start = i64::from(chain) << SEQUENCE_BITS;
    let sql = "SELECT pos FROM entry WHERE pos BETWEEN ?1 AND ?2 ORDER BY pos DESC LIMIT 1";
    let end = start | ((1 << SEQUENCE_BITS) - 1);
    store.one("reading the end of a chain", sql, params![start, end], |row| row.get(0))?.map(position).transpose()
}

pub(super) fn stamps(store: &Sqlite, from: Pos, last: u64, count_max: usize) -> Result<Vec<Stamp>, StoreError> {
    let Some(last) = Pos::new(from.chain(), last) else { return Ok(Vec::new()) };
    let sql = "SELECT height, id FROM entry WHERE pos BETWEEN ?1 AND ?2 ORDER BY pos LIMIT ?3";
    let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
    store.all("reading a chain", sql, params![from.to_i64(), last.to_i64(), count_max], read_stamp)
}

pub(super) fn insert(tx: &WriteTx<'_>, pos: Pos, header: &SignedHeader, parents: &[Pos]) -> Result<(), StoreError> {
    let parents: Vec<u8> = parents.iter().flat_map(|parent| parent.to_i64().to_be_bytes()).collect();
    let sql = "INSERT INTO entry(pos, id, height, author, time_ms, parents, payload_hash, payload_bytes, signature)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let row = params![
        pos.to_i64(),
        header.id().0,
        header.height.cast_signed(),
        author_number(tx, &header.author)?,
        header.time_ms.cast_signed(),
        parents,
        header.payload_hash.0,
        header.payload_bytes,
        header.signature().0,
    ];
    tx.write("writing a header", sql, row)?;
    let sql = "INSERT INTO entry_by_prefix(prefix, pos) VALUES (?1, ?2)";
    tx.write("writing a prefix", sql, params![header.id().prefix().cast_signed(), pos.to_i64()])?;
    Ok(())
}

fn author_number(tx: &WriteTx<'_>, author: &Identity) -> Result<i64, StoreError> {
    let key = identity_bytes(author);
    let sql = "SELECT no FROM author WHERE key = ?1";
    if let Some(number) = tx.one("looking for an author", sql, params![key], |row| row.get(0))? {
        return Ok(number);
    }
    tx.write("writing an author", "INSERT INTO author(key) VALUES (?1)", params![key])?;
    Ok(tx.connection.last_insert_rowid())
}

/// Suite byte and key.
pub(super) fn identity_bytes(identity: &Identity) -> [u8; 33] {
    let mut bytes = [0; 33];
    bytes[0] = match identity.suite {
        Suite::Ed25519 => 1,
    };
    bytes[1..].copy_from_slice(&identity.key);
    bytes
}

fn identity(bytes: &[u8; 33]) -> Result<Identity, StoreError> {
    match bytes {
        [1, key @ ..] => Ok(Identity { suite: Suite::Ed25519, key: *key }),
        _ => Err(StoreError::corrupt("an author has an unknown suite")),
    }
}

fn read_stamp(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stamp> {
    Ok(Stamp { height: row.get::<_, i64>(0)?.cast_unsigned(), id: EntryId(row.get(1)?) })
}

fn positions(bytes: &[u8]) -> Result<Vec<Pos>, StoreError> {
    let (numbers, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(StoreError::corrupt("a list of parents is cut off"));
    }
    numbers.iter().map(|number| position(i64::from_be_bytes(*number))).collect()
}

fn position(number: i64) -> Result<Pos, StoreError> {
    Pos::from_i64(number).ok_or_else(|| StoreError::corrupt(format!("{number} is no position")))
}

fn absent(pos: Pos) -> StoreError {
    StoreError::corrupt(format!("no entry at chain {} sequence {}", pos.chain(), pos.sequence()))
}
