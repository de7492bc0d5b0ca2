//! Reports: what applications are told about work that was rolled back, and the lost values as JSON.

use treaty_schema::{Table, Value};

use super::Image;

/// A cell that holds no value of its column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCell {
    /// Index of the column.
    pub column: usize,
    /// What is wrong, one sentence in lower case without a full stop.
    pub message: String,
}

/// One rolled-back operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The entry; none if it never entered the log.
    pub entry: Option<String>,
    /// Which operation of the entry; none if it never entered the log.
    pub step: Option<Step>,
    /// Name of the table.
    pub table: String,
    /// The row's id, as it was written.
    pub row: String,
    /// What was tried.
    pub operation: Operation,
    /// Who tried, in text form.
    pub author: String,
    /// The lost values, a JSON object by column.
    pub lost: String,
    /// A stable code.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// The entry that caused it.
    pub culprit: Option<String>,
}

/// Which operation of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Index of its co-transaction in the entry.
    pub transaction: u32,
    /// Its index in the co-transaction.
    pub operation: u32,
}

/// The kind of an operation, as reports spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `insert`
    Insert,
    /// `update`
    Update,
    /// `delete`
    Delete,
}

impl Operation {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Operation> {
        [Operation::Insert, Operation::Update, Operation::Delete].into_iter().find(|operation| operation.word() == word)
    }
}

/// Prints columns of a row as a JSON object.
pub fn json_of_columns(table: &Table, cells: &Image, columns: impl Iterator<Item = usize>) -> String {
    let fields: Vec<(&str, String)> =
        columns.map(|column| (table.columns[column].name.as_str(), json_of_value(cells[column].as_ref()))).collect();
    json_object(&fields)
}

/// Prints some cells of a row as a JSON object.
pub fn json_of_some(table: &Table, cells: &[(usize, Option<Value>)]) -> String {
    let name = |column: usize| table.columns[column].name.as_str();
    let fields: Vec<(&str, String)> =
        cells.iter().map(|(column, value)| (name(*column), json_of_value(value.as_ref()))).collect();
    json_object(&fields)
}

/// Prints an object whose values are JSON already.
pub fn json_object(fields: &[(&str, String)]) -> String {
    let each: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json_text(name))).collect();
    format!("{{{}}}", each.join(","))
}

/// Numbers that JSON readers hold exactly are numbers, booleans booleans, JSON itself; all else is its canonical text.
fn json_of_value(value: Option<&Value>) -> String {
    match value {
        None => "null".to_owned(),
        Some(value @ (Value::Boolean(_) | Value::Integer(_) | Value::Json(_))) => value.to_text(),
        Some(Value::Double(double)) if double.as_f64().is_finite() => double.to_string(),
        Some(value) => json_text(&value.to_text()),
    }
}

/// Prints a JSON string.
pub fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
