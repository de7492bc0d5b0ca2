//! From the application's writes to the log.

use expect_test::expect;

use crate::both::on_postgres;
use crate::meddle::Meddling;
use crate::node::{OPEN, TestNode, id};

on_postgres!(
    a_row_that_came_and_went_between_two_drains_is_no_operation,
    an_update_without_effect_is_no_operation_and_keeps_its_author,
    a_rolled_back_savepoint_leaves_nothing_behind,
    a_reference_that_the_database_sets_null_with_its_target_is_no_operation,
);

#[test]
fn inserts_updates_and_deletes_reach_the_log_and_are_committed() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 30), ('{}', 'bob', 40)", id(1), id(2)));
    expect![["ann|pending\nbob|pending"]].assert_eq(&node.ask("SELECT name, treaty_status FROM people ORDER BY 1"));
    let drained = node.drain();
    assert_eq!((drained.transaction_count, drained.operation_count, drained.refused_count), (1, 2, 0));
    let author = node.keypair.identity().to_string();
    let marks = node.ask("SELECT DISTINCT treaty_status, treaty_author FROM people");
    assert_eq!(marks, format!("committed|{author}"));
    node.check_settled();

    node.run(&format!("UPDATE people SET age = 31 WHERE id = '{}'; DELETE FROM people WHERE id = '{}'", id(1), id(2)));
    let drained = node.drain();
    assert_eq!((drained.transaction_count, drained.operation_count), (1, 2));
    node.check_settled();
    expect!["ann|31|committed"].assert_eq(&node.ask("SELECT name, age, treaty_status FROM people"));
}

#[test]
fn a_row_that_came_and_went_between_two_drains_is_no_operation() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann'); DELETE FROM people", id(1)));
    let drained = node.drain();
    assert_eq!((drained.line_count, drained.transaction_count), (2, 0));
    assert_eq!(node.replica.entry_count(), 1);
    node.check_settled();
}

#[test]
fn an_update_without_effect_is_no_operation_and_keeps_its_author() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    node.drain();
    node.run("UPDATE people SET name = name");
    expect!["pending|-"].assert_eq(&node.ask("SELECT treaty_status, treaty_author FROM people"));
    assert_eq!(node.drain().operation_count, 0);
    let author = node.keypair.identity().to_string();
    assert_eq!(node.ask("SELECT treaty_status, treaty_author FROM people"), format!("committed|{author}"));
    assert_eq!(node.replica.entry_count(), 2);
}

#[test]
fn a_reference_that_the_database_sets_null_with_its_target_is_no_operation() {
    let mut node = TestNode::found(
        "CREATE TABLE t (id UUID PRIMARY KEY);
         CREATE TABLE u (id UUID PRIMARY KEY, t UUID REFERENCES t (id) ON DELETE SET NULL, name TEXT);
         CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON t FOR DELETE USING (true);
         CREATE POLICY c ON u FOR INSERT WITH CHECK (true);
         CREATE POLICY d ON u FOR UPDATE USING (name = 'changing');
         REVOKE UPDATE (name) ON u FROM PUBLIC;",
    );
    let (one, two, fixed, changing) = (id(1), id(2), id(3), id(4));
    node.run(&format!("INSERT INTO t (id) VALUES ('{one}'), ('{two}')"));
    node.run(&format!("INSERT INTO u (id, t, name) VALUES ('{fixed}', '{one}', 'fixed')"));
    node.run(&format!("INSERT INTO u (id, t, name) VALUES ('{changing}', '{two}', 'changing')"));
    node.drain();
    // Nobody may update the row, and nobody does.
    node.run(&format!("PRAGMA foreign_keys = ON; DELETE FROM t WHERE id = '{one}'"));
    expect!["-|fixed"].assert_eq(&node.ask("SELECT t, name FROM u WHERE name = 'fixed'"));
    let drained = node.drain();
    assert_eq!((drained.operation_count, drained.refused_count), (1, 0));
    node.check_settled();
    expect!["-|committed"].assert_eq(&node.ask("SELECT t, treaty_status FROM u WHERE name = 'fixed'"));
    // A reference that goes while its target stays is one.
    node.run("UPDATE u SET t = NULL WHERE name = 'changing'");
    assert_eq!(node.drain().operation_count, 1);
    node.check_settled();
}

#[test]
fn what_one_snapshot_shows_is_one_transaction_and_marks_separate_them() {
    let mut node = TestNode::found(OPEN);
    node.drain();
    node.run(&format!(
        "INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO people (id, name) VALUES ('{}', 'a');
         INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO people (id, name) VALUES ('{}', 'b');
         INSERT INTO people (id, name) VALUES ('{}', 'c')",
        id(1),
        id(2),
        id(3)
    ));
    let drained = node.drain();
    assert_eq!((drained.transaction_count, drained.operation_count, drained.entries.len()), (2, 3, 1));
    node.check_settled();
}

