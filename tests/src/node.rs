//! One node under test: a database, and the program as processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything. A test that needs it all has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A temporary directory with nodes in it.
pub struct Lab {
    directory: TempDir,
    program: PathBuf,
}

/// A node: its database file, and its sidecar while one runs. Dropped, it kills the sidecar it started.
pub struct Node {
    directory: PathBuf,
    program: PathBuf,
    /// Name of the database file without its ending.
    pub name: String,
    sidecar: Option<Sidecar>,
}

struct Sidecar {
    process: Child,
    events: Receiver<Value>,
}

impl Lab {
    /// Makes an empty directory for nodes that run `program`.
    ///
    /// # Panics
    /// If there is no room for one.
    pub fn new(program: &str) -> Lab {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Lab { directory, program: program.into() }
    }

    /// Writes a file into the directory.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).expect("the temporary directory is writable");
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Names a node; nothing is made yet.
    pub fn node(&self, name: &str) -> Node {
        let directory = self.directory.path().to_owned();
        Node { directory, program: self.program.clone(), name: name.into(), sidecar: None }
    }
}

impl Node {
    /// Runs `treaty ARGUMENTS --json --database …` to its end.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program can be started")
    }

    /// Runs a command that must succeed and returns the object that it printed.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "treaty {arguments:?} of {}: {said}", self.name);
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    /// Runs a command that must fail with exit code 1 and returns what it said on stderr.
    ///
    /// # Panics
    /// If it does anything else.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "treaty {arguments:?} of {}: {said}", self.name);
        said
    }

    /// Starts the sidecar and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn up(&mut self, arguments: &[&str]) {
        let mut command = self.command(&[&["up"], arguments].concat());
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the program can be started");
        let stdout = process.stdout.take().expect("stdout was piped");
        let (sender, events) = mpsc::channel();
        // Reads to the end, so that the sidecar never waits for its reader.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let _ = sender.send(event);
            }
        });
        self.sidecar = Some(Sidecar { process, events });
        let ready = self.event("ready");
        assert!(ready["listen"].is_string(), "{ready}");
    }

    /// Waits for the sidecar's next event called `name` and returns it.
    ///
    /// # Panics
    /// If none comes, or no sidecar runs.
    pub fn event(&self, name: &str) -> Value {
        let sidecar = self.sidecar.as_ref().expect("a sidecar runs");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = sidecar.events.recv_timeout(left);
            let event = event.unwrap_or_else(|_| panic!("{}: no event {name} came", self.name));
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Kills the sidecar with SIGKILL.
    ///
    /// # Panics
    /// If none runs.
    pub fn kill(&mut self) {
        let mut sidecar = self.sidecar.take().expect("a sidecar runs");
        sidecar.process.kill().expect("an own process can be killed");
        sidecar.process.wait().expect("an own process can be waited for");
    }

    /// Asks the sidecar to stop (SIGTERM), waits, and returns whether its exit code was 0.
    ///
    /// # Panics
    /// If none runs.
    pub fn stop(&mut self) -> bool {
        let mut sidecar = self.sidecar.take().expect("a sidecar runs");
        let ask = format!("kill -TERM {}", sidecar.process.id());
        let asked = Command::new("sh").args(["-c", &ask]).status().expect("sh can be started");
        assert!(asked.success(), "{ask}");
        sidecar.process.wait().expect("an own process can be waited for").success()
    }

    /// Opens the database as an application would.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn database(&self) -> Connection {
        let connection = Connection::open(self.directory.join(format!("{}.db", self.name))).expect("database opens");
        connection.busy_timeout(Duration::from_secs(10)).expect("a timeout can be set");
        connection
    }

    /// Executes plain SQL.
    ///
    /// # Panics
    /// If it fails.
    pub fn execute(&self, sql: &str) {
        self.database().execute_batch(sql).unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name));
    }

    /// Returns the rows that `sql` selects, as text: cells joined by `|`, NULL as nothing.
    ///
    /// # Panics
    /// If it fails.
    pub fn select(&self, sql: &str) -> Vec<String> {
        let connection = self.database();
        let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name));
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: rusqlite::Result<Vec<String>> =
                (0..width).map(|index| row.get_ref(index).map(cell_text)).collect();
            Ok(cells?.join("|"))
        });
        rows.expect("a query runs").map(|row| row.expect("a row reads")).collect()
    }

    /// Returns what `treaty identity` prints.
    ///
    /// # Panics
    /// If it prints none.
    pub fn identity(&self) -> String {
        self.run(&["identity"])["identity"].as_str().expect("an identity is text").to_owned()
    }

    /// Returns what `treaty invite` prints.
    ///
    /// # Panics
    /// If it prints none.
    pub fn ticket(&self) -> String {
        self.run(&["invite"])["ticket"].as_str().expect("a ticket is text").to_owned()
    }

    /// Says whether this node and `other` are in step: equal frontiers, nothing waiting.
    pub fn is_in_step_with(&self, other: &Node) -> bool {
        let (left, right) = (self.run(&["status"]), other.run(&["status"]));
        left["frontier"] == right["frontier"] && left["waiting"] == 0 && right["waiting"] == 0
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.directory).args(arguments).arg("--json");
        command.arg("--database").arg(format!("sqlite:{}.db", self.name)).stdin(Stdio::null());
        for variable in ["TREATY_DATA", "TREATY_DATABASE", "TREATY_PEERS"] {
            command.env_remove(variable);
        }
        if arguments.first().is_some_and(|&word| word == "init" || word == "join") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.sidecar.is_some() {
            self.kill();
        }
    }
}

/// Waits until `is_done` answers yes.
///
/// # Panics
/// If it does not within a minute; `what` is what was waited for.
pub fn wait_until(what: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

fn cell_text(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
