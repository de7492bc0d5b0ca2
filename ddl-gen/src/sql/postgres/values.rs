//! Types, values, defaults and forms in PostgreSQL's terms.

use treaty_schema::{Column, DefaultValue, LogicalType, Value};

use crate::sql::keys::fit_together;
use crate::sql::quote::{hex, ident, text};

/// Returns the type of a column as `format_type(atttypid, atttypmod)` prints that of a table made here.
pub fn column_type(logical_type: LogicalType) -> String {
    match logical_type {
        LogicalType::Boolean => "boolean".to_owned(),
        LogicalType::Integer => "integer".to_owned(),
        LogicalType::BigInt => "bigint".to_owned(),
        LogicalType::Double => "double precision".to_owned(),
        LogicalType::Numeric { precision, scale } => format!("numeric({precision},{scale})"),
        LogicalType::Text | LogicalType::Identity => "text".to_owned(),
        LogicalType::Varchar { chars_max } => format!("character varying({chars_max})"),
        LogicalType::Bytes => "bytea".to_owned(),
        LogicalType::Uuid => "uuid".to_owned(),
        LogicalType::Date => "date".to_owned(),
        LogicalType::Time => "time without time zone".to_owned(),
        LogicalType::Timestamp => "timestamp without time zone".to_owned(),
        LogicalType::TimestampTz => "timestamp with time zone".to_owned(),
        LogicalType::Json => "jsonb".to_owned(),
    }
}

/// Whether a column of an existing table holds every value of a logical type as it is, and is read back the same.
///
/// * `found` - what `format_type(atttypid, atttypmod)` prints. Types of extensions, domains and enums hold nothing.
///
/// It may hold more: what the logical type lacks is refused when it is read. Collations are not looked at: text in another
/// order is the application's matter, but a nondeterministic one, which takes two texts for one, does not hold them.
pub fn holds(logical_type: LogicalType, found: &str) -> bool {
    // What stands in parentheses, and the type without it: `timestamp(3) without time zone`.
    let (base, limits) = match found.split_once('(').and_then(|(start, rest)| Some((start, rest.split_once(')')?))) {
        Some((start, (limits, end))) => (format!("{start}{end}"), limits.split(',').map(str::parse).collect()),
        None => (found.to_owned(), Ok(Vec::new())),
    };
    let Ok::<Vec<i64>, _>(limits) = limits else { return false };
    let is_text = |chars: i64| match (base.as_str(), limits.as_slice()) {
        ("text" | "character varying", []) => true,
        ("character varying", [chars_max]) => *chars_max >= chars,
        _ => false,
    };
    // Fewer digits of a second would round.
    let is_time = |name: &str| base == name && matches!(limits.as_slice(), [] | [6]);
    match logical_type {
        LogicalType::Text => is_text(i64::MAX),
        LogicalType::Identity => is_text(63),
        LogicalType::Varchar { chars_max } => is_text(i64::from(chars_max)),
        LogicalType::Numeric { precision, scale } => match (base.as_str(), limits.as_slice()) {
            ("numeric", []) => true,
            ("numeric", [digits, places]) => {
                *places >= i64::from(scale) && digits - places >= i64::from(precision) - i64::from(scale)
            }
            _ => false,
        },
        LogicalType::Integer => matches!(base.as_str(), "integer" | "bigint") || base == "numeric" && limits.is_empty(),
        LogicalType::BigInt => base == "bigint" || base == "numeric" && limits.is_empty(),
        LogicalType::Json => matches!(base.as_str(), "json" | "jsonb"),
        LogicalType::Time => is_time("time without time zone"),
        LogicalType::Timestamp => is_time("timestamp without time zone"),
        LogicalType::TimestampTz => is_time("timestamp with time zone"),
        LogicalType::Boolean | LogicalType::Double | LogicalType::Bytes | LogicalType::Uuid | LogicalType::Date => {
            found == column_type(logical_type)
        }
    }
}

/// Whether an index over columns of some logical types has room for every row.
pub fn index_holds(types: impl Iterator<Item = LogicalType>) -> bool {
    fit_together(types)
}

