//! The Treaty engine: what happened, and what it means at a version.
//!
//! Synchronous and deterministic: no runtime, no sockets, no clock, no randomness, no environment. Time and chance
//! are arguments; bytes go to a store behind traits that the rooms own.
//!
//! # Rooms
//!
//! A room imports rooms of lower rank only.
//!
//! ```text
//!  7 replica      binds the rooms over a store; the one type that net and adapters hold
//!  6 cotx         whether a co-transaction stands: admission, verdicts
//!    sync         one peer's protocol as a state machine without I/O
//!  5 relation     tables as CRDTs: payloads, rows, columns, what they are at a version
//!  4 crdt         merging values: the last-writer-wins register
//!  3 causality    before, after, concurrent; minimal cover; meet; the difference of two versions
//!  2 log          entries: encode, hash, sign, check, append, park, iterate
//!  1 identity     keys, signatures, proof types
//!  0 hash codec limits fault
//!    store        one SQLite file; implements the traits that the rooms own; decides nothing
//! ```

pub mod codec;
pub mod cotx;
pub mod crdt;
pub mod fault;
pub mod hash;
pub mod limits;

pub mod identity;

pub mod log;
pub mod relation;
pub mod replica;

pub mod causality;

pub mod sync;

pub mod store;
