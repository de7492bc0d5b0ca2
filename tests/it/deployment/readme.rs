//! The README's commands for PostgreSQL, typed as they stand there.

use std::process::{Command, Stdio};

use treaty_testkit::{Durability, PostgresServer};
use treaty_tests::binary;

use super::{root, text};

/// The commands of the section, one a line.
fn commands() -> Vec<String> {
    let readme = text("README.md");
    let (_, section) = readme.split_once("## Beside your PostgreSQL server").expect("there is such a section");
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("with its commands");
    block.lines().map(str::to_owned).collect()
}

#[test]
fn under_ten_commands_lead_from_a_server_to_two_nodes_in_sync() {
    let mut commands = commands();
    assert!(commands.len() < 10, "{commands:#?}");
    assert!(commands[0].starts_with("cargo build --release"), "built already: {}", commands[0]);
    commands.remove(0);
    // Who types waits for a moment here, however busy the machine is.
    let look = commands.pop().expect("just counted");
    commands.push(format!("until ({look}) >shown && grep '| hello |.*| committed ' shown; do :; done"));
    let server = PostgresServer::start(Durability::Off);
    let role = server.psql("postgres", "postgres", "CREATE ROLE somebody LOGIN CREATEDB");
    assert_eq!(role, Ok(String::new()), "who is no superuser");

    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(binary(), folder.path().join("treaty")).expect("the folder is writable");
    std::os::unix::fs::symlink(root().join("schema-examples"), folder.path().join("schema-examples"))
        .expect("writable");
    let programs = server.program("createdb");
    let programs = programs.parent().map_or(String::new(), |folder| folder.display().to_string());
    let path = std::env::var("PATH").unwrap_or_default();
    let script = format!("set -e\nexec 2>&1\ntrap 'kill $(jobs -p); wait' EXIT\n{}\n", commands.join("\n"));
    let output = Command::new("timeout")
        .args(["300", "bash", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{programs}:{path}", folder.path().display()))
        .envs([("PGHOST", "127.0.0.1"), ("PGPORT", &server.port().to_string()), ("PGUSER", "somebody")])
        .env_remove("PGDATABASE")
        .stdin(Stdio::null())
        .output()
        .expect("timeout and bash run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("| hello |"), "{}: {said}", output.status);
}
