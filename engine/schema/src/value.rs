//! Values in canonical form: equal values have equal bytes.
//!
//! Every type has checked constructors and a decoder that refuses whatever they would refuse. Text in and out is
//! `read.rs`; which values a column takes is [`LogicalType::admits`](crate::LogicalType::admits). Spec: docs/spec/values.md.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::{invalid, read_bytes, read_text};
use crate::{Date, Decimal, Identity, Json, Time, Timestamp, ValueError};

/// Largest text, bytes or JSON value, in bytes of its canonical form. A row must fit an entry's payload with room to spare.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// A value of a column, never NULL (`Option<Value>` is a cell).
///
/// Decoding refuses whatever is not canonical or out of range. Whether a value fits a column (VARCHAR length, NUMERIC
/// precision and scale) is [`LogicalType::admits`](crate::LogicalType::admits). `Ord` is structural: by type, then value.
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
    /// NUMERIC, at the column's scale.
    Numeric(Decimal),
    /// TEXT and VARCHAR
    Text(Text),
    /// BYTEA
    Bytes(Bytes),
    /// UUID, in network order.
    Uuid([u8; 16]),
    /// DATE
    Date(Date),
    /// TIME
    Time(Time),
    /// TIMESTAMP: a wall clock reading, without zone.
    Timestamp(Timestamp),
    /// TIMESTAMPTZ: an instant, in UTC.
    TimestampTz(Timestamp),
    /// JSONB
    Json(Json),
    /// IDENTITY
    Identity(Identity),
}

/// A binary floating-point number: not NaN, and not -0. The infinities are numbers.
#[derive(Debug, Clone, Copy, PartialEq, BorshSerialize)]
pub struct Double(f64);

impl Double {
    /// Keeps a number; -0 becomes 0; nothing for NaN.
    pub fn new(number: f64) -> Option<Double> {
        // Adding +0 turns -0 into 0 and leaves every other number as it is.
        (!number.is_nan()).then_some(Double(number + 0.0))
    }

    /// The number.
    pub fn as_f64(self) -> f64 {
        self.0
    }
}

impl Eq for Double {}

impl Ord for Double {
    fn cmp(&self, other: &Double) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Double {
    fn partial_cmp(&self, other: &Double) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Double {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// As PostgreSQL prints it: the shortest digits that read back equal, with an exponent below 1e-4 and from 1e15.
impl fmt::Display for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "Infinity" } else { "-Infinity" });
        }
        let scientific = format!("{:e}", self.0);
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..15).contains(&exponent) {
            return write!(f, "{}", self.0);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{mantissa}e{sign}{:02}", exponent.unsigned_abs())
    }
}

impl BorshDeserialize for Double {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Double> {
        let bits = u64::deserialize_reader(reader)?;
        let double = Double::new(f64::from_bits(bits)).ok_or_else(|| invalid("NaN"))?;
        if double.0.to_bits() != bits {
            return Err(invalid("-0"));
        }
        Ok(double)
    }
}

/// Unicode text without NUL, at most [`VALUE_BYTES_MAX`] bytes of UTF-8, as given: never normalised. Sorts by code point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Text(String);

impl Text {
    /// Keeps a text.
    ///
    /// # Errors
    /// [`ValueError::Nul`] and [`ValueError::TooLarge`].
    pub fn new(text: impl Into<String>) -> Result<Text, ValueError> {
        let text = text.into();
        if text.len() > VALUE_BYTES_MAX {
            return Err(ValueError::TooLarge { bytes: text.len() });
        }
        if text.as_bytes().contains(&0) {
            return Err(ValueError::Nul);
        }
        Ok(Text(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl BorshDeserialize for Text {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Text> {
        Text::new(read_text(reader, VALUE_BYTES_MAX)?).map_err(invalid)
    }
}

/// A string of at most [`VALUE_BYTES_MAX`] bytes. Sorts bytewise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// Keeps bytes.
    ///
    /// # Errors
    /// [`ValueError::TooLarge`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Bytes, ValueError> {
        let bytes = bytes.into();
        if bytes.len() > VALUE_BYTES_MAX {
            return Err(ValueError::TooLarge { bytes: bytes.len() });
        }
        Ok(Bytes(bytes))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl BorshDeserialize for Bytes {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Bytes> {
        Ok(Bytes(read_bytes(reader, VALUE_BYTES_MAX)?))
    }
}
