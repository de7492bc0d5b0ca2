//! Crashes between the two halves of a drain, restored backups.

use expect_test::expect;
use treaty::application::Place;

use crate::both::on_both;
use crate::meddle::Meddling;
use crate::node::{OPEN, TestNode, id, sync};

/// Drains up to the moment after the entries are durable, then dies.
fn drain_and_die(node: &mut TestNode) {
    let died = node.with(|application, link| {
        let mut dying = Meddling::new(link, || {});
        dying.fails = true;
        application.drain(&mut dying)
    });
    assert!(died.is_err());
    node.stop();
}

on_both!(
    a_crash_after_the_entries_are_durable_repeats_only_the_second_half,
    writes_after_the_crash_are_taken_once_on_top,
    a_failure_without_a_crash_is_repaired_by_the_next_call,
);

#[test]
fn a_crash_after_the_entries_are_durable_repeats_only_the_second_half() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 1), ('{}', 'bob', 1)", id(1), id(2)));
    drain_and_die(&mut node);
    assert_eq!(node.replica.entry_count(), 2);
    expect!["pending"].assert_eq(&node.ask("SELECT DISTINCT treaty_status FROM people"));
    node.start(Place::Same).unwrap();
    let drained = node.drain();
    assert_eq!((drained.transaction_count, drained.line_count), (0, 2));
    assert_eq!(node.replica.entry_count(), 2);
    node.check_settled();
}

#[test]
fn writes_after_the_crash_are_taken_once_on_top() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 1), ('{}', 'bob', 1)", id(1), id(2)));
    drain_and_die(&mut node);
    node.run(&format!(
        "UPDATE people SET age = 2 WHERE name = 'ann'; DELETE FROM people WHERE name = 'bob';
         INSERT INTO people (id, name) VALUES ('{}', 'eve')",
        id(3)
    ));
    node.start(Place::Same).unwrap();
    assert_eq!(node.drain().operation_count, 3);
    assert_eq!(node.replica.entry_count(), 3);
    node.check_settled();
}

#[test]
fn a_failure_without_a_crash_is_repaired_by_the_next_call() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    let failed = node.with(|application, link| {
        let mut failing = Meddling::new(link, || {});
        failing.fails = true;
        application.drain(&mut failing)
    });
    assert!(failed.is_err());
    assert_eq!(node.drain().transaction_count, 0);
    assert_eq!(node.replica.entry_count(), 2);
    node.check_settled();
}

#[test]
fn a_refusal_that_was_not_finished_is_reported_once_after_the_crash() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    node.run(&format!(
        "INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO notes (id, owner, title) VALUES ('{}', '{}', 'dangling')",
        id(2),
        id(99)
    ));
    drain_and_die(&mut node);
    node.start(Place::Same).unwrap();
    assert_eq!(node.drain().refused_count, 1);
    expect!["1"].assert_eq(&node.ask("SELECT count(*) FROM treaty_rollbacks"));
    expect!["0"].assert_eq(&node.ask("SELECT count(*) FROM notes"));
    node.check_settled();
}

#[test]
fn what_a_delete_changes_elsewhere_is_shown_after_the_crash_too() {
    let mut a = TestNode::found(
        "CREATE TABLE t (id UUID PRIMARY KEY, v INTEGER);
         CREATE TABLE u (id UUID PRIMARY KEY, t UUID REFERENCES t (id) ON DELETE SET NULL);
         CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON t FOR DELETE USING (true);
         CREATE POLICY c ON u FOR INSERT WITH CHECK (true);",
    );
    let mut b = TestNode::join(&a, 2);
    a.run(&format!(
        "INSERT INTO t (id, v) VALUES ('{}', 1); INSERT INTO u VALUES ('{}', '{}', 'pending', NULL)",
        id(1),
        id(3),
        id(1)
    ));
    b.run(&format!("INSERT INTO t (id, v) VALUES ('{}', 2)", id(1)));
    sync(&mut a, &mut b);
    expect!["2"].assert_eq(&a.ask("SELECT count(*) FROM t"));
    a.run(&format!("DELETE FROM t WHERE id = '{}'", id(1)));
    drain_and_die(&mut a);
    a.start(Place::Same).unwrap();
    a.drain();
    assert_eq!(a.ask("SELECT id FROM t"), id(1));
    a.check_settled();
    assert_eq!(a.audit(), 0);
    sync(&mut a, &mut b);
    b.check_settled();
}

/// Copies the database as a backup does.
fn back_up(node: &TestNode) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("backup.db");
    node.client().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    directory
}

/// Replaces the database by a backup.
fn restore(node: &mut TestNode, backup: &tempfile::TempDir) {
    node.stop();
    node.replace_database(&backup.path().join("backup.db"));
}

#[test]
fn a_restored_backup_is_brought_up_and_nothing_old_is_imported() {
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 1), ('{}', 'bob', 1)", id(1), id(2)));
    sync(&mut a, &mut b);
    let backup = back_up(&a);
    a.run("UPDATE people SET age = 2 WHERE name = 'ann'");
    b.run("DELETE FROM people WHERE name = 'bob'");
    sync(&mut a, &mut b);
    let entry_count = a.replica.entry_count();
    restore(&mut a, &backup);
    a.start(Place::Same).unwrap();
    assert_eq!(a.audit(), 0);
    a.apply();
    expect!["ann|2"].assert_eq(&a.ask("SELECT name, age FROM people"));
    assert_eq!(a.replica.entry_count(), entry_count);
    a.check_settled();
    assert_eq!(a.audit(), 0);
}

#[test]
fn a_backup_with_changes_in_its_queue_does_not_bring_them_in_twice() {
    let mut a = TestNode::found(OPEN);
    a.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 1)", id(1)));
    let backup = back_up(&a);
    a.drain();
    a.run(&format!("UPDATE people SET age = 2; INSERT INTO people (id, name) VALUES ('{}', 'bob')", id(2)));
    a.drain();
    let entry_count = a.replica.entry_count();
    restore(&mut a, &backup);
    a.start(Place::Same).unwrap();
    assert_eq!(a.drain().transaction_count, 0);
    a.apply();
    expect!["ann|2\nbob|-"].assert_eq(&a.ask("SELECT name, age FROM people ORDER BY name"));
    assert_eq!(a.replica.entry_count(), entry_count);
    a.check_settled();
}

#[test]
fn what_is_written_to_a_restored_backup_is_new() {
    let mut a = TestNode::found(OPEN);
    a.run(&format!("INSERT INTO people (id, name, age, score) VALUES ('{}', 'ann', 1, 1)", id(1)));
    a.drain();
    let backup = back_up(&a);
    a.run("UPDATE people SET age = 2");
    a.drain();
    restore(&mut a, &backup);
    a.run(&format!("UPDATE people SET score = 5; INSERT INTO people (id, name) VALUES ('{}', 'new')", id(2)));
    a.start(Place::Same).unwrap();
    assert_eq!(a.drain().operation_count, 2);
    a.apply();
    expect!["ann|2|5.0\nnew|-|-"].assert_eq(&a.ask("SELECT name, age, score FROM people ORDER BY name"));
    a.check_settled();
}
