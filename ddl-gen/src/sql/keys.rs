//! How large UNIQUE keys may be, as CHECKs: a write that the engine would refuse fails at once, on every database alike.
//!
//! Only keys whose declared types do not bound them get one. It sums the lengths of texts and bytes; what JSONB adds is left
//! to the engine, which reads its canonical form.

use treaty_schema::{Column, KEY_BYTES_MAX, KEY_CELL_BYTES, LogicalType, Table, Unique, VALUE_BYTES_MAX};

use super::quote::ident;

/// Bytes of a character in UTF-8, at most.
const CHAR_BYTES_MAX: usize = 4;

/// Returns the CHECKs of a table: what each is called, and its condition.
///
/// * `length` - spells the bytes of a quoted column, in UTF-8 if it is text.
pub(super) fn key_checks(table: &Table, length: fn(&str) -> String) -> Vec<(String, String)> {
    table.uniques.iter().filter_map(|unique| key_check(table, unique, length)).collect()
}

fn key_check(table: &Table, unique: &Unique, length: fn(&str) -> String) -> Option<(String, String)> {
    let columns = unique.columns.iter().map(|index| &table.columns[*index]);
    let counted = columns.filter_map(|column| Some((column, bytes_max(column.logical_type)?)));
    let counted: Vec<(&Column, usize)> = counted.collect();
    let limit = KEY_BYTES_MAX.saturating_sub(KEY_CELL_BYTES * (unique.columns.len() - counted.len()));
    if counted.iter().map(|(_, bytes_max)| bytes_max).sum::<usize>() <= limit {
        return None;
    }
    let terms: Vec<String> = counted
        .iter()
        .map(|(column, _)| match length(&ident(column.name.as_str())) {
            // Alone, NULL passes as it is.
            length if column.not_null || counted.len() == 1 => length,
            length => format!("coalesce({length}, 0)"),
        })
        .collect();
    Some((format!("{} must be at most {limit} bytes", unique.name), format!("{} <= {limit}", terms.join(" + "))))
}

/// Whether values of some types count so little, whatever they are, that they fit into an entry of an index together.
pub(super) fn fit_together(types: impl Iterator<Item = LogicalType>) -> bool {
    let bytes = |logical_type| match logical_type {
        LogicalType::Json => VALUE_BYTES_MAX,
        bounded => bytes_max(bounded).unwrap_or(KEY_CELL_BYTES),
    };
    types.map(bytes).fold(0, usize::saturating_add) <= KEY_BYTES_MAX
}

/// How many bytes a value counts that is counted by its length; nothing for others.
fn bytes_max(logical_type: LogicalType) -> Option<usize> {
    match logical_type {
        LogicalType::Text | LogicalType::Bytes => Some(VALUE_BYTES_MAX),
        LogicalType::Varchar { chars_max } => Some(CHAR_BYTES_MAX.saturating_mul(chars_max as usize)),
        LogicalType::Boolean
        | LogicalType::Integer
        | LogicalType::BigInt
        | LogicalType::Double
        | LogicalType::Numeric { .. }
        | LogicalType::Uuid
        | LogicalType::Date
        | LogicalType::Time
        | LogicalType::Timestamp
        | LogicalType::TimestampTz
        | LogicalType::Json
        | LogicalType::Identity => None,
    }
}
