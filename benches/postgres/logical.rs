//! The server's own logical replication of the benchmark's table, from one cluster to the other.

use std::time::Duration;

use treaty_testkit::PostgresServer;

use crate::clusters::Clusters;
use crate::session::{Reader, Session, until};

/// The table as an application without Treaty makes it.
pub(crate) const NOTES_RAW: &str =
    "CREATE TABLE notes (id uuid PRIMARY KEY, writer text NOT NULL, title text NOT NULL, body text NOT NULL,
     stars integer NOT NULL DEFAULT 0, updated_at bigint NOT NULL)";

/// A database on each cluster, published on the first.
pub(crate) struct Logical {
    /// A connection to the publisher.
    pub(crate) source: Session,
    /// A connection to the subscriber.
    pub(crate) target: Session,
    connection: String,
    // Of the subscription, and so of the slot.
    name: String,
    is_subscribed: bool,
}

impl Logical {
    /// Makes both databases and publishes the first one's table; nobody has subscribed yet.
    pub(crate) fn publish(clusters: &Clusters) -> Logical {
        let (mut source, database) = raw_database(clusters.source);
        let (target, name) = raw_database(clusters.target);
        source.run("CREATE PUBLICATION published FOR TABLE notes");
        let connection = format!("host=127.0.0.1 port={} user=postgres dbname={database}", clusters.source.port());
        Logical { source, target, connection, name, is_subscribed: false }
    }

    /// Subscribes; the first copy of the table has only begun.
    pub(crate) fn subscribe(&mut self) {
        self.target
            .run(&format!("CREATE SUBSCRIPTION {} CONNECTION '{}' PUBLICATION published", self.name, self.connection));
        self.is_subscribed = true;
    }

    /// Subscribes, and waits until the copy is done and changes follow.
    pub(crate) fn start(clusters: &Clusters) -> Logical {
        let mut logical = Logical::publish(clusters);
        logical.subscribe();
        let ready = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'";
        until(&mut logical.target, ready, 1, Duration::from_millis(20));
        logical
    }
}

impl Drop for Logical {
    /// A slot left behind would keep the source decoding what others write.
    fn drop(&mut self) {
        if self.is_subscribed && !std::thread::panicking() {
            self.target.run(&format!("DROP SUBSCRIPTION {}", self.name));
            let slots = self.source.number("SELECT count(*) FROM pg_replication_slots");
            assert_eq!(slots, 0, "replication slots left behind");
        }
    }
}

/// A new database with the plain table, and a connection that owns it; and its name.
pub(crate) fn raw_database(server: &PostgresServer) -> (Session, String) {
    let name = server.create_database();
    let mut session = Session::connect(server, &name, "postgres");
    session.run(NOTES_RAW);
    (session, name)
}
