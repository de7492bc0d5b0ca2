//! The part of the demo about authority: two administrators apart, one dismisses the other.
//!
//! What the dismissed one did meanwhile is rolled back on both nodes and reported. Then he restores a copy of his node from
//! before, to dismiss her as if he had never heard; that changes nothing.

use std::path::Path;

use anyhow::{Result, ensure};

use super::node::Node;
use super::{TASKS, chapter, say, shell, show_both, sql, wait_in_step};

const MEMBERS: &str = "SELECT name, role FROM members ORDER BY name, role";

/// Tells it.
///
/// # Errors
/// If any step does not happen.
pub(super) fn tell(anna: &mut Node, ben: &mut Node, directory: &Path) -> Result<()> {
    appoint(anna, ben)?;
    let copy = directory.join("yesterday");
    let before = anna.select(TASKS)?;
    dismiss(anna, ben, &copy)?;
    roll_back(anna, ben, &before)?;
    cheat(anna, ben, &copy)
}

fn appoint(anna: &Node, ben: &Node) -> Result<()> {
    chapter("Anna makes Ben an admin, too")?;
    sql(anna, "INSERT INTO members (who, name, role) SELECT who, name, 'admin' FROM members WHERE role = 'editor'")?;
    ben.wait_for("SELECT 1 FROM members WHERE name = 'Ben' AND role = 'admin'")?;
    wait_in_step(anna, ben)
}

fn dismiss(anna: &mut Node, ben: &mut Node, copy: &Path) -> Result<()> {
    chapter("Apart again. Anna dismisses Ben; Ben, who has not heard, goes on working")?;
    anna.pull_the_plug()?;
    ben.pull_the_plug()?;
    std::fs::create_dir(copy)?;
    ben.copy_files(&ben.directory, copy)?;
    shell("cp -r ben.db* yesterday/        # Ben keeps a copy of his node")?;
    sql(anna, "DELETE FROM members WHERE name = 'Ben' AND role <> 'reader'")?;
    sql(ben, "INSERT INTO tasks (title, price) VALUES ('buy a boat', 9000)")?;
    sql(ben, "UPDATE tasks SET price = 0 WHERE title = 'buy nails'")?;
    sql(ben, "DELETE FROM tasks WHERE title = 'feed the cat'")
}

fn roll_back(anna: &mut Node, ben: &mut Node, before: &[Vec<String>]) -> Result<()> {
    chapter("They meet. What Ben did without being allowed to any more is rolled back, on both sides")?;
    anna.start()?;
    ben.start()?;
    wait_in_step(anna, ben)?;
    show_both(anna, ben)?;
    for node in [&*anna, &*ben] {
        ensure!(node.select(TASKS)? == before, "{} should show the tasks as before", node.file());
    }
    say("What he wrote before he was dismissed stays. Each lost operation is reported, on both sides alike:")?;
    shell("treaty rollbacks --after 1 --database sqlite:anna.db")?;
    let told = anna.ask(&["rollbacks", "--after", "1"])?;
    say(&told)
}

fn cheat(anna: &mut Node, ben: &mut Node, copy: &Path) -> Result<()> {
    chapter("Ben goes back to yesterday's copy, and dismisses Anna as if he had never heard")?;
    ben.pull_the_plug()?;
    shell("rm -r ben.db*; cp -r yesterday/* .")?;
    ben.copy_files(copy, &ben.directory)?;
    sql(ben, "DELETE FROM members WHERE name = 'Anna' AND role = 'admin'")?;
    ben.start()?;
    wait_in_step(anna, ben)?;
    for node in [&*anna, &*ben] {
        let members = node.select(MEMBERS)?;
        ensure!(members == [["Anna", "admin"], ["Anna", "reader"], ["Ben", "reader"]], "members are {members:?}");
    }
    say("It changes nothing. Each dismissed the other; Anna was appointed earlier, so hers stands, on both sides:")?;
    shell("treaty rollbacks --database sqlite:anna.db | tail -2")?;
    let told = anna.ask(&["rollbacks"])?;
    let last: Vec<&str> = told.lines().rev().take(2).collect();
    say(&last.into_iter().rev().collect::<Vec<_>>().join("\n"))
}