#[test]
fn a_backlog_is_cut_at_pauses_and_what_comes_later_is_not() {
    let mut node = TestNode::found(OPEN);
    let insert = |number: u32, at_ms: i64| {
        format!(
            "INSERT INTO people (id, name) VALUES ('{}', 'p{number}'); UPDATE treaty_queue SET at = {at_ms} WHERE row_id = '{}';",
            id(number),
            id(number)
        )
    };
    node.stop();
    node.run(&(insert(1, 10) + &insert(2, 200) + &insert(3, 460)));
    node.start(treaty::application::Place::Same).unwrap();
    assert_eq!(node.drain().transaction_count, 2);
    node.run(&(insert(4, 1_000) + &insert(5, 2_000)));
    assert_eq!(node.drain().transaction_count, 1);
    node.check_settled();
}

#[test]
fn values_in_other_spellings_are_stored_canonically_afterwards() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!(
        "INSERT INTO people (id, name, score) VALUES ('{}', 'ann', 3);
         INSERT INTO notes (id, owner, title, price, at) VALUES ('{}', '{}', 't', 12.5, '2024-01-31T13:05')",
        id(1),
        id(2),
        id(1)
    ));
    assert_eq!(node.drain().refused_count, 0);
    expect!["12.50|2024-01-31 13:05:00|text|committed"]
        .assert_eq(&node.ask("SELECT price, at, typeof(price), treaty_status FROM notes"));
    node.check_settled();
}

#[test]
fn a_value_without_canonical_form_is_put_back_and_reported_with_the_whole_transaction() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO notes (id, title, price) VALUES ('{}', 't', 1)", id(1)));
    node.drain();
    node.run(&format!(
        "UPDATE notes SET price = 1.005, title = 'lost'; INSERT INTO people (id, name) VALUES ('{}', 'lost too')",
        id(2)
    ));
    let drained = node.drain();
    assert_eq!((drained.refused_count, drained.transaction_count), (1, 0));
    expect!["t|1.00|reverted"].assert_eq(&node.ask("SELECT title, price, treaty_status FROM notes"));
    expect!["0"].assert_eq(&node.ask("SELECT count(*) FROM people"));
    expect![[r#"
        people|insert|refused|{"id":"00000000-0000-4000-8000-000000000002","name":"lost too","age":null,"score":null}
        notes|update|refused|{"id":"00000000-0000-4000-8000-000000000001","owner":null,"title":"lost","price":"1.005","at":null,"done":0,"kind":null}"#]]
    .assert_eq(&node.ask("SELECT table_name, operation, reason, lost FROM treaty_rollbacks ORDER BY cursor"));
    let message = node.ask("SELECT DISTINCT message FROM treaty_rollbacks");
    assert!(message.starts_with("type: notes.price of row 00000000-0000-4000-8000-000000000001: "), "{message}");
    node.check_settled();
}

#[test]
fn what_the_engine_refuses_is_put_back_and_reported() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    node.drain();
    // The application's library checks no foreign keys; the engine does.
    node.run(&format!(
        "INSERT INTO notes (id, owner, title) VALUES ('{}', '{}', 'dangling');
         INSERT INTO treaty_tx DEFAULT VALUES; UPDATE people SET age = 1",
        id(2),
        id(99)
    ));
    let drained = node.drain();
    assert_eq!((drained.refused_count, drained.transaction_count), (1, 1));
    expect!["0"].assert_eq(&node.ask("SELECT count(*) FROM notes"));
    expect!["ann|1|committed"].assert_eq(&node.ask("SELECT name, age, treaty_status FROM people"));
    let message = node.ask("SELECT reason, message FROM treaty_rollbacks");
    assert!(message.starts_with("refused|foreign_key: "), "{message}");
    node.check_settled();
}

#[test]
fn a_deleted_row_comes_back_when_the_delete_is_refused() {
    let mut node = TestNode::found(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT);
         CREATE TABLE u (id UUID PRIMARY KEY, t UUID NOT NULL REFERENCES t (id) ON DELETE RESTRICT);
         CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON t FOR DELETE USING (true);
         CREATE POLICY c ON u FOR INSERT WITH CHECK (true);",
    );
    node.run(&format!(
        "INSERT INTO t (id, a) VALUES ('{}', 'x'); INSERT INTO u (id, t) VALUES ('{}', '{}')",
        id(1),
        id(2),
        id(1)
    ));
    node.drain();
    node.run("DELETE FROM t");
    assert_eq!(node.drain().refused_count, 1);
    expect!["x|reverted"].assert_eq(&node.ask("SELECT a, treaty_status FROM t"));
    node.check_settled();
}

