//! Tests of the crate by subject; what they share is drawn with `sketch`.
#![expect(clippy::needless_pass_by_value, reason = "an expectation reads best in place: check(input, expect![...])")]

mod canonical;
mod decimals;
mod expressions;
mod hostile;
mod jsons;
mod patches;
mod permissions;
mod policies;
mod reading;
mod rows;
mod spec;
mod strategies;
