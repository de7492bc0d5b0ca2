//! The types of expressions: a column's type without length, precision and scale.

use std::fmt;

use crate::{Decimal, Double, LogicalType, Value, ValueError};

/// The type of an expression. The numbers are ordered by promotion: an operation on two kinds is done in the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Integer,
    BigInt,
    Numeric,
    Double,
    Boolean,
    Text,
    Bytes,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Json,
    Identity,
}

impl Class {
    pub(crate) fn of_type(logical_type: LogicalType) -> Class {
        match logical_type {
            LogicalType::Boolean => Class::Boolean,
            LogicalType::Integer => Class::Integer,
            LogicalType::BigInt => Class::BigInt,
            LogicalType::Double => Class::Double,
            LogicalType::Numeric { .. } => Class::Numeric,
            LogicalType::Text | LogicalType::Varchar { .. } => Class::Text,
            LogicalType::Bytes => Class::Bytes,
            LogicalType::Uuid => Class::Uuid,
            LogicalType::Date => Class::Date,
            LogicalType::Time => Class::Time,
            LogicalType::Timestamp => Class::Timestamp,
            LogicalType::TimestampTz => Class::TimestampTz,
            LogicalType::Json => Class::Json,
            LogicalType::Identity => Class::Identity,
        }
    }

    pub(crate) fn is_number(self) -> bool {
        self <= Class::Double
    }

    /// Zero, of a kind of number.
    pub(crate) fn zero(self) -> Option<Value> {
        match self {
            Class::Integer => Some(Value::Integer(0)),
            Class::BigInt => Some(Value::BigInt(0)),
            Class::Numeric => Some(Value::Numeric(Decimal::from_integer(0))),
            Class::Double => Double::new(0.0).map(Value::Double),
            _ => None,
        }
    }

    /// Whether `<` means the same everywhere: JSON has no order, and an identity's text sorts otherwise than its bytes.
    pub(crate) fn is_ordered(self) -> bool {
        !matches!(self, Class::Json | Class::Identity)
    }

    /// The class in which values of two classes meet, if there is one.
    pub(crate) fn common(self, other: Class) -> Option<Class> {
        if self == other || (self.is_number() && other.is_number()) { Some(self.max(other)) } else { None }
    }

    /// Reads a text literal as a value of this class. A NUMERIC takes the literal's own scale.
    pub(crate) fn parse(self, text: &str) -> Result<Value, ValueError> {
        match self.logical_type() {
            Some(logical_type) => logical_type.parse(text),
            None => Decimal::parse(text.trim()).map(Value::Numeric).ok_or_else(|| ValueError::Form {
                text: text.to_owned(),
                logical_type: LogicalType::Numeric { precision: 38, scale: 0 },
                form: "at most 38 digits, as in 42 or -3.10",
            }),
        }
    }

    /// The column type of the class; NUMERIC has none of its own.
    fn logical_type(self) -> Option<LogicalType> {
        let logical_type = match self {
            Class::Numeric => return None,
            Class::Integer => LogicalType::Integer,
            Class::BigInt => LogicalType::BigInt,
            Class::Double => LogicalType::Double,
            Class::Boolean => LogicalType::Boolean,
            Class::Text => LogicalType::Text,
            Class::Bytes => LogicalType::Bytes,
            Class::Uuid => LogicalType::Uuid,
            Class::Date => LogicalType::Date,
            Class::Time => LogicalType::Time,
            Class::Timestamp => LogicalType::Timestamp,
            Class::TimestampTz => LogicalType::TimestampTz,
            Class::Json => LogicalType::Json,
            Class::Identity => LogicalType::Identity,
        };
        Some(logical_type)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.logical_type() {
            Some(logical_type) => write!(f, "{logical_type}"),
            None => f.write_str("NUMERIC"),
        }
    }
}
