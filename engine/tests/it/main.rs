//! Tests of the engine's rooms together, against the oracles of `treaty-testkit`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod admission;
mod causality;
mod entry_format;
mod failing_replica;
mod failing_store;
mod histories;
mod large;
mod log;
mod parking;
mod payload;
mod quarrels;
mod replica;
mod scenarios;
mod shown;
mod signature;
mod store_file;
mod sync;
mod tables;
mod vectors;
mod verdict_store;
mod verdicts;
