//! Types, values, defaults and forms in SQLite's terms: one storage class per logical type.

use treaty_schema::{Column, DefaultValue, LogicalType, Value};

use crate::sql::quote::{hex, ident, text};

/// A random UUID of version 4, in lower case.
pub(super) const RANDOM_UUID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || \
    substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || \
    hex(randomblob(6)))";

/// The declared type of a column, which gives it its affinity.
pub(super) fn declared_type(logical_type: LogicalType) -> &'static str {
    match logical_type {
        LogicalType::Boolean | LogicalType::Integer | LogicalType::BigInt => "INTEGER",
        LogicalType::Double => "REAL",
        LogicalType::Bytes => "BLOB",
        LogicalType::Numeric { .. }
        | LogicalType::Text
        | LogicalType::Varchar { .. }
        | LogicalType::Uuid
        | LogicalType::Date
        | LogicalType::Time
        | LogicalType::Timestamp
        | LogicalType::TimestampTz
        | LogicalType::Json
        | LogicalType::Identity => "TEXT",
    }
}

/// A value as the sidecar itself would store it.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Boolean(truth) => u8::from(*truth).to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::BigInt(integer) => integer.to_string(),
        Value::Double(double) => real(double.as_f64()),
        Value::Bytes(bytes) => format!("X'{}'", hex(bytes.as_slice())),
        Value::Numeric(_)
        | Value::Text(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Json(_)
        | Value::Identity(_) => text(&value.to_text()),
    }
}

/// A real number; SQLite has no word for infinity, but reads too large a number as it.
pub(super) fn real(number: f64) -> String {
    if number.is_finite() {
        format!("{number:?}")
    } else if number > 0.0 {
        "9e999".to_owned()
    } else {
        "-9e999".to_owned()
    }
}

/// The DEFAULT of a column, without the word, if it has one. Every `id` has.
pub(super) fn default_value(column: &Column, is_id: bool) -> Option<String> {
    match &column.default {
        Some(DefaultValue::Literal(None)) => Some("NULL".to_owned()),
        Some(DefaultValue::Literal(Some(value))) => Some(literal(value)),
        Some(DefaultValue::RandomUuid) => Some(format!("({RANDOM_UUID})")),
        Some(DefaultValue::Now) => Some(format!("({})", now(column.logical_type))),
        None if is_id => Some(format!("({RANDOM_UUID})")),
        None => None,
    }
}

/// The time in canonical form: SQLite knows milliseconds; zeros at the end of a fraction are cut.
fn now(logical_type: LogicalType) -> String {
    let cut = |format: &str| format!("rtrim(rtrim(strftime('{format}', 'now'), '0'), '.')");
    match logical_type {
        LogicalType::Date => "strftime('%Y-%m-%d', 'now')".to_owned(),
        LogicalType::Time => cut("%H:%M:%f"),
        LogicalType::Timestamp => cut("%Y-%m-%d %H:%M:%f"),
        _ => format!("{} || '+00'", cut("%Y-%m-%d %H:%M:%f")),
    }
}

/// What a cell must look like to be of its type, and how that is called when it is not.
///
/// Cheap tests only (they run on every write): they stop wrong storage classes and second spellings of what is compared
/// as text (UUID, IDENTITY, DATE); the engine judges the rest. NULL passes, as in any CHECK.
pub(super) fn form(column: &Column) -> Option<(String, String)> {
    let name = ident(column.name.as_str());
    let class = |class: &str| {
        if column.not_null {
            format!("typeof({name}) = '{class}'")
        } else {
            format!("typeof({name}) IN ('{class}', 'null')")
        }
    };
    let (condition, label) = match column.logical_type {
        LogicalType::Text => return None,
        LogicalType::Boolean => (format!("{name} IN (0, 1)"), "BOOLEAN, 0 or 1".to_owned()),
        LogicalType::Integer => (
            format!("{} AND {name} BETWEEN -2147483648 AND 2147483647", class("integer")),
            "INTEGER, 32 bits".to_owned(),
        ),
        LogicalType::BigInt => (class("integer"), "BIGINT".to_owned()),
        LogicalType::Double => (class("real"), "DOUBLE PRECISION".to_owned()),
        LogicalType::Numeric { precision, scale } => (
            format!("{name} GLOB '*[0-9]*' AND {name} NOT GLOB '*[^-+.0-9eE]*'"),
            format!("NUMERIC({precision}, {scale})"),
        ),
        LogicalType::Varchar { chars_max } => {
            (format!("length({name}) <= {chars_max}"), format!("VARCHAR({chars_max})"))
        }
        LogicalType::Bytes => (class("blob"), "BYTEA, a BLOB".to_owned()),
        // Patterns would catch more, at half as much again for every insert.
        LogicalType::Uuid => {
            (format!("length({name}) = 36 AND {name} = lower({name})"), "UUID in lower case".to_owned())
        }
        LogicalType::Date => {
            (format!("{name} GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]'"), "DATE as in 2024-01-31".to_owned())
        }
        LogicalType::Time => (format!("{name} GLOB '[0-2][0-9]:[0-5][0-9]*'"), "TIME as in 13:05:00".to_owned()),
        LogicalType::Timestamp => (
            format!("{name} GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'"),
            "TIMESTAMP as in 2024-01-31 13:05:00".to_owned(),
        ),
        LogicalType::TimestampTz => (
            format!("{name} GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]?[0-2][0-9]:[0-5][0-9]*'"),
            "TIMESTAMPTZ as in 2024-01-31 13:05:00+00".to_owned(),
        ),
        LogicalType::Json => (class("text"), "JSONB".to_owned()),
        LogicalType::Identity => {
            (format!("length({name}) = 63 AND {name} = lower({name})"), "IDENTITY in lower case".to_owned())
        }
    };
    Some((condition, format!("{} must be {label}", column.name)))
}
