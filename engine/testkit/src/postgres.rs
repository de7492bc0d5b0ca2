//! A PostgreSQL server of the tests' own: found, started on a free port and a socket, and gone when the test process is.
//!
//! [`PostgresServer::shared`] is one server for the whole process; whoever stops and restarts one starts another
//! ([`PostgresServer::start`]). It trusts everybody on this machine, keeps nothing safe, and is small. Each test makes databases
//! of its own ([`PostgresServer::create_database`]), owned by an ordinary role.

#![expect(clippy::panic, reason = "a test without its server fails by panicking, and says why")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::Port;

/// Makes a cluster and starts it, says where it is, restarts it when told, and waits for the end of its input: when the test
/// process ends, however that comes, the server stops and its folder goes.
const SCRIPT: &str = r#"
set -e
folder=$(mktemp -d /tmp/treaty-postgres.XXXXXX)
chmod 755 "$folder"
trap '"$BIN/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1; rm -rf "$folder"' EXIT
"$BIN/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/log" 2>&1 \
  || { cat "$folder/log"; exit 1; }
run() {
  "$BIN/pg_ctl" -D "$folder/data" -w -l "$folder/log" -o "-k $folder $OPTIONS" "$@" >/dev/null 2>&1 </dev/null \
    || { cat "$folder/log"; exit 1; }
  echo "ready $folder"
}
run start
while read -r word; do
  case $word in
    immediate|fast) run -m "$word" restart ;;
  esac
done
"#;

/// What every server is: on loopback only, small, in a time zone that is not UTC, so that whoever forgets the zone notices.
const OPTIONS: &str = "-c listen_addresses=127.0.0.1 -c max_connections=150 -c shared_buffers=16MB -c wal_level=minimal \
    -c max_wal_senders=0 -c max_prepared_transactions=8 -c timezone=America/New_York";

/// A running server. Dropping it stops it and removes its files.
pub struct PostgresServer {
    folder: String,
    port: Port,
    binaries: PathBuf,
    script: Child,
    // Their end is the server's. None once it is being dropped.
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

/// Whether a server keeps what it was told to commit when it is stopped the hard way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is forced to the disk: fast, and never to be restarted.
    Off,
    /// As in production.
    On,
}

impl PostgresServer {
    /// The server that all tests of this process share; the first to ask starts it.
    pub fn shared() -> &'static PostgresServer {
        static SERVER: OnceLock<PostgresServer> = OnceLock::new();
        SERVER.get_or_init(|| PostgresServer::start(Durability::Off))
    }

    /// Starts a server of its own.
    pub fn start(durability: Durability) -> PostgresServer {
        PostgresServer::start_with(durability, "")
    }

    /// Starts a server of its own with further settings, which win over ours: `-c wal_level=logical -c ...`.
    pub fn start_with(durability: Durability, settings: &str) -> PostgresServer {
        let port = Port::claim();
        let binaries = binaries();
        let safety = match durability {
            Durability::Off => "-c fsync=off -c full_page_writes=off -c synchronous_commit=off",
            Durability::On => "-c fsync=on",
        };
        let options = format!("OPTIONS='{OPTIONS} {safety} {settings} -c port={}'", port.number());
        let script = format!("BIN='{}'\n{options}\n{SCRIPT}", binaries.display());
        let mut script =
            not_as_root(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell starts");
        let input = script.stdin.take().expect("piped");
        let mut output = BufReader::new(script.stdout.take().expect("piped"));
        match ready(&mut output) {
            Ok(folder) => PostgresServer { folder, port, binaries, script, talk: Mutex::new(Some((input, output))) },
            Err(said) => {
                drop(input);
                let _ = script.wait();
                panic!("PostgreSQL does not start: {said}");
            }
        }
    }

    /// Stops the server at once, as a crash would, and starts it again on the same port; returns when it answers.
    pub fn crash(&self) {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = talk.as_mut().expect("it is not being dropped");
        writeln!(input, "immediate").expect("the script listens");
        if let Err(said) = ready(output) {
            panic!("PostgreSQL does not start again: {said}");
        }
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Its port on 127.0.0.1, and in the name of its socket.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Makes an empty database that belongs to an ordinary role of the same name; returns the name.
    pub fn create_database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        for statement in [format!("CREATE ROLE {name} LOGIN"), format!("CREATE DATABASE {name} OWNER {name}")] {
            self.psql("postgres", "postgres", &statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        name
    }

    /// Ends the sessions of a database for which `condition` holds, an expression over `pg_stat_activity`; returns when they
    /// are gone. There must be one.
    pub fn end_sessions(&self, database: &str, condition: &str) {
        let ask = |sql: &str| self.psql("postgres", "postgres", sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let pids = ask(&format!(
            "SELECT string_agg(pid::text, ', ') FROM pg_stat_activity WHERE datname = '{database}' AND {condition}"
        ));
        assert!(!pids.is_empty(), "no session of {database} where {condition}");
        let gone = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid IN ({pids})");
        while ask(&gone) != "0" {}
    }

    /// Runs a script in a session of its own, which ends at its first error; returns what its queries print, one line per
    /// row, or the error. The role `postgres` may do everything.
    pub fn psql(&self, database: &str, role: &str, sql: &str) -> Result<String, String> {
        let mut child = self.psql_command(database, role).spawn().expect("psql starts");
        child.stdin.take().expect("piped").write_all(sql.as_bytes()).expect("psql reads");
        let output = child.wait_with_output().expect("psql ends");
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
    }

    fn psql_command(&self, database: &str, role: &str) -> Command {
        let program = self.program("psql");
        let mut command = Command::new(program);
        command.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            &self.folder,
            "-p",
            &self.port().to_string(),
        ]);
        command.args(["-U", role, "-d", database, "-f", "-"]).env("PGCLIENTENCODING", "UTF8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A program that comes with the server (`pgbench`, `pg_dump`), or with its client.
    pub fn program(&self, name: &str) -> PathBuf {
        let beside = self.binaries.join(name);
        if beside.exists() { beside } else { PathBuf::from(name) }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        *self.talk.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = self.script.wait();
    }
}

/// A shell script as a command that does not run as root, which PostgreSQL and PgBouncer refuse: as `postgres` then.
pub fn not_as_root(script: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let mut command = if is_root { Command::new("su") } else { Command::new("bash") };
    if is_root {
        command.args(["postgres", "-s", "/bin/bash"]);
    }
    command.args(["-c", script]).current_dir("/tmp");
    command
}

/// Waits for the script's word that the server answers; returns the folder, or what it said instead.
fn ready(output: &mut impl BufRead) -> Result<String, String> {
    let mut said = String::new();
    while output.read_line(&mut said).map_err(|cause| cause.to_string())? > 0 {
        if let Some(folder) = said.lines().last().and_then(|line| line.strip_prefix("ready ")) {
            return Ok(folder.to_owned());
        }
    }
    Err(said)
}

/// The folder of the server's programs: the one that `TREATY_TEST_POSTGRES_BIN` names, or else what is installed, newest first.
fn binaries() -> PathBuf {
    let is_server = |folder: &Path| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).exists());
    if let Some(named) = std::env::var_os("TREATY_TEST_POSTGRES_BIN").map(PathBuf::from) {
        assert!(is_server(&named), "TREATY_TEST_POSTGRES_BIN={}: no PostgreSQL server there", named.display());
        return named;
    }
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    installed.sort();
    let usual = ["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let mut all = told.into_iter().chain(installed.into_iter().rev()).chain(usual);
    all.find(|folder| is_server(folder))
        .expect("PostgreSQL's server programs are installed (Debian: apt-get install postgresql)")
}
