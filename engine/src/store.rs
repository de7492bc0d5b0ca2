//! The store: one SQLite file, one writer, one write transaction at a time. Implements what the rooms ask of it and
//! decides nothing.
//!
//! Everything is written through [`WriteTx`], whose writes pass one [`WriteGate`]: tests close it to fail the Nth
//! write. Each room's tables are in one SQL file here. Reading never writes, so a second process may read along.

mod causality;
mod cotx;
mod gate;
mod log;
mod note;
mod relation;
mod snapshot;
mod sqlite;
mod tx;

pub use crate::fault::StoreError;
pub use gate::{GateClosed, WriteGate, WriteStep};
pub use snapshot::Snapshot;
pub use sqlite::{Durability, FORMAT, Sqlite};
pub use tx::WriteTx;
