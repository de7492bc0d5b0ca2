//! SQL text for a schema: what makes an ordinary database hold it and notice its changes.
//!
//! * [`quote`] - names and literals as SQL text; nothing else may put one into a statement.
//! * [`sqlite`] - tables, triggers and bookkeeping.
//!
//! The text is a function of the schema alone: the same schema gives the same bytes.

pub mod quote;
pub mod sqlite;
