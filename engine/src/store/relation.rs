//! Rows, their writes and what finds them, in SQLite. Writing is in `relation/write.rs`.

mod write;

use std::ops::ControlFlow;

use rusqlite::{Params, Row, params};

use crate::cotx::{Grant, VerdictStore};
use crate::crdt::{OperationKey, Rank};
use crate::fault::StoreError;
use crate::log::Pos;
use crate::relation::payload::Span;
use crate::relation::{
    ClaimRecord, CoTx, IndexKey, Marks, ReferenceRecord, RelationStore, RowId, RowKey, RowRecord, Walk, WriteRecord,
};
use crate::store::sqlite::{Sqlite, failed};

/// Where the height of a release stands, of what nothing releases.
const OPEN: i64 = i64::MAX;

/// Bits of an operation's index in its co-transaction; the index of that stands above them.
const OPERATION_BITS: u32 = 20;

const _: () = assert!(crate::limits::OPERATIONS_MAX <= 1 << OPERATION_BITS);

impl RelationStore for Sqlite {
    fn row(&self, key: RowKey) -> Result<Option<RowRecord>, StoreError> {
        let sql = "SELECT pos, at, tbl, id, offset, bytes, marks FROM row_insert WHERE pos = ?1 AND at = ?2";
        let found = self.one("reading a row", sql, params![key.pos.to_i64(), at(key)], read_row)?;
        found.transpose()
    }

    fn rows_of_entry(&self, pos: Pos) -> Result<Vec<RowRecord>, StoreError> {
        let sql = "SELECT pos, at, tbl, id, offset, bytes, marks FROM row_insert WHERE pos = ?1 ORDER BY at";
        let found = self.all("reading the rows of an entry", sql, params![pos.to_i64()], read_row)?;
        found.into_iter().collect()
    }

    fn rows_with_id(&self, table: usize, id: RowId) -> Result<Vec<RowRecord>, StoreError> {
        let sql = "SELECT pos, at, tbl, id, offset, bytes, marks FROM row_insert WHERE tbl = ?1 AND id = ?2";
        let found = self.all("reading rows by id", sql, params![number(table)?, id.0], read_row)?;
        found.into_iter().collect()
    }

    fn row_with_derived_id(&self, table: usize, id: RowId) -> Result<Option<RowKey>, StoreError> {
        let sql = "SELECT pos, at FROM row_derived_id WHERE tbl = ?1 AND id = ?2";
        let found = self.one("reading a derived id", sql, params![number(table)?, id.0], |row| read_key(row, 0))?;
        found.transpose()
    }

    fn rows_of_table(
        &self,
        table: usize,
        after: Option<(RowId, RowKey)>,
        count_max: usize,
    ) -> Result<Vec<RowRecord>, StoreError> {
        let sql = "SELECT pos, at, tbl, id, offset, bytes, marks FROM row_insert
                   WHERE tbl = ?1 AND (id, pos, at) > (?2, ?3, ?4) ORDER BY id, pos, at LIMIT ?5";
        let (id, pos, place) = match after {
            None => (&[][..], 0, 0),
            Some((ref id, key)) => (&id.0[..], key.pos.to_i64(), at(key)),
        };
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        let found = self.all("reading a table", sql, params![number(table)?, id, pos, place, count_max], read_row)?;
        found.into_iter().collect()
    }

    fn granting_row(&self, of: CoTx) -> Result<Option<RowKey>, StoreError> {
        Ok(match self.grant(of)? {
            Grant::Row(row) => Some(row),
            Grant::Nothing => None,
        })
    }

    fn deletes(&self, row: RowKey) -> Result<Vec<OperationKey>, StoreError> {
        let sql = "SELECT pos, at FROM row_delete WHERE row_pos = ?1 AND row_at = ?2";
        let params = params![row.pos.to_i64(), at(row)];
        let found = self.all("reading the deletes of a row", sql, params, |row| read_key(row, 0))?;
        found.into_iter().collect()
    }

