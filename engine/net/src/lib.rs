//! Drives Treaty's sync protocol over QUIC and other transports.
//!
//! The engine is synchronous and owned by one thread; this crate is everything asynchronous around it. Bytes walk through
//! the rooms in this order:
//!
//! ```text
//!  transport    streams to peers whose keys are proven      discovery   whom to dial
//!  driver       tasks that shovel bytes and keep time       verifier    which keys are accepted
//!  engine       the way into the engine's thread, in batches
//!  hub          in that thread: sessions, peers, access, reconnecting; without I/O
//!  host         what the hub asks of a replica
//!  ticket       what a person hands to a person to join a space
//! ```
//!
//! Nothing here decides what an entry means; sessions are `treaty_engine::sync`'s.

pub mod discovery;
pub mod driver;
pub mod engine;
pub mod host;
pub mod hub;
pub mod limits;
pub mod ticket;
pub mod transport;
pub mod verifier;
