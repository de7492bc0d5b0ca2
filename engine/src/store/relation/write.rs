//! Writing rows, their writes and what finds them.

use rusqlite::params;

use super::{OPEN, at, height, number, signed_prefix};
use crate::crdt::{OperationKey, Rank};
use crate::fault::StoreError;
use crate::relation::{
    ClaimRecord, IndexKey, Marks, ReferenceRecord, RelationWriter, RowId, RowKey, RowRecord, WriteRecord,
};
use crate::store::tx::WriteTx;

impl RelationWriter for WriteTx<'_> {
    fn insert_row(&self, row: &RowRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO row_insert(pos, at, tbl, id, offset, bytes, marks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (pos, place) = (row.key.pos.to_i64(), at(row.key));
        let (offset, bytes) = (row.span.offset, row.span.bytes);
        let params = params![pos, place, number(row.table)?, row.id.0, offset, bytes, row.marks.0];
        self.write("writing a row", sql, params).map(|_| ())
    }

    fn mark_row(&self, row: RowKey, marks: Marks) -> Result<(), StoreError> {
        let sql = "UPDATE row_insert SET marks = marks | ?3 WHERE pos = ?1 AND at = ?2 AND marks & ?3 <> ?3";
        self.write("marking a row", sql, params![row.pos.to_i64(), at(row), marks.0]).map(|_| ())
    }

    fn insert_derived_id(&self, table: usize, id: RowId, row: RowKey) -> Result<(), StoreError> {
        let sql = "INSERT INTO row_derived_id(tbl, id, pos, at) VALUES (?1, ?2, ?3, ?4)";
        let params = params![number(table)?, id.0, row.pos.to_i64(), at(row)];
        self.write("writing a derived id", sql, params).map(|_| ())
    }

    fn insert_write(&self, row: RowKey, group: usize, write: &WriteRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO row_update(row_pos, row_at, grp, height, prefix, pos, at, offset, bytes)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let params = params![
            row.pos.to_i64(),
            at(row),
            number(group)?,
            write.rank.height.cast_signed(),
            signed_prefix(write.rank.prefix),
            write.key.pos.to_i64(),
            at(write.key),
            write.span.offset,
            write.span.bytes,
        ];
        self.write("writing an update", sql, params).map(|_| ())
    }

    fn insert_delete(&self, row: RowKey, delete: OperationKey) -> Result<(), StoreError> {
        let sql = "INSERT INTO row_delete(row_pos, row_at, pos, at) VALUES (?1, ?2, ?3, ?4)";
        let params = params![row.pos.to_i64(), at(row), delete.pos.to_i64(), at(delete)];
        self.write("writing a delete", sql, params).map(|_| ())
    }

    fn insert_claim(&self, key: IndexKey, claim: &ClaimRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO row_claim(key, closed, row_pos, row_at, pos, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (row, write) = (claim.row, claim.write);
        let params = params![key.0, OPEN, row.pos.to_i64(), at(row), write.pos.to_i64(), at(write)];
        self.write("writing a claim", sql, params).map(|_| ())
    }

    fn insert_reference(&self, target: RowKey, reference: &ReferenceRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO row_reference(target_pos, target_at, row_pos, row_at, tbl, foreign_key, pos, at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let params = params![
            target.pos.to_i64(),
            at(target),
            reference.row.pos.to_i64(),
            at(reference.row),
            number(reference.table)?,
            number(reference.foreign_key)?,
            reference.write.pos.to_i64(),
            at(reference.write),
        ];
        self.write("writing a reference", sql, params).map(|_| ())
    }

    fn close_claim(&self, key: IndexKey, claim: &ClaimRecord, released: u64) -> Result<(), StoreError> {
        let sql = "UPDATE row_claim SET closed = ?1
                   WHERE key = ?2 AND closed = ?3 AND row_pos = ?4 AND row_at = ?5 AND pos = ?6 AND at = ?7";
        let (row, write) = (claim.row, claim.write);
        let params = params![height(released), key.0, OPEN, row.pos.to_i64(), at(row), write.pos.to_i64(), at(write)];
        self.write("closing a claim", sql, params).map(|_| ())
    }

    fn insert_guard(&self, key: IndexKey, row: RowKey, rank: Rank) -> Result<(), StoreError> {
        let sql = "INSERT INTO row_guard(key, closed, height, prefix, pos, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (level, prefix) = (height(rank.height), signed_prefix(rank.prefix));
        let params = params![key.0, OPEN, level, prefix, row.pos.to_i64(), at(row)];
        self.write("writing a guard", sql, params).map(|_| ())
    }

    fn close_guard(&self, key: IndexKey, row: RowKey, deleted: u64) -> Result<(), StoreError> {
        let sql = "UPDATE row_guard SET closed = ?1 WHERE key = ?2 AND closed = ?3 AND pos = ?4 AND at = ?5";
        let params = params![height(deleted), key.0, OPEN, row.pos.to_i64(), at(row)];
        self.write("closing a guard", sql, params).map(|_| ())
    }

    fn open_claim(&self, key: IndexKey, claim: &ClaimRecord) -> Result<(), StoreError> {
        let sql = "UPDATE row_claim SET closed = ?1
                   WHERE key = ?2 AND closed < ?1 AND row_pos = ?3 AND row_at = ?4 AND pos = ?5 AND at = ?6";
        let (row, write) = (claim.row, claim.write);
        let params = params![OPEN, key.0, row.pos.to_i64(), at(row), write.pos.to_i64(), at(write)];
        self.write("opening a claim", sql, params).map(|_| ())
    }

    fn open_guard(&self, key: IndexKey, row: RowKey) -> Result<(), StoreError> {
        let sql = "UPDATE row_guard SET closed = ?1 WHERE key = ?2 AND closed < ?1 AND pos = ?3 AND at = ?4";
        self.write("opening a guard", sql, params![OPEN, key.0, row.pos.to_i64(), at(row)]).map(|_| ())
    }
}
