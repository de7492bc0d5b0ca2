//! Cells between PostgreSQL's types and canonical values.
//!
//! Values travel as the text that PostgreSQL prints and reads with the settings of [`session`](super::session), BYTEA as
//! bytes; which texts a type takes is `treaty-schema`'s business. What jsonb does with a value (members sorted, one of each
//! name, numbers as written) the canonical form does too. Spec: docs/spec/values.md.

use sqlx::postgres::PgRow;
use treaty_engine::relation::RowId;
use treaty_schema::{LogicalType, Value};
use uuid::Uuid;

use super::session::{Failure, Statement, column};
use crate::capture::json_text;
use crate::database::{Form, StoredId};

/// A cell as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// The value; `None` is NULL.
    pub(super) value: Option<Value>,
    /// Whether it was stored as it would be written.
    pub(super) form: Form,
}

/// Reads a cell that [`selected`] asked for; what is wrong with it if it holds no value of the type.
pub(super) fn read_cell(logical_type: LogicalType, row: &PgRow, index: usize) -> Result<Result<Cell, String>, Failure> {
    if logical_type == LogicalType::Bytes {
        let bytes: Option<&[u8]> = column(row, index)?;
        return Ok(cell(bytes.map(|bytes| logical_type.read_bytes(bytes)), |_| true));
    }
    let text: Option<&str> = column(row, index)?;
    Ok(cell(text.map(|text| logical_type.parse(text)), |value| is_canonical(value, text)))
}

fn cell<E: std::fmt::Display>(
    value: Option<Result<Value, E>>,
    is_canonical: impl Fn(&Value) -> bool,
) -> Result<Cell, String> {
    let value = value.transpose().map_err(|cause| cause.to_string())?;
    let form = if value.as_ref().is_none_or(is_canonical) { Form::Canonical } else { Form::Other };
    Ok(Cell { value, form })
}

/// Other spellings that PostgreSQL keeps apart: a binary -0, and an identity in upper case. (Of numbers on the edge of two it
/// prints one digit more than is needed.)
fn is_canonical(value: &Value, text: Option<&str>) -> bool {
    match value {
        Value::Double(_) => text != Some("-0"),
        Value::Identity(_) => text == Some(value.to_text().as_str()),
        _ => true,
    }
}

/// Prints a cell as JSON, as it is stored: for what has no canonical form.
pub(super) fn json_of_stored(logical_type: LogicalType, row: &PgRow, index: usize) -> Result<String, Failure> {
    if logical_type == LogicalType::Bytes {
        let bytes: Option<&[u8]> = column(row, index)?;
        return Ok(bytes
            .map_or("null".to_owned(), |bytes| json_text(&format!("\\x{}", data_encoding::HEXLOWER.encode(bytes)))));
    }
    let text: Option<&str> = column(row, index)?;
    let is_bare = |text: &str| match logical_type {
        LogicalType::Boolean | LogicalType::Integer | LogicalType::Json => true,
        LogicalType::Double => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    };
    Ok(match text {
        None => "null".to_owned(),
        Some(text) if is_bare(text) => text.to_owned(),
        Some(text) => json_text(text),
    })
}

/// What is selected of a column.
pub(super) fn selected(logical_type: LogicalType, name: &str) -> String {
    if logical_type == LogicalType::Bytes { name.to_owned() } else { format!("{name}::text") }
}

/// The type of the array that a column's values are bound as.
pub(super) fn array_type(logical_type: LogicalType) -> &'static str {
    if logical_type == LogicalType::Bytes { "bytea[]" } else { "text[]" }
}

