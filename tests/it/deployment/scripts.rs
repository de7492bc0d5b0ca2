//! The scripts of the containers, run for real outside of containers: what docker-compose.yml says each service is given,
//! with folders in place of volumes and ports of loopback in place of the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use treaty_testkit::{Durability, Port, PostgresServer};
use treaty_tests::{binary, wait_until};

use super::compose::Service;
use super::root;

/// The volumes of a deployment, and what stands for its network.
struct Deployment {
    folder: tempfile::TempDir,
    /// Where each node listens (UDP) and serves HTTP (TCP).
    ports: BTreeMap<&'static str, Port>,
}

/// A container's main process. Dropping it kills the process.
struct Container {
    child: Child,
    said: PathBuf,
}

impl Deployment {
    fn new() -> Deployment {
        let folder = tempfile::tempdir().expect("a folder");
        let programs = folder.path().join("bin");
        std::fs::create_dir_all(&programs).expect("the folder is writable");
        std::fs::create_dir_all(folder.path().join("exchange")).expect("the folder is writable");
        std::os::unix::fs::symlink(binary(), programs.join("treaty")).expect("the folder is writable");
        Deployment { folder, ports: ["treaty-a", "treaty-b"].map(|name| (name, Port::claim())).into() }
    }

    /// The variables of a service, as they are outside of containers.
    fn variables(&self, name: &str) -> BTreeMap<String, String> {
        let service = Service::of(name);
        let mut variables = service.variables();
        let address = self.ports.get(name).map(Port::address).unwrap_or_default();
        for (source, place) in service.mounts() {
            let outside = match source.strip_prefix("./") {
                Some(path) => root().join(path),
                None => self.folder.path().join(&source),
            };
            let outside = outside.display().to_string();
            for value in variables.values_mut() {
                *value = value.replace(&place, &outside);
            }
        }
        for name in ["TREATY_LISTEN", "TREATY_HTTP", "NODE_ADDRESS"] {
            variables.entry(name.to_owned()).and_modify(|known| known.clone_from(&address));
        }
        variables.insert("NODE_RETRY_SECONDS".into(), "0.1".into());
        variables
    }

    /// A script with the variables of a service.
    fn script(&self, script: &str, variables: &BTreeMap<String, String>) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(root().join("packaging/docker").join(script));
        command.env("PATH", format!("{}:{path}", self.folder.path().join("bin").display())).envs(variables);
        command
    }

    fn start(&self, name: &str, variables: &BTreeMap<String, String>) -> Container {
        let said = self.folder.path().join(format!("{name}.log"));
        let log = std::fs::File::options().create(true).append(true).open(&said).expect("the folder is writable");
        let mut command = self.script("treaty-node", variables);
        command.args(Service::of(name).list("command")).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        Container { child: command.spawn().expect("the script starts"), said }
    }

    fn is_healthy(&self, name: &str) -> bool {
        let variables = self.variables(name);
        self.script("treaty-healthy", &variables).output().expect("the script starts").status.success()
    }

    fn exchanged(&self, name: &str) -> Option<String> {
        let path = self.folder.path().join("exchange").join(name);
        std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
    }
}

impl Container {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Waits for a fact, as long as the process runs.
    fn until(&mut self, what: &str, mut fact: impl FnMut() -> bool) {
        let (child, said) = (&mut self.child, &self.said);
        wait_until(what, || {
            let ended = child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "{what}: {ended:?}: {}", std::fs::read_to_string(said).unwrap_or_default());
            fact()
        });
    }

    /// Waits until it has said this.
    fn until_said(&mut self, words: &str) {
        let said = self.said.clone();
        self.until(words, || std::fs::read_to_string(&said).is_ok_and(|text| text.contains(words)));
    }

    /// What `docker stop` does.
    fn stop(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        let status = self.child.wait().expect("it is ours");
        assert!(status.success(), "{status}: {}", self.said());
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{} says: {}", self.said.display(), self.said());
        }
    }
}

/// Runs one statement in a SQLite file, as an application does; returns its first value as text.
fn sqlite(file: &Path, sql: &str) -> Option<String> {
    let connection = rusqlite::Connection::open(file).expect("the file opens");
    connection.busy_timeout(std::time::Duration::from_secs(30)).expect("a timeout can be set");
    let mut statement = connection.prepare(sql).expect("a statement of the test");
    let mut rows = statement.query([]).expect("it runs");
    rows.next().expect("it runs").map(|row| row.get(0).expect("a text"))
}

