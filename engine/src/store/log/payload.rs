//! Payloads in segments, so that one operation is read without loading all of a large payload.

use rusqlite::params;

use crate::fault::StoreError;
use crate::limits::{PAYLOAD_BYTES_MAX, SEGMENT_BYTES};
use crate::log::Pos;
use crate::store::sqlite::Sqlite;
use crate::store::tx::WriteTx;

pub(super) fn insert(tx: &WriteTx<'_>, pos: Pos, payload: &[u8]) -> Result<(), StoreError> {
    let (first, rest) = payload.split_at(payload.len().min(SEGMENT_BYTES as usize));
    let sql = "INSERT INTO payload(pos, bytes) VALUES (?1, ?2)";
    tx.write("writing a payload", sql, params![pos.to_i64(), first])?;
    for (segment, bytes) in (1_u32..).zip(rest.chunks(SEGMENT_BYTES as usize)) {
        let sql = "INSERT INTO payload_rest(pos, segment, bytes) VALUES (?1, ?2, ?3)";
        tx.write("writing a payload segment", sql, params![pos.to_i64(), segment, bytes])?;
    }
    Ok(())
}

pub(super) fn payload(store: &Sqlite, pos: Pos) -> Result<Vec<u8>, StoreError> {
    let sql = "SELECT payload_bytes FROM entry WHERE pos = ?1";
    let count = store.one("reading the length of a payload", sql, params![pos.to_i64()], |row| row.get(0))?;
    payload_slice(store, pos, 0, count.ok_or_else(|| short(pos))?)
}

pub(super) fn payload_start(store: &Sqlite, pos: Pos) -> Result<Vec<u8>, StoreError> {
    let mut start = Vec::new();
    read_segment(store, pos, 0, |stored| {
        start.extend_from_slice(stored);
        Some(())
    })?;
    Ok(start)
}

pub(super) fn payload_slice(store: &Sqlite, pos: Pos, offset: u32, count: u32) -> Result<Vec<u8>, StoreError> {
    let end = offset.checked_add(count).filter(|end| *end <= PAYLOAD_BYTES_MAX).ok_or_else(|| short(pos))?;
    let mut bytes = Vec::with_capacity(count as usize);
    let mut next = offset;
    while next < end {
        let segment = next / SEGMENT_BYTES;
        let start = segment * SEGMENT_BYTES;
        let (from, to) = ((next - start) as usize, (end - start).min(SEGMENT_BYTES) as usize);
        read_segment(store, pos, segment, |stored| {
            let part = stored.get(from..to);
            part.map(|part| bytes.extend_from_slice(part))
        })?;
        next = start + SEGMENT_BYTES;
    }
    Ok(bytes)
}

/// Hands the bytes of a segment to `take`, which answers nothing if they are too short for it.
fn read_segment(
    store: &Sqlite,
    pos: Pos,
    segment: u32,
    take: impl FnOnce(&[u8]) -> Option<()>,
) -> Result<(), StoreError> {
    let doing = "reading a payload segment";
    let read = |row: &rusqlite::Row<'_>| Ok(take(row.get_ref(0)?.as_blob()?));
    let taken = match segment {
        0 => store.one(doing, "SELECT bytes FROM payload WHERE pos = ?1", params![pos.to_i64()], read)?,
        _ => {
            let sql = "SELECT bytes FROM payload_rest WHERE pos = ?1 AND segment = ?2";
            store.one(doing, sql, params![pos.to_i64(), segment], read)?
        }
    };
    taken.flatten().ok_or_else(|| short(pos))
}

fn short(pos: Pos) -> StoreError {
    StoreError::corrupt(format!("the payload at chain {} sequence {} is short", pos.chain(), pos.sequence()))
}
