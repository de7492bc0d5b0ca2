//! A PgBouncer between a node and its server: gone when dropped, or when the test process is.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use treaty_testkit::{Port, not_as_root};

use crate::PostgresDatabase;

/// Writes the configuration, starts the pooler, says when it listens, and stops it at the end of the input.
const SCRIPT: &str = r#"
folder=$(mktemp -d /tmp/treaty-pgbouncer.XXXXXX)
trap 'kill $pooler 2>/dev/null; wait $pooler; rm -rf "$folder"' EXIT
printf '%s\n' "$USERS" >"$folder/users"
cat >"$folder/pgbouncer.ini" <<END
[databases]
* = host=$SERVER_FOLDER port=$SERVER_PORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $PORT
unix_socket_dir =
auth_type = trust
auth_file = $folder/users
pool_mode = $POOL_MODE
END
: >"$folder/log"
"$POOLER" "$folder/pgbouncer.ini" 2>"$folder/log" &
pooler=$!
until grep -q "process up" "$folder/log"; do
  kill -0 $pooler 2>/dev/null || { cat "$folder/log"; exit 1; }
  sleep 0.02
done
echo ready
read -r _ || true
"#;

/// A running PgBouncer.
pub struct Pooler {
    script: Child,
    port: Port,
}

/// When PgBouncer gives a server's connection to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// After every transaction.
    Transaction,
}

impl Pooler {
    /// Starts one before the server of `database`, for the database's two roles.
    pub fn start(database: &PostgresDatabase, mode: PoolMode) -> Pooler {
        let port = Port::claim();
        let users = [database.owner(), &database.application()].map(|role| format!("\"{role}\" \"\""));
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        let words = [
            ("USERS", users.join("\n")),
            ("SERVER_FOLDER", database.server().folder().to_owned()),
            ("SERVER_PORT", database.server().port().to_string()),
            ("PORT", port.number().to_string()),
            ("POOL_MODE", mode.to_owned()),
            ("POOLER", program()),
        ];
        let words: String = words.iter().map(|(name, word)| format!("{name}='{word}'\n")).collect();
        let mut command = not_as_root(&format!("{words}{SCRIPT}"));
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell starts");
        let mut said = String::new();
        let mut output = BufReader::new(script.stdout.take().expect("piped"));
        while !said.ends_with("ready\n") {
            let read = output.read_line(&mut said).expect("text");
            if read == 0 {
                let _ = script.wait();
                panic!("PgBouncer does not start: {said}");
            }
        }
        Pooler { script, port }
    }

    /// The database as the sidecar names it, through the pooler.
    pub fn url(&self, database: &PostgresDatabase) -> String {
        format!("postgres://{}@{}/{}", database.owner(), self.port.address(), database.name())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

/// The pooler's program, which is mostly not in an ordinary user's path.
fn program() -> String {
    let usual = ["/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer", "/usr/local/bin/pgbouncer", "/usr/bin/pgbouncer"];
    let found = usual.into_iter().find(|path| std::path::Path::new(path).exists());
    let in_path = || Command::new("pgbouncer").arg("-V").output().is_ok().then_some("pgbouncer");
    found.or_else(in_path).expect("PgBouncer is installed (./test does it)").to_owned()
}