#[test]
fn two_nodes_find_each_other_and_again_after_being_stopped() {
    let deployment = Deployment::new();
    let volume = |name: &str| deployment.folder.path().join(name);
    let (mut a, b) = (deployment.variables("treaty-a"), deployment.variables("treaty-b"));
    let (file_a, file_b) = (volume("treaty-a-data").join("notes.db"), volume("treaty-b-data").join("notes.db"));
    for folder in ["treaty-a-data", "treaty-b-data"] {
        std::fs::create_dir_all(volume(folder)).expect("the folder is writable");
    }
    a.insert("TREATY_DATABASE".into(), format!("sqlite:{}", file_a.display()));
    assert_eq!(b["TREATY_DATABASE"], format!("sqlite:{}", file_b.display()));
    assert!(!deployment.is_healthy("treaty-a"), "nobody answers yet");

    let mut up_b = deployment.start("treaty-b", &b);
    up_b.until("the second node shows who it is", || deployment.exchanged("identity").is_some());
    let mut up_a = deployment.start("treaty-a", &a);
    up_a.until("the first node is healthy", || deployment.is_healthy("treaty-a"));
    up_b.until_said("members_sync");
    assert!(!deployment.is_healthy("treaty-b"));
    let ben = deployment.exchanged("identity").expect("waited for");
    sqlite(&file_a, &format!("INSERT INTO members (who, role) VALUES ('{ben}', 'editor')"));
    up_b.until("the second node is healthy", || deployment.is_healthy("treaty-b"));
    up_a.stop();
    up_b.stop();

    let ticket = deployment.exchanged("ticket").expect("left by the first");
    let (mut up_a, mut up_b) = (deployment.start("treaty-a", &a), deployment.start("treaty-b", &b));
    up_a.until("the first node is healthy again", || deployment.is_healthy("treaty-a"));
    up_b.until("the second node is healthy again", || deployment.is_healthy("treaty-b"));
    assert_eq!(deployment.exchanged("ticket"), Some(ticket), "of the same space");
    sqlite(&file_b, &format!("INSERT INTO notes (owner, title) VALUES ('{ben}', 'from the second')"));
    let count = "SELECT count(*) || '' FROM notes";
    up_a.until("the first shows it", || sqlite(&file_a, count).as_deref() == Some("1"));
    up_a.stop();
    up_b.stop();
}

/// A PostgreSQL server in place of the service `postgres`: new, and so given its roles by the script that it runs then.
fn postgres(deployment: &Deployment) -> PostgresServer {
    let server = PostgresServer::start(Durability::Off);
    let mut passwords = Service::of("postgres").variables();
    for password in passwords.values_mut() {
        *password = "it's \"secret\"".to_owned();
    }
    let output = at(&server, deployment.script("roles.sh", &passwords)).env("POSTGRES_USER", "postgres").output();
    let output = output.expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server
}

/// Lets a script find the server where libpq looks for it.
fn at(server: &PostgresServer, mut script: Command) -> Command {
    script.env("PGHOST", "127.0.0.1").env("PGPORT", server.port().to_string());
    script
}

#[test]
fn the_services_of_the_compose_file_sync_postgresql_with_sqlite() {
    let deployment = Deployment::new();
    let server = postgres(&deployment);
    let (mut a, b) = (deployment.variables("treaty-a"), deployment.variables("treaty-b"));
    let url = a["TREATY_DATABASE"].replace("@postgres:5432/", &format!("@127.0.0.1:{}/", server.port()));
    a.insert("TREATY_DATABASE".into(), url);
    for folder in ["treaty-a-data", "treaty-b-data"] {
        std::fs::create_dir_all(deployment.folder.path().join(folder)).expect("the folder is writable");
    }
    let app = |sql: &str| server.psql("notes", "app", sql).expect("the application may");
    let file = deployment.folder.path().join("treaty-b-data/notes.db");
    let admit = || {
        let output = at(&server, deployment.script("admit", &deployment.variables("admit"))).output();
        let output = output.expect("the script starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };

    let mut up_a = deployment.start("treaty-a", &a);
    up_a.until("the node beside PostgreSQL is healthy", || deployment.is_healthy("treaty-a"));
    let mut up_b = deployment.start("treaty-b", &b);
    admit();
    up_b.until("the node beside SQLite is healthy", || deployment.is_healthy("treaty-b"));
    let ben = deployment.exchanged("identity").expect("left by the second");
    sqlite(&file, &format!("INSERT INTO notes (owner, title) VALUES ('{ben}', 'from SQLite')"));
    up_a.until("PostgreSQL shows it", || app("SELECT title FROM notes") == "from SQLite");
    app("INSERT INTO notes (owner, title) SELECT who, 'from PostgreSQL' FROM members WHERE role = 'admin'");
    let count = "SELECT count(*) || '' FROM notes";
    up_b.until("SQLite shows it", || sqlite(&file, count).as_deref() == Some("2"));
    assert_eq!(app("SELECT count(*) FROM public.treaty_rollbacks"), "0");
    for forbidden in ["SELECT FROM treaty.queue", "DELETE FROM public.treaty_rollbacks", "CREATE TABLE t ()"] {
        assert!(server.psql("notes", "app", forbidden).is_err(), "{forbidden}");
    }

    // A node that is dismissed stays so, whatever runs again.
    app(&format!("DELETE FROM members WHERE who = '{ben}'"));
    up_b.stop();
    up_a.stop();
    admit();
    let mut up_a = deployment.start("treaty-a", &a);
    up_a.until("the first node is healthy again", || deployment.is_healthy("treaty-a"));
    assert_eq!(app(&format!("SELECT count(*) FROM members WHERE who = '{ben}'")), "0");
    up_a.stop();
}

#[test]
fn any_other_word_is_a_command_of_the_program() {
    let deployment = Deployment::new();
    let variables = deployment.variables("treaty-b");
    let run = |arguments: &[&str]| deployment.script("treaty-node", &variables).args(arguments).output();
    let version = run(&["--version"]).expect("the script starts");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("treaty "), "{version:?}");
    assert_eq!(run(&["frobnicate"]).expect("the script starts").status.code(), Some(2));
}
