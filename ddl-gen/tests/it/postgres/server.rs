//! A database of each test's own, on the server that they share.

use std::sync::atomic::{AtomicU32, Ordering};

use treaty_testkit::PostgresServer;

/// A database of one test.
pub(crate) struct Database {
    name: String,
}

impl Database {
    /// Makes an empty database, and the server before it if this is the first.
    pub(crate) fn create() -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let database = Database { name: format!("case{}", COUNT.fetch_add(1, Ordering::Relaxed)) };
        let made = PostgresServer::shared().psql("postgres", "postgres", &format!("CREATE DATABASE {}", database.name));
        made.expect("a fresh server makes databases");
        database
    }

    /// Runs statements; returns what the queries among them print, one line per row.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.run_as("postgres", sql)
    }

    /// As [`Database::run`], as another role.
    pub(crate) fn run_as(&self, role: &str, sql: &str) -> String {
        self.psql(role, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs statements that fail; returns the error.
    pub(crate) fn fails(&self, sql: &str) -> String {
        self.fails_as("postgres", sql)
    }

    /// As [`Database::fails`], as another role.
    pub(crate) fn fails_as(&self, role: &str, sql: &str) -> String {
        self.psql(role, sql).map_or_else(|error| error, |printed| panic!("{sql}: does not fail, prints {printed}"))
    }

    fn psql(&self, role: &str, sql: &str) -> Result<String, String> {
        PostgresServer::shared().psql(&self.name, role, sql)
    }
}
