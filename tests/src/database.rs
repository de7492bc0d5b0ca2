//! The application's database of a node: a SQLite file in its folder, or a database of a PostgreSQL server.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use treaty_testkit::PostgresServer;

/// Which database a node works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A SQLite file.
    Sqlite,
    /// A database of the PostgreSQL server that the tests share.
    Postgres,
}

/// A database of a PostgreSQL server, with two ordinary roles: the sidecar's, which owns it, and the application's, which
/// may read and write the tables in `public` and nothing else.
pub struct PostgresDatabase {
    pub(crate) server: &'static PostgresServer,
    pub(crate) name: String,
}

impl PostgresDatabase {
    /// Makes an empty database.
    pub(crate) fn create(server: &'static PostgresServer) -> PostgresDatabase {
        let database = PostgresDatabase { server, name: server.create_database() };
        let (owner, application) = (database.owner(), database.application());
        database.superuser(&format!(
            "CREATE ROLE {application} LOGIN;
             ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
               GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO {application}"
        ));
        database
    }

    /// The role that the sidecar connects as.
    pub fn owner(&self) -> &str {
        &self.name
    }

    /// The role that applications connect as.
    pub fn application(&self) -> String {
        format!("{}_application", self.name)
    }

    /// The server it is on.
    pub fn server(&self) -> &'static PostgresServer {
        self.server
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As `role` names it to a program.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{}", self.server.port(), self.name)
    }

    /// As `role` names it to our own client.
    pub(crate) fn options(&self, role: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host(self.server.folder()).port(self.server.port());
        options.username(role).database(&self.name).options([("bytea_output", "hex")])
    }

    /// Runs statements as a superuser, for what only an administrator could do; returns what they print.
    pub fn superuser(&self, statements: &str) -> String {
        let said = self.server.psql(&self.name, "postgres", statements);
        said.unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    /// Copies the whole database, nobody being connected; returns the copy's name.
    pub(crate) fn copy(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let copy = format!("{}_copy{}", self.name, COUNT.fetch_add(1, Ordering::Relaxed));
        self.administer(&format!("CREATE DATABASE {copy} TEMPLATE {} OWNER {}", self.name, self.owner()));
        copy
    }

    /// Puts a copy in this one's place.
    pub(crate) fn restore(&self, copy: &str) {
        self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        self.administer(&format!("CREATE DATABASE {} TEMPLATE {copy} OWNER {}", self.name, self.owner()));
    }

    fn administer(&self, statement: &str) {
        let said = self.server.psql("postgres", "postgres", statement);
        said.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// A node as it was: its folder, and its database if that is elsewhere.
pub struct Backup {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) copy: Option<String>,
}

impl Backup {
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }
}

/// Copies a folder with all that is in it, over what is there.
pub(crate) fn copy_folder(source: &Path, target: &Path) {
    let status = std::process::Command::new("cp").args(["-a", "-T"]).arg(source).arg(target).status();
    assert!(status.expect("cp runs").success());
}
