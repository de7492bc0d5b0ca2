//! Writing verdicts.

use rusqlite::{ToSql, params};

use super::{REASONS, signed};
use crate::cotx::{Grant, VerdictStore, VerdictWriter, Void};
use crate::fault::StoreError;
use crate::log::Pos;
use crate::relation::{CoTx, RowKey};
use crate::store::relation::at;
use crate::store::tx::WriteTx;

impl VerdictWriter for WriteTx<'_> {
    fn insert_flip(&self, of: CoTx, void: Option<&Void>) -> Result<(), StoreError> {
        match void {
            Some(void) => self.update_void(of, void)?,
            None => {
                let sql = "DELETE FROM cotx_void WHERE pos = ?1 AND tx = ?2";
                self.write("removing a verdict", sql, params![of.pos.to_i64(), of.transaction])?;
            }
        }
        let sql = "INSERT INTO cotx_flip(pos, tx, reason, operation, culprit_pos, culprit_tx, row_pos, row_at, part)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.write_void("writing a flip", sql, of, void)
    }

    fn update_void(&self, of: CoTx, void: &Void) -> Result<(), StoreError> {
        let sql =
            "INSERT OR REPLACE INTO cotx_void(pos, tx, reason, operation, culprit_pos, culprit_tx, row_pos, row_at, part)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.write_void("writing a verdict", sql, of, Some(void))
    }

    fn insert_reader(&self, row: RowKey, pos: Pos) -> Result<bool, StoreError> {
        let sql = "INSERT OR IGNORE INTO cotx_reader(row_pos, row_at, pos) VALUES (?1, ?2, ?3)";
        Ok(self.write("writing a reader", sql, params![row.pos.to_i64(), at(row), pos.to_i64()])? > 0)
    }

    fn insert_grant(&self, of: CoTx, grant: Grant) -> Result<(), StoreError> {
        let row = match grant {
            Grant::Row(row) => Some(row),
            Grant::Nothing => None,
        };
        let sql = "INSERT INTO cotx_seniority(pos, tx, row_pos, row_at) VALUES (?1, ?2, ?3, ?4)";
        let params = params![of.pos.to_i64(), of.transaction, row.map(|row| row.pos.to_i64()), row.map(at)];
        self.write("writing a seniority", sql, params).map(|_| ())
    }

    fn insert_edge(&self, source: Pos, target: Pos) -> Result<(), StoreError> {
        if self.edge_target(source, target.chain())? >= target.sequence() {
            return Ok(());
        }
        let (from, to) = (signed(source.sequence()), signed(target.sequence()));
        let params = params![source.chain(), target.chain(), from, to];
        let sql =
            "DELETE FROM cotx_edge WHERE source_chain = ?1 AND target_chain = ?2 AND source >= ?3 AND target <= ?4";
        self.write("removing a dependency", sql, params)?;
        let sql = "INSERT INTO cotx_edge(source_chain, target_chain, source, target) VALUES (?1, ?2, ?3, ?4)";
        self.write("writing a dependency", sql, params).map(|_| ())
    }

    fn insert_dispute(&self, members: &[CoTx]) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(grp), 0) + 1 FROM cotx_dispute";
        let group = self.one("numbering a dispute", sql, [], |row| row.get::<_, i64>(0))?.unwrap_or(1);
        for of in members {
            let sql = "INSERT INTO cotx_dispute(pos, tx, grp) VALUES (?1, ?2, ?3)";
            self.write("writing a dispute", sql, params![of.pos.to_i64(), of.transaction, group])?;
        }
        Ok(group.cast_unsigned())
    }

    fn delete_dispute(&self, group: u64) -> Result<(), StoreError> {
        self.set_dispute_region(group, &[], &[])?;
        self.write("removing a dispute", "DELETE FROM cotx_dispute WHERE grp = ?1", params![signed(group)]).map(|_| ())
    }

    fn set_dispute_region(&self, group: u64, region: &[CoTx], ground: &[Pos]) -> Result<(), StoreError> {
        let sql = "DELETE FROM cotx_dispute_region WHERE grp = ?1";
        self.write("removing what a dispute depends on", sql, params![signed(group)])?;
        for of in region {
            let sql = "INSERT INTO cotx_dispute_region(pos, tx, grp) VALUES (?1, ?2, ?3)";
            let params = params![of.pos.to_i64(), of.transaction, signed(group)];
            self.write("writing what a dispute depends on", sql, params)?;
        }
        let sql = "DELETE FROM cotx_dispute_ground WHERE grp = ?1";
        self.write("removing what a dispute takes as given", sql, params![signed(group)])?;
        for last in ground {
            let sql = "INSERT INTO cotx_dispute_ground(grp, chain, last) VALUES (?1, ?2, ?3)";
            let params = params![signed(group), last.chain(), signed(last.sequence())];
            self.write("writing what a dispute takes as given", sql, params)?;
        }
        Ok(())
    }
}

impl WriteTx<'_> {
    /// Writes a co-transaction and the seven columns of its verdict.
    fn write_void(&self, doing: &'static str, sql: &str, of: CoTx, void: Option<&Void>) -> Result<(), StoreError> {
        let code =
            |void: &Void| REASONS.iter().zip(0_u8..).find(|(reason, _)| **reason == void.reason).map(|(_, code)| code);
        let culprit = void.and_then(|void| void.culprit);
        let row = void.and_then(|void| void.row);
        let columns: [&dyn ToSql; 9] = [
            &of.pos.to_i64(),
            &of.transaction,
            &void.and_then(code),
            &void.map(|void| void.operation),
            &culprit.map(|culprit| culprit.pos.to_i64()),
            &culprit.map(|culprit| culprit.transaction),
            &row.map(|row| row.pos.to_i64()),
            &row.map(at),
            &void.map(|void| void.part),
        ];
        self.write(doing, sql, columns.as_slice()).map(|_| ())
    }
}
