//! Installing, adopting, uninstalling, and refusing what does not belong together.

use expect_test::expect;
use treaty::application::Place;
use treaty::database::{Database, DatabaseError, Existing, Missing};
use treaty::sqlite::SqliteDatabase;

use crate::both::on_postgres;
use crate::node::{OPEN, TestNode, id, sync};

on_postgres!(genesis_rows_are_shown_at_once, a_second_installation_is_refused,);

#[test]
fn genesis_rows_are_shown_at_once() {
    let mut node = TestNode::found(
        "CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
         REVOKE UPDATE (who, role) ON members FROM PUBLIC;
         CREATE POLICY a ON members FOR INSERT
           WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
         INSERT INTO members (who, role) VALUES (author(), 'admin');",
    );
    let author = node.keypair.identity().to_string();
    let shown = node.ask("SELECT who, role, treaty_status, treaty_author FROM members");
    assert_eq!(shown, format!("{author}|admin|committed|{author}"));
    node.check_settled();
}

const PEOPLE: &str =
    "CREATE TABLE people (id TEXT PRIMARY KEY, name VARCHAR(80) NOT NULL UNIQUE, age INTEGER, score REAL,
                      initial TEXT AS (substr(name, 1, 1)))";

#[test]
fn existing_tables_are_adopted_with_their_rows() {
    let mut node = TestNode::found_over(OPEN, |client| {
        client.execute_batch(PEOPLE).unwrap();
        let sql = format!(
            "INSERT INTO people (id, name, score) VALUES ('{}', 'ann', 1.5), ('{}', 'bob', NULL)",
            id(1),
            id(2)
        );
        client.execute_batch(&sql).unwrap();
    })
    .unwrap();
    expect!["ann|1.5|a|committed\nbob|-|b|committed"]
        .assert_eq(&node.ask("SELECT name, score, initial, treaty_status FROM people ORDER BY name"));
    assert_eq!(node.replica.entry_count(), 2);
    node.check_settled();
    node.run("UPDATE people SET age = 3");
    assert_eq!(node.drain().operation_count, 2);
    node.check_settled();
}

#[test]
fn rows_that_cannot_be_adopted_are_named_and_the_database_is_left_as_it_was() {
    let mut path = None;
    let prepare = |client: &rusqlite::Connection| {
        client.execute_batch(PEOPLE).unwrap();
        client.execute_batch("INSERT INTO people (id, name, age) VALUES ('7', 'ann', 1)").unwrap();
        path = client.path().map(str::to_owned);
    };
    let Err(error) = TestNode::found_over(OPEN, prepare) else { panic!("adopted") };
    expect!["the existing tables cannot be adopted: people row 7: type: the id of the row is no UUID"]
        .assert_eq(&error.to_string());
}

#[test]
fn tables_that_do_not_fit_are_named() {
    let prepare = |client: &rusqlite::Connection| {
        client
            .execute_batch("CREATE TABLE people (id TEXT PRIMARY KEY, name INTEGER); CREATE TABLE notes (a, b)")
            .unwrap();
    };
    let Err(error) = TestNode::found_over(OPEN, prepare) else { panic!("adopted") };
    expect!["the existing tables cannot be adopted: table people does not fit the schema: column name is declared INTEGER; table notes does not fit the schema: column id is gone"]
        .assert_eq(&error.to_string());
}

#[test]
fn a_second_installation_is_refused() {
    let mut node = TestNode::found(OPEN);
    node.stop();
    let error = node.install(Existing::Adopt).unwrap_err();
    assert!(matches!(error, DatabaseError::AlreadyInstalled { .. }), "{error}");
}

#[test]
fn uninstalling_leaves_tables_and_rows_and_nothing_of_ours() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    node.drain();
    node.run("UPDATE people SET age = 4");
    node.stop();
    let uninstalled = SqliteDatabase::open(&node.path(), Missing::Refused).unwrap().uninstall().unwrap();
    assert_eq!((uninstalled.waiting_count, uninstalled.tables.len()), (1, 2));
    expect!["0"]
        .assert_eq(&node.ask("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%treaty%' OR sql LIKE '%treaty%'"));
    expect!["ann|4"].assert_eq(&node.ask("SELECT name, age FROM people"));
    let error = node.start(Place::Same).unwrap_err();
    assert!(matches!(error, DatabaseError::NotInstalled { .. }), "{error}");
    // And it can be part of a space again.
    node.install(Existing::Refuse).unwrap_err();
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join(&a, 2);
    a.stop();
    b.stop();
    // The database of another node of the space.
    std::fs::copy(b.path(), a.path()).unwrap();
    let error = a.start(Place::Same).unwrap_err();
    assert!(matches!(error, DatabaseError::OtherNode { .. }), "{error}");
    // Of another space.
    let mut c = TestNode::found_over(&OPEN.replace("age INTEGER", "age BIGINT"), |_| {}).unwrap();
    c.stop();
    std::fs::copy(c.path(), b.path()).unwrap();
    let error = b.start(Place::Same).unwrap_err();
    assert!(matches!(error, DatabaseError::OtherSpace { .. }), "{error}");
}

