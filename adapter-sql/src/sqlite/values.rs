//! Cells between SQLite's storage classes and canonical values.
//!
//! Reading is liberal where nothing is lost ([`read_cell`] also says whether the cell was stored in its canonical form);
//! writing is canonical ([`write_value`]). Which texts and numbers a type takes is `treaty-schema`'s business; which
//! storage class holds it is this file's: BOOLEAN 0 or 1; the integers INTEGER; DOUBLE PRECISION REAL; BYTEA BLOB;
//! everything else TEXT. Spec: docs/spec/values.md.

use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use treaty_schema::{LogicalType, Value, ValueError};

use super::spelling::Spelling;
use crate::capture::json_text;
use crate::database::{Form, StoredId};

/// A cell as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// The value; `None` is NULL.
    pub(super) value: Option<Value>,
    /// How it was stored.
    pub(super) form: Form,
}

/// Why a cell holds no value of its column's type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CellError {
    /// A value that the type does not take.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8: mend its encoding, or use BYTEA")]
    NotUtf8,
}

/// Reads a cell of a column of type `logical_type`.
///
/// # Errors
/// [`CellError`]; nothing is ever rounded.
pub(super) fn read_cell(
    logical_type: LogicalType,
    spelling: Spelling,
    stored: ValueRef<'_>,
) -> Result<Cell, CellError> {
    let value = match stored {
        ValueRef::Null => return Ok(Cell { value: None, form: Form::Canonical }),
        ValueRef::Integer(integer) => logical_type.read_integer(integer)?,
        ValueRef::Real(real) => logical_type.read_real(real)?,
        ValueRef::Blob(bytes) => logical_type.read_bytes(bytes)?,
        ValueRef::Text(bytes) => logical_type.parse(std::str::from_utf8(bytes).map_err(|_| CellError::NotUtf8)?)?,
    };
    let form = if is_canonical(&value, spelling, stored) { Form::Canonical } else { Form::Other };
    Ok(Cell { value: Some(value), form })
}

fn is_canonical(value: &Value, spelling: Spelling, stored: ValueRef<'_>) -> bool {
    match (value, stored) {
        (Value::Boolean(_) | Value::Integer(_) | Value::BigInt(_), ValueRef::Integer(_))
        | (Value::Bytes(_), ValueRef::Blob(_))
        | (Value::Text(_), ValueRef::Text(_)) => true,
        // -0 is stored as a real and read as 0.
        (Value::Double(double), ValueRef::Real(real)) => double.as_f64().to_bits() == real.to_bits(),
        (Value::Uuid(uuid), ValueRef::Text(bytes)) => spelling.spell(*uuid).as_bytes() == bytes,
        (_, ValueRef::Text(bytes)) => is_text_class(value) && value.to_text().as_bytes() == bytes,
        _ => false,
    }
}

fn is_text_class(value: &Value) -> bool {
    !matches!(value, Value::Boolean(_) | Value::Integer(_) | Value::BigInt(_) | Value::Double(_) | Value::Bytes(_))
}

/// Returns the canonical form of `value`, ready to be bound.
pub(super) fn write_value(value: &Value) -> ToSqlOutput<'_> {
    match value {
        Value::Boolean(boolean) => ToSqlOutput::Owned(Stored::Integer(i64::from(*boolean))),
        Value::Integer(integer) => ToSqlOutput::Owned(Stored::Integer(i64::from(*integer))),
        Value::BigInt(integer) => ToSqlOutput::Owned(Stored::Integer(*integer)),
        Value::Double(double) => ToSqlOutput::Owned(Stored::Real(double.as_f64())),
        Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_str().as_bytes())),
        Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes.as_slice())),
        Value::Numeric(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Json(_)
        | Value::Identity(_) => ToSqlOutput::Owned(Stored::Text(value.to_text())),
    }
}

/// A cell, ready to be bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'v>(pub(super) Option<&'v Value>, pub(super) Spelling);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            None => ToSqlOutput::Owned(Stored::Null),
            Some(Value::Uuid(uuid)) => ToSqlOutput::Owned(Stored::Text(self.1.spell(*uuid))),
            Some(value) => write_value(value),
        })
    }
}

impl rusqlite::ToSql for StoredId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(stored_ref(self)))
    }
}

/// Returns an id as SQLite has it.
pub(super) fn stored_ref(id: &StoredId) -> ValueRef<'_> {
    match id {
        StoredId::Null => ValueRef::Null,
        StoredId::Integer(integer) => ValueRef::Integer(*integer),
        StoredId::Real(real) => ValueRef::Real(*real),
        StoredId::Text(text) => ValueRef::Text(text.as_bytes()),
        StoredId::Bytes(bytes) => ValueRef::Blob(bytes),
    }
}

