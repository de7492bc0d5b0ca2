//! Any text, read as any type: refused, or a value whose canonical text reads back as itself.
#![no_main]

use treaty_schema::LogicalType;

const TYPES: [LogicalType; 15] = [
    LogicalType::Boolean,
    LogicalType::Integer,
    LogicalType::BigInt,
    LogicalType::Double,
    LogicalType::Numeric { precision: 10, scale: 2 },
    LogicalType::Text,
    LogicalType::Varchar { chars_max: 10 },
    LogicalType::Bytes,
    LogicalType::Uuid,
    LogicalType::Date,
    LogicalType::Time,
    LogicalType::Timestamp,
    LogicalType::TimestampTz,
    LogicalType::Json,
    LogicalType::Identity,
];

libfuzzer_sys::fuzz_target!(|text: &str| {
    for logical_type in TYPES {
        if let Ok(value) = logical_type.parse(text) {
            assert_eq!(logical_type.parse(&value.to_text()).as_ref(), Ok(&value));
            assert_eq!(logical_type.admits(&value), Ok(()));
        }
    }
});
