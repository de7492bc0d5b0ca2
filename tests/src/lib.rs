//! The harness of the end-to-end tests: real processes, real files, real QUIC on loopback.
//!
//! A [`Lab`] is a temporary directory; a [`Node`] in it is a database file and the product's own program run beside
//! it. Waiting is for a condition, with a generous limit; nothing here depends on how long anything takes.

#![expect(clippy::panic, reason = "in a harness of tests, a failure is a panic")]

mod node;

pub use node::{Lab, Node, wait_until};
