//! Verdicts in SQLite. Writing is in `cotx/write.rs`.

mod write;

use rusqlite::{Row, params};

use crate::cotx::{AsOf, Flip, Grant, VerdictStore, Void, VoidReason};
use crate::fault::StoreError;
use crate::limits::SEQUENCE_BITS;
use crate::log::Pos;
use crate::relation::{CoTx, RowKey, Verdicts, Walk};
use crate::store::relation::{at, read_key};
use crate::store::sqlite::Sqlite;

impl Verdicts for Sqlite {
    fn is_void(&self, of: CoTx) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM cotx_void WHERE pos = ?1 AND tx = ?2";
        Ok(self
            .one("looking for a void co-transaction", sql, params![of.pos.to_i64(), of.transaction], |_| Ok(()))?
            .is_some())
    }
}

impl VerdictStore for Sqlite {
    fn void(&self, of: CoTx) -> Result<Option<Void>, StoreError> {
        let sql = "SELECT reason, operation, culprit_pos, culprit_tx, row_pos, row_at, part FROM cotx_void
                   WHERE pos = ?1 AND tx = ?2";
        let found =
            self.one("reading a verdict", sql, params![of.pos.to_i64(), of.transaction], |row| read_void(row, 0))?;
        Ok(found.transpose()?.flatten())
    }

    fn voids_of_entry(&self, pos: Pos) -> Result<Vec<(u32, Void)>, StoreError> {
        let sql = "SELECT reason, operation, culprit_pos, culprit_tx, row_pos, row_at, part, tx FROM cotx_void
                   WHERE pos = ?1 ORDER BY tx";
        let read = |row: &Row<'_>| Ok((row.get::<_, u32>(7)?, read_void(row, 0)?));
        let found = self.all("reading the verdicts of an entry", sql, params![pos.to_i64()], read)?;
        let known = found.into_iter().map(|(transaction, void)| Ok(void?.map(|void| (transaction, void))));
        known.filter_map(Result::transpose).collect()
    }

    fn void_as_of(&self, of: CoTx, basis: u64) -> Result<Option<Void>, StoreError> {
        let sql = "SELECT reason, operation, culprit_pos, culprit_tx, row_pos, row_at, part FROM cotx_flip
                   WHERE pos = ?1 AND tx = ?2 AND no <= ?3 ORDER BY no DESC LIMIT 1";
        let params = params![of.pos.to_i64(), of.transaction, signed(basis)];
        let found = self.one("reading a verdict of before", sql, params, |row| read_void(row, 0))?;
        Ok(found.transpose()?.flatten())
    }

    fn voids_within(&self, (first, last): (Pos, Pos), as_of: AsOf, count_max: usize) -> Result<Vec<CoTx>, StoreError> {
        let (first, last) = (first.to_i64(), last.to_i64());
        let (doing, count_max) = ("reading who is void", i64::try_from(count_max).unwrap_or(i64::MAX));
        let found = match as_of {
            AsOf::Now => {
                let sql = "SELECT pos, tx FROM cotx_void WHERE pos >= ?1 AND pos <= ?2 ORDER BY pos, tx LIMIT ?3";
                self.all(doing, sql, params![first, last, count_max], read_cotx)?
            }
            AsOf::Basis(basis) => {
                // Columns beside one max() are those of the row that has it.
                let sql = "SELECT pos, tx, reason, max(no) FROM cotx_flip WHERE pos >= ?1 AND pos <= ?2 AND no <= ?3
                           GROUP BY pos, tx HAVING reason IS NOT NULL ORDER BY pos, tx LIMIT ?4";
                self.all(doing, sql, params![first, last, signed(basis), count_max], read_cotx)?
            }
        };
        found.into_iter().collect()
    }

