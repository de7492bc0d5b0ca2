//! Test tools for the Treaty engine: graphs drawn as text, naive oracles, a log without admission, failing writes,
//! figures of benchmarks; and a PostgreSQL server for the crates above it.
//!
//! Everything here is for tests alone and may panic: a wrong drawing is a wrong test.

mod bare_log;
mod dag;
mod drawn_schema;
mod drawn_value;
mod figures;
mod gate;
mod oracle;
mod port;
mod postgres;
mod quarrel;
mod random;
mod scenario;
pub mod scenarios;
pub mod sim;
mod story;
mod wire;

pub use bare_log::BareLog;
pub use dag::{Dag, Node, keypair};
pub use drawn_schema::{
    TableDraft, all, always, author, col, compare, eq, exists, number, patch, scalar, table, text, with_peers,
};
pub use drawn_value::drawn_value;
pub use figures::Figures;
pub use gate::{CopyEach, FailNth};
pub use oracle::Oracle;
pub use port::Port;
pub use postgres::{Durability, PostgresServer, not_as_root};
pub use quarrel::{Dice, Quarrel};
pub use random::{dag, shuffled};
pub use scenario::{Evaluates, Scenario};
pub use story::{AUTHORS, Story, told_value};
pub use treaty_oracle::{CoTxName, History, ShownRow, Verdict, VoidReason};
pub use wire::Wire;
