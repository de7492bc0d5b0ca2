//! The two clusters that everything is measured on: one program's, with the same settings, on one disk.

use treaty_testkit::{Durability, PostgresServer};

/// What both clusters have beyond PostgreSQL's defaults: memory and logs in which a short run fits, and the records that the
/// server's own replication needs.
const SETTINGS: &str = "-c shared_buffers=256MB -c max_wal_size=4GB -c checkpoint_timeout=30min -c wal_level=logical \
    -c max_wal_senders=8 -c max_replication_slots=8";

/// Where rows are written, and where they are to become visible.
pub(crate) struct Clusters {
    /// Written to.
    pub(crate) source: &'static PostgresServer,
    /// Read from.
    pub(crate) target: &'static PostgresServer,
}

impl Clusters {
    /// Starts both. They end with the process.
    pub(crate) fn start() -> Clusters {
        // Nodes keep their server for good.
        let start = || &*Box::leak(Box::new(PostgresServer::start_with(Durability::On, SETTINGS)));
        Clusters { source: start(), target: start() }
    }
}
