//! Tables rebuilt, triggers dropped, rows changed behind our back.

use expect_test::expect;
use treaty::database::{Checked, DatabaseError};

use crate::both::on_postgres;
use crate::meddle::Overtaking;
use crate::node::{OPEN, TestNode, id, sync};

on_postgres!(a_table_made_anew_before_a_batch_is_written_gets_its_columns_back_and_the_batch);

/// Rebuilds `people` as migration tools do, with the given columns beside `id`.
fn rebuild(node: &TestNode, declared: &str, copied: &str) {
    node.run(&anew(declared, copied));
}

fn anew(declared: &str, copied: &str) -> String {
    format!(
        "BEGIN; CREATE TABLE new_people (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER, score REAL{declared});
         INSERT INTO new_people SELECT id, name, age, score{copied} FROM people;
         DROP TABLE people; ALTER TABLE new_people RENAME TO people; COMMIT"
    )
}

/// Django's migration of a table met it on SQLite: triggers and columns were looked at, a batch was worked out, and when it was written
/// the columns were gone. The sidecar ended with what the database said.
#[test]
fn a_table_made_anew_before_a_batch_is_written_gets_its_columns_back_and_the_batch() {
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 1)", id(1)));
    sync(&mut a, &mut b);
    a.run("UPDATE people SET age = 2");
    a.drain();
    b.pull(&a);
    let make_anew: Box<dyn FnOnce()> = if let Some(server) = b.server() {
        let mut client = server.connect();
        Box::new(move || {
            client
                .run("ALTER TABLE people DROP COLUMN treaty_status CASCADE, DROP COLUMN treaty_author CASCADE")
                .unwrap();
        })
    } else {
        let client = b.client();
        Box::new(move || client.execute_batch(&anew("", "")).unwrap())
    };
    let failed = b.with(|application, link| application.apply(&mut Overtaking::new(link, make_anew))).unwrap_err();
    assert!(matches!(failed, DatabaseError::Sql { .. }), "{failed:?}");
    b.with(|application, _| application.mend(failed)).unwrap();
    assert!(b.with(|application, _| application.take_suspicion()));
    b.apply();
    assert_eq!(b.ask("SELECT name, age, treaty_status FROM people"), "ann|2|committed");
    b.check_settled();
    // What fails with everything in place is nobody's fault but its own.
    let failed = DatabaseError::Sql { doing: "writing", cause: "no such table".into() };
    let told = b.with(|application, _| application.mend(failed)).unwrap_err();
    assert!(matches!(told, DatabaseError::Sql { doing: "writing", .. }), "{told:?}");
    assert!(!b.with(|application, _| application.take_suspicion()));
}

fn check(node: &mut TestNode) -> Checked {
    node.with(|application, _| application.check_triggers()).unwrap()
}

#[test]
fn a_rebuilt_table_gets_its_triggers_back_and_what_they_missed_is_imported() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 1), ('{}', 'bob', 1)", id(1), id(2)));
    node.drain();
    assert_eq!(check(&mut node), Checked::InOrder);
    rebuild(
        &node,
        ", treaty_status TEXT NOT NULL DEFAULT 'pending', treaty_author TEXT",
        ", treaty_status, treaty_author",
    );
    node.run(&format!(
        "UPDATE people SET age = 9 WHERE name = 'ann'; DELETE FROM people WHERE name = 'bob';
         INSERT INTO people (id, name) VALUES ('{}', 'eve')",
        id(3)
    ));
    assert_eq!(node.drain().line_count, 0);
    assert_eq!(check(&mut node), Checked::Mended { tables: vec!["people".into()] });
    assert_eq!(node.audit(), 3);
    node.check_settled();
    expect!["ann|9\neve|-"].assert_eq(&node.ask("SELECT name, age FROM people ORDER BY name"));
    node.run("UPDATE people SET age = 10");
    assert_eq!(node.drain().operation_count, 2);
    assert_eq!(check(&mut node), Checked::InOrder);
}

#[test]
fn a_table_rebuilt_without_our_columns_gets_them_back_with_the_right_marks() {
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    sync(&mut a, &mut b);
    let marks = b.ask("SELECT treaty_status, treaty_author FROM people");
    rebuild(&b, "", "");
    assert_eq!(check(&mut b), Checked::Mended { tables: vec!["people".into()] });
    assert_eq!(b.audit(), 0);
    assert_eq!(b.ask("SELECT treaty_status, treaty_author FROM people"), marks);
    b.check_settled();
}

