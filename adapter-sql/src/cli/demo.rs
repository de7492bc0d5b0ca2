//! `treaty demo`: the story, for real, in a minute.
//!
//! Two nodes are two processes of this program, with two SQLite files, over QUIC on loopback. Rows are written through
//! plain SQL, as an application would. Nothing is simulated; if anything does not hold, the command fails.

mod node;
mod revocation;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use clap::Args;

use super::output::{self, print_line};
use node::{Node, wait};

/// Shows two databases becoming one history: offline edits on both sides, and a revocation that rolls work back
///
/// Runs two nodes as two processes of this program, on two SQLite files in a temporary directory, over QUIC on
/// loopback. Everything it shows is done through the same commands and plain SQL that you would use.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty demo
  treaty demo --keep        # leaves the directory, to look around in")]
pub(crate) struct DemoArgs {
    /// Keep the directory afterwards
    #[arg(long)]
    keep: bool,
}

const SCHEMA: &str = include_str!("demo/demo.sql");
const TASKS: &str = "SELECT title, done, price, id FROM tasks ORDER BY title, id";

/// Runs the command.
///
/// # Errors
/// If any step of the story does not happen.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let directory = Directory::make(args.keep)?;
    std::fs::write(directory.path.join("tasks.sql"), SCHEMA)?;
    let mut anna = Node::new("anna", &directory.path);
    let mut ben = Node::new("ben", &directory.path);
    found(&mut anna)?;
    admit(&anna, &ben)?;
    online(&anna, &mut ben)?;
    offline(&mut anna, &mut ben)?;
    reconnect(&mut anna, &mut ben)?;
    rules(&ben)?;
    revocation::tell(&mut anna, &mut ben, &directory.path)?;
    conclude(&anna, &ben)?;
    if args.keep {
        say(&format!("Everything is still in {}", directory.path.display()))?;
    }
    Ok(())
}

fn found(anna: &mut Node) -> Result<()> {
    chapter("Anna makes a space out of a schema file and an empty SQLite database")?;
    shell("treaty init --schema tasks.sql --database sqlite:anna.db")?;
    let made = anna.run(&["init", "--schema", "tasks.sql", "--listen", "127.0.0.1:0"])?;
    say(&format!("space {}", output::short(made["space"].as_str().unwrap_or_default())))?;
    shell("treaty up --database sqlite:anna.db &")?;
    anna.start()?;
    sql(
        anna,
        "INSERT INTO tasks (title, price) VALUES ('paint the fence', 40), ('mow the lawn', NULL), ('buy nails', 5)",
    )
}

fn admit(anna: &Node, ben: &Node) -> Result<()> {
    chapter("Ben has a ticket, but a ticket grants nothing: the schema decides who may sync")?;
    let ticket = text(&anna.run(&["invite"])?, "ticket")?;
    let identity = text(&ben.run(&["identity"])?, "identity")?;
    shell("treaty join TICKET --database sqlite:ben.db")?;
    match ben.run(&["join", &ticket, "--listen", "127.0.0.1:0"]) {
        Ok(_) => bail!("a stranger was let in"),
        Err(refused) => say(&refused.to_string())?,
    }
    say("Anna admits him by inserting rows:")?;
    sql(
        anna,
        &format!(
            "INSERT INTO members (who, name, role) VALUES ('{identity}', 'Ben', 'reader'), ('{identity}', 'Ben', 'editor')"
        ),
    )?;
    anna.wait_for("SELECT 1 FROM members WHERE name = 'Ben' AND treaty_status = 'committed'")?;
    shell("treaty join TICKET --database sqlite:ben.db")?;
    let joined = ben.run(&["join", &ticket, "--listen", "127.0.0.1:0"])?;
    say(&format!("joined, {} entries verified", joined["entries"]))
}

fn online(anna: &Node, ben: &mut Node) -> Result<()> {
    chapter("Both sidecars run: what one application writes, the other reads")?;
    shell("treaty up --database sqlite:ben.db &")?;
    ben.start()?;
    wait(|| Ok(ben.run(&["status"])?["peers"][0]["connected"] == true))?;
    sql(ben, "INSERT INTO tasks (title) VALUES ('call the plumber')")?;
    let written = Instant::now();
    anna.wait_for("SELECT 1 FROM tasks WHERE title = 'call the plumber'")?;
    say(&format!("visible in anna.db after {} ms", written.elapsed().as_millis()))
}

