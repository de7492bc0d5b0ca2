//! The reference evaluator: what a set of entries means, worked out from scratch, as close to the text as code allows.
//!
//! No index is kept, nothing is updated: every question reads all operations again, so cost is quadratic and more. What
//! is remembered is whole answers that can never change: the verdicts of a set of entries. Only decoders, names, and the
//! evaluator of expressions and policies are shared with the engine; whoever computes verdicts cleverly is compared with
//! this. In the order of the semantics: conditions ([`mod@condition`]), verdicts and disputes, seniority, reasons, state,
//! admission.
//!
//! Spec: docs/spec/verdicts.md, docs/spec/admission.md, docs/spec/relation.md.

// What is there: entries, and which of them one looks at.
mod entry_set;
mod history;
mod names;
mod view;

mod facts;

// What a co-transaction relies on, and whether it stands.
mod condition;
mod permission;
mod reading;

mod reason;
mod seniority;
mod solve;
mod verdict;

// What follows: tables, their digest, and what enters the log.
mod admission;
mod census;
mod digest;
mod state;

pub use census::Census;
pub use history::{History, HistoryError};
pub use names::{CoTxName, Position};
pub use seniority::{Rank, Seniority};
pub use state::ShownRow;
pub use verdict::{Verdict, VoidReason};