/// Prints a cell as JSON, as it is stored: for what has no canonical form.
pub(super) fn json_of_stored(stored: ValueRef<'_>) -> String {
    match stored {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) if real.is_finite() => real.to_string(),
        ValueRef::Real(real) => json_text(&real.to_string()),
        ValueRef::Text(bytes) => json_text(&String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => json_text(&format!("\\x{}", data_encoding::HEXLOWER.encode(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use rusqlite::Connection;

    /// Stores `sql` (an expression), reads it back as `logical_type`; prints value, form, and what is written for it.
    fn check(logical_type: LogicalType, sql: &str, expected: &Expect) {
        let connection = Connection::open_in_memory().unwrap();
        let shown = connection
            .query_row(&format!("SELECT {sql}"), [], |row| {
                Ok(match read_cell(logical_type, Spelling::Hyphens, row.get_ref(0)?) {
                    Err(error) => format!("refused: {error}"),
                    Ok(Cell { value: None, .. }) => "null".to_owned(),
                    Ok(Cell { value: Some(value), form }) => {
                        let written = write_value(&value);
                        let again =
                            connection.query_row("SELECT quote(?1)", [&written], |row| row.get::<_, String>(0))?;
                        let back: Cell = connection.query_row("SELECT ?1", [&written], |row| {
                            Ok(read_cell(logical_type, Spelling::Hyphens, row.get_ref(0)?).unwrap())
                        })?;
                        assert_eq!(back, Cell { value: Some(value), form: Form::Canonical });
                        format!("{form:?} {again}")
                    }
                })
            })
            .unwrap();
        expected.assert_eq(&shown);
    }

    #[test]
    fn canonical_cells_are_read_as_they_are() {
        check(LogicalType::Boolean, "1", &expect!["Canonical 1"]);
        check(LogicalType::Integer, "-7", &expect!["Canonical -7"]);
        check(LogicalType::BigInt, "9223372036854775807", &expect!["Canonical 9223372036854775807"]);
        check(LogicalType::Double, "0.5", &expect!["Canonical 0.5"]);
        check(LogicalType::Numeric { precision: 6, scale: 2 }, "'12.50'", &expect!["Canonical '12.50'"]);
        check(LogicalType::Text, "'  a '", &expect!["Canonical '  a '"]);
        check(LogicalType::Bytes, "x'00ff'", &expect!["Canonical X'00FF'"]);
        check(LogicalType::Date, "'2024-01-31'", &expect!["Canonical '2024-01-31'"]);
        check(LogicalType::Json, "'{}'", &expect!["Canonical '{}'"]);
        check(LogicalType::Text, "NULL", &expect!["null"]);
    }

    #[test]
    fn other_spellings_are_read_without_loss() {
        check(LogicalType::Boolean, "'true'", &expect!["Other 1"]);
        check(LogicalType::Integer, "7.0", &expect!["Other 7"]);
        check(LogicalType::Integer, "'7'", &expect!["Other 7"]);
        check(LogicalType::Double, "3", &expect!["Other 3.0"]);
        check(LogicalType::Double, "-0.0", &expect!["Other 0.0"]);
        check(LogicalType::Numeric { precision: 6, scale: 2 }, "12.5", &expect!["Other '12.50'"]);
        check(LogicalType::Numeric { precision: 6, scale: 2 }, "12", &expect!["Other '12.00'"]);
        check(LogicalType::Timestamp, "'2024-01-31T13:05'", &expect!["Other '2024-01-31 13:05:00'"]);
        check(LogicalType::TimestampTz, "'2024-01-31 13:05:00+02:00'", &expect!["Other '2024-01-31 11:05:00+00'"]);
        check(
            LogicalType::Uuid,
            "'01234567-89AB-CDEF-0123-456789ABCDEF'",
            &expect!["Other '01234567-89ab-cdef-0123-456789abcdef'"],
        );
        check(LogicalType::Json, "'{\"b\": 1.0, \"a\":2}'", &expect![[r#"Other '{"a":2,"b":1}'"#]]);
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        for (logical_type, sql) in [
            (LogicalType::Boolean, "2"),
            (LogicalType::Integer, "7.5"),
            (LogicalType::Integer, "3000000000"),
            (LogicalType::Double, "9007199254740993"),
            (LogicalType::Numeric { precision: 6, scale: 2 }, "12.505"),
            (LogicalType::Numeric { precision: 3, scale: 2 }, "10"),
            (LogicalType::Text, "x'61'"),
            (LogicalType::Text, "cast(x'ff' as text)"),
            (LogicalType::Text, "cast(x'6100' as text)"),
            (LogicalType::Bytes, "'abc'"),
            (LogicalType::Date, "'2024-02-30'"),
            (LogicalType::Uuid, "x'0123456789abcdef0123456789abcdef'"),
        ] {
            let connection = Connection::open_in_memory().unwrap();
            let read = |row: &rusqlite::Row<'_>| Ok(read_cell(logical_type, Spelling::Hyphens, row.get_ref(0)?));
            let cell = connection.query_row(&format!("SELECT {sql}"), [], read).unwrap();
            assert!(cell.is_err(), "{logical_type:?} {sql}: {cell:?}");
        }
    }
}
