//! Two nodes: a space is made, a stranger is refused, a member is admitted, changes travel both ways.

use treaty_tests::{Node, wait_until};

use super::lab;

const NOTES: &str = "SELECT id, owner, title, body, stars FROM notes ORDER BY id";

/// Makes a space on `anna`, whose sidecar runs, and admits `ben`, who joins.
fn found_and_join(anna: &mut Node, ben: &Node) {
    anna.run(&["init", "--schema", "notes.sql"]);
    anna.up(&[]);
    anna.execute(&format!("INSERT INTO members (who, role) VALUES ('{}', 'editor')", ben.identity()));
    wait_until("the log has the new member", || anna.run(&["status"])["waiting"] == 0);
    ben.run(&["join", &anna.ticket()]);
}

fn add_note(node: &Node, title: &str) {
    node.execute(&format!("INSERT INTO notes (owner, title) VALUES ('{}', '{title}')", node.identity()));
}

#[test]
fn what_one_side_writes_the_other_shows() {
    let lab = lab();
    let (mut anna, mut ben) = (lab.node("anna"), lab.node("ben"));
    found_and_join(&mut anna, &ben);
    ben.up(&[]);
    add_note(&anna, "from anna");
    add_note(&ben, "from ben");
    for node in [&anna, &ben] {
        wait_until("both notes", || node.select("SELECT title FROM notes ORDER BY title") == ["from anna", "from ben"]);
    }
    wait_until("both in step", || anna.is_in_step_with(&ben));
    assert_eq!(anna.select(NOTES), ben.select(NOTES));
    assert_eq!(anna.run(&["verify"])["digest"], ben.run(&["verify"])["digest"]);
    assert!(anna.stop() && ben.stop());
}

#[test]
fn edits_made_apart_converge_after_a_power_cut() {
    let lab = lab();
    let (mut anna, mut ben) = (lab.node("anna"), lab.node("ben"));
    found_and_join(&mut anna, &ben);
    ben.up(&[]);
    anna.kill();
    ben.kill();
    add_note(&anna, "written apart by anna");
    add_note(&ben, "written apart by ben");
    ben.execute("UPDATE notes SET stars = 3 WHERE title LIKE '%ben'");
    anna.up(&[]);
    ben.up(&[]);
    wait_until("both in step", || anna.is_in_step_with(&ben) && anna.select(NOTES).len() == 2);
    assert_eq!(anna.select(NOTES), ben.select(NOTES));
    assert_eq!(anna.run(&["verify"])["digest"], ben.run(&["verify"])["digest"]);
}

#[test]
fn a_stranger_is_refused_until_a_row_admits_it() {
    let lab = lab();
    let (mut anna, ben) = (lab.node("anna"), lab.node("ben"));
    anna.run(&["init", "--schema", "notes.sql"]);
    anna.up(&[]);
    let ticket = anna.ticket();
    let said = ben.fails(&["join", &ticket]);
    assert!(said.contains(&ben.identity()), "the refusal names who must be admitted: {said}");
    let refused = anna.event("peer");
    assert_eq!(refused["identity"], ben.identity().as_str());
    assert_eq!(refused["connected"], false);
    anna.execute(&format!("INSERT INTO members (who, role) VALUES ('{}', 'editor')", ben.identity()));
    wait_until("the log has the new member", || anna.run(&["status"])["waiting"] == 0);
    ben.run(&["join", &ticket]);
    assert_eq!(anna.select("SELECT * FROM members ORDER BY id").len(), 2);
    assert_eq!(ben.select("SELECT who FROM members ORDER BY id"), anna.select("SELECT who FROM members ORDER BY id"));
}

#[test]
fn a_data_directory_has_one_writer() {
    let lab = lab();
    let mut anna = lab.node("anna");
    anna.run(&["init", "--schema", "notes.sql"]);
    anna.up(&[]);
    let said = anna.fails(&["up"]);
    assert!(said.contains("in use by another treaty process"), "{said}");
}