/// The declaration of a column's type. Text is compared by code point, as everywhere.
pub(super) fn declared_type(logical_type: LogicalType) -> String {
    match logical_type {
        LogicalType::Boolean => "boolean".to_owned(),
        LogicalType::Integer => "integer".to_owned(),
        LogicalType::BigInt => "bigint".to_owned(),
        LogicalType::Double => "double precision".to_owned(),
        LogicalType::Numeric { precision, scale } => format!("numeric({precision}, {scale})"),
        LogicalType::Text | LogicalType::Identity => "text COLLATE \"C\"".to_owned(),
        LogicalType::Varchar { chars_max } => format!("varchar({chars_max}) COLLATE \"C\""),
        LogicalType::Bytes => "bytea".to_owned(),
        LogicalType::Uuid => "uuid".to_owned(),
        LogicalType::Date => "date".to_owned(),
        LogicalType::Time => "time".to_owned(),
        LogicalType::Timestamp => "timestamp".to_owned(),
        LogicalType::TimestampTz => "timestamptz".to_owned(),
        LogicalType::Json => "jsonb".to_owned(),
    }
}

/// A constant with its type, so that PostgreSQL resolves operators as the engine does.
pub(super) fn literal(value: &Value) -> String {
    let typed = |name: &str| format!("{}::{name}", text(&value.to_text()));
    match value {
        Value::Boolean(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
        Value::Integer(integer) if *integer >= 0 => integer.to_string(),
        Value::Integer(_) => typed("integer"),
        Value::BigInt(_) => typed("bigint"),
        Value::Double(_) => typed("double precision"),
        Value::Numeric(_) => typed("numeric"),
        Value::Text(_) | Value::Identity(_) => text(&value.to_text()),
        Value::Bytes(bytes) => format!("'\\x{}'::bytea", hex(bytes.as_slice())),
        Value::Uuid(_) => typed("uuid"),
        Value::Date(_) => typed("date"),
        Value::Time(_) => typed("time"),
        Value::Timestamp(_) => typed("timestamp"),
        Value::TimestampTz(_) => typed("timestamptz"),
        Value::Json(_) => typed("jsonb"),
    }
}

/// The DEFAULT of a column, without the word, if it has one. Every `id` has.
pub(super) fn default_value(column: &Column, is_id: bool) -> Option<String> {
    match &column.default {
        Some(DefaultValue::Literal(None)) => Some("NULL".to_owned()),
        Some(DefaultValue::Literal(Some(value))) => Some(literal(value)),
        Some(DefaultValue::RandomUuid) => Some("gen_random_uuid()".to_owned()),
        Some(DefaultValue::Now) => Some(now(column.logical_type).to_owned()),
        None if is_id => Some("gen_random_uuid()".to_owned()),
        None => None,
    }
}

/// The time; where the type has no zone, in UTC.
fn now(logical_type: LogicalType) -> &'static str {
    match logical_type {
        LogicalType::Date => "((now() AT TIME ZONE 'UTC')::date)",
        LogicalType::Time => "((now() AT TIME ZONE 'UTC')::time)",
        LogicalType::Timestamp => "(now() AT TIME ZONE 'UTC')",
        _ => "now()",
    }
}

/// What PostgreSQL's type holds and the logical type does not, and how that is called.
pub(super) fn form(column: &Column) -> Option<(String, String)> {
    let name = ident(column.name.as_str());
    let (condition, label) = match column.logical_type {
        LogicalType::Double | LogicalType::Numeric { .. } => (format!("{name} <> 'NaN'"), "not be NaN"),
        LogicalType::Date => {
            (format!("{name} BETWEEN '0001-01-01' AND '9999-12-31'"), "be a day of the years 1 to 9999")
        }
        LogicalType::Time => (format!("{name} < '24:00'"), "be before 24:00"),
        LogicalType::Timestamp => {
            (format!("{name} >= '0001-01-01' AND {name} < '10000-01-01'"), "be within the years 1 to 9999")
        }
        LogicalType::TimestampTz => (
            format!("{name} >= '0001-01-01 00:00:00+00' AND {name} < '10000-01-01 00:00:00+00'"),
            "be within the years 1 to 9999",
        ),
        LogicalType::Identity => (format!("{name} ~ '^id1[a-z2-7]{{60}}$'"), "be an IDENTITY"),
        LogicalType::Boolean
        | LogicalType::Integer
        | LogicalType::BigInt
        | LogicalType::Text
        | LogicalType::Varchar { .. }
        | LogicalType::Bytes
        | LogicalType::Uuid
        | LogicalType::Json => return None,
    };
    Some((condition, format!("{} must {label}", column.name)))
}
