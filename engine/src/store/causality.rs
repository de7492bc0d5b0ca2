//! Clocks in SQLite.

use std::ops::ControlFlow;

use rusqlite::params;

use crate::causality::{ClockStore, ClockWriter, Pos};
use crate::fault::StoreError;
use crate::limits::SEQUENCE_BITS;
use crate::store::sqlite::{Sqlite, failed};
use crate::store::tx::WriteTx;

impl ClockStore for Sqlite {
    fn visit_clocks<B>(
        &self,
        from: Pos,
        mut visit: impl FnMut(&[u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>, StoreError> {
        let failed = failed("reading clocks");
        let sql = "SELECT bytes FROM clock WHERE pos <= ?1 AND pos > ?2 ORDER BY pos DESC";
        let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
        let chain_start = i64::from(from.chain()) << SEQUENCE_BITS;
        let mut rows = statement.query(params![from.to_i64(), chain_start]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let bytes = row.get_ref(0).map_err(&failed)?;
            let bytes = bytes.as_blob().map_err(|_| StoreError::corrupt("a clock is no blob"))?;
            if let ControlFlow::Break(found) = visit(bytes) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl ClockWriter for WriteTx<'_> {
    fn insert_clock(&self, pos: Pos, clock: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO clock(pos, bytes) VALUES (?1, ?2)";
        self.write("writing a clock", sql, params![pos.to_i64(), clock]).map(|_| ())
    }
}
