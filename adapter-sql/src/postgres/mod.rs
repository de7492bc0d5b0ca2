//! The application's PostgreSQL database.
//!
//! * [`PostgresDatabase`] - it all, as a [`Database`](crate::database::Database).
//! * [`Session`] - one connection, for a thread that blocks; `silence` - a server that does not answer.
//! * `scope` - transactions and locks; `queue`, `rows`, `table`, `values` - what is read and written in them.
//! * `state`, `rollbacks` - the bookkeeping tables.
//! * `writer` - a batch of rows.
//! * `install`, `fit`, `guard` - tables, triggers and functions: made, compared, made again.
//! * `wake` - noticing that somebody wrote.
//! * `peek` - reading beside a sidecar.

mod database;
mod fit;
mod guard;
mod install;
mod peek;
mod queue;
mod rollbacks;
mod rows;
mod scope;
mod session;
mod silence;
mod state;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod wake;
mod writer;

pub use database::PostgresDatabase;
pub(crate) use peek::PostgresPeek;
pub use session::{Purpose, Session};
pub use silence::Patience;
