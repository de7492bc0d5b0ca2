//! What happened to a row, net: from what the log says it was to what the table shows.

use treaty_schema::{Table, Value};

/// A row's cells, one per column of its table in declared order, `id` included.
pub type Image = Vec<Option<Value>>;

/// The net effect of a transaction on one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The row is as it was: nothing to sign.
    Nothing,
    /// The row is new.
    Insert,
    /// These columns have other values; not empty, ascending.
    Update(Vec<usize>),
    /// A column that never changes has another value: the row was deleted, and another one inserted under its id.
    Replace,
    /// The row is gone.
    Delete,
}

/// Compares a row with what it was; values are canonical, so equal values are equal here.
pub fn effect(table: &Table, before: Option<&Image>, after: Option<&Image>) -> Effect {
    let (before, after) = match (before, after) {
        (None, None) => return Effect::Nothing,
        (None, Some(_)) => return Effect::Insert,
        (Some(_), None) => return Effect::Delete,
        (Some(before), Some(after)) => (before, after),
    };
    let changed: Vec<usize> = (0..table.columns.len()).filter(|&column| before[column] != after[column]).collect();
    if changed.is_empty() {
        return Effect::Nothing;
    }
    if changed.iter().any(|&column| !table.columns[column].updatable) {
        return Effect::Replace;
    }
    Effect::Update(changed)
}
