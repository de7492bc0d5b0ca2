//! The application's PostgreSQL database.
//!
//! * [`Session`] - one connection, for a thread that blocks.
//! * `peek` - reading beside a sidecar.

mod peek;
#[allow(dead_code, reason = "what writes is being written")]
mod session;
#[cfg(test)]
mod tests;

pub(crate) use peek::PostgresPeek;
pub use session::{Purpose, Session};