#[test]
fn a_log_older_than_the_database_is_refused() {
    let mut a = TestNode::found(OPEN);
    a.stop();
    let log = std::fs::read(a.directory.path().join("log.sqlite")).unwrap();
    let wal = std::fs::read(a.directory.path().join("log.sqlite-wal")).unwrap_or_default();
    a.start(Place::Same).unwrap();
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    a.drain();
    a.stop();
    a.replace_log(&log, &wal);
    let error = a.start(Place::Same).unwrap_err();
    assert!(matches!(error, DatabaseError::UnknownVersion), "{error}");
}

#[test]
fn a_database_of_an_older_version_is_migrated_and_keeps_working() {
    let mut a = TestNode::found(OPEN);
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    a.drain();
    a.stop();
    a.run(
        "ALTER TABLE treaty_state DROP COLUMN basis; ALTER TABLE treaty_state DROP COLUMN migration;
         DROP INDEX treaty_rollbacks_operation; DROP INDEX treaty_rollbacks_row;
         ALTER TABLE treaty_rollbacks DROP COLUMN tx; ALTER TABLE treaty_rollbacks DROP COLUMN step;
         CREATE TABLE treaty_withheld (table_name, row_id)",
    );
    a.start(Place::Same).unwrap();
    assert_eq!(a.ask("SELECT basis, migration FROM treaty_state"), "0|4");
    a.run(&format!("UPDATE people SET name = 'anna' WHERE id = '{}'", id(1)));
    a.drain();
    a.check_settled();
    a.restart().unwrap();
    a.check_settled();
}

#[test]
fn a_database_in_another_place_may_be_a_copy() {
    let mut node = TestNode::found(OPEN);
    node.stop();
    node.move_database("moved.db");
    let error = node.start(Place::Same).unwrap_err();
    assert!(matches!(error, DatabaseError::OtherPlace { .. }), "{error}");
    node.start(Place::Moved).unwrap();
    node.restart().unwrap();
    node.check_settled();
}

#[test]
fn tables_that_triggers_or_our_connection_cannot_work_on_are_refused() {
    let declared = "id TEXT PRIMARY KEY, name VARCHAR(80) NOT NULL UNIQUE, age INTEGER, score REAL";
    for (prepare, what) in [
        (format!("CREATE TABLE people ({declared}) WITHOUT ROWID"), "it is declared WITHOUT ROWID"),
        (
            format!(
                "CREATE TABLE people ({declared}); CREATE TABLE log (x); CREATE TRIGGER own AFTER INSERT ON people BEGIN INSERT INTO log VALUES (own_function(NEW.name)); END"
            ),
            "treaty cannot write it: no such function: own_function",
        ),
    ] {
        let Err(error) = TestNode::found_over(OPEN, |client| client.execute_batch(&prepare).unwrap()) else {
            panic!("{what}")
        };
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn unique_values_swap_in_a_strict_table_of_the_application() {
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join_over(&a, 2, |client| {
        let sql =
            "CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER, score REAL) STRICT";
        client.execute_batch(sql).unwrap();
    });
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'x'), ('{}', 'y')", id(1), id(2)));
    sync(&mut a, &mut b);
    a.run(&format!(
        "BEGIN; UPDATE people SET name = 'z' WHERE id = '{0}'; UPDATE people SET name = 'x' WHERE id = '{1}';
         UPDATE people SET name = 'y' WHERE id = '{0}'; COMMIT",
        id(1),
        id(2)
    ));
    sync(&mut a, &mut b);
    expect!["y\nx"].assert_eq(&b.ask("SELECT name FROM people ORDER BY id"));
    b.check_settled();
}
