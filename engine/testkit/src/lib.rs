//! Test tools for the Treaty engine: graphs drawn as text, naive oracles, a log without admission, failing writes.
//!
//! Everything here is for tests alone and may panic: a wrong drawing is a wrong test.

mod bare_log;
mod dag;
mod gate;
mod oracle;
mod random;

pub use bare_log::BareLog;
pub use dag::{Dag, Node, keypair};
pub use gate::FailNth;
pub use oracle::Oracle;
pub use random::{dag, shuffled};
