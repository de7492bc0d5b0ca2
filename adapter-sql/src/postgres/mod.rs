//! The application's PostgreSQL database.
//!
//! * [`Session`] - one connection, for a thread that blocks.
//! * `peek` - reading beside a sidecar.

mod peek;
#[allow(dead_code, reason = "what calls it is being written")]
mod queue;
#[allow(dead_code, reason = "what calls it is being written")]
mod rows;
#[allow(dead_code, reason = "what calls it is being written")]
mod scope;
#[allow(dead_code, reason = "what writes is being written")]
mod session;
#[allow(dead_code, reason = "what calls it is being written")]
mod table;
#[cfg(test)]
mod tests;
#[allow(dead_code, reason = "what calls it is being written")]
mod values;

pub(crate) use peek::PostgresPeek;
pub use session::{Purpose, Session};