    fn writes(
        &self,
        row: RowKey,
        group: usize,
        height_max: u64,
        visit: &mut dyn FnMut(WriteRecord) -> Walk,
    ) -> Result<(), StoreError> {
        let sql = "SELECT pos, at, height, prefix, offset, bytes FROM row_update
                   WHERE row_pos = ?1 AND row_at = ?2 AND grp = ?3 AND height <= ?4
                   ORDER BY height DESC, prefix DESC";
        let params = params![row.pos.to_i64(), at(row), number(group)?, height(height_max)];
        self.walk(("reading the updates of a row", sql), params, read_write, visit)
    }

    fn claims(&self, key: IndexKey, from: u64, visit: &mut dyn FnMut(ClaimRecord) -> Walk) -> Result<(), StoreError> {
        let sql = "SELECT row_pos, row_at, pos, at FROM row_claim WHERE key = ?1 AND closed >= ?2";
        let read = |row: &Row<'_>| {
            let (of, write) = (read_key(row, 0)?, read_key(row, 2)?);
            Ok(of.and_then(|row| Ok(ClaimRecord { row, write: write? })))
        };
        self.walk(("reading the claims of a key", sql), params![key.0, height(from)], read, visit)
    }

    fn references(&self, target: RowKey, visit: &mut dyn FnMut(ReferenceRecord) -> Walk) -> Result<(), StoreError> {
        let sql = "SELECT row_pos, row_at, pos, at, tbl, foreign_key FROM row_reference
                   WHERE target_pos = ?1 AND target_at = ?2";
        let params = params![target.pos.to_i64(), at(target)];
        self.walk(("reading the references to a row", sql), params, read_reference, visit)
    }

    fn references_by(
        &self,
        target: RowKey,
        (first, last): (Pos, Pos),
        visit: &mut dyn FnMut(ReferenceRecord) -> Walk,
    ) -> Result<(), StoreError> {
        let sql = "SELECT row_pos, row_at, pos, at, tbl, foreign_key FROM row_reference
                   WHERE target_pos = ?1 AND target_at = ?2 AND pos >= ?3 AND pos <= ?4";
        let params = params![target.pos.to_i64(), at(target), first.to_i64(), last.to_i64()];
        self.walk(("reading some references to a row", sql), params, read_reference, visit)
    }

    fn guards(&self, key: IndexKey, from: u64, visit: &mut dyn FnMut(RowKey) -> Walk) -> Result<(), StoreError> {
        let sql = "SELECT pos, at FROM row_guard WHERE key = ?1 AND closed >= ?2";
        self.walk(
            ("looking for rows that policies read", sql),
            params![key.0, height(from)],
            |row| read_key(row, 0),
            visit,
        )
    }

    fn closed_guards(&self, key: IndexKey, from: u64) -> Result<Vec<(Rank, RowKey)>, StoreError> {
        let sql = "SELECT height, prefix, pos, at FROM row_guard WHERE key = ?1 AND closed >= ?2 AND closed < ?3";
        let found = self.all("looking for rows deleted", sql, params![key.0, height(from), OPEN], read_guard)?;
        found.into_iter().collect()
    }

    fn open_guards(
        &self,
        key: IndexKey,
        after: Option<(Rank, RowKey)>,
        count_max: usize,
    ) -> Result<Vec<(Rank, RowKey)>, StoreError> {
        let sql = "SELECT height, prefix, pos, at FROM row_guard
                   WHERE key = ?1 AND closed = ?2 AND (height, prefix, pos, at) > (?3, ?4, ?5, ?6)
                   ORDER BY height, prefix, pos, at LIMIT ?7";
        let (level, prefix, pos, place) = match after {
            None => (-1, 0, 0, 0),
            Some((rank, row)) => (height(rank.height), signed_prefix(rank.prefix), row.pos.to_i64(), at(row)),
        };
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        let params = params![key.0, OPEN, level, prefix, pos, place, count_max];
        let found = self.all("looking for rows that are there", sql, params, read_guard)?;
        found.into_iter().collect()
    }
}

