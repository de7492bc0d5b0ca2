//! Tests of the reference evaluator: every rule as a scenario, and what must hold of any history.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod histories;
mod scenarios;
