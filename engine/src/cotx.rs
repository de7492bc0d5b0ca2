//! Whether a co-transaction stands. Admission for now: judged in its own past, for ever. Verdicts are to come.
//!
//! Spec: docs/spec/admission.md.

mod effects;
mod judge;
mod kept;
mod keys;
mod peers;
mod permission;
mod refusal;
mod rules;
mod verdict;

pub use judge::{Judge, JudgeError, Source};
pub use kept::{AsOf, KeptVerdicts};
pub use peers::{may_read_peers, past_witnesses};
pub use refusal::{Place, Reason, Refusal};
pub use verdict::{Flip, Grant, VerdictStore, VerdictWriter, Void, VoidReason};
