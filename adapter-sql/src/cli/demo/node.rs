//! One node of the demo: a database file, and this program run beside it as its own processes.

use std::fs::DirEntry;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::Connection;
use serde_json::Value;

/// Longest wait for anything; the story normally takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A node: its database, and its sidecar while one runs.
pub(super) struct Node {
    name: &'static str,
    pub(super) directory: PathBuf,
    sidecar: Option<Child>,
}

impl Node {
    /// Names a node; nothing is made yet.
    pub(super) fn new(name: &'static str, directory: &Path) -> Node {
        Node { name, directory: directory.to_owned(), sidecar: None }
    }

    /// Returns the database's file name.
    pub(super) fn file(&self) -> String {
        format!("{}.db", self.name)
    }

    /// Runs `treaty ARGUMENTS --database sqlite:FILE --json` to its end and returns the object it printed.
    ///
    /// # Errors
    /// What it said on stderr, if it failed.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).output().context("starting treaty")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        serde_json::from_slice(&output.stdout).context("reading what treaty printed")
    }

    /// Runs `treaty ARGUMENTS --database sqlite:FILE` to its end and returns what it printed for people.
    ///
    /// # Errors
    /// What it said on stderr, if it failed.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<String> {
        let output = self.plain_command(arguments).output().context("starting treaty")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Copies the database and the data directory to a directory, or back from it.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn copy_files(&self, source: &Path, target: &Path) -> Result<()> {
        for entry in std::fs::read_dir(target)? {
            self.of_this_node(&entry?).map_or(Ok(()), |path| remove(&path))?;
        }
        for entry in std::fs::read_dir(source)? {
            if let Some(path) = self.of_this_node(&entry?) {
                copy(&path, target)?;
            }
        }
        Ok(())
    }

    /// The path of a directory entry that is the database, a file that SQLite keeps beside it, or the data directory.
    fn of_this_node(&self, entry: &DirEntry) -> Option<PathBuf> {
        entry.file_name().to_string_lossy().starts_with(&self.file()).then(|| entry.path())
    }

    /// Starts the sidecar and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready; what it said is in the error.
    pub(super) fn start(&mut self) -> Result<()> {
        let log_path = self.directory.join(format!("{}.log", self.name));
        let log = std::fs::File::options().create(true).append(true).open(&log_path)?;
        let mut child =
            self.command(&["up"]).stdout(Stdio::piped()).stderr(log).spawn().context("starting treaty up")?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("treaty up has no stdout"))?;
        self.sidecar = Some(child);
        let (ready, is_ready) = mpsc::channel();
        // Reads to the end, so that the sidecar never waits for us.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.contains(r#""event":"ready""#) {
                    let _ = ready.send(());
                }
            }
        });
        is_ready.recv_timeout(PATIENCE).map_err(|_| {
            let said = std::fs::read_to_string(&log_path).unwrap_or_default();
            anyhow!("{}'s sidecar did not become ready: {}", self.name, said.trim())
        })
    }

    /// Kills the sidecar as a power cut would: without warning.
    ///
    /// # Errors
    /// If the process cannot be ended.
    pub(super) fn pull_the_plug(&mut self) -> Result<()> {
        if let Some(mut child) = self.sidecar.take() {
            child.kill().context("ending treaty up")?;
            child.wait().context("waiting for treaty up to end")?;
        }
        Ok(())
    }

    /// Opens the database as any application would.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) fn database(&self) -> Result<Connection> {
        let connection = Connection::open(self.directory.join(self.file()))?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(connection)
    }

    /// Executes plain SQL.
    ///
    /// # Errors
    /// SQLite's, also when a policy refuses the statement.
    pub(super) fn execute(&self, sql: &str) -> Result<()> {
        Ok(self.database()?.execute_batch(sql)?)
    }

    /// Returns the rows that `sql` selects, every value as text.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) fn select(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let connection = self.database()?;
        let mut statement = connection.prepare(sql)?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let cells = (0..width).map(|index| row.get_ref(index).map(show)).collect::<Result<_, _>>()?;
            found.push(cells);
        }
        Ok(found)
    }

    /// Waits until `sql` selects a row.
    ///
    /// # Errors
    /// If it does not in half a minute.
    pub(super) fn wait_for(&self, sql: &str) -> Result<()> {
        wait(|| Ok(!self.select(sql)?.is_empty()))
            .with_context(|| format!("waiting for {}'s database to show: {sql}", self.name))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.plain_command(arguments);
        command.arg("--json");
        command
    }

    fn plain_command(&self, arguments: &[&str]) -> Command {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("treaty"));
        let mut command = Command::new(program);
        command.current_dir(&self.directory).args(arguments).arg("--database");
        command.arg(format!("sqlite:{}", self.file())).stdin(Stdio::null());
        command
            .env_remove("TREATY_LOG")
            .env_remove("TREATY_DATA")
            .env_remove("TREATY_PEERS")
            .env_remove("TREATY_LISTEN");
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nobody is left to tell if this fails.
        let _ = self.pull_the_plug();
    }
}

/// Copies a file, or a directory with its files, into a directory.
fn copy(source: &Path, directory: &Path) -> Result<()> {
    let target = directory.join(source.file_name().context("a path without a name")?);
    if !source.is_dir() {
        std::fs::copy(source, target)?;
        return Ok(());
    }
    std::fs::create_dir(&target)?;
    for file in std::fs::read_dir(source)? {
        let file = file?;
        std::fs::copy(file.path(), target.join(file.file_name()))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(std::fs::remove_dir_all(path)?);
    }
    Ok(std::fs::remove_file(path)?)
}

/// Waits until `is_done` answers yes.
///
/// # Errors
/// Its own, or that half a minute passed.
pub(super) fn wait(mut is_done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_done()? {
        if Instant::now() > deadline {
            bail!("nothing happened for {} seconds", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn show(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}