impl Sqlite {
    /// Hands rows to `visit` until it breaks.
    pub(super) fn walk<T>(
        &self,
        (doing, sql): (&'static str, &str),
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<Result<T, StoreError>>,
        visit: &mut dyn FnMut(T) -> Walk,
    ) -> Result<(), StoreError> {
        let failed = failed(doing);
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let mut rows = statement.query(params).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            if visit(read(row).map_err(&failed)??)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

/// The indices of an operation as one number.
pub(super) fn at(key: OperationKey) -> i64 {
    i64::from(key.transaction) << OPERATION_BITS | i64::from(key.operation)
}

/// A height as stored; beyond all heights is [`OPEN`].
fn height(height: u64) -> i64 {
    i64::try_from(height).unwrap_or(OPEN)
}

/// The prefix of an entry id as a signed number of the same order.
fn signed_prefix(prefix: u64) -> i64 {
    (prefix ^ (1 << 63)).cast_signed()
}

fn number(index: usize) -> Result<i64, StoreError> {
    i64::try_from(index).map_err(|_| StoreError::corrupt(format!("{index} is no index of a schema")))
}

fn index(number: i64) -> Result<usize, StoreError> {
    usize::try_from(number).map_err(|_| StoreError::corrupt(format!("{number} is no index of a schema")))
}

/// Reads an operation from two columns, the first of them `column`.
pub(super) fn read_key(row: &Row<'_>, column: usize) -> rusqlite::Result<Result<OperationKey, StoreError>> {
    let (pos, at): (i64, i64) = (row.get(column)?, row.get(column + 1)?);
    let key = || {
        let transaction = u32::try_from(at >> OPERATION_BITS).ok()?;
        let operation = u32::try_from(at & ((1 << OPERATION_BITS) - 1)).ok()?;
        Some(OperationKey { pos: Pos::from_i64(pos)?, transaction, operation })
    };
    Ok(key().ok_or_else(|| StoreError::corrupt(format!("({pos}, {at}) is no operation"))))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Result<RowRecord, StoreError>> {
    let (key, table) = (read_key(row, 0)?, row.get(2)?);
    let (id, span) = (RowId(row.get(3)?), Span { offset: row.get(4)?, bytes: row.get(5)? });
    let marks = Marks(row.get(6)?);
    Ok(key.and_then(|key| Ok(RowRecord { key, table: index(table)?, id, span, marks })))
}

fn read_write(row: &Row<'_>) -> rusqlite::Result<Result<WriteRecord, StoreError>> {
    let key = read_key(row, 0)?;
    let height = row.get::<_, i64>(2)?.cast_unsigned();
    let prefix = row.get::<_, i64>(3)?.cast_unsigned() ^ (1 << 63);
    let span = Span { offset: row.get(4)?, bytes: row.get(5)? };
    Ok(key.map(|key| WriteRecord { key, rank: Rank { height, prefix }, span }))
}

fn read_guard(row: &Row<'_>) -> rusqlite::Result<Result<(Rank, RowKey), StoreError>> {
    let height = row.get::<_, i64>(0)?.cast_unsigned();
    let prefix = row.get::<_, i64>(1)?.cast_unsigned() ^ (1 << 63);
    let key = read_key(row, 2)?;
    Ok(key.map(|key| (Rank { height, prefix }, key)))
}

fn read_reference(row: &Row<'_>) -> rusqlite::Result<Result<ReferenceRecord, StoreError>> {
    let (of, write) = (read_key(row, 0)?, read_key(row, 2)?);
    let (table, foreign_key) = (row.get(4)?, row.get(5)?);
    Ok(of.and_then(|row| {
        Ok(ReferenceRecord { row, write: write?, table: index(table)?, foreign_key: index(foreign_key)? })
    }))
}
