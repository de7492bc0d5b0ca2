//! Schema files: text in, a checked schema and SQL text out.
//!
//! [`parse`] is the only reader of schema text: it gives a [`SchemaFile`] or every mistake in it as [`Diagnostic`]s.
//!
//! What it deliberately lacks: any judgement of its own about a schema (that is [`treaty_schema::Schema::apply`]), any
//! database connection, any I/O but that of the binary.

pub mod command;
mod diagnostic;
pub mod limits;
mod parse;
pub mod sql;

pub use diagnostic::Diagnostic;
pub use parse::{GenesisCell, GenesisRow, SchemaFile, parse};
