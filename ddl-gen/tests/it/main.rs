//! Tests of the schema language and of the SQL made from it, executed on real databases.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod command;
mod diagnostics;
mod golden;
mod oracle;
mod parse;
mod postgres;
mod sqlite;
