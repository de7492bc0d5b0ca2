//! Whether a co-transaction stands: admission, judged in its own past, for ever; and verdicts, judged in the light of everything that
//! is kept, which may flip either way as entries arrive.
//!
//! Spec: docs/spec/admission.md, docs/spec/verdicts.md. Oracle in tests: `treaty-oracle`.

// Admission.
mod judge;
mod refusal;

mod effects;
mod keys;
mod permission;
mod rules;
mod witnesses;

mod peers;

// Verdicts: as kept, and what a new entry changes.
mod kept;
mod settle;
mod verdict;
mod views;

mod closure;
mod condition;
mod derive;
mod derive_permission;
mod evaluator;
mod reach;
mod solve;

pub use evaluator::{Bench, Ground};
pub use judge::{Findings, Judge, JudgeError, Source};
pub use kept::{AsOf, KeptVerdicts};
pub use peers::{may_read_peers, past_witnesses};
pub use refusal::{Place, Reason, Refusal};
pub use settle::{keep_findings, settle};
pub use verdict::{Flip, Grant, VerdictStore, VerdictWriter, Void, VoidReason};
pub use views::{ViewVerdicts, Views};