#[test]
fn replace_through_another_unique_key_is_seen_with_recursive_triggers_on_and_off() {
    for recursive in ["OFF", "ON"] {
        let mut node = TestNode::found(OPEN);
        node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann'), ('{}', 'bob')", id(1), id(2)));
        node.drain();
        node.run(&format!(
            "PRAGMA recursive_triggers = {recursive}; INSERT OR REPLACE INTO people (id, name) VALUES ('{}', 'ann')",
            id(3)
        ));
        assert_eq!(node.drain().operation_count, 2, "recursive_triggers {recursive}");
        node.check_settled();
        node.run(&format!(
            "PRAGMA recursive_triggers = {recursive}; UPDATE OR REPLACE people SET name = 'bob' WHERE id = '{}'",
            id(3)
        ));
        assert_eq!(node.drain().operation_count, 2, "recursive_triggers {recursive}");
        assert_eq!(node.ask("SELECT id, name FROM people"), format!("{}|bob", id(3)));
        node.check_settled();
    }
}

#[test]
fn replace_of_one_id_is_an_update_unless_a_fixed_column_changes() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO notes (id, title, kind) VALUES ('{}', 'a', 'k')", id(1)));
    node.drain();
    node.run(&format!("INSERT OR REPLACE INTO notes (id, title, kind) VALUES ('{}', 'b', 'k')", id(1)));
    assert_eq!(node.drain().operation_count, 1);
    node.check_settled();
    node.run(&format!("INSERT OR REPLACE INTO notes (id, title, kind) VALUES ('{}', 'b', 'other')", id(1)));
    assert_eq!(node.drain().operation_count, 2);
    node.check_settled();
    node.run(&format!("DELETE FROM notes; INSERT INTO notes (id, title) VALUES ('{}', 'again')", id(1)));
    assert_eq!(node.drain().operation_count, 2);
    expect!["again|-|committed"].assert_eq(&node.ask("SELECT title, kind, treaty_status FROM notes"));
    node.check_settled();
}

#[test]
fn outer_conflict_clauses_lose_nothing() {
    let mut node = TestNode::found(OPEN);
    let write = |clause: &str, number: u32, name: &str| {
        format!("INSERT {clause} INTO people (id, name) VALUES ('{}', '{name}')", id(number))
    };
    for (step, clause) in ["", "OR FAIL", "OR ABORT", "OR IGNORE", "OR REPLACE", "OR ROLLBACK"].iter().enumerate() {
        let number = u32::try_from(step).unwrap();
        node.run(&write(clause, number, &format!("name{number}")));
        assert_eq!(node.drain().operation_count, 1, "{clause}");
        node.run(&format!("UPDATE {clause} people SET age = {number} WHERE id = '{}'", id(number)));
        assert_eq!(node.drain().operation_count, 1, "{clause}");
    }
    // Ignored: the BEFORE triggers ran, nothing happened.
    node.run(&write("OR IGNORE", 50, "name1"));
    assert_eq!(node.drain().operation_count, 0);
    node.run(&format!("{} ON CONFLICT (name) DO UPDATE SET age = 77", write("", 51, "name1")));
    assert_eq!(node.drain().operation_count, 1);
    node.check_settled();
}

#[test]
fn a_rolled_back_savepoint_leaves_nothing_behind() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!(
        "BEGIN; INSERT INTO people (id, name) VALUES ('{}', 'kept'); SAVEPOINT s;
         INSERT INTO people (id, name) VALUES ('{}', 'dropped'); ROLLBACK TO s; RELEASE s; COMMIT",
        id(1),
        id(2)
    ));
    assert_eq!(node.drain().operation_count, 1);
    node.check_settled();
}

#[test]
fn a_write_between_the_two_halves_of_a_drain_stays_pending_and_is_taken_next() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    // The link writes as an application would, while the engine signs.
    let path = node.path();
    let first = node.with(|application, link| {
        let meddle = || rusqlite::Connection::open(&path).unwrap().execute_batch("UPDATE people SET age = 5").unwrap();
        application.drain(&mut Meddling::new(link, meddle)).unwrap()
    });
    assert_eq!(first.entries.len(), 1);
    assert_eq!(node.ask("SELECT treaty_status FROM people"), "pending");
    let second = node.drain();
    assert_eq!((second.operation_count, second.entries.len()), (1, 1));
    node.check_settled();
}

#[test]
fn a_transaction_beyond_the_size_of_an_entry_is_cut_and_counted() {
    let mut node = TestNode::found(OPEN);
    node.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 28)
         INSERT INTO notes (title) SELECT hex(randomblob(500000)) FROM n",
    );
    let drained = node.drain();
    assert_eq!((drained.refused_count, drained.cut_count, drained.operation_count), (0, 2, 28));
    assert_eq!(drained.transaction_count, 3);
    node.check_settled();
}
