//! The network side with real sockets on loopback, and in memory: nodes that find, refuse, lose and follow each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod hostile;
mod hub;
mod node;
mod patience;
mod quic;
mod replicas;
mod spaces;
mod ticket;
