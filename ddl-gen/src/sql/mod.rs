//! SQL text for a schema: what makes an ordinary database hold it and notice its changes.
//!
//! * [`quote`] - names and literals as SQL text; nothing else may put one into a statement.
//! * [`sqlite`], [`postgres`] - tables, triggers and bookkeeping of one database each.
//!
//! The text is a function of the schema alone: the same schema gives the same bytes.

mod keys;
mod policies;
pub mod postgres;
pub mod quote;
pub mod sqlite;

use quote::{ident, idents};
use treaty_schema::{Check, Comparison, OnDelete, Table, Unique};

/// The action in both databases' words; nothing is NO ACTION.
fn on_delete(action: OnDelete) -> &'static str {
    match action {
        OnDelete::NoAction => "",
        OnDelete::Restrict => " ON DELETE RESTRICT",
        OnDelete::Cascade => " ON DELETE CASCADE",
        OnDelete::SetNull => " ON DELETE SET NULL",
    }
}

/// The comment that stands for a CHECK which a database would not evaluate as the engine does.
fn left_to_treaty(database: &str, table: &Table, check: &Check) -> String {
    // Names hold no control characters, so none ends the line.
    format!("-- CHECK {} of {} is left to treaty: {database} would not evaluate it exactly.\n", check.name, table.name)
}

/// A comparison in both databases' words.
fn comparison(op: Comparison) -> &'static str {
    match op {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

/// A UNIQUE key as a constraint of its table.
fn unique_line(table: &Table, unique: &Unique) -> String {
    let columns = idents(unique.columns.iter().map(|index| table.columns[*index].name.as_str()));
    format!("CONSTRAINT {} UNIQUE ({columns})", ident(unique.name.as_str()))
}
