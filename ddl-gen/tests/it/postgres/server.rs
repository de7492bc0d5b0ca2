//! A database of each test's own, on the server that they share.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
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

/// A connection that stays open between statements, to be used beside others.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Connects as the superuser.
    pub(crate) fn open(database: &Database) -> Session {
        let server = PostgresServer::shared();
        let mut child = Command::new(server.program("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-f", "-"])
            .args(["-h", server.folder(), "-p", &server.port().to_string(), "-d", &database.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Session { child, input, output: BufReader::new(output) }
    }

    /// Runs statements; returns what they print when they are done.
    pub(crate) fn run(&mut self, sql: &str) -> String {
        self.start(sql);
        self.finish()
    }

    /// Begins to run statements, which may have to wait for somebody.
    pub(crate) fn start(&mut self, sql: &str) {
        writeln!(self.input, "{sql};\n\\echo {DONE}").unwrap();
        self.input.flush().unwrap();
    }

    /// Waits for the end of what was started; returns what it prints.
    pub(crate) fn finish(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the session ended: {lines:?}");
            match line.trim_end() {
                DONE => return lines.join("\n"),
                line => lines.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a session prints when it has done what it was told.
const DONE: &str = "done-with-that";
