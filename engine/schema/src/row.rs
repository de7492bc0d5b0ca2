//! Whether a row, or the part of it that an operation writes, satisfies its table: types, NOT NULL, CHECK. The size of keys
//! is in `key.rs`.

use crate::{Check, Env, EvalError, KEY_BYTES_MAX, Table, Value, ValueError, is_not_false};

/// Why a table refuses a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The row has not as many cells as the table has columns.
    #[error("the row has {cell_count} cells, the table {column_count} columns")]
    Width {
        /// Cells found.
        cell_count: usize,
        /// Columns of the table.
        column_count: usize,
    },
    /// The column's type refuses the value.
    #[error("column {column}")]
    Value {
        /// The column's name.
        column: String,
        /// Why.
        #[source]
        cause: ValueError,
    },
    /// The column is NOT NULL.
    #[error("column {column} must not be NULL")]
    Null {
        /// The column's name.
        column: String,
    },
    /// The CHECK is false.
    #[error("CHECK {check} is false")]
    Check {
        /// The constraint's name.
        check: String,
    },
    /// The CHECK has no value.
    #[error("CHECK {check}")]
    Unevaluable {
        /// The constraint's name.
        check: String,
        /// Why.
        #[source]
        cause: EvalError,
    },
    /// A UNIQUE key is too large for an index.
    #[error("UNIQUE key {key} ({columns}) counts {bytes} bytes, at most {KEY_BYTES_MAX} fit into an index: shorten it")]
    Key {
        /// The constraint's name.
        key: String,
        /// Its columns.
        columns: String,
        /// What its values count.
        bytes: usize,
    },
}

impl Table {
    /// Checks a whole row, as inserted: types, NOT NULL and every CHECK.
    ///
    /// # Errors
    /// The first [`RowFault`], columns before CHECKs, each in declared order.
    pub fn check_row(&self, row: &[Option<Value>]) -> Result<(), RowFault> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        self.check_cells(row, &all)?;
        // Those without columns are in no update's way; a row that is inserted meets them.
        let unread: Vec<_> = self.checks.iter().filter(|check| check.columns.is_empty()).collect();
        unread.into_iter().try_for_each(|check| self.judge_check(check, row))
    }

    /// Checks the columns that an update writes, and every CHECK that reads one of them.
    ///
    /// * `row` - as wide as the table; only `id` and the written columns are read, because a CHECK lies within `id` and one
    ///   column group, and groups are written whole.
    /// * `written` - indices of the written columns.
    ///
    /// # Errors
    /// The first [`RowFault`], columns before CHECKs.
    pub fn check_cells(&self, row: &[Option<Value>], written: &[usize]) -> Result<(), RowFault> {
        if row.len() != self.columns.len() {
            return Err(RowFault::Width { cell_count: row.len(), column_count: self.columns.len() });
        }
        for index in written {
            let (Some(column), Some(cell)) = (self.columns.get(*index), row.get(*index)) else {
                return Err(RowFault::Width { cell_count: index.saturating_add(1), column_count: self.columns.len() });
            };
            match cell {
                None if column.not_null => return Err(RowFault::Null { column: column.name.to_string() }),
                None => {}
                Some(value) => column
                    .logical_type
                    .admits(value)
                    .map_err(|cause| RowFault::Value { column: column.name.to_string(), cause })?,
            }
        }
        let concerned = self.checks.iter().filter(|check| check.columns.iter().any(|column| written.contains(column)));
        concerned.into_iter().try_for_each(|check| self.judge_check(check, row))
    }

    fn judge_check(&self, check: &Check, row: &[Option<Value>]) -> Result<(), RowFault> {
        match is_not_false(&check.expr, Env { rows: &[row], author: None }) {
            Ok(true) => Ok(()),
            Ok(false) => Err(RowFault::Check { check: check.name.to_string() }),
            Err(cause) => Err(RowFault::Unevaluable { check: check.name.to_string(), cause }),
        }
    }
}
