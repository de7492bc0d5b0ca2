//! A node over a database of a PostgreSQL server, and applications that keep their transactions open.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use treaty::application::Application;
use treaty::audit::Snapshot;
use treaty::capture::Drained;
use treaty::database::{DatabaseError, Existing, Node as Owner};
use treaty::home::Home;
use treaty::keystore::Keystore;
use treaty::link::ReplicaLink;
use treaty::postgres::{PostgresDatabase, Purpose};
use treaty_engine::identity::{Identity, Keypair};
use treaty_engine::replica::Replica;
use treaty_engine::store::{Durability, Sqlite};
use treaty_testkit::PostgresServer;

use crate::both::options;
use crate::node::TestNode;

/// A node that joined the space of another one.
pub(crate) struct ServerNode {
    pub(crate) keys: Keystore,
    pub(crate) replica: Replica,
    pub(crate) application: Application,
    database: String,
    _directory: TempDir,
}

impl ServerNode {
    /// Joins the space of a node, with a new database.
    pub(crate) fn join(other: &TestNode, seed: u8) -> ServerNode {
        ServerNode::join_with(other, seed, |options| PostgresDatabase::open(options, Purpose::Sidecar, false).unwrap())
    }

    /// The same, with a way of its own to the database.
    pub(crate) fn join_with(
        other: &TestNode,
        seed: u8,
        open: impl FnOnce(&PgConnectOptions) -> PostgresDatabase,
    ) -> ServerNode {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        let mut replica = Replica::join(store, other.entries().remove(0), other.replica.space()).unwrap();
        let keypair = Arc::new(Keypair::generate(&[seed; 32]));
        let identity = keypair.identity();
        let mut keys = Keystore::of(keypair, &Home::at(directory.path().to_owned()));
        let database = PostgresServer::shared().create_database();
        let opened = open(&options(&database));
        let schema = replica.schema().clone();
        let owner = Owner { schema: &schema, space: replica.space(), identity, gap_ms: 0 };
        let mut link = ReplicaLink { replica: &mut replica, keys: &mut keys, now_ms: 0 };
        let (application, _) =
            Application::install(Box::new(opened), &owner, Existing::Adopt, "instance", &mut link).unwrap();
        ServerNode { keys, replica, application, database, _directory: directory }
    }

    /// Connects as an application does.
    pub(crate) fn client(&self) -> ServerClient {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(PgConnection::connect_with(&options(&self.database))).unwrap();
        ServerClient { runtime, connection }
    }

    /// Runs statements as an application does, in one transaction.
    pub(crate) fn run(&self, sql: &str) {
        self.client().run(sql);
    }

    /// Answers a query as text: rows by line, columns by `|`.
    pub(crate) fn ask(&self, sql: &str) -> String {
        PostgresServer::shared().psql(&self.database, &self.database, sql).unwrap()
    }

    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&mut Application, &mut ReplicaLink<'_>) -> T) -> T {
        let mut link = ReplicaLink { replica: &mut self.replica, keys: &mut self.keys, now_ms: 0 };
        work(&mut self.application, &mut link)
    }

    pub(crate) fn drain(&mut self) -> Drained {
        self.with(|application, link| application.drain(link)).unwrap()
    }

    /// Takes what another node has, and applies all of it.
    pub(crate) fn hear(&mut self, other: &TestNode) -> Result<(), DatabaseError> {
        self.replica.ingest(other.entries()).unwrap();
        while !self.with(|application, link| application.apply(link))?.is_last {}
        Ok(())
    }

    /// Has this node's own log at hand for another one.
    pub(crate) fn tell(&self, other: &mut TestNode) {
        let outcome = other.replica.ingest(crate::node::entries_of(&self.replica)).unwrap();
        assert!(outcome.refused.is_empty() && outcome.parked.is_empty(), "{outcome:?}");
        other.apply();
    }

    /// Checks that everything is in the log, shown, and as the log has it.
    pub(crate) fn check_settled(&mut self) {
        let shown = self.application.shown().unwrap();
        assert_eq!(shown, self.replica.newest().unwrap());
        assert_eq!(self.application.waiting().unwrap(), 0);
        assert_eq!(self.with(|application, link| application.audit(link)).unwrap(), 0, "tables differ from the log");
        for table in self.replica.schema().tables() {
            let pending = self.ask(&format!("SELECT count(*) FROM {} WHERE treaty_status = 'pending'", table.name));
            assert_eq!(pending, "0", "pending rows of {}", table.name);
        }
    }

    /// Rows that are not as the log has them, and wait in no queue.
    pub(crate) fn differences(&mut self) -> Vec<String> {
        let schema = self.replica.schema().clone();
        let reading = PostgresDatabase::open(&options(&self.database), Purpose::Reading, false).unwrap();
        let mut snapshot = Snapshot::take(Box::new(reading)).unwrap();
        let differences = self.with(|_, link| snapshot.compare(&schema, link, 10)).unwrap();
        differences.into_iter().map(|found| format!("{} {}", found.table, found.row)).collect()
    }

    /// The node's own identity.
    pub(crate) fn identity(&self) -> Identity {
        self.keys.own().identity()
    }
}

/// An application's connection.
pub(crate) struct ServerClient {
    runtime: Runtime,
    connection: PgConnection,
}

impl ServerClient {
    /// Runs statements: one transaction, unless they begin or end one.
    pub(crate) fn run(&mut self, sql: &str) {
        self.try_run(sql).unwrap();
    }

    /// Runs statements that may fail.
    pub(crate) fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.runtime.block_on(self.connection.execute(AssertSqlSafe(sql.to_owned()))).map(drop)
    }
}
