//! The application's PostgreSQL database.
//!
//! * [`Session`] - one connection, for a thread that blocks.

#[allow(dead_code, reason = "what writes is being written")]
mod session;
#[cfg(test)]
mod tests;

pub use session::{Purpose, Session};
