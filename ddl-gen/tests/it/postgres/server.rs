//! A PostgreSQL server of the tests' own: found, started, and gone when the test process is.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a cluster, starts it, prints its folder, and waits for the end of its input: when the test process ends, however
/// that comes, the server stops and its folder goes.
const SCRIPT: &str = r#"
set -e
folder=$(mktemp -d /tmp/treaty-postgres.XXXXXX)
chmod 755 "$folder"
trap '"$BIN/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1; rm -rf "$folder"' EXIT
"$BIN/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1 \
  || { cat "$folder/initdb.log"; exit 1; }
"$BIN/pg_ctl" -D "$folder/data" -w -l "$folder/log" -o "-k $folder -c listen_addresses= -c fsync=off -c timezone=America/New_York" \
  start >/dev/null 2>&1 </dev/null || { cat "$folder/log"; exit 1; }
echo "ready $folder"
read -r _ || true
"#;

struct Server {
    folder: String,
    binaries: PathBuf,
    // Held for the life of the process: their end is the server's.
    _script: Child,
    _input: ChildStdin,
}

static SERVER: OnceLock<Server> = OnceLock::new();

impl Server {
    #[expect(clippy::zombie_processes, reason = "the script ends with this process, and the server with it")]
    fn start() -> Server {
        let binaries = binaries();
        let script = format!("BIN='{}'\n{SCRIPT}", binaries.display());
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        // PostgreSQL refuses to run as root.
        let mut command = if is_root { Command::new("su") } else { Command::new("bash") };
        if is_root {
            command.args(["postgres", "-s", "/bin/bash"]);
        }
        command.args(["-c", &script]).current_dir("/tmp").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell starts");
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        while output.read_line(&mut said).unwrap() > 0 {
            if let Some(folder) = said.lines().last().and_then(|line| line.strip_prefix("ready ")) {
                let input = child.stdin.take().unwrap();
                return Server { folder: folder.to_owned(), binaries, _script: child, _input: input };
            }
        }
        panic!("PostgreSQL does not start: {said}");
    }
}

/// The folder of the server's programs.
fn binaries() -> PathBuf {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    installed.sort();
    let usual = ["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let mut all = told.into_iter().chain(installed.into_iter().rev()).chain(usual);
    let is_server = |folder: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).exists());
    all.find(is_server).expect("PostgreSQL's server programs are installed (Debian: apt-get install postgresql)")
}

/// A database of one test.
pub(crate) struct Database {
    name: String,
}

impl Database {
    /// Makes an empty database, and the server before it if this is the first.
    pub(crate) fn create() -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        psql("postgres", "postgres", &format!("CREATE DATABASE {name}")).expect("a fresh server makes databases");
        Database { name }
    }

    /// Runs statements; returns what the queries among them print, one line per row.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.run_as("postgres", sql)
    }

    /// As [`Database::run`], as another role.
    pub(crate) fn run_as(&self, role: &str, sql: &str) -> String {
        psql(&self.name, role, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs statements that fail; returns the error.
    pub(crate) fn fails(&self, sql: &str) -> String {
        self.fails_as("postgres", sql)
    }

    /// As [`Database::fails`], as another role.
    pub(crate) fn fails_as(&self, role: &str, sql: &str) -> String {
        psql(&self.name, role, sql)
            .map_or_else(|error| error, |printed| panic!("{sql}: does not fail, prints {printed}"))
    }
}

/// Runs a script in a session of its own, which ends at its first error.
fn psql(database: &str, role: &str, sql: &str) -> Result<String, String> {
    let server = SERVER.get_or_init(Server::start);
    let program = [server.binaries.join("psql"), PathBuf::from("psql")].into_iter().find(|path| path.exists());
    let mut child = Command::new(program.as_deref().unwrap_or(Path::new("psql")))
        .args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            &server.folder,
            "-U",
            role,
            "-d",
            database,
            "-f",
            "-",
        ])
        .env("PGCLIENTENCODING", "UTF8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql starts");
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
}
