//! Merging values without knowing tables. One merging type for now: the last-writer-wins register.
//!
//! Every write of a cell is kept; which one is read depends on what the reader sees. Structure never depends on
//! verdicts, only visibility does.
//!
//! Spec: docs/spec/relation.md, section 3.

mod register;

pub use register::{OperationKey, Rank, Winner};