#[test]
fn a_dropped_trigger_is_made_again() {
    let mut node = TestNode::found(OPEN);
    node.run("DROP TRIGGER treaty_notes_insert");
    node.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 'unseen')", id(1)));
    node.restart().unwrap();
    assert_eq!(node.audit(), 1);
    node.check_settled();
    node.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 'seen')", id(2)));
    assert_eq!(node.drain().operation_count, 1);
}

#[test]
fn a_column_that_is_gone_is_refused_with_what_to_do() {
    let mut node = TestNode::found(OPEN);
    node.run("DROP TRIGGER treaty_notes_update; DROP TRIGGER treaty_notes_fixed; ALTER TABLE notes DROP COLUMN at");
    let error = node.restart().unwrap_err();
    assert!(matches!(error, DatabaseError::SchemaChanged { .. }), "{error}");
    expect![
        "table notes does not fit the schema: column at is gone; put it back as the schema has it, or change the schema"
    ]
    .assert_eq(&error.to_string());
}

#[test]
fn rows_changed_behind_our_back_are_found_by_the_audit_in_a_large_table() {
    let mut node = TestNode::found(OPEN);
    let prefix = "00000000-0000-4000-8000-";
    node.run(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500)
         INSERT INTO notes (id, title) SELECT printf('{prefix}%012d', i), 'n' FROM n"
    ));
    node.drain();
    assert_eq!(node.audit(), 0);
    node.run(&format!(
        "INSERT INTO treaty_applying VALUES (1);
         UPDATE notes SET title = 'changed' WHERE id IN ('{0}', '{1}', '{2}');
         DELETE FROM notes WHERE id IN ('{3}', '{4}', '{5}');
         INSERT INTO notes (id, title) VALUES ('{6}', 'x'), ('{7}', 'y');
         DELETE FROM treaty_applying",
        id(1),
        id(1_000),
        id(3_500),
        id(2),
        id(1_001),
        id(2_000),
        id(0),
        id(9_000)
    ));
    assert_eq!(node.drain().line_count, 0);
    assert_eq!(node.audit(), 8);
    node.check_settled();
    assert_eq!(node.audit(), 0);
}

#[test]
fn a_flag_row_left_behind_by_somebody_else_is_removed_and_what_it_hid_is_imported() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!(
        "INSERT INTO treaty_applying VALUES (1); INSERT INTO people (id, name) VALUES ('{}', 'hidden')",
        id(1)
    ));
    assert_eq!(node.drain().line_count, 0);
    node.restart().unwrap();
    assert_eq!(node.audit(), 1);
    node.check_settled();
}

#[test]
fn large_rows_among_small_ones_are_read_some_at_a_time() {
    let mut node = TestNode::found(OPEN);
    let large = |number: u32| {
        format!(
            "INSERT INTO people (id, name) VALUES ('{}', 'p{number}');
             INSERT INTO notes (id, title) VALUES ('{}', hex(zeroblob(400000)) || {number});",
            id(number),
            id(1_000 + number)
        )
    };
    node.run(&(0..30).map(large).collect::<String>());
    let drained = node.drain();
    assert_eq!((drained.refused_count, drained.operation_count), (0, 60));
    node.check_settled();
    assert_eq!(node.audit(), 0);
    node.run(&format!(
        "INSERT INTO treaty_applying VALUES (1); UPDATE notes SET title = 'cut' WHERE id = '{}';
         DELETE FROM notes WHERE id IN ('{}', '{}'); DELETE FROM treaty_applying",
        id(1_029),
        id(1_011),
        id(1_012)
    ));
    assert_eq!(node.audit(), 3);
    node.check_settled();
    node.run("DELETE FROM notes; DELETE FROM people");
    assert_eq!(node.drain().operation_count, 58);
    node.check_settled();
}

#[test]
fn an_audit_of_a_database_that_nobody_wrote_to_since_compares_nothing() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    assert_eq!(node.audit(), 0);
    let compared = |node: &mut TestNode| {
        node.with(|application, link| {
            let mut counting = crate::meddle::Counting::new(link);
            assert_eq!(application.audit(&mut counting).unwrap(), 0);
            counting.page_count
        })
    };
    // The audit before drained the insert: another connection's commit is not the same as nothing.
    assert_eq!(compared(&mut node), 0);
    node.run("UPDATE people SET age = 1");
    assert_eq!(compared(&mut node), 2);
    assert_eq!(compared(&mut node), 0);
}
