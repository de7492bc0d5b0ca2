//! Values in canonical form: equal values have equal bytes.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Decimal, Identity, Json};

/// Largest text, bytes or JSON value, in bytes of its canonical form. A row must fit an entry's payload with room to spare.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// A value of a column, never NULL (`Option<Value>` is a cell).
///
/// Decoding refuses whatever is not canonical or out of range. Whether a value fits a column (VARCHAR length, NUMERIC
/// precision and scale) is [`LogicalType::admits`](crate::LogicalType::admits).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum Value {
    /// BOOLEAN
    Boolean(bool),
    /// INTEGER
    Integer(i32),
    /// BIGINT
    BigInt(i64),
    /// DOUBLE PRECISION
    Double(Double),
    /// NUMERIC: the unscaled integer; the scale is the column's.
    Numeric(Decimal),
    /// TEXT and VARCHAR
    Text(Text),
    /// BYTEA
    Bytes(Bytes),
    /// UUID, in network order.
    Uuid([u8; 16]),
    /// DATE: days since 1970-01-01.
    Date(Date),
    /// TIME: microseconds since midnight.
    Time(Time),
    /// TIMESTAMP: microseconds since 1970-01-01 00:00, without zone.
    Timestamp(Timestamp),
    /// TIMESTAMPTZ: microseconds since 1970-01-01 00:00 UTC.
    TimestampTz(Timestamp),
    /// JSONB
    Json(Json),
    /// IDENTITY
    Identity(Identity),
}
