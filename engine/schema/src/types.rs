//! The closed list of logical types.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

/// Most digits of a NUMERIC: what a 128-bit integer always holds.
pub const NUMERIC_PRECISION_MAX: u8 = 38;

/// Most characters of a VARCHAR, in code points: PostgreSQL's own limit.
pub const VARCHAR_CHARS_MAX: u32 = 10_485_760;

/// What a column may hold; each type has one canonical form per value (see [`Value`](crate::Value)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum LogicalType {
    /// `BOOLEAN`
    Boolean,
    /// `INTEGER`: 32 bits, signed.
    Integer,
    /// `BIGINT`: 64 bits, signed.
    BigInt,
    /// `DOUBLE PRECISION`: IEEE 754 binary64 without NaN; -0 is stored as 0.
    Double,
    /// `NUMERIC(precision, scale)`: 1 <= precision <= [`NUMERIC_PRECISION_MAX`], scale <= precision.
    Numeric {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// `TEXT`: Unicode without NUL, as given, compared by code point.
    Text,
    /// `VARCHAR(n)`: 1 <= `chars_max` <= [`VARCHAR_CHARS_MAX`] code points.
    Varchar {
        /// Most code points.
        chars_max: u32,
    },
    /// `BYTEA`
    Bytes,
    /// `UUID`
    Uuid,
    /// `DATE`: years 0001 to 9999.
    Date,
    /// `TIME`: microseconds, without zone, before 24:00.
    Time,
    /// `TIMESTAMP`: microseconds, without zone, years 0001 to 9999.
    Timestamp,
    /// `TIMESTAMPTZ`: an instant, in microseconds, years 0001 to 9999 in UTC.
    TimestampTz,
    /// `JSONB`: normalised by one rule (see [`Json`](crate::Json)).
    Json,
    /// `IDENTITY`: an author's public key.
    Identity,
}

impl LogicalType {
    /// Whether precision, scale and length are within their bounds; a type that was decoded may not be.
    pub fn is_valid(self) -> bool {
        match self {
            LogicalType::Numeric { precision, scale } => {
                (1..=NUMERIC_PRECISION_MAX).contains(&precision) && scale <= precision
            }
            LogicalType::Varchar { chars_max } => (1..=VARCHAR_CHARS_MAX).contains(&chars_max),
            _ => true,
        }
    }
}

/// As schema files spell it: `NUMERIC(10,2)`.
impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            LogicalType::Numeric { precision, scale } => return write!(f, "NUMERIC({precision},{scale})"),
            LogicalType::Varchar { chars_max } => return write!(f, "VARCHAR({chars_max})"),
            LogicalType::Boolean => "BOOLEAN",
            LogicalType::Integer => "INTEGER",
            LogicalType::BigInt => "BIGINT",
            LogicalType::Double => "DOUBLE PRECISION",
            LogicalType::Text => "TEXT",
            LogicalType::Bytes => "BYTEA",
            LogicalType::Uuid => "UUID",
            LogicalType::Date => "DATE",
            LogicalType::Time => "TIME",
            LogicalType::Timestamp => "TIMESTAMP",
            LogicalType::TimestampTz => "TIMESTAMPTZ",
            LogicalType::Json => "JSONB",
            LogicalType::Identity => "IDENTITY",
        };
        f.write_str(name)
    }
}
