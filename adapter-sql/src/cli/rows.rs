//! Rows as JSON and as text, column by column.

use serde_json::value::{RawValue, to_raw_value};
use treaty_schema::Value;

/// Returns `text` if it is JSON, else as a JSON string.
pub(crate) fn raw_json(text: &str) -> Box<RawValue> {
    match RawValue::from_string(text.to_owned()) {
        Ok(json) => json,
        Err(_) => to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned()),
    }
}

/// Returns a cell as text for people; NULL is empty.
pub(crate) fn cell_text(value: Option<&Value>) -> String {
    value.map(Value::to_text).unwrap_or_default()
}