fn offline(anna: &mut Node, ben: &mut Node) -> Result<()> {
    chapter("The plug is pulled on both sidecars (SIGKILL); both go on working")?;
    anna.pull_the_plug()?;
    ben.pull_the_plug()?;
    sql(anna, "UPDATE tasks SET title = 'paint the fence green' WHERE title = 'paint the fence'")?;
    sql(anna, "DELETE FROM tasks WHERE title = 'mow the lawn'")?;
    sql(anna, "INSERT INTO tasks (title, price) VALUES ('feed the cat', 2.50)")?;
    sql(ben, "UPDATE tasks SET done = 1, price = 38 WHERE title = 'paint the fence'")?;
    sql(ben, "UPDATE tasks SET done = 1 WHERE title = 'call the plumber'")?;
    sql(ben, "INSERT INTO tasks (title) VALUES ('sweep the yard')")?;
    say("Both want the van on the same day, and neither can know. treaty_tx marks where a transaction begins:")?;
    sql(anna, &van("to the sawmill"))?;
    sql(ben, &van("to the lake"))?;
    show_both(anna, ben)?;
    ensure!(anna.select(TASKS)? != ben.select(TASKS)?, "the tables should differ while the nodes are apart");
    Ok(())
}

/// Books the van, in a transaction of its own: what is written while no sidecar looks is told apart by marks or pauses.
fn van(trip: &str) -> String {
    format!(
        "BEGIN; INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO van (day, trip) VALUES ('2031-05-17', '{trip}'); COMMIT"
    )
}

fn reconnect(anna: &mut Node, ben: &mut Node) -> Result<()> {
    chapter("The sidecars come back, find each other, and merge")?;
    anna.start()?;
    ben.start()?;
    let begun = Instant::now();
    wait_in_step(anna, ben)?;
    say(&format!("in step after {} ms; both changes to 'paint the fence' stand", begun.elapsed().as_millis()))?;
    say("The van goes once a day. Anna was there before Ben, so it is hers, on both sides. Ben is told:")?;
    for node in [anna, &mut *ben] {
        ensure!(
            node.select("SELECT trip FROM van")? == [["to the sawmill"]],
            "the van is not Anna's in {}",
            node.file()
        );
    }
    shell("treaty rollbacks --database sqlite:ben.db")?;
    say(&ben.ask(&["rollbacks"])?)
}

fn wait_in_step(anna: &Node, ben: &Node) -> Result<()> {
    wait(|| {
        let (left, right) = (anna.run(&["status"])?, ben.run(&["status"])?);
        Ok(left["frontier"] == right["frontier"] && left["waiting"] == 0 && right["waiting"] == 0)
    })
}

fn rules(ben: &Node) -> Result<()> {
    chapter("Ben is an editor. The schema says that only admins appoint members")?;
    let statement = "INSERT INTO members (who, name, role) SELECT who, name, 'admin' FROM members WHERE name = 'Ben'";
    shell(&format!("sqlite3 ben.db \"{statement}\""))?;
    match ben.execute(statement) {
        Ok(()) => bail!("the database let an editor appoint an admin"),
        Err(refused) => say(&format!("{refused}"))?,
    }
    say("That was the database's early warning. Every node's engine enforces the same on everything it receives.")
}

fn conclude(anna: &Node, ben: &Node) -> Result<()> {
    chapter("Both tables, from both files")?;
    show_both(anna, ben)?;
    ensure!(anna.select(TASKS)? == ben.select(TASKS)?, "the tables differ");
    let (left, right) = (anna.run(&["verify"])?, ben.run(&["verify"])?);
    ensure!(left["digest"] == right["digest"], "the state digests differ");
    say(&format!(
        "equal: {} rows on both sides; {} entries, every hash and signature verified; state digest {} on both",
        anna.select(TASKS)?.len(),
        left["entries"],
        output::short(&text(&left, "digest")?)
    ))
}

fn show_both(anna: &Node, ben: &Node) -> Result<()> {
    for node in [anna, ben] {
        say(&node.file())?;
        let mut table = output::table(&["title", "done", "price"]);
        for row in node.select(TASKS)? {
            table.add_row(row.iter().take(3));
        }
        print_line(&table.to_string())?;
    }
    Ok(())
}

fn sql(node: &Node, statement: &str) -> Result<()> {
    shell(&format!("sqlite3 {} \"{statement}\"", node.file()))?;
    node.execute(statement)
}

fn text(object: &serde_json::Value, field: &str) -> Result<String> {
    match object[field].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("treaty printed no {field}"),
    }
}

fn chapter(title: &str) -> Result<()> {
    print_line(&format!("\n— {title}"))
}

fn shell(line: &str) -> Result<()> {
    print_line(&format!("  $ {line}"))
}

fn say(line: &str) -> Result<()> {
    print_line(&format!("  {}", line.replace('\n', "\n  ")))
}

/// A directory of its own under the system's temporary one.
struct Directory {
    path: PathBuf,
    keep: bool,
}

impl Directory {
    fn make(keep: bool) -> Result<Directory> {
        let path = std::env::temp_dir().join(format!("treaty-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path)?;
        Ok(Directory { path, keep })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.keep {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "demo directory not removed");
    }
}
