//! The harness of the end-to-end tests: real processes, real files, real QUIC on loopback.
//!
//! A [`Node`] is an application's database, SQLite or PostgreSQL, and a data directory; [`Node::run`] runs one command of the
//! `treaty` binary beside it, [`Node::up`] starts the sidecar as a process of its own ([`Sidecar`]) which ends, at the
//! latest, when it is dropped. Waiting is always for a fact ([`wait_until`]), never for a time.

#![expect(clippy::panic, reason = "a harness of tests fails by panicking, and says why")]

mod application;
mod client;
mod database;
mod figures;
pub mod http;
mod members;
mod notes;
pub mod openapi;
mod pairs;
mod pooler;
mod sidecar;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub use application::*;
pub use client::*;
pub use database::*;
pub use figures::*;
pub use members::*;
pub use notes::*;
pub use pairs::*;
pub use pooler::*;
use serde_json::Value;
pub use sidecar::*;
use treaty_testkit::PostgresServer;

/// How long a test waits for a fact before it fails. Generous: the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A node: an application's database and the data directory of the sidecar, in a folder of its own.
pub struct Node {
    folder: tempfile::TempDir,
    postgres: Option<PostgresDatabase>,
}

impl Default for Node {
    fn default() -> Node {
        Node::new()
    }
}

impl Node {
    /// A node over a SQLite file: an empty folder, no identity, no database yet.
    pub fn new() -> Node {
        Node::on(Kind::Sqlite)
    }

    /// A node over either database.
    pub fn on(kind: Kind) -> Node {
        let postgres = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(PostgresDatabase::create(PostgresServer::shared())),
        };
        Node { folder: tempfile::tempdir().expect("a folder for a node"), postgres }
    }

    /// A node over a database of a server of its own.
    pub fn on_server(server: &'static PostgresServer) -> Node {
        Node {
            folder: tempfile::tempdir().expect("a folder for a node"),
            postgres: Some(PostgresDatabase::create(server)),
        }
    }

    /// Its kind of database.
    pub fn kind(&self) -> Kind {
        if self.postgres.is_some() { Kind::Postgres } else { Kind::Sqlite }
    }

    /// Its PostgreSQL database, if that is what it has.
    pub fn postgres(&self) -> Option<&PostgresDatabase> {
        self.postgres.as_ref()
    }

    /// The application's database file, where it is SQLite.
    pub fn database(&self) -> PathBuf {
        assert_eq!(self.kind(), Kind::Sqlite, "a database of PostgreSQL is no file");
        self.folder.path().join("app.db")
    }

    /// The data directory of the sidecar: the default one, seen from the folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join(match self.kind() {
            Kind::Sqlite => "app.db.treaty",
            Kind::Postgres => "treaty-data",
        })
    }

    /// The folder that holds the files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database as the command line names it, with the sidecar's role.
    pub fn url(&self) -> String {
        match &self.postgres {
            None => format!("sqlite:{}", self.database().display()),
            Some(database) => database.url(database.owner()),
        }
    }

    /// The database as a client library of an application names it: the file, or a URL with the application's role.
    pub fn application_url(&self) -> String {
        match &self.postgres {
            None => self.database().display().to_string(),
            Some(database) => database.url(&database.application()),
        }
    }

    /// Copies everything, the sidecar not running.
    pub fn back_up(&self) -> Backup {
        let backup = Backup {
            folder: tempfile::tempdir().expect("a folder"),
            copy: self.postgres.as_ref().map(PostgresDatabase::copy),
        };
        copy_folder(self.folder(), &backup.files());
        backup
    }

    /// Puts everything back as it was, the sidecar not running.
    pub fn restore(&self, backup: &Backup) {
        std::fs::remove_dir_all(self.data()).expect("its own files");
        copy_folder(&backup.files(), self.folder());
        if let (Some(database), Some(copy)) = (&self.postgres, &backup.copy) {
            database.restore(copy);
            // To PostgreSQL a restored database is another one; the sidecar wants to hear that the first is gone.
            self.up_with(&["--moved"]).stop();
        }
    }

    /// A command of the binary on this node's data directory, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--data").arg(self.data()).env_remove("TREATY_DATA").env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs a command to its end with `--json`, whatever its exit code.
    pub fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).arg("--json").output().expect("the binary starts")
    }

    /// Runs a command with `--json` that must succeed, and returns the object it prints.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let output = self.try_run(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "treaty {arguments:?}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(text.trim()).unwrap_or_else(|cause| panic!("treaty {arguments:?}: {cause}: {text}"))
    }

    /// Runs a command with `--json` that must succeed, and returns the objects it prints, one per line.
    pub fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "treaty {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|cause| panic!("{arguments:?}: {cause}: {line}"));
        text.lines().map(parse).collect()
    }

    /// Runs a command with `--json` that must fail with exit code 1, and returns what it says on stderr.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        assert_eq!(output.status.code(), Some(1), "treaty {arguments:?} must fail: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// This node's identity, made if there is none.
    pub fn identity(&self) -> String {
        field(&self.run(&["identity"]), "identity").to_owned()
    }

    /// Founds a space with `schema` over this node's database.
    pub fn init(&self, schema: &str) -> Value {
        let file = self.folder.path().join("schema.sql");
        std::fs::write(&file, schema).expect("the folder is writable");
        self.run(&["init", "--schema", &file.display().to_string(), "--database", &self.url()])
    }

    /// The `status` object.
    pub fn status(&self) -> Value {
        self.run(&["status"])
    }

    /// The state digest, by `verify`, which must find no problem.
    pub fn verified_digest(&self) -> String {
        let report = self.run(&["verify"]);
        assert_eq!(report["ok"], true, "verify: {report}");
        field(&report, "digest").to_owned()
    }

    /// Starts the sidecar, listening on a free port of loopback, and waits until it is ready.
    pub fn up(&self, peers: &[&str]) -> Sidecar {
        let arguments: Vec<&str> = peers.iter().flat_map(|peer| ["--peer", peer]).collect();
        Sidecar::start(self, &arguments)
    }

    /// Starts the sidecar with further arguments of `up`.
    pub fn up_with(&self, arguments: &[&str]) -> Sidecar {
        Sidecar::start(self, arguments)
    }
}

/// The program: `treaty`, whole and unchanged, built with these tests and benchmarks in their own profile.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in <profile>/deps");
    folder.join("treaty-under-test")
}

/// A text field of a JSON object, which must be there.
pub fn field<'v>(object: &'v Value, name: &str) -> &'v str {
    object[name].as_str().unwrap_or_else(|| panic!("no text field {name} in {object}"))
}

/// Waits until `fact` holds, at most [`PATIENCE`]; `what` names it in the failure.
pub fn wait_until(what: &str, mut fact: impl FnMut() -> bool) {
    let start = Instant::now();
    while !fact() {
        assert!(start.elapsed() < PATIENCE, "gave up waiting: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until all `nodes` hold the same entries and none has changes waiting.
pub fn wait_in_step(nodes: &[&Node]) {
    wait_until("all nodes are in step", || {
        let states: Vec<Value> = nodes.iter().map(|node| node.status()).collect();
        states.iter().all(|state| state["waiting"] == 0 && state["frontier"] == states[0]["frontier"])
    });
}