    fn basis(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(no), 0) FROM cotx_flip";
        let no = self.one("reading the number of the last flip", sql, [], |row| row.get::<_, i64>(0))?;
        Ok(no.unwrap_or(0).cast_unsigned())
    }

    fn flips(&self, after: u64, last: u64, visit: &mut dyn FnMut(Flip) -> Walk) -> Result<(), StoreError> {
        let sql = "SELECT reason, operation, culprit_pos, culprit_tx, row_pos, row_at, part, no, pos, tx FROM cotx_flip
                   WHERE no > ?1 AND no <= ?2 ORDER BY no";
        self.walk(("reading flips", sql), params![signed(after), signed(last)], read_flip, visit)
    }

    fn flips_of(&self, of: CoTx) -> Result<Vec<Flip>, StoreError> {
        let sql = "SELECT reason, operation, culprit_pos, culprit_tx, row_pos, row_at, part, no, pos, tx FROM cotx_flip
                   WHERE pos = ?1 AND tx = ?2 ORDER BY no";
        let found = self.all("reading the flips of one", sql, params![of.pos.to_i64(), of.transaction], read_flip)?;
        found.into_iter().collect()
    }

    fn readers(
        &self,
        row: RowKey,
        (first, last): (Pos, Pos),
        visit: &mut dyn FnMut(Pos) -> Walk,
    ) -> Result<(), StoreError> {
        let sql = "SELECT pos FROM cotx_reader WHERE row_pos = ?1 AND row_at = ?2 AND pos >= ?3 AND pos <= ?4";
        let params = params![row.pos.to_i64(), at(row), first.to_i64(), last.to_i64()];
        self.walk(("reading the readers of a row", sql), params, |row| Ok(place(row.get(0)?)), visit)
    }

    fn grant(&self, of: CoTx) -> Result<Grant, StoreError> {
        let sql = "SELECT row_pos, row_at FROM cotx_seniority WHERE pos = ?1 AND tx <= ?2 ORDER BY tx DESC LIMIT 1";
        let params = params![of.pos.to_i64(), of.transaction];
        let found = self.one("reading a seniority", sql, params, |row| read_row_key(row, 0))?;
        let found = found.ok_or_else(|| StoreError::corrupt(format!("{of:?} has no seniority")))?;
        Ok(found?.map_or(Grant::Nothing, Grant::Row))
    }

    fn edge_chains(&self, after: Option<(u32, u32)>) -> Result<Option<(u32, u32)>, StoreError> {
        let (source, target) = after.map_or((-1, -1), |(source, target)| (i64::from(source), i64::from(target)));
        let sql = "SELECT source_chain, target_chain FROM cotx_edge WHERE (source_chain, target_chain) > (?1, ?2)
                   ORDER BY source_chain, target_chain LIMIT 1";
        self.one("reading dependencies", sql, params![source, target], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn edge_target(&self, source: Pos, chain: u32) -> Result<u64, StoreError> {
        let sql = "SELECT target FROM cotx_edge WHERE source_chain = ?1 AND target_chain = ?2 AND source <= ?3
                   ORDER BY source DESC LIMIT 1";
        let params = params![source.chain(), chain, signed(source.sequence())];
        let found = self.one("reading a dependency", sql, params, |row| row.get::<_, i64>(0))?;
        Ok(found.unwrap_or(0).cast_unsigned())
    }

    fn dispute(&self, of: CoTx) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT grp FROM cotx_dispute WHERE pos = ?1 AND tx = ?2";
        let found =
            self.one("reading a dispute", sql, params![of.pos.to_i64(), of.transaction], |row| row.get::<_, i64>(0))?;
        Ok(found.map(i64::cast_unsigned))
    }

    fn dispute_members(&self, group: u64) -> Result<Vec<CoTx>, StoreError> {
        let sql = "SELECT pos, tx FROM cotx_dispute WHERE grp = ?1 ORDER BY pos, tx";
        let found = self.all("reading the members of a dispute", sql, params![signed(group)], read_cotx)?;
        found.into_iter().collect()
    }

    fn disputes_around(&self, of: CoTx) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT grp FROM cotx_dispute WHERE pos = ?1 AND tx = ?2
                   UNION SELECT grp FROM cotx_dispute_region WHERE pos = ?1 AND tx = ?2";
        let params = params![of.pos.to_i64(), of.transaction];
        let found = self.all("reading the disputes around one", sql, params, |row| row.get::<_, i64>(0))?;
        Ok(found.into_iter().map(i64::cast_unsigned).collect())
    }

    fn disputes_above(&self, from: Pos) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT grp FROM cotx_dispute_ground WHERE chain = ?1 AND last >= ?2";
        let params = params![from.chain(), signed(from.sequence())];
        let found = self.all("reading what disputes take as given", sql, params, |row| row.get::<_, i64>(0))?;
        Ok(found.into_iter().map(i64::cast_unsigned).collect())
    }

    fn next_dispute(&self, from: Pos) -> Result<Option<Pos>, StoreError> {
        let sql = "SELECT pos FROM cotx_dispute WHERE pos >= ?1 AND pos < ?2 ORDER BY pos LIMIT 1";
        let end = (i64::from(from.chain()) + 1) << SEQUENCE_BITS;
        self.one("looking for a dispute", sql, params![from.to_i64(), end], |row| Ok(place(row.get(0)?)))?.transpose()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn place(number: i64) -> Result<Pos, StoreError> {
    Pos::from_i64(number).ok_or_else(|| StoreError::corrupt(format!("{number} is no place of an entry")))
}

fn read_cotx(row: &Row<'_>) -> rusqlite::Result<Result<CoTx, StoreError>> {
    let (pos, transaction) = (row.get(0)?, row.get(1)?);
    Ok(place(pos).map(|pos| CoTx { pos, transaction }))
}

/// Reads the key of a row from two columns that may be NULL.
fn read_row_key(row: &Row<'_>, column: usize) -> rusqlite::Result<Result<Option<RowKey>, StoreError>> {
    if row.get::<_, Option<i64>>(column)?.is_none() {
        return Ok(Ok(None));
    }
    Ok(read_key(row, column)?.map(Some))
}

/// Reads a verdict from seven columns; a NULL reason stands for live.
fn read_void(row: &Row<'_>, column: usize) -> rusqlite::Result<Result<Option<Void>, StoreError>> {
    let Some(code) = row.get::<_, Option<u8>>(column)? else { return Ok(Ok(None)) };
    let operation = row.get(column + 1)?;
    let culprit = match (row.get::<_, Option<i64>>(column + 2)?, row.get::<_, Option<u32>>(column + 3)?) {
        (Some(pos), Some(transaction)) => Some((pos, transaction)),
        (None, _) | (_, None) => None,
    };
    let (witness, part) = (read_row_key(row, column + 4)?, row.get(column + 6)?);
    let read = || {
        let culprit = culprit.map(|(pos, transaction)| Ok::<_, StoreError>(CoTx { pos: place(pos)?, transaction }));
        Ok(Some(Void { reason: reason_of(code)?, operation, culprit: culprit.transpose()?, row: witness?, part }))
    };
    Ok(read())
}

fn read_flip(row: &Row<'_>) -> rusqlite::Result<Result<Flip, StoreError>> {
    let void = read_void(row, 0)?;
    let (no, pos, transaction) = (row.get::<_, i64>(7)?.cast_unsigned(), row.get(8)?, row.get(9)?);
    Ok(void.and_then(|void| Ok(Flip { no, of: CoTx { pos: place(pos)?, transaction }, void })))
}

const REASONS: [VoidReason; 5] =
    [VoidReason::Permission, VoidReason::ForeignKey, VoidReason::Unique, VoidReason::Schema, VoidReason::Overridden];

fn reason_of(code: u8) -> Result<VoidReason, StoreError> {
    let reason = REASONS.get(usize::from(code)).copied();
    reason.ok_or_else(|| StoreError::corrupt(format!("{code} is no reason of a verdict")))
}