/// What makes a bound value one of the column's type; the length of a text is left to the column, which refuses, where a cast
/// would cut.
pub(super) fn cast(logical_type: LogicalType) -> &'static str {
    match logical_type {
        LogicalType::Boolean => "::boolean",
        LogicalType::Integer => "::integer",
        LogicalType::BigInt => "::bigint",
        LogicalType::Double => "::double precision",
        LogicalType::Numeric { .. } => "::numeric",
        LogicalType::Text | LogicalType::Varchar { .. } | LogicalType::Identity | LogicalType::Bytes => "",
        LogicalType::Uuid => "::uuid",
        LogicalType::Date => "::date",
        LogicalType::Time => "::time",
        LogicalType::Timestamp => "::timestamp",
        LogicalType::TimestampTz => "::timestamptz",
        LogicalType::Json => "::jsonb",
    }
}

/// Binds cells of one column of several rows, as an array.
pub(super) fn bind_column<'s, 'v>(
    statement: Statement<'s>,
    logical_type: LogicalType,
    cells: impl Iterator<Item = Option<&'v Value>>,
) -> Statement<'s> {
    if logical_type != LogicalType::Bytes {
        return statement.bind(cells.map(|cell| cell.map(Value::to_text)).collect::<Vec<_>>());
    }
    let bytes = |cell: &Value| match cell {
        Value::Bytes(bytes) => bytes.as_slice().to_owned(),
        other => other.to_text().into_bytes(),
    };
    statement.bind(cells.map(|cell| cell.map(bytes)).collect::<Vec<_>>())
}

/// Characters of a text that is parked: sixteen letters each, so that two are hardly ever the same.
const PARKED_CHARS: u32 = 8;

/// An SQL expression for a value that no row has, mostly: what a row holds of a unique key while others of its batch are
/// written. None if the type has too few values.
pub(super) fn parked(logical_type: LogicalType, is_not_null: bool) -> Option<String> {
    if !is_not_null {
        return Some("NULL".to_owned());
    }
    let letters = "translate(md5(random()::text) || md5(random()::text), '0189', 'ghij')";
    Some(match logical_type {
        LogicalType::Boolean | LogicalType::Json => return None,
        LogicalType::Integer => "(random() * 4294967295 - 2147483648)::bigint::integer".to_owned(),
        LogicalType::BigInt => "('x' || md5(random()::text))::bit(64)::bigint".to_owned(),
        LogicalType::Double => "random() * 1e300".to_owned(),
        LogicalType::Numeric { precision, scale } => {
            format!("trunc(random()::numeric * 10::numeric ^ {}, {scale})", i32::from(precision) - i32::from(scale))
        }
        // Short, for there may be a CHECK of its length.
        LogicalType::Text => format!("left({letters}, {PARKED_CHARS})"),
        LogicalType::Varchar { chars_max } => format!("left({letters}, {})", chars_max.min(PARKED_CHARS)),
        LogicalType::Identity => format!("'id1' || left({letters}, 60)"),
        LogicalType::Bytes => "uuid_send(gen_random_uuid())".to_owned(),
        LogicalType::Uuid => "gen_random_uuid()".to_owned(),
        LogicalType::Date => "('0001-01-01'::date + (random() * 3652058)::integer)".to_owned(),
        LogicalType::Time => "('00:00'::time + random() * '86399 seconds'::interval)".to_owned(),
        LogicalType::Timestamp => "('0001-01-01'::timestamp + random() * '3650000 days'::interval)".to_owned(),
        LogicalType::TimestampTz => {
            "('0001-01-01 00:00+00'::timestamptz + random() * '3650000 days'::interval)".to_owned()
        }
    })
}

/// An id as sqlx binds it.
pub(super) fn uuid(id: RowId) -> Uuid {
    Uuid::from_bytes(id.0)
}

/// A stored id as sqlx binds it; none if it is no UUID, which no column of ours holds.
pub(super) fn uuid_of(stored: &StoredId) -> Option<Uuid> {
    match stored {
        StoredId::Text(text) => Uuid::try_parse(text).ok(),
        StoredId::Null | StoredId::Integer(_) | StoredId::Real(_) | StoredId::Bytes(_) => None,
    }
}

/// An id as a row has it.
pub(super) fn row_id(id: Uuid) -> RowId {
    RowId(id.into_bytes())
}
